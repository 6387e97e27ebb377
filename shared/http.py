"""HTTP as values that belong to no host: Azure Functions and ASGI both speak through these."""

import ipaddress
import re
import uuid
from collections.abc import AsyncGenerator, Mapping

import msgspec

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Request(msgspec.Struct, frozen=True):
    """One HTTP request, complete in memory.

    `headers` maps lower-case names to values; lines that repeat a name are joined with ", "
    (RFC 9110 section 5.3), so a repeated credential or routing header matches nothing.
    `body` holds at most one byte more than the limit the host was given: enough to see that the
    limit is passed, never the whole of an oversized body.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: str = ""
    body: bytes = b""
    streams: bool = False
    """Whether the host can send an EventStream."""

    def correlation_id(self) -> str:
        """The caller's `X-Correlation-ID` when it is fit to be logged, else a new one."""
        given = self.headers.get("x-correlation-id", "")
        return given if _CORRELATION_ID.fullmatch(given) else uuid.uuid4().hex

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


class Response(msgspec.Struct, frozen=True):
    """One HTTP response, complete in memory. An empty `body` is sent without a content type."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    def finished(self, correlation_id: str, more: Mapping[str, str] | None = None) -> "Response":
        """The same response with the headers every response carries, and `more`."""
        return Response(self.status, _finished(self.headers, correlation_id, more), self.body)


class EventStream(msgspec.Struct, frozen=True):
    """A response of status 200 that is sent while it comes into being.

    `events` are whole server-sent events. Closing the generator early tells the sender that the
    client is gone.
    """

    headers: dict[str, str]
    events: AsyncGenerator[bytes, None]

    def finished(self, correlation_id: str, more: Mapping[str, str] | None = None) -> "EventStream":
        """The same stream with the headers every response carries, and `more`."""
        return EventStream(_finished(self.headers, correlation_id, more), self.events)


def _finished(
    own: Mapping[str, str], correlation_id: str, more: Mapping[str, str] | None
) -> dict[str, str]:
    return {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Correlation-ID": correlation_id,
        **(more or {}),
        **own,
    }


class Refusal(Exception):
    """A request that ends with an HTTP status. `id` is that of the JSON-RPC request, if known."""

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        id: str | int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}
        self.id = id


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """A response whose body is `value` as JSON, or `value` itself when it is encoded already."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Response(status, {"Content-Type": "application/json", **(headers or {})}, body)


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine and reached by nobody else."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
