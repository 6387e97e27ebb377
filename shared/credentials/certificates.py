"""A certificate and its key, as Key Vault keeps them: PEM, or PFX in base64."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509


class BadCertificate(ValueError):
    """What is in the vault is no certificate with its private key. The text holds none of it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in PEM, the private key beside it, and its dates (seconds since the epoch).

    `thumbprint` is its SHA-256, in hexadecimal.
    """

    pem: str
    key: str = field(repr=False)
    thumbprint: str
    not_before: float
    not_after: float


def parse(value: str) -> Certificate:
    """The certificate in a Key Vault secret's value. Raises BadCertificate.

    Does not check its dates, nor that anybody trusts it: Entra knows it by its thumbprint.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    try:
        key, leaf = _of_pem(value) if "-----BEGIN" in value else _of_pfx(value)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        raise BadCertificate("holds no certificate that can be read: no PEM and no PFX") from None
    if key is None or leaf is None:
        raise BadCertificate("lacks the private key or its certificate")
    if not isinstance(key, RSAPrivateKey):
        raise BadCertificate("has a key that is not RSA, which Entra ID does not take")
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Certificate(
        leaf.public_bytes(serialization.Encoding.PEM).decode(),
        private.decode(),
        leaf.fingerprint(hashes.SHA256()).hex(),
        leaf.not_valid_before_utc.timestamp(),
        leaf.not_valid_after_utc.timestamp(),
    )


def _of_pem(value: str) -> "tuple[Any, x509.Certificate | None]":
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    data = value.encode()
    key = serialization.load_pem_private_key(data, None) if "PRIVATE KEY" in value else None
    chain = x509.load_pem_x509_certificates(data)
    return key, None if key is None else _matching(key, chain)


def _of_pfx(value: str) -> "tuple[Any, x509.Certificate | None]":
    from cryptography.hazmat.primitives.serialization import pkcs12

    key, certificate, _ = pkcs12.load_key_and_certificates(
        base64.b64decode(value.strip(), validate=True), None
    )
    return key, certificate


def _matching(key: Any, chain: "list[x509.Certificate]") -> "x509.Certificate | None":
    """The certificate of a key among those of its chain, which may come in any order."""
    public = key.public_key()
    return next((one for one in chain if one.public_key() == public), None)
