"""`Hosting:Streaming` through Microsoft's worker library, which then serves HTTP itself.

What does not differ between the two ways of answering is in `test_invocation.py`.
"""

import json
import time
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from scripts.package import ROOT
from shared.hosting.azure_functions import STREAMING_PACKAGE
from tests.functions_host.host import FunctionsHost, hosting
from tests.functions_host.packaged import unpack
from tests.support import READER_KEY, configured, message, routing_headers

JSON = ("Content-Type", "application/json")
KEY = ("X-API-Key", READER_KEY)
ACCEPT = ("Accept", "application/json, text/event-stream")
BOTH = pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])


def counting(gate: Path, *, modern: bool) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of a call that asks for progress."""
    params = {"name": "count", "arguments": {"gate": str(gate)}}
    body = message("tools/call", params, modern=modern)
    body["params"].setdefault("_meta", {})["progressToken"] = "t"
    routing = list(routing_headers(body).items()) if modern else []
    return [JSON, KEY, ACCEPT, *routing], json.dumps(body).encode()


def event(response: HTTPResponse) -> Any:
    """The next event, as soon as it is there."""
    lines = [response.readline().strip() for _ in range(3)]
    assert (lines[0], lines[2]) == (b"event: message", b"")
    return json.loads(lines[1].removeprefix(b"data: "))


def result(answer: Mapping[str, Any]) -> str:
    text: str = answer["result"]["content"][0]["text"]
    return text


def is_there(file: Path) -> bool:
    deadline = time.monotonic() + 10
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return file.exists()


def test_only_the_app_that_streams_has_a_server_and_the_bindings_are_the_same(
    buffered: FunctionsHost, streaming: FunctionsHost
) -> None:
    assert buffered.server is None
    assert streaming.server is not None
    assert streaming.functions == buffered.functions


@BOTH
def test_progress_arrives_before_the_result(
    streaming: FunctionsHost, tmp_path: Path, modern: bool
) -> None:
    gate = tmp_path / "gate"
    headers, body = counting(gate, modern=modern)
    with streaming.opened("POST", "/mcp", headers, body) as response:
        assert response.status == 200
        assert response.getheader("content-type") == "text/event-stream"
        assert response.getheader("content-length") is None
        assert response.getheader("x-correlation-id")
        assert event(response)["params"] == {"progressToken": "t", "progress": 1, "total": 2}
        gate.touch()
        assert event(response)["params"]["progress"] == 2
        assert result(event(response)) == "counted"
        assert response.read() == b""


@BOTH
def test_without_streaming_the_same_call_is_answered_once(
    buffered: FunctionsHost, tmp_path: Path, modern: bool
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    headers, body = counting(gate, modern=modern)
    reply = buffered.request("POST", "/mcp", headers, body)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert result(reply.json) == "counted"


def test_a_client_that_leaves_closes_the_stream(streaming: FunctionsHost, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    headers, body = counting(gate, modern=True)
    with streaming.opened("POST", "/mcp", headers, body) as response:
        event(response)
        response.close()
    assert is_there(gate.with_suffix(".stopped"))


def test_a_client_that_leaves_before_it_has_sent_everything_ends_the_invocation(
    streaming: FunctionsHost,
) -> None:
    streaming.abandon("/mcp", [JSON, KEY], b"{")
    assert streaming.request("GET", "/healthz").status == 200


def test_a_chunked_body_is_read(streaming: FunctionsHost) -> None:
    body = json.dumps(message("ping")).encode()
    reply = streaming.request("POST", "/mcp", [JSON, KEY], body, chunked=True)
    assert (reply.status, reply.json["result"]) == (200, {})


def test_a_chunked_body_beyond_the_limit_is_refused(streaming: FunctionsHost) -> None:
    body = b"x" * (1024 * 1024 + 1)
    reply = streaming.request("POST", "/mcp", [JSON, KEY], body, chunked=True)
    assert reply.status == 413


def test_a_method_nobody_knows_is_404_although_events_would_be_taken(
    streaming: FunctionsHost,
) -> None:
    body = message("no/such", modern=True)
    body["params"]["_meta"]["progressToken"] = "t"
    headers = [JSON, KEY, ACCEPT, *routing_headers(body).items()]
    reply = streaming.request("POST", "/mcp", headers, json.dumps(body).encode())
    assert (reply.status, reply.json["error"]["code"]) == (404, -32601)


def test_the_package_is_the_line_of_the_requirements() -> None:
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    assert STREAMING_PACKAGE in [line.removeprefix("# ") for line in lines]


@pytest.mark.parametrize("missing", ["azurefunctions.extensions.http.fastapi", "fastapi"])
def test_without_the_package_the_endpoint_is_closed_and_the_log_names_the_line(
    tmp_path: Path, missing: str
) -> None:
    app = unpack(tmp_path / "app", configured({"Hosting": {"Streaming": True}}))
    with hosting(app, without=missing) as host:
        assert host.server is None
        assert host.request("POST", "/mcp", [JSON, KEY], b"{}").status == 503
        assert host.request("GET", "/healthz").status == 200
        assert host.request("GET", "/readyz").json["category"] == "configuration"
        log = host.log.read_text(encoding="utf-8")
    told = next(line for line in log.splitlines() if "Hosting:Streaming" in line)
    assert "Hosting:Streaming (appsettings.json:" in told
    assert missing in told
    assert told.endswith(STREAMING_PACKAGE)


def test_an_unusable_configuration_is_served_without_streaming(tmp_path: Path) -> None:
    app = unpack(tmp_path / "app", configured({"Hosting": {"Streaming": True}, "Sever": {}}))
    with hosting(app) as host:
        assert host.server is None
        assert host.request("GET", "/readyz").status == 503
