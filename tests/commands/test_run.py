"""`manage.py run`: development on one's own machine, from nothing to the first answer."""

import json
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from development.directory import AGENT
from development.identity import TENANT
from shared.hosting import uvicorn_server
from tests.commands.support import (
    ROOT,
    Running,
    copy_of_the_project,
    exchange,
    manage,
    running,
)
from tests.support import message, reserved_port, write_configuration

PROFILE = "appsettings.Development.json"
GUIDE = {
    "Authentication": {
        "Enabled": True,
        "DefaultScheme": "ApiKey",
        "DefaultPolicy": {"RequireAuthentication": True, "RequiredRoles": ["reader"]},
        "Schemes": {
            "ApiKey": {
                "Type": "ApiKey",
                "HeaderName": "X-API-Key",
                "Keys": {"key-reader": {"Roles": ["reader"]}, "key-ops": {"Roles": ["ops"]}},
            }
        },
    }
}


def key_of(project: Path) -> str:
    profile: Any = json.loads((project / PROFILE).read_text(encoding="utf-8"))
    (key,) = profile["Authentication"]["Schemes"]["ApiKey"]["Keys"]
    return str(key)


def test_it_says_where_it_listens_and_not_the_key(developing: tuple[Path, Running]) -> None:
    project, server = developing
    port = server.json["url"].split(":")[2].removesuffix("/mcp")
    identity, secure = (
        server.json[name].removesuffix(f"/{TENANT}").rpartition(":")[2]
        for name in ("authority", "secureAuthority")
    )
    assert server.json == {
        "url": f"http://127.0.0.1:{int(port)}/mcp",
        "keyFile": PROFILE,
        "authority": f"http://127.0.0.1:{int(identity)}/{TENANT}",
        "secureAuthority": f"https://127.0.0.1:{int(secure)}/{TENANT}",
        "certificateAuthority": str(project / ".development" / "ca.pem"),
        "clientId": AGENT,
    }
    assert key_of(project) not in server.said


def test_from_nothing_it_answers_with_a_new_private_key(developing: tuple[Path, Running]) -> None:
    project, server = developing
    assert stat.S_IMODE((project / PROFILE).stat().st_mode) == 0o600
    call = message("tools/call", {"name": "whoami"})
    reply = exchange(server.json["url"], call, {"X-API-Key": key_of(project)})
    assert json.loads(reply.json["result"]["content"][0]["text"])["roles"] == ["developer"]
    assert exchange(server.json["url"], call).status == 401


def test_the_log_has_the_call_and_no_key(developing: tuple[Path, Running]) -> None:
    project, server = developing
    headers = {"X-API-Key": key_of(project), "X-Correlation-ID": "run-1"}
    exchange(server.json["url"], message("ping"), headers)
    exchange(server.json["url"], message("ping"), {"X-API-Key": "wrong-key-0123456789"})
    log = server.log.read_text(encoding="utf-8")
    assert "run-1" in log
    assert key_of(project) not in log
    assert "wrong-key-0123456789" not in log


