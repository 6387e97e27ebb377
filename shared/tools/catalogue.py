"""Find what is offered: every module of a package is a toolset, with tools, resources, prompts."""

import ast
import importlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

import msgspec

from shared import command_names
from shared.tools import signature
from shared.tools.decorator import (
    Complete,
    Options,
    PromptOptions,
    ResourceOptions,
    ToolOptions,
    options_of,
)
from shared.tools.errors import ToolDefinitionError
from shared.tools.signature import Signature
from shared.tools.uri_template import UriTemplate

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool, ready to be called. `where` is its file and line."""

    name: str
    toolset: str
    function: Callable[..., Any]
    options: ToolOptions
    signature: Signature
    where: str
    settings: Any = field(default=None, repr=False)

    @property
    def annotations(self) -> dict[str, bool]:
        """The protocol's ToolAnnotations, as far as the author gave any."""
        options = self.options
        hints = {
            "readOnlyHint": options.read_only,
            "destructiveHint": options.destructive,
            "idempotentHint": options.idempotent,
            "openWorldHint": options.open_world,
        }
        return {name: value for name, value in hints.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, or a family of them (`template`). `call` is how its contents come about."""

    options: ResourceOptions
    template: UriTemplate
    call: Tool

    @property
    def is_template(self) -> bool:
        return bool(self.template.variables)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt. `call` is how its messages come about."""

    options: PromptOptions
    call: Tool


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that is offered: tools and prompts by name, resources by URI or template."""

    tools: Mapping[str, Tool]
    resources: Mapping[str, Resource]
    prompts: Mapping[str, Prompt]


@dataclass(frozen=True, slots=True)
class ToolsetFile:
    """A toolset before it is imported: what its source text tells."""

    name: str
    module: str
    path: Path
    has_settings: bool
    tool_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Toolset:
    """An imported toolset: its settings type, if it declares one, and its functions."""

    file: ToolsetFile
    settings_type: type[msgspec.Struct] | None
    functions: tuple[tuple[Callable[..., Any], Options, str], ...]


def discover(package: str) -> list[Path]:
    """The files of a package that are toolsets, by name. Hidden ones and `_name.py` are none."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    files = (path for folder in folders or () for path in Path(folder).glob("*.py"))
    return sorted((path for path in files if path.stem[0] not in "._"), key=lambda path: path.stem)


def glance(package: str, path: Path) -> ToolsetFile:
    """What the source of a toolset tells, without importing it.

    Raises ToolDefinitionError for what is not Python or cannot be imported under its name.
    """
    if not path.stem.isidentifier():
        better = re.sub(r"\W", "_", path.stem)
        raise ToolDefinitionError(_shown(path), f"is no module name; rename it {better}.py")
    try:
        module = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ToolDefinitionError(f"{_shown(path)}:{line}", f"is not Python: {error}") from None
    functions = [n for n in module.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    names = tuple(name for function in functions for name in _tool_name(function))
    has_settings = any("Settings" in _bound(node) for node in module.body)
    return ToolsetFile(path.stem, f"{package}.{path.stem}", path, has_settings, names)


def _shown(path: Path) -> str:
    return f"toolsets/{path.name}"


def _bound(node: ast.stmt) -> set[str]:
    """The names that a class, an assignment or an import gives to a module."""
    match node:
        case ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.ImportFrom(names=names):
            return {alias.asname or alias.name for alias in names}
        case _:
            return set()


def _tool_name(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = call.func if call else decorator
        if getattr(target, "id", getattr(target, "attr", None)) == "tool":
            given = [k.value for k in call.keywords if k.arg == "name"] if call else []
            literal = given and isinstance(given[0], ast.Constant)
            return [str(given[0].value) if literal else function.name]  # type: ignore[attr-defined]
    return []


def load(file: ToolsetFile) -> Toolset:
    """Import a toolset. Raises ToolDefinitionError when that fails."""
    try:
        module = importlib.import_module(file.module)
    except (Exception, SystemExit) as error:
        text = f"cannot be imported: {type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError):
            text += "; a package needs a line in requirements.in, then make lock"
        lines = [f.lineno for f in extract_tb(error.__traceback__) if f.filename == str(file.path)]
        where = f"{_shown(file.path)}:{lines[-1]}" if lines else _shown(file.path)
        raise ToolDefinitionError(where, text) from error
    settings = getattr(module, "Settings", None) if file.has_settings else None
    if settings is not None and not (
        isinstance(settings, type) and issubclass(settings, msgspec.Struct)
    ):
        raise ToolDefinitionError(_shown(file.path), "Settings must be a msgspec.Struct")
    return Toolset(file, settings, tuple(_functions(module, file)))


def _functions(
    module: ModuleType, file: ToolsetFile
) -> list[tuple[Callable[..., Any], Options, str]]:
    found = []
    for value in dict.fromkeys(filter(callable, vars(module).values())):
        options = options_of(value)
        if options is not None and value.__module__ == module.__name__:
            line = value.__code__.co_firstlineno
            found.append((value, options, f"{_shown(file.path)}:{line}"))
    return found


def items_of(toolset: Toolset, settings: Any) -> list[Tool | Resource | Prompt]:
    """What a toolset offers, in the order of its file, sharing its checked settings."""
    items: list[Tool | Resource | Prompt] = []
    for function, options, where in toolset.functions:
        name = function.__name__ if options.name is None else options.name
        if not _NAME.fullmatch(name):
            raise ToolDefinitionError(where, f"{name} must be 1 to 64 of A-Z a-z 0-9 _ -")
        read = signature.read(function, toolset.settings_type, f"{where} {name}")
        as_tool = options if isinstance(options, ToolOptions) else _called(options)
        tool = Tool(name, toolset.file.name, function, as_tool, read, where, settings)
        if isinstance(options, ResourceOptions):
            items.append(_resource(options, tool))
        elif isinstance(options, PromptOptions):
            items.append(Prompt(options, _completable(options.complete, tool)))
        else:
            items.append(tool)
    return items


def _called(options: ResourceOptions | PromptOptions) -> ToolOptions:
    return ToolOptions(title=options.title, scopes=options.scopes, roles=options.roles)


def _resource(options: ResourceOptions, tool: Tool) -> Resource:
    try:
        template = UriTemplate(options.uri)
    except ValueError as error:
        raise ToolDefinitionError(tool.where, f"{options.uri}: {error}") from None
    parameters = set(tool.signature.input_schema.get("properties", {}))
    if parameters != set(template.variables):
        variables = ", ".join(template.variables) or "none"
        text = f"its parameters must be the variables of {options.uri}: {variables}"
        raise ToolDefinitionError(tool.where, text)
    return Resource(options, template, _completable(options.complete, tool))


def _completable(complete: Complete, tool: Tool) -> Tool:
    for name in complete:
        if name not in tool.signature.input_schema.get("properties", {}):
            raise ToolDefinitionError(tool.where, f"complete names {name}, which is no parameter")
    return tool


def gather(items: list[Tool | Resource | Prompt]) -> Catalogue:
    """Everything offered, found by its name. Raises ToolDefinitionError for two of one name."""
    resources: dict[str, Resource] = {}
    prompts: dict[str, Prompt] = {}
    for item in items:
        if isinstance(item, Resource) and resources.setdefault(item.options.uri, item) is not item:
            where = resources[item.options.uri].call.where
            raise ToolDefinitionError(item.call.where, f"{item.options.uri} is also {where}")
        if isinstance(item, Prompt) and prompts.setdefault(item.call.name, item) is not item:
            where = prompts[item.call.name].call.where
            raise ToolDefinitionError(item.call.where, f"prompt {item.call.name} is also {where}")
    return Catalogue(
        by_name([item for item in items if isinstance(item, Tool)]), resources, prompts
    )


def by_name(tools: list[Tool]) -> Mapping[str, Tool]:
    """The tools by name. Raises ToolDefinitionError for two that commands could not tell apart."""
    forms: dict[str, Tool] = {}
    for tool in tools:
        other = forms.setdefault(command_names.squashed(tool.name), tool)
        if other is not tool:
            text = f"{tool.name} cannot be told from {other.name} ({other.where}); rename one"
            raise ToolDefinitionError(tool.where, text)
    return {tool.name: tool for tool in tools}
