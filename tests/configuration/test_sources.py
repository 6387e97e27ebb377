"""Sources: later ones win, key by key, and every value remembers where it was written."""

from typing import Any

import pytest

from shared.configuration.jsonc import parse
from shared.configuration.sources import Node, Source, apply_environment, merge
from tests.configuration.support import SECRET

SECTIONS = {"Server", "PowerShellConfiguration"}


def node(text: str, name: str = "a.json") -> Node:
    return parse(text, name)


def applied(text: str, **variables: str) -> Any:
    root = node(text)
    assert apply_environment(root, variables, SECTIONS) == []
    return root.plain()


def test_a_source_is_shown_as_file_and_line_or_by_its_name() -> None:
    assert str(Source("a.json", 7)) == "a.json:7"
    assert str(Source("environment variable Server__Name")) == "environment variable Server__Name"


def test_members_are_found_in_any_case_and_the_exact_spelling_first() -> None:
    root = node('{"publicurl": 1}')
    assert root.member("PublicUrl") is root.value["publicurl"]
    assert root.member("Public") is None
    assert node("[1]").member("PublicUrl") is None
    keys = Node({"abc": Node(1, Source("a")), "ABC": Node(2, Source("b"))}, Source("a"))
    exact = keys.member("ABC")
    assert exact is not None
    assert exact.value == 2


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("Server", "Name"), 3),
        (("server", "NAME"), 3),
        (("Server", "PublicUrl"), 2),
        (("Nowhere", "at", 1, "all"), 1),
        (("Names", 1), 5),
        (("Names", 9), 4),
        (("Names", "x"), 4),
    ],
)
def test_a_missing_value_has_the_source_of_what_should_hold_it(
    path: tuple[str | int, ...], line: int
) -> None:
    root = node('{\n"Server": {\n"Name": "x"},\n"Names": ["a",\n"b"]}')
    assert str(root.source_of(path)) == f"a.json:{line}"


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ('{"a": 1}', '{"b": 2}', {"a": 1, "b": 2}),
        (
            '{"Server": {"Name": "x", "Title": "t"}}',
            '{"server": {"NAME": "y"}}',
            {"Server": {"Name": "y", "Title": "t"}},
        ),
        ('{"a": [1, 2, 3]}', '{"a": [4]}', {"a": [4]}),
        ('{"a": {"b": 1}}', '{"a": null}', {"a": None}),
        ('{"a": 1}', '{"a": {"b": 1}}', {"a": {"b": 1}}),
        (
            '{"Keys": {"abc": {"Roles": ["x"]}}}',
            '{"keys": {"ABC": {}}}',
            {"Keys": {"abc": {"Roles": ["x"]}, "ABC": {}}},
        ),
        (
            '{"Keys": {"abc": {"Roles": ["x"]}}}',
            '{"keys": {"abc": {"roles": ["y"]}}}',
            {"Keys": {"abc": {"Roles": ["y"]}}},
        ),
    ],
)
def test_objects_merge_by_key_and_everything_else_is_replaced(
    base: str, over: str, merged: object
) -> None:
    first = node(base)
    before = first.plain()
    assert merge(first, node(over)).plain() == merged
    assert first.plain() == before


def test_a_merged_value_keeps_the_source_it_came_from() -> None:
    root = merge(node('{"a": {"x": 1,\n"y": 1}}'), node('\n\n{"A": {"x": 2}}', "b.json"))
    assert str(root.source_of(("a", "x"))) == "b.json:3"
    assert str(root.source_of(("a", "y"))) == "a.json:2"


@pytest.mark.parametrize(
    ("text", "variables", "result"),
    [
        ("{}", {"Server__Name": "x"}, {"Server": {"Name": "x"}}),
        ('{"Server": {"Name": "a"}}', {"SERVER__NAME": "x"}, {"Server": {"Name": "x"}}),
        ("{}", {"Server__A__B__C": "x"}, {"Server": {"A": {"B": {"C": "x"}}}}),
        ("{}", {"Server__L__0": "a", "Server__L__1": "b"}, {"Server": {"L": ["a", "b"]}}),
        ('{"Server": {"L": ["a", "b"]}}', {"Server__L__1": "x"}, {"Server": {"L": ["a", "x"]}}),
        ('{"Server": {"L": ["a"]}}', {"Server__l__1": "x"}, {"Server": {"L": ["a", "x"]}}),
        ("{}", {"Server__L__0__N": "a"}, {"Server": {"L": [{"N": "a"}]}}),
        ('{"Server": {"L": null}}', {"Server__L__0": "a"}, {"Server": {"L": ["a"]}}),
        ('{"Server": null}', {"Server__Name": "x"}, {"Server": {"Name": "x"}}),
        ("{}", {"PATH": "x", "Other__Name": "x", "Server": "x", "__Server": "x"}, {}),
    ],
)
def test_variables_override_and_extend(
    text: str, variables: dict[str, str], result: object
) -> None:
    assert applied(text, **variables) == result


def test_a_list_of_more_than_ten_items_can_be_set() -> None:
    variables = {f"Server__L__{i}": f"item {i}" for i in range(12)}
    assert applied("{}", **variables) == {"Server": {"L": [f"item {i}" for i in range(12)]}}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"Server": {"L": ["a"]}}', "Server__L__2"),
        ('{"Server": {"L": ["a"]}}', "Server__L__x"),
        ('{"Server": {"L": ["a"]}}', "Server__L__-1"),
        ('{"Server": {"Name": "a"}}', "Server__Name__0"),
        ('{"Server": 1}', "Server__Name"),
    ],
)
def test_a_variable_that_fits_nowhere_is_named_and_changes_nothing(text: str, name: str) -> None:
    root = node(text)
    before = root.plain()
    assert apply_environment(root, {name: "x"}, SECTIONS) == [name]
    assert root.plain() == before


@pytest.mark.parametrize("other", ["server__name", "SERVER__Name", "Server__NAME"])
def test_one_setting_by_two_names_is_refused(other: str) -> None:
    (refused,) = apply_environment(node("{}"), {"Server__Name": "x", other: "y"}, SECTIONS)
    assert refused in ("Server__Name", other)
    hyphens = {"Server__Get-It": "x", "Server__Get_It": "y", "Server__Get__It": "z"}
    assert len(apply_environment(node("{}"), hyphens, SECTIONS)) == 1


def test_a_value_from_the_environment_names_its_variable() -> None:
    root = node('{"Server": {"Name": "a"}}')
    apply_environment(root, {"SERVER__NAME": "x"}, SECTIONS)
    assert str(root.source_of(("Server", "Name"))) == "environment variable SERVER__NAME"


def test_the_repr_of_a_tree_shows_no_value() -> None:
    root = node(f'{{"Keys": {{"{SECRET}": {{}}}}, "Password": "{SECRET}"}}')
    assert SECRET not in repr(root)
    assert SECRET not in repr(root.member("Password"))
