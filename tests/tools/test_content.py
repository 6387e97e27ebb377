"""Tools that return content blocks."""

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import mcp_types
import pytest

from shared.protocol.versions import SUPPORTED
from shared.tools import Meta
from shared.tools.content import (
    Block,
    Contents,
    Image,
    Text,
    is_content,
)
from tests.support import ask, endpoint_for

TOOLSET = '''
from shared.tools import tool
from shared.tools.content import *

@tool
def picture() -> Image:
    """Draw."""
    return Image(b"png", "image/png")

@tool
async def everything() -> list[Block]:
    """Send one of each."""
    return [
        Text("hello"),
        Image(b"png", "image/png"),
        Audio(b"wav", "audio/wav"),
        ResourceLink("notes:1", "one", title="One"),
        EmbeddedResource(Contents(uri="notes:2", text="two", mime_type="text/plain")),
        EmbeddedResource(Contents(uri="notes:3", blob=b"three")),
    ]

@tool
def too_much() -> list[Image]:
    """Send more than fits."""
    return [Image(b"x" * 2000, "image/png")]

@tool
def wrong() -> list[Text]:
    """Return what is no block."""
    return ["text"]
'''


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    package = tmp_path / f"content_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "drawing.py").write_text(TOOLSET)
    monkeypatch.syspath_prepend(str(tmp_path))
    return endpoint_for(tmp_path, {"Server": {"MaxResultBytes": 1024}}, package=package.name)


async def result_of(endpoint: Any, tool: str, version: str) -> Any:
    modern = version == "2026-07-28"
    headers = {} if modern else {"mcp-protocol-version": version}
    answer = await ask(endpoint, "tools/call", {"name": tool}, modern=modern, headers=headers)
    mcp_types.CallToolResult.model_validate(answer["result"])
    return answer["result"]


@pytest.mark.parametrize("version", SUPPORTED)
async def test_every_block_has_the_form_of_its_version(endpoint: Any, version: str) -> None:
    result = await result_of(endpoint, "everything", version)
    assert "structuredContent" not in result
    text, image, audio, link, embedded, blob = result["content"]
    assert text == {"type": "text", "text": "hello"}
    assert (image["mimeType"], base64.b64decode(image["data"])) == ("image/png", b"png")
    assert (audio["type"], base64.b64decode(audio["data"])) == ("audio", b"wav")
    if version == "2025-03-26":
        assert link == {"type": "text", "text": "One: notes:1"}
    else:
        assert link == {"type": "resource_link", "uri": "notes:1", "name": "one", "title": "One"}
    assert embedded["resource"] == {"uri": "notes:2", "text": "two", "mimeType": "text/plain"}
    assert base64.b64decode(blob["resource"]["blob"]) == b"three"


async def test_one_block_needs_no_list_and_declares_no_output_schema(endpoint: Any) -> None:
    result = await result_of(endpoint, "picture", "2026-07-28")
    assert [block["type"] for block in result["content"]] == ["image"]
    listed = await ask(endpoint, "tools/list", modern=True)
    assert not any("outputSchema" in tool for tool in listed["result"]["tools"])


async def test_blocks_above_the_limit_are_refused_not_cut(endpoint: Any) -> None:
    result = await result_of(endpoint, "too_much", "2026-07-28")
    assert result["isError"]
    assert "larger than 1,024 bytes" in json.dumps(result["content"])


async def test_what_is_no_block_is_a_failure(endpoint: Any) -> None:
    result = await result_of(endpoint, "wrong", "2026-07-28")
    assert result["isError"]
    assert "wrong failed" in result["content"][0]["text"]


@pytest.mark.parametrize("given", [{}, {"text": "a", "blob": b"b"}])
def test_contents_are_text_or_bytes(given: Any) -> None:
    with pytest.raises(ValueError, match="one of the two"):
        Contents(uri="x:1", **given)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Text, True),
        (list[Image], True),
        (Block, True),
        (list[Text | Image], True),
        (Annotated[list[Text], Meta(description="x")], True),
        (str, False),
        (list[str], False),
        (dict[str, Text], False),
        (Text | str, False),
        (Text | None, False),
        (list[list[Text]], False),
        (Any, False),
    ],
)
def test_blocks_are_told_from_data_by_the_annotation(annotation: Any, expected: bool) -> None:
    assert is_content(annotation) is expected
