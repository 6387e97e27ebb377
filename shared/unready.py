"""The endpoint without a usable configuration: alive, and closed."""

import logging

from shared.http import Request, Response, json_response
from shared.protocol.faults import error_body

_log = logging.getLogger("postern.endpoint")


class UnreadyEndpoint:
    """Answers every call with 503. The reason is in the log, never in an answer.

    `/healthz` stays 200: the process lives, and restarting it would change nothing. `/readyz`
    names only the category.
    """

    max_body = 1024

    def __init__(self, category: str) -> None:
        self._category = category

    async def handle(self, request: Request) -> Response:
        """Answer a request; the signature of `Endpoint.handle`."""
        correlation_id = request.correlation_id()
        return self._answer(request, correlation_id).finished(correlation_id)

    async def close(self) -> None:
        """There is nothing to close."""

    def _answer(self, request: Request, correlation_id: str) -> Response:
        path = request.path.lower().rstrip("/")
        if path == "/healthz":
            return json_response(200, {"status": "ok"})
        if path == "/readyz":
            return json_response(503, {"status": "not ready", "category": self._category})
        _log.error(
            "refused a call: the endpoint is not ready (%s); the log of its start says why "
            "(correlation id %s)",
            self._category,
            correlation_id,
        )
        text = f"The endpoint is not ready ({self._category}). Correlation id: {correlation_id}"
        return json_response(503, error_body(503, text))
