"""Open connections to PostgreSQL, kept for the one caller whose token opened them."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from toolsets._postgres_driver import Connection

    Connect = Callable[[], Awaitable[Connection]]
    Prepare = Callable[[Connection], Awaitable[None]]

EXPIRY_MARGIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Key:
    """What two calls must have in common to use one connection after another.

    `caller` is the caller's principal with its scheme, `token` the SHA-256 of the token that is
    the password.
    """

    host: str
    port: int
    database: str
    role: str
    ssl_root_cert: str
    caller: str
    token: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections at once, altogether and for one caller, and for how long unused."""

    total: int
    per_caller: int
    idle_seconds: float


class Connections:
    """The connections of one event loop.

    A connection serves calls of the same Key only, and the next one only after DISCARD ALL; one
    whose call was cancelled is closed. Unused ones are closed after `idle_seconds`, a minute
    before their token expires, when room is needed (the longest unused first), and when the loop
    ends. `clock` is in seconds since the epoch.

    A call that has begun is not cut when its token expires; its own deadline does that.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._limits = limits
        self._clock = clock
        self._busy: Counter[str] = Counter()
        self._idle: dict[Connection, tuple[Key, float, asyncio.TimerHandle]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._end: AsyncGenerator[None, None] | None = None

    @contextlib.asynccontextmanager
    async def lease(
        self, key: Key, expires_at: float, connect: "Connect", prepare: "Prepare"
    ) -> "AsyncIterator[Connection]":
        """A connection on which `prepare` has just succeeded.

        Waits while the limits are reached. Raises what `connect` and `prepare` raise; when
        `prepare` fails on a connection that was used before (the server may have closed it since),
        another is taken.
        """
        await self._close_with_the_loop()
        await self._enter(key.caller)
        try:
            connection = await self._prepared(key, connect, prepare)
            try:
                yield connection
            except Exception:
                await self._keep(connection, key, expires_at)
                raise
            except BaseException:
                await connection.close()
                raise
            await self._keep(connection, key, expires_at)
        finally:
            self._leave(key.caller)

    async def _enter(self, caller: str) -> None:
        while not self._has_room(caller):
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            finally:
                self._waiting.remove(waiting)
        self._busy[caller] += 1

    def _leave(self, caller: str) -> None:
        self._busy[caller] -= 1
        self._busy += Counter()  # Forgets those who have none.
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def _has_room(self, caller: str) -> bool:
        limits = self._limits
        return self._busy.total() < limits.total and self._busy[caller] < limits.per_caller

    async def _prepared(self, key: Key, connect: "Connect", prepare: "Prepare") -> "Connection":
        from psycopg import OperationalError

        while connection := self._take(key):
            try:
                await prepare(connection)
            except OperationalError:
                await connection.close()
            except BaseException:
                await connection.close()
                raise
            else:
                return connection
        while self._idle and self._busy.total() + len(self._idle) > self._limits.total:
            self._drop(next(iter(self._idle)))
        connection = await connect()
        try:
            await prepare(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    def _take(self, key: Key) -> "Connection | None":
        for connection, (of, until, timer) in reversed(self._idle.items()):
            if of == key and until > self._clock():
                timer.cancel()
                del self._idle[connection]
                return connection
        return None

    async def _keep(self, connection: "Connection", key: Key, expires_at: float) -> None:
        """Put a connection by, as it was when it was new; or close it."""
        from psycopg import Error

        now = self._clock()
        until = min(now + self._limits.idle_seconds, expires_at - EXPIRY_MARGIN_SECONDS)
        try:
            await connection.execute("ROLLBACK")
            if until > now:
                await connection.execute("DISCARD ALL")
        except Error:
            until = now
        except BaseException:
            await connection.close()
            raise
        if until <= now:
            await connection.close()
            return
        timer = asyncio.get_running_loop().call_later(until - now, self._drop, connection)
        self._idle[connection] = (key, until, timer)

    def _drop(self, connection: "Connection") -> None:
        """Close an unused connection."""
        _, _, timer = self._idle.pop(connection)
        timer.cancel()
        connection.drop()

    async def _close_with_the_loop(self) -> None:
        """Have the loop close what is unused when it ends, as it does with asynchronous generators
        that were begun on it."""
        if self._end is None:
            self._end = self._until_the_end()
            await anext(self._end)

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            while self._idle:
                self._drop(next(iter(self._idle)))


_of_loops: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Limits, Connections]]" = (
    WeakKeyDictionary()
)


def connections(limits: Limits) -> Connections:
    """The connections of the running loop under these limits."""
    of_loop = _of_loops.setdefault(asyncio.get_running_loop(), {})
    if limits not in of_loop:
        of_loop[limits] = Connections(limits)
    return of_loop[limits]
