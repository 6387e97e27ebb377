"""`manage.py serve`: production outside Azure Functions, such as in a container."""

import errno
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import pytest

from tests.commands.support import (
    WAIT,
    Reply,
    Running,
    copy_of_the_project,
    exchange,
    manage,
    running,
)
from tests.support import READER_KEY, configured, message, write_configuration

HERE = ("--host", "127.0.0.1", "--port", "0", "--json")
DEVELOPMENT = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}

WAITING = '''"""Waiting."""

from pathlib import Path

from shared.tools import tool


@tool
def wait(pipe: str) -> str:
    """Wait until somebody writes into a pipe."""
    return Path(pipe).read_text(encoding="utf-8")
'''


def url_of(server: Running, path: str = "/mcp") -> str:
    return f"http://{server.json['host']}:{server.json['port']}{path}"


@pytest.fixture(scope="module")
def unconfigured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """A fresh clone after `make setup`, served where somebody left Development set; and its key."""
    copy = copy_of_the_project(tmp_path_factory.mktemp("unconfigured") / "project")
    manage(copy, "config", "init")
    profile = json.loads((copy / "appsettings.Development.json").read_text(encoding="utf-8"))
    (key,) = profile["Authentication"]["Schemes"]["ApiKey"]["Keys"]
    with running(copy, "serve", *HERE, environment=DEVELOPMENT) as server:
        yield server, key


def test_a_development_key_opens_nothing_in_production(unconfigured: tuple[Running, str]) -> None:
    server, key = unconfigured
    reply = exchange(url_of(server), message("ping"), {"X-API-Key": key})
    assert (reply.status, reply.json["error"]["code"]) == (503, 503)
    correlation_id = reply.headers["x-correlation-id"]
    assert correlation_id in reply.json["error"]["message"]
    assert correlation_id in server.log.read_text(encoding="utf-8")


def test_unconfigured_it_lives_and_is_not_ready(unconfigured: tuple[Running, str]) -> None:
    server, _ = unconfigured
    assert exchange(url_of(server, "/healthz")).status == 200
    ready = exchange(url_of(server, "/readyz"))
    assert (ready.status, ready.json) == (503, {"status": "not ready", "category": "configuration"})


def test_the_log_says_what_is_missing_and_no_key(unconfigured: tuple[Running, str]) -> None:
    server, key = unconfigured
    log = server.log.read_text(encoding="utf-8")
    assert "Authentication:Schemes:ApiKey:Keys (appsettings.json:" in log
    assert "Server:PublicUrl (appsettings.json" in log
    assert key not in log


def test_configured_it_serves_by_the_rules_of_production(tmp_path: Path, project: Path) -> None:
    file = write_configuration(tmp_path, configured())
    arguments = (*HERE, "--config", str(file))
    with running(project, "serve", *arguments, environment=DEVELOPMENT) as server:
        assert exchange(url_of(server, "/readyz")).status == 200
        ping, key = message("ping"), {"X-API-Key": READER_KEY}
        assert exchange(url_of(server), ping, key).status == 200
        assert exchange(url_of(server), ping).status == 401
        local = {**key, "Origin": "http://localhost:6274"}
        assert exchange(url_of(server), ping, local).status == 403
        assert server.stop(signal.SIGINT) == 0
        log = server.log.read_text(encoding="utf-8")
    assert "postern.audit" in log
    assert READER_KEY not in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    "changes",
    [
        {"Authentication": {"Enabled": False}},
        {"Authentication": {"Schemes": {"ApiKey": {"AllowInlineKeys": False}}}},
        {"Authentication": {"Schemes": {"ApiKey": {"Keys": {"key-reader": {}}}}}},
    ],
    ids=["authentication off", "inline keys", "a guide's key"],
)
def test_what_only_development_takes_is_503(
    tmp_path: Path, project: Path, changes: dict[str, object]
) -> None:
    file = write_configuration(tmp_path, configured(changes))
    arguments = (*HERE, "--config", str(file))
    with running(project, "serve", *arguments, environment=DEVELOPMENT) as server:
        assert exchange(url_of(server), message("ping"), {"X-API-Key": READER_KEY}).status == 503


def test_a_stop_lets_calls_in_flight_finish(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    (copy / "toolsets" / "waiting.py").write_text(WAITING, encoding="utf-8")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    file = write_configuration(tmp_path, configured())
    call = message("tools/call", {"name": "wait", "arguments": {"pipe": str(pipe)}})
    with (
        running(copy, "serve", *HERE, "--config", str(file)) as server,
        ThreadPoolExecutor() as threads,
    ):
        answer = threads.submit(exchange, url_of(server), call, {"X-API-Key": READER_KEY})
        with _opened_once_read(pipe, answer) as begun:
            server.process.send_signal(signal.SIGTERM)
            _wait_until_closed(url_of(server))
            # uvicorn gives every call a tenth of a second; this one takes longer.
            assert not wait([answer], timeout=0.3).done
            begun.write("done")
        assert answer.result(WAIT).json["result"]["content"][0]["text"] == "done"
        assert server.process.wait(WAIT) == 0


def _opened_once_read(pipe: Path, answer: Future[Reply]) -> TextIO:
    """The pipe, once the tool is running and reads from it."""
    for _ in _until("the tool was not run"):
        assert not answer.done(), answer.result().body
        try:
            return os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "w", encoding="utf-8")
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
    raise AssertionError


def _wait_until_closed(url: str) -> None:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 0)
    for _ in _until("the server still takes connections"):
        try:
            socket.create_connection(address, timeout=WAIT).close()
        except ConnectionRefusedError:
            return


def _until(complaint: str) -> Iterator[None]:
    """Attempts at an event, for a capped time."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        yield
        time.sleep(0.01)
    pytest.fail(complaint)


def test_a_taken_port_is_a_clear_error(unconfigured: tuple[Running, str], project: Path) -> None:
    port = unconfigured[0].json["port"]
    ended = manage(project, "serve", "--host", "127.0.0.1", "--port", str(port))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"Port {port} on 127.0.0.1 is taken." in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7"])
def test_an_address_of_nobody_is_a_clear_error(project: Path, host: str) -> None:
    ended = manage(project, "serve", "--host", host, "--port", "0")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Choose another with --host or --port." in ended.stderr
    assert "Traceback" not in ended.stderr
