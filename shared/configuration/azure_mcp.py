"""Azure MCP's dialects: the self-hosting pull request's `inboundAuthentication`, and `AzureAd`.

`AzureAd` is what Azure MCP 2.x reads from variables such as `AzureAd__TenantId`; the keys are those
of Microsoft.Identity.Web. Neither knows API keys or rules per tool: those come from
`PowerShellConfiguration`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.configuration import authority, azure_mcp_variables, sign_in
from shared.configuration.azure_mcp_outbound import ClientCredentialEntry, OutgoingStrategy
from shared.configuration.entra import Circumstances, Identity, read_scheme
from shared.configuration.model import (
    AuthenticationSettings,
    Cors,
    EntraScheme,
    Listed,
    ProtectedResource,
    Requirement,
)
from shared.configuration.poshmcp import listed, warn_not_applicable, written
from shared.configuration.problems import Report
from shared.configuration.token_rules import Claims, Names, TokenRules
from shared.validation import Path

SCHEME = "AzureAd"
SCOPE = "Mcp.Tools.ReadWrite"
APP_ROLE = "Mcp.Tools.ReadWrite.All"
"""What Azure MCP asks of users and of applications; it cannot be configured there."""

_PUBLIC_CLOUD = "https://login.microsoftonline.com/"
_AN_AUTHORITY = f"{_PUBLIC_CLOUD}<tenant id>"


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
    client_credentials: list[ClientCredentialEntry] = []
    outgoing_auth_strategy: Annotated[
        OutgoingStrategy | None,
        Meta(description="Ours: what Azure MCP takes as --outgoing-auth-strategy."),
    ] = None
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
    names = {
        "Authority": "tenantId",
        "Instance": "instance",
        "Audience": "audience",
        "ClientId": "clientId",
    }
    _check_instance(given.instance, (*at, "instance"), report)
    identity = _identity(given.instance, given.tenant_id, given.client_id, [given.audience or ""])
    scheme = _scheme(identity, at, names, report, where)
    if scheme is None:
        return None
    sign_in.warn(scheme, ProtectedResource(), (*at, "audience"), at, report, where)
    roles = listed(given.required_roles, (*at, "requiredRoles"), report)
    policy = Requirement(roles=roles, written=written(("inboundAuthentication",), report))
    return AuthenticationSettings(True, (), policy, "reachable", Cors(), scheme)


def read_azure_ad(
    section: AzureAdSection,
    environment: Mapping[str, str],
    report: Report,
    where: Circumstances,
) -> AuthenticationSettings | None:
    """`AzureAd` as settings with Azure MCP's own scope and app role, or None on an error."""
    at: Path = (SCHEME,)
    warn_not_applicable(section, at, report)
    azure_mcp_variables.warn(environment, report)
    if section.allow_web_api_to_be_authorized_by_a_c_l:
        report.error(
            (*at, "AllowWebApiToBeAuthorizedByACL"),
            "would admit every application of the tenant; expected false and an app role for each "
            "application (or ApplicationGrants in a section Authentication)",
        )
    audiences = [section.audience or "", *section.audiences]
    identity = _identity(section.instance, section.tenant_id, section.client_id, audiences)
    names = {"Authority": "TenantId", "Audience": "ClientId"}
    if section.authority:
        identity = identity._replace(authority=section.authority, expected=_AN_AUTHORITY)
        names = {"Instance": "Authority", "Audience": "ClientId"}
        _check_one_tenant(section, report)
    else:
        _check_instance(section.instance, (*at, "Instance"), report)
    if identity.audiences and not section.client_id:
        report.error((*at, "ClientId"), "missing; expected the API's application (client) id")
    scheme = _scheme(identity, at, names, report, where)
    if scheme is None:
        return None
    sign_in.warn(scheme, ProtectedResource(), (*at, "Audiences"), at, report, where)
    place = f"Azure MCP's preset for {written(at, report)}"
    policy = Requirement(scopes=Listed(frozenset({SCOPE}), place), written=place)
    roles = {SCOPE: frozenset({APP_ROLE})}
    return AuthenticationSettings(True, (), policy, "reachable", Cors(), scheme, roles)


def _check_instance(instance: str, path: Path, report: Report) -> None:
    if not authority.is_instance(instance):
        report.error(path, f"cannot be used; expected {_PUBLIC_CLOUD}")


def _check_one_tenant(section: AzureAdSection, report: Report) -> None:
    found = authority.parse(section.authority or "")
    tenant = (section.tenant_id or "").lower()
    if found is not None and tenant and tenant != found.tenant:
        text = "names another tenant than TenantId; expected the same, or one of the two keys"
        report.error((SCHEME, "Authority"), text)


def _identity(
    instance: str, tenant_id: str | None, client_id: str | None, audiences: Names
) -> Identity:
    # As Microsoft.Identity.Web: the client's id in both forms where no audience is named.
    named = [audience for audience in audiences if audience]
    if client_id and not named:
        named = [f"api://{client_id}"]
    # An instance that cannot be used has been told; what follows it is checked all the same.
    base = instance if authority.is_instance(instance) else _PUBLIC_CLOUD
    place = f"{base.removesuffix('/')}/{tenant_id}" if tenant_id else None
    return Identity(
        SCHEME,
        place,
        named,
        [],
        True,
        Claims(),
        TokenRules(client_id=client_id),
        "the tenant's id, a GUID",
    )


def _scheme(
    given: Identity, at: Path, names: Mapping[str, str], report: Report, where: Circumstances
) -> EntraScheme | None:
    return read_scheme(given, lambda key: (*at, names.get(key, key)), report, where)
