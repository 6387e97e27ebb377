"""Everything the endpoint says, read by the official types and held against the JSON Schemas."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import mcp_types
import pytest

from shared.endpoint import Endpoint
from shared.protocol.versions import SUPPORTED
from tests.support import ask, endpoint_for, message, routing_headers, send

MODERN = "2026-07-28"
# The specification's schemas are not part of this project; they are used where they lie beside it.
SCHEMAS = Path(__file__).parents[3] / "shared" / "reference" / "schema"

REQUESTS: list[tuple[str, dict[str, Any], str, type[Any]]] = [
    ("tools/list", {}, "ListToolsResult", mcp_types.ListToolsResult),
    (
        "tools/call",
        {"name": "greet", "arguments": {"name": "Ada"}},
        "CallToolResult",
        mcp_types.CallToolResult,
    ),
    (
        "tools/call",
        {"name": "repeat", "arguments": {"text": "a", "times": 2}},
        "CallToolResult",
        mcp_types.CallToolResult,
    ),
    (
        "tools/call",
        {"name": "greet", "arguments": {"nam": 1}},
        "CallToolResult",
        mcp_types.CallToolResult,
    ),
    ("tools/call", {"name": "nothing"}, "CallToolResult", mcp_types.CallToolResult),
]
LEGACY_ONLY: list[tuple[str, dict[str, Any], str, type[Any]]] = [
    (
        "initialize",
        {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
        "InitializeResult",
        mcp_types.InitializeResult,
    ),
    ("ping", {}, "EmptyResult", mcp_types.EmptyResult),
]
MODERN_ONLY: list[tuple[str, dict[str, Any], str, type[Any]]] = [
    ("server/discover", {}, "DiscoverResult", mcp_types.DiscoverResult),
]
CASES = [
    (version, *request)
    for version in SUPPORTED
    for request in [*REQUESTS, *(MODERN_ONLY if version == MODERN else LEGACY_ONLY)]
]


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    return endpoint_for(tmp_path, {"Server": {"Title": "Test", "Instructions": "Be kind."}})


@cache
def schema(version: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / f"{version}.json").read_text("utf-8"))
    return loaded


def check(version: str, definition: str, value: Any) -> None:
    if not SCHEMAS.is_dir():
        return
    root = schema(version)
    defs = "$defs" if "$defs" in root else "definitions"
    jsonschema.validate(value, {**root, "$ref": f"#/{defs}/{definition}"})


@pytest.mark.parametrize(("version", "method", "params", "definition", "model"), CASES)
async def test_a_result_is_what_its_version_defines(
    endpoint: Endpoint,
    version: str,
    method: str,
    params: dict[str, Any],
    definition: str,
    model: type[Any],
) -> None:
    headers = {} if version == MODERN else {"mcp-protocol-version": version}
    if method == "initialize":
        params = {**params, "protocolVersion": version}
    answer = await ask(endpoint, method, params, modern=version == MODERN, headers=headers)
    model.model_validate(answer["result"])
    check(version, definition, answer["result"])
    mcp_types.JSONRPCResponse.model_validate(answer)


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
async def test_an_error_is_what_its_version_defines(endpoint: Endpoint, version: str) -> None:
    modern = version == MODERN
    body = message("tools/call", {"name": "no_such_tool"}, modern=modern)
    headers = routing_headers(body) if modern else {"mcp-protocol-version": version}
    unknown_tool = json.loads((await send(endpoint, body, headers)).body)
    not_json = json.loads((await send(endpoint, b"{", headers)).body)
    definition = "JSONRPCErrorResponse"
    for answer in (unknown_tool, not_json):
        check(version, definition, answer)
    mcp_types.JSONRPCError.model_validate(unknown_tool)
    assert unknown_tool["error"]["code"] == -32602


@pytest.mark.parametrize("version", SUPPORTED)
async def test_structured_content_obeys_the_schema_that_was_listed(
    endpoint: Endpoint, version: str
) -> None:
    modern = version == MODERN
    headers = {} if modern else {"mcp-protocol-version": version}
    listed = await ask(endpoint, "tools/list", modern=modern, headers=headers)
    tools = {tool["name"]: tool for tool in listed["result"]["tools"]}
    params = {"name": "repeat", "arguments": {"text": "a", "times": 3}}
    called = await ask(endpoint, "tools/call", params, modern=modern, headers=headers)
    structured = called["result"].get("structuredContent")
    if version == "2025-03-26":
        assert structured is None
        assert "outputSchema" not in tools["repeat"]
    else:
        jsonschema.validate(structured, tools["repeat"]["outputSchema"])
        assert structured == (["a"] * 3 if modern else {"result": ["a"] * 3})
    for tool in tools.values():
        jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
        assert tool["inputSchema"]["type"] == "object"
