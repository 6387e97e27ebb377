"""Azure Functions: HTTP triggers of the Python v2 model, whole bodies both ways."""

from urllib.parse import unquote, urlsplit

import azure.functions as func

from shared.hosting import Handler
from shared.http import EventStream, Request


async def serve(handler: Handler, request: func.HttpRequest) -> func.HttpResponse:
    """Answer one invocation.

    The Functions host has already joined repeated headers with "," and read the whole body. It
    reaches a buffered function only with a Content-Length: a chunked request arrives empty.
    """
    url = urlsplit(request.url)
    response = await handler.handle(
        Request(
            method=str(request.method).upper(),
            path=unquote(url.path),
            headers={name.lower(): value for name, value in request.headers.items()},
            query=url.query,
            body=request.get_body(),
        )
    )
    if isinstance(response, EventStream):
        raise TypeError("an event stream for a request that cannot take one")
    return func.HttpResponse(
        response.body,
        status_code=response.status,
        headers=response.headers,
        mimetype=response.headers.get("Content-Type", "application/json"),
    )
