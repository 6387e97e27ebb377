"""A value that lives elsewhere: fetched, remembered, renewed in time, kept through an outage."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_log = logging.getLogger("postern.refreshing")


class Unavailable(Exception):
    """There is no value, or only one that is too old. Seconds until it makes sense to ask again."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("not available")
        self.retry_after = retry_after


class FetchFailed(Exception):
    """Raised by a fetch that could not. The text is for the log; the source may say when to come
    again, in seconds."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Refreshed(Generic[T]):
    """A value and how fresh it is.

    Fetched when first needed, by one fetch at a time, whoever asks how often. A value older than
    `refresh` seconds is renewed in the background; while that fails it serves until it is `outage`
    seconds old, and then no longer. Two fetches are at least `interval` seconds apart, or `retry`
    while there is no value that serves. `name` is for the log, `clock` monotonic.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[T]],
        *,
        refresh: float,
        outage: float,
        interval: float = 60.0,
        retry: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._refresh = refresh
        self._outage = outage
        self._interval = interval
        self._retry = retry
        self._clock = clock
        self._value: T | None = None
        self._fetched_at = self._tried_at = self._not_before = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    def current(self) -> T | None:
        """The value when it is at hand and not too old. Never waits.

        Starts renewing it in the background when that is due.
        """
        age = self._clock() - self._fetched_at
        if age > self._outage:
            return None
        if age > self._refresh and self._may_fetch():
            self._start()
        return self._value

    async def get(self) -> T:
        """The value; waits for a fetch when there is none. Raises Unavailable."""
        value = self.current()
        if value is None:
            value = await self.renewed()
        return value

    async def renewed(self) -> T:
        """The value, fetched anew where that is allowed now. Raises Unavailable."""
        if self._may_fetch():
            self._start()
        if self._fetching is not None and self._is_fetching():
            await asyncio.shield(self._fetching)
        value = self._value
        if value is None or not self._serves():
            raise Unavailable(max(self._retry, self._not_before - self._clock()))
        return value

    def _serves(self) -> bool:
        return self._clock() - self._fetched_at <= self._outage

    def _may_fetch(self) -> bool:
        now = self._clock()
        interval = self._interval if self._serves() else self._retry
        return now - self._tried_at >= interval and now >= self._not_before

    def _is_fetching(self) -> bool:
        task = self._fetching
        return (
            task is not None
            and not task.done()
            # A task of an event loop that has ended would never be done.
            and task.get_loop() is asyncio.get_running_loop()
        )

    def _start(self) -> None:
        if not self._is_fetching():
            self._tried_at = self._clock()
            self._fetching = asyncio.get_running_loop().create_task(self._replace())

    async def _replace(self) -> None:
        """Replace the value, or keep the one there is and tell the log why."""
        try:
            value = await self._fetch()
        except FetchFailed as error:
            self._not_before = self._clock() + error.retry_after
            _log.warning("%s could not be renewed: %s", self._name, error)
        except Exception:
            _log.exception("%s could not be renewed", self._name)
        else:
            self._value, self._fetched_at = value, self._clock()
