"""Arguments fit, or everything wrong with them is said at once."""

import datetime
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NotRequired, TypedDict, TypeVar

import msgspec
import pytest
from jsonschema import Draft202012Validator

from shared.tools import Meta
from shared.tools.arguments import BadArguments, convert
from tests.tools.finance.invoices import find_invoices
from tests.tools.support import named, read, taking


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Line:
    article: str
    count: Annotated[int, Meta(ge=1)] = 1


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Order(msgspec.Struct, rename="camel"):
    order_id: str
    lines: list[Line] = []


class Card(msgspec.Struct, tag=True):
    number: str


class Iban(msgspec.Struct, tag=True):
    iban: str


T = TypeVar("T")


@dataclass
class Page(Generic[T]):
    items: list[T]


def problems(function: Callable[..., Any], arguments: dict[str, Any]) -> list[str]:
    with pytest.raises(BadArguments) as caught:
        convert(read(function), arguments)
    return str(caught.value).splitlines()


def converted(annotation: Any, value: Any) -> Any:
    return convert(read(taking(annotation)), {"value": value})["value"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"customer": "C-1", "limit": 500},
         ["limit: 500 is too large; expected an integer from 1 to 100"]),
        ({"customer": "C-1", "limit": 0},
         ["limit: 0 is too small; expected an integer from 1 to 100"]),
        ({"customer": "C-1", "limt": 5}, ["limt: unknown; did you mean limit?"]),
        ({"customer": "C-1", "verbose": True}, ["verbose: unknown"]),
        ({"customer": "C-1", "context": {}}, ["context: unknown"]),
        ({"customer": "C-1", "Limit": 5}, ["Limit: unknown; did you mean limit?"]),
        ({}, ["customer: missing; expected a string"]),
        ({"customer": None}, ["customer: null is null; expected a string"]),
        ({"customer": 1042}, ["customer: 1042 is an integer; expected a string"]),
        ({"customer": "C-1", "status": "closed"},
         ['status: "closed" is not one of the choices; expected "open" or "paid"']),
        ({"customer": "C-1", "limit": "5"},
         ['limit: "5" is a string; expected an integer from 1 to 100']),
        ({"customer": "C-1", "limit": [5]},
         ["limit: [5] is a list; expected an integer from 1 to 100"]),
    ],
)  # fmt: skip
def test_a_bad_argument_is_told_with_name_value_and_expectation(
    arguments: dict[str, Any], told: list[str]
) -> None:
    assert problems(find_invoices, arguments) == told


def test_all_bad_arguments_are_told_at_once() -> None:
    found = problems(find_invoices, {"limt": 5, "limit": 500, "status": 7})
    assert sorted(found) == [
        "customer: missing; expected a string",
        "limit: 500 is too large; expected an integer from 1 to 100",
        "limt: unknown; did you mean limit?",
        'status: 7 is an integer; expected "open" or "paid"',
    ]


@pytest.mark.parametrize(
    ("annotation", "value", "told"),
    [
        (Line, {"article": 5}, ["value.article: 5 is an integer; expected a string"]),
        (Line, {"article": "a", "cuont": 2}, ["value.cuont: unknown; did you mean count?"]),
        (Line, "a", ['value: "a" is a string; expected an object']),
        (list[Line], [{"article": "a"}, {"article": "b", "count": 0}, {}],
         ["value[1].count: 0 is too small; expected an integer of at least 1",
          "value[2].article: missing; expected a string"]),
        (Order, {"orderId": "o", "lines": [{"article": "a", "extra": 1}]},
         ["value.lines[0].extra: unknown"]),
        (Order, {"order_id": "o"},
         ["value.order_id: unknown; did you mean orderId?",
          "value.orderId: missing; expected a string"]),
        (Movie, {"title": "t", "yaer": 1999}, ["value.yaer: unknown; did you mean year?"]),
        (dict[str, list[int]], {"a": [1, "2"]},
         ['value.a[1]: "2" is a string; expected an integer']),
        (list[Color], ["green"],
         ['value[0]: "green" is not one of the choices; expected "red" or "blue"']),
        (Page[Line], {"items": [{"article": 5}]},
         ["value.items[0].article: 5 is an integer; expected a string"]),
        (Page[Line], {"items": [{"article": "a", "extra": 1}]},
         ["value.items[0].extra: unknown"]),
        (Line | None, {"article": "a", "extra": 1}, ["value.extra: unknown"]),
    ],
    ids=named,
)  # fmt: skip
def test_a_problem_inside_a_value_is_told_with_its_path(
    annotation: Any, value: Any, told: list[str]
) -> None:
    assert problems(taking(annotation), {"value": value}) == told


