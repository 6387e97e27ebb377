"""Result shapes by protocol version."""

import base64
import json
from typing import Any

import msgspec
import pytest

from shared.protocol.faults import ProtocolError
from shared.protocol.results import Content, Results, ServerInfo, ToolDefinition
from shared.protocol.versions import SUPPORTED

LEGACY = [version for version in SUPPORTED if version != "2026-07-28"]
INFO_KEY = "io.modelcontextprotocol/serverInfo"

LIST_SCHEMA = {"type": "array", "items": {"$ref": "#/$defs/Row"}, "$defs": {"Row": {}}}
DEFINITIONS = {
    name: ToolDefinition(
        name,
        f"Does {name}.",
        {"type": "object", "properties": {}},
        title=name.title(),
        output_schema=LIST_SCHEMA,
        annotations={"readOnlyHint": True},
    )
    for name in ("alpha", "beta", "gamma", "delta", "epsilon")
}
NAMES = tuple(DEFINITIONS)
CAPABILITIES: dict[str, Any] = {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}


@pytest.fixture
def results() -> Results:
    return Results(ServerInfo("postern", "1.2.3", "Postern"), "Be kind.", page_size=2)


def plain(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


@pytest.mark.parametrize("version", LEGACY)
def test_initialize_offers_tools_and_nothing_that_needs_a_session(
    results: Results, version: str
) -> None:
    answer = plain(results.initialize(version))
    assert answer["protocolVersion"] == version
    assert answer["capabilities"] == CAPABILITIES
    assert answer["instructions"] == "Be kind."
    assert answer["serverInfo"]["name"] == "postern"
    assert ("title" in answer["serverInfo"]) == (version != "2025-03-26")
    assert not {"resultType", "ttlMs", "cacheScope", "_meta"} & set(answer)


def test_discover_names_every_version_and_carries_the_server_in_meta(results: Results) -> None:
    answer = plain(results.discover("2026-07-28"))
    assert answer["supportedVersions"] == list(SUPPORTED)
    assert answer["capabilities"] == CAPABILITIES
    assert answer["resultType"] == "complete"
    assert answer["cacheScope"] == "private"
    assert type(answer["ttlMs"]) is int
    assert answer["_meta"][INFO_KEY] == {"name": "postern", "version": "1.2.3", "title": "Postern"}
    assert "serverInfo" not in answer


def test_without_instructions_none_are_sent() -> None:
    quiet = Results(ServerInfo("postern", "1"), None, page_size=2)
    assert "instructions" not in quiet.initialize("2025-11-25")
    assert "instructions" not in quiet.discover("2026-07-28")


def pages(results: Results, visible: tuple[str, ...], version: str) -> list[dict[str, Any]]:
    found, cursor = [], None
    while True:
        page = plain(results.page("tools", visible, DEFINITIONS, cursor, version))
        found.append(page)
        cursor = page.get("nextCursor")
        if cursor is None:
            return found


@pytest.mark.parametrize("version", SUPPORTED)
def test_a_list_comes_in_pages_that_together_hold_every_tool_once(
    results: Results, version: str
) -> None:
    found = pages(results, NAMES, version)
    assert [len(page["tools"]) for page in found] == [2, 2, 1]
    assert tuple(tool["name"] for page in found for tool in page["tools"]) == NAMES


def test_any_instance_continues_another_ones_list(results: Results) -> None:
    cursor = plain(results.page("tools", NAMES, DEFINITIONS, None, "2025-11-25"))["nextCursor"]
    other = Results(ServerInfo("postern", "1.2.3"), None, page_size=3)
    page = plain(other.page("tools", NAMES, DEFINITIONS, cursor, "2025-11-25"))
    assert [tool["name"] for tool in page["tools"]] == ["gamma", "delta", "epsilon"]


def test_an_empty_cursor_starts_the_list(results: Results) -> None:
    page = plain(results.page("tools", NAMES, DEFINITIONS, "", "2025-11-25"))
    assert page["tools"][0]["name"] == "alpha"


def test_a_list_of_nothing_is_an_empty_list(results: Results) -> None:
    assert plain(results.page("tools", (), DEFINITIONS, None, "2025-11-25")) == {"tools": []}


def cursor_after(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "garbage",
        "%%%",
        "ünïcode",
        "====",
        cursor_after("alpha"),
        cursor_after("prompts after alpha"),
        cursor_after("tools after nobody"),
        cursor_after("tools after epsilon") + "x",
        "A" * 100_000,
    ],
)
def test_a_cursor_that_is_not_ours_is_invalid(results: Results, cursor: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        results.page("tools", NAMES, DEFINITIONS, cursor, "2025-11-25")
    assert caught.value.fault.code == -32602


def test_a_cursor_does_not_lead_to_a_tool_that_is_not_visible(results: Results) -> None:
    cursor = plain(results.page("tools", NAMES, DEFINITIONS, None, "2025-11-25"))["nextCursor"]
    with pytest.raises(ProtocolError):
        results.page("tools", ("alpha", "gamma"), DEFINITIONS, cursor, "2025-11-25")


def test_callers_who_see_different_tools_get_different_lists(results: Results) -> None:
    for visible in (("alpha",), ("beta",), ("alpha", "beta")):
        page = plain(results.page("tools", visible, DEFINITIONS, None, "2025-11-25"))
        assert tuple(tool["name"] for tool in page["tools"]) == visible


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("2026-07-28", {"title", "outputSchema"}),
        ("2025-11-25", {"title", "outputSchema"}),
        ("2025-06-18", {"title", "outputSchema"}),
        ("2025-03-26", set()),
    ],
)
def test_a_tool_has_the_fields_its_version_knows(
    results: Results, version: str, fields: set[str]
) -> None:
    tool = plain(results.page("tools", NAMES, DEFINITIONS, None, version))["tools"][0]
    assert set(tool) == {"name", "description", "inputSchema", "annotations"} | fields
    assert (tool.get("title") or tool["annotations"].get("title")) == "Alpha"


