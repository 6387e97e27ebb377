"""Type annotations as JSON Schemas, and what to say of those that cannot be honoured.

Schemas are JSON Schema 2020-12 by msgspec, with the root inlined (the protocol wants
`"type": "object"` at the root of an input schema).
"""

import types
import typing
from collections.abc import Callable
from typing import Any, get_args, get_origin

import msgspec
from msgspec import inspect

from shared.tools.errors import ToolDefinitionError
from shared.validation import fields_of, unqualified

Refuse = Callable[[str], ToolDefinitionError]

_META = 'Annotated[int, Meta(ge=1, le=100, description="…")], with Meta from shared.tools'
_RECORDS = "a dataclass, a TypedDict or a msgspec.Struct"


def check(annotation: Any, what: str, refuse: Refuse) -> None:
    """Refuse what msgspec would silently ignore or cannot describe, at any depth.

    `what` names the place for people: `parameter customer`.
    """
    _check(annotation, what, refuse, [])
    schema(annotation, what, refuse)


def is_foreign(cls: type) -> bool:
    """Whether a class is pydantic's or made by it."""
    made = hasattr(cls, "__pydantic_core_schema__") or hasattr(cls, "__pydantic_fields__")
    return made or any(base.__module__.split(".")[0] == "pydantic" for base in cls.__mro__)


def _check(annotation: Any, what: str, refuse: Refuse, seen: list[Any]) -> None:
    annotation = unqualified(annotation)
    if any(annotation is other or annotation == other for other in seen):
        return
    seen.append(annotation)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        for metadata in annotation.__metadata__:
            if not isinstance(metadata, msgspec.Meta):
                kind = type(metadata).__name__
                raise refuse(f"{what} has {kind} in Annotated, to no effect here; write {_META}")
        parts = parts[:1]
    if isinstance(annotation, type) and is_foreign(annotation):
        raise refuse(
            f"{what} uses the pydantic model {annotation.__name__}; write it as {_RECORDS}"
        )
    if origin is typing.Literal:
        return
    if _is_custom(annotation):
        name = getattr(origin or annotation, "__name__", str(annotation))
        raise refuse(
            f"{what} uses {name}, which has no JSON form; write plain types, Literal, Enum, "
            f"{_RECORDS}"
        )
    for part in parts:
        if part is not Ellipsis:
            _check(part, what, refuse, seen)
    if origin in (typing.Union, types.UnionType):
        return
    try:
        fields = fields_of(annotation) or ()
    except Exception as error:
        raise refuse(f"{what} has an annotation that cannot be read: {error}") from None
    for field in fields:
        place = f"{what} (field {field.name})"
        if is_foreign(type(field.default)):
            kind = type(field.default).__name__
            raise refuse(f"{place} has {kind} as its default, to no effect here; write {_META}")
        _check(field.annotation, place, refuse, seen)


def _is_custom(annotation: Any) -> bool:
    try:
        return isinstance(inspect.type_info(annotation), inspect.CustomType)
    except (TypeError, NameError):
        return False  # Something inside cannot be read; looking there says what.


def schema(annotation: Any, what: str, refuse: Refuse) -> dict[str, Any]:
    """The JSON Schema of a type, its root inlined and its records closed."""
    try:
        (root,), components = msgspec.json.schema_components(
            [annotation], ref_template="#/$defs/{name}"
        )
    except TypeError as error:
        raise refuse(
            f"{what} is a union whose members JSON cannot tell apart; write them as tagged "
            "Structs: class Card(msgspec.Struct, tag=True), class Iban(msgspec.Struct, tag=True) "
            f"({str(error).splitlines()[0]})"
        ) from None
    components = {name: _closed(part) for name, part in components.items()}
    name = str(root.get("$ref", "")).removeprefix("#/$defs/")
    if not name:
        return {**root, "$defs": components} if components else root
    inlined = dict(components[name])
    inlined.pop("title", None)
    if not inlined.get("required", True):
        del inlined["required"]
    recursive = f'"#/$defs/{name}"' in msgspec.json.encode(components).decode()
    rest = {n: part for n, part in components.items() if n != name or recursive}
    return {**inlined, "$defs": rest} if rest else inlined


def _closed(part: dict[str, Any]) -> dict[str, Any]:
    """Records take no unknown members, here and in the schema alike."""
    if part.get("type") == "object" and "properties" in part:
        return {**part, "additionalProperties": False}
    return part
