"""Azure Functions with HTTP streams: bodies and events as they come.

The worker opens an HTTP server of its own, and the Functions host passes the requests on to it.
Importing the extension decides that for the whole app: one HTTP function with other types and the
worker takes none of them. Only `azure_functions.function_for` imports this module.
"""

import logging
from collections.abc import Awaitable, Callable

from azurefunctions.extensions.http.fastapi import Request as HttpRequest
from azurefunctions.extensions.http.fastapi import Response as HttpResponse
from azurefunctions.extensions.http.fastapi import StreamingResponse

from shared.hosting import Handler
from shared.hosting.asgi import Receive, Scope, Send, read_request, send_stream
from shared.http import EventStream

# The worker's server would log each request with its query string, where somebody may put a key.
logging.getLogger("uvicorn.access").addFilter(lambda _: False)


def streaming(handler: Handler) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    """A function of the extension's types that answers with events when the endpoint does."""

    async def answer(req: HttpRequest) -> HttpResponse:
        return await _serve(handler, req)

    return answer


async def _serve(handler: Handler, request: HttpRequest) -> HttpResponse:
    """Answer one invocation, which ends for the Functions host when the response begins."""
    given = await read_request(request.scope, request.receive, handler.max_body + 1)
    if given is None:
        # The client is gone, but the worker waits for a response.
        return HttpResponse(status_code=400)
    response = await handler.handle(given)
    if isinstance(response, EventStream):
        return _Events(response)
    return HttpResponse(response.body, response.status, response.headers)


class _Events(StreamingResponse):  # type: ignore[misc]
    """Sends events until they end or the client is gone, and closes them either way."""

    def __init__(self, stream: EventStream) -> None:
        super().__init__(stream.events, headers=stream.headers)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_stream(self._stream, receive, send)
