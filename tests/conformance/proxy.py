"""A loopback proxy that adds a header to every request and touches nothing else.

The suite cannot send a key, so this does it. Bytes pass as they come, events too. Each connection
carries one request (`Connection: close`), so only its head has to be found.
"""

import asyncio
import re
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CONNECTION = re.compile(rb"\r\n(?:connection|keep-alive):[^\r\n]*", re.IGNORECASE)


@asynccontextmanager
async def adding(header: str, listener: socket.socket, port: int) -> AsyncIterator[None]:
    """Forward what `listener` gets to `port` on this machine until the block ends."""

    async def forward(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            writer.close()
            return
        head = _CONNECTION.sub(b"", head)
        upstream_writer.write(head[:-2] + f"{header}\r\nConnection: close\r\n\r\n".encode())
        both = [
            asyncio.create_task(_pump(reader, upstream_writer)),
            asyncio.create_task(_pump(upstream_reader, writer)),
        ]
        # Whichever side ends first, the other one learns of it.
        _, waiting = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        upstream_writer.close()
        writer.close()

    server = await asyncio.start_server(forward, sock=listener)
    async with server:
        yield


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
