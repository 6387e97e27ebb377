"""Entra ID as a configuration names it: authorities, tenants, audiences and the issuers they mean.

Both dialects that take access tokens end here, so what is refused and why is the same in each.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from shared.configuration.model import EntraScheme
from shared.configuration.problems import Report
from shared.http import is_loopback
from shared.validation import Path

DEVELOPMENT_AUTHORITY = "development"
"""What a development profile writes for the authority of the development identity."""
DEVELOPMENT_IDENTITY_PORT = 7072
DEVELOPMENT_TENANT = "de5e1099-0000-4000-8000-000000000001"
DEVELOPMENT_CLIENT_ID = "de5e1099-0000-4000-8000-0000000000a9"

# Sign-in host of each cloud, and the host of the issuer in its v1 tokens.
_CLOUDS = {
    "login.microsoftonline.com": "sts.windows.net",
    "login.microsoftonline.us": "sts.windows.net",
    "login.partner.microsoftonline.cn": "sts.chinacloudapi.cn",
}
_OTHER_NAMES = {
    "login.microsoft.com": "login.microsoftonline.com",
    "login.windows.net": "login.microsoftonline.com",
    "sts.windows.net": "login.microsoftonline.com",
    "login.chinacloudapi.cn": "login.partner.microsoftonline.cn",
}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AUTHORITY = re.compile(r"(https?)://([^/?#@\s]+)/([^/?#\s]+)(/v2\.0)?/?", re.IGNORECASE)
_SHARED_AUTHORITIES = {"common", "organizations"}

Names = list[str]
Blame = Callable[[str], Path]
"""Where the configuration says what we call by one of PoshMcp's keys."""


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


class Identity(NamedTuple):
    """What a dialect says about an identity provider, in PoshMcp's words."""

    name: str
    authority: str | None
    audiences: Names
    valid_issuers: Names
    require_https: bool
    claims: Claims
    rules: TokenRules


class Circumstances(NamedTuple):
    """What else decides how an identity is read. `identity` is the development identity's URL."""

    development: bool
    public_url: str
    identity: str


def read_scheme(
    given: Identity, blame: Blame, report: Report, where: Circumstances
) -> EntraScheme | None:
    """The scheme, or None when `report` says why not."""
    before = len(report.problems)
    given = _of_development(given, blame, report, where)
    found = _authority(given, blame, report, development=where.development)
    rules = given.rules
    client_id = _guid(rules.client_id, blame("ClientId"), report) if rules.client_id else None
    named_audiences = (a.removesuffix("/") for a in (*given.audiences, client_id) if a)
    audiences = [a.lower() if _GUID.fullmatch(a.lower()) else a for a in named_audiences]
    if not audiences:
        text = "missing; expected the API's App ID URI (or ClientId: its application id)"
        report.error(blame("Audience"), text)
    tenants = _guids(rules.allowed_tenants, blame("AllowedTenants"), report)
    clients = _guids(rules.allowed_client_ids, blame("AllowedClientIds"), report)
    grants = {
        _guid(client, (*blame("ApplicationGrants"), client), report): frozenset(grant.roles)
        for client, grant in rules.application_grants.items()
    }
    if rules.signing_key_outage_seconds < rules.signing_key_refresh_seconds:
        text = "is shorter than SigningKeyRefreshSeconds; expected the longer one here"
        report.error(blame("SigningKeyOutageSeconds"), text)
    if found is None or any(p.level == "error" for p in report.problems[before:]):
        return None
    host, tenant = found.host, found.tenant
    issuers = _issuers(found, tenants or {tenant}, given.valid_issuers)
    named = frozenset(tenant for tenant in issuers.values() if tenant)
    if tenants and not named <= tenants:
        report.error(blame("ValidIssuers"), "names a tenant that is not in AllowedTenants")
        return None
    scheme = EntraScheme(
        given.name,
        f"{found.scheme}://{host}/{tenant}",
        tenants or named or frozenset({tenant}),
        issuers,
        tuple(dict.fromkeys(audiences)),
        client_id,
        tuple(rules.algorithms),
        found.scheme == "https",
        given.claims.scope_claim,
        given.claims.role_claim,
        given.claims.name_claim,
        clients,
        grants,
        rules.clock_skew_seconds,
        rules.signing_key_refresh_seconds,
        rules.signing_key_outage_seconds,
    )
    _warn_of_no_match(scheme, given, blame, report)
    return scheme


