"""Every way a value misses a type is found at once, and said with value and expectation."""

import dataclasses
import datetime
import enum
import uuid
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict

import msgspec
import pytest
from msgspec import UNSET, Meta

from shared.validation import Violation, check, fields_of


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Order(msgspec.Struct, rename="camel", frozen=True):
    order_id: str
    lines: list[Point] = []
    note: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    name: str


CustomerId = NewType("CustomerId", str)

ANNOTATIONS: list[Any] = [
    int,
    float,
    bool,
    str,
    None,
    str | None,
    int | str,
    int | list[int],
    Literal["red", 1],
    Color,
    CustomerId,
    uuid.UUID,
    datetime.date,
    Annotated[int, Meta(ge=1, le=5)],
    Annotated[int, Meta(ge=1)] | None,
    Annotated[str, Meta(min_length=2, max_length=3, pattern="^a")],
    list[int],
    Annotated[list[int], Meta(min_length=1, max_length=2)],
    list[Annotated[int, Meta(ge=1)]],
    set[int],
    tuple[int, ...],
    tuple[int, str],
    dict[str, int],
    dict[int, str],
    Annotated[dict[str, int], Meta(max_length=1)],
    dict[Annotated[str, Meta(max_length=1)], int],
    Point,
    list[Point],
    Point | None,
    Movie,
    Order,
    Cat,
    Cat | Dog,
    list[Cat | Dog] | None,
    Any,
]

VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    7,
    -1,
    10**30,
    0.5,
    2.0,
    "",
    "a",
    "abc",
    "bcd",
    "red",
    "2026-01-31",
    "7f0c7c1e-4b3a-4b58-9f4e-7a4a1c1f3b11",
    [],
    [1],
    [0],
    [1, 2, 3],
    [1, "a"],
    ["a", 1],
    [None],
    [[1]],
    {},
    {"a": 1},
    {"a": 1, "b": 2},
    {"a": "b"},
    {"1": "one"},
    {"x": 1},
    {"x": "1"},
    {"x": 1, "y": None},
    [{"x": 1}, {"y": 2}],
    {"title": "t"},
    {"title": 1, "year": "y"},
    {"orderId": "o", "lines": [{"x": 1}]},
    {"orderId": "o", "lines": [{"x": "?"}], "limit": 101},
    {"type": "cat", "lives": 9},
    {"type": "cat", "lives": "nine"},
    {"type": "cow"},
    [{"type": "dog", "name": "Rex"}],
]


def violations(value: Any, annotation: Any, *, config: bool = False) -> list[Violation]:
    found: list[Violation] = []
    check(value, annotation, found=found, config=config)
    return found


def told(value: Any, annotation: Any) -> list[str]:
    return [
        f"{'.'.join(map(str, v.path))}: {v.reason}; {v.expected}"
        for v in violations(value, annotation)
    ]


def converts(value: Any, annotation: Any, *, strict: bool = True) -> bool:
    try:
        msgspec.convert(value, annotation, strict=strict, str_keys=True)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_a_value_has_a_violation_exactly_when_it_cannot_be_converted(annotation: Any) -> None:
    """Unknown members apart, which `msgspec.convert` lets pass."""
    wrong = []
    for value in VALUES:
        found = violations(value, annotation)
        fits = converts(value, annotation)
        if fits != all(violation.reason == "unknown" for violation in found):
            wrong.append((value, fits, found))
    assert wrong == []


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_a_setting_without_violation_can_be_converted(annotation: Any) -> None:
    wrong = []
    for value in [*VALUES, "true", "FALSE", "7", "2.5", ["1"], {"X": "1", "Y": None}]:
        found: list[Violation] = []
        plain = check(value, annotation, found=found, config=True)
        if not found and not converts(plain, annotation, strict=False):
            wrong.append((value, plain))
    assert wrong == []


def test_every_problem_is_found_at_once() -> None:
    value = {
        "orderid": "o",
        "lines": [{"x": "1"}, 5, {"y": 2, "z": 3}],
        "limit": 500,
        "note": ["n"],
    }
    found = {v.path: (v.reason, v.value, v.suggestion) for v in violations(value, Order)}
    assert found == {
        ("orderid",): ("unknown", UNSET, "orderId"),
        ("orderId",): ("missing", UNSET, None),
        ("lines", 0, "x"): ("is a string", "1", None),
        ("lines", 1): ("is an integer", 5, None),
        ("lines", 2, "x"): ("missing", UNSET, None),
        ("lines", 2, "z"): ("unknown", UNSET, found[("lines", 2, "z")][2]),
        ("limit",): ("is too large", 500, None),
        ("note",): ("is a list", ["n"], None),
    }


