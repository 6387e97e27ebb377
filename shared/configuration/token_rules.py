"""Keys of ours in a scheme that takes access tokens, and which claims it reads."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Names = list[str]


class GrantSection(msgspec.Struct, rename="pascal", frozen=True):
    roles: Names = []


class TokenRules(msgspec.Struct, rename="pascal", frozen=True):
    """Keys of ours in a scheme that takes access tokens."""

    client_id: Annotated[
        str | None,
        Meta(description="Ours: the API's application (client) id, the audience of v2 tokens."),
    ] = None
    allowed_tenants: Annotated[
        Names, Meta(description="Ours: ids of the tenants whose tokens are taken.")
    ] = []
    allowed_client_ids: Annotated[
        Names, Meta(description="Ours: ids of the only client applications that may call.")
    ] = []
    application_grants: Annotated[
        dict[str, GrantSection],
        Meta(description="Ours: by client id, roles of applications whose tokens have none."),
    ] = {}
    application_roles: Annotated[
        dict[str, Names],
        Meta(description="Ours: by scope, app roles that stand for it in applications' tokens."),
    ] = {}
    algorithms: Annotated[
        list[Literal["RS256", "PS256"]],
        Meta(min_length=1, description="Ours: accepted signature algorithms."),
    ] = msgspec.field(default_factory=lambda: ["RS256"])
    clock_skew_seconds: Annotated[
        float, Meta(ge=0, le=300, description="Ours: how far clocks may differ.")
    ] = 60.0
    signing_key_refresh_seconds: Annotated[
        float, Meta(ge=60, le=86400, description="Ours: age at which signing keys are renewed.")
    ] = 3600.0
    signing_key_outage_seconds: Annotated[
        float,
        Meta(ge=60, le=604800, description="Ours: how long keys serve while Entra is away."),
    ] = 86400.0


class Claims(msgspec.Struct, rename="pascal", frozen=True):
    scope_claim: str = "scp"
    role_claim: str = "roles"
    name_claim: str | None = None
