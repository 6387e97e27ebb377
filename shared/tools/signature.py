"""From a function's signature to the types and schemas a tool is called by.

JSON Schema 2020-12 by msgspec, with its root inlined (the protocol wants `"type": "object"` at
the root). Whatever the signature says and cannot be honoured is an error here, at start.
"""

import copy
import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import msgspec

from shared.tools import docstrings
from shared.tools.context import ToolContext
from shared.tools.errors import ToolDefinitionError
from shared.validation import fields_of


@dataclass(frozen=True, slots=True)
class Signature:
    """How a tool is called and what comes back.

    `arguments` is a Struct type with a field per parameter. `returns` is None when the result is
    plain text or nothing; otherwise results are checked against it. `records` tells that some
    parameter holds records, whose unknown members msgspec alone would overlook.
    """

    description: str
    arguments: type[msgspec.Struct]
    context_parameter: str | None
    input_schema: dict[str, Any]
    returns: Any
    output_schema: dict[str, Any] | None
    records: bool


def read(function: Callable[..., Any], settings: type | None, where: str) -> Signature:
    """Understand a tool function. Raises ToolDefinitionError with the place and the remedy."""

    def refuse(problem: str) -> ToolDefinitionError:
        return ToolDefinitionError(where, problem)

    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise refuse(f"an annotation cannot be read: {error}") from None
    description, documented = docstrings.parse(function)
    if not description:
        raise refuse("it needs a docstring; agents choose tools by what it says")
    if "return" not in hints:
        raise refuse("it needs a return annotation, such as -> str or -> list[Invoice]")
    context_parameter: str | None = None
    fields: list[Any] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise refuse(
                f"parameter {name} must be a plain named one, not *, ** or positional-only"
            )
        annotation = hints.get(name)
        if annotation is None:
            raise refuse(f"parameter {name} needs an annotation, such as {name}: str")
        if get_origin(annotation) is ToolContext or annotation is ToolContext:
            context_parameter = name
            _check_settings(annotation, settings, refuse)
            continue
        _check_annotation(annotation, f"parameter {name}", refuse, set())
        text = documented.pop(name, None)
        if text:
            annotation = typing.Annotated[annotation, msgspec.Meta(description=text)]
        fields.append(_field(name, annotation, parameter.default, refuse))
    for name in documented:
        raise refuse(f"its docstring describes {name}, which is not a parameter")
    returns = hints["return"]
    _check_annotation(returns, "the return annotation", refuse, set())
    structured = returns not in (str, type(None), Any)
    arguments = msgspec.defstruct(
        "Arguments", fields, kw_only=True, forbid_unknown_fields=True, module=function.__module__
    )
    input_schema = _schema(arguments, "a parameter", refuse)
    return Signature(
        description,
        arguments,
        context_parameter,
        input_schema,
        returns if structured else None,
        _schema(returns, "the return annotation", refuse) if structured else None,
        "$defs" in input_schema,
    )


Refuse = Callable[[str], ToolDefinitionError]


def _check_settings(annotation: Any, settings: type | None, refuse: Refuse) -> None:
    for wanted in get_args(annotation):
        if wanted is not settings and wanted is not Any and isinstance(wanted, type):
            raise refuse(
                f"ToolContext[{wanted.__name__}] needs that class as the module's Settings"
            )


def _field(name: str, annotation: Any, default: Any, refuse: Refuse) -> Any:
    if default is inspect.Parameter.empty:
        return (name, annotation)
    if _foreign(type(default)):
        raise refuse(
            f"parameter {name} has a {type(default).__name__} of pydantic as its default; write "
            f"{name}: Annotated[int, Meta(ge=1)] = 5, with Meta from shared.tools"
        )
    try:
        msgspec.convert(msgspec.to_builtins(default), annotation)
    except (TypeError, msgspec.ValidationError) as error:
        raise refuse(f"the default of parameter {name} does not fit its type: {error}") from None
    if isinstance(default, list | dict | set | bytearray):
        factory = functools.partial(copy.deepcopy, default)
        return (name, annotation, msgspec.field(default_factory=factory))
    return (name, annotation, default)


def _foreign(cls: type) -> bool:
    return any(base.__module__.split(".")[0] == "pydantic" for base in cls.__mro__)


def _check_annotation(annotation: Any, what: str, refuse: Refuse, seen: set[Any]) -> None:
    """Refuse what msgspec would silently ignore or could not describe."""
    try:
        if annotation in seen:
            return
        seen.add(annotation)
    except TypeError:
        pass  # Unhashable metadata; harmless to look at twice.
    if get_origin(annotation) is typing.Annotated:
        for metadata in annotation.__metadata__:
            if not isinstance(metadata, msgspec.Meta):
                raise refuse(
                    f"{what} carries {type(metadata).__name__} in Annotated, which has no effect "
                    'here; write Annotated[int, Meta(ge=1, le=100, description="…")], '
                    "with Meta from shared.tools"
                )
    if isinstance(annotation, type) and _foreign(annotation):
        raise refuse(
            f"{what} uses the pydantic model {annotation.__name__}; write it as a dataclass, "
            "a TypedDict or a msgspec.Struct"
        )
    if get_origin(annotation) is typing.Literal:
        return
    for part in get_args(annotation):
        if not isinstance(part, msgspec.Meta):
            _check_annotation(part, what, refuse, seen)
    for field in fields_of(annotation) or ():
        _check_annotation(field.annotation, f"{what} (field {field.name})", refuse, seen)


def _schema(annotation: Any, what: str, refuse: Refuse) -> dict[str, Any]:
    """The JSON Schema of a type with an inlined root."""
    try:
        (root,), components = msgspec.json.schema_components(
            [annotation], ref_template="#/$defs/{name}"
        )
    except TypeError as error:
        text = str(error).split("\n")[0]
        if "type union" in text.lower():
            raise refuse(
                f"{what} is a union that JSON cannot tell apart; write the members as tagged "
                "Structs: class Card(msgspec.Struct, tag=True) and class Iban(…, tag=True)"
            ) from None
        raise refuse(
            f"{what} has a type without a JSON form ({text}); use plain types, dataclasses, "
            "TypedDict, msgspec.Struct, Literal or Enum"
        ) from None
    components = {name: _closed(schema) for name, schema in components.items()}
    name = str(root.get("$ref", "")).removeprefix("#/$defs/")
    if not name:
        return {**root, "$defs": components} if components else root
    recursive = f'"#/$defs/{name}"' in msgspec.json.encode(components).decode()
    schema = dict(components[name])
    schema.pop("title", None)
    if not schema.get("required", True):
        del schema["required"]
    rest = {n: s for n, s in components.items() if n != name or recursive}
    return {**schema, "$defs": rest} if rest else schema


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Records take no unknown members, here and in the schema alike."""
    if schema.get("type") == "object" and "properties" in schema:
        return {**schema, "additionalProperties": False}
    return schema
