"""From a function's signature to the types and schemas a tool is called by.

Whatever the signature says and cannot be honoured is an error here, at start.
"""

import copy
import enum
import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import msgspec

from shared.tools import annotations, content, docstrings
from shared.tools.annotations import Refuse
from shared.tools.context import ToolContext
from shared.tools.errors import ToolDefinitionError

_IMMUTABLE = (str, int, float, bytes, enum.Enum, type(None))


@dataclass(frozen=True, slots=True)
class Signature:
    """How a tool is called and what comes back.

    `arguments` is a Struct type with a field per parameter. `result` checks structured results and
    is None for a tool whose result is text, nothing, anything or content blocks (`returns`,
    `content`). `records` tells that some parameter holds records, whose unknown members msgspec
    alone would overlook.
    """

    description: str
    arguments: type[msgspec.Struct]
    context_parameter: str | None
    input_schema: dict[str, Any]
    returns: Any
    result: "msgspec.json.Decoder[Any] | None"
    output_schema: dict[str, Any] | None
    content: bool
    records: bool


def read(function: Callable[..., Any], settings: type | None, where: str) -> Signature:
    """Understand a tool function. Raises ToolDefinitionError with the place and the remedy."""

    def refuse(problem: str) -> ToolDefinitionError:
        return ToolDefinitionError(where, problem)

    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise refuse(f"an annotation cannot be read: {error}") from None
    description, documented = docstrings.parse(function)
    if not description:
        raise refuse("it needs a docstring; agents choose tools by what it says")
    if "return" not in hints:
        raise refuse("it needs a return annotation, such as -> str or -> list[Invoice]")
    context_parameter: str | None = None
    fields: list[Any] = []
    defaults: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise refuse(
                f"parameter {name} must be a plain named one, not *, ** or positional-only"
            )
        annotation = hints.get(name)
        if annotation is None:
            raise refuse(f"parameter {name} needs an annotation, such as {name}: str")
        text = documented.pop(name, None)
        if _holds_context(annotation):
            _check_context(name, annotation, settings, context_parameter, refuse)
            context_parameter = name
            continue
        annotations.check(annotation, f"parameter {name}", refuse)
        if text:
            annotation = typing.Annotated[annotation, msgspec.Meta(description=text)]
        fields.append(_field(name, annotation, parameter.default, defaults, refuse))
    for name in documented:
        raise refuse(f"its docstring describes {name}, which is not a parameter")
    returns = hints["return"]
    annotations.check(returns, "the return annotation", refuse)
    blocks = content.is_content(returns)
    structured = not blocks and returns not in (str, type(None), Any)
    arguments = msgspec.defstruct(
        f"{function.__name__} arguments",
        fields,
        kw_only=True,
        forbid_unknown_fields=True,
        module=function.__module__,
    )
    input_schema = annotations.schema(arguments, "a parameter", refuse)
    for name, default in defaults.items():
        input_schema["properties"][name]["default"] = default
    return Signature(
        description,
        arguments,
        context_parameter,
        input_schema,
        returns,
        msgspec.json.Decoder(returns) if structured else None,
        annotations.schema(returns, "the return annotation", refuse) if structured else None,
        blocks,
        "$defs" in input_schema,
    )


def _holds_context(annotation: Any) -> bool:
    if get_origin(annotation) is ToolContext or annotation is ToolContext:
        return True
    return any(_holds_context(part) for part in get_args(annotation))


def _check_context(
    name: str, annotation: Any, settings: type | None, other: str | None, refuse: Refuse
) -> None:
    if get_origin(annotation) is not ToolContext and annotation is not ToolContext:
        raise refuse(f"parameter {name} is always filled in; annotate it as ToolContext alone")
    if other is not None:
        raise refuse(f"parameter {name} is a second ToolContext beside {other}; keep one")
    for wanted in get_args(annotation):
        if wanted not in (settings, Any, settings or type(None)) and isinstance(wanted, type):
            raise refuse(
                f"ToolContext[{wanted.__name__}] needs that class as the module's Settings"
            )


def _field(
    name: str, annotation: Any, default: Any, defaults: dict[str, Any], refuse: Refuse
) -> Any:
    """A field of the arguments. A default that could be changed is copied for each call."""
    if default is inspect.Parameter.empty:
        return (name, annotation)
    if annotations.is_foreign(type(default)):
        raise refuse(
            f"parameter {name} has a {type(default).__name__} of pydantic as its default; write "
            f"{name}: Annotated[int, Meta(ge=1)] = 5, with Meta from shared.tools"
        )
    try:
        plain = msgspec.to_builtins(default)
        msgspec.convert(plain, annotation, str_keys=True)
    except (TypeError, msgspec.ValidationError) as error:
        raise refuse(f"the default of parameter {name} does not fit its type: {error}") from None
    if isinstance(default, _IMMUTABLE):
        return (name, annotation, default)
    defaults[name] = plain
    return (
        name,
        annotation,
        msgspec.field(default_factory=functools.partial(copy.deepcopy, default)),
    )
