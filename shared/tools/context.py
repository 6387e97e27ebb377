"""What a tool gets besides its arguments."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from shared.caller import Caller
from shared.tools import inputs
from shared.tools.errors import ToolError
from shared.tools.inputs import InputRequest, Inputs

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

S = TypeVar("S", default=None)
F = TypeVar("F")

Report = Callable[[float, float | None, str | None], None]


_NOBODY = "This client cannot be asked: it needs protocol version 2026-07-28."


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The form behind `confirm`."""

    confirm: bool


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
    _inputs: Inputs | None = field(default=None, repr=False)
    _credential: "AsyncTokenCredential | None" = field(default=None, repr=False)

    @property
    def credential(self) -> "AsyncTokenCredential":
        """As whom this call reaches Azure: give it to any asynchronous Azure SDK client.

        Raises ToolError where the endpoint has no outbound credentials.
        """
        if self._credential is None:
            raise ToolError(
                "This endpoint has no credentials for calls to Azure: "
                "outboundAuthentication is not set."
            )
        return self._credential

    async def confirm(self, message: str) -> bool:
        """Ask the person for a yes; anything else is a no.

        Clients before 2026-07-28, and endpoints without `Server:ConfirmationKeys`, cannot ask: the
        tool then ends with an error that says so. Everything before this line runs again when the
        answer comes.
        """
        answer = await self.ask(Confirmation, message)
        return answer is not None and answer.confirm

    async def ask(self, form: type[F], message: str) -> F | None:
        """Ask the person to fill in a form: a dataclass or Struct of text, numbers, booleans and
        choices. None when they decline. As for `confirm`."""
        asking = self._asking()
        name = asking.next_name()
        answer: F | None = asking.take({name: inputs.form(form, message)})[name]
        return answer

    async def inputs(self, **requests: InputRequest[Any]) -> dict[str, Any]:
        """Ask several things at once, each under a name, with `form`, `sample` and `roots` of
        `shared.tools.inputs`; returns the answers by name. As for `confirm`, but a client may
        send answers it was not asked for yet."""
        return self._asking().take(requests, unasked=True)

    @property
    def client_capabilities(self) -> Mapping[str, Any]:
        """What the client declared on this request (empty before 2026-07-28)."""
        return self._inputs.capabilities if self._inputs is not None else {}

    def _asking(self) -> Inputs:
        return self._inputs or Inputs({}, {}, unavailable=_NOBODY)

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
