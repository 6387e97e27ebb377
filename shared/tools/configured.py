"""Resources and prompts that no function offers: a file, or what a tool returns."""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared.configuration.model import ConfiguredArgument, ConfiguredItem
from shared.tools import annotations
from shared.tools.catalogue import Prompt, Resource, Tool
from shared.tools.decorator import PromptOptions, ResourceOptions, ToolOptions
from shared.tools.errors import ToolDefinitionError
from shared.tools.signature import Signature
from shared.tools.uri_template import UriTemplate

_BLANK = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def resource(item: ConfiguredItem, tool: Tool | None) -> Resource:
    """A resource from a file, or from the tool it names.

    Raises ToolDefinitionError when the URI is none or the tool needs arguments.
    """
    try:
        template = UriTemplate(item.key)
    except ValueError as error:
        raise ToolDefinitionError(item.key, str(error)) from None
    if template.variables:
        raise ToolDefinitionError(item.key, "a resource of the configuration has no variables")
    options = ResourceOptions(item.key, item.name, item.name, item.mime_type)
    if tool is not None:
        _check_not_destructive(item, tool)
        if tool.signature.input_schema.get("required"):
            text = f"{tool.name} needs arguments, which nobody gives it"
            raise ToolDefinitionError(item.key, text)
        return Resource(options, template, tool)
    file = _file(item)

    def read() -> str | bytes:
        data = _contents(file)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data

    return Resource(options, template, _call(item, read, Any))


def prompt(item: ConfiguredItem, tool: Tool | None) -> Prompt:
    """A prompt from a file whose `{{blanks}}` are its arguments, or from the tool it names.

    Raises ToolDefinitionError when a blank is no argument, or the tool does not fit.
    """
    options = PromptOptions(item.key, item.name)
    if tool is not None:
        _check_not_destructive(item, tool)
        _check_prompt(item, tool)
        return Prompt(options, tool)
    file = _file(item)
    names = {argument.name for argument in item.arguments}
    for blank in _BLANK.findall(_contents(file).decode(errors="replace")):
        if blank not in names:
            raise ToolDefinitionError(item.key, f"{file.name} has {{{{{blank}}}}}, no argument")

    def render(**given: str) -> str:
        text = _contents(file).decode(errors="replace")
        return _BLANK.sub(lambda match: given.get(match[1], ""), text)

    return Prompt(options, _call(item, render, str))


def _check_not_destructive(item: ConfiguredItem, tool: Tool) -> None:
    if tool.options.destructive:
        text = "it runs when it is called and confirmed, not by reading"
        raise ToolDefinitionError(item.key, f"{tool.name} is destructive; {text}")


def _check_prompt(item: ConfiguredItem, tool: Tool) -> None:
    if tool.signature.returns is not str:
        raise ToolDefinitionError(item.key, f"{tool.name} does not return text")
    known = set(tool.signature.input_schema.get("properties", {}))
    for argument in item.arguments:
        if argument.name not in known:
            text = f"{argument.name} is no parameter of {tool.name}"
            raise ToolDefinitionError(item.key, text)


def _file(item: ConfiguredItem) -> Path:
    if item.file is None:
        raise ToolDefinitionError(item.key, "has neither a file nor a tool")
    return item.file


def _contents(file: Path) -> bytes:
    """What a file holds now. It must still be the file that was checked at start."""
    if file.resolve() != file:
        raise PermissionError(f"{file.name} has become a link")
    return file.read_bytes()


def _call(item: ConfiguredItem, function: Any, returns: Any) -> Tool:
    def refuse(problem: str) -> ToolDefinitionError:
        return ToolDefinitionError(item.key, problem)

    arguments = msgspec.defstruct(
        f"{item.name} arguments",
        [_field(argument) for argument in item.arguments],
        kw_only=True,
        forbid_unknown_fields=True,
    )
    schema = annotations.schema(arguments, "an argument", refuse)
    signature = Signature(
        description=item.description,
        arguments=arguments,
        context_parameter=None,
        input_schema=schema,
        returns=returns,
        result=None,
        output_schema=None,
        content=False,
        records=False,
    )
    return Tool(item.name, "configuration", function, ToolOptions(), signature, item.key)


def _field(argument: ConfiguredArgument) -> Any:
    annotation = Annotated[str, Meta(description=argument.description or argument.name)]
    return (argument.name, annotation) if argument.required else (argument.name, annotation, "")
