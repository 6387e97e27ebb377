"""The `WWW-Authenticate` value of a 401 or 403: what the client must present instead."""

from collections.abc import Sequence
from dataclasses import dataclass

_ESCAPES = str.maketrans({'"': "'", "\\": "/"})


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge (RFC 9110 section 11.6.1) of an authentication scheme.

    `ApiKey` challenges name a realm; `Bearer` ones (RFC 6750 section 3) say where the protected
    resource metadata is (RFC 9728 section 5.1) and which scopes to ask for. A host may keep only
    one `WWW-Authenticate` line, so there is never more than one. `claims` are what the next token
    has to satisfy, as JSON in base64 (Microsoft's claims challenge).
    """

    scheme: str
    realm: str | None = None
    error: str | None = None
    description: str | None = None
    scopes: Sequence[str] = ()
    resource_metadata: str | None = None
    claims: str | None = None

    def __str__(self) -> str:
        parameters = {
            "realm": self.realm,
            "error": self.error,
            "error_description": self.description,
            "resource_metadata": self.resource_metadata,
            "claims": self.claims,
            "scope": " ".join(self.scopes) or None,
        }
        quoted = [f'{k}="{_quoted(v)}"' for k, v in parameters.items() if v is not None]
        return f"{self.scheme} {', '.join(quoted)}"


def _quoted(text: str) -> str:
    """Text that needs no escaping in a quoted-string (RFC 6750 section 3 allows no `"` or `\\`)."""
    return "".join(c if " " <= c <= "~" else "?" for c in text).translate(_ESCAPES)
