"""Every test that the documents name is there; every check and every attack names its own."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
THREATS = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ATTACKS = re.split(r"^### ", THREATS, flags=re.MULTILINE)[1:]
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and line != "| check | test |"]
NAMED = re.compile(r"\| [^|]+ \| `(tests/[\w/]+\.py)::(test_\w+)` \|")
ANYWHERE = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")
_MORE = r"(?:\n  .+)*"
LINES = re.compile(
    rf"^- Stops it: \S.*{_MORE}\n- Tests: (.+{_MORE})\n- Remains: \S.*{_MORE}$(?!\n- )",
    re.MULTILINE,
)


@cache
def functions_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, functions)}


@pytest.mark.parametrize("row", ROWS)
def test_a_check_names_the_test_that_holds_it(row: str) -> None:
    match = NAMED.fullmatch(row)
    assert match is not None, row
    file, name = match.groups()
    assert name in functions_in(file)


def test_no_check_stands_there_twice() -> None:
    named = [row.rpartition("|")[0].rpartition("|")[2] for row in ROWS]
    assert len(ROWS) > 90
    assert sorted(set(named)) == sorted(named)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.partition("\n")[0])
def test_an_attack_says_what_stops_it_which_tests_hold_that_and_what_remains(attack: str) -> None:
    (tests,) = LINES.findall(attack)
    assert tests == "none" or ANYWHERE.sub("", tests).strip("`, \n") == ""


def test_there_are_the_attacks_of_the_specification_and_ours() -> None:
    assert len(ATTACKS) > 30
    assert "### Confused deputy" in THREATS


@pytest.mark.parametrize("file", sorted((ROOT / "docs").rglob("*.md")), ids=lambda file: file.name)
def test_a_test_that_is_named_is_there(file: Path) -> None:
    named = ANYWHERE.findall(file.read_text(encoding="utf-8"))
    assert [f"{test}::{name}" for test, name in named if name not in functions_in(test)] == []