def test_a_taken_port_is_a_clear_error(developing: tuple[Path, Running], project: Path) -> None:
    port = developing[1].json["url"].split(":")[2].removesuffix("/mcp")
    ended = manage(project, "run", "--port", port, "--json")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"Port {port} on 127.0.0.1 is taken. Choose another with --port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_printed_ways_to_call_work_as_they_are(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    with running(copy, "run", "--port", "0", until="Ctrl-C stops it.") as server:
        lines = server.said.splitlines()
        url = lines[1].removeprefix("Postern listens on ")
        assert key_of(copy) in lines[2]

        start = next(i for i, line in enumerate(lines) if line.startswith("  curl "))
        curl = shlex.split("\n".join(lines[start : start + 2]))
        headers = dict(curl[i + 1].split(": ", 1) for i, word in enumerate(curl) if word == "-H")
        reply = exchange(curl[-1], curl[curl.index("-d") + 1], headers)
        assert (curl[-1], reply.status) == (url, 200)
        assert "key/ApiKey-1" in reply.json["result"]["content"][0]["text"]

        code = json.loads(lines[lines.index("VS Code (.vscode/mcp.json)") + 1])
        assert code["servers"]["postern"] == {
            "type": "http",
            "url": url,
            "headers": {"X-API-Key": key_of(copy)},
        }

        claude = shlex.split(lines[lines.index("Claude Code") + 1])
        assert claude[:6] == ["claude", "mcp", "add", "--transport", "http", "postern"]
        assert claude[6:] == [url, "--header", f"X-API-Key: {key_of(copy)}"]

        inspector = next(i for i, line in enumerate(lines) if line.startswith("  npx "))
        npx = shlex.split("\n".join(lines[inspector : inspector + 2]))
        assert npx[npx.index("--cli") + 1] == url
        assert npx[npx.index("--header") + 1] == f"X-API-Key: {key_of(copy)}"

        token = next(line for line in lines if line.startswith("  ./manage.py token"))
        signed_in = manage(copy, *shlex.split(token)[1:])
        assert signed_in.returncode == 0, signed_in.stderr
        bearer = {"Authorization": f"Bearer {signed_in.stdout.strip()}"}
        reply = exchange(url, message("tools/call", {"name": "whoami"}), bearer)
        assert "Alma Adler" in reply.json["result"]["content"][0]["text"]
        assert AGENT in server.said

        assert server.stop(signal.SIGINT) == 0
        log = server.log.read_text(encoding="utf-8")
    assert log.endswith("Stopped.\n")
    assert "Traceback" not in log
    assert key_of(copy) not in log


