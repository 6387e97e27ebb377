"""From signatures to schemas; what cannot be honoured is refused at start, with the remedy."""

import datetime
import enum
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NewType, NotRequired, TypedDict, TypeVar

import msgspec
import pydantic
import pytest
from jsonschema import Draft202012Validator

from shared.tools import Meta, ToolContext
from shared.tools.errors import ToolDefinitionError
from tests.tools.finance.invoices import find_invoices
from tests.tools.support import WHERE, named, read, returning, taking


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Line:
    """One line of an order."""

    article: str
    count: Annotated[int, Meta(ge=1)] = 1


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Order(msgspec.Struct, rename="camel"):
    order_id: str
    lines: list[Line] = []
    paid: bool = False


class Tree(msgspec.Struct):
    value: int
    children: "list[Tree]" = []


class Card(msgspec.Struct, tag=True):
    number: str


class Iban(msgspec.Struct, tag=True):
    iban: str


T = TypeVar("T")


@dataclass
class Page(Generic[T]):
    items: list[T]


@dataclass
class Arguments:
    """Named like the type the arguments are read into."""

    verbose: bool


class Settings(msgspec.Struct):
    url: str


class OtherSettings(msgspec.Struct):
    url: str


LINE = {
    "title": "Line",
    "description": "One line of an order.",
    "type": "object",
    "properties": {
        "article": {"type": "string"},
        "count": {"type": "integer", "minimum": 1, "default": 1},
    },
    "required": ["article"],
    "additionalProperties": False,
}


def value_schema(annotation: Any, *default: Any) -> dict[str, Any]:
    """The schema of a parameter, after a look at what surrounds it."""
    schema = read(taking(annotation, *default)).input_schema
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema.get("required", []) == ([] if default else ["value"])
    Draft202012Validator.check_schema(schema)
    found: dict[str, Any] = schema["properties"]["value"]
    return found


def refusal(function: Callable[..., Any], settings: type | None = None) -> str:
    with pytest.raises(ToolDefinitionError) as caught:
        read(function, settings)
    text = str(caught.value)
    assert text.startswith(f"{WHERE}: ")
    return text.removeprefix(f"{WHERE}: ")


