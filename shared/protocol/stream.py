"""Server-sent events: what a tool tells while it works, and then its result.

2026-07-28 and 2025-11-25 basic/transports: the stream of one request carries only notifications of
that request, then the response, then ends. There is nothing to resume, so events have no ids.
"""

import asyncio
from collections import deque
from math import isfinite

import msgspec

KEEP_ALIVE = b":\r\n\r\n"
KEEP_ALIVE_SECONDS = 15.0
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}

# A client that reads slowly gets the latest of these; progress only ever grows.
_PENDING = 64


def frame(message: object) -> bytes:
    """One JSON-RPC message as an event. JSON escapes line ends, so `data` is always one line."""
    return b"event: message\r\ndata: " + msgspec.json.encode(message) + b"\r\n\r\n"


class Notifications:
    """The progress of one request on its way to the client.

    Belongs to the event loop it was made on; `progress` may be called from any thread.
    """

    def __init__(self, token: str | int) -> None:
        self._token = token
        self._loop = asyncio.get_running_loop()
        self._frames: deque[bytes] = deque(maxlen=_PENDING)
        self._news = asyncio.Event()
        self._last = float("-inf")
        self._closed = False

    def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Tell how far the work is. What does not grow, or comes after the end, is dropped."""
        self._loop.call_soon_threadsafe(self._add, done, total, message)

    def _add(self, done: float, total: float | None, message: str | None) -> None:
        if self._closed or not (done > self._last and isfinite(done)):
            return
        self._last = done
        params = {"progressToken": self._token, "progress": done}
        if total is not None and isfinite(total):
            params["total"] = total
        if message is not None:
            params["message"] = message
        self._frames.append(
            frame({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        )
        self._news.set()

    def close(self) -> None:
        """Take no more: the work is done."""
        self._closed = True
        self._news.set()

    async def wait(self, seconds: float | None = None) -> list[bytes]:
        """The events that have come up, waiting for one, the end, or `seconds` to pass."""
        try:
            if not self._news.is_set():
                await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return []
        frames = list(self._frames)
        self._frames.clear()
        if not self._closed:
            self._news.clear()
        return frames

    async def first(self) -> None:
        """Wait until there is something to send, or the work is done; take nothing."""
        await self._news.wait()

    @property
    def pending(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._frames)
