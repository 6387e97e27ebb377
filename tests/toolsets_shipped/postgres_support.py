"""Callers, tokens and settings for the tests of the PostgreSQL toolset."""

import asyncio
import dataclasses
import time
from typing import Any

from azure.core.credentials import AccessToken

from shared.caller import Caller
from shared.tools import ToolContext
from shared.tools.testing import context_for_tests
from tests.fakes.postgres_server import PostgresServer
from toolsets._postgres_settings import Server, Settings

SCOPE = "https://ossrdbms-aad.database.windows.net/.default"
# As long as Entra's are.
TOKENS = {
    role: f"eyJ0eXAiOiJKV1QifQ.{role}{'x' * 1900}.signature"
    for role in ("reader", "other", "writer", "loose", "boss")
}


class Token:
    """A credential that has one token. `asked` are the scopes it was asked for."""

    def __init__(self, token: str, seconds: float = 3600) -> None:
        self.token = token
        self.expires_at = int(time.time() + seconds)
        self.asked: list[str] = []

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.asked += scopes
        return AccessToken(self.token, self.expires_at)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> "Token":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def settings_for(shop: PostgresServer, *, server: Any = None, **settings: Any) -> Settings:
    """Settings with the server `shop` and its database of the same name."""
    given = {
        "host": "localhost",
        "port": shop.port,
        "databases": ["shop", "closed", "gone"],
        "ssl_root_cert": str(shop.ca),
    }
    return Settings({"shop": Server(**given | (server or {}))}, **settings)


def context_of(
    shop: PostgresServer,
    role: str = "reader",
    *,
    server: Any = None,
    seconds: float = 30.0,
    credential: Token | None = None,
    caller: Caller | None = None,
    **settings: Any,
) -> ToolContext[Settings]:
    """The context of a call by somebody whose role is `role` and whose token is that role's."""
    context = context_for_tests(
        settings=settings_for(shop, server=server, **settings),
        seconds=seconds,
        credential=credential or Token(TOKENS[role]),
    )
    somebody = dataclasses.replace(context.caller, name=role, object_id=f"oid-{role}")
    return dataclasses.replace(context, caller=caller or somebody)


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Wait for something outside of this process to become true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