def test_an_output_that_is_no_object_is_wrapped_where_only_objects_are_allowed(
    results: Results,
) -> None:
    def schema(version: str) -> Any:
        return plain(results.page("tools", NAMES, DEFINITIONS, None, version))["tools"][0][
            "outputSchema"
        ]

    assert schema("2026-07-28") == LIST_SCHEMA
    assert schema("2025-06-18") == {
        "type": "object",
        "properties": {"result": {"type": "array", "items": {"$ref": "#/$defs/Row"}}},
        "required": ["result"],
        "$defs": {"Row": {}},
    }


@pytest.mark.parametrize(
    ("version", "is_object", "structured"),
    [
        ("2026-07-28", True, {"a": 1}),
        ("2026-07-28", False, [1]),
        ("2025-11-25", True, {"a": 1}),
        ("2025-11-25", False, {"result": [1]}),
        ("2025-06-18", False, {"result": [1]}),
        ("2025-03-26", True, None),
        ("2025-03-26", False, None),
    ],
)
def test_structured_content_fits_the_version(
    results: Results, version: str, is_object: bool, structured: Any
) -> None:
    encoded = b'{"a":1}' if is_object else b"[1]"
    content = Content((encoded.decode(),), structured=encoded, is_object=is_object)
    answer = plain(results.call(content, version))
    assert answer["content"] == [{"type": "text", "text": encoded.decode()}]
    assert answer["isError"] is False
    assert answer.get("structuredContent") == structured
    assert (answer.get("resultType") == "complete") == (version == "2026-07-28")
    assert "ttlMs" not in answer
    assert "cacheScope" not in answer


@pytest.mark.parametrize("version", SUPPORTED)
def test_an_empty_result_is_empty_but_for_the_modern_envelope(
    results: Results, version: str
) -> None:
    modern = {"resultType", "_meta"} if version == "2026-07-28" else set()
    assert set(plain(results.empty(version))) == modern
