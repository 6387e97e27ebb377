"""Results in the shape each protocol version knows (the version schemas, `Result` and below)."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from shared.protocol.faults import INVALID_PARAMS, ProtocolError
from shared.protocol.versions import FEATURES, SUPPORTED, Features

_TTL_MS = 300_000
_COMPLETIONS = 100
# Nothing here needs a session, so nothing is said of list changes, subscriptions or logging.
_CAPABILITIES: Mapping[str, Any] = {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}
_REMEMBERED_PAGES = 256
_SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"


ListKind = Literal["tools", "resources", "resourceTemplates", "prompts"]


class ServerInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The server's own name for itself (`Implementation`)."""

    name: str
    version: str
    title: str | None = None


class ToolDefinition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A tool as the newest version describes it; older ones get what they know."""

    name: str
    description: str
    input_schema: dict[str, Any]
    title: str | None = None
    output_schema: dict[str, Any] | None = None
    annotations: Mapping[str, bool] = {}


class ResourceDefinition(msgspec.Struct, frozen=True):
    """A resource, or a template of resources."""

    uri: str
    name: str
    description: str
    title: str | None = None
    mime_type: str | None = None
    is_template: bool = False


class PromptDefinition(msgspec.Struct, frozen=True):
    """A prompt; each argument with `name`, perhaps `description`, and `required`."""

    name: str
    description: str
    title: str | None = None
    arguments: Sequence[Mapping[str, Any]] = ()


Definition = ToolDefinition | ResourceDefinition | PromptDefinition


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
            "capabilities": _CAPABILITIES,
            "serverInfo": info,
        }
        if self._instructions:
            result["instructions"] = self._instructions
        return result

    def discover(self, version: str) -> dict[str, Any]:
        """DiscoverResult (2026-07-28 server/discover)."""
        result: dict[str, Any] = {
            "supportedVersions": SUPPORTED,
            "capabilities": _CAPABILITIES,
        }
        if self._instructions:
            result["instructions"] = self._instructions
        return self._shape(result, version, ttl=_TTL_MS)

    def empty(self, version: str) -> dict[str, Any]:
        """EmptyResult."""
        return self._shape({}, version)

    def page(
        self,
        kind: ListKind,
        visible: tuple[str, ...],
        definitions: Mapping[str, Definition],
        cursor: str | None,
        version: str,
    ) -> msgspec.Raw:
        """One page of a list, encoded once per set of visible items, page and version.

        Raises ProtocolError for a cursor that does not continue this caller's list.
        """
        key = (kind, visible, cursor, version)
        page = self._pages.get(key)
        if page is None:
            start = _position(kind, visible, cursor)
            names = visible[start : start + self._page_size]
            features = FEATURES[version]
            result: dict[str, Any] = {kind: [_defined(definitions[n], features) for n in names]}
            if start + self._page_size < len(visible):
                result["nextCursor"] = _cursor(kind, names[-1])
            shaped = self._shape(result, version, ttl=_TTL_MS)
            page = msgspec.Raw(msgspec.json.encode(shaped))
            if len(self._pages) >= _REMEMBERED_PAGES:
                self._pages.pop(next(iter(self._pages)))
            self._pages[key] = page
        return page

    def read(self, contents: Sequence[Mapping[str, Any]], version: str) -> dict[str, Any]:
        """ReadResourceResult. What a resource holds may change at any time: stale at once."""
        return self._shape({"contents": contents}, version, ttl=0)

    def prompt(
        self, description: str, messages: Sequence[Mapping[str, Any]], version: str
    ) -> dict[str, Any]:
        """GetPromptResult."""
        features = FEATURES[version]
        shaped = [{**m, "content": _block(m["content"], features)} for m in messages]
        return self._shape({"description": description, "messages": shaped}, version)

    def input_required(
        self, requests: Mapping[str, Mapping[str, Any]], state: str, version: str
    ) -> dict[str, Any]:
        """InputRequiredResult (2026-07-28 basic/patterns/mrtr): what is asked, by name."""
        result = self._shape({"inputRequests": requests, "requestState": state}, version)
        return {**result, "resultType": "input_required"}

    def complete(self, values: Sequence[str], version: str) -> dict[str, Any]:
        """CompleteResult: at most 100 values, and whether there are more."""
        completion = {
            "values": values[:_COMPLETIONS],
            "total": len(values),
            "hasMore": len(values) > _COMPLETIONS,
        }
        return self._shape({"completion": completion}, version)

    def call(self, content: Content, version: str) -> dict[str, Any]:
        """CallToolResult."""
        result: dict[str, Any] = {
            "content": [
                *({"type": "text", "text": text} for text in content.texts),
                *(_block(block, FEATURES[version]) for block in content.blocks),
            ],
            "isError": content.is_error,
        }
        if content.structured is not None and FEATURES[version].structured:
            structured: Any = msgspec.Raw(content.structured)
            if not (content.is_object or FEATURES[version].any_structured):
                structured = {"result": structured}
            result["structuredContent"] = structured
        return self._shape(result, version)

    def _shape(
        self, result: dict[str, Any], version: str, *, ttl: int | None = None
    ) -> dict[str, Any]:
        """The members every modern result has; `ttl` in milliseconds where it may be cached."""
        if FEATURES[version].modern:
            result["resultType"] = "complete"
            result["_meta"] = self._meta
            if ttl is not None:
                result["ttlMs"] = ttl
                result["cacheScope"] = "private"
        return result


def _block(block: Mapping[str, Any], features: Features) -> Mapping[str, Any]:
    """A content block, links as text where the version has none (2025-06-18 brought them)."""
    if block["type"] != "resource_link" or features.links:
        return block
    return {"type": "text", "text": f"{block.get('title') or block['name']}: {block['uri']}"}


def _defined(item: Definition, features: Features) -> dict[str, Any]:
    match item:
        case ToolDefinition():
            return _tool(item, features)
        case ResourceDefinition():
            return _resource(item, features)
        case PromptDefinition():
            return _prompt(item, features)


def _resource(resource: ResourceDefinition, features: Features) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "uriTemplate" if resource.is_template else "uri": resource.uri,
        "name": resource.name,
        "description": resource.description,
    }
    if resource.title and features.titles:
        shape["title"] = resource.title
    if resource.mime_type:
        shape["mimeType"] = resource.mime_type
    return shape


def _prompt(prompt: PromptDefinition, features: Features) -> dict[str, Any]:
    shape: dict[str, Any] = {"name": prompt.name, "description": prompt.description}
    if prompt.title and features.titles:
        shape["title"] = prompt.title
    if prompt.arguments:
        shape["arguments"] = prompt.arguments
    return shape


def _tool(tool: ToolDefinition, features: Features) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": tool.input_schema,
    }
    if tool.title and features.titles:
        shape["title"] = tool.title
    if tool.output_schema is not None and features.structured:
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


def _cursor(kind: ListKind, name: str) -> str:
    return base64.urlsafe_b64encode(f"{kind} after {name}".encode()).decode()


def _position(kind: ListKind, visible: Sequence[str], cursor: str | None) -> int:
    """Where a page starts. The cursor names the last item seen, so any instance can continue.

    It is not signed, and need not be: it grants nothing. What it names must be in this list of this
    caller, else it is refused.
    """
    if not cursor:
        return 0
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError:
        text = ""
    name = text.removeprefix(f"{kind} after ")
    if name == text or name not in visible:
        raise ProtocolError(INVALID_PARAMS, "The cursor is not valid; start again without one.")
    return visible.index(name) + 1
