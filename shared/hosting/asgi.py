"""ASGI (https://asgi.readthedocs.io, HTTP and lifespan): for uvicorn, and so for containers."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from shared.hosting import Handler
from shared.http import EventStream, Request, json_response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AsgiApplication:
    """Serves one endpoint."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(scope, receive, self._handler.max_body + 1)
        if request is None:
            return
        try:
            response = await self._handler.handle(request)
        except asyncio.CancelledError:
            # The server is stopping and waits no longer.
            response = json_response(503, {"error": "The server is stopping; try again."})
        if isinstance(response, EventStream):
            await send_stream(response, receive, send)
            return
        headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in response.headers.items()]
        if response.status != 204:
            headers.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._handler.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


async def read_request(scope: Scope, receive: Receive, limit: int) -> Request | None:
    """The request with at most `limit` bytes of its body.

    None when the client went away before it had sent everything.
    """
    body = await _body(receive, limit)
    if body is None:
        return None
    return Request(
        method=scope["method"],
        path=scope["path"],
        headers=_headers(scope["headers"]),
        query=scope["query_string"].decode("latin-1"),
        body=body,
        streams=True,
    )


def _headers(lines: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in lines:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The body, or its first `limit` bytes: what comes after them is left to the server to drop."""
    chunks: list[bytes] = []
    size = 0
    while size < limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if not message.get("more_body"):
            break
    return b"".join(chunks)[:limit]


async def send_stream(stream: EventStream, receive: Receive, send: Send) -> None:
    """Send events as they come, until they end or the client is gone."""
    headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in stream.headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    sending = asyncio.ensure_future(_send_events(stream, send))
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        sending.cancel()
        await asyncio.gather(sending, gone, return_exceptions=True)
        await stream.events.aclose()


async def _send_events(stream: EventStream, send: Send) -> None:
    async for event in stream.events:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