@pytest.mark.parametrize(
    ("value", "annotation", "texts"),
    [
        (500, Annotated[int, Meta(ge=1, le=100)], [": is too large; an integer from 1 to 100"]),
        (0, Annotated[int, Meta(gt=0)], [": is too small; an integer above 0"]),
        (
            5,
            Annotated[int, Meta(multiple_of=2)],
            [": is not a multiple; an integer, a multiple of 2"],
        ),
        ("b", Annotated[str, Meta(pattern="^a")], [": does not match; a string matching ^a"]),
        (
            "",
            Annotated[str, Meta(min_length=1)],
            [": is too short; a string of at least 1 characters"],
        ),
        ("closed", Literal["open", "paid"], [': is not one of the choices; "open" or "paid"']),
        ("green", Color, [': is not one of the choices; "red" or "blue"']),
        (None, int, [": is null; an integer"]),
        (True, int, [": is true or false; an integer"]),
        ("x", Point, [": is a string; an object"]),
        ([1, "x", None], list[int], ["1: is a string; an integer", "2: is null; an integer"]),
        ({"a": 1, "b": "x"}, dict[str, int], ["b: is a string; an integer"]),
        (
            [1, 2, 3],
            Annotated[list[int], Meta(max_length=2)],
            [": is too long; a list of at most 2 items, each an integer"],
        ),
        (
            {},
            Annotated[dict[str, int], Meta(min_length=1)],
            [": has too few members; an object of at least 1 members"],
        ),
        ([["x"]], list[list[int]], ["0.0: is a string; an integer"]),
        ({"title": 1}, Movie, ["title: is an integer; a string"]),
        ("x", int | None, [": is a string; an integer"]),
    ],
)
def test_a_violation_says_what_is_wrong_and_what_is_right(
    value: Any, annotation: Any, texts: list[str]
) -> None:
    assert told(value, annotation) == texts


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"type": "cat", "lives": "nine"}, ("lives",)),
        ({"type": "dog"}, ("name",)),
        ({"type": "cow"}, ("type",)),
        ({"lives": 9}, ("type",)),
    ],
)
def test_a_member_of_a_tagged_union_is_checked_as_what_its_tag_says(
    value: Any, path: tuple[str, ...]
) -> None:
    (found,) = violations(value, Cat | Dog)
    assert found.path == path


def test_the_tag_of_a_struct_is_no_unknown_member() -> None:
    assert violations({"type": "cat", "lives": 9}, Cat) == []


def test_settings_match_in_any_case_and_come_back_with_their_own_names() -> None:
    found: list[Violation] = []
    value = {"ORDERID": "o", "Lines": [{"X": "1", "y": None}], "note": None}
    plain = check(value, Order, found=found, config=True)
    assert found == []
    assert plain == {"orderId": "o", "lines": [{"x": "1"}]}
    assert msgspec.convert(plain, Order, strict=False) == Order("o", [Point(1, 0)])


class Snake(msgspec.Struct):
    server_url: str


@pytest.mark.parametrize("key", ["server_url", "ServerUrl", "SERVERURL", "Server_Url"])
def test_a_setting_in_snake_case_may_be_written_as_one_word(key: str) -> None:
    found: list[Violation] = []
    assert check({key: "x"}, Snake, found=found, config=True) == {"server_url": "x"}
    assert found == []


def test_an_underscore_more_than_the_setting_has_makes_another_key() -> None:
    found: list[Violation] = []
    check({"Server_U_rl": "x"}, Snake, found=found, config=True)
    assert [(v.path, v.reason) for v in found] == [
        (("Server_U_rl",), "unknown"),
        (("server_url",), "missing"),
    ]


def test_arguments_match_exactly_and_text_is_no_number() -> None:
    found = violations({"ORDERID": "o", "orderId": "o", "limit": "5"}, Order)
    assert [(v.path, v.reason) for v in found] == [
        (("ORDERID",), "unknown"),
        (("limit",), "is a string"),
    ]


def test_null_does_not_stand_for_a_required_setting() -> None:
    (found,) = violations({"orderId": None}, Order, config=True)
    assert (found.path, found.reason) == (("orderId",), "missing")


def test_two_spellings_of_one_setting_are_a_violation() -> None:
    assert violations({"orderId": "a", "Order_Id": "b"}, Order, config=True)


def test_right_values_come_back_unchanged() -> None:
    value = {"orderId": "o", "lines": [{"x": 1}]}
    assert check(value, Order, found=[]) == value


def test_the_members_of_records_are_known_and_others_have_none() -> None:
    assert [(f.name, f.required) for f in fields_of(Order) or []] == [
        ("orderId", True),
        ("lines", False),
        ("note", False),
        ("limit", False),
    ]
    assert [(f.name, f.required) for f in fields_of(Point) or []] == [("x", True), ("y", False)]
    assert [(f.name, f.required) for f in fields_of(Movie) or []] == [
        ("title", True),
        ("year", False),
    ]
    assert fields_of(int) is fields_of(list[int]) is fields_of(Any) is None
