"""Python `mcp` 2.x, which speaks both eras."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp
import mcp_types
from mcp.client.streamable_http import streamable_http_client

from tests.clients.foreign.steps import CAP, Called, Tell, run


class Adapter:
    def __init__(self, client: mcp.Client) -> None:
        self.client = client
        self.protocol = client.protocol_version

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any], tell: Tell | None) -> Called:
        result = await self.client.call_tool(name, arguments, progress_callback=tell)
        text = result.content[0]
        assert isinstance(text, mcp_types.TextContent)
        return Called(result.is_error, result.structured_content, text.text)

    async def resources(self) -> list[str]:
        return [str(found.uri) for found in (await self.client.list_resources()).resources]

    async def read(self, uri: str) -> str:
        contents = (await self.client.read_resource(uri)).contents[0]
        assert isinstance(contents, mcp_types.TextResourceContents)
        return contents.text

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        text = (await self.client.get_prompt(name, arguments)).messages[0].content
        assert isinstance(text, mcp_types.TextContent)
        return text.text

    async def complete(self, prompt: str, argument: str, value: str) -> list[str]:
        reference = mcp_types.PromptReference(type="ref/prompt", name=prompt)
        answer = await self.client.complete(reference, {"name": argument, "value": value})
        return answer.completion.values


async def agree(context: Any, params: Any) -> mcp_types.ElicitResult:
    return mcp_types.ElicitResult(action="accept", content={"confirm": True})


@asynccontextmanager
async def connect(
    url: str, headers: dict[str, str], modern: bool, auth: Any = None
) -> AsyncIterator[Adapter]:
    async with (
        httpx2.AsyncClient(headers=headers, auth=auth, timeout=CAP) as http,
        mcp.Client(
            streamable_http_client(url, http_client=http),
            mode="auto" if modern else "legacy",
            elicitation_callback=agree,
        ) as client,
    ):
        yield Adapter(client)


if __name__ == "__main__":
    run("mcp", connect)