def test_the_guides_keys_work_in_development(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    file = write_configuration(tmp_path, GUIDE)
    arguments = ("--port", "0", "--json", "--config", str(file))
    with running(copy, "run", *arguments) as server:
        assert server.json["keyFile"] is server.json["authority"] is None
        call = message("tools/call", {"name": "whoami"})
        reader = exchange(server.json["url"], call, {"X-API-Key": "key-reader"})
        assert "key/ApiKey-1" in reader.json["result"]["content"][0]["text"]
        assert exchange(server.json["url"], call, {"X-API-Key": "key-other"}).status == 401
        assert server.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
        assert "Traceback" not in server.log.read_text(encoding="utf-8")
    assert not (copy / PROFILE).exists()
    assert not (copy / ".development").exists()


def test_the_printed_ways_to_call_show_no_key_of_a_file_of_ones_own(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    scheme = {"HeaderName": "X-Company-Key", "Keys": {"a-key-of-my-own": {"Roles": ["reader"]}}}
    given = {"Enabled": True, "DefaultScheme": "K", "Schemes": {"K": {"Type": "ApiKey", **scheme}}}
    file = write_configuration(tmp_path, {"Authentication": given})
    arguments = ("--port", "0", "--config", str(file))
    with running(copy, "run", *arguments, until="Ctrl-C stops it.") as server:
        assert "API key: one of those in your configuration (header X-Company-Key)" in server.said
        assert "--header 'X-Company-Key: YOUR-KEY'" in server.said
        assert "a-key-of-my-own" not in server.said


def test_where_no_keys_are_taken_the_printed_ways_to_call_send_a_token(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    given = {"Enabled": True, "Schemes": {"Bearer": {"Authority": "development"}}}
    file = write_configuration(tmp_path, {"Authentication": given})
    arguments = ("--port", "0", "--config", str(file))
    with running(copy, "run", *arguments, until="Ctrl-C stops it.") as server:
        assert "API key" not in server.said
        assert "curl -H 'Authorization: Bearer YOUR-TOKEN'" in server.said
        assert "./manage.py token" in server.said


def bearer(authority: str, **scheme: object) -> dict[str, object]:
    """The guide's configuration for access tokens, with what this machine calls it."""
    given = {
        "Type": "JwtBearer",
        "Authority": authority,
        "Audience": "api://poshmcp-prod",
        "RequireHttpsMetadata": False,
        **scheme,
    }
    policy = {"RequiredScopes": ["api://poshmcp-prod/access_as_server"]}
    return {
        "Authentication": {
            "Enabled": True,
            "DefaultScheme": "Bearer",
            "DefaultPolicy": policy,
            "Schemes": {"Bearer": given},
        }
    }


@pytest.fixture
def free_port() -> Iterator[int]:
    with reserved_port() as port:
        yield port


@pytest.mark.parametrize("issuers", [[], ["v2.0"]], ids=["v1 tokens", "the guide's issuer"])
def test_an_authority_on_this_machine_is_served_where_it_is_expected(
    tmp_path: Path, project: Path, free_port: int, issuers: list[str]
) -> None:
    authority = f"http://127.0.0.1:{free_port}/{TENANT}"
    scheme = {"ValidIssuers": [f"{authority}/{issuer}" for issuer in issuers]}
    copy = copy_of_the_project(tmp_path / "project")
    file = write_configuration(tmp_path, bearer(authority, **scheme))
    arguments = ("--port", "0", "--json", "--config", str(file))
    with running(copy, "run", *arguments) as server:
        assert server.json["authority"] == authority
        port = server.json["url"].split(":")[2].removesuffix("/mcp")
        for whose in ((), ("--app",)):
            token = manage(copy, "token", "--port", port, *whose)
            assert token.returncode == 0, token.stderr
            headers = {"Authorization": f"Bearer {token.stdout.splitlines()[-1]}"}
            call = message("tools/call", {"name": "whoami"})
            reply = exchange(server.json["url"], call, headers)
            assert (reply.status, "result" in reply.json) == (200, True), reply.body


def test_the_identity_can_be_left_out(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    with running(copy, "run", "--port", "0", "--json", "--no-identity") as server:
        assert server.json["authority"] is server.json["clientId"] is None
        headers = {"X-API-Key": key_of(copy)}
        assert exchange(server.json["url"], message("ping"), headers).status == 200
    assert not (copy / ".development").exists()


def test_an_authority_elsewhere_gets_no_identity(tmp_path: Path, free_port: int) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    tenant = "0a1b2c3d-0000-4000-8000-000000000001"
    for authority in (
        f"https://login.microsoftonline.com/{tenant}",
        f"http://127.0.0.1:{free_port}/{tenant}",
    ):
        file = write_configuration(tmp_path, bearer(authority))
        arguments = ("--port", "0", "--json", "--config", str(file))
        with running(copy, "run", *arguments) as server:
            assert server.json["authority"] is None
    assert not (copy / ".development").exists()


def test_a_taken_identity_port_is_a_clear_error(tmp_path: Path, project: Path) -> None:
    with uvicorn_server.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        file = write_configuration(tmp_path, bearer(f"http://127.0.0.1:{port}/{TENANT}"))
        ended = manage(project, "run", "--port", "0", "--config", str(file))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"Port {port} on 127.0.0.1 is taken" in ended.stderr
    assert "--no-identity" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_keys_others_can_read_are_not_used(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    (copy / ".development").mkdir(mode=0o755)
    ended = manage(copy, "run", "--port", "0")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Others can read" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_configuration_ends_it_with_every_problem(tmp_path: Path, project: Path) -> None:
    server = {"PageSize": 0, "Nmae": "x"}
    file = write_configuration(tmp_path, {**GUIDE, "Server": server})
    ended = manage(project, "run", "--port", "0", "--config", str(file))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "error: Server:PageSize (settings.json:" in ended.stderr
    assert "error: Server:Nmae (settings.json:" in ended.stderr
    assert "key-reader" not in ended.stderr


@pytest.mark.parametrize("variable", ["IDENTITY_ENDPOINT", "KUBERNETES_SERVICE_HOST"])
def test_where_azure_or_kubernetes_runs_it_there_is_no_development(
    tmp_path: Path, project: Path, variable: str
) -> None:
    file = write_configuration(tmp_path, GUIDE)
    arguments = ("--port", "0", "--config", str(file))
    ended = manage(project, "run", *arguments, environment={variable: "x"})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert variable in ended.stderr


def test_a_thread_still_at_work_does_not_keep_the_process() -> None:
    program = (
        "import threading, commands\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "print('told')\n"
        "commands.leave(3)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert (run.returncode, run.stdout) == (3, "told\n")
