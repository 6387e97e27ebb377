"""The official Python client (`mcp` 2.x), in its 2026-07-28 and its 2025 mode."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx2
import mcp
import mcp_types
import pytest
from mcp.client.streamable_http import streamable_http_client

from tests.serving import Server, serving
from tests.support import OPS_KEY, READER_KEY, configured, write_configuration

Mode = Literal["auto", "legacy", "2026-07-28"]
MODES: list[Mode] = ["auto", "legacy", "2026-07-28"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    overrides = {"FunctionOverrides": {"Get-Service": {"RequiredRoles": ["ops"]}}}
    configuration = configured({"PowerShellConfiguration": overrides, "Server": {"PageSize": 2}})
    folder = tmp_path_factory.mktemp("client")
    with serving(write_configuration(folder, configuration), "toolsets") as running:
        yield running


@asynccontextmanager
async def connected(server: Server, mode: Mode, key: str = READER_KEY) -> AsyncIterator[mcp.Client]:
    async with (
        httpx2.AsyncClient(headers={"X-API-Key": key}, timeout=30) as http,
        mcp.Client(streamable_http_client(server.url, http_client=http), mode=mode) as client,
    ):
        yield client


async def tool_names(client: mcp.Client) -> list[str]:
    names: list[str] = []
    cursor = None
    while True:
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return names


@pytest.mark.parametrize("mode", MODES)
async def test_the_client_lists_and_calls(server: Server, mode: Mode) -> None:
    async with connected(server, mode) as client:
        assert await tool_names(client) == ["get_process", "get_endpoint_status", "whoami"]
        result = await client.call_tool("get_process", {"limit": 2, "sort": "id"})
    assert not result.is_error
    rows = result.structured_content
    if mode == "legacy":
        assert isinstance(rows, dict)
        rows = rows["result"]
    assert isinstance(rows, list)
    assert len(rows) == 2
    assert rows[0]["id"] < rows[1]["id"]


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_the_version_is_agreed_on(server: Server, mode: Mode, version: str) -> None:
    async with connected(server, mode) as client:
        assert client.session.protocol_version == version


@pytest.mark.parametrize("mode", MODES)
async def test_bad_arguments_come_back_as_text_the_model_can_act_on(
    server: Server, mode: Mode
) -> None:
    async with connected(server, mode) as client:
        result = await client.call_tool("get_process", {"limit": 5000, "nam": "x"})
    assert result.is_error
    text = result.content[0].text  # type: ignore[union-attr]
    assert text == (
        "limit: 5000 is too large; expected an integer from 1 to 500\n"
        "nam: unknown; did you mean name?"
    )


@pytest.mark.parametrize("mode", MODES)
async def test_a_reserved_tool_is_hidden_from_one_key_and_shown_to_another(
    server: Server, mode: Mode
) -> None:
    async with connected(server, mode) as reader:
        with pytest.raises(mcp.MCPError, match="Unknown tool: get_service"):
            await reader.call_tool("get_service", {})
    async with connected(server, mode, OPS_KEY) as ops:
        assert "get_service" in await tool_names(ops)
        who = await ops.call_tool("whoami", {})
    assert isinstance(who.structured_content, dict)
    assert who.structured_content["roles"] == ["ops", "reader"]
    assert who.structured_content["principal"] == "key/ApiKey-2"


@pytest.mark.parametrize("mode", MODES)
async def test_a_wrong_key_gets_nowhere(server: Server, mode: Mode) -> None:
    with pytest.raises((ExceptionGroup, mcp.MCPError, httpx2.HTTPError)):
        async with connected(server, mode, "wrong") as client:
            await client.list_tools()


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("counting")
    with serving(write_configuration(folder, configured()), "tests.progress_toolsets") as running:
        yield running


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tool", ["count", "count_in_thread"])
async def test_the_client_sees_the_work_progress(counting: Server, mode: Mode, tool: str) -> None:
    told: list[tuple[float, float | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    async with connected(counting, mode) as client:
        result = await client.call_tool(tool, {"steps": 3}, progress_callback=tell)
    assert not result.is_error
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("library")
    with serving(write_configuration(folder, configured()), "tests.library_toolsets") as running:
        yield running


@pytest.mark.parametrize("mode", MODES)
async def test_the_client_reads_resources_and_gets_prompts(library: Server, mode: Mode) -> None:
    async with connected(library, mode) as client:
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        prompts = (await client.list_prompts()).prompts
        welcome = await client.read_resource("notes://welcome")
        invoice = await client.read_resource("invoices://C-1/42")
        weather = await client.get_prompt("weather", {"city": "Oslo"})
        city = await client.complete(
            mcp_types.PromptReference(type="ref/prompt", name="travel"),
            {"name": "city", "value": "Ber"},
        )
        with pytest.raises(mcp.MCPError, match="Resource not found"):
            await client.read_resource("notes://secret")
    assert "notes://welcome" in [str(resource.uri) for resource in resources]
    assert [t.uri_template for t in templates] == ["invoices://{customer}/{number}"]
    assert [prompt.name for prompt in prompts] == ["weather", "travel"]
    assert welcome.contents[0].text == "# Welcome"  # type: ignore[union-attr]
    assert invoice.contents[0].text == '{"number":42,"total":10.0}'  # type: ignore[union-attr]
    assert weather.messages[0].content.text.startswith("What is the weather in Oslo")  # type: ignore[union-attr]
    assert city.completion.values == ["Berlin", "Bergen", "Bern"]


@pytest.mark.parametrize(("agrees", "text"), [(True, "deleted x"), (False, "kept")])
async def test_the_client_asks_its_person(
    tmp_path_factory: pytest.TempPathFactory, agrees: bool, text: str
) -> None:
    asked: list[str] = []

    async def ask(context: Any, params: Any) -> mcp_types.ElicitResult:
        asked.append(params.message)
        return mcp_types.ElicitResult(action="accept", content={"confirm": agrees})

    key = f"k1:{base64.urlsafe_b64encode(bytes(32)).decode()}"
    configuration = configured({"Server": {"ConfirmationKeys": [key]}})
    file = write_configuration(tmp_path_factory.mktemp("asking"), configuration)
    with serving(file, "tests.asking_toolsets") as server:
        async with (
            httpx2.AsyncClient(headers={"X-API-Key": READER_KEY}, timeout=30) as http,
            mcp.Client(
                streamable_http_client(server.url, http_client=http), elicitation_callback=ask
            ) as client,
        ):
            result = await client.call_tool("delete", {"name": "x"})
    assert asked == ["Delete x?"]
    assert result.content[0].text == text  # type: ignore[union-attr]
