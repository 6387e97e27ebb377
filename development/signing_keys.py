"""The keys that sign tokens: one signs, the one before it is still published."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from development import private_files

_PUBLISHED = 2
_END = b"-----END PRIVATE KEY-----\n"


class SigningKeys:
    """RSA keys, the one that signs first. `save` is given all of them, as PEM, when they change."""

    def __init__(
        self,
        keys: Sequence[rsa.RSAPrivateKey] = (),
        save: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self._save = save
        self._keys = {_key_id(key): key for key in keys[:_PUBLISHED]}
        if not self._keys:
            self.rotate()

    @property
    def key_id(self) -> str:
        """The `kid` of the key that signs."""
        return next(iter(self._keys))

    def rotate(self) -> str:
        """Sign with a new key; the one that signed until now stays published, older ones do not.

        Returns the new key's id. Tokens signed with a dropped key can no longer be verified.
        """
        new = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        kept = list(self._keys.values())[: _PUBLISHED - 1]
        self._keys = {_key_id(key): key for key in (new, *kept)}
        self._save(b"".join(_pem(key) for key in self._keys.values()))
        return self.key_id

    def sign(self, claims: Mapping[str, Any], *, thumbprint: bool = False) -> str:
        """A signed token. Entra's v1 tokens name the key a second time, as `x5t`."""
        key_id = self.key_id
        headers = {"kid": key_id, **({"x5t": key_id} if thumbprint else {})}
        return jwt.encode(dict(claims), self._keys[key_id], algorithm="RS256", headers=headers)

    def public_key(self, key_id: object) -> rsa.RSAPublicKey | None:
        """The published key of that id, or None."""
        key = self._keys.get(key_id) if isinstance(key_id, str) else None
        return key.public_key() if key else None

    def published(self, issuer: str | None) -> dict[str, Any]:
        """The key set (RFC 7517) with the members Entra writes, save for certificates (`x5c`).

        Entra tells the `issuer` in its v2 key set alone; v1 tokens are signed with the same keys.
        """
        keys = []
        for key_id, key in self._keys.items():
            numbers = key.public_key().public_numbers()
            keys.append(
                {
                    "kty": "RSA",
                    "use": "sig",
                    "kid": key_id,
                    "x5t": key_id,
                    "n": _base64(numbers.n),
                    "e": _base64(numbers.e),
                    **({"issuer": issuer} if issuer else {}),
                }
            )
        return {"keys": keys}


def open_file(path: Path) -> SigningKeys:
    """The keys kept in a private file, which is made when it is not there.

    Raises NotPrivate when others can read it or it holds no keys of ours.
    """
    private_files.folder(path.parent)
    content = private_files.read(path)
    keys = [_load(path, part + _END) for part in (content or b"").split(_END) if part]
    return SigningKeys(keys, lambda pem: private_files.write(path, pem))


def _load(path: Path, pem: bytes) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise private_files.NotPrivate(f"{path} does not hold signing keys; remove it.")
    return key


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _key_id(key: rsa.RSAPrivateKey) -> str:
    """As long as Entra's, which are SHA-1 thumbprints of certificates."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.urlsafe_b64encode(hashlib.sha256(public).digest()[:20]).decode().rstrip("=")


def _base64(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
