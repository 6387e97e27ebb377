"""Problems say where, what was found and what is right, and never show a secret."""

import pytest

from shared.configuration.jsonc import parse
from shared.configuration.problems import (
    ConfigurationError,
    Problem,
    Report,
    is_secret,
    path_text,
)
from shared.validation import Path, Violation
from tests.configuration.support import SECRET


def report(text: str) -> Report:
    return Report(parse(text, "a.json"))


def told(violation: Violation, text: str = "{}") -> str:
    found = report(text)
    found.violations([violation])
    return str(found.problems[0])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "the configuration"),
        (("Server", "Name"), "Server:Name"),
        (("A", "L", 0, "N"), "A:L[0]:N"),
        (("S", "Keys"), "S:Keys"),
        (("S", "Keys", "one"), "S:Keys[#1]"),
        (("S", "Keys", "two", "Roles", 0), "S:Keys[#2]:Roles[0]"),
        (("s", "keys", "two"), "s:keys[#2]"),
        (("S", "Keys", "absent"), "S:Keys[#?]"),
        (("Absent", "Keys", "one"), "Absent:Keys[#?]"),
    ],
)
def test_a_path_shows_keys_by_their_position(path: Path, text: str) -> None:
    root = parse('{"S": {"Keys": {"one": {}, "two": {"Roles": ["r"]}}}}', "a.json")
    assert path_text(root, path) == text


@pytest.mark.parametrize(
    "path",
    [
        ("Authentication", "Schemes", "ApiKey", "Keys"),
        ("Authentication", "Schemes", "ApiKey", "KEYS", 0),
        ("Authentication", "Schemes", "ApiKey", "Keys", "abc", "Roles"),
        ("Toolsets", "crm", "ClientSecret"),
        ("Toolsets", "crm", "password"),
        ("Toolsets", "crm", "ConnectionString"),
        ("Toolsets", "crm", "Connection_String"),
        ("Toolsets", "crm", "Key"),
        ("Toolsets", "crm", "api_key"),
        ("Toolsets", "crm", "ApiKey"),
        ("Toolsets", "crm", "SubscriptionKey"),
        ("TOOLSETS", "CRM", "ACCOUNTKEY"),
        ("Toolsets", "crm", "AccessToken"),
        ("Toolsets", "crm", "Secrets", 0),
        ("Toolsets", "crm", "Passwords", 1),
    ],
)
def test_names_of_credentials_mark_secrets(path: Path) -> None:
    assert is_secret(path)


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("Server", "Name"),
        ("Authentication", "Schemes", "ApiKey", "HeaderName"),
        ("Authentication", "Schemes", "ApiKey", "AllowInlineKeys"),
        ("PowerShellConfiguration", "CommandNames", 0),
    ],
)
def test_other_values_are_shown(path: Path) -> None:
    assert not is_secret(path)


@pytest.mark.parametrize(
    ("violation", "text"),
    [
        (Violation(("Nmae",), "unknown", suggestion="Name"), "unknown key; did you mean Name?"),
        (Violation(("Zzz",), "unknown"), "unknown key"),
        (Violation(("Name",), "missing", "a string"), "missing; expected a string"),
        (
            Violation(("Name",), "is an integer", "a string", 5),
            "5 is an integer; expected a string",
        ),
        (Violation(("Name",), "is a list", "a string", [1]), "is a list; expected a string"),
        (Violation(("Name",), "is null", "a string", None), "is null; expected a string"),
        (
            Violation(("Password",), "is an integer", "a string", 55),
            "is an integer; expected a string",
        ),
    ],
)
def test_a_violation_is_told_with_what_was_found_and_expected(
    violation: Violation, text: str
) -> None:
    assert told(violation).split(": ", 1)[1] == text


@pytest.mark.parametrize(
    "violation",
    [
        Violation(("Schemes", "ApiKey", "Keys"), "is a string", "an object", SECRET),
        Violation(("Schemes", "ApiKey", "Keys"), "is a list", "an object", [SECRET]),
        Violation(("Schemes", "ApiKey", "Keys", SECRET), "is a string", "an object", SECRET),
        Violation(("Schemes", "ApiKey", "Keys", SECRET, "Rolse"), "unknown", suggestion="Roles"),
        Violation(("Schemes", "ApiKey"), "is a string", "an object", SECRET),
        Violation(("Schemes", "ApiKey"), "is a list", "an object", [SECRET]),
    ],
)
def test_a_secret_is_not_told(violation: Violation) -> None:
    text = f'{{"Schemes": {{"ApiKey": {{"Keys": {{"{SECRET}": {{}}}}}}}}}}'
    assert SECRET not in told(violation, text)


def test_a_long_value_is_cut() -> None:
    text = told(Violation(("Name",), "is too long", "a string of at most 64 characters", "x" * 999))
    assert len(text) < 200


def test_a_problem_names_path_source_and_text() -> None:
    found = report('{\n"Server": {"Name": 5}}')
    found.error(("Server", "Name"), "is wrong")
    found.warn(("Server", "Title"), "is odd")
    assert list(map(str, found.problems)) == [
        "Server:Name (a.json:2): is wrong",
        "Server:Title (a.json:2): is odd",
    ]


def test_warnings_alone_do_not_fail() -> None:
    found = report("{}")
    found.warn(("Server",), "is odd")
    assert not found.failed
    found.error(("Server",), "is wrong")
    assert found.failed


@pytest.mark.parametrize(
    ("count", "heading"),
    [(1, "1 configuration error"), (2, "2 configuration errors")],
)
def test_the_exception_lists_every_error_and_no_warning(count: int, heading: str) -> None:
    problems = [Problem(f"Server:K{i}", "a.json:1", "is wrong") for i in range(count)]
    error = ConfigurationError([Problem("Toolsets", "a.json:2", "is odd", "warning"), *problems])
    lines = str(error).splitlines()
    assert lines[0] == heading
    assert lines[1:] == [f"  Server:K{i} (a.json:1): is wrong" for i in range(count)]
    assert len(error.problems) == count + 1


def test_the_repr_of_a_report_shows_no_value() -> None:
    assert SECRET not in repr(report(f'{{"Keys": {{"{SECRET}": {{}}}}}}'))
