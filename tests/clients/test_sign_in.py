"""The official Python client signs in: 401, metadata, the sign-in page, tools."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import httpx2
import mcp
import pytest
from mcp.client.streamable_http import streamable_http_client

from tests.clients.signing_in import Person, provider
from tests.commands.support import copy_of_the_project, running
from tests.support import write_configuration

CONFIGURATION = {
    "Authentication": {
        "Enabled": True,
        "DefaultScheme": "Bearer",
        "DefaultPolicy": {"RequiredScopes": ["tools.read"]},
        "Schemes": {"Bearer": {"Type": "JwtBearer", "Authority": "development"}},
    },
    "PowerShellConfiguration": {
        "FunctionOverrides": {
            "Get-Process": {"RequiredScopes": ["tools.read", "processes.read"]},
            "Get-Service": {"RequiredRoles": ["ops"]},
        }
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`manage.py run` with the development identity beside it."""
    folder = tmp_path_factory.mktemp("signing-in")
    file = write_configuration(folder, CONFIGURATION)
    project = copy_of_the_project(folder / "project")
    with running(project, "run", "--port", "0", "--json", "--config", str(file)) as started:
        yield started.json


@asynccontextmanager
async def signed_in(
    server: Any, person: Person, mode: Literal["auto", "legacy"]
) -> AsyncIterator[mcp.Client]:
    auth = provider(server["url"], server["clientId"], person)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30, trust_env=False) as http,
        mcp.Client(streamable_http_client(server["url"], http_client=http), mode=mode) as client,
    ):
        yield client


def asked(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def scopes(url: str) -> set[str]:
    """The scopes asked for, but for the one that asks for a refresh token."""
    return set(asked(url)["scope"].split()) - {"offline_access"}


MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])


@MODES
async def test_from_nothing_to_the_tools(server: Any, mode: Literal["auto", "legacy"]) -> None:
    person = Person("alma@postern.example")
    async with signed_in(server, person, mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        who = await client.call_tool("whoami", {})
    assert tools == ["get_process", "get_service", "get_endpoint_status", "whoami"]
    assert isinstance(who.structured_content, dict)
    assert (who.structured_content["kind"], who.structured_content["name"]) == (
        "user",
        "Alma Adler",
    )
    (opened,) = person.opened
    assert asked(opened)["resource"] == server["url"]
    assert scopes(opened) == {f"{server['url']}/tools.read"}
    assert asked(opened)["code_challenge_method"] == "S256"


@MODES
async def test_what_needs_more_is_asked_for_when_it_is_called(
    server: Any, mode: Literal["auto", "legacy"]
) -> None:
    person = Person("bruno@postern.example")
    async with signed_in(server, person, mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert "get_process" in tools
        assert "get_service" not in tools, "no scope would give him the role"
        assert len(person.opened) == 1
        result = await client.call_tool("get_process", {"limit": 1})
    assert not result.is_error
    first, second = (scopes(url) for url in person.opened)
    url = server["url"]
    assert first == {f"{url}/tools.read"}
    assert second == {f"{url}/tools.read", f"{url}/processes.read"}


async def test_who_may_not_sign_in_is_told_why(server: Any) -> None:
    with pytest.raises((ExceptionGroup, mcp.MCPError, PermissionError)) as caught:
        async with signed_in(server, Person("dario@postern.example"), "auto") as client:
            await client.list_tools()
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert "AADSTS50105" in str(error)
