"""Azure MCP's dialects: the self-hosting pull request's `inboundAuthentication`, and `AzureAd`.

`AzureAd` is what Azure MCP 2.x reads from variables such as `AzureAd__TenantId`; the keys are those
of Microsoft.Identity.Web. Neither knows API keys or rules per tool: those come from
`PowerShellConfiguration`.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.configuration.entra import (
    Circumstances,
    Claims,
    Identity,
    Names,
    TokenRules,
    read_scheme,
)
from shared.configuration.model import AuthenticationSettings, Cors, Listed, Requirement
from shared.configuration.poshmcp import listed, warn_not_applicable, written
from shared.configuration.problems import Report
from shared.validation import Path

SCHEME = "AzureAd"
SCOPE = "Mcp.Tools.ReadWrite"
APP_ROLE = "Mcp.Tools.ReadWrite.All"
"""What Azure MCP asks of users and of applications; it cannot be configured there."""

_PUBLIC_CLOUD = "https://login.microsoftonline.com/"


class InboundAzureAd(msgspec.Struct, rename="camel", frozen=True):
    instance: str = _PUBLIC_CLOUD
    tenant_id: str | None = None
    client_id: str | None = None
    audience: str | None = None
    required_roles: Annotated[Names, Meta(description="App roles of which callers need one.")] = []


class InboundSection(msgspec.Struct, rename="camel", frozen=True):
    type: Literal["JwtBearerScheme"]
    azure_ad: InboundAzureAd


class AzureAdSection(msgspec.Struct, rename="pascal", frozen=True):
    instance: str = _PUBLIC_CLOUD
    tenant_id: str | None = None
    client_id: str | None = None
    audience: str | None = None
    audiences: Names = []
    authority: str | None = None
    allow_web_api_to_be_authorized_by_a_c_l: bool = msgspec.field(
        default=False, name="AllowWebApiToBeAuthorizedByACL"
    )
    client_credentials: Any = None
    app_home_tenant_id: Any = None
    azure_region: Any = None
    client_capabilities: Any = None
    enable_pii_logging: Any = None
    extra_query_parameters: Any = None
    send_x5_c: Any = msgspec.field(default=None, name="SendX5C")
    token_decryption_credentials: Any = None


def read_inbound(
    section: InboundSection, report: Report, where: Circumstances
) -> AuthenticationSettings | None:
    """`inboundAuthentication` as settings, or None when `report` says why not."""
    at: Path = ("inboundAuthentication", "azureAd")
    given = section.azure_ad
    names = {"Authority": "tenantId", "Audience": "audience", "ClientId": "clientId"}
    identity = _identity(
        given.instance, given.tenant_id, given.client_id, [given.audience] if given.audience else []
    )
    scheme = read_scheme(identity, lambda key: (*at, names.get(key, key)), report, where)
    if scheme is None:
        return None
    roles = listed(given.required_roles, (*at, "requiredRoles"), report)
    policy = Requirement(roles=roles, written=written(("inboundAuthentication",), report))
    return AuthenticationSettings(True, (), policy, "reachable", Cors(), scheme)


def read_azure_ad(
    section: AzureAdSection, report: Report, where: Circumstances
) -> AuthenticationSettings | None:
    """`AzureAd` as settings with Azure MCP's own scope and app role, or None on an error."""
    at: Path = (SCHEME,)
    warn_not_applicable(section, at, report)
    if section.allow_web_api_to_be_authorized_by_a_c_l:
        report.error(
            (*at, "AllowWebApiToBeAuthorizedByACL"),
            "would admit every application of the tenant; expected false and an app role for each "
            "application (or ApplicationGrants in a section Authentication)",
        )
    audiences = [a for a in (section.audience, *section.audiences) if a]
    identity = _identity(section.instance, section.tenant_id, section.client_id, audiences)
    if section.authority:
        identity = identity._replace(authority=section.authority)
    names = {"Authority": "Authority" if section.authority else "TenantId"}
    scheme = read_scheme(identity, lambda key: (*at, names.get(key, key)), report, where)
    if scheme is None:
        return None
    place = f"Azure MCP's preset for {written(at, report)}"
    policy = Requirement(scopes=Listed(frozenset({SCOPE}), place), written=place)
    roles = {SCOPE: frozenset({APP_ROLE})}
    return AuthenticationSettings(True, (), policy, "reachable", Cors(), scheme, roles)


def _identity(
    instance: str, tenant_id: str | None, client_id: str | None, audiences: Names
) -> Identity:
    authority = f"{instance.rstrip('/')}/{tenant_id}" if tenant_id else None
    # As Microsoft.Identity.Web: the client's id in both forms where no audience is named.
    audiences = audiences or ([f"api://{client_id}"] if client_id else [])
    return Identity(
        SCHEME, authority, audiences, [], True, Claims(), TokenRules(client_id=client_id)
    )
