"""The format of API keys made here, and how any key is stored: as a digest.

`mcp_<id>_<secret>_<checksum>`: the id names the key and is no secret; the secret has 256 random
bits; the checksum is the CRC32 of everything before it, for scanners that look for leaked keys and
against typing errors. It protects nothing: anybody can compute it.
"""

import hashlib
import re
import secrets
import string
import zlib

ID = re.compile(r"[a-z0-9]{8,24}")
MIN_FOREIGN_LENGTH = 32
"""The fewest characters of a key in another format."""

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KEY = re.compile(r"(mcp_([a-z0-9]{8,24})_[0-9A-Za-z]{43,200})_([0-9A-Za-z]{6})")
_FOREIGN = re.compile(rf"[!-~]{{{MIN_FOREIGN_LENGTH},1000}}")
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
_SECRET_LENGTH = 43  # 62**43 is just above 2**256
_ID_LENGTH = 12
_CHECKSUM_LENGTH = 6


def new_id() -> str:
    """A random id."""
    return "".join(secrets.choice(_ALPHABET[:10] + _ALPHABET[36:]) for _ in range(_ID_LENGTH))


def make(id: str) -> str:
    """A new key. Raises ValueError for an id that keys cannot have."""
    if not ID.fullmatch(id):
        raise ValueError("expected an id of 8 to 24 characters a-z and 0-9")
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    body = f"mcp_{id}_{secret}"
    return f"{body}_{_checksum(body)}"


def parse(text: str) -> str | None:
    """The id in a key of this format, or None when it is none.

    Checks the form and the checksum; not that such a key exists, let alone is valid.
    """
    match = _KEY.fullmatch(text)
    if match is None or _checksum(match[1]) != match[3]:
        return None
    return match[2]


def is_foreign(text: str) -> bool:
    """Whether a text may be a key in another format: 32 to 1000 characters of printable ASCII
    without spaces. What begins like a key made here is not, so that a misspelt one is nobody's."""
    return bool(_FOREIGN.fullmatch(text)) and not text.startswith("mcp_")


def digest(key: str) -> bytes:
    """The SHA-256 of a key. Keys are random and long: there is no dictionary to slow down."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()


def digest_text(key: str) -> str:
    """A key's digest as it is stored: `sha256:<hex>`."""
    return f"sha256:{digest(key).hex()}"


def read_digest(text: str) -> bytes | None:
    """The digest in its stored form, or None when this is not one."""
    match = _DIGEST.fullmatch(text)
    return bytes.fromhex(match[1]) if match else None


def _checksum(body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
