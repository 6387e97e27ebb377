"""From files to a working endpoint, or to one that refuses everything and says why in the log."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Unpack

import msgspec

from shared import command_names, vaults
from shared.authentication.resource_metadata import own_prefixes
from shared.authorization.deny import DenyList
from shared.authorization.policy import Policies, Policy, Rule
from shared.configuration import log_level
from shared.configuration.authority import is_guid
from shared.configuration.load import Where, load
from shared.configuration.model import ConfiguredItem, Listed, Requirement, Settings
from shared.configuration.problems import ConfigurationError, Problem, Report
from shared.credentials.by_caller import Around, Credentials
from shared.credentials.permissions import PERMISSIONS
from shared.endpoint import Endpoint
from shared.key_vault import Vaults
from shared.tools import catalogue as toolsets
from shared.tools import configured
from shared.tools.catalogue import Catalogue, Prompt, Resource, Tool, ToolsetFile
from shared.tools.errors import ToolDefinitionError
from shared.unready import UnreadyEndpoint
from shared.validation import Violation, check

_log = logging.getLogger("postern.startup")

_Made = TypeVar("_Made")


class Offer(NamedTuple):
    """What a configuration comes to: settings, what is offered and the rules on it."""

    settings: Settings
    catalogue: Catalogue
    policies: Policies
    report: Report
    vaults: Callable[[], Vaults]
    """Makes what opens the vaults that the settings name."""

    @property
    def warnings(self) -> list[Problem]:
        return self.report.problems


def offer(
    folder: Path,
    environment: Mapping[str, str],
    *,
    package: str = "toolsets",
    **where: Unpack[Where],
) -> Offer:
    """Read the files in `folder` and the toolsets in `package`.

    Raises ConfigurationError with all that is wrong.
    """
    log_level.silence_azure_identity()
    where.setdefault("resolve", functools.partial(vaults.resolve, lambda: _vaults(environment)))
    settings, report = load(folder, environment, **where)
    catalogue = _catalogue(settings, report, package)
    if report.failed:
        raise ConfigurationError(report.problems)
    make = functools.partial(_vaults, environment)
    policies = _policies(settings, catalogue)
    if settings.authentication.entra is not None:
        _warn_of_scopes(policies, report)
    _warn_of_missing_outbound(settings, catalogue, report)
    return Offer(settings, catalogue, policies, report, make)


def _vaults(environment: Mapping[str, str]) -> Vaults:
    return Vaults(vaults.identity_for(environment))


def _policies(settings: Settings, catalogue: Catalogue) -> Policies:
    tools = {name: _requirement(tool) for name, tool in catalogue.tools.items()}
    resources = {uri: _requirement(r.call) for uri, r in catalogue.resources.items()}
    prompts = {name: _requirement(p.call) for name, p in catalogue.prompts.items()}
    own = own_prefixes(settings.authentication.entra, settings.public_url)
    of_tools = Policy(settings.authentication, tools, settings.overrides, own)

    def as_tools(items: Mapping[str, Resource | Prompt]) -> dict[str, Rule]:
        """What is a tool's result asks what the tool asks."""
        return {
            key: of_tools.rules[item.call.name]
            for key, item in items.items()
            if catalogue.tools.get(item.call.name) is item.call
        }

    return Policies(
        of_tools,
        Policy(settings.authentication, resources, (), own, as_tools(catalogue.resources)),
        Policy(settings.authentication, prompts, (), own, as_tools(catalogue.prompts)),
    )


def _warn_of_scopes(policies: Policies, report: Report) -> None:
    """Warn of scopes of other APIs: a token is for this one, and names its scopes alone."""
    asked: dict[str, str] = {}
    for rule in (rule for policy in policies for rule in policy.rules.values()):
        for scope in rule.scopes:
            asked[scope] = min(asked.get(scope, rule.written), rule.written, key=len)
    for scope, written in sorted(asked.items()):
        api, _, name = scope.rpartition("/")
        if "://" in api or is_guid(api.lower()):
            text = f"is another API's, so that no token has it; expected {name}, or an audience"
            problem = Problem(f"the scope {scope}", written, f"{text} {api}", "warning")
            report.problems.append(problem)


