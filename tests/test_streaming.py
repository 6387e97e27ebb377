"""Calls whose answer comes as a stream of events."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.endpoint import Endpoint
from shared.http import EventStream, Request, Response
from shared.protocol import stream
from tests.progress_toolsets import counting
from tests.support import OPS_KEY, endpoint_for, message, routing_headers

BOTH = pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])
STREAM = "application/json, text/event-stream"


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    return endpoint_for(tmp_path, package="tests.progress_toolsets")


async def answer(
    endpoint: Endpoint,
    tool: str,
    arguments: dict[str, Any],
    *,
    modern: bool,
    token: Any = "t",  # noqa: S107
    accept: str = STREAM,
    streams: bool = True,
    correlation_id: str = "c-1",
) -> Response | EventStream:
    """The answer to a call that asks for progress."""
    body = message("tools/call", {"name": tool, "arguments": arguments}, modern=modern)
    headers = routing_headers(body) if modern else {"mcp-protocol-version": "2025-11-25"}
    if token is not None:
        body["params"].setdefault("_meta", {})["progressToken"] = token
    headers |= {"x-api-key": OPS_KEY, "accept": accept, "x-correlation-id": correlation_id}
    data = json.dumps(body).encode()
    return await endpoint.handle(Request("POST", "/mcp", headers, "", data, streams))


async def messages(response: Response | EventStream) -> AsyncIterator[Any]:
    assert isinstance(response, EventStream)
    async for event in response.events:
        yield json.loads(event.split(b"data: ", 1)[1])


@BOTH
@pytest.mark.parametrize("tool", ["count", "count_in_thread"])
async def test_progress_comes_before_the_result(
    endpoint: Endpoint, tool: str, modern: bool
) -> None:
    response = await answer(endpoint, tool, {"steps": 3}, modern=modern)
    assert isinstance(response, EventStream)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["X-Correlation-ID"] == "c-1"
    told = [m async for m in messages(response)]
    assert [m["params"]["progress"] for m in told[:-1]] == [1, 2, 3]
    assert {m["params"]["progressToken"] for m in told[:-1]} == {"t"}
    assert told[-1]["id"] == 1
    assert told[-1]["result"]["content"][0]["text"] == "counted"


@BOTH
@pytest.mark.parametrize(
    ("tool", "arguments", "options"),
    [
        ("count", {"steps": 3}, {"token": None}),
        ("count", {"steps": 3}, {"token": True}),
        ("count", {"steps": 3}, {"token": 1.5}),
        ("count", {"steps": 3}, {"accept": "application/json"}),
        ("count", {"steps": 3}, {"streams": False}),
        ("count", {"steps": 0}, {}),
        ("greet", {"name": "Ada"}, {}),
        ("count", {"steps": "x"}, {}),
        ("no_such_tool", {}, {}),
    ],
)
async def test_without_progress_to_tell_the_answer_is_json(
    endpoint: Endpoint, tool: str, arguments: Any, options: Any, modern: bool
) -> None:
    response = await answer(endpoint, tool, arguments, modern=modern, **options)
    assert isinstance(response, Response)
    assert response.status == 200
    assert json.loads(response.body)["id"] == 1


async def test_a_stream_that_was_asked_for_keeps_the_status_of_a_refusal(
    endpoint: Endpoint,
) -> None:
    body = message("no/such", modern=True)
    body["params"]["_meta"]["progressToken"] = 1
    headers = routing_headers(body) | {"x-api-key": OPS_KEY, "accept": STREAM}
    data = json.dumps(body).encode()
    response = await endpoint.handle(Request("POST", "/mcp", headers, "", data, streams=True))
    assert isinstance(response, Response)
    assert response.status == 404


@BOTH
async def test_a_client_that_leaves_ends_the_call_in_the_modern_era_only(
    endpoint: Endpoint, modern: bool
) -> None:
    name = f"leaving-{modern}"
    response = await answer(endpoint, "hold", {}, modern=modern, correlation_id=name)
    assert isinstance(response, EventStream)
    await anext(response.events)
    await response.events.aclose()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (name in counting.STOPPED) is modern
    for work in endpoint._open:
        work.cancel()


@BOTH
async def test_a_quiet_tool_is_kept_alive(
    endpoint: Endpoint, modern: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.01)
    response = await answer(endpoint, "hold", {}, modern=modern)
    assert isinstance(response, EventStream)
    await anext(response.events)
    assert await anext(response.events) == b":\r\n\r\n"
    await response.events.aclose()
    for work in endpoint._open:
        work.cancel()


@BOTH
async def test_a_streamed_call_is_recorded_once_when_it_ends(
    endpoint: Endpoint, modern: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "postern.audit")
    response = await answer(endpoint, "count", {"steps": 2}, modern=modern)
    assert isinstance(response, EventStream)
    assert [event async for event in response.events]
    await asyncio.sleep(0)
    records = [json.loads(r.getMessage()) for r in caplog.records if r.name == "postern.audit"]
    assert [(r["tool"], r["outcome"], r["status"]) for r in records] == [("count", "ok", 200)]
    assert "open" not in records[0]
