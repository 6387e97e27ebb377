"""The certificate the development identity shows over https, and the authority that signed it.

MSAL takes https authorities only. Point REQUESTS_CA_BUNDLE at the authority's file and it trusts
this one. The authority's key is thrown away as soon as it has signed, and the authority is
constrained to this machine's names, so that trusting it cannot be turned against anybody.
"""

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from development import private_files

_LIFETIME = timedelta(days=90)
_RENEWED_BEFORE = timedelta(days=7)
_NAMES = ("localhost",)
_ADDRESSES = ("127.0.0.1/32", "::1/128")


class Files(NamedTuple):
    """`authority` is what clients trust; `server` holds the certificate and its key."""

    authority: Path
    server: Path


def files_in(folder: Path, now: Callable[[], float]) -> Files:
    """The two files in a private folder, made anew when they are missing or about to expire.

    Raises NotPrivate when others can read them.
    """
    private_files.folder(folder)
    files = Files(folder / "ca.pem", folder / "server.pem")
    moment = datetime.fromtimestamp(now(), UTC)
    if not _usable(files, moment):
        authority, server = _made(moment)
        private_files.write(files.authority, authority)
        private_files.write(files.server, server)
    return files


def _usable(files: Files, moment: datetime) -> bool:
    contents = [private_files.read(file) for file in files]
    try:
        authority, server = (x509.load_pem_x509_certificate(pem or b"") for pem in contents)
        server.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return all(
        certificate.not_valid_before_utc
        <= moment
        < certificate.not_valid_after_utc - _RENEWED_BEFORE
        for certificate in (authority, server)
    )


def _made(moment: datetime) -> tuple[bytes, bytes]:
    """The authority as PEM, and the server's key and certificate as PEM."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "Postern development identity, this machine only")]
    )
    addresses = [ipaddress.ip_network(address) for address in _ADDRESSES]
    permitted = [x509.DNSName(name) for name in _NAMES]
    authority = (
        _begun(issuer, issuer, authority_key.public_key(), authority_key.public_key(), moment)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.NameConstraints([*permitted, *(x509.IPAddress(a) for a in addresses)], None),
            critical=True,
        )
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    hosts = [x509.IPAddress(address.network_address) for address in addresses]
    server = (
        _begun(subject, issuer, key.public_key(), authority_key.public_key(), moment)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([*permitted, *hosts]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return _pem(authority), private + _pem(server)


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    moment: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(minutes=5))
        .not_valid_after(moment + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
