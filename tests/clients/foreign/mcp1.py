"""Python `mcp` 1.x, which speaks the legacy era.

Imported by name: the environment of the type checker has 2.x.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from tests.clients.foreign.steps import CAP, Called, Tell, run


class Adapter:
    def __init__(self, session: Any, protocol: str) -> None:
        self.session = session
        self.protocol = protocol

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any], tell: Tell | None) -> Called:
        result = await self.session.call_tool(name, arguments, progress_callback=tell)
        return Called(result.isError, result.structuredContent, result.content[0].text)

    async def resources(self) -> list[str]:
        return [str(found.uri) for found in (await self.session.list_resources()).resources]

    async def read(self, uri: str) -> str:
        contents = (await self.session.read_resource(uri)).contents
        return str(contents[0].text)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        messages = (await self.session.get_prompt(name, arguments)).messages
        return str(messages[0].content.text)

    async def complete(self, prompt: str, argument: str, value: str) -> list[str]:
        reference = import_module("mcp.types").PromptReference(type="ref/prompt", name=prompt)
        answer = await self.session.complete(reference, {"name": argument, "value": value})
        return list(answer.completion.values)


@asynccontextmanager
async def connect(
    url: str, headers: dict[str, str], modern: bool, auth: Any = None
) -> AsyncIterator[Adapter]:
    mcp = import_module("mcp")
    transport = import_module("mcp.client.streamable_http")
    http = import_module("httpx").AsyncClient(headers=headers, auth=auth, timeout=CAP)
    async with (
        http,
        transport.streamable_http_client(url, http_client=http) as (incoming, outgoing, _),
        mcp.ClientSession(incoming, outgoing) as session,
    ):
        answer = await session.initialize()
        yield Adapter(session, answer.protocolVersion)


if __name__ == "__main__":
    run("mcp", connect)
