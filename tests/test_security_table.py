"""Every test that docs/security.md names is there, and every check names one."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and line != "| check | test |"]
NAMED = re.compile(r"\| [^|]+ \| `(tests/[\w/]+\.py)::(test_\w+)` \|")


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
