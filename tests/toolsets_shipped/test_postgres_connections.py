"""A connection belongs to one caller, one token and one role, and leaves nothing behind."""

import asyncio
import dataclasses
import gc
import warnings
from typing import Any

import pytest

from shared.tools import ToolError
from tests.fakes.postgres_server import PostgresServer
from tests.toolsets_shipped.conftest import shop_of
from tests.toolsets_shipped.postgres_support import TOKENS, Token, context_of, until
from toolsets import _postgres_driver as driver
from toolsets._postgres_connections import Connections, Key, Limits
from toolsets._postgres_session import session
from toolsets.postgres import postgres_query

OPEN = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postern'"
WHO = "SELECT current_user, pg_backend_pid()"


async def who(shop: PostgresServer, role: str = "reader", **context: Any) -> tuple[str, int]:
    """The role of a call and the process of the server that served it."""
    rows = await postgres_query("shop", "shop", WHO, context_of(shop, role, **context))
    name, process = rows.rows[0]
    return str(name), int(str(process))


def open_connections(shop: PostgresServer) -> int:
    """As the server sees it, which takes a moment to notice that one was closed."""
    return int(shop.run(OPEN)[0][0])


def open_here() -> int:
    """As this process sees it."""
    return sum(type(one) is driver.Connection and not one.closed for one in gc.get_objects())


async def test_a_caller_gets_the_same_connection_again(shop: PostgresServer) -> None:
    assert await who(shop) == await who(shop)
    await until(lambda: open_connections(shop) == 1)


async def test_callers_get_no_connection_of_each_other(shop: PostgresServer) -> None:
    somebody = context_of(shop).caller
    other = dataclasses.replace(somebody, object_id="another")
    elsewhere = dataclasses.replace(somebody, scheme="other-scheme")
    processes = [
        (await who(shop, server={"user": "reader"}, caller=caller))[1]
        for caller in (somebody, other, elsewhere, somebody)
    ]
    assert len(set(processes)) == 3
    assert processes[0] == processes[3]


async def test_a_new_token_is_a_new_connection(shop: PostgresServer) -> None:
    _, first = await who(shop)
    shop.give_token("reader", "another-token")
    try:
        _, second = await who(shop, credential=Token("another-token"))
    finally:
        shop.give_token("reader", TOKENS["reader"])
    assert first != second
    assert (await who(shop))[1] == first


async def test_under_concurrency_every_call_runs_as_its_own_caller(shop: PostgresServer) -> None:
    """Few connections for many callers, so that they are taken, evicted and opened anew."""
    roles = ["reader", "other", "writer", "loose"] * 12
    limits: dict[str, Any] = {"max_connections": 3, "max_connections_per_caller": 2}
    served: dict[int, set[str]] = {}

    async def call(role: str) -> None:
        name, process = await who(shop, role, **limits)
        assert name == role
        served.setdefault(process, set()).add(role)

    await asyncio.gather(*(call(role) for role in roles))
    assert all(len(roles) == 1 for roles in served.values())
    await until(lambda: open_connections(shop) <= 3)


async def test_there_are_never_more_connections_than_allowed(shop: PostgresServer) -> None:
    most = 0
    limits: dict[str, Any] = {"max_connections": 2, "max_connections_per_caller": 1}

    async def call(role: str) -> None:
        nonlocal most
        async with session(context_of(shop, role, **limits), "shop", "shop"):
            most = max(most, open_here())

    roles = ["reader", "reader", "other", "writer", "loose"]
    await asyncio.gather(*(call(role) for role in roles))
    assert most == 2


async def test_a_call_that_finds_no_room_in_time_says_so(shop: PostgresServer) -> None:
    limits: dict[str, Any] = {"max_connections": 1}
    async with session(context_of(shop, **limits), "shop", "shop"):
        with pytest.raises(ToolError, match="did not finish in the time of this call"):
            await who(shop, "other", seconds=0.5, **limits)
    assert (await who(shop, "other", **limits))[0] == "other"


async def test_the_longest_unused_makes_room(shop: PostgresServer) -> None:
    limits: dict[str, Any] = {"max_connections": 2}
    reader = await who(shop, "reader", **limits)
    other = await who(shop, "other", **limits)
    assert await who(shop, "reader", **limits) == reader
    await who(shop, "writer", **limits)
    assert await who(shop, "reader", **limits) == reader
    assert await who(shop, "other", **limits) != other


