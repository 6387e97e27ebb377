"""Azure Functions: HTTP triggers of the Python v2 model, whole bodies both ways.

With `Hosting:Streaming` the functions are those of `azure_functions_streaming` instead.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import azure.functions as func

from shared.configuration.problems import ConfigurationError
from shared.hosting import Handler
from shared.http import EventStream, Request
from shared.startup import endpoint_of, offer, or_refuse
from shared.unready import UnreadyEndpoint

Function = Callable[[Any], Awaitable[Any]]

STREAMING_PACKAGE = "azurefunctions-extensions-http-fastapi>=1.0.1,<2"
"""The line of requirements.in that `Hosting:Streaming` needs."""


def function_for(folder: Path, environment: Mapping[str, str]) -> Function:
    """The function to put behind every route of the app whose files lie in `folder`.

    An app whose configuration cannot be used gets one that refuses every call.
    """
    made = or_refuse(lambda: _chosen(folder, environment))
    return buffered(made) if isinstance(made, UnreadyEndpoint) else made


def _chosen(folder: Path, environment: Mapping[str, str]) -> Function:
    offered = offer(folder, environment)
    endpoint = endpoint_of(offered)
    if not offered.settings.hosting.streaming:
        return buffered(endpoint)
    try:
        # Importing the extension makes the worker expect its types of every function, so this comes
        # when nothing else can go wrong.
        from shared.hosting.azure_functions_streaming import streaming
    except ImportError as error:
        text = (
            f"needs a package that cannot be imported ({error}); uncomment this line of "
            f"requirements.in, then run make lock: {STREAMING_PACKAGE}"
        )
        offered.report.error(("Hosting", "Streaming"), text)
        raise ConfigurationError(offered.report.problems[-1:]) from error
    return streaming(endpoint)


def buffered(handler: Handler) -> Function:
    """A function of the worker's own types that answers with whole responses."""

    async def answer(req: func.HttpRequest) -> func.HttpResponse:
        return await _serve(handler, req)

    return answer


async def _serve(handler: Handler, request: func.HttpRequest) -> func.HttpResponse:
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