def test_unknown_members_of_one_of_several_records_are_refused() -> None:
    value = {"type": "Card", "number": "1", "iban": "x"}
    assert problems(taking(Card | Iban), {"value": value})[0].startswith("value.iban: unknown")


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 5.0, 5),
        (int, -0.0, 0),
        (int, 2.0**53, 2**53),
        (int, 10**30, 10**30),
        (list[int], [1, 2.0], [1, 2]),
        (dict[str, int], {"a": 2.0}, {"a": 2}),
        (Literal[1, 2], 1.0, 1),
        (int | None, 5.0, 5),
        (Annotated[int, Meta(ge=1)], 1.0, 1),
        (Line, {"article": "a", "count": 2.0}, Line("a", 2)),
        (list[Line], [{"article": "a", "count": 2.0}], [Line("a", 2)]),
    ],
    ids=named,
)
def test_a_whole_number_is_an_integer_however_it_is_written(
    annotation: Any, value: Any, expected: Any
) -> None:
    found = converted(annotation, value)
    assert found == expected
    assert type(found) is type(expected)


def test_a_whole_number_is_an_integer_beside_a_record() -> None:
    def example(line: Line, count: int) -> str:
        """Do."""
        return ""

    assert convert(read(example), {"line": {"article": "a"}, "count": 5.0})["count"] == 5


@pytest.mark.parametrize(
    "value", [5.5, "5", True, False, None, [], float("nan"), float("inf"), 1e300], ids=repr
)
def test_nothing_else_is_an_integer(value: Any) -> None:
    (told,) = problems(taking(int), {"value": value})
    assert told.endswith("expected an integer")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "0.5", True], ids=str)
def test_what_is_no_number_within_the_limits_is_refused(value: Any) -> None:
    problems(taking(Annotated[float, Meta(ge=0, le=1)]), {"value": value})


def test_a_number_may_be_written_as_an_integer() -> None:
    found = converted(float, 5)
    assert (found, type(found)) == (5.0, float)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (Color, "red", Color.RED),
        (datetime.date, "2026-01-31", datetime.date(2026, 1, 31)),
        (set[str], ["a", "b", "a"], {"a", "b"}),
        (bytes, "aGk=", b"hi"),
        (Any, {"a": [1.5, None]}, {"a": [1.5, None]}),
        (Movie, {"title": "t"}, {"title": "t"}),
        (Order, {"orderId": "o", "lines": [{"article": "a"}]}, Order("o", [Line("a")])),
        (Card | Iban, {"type": "Iban", "iban": "x"}, Iban("x")),
        (dict[int, str], {"1": "one"}, {1: "one"}),
    ],
    ids=named,
)
def test_values_arrive_as_the_annotation_says(annotation: Any, value: Any, expected: Any) -> None:
    assert converted(annotation, value) == expected


def test_what_is_left_out_has_its_default() -> None:
    assert convert(read(find_invoices), {"customer": "C-1"}) == {
        "customer": "C-1",
        "status": "open",
        "limit": 20,
    }


