"""psycopg's connection, led over a relay. Imported when the first call connects."""

import socket
from typing import Any, TypeVar

from psycopg import AsyncConnection, AsyncRawCursor, Error, OperationalError
from psycopg.abc import PQGen
from psycopg.types.string import TextLoader

from toolsets._postgres_connections import Key
from toolsets._postgres_relay import Relay

_Result = TypeVar("_Result")


class TooMuch(OperationalError):
    """The server sent more than was allowed; the connection is closed."""


class Connection(AsyncConnection[tuple[object, ...]]):
    """A connection that ends when the server sends more than it may."""

    relay: Relay

    async def wait(self, gen: PQGen[_Result], *of: Any, **how: Any) -> _Result:
        try:
            return await super().wait(gen, *of, **how)
        except OperationalError:
            if self.relay.exceeded:
                raise TooMuch("the answer is too large") from None
            raise

    async def close(self) -> None:
        await super().close()
        self.drop()

    def drop(self) -> None:
        """Close, without waiting."""
        self.pgconn.finish()
        self.relay.close()


async def connect(key: Key, token: str, seconds: int) -> Connection:
    """Connect as `key` says, over verified TLS, with the token as the password.

    Raises psycopg.Error; its text has no password in it.
    """
    relay = Relay(key.host, key.port, seconds)
    try:
        connection = await _connect(key, await relay.open(), token, seconds)
    except BaseException as error:
        relay.close()
        if isinstance(error, Error) and relay.failure is not None:
            raise OperationalError(_unreachable(relay.failure)) from None
        if isinstance(error, ValueError):
            # Of a name that cannot be encoded; it quotes everything, the token too.
            raise OperationalError("a name is no text") from None
        raise
    connection.relay = relay
    connection.adapters.register_loader("json", TextLoader)
    return connection


def _unreachable(failure: OSError) -> str:
    return "cannot resolve host" if isinstance(failure, socket.gaierror) else "unreachable"


async def _connect(key: Key, port: int, token: str, seconds: int) -> Connection:
    return await Connection.connect(
        # The name is what the certificate must have; the address is where the relay is.
        host=key.host,
        hostaddr="127.0.0.1",
        port=port,
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
