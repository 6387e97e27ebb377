"""JSON values and types in words."""

import dataclasses
import datetime
import uuid
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from shared.wording import describe, json_kind, shown


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "an integer"),
        (float, "a number"),
        (bool, "true or false"),
        (str, "a string"),
        (Any, "any value"),
        (Point, "an object"),
        (dict[str, int], "an object"),
        (str | None, "a string or null"),
        (Literal["a", "b", "c"], '"a", "b" or "c"'),
        (list[str], "a list, each a string"),
        (Annotated[int, Meta(ge=1)], "an integer of at least 1"),
        (Annotated[int, Meta(lt=9)], "an integer below 9"),
        (Annotated[float, Meta(gt=0, le=220)], "a number above 0 and of at most 220"),
        (Annotated[str, Meta(min_length=1, max_length=64)], "a string of 1 to 64 characters"),
        (Annotated[list[int], Meta(max_length=2)], "a list of at most 2 items, each an integer"),
        (datetime.date, "a date such as 2026-01-31"),
        (uuid.UUID, "a UUID"),
    ],
)
def test_types_are_described_in_words(annotation: Any, text: str) -> None:
    assert describe(annotation) == text


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "true or false"),
        (1, "an integer"),
        (1.5, "a number"),
        ("", "a string"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_values_are_named_as_json_names_them(value: Any, kind: str) -> None:
    assert json_kind(value) == kind


def test_a_value_is_shown_as_json_and_cut_short() -> None:
    assert shown("a\n") == r'"a\n"'
    assert shown([1, None, True]) == "[1,null,true]"
    long = shown("x" * 1000)
    assert len(long) == 60
    assert long.endswith("…")


@pytest.mark.parametrize("value", ["\ud800", 10**30, [float("inf")]])
def test_every_value_a_document_can_hold_can_be_shown(value: Any) -> None:
    assert shown(value)
