"""PoshMcp's section `PowerShellConfiguration`: which tools, and what each asks of its callers.

The keys are PoshMcp's. Those that concern PowerShell itself are recognised and have no effect.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared.command_names import squashed
from shared.configuration.model import Listed, Override, Requirement, ToolSelection
from shared.configuration.problems import Report, path_text
from shared.configuration.token_rules import Names
from shared.validation import Path

_POWERSHELL: Path = ("PowerShellConfiguration",)


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
        scopes=listed(section.required_scopes, (*path, "RequiredScopes"), report),
        roles=listed(section.required_roles, (*path, "RequiredRoles"), report),
        allow_anonymous=section.allow_anonymous,
        written=written(path, report),
    )


def listed(names: Names | None, path: Path, report: Report) -> Listed | None:
    """A list of names with the place that says so."""
    return None if names is None else Listed(frozenset(names), written(path, report))


def _placed(names: Names, key: str) -> Mapping[str, Path]:
    return {name: (*_POWERSHELL, key, i) for i, name in enumerate(names)}


def written(path: Path, report: Report) -> str:
    """A place in the configuration, for people: key, file and line."""
    return f"{path_text(report.root, path)} ({report.root.source_of(path)})"