def _of_development(
    given: Identity, blame: Blame, report: Report, where: Circumstances
) -> Identity:
    """`Authority: development` as the development identity's URL, with its invented API."""
    if given.authority != DEVELOPMENT_AUTHORITY:
        return given
    if not where.development:
        report.error(
            blame("Authority"),
            "is the development identity; expected https://login.microsoftonline.com/<tenant id>",
        )
    client_id = given.rules.client_id or DEVELOPMENT_CLIENT_ID
    return given._replace(
        authority=f"{where.identity}/{DEVELOPMENT_TENANT}",
        audiences=given.audiences or [where.public_url, f"api://{client_id}"],
        rules=msgspec.structs.replace(given.rules, client_id=client_id),
    )


class _Authority(NamedTuple):
    scheme: str
    host: str
    tenant: str


def _authority(
    given: Identity, blame: Blame, report: Report, *, development: bool
) -> _Authority | None:
    at = blame("Authority")
    expected = "expected https://login.microsoftonline.com/<tenant id>"
    if given.authority is None:
        report.error(at, f"missing; {expected}")
        return None
    match = _AUTHORITY.fullmatch(given.authority)
    if match is None:
        report.error(at, f"cannot be used; {expected}")
        return None
    scheme, host, tenant = match[1].lower(), match[2].lower(), match[3].lower()
    host = _OTHER_NAMES.get(host, host)
    local = development and is_loopback(urlsplit(f"//{host}").hostname or "")
    if scheme == "http" and not local and (given.require_https or not development):
        report.error(at, f"is not https; {expected}")
    elif not given.require_https and not development:
        report.error(blame("RequireHttpsMetadata"), "is false; expected true outside development")
    placeholder = "{" in tenant  # which is told where placeholders are
    if not _GUID.fullmatch(tenant) and not given.rules.allowed_tenants and not placeholder:
        if tenant in _SHARED_AUTHORITIES:
            text = f"{tenant} would let every tenant in; expected AllowedTenants, or one tenant id"
        else:
            text = f"names no tenant id, and tokens name nothing else; {expected} (a GUID)"
        report.error(at, text)
    return _Authority(scheme, host, tenant)


def _issuers(
    found: _Authority, tenants: Iterable[str], explicit: Names
) -> Mapping[str, str | None]:
    """Accepted issuers with the tenant each stands for: those of the tenants, or the explicit."""
    derived: dict[str, str | None] = {}
    for tenant in tenants:
        derived[f"{found.scheme}://{found.host}/{tenant}/v2.0"] = tenant
        v1_host = _CLOUDS.get(found.host, found.host)
        derived[f"{found.scheme}://{v1_host}/{tenant}/"] = tenant
    if not explicit:
        return derived
    return {issuer: derived.get(issuer) or _tenant_in(issuer) for issuer in explicit}


def _tenant_in(issuer: str) -> str | None:
    match = _GUID.search(issuer.lower())
    return match[0] if match else None


def _warn_of_no_match(scheme: EntraScheme, given: Identity, blame: Blame, report: Report) -> None:
    """Tell of audiences and issuers that no token has together.

    Entra puts an App ID URI into the audience of v1 tokens only; v2 tokens name the client id.
    """
    by_id = any(_GUID.fullmatch(audience.lower()) for audience in scheme.audiences)
    only_v2 = all(issuer.rstrip("/").endswith("/v2.0") for issuer in scheme.issuers)
    if only_v2 and not by_id:
        report.warn(
            blame("ValidIssuers" if given.valid_issuers else "Audience"),
            "no token can match: v2 issuers put the application (client) id into the audience, "
            "never an App ID URI. Add to the scheme: "
            '"ClientId": "<application (client) id>"',
        )


def _guids(values: Names, path: Path, report: Report) -> frozenset[str]:
    return frozenset(_guid(value, (*path, i), report) for i, value in enumerate(values))


def _guid(value: str, path: Path, report: Report) -> str:
    if not _GUID.fullmatch(value.lower()):
        report.error(path, f'"{value}" is no id; expected a GUID such as {DEVELOPMENT_TENANT}')
    return value.lower()
