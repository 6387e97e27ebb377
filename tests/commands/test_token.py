"""`manage.py token`: an access token by a real OAuth flow, from this machine only."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import manage
from development.directory import AGENT, DAEMON
from tests.commands import support
from tests.commands.support import ROOT, Running
from tests.commands.test_run import GUIDE
from tests.development.support import claims_of
from tests.support import write_configuration


@pytest.fixture
def port(developing: tuple[Path, Running]) -> str:
    return str(developing[1].json["url"].split(":")[2].removesuffix("/mcp"))


def test_without_options_it_is_the_first_user_with_full_rights(
    developing: tuple[Path, Running], port: str
) -> None:
    ended = support.manage(developing[0], "token", "--port", port)
    assert ended.returncode == 0, ended.stderr
    claims = claims_of(ended.stdout.splitlines()[-1])
    assert (claims["name"], claims["azp"], claims["scp"]) == (
        "Alma Adler",
        AGENT,
        "access_as_user",
    )
    assert ended.stdout.count("\n") == 1
    assert ended.stdout.strip() not in ended.stderr


@pytest.mark.parametrize("name", ["bruno", "Bruno Berg", "bruno@postern.example"])
def test_a_user_is_named(port: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert manage.main(["token", "--port", port, "--user", name]) == 0
    assert claims_of(capsys.readouterr().out.strip())["name"] == "Bruno Berg"


def test_an_application_needs_no_user(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert manage.main(["token", "--port", port, "--app", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"access_token", "token_type", "expires_in"}
    claims = claims_of(answer["access_token"])
    assert (claims["azp"], claims["roles"]) == (DAEMON, ["access_as_user"])


def test_a_scope_may_be_long_or_short(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{port}/mcp"
    for scope in ("access_as_user", f"{url}/access_as_user"):
        assert manage.main(["token", "--port", port, "--scope", scope]) == 0
        assert claims_of(capsys.readouterr().out.strip())["scp"] == "access_as_user"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--user", "dario"], "AADSTS50105"),
        (["--scope", "nosuch"], "AADSTS650053"),
        (["--scope", "api://other/read"], "AADSTS500011"),
    ],
)
def test_a_refusal_is_told_in_entras_words(
    port: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["token", "--port", port, *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"{told}: ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--user", "nobody"], "There are: alma, bruno, clara, dario, edith."),
        (["--app", "--scope", "x"], "--scope is for users"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["token", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err


def test_nothing_there_is_a_finding_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert manage.main(["token", "--port", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Nothing answers at 127.0.0.1:1" in captured.err
    assert "make run" in captured.err


def test_an_endpoint_that_takes_keys_only_says_so(
    tmp_path: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_configuration(tmp_path, GUIDE)
    with support.running(project, "run", "--port", "0", "--json", "--config", str(file)) as server:
        port = server.json["url"].split(":")[2].removesuffix("/mcp")
        assert manage.main(["token", "--port", port]) == 1
    assert "answered 404" in capsys.readouterr().err


@contextmanager
def saying(answers: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """A server with fixed answers by path: JSON, or where to redirect to. And what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            answer = answers.get(path)
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            if isinstance(answer, str):
                self.send_response(302)
                self.send_header("Location", answer)
                body = b""
            else:
                self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield str(server.server_port), asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


METADATA = "/.well-known/oauth-protected-resource"


def resource(issuer: str) -> dict[str, Any]:
    return {
        "resource": "http://127.0.0.1:1/mcp",
        "authorization_servers": [issuer],
        "scopes_supported": ["http://127.0.0.1:1/mcp/read"],
    }


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.microsoftonline.com/x/v2.0",
        "https://127.0.0.1:1/x/v2.0",
        "http://localhost.evil.example/v2.0",
        "http://127.0.0.1@evil.example/v2.0",
        "http://[::1",
        "http://127.0.0.1:99999/x",
        "file:///etc/passwd",
    ],
)
def test_it_talks_to_nobody_but_this_machine(
    issuer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with saying({METADATA: resource(issuer)}) as (port, asked):
        assert manage.main(["token", "--port", port]) == 1
    assert asked == [METADATA]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "this machine only" in captured.err or "malformed" in captured.err


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
def test_nor_to_whom_the_metadata_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    answers: dict[str, Any] = {}
    with saying(answers) as (port, asked):
        base = f"http://127.0.0.1:{port}"
        answers[METADATA] = resource(f"{base}/t")
        answers["/t/.well-known/openid-configuration"] = {
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            name: "https://evil.example/x",
        }
        arguments = ["--app"] if name == "token_endpoint" else []
        assert manage.main(["token", "--port", port, *arguments]) == 1
    assert asked == [METADATA, "/t/.well-known/openid-configuration"]
    assert "this machine only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("http://localhost/signed-in?code=c&state=other", "another sign-in"),
        ("http://localhost/signed-in?code=c", "another sign-in"),
        ("http://evil.example/?code=c", "Sign-in was refused (302)"),
        (b"<html>", "Sign-in was refused (200)"),
    ],
)
def test_an_answer_that_is_not_ours_is_refused(
    answer: Any, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, Any] = {"/authorize": answer}
    with saying(answers) as (port, asked):
        base = f"http://127.0.0.1:{port}"
        answers[METADATA] = resource(f"{base}/t")
        answers["/t/.well-known/openid-configuration"] = {
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
        }
        assert manage.main(["token", "--port", port]) == 1
    assert "/token" not in asked
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "metadata",
    [
        b"nonsense",
        [],
        {},
        {"authorization_servers": []},
        {"authorization_servers": 5},
        "http://evil.example/",
    ],
)
def test_metadata_that_is_none_is_a_finding(
    metadata: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with saying({METADATA: metadata}) as (port, asked):
        assert manage.main(["token", "--port", port]) == 1
    assert asked == [METADATA]
    captured = capsys.readouterr()
    assert (captured.out, bool(captured.err)) == ("", True)


def test_it_needs_none_of_the_development_libraries() -> None:
    program = (
        "import sys, commands.token\n"
        "print(sorted({'mcp', 'httpx2', 'pytest', 'requests', 'msal', 'jwt', 'cryptography'}"
        " & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert run.stdout == "[]\n", run.stderr