def test_the_arguments_of_the_caller_stay_as_they_are() -> None:
    given = {"value": [1.0, 2.0]}
    convert(read(taking(list[int])), given)
    assert [type(item) for item in given["value"]] == [float, float]


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (list[str], ["a"]),
        (dict[str, list[int]], {"a": [1]}),
        (set[str], {"a"}),
        (Line, Line("a")),
        (Order, Order("o")),
        (list[Line] | None, [Line("a")]),
        (tuple[list[int], ...], ([1],)),
    ],
    ids=named,
)
def test_a_mutable_default_is_not_shared_between_calls(annotation: Any, default: Any) -> None:
    signature = read(taking(annotation, default))
    first, second = (convert(signature, {})["value"] for _ in range(2))
    assert first == second == default
    inside = next(iter(first)) if isinstance(first, tuple) else first
    assert inside is not (next(iter(second)) if isinstance(second, tuple) else second)


def test_names_and_values_are_cut_where_they_are_long() -> None:
    (value,) = problems(taking(int), {"value": "x" * 100_000})
    (name,) = problems(taking(int), {"value": 1, "y" * 100_000: 1})
    assert len(value) < 200
    assert len(name) < 300


def test_a_flood_of_unknown_names_is_told_in_few_words() -> None:
    arguments = {f"value{n}": 1 for n in range(2_000)}
    assert len("\n".join(problems(taking(int), arguments))) < 20_000


@pytest.mark.parametrize("name", ["a\x00b", "", "__proto__", "value\n"])
def test_a_strange_name_is_refused_like_any_other(name: str) -> None:
    with pytest.raises(BadArguments, match="unknown"):
        convert(read(taking(int)), {"value": 1, name: 1})


ANNOTATIONS: list[Any] = [
    str,
    int,
    float,
    bool,
    Any,
    str | None,
    int | str,
    Literal["a", 1],
    Color,
    list[int],
    set[int],
    tuple[int, str],
    dict[str, int],
    Annotated[int, Meta(ge=1, le=5)],
    Annotated[float, Meta(gt=0)],
    Annotated[int, Meta(multiple_of=2)],
    Annotated[str, Meta(min_length=1, max_length=2)],
    Annotated[str, Meta(pattern="^a")],
    Annotated[list[int], Meta(min_length=1, max_length=2)],
    Line,
    Line | None,
    list[Line],
    dict[str, Line],
    Movie,
    Order,
    Page[Line],
    Card | Iban,
    list[Card | Iban] | None,
]

VALUES: list[Any] = [
    None, True, 0, 1, 6, -1, 10**30, 0.5, 2.0, 2.5, "", "a", "abc", "red", "1",
    [], [1], [2.0], [1, 2, 3], [1, "a"], [None], {}, {"a": 1}, {"a": "b"}, {"a": {"article": "x"}},
    {"article": "x"}, {"article": "x", "count": 2}, {"article": "x", "count": 0},
    {"article": "x", "more": 1}, [{"article": "x"}], [{"article": "x", "more": 1}],
    {"title": "t"}, {"title": "t", "year": 1}, {"title": "t", "more": 1},
    {"orderId": "o"}, {"orderId": "o", "lines": [{"article": "x", "more": 1}]},
    {"items": [{"article": "x"}]}, {"items": [{"article": "x", "more": 1}]},
    {"type": "Card", "number": "1"}, {"type": "Card", "number": "1", "more": 1},
    {"type": "Iban", "number": "1"}, [{"type": "Iban", "iban": "1"}], {"type": "Other"},
]  # fmt: skip


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=named)
def test_what_the_schema_allows_is_what_is_accepted(annotation: Any) -> None:
    signature = read(taking(annotation))
    allows = Draft202012Validator(signature.input_schema).is_valid
    wrong = []
    for value in VALUES:
        try:
            convert(signature, {"value": value})
            accepted = True
        except BadArguments:
            accepted = False
        if accepted != allows({"value": value}):
            wrong.append((value, accepted))
    assert wrong == []
