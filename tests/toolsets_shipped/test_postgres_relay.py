"""The relay passes on every byte both ways, up to what is allowed, and leaves nothing behind.

Against plain servers on loopback, on the event loop of asyncio and on that of `manage.py serve`.
"""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import stat
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from tests.fakes.postgres_server import PostgresServer
from tests.fakes.postgres_tls import SSL_REQUEST
from tests.support import reserved_port
from tests.toolsets_shipped.postgres_support import TOKENS, until
from toolsets import _postgres_driver as driver
from toolsets._postgres_connections import Key
from toolsets._postgres_relay import AT_ONCE, Relay

MANY = 3 * 1024 * 1024
ASLEEP = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@contextlib.asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[int]:
    """The port of a server on loopback, which serves each connection and closes it."""
    open_now: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        try:
            with contextlib.suppress(ConnectionError):
                await serve(reader, writer)
        finally:
            open_now.discard(task)
            writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


@contextlib.asynccontextmanager
async def relayed(
    serve: Serve, seconds: float = 5.0
) -> AsyncIterator[tuple[Relay, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A relay to a server, and a connection over it."""
    async with server(serve) as port:
        relay = Relay("127.0.0.1", port, seconds)
        reader, writer = await asyncio.open_connection("127.0.0.1", await relay.open())
        try:
            yield relay, reader, writer
        finally:
            relay.close()
            writer.close()


def sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for number in os.listdir("/dev/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            count += stat.S_ISSOCK(os.fstat(int(number)).st_mode)
    return count


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read nothing and say nothing."""
    await asyncio.sleep(3600)


async def test_megabytes_go_both_ways_at_once() -> None:
    async with relayed(echo) as (relay, reader, writer):
        relay.allow(MANY)
        sent = os.urandom(MANY)

        async def send() -> None:
            writer.write(sent)
            await writer.drain()

        sending = asyncio.ensure_future(send())
        assert await reader.readexactly(MANY) == sent
        await sending
    assert not relay.exceeded


async def test_a_server_that_talks_while_it_is_sent_to_does_not_stop_either() -> None:
    """Neither side reads before it has said all: as libpq reads while it writes, so does this."""
    heard = 0

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        writer.write(b"x" * MANY)
        await writer.drain()
        heard = len(await reader.readexactly(MANY))

    async with relayed(both) as (relay, reader, writer):
        relay.allow(MANY)
        writer.write(b"y" * MANY)
        assert len(await reader.readexactly(MANY)) == MANY
        await until(lambda: heard == MANY)


async def test_what_a_server_says_last_is_passed_on() -> None:
    async def last(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"x" * (MANY - 4) + b"last")

    async with relayed(last) as (relay, reader, writer):
        relay.allow(MANY)
        writer.write(b"?")
        await asyncio.sleep(0.2)  # All of it waits somewhere before the first byte is read.
        answer = await reader.read(-1)
    assert len(answer) == MANY
    assert answer.endswith(b"last")


async def test_what_a_client_says_last_is_passed_on() -> None:
    heard = bytearray()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        heard.extend(await reader.read(-1))

    async with relayed(hear) as (_, _, writer):
        writer.write(b"x" * MANY)
        writer.close()
        await writer.wait_closed()
        await until(lambda: len(heard) == MANY)


async def test_what_a_server_says_before_it_hangs_up_on_an_upload_is_passed_on() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"too much")
        await writer.drain()
        await asyncio.sleep(0.1)  # Or the reset that follows overtakes it, with or without a relay.

    async with relayed(refuse) as (_, reader, writer):
        writer.write(b"y" * MANY)
        heard = b""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                heard += data
        assert heard == b"too much"


async def test_not_a_byte_more_than_allowed_is_passed_on() -> None:
    async def much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        for _ in range(1024):
            writer.write(b"x" * 65536)
            await writer.drain()

    async with relayed(much) as (relay, reader, writer):
        relay.allow(100_000)
        writer.write(b"?")
        heard = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                heard += len(data)
        assert heard <= 100_000
        assert relay.exceeded


@pytest.mark.parametrize("unsent", [0, 50_000, 64 * 1024 * 1024])
async def test_a_server_that_is_stuck_holds_nothing_once_the_client_has_gone(unsent: int) -> None:
    before = sockets()
    async with server(stall) as port:
        relay = Relay("127.0.0.1", port, 0.5)
        _, writer = await asyncio.open_connection("127.0.0.1", await relay.open())
        writer.write(b"y" * unsent)
        await asyncio.sleep(0.1)
        writer.transport.abort()
        relay.close()
        # Of the server there are the listener, and its side of the connection.
        await until(lambda: sockets() <= before + 2, 5.0)
        await until(lambda: not relay._serving, 5.0)
    await until(lambda: sockets() <= before)


async def test_a_client_that_does_not_read_holds_nothing_once_it_has_gone() -> None:
    before = sockets()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with server(flood) as port:
        relay = Relay("127.0.0.1", port, 0.5)
        relay.allow(1 << 40)
        client = socket.create_connection(("127.0.0.1", await relay.open()))
        await asyncio.sleep(0.2)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        relay.close()
        await until(lambda: not relay._serving, 5.0)
        await until(lambda: sockets() <= before + 1)


async def test_a_server_that_is_not_there_is_told_and_leaves_nothing() -> None:
    before = sockets()
    with reserved_port() as port:
        relay = Relay("127.0.0.1", port, 5.0)
        reader, writer = await asyncio.open_connection("127.0.0.1", await relay.open())
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert isinstance(relay.failure, ConnectionRefusedError)
        relay.close()
        writer.close()
    await until(lambda: sockets() <= before)
    assert not relay._serving


async def test_other_programs_cannot_use_it_to_fill_this_process_or_the_server() -> None:
    """Each of their connections is one to the server, and two sockets of this process."""
    served = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        await echo(reader, writer)

    async with relayed(count) as (relay, reader, writer):
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
        address = relay._listener.sockets[0].getsockname()  # type: ignore[union-attr]
        others = [await asyncio.open_connection(*address) for _ in range(200)]
        await asyncio.sleep(0.2)
        assert served <= AT_ONCE
        writer.write(b"b")
        assert await reader.readexactly(1) == b"b"
        for _, other in others:
            other.close()
        await until(lambda: len(relay._serving) == 1)
        # There is room again, for what cancels a query.
        _, again = await asyncio.open_connection(*address)
        await until(lambda: len(relay._serving) == 2)
        again.close()


async def test_nothing_is_taken_in_after_it_is_closed() -> None:
    async with relayed(echo) as (relay, reader, writer):
        port = relay._listener.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        relay.close()
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"


def key_for(port: int, ca: str, host: str = "localhost") -> Key:
    return Key(host, port, "shop", "reader", ca, "somebody", b"")


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize("answers", ["N", "E", "nothing", "strange ca", "strange name"])
async def test_who_sits_on_the_port_learns_nothing(tmp_path: Path, answers: str) -> None:
    """A program that took the relay's place is told no token, and no name but the host's."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    contexts = {
        "strange ca": certified(trustme.CA(), "localhost"),
        "strange name": certified(authority, "127.0.0.1"),
    }
    heard = bytearray()

    async def hostile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readexactly(8))
        if answers in contexts:
            writer.write(b"S")
            with contextlib.suppress(ssl.SSLError):
                await writer.start_tls(contexts[answers])
                heard.extend(await reader.read())
            return
        said = {"N": b"N", "E": b"E\0\0\0\x0cMgive me\0\0", "nothing": b""}[answers]
        writer.write(said)
        heard.extend(await reader.read())

    async with server(hostile) as port:
        key = key_for(port, str(tmp_path / "ca.pem"))
        with pytest.raises(psycopg.OperationalError) as caught:
            await driver._connect(key, port, TOKENS["reader"], 2)
    assert bytes(heard) == SSL_REQUEST
    assert TOKENS["reader"] not in str(caught.value)


async def test_every_way_to_fail_to_connect_leaves_nothing(
    shop: PostgresServer, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with (
        shop.behind("refuses tls") as plain,
        shop.behind("silent") as silent,
        reserved_port() as closed,
    ):
        ways = [
            (key_for(closed, str(shop.ca)), TOKENS["reader"]),
            (key_for(shop.port, str(shop.ca), "nowhere.invalid"), TOKENS["reader"]),
            (key_for(shop.port, str(stranger)), TOKENS["reader"]),
            (key_for(shop.port, str(shop.ca)), "wrong"),
            (key_for(plain.port, str(shop.ca)), TOKENS["reader"]),
            (key_for(silent.port, str(shop.ca)), TOKENS["reader"]),
        ]
        before = sockets(), len(asyncio.all_tasks())
        for key, token in ways:
            with pytest.raises(psycopg.OperationalError):
                await driver.connect(key, token, 2)
        connecting = asyncio.ensure_future(driver.connect(ways[-1][0], "x", 2))
        await until(lambda: silent.connections == 2)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        del connecting

        def nothing_left() -> bool:
            gc.collect()  # psycopg leaves a connection that took too long to be collected.
            return (sockets(), len(asyncio.all_tasks())) <= before

        await until(nothing_left)


async def test_a_statement_and_an_answer_of_megabytes(shop: PostgresServer) -> None:
    connection = await driver.connect(key_for(shop.port, str(shop.ca)), TOKENS["reader"], 5)
    async with connection:
        connection.relay.allow(3 * MANY)
        text = "x" * MANY
        cursor = await connection.execute(f"SELECT '{text}'".encode())
        assert await cursor.fetchone() == (text,)


async def test_a_query_is_cancelled_over_the_relay(shop: PostgresServer) -> None:
    connection = await driver.connect(key_for(shop.port, str(shop.ca)), TOKENS["reader"], 5)
    async with connection:
        cancelled = shop.front.cancels
        sleeping = asyncio.ensure_future(connection.execute(b"SELECT pg_sleep(60)"))
        await until(lambda: shop.run(ASLEEP) == [(1,)])
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert shop.front.cancels == cancelled + 1
