"""JSON values and types in words, for messages that people and agents act on."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import inspect


def json_kind(value: Any) -> str:
    """What a JSON value is, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def shown(value: object, limit: int = 60) -> str:
    """A value as it may stand in a message: JSON, cut short."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def describe(annotation: Any) -> str:
    """What a type accepts, in words: `an integer from 1 to 100`, `"open" or "paid"`."""
    return _describe(inspect.type_info(annotation))


def _describe(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner):
            return _describe(inner)
        case inspect.IntType():
            return "an integer" + _bounds(info)
        case inspect.FloatType():
            return "a number" + _bounds(info)
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType():
            return "a string" + _length(
                info.min_length, info.max_length, "characters", info.pattern
            )
        case inspect.LiteralType(values=values):
            return either(shown(value) for value in values)
        case inspect.EnumType(cls=cls):
            return either(shown(member.value) for member in cls)
        case inspect.ListType() | inspect.SetType() | inspect.VarTupleType():
            length = _length(info.min_length, info.max_length, "items", None)
            return f"a list{length}, each {_describe(info.item_type)}"
        case inspect.DictType():
            return "an object" + _length(info.min_length, info.max_length, "members", None)
        case inspect.UnionType(types=members):
            return either(_describe(member) for member in members)
        case _:
            return _PLAIN.get(type(info), "an object")


_PLAIN: Mapping[type[inspect.Type], str] = {
    inspect.AnyType: "any value",
    inspect.NoneType: "null",
    inspect.BytesType: "base64 text",
    inspect.DateTimeType: "a date and time such as 2026-01-31T12:00:00Z",
    inspect.DateType: "a date such as 2026-01-31",
    inspect.TimeType: "a time such as 12:00:00",
    inspect.TimeDeltaType: "a duration such as PT30S",
    inspect.UUIDType: "a UUID",
    inspect.DecimalType: "a decimal number",
    inspect.TupleType: "a list",
}


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    low = info.ge if info.ge is not None else info.gt
    high = info.le if info.le is not None else info.lt
    words = []
    if low is not None and high is not None and info.ge is not None and info.le is not None:
        words.append(f" from {low} to {high}")
    else:
        if low is not None:
            words.append(f" of at least {low}" if info.ge is not None else f" above {low}")
        if high is not None:
            words.append(f" of at most {high}" if info.le is not None else f" below {high}")
    if info.multiple_of is not None:
        words.append(f", a multiple of {info.multiple_of}")
    return " and".join(words) if len(words) > 1 else "".join(words)


def _length(low: int | None, high: int | None, unit: str, pattern: str | None) -> str:
    text = ""
    if low is not None and high is not None:
        text = f" of {low} to {high} {unit}"
    elif low is not None:
        text = f" of at least {low} {unit}"
    elif high is not None:
        text = f" of at most {high} {unit}"
    return text if pattern is None else f"{text} matching {pattern}"


def either(choices: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last
