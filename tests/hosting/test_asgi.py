"""The ASGI host, driven as a server would drive it."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from shared.hosting.asgi import AsgiApplication
from shared.http import Request, Response

Event = MutableMapping[str, Any]


class Recorder:
    """An endpoint that answers with a fixed response and keeps what it was asked."""

    max_body = 10

    def __init__(self, response: Response | None = None) -> None:
        self.response = response or Response(200, {"Content-Type": "text/plain"}, b"fine")
        self.requests: list[Request] = []
        self.closed = False

    async def handle(self, request: Request) -> Response:
        self.requests.append(request)
        return self.response

    async def close(self) -> None:
        self.closed = True


async def run(
    recorder: Recorder, events: list[Event], headers: list[tuple[bytes, bytes]] | None = None
) -> tuple[list[Event], int]:
    """Run one request; return what was sent and how many events were read."""
    scope: Event = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "query_string": b"a=b",
        "headers": headers or [],
    }
    sent: list[Event] = []
    read = 0

    async def receive() -> Event:
        nonlocal read
        read += 1
        return events[read - 1]

    async def send(event: Event) -> None:
        sent.append(event)

    await AsgiApplication(recorder)(scope, receive, send)
    return sent, read


def body(data: bytes, *, more: bool = False) -> Event:
    return {"type": "http.request", "body": data, "more_body": more}


async def test_a_request_reaches_the_endpoint_whole() -> None:
    recorder = Recorder()
    sent, _ = await run(recorder, [body(b"ab", more=True), body(b"cd")], [(b"x-a", b"1")])
    request = recorder.requests[0]
    assert (request.method, request.path, request.query) == ("POST", "/mcp", "a=b")
    assert (request.body, request.headers) == (b"abcd", {"x-a": "1"})
    assert sent[0]["status"] == 200
    assert dict(sent[0]["headers"]) == {b"content-type": b"text/plain", b"content-length": b"4"}
    assert sent[1]["body"] == b"fine"


async def test_repeated_headers_are_joined() -> None:
    recorder = Recorder()
    await run(recorder, [body(b"")], [(b"mcp-name", b"a"), (b"mcp-name", b"b")])
    assert recorder.requests[0].headers == {"mcp-name": "a, b"}


async def test_an_oversized_body_is_read_no_further_than_one_byte_past_the_limit() -> None:
    recorder = Recorder()
    events = [body(b"x" * 6, more=True)] * 100
    _, read = await run(recorder, events)
    assert len(recorder.requests[0].body) == recorder.max_body + 1
    assert read == 2


async def test_a_client_that_leaves_before_it_has_sent_everything_is_not_answered() -> None:
    recorder = Recorder()
    sent, _ = await run(recorder, [body(b"ab", more=True), {"type": "http.disconnect"}])
    assert not recorder.requests
    assert not sent


async def test_a_204_has_no_length_and_no_body() -> None:
    sent, _ = await run(Recorder(Response(204, {"Allow": "POST"})), [body(b"")])
    assert sent[0]["headers"] == [(b"allow", b"POST")]
    assert sent[1]["body"] == b""


async def test_lifespan_is_answered_so_that_servers_start_and_close_the_endpoint() -> None:
    recorder = Recorder()
    events: list[Event] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Event] = []

    async def receive() -> Event:
        return events.pop(0)

    async def send(event: Event) -> None:
        sent.append(event)

    await AsgiApplication(recorder)({"type": "lifespan"}, receive, send)
    assert recorder.closed
    assert [event["type"] for event in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


class Cancelled(Recorder):
    async def handle(self, request: Request) -> Response:
        raise asyncio.CancelledError


async def test_a_call_cut_short_by_the_end_of_the_server_is_answered_503() -> None:
    sent, _ = await run(Cancelled(), [body(b"")])
    assert sent[0]["status"] == 503
