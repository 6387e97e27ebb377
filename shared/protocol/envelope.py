"""From an HTTP body and headers to one understood MCP message: era, version, method, parameters.

The order of the checks is part of the protocol: `read` and `_modern` can be read beside the
2026-07-28 pages basic/versioning and basic/transports/streamable-http.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.protocol import faults, versions
from shared.protocol.faults import Fault, ProtocolError
from shared.protocol.methods import METHODS, NAMED
from shared.protocol.versions import FEATURES, LEGACY_DATES, MODERN, SUPPORTED

MAX_BATCH = 50
MAX_DEPTH = 100

_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
_VERSION_HEADER = "mcp-protocol-version"


class Call(msgspec.Struct, frozen=True):
    """A request to be answered: `version` is the protocol version its result must fit."""

    id: str | int
    method: str
    params: dict[str, Any]
    version: str

    @property
    def client_capabilities(self) -> dict[str, Any]:
        """What the client declared on this request; nothing before 2026-07-28."""
        meta = self.params.get("_meta")
        declared = meta.get(_CAPABILITIES_KEY) if isinstance(meta, dict) else None
        return declared if isinstance(declared, dict) else {}

    @property
    def progress_token(self) -> str | int | None:
        """What progress is to be told under, when the client asked for it."""
        meta = self.params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        return token if isinstance(token, str | int) and not isinstance(token, bool) else None


class Notice(msgspec.Struct, frozen=True):
    """A notification or a response: accepted and not answered."""

    method: str
    version: str


Message = Call | Notice


def decode(body: bytes) -> Any:
    """The JSON value of a request body. Raises ProtocolError for anything else.

    Nesting is bounded well below what the decoder could take, so that nothing that walks the value
    later runs out of stack.
    """
    if not body.strip():
        text = "The body is empty. Send one JSON-RPC message, with a Content-Length header."
        raise ProtocolError(faults.PARSE_ERROR, text)
    too_deep = ProtocolError(
        faults.PARSE_ERROR, f"The body is nested deeper than {MAX_DEPTH} levels."
    )
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise too_deep from None
    except ValueError as error:
        # msgspec names a position and never quotes the text.
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "it is not UTF-8"
        raise ProtocolError(faults.PARSE_ERROR, f"The body is not JSON: {reason}.") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deeper(value):
        raise too_deep
    return value


def _is_deeper(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        members = (v.values() if isinstance(v, dict) else v for v in level)
        level = [m for inside in members for m in inside if isinstance(m, dict | list)]
        if not level:
            return False
    return True


def read(value: Any, headers: Mapping[str, str]) -> Message | list[Message | ProtocolError]:
    """Understand a decoded body. A list comes back only for a batch, each item on its own.

    Raises ProtocolError, which knows its HTTP status. `headers` has lower-case names.
    """
    version = headers.get(_VERSION_HEADER, "").strip() or None
    if isinstance(value, list):
        return _batch(value, version)
    if not isinstance(value, dict):
        raise ProtocolError(faults.INVALID_REQUEST, "The body must be one JSON-RPC object.")
    if _is_modern(value) or (version is not None and version not in LEGACY_DATES):
        return _modern(value, version, headers)
    return _legacy(value, version or versions.ASSUMED)


def _is_modern(message: dict[str, Any]) -> bool:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and (_VERSION_KEY in meta or _CAPABILITIES_KEY in meta)


def _modern(message: dict[str, Any], header: str | None, headers: Mapping[str, str]) -> Message:
    id, method, params = _envelope(message, modern=True)

    def refuse(fault: Fault, text: str) -> ProtocolError:
        return ProtocolError(fault, text, id=id, modern=True)

    meta = params.get("_meta")
    meta = meta if isinstance(meta, dict) else {}
    version = meta.get(_VERSION_KEY)
    if not _is_modern(message) and header != MODERN:
        raise _unsupported(str(header), id, modern=True)
    if id is None:
        if version is not None and version != MODERN:
            raise _unsupported(str(version), id, modern=True)
        return Notice(method, MODERN)
    if not isinstance(version, str):
        raise refuse(faults.INVALID_ENVELOPE, f'params._meta needs "{_VERSION_KEY}", a string.')
    if not isinstance(meta.get(_CAPABILITIES_KEY), dict):
        text = f'params._meta needs "{_CAPABILITIES_KEY}", an object (it may be empty).'
        raise refuse(faults.INVALID_ENVELOPE, text)
    mismatch = (
        _differs("MCP-Protocol-Version", header, version)
        or _differs("Mcp-Method", _stripped(headers, "mcp-method"), method)
        or _name_differs(method, params, _stripped(headers, "mcp-name"))
    )
    if mismatch:
        raise refuse(faults.HEADER_MISMATCH, mismatch)
    if version != MODERN:
        raise _unsupported(version, id, modern=True)
    known = METHODS.get(method)
    if known is None or not known.modern:
        raise refuse(faults.METHOD_NOT_FOUND, f"Method not found: {method[:80]}")
    problem = known.check(params)
    if problem:
        raise refuse(faults.INVALID_PARAMS, problem)
    return Call(id, method, params, version)


def _legacy(message: dict[str, Any], version: str) -> Message:
    if "method" not in message and ("result" in message or "error" in message):
        return Notice("", version)
    id, method, params = _envelope(message, modern=False)

    def refuse(fault: Fault, text: str) -> ProtocolError:
        return ProtocolError(fault, text, id=id)

    if version not in FEATURES and method != "initialize":
        raise _unsupported(version, id, modern=False)
    if id is None:
        return Notice(method, version)
    known = METHODS.get(method)
    if known is None or not known.legacy:
        raise refuse(faults.METHOD_NOT_FOUND, f"Method not found: {method[:80]}")
    problem = known.check(params)
    if problem:
        raise refuse(faults.INVALID_PARAMS, problem)
    if method == "initialize":
        version = versions.negotiate(params["protocolVersion"])
    return Call(id, method, params, version)


def _unsupported(requested: str, id: str | int | None, *, modern: bool) -> ProtocolError:
    data = {"supported": SUPPORTED, "requested": requested}
    text = f"Protocol version {requested[:40]} is not served; {', '.join(SUPPORTED)} are."
    return ProtocolError(faults.UNSUPPORTED_VERSION, text, id=id, modern=modern, data=data)


def _batch(items: list[Any], header: str | None) -> list[Message | ProtocolError]:
    """2025-03-26 only (basic/index#batching); `initialize` must stand alone."""
    version = header or versions.ASSUMED
    if version not in FEATURES or not FEATURES[version].batches:
        text = "Batches exist only in protocol version 2025-03-26; send one message."
        raise ProtocolError(faults.INVALID_REQUEST, text)
    if not items or len(items) > MAX_BATCH:
        text = f"A batch holds 1 to {MAX_BATCH} messages; this one holds {len(items)}."
        raise ProtocolError(faults.INVALID_REQUEST, text)
    messages: list[Message | ProtocolError] = []
    for item in items:
        try:
            if not isinstance(item, dict):
                raise ProtocolError(faults.INVALID_REQUEST, "A message must be a JSON-RPC object.")
            message = _legacy(item, version)
            if isinstance(message, Call) and message.method == "initialize":
                text = "initialize cannot be part of a batch."
                raise ProtocolError(faults.INVALID_REQUEST, text, id=message.id)
            messages.append(message)
        except ProtocolError as error:
            messages.append(error)
    return messages


def _envelope(
    message: dict[str, Any], *, modern: bool
) -> tuple[str | int | None, str, dict[str, Any]]:
    """Id (None for a notification), method and parameters of a JSON-RPC object."""
    id = message.get("id")
    readable = isinstance(id, str | int) and not isinstance(id, bool)

    def refuse(text: str, fault: Fault = faults.INVALID_REQUEST) -> ProtocolError:
        return ProtocolError(fault, text, id=id if readable else None, modern=modern)

    if message.get("jsonrpc") != "2.0":
        raise refuse('A JSON-RPC message needs "jsonrpc": "2.0".')
    method = message.get("method")
    if not isinstance(method, str):
        raise refuse("A request needs a method, as a string.")
    if "id" in message and not readable:
        raise refuse("A request id must be a string or an integer.")
    params = message.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        fault = faults.INVALID_ENVELOPE if modern else faults.INVALID_PARAMS
        raise refuse("params must be an object.", fault)
    return (id if readable else None), method, params


def _stripped(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    return None if value is None else value.strip()


def _differs(name: str, header: str | None, expected: str) -> str | None:
    if header is None:
        return f"The header {name} is missing; it must repeat {expected[:80]!r} of the body."
    if header != expected:
        return f"The header {name} differs from the body, which says {expected[:80]!r}."
    return None


def _name_differs(method: str, params: Mapping[str, Any], header: str | None) -> str | None:
    parameter = NAMED.get(method)
    if parameter is None:
        return None
    expected = params.get(parameter)
    if not isinstance(expected, str):
        return None  # The parameter check says what is wrong with the body.
    if header is not None:
        try:
            header = decode_sentinel(header)
        except ValueError:
            return "The header Mcp-Name is not valid base64 between =?base64? and ?=."
    return _differs("Mcp-Name", header, expected)


def decode_sentinel(value: str) -> str:
    """A header value, decoded when it is wrapped as `=?base64?…?=` (streamable-http#headers).

    Raises ValueError for anything but canonical base64 of UTF-8 inside the markers. A value with
    only one of the markers is meant literally.
    """
    start, end = "=?base64?", "?="
    if not (value.startswith(start) and value.endswith(end) and len(value) >= len(start + end)):
        return value
    inner = value[len(start) : -len(end)]
    try:
        data = base64.b64decode(inner, validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    if base64.b64encode(data).decode() != inner:
        raise ValueError("not canonical base64")
    return data.decode("utf-8")
