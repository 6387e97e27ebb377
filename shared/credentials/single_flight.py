"""Work that many ask for at once and that is done once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """Runs one piece of work per key at a time; whoever asks meanwhile gets its outcome.

    The work goes on when one who waits gives up: others may wait for it too.
    """

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[T]] = {}

    async def do(self, key: K, work: Callable[[], Awaitable[T]]) -> T:
        """The outcome of `work`, or of the same key's work that is under way."""
        loop = asyncio.get_running_loop()
        task = self._running.get(key)
        # Another loop's task cannot be awaited here, and one of a loop that ended never ends.
        if task is None or task.done() or task.get_loop() is not loop:
            task = self._running[key] = loop.create_task(_awaited(work))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def _forget(self, key: K, task: "asyncio.Task[T]") -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled():
            task.exception()  # Seen, also when nobody waits any more.


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