def _warn_of_missing_outbound(settings: Settings, catalogue: Catalogue, report: Report) -> None:
    """Warn of toolsets that call Azure where nobody said as whom."""
    calling = {name for permission in PERMISSIONS for name in permission.toolsets}
    offered = {tool.toolset for tool in catalogue.tools.values()}
    for toolset in sorted(offered & calling) if settings.outbound is None else ():
        text = "calls Azure, and nothing says as whom; expected a section outboundAuthentication"
        report.warn(("Toolsets", toolset), text)


def build(
    folder: Path,
    environment: Mapping[str, str],
    *,
    package: str = "toolsets",
    **where: Unpack[Where],
) -> Endpoint:
    """The endpoint for what `offer` reads, its warnings logged."""
    offered = offer(folder, environment, package=package, **where)
    return endpoint_of(offered, loopback=bool(where.get("loopback")))


def endpoint_of(
    offered: Offer, *, loopback: bool = False, around: Around | None = None
) -> Endpoint:
    """The endpoint for an offer, its warnings logged and its log level set.

    `around` is what outbound credentials are made with, when it is not the usual.
    """
    log_level.apply(offered.settings.log_level)
    for warning in offered.warnings:
        _log.warning("%s", warning)
    settings, opened = offered.settings, offered.vaults()
    deny = DenyList(settings.deny, vaults.deny_reader(opened, settings.deny.secret))
    credentials = None
    if settings.outbound is not None:
        usual = around or Around(development=settings.development)
        credentials = Credentials(settings.outbound, dataclasses.replace(usual, vaults=opened))
    return Endpoint(
        settings,
        offered.catalogue,
        offered.policies,
        loopback=loopback,
        deny=deny,
        vaults=opened,
        credentials=credentials,
    )


def build_or_refuse(
    folder: Path, environment: Mapping[str, str], **where: Unpack[Where]
) -> Endpoint | UnreadyEndpoint:
    """Like `build`, for hosts that must stay up: an unusable configuration serves refusals."""
    return or_refuse(lambda: build(folder, environment, **where))


def or_refuse(make: Callable[[], _Made]) -> _Made | UnreadyEndpoint:
    """What `make` makes, or, when it cannot, an endpoint that refuses; the log says why."""
    try:
        return make()
    except ConfigurationError as error:
        for problem in error.problems:
            level = logging.ERROR if problem.level == "error" else logging.WARNING
            _log.log(level, "%s", problem)
        return UnreadyEndpoint("configuration")
    except Exception:
        _log.exception("the endpoint could not be built")
        return UnreadyEndpoint("internal")


def _catalogue(settings: Settings, report: Report, package: str) -> Catalogue:
    paths = toolsets.discover(package)
    for name in settings.toolsets:
        if not any(_same(name, path.stem) for path in paths):
            hint = _hint(name, [path.stem for path in paths])
            report.error(("Toolsets", name), f"there is no such toolset{hint}")
    items: list[Tool | Resource | Prompt] = []
    absent: list[str] = []
    complete = True
    for path in paths:
        section = next((s for n, s in settings.toolsets.items() if _same(n, path.stem)), None)
        try:
            file = toolsets.glance(package, path)
            if section is False or (section is None and file.has_settings):
                absent += file.tool_names
                continue
            loaded = _toolset(file, section, report)
        except ToolDefinitionError as error:
            if section is False:
                continue
            report.problems.append(Problem(f"toolset {path.stem}", error.where, error.problem))
            loaded = None
        complete = complete and loaded is not None
        items += loaded or []
    try:
        known = toolsets.gather(items)
    except ToolDefinitionError as error:
        report.problems.append(Problem("toolsets", error.where, error.problem))
        return Catalogue({}, {}, {})
    if complete:
        _check_names(settings, known.tools, absent, report)
    chosen = {name: tool for name, tool in known.tools.items() if _selected(name, settings)}
    resources = _configured(
        settings.resources, configured.resource, known.resources, chosen, report
    )
    prompts = _configured(settings.prompts, configured.prompt, known.prompts, chosen, report)
    return Catalogue(chosen, resources, prompts)


