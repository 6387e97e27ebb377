"""JSON as .NET's configuration reader takes it: comments, trailing commas, one line per value."""

import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.configuration.jsonc import SyntaxProblem, parse
from shared.configuration.sources import MAX_DEPTH
from tests.configuration.support import SECRET

_KEYS = st.text(string.ascii_lowercase + string.digits + ' "\\/\té☃', max_size=5)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)
_PIECES = [*'{}[],:"\\ \n', "//", "/*", "*/", "-", "0", "1.5", "1e9", "true", "null", '"a"', "\\u"]


def plain(text: str) -> Any:
    return parse(text, "settings.json").plain()


def problem(text: str) -> SyntaxProblem:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text, "settings.json")
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        (" [ ] ", []),
        ('{"a": 1, // one\n "b": 2}', {"a": 1, "b": 2}),
        ('/* head */ {"a": /* two\nlines */ 1} // tail', {"a": 1}),
        ('{"a": [1, 2,], "b": {"c": 3,},}', {"a": [1, 2], "b": {"c": 3}}),
        ('{"a": 1,\r\n\t"b": 2,\r\n}\r\n', {"a": 1, "b": 2}),
        ('{"url": "https://example.com/*x*/"}', {"url": "https://example.com/*x*/"}),
        (r'["\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"]', ['"\\/\b\f\n\r\té😀']),
        ("[0, -0.5, 1e3, 10, true, false, null]", [0, -0.5, 1000.0, 10, True, False, None]),
    ],
)
def test_what_dotnet_accepts_is_read(text: str, value: object) -> None:
    assert plain(text) == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("\n\n", 3),
        ("{} {}", 1),
        ('{"a": 1\n "b": 2}', 2),
        ('{"a" 1}', 1),
        ('{"a":\n}', 2),
        ("{'a': 1}", 1),
        ("{a: 1}", 1),
        ('{"a": True}', 1),
        ('{"a": NaN}', 1),
        ("[1,\n,2]", 2),
        ("[,]", 1),
        ("{,}", 1),
        ("[1", 1),
        ("[1}", 1),
        ("[01]", 1),
        ("[1.]", 1),
        ("[+1]", 1),
        ("[.5]", 1),
        ('["a\nb"]', 1),
        (r'["\x41"]', 1),
        ("/* one\ntwo */ /* three\n", 2),
        ('// one\r\n/* two\r\n*/ "a": 1', 3),
    ],
)
def test_what_is_not_json_is_refused_with_its_line(text: str, line: int) -> None:
    error = problem(text)
    assert error.line == line
    assert str(error) == f"line {line}: expected {error.expected}"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"Keys": {{"{SECRET}" {{}}}}}}',
        f'{{"Keys": {{"{SECRET}": {{}} "{SECRET}x": {{}}}}}}',
        f'{{"Keys": {{"{SECRET}: {{}}}}}}',
        f'{{"Keys": {{{SECRET}: {{}}}}}}',
        f'{{"Keys": {{"{SECRET}": {{}}, "{SECRET}": {{}}}}}}',
        f'{{"Keys": {{"{SECRET}\\q": {{}}}}}}',
        f"{{\"Keys\": {{'{SECRET}': {{}}}}}}",
        f'{{"Keys": "{SECRET}" 1}}',
    ],
)
def test_a_syntax_problem_never_quotes_the_text(text: str) -> None:
    error = problem(text)
    assert SECRET[:8] not in f"{error} {error!r} {error.args} {error.__dict__}"


@pytest.mark.parametrize("second", ["Enabled", "enabled", "ENABLED", r"\u0045nabled"])
def test_a_key_held_twice_is_refused_in_any_case(second: str) -> None:
    error = problem(f'{{"Enabled": true,\n"{second}": false}}')
    assert error.line == 2
    assert "twice" in error.expected


def test_one_key_may_stand_in_two_objects() -> None:
    assert plain('{"a": {"x": 1}, "b": {"x": 1}}') == {"a": {"x": 1}, "b": {"x": 1}}


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_ends_at_a_limit(opening: str, closing: str) -> None:
    assert plain(opening * MAX_DEPTH + "1" + closing * MAX_DEPTH) is not None
    assert str(MAX_DEPTH) in problem(opening * (MAX_DEPTH + 1) + "1").expected
    assert str(MAX_DEPTH) in problem(opening * 10_000).expected


def test_a_number_too_long_to_read_is_refused() -> None:
    assert problem("\n[" + "9" * 5_000 + "]").line == 2


@pytest.mark.parametrize("text", [r'{"\ud800": 1}', r'["\udfff"]'])
def test_half_a_surrogate_pair_is_refused(text: str) -> None:
    assert problem(text).line == 1


def test_every_value_knows_its_file_and_the_line_of_its_key() -> None:
    root = parse('{\n"a":\n1, "b": [\n2,\n{"c": 3}]}', "settings.json")
    places = {
        (): 1,
        ("a",): 2,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 1): 5,
        ("b", 1, "c"): 5,
    }
    found = {path: str(root.source_of(path)) for path in places}
    assert found == {path: f"settings.json:{line}" for path, line in places.items()}


@settings(max_examples=60, derandomize=True, deadline=None)
@given(_VALUES, st.booleans())
def test_json_means_the_same_here_as_elsewhere(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert plain(text) == json.loads(text)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(_VALUES)
def test_comments_and_trailing_commas_change_nothing(value: Any) -> None:
    lines = json.dumps(value, indent=1).split("\n")
    for i in range(len(lines) - 1):
        closing = lines[i + 1].strip()[0] in "}]" and lines[i][-1] not in "{["
        lines[i] += f'{"," if closing else ""} /* "a": [ */ // {{ " }} */'
    assert plain("\n".join(lines)) == value


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.text() | st.lists(st.sampled_from(_PIECES), max_size=24).map("".join))
def test_arbitrary_text_is_read_or_refused_and_never_crashes(text: str) -> None:
    lines = range(1, text.count("\n") + 2)
    try:
        line = parse(text, "settings.json").source.line
    except SyntaxProblem as error:
        line = error.line
    assert line in lines
