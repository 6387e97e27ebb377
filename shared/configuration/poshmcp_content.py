"""PoshMcp's sections `McpResources` and `McpPrompts`: content from files and from tools.

A file has to lie in a folder of its own: whatever is in there is meant to be read, and nothing else
is. Configuration is never content.
"""

from pathlib import Path as FilePath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.configuration.model import ConfiguredArgument, ConfiguredItem
from shared.configuration.problems import Report
from shared.validation import Path

_CONFIGURATION_FILES = ("appsettings", "local.settings", "host.json")


class ResourceSection(msgspec.Struct, rename="pascal", frozen=True):
    uri: str
    name: str
    description: str = ""
    mime_type: str | None = None
    source: Literal["file", "command"] = "file"
    path: str | None = None
    command: str | None = None


class ResourcesSection(msgspec.Struct, rename="pascal", frozen=True):
    resources: list[ResourceSection] = []
    folder: Annotated[str, Meta(description="Ours: where files have to be.")] = "resources"


class PromptArgumentSection(msgspec.Struct, rename="pascal", frozen=True):
    name: str
    description: str = ""
    required: bool = False


class PromptSection(msgspec.Struct, rename="pascal", frozen=True):
    name: str
    description: str = ""
    source: Literal["file", "command"] = "file"
    path: str | None = None
    command: str | None = None
    arguments: list[PromptArgumentSection] = []


class PromptsSection(msgspec.Struct, rename="pascal", frozen=True):
    prompts: list[PromptSection] = []
    folder: Annotated[str, Meta(description="Ours: where files have to be.")] = "prompts"


def read_resources(
    section: ResourcesSection, root: FilePath, report: Report
) -> tuple[ConfiguredItem, ...]:
    """The resources of `McpResources`; files lie in its folder, which lies in `root`."""
    items = []
    for index, entry in enumerate(section.resources):
        path: Path = ("McpResources", "Resources", index)
        file, command = _origin(entry, root / section.folder, path, report)
        description = entry.description or entry.name
        items.append(
            ConfiguredItem(entry.uri, entry.name, description, path, file, command, entry.mime_type)
        )
    return tuple(items)


def read_prompts(
    section: PromptsSection, root: FilePath, report: Report
) -> tuple[ConfiguredItem, ...]:
    """The prompts of `McpPrompts`; files lie in its folder, which lies in `root`."""
    items = []
    for index, entry in enumerate(section.prompts):
        path: Path = ("McpPrompts", "Prompts", index)
        file, command = _origin(entry, root / section.folder, path, report)
        arguments = tuple(
            ConfiguredArgument(argument.name, argument.description, argument.required)
            for argument in entry.arguments
        )
        description = entry.description or entry.name
        items.append(
            ConfiguredItem(
                entry.name, entry.name, description, path, file, command, arguments=arguments
            )
        )
    return tuple(items)


def _origin(
    entry: ResourceSection | PromptSection, folder: FilePath, path: Path, report: Report
) -> tuple[FilePath | None, str | None]:
    """The file or the command an entry comes from; at most one of them, and none on an error."""
    if entry.source == "command":
        if not entry.command:
            report.error((*path, "Command"), "missing; expected the name of a tool")
        return None, entry.command
    if not entry.path:
        report.error((*path, "Path"), f"missing; expected a file in {folder.name}/")
        return None, None
    root = folder.resolve()
    file = (root / entry.path).resolve()
    if not file.is_relative_to(root):
        report.error((*path, "Path"), f"lies outside {folder.name}/; expected a file in it")
    elif file.name.lower().startswith(_CONFIGURATION_FILES):
        report.error((*path, "Path"), "is a configuration file, which is never exposed")
    elif not file.is_file():
        report.error((*path, "Path"), f"there is no such file in {folder.name}/")
    else:
        return file, None
    return None, None
