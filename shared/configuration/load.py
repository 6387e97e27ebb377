"""Read the configuration: find the sources, merge them, check everything, or say all that is wrong.

Fails closed: whatever cannot be understood is an error, and an error means no settings.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, TypedDict, Unpack

import msgspec
from msgspec import Meta

from shared import request_state
from shared.configuration import (
    azure_mcp,
    azure_mcp_outbound,
    deny,
    jsonc,
    log_level,
    misspelt,
    outbound_section,
    poshmcp,
    poshmcp_authentication,
    poshmcp_content,
    rate_limits,
    references,
)
from shared.configuration.azure_mcp import AzureAdSection, InboundSection
from shared.configuration.client_credential import Surroundings
from shared.configuration.deny import DenySection
from shared.configuration.entra import DEVELOPMENT_IDENTITY_PORT, Circumstances
from shared.configuration.log_level import LoggingSection
from shared.configuration.model import (
    AuthenticationSettings,
    HostingSettings,
    ServerSettings,
    Settings,
)
from shared.configuration.outbound import OutboundSettings
from shared.configuration.outbound_section import OutboundSection
from shared.configuration.poshmcp import PowerShellSection
from shared.configuration.poshmcp_authentication import AuthenticationSection
from shared.configuration.poshmcp_content import PromptsSection, ResourcesSection
from shared.configuration.problems import ConfigurationError, Problem, Report
from shared.configuration.rate_limits import RateLimitsSection
from shared.configuration.references import Resolve
from shared.configuration.sources import Node, Source, apply_environment, merge
from shared.validation import Path, Violation, check

CONFIGURATION_FILE = "appsettings.json"
DEVELOPMENT_FILE = "appsettings.Development.json"
MCP_PATH = "/mcp"

# Set by Azure and Kubernetes for every workload they run: where one of these is, it is no
# developer's machine.
HOSTED = (
    "IDENTITY_ENDPOINT",
    "WEBSITE_INSTANCE_ID",
    "CONTAINER_APP_NAME",
    "KUBERNETES_SERVICE_HOST",
)

_URL = re.compile(
    r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?(/[!$&'()*+,;=:@%~\w.-]+)+"
)
_PLACEHOLDER = re.compile(r"\{[A-Za-z][\w -]*\}")
_KEYS_VARIABLE = re.compile(r"^Authentication__(.*__)?Keys([^a-z]|$)", re.IGNORECASE)
_DIALECTS = ("Authentication", "inboundAuthentication", "AzureAd")
_WITHOUT_PLACEHOLDERS = {*(name.lower() for name in _DIALECTS), "outboundauthentication"}


class Configuration(msgspec.Struct, rename="pascal", frozen=True):
    """The sections of a configuration file."""

    authentication: Annotated[
        AuthenticationSection | None, Meta(description="Who may call: PoshMcp's section.")
    ] = None
    power_shell_configuration: Annotated[
        PowerShellSection, Meta(description="Which tools, and what each asks: PoshMcp's section.")
    ] = PowerShellSection()
    server: ServerSettings = ServerSettings()
    hosting: HostingSettings = HostingSettings()
    toolsets: Annotated[
        dict[str, bool | dict[str, Any]],
        Meta(description="Per toolset: false turns it off, an object holds its settings."),
    ] = {}
    deny: Annotated[
        DenySection, Meta(description="Who and what is shut out, whatever else is configured.")
    ] = DenySection()
    rate_limits: Annotated[
        RateLimitsSection, Meta(description="How often one caller may call.")
    ] = RateLimitsSection()
    inbound_authentication: Annotated[
        InboundSection | None, Meta(description="Who may call, as Azure MCP's pull request has it.")
    ] = msgspec.field(default=None, name="inboundAuthentication")
    outbound_authentication: Annotated[
        OutboundSection | None,
        Meta(description="As whom tools call Azure, as Azure MCP's pull request has it."),
    ] = msgspec.field(default=None, name="outboundAuthentication")
    azure_ad: Annotated[
        AzureAdSection | None, Meta(description="Who may call, as Azure MCP 2.x has it.")
    ] = None
    schema: Annotated[str | None, Meta(description="The JSON Schema, for editors.")] = (
        msgspec.field(default=None, name="$schema")
    )
    allowed_hosts: Any = None
    mcp_server: Any = None
    mcp_resources: ResourcesSection = ResourcesSection()
    mcp_prompts: PromptsSection = PromptsSection()
    application_insights: Any = None
    logging: LoggingSection = LoggingSection()


SECTIONS = {field.encode_name for field in msgspec.structs.fields(Configuration)}


class Where(TypedDict, total=False):
    """Where an endpoint runs, as far as its host knows.

    `config_file` replaces both appsettings files. `loopback` tells whether only this machine can
    reach the listening socket (None: unknown, as under `func start`), `port` where it listens and
    `identity` the URL of the development identity; these matter only in development, as does
    `use_azure_login`: that tools may call Azure as the developer. `resolve` reads what Key Vault
    references stand for.
    """

    config_file: FilePath | None
    loopback: bool | None
    port: int | None
    identity: str
    use_azure_login: bool
    resolve: Resolve | None


def load(
    folder: FilePath, environment: Mapping[str, str], **where: Unpack[Where]
) -> tuple[Settings, Report]:
    """The settings for an endpoint whose files lie in `folder`, and what there is to say of them.

    Raises ConfigurationError with every problem found.
    """
    development = _is_development(environment)
    root, unread = _files(folder, where.get("config_file"), development=development)
    problems = [*_variables(root, environment), *misspelt.variables(environment, Configuration)]
    if unread:
        # What such a file may hold is not missing.
        raise ConfigurationError([*unread, *problems])
    report = Report(root)
    report.problems += problems
    report.problems += misspelt.schemes(root)
    on_functions = bool(environment.get("WEBSITE_INSTANCE_ID"))
    report.problems += references.resolve(root, where.get("resolve"), on_functions=on_functions)
    if development:
        report.problems += _refuse_development(environment, loopback=where.get("loopback"))
    settings = _settings(report, folder, environment, development, where)
    if settings is None or report.failed:
        raise ConfigurationError(report.problems)
    return settings, report


def tree(
    folder: FilePath, environment: Mapping[str, str], config_file: FilePath | None
) -> tuple[Node, list[Problem]]:
    """The merged sources, unchecked, each value with its origin; and what could not be read."""
    root, unread = _files(folder, config_file, development=_is_development(environment))
    return root, unread + _variables(root, environment)


def _is_development(environment: Mapping[str, str]) -> bool:
    return environment.get("AZURE_FUNCTIONS_ENVIRONMENT", "").lower() == "development"


def _files(
    folder: FilePath, config_file: FilePath | None, *, development: bool
) -> tuple[Node, list[Problem]]:
    """The files, the later over the earlier, and those that cannot be read."""
    problems: list[Problem] = []
    if config_file is not None:
        files = [config_file]
    else:
        names = [CONFIGURATION_FILE, *([DEVELOPMENT_FILE] if development else [])]
        files = [folder / name for name in names if (folder / name).exists()]
    root = Node({}, Source(config_file.name if config_file else CONFIGURATION_FILE))
    for file in files:
        try:
            node = jsonc.parse(file.read_text(encoding="utf-8-sig"), file.name)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            problems.append(Problem(str(file), "file", f"cannot be read: {reason}"))
        except jsonc.SyntaxProblem as error:
            where = f"{file.name}:{error.line}"
            problems.append(Problem(file.name, where, f"is not JSON: expected {error.expected}"))
        else:
            if isinstance(node.value, dict):
                root = merge(root, node)
            else:
                problems.append(Problem(file.name, file.name, "expected an object: { … }"))
    return root, problems


def _variables(root: Node, environment: Mapping[str, str]) -> list[Problem]:
    """Set what the environment says in `root`; what it says in vain."""
    problems: list[Problem] = []
    allowed = {k: v for k, v in environment.items() if not _KEYS_VARIABLE.match(k)}
    if len(allowed) < len(environment):
        text = "keys are never read from environment variables; remove those named …__Keys__…"
        problems.append(Problem("Authentication:Schemes", "environment", text))
    for name in apply_environment(root, allowed, SECTIONS):
        text = (
            "does not fit the configuration, or is set twice in different spellings; expected "
            "Section__Key, or Section__Key__0 for lists"
        )
        problems.append(Problem(name, "environment", text))
    return problems


def _refuse_development(environment: Mapping[str, str], *, loopback: bool | None) -> list[Problem]:
    variable = "AZURE_FUNCTIONS_ENVIRONMENT"
    text = "Development is refused {}; remove the setting"
    hosted = [name for name in HOSTED if environment.get(name)]
    if hosted:
        return [Problem(variable, "environment", text.format(f"where {hosted[0]} is set"))]
    if loopback is False:
        return [Problem(variable, "environment", text.format("on a bind other machines can reach"))]
    return []


def _settings(
    report: Report,
    folder: FilePath,
    environment: Mapping[str, str],
    development: bool,
    where: Where,
) -> Settings | None:
    found: list[Violation] = []
    plain = check(report.root.plain(), Configuration, found=found, config=True)
    report.violations(found)
    unknown = {violation.path for violation in found if violation.reason == "unknown"}
    for path in _placeholders(report.root, (), unknown):
        report.error(path, "still holds a {placeholder}; expected it replaced by your own value")
    # A section with values that cannot be read is checked no further.
    broken = {str(v.path[0]).lower() for v in found if v.reason not in ("unknown", "repeated")}
    sound = {name: value for name, value in plain.items() if name.lower() not in broken}
    configuration = msgspec.convert(sound, Configuration, strict=False)
    poshmcp.warn_not_applicable(configuration, (), report)
    poshmcp.warn_not_applicable(configuration.logging, ("Logging",), report)
    public_url = None
    if "server" not in broken:
        port = where.get("port")
        public_url = _public_url(configuration.server, report, environment, development, port)
    identity = where.get("identity") or f"http://127.0.0.1:{DEVELOPMENT_IDENTITY_PORT}"
    circumstances = Circumstances(development, public_url or "", identity)
    authentication = _authentication(configuration, environment, report, circumstances, broken)
    outbound = _outbound(configuration, environment, authentication, report, development, where)
    selection = poshmcp.read_selection(configuration.power_shell_configuration, report)
    overrides = poshmcp.read_overrides(configuration.power_shell_configuration, report)
    resources = poshmcp_content.read_resources(configuration.mcp_resources, folder, report)
    prompts = poshmcp_content.read_prompts(configuration.mcp_prompts, folder, report)
    level = log_level.read(configuration.logging, environment, report)
    keys = _confirmation_keys(configuration.server, report, development=development)
    denied = deny.read(configuration.deny, report)
    if found or authentication is None or public_url is None:
        return None
    return Settings(
        development,
        public_url,
        msgspec.structs.replace(configuration.server, confirmation_keys=[]),
        configuration.hosting,
        authentication,
        selection,
        overrides,
        configuration.toolsets,
        keys,
        resources,
        prompts,
        level,
        denied,
        rate_limits.read(configuration.rate_limits),
        outbound,
    )


def _authentication(
    configuration: Configuration,
    environment: Mapping[str, str],
    report: Report,
    where: Circumstances,
    broken: set[str],
) -> AuthenticationSettings | None:
    """Who may call, from the one dialect that the configuration is written in."""
    nodes = {name: report.root.member(name) for name in _DIALECTS}
    there = [name for name, node in nodes.items() if node is not None and node.value is not None]
    for name in there[1:]:
        text = f"says who may call, and so does {there[0]}; expected one of them, remove the other"
        report.error((name,), text)
    found = []
    if configuration.authentication is not None:
        section = configuration.authentication
        found.append(poshmcp_authentication.read_authentication(section, report, where))
    if configuration.inbound_authentication is not None:
        found.append(azure_mcp.read_inbound(configuration.inbound_authentication, report, where))
    if configuration.azure_ad is not None:
        found.append(azure_mcp.read_azure_ad(configuration.azure_ad, environment, report, where))
    if not found and not broken.intersection(name.lower() for name in there):
        report.error(("Authentication",), "missing; expected a section saying who may call")
    return found[0] if found else None


def _outbound(
    configuration: Configuration,
    environment: Mapping[str, str],
    authentication: AuthenticationSettings | None,
    report: Report,
    development: bool,
    where: Where,
) -> OutboundSettings | None:
    """As whom tools call Azure. Says nothing where it is not known who calls."""
    if authentication is None:
        return None
    login = development and where.get("use_azure_login", False)
    token_file = environment.get("AZURE_FEDERATED_TOKEN_FILE")
    surroundings = Surroundings(authentication.entra, development, login, token_file)
    section, azure_ad = configuration.outbound_authentication, configuration.azure_ad
    strategy = azure_ad.outgoing_auth_strategy if azure_ad else None
    credentials = azure_ad.client_credentials if azure_ad else []
    if section is None:
        return azure_mcp_outbound.read_outgoing(
            strategy, credentials, environment, report, surroundings
        )
    if strategy or credentials:
        other = azure_mcp_outbound.KEY if strategy else "AzureAd:ClientCredentials"
        text = f"says as whom tools call Azure, and so does {other}; expected one of them"
        report.error((outbound_section.SECTION,), text)
    return outbound_section.read_outbound(section, report, surroundings)


def _confirmation_keys(
    server: ServerSettings, report: Report, *, development: bool
) -> tuple[tuple[str, bytes], ...]:
    """The keys that seal what clients carry between rounds; in development one of this process."""
    keys = []
    for index, text in enumerate(server.confirmation_keys):
        try:
            keys.append(request_state.read_key(text))
        except ValueError as error:
            expected = "expected <id>:<32 random bytes in base64url>"
            report.error(("Server", "ConfirmationKeys", index), f"{error} does not fit; {expected}")
    if not keys and development:
        keys.append(request_state.random_key())
    return tuple(keys)


def _placeholders(node: Node, path: Path, unknown: set[Path]) -> Iterator[Path]:
    """Where a value still holds a placeholder, except below keys that mean nothing anyway."""
    if path in unknown:
        return
    if isinstance(node.value, dict):
        for key, member in node.value.items():
            yield from _placeholders(member, (*path, key), unknown)
    elif isinstance(node.value, list):
        for index, member in enumerate(node.value):
            yield from _placeholders(member, (*path, index), unknown)
    elif (
        isinstance(node.value, str)
        and str(path[0]).lower() in _WITHOUT_PLACEHOLDERS
        and _PLACEHOLDER.search(node.value)
    ):
        yield path


def _public_url(
    server: ServerSettings,
    report: Report,
    environment: Mapping[str, str],
    development: bool,
    port: int | None,
) -> str | None:
    at: Path = ("Server", "PublicUrl")
    url = server.public_url
    if url is None:
        if development:
            return f"http://127.0.0.1:{port or 7071}{MCP_PATH}"
        if environment.get("WEBSITE_HOSTNAME"):
            return f"https://{environment['WEBSITE_HOSTNAME']}{MCP_PATH}"
        report.error(at, "missing; expected the full URL clients use: https://…/mcp")
        return None
    match = _URL.fullmatch(url.lower())
    port_part = match[3] if match else None
    if not match or (port_part is not None and not 0 < int(port_part[1:]) < 65536):
        text = "cannot be used; expected a URL with a path and nothing after it: https://…/mcp"
        report.error(at, text)
    elif match[1] == "http" and not development:
        report.error(at, "is not https; expected an https URL: https://…/mcp")
    else:
        return url
    return None
