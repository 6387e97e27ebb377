"""A way to a server by which no more comes back than is allowed.

libpq takes in whatever a server sends, in one piece: the text of an error, a row of a plan, half a
gigabyte if that is what a query computes. So it connects to a port of this machine, whose other
side is served by the same event loop: what comes is counted here before libpq can read it. TLS is
between libpq and the server; here nothing is read, kept or changed.
"""

import asyncio

_PIECE = 64 * 1024
_WHILE_CONNECTING = 1024 * 1024
AT_ONCE = 4
"""Connections at once: that of a session and those that cancel its queries."""


class Relay:
    """Passes on connections to a server: that of a session, and those that cancel its queries.

    Each is tried for `seconds`, and ends when one of its sides does and the other has been told
    what was said until then. There are no more than AT_ONCE; further ones are hung up on.

    `failure` is why the server could not be reached, `exceeded` whether it sent too much, which
    ends the connection. Any program on this machine can use the port while it is open, as it
    could connect to the server by itself; no credential goes with it. What such a program makes the
    server send counts too, so it can end a session; it cannot see or join one, which TLS prevents.
    """

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._host = host
        self._port = port
        self._seconds = seconds
        self._left = _WHILE_CONNECTING
        self._serving: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.failure: OSError | None = None
        self.exceeded = False

    async def open(self) -> int:
        """The port of 127.0.0.1 that leads to the server until `close`."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    def allow(self, size: int) -> None:
        """Let the server send at most `size` bytes from now on."""
        self._left = size

    def close(self) -> None:
        """Take no more connections. Those there are end in `seconds`, if not by themselves."""
        if self._listener is not None:
            self._listener.close()
            self._listener.get_loop().call_later(self._seconds, self._end)

    def _end(self) -> None:
        for task in self._serving:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._serving) >= AT_ONCE:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                from_server, to_server = await asyncio.open_connection(self._host, self._port)
        except OSError as error:  # TimeoutError is one.
            self.failure = error
            writer.transport.abort()
            return
        except BaseException:
            writer.transport.abort()
            raise
        ways = [
            asyncio.ensure_future(_pass_on(reader, to_server)),
            asyncio.ensure_future(self._bring_back(from_server, writer)),
        ]
        ends = (writer, to_server)
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if not self.exceeded:
                for end in ends:
                    end.close()
                await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)
        finally:
            for end in ends:
                end.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _bring_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE):
            self._left -= len(data)
            if self._left < 0:
                self.exceeded = True
                return
            writer.write(data)
            await writer.drain()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()
