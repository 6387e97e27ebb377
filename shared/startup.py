"""From files to a working endpoint, or to one that refuses everything and says why in the log."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import msgspec

from shared import command_names
from shared.authorization.policy import Policy
from shared.configuration.load import Where, load
from shared.configuration.model import Listed, Requirement, Settings
from shared.configuration.problems import ConfigurationError, Problem, Report
from shared.endpoint import Endpoint
from shared.tools import catalogue
from shared.tools.catalogue import Tool, ToolsetFile
from shared.tools.errors import ToolDefinitionError
from shared.unready import UnreadyEndpoint
from shared.validation import Violation, check

_log = logging.getLogger("postern.startup")


class Offer(NamedTuple):
    """What a configuration comes to: settings, tools and the rules on them."""

    settings: Settings
    tools: Mapping[str, Tool]
    policy: Policy
    warnings: list[Problem]


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
    settings, report = load(folder, environment, **where)
    tools = _tools(settings, report, package)
    if report.failed:
        raise ConfigurationError(report.problems)
    own = {name: _requirement(tool) for name, tool in tools.items()}
    policy = Policy(settings.authentication, own, settings.overrides, [settings.public_url])
    return Offer(settings, tools, policy, report.problems)


def build(
    folder: Path,
    environment: Mapping[str, str],
    *,
    package: str = "toolsets",
    **where: Unpack[Where],
) -> Endpoint:
    """The endpoint for what `offer` reads, its warnings logged."""
    offered = offer(folder, environment, package=package, **where)
    for warning in offered.warnings:
        _log.warning("%s", warning)
    loopback = bool(where.get("loopback"))
    return Endpoint(offered.settings, offered.tools, offered.policy, loopback=loopback)


def build_or_refuse(
    folder: Path, environment: Mapping[str, str], **where: Unpack[Where]
) -> Endpoint | UnreadyEndpoint:
    """Like `build`, for hosts that must stay up: an unusable configuration serves refusals."""
    try:
        return build(folder, environment, **where)
    except ConfigurationError as error:
        for problem in error.problems:
            level = logging.ERROR if problem.level == "error" else logging.WARNING
            _log.log(level, "%s", problem)
        return UnreadyEndpoint("configuration")
    except Exception:
        _log.exception("the endpoint could not be built")
        return UnreadyEndpoint("internal")


def _tools(settings: Settings, report: Report, package: str) -> Mapping[str, Tool]:
    paths = catalogue.discover(package)
    for name in settings.toolsets:
        if not any(_same(name, path.stem) for path in paths):
            hint = _hint(name, [path.stem for path in paths])
            report.error(("Toolsets", name), f"there is no such toolset{hint}")
    tools: list[Tool] = []
    absent: list[str] = []
    complete = True
    for path in paths:
        section = next((s for n, s in settings.toolsets.items() if _same(n, path.stem)), None)
        try:
            file = catalogue.glance(package, path)
            if section is False or (section is None and file.has_settings):
                absent += file.tool_names
                continue
            loaded = _toolset(file, section, report)
        except ToolDefinitionError as error:
            if section is False:
                continue
            report.problems.append(Problem(f"toolset {path.stem}", "source", str(error)))
            loaded = None
        complete = complete and loaded is not None
        tools += loaded or []
    try:
        known = catalogue.by_name(tools)
    except ToolDefinitionError as error:
        report.problems.append(Problem("toolsets", "source", str(error)))
        return {}
    if complete:
        _check_names(settings, known, absent, report)
    return {name: tool for name, tool in known.items() if _selected(name, settings)}


def _same(one: str, other: str) -> bool:
    return command_names.squashed(one) == command_names.squashed(other)


def _toolset(file: ToolsetFile, section: Any, report: Report) -> list[Tool] | None:
    """The tools of one toolset, or None when `report` says why there are none."""
    toolset = catalogue.load(file)
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
    return catalogue.tools_of(toolset, settings)


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
    for override in settings.overrides:
        if command_names.find(override.command, every) is None:
            hint = _hint(override.command, every)
            report.error(override.path, f"no tool is called {override.command}{hint}")


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
