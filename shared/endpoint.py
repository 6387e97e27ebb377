"""The pipeline: one `Request` in, one `Response` out. Read this first.

The order of the checks is a decision of the design and kept visible here: where the request comes
from, its verb and size, who calls, what the message is, whether they may, and only then the tool.
Which room answers what: `authentication` who, `authorization` whether, `protocol` the wire,
`tools` the work, `audit` the record. The rooms do not know each other; this module wires them.
"""

import asyncio
import functools
import logging
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.answers import Answers, Credentials, refusal_of, too_many
from shared.audit import record as audit
from shared.audit.record import Record
from shared.authentication.authenticate import Authenticator, Refused
from shared.authentication.resource_metadata import describe
from shared.authorization.deny import DenyList
from shared.authorization.policy import Policies
from shared.authorization.rate_limits import RateLimiter
from shared.caller import Caller
from shared.configuration.model import Settings
from shared.discovery import Discovery
from shared.http import EventStream, Refusal, Request, Response, json_response
from shared.protocol import envelope, faults, stream
from shared.protocol.envelope import Call, Message, Notice
from shared.protocol.faults import ProtocolError, error_body
from shared.protocol.stream import Notifications
from shared.protocol.versions import FEATURES
from shared.refreshing import Unavailable
from shared.tools.catalogue import Catalogue

if TYPE_CHECKING:
    from shared.key_vault import Vaults

MCP_PATH = "/mcp"
TOOLS_PATH = "/tools"

_log = logging.getLogger("postern.endpoint")
_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_CORS_REQUEST_HEADERS = (
    "Accept, Authorization, Content-Type, Last-Event-ID, MCP-Protocol-Version, Mcp-Method, "
    "Mcp-Name, Mcp-Session-Id, X-Correlation-ID"
)
_CORS_RESPONSE_HEADERS = "WWW-Authenticate, X-Correlation-ID, Mcp-Session-Id"


