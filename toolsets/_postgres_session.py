"""A READ ONLY transaction for one call, as the caller's role and with the caller's token."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from shared.tools import ToolContext, ToolError
from toolsets import _postgres_errors as errors
from toolsets._postgres_connections import Key, Limits, connections
from toolsets._postgres_settings import Settings

if TYPE_CHECKING:
    from toolsets._postgres_driver import Connection

# Rows are small on the wire, compared to what they are as JSON, but for one: each of its values may
# be of four bytes a character. What a socket holds unread counts too.
_SIZES = 5
_IN_FLIGHT = 8 * 1024 * 1024


@contextlib.asynccontextmanager
async def session(
    context: ToolContext[Settings], server_name: str, database: str
) -> "AsyncIterator[Connection]":
    """A connection inside of a READ ONLY transaction, which is rolled back at the end.

    A call that is cancelled, or runs into its deadline, cancels its statement on the server.
    Raises ToolError for everything that goes wrong, also in the body; no text holds the token.
    """
    import psycopg

    from toolsets import _postgres_driver as driver

    settings = context.settings
    server = settings.database(server_name, database)
    role = server.role(context.caller)
    token = await context.credential.get_token(server.token_scope)
    caller = f"{context.caller.scheme} {context.caller.principal}"
    root = server.ssl_root_cert or _public_authorities()
    digest = hashlib.sha256(token.token.encode()).digest()
    key = Key(server.host, server.port, database, role, root, caller, digest)

    async def connect() -> "Connection":
        try:
            return await driver.connect(key, token.token, settings.connect_timeout_seconds)
        except psycopg.Error as error:
            raise ToolError(errors.of_connecting(error, server_name, database, role)) from None

    async def begin(connection: "Connection") -> None:
        connection.relay.allow(_SIZES * settings.max_bytes + _IN_FLIGHT)
        await connection.execute(_begin(settings).encode())

    limits = Limits(
        settings.max_connections, settings.max_connections_per_caller, settings.idle_seconds
    )
    left = context.remaining()
    try:
        async with (
            asyncio.timeout(left - min(2.0, left / 10)),
            connections(limits).lease(key, token.expires_on, connect, begin) as connection,
        ):
            yield connection
    except TimeoutError:
        raise ToolError(errors.TOO_LATE) from None
    except psycopg.Error as error:
        raise ToolError(errors.of_query(error, role)) from None


def _begin(settings: Settings) -> str:
    """One batch that opens the transaction and binds what runs in it.

    Strings have to mean to the server what they meant to the guard, whatever a role or a database
    has set; the rest makes the text of values the same everywhere.
    """
    seconds = settings.statement_timeout_seconds
    local = {
        "statement_timeout": f"{seconds}s",
        "lock_timeout": f"{min(seconds, 5)}s",
        "idle_in_transaction_session_timeout": f"{seconds + 10}s",
        "standard_conforming_strings": "on",
        "datestyle": "ISO",
        "intervalstyle": "iso_8601",
        "timezone": "UTC",
        "bytea_output": "hex",
    }
    return "; ".join(["BEGIN READ ONLY", *(f"SET LOCAL {n} = '{v}'" for n, v in local.items())])


def _public_authorities() -> str:
    # psycopg's own OpenSSL does not know where the system keeps its authorities.
    import certifi

    return certifi.where()
