"""The parser: what it makes of Bicep, and what it refuses with a line."""

from pathlib import Path

import pytest

from infra.lint.__main__ import main
from infra.lint.parser import parse
from infra.lint.tokens import SyntaxProblem
from infra.lint.tree import Binary, Conditional, Literal, Loop, Object, Text, walk
from tests.infra.lint_sample import assert_found

MAIN, APP = "main.bicep", "app.bicep"


def value(text: str) -> object:
    statements, _ = parse(f"var x = {text}\n")
    return statements[0].value


def test_strings_with_interpolation_escapes_and_quotes() -> None:
    node = value(r"'a\'b${c}d${'e${f}'}'")
    assert isinstance(node, Text)
    assert [part if isinstance(part, str) else type(part).__name__ for part in node.parts] == [
        "a'b",
        "Name",
        "d",
        "Text",
        "",
    ]
    plain = value(r"'\u{e9}\$\{\n'".replace(r"\{", "{"))
    assert isinstance(plain, Text)
    assert plain.literal == "é${\n"


def test_operators_bind_as_they_do_in_the_language() -> None:
    node = value("a || b && c == 1 + 2 * 3 ? 4 : 5")
    assert isinstance(node, Conditional)
    either = node.condition
    assert isinstance(either, Binary)
    assert either.operator == "||"
    both = either.right
    assert isinstance(both, Binary)
    assert both.operator == "&&"
    equal = both.right
    assert isinstance(equal, Binary)
    assert equal.operator == "=="


def test_comments_are_kept_by_line_and_are_nothing_else() -> None:
    statements, comments = parse("// one\nvar a = 1 // 'two\n/* three\n */\nvar b = 2\n")
    assert [(s.name, s.line) for s in statements] == [("a", 2), ("b", 5)]
    assert comments == {1: "// one", 2: "// 'two", 3: "/* three\n */"}


def test_lines_are_those_of_the_file() -> None:
    statements, _ = parse("var a = {\n  b: [\n    1\n    2\n  ]\n}\n")
    assert [n.line for n in walk(statements[0]) if isinstance(n, Literal)] == [3, 4]


def test_resources_with_decorators_loops_and_conditions() -> None:
    text = """@batchSize(1)
resource a 'X/y@1' = [for (n, i) in range(0, 3): if (i > 0) {
  name: n
}]

resource b 'z' existing = {
  name: 'b'
}
"""
    (a, b), _ = parse(text)
    assert a.decorators[0].name == "batchSize"
    assert isinstance(a.value, Loop)
    assert a.conditional
    assert isinstance(a.body, Object)
    assert (b.name, b.of, b.existing, b.line) == ("b", "z", True, 6)


def test_the_types_of_parameters_and_outputs_are_as_written() -> None:
    statements, _ = parse("param a string[]?\nparam b int = 1\noutput c object = {}\n")
    assert [statement.type for statement in statements] == ["string[]?", "int", "object"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("var a = 'x\n", 1),
        ("\nvar a = '${b'\n", 2),
        ("var a = (1\nvar b = 2\n", 2),
        ("var a = 1 ||\n  2\n", 1),
        ("var a = { b 1 }\n", 1),
        ("var a = {\n  b: 1 c: 2\n}\n", 2),
        ("var a\n= 1\n", 1),
        ("var a = 1 }\n", 1),
        ("var a = '''x\n", 1),
        ("module a 'a.bicep'\n", 1),
        ("type a = string\n", 1),
        ("var a = '\\q'\n", 1),
        ("var a = 1 ; 2\n", 1),
        ("resource a 'X/${b}@1' = {}\n", 1),
        ("import 'x'\n", 1),
        ("@description\nvar a = 1\n", 1),
    ],
)
def test_what_is_no_bicep_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text)
    assert caught.value.line == line


def test_files_without_fault_are_clean(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(sample)]) == 0
    line = capsys.readouterr().out
    assert line.startswith("2 Bicep files, 25 symbols; ")
    assert line.endswith(": clean\n")


def test_findings_are_lines_and_a_count(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sample / APP).write_text("var a = (\n", encoding="utf-8")
    assert main([str(sample)]) == 1
    told_lines = capsys.readouterr().out.splitlines()
    assert told_lines[0].startswith("app.bicep:2: expected name")
    assert " — mend the syntax" in told_lines[0]
    assert told_lines[-1].endswith(": 1 finding")


def test_a_folder_without_files_is_wrong_usage(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 2


def test_pycep_gives_a_second_opinion(sample: Path) -> None:
    # The compiler and our parser take it; pycep-parser knows no comment between arguments.
    old, new = "map(names, name", "map(\n  names,\n  // why\n  name"
    assert_found(sample, MAIN, old, new, "// why", "pycep-parser cannot read this")
