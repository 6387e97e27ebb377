"""The settings the endpoint runs on, whatever dialect they were written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.configuration.outbound import OutboundSettings
from shared.validation import Path


class ServerSettings(msgspec.Struct, rename="pascal", frozen=True, kw_only=True):
    """Section `Server`: how the endpoint presents itself and what it allows a call to cost."""

    public_url: Annotated[
        str | None,
        Meta(description="The full URL clients use, such as https://mcp.example.com/mcp."),
    ] = None
    name: Annotated[str, Meta(min_length=1, max_length=64, description="Name told to clients.")] = (
        "postern"
    )
    title: Annotated[str | None, Meta(description="Name shown to people.")] = None
    instructions: Annotated[
        str | None, Meta(description="Advice to the model on how to use the tools.")
    ] = None
    max_request_bytes: Annotated[
        int, Meta(ge=1024, le=100 * 1024 * 1024, description="Largest request body.")
    ] = 1024 * 1024
    max_result_bytes: Annotated[
        int,
        Meta(ge=1024, le=64 * 1024 * 1024, description="Largest tool result; longer ones are cut."),
    ] = 256 * 1024
    tool_timeout_seconds: Annotated[
        float,
        Meta(gt=0, le=220, description="Deadline of one tool call; Azure cuts at 230 seconds."),
    ] = 200.0
    tool_threads: Annotated[
        int, Meta(ge=1, le=256, description="Threads for tools that are not async.")
    ] = 16
    confirmation_keys: Annotated[
        list[str],
        Meta(description="<id>:<32 bytes in base64url>, the same on all instances; first seals."),
    ] = []
    unconfirmed_destructive_calls: Annotated[
        Literal["refuse", "allow"],
        Meta(description="What happens to destructive tools where nobody can be asked."),
    ] = "refuse"
    page_size: Annotated[int, Meta(ge=1, le=1000, description="Tools per page of a list.")] = 200


class HostingSettings(msgspec.Struct, rename="pascal", frozen=True, kw_only=True):
    """Section `Hosting`: how Azure Functions runs the endpoint. It means nothing to other hosts."""

    streaming: Annotated[
        bool,
        Meta(description="Answer with events as they come, on Azure Functions; needs a package."),
    ] = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of names as configured, and where that is written."""

    names: frozenset[str]
    written: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one place of the configuration asks of callers. None means: says nothing, inherit."""

    scopes: Listed | None = None
    roles: Listed | None = None
    allow_anonymous: bool | None = None
    written: str = ""


@dataclass(frozen=True, slots=True)
class InlineKey:
    """One API key from the configuration. The key itself is not kept, only its SHA-256 digest."""

    id: str
    digest: bytes = field(repr=False)
    scopes: frozenset[str]
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeyVaultKeys:
    """Where API keys are kept as hashes: the secrets of a vault whose names begin with `prefix`.

    `refresh_seconds` is how soon a change in the vault counts, `grace_seconds` how long the last
    good state serves while the vault is away.
    """

    uri: str
    prefix: str
    refresh_seconds: float
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class ApiKeyScheme:
    """An authentication scheme that takes a key in a request header."""

    name: str
    header: str
    keys: tuple[InlineKey, ...]
    vault: KeyVaultKeys | None = None


@dataclass(frozen=True, slots=True)
class EntraScheme:
    """An authentication scheme that takes access tokens of Entra ID.

    `authority` is the issuer's URL with its tenant segment and without `/v2.0`; keys and metadata
    are fetched below it. `issuers` maps each accepted `iss` to the tenant id its tokens must
    carry, None where any of `tenants` will do. `audiences` are the accepted `aud` values without a
    trailing slash; tenant and client ids are lower-case GUIDs. `application_grants` maps the id of
    a client to the roles it has here although its tokens name none.
    """

    name: str
    authority: str
    tenants: frozenset[str]
    issuers: Mapping[str, str | None]
    audiences: tuple[str, ...]
    client_id: str | None = None
    algorithms: tuple[str, ...] = ("RS256",)
    require_https: bool = True
    scope_claim: str = "scp"
    role_claim: str = "roles"
    name_claim: str | None = None
    allowed_client_ids: frozenset[str] = frozenset()
    application_grants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    clock_skew_seconds: float = 60.0
    key_refresh_seconds: float = 3600.0
    key_outage_seconds: float = 86400.0


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """What the protected resource metadata says where the configuration says it (RFC 9728).

    None and empty mean: derive it. `serve_authorization_server` publishes the authorization
    server's metadata here as well.
    """

    resource: str | None = None
    resource_name: str | None = None
    authorization_servers: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    bearer_methods_supported: tuple[str, ...] = ()
    serve_authorization_server: bool = False


@dataclass(frozen=True, slots=True)
class Cors:
    """Browser origins that may call, besides the endpoint's own."""

    allowed_origins: frozenset[str] = frozenset()
    allow_credentials: bool = False


