"""`manage.py call`: a tool of a running endpoint, through the official client."""

import io
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

import manage
from tests.commands import support
from tests.commands.support import Running

WRONG = "wrong-key-0123456789-0123456789"


@pytest.fixture
def url(developing: tuple[Path, Running]) -> str:
    return str(developing[1].json["url"])


@pytest.fixture
def key(developing: tuple[Path, Running]) -> str:
    file = developing[0] / "appsettings.Development.json"
    profile: Any = json.loads(file.read_text(encoding="utf-8"))
    (key,) = profile["Authentication"]["Schemes"]["ApiKey"]["Keys"]
    return str(key)


@pytest.fixture
def holding(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is in the environment."""
    monkeypatch.setenv("POSTERN_API_KEY", key)


def test_the_key_comes_from_the_environment(
    url: str, key: str, holding: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["call", "whoami", "--url", url]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["principal"] == "key/ApiKey-1"
    assert key not in captured.out + captured.err


def test_the_key_comes_from_a_file(
    url: str, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{key}\n", encoding="utf-8")
    assert manage.main(["call", "whoami", "--url", url, "--key-file", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["principal"] == "key/ApiKey-1"


def test_the_key_comes_from_standard_input(
    url: str, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{key}\n"))
    assert manage.main(["call", "whoami", "--url", url, "--key-file", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["principal"] == "key/ApiKey-1"


def test_a_key_given_by_hand_goes_before_the_environment(
    url: str, holding: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    file.write_text(WRONG, encoding="utf-8")
    assert manage.main(["call", "whoami", "--url", url, "--key-file", str(file)]) == 1


def test_without_one_the_development_key_is_used(
    developing: tuple[Path, Running], url: str, key: str
) -> None:
    ended = support.manage(developing[0], "call", "whoami", "--url", url, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["structuredContent"]["roles"] == ["developer"]
    assert key not in ended.stdout + ended.stderr


@pytest.fixture
def token(developing: tuple[Path, Running], url: str) -> str:
    """A token of the invented user who may do everything."""
    port = url.split(":")[2].removesuffix("/mcp")
    return support.manage(developing[0], "token", "--port", port).stdout.strip()


def test_a_token_comes_from_a_file(
    url: str, token: str, holding: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{token}\n", encoding="utf-8")
    assert manage.main(["call", "whoami", "--url", url, "--token-file", str(file)]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["name"] == "Alma Adler"
    assert token not in captured.out + captured.err


def test_a_token_comes_from_standard_input(
    url: str, token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{token}\n"))
    assert manage.main(["call", "whoami", "--url", url, "--token-file", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "Alma Adler"


def test_a_token_in_the_environment_goes_before_a_key(
    url: str,
    token: str,
    holding: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POSTERN_TOKEN", token)
    assert manage.main(["call", "whoami", "--url", url]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "user"


def test_a_key_given_by_hand_goes_before_a_token_in_the_environment(
    url: str,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POSTERN_TOKEN", "a.wrong.token")
    file = tmp_path / "key"
    file.write_text(key, encoding="utf-8")
    assert manage.main(["call", "whoami", "--url", url, "--key-file", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "key"


def test_a_wrong_token_is_refused_and_not_told(
    url: str, token: str, holding: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    wrong = f"{token[:-8]}AAAAAAAA"
    file.write_text(wrong, encoding="utf-8")
    assert manage.main(["call", "whoami", "--url", url, "--token-file", str(file)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("The endpoint refused: ")
    assert wrong not in error


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (["limit=1", "sort=id"], None),
        (["limit=0"], "limit: 0 is too small"),
        (["name=5"], "name: 5 is an integer; expected a string"),
        (['name="5"'], None),
        (["name=a=b"], None),
        (["name="], None),
        (["limt=1"], "limt: unknown; did you mean limit?"),
    ],
)
def test_arguments_are_json_where_they_read_as_json(
    url: str, holding: None, pairs: list[str], told: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [word for pair in pairs for word in ("--arg", pair)]
    status = manage.main(["call", "get_process", "--url", url, *arguments])
    out = capsys.readouterr().out
    if told is None:
        assert status == 0
        assert isinstance(json.loads(out), list)
    else:
        assert status == 1
        assert told in out


def test_the_whole_result_is_given_as_json(
    url: str, holding: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["call", "get_process", "--arg", "limit=0", "--url", url, "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["isError"] is True
    assert "limit" in result["content"][0]["text"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--arg", "novalue"],
        ["--key-file", "no-such-file"],
        ["--key-file", "."],
        ["--token-file", "no-such-file"],
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["call", "whoami", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err


def test_an_unknown_tool_was_refused_by_an_endpoint_that_was_reached(
    url: str, holding: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["call", "whoamy", "--url", url]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "The endpoint refused: Unknown tool: whoamy\n")


def test_a_wrong_key_is_called_a_wrong_key(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTERN_API_KEY", WRONG)
    assert manage.main(["call", "whoami", "--url", url]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "key" in captured.err
    assert WRONG not in captured.err


def test_a_port_means_an_endpoint_on_this_machine(
    url: str, holding: None, capsys: pytest.CaptureFixture[str]
) -> None:
    port = url.split(":")[2].removesuffix("/mcp")
    assert manage.main(["call", "whoami", "--port", port]) == 0
    assert json.loads(capsys.readouterr().out)["principal"] == "key/ApiKey-1"


def test_where_no_endpoint_is_its_host_tells_where_it_is(
    url: str, holding: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["call", "whoami", "--url", url.removesuffix("mcp")]) == 1
    assert capsys.readouterr().err == "The endpoint refused: Nothing is here. MCP is at /mcp.\n"


def test_nothing_on_this_machine_asks_whether_it_runs(
    holding: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["call", "whoami", "--port", "1"]) == 1
    assert capsys.readouterr().err.endswith(". Is it running (make run)?\n")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/mcp",
        "http://127.0.0.1:99999/mcp",
        "nonsense",
        "http://[bad/mcp",
        "ftp://127.0.0.1/mcp",
    ],
)
def test_an_endpoint_that_is_not_there_is_a_finding_without_a_traceback(
    url: str, holding: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["call", "whoami", "--url", url]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"The endpoint at {url} could not be called: ")


def test_a_key_is_not_sent_in_clear_to_another_machine(
    holding: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        # An address of this machine that is not among those that stay on it.
        url = f"http://0.0.0.0:{listener.getsockname()[1]}/mcp"
        assert manage.main(["call", "whoami", "--url", url]) == 2
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert "give an https URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        b"first-of-two-keys\nsecond-of-two-keys",
        b"a-key-with\x00a-nul",
        b"\x7fa-key",
        "schlüssel".encode(),
        b"\xff\xfea-key",
        b"",
    ],
)
def test_a_key_that_is_none_is_refused_and_never_told(
    url: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    assert manage.main(["call", "whoami", "--url", url, "--key-file", str(file)]) in (1, 2)
    error = capsys.readouterr().err
    assert "key" in error.replace("a-key", "")
    for part in ("of-two-keys", "a-key", "a-nul", "schl"):
        assert part not in error
