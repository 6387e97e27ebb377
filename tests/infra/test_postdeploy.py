"""The hook after the code, run as azure.yaml runs it, against an endpoint on loopback."""

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.infra.command_line import (
    CLIENT,
    URL,
    CommandLine,
)
from tests.infra.hooks import (
    AFTER,
)


class Endpoint:
    """`/readyz` on loopback, over TLS: unready so often, then ready."""

    def __init__(self, folder: Path) -> None:
        self.unready = 0
        self.asked: list[str] = []
        authority = trustme.CA()
        self.authority = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.authority)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(503 if len(outer.asked) <= outer.unready else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator["Endpoint"]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


@pytest.fixture
def endpoint(tmp_path: Path, line: CommandLine) -> Iterator[Endpoint]:
    """An endpoint at the host name that az tells."""
    with Endpoint(tmp_path).serving() as endpoint:
        line.when("functionapp", "show", says=json.dumps(endpoint.host))
        yield endpoint


def after_deployment(line: CommandLine, endpoint: Endpoint, **more: str) -> Any:
    trust = {"SSL_CERT_FILE": str(endpoint.authority)}
    return line.hook("postdeploy", **{**AFTER, **trust, "READY_SECONDS": "12", **more})


def test_a_ready_endpoint_is_told_with_how_to_connect(
    line: CommandLine, endpoint: Endpoint
) -> None:
    done = after_deployment(line, endpoint, APP_ID_URI=URL)
    assert done.returncode == 0, done.stderr
    assert endpoint.asked == ["/readyz"]
    for said in (URL, CLIENT, f"{URL}/access_as_user", "mcp.json", URL.replace("/mcp", "/tools")):
        assert said in done.stdout


def test_an_endpoint_that_starts_is_waited_for(line: CommandLine, endpoint: Endpoint) -> None:
    endpoint.unready = 1
    done = after_deployment(line, endpoint)
    assert done.returncode == 0, done.stderr
    assert "503" in done.stdout
    assert f"api://{CLIENT}/access_as_user" in done.stdout


def test_an_endpoint_that_stays_unready_fails_with_where_the_log_is(
    line: CommandLine, endpoint: Endpoint
) -> None:
    endpoint.unready = 1000
    done = after_deployment(line, endpoint, READY_SECONDS="1")
    assert done.returncode == 1
    assert "not ready within 1 seconds: 503" in done.stderr
    assert "Log stream" in done.stderr
    assert "mcp.json" not in done.stdout


def test_an_endpoint_that_cannot_be_trusted_is_not_ready(
    line: CommandLine, endpoint: Endpoint
) -> None:
    done = after_deployment(line, endpoint, READY_SECONDS="1", SSL_CERT_FILE="")
    assert done.returncode == 1
    assert "certificate" in done.stderr.lower()
    assert endpoint.asked == []


def test_a_function_app_that_is_not_there_is_named(line: CommandLine) -> None:
    line.when("functionapp", "show", status=3, complains="ResourceNotFound", first=True)
    done = line.hook("postdeploy", **AFTER)
    assert done.returncode == 1
    assert "cannot find the Function App func-postern in rg-dev" in done.stderr
