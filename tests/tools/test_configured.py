"""`McpResources` and `McpPrompts`: content from files and from tools."""

import base64
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.problems import ConfigurationError
from shared.endpoint import Endpoint
from tests.support import OPS_KEY, READER_KEY, ask, endpoint_for

RESOURCES = {
    "Resources": [
        {"Uri": "docs://guide", "Name": "Guide", "Path": "guide.md", "MimeType": "text/markdown"},
        {"Uri": "docs://logo", "Name": "Logo", "Source": "file", "Path": "images/logo.png"},
        {
            "Uri": "host://nothing",
            "Name": "Nothing",
            "Description": "What a tool returns.",
            "Source": "command",
            "Command": "Nothing-Secret",
        },
    ]
}
PROMPTS = {
    "Prompts": [
        {
            "Name": "review",
            "Description": "Review code.",
            "Path": "review.txt",
            "Arguments": [
                {"Name": "code", "Description": "The code.", "Required": True},
                {"Name": "focus"},
            ],
        },
        {
            "Name": "welcome",
            "Source": "command",
            "Command": "Greet",
            "Arguments": [{"Name": "name", "Required": True}],
        },
    ]
}
TOOLS = '''
from shared.tools import tool


@tool
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


@tool(destructive=True)
def wipe() -> str:
    """Wipe everything."""
    return "wiped"


@tool(roles=["ops"])
def nothing_secret() -> dict[str, int]:
    """Count secrets."""
    return {"secrets": 0}
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "resources" / "images").mkdir(parents=True)
    (tmp_path / "resources" / "guide.md").write_text("# Guide")
    (tmp_path / "resources" / "images" / "logo.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / "resources" / "appsettings.json").write_text("{}")
    (tmp_path / "resources" / "out").symlink_to("/etc/hostname")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "review.txt").write_text("Review {{code}} for {{ focus }}.")
    (tmp_path / "prompts" / "odd.txt").write_text("{{nobody}}")
    (tmp_path / "secret.txt").write_text("secret")
    package = tmp_path / f"configured_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "greeting.py").write_text(TOOLS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def build(folder: Path, resources: Any = None, prompts: Any = None) -> Endpoint:
    changes = {"McpResources": resources or {}, "McpPrompts": prompts or {}}
    return endpoint_for(folder, changes, package=f"configured_{folder.name}")


async def read(endpoint: Endpoint, uri: str, key: str = READER_KEY) -> Any:
    return await ask(
        endpoint,
        "resources/read",
        {"uri": uri},
        key=key,
        headers={"mcp-protocol-version": "2025-11-25"},
    )


async def test_a_file_is_read_as_it_is_now(folder: Path) -> None:
    endpoint = build(folder, RESOURCES)
    guide = await read(endpoint, "docs://guide")
    assert guide["result"]["contents"] == [
        {"uri": "docs://guide", "mimeType": "text/markdown", "text": "# Guide"}
    ]
    (folder / "resources" / "guide.md").write_text("# New")
    assert (await read(endpoint, "docs://guide"))["result"]["contents"][0]["text"] == "# New"
    logo = (await read(endpoint, "docs://logo"))["result"]["contents"][0]
    assert logo["mimeType"] == "application/octet-stream"
    assert base64.b64decode(logo["blob"]) == b"\x89PNG\xff"


async def test_what_a_tool_returns_asks_what_the_tool_asks(folder: Path) -> None:
    endpoint = build(folder, RESOURCES)
    assert (await read(endpoint, "host://nothing"))["error"]["code"] == -32002
    result = (await read(endpoint, "host://nothing", OPS_KEY))["result"]
    assert result["contents"][0]["text"] == '{"secrets":0}'
    for key, names in ((READER_KEY, ["Guide", "Logo"]), (OPS_KEY, ["Guide", "Logo", "Nothing"])):
        listed = (await ask(endpoint, "resources/list", key=key))["result"]["resources"]
        assert [resource["name"] for resource in listed] == names


async def test_a_file_that_becomes_a_link_is_not_followed(folder: Path) -> None:
    endpoint = build(folder, RESOURCES)
    (folder / "resources" / "guide.md").unlink()
    (folder / "resources" / "guide.md").symlink_to(folder / "secret.txt")
    error = (await read(endpoint, "docs://guide"))["error"]
    assert error["code"] == -32603
    assert "secret" not in error["message"]


async def test_the_blanks_of_a_file_are_a_prompts_arguments(folder: Path) -> None:
    endpoint = build(folder, prompts=PROMPTS)
    prompts = (await ask(endpoint, "prompts/list"))["result"]["prompts"]
    assert [prompt["name"] for prompt in prompts] == ["review", "welcome"]
    assert prompts[0]["arguments"] == [
        {"name": "code", "description": "The code.", "required": True},
        {"name": "focus", "description": "focus", "required": False},
    ]
    given = {"code": "a = {{focus}}", "focus": "speed"}
    got = await ask(endpoint, "prompts/get", {"name": "review", "arguments": given})
    text = got["result"]["messages"][0]["content"]["text"]
    assert text == "Review a = {{focus}} for speed."
    missing = await ask(endpoint, "prompts/get", {"name": "review"})
    assert missing["error"]["message"] == "code: missing; expected a string"


async def test_a_prompt_may_be_what_a_tool_says(folder: Path) -> None:
    endpoint = build(folder, prompts=PROMPTS)
    given = {"name": "welcome", "arguments": {"name": "Ada"}}
    got = await ask(endpoint, "prompts/get", given)
    assert got["result"]["messages"][0]["content"]["text"] == "Hello, Ada!"


def resource(**entry: Any) -> dict[str, Any]:
    return {"Resources": [{"Uri": "docs://x", "Name": "X", **entry}]}


def prompt(**entry: Any) -> dict[str, Any]:
    return {"Prompts": [{"Name": "x", **entry}]}


@pytest.mark.parametrize(
    ("resources", "prompts", "words"),
    [
        (resource(), None, "Path (settings.json"),
        (resource(Path="../secret.txt"), None, "lies outside resources/"),
        (resource(Path="/etc/passwd"), None, "lies outside resources/"),
        (resource(Path="out"), None, "lies outside resources/"),
        (resource(Path="nothing.md"), None, "there is no such file"),
        (resource(Path="images"), None, "there is no such file"),
        (resource(Path="appsettings.json"), None, "never exposed"),
        ({**resource(Path="secret.txt"), "Folder": "nowhere"}, None, "no such file in nowhere/"),
        (resource(Uri="no uri", Path="guide.md"), None, "expected a URI"),
        (resource(Uri="docs://{x}", Path="guide.md"), None, "has no variables"),
        (resource(Source="command"), None, "expected the name of a tool"),
        (resource(Source="command", Command="Gret"), None, "did you mean greet?"),
        (resource(Source="command", Command="greet"), None, "greet needs arguments"),
        (resource(Source="command", Command="wipe"), None, "wipe is destructive"),
        (None, prompt(Source="command", Command="wipe"), "wipe is destructive"),
        (resource(Source="web", Path="x"), None, '"command" or "file"'),
        (
            {"Resources": [*resource(Path="guide.md")["Resources"]] * 2},
            None,
            "docs://x is offered already",
        ),
        (None, prompt(Path="odd.txt"), "{{nobody}}"),
        (None, prompt(Source="command", Command="nothing_secret"), "does not return text"),
        (
            None,
            prompt(Source="command", Command="greet", Arguments=[{"Name": "nam"}]),
            "nam is no parameter of greet",
        ),
    ],
)
def test_what_cannot_be_offered_is_refused_with_its_place(
    folder: Path, resources: Any, prompts: Any, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(folder, resources, prompts)
    assert words in str(caught.value)