async def test_a_connection_is_handed_on_as_if_it_were_new(shop: PostgresServer) -> None:
    async with session(context_of(shop), "shop", "shop") as connection:
        before = connection.info.backend_pid
        await connection.execute("SET timezone = 'Asia/Tokyo'")
        await connection.execute("SELECT set_config('app.tenant', '7', false)")
        await connection.execute("SELECT pg_advisory_lock(1)")
        await connection.execute("PREPARE old AS SELECT 1")
        await connection.execute("DECLARE old CURSOR WITH HOLD FOR SELECT 1")
        await connection.execute("LISTEN something")
        await connection.execute(
            "SET SESSION AUTHORIZATION DEFAULT; SET default_transaction_read_only = off"
        )
    left = """SELECT pg_backend_pid(), current_setting('app.tenant', true) AS tenant,
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks,
        (SELECT count(*) FROM pg_prepared_statements) AS prepared,
        (SELECT count(*) FROM pg_cursors WHERE name = 'old') AS cursors,
        (SELECT count(*) FROM pg_listening_channels()) AS channels,
        current_setting('default_transaction_read_only')"""  # fmt: skip
    functions: dict[str, Any] = {"allow_any_function": True}
    rows = await postgres_query("shop", "shop", left, context_of(shop, **functions))
    assert rows.rows == [[before, "", 0, 0, 0, 0, "on"]]


async def test_a_failed_query_costs_no_connection(shop: PostgresServer) -> None:
    _, first = await who(shop)
    for sql in ("SELECT 1/0", "SELECT nothing", "SELECT $1"):
        with pytest.raises(ToolError):
            await postgres_query("shop", "shop", sql, context_of(shop))
    assert (await who(shop))[1] == first


async def test_a_connection_that_the_server_closed_is_replaced(shop: PostgresServer) -> None:
    _, first = await who(shop)
    shop.run(f"SELECT pg_terminate_backend({first}, 5000)")
    _, second = await who(shop)
    assert second != first


async def test_a_server_that_restarts_is_used_again() -> None:
    with shop_of(18) as shop:
        _, first = await who(shop)
        shop.restart()
        assert (await who(shop))[1] != first
        shop.process.cleanup()
        with pytest.raises(ToolError, match="ended the connection"):
            await who(shop)


async def test_a_connection_lost_in_a_call_is_told(shop: PostgresServer) -> None:
    async def end() -> None:
        running = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%s'"
        await until(lambda: shop.run(running % "SELECT c0 FROM (%1000000000%"))

    endless = "SELECT count(*) FROM generate_series(1, 1000000000)"
    with pytest.raises(ToolError, match="connection to PostgreSQL was lost"):
        await asyncio.gather(postgres_query("shop", "shop", endless, context_of(shop)), end())


async def test_a_connection_is_not_kept_until_its_token_expires(shop: PostgresServer) -> None:
    await who(shop, credential=Token(TOKENS["reader"], seconds=59))
    await until(lambda: open_connections(shop) == 0)
    await who(shop, credential=Token(TOKENS["reader"], seconds=61.5))
    await until(lambda: open_connections(shop) == 0)


async def test_an_unused_connection_is_closed_after_a_while(shop: PostgresServer) -> None:
    await who(shop, idle_seconds=1)
    await until(lambda: open_connections(shop) == 0)
    await who(shop, idle_seconds=0)
    await until(lambda: open_connections(shop) == 0)


async def test_a_connection_past_its_time_is_not_used_even_when_it_is_still_open(
    shop: PostgresServer,
) -> None:
    now = 1000.0
    pool = Connections(Limits(2, 2, 3600), clock=lambda: now)
    key = Key("localhost", shop.port, "shop", "reader", str(shop.ca), "somebody", b"")
    made: list[Any] = []

    async def connect() -> Any:
        made.append(await driver.connect(key, TOKENS["reader"], 5))
        return made[-1]

    async def prepare(connection: Any) -> None:
        await connection.execute("BEGIN")

    for _ in range(2):
        async with pool.lease(key, 2000.0, connect, prepare):
            pass
    assert len(made) == 1
    now = 1941.0
    async with pool.lease(key, 2000.0, connect, prepare):
        pass
    assert len(made) == 2


def test_connections_end_with_their_loop_and_without_a_warning(shop: PostgresServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(who(shop))[0] == "reader"
        gc.collect()
    asyncio.run(until(lambda: open_connections(shop) == 0))
