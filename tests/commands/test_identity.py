"""`manage.py identity`: the development identity alone."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest

from development.identity import TENANT
from tests.commands.support import (
    WAIT,
    Reply,
    Running,
    copy_of_the_project,
    exchange,
    manage,
    running,
)
from tests.support import message, write_configuration

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Running]]:
    copy = copy_of_the_project(tmp_path_factory.mktemp("identity") / "project")
    with running(copy, "identity", "--port", "0", "--json", until="\n}") as server:
        yield copy, server


def token_of(server: Running) -> Reply:
    """A token of the daemon, as the printed curl gets it."""
    told = server.json
    daemon = next(client for client in told["clients"] if "Daemon with" in client["name"])
    form = {
        "grant_type": "client_credentials",
        "client_id": daemon["clientId"],
        "client_secret": daemon["secret"],
        "scope": f"{told['api']['identifierUris'][0]}/.default",
    }
    return exchange(f"{told['authority']}/oauth2/v2.0/token", urlencode(form), FORM)


def test_it_says_all_there_is_to_know(alone: tuple[Path, Running]) -> None:
    project, server = alone
    told = server.json
    port = int(told["authority"].removesuffix(f"/{TENANT}").rpartition(":")[2])
    assert told["authority"] == f"http://127.0.0.1:{port}/{TENANT}"
    assert told["secureAuthority"].startswith("https://127.0.0.1:")
    assert Path(told["certificateAuthority"]) == project / ".development" / "ca.pem"
    assert told["api"]["scopes"] == ["access_as_user"]
    assert [user["login"].split("@")[0] for user in told["users"]] == [
        "alma",
        "bruno",
        "clara",
        "dario",
        "edith",
    ]


def test_its_tokens_are_to_be_had_without_an_endpoint(alone: tuple[Path, Running]) -> None:
    assert token_of(alone[1]).status == 200


def test_an_endpoint_elsewhere_takes_its_tokens(
    alone: tuple[Path, Running], tmp_path: Path, project: Path
) -> None:
    api = alone[1].json["api"]
    scheme = {
        "Type": "JwtBearer",
        "Authority": alone[1].json["authority"],
        "Audience": api["identifierUris"][0],
        "ClientId": api["clientId"],
        "RequireHttpsMetadata": False,
    }
    configuration = {
        "Authentication": {"Enabled": True, "Schemes": {"Bearer": scheme}},
        "Server": {"PublicUrl": api["identifierUris"][0]},
    }
    file = write_configuration(tmp_path, configuration)
    arguments = ("--port", "0", "--json", "--no-identity", "--config", str(file))
    with running(project, "run", *arguments) as server:
        headers = {"Authorization": f"Bearer {token_of(alone[1]).json['access_token']}"}
        call = message("tools/call", {"name": "whoami"})
        reply = exchange(server.json["url"], call, headers)
        assert reply.status == 200, reply.body
        assert "application" in reply.json["result"]["content"][0]["text"]
        port = server.json["url"].split(":")[2].removesuffix("/mcp")
        token = manage(project, "token", "--port", port, "--user", "bruno")
        headers = {"Authorization": f"Bearer {token.stdout.strip()}"}
        reply = exchange(server.json["url"], call, headers)
        assert "Bruno Berg" in reply.json["result"]["content"][0]["text"]


def test_the_api_is_registered_as_a_configuration_needs_it(tmp_path: Path, project: Path) -> None:
    keys = {"Type": "ApiKey", "Keys": {"key-reader": {}}}
    policy = {"RequiredScopes": ["invoices.read"], "RequiredRoles": ["finance"]}
    authentication = {
        "Enabled": True,
        "DefaultScheme": "ApiKey",
        "DefaultPolicy": policy,
        "Schemes": {"ApiKey": keys},
    }
    file = write_configuration(tmp_path, {"Authentication": authentication})
    arguments = ("--port", "0", "--config", str(file))
    copy = copy_of_the_project(tmp_path / "project")
    with running(copy, "identity", *arguments, until="Ctrl-C stops it.") as server:
        assert "  scopes    invoices.read\n" in server.said
        assert "finance" in server.said
        assert "alma@postern.example" in server.said
        assert server.stop(signal.SIGINT) == 0
        assert server.log.read_text(encoding="utf-8").endswith("Stopped.\n")
    assert not (copy / "appsettings.Development.json").exists()


def test_ctrl_c_that_does_not_wake_the_main_thread_stops_it_too(project: Path) -> None:
    """As when it comes in the moment before that thread begins to wait; here another takes it."""
    with running(project, "identity", "--port", "0", "--json", until="\n}") as server:
        main = server.process.pid
        other = next(one.id for one in psutil.Process(main).threads() if one.id != main)
        os.kill(other, signal.SIGINT)
        assert server.process.wait(WAIT) == 0
        assert server.log.read_text(encoding="utf-8").endswith("Stopped.\n")


def test_what_it_prints_is_not_in_its_log(alone: tuple[Path, Running]) -> None:
    answer = token_of(alone[1]).json
    log = alone[1].log.read_text(encoding="utf-8")
    assert answer["access_token"] not in log
    assert "development-only-secret" not in log


def test_a_taken_port_is_a_clear_error(alone: tuple[Path, Running], project: Path) -> None:
    port = alone[1].json["authority"].split(":")[2].split("/")[0]
    ended = manage(project, "identity", "--port", port)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"Port {port} on 127.0.0.1 is taken." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_configuration_is_told(tmp_path: Path, project: Path) -> None:
    file = write_configuration(tmp_path, {"Server": {"PageSize": 0}})
    ended = manage(project, "identity", "--port", "0", "--config", str(file))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "error: Server:PageSize" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("variable", ["WEBSITE_INSTANCE_ID", "CONTAINER_APP_NAME"])
def test_where_azure_runs_it_does_not_start(tmp_path: Path, variable: str) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    before = {path.name for path in copy.iterdir()}
    ended = manage(copy, "identity", "--port", "0", environment={variable: "x"})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert variable in ended.stderr
    assert {path.name for path in copy.iterdir()} == before


def test_a_restart_keeps_the_keys(alone: tuple[Path, Running]) -> None:
    project, server = alone
    published = exchange(f"{server.json['authority']}/discovery/v2.0/keys").json
    with running(project, "identity", "--port", "0", "--json", until="\n}") as again:
        kids = [
            [key["kid"] for key in keys["keys"]]
            for keys in (published, exchange(f"{again.json['authority']}/discovery/v2.0/keys").json)
        ]
        assert kids[0] == kids[1]
        assert json.loads(again.said)["certificateAuthority"] == server.json["certificateAuthority"]
