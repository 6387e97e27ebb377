"""PoshMcp's section `Authentication`: who may call, and by which schemes they are recognised.

The keys and defaults are PoshMcp's (its Authentication Guide and configuration schema); keys of
ours say so in their description. Where we are stricter on purpose, the message says what to write
instead.
"""

import hashlib
import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.configuration import sign_in
from shared.configuration.entra import Circumstances, Identity, read_scheme
from shared.configuration.model import (
    ApiKeyScheme,
    AuthenticationSettings,
    Cors,
    EntraScheme,
    InlineKey,
    KeyVaultKeys,
    ProtectedResource,
    Requirement,
)
from shared.configuration.poshmcp import listed, written
from shared.configuration.problems import Report
from shared.configuration.token_rules import Claims, Names, TokenRules
from shared.validation import Path
from shared.vault_uri import NotAVault, vault_uri
from shared.wording import shown

MIN_KEY_LENGTH = 32
_GUIDE_EXAMPLES = {"key-reader", "key-ops"}
_HEADER_NAME = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20]+")
_OF_KEY_SCHEMES = {"HeaderName", "Keys", "KeyVault", "AllowInlineKeys"}
_TAKEN_HEADERS = {
    "accept",
    "authorization",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "x-correlation-id",
}


class PolicySection(msgspec.Struct, rename="pascal", frozen=True):
    require_authentication: bool = True
    required_scopes: Names | None = None
    required_roles: Names | None = None


class KeySection(msgspec.Struct, rename="pascal", frozen=True):
    scopes: Names = []
    roles: Names = []


class KeyVaultSection(msgspec.Struct, rename="pascal", frozen=True):
    vault_uri: Annotated[str, Meta(description="https://<name>.vault.azure.net")]
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^[0-9A-Za-z-]{0,80}$",
            description="What the names of the keys' secrets begin with.",
        ),
    ] = "mcp-key-"
    refresh_seconds: Annotated[
        float, Meta(ge=10, le=3600, description="How soon a change in the vault counts.")
    ] = 60.0
    grace_seconds: Annotated[
        float,
        Meta(ge=0, le=86400, description="How long the last good state serves without the vault."),
    ] = 900.0


class SchemeSection(TokenRules, rename="pascal", frozen=True):
    type: Literal["JwtBearer", "ApiKey"] = "JwtBearer"
    authority: str | None = None
    audience: str | None = None
    valid_audiences: Names = msgspec.field(default_factory=list)
    valid_issuers: Names = msgspec.field(default_factory=list)
    require_https_metadata: bool = True
    claims_mapping: Claims = Claims()
    header_name: str = "X-API-Key"
    keys: Annotated[
        dict[str, KeySection], Meta(description="Each name is a key itself: a secret.")
    ] = msgspec.field(default_factory=dict)
    key_vault: Annotated[
        KeyVaultSection | None, Meta(description="Ours: keys kept as hashes in a key vault.")
    ] = None
    allow_inline_keys: Annotated[
        bool, Meta(description="Ours: accept keys written here outside development.")
    ] = False


class ProtectedResourceSection(msgspec.Struct, rename="pascal", frozen=True):
    resource: str | None = None
    resource_name: str | None = None
    authorization_servers: Names = []
    scopes_supported: Names = []
    bearer_methods_supported: Names = []
    serve_authorization_server_metadata: Annotated[
        bool, Meta(description="Ours: publish the authorization server's metadata here as well.")
    ] = False


class CorsSection(msgspec.Struct, rename="pascal", frozen=True):
    allowed_origins: Names = []
    allow_credentials: bool = False


class OAuthProxySection(msgspec.Struct, rename="pascal", frozen=True):
    enabled: bool = False
    tenant_id: str = ""
    client_id: str = ""
    audience: str = ""


class AuthenticationSection(msgspec.Struct, rename="pascal", frozen=True):
    enabled: bool = False
    default_scheme: str = "Bearer"
    additional_schemes: Annotated[
        Names, Meta(description="Ours: schemes that authenticate besides DefaultScheme.")
    ] = []
    default_policy: PolicySection = PolicySection()
    schemes: dict[str, SchemeSection] = {}
    protected_resource: ProtectedResourceSection | None = None
    cors: CorsSection = CorsSection()
    o_auth_proxy: OAuthProxySection = OAuthProxySection()
    list_tools: Annotated[
        Literal["reachable", "callable"],
        Meta(description="Ours: callable hides every tool the caller may not call right now."),
    ] = "reachable"


