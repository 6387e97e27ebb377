"""Who the endpoint takes its caller for."""

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.tools import ToolContext, tool


@dataclass
class Identity:
    """A caller, without the credential it came with."""

    kind: str
    principal: str
    scheme: str | None
    name: str | None
    tenant_id: str | None
    client_id: str | None
    scopes: list[str]
    roles: list[str]
    expires: datetime | None


@tool(title="Who am I?", read_only=True, open_world=False)
async def whoami(context: ToolContext) -> Identity:
    """Tell what this endpoint knows about you: kind of caller, principal, scopes and roles.

    Useful to find out why a tool is missing or refused. Never shows a token or a key.
    """
    caller = context.caller
    expires = caller.expires_at
    return Identity(
        kind=caller.kind,
        principal=caller.principal,
        scheme=caller.scheme,
        name=caller.name,
        tenant_id=caller.tenant_id,
        client_id=caller.client_id,
        scopes=sorted(caller.scopes),
        roles=sorted(caller.roles),
        expires=None if expires is None else datetime.fromtimestamp(expires, UTC),
    )
