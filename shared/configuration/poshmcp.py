"""PoshMcp's sections: `Authentication` and `PowerShellConfiguration`, read into our settings.

The keys and defaults are PoshMcp's (its Authentication Guide and configuration schema); keys of
ours inside these sections say so in their description. Where we are stricter on purpose, the
message says what to write instead.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.command_names import squashed
from shared.configuration.model import (
    ApiKeyScheme,
    AuthenticationSettings,
    Cors,
    InlineKey,
    Listed,
    Override,
    Requirement,
    ToolSelection,
)
from shared.configuration.problems import Report, path_text
from shared.validation import Path

MIN_KEY_LENGTH = 32
_GUIDE_EXAMPLES = {"key-reader", "key-ops"}
_HEADER_NAME = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
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

_POWERSHELL: Path = ("PowerShellConfiguration",)

Names = list[str]


class PolicySection(msgspec.Struct, rename="pascal", frozen=True):
    require_authentication: bool = True
    required_scopes: Names | None = None
    required_roles: Names | None = None


class ClaimsMappingSection(msgspec.Struct, rename="pascal", frozen=True):
    scope_claim: str = "scp"
    role_claim: str = "roles"
    name_claim: str | None = None


class KeySection(msgspec.Struct, rename="pascal", frozen=True):
    scopes: Names = []
    roles: Names = []


class SchemeSection(msgspec.Struct, rename="pascal", frozen=True):
    type: Literal["JwtBearer", "ApiKey"] = "JwtBearer"
    authority: str | None = None
    audience: str | None = None
    valid_audiences: Names = []
    valid_issuers: Names = []
    require_https_metadata: bool = True
    claims_mapping: ClaimsMappingSection | None = None
    header_name: str = "X-API-Key"
    keys: Annotated[
        dict[str, KeySection], Meta(description="Each name is a key itself: a secret.")
    ] = {}
    allow_inline_keys: Annotated[
        bool, Meta(description="Ours: accept keys written here outside development.")
    ] = False


class ProtectedResourceSection(msgspec.Struct, rename="pascal", frozen=True):
    resource: str | None = None
    resource_name: str | None = None
    authorization_servers: Names = []
    scopes_supported: Names = []
    bearer_methods_supported: Names = []


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


class OverrideSection(msgspec.Struct, rename="pascal", frozen=True):
    required_scopes: Names | None = None
    required_roles: Names | None = None
    allow_anonymous: bool | None = None
    default_properties: Any = None
    enable_result_caching: Any = None
    use_default_display_properties: Any = None
    associated_resource_uri: Any = None


class PowerShellSection(msgspec.Struct, rename="pascal", frozen=True):
    command_names: Names = []
    function_names: Annotated[Names, Meta(description="Deprecated name of CommandNames.")] = []
    commands: Names = []
    include_patterns: Names = []
    exclude_patterns: Names = []
    command_overrides: dict[str, OverrideSection] = {}
    function_overrides: dict[str, OverrideSection] = {}
    modules: Any = None
    runtime_mode: Any = None
    subprocess_host_mode: Any = None
    subprocess_runspace_pool_size: Any = None
    subprocess_pool_size: Any = None
    subprocess_min_healthy_for_startup: Any = None
    enable_dynamic_reload_tools: Any = None
    enable_configuration_troubleshooting_tool: Any = None
    enable_noun_resources: Any = None
    noun_resource_overrides: Any = None
    performance: Any = None
    environment: Any = None


def warn_not_applicable(section: msgspec.Struct, path: Path, report: Report) -> None:
    """Warn of keys that mean something to PoshMcp and nothing here (those typed `Any`)."""
    for field in msgspec.structs.fields(section):
        if field.type is Any and getattr(section, field.name) is not None:
            report.warn((*path, field.encode_name), "recognised, not applicable: it has no effect")


def read_authentication(
    section: AuthenticationSection, report: Report, *, development: bool
) -> AuthenticationSettings | None:
    """The `Authentication` section as settings, or None when `report` says why not."""
    at: Path = ("Authentication",)
    before = len(report.problems)
    if not section.enabled:
        if not development:
            report.error(
                (*at, "Enabled"),
                "authentication is off; expected true (only in development may it be off)",
            )
            return None
        report.warn((*at, "Enabled"), "authentication is off: everyone may call every tool")
    policy = section.default_policy
    if not policy.require_authentication and not development:
        report.error(
            (*at, "DefaultPolicy", "RequireAuthentication"),
            "false would open every tool; expected true (AllowAnonymous opens one tool, by name)",
        )
    if section.o_auth_proxy.enabled:
        report.error((*at, "OAuthProxy", "Enabled"), "is not available; remove the section")
    for index, origin in enumerate(section.cors.allowed_origins):
        if not _ORIGIN.fullmatch(origin):
            text = f'"{origin}" is no origin; expected lower case as in https://app.example.com'
            report.error((*at, "Cors", "AllowedOrigins", index), text)
    schemes = _schemes(section, report, development=development) if section.enabled else ()
    if section.protected_resource is not None:
        report.warn((*at, "ProtectedResource"), "not used: no scheme takes bearer tokens")
    if any(problem.level == "error" for problem in report.problems[before:]):
        return None
    default = Requirement(
        scopes=_listed(policy.required_scopes, (*at, "DefaultPolicy", "RequiredScopes"), report),
        roles=_listed(policy.required_roles, (*at, "DefaultPolicy", "RequiredRoles"), report),
        allow_anonymous=not policy.require_authentication,
        written=_written((*at, "DefaultPolicy"), report),
    )
    cors = Cors(frozenset(section.cors.allowed_origins), section.cors.allow_credentials)
    return AuthenticationSettings(section.enabled, schemes, default, section.list_tools, cors)


def _schemes(
    section: AuthenticationSection, report: Report, *, development: bool
) -> tuple[ApiKeyScheme, ...]:
    at: Path = ("Authentication", "Schemes")
    for name, scheme in section.schemes.items():
        if scheme.type == "JwtBearer":
            report.error((*at, name), "schemes of type JwtBearer are not yet available; use ApiKey")
    by_name = {name.lower(): name for name in section.schemes}
    wanted = [("DefaultScheme", section.default_scheme)]
    wanted += [("AdditionalSchemes", name) for name in section.additional_schemes]
    active: dict[str, ApiKeyScheme] = {}
    headers: dict[str, str] = {}
    for key, wanted_name in wanted:
        scheme_name = by_name.get(wanted_name.lower())
        if scheme_name is None:
            names = ", ".join(section.schemes) or "none"
            report.error(
                ("Authentication", key),
                f'"{wanted_name}" is not a scheme; expected a name under Schemes (there: {names})',
            )
            continue
        scheme = section.schemes[scheme_name]
        if scheme.type != "ApiKey" or scheme_name in active:
            continue
        path = (*at, scheme_name)
        header = scheme.header_name.lower()
        if not _HEADER_NAME.fullmatch(scheme.header_name) or header in _TAKEN_HEADERS:
            expected = "expected the name of a header of its own, such as X-API-Key"
            report.error(
                (*path, "HeaderName"), f'"{scheme.header_name}" cannot be used; {expected}'
            )
        if header in headers:
            report.error((*path, "HeaderName"), f"is also the header of scheme {headers[header]}")
        headers[header] = scheme_name
        keys = _inline_keys(scheme_name, scheme, report, development=development)
        active[scheme_name] = ApiKeyScheme(scheme_name, scheme.header_name, keys)
    for name in section.schemes:
        if name not in active and section.schemes[name].type == "ApiKey":
            report.warn((*at, name), "is not in use: neither DefaultScheme nor AdditionalSchemes")
    return tuple(active.values())


def _inline_keys(
    name: str, scheme: SchemeSection, report: Report, *, development: bool
) -> tuple[InlineKey, ...]:
    at: Path = ("Authentication", "Schemes", name, "Keys")
    if not scheme.keys:
        report.error(at, "missing; expected at least one key")
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


def read_selection(section: PowerShellSection, report: Report) -> ToolSelection:
    """The allow-list and the patterns of `PowerShellConfiguration`."""
    warn_not_applicable(section, _POWERSHELL, report)
    first = "CommandNames" if section.command_names else "FunctionNames"
    return ToolSelection(
        names={
            **_placed(section.command_names or section.function_names, first),
            **_placed(section.commands, "Commands"),
        },
        include=_placed(section.include_patterns, "IncludePatterns"),
        exclude=_placed(section.exclude_patterns, "ExcludePatterns"),
    )


def read_overrides(section: PowerShellSection, report: Report) -> tuple[Override, ...]:
    """What `PowerShellConfiguration` asks per command, `CommandOverrides` first."""
    overrides = []
    seen: dict[tuple[str, str], str] = {}
    for key, entries in (
        ("CommandOverrides", section.command_overrides),
        ("FunctionOverrides", section.function_overrides),
    ):
        for command, entry in entries.items():
            path = (*_POWERSHELL, key, command)
            other = seen.setdefault((key, squashed(command)), command)
            if other != command:
                report.error(path, f"is another spelling of {other}; expected each command once")
            warn_not_applicable(entry, path, report)
            overrides.append(Override(command, path, _requirement(entry, path, report)))
    return tuple(overrides)


def _requirement(section: OverrideSection, path: Path, report: Report) -> Requirement:
    if section.allow_anonymous and (section.required_scopes or section.required_roles):
        report.error(
            path, "AllowAnonymous together with required scopes or roles; expected one or the other"
        )
    return Requirement(
        scopes=_listed(section.required_scopes, (*path, "RequiredScopes"), report),
        roles=_listed(section.required_roles, (*path, "RequiredRoles"), report),
        allow_anonymous=section.allow_anonymous,
        written=_written(path, report),
    )


def _listed(names: Names | None, path: Path, report: Report) -> Listed | None:
    return None if names is None else Listed(frozenset(names), _written(path, report))


def _placed(names: Names, key: str) -> Mapping[str, Path]:
    return {name: (*_POWERSHELL, key, i) for i, name in enumerate(names)}


def _written(path: Path, report: Report) -> str:
    return f"{path_text(report.root, path)} ({report.root.source_of(path)})"