@dataclass(frozen=True, slots=True)
class AuthenticationSettings:
    """How callers are recognised. `enabled` is false only in development: everyone is let in.

    `application_roles` maps a scope to the app roles that stand for it in an application's token,
    besides the role of the scope's own name.
    """

    enabled: bool
    key_schemes: tuple[ApiKeyScheme, ...]
    default_policy: Requirement
    list_tools: Literal["reachable", "callable"]
    cors: Cors
    entra: EntraScheme | None = None
    application_roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    protected_resource: ProtectedResource = ProtectedResource()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket: what it takes in per second, and what it holds."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How often one caller may send requests, and call single tools; paths say where per tool."""

    per_principal: RateLimit | None = None
    tools: Mapping[str, RateLimit] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Denied:
    """Who and what is shut out. Principals, client ids and tenants are in lower case."""

    keys: frozenset[str] = frozenset()
    principals: frozenset[str] = frozenset()
    client_ids: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DenySecret:
    """A secret of a vault with more of the same, as JSON.

    It is read every `refresh_seconds`; while it cannot be read, what it said last counts for
    `grace_seconds`, and then nobody is let in.
    """

    vault_uri: str
    name: str
    refresh_seconds: float
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class DenySettings:
    """The lists of the configuration, the secret that adds to them, and where tools are named."""

    denied: Denied = Denied()
    secret: DenySecret | None = None
    paths: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolSelection:
    """Which tools are offered, by name or wildcard, each with its path in the configuration.

    Nothing under `names` and `include` means every tool; `exclude` wins.
    """

    names: Mapping[str, Path] = field(default_factory=dict)
    include: Mapping[str, Path] = field(default_factory=dict)
    exclude: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Override:
    """What the configuration asks of callers of one tool, and the path where it says so."""

    command: str
    path: Path
    requirement: Requirement


@dataclass(frozen=True, slots=True)
class ConfiguredArgument:
    """An argument of a prompt from the configuration; its value is text."""

    name: str
    description: str
    required: bool


@dataclass(frozen=True, slots=True)
class ConfiguredItem:
    """A resource or a prompt from the configuration, and the path where that says so.

    It comes from `file`, or from the tool called `command`: one of the two. `key` is the URI of a
    resource or the name of a prompt.
    """

    key: str
    name: str
    description: str
    path: Path
    file: FilePath | None = None
    command: str | None = None
    mime_type: str | None = None
    arguments: tuple[ConfiguredArgument, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the endpoint was told, checked.

    `overrides` are in order of precedence. `toolsets` holds for each toolset that is mentioned a
    switch, or the settings it declares (checked when the toolset is loaded).
    """

    development: bool
    public_url: str
    server: ServerSettings
    hosting: HostingSettings
    authentication: AuthenticationSettings
    selection: ToolSelection
    overrides: tuple[Override, ...]
    toolsets: Mapping[str, bool | dict[str, Any]] = field(repr=False)
    confirmation_keys: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    resources: tuple[ConfiguredItem, ...] = ()
    prompts: tuple[ConfiguredItem, ...] = ()
    log_level: int | None = None
    """The level of the `postern` loggers, on the scale of `logging`; None leaves it to the host."""
    deny: DenySettings = DenySettings()
    rate_limits: RateLimits = RateLimits()
    outbound: OutboundSettings | None = None
    """As whom tools call Azure; None: they do not."""
