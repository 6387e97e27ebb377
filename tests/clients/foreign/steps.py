"""The steps that every Python client takes. Runs in that client's own environment.

Prints a JSON line with the client's version, then one for each step.
"""

import asyncio
import importlib.metadata
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, NamedTuple, Protocol

from tests.clients.signing_in import Person, provider

CAP = 20
"""Seconds that a step may take."""


class Tell(Protocol):
    """What a client calls when a tool says how far it is."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


class Called(NamedTuple):
    """What a tool answered."""

    is_error: bool
    structured: Any
    text: str


class Client(Protocol):
    """A connected client, its answers reduced to plain values."""

    protocol: str

    async def tools(self) -> list[str]: ...
    async def call(self, name: str, arguments: dict[str, Any], tell: Tell | None) -> Called: ...
    async def resources(self) -> list[str]: ...
    async def read(self, uri: str) -> str: ...
    async def prompt(self, name: str, arguments: dict[str, str]) -> str: ...
    async def complete(self, prompt: str, argument: str, value: str) -> list[str]: ...


class Connect(Protocol):
    """Connect to a URL with headers, in the modern era or the legacy one; or with `auth`, an OAuth
    provider."""

    def __call__(
        self, url: str, headers: dict[str, str], modern: bool, auth: Any = None
    ) -> AbstractAsyncContextManager[Client]: ...


def expect(actual: Any, expected: Any) -> None:
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


async def list_tools(client: Client) -> None:
    expect(sorted(await client.tools()), ["count", "delete", "forecast"])


async def call(client: Client) -> None:
    rows = [{"day": 1, "celsius": 4.0}, {"day": 2, "celsius": 4.0}]
    called = await client.call("forecast", {"city": "Oslo", "days": 2}, None)
    expect(called.is_error, False)
    expect(json.loads(called.text), rows)
    expect(called.structured, rows if client.protocol >= "2026" else {"result": rows})


async def progress(client: Client) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    called = await client.call("count", {"steps": 3}, tell)
    expect(called.text, "counted")
    expect(told, [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")])


async def argument_error(client: Client) -> None:
    called = await client.call("forecast", {"city": "Oslo", "days": 50}, None)
    expect(called.is_error, True)
    expect(called.text, "days: 50 is too large; expected an integer from 1 to 7")


async def confirm(client: Client) -> None:
    """The person agrees, where the version lets the endpoint ask; else the tool says why not."""
    called = await client.call("delete", {"name": "x"}, None)
    if client.protocol >= "2026":
        expect(called.text, "deleted x")
    else:
        expect((called.is_error, "2026-07-28" in called.text), (True, True))


async def read(client: Client) -> None:
    expect(await client.resources(), ["notes://welcome"])
    expect(await client.read("notes://welcome"), "# Welcome")


async def prompt(client: Client) -> None:
    text = await client.prompt("travel", {"city": "Oslo", "days": "2"})
    expect(text, "Plan 2 days in Oslo.")


async def complete(client: Client) -> None:
    expect(await client.complete("travel", "city", "Ber"), ["Berlin", "Bergen", "Bern"])


STEPS: dict[str, Callable[[Client], Awaitable[None]]] = {
    "list tools": list_tools,
    "call": call,
    "progress": progress,
    "argument error": argument_error,
    "confirm": confirm,
    "resource": read,
    "prompt": prompt,
    "complete": complete,
}


SIGN_IN = "sign in"
"""The step on a connection of its own: from a 401 to the tools, as one of the invented users."""


async def sign_in(connect: Connect, modern: bool) -> None:
    person = Person("alma@postern.example")
    url, client_id = os.environ["SIGN_IN_URL"], os.environ["SIGN_IN_CLIENT_ID"]
    async with connect(url, {}, modern, provider(url, client_id, person)) as client:
        expect("whoami" in await client.tools(), True)
        who = await client.call("whoami", {}, None)
    expect(json.loads(who.text)["name"], "Alma Adler")
    expect(len(person.opened), 1)


def say(**members: str) -> None:
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()


def reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def take(connect: Connect) -> None:
    headers = {"X-API-Key": os.environ["CLIENT_KEY"]}
    modern = os.environ["CLIENT_ERA"] == "modern"
    step = "connect"
    try:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(CAP):
                client = await stack.enter_async_context(
                    connect(os.environ["CLIENT_URL"], headers, modern)
                )
            say(step=step, result="ok", protocol=client.protocol)
            for step, check in STEPS.items():
                try:
                    async with asyncio.timeout(CAP):
                        await check(client)
                except Exception as error:
                    say(step=step, result="FAILED", reason=reason(error))
                else:
                    say(step=step, result="ok")
            step = "close"
        step = SIGN_IN
        async with asyncio.timeout(CAP):
            await sign_in(connect, modern)
        say(step=step, result="ok")
    except Exception as error:
        say(step=step, result="FAILED", reason=reason(error))


def run(package: str, connect: Connect) -> None:
    """Take every step with the client that `connect` makes."""
    say(version=importlib.metadata.version(package))
    asyncio.run(take(connect))