def test_the_example_of_the_design_has_the_schema_an_agent_needs() -> None:
    signature = read(find_invoices)
    assert signature.description == "Find a customer's invoices."
    assert signature.context_parameter == "context"
    assert signature.input_schema == {
        "type": "object",
        "properties": {
            "customer": {
                "type": "string",
                "description": "The customer's number, such as C-1042.",
            },
            "status": {"enum": ["open", "paid"], "default": "open"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        },
        "required": ["customer"],
        "additionalProperties": False,
    }
    assert signature.output_schema == {
        "type": "array",
        "items": {"$ref": "#/$defs/Invoice"},
        "$defs": {
            "Invoice": {
                "title": "Invoice",
                "type": "object",
                "properties": {"number": {"type": "string"}, "total": {"type": "number"}},
                "required": ["number", "total"],
                "additionalProperties": False,
            }
        },
    }


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (Any, {}),
        (dict, {"type": "object"}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (list, {"type": "array"}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["open", "paid"], {"enum": ["open", "paid"]}),
        (datetime.datetime, {"type": "string"}),
        (Annotated[datetime.datetime, Meta(tz=True)], {"type": "string", "format": "date-time"}),
        (datetime.date, {"type": "string", "format": "date"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (Annotated[int, Meta(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
        (Annotated[float, Meta(gt=0)], {"type": "number", "exclusiveMinimum": 0}),
        (Annotated[str, Meta(pattern="^C-")], {"type": "string", "pattern": "^C-"}),
        (Annotated[list[int], Meta(max_length=2)],
         {"type": "array", "items": {"type": "integer"}, "maxItems": 2}),
        (Annotated[int, Meta(description="How many.")],
         {"type": "integer", "description": "How many."}),
        (Annotated[int, Meta(ge=1), Meta(le=9)],
         {"type": "integer", "minimum": 1, "maximum": 9}),
        (NewType("CustomerId", str), {"type": "string"}),
        (Line, {"$ref": "#/$defs/Line"}),
        (list[Line], {"type": "array", "items": {"$ref": "#/$defs/Line"}}),
        (Line | None, {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Line"}]}),
        (Color, {"$ref": "#/$defs/Color"}),
    ],
    ids=named,
)  # fmt: skip
def test_a_type_has_its_schema(annotation: Any, expected: dict[str, Any]) -> None:
    found = value_schema(annotation)
    for schema in (found, expected):
        schema.get("anyOf", []).sort(key=json.dumps)
    assert found == expected


@pytest.mark.parametrize(
    ("annotation", "name", "expected"),
    [
        (Line, "Line", LINE),
        (dict[str, list[Line]], "Line", LINE),
        (Color, "Color", {"title": "Color", "enum": ["blue", "red"]}),
        (Level, "Level", {"title": "Level", "enum": [1, 2]}),
        (Movie, "Movie", {
            "title": "Movie",
            "type": "object",
            "properties": {"title": {"type": "string"}, "year": {"type": "integer"}},
            "required": ["title"],
            "additionalProperties": False,
        }),
        (Order, "Order", {
            "title": "Order",
            "type": "object",
            "properties": {
                "orderId": {"type": "string"},
                "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "default": []},
                "paid": {"type": "boolean", "default": False},
            },
            "required": ["orderId"],
            "additionalProperties": False,
        }),
        (Order, "Line", LINE),
        (Page[Line], "Line", LINE),
        (Card | Iban, "Card", {
            "title": "Card",
            "type": "object",
            "properties": {"type": {"enum": ["Card"]}, "number": {"type": "string"}},
            "required": ["type", "number"],
            "additionalProperties": False,
        }),
    ],
)  # fmt: skip
def test_a_named_type_is_described_once(
    annotation: Any, name: str, expected: dict[str, Any]
) -> None:
    schema = read(taking(annotation)).input_schema
    Draft202012Validator.check_schema(schema)
    assert schema["$defs"][name] == expected


def test_a_recursive_type_refers_to_itself() -> None:
    signature = read(taking(Tree))
    valid = Draft202012Validator(signature.input_schema).is_valid
    assert valid({"value": {"value": 1, "children": [{"value": 2, "children": []}]}})
    assert not valid({"value": {"value": 1, "children": [{"value": "2"}]}})


def test_the_root_of_a_recursive_result_is_inlined_and_still_refers_to_itself() -> None:
    schema = read(returning(Tree)).output_schema
    assert schema is not None
    assert schema["type"] == "object"
    assert "$ref" not in schema
    valid = Draft202012Validator(schema).is_valid
    assert valid({"value": 1, "children": [{"value": 2}]})
    assert not valid({"value": 1, "children": [{"value": "2"}]})


def test_no_parameters_are_an_object_that_takes_none() -> None:
    schema = read(returning(str)).input_schema
    assert schema == {"type": "object", "properties": {}, "additionalProperties": False}


def test_a_record_named_arguments_is_like_any_other() -> None:
    def example(value: Arguments) -> str:
        """Take a value."""
        return ""

    schema = read(example).input_schema
    valid = Draft202012Validator(schema).is_valid
    assert valid({"value": {"verbose": True}})
    assert not valid({"verbose": True})


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, 5),
        (str | None, None),
        (Literal["open", "paid"], "open"),
        (Annotated[int, Meta(ge=1)], 1),
        (list[str], []),
        (list[str], ["a", "b"]),
        (dict[str, int], {"a": 1}),
        (float, 1),
    ],
)
def test_a_default_makes_a_parameter_optional_and_is_told_if_at_all_truly(
    annotation: Any, default: Any
) -> None:
    assert value_schema(annotation, default).get("default", default) == default


@pytest.mark.parametrize(
    ("annotation", "default", "as_json"),
    [
        (Color, Color.RED, "red"),
        (Line, Line("a"), {"article": "a", "count": 1}),
        (datetime.date, datetime.date(2026, 1, 31), "2026-01-31"),
    ],
)
def test_a_default_that_is_no_json_is_told_as_json(
    annotation: Any, default: Any, as_json: Any
) -> None:
    assert value_schema(annotation, default)["default"] == as_json


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (str, None),
        (int, "5"),
        (int, 5.5),
        (Literal["open", "paid"], "closed"),
        (Annotated[int, Meta(ge=1)], 0),
        (list[int], ["a"]),
        (Line, object()),
    ],
)
def test_a_default_that_does_not_fit_is_refused(annotation: Any, default: Any) -> None:
    assert "the default of parameter value" in refusal(taking(annotation, default))


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, {"type": "integer"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, Any], {"type": "object"}),
        (Color, {"enum": ["blue", "red"]}),
    ],
)
def test_a_result_that_is_not_text_has_a_schema(annotation: Any, expected: dict[str, Any]) -> None:
    schema = read(returning(annotation)).output_schema
    assert schema is not None
    Draft202012Validator.check_schema(schema)
    assert schema.items() >= expected.items()


