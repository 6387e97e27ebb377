"""What is asked of a strategy, and what it gives."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shared.caller import Caller
from shared.credential import CredentialRefused


class Wanted(NamedTuple):
    """A request for a token: what an Azure SDK client passes to `get_token`."""

    scopes: tuple[str, ...]
    claims: str | None = None
    tenant_id: str | None = None
    enable_cae: bool = False

    @property
    def resource(self) -> str:
        """What the token is for: the first scope without its last part."""
        return self.scopes[0].rpartition("/")[0] or self.scopes[0]


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; `expires_at` is in seconds since the epoch."""

    text: str = field(repr=False)
    expires_at: float


class Strategy(Protocol):
    """One way to call Azure for a caller."""

    async def token(self, caller: Caller, wanted: Wanted) -> Token:
        """A token for what is wanted. Raises CredentialRefused."""
        ...

    def identity(self, caller: Caller) -> str:
        """As whom Azure is called, for the audit record: the strategy's name and who it is."""
        ...


class Key(NamedTuple):
    """Everything that decides which token fits: two requests that differ here share none."""

    strategy: str
    tenant: str
    principal: str
    assertion: str | None
    wanted: Wanted

    def __repr__(self) -> str:
        return f"<Key of {self.strategy} {self.principal}>"

    def digest(self) -> bytes:
        """The SHA-256 of it all: no assertion is kept, and nothing in one part mimics another."""
        hashed = hashlib.sha256((self.assertion or "").encode()).hexdigest()
        parts = [self.strategy, self.tenant, self.principal, hashed, self.wanted]
        return hashlib.sha256(json.dumps(parts).encode()).digest()


def same_tenant(wanted: Wanted, tenant: str) -> None:
    """Refuse a request for a token of another tenant than `tenant`."""
    if wanted.tenant_id is not None and wanted.tenant_id.lower() != tenant.lower():
        raise CredentialRefused(
            f"The Azure resource belongs to the tenant {wanted.tenant_id}; "
            f"this call acts in the tenant {tenant} and in no other."
        )
