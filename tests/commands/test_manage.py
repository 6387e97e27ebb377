"""The command line itself: usage, exit status, and finding its environment."""

import json
import sysconfig
import venv
from pathlib import Path

import pytest

import manage
from tests.commands import support
from tests.commands.support import copy_of_the_project


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nosuch"],
        ["--nosuch"],
        ["run", "--port", "abc"],
        ["run", "surplus"],
        ["serve", "--port", ""],
        ["identity", "--port", "x"],
        ["token", "--user", "alma", "--app"],
        ["token", "--user"],
        ["call", "whoami", "--key-file", "a", "--token-file", "b"],
        ["call"],
        ["tools"],
        ["tools", "schema"],
        ["keys"],
        ["keys", "list"],
        ["keys", "list", "--vault-uri", "https://a.vault.azure.net", "--file", "x"],
        ["keys", "create", "--file", "x", "--id", "UPPER"],
        ["keys", "create", "--file", "x", "--expires", "2020-01-01"],
        ["keys", "rotate", "abc", "--file", "x", "--overlap", "soon"],
        ["config"],
        ["config", "chekc"],
        ["config", "check", "--config"],
    ],
)
def test_wrong_usage_is_exit_status_2_with_talk_on_standard_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        manage.main(arguments)
    captured = capsys.readouterr()
    assert exit.value.code == 2
    assert captured.err.startswith("usage: manage.py")
    assert captured.out == ""


@pytest.mark.parametrize("verb", ["call", "config", "tools"])
def test_a_surplus_option_shows_the_usage_of_its_verb(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = {"call": ["whoami"], "config": ["check"], "tools": ["list"]}[verb]
    with pytest.raises(SystemExit) as exit:
        manage.main([verb, *rest, "--nosuch", "5"])
    assert exit.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"usage: manage.py {verb} ")
    assert error.endswith(f"manage.py {verb}: error: unrecognized arguments: --nosuch 5\n")


def test_a_verb_that_was_left_out_is_not_taken_for_a_library(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    (copy / "commands" / "run.py").unlink()
    ended = support.manage(copy, "run")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "The verb run is not part of this deployment.\n"


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        manage.main(["--help"])
    assert exit.value.code == 0
    listed = capsys.readouterr().out
    verbs = "run", "serve", "identity", "token", "call", "tools", "config", "explain", "keys"
    for verb in verbs:
        assert f"\n    {verb} " in listed


@pytest.mark.parametrize(
    "verb",
    [
        ["run"],
        ["serve"],
        ["identity"],
        ["token"],
        ["call"],
        ["tools"],
        ["tools", "list"],
        ["tools", "schema"],
        ["keys"],
        *(["keys", action] for action in ("create", "list", "rotate", "revoke", "verify")),
        ["config"],
        *(["config", action] for action in ("check", "show", "schema", "init")),
    ],
)
def test_every_verb_takes_json(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        manage.main([*verb, "--help"])
    assert exit.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["config", "--json", "check"], ["config", "check", "--json"], ["tools", "--json", "list"]],
)
def test_json_may_stand_before_or_after_the_action(
    arguments: list[str], settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main([*arguments, "--config", str(settings)]) == 0
    json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has no libraries."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    return str(folder / "bin" / "python")


def test_without_libraries_it_says_how_to_get_them(project: Path, bare: str) -> None:
    ended = support.manage(project, "config", "check", python=[bare])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "msgspec is not installed. Run: make setup\n"


def test_it_goes_on_in_the_projects_environment(tmp_path: Path, settings: Path, bare: str) -> None:
    copy = copy_of_the_project(tmp_path / "project with a space")
    venv.create(copy / ".venv", with_pip=False, symlinks=True)
    packages = next((copy / ".venv").glob("lib/python*/site-packages"))
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    arguments = ("--config", str(settings), "--json")
    found = support.manage(copy, "config", "check", *arguments, python=[bare])
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["ok"] is True
    assert support.manage(copy, "config", "chekc", python=[bare]).returncode == 2


def test_an_environment_without_libraries_is_not_tried_forever(tmp_path: Path, bare: str) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    venv.create(copy / ".venv", with_pip=False, symlinks=True)
    ended = support.manage(copy, "config", "check", python=[bare])
    assert ended.returncode == 1
    assert ended.stderr == "msgspec is not installed. Run: make setup\n"