@pytest.mark.parametrize("annotation", [str, None, Any])
def test_text_and_nothing_and_anything_have_no_output_schema(annotation: Any) -> None:
    assert read(returning(annotation)).output_schema is None


def test_the_text_of_the_docstring_goes_with_limits_and_records() -> None:
    def example(limit: Annotated[int, Meta(ge=1)], line: Line) -> str:
        """Do.

        Args:
            limit: How many.
            line: Which one.
        """
        return ""

    properties = read(example).input_schema["properties"]
    assert properties["limit"] == {"type": "integer", "minimum": 1, "description": "How many."}
    assert properties["line"]["description"] == "Which one."


def context_last(number: int, ctx: ToolContext) -> str:
    """Do."""
    return ""


def context_first(self: ToolContext, number: int) -> str:
    """Do."""
    return ""


def context_by_keyword(number: int, *, context: "ToolContext[Any]") -> str:
    """Do."""
    return ""


@pytest.mark.parametrize(
    ("function", "name"),
    [(context_last, "ctx"), (context_first, "self"), (context_by_keyword, "context")],
)
def test_a_context_is_found_under_any_name_and_not_in_the_schema(
    function: Callable[..., Any], name: str
) -> None:
    signature = read(function)
    assert signature.context_parameter == name
    assert list(signature.input_schema["properties"]) == ["number"]


def test_a_context_may_be_described_like_any_parameter() -> None:
    def example(number: int, context: ToolContext) -> str:
        """Do.

        Args:
            number: A number.
            context: The circumstances of the call.
        """
        return ""

    assert list(read(example).input_schema["properties"]) == ["number"]


def test_a_second_context_is_refused() -> None:
    def example(one: ToolContext, two: ToolContext) -> str:
        """Do."""
        return ""

    assert "two" in refusal(example)


def test_an_optional_context_is_refused() -> None:
    assert "value" in refusal(taking(ToolContext | None, None))


def test_a_context_knows_the_settings_of_its_own_module_only() -> None:
    for annotation in (ToolContext[Settings], ToolContext[Any], ToolContext):
        assert read(taking(annotation), Settings).context_parameter == "value"
    assert "ToolContext[Settings]" in refusal(taking(ToolContext[Settings]))
    assert "OtherSettings" in refusal(taking(ToolContext[OtherSettings]), Settings)


def test_a_context_without_settings_may_say_so() -> None:
    assert read(taking(ToolContext[None])).context_parameter == "value"


class Model(pydantic.BaseModel):
    number: int


@dataclass
class HoldsModel:
    inner: list[Model]


class HoldsModelToo(msgspec.Struct):
    inner: HoldsModel | None = None


class ModelInTypedDict(TypedDict):
    inner: NotRequired[Model]


@dataclass
class FieldDefault:
    number: int = pydantic.Field(ge=1, default=5)


@pydantic.dataclasses.dataclass
class Checked:
    number: int

    @pydantic.field_validator("number")
    @classmethod
    def even(cls, number: int) -> int:
        return number // 2 * 2


@dataclass
class Plain:
    number: Annotated[int, "how many"]


Bounded = NewType("Bounded", Annotated[int, pydantic.Field(ge=1)])


class Custom:
    pass


@dataclass
class One:
    one: int


@dataclass
class Two:
    two: int


class StructOne(msgspec.Struct):
    one: int


class StructTwo(msgspec.Struct):
    two: int


RECORDS = "dataclass"
WRITE_META = "Annotated[int, Meta(ge=1"
TAGGED = "tag=True"

REFUSED = [
    (Model, ["pydantic model Model", RECORDS]),
    (list[Model], ["pydantic model Model", RECORDS]),
    (dict[str, Model | None], ["pydantic model Model", RECORDS]),
    (HoldsModel, ["inner", "pydantic model Model", RECORDS]),
    (HoldsModelToo, ["inner", "pydantic model Model", RECORDS]),
    (ModelInTypedDict, ["inner", "pydantic model Model", RECORDS]),
    (Page[Model], ["pydantic model Model", RECORDS]),
    (pydantic.SecretStr, ["pydantic", "SecretStr", RECORDS]),
    (Checked, ["pydantic", "Checked", RECORDS]),
    (Annotated[int, pydantic.Field(ge=1)], ["FieldInfo", WRITE_META]),
    (list[Annotated[int, pydantic.Field(ge=1)]], ["FieldInfo", WRITE_META]),
    (Annotated[int, pydantic.Field(ge=1)] | None, ["FieldInfo", WRITE_META]),
    (Bounded, ["FieldInfo", WRITE_META]),
    (pydantic.PositiveInt, ["Gt", WRITE_META]),
    (Annotated[int, "how many"], ["str", WRITE_META]),
    (Plain, ["number", "str", WRITE_META]),
    (StructOne | StructTwo, ["union", TAGGED]),
    (list[StructOne | StructTwo], ["union", TAGGED]),
    (One | Two, ["union", TAGGED]),
    (One | StructTwo | None, ["union", TAGGED]),
    (One | dict[str, int], ["union"]),
    (Custom, ["Custom"]),
    (list[Custom], ["Custom"]),
    (object, ["object"]),
    (complex, ["complex"]),
    (Callable[[], int], ["Callable"]),
    (AsyncIterator[str], ["AsyncIterator"]),
]


