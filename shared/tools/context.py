"""What a tool gets besides its arguments."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Generic

from typing_extensions import TypeVar

from shared.caller import Caller

S = TypeVar("S", default=None)

Report = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True)
class ToolContext(Generic[S]):
    """The circumstances of one call. A parameter annotated with it is filled in, under any name.

    `settings` is the toolset's checked `Settings` (None when it declares none); `deadline` is on
    the clock of `time.monotonic`, in seconds.
    """

    caller: Caller
    settings: S = field(repr=False)
    correlation_id: str
    deadline: float
    _cancelled: Event = field(default_factory=Event, repr=False)
    _report: Report | None = field(default=None, repr=False)

    async def progress(
        self, done: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Tell the client how far the work is, when it asked and its answer can be streamed.

        `done` has to grow from call to call; what does not grow is not sent. A tool that is not
        async calls `report` instead.
        """
        self.report(done, total, message)
        await asyncio.sleep(0)

    def report(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """`progress` without awaiting, from any thread."""
        if self._report is not None:
            self._report(done, total, message)

    def remaining(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more.

        An async tool is cancelled by the event loop. One that is not async cannot be stopped from
        outside: when it runs long it should look here and return.
        """
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Tell the tool that nobody waits any more. Called by the endpoint."""
        self._cancelled.set()
