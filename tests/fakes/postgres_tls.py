"""A small TLS front for a PostgreSQL server that was built without TLS.

It answers SSLRequest as the server would, speaks TLS with the client and pipes the rest to the
server's Unix socket. Connections without TLS, cancel requests among them, are cut: what the client
does here it does under TLS.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from tests.fakes.ending import hang_up

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
CANCEL_REQUEST_CODE = bytes.fromhex("04d2162e")
ASK_FOR_PASSWORD = bytes.fromhex("520000000800000003")

Manner = Literal["tls", "refuses tls", "silent"]


class Front:
    """Where the front listens and what it has seen. `cancels` counts cancel requests.

    `admit`, when it is set, is told role and password of everybody who signs in, before the server
    is: as Azure's own front does, it may look at the token that the password is.
    """

    def __init__(self, server: Path, context: ssl.SSLContext, manner: Manner) -> None:
        self.port = 0
        self.connections = 0
        self.cancels = 0
        self.admit: Callable[[str, str], None] | None = None
        self._server = server
        self._context = context
        self._manner = manner

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = await asyncio.start_server(self._accept, sock=listener)
            self.port = listener.getsockname()[1]
            ready.set()
            await stop.wait()
            await hang_up(listener)
            server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(OSError, EOFError, ssl.SSLError, TimeoutError):
                await self._speak(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._manner == "silent":
            await reader.read()
            return
        if await reader.readexactly(8) != SSL_REQUEST:
            return
        if self._manner == "refuses tls":
            writer.write(b"N")
            await reader.read()
            return
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(self._context)
        first = await reader.readexactly(8)
        self.cancels += first[4:] == CANCEL_REQUEST_CODE
        behind, ahead = await asyncio.open_unix_connection(str(self._server))
        try:
            if self.admit is None or first[4:] == CANCEL_REQUEST_CODE:
                ahead.write(first)
            else:
                client, server = (reader, writer), (behind, ahead)
                await self._signed_in(self.admit, first, client, server)
            both = [_pipe(reader, ahead), _pipe(behind, writer)]
            tasks = [asyncio.ensure_future(each) for each in both]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # The server ends TLS before it closes the connection; libpq takes anything else for
            # a failure.
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), 5)
        finally:
            ahead.transport.abort()

    async def _signed_in(
        self,
        admit: Callable[[str, str], None],
        first: bytes,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Ask for the password in the server's place, and answer it once `admit` has seen it.

        A server that is asked before sees the roles as they were then.
        """
        startup = await client[0].readexactly(int.from_bytes(first[:4]) - len(first))
        words = startup.decode().split("\0")
        role = dict(zip(words[::2], words[1::2], strict=False))["user"]
        client[1].write(ASK_FOR_PASSWORD)
        head = await client[0].readexactly(5)
        password = await client[0].readexactly(int.from_bytes(head[1:]) - 4)
        await asyncio.to_thread(admit, role, password.rstrip(b"\0").decode())
        server[1].write(first + startup)
        asked = await server[0].readexactly(len(ASK_FOR_PASSWORD))
        if asked != ASK_FOR_PASSWORD:
            client[1].write(asked)
        server[1].write(head + password)


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


@contextlib.contextmanager
def front(server: Path, context: ssl.SSLContext, manner: Manner = "tls") -> Iterator[Front]:
    """A front for the server at a Unix socket: on a free port of 127.0.0.1, in its own thread."""
    there = Front(server, context, manner)
    ready = threading.Event()
    stop = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await there.serve(ready, stop)

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="postgres-tls-front")
    thread.start()
    try:
        assert ready.wait(10)
        yield there
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()