@pytest.mark.parametrize(("annotation", "words"), REFUSED, ids=named)
def test_an_annotation_that_cannot_be_honoured_is_refused_with_the_spelling_that_works(
    annotation: Any, words: list[str]
) -> None:
    text = refusal(taking(annotation))
    assert [word for word in [*words, "parameter value"] if word not in text] == []


@pytest.mark.parametrize(("annotation", "words"), REFUSED, ids=named)
def test_a_return_annotation_that_cannot_be_honoured_is_refused_alike(
    annotation: Any, words: list[str]
) -> None:
    text = refusal(returning(annotation))
    assert [word for word in [*words, "the return annotation"] if word not in text] == []


def test_a_dataclass_with_a_field_of_pydantic_as_default_is_refused_by_name() -> None:
    text = refusal(taking(FieldDefault))
    assert [word for word in ("parameter value", "number", "FieldInfo") if word not in text] == []


def test_a_field_of_pydantic_as_default_is_refused_with_the_spelling_that_works() -> None:
    text = refusal(taking(int, pydantic.Field(5, ge=1)))
    assert "parameter value" in text
    assert "value: Annotated[int, Meta(ge=1)] = 5, with Meta from shared.tools" in text


def unannotated(number) -> str:  # type: ignore[no-untyped-def]
    """Do."""
    return ""


def no_return(number: int):  # type: ignore[no-untyped-def]
    """Do."""


def many(*numbers: int) -> str:
    """Do."""
    return ""


def keywords(**numbers: int) -> str:
    """Do."""
    return ""


def positional(number: int, /) -> str:
    """Do."""
    return ""


def undocumented(number: int) -> str:
    return ""


def only_arguments(number: int) -> str:
    """
    Args:
        number: A number.
    """
    return ""


def misdocumented(number: int) -> str:
    """Do.

    Args:
        nubmer: A number.
    """
    return ""


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (unannotated, ["parameter number", "number: str"]),
        (no_return, ["return annotation", "-> str"]),
        (many, ["parameter numbers", "*"]),
        (keywords, ["parameter numbers", "**"]),
        (positional, ["parameter number", "positional-only"]),
        (undocumented, ["docstring"]),
        (only_arguments, ["docstring"]),
        (misdocumented, ["docstring", "nubmer"]),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused(
    function: Callable[..., Any], words: list[str]
) -> None:
    text = refusal(function)
    assert [word for word in words if word not in text] == []


@dataclass
class LostField:
    inner: "Nowhere"  # type: ignore[name-defined]  # noqa: F821


def annotated_in_text(annotation: Any) -> Callable[..., Any]:
    def example(value: Any) -> str:
        """Take a value."""
        return ""

    example.__annotations__["value"] = annotation
    return example


@pytest.mark.parametrize(
    ("annotation", "word"),
    [
        ("Nowhere", "Nowhere"),
        ("list[Nowhere]", "Nowhere"),
        ("datetime.nowhere", "nowhere"),
        ("list[", "list["),
        (LostField, "Nowhere"),
        (list[LostField], "Nowhere"),
    ],
)
def test_a_forward_reference_to_nothing_is_refused(annotation: Any, word: str) -> None:
    assert word in refusal(annotated_in_text(annotation))


def test_a_forward_reference_that_resolves_is_fine() -> None:
    assert "Line" in read(annotated_in_text("Line | None")).input_schema["$defs"]


@dataclass
class Deep:
    inner: dict[str, list[Line]] = field(default_factory=dict)


def test_nested_records_are_closed_in_both_schemas() -> None:
    for schema in (read(taking(Deep)).input_schema, read(returning(list[Deep])).output_schema):
        assert schema is not None
        closed = {name: part["additionalProperties"] for name, part in schema["$defs"].items()}
        assert closed == {"Deep": False, "Line": False}
