"""Results in the shape each protocol version knows (the version schemas, `Result` and below)."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.protocol.faults import INVALID_PARAMS, ProtocolError
from shared.protocol.versions import FEATURES, SUPPORTED, Features

_TTL_MS = 300_000
_REMEMBERED_PAGES = 256
_SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"


class ServerInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The server's own name for itself (`Implementation`)."""

    name: str
    version: str
    title: str | None = None


class ToolDefinition(msgspec.Struct, frozen=True, rename="camel"):
    """A tool as the newest version describes it; older ones get what they know."""

    name: str
    description: str
    input_schema: dict[str, Any]
    title: str | None = None
    output_schema: dict[str, Any] | None = None
    annotations: Mapping[str, bool] = {}


class Content(msgspec.Struct, frozen=True):
    """What a tool call came to: text and other blocks, and structured content when declared.

    `structured` is JSON already, and so is the first text block then. `blocks` are content blocks
    of the newest version.
    """

    texts: Sequence[str]
    blocks: Sequence[Mapping[str, Any]] = ()
    structured: bytes | None = None
    is_object: bool = True
    is_error: bool = False


class Results:
    """Builds results for one server. Every method returns a value ready for JSON encoding."""

    def __init__(self, info: ServerInfo, instructions: str | None, page_size: int) -> None:
        self._info = info
        self._instructions = instructions
        self._page_size = page_size
        self._meta = {_SERVER_INFO_KEY: info}
        self._pages: dict[tuple[object, ...], msgspec.Raw] = {}

    def initialize(self, version: str) -> dict[str, Any]:
        """InitializeResult (legacy). Offers only what is served without a session."""
        info = self._info
        if not FEATURES[version].titles:
            info = msgspec.structs.replace(info, title=None)
        result: dict[str, Any] = {
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": info,
        }
        if self._instructions:
            result["instructions"] = self._instructions
        return result

    def discover(self, version: str) -> dict[str, Any]:
        """DiscoverResult (2026-07-28 server/discover)."""
        result: dict[str, Any] = {
            "supportedVersions": SUPPORTED,
            "capabilities": {"tools": {}},
        }
        if self._instructions:
            result["instructions"] = self._instructions
        return self._shape(result, version, cacheable=True)

    def empty(self, version: str) -> dict[str, Any]:
        """EmptyResult."""
        return self._shape({}, version)

    def tools(
        self,
        visible: tuple[str, ...],
        definitions: Mapping[str, ToolDefinition],
        cursor: str | None,
        version: str,
    ) -> msgspec.Raw:
        """One page of tools/list, encoded once per set of visible tools, page and version.

        Raises ProtocolError for a cursor that does not continue this caller's list.
        """
        key = (visible, cursor, version)
        page = self._pages.get(key)
        if page is None:
            start = _position(visible, cursor)
            names = visible[start : start + self._page_size]
            features = FEATURES[version]
            result: dict[str, Any] = {"tools": [_tool(definitions[n], features) for n in names]}
            if start + self._page_size < len(visible):
                result["nextCursor"] = _cursor(names[-1])
            shaped = self._shape(result, version, cacheable=True)
            page = msgspec.Raw(msgspec.json.encode(shaped))
            if len(self._pages) >= _REMEMBERED_PAGES:
                self._pages.pop(next(iter(self._pages)))
            self._pages[key] = page
        return page

    def call(self, content: Content, version: str) -> dict[str, Any]:
        """CallToolResult."""
        result: dict[str, Any] = {
            "content": [
                *({"type": "text", "text": text} for text in content.texts),
                *(_block(block, FEATURES[version]) for block in content.blocks),
            ],
            "isError": content.is_error,
        }
        if content.structured is not None and FEATURES[version].titles:
            structured: Any = msgspec.Raw(content.structured)
            if not (content.is_object or FEATURES[version].any_structured):
                structured = {"result": structured}
            result["structuredContent"] = structured
        return self._shape(result, version)

    def _shape(
        self, result: dict[str, Any], version: str, *, cacheable: bool = False
    ) -> dict[str, Any]:
        if FEATURES[version].modern:
            result["resultType"] = "complete"
            result["_meta"] = self._meta
            if cacheable:
                result["ttlMs"] = _TTL_MS
                result["cacheScope"] = "private"
        return result


def _block(block: Mapping[str, Any], features: Features) -> Mapping[str, Any]:
    """A content block, links as text where the version has none (2025-06-18 brought them)."""
    if block["type"] != "resource_link" or features.titles:
        return block
    return {"type": "text", "text": f"{block.get('title') or block['name']}: {block['uri']}"}


def _tool(tool: ToolDefinition, features: Features) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": tool.input_schema,
    }
    if features.titles:
        if tool.title:
            shape["title"] = tool.title
        if tool.output_schema is not None:
            shape["outputSchema"] = _output_schema(tool.output_schema, features)
    annotations: dict[str, Any] = dict(tool.annotations)
    if tool.title and not features.titles:
        annotations["title"] = tool.title
    if annotations:
        shape["annotations"] = annotations
    return shape


def _output_schema(schema: dict[str, Any], features: Features) -> dict[str, Any]:
    """The schema itself, or wrapped as `{"result": …}` where only objects are allowed."""
    if features.any_structured or schema.get("type") == "object":
        return schema
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {"result": inner},
        "required": ["result"],
    }
    if "$defs" in schema:
        wrapped["$defs"] = schema["$defs"]
    return wrapped


def _cursor(name: str) -> str:
    return base64.urlsafe_b64encode(f"tools/list after {name}".encode()).decode()


def _position(visible: Sequence[str], cursor: str | None) -> int:
    """Where a page starts. The cursor names the last tool seen, so any instance can continue."""
    if not cursor:
        return 0
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError:
        text = ""
    prefix, _, name = text.rpartition(" ")
    if prefix != "tools/list after" or name not in visible:
        raise ProtocolError(INVALID_PARAMS, "The cursor is not valid; start again without one.")
    return visible.index(name) + 1
