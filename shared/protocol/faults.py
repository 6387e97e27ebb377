"""Protocol errors: which code, and which HTTP status it has in each era.

The modern statuses are part of the protocol (streamable-http, 2026-07-28). Legacy errors of a
method keep status 200, because old clients read 404 as an ended session and 400 as an old server.
"""

from typing import Any, NamedTuple

from shared.http import Response, json_response


class Fault(NamedTuple):
    """One kind of error: JSON-RPC code and HTTP status by era."""

    code: int
    modern: int
    legacy: int


PARSE_ERROR = Fault(-32700, 400, 400)
INVALID_REQUEST = Fault(-32600, 400, 400)
METHOD_NOT_FOUND = Fault(-32601, 404, 200)
INVALID_ENVELOPE = Fault(-32602, 400, 400)
"""The `_meta` keys every modern request carries are missing or malformed."""
INVALID_PARAMS = Fault(-32602, 200, 200)
RESOURCE_NOT_FOUND = Fault(-32602, 200, 200)
RESOURCE_NOT_FOUND_LEGACY = Fault(-32002, 200, 200)
INTERNAL_ERROR = Fault(-32603, 200, 200)
CAPABILITY_MISSING = Fault(-32021, 400, 400)
HEADER_MISMATCH = Fault(-32020, 400, 400)
UNSUPPORTED_VERSION = Fault(-32022, 400, 400)


class ProtocolError(Exception):
    """A request that cannot be served as sent. The message is for the client's developer."""

    def __init__(
        self,
        fault: Fault,
        message: str,
        *,
        id: str | int | None = None,
        modern: bool = False,
        data: object = None,
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.id = id
        self.modern = modern
        self.data = data

    @property
    def status(self) -> int:
        return self.fault.modern if self.modern else self.fault.legacy

    def body(self) -> dict[str, Any]:
        return error_body(self.fault.code, self.message, self.id, self.data)

    def response(self) -> Response:
        return json_response(self.status, self.body())


def error_body(
    code: int, message: str, id: str | int | None = None, data: object = None
) -> dict[str, Any]:
    """A JSON-RPC error. Without a readable request id there is no `id` member.

    Refusals that are HTTP's and not JSON-RPC's (401, 403, 413 …) use their status as the code:
    -32768 to -32000 belong to the specifications.
    """
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    body: dict[str, Any] = {"jsonrpc": "2.0"}
    if id is not None:
        body["id"] = id
    body["error"] = error
    return body