class Endpoint:
    """The MCP endpoint, independent of what hosts it.

    `loopback` says that only this machine can reach it, which is when a strange Host header means
    DNS rebinding. `credentials` are for Azure. `max_body` is the largest body taken, in bytes; a
    host need not read more than one byte further.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        policies: Policies,
        *,
        loopback: bool,
        deny: DenyList,
        vaults: "Vaults",
        credentials: Credentials | None = None,
    ) -> None:
        self._settings = settings
        self._policies = policies
        self._check_host = loopback or settings.development
        self.max_body = settings.server.max_request_bytes
        realm = settings.server.name
        authentication = settings.authentication
        first, every = policies.tools.default_scopes, policies.scopes
        metadata = describe(authentication, settings.public_url, first, every)
        app_roles = sorted(policies.app_roles)
        self._authenticator = Authenticator(authentication, realm, metadata, app_roles, vaults)
        self._vaults = vaults
        self._credentials = credentials
        self._discovery = Discovery(metadata, self._authenticator, settings.public_url, MCP_PATH)
        self._deny = deny
        self._limiter = RateLimiter(settings.rate_limits)
        self._answers = Answers(
            settings,
            catalogue,
            policies,
            self._authenticator,
            self._deny,
            self._limiter,
            credentials,
        )
        self._open: set[asyncio.Future[Any]] = set()
        self._own_origin = _origin_of(settings.public_url)
        key_headers = [scheme.header for scheme in authentication.key_schemes]
        self._cors_headers = ", ".join([_CORS_REQUEST_HEADERS, *key_headers])

    async def handle(self, request: Request) -> Response | EventStream:
        """Answer a request. Never raises; every response carries `X-Correlation-ID`."""
        correlation_id = request.correlation_id()
        response: Response | EventStream
        try:
            response = await self._route(request, correlation_id)
        except Refusal as refusal:
            body = error_body(refusal.status, refusal.message, refusal.id)
            response = json_response(refusal.status, body, refusal.headers)
        except Exception:
            _log.exception("a request failed (correlation id %s)", correlation_id)
            body = error_body(500, f"Internal error. Correlation id: {correlation_id}")
            response = json_response(500, body)
        return response.finished(correlation_id, self._cors(request, response.headers))

    async def close(self) -> None:
        """Close connections and end what goes on in the background."""
        await self._authenticator.close()
        if self._credentials is not None:
            await self._credentials.close()
        await self._vaults.close()

    async def _route(self, request: Request, correlation_id: str) -> Response | EventStream:
        # The Functions host matches routes in any case and forgives one trailing slash.
        path = request.path.lower()
        path = path[:-1] if path.endswith("/") else path
        if path == MCP_PATH:
            return await self._mcp(request, correlation_id)
        if path == TOOLS_PATH:
            return await self._list_tools(request, correlation_id)
        if path in ("/healthz", "/readyz"):
            return json_response(200, {"status": "ok" if path == "/healthz" else "ready"})
        if self._discovery.covers(path):
            return await self._discovery.answer(request, path)
        raise Refusal(404, f"Nothing is here. MCP is at {MCP_PATH}.")

    async def _mcp(self, request: Request, correlation_id: str) -> Response | EventStream:
        self._check_place(request)
        if request.method == "OPTIONS":
            return self._options(request, "POST, OPTIONS")
        if request.method != "POST":
            raise Refusal(405, "MCP messages are sent with POST.", {"Allow": "POST, OPTIONS"})
        self._check_size(request)
        record = Record(correlation_id)
        with _recorded(record):
            record.status = 200
            try:
                response = await self._message(request, record)
            except ProtocolError as error:
                record.reason = record.reason or error.message
                response = error.response()
            if isinstance(response, Response):
                record.status = response.status
            return response

    async def _message(self, request: Request, record: Record) -> Response | EventStream:
        caller = await self._authenticate(request, record)
        _check_media_types(request)
        message = envelope.read(envelope.decode(request.body), request.headers)
        if isinstance(message, list):
            return await self._batch(message, caller, record)
        if isinstance(message, Notice):
            record.method, record.version = message.method, message.version
            record.decision, record.outcome = "allowed", "accepted"
            return Response(202, {})
        token = message.progress_token
        if token is not None and request.streams and "text/event-stream" in _accept(request):
            return await self._streamed(message, caller, record, Notifications(token))
        result = await self._answers.answer(message, caller, record)
        return json_response(200, _success(message, result))

    async def _streamed(
        self, call: Call, caller: Caller, record: Record, notifications: Notifications
    ) -> Response | EventStream:
        """Answer with events as soon as there is progress to tell, else as without a stream.

        Until then errors keep their HTTP status.
        """
        work = asyncio.ensure_future(
            self._answers.answer(call, caller, record, notifications.progress)
        )
        work.add_done_callback(lambda _: notifications.close())
        try:
            await notifications.first()
        except asyncio.CancelledError:
            work.cancel()
            raise
        if not notifications.pending:
            return json_response(200, _success(call, await work))
        record.open = True
        self._open.add(work)
        work.add_done_callback(functools.partial(self._ended, record))
        return EventStream(stream.HEADERS, _events(call, work, notifications))

    def _ended(self, record: Record, work: "asyncio.Future[Any]") -> None:
        """Write the record of a call whose response began before it ended."""
        self._open.discard(work)
        if work.cancelled():
            record.outcome = "cancelled"
        elif work.exception() is not None:
            record.outcome = "failed"
        audit.write(record)

    async def _batch(
        self, messages: list[Message | ProtocolError], caller: Caller, record: Record
    ) -> Response:
        """Answer the requests of a 2025-03-26 batch together; each has a record of its own."""
        calls = [message for message in messages if not isinstance(message, Notice)]
        record.method, record.decision, record.outcome = "batch", "allowed", "accepted"
        if not calls:
            return Response(202, {})
        self._check_rate(caller, len(calls) - 1, record)
        return json_response(
            200, await asyncio.gather(*(self._item(c, caller, record) for c in calls))
        )

    async def _item(
        self, call: Call | ProtocolError, caller: Caller, batch: Record
    ) -> dict[str, Any]:
        record = Record(batch.correlation_id, status=200)
        record.called_by(caller)
        try:
            if isinstance(call, ProtocolError):
                raise call
            return _success(call, await self._answers.answer(call, caller, record))
        except ProtocolError as error:
            record.reason = record.reason or error.message
            return error.body()
        except Refusal as refusal:
            record.reason = record.reason or refusal.message
            return error_body(refusal.status, refusal.message, refusal.id)
        finally:
            audit.write(record)

    async def _list_tools(self, request: Request, correlation_id: str) -> Response:
        """`GET /tools`: the tools this caller may call, for people with curl."""
        self._check_place(request)
        if request.method == "OPTIONS":
            return self._options(request, "GET, HEAD, OPTIONS")
        if request.method not in ("GET", "HEAD"):
            raise Refusal(405, "Tools are listed with GET.", {"Allow": "GET, HEAD, OPTIONS"})
        self._check_size(request)
        record = Record(correlation_id, method="GET /tools")
        with _recorded(record):
            caller = await self._authenticate(request, record)
            tools = self._answers.callable_tools(caller)
            record.decision, record.outcome, record.status = "allowed", "ok", 200
            return json_response(200, {"tools": tools})

    async def _authenticate(self, request: Request, record: Record) -> Caller:
        try:
            caller = await self._authenticator.authenticate(request)
            record.called_by(caller)
            anonymous = caller.kind == "anonymous" and self._settings.authentication.enabled
            if anonymous and not self._policies.admits_anonymous:
                raise self._authenticator.refusal()
            await self._check_denied(caller)
        except Refused as refused:
            if refused.caller is not None:
                record.called_by(refused.caller)
            record.decision = "denied"
            raise refusal_of(refused) from None
        self._check_rate(caller, 1, record)
        return caller

    async def _check_denied(self, caller: Caller) -> None:
        try:
            reason = await self._deny.reason(caller)
        except Unavailable as error:
            text = "Nobody is let in: who is shut out cannot be read now."
            raise Refused(503, text, retry_after=error.retry_after) from None
        if reason is not None:
            raise Refused(403, f"Shut out: {reason}.")

    def _check_rate(self, caller: Caller, requests: int, record: Record) -> None:
        wait = self._limiter.admit(caller.principal, requests)
        if wait:
            record.decision = "denied"
            raise too_many(wait)

    def _check_place(self, request: Request) -> None:
        """Refuse browsers' requests from elsewhere and, on loopback, other hosts' names."""
        if "origin" in request.headers and not self._allows(request.headers["origin"]):
            raise Refusal(403, "This Origin may not call the endpoint.")
        if self._check_host and not _LOOPBACK.fullmatch(request.headers.get("host", "")):
            raise Refusal(403, "The Host header must name this machine: localhost.")

    def _check_size(self, request: Request) -> None:
        if len(request.body) > self.max_body:
            raise Refusal(413, f"The body is larger than {self.max_body:,} bytes.")

    def _allows(self, origin: str) -> bool:
        if origin == self._own_origin:
            return True
        if origin in self._settings.authentication.cors.allowed_origins:
            return True
        scheme, _, host = origin.partition("://")
        local = scheme in ("http", "https") and _LOOPBACK.fullmatch(host) is not None
        return local and self._settings.development

    def _options(self, request: Request, allow: str) -> Response:
        headers = {"Allow": allow}
        if "origin" in request.headers:
            headers["Access-Control-Allow-Methods"] = allow
            headers["Access-Control-Allow-Headers"] = self._cors_headers
            headers["Access-Control-Max-Age"] = "600"
        return Response(204, headers)

    def _cors(self, request: Request, answered: Mapping[str, str]) -> dict[str, str]:
        """What lets pages of an allowed Origin read an answer; nothing where every page may."""
        origin = request.headers.get("origin")
        if origin is None or not self._allows(origin) or "Access-Control-Allow-Origin" in answered:
            return {}
        headers = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": _CORS_RESPONSE_HEADERS,
            "Vary": "Origin",
        }
        if self._settings.authentication.cors.allow_credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        return headers


@contextmanager
def _recorded(record: Record) -> Iterator[None]:
    """Write the record of what happens inside, however it ends."""
    try:
        yield
    except Refusal as refusal:
        record.reason = record.reason or refusal.message
        record.status = refusal.status
        raise
    except asyncio.CancelledError:
        record.outcome, record.status = "cancelled", 503
        raise
    except Exception:
        record.status = 500
        raise
    finally:
        if not record.open:
            audit.write(record)


async def _events(
    call: Call, work: "asyncio.Future[Any]", notifications: Notifications
) -> AsyncGenerator[bytes, None]:
    """The events of a call, its response last, with a sign of life when there is nothing to tell.

    A client that closes the stream ends the call in the modern era (patterns/cancellation); in the
    legacy one that is no cancellation, and the call goes on unheard.
    """
    try:
        while True:
            frames = await notifications.wait(stream.KEEP_ALIVE_SECONDS)
            for frame in frames:
                yield frame
            if work.done():
                yield stream.frame(await _last(call, work))
                return
            if not frames:
                yield stream.KEEP_ALIVE
    finally:
        if FEATURES[call.version].modern:
            work.cancel()


async def _last(call: Call, work: "asyncio.Future[Any]") -> dict[str, Any]:
    try:
        return _success(call, await work)
    except ProtocolError as error:
        return error.body()
    except Refusal as refusal:
        # The status has been sent; what the client should do is at least said.
        return error_body(refusal.status, refusal.message, refusal.id)
    except Exception:
        _log.exception("a streamed call failed")
        return error_body(faults.INTERNAL_ERROR.code, "Internal error.", call.id)


def _accept(request: Request) -> str:
    return request.headers.get("accept", "").lower()


def _success(call: Call, result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call.id, "result": result}


def _check_media_types(request: Request) -> None:
    """Lenient on purpose: refuse only what is plainly not JSON, or plainly does not take it."""
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type and content_type != "application/json" and not content_type.endswith("+json"):
        raise Refusal(415, "Send the message as Content-Type: application/json.")
    accept = _accept(request)
    if accept and not any(part in accept for part in ("application/json", "*/*", "application/*")):
        raise Refusal(406, "Accept must allow application/json (and text/event-stream).")


def _origin_of(url: str) -> str:
    """The origin a browser sends for pages of `url` (RFC 6454 section 6.2)."""
    parts = urlsplit(url.lower())
    default = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.removesuffix(default)}"
