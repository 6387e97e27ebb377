"""What a fake service is asked, recorded; and what it can be told to do wrong."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

WAIT = 10.0


@dataclass(frozen=True)
class Call:
    """One request that reached a service: the operation, the name it was about, and details."""

    operation: str
    name: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


class Calls:
    """The calls of one service, in order of arrival. Safe to read while the service runs."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._changed = threading.Condition()

    def add(self, call: Call) -> None:
        with self._changed:
            self._calls.append(call)
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self._calls.clear()

    def all(self, operation: str | None = None, name: str | None = None) -> list[Call]:
        """The calls of an operation, about a name; None means any."""
        with self._changed:
            return [
                call
                for call in self._calls
                if operation in (None, call.operation) and name in (None, call.name)
            ]

    def count(self, operation: str | None = None, name: str | None = None) -> int:
        return len(self.all(operation, name))

    def operations(self) -> list[str]:
        return [call.operation for call in self.all()]

    async def arrival(self, operation: str, count: int = 1) -> None:
        """Wait until an operation has been called `count` times."""

        def arrived() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: self.count(operation) >= count, WAIT)

        if not await asyncio.to_thread(arrived):
            raise TimeoutError(f"{operation} was called {self.count(operation)} times")


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong instead of an answer.

    `answer` sends the given status, `drop` closes the connection without a byte, `cut` closes it
    in the middle of the body, `hang` answers only once the fault is cleared.
    """

    kind: Literal["answer", "drop", "cut", "hang"]
    status: int = 0
    body: Mapping[str, Any] | str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


DROP = Fault("drop")
CUT = Fault("cut")
HANG = Fault("hang")


def answer(
    status: int, body: Mapping[str, Any] | str = "", headers: Mapping[str, str] | None = None
) -> Fault:
    return Fault("answer", status, body, headers or {})


class Faults:
    """The faults of one service, by operation. Safe to change while the service runs."""

    def __init__(self) -> None:
        self._faults: dict[str, tuple[Fault, int | None]] = {}
        self._hanging: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def set(self, operation: str, fault: Fault, times: int | None = None) -> None:
        """Let an operation fail from now on, or the next `times` times."""
        with self._lock:
            self._faults[operation] = (fault, times)

    def clear(self) -> None:
        """Everything works again; what hangs is answered."""
        with self._lock:
            self._faults.clear()
            while self._hanging:
                self._hanging.pop()()

    async def meet(self, request: web.Request, operation: str) -> web.StreamResponse | None:
        """Do wrong what is to go wrong with a request; None when it is to be answered."""
        released = asyncio.Event()
        fault = self._take(operation, released)
        if fault is None:
            return None
        if fault.kind == "hang":
            await released.wait()
            return None
        if fault.kind == "answer":
            return respond(fault.status, fault.body, fault.headers)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if fault.kind == "cut":
            response.content_length = 1000
            await response.prepare(request)
            await response.write(b'{"value": [')
        if request.transport is not None:
            request.transport.abort()
        return response

    def _take(self, operation: str, released: asyncio.Event) -> Fault | None:
        """The fault of an operation, now one time less. What it lets hang is `released` later."""
        loop = asyncio.get_running_loop()
        with self._lock:
            fault, times = self._faults.get(operation, (None, None))
            if fault is None:
                return None
            if times == 1:
                del self._faults[operation]
            elif times is not None:
                self._faults[operation] = (fault, times - 1)
            if fault.kind == "hang":
                self._hanging.append(lambda: loop.call_soon_threadsafe(released.set))
            return fault


def respond(
    status: int, body: Mapping[str, Any] | str = "", headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer: JSON for an object, else text."""
    if isinstance(body, str):
        return web.Response(status=status, text=body, headers=headers)
    data = json.dumps(body).encode()
    return web.Response(
        status=status, body=data, headers=headers, content_type="application/json", charset="utf-8"
    )
