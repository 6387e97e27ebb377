"""The adapter for HTTP streams, driven as the worker and its server drive it."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

from azurefunctions.extensions.http.fastapi import Request as HttpRequest
from azurefunctions.extensions.http.fastapi import StreamingResponse

from shared.hosting.azure_functions_streaming import streaming
from shared.http import EventStream, Request

Event = MutableMapping[str, Any]
GONE: Event = {"type": "http.disconnect"}


class Endless:
    """An endpoint whose events never end; keeps what it was asked and whether it was stopped."""

    max_body = 10

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.closed = False

    async def handle(self, request: Request) -> EventStream:
        self.requests.append(request)
        return EventStream({"Content-Type": "text/event-stream"}, self._events())

    async def close(self) -> None:
        """There is nothing to close."""

    async def _events(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"data: 1\r\n\r\n"
        finally:
            self.closed = True


def invocation(events: list[Event]) -> tuple[HttpRequest, list[Event]]:
    """A request that receives `events`, and the list they are taken from."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "query_string": b"a=b",
        "headers": [(b"mcp-name", b"a"), (b"mcp-name", b"b")],
    }

    async def receive() -> Event:
        return events.pop(0) if events else GONE

    return HttpRequest(scope, receive), events


async def test_a_request_is_read_no_further_than_one_byte_past_the_limit() -> None:
    endpoint = Endless()
    chunk = {"type": "http.request", "body": b"x" * 6, "more_body": True}
    request, unread = invocation([chunk] * 5)
    response = await streaming(endpoint)(request)
    (asked,) = endpoint.requests
    assert (asked.method, asked.path, asked.query) == ("POST", "/mcp", "a=b")
    assert (asked.headers, asked.body, asked.streams) == ({"mcp-name": "a, b"}, b"x" * 11, True)
    assert len(unread) == 3
    assert isinstance(response, StreamingResponse)


async def test_a_client_that_leaves_while_it_is_being_sent_an_event_closes_the_events() -> None:
    endpoint = Endless()
    request, _ = invocation([{"type": "http.request", "body": b"{}"}])
    response = await streaming(endpoint)(request)
    sent: list[Event] = []

    async def send(event: Event) -> None:
        sent.append(event)
        if event["type"] == "http.response.body":
            await asyncio.sleep(30)

    await response(request.scope, request.receive, send)
    assert sent[0]["status"] == 200
    assert endpoint.closed
