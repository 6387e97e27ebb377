"""psycopg's connection, bound in what it receives. Imported when the first call connects."""

import socket
import struct
import sys
from typing import Any, TypeVar

from psycopg import AsyncConnection, AsyncRawCursor, OperationalError
from psycopg.abc import PQGen
from psycopg.types.string import TextLoader

from toolsets._postgres_connections import Key

_Result = TypeVar("_Result")


class TooMuch(OperationalError):
    """The server sent more than was allowed; the connection is closed."""


class Connection(AsyncConnection[tuple[object, ...]]):
    """A connection that ends itself when the server sends more than it may.

    A row of a plan and the text of an error can be as large as what a query computes: half a
    gigabyte and more, which libpq would take in whole. Where the system does not count what a
    socket receives (all but Linux), nothing is bound.
    """

    _ceiling: int | None = None

    def allow(self, size: int) -> None:
        """Receive at most `size` bytes from now on."""
        received = _received(self.fileno())
        self._ceiling = None if received is None else received + size

    async def wait(self, gen: PQGen[_Result], *of: Any, **how: Any) -> _Result:
        return await super().wait(self._bound(gen), *of, **how)

    def _bound(self, gen: PQGen[_Result]) -> PQGen[_Result]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                received = _received(self.pgconn.socket)
                if self._ceiling is not None and received is not None and received > self._ceiling:
                    self.pgconn.finish()
                    raise TooMuch("the answer is too large")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: _Result = end.value
            return result


def _received(descriptor: int) -> int | None:
    """How many bytes a TCP socket has received so far, read or not: tcpi_bytes_received of
    Linux's struct tcp_info."""
    if sys.platform != "linux":
        return None
    borrowed = socket.socket(fileno=descriptor)
    try:
        told = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
    finally:
        borrowed.detach()
    return int(struct.unpack_from("Q", told, 128)[0]) if len(told) == 136 else None


async def connect(key: Key, token: str, seconds: int) -> Connection:
    """Connect as `key` says, over verified TLS, with the token as the password.

    Raises psycopg.Error; its text has no password in it.
    """
    try:
        connection = await _connect(key, token, seconds)
    except ValueError:  # Of a name that cannot be encoded; it quotes everything, the token too.
        raise OperationalError("a name is no text") from None
    connection.adapters.register_loader("json", TextLoader)
    return connection


async def _connect(key: Key, token: str, seconds: int) -> Connection:
    return await Connection.connect(
        host=key.host,
        port=key.port,
        dbname=key.database,
        user=key.role,
        password=token,
        sslmode="verify-full",
        sslrootcert=key.ssl_root_cert,
        gssencmode="disable",
        connect_timeout=seconds,
        client_encoding="utf8",
        application_name="postern",
        options="-c default_transaction_read_only=on",
        autocommit=True,
        prepare_threshold=None,
        cursor_factory=AsyncRawCursor,
    )