def _configured(
    items: Iterable[ConfiguredItem],
    make: Callable[[ConfiguredItem, Tool | None], _Made],
    offered: Mapping[str, _Made],
    tools: Mapping[str, Tool],
    report: Report,
) -> dict[str, _Made]:
    """What is offered, and what the configuration adds to it."""
    together = dict(offered)
    for item in items:
        tool = None
        if item.command is not None:
            name = command_names.find(item.command, tools)
            if name is None:
                hint = _hint(item.command, tools)
                report.error((*item.path, "Command"), f"no tool is called {item.command}{hint}")
                continue
            tool = tools[name]
        if item.key in together:
            report.error(item.path, f"{item.key} is offered already")
            continue
        try:
            together[item.key] = make(item, tool)
        except ToolDefinitionError as error:
            report.error(item.path, str(error))
    return together


def _same(one: str, other: str) -> bool:
    return command_names.squashed(one) == command_names.squashed(other)


def _toolset(
    file: ToolsetFile, section: Any, report: Report
) -> list[Tool | Resource | Prompt] | None:
    """What one toolset offers, or None when `report` says why it offers nothing."""
    toolset = toolsets.load(file)
    settings = None
    if toolset.settings_type is not None:
        found: list[Violation] = []
        given = section if isinstance(section, dict) else {}
        plain = check(given, toolset.settings_type, found=found, config=True)
        report.violations(found, ("Toolsets", file.name))
        if found:
            return None
        settings = msgspec.convert(plain, toolset.settings_type, strict=False)
    elif isinstance(section, dict) and section:
        report.error(("Toolsets", file.name), "takes no settings; expected true or false")
        return None
    return toolsets.items_of(toolset, settings)


def _check_names(
    settings: Settings, known: Mapping[str, Tool], absent: list[str], report: Report
) -> None:
    """Names that mean no tool: a warning in a list of tools, an error where access is decided."""
    every = [*known, *absent]
    selection = settings.selection
    for name, path in selection.names.items():
        if command_names.find(name, every) is None:
            report.warn(path, f"no tool is called {name}{_hint(name, every)}")
    for pattern, path in selection.include.items():
        if not any(command_names.includes(pattern, name) for name in every):
            report.warn(path, f"no tool matches {pattern}")
    for pattern, path in selection.exclude.items():
        if not any(command_names.excludes(pattern, name) for name in every):
            report.warn(path, f"no tool matches {pattern}")
    decisive = [(override.command, override.path) for override in settings.overrides]
    decisive += [*settings.deny.paths.items(), *settings.rate_limits.paths.items()]
    for name, path in decisive:
        if command_names.find(name, every) is None:
            report.error(path, f"no tool is called {name}{_hint(name, every)}")


def _hint(name: str, candidates: Iterable[str]) -> str:
    near = command_names.closest(name, candidates)
    return f"; did you mean {near}?" if near else ""


def _selected(name: str, settings: Settings) -> bool:
    selection = settings.selection
    if any(command_names.excludes(pattern, name) for pattern in selection.exclude):
        return False
    if not selection.names and not selection.include:
        return True
    listed = any(_same(name, command) for command in selection.names)
    return listed or any(command_names.includes(pattern, name) for pattern in selection.include)


def _requirement(tool: Tool) -> Requirement:
    written = f"@tool in {tool.where}"

    def listed(names: tuple[str, ...] | None) -> Listed | None:
        return None if names is None else Listed(frozenset(names), written)

    options = tool.options
    return Requirement(listed(options.scopes), listed(options.roles), None, written)
