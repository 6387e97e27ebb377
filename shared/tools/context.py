"""What a tool gets besides its arguments."""

import time
from dataclasses import dataclass, field
from threading import Event
from typing import Generic

from typing_extensions import TypeVar

from shared.caller import Caller

S = TypeVar("S", default=None)


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
