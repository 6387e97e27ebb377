"""Who is calling, as far as the endpoint knows."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Caller:
    """The verified identity behind one request.

    `scopes` are delegated permissions in the form the credential carries them, `roles` app roles.
    `expires_at` is in seconds since the epoch. `assertion` is the raw token for on-behalf-of
    calls; it never shows in a repr and two callers are compared without it.
    """

    kind: Literal["user", "application", "key", "anonymous"]
    scheme: str | None = None
    key_id: str | None = None
    tenant_id: str | None = None
    object_id: str | None = None
    client_id: str | None = None
    name: str | None = None
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    expires_at: float | None = None
    assertion: str | None = field(default=None, repr=False, compare=False)

    @property
    def principal(self) -> str:
        """The stable string for this caller: `tid/oid`, `key/<id>` or `anonymous`."""
        if self.kind == "key":
            return f"key/{self.key_id}"
        if self.kind == "anonymous":
            return "anonymous"
        return f"{self.tenant_id}/{self.object_id}"


ANONYMOUS = Caller(kind="anonymous")
