"""The programs of docs/clients/python.md, as they stand there, against a running endpoint."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from development.directory import DAEMON, STRANGER, STRANGER_SECRET
from tests.guides import DOCS, ROOT, Block, blocks, endpoint

API_KEY, SIGN_IN, APPLICATION = blocks(DOCS / "clients" / "python.md", "python")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with endpoint(tmp_path_factory.mktemp("python-guide")) as variables:
        yield variables


def run(program: str, given: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.defpath, **given},
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )


def who(done: "subprocess.CompletedProcess[str]") -> Any:
    """What the tool `whoami` answered, which is the last line."""
    assert done.returncode == 0, done.stderr
    tools, answer = done.stdout.splitlines()
    assert "whoami" in tools
    return json.loads(answer)


def as_user(user: str, given: Mapping[str, str]) -> Mapping[str, str]:
    browser = f"{sys.executable} -m tests.clients.browser {user}@postern.example %s &"
    return {**given, "BROWSER": browser}


def test_with_a_key(given: Mapping[str, str]) -> None:
    assert who(run(API_KEY.text, given))["kind"] == "key"


def test_signing_in(given: Mapping[str, str]) -> None:
    told = who(run(SIGN_IN.text, as_user("alma", given)))
    assert (told["kind"], told["name"]) == ("user", "Alma Adler")


def test_as_an_application(given: Mapping[str, str]) -> None:
    told = who(run(APPLICATION.text, given))
    assert (told["kind"], told["client_id"]) == ("application", DAEMON)


STRANGER_GIVEN = {"AZURE_CLIENT_ID": STRANGER, "AZURE_CLIENT_SECRET": STRANGER_SECRET}
FAILURES = [
    (API_KEY, {"MCP_API_KEY": "x" * 40}, "Server returned an error response"),
    (APPLICATION, STRANGER_GIVEN, "Server returned an error response"),
    (APPLICATION, {"MCP_SCOPE": "api://nobodys/.default"}, "AADSTS500011"),
    (APPLICATION, {"AZURE_CLIENT_SECRET": "wrong"}, "AADSTS7000215"),
]


@pytest.mark.parametrize(("program", "changed", "text"), FAILURES)
def test_the_program_says_what_the_guide_says_it_does(
    given: Mapping[str, str], program: Block, changed: Mapping[str, str], text: str
) -> None:
    done = run(program.text, {**as_user("alma", given), **changed})
    assert done.returncode != 0
    assert text in done.stderr


def test_who_may_not_sign_in_is_told_why(given: Mapping[str, str]) -> None:
    done = run(SIGN_IN.text, as_user("dario", given))
    assert done.returncode != 0
    assert "AADSTS50105" in done.stderr