def read_authentication(
    section: AuthenticationSection, report: Report, where: Circumstances
) -> AuthenticationSettings | None:
    """The `Authentication` section as settings, or None when `report` says why not."""
    at: Path = ("Authentication",)
    before = len(report.problems)
    if not section.enabled:
        if not where.development:
            report.error(
                (*at, "Enabled"),
                "authentication is off; expected true (only in development may it be off)",
            )
            return None
        report.warn((*at, "Enabled"), "authentication is off: everyone may call every tool")
    policy = section.default_policy
    if not policy.require_authentication and not where.development:
        report.error(
            (*at, "DefaultPolicy", "RequireAuthentication"),
            "false would open every tool; expected true (AllowAnonymous opens one tool, by name)",
        )
    if section.o_auth_proxy.enabled:
        report.error(
            (*at, "OAuthProxy", "Enabled"),
            "there is no proxy here: clients sign in at Entra ID themselves. Remove the section "
            "and make the App ID URI equal to Server:PublicUrl, which avoids AADSTS9010010",
        )
    for index, origin in enumerate(section.cors.allowed_origins):
        if not _ORIGIN.fullmatch(origin):
            text = f'"{origin}" is no origin; expected lower case as in https://app.example.com'
            report.error((*at, "Cors", "AllowedOrigins", index), text)
    active = _active(section, report) if section.enabled else []
    _warn_of_other_types(section, active, report)
    key_schemes = _key_schemes(section, active, report, development=where.development)
    entra = _entra(section, active, report, where)
    resource = _protected_resource(section.protected_resource, report)
    if section.protected_resource is not None and not _tokens(section, active):
        report.warn((*at, "ProtectedResource"), "not used: no scheme takes bearer tokens")
    if entra is not None:
        audiences = (*at, "Schemes", entra.name, "ValidAudiences")
        sign_in.warn(entra, resource, audiences, (*at, "ProtectedResource"), report, where)
    if any(problem.level == "error" for problem in report.problems[before:]):
        return None
    default = Requirement(
        scopes=listed(policy.required_scopes, (*at, "DefaultPolicy", "RequiredScopes"), report),
        roles=listed(policy.required_roles, (*at, "DefaultPolicy", "RequiredRoles"), report),
        allow_anonymous=not policy.require_authentication,
        written=written((*at, "DefaultPolicy"), report),
    )
    stand_ins = section.schemes[entra.name].application_roles if entra else {}
    return AuthenticationSettings(
        section.enabled,
        key_schemes,
        default,
        section.list_tools,
        Cors(frozenset(section.cors.allowed_origins), section.cors.allow_credentials),
        entra,
        {scope: frozenset(roles) for scope, roles in stand_ins.items()},
        resource,
    )


def _active(section: AuthenticationSection, report: Report) -> list[str]:
    """The names of the schemes that authenticate: the default one and the additional ones."""
    by_name = {name.lower(): name for name in section.schemes}
    wanted: list[tuple[Path, str]] = [(("DefaultScheme",), section.default_scheme)]
    wanted += [
        (("AdditionalSchemes", i), name) for i, name in enumerate(section.additional_schemes)
    ]
    active: list[str] = []
    for path, wanted_name in wanted:
        name = by_name.get(wanted_name.lower())
        if name is None:
            names = ", ".join(section.schemes) or "none"
            report.error(
                ("Authentication", *path),
                f'"{wanted_name}" is not a scheme; expected a name under Schemes (there: {names})',
            )
        elif name not in active:
            active.append(name)
    for name, scheme in section.schemes.items():
        # A scheme for keys that has none lets nobody in, in use or not.
        empty = scheme.type == "ApiKey" and not scheme.keys and scheme.key_vault is None
        if name not in active and section.enabled and not empty:
            path = ("Authentication", "Schemes", name)
            report.warn(path, "is not in use: neither DefaultScheme nor AdditionalSchemes")
    return active


def _warn_of_other_types(section: AuthenticationSection, active: list[str], report: Report) -> None:
    """Warn of what restricts nothing, being a key of the other type of scheme."""
    silent = SchemeSection()
    for name in active:
        scheme = section.schemes[name]
        other = "ApiKey" if scheme.type == "JwtBearer" else "JwtBearer"
        for field in msgspec.structs.fields(SchemeSection):
            for_keys = field.encode_name in _OF_KEY_SCHEMES
            said = getattr(scheme, field.name) != getattr(silent, field.name)
            if said and field.name != "type" and for_keys == (other == "ApiKey"):
                path = ("Authentication", "Schemes", name, field.encode_name)
                report.warn(path, f"has no effect: it is for schemes of type {other}")


