"""Python `fastmcp` 4.x, which speaks both eras.

Imported by name: it has an environment of its own, which the type checker does not see.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from tests.clients.foreign.steps import CAP, Called, Tell, run


class Adapter:
    def __init__(self, client: Any) -> None:
        self.client = client
        self.protocol = str(client.protocol_version)

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, name: str, arguments: dict[str, Any], tell: Tell | None) -> Called:
        result = await self.client.call_tool(
            name, arguments, progress_handler=tell, raise_on_error=False
        )
        return Called(result.is_error, result.structured_content, result.content[0].text)

    async def resources(self) -> list[str]:
        return [str(found.uri) for found in await self.client.list_resources()]

    async def read(self, uri: str) -> str:
        contents = await self.client.read_resource(uri)
        return str(contents[0].text)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        messages = (await self.client.get_prompt(name, arguments)).messages
        return str(messages[0].content.text)

    async def complete(self, prompt: str, argument: str, value: str) -> list[str]:
        reference = import_module("mcp_types").PromptReference(type="ref/prompt", name=prompt)
        answer = await self.client.complete(reference, {"name": argument, "value": value})
        return list(answer.values)


async def agree(message: str, response_type: Any, params: Any, context: Any) -> dict[str, bool]:
    return {"confirm": True}


@asynccontextmanager
async def connect(
    url: str, headers: dict[str, str], modern: bool, auth: Any = None
) -> AsyncIterator[Adapter]:
    fastmcp = import_module("fastmcp")
    transport = import_module("fastmcp.client.transports").StreamableHttpTransport(
        url, headers, auth
    )
    mode = "auto" if modern else "legacy"
    async with fastmcp.Client(
        transport, timeout=CAP, mode=mode, elicitation_handler=agree
    ) as client:
        yield Adapter(client)


if __name__ == "__main__":
    run("fastmcp", connect)