def _entra(
    section: AuthenticationSection, active: list[str], report: Report, where: Circumstances
) -> EntraScheme | None:
    names = _tokens(section, active)
    for name in names[1:]:
        report.error(
            ("Authentication", "Schemes", name),
            f"is a second scheme for bearer tokens besides {names[0]}; expected one "
            "(its AllowedTenants may name several tenants)",
        )
    if not names:
        return None
    scheme = section.schemes[names[0]]
    audiences = [a for a in (scheme.audience, *scheme.valid_audiences) if a]
    given = Identity(
        names[0],
        scheme.authority,
        audiences,
        scheme.valid_issuers,
        scheme.require_https_metadata,
        scheme.claims_mapping,
        scheme,
    )
    path = ("Authentication", "Schemes", names[0])
    places = {"Instance": "Authority"}
    return read_scheme(given, lambda key: (*path, places.get(key, key)), report, where)


def _tokens(section: AuthenticationSection, active: list[str]) -> list[str]:
    """The active schemes that take bearer tokens."""
    return [name for name in active if section.schemes[name].type == "JwtBearer"]


def _protected_resource(
    section: ProtectedResourceSection | None, report: Report
) -> ProtectedResource:
    if section is None:
        return ProtectedResource()
    at: Path = ("Authentication", "ProtectedResource")
    if section.resource is not None and not _ABSOLUTE_URI.fullmatch(section.resource):
        text = f"{shown(section.resource)} is no absolute URI; expected that of Server:PublicUrl"
        report.error((*at, "Resource"), text)
    for index, server in enumerate(section.authorization_servers):
        if not _ABSOLUTE_URI.fullmatch(server):
            text = f"{shown(server)} is no URL; expected https://login.microsoftonline.com/<tenant"
            report.error((*at, "AuthorizationServers", index), f"{text} id>/v2.0")
    return ProtectedResource(
        section.resource,
        section.resource_name,
        tuple(section.authorization_servers),
        tuple(section.scopes_supported),
        tuple(section.bearer_methods_supported),
        section.serve_authorization_server_metadata,
    )


def _key_schemes(
    section: AuthenticationSection, active: list[str], report: Report, *, development: bool
) -> tuple[ApiKeyScheme, ...]:
    found = []
    headers: dict[str, str] = {}
    for name in active:
        scheme = section.schemes[name]
        if scheme.type != "ApiKey":
            continue
        path = ("Authentication", "Schemes", name)
        header = scheme.header_name.lower()
        if not _HEADER_NAME.fullmatch(scheme.header_name) or header in _TAKEN_HEADERS:
            expected = "expected the name of a header of its own, such as X-API-Key"
            report.error(
                (*path, "HeaderName"), f'"{scheme.header_name}" cannot be used; {expected}'
            )
        if header in headers:
            report.error((*path, "HeaderName"), f"is also the header of scheme {headers[header]}")
        headers[header] = name
        keys = _inline_keys(name, scheme, report, development=development)
        vault = _vault(scheme.key_vault, (*path, "KeyVault"), report)
        found.append(ApiKeyScheme(name, scheme.header_name, keys, vault))
    return tuple(found)


def _vault(section: KeyVaultSection | None, path: Path, report: Report) -> KeyVaultKeys | None:
    if section is None:
        return None
    try:
        uri = vault_uri(section.vault_uri)
    except NotAVault as error:
        report.error((*path, "VaultUri"), f"is {error}")
        return None
    return KeyVaultKeys(uri, section.prefix, section.refresh_seconds, section.grace_seconds)


def _inline_keys(
    name: str, scheme: SchemeSection, report: Report, *, development: bool
) -> tuple[InlineKey, ...]:
    at: Path = ("Authentication", "Schemes", name, "Keys")
    if not scheme.keys:
        if scheme.key_vault is None:
            report.error(at, "missing; expected at least one key, or KeyVault beside it")
    elif not development and not scheme.allow_inline_keys:
        report.error(
            at,
            "keys in a file are for development; to accept them here all the same, "
            "set AllowInlineKeys to true on the scheme",
        )
    keys = []
    for number, (key, grants) in enumerate(scheme.keys.items(), start=1):
        path = (*at, key)
        if not key.isascii() or not key.isprintable() or " " in key or not key:
            report.error(path, "expected printable ASCII without spaces")
        elif not development and key in _GUIDE_EXAMPLES:
            report.error(path, "is the example of a public guide; expected a key of your own")
        elif not development and len(key) < MIN_KEY_LENGTH:
            report.error(
                path,
                f"is {len(key)} characters long; expected at least {MIN_KEY_LENGTH}, from a "
                "cryptographic random generator",
            )
        digest = hashlib.sha256(key.encode()).digest()
        scopes, roles = frozenset(grants.scopes), frozenset(grants.roles)
        keys.append(InlineKey(f"{name}-{number}", digest, scopes, roles))
    return tuple(keys)
