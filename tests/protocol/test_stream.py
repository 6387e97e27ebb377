"""Progress on its way to the client."""

import asyncio
import json
import threading
from typing import Any

import pytest

from shared.protocol import stream
from shared.protocol.stream import Notifications


def message(frame: bytes) -> Any:
    assert frame.startswith(b"event: message\r\ndata: ")
    assert frame.endswith(b"\r\n\r\n")
    assert frame.count(b"\n") == 3
    return json.loads(frame.split(b"data: ", 1)[1])


def test_a_message_is_one_event_whatever_it_holds() -> None:
    assert message(stream.frame({"text": "a\r\n\r\ndata: b\u2028c"})) == {
        "text": "a\r\n\r\ndata: b\u2028c"
    }


async def settled(notifications: Notifications) -> list[Any]:
    await asyncio.sleep(0)
    return [message(frame)["params"] for frame in await notifications.wait(0)]


async def test_progress_is_told_under_the_clients_token() -> None:
    notifications = Notifications("t-1")
    notifications.progress(1, 3, "one")
    notifications.progress(2, None, None)
    assert await settled(notifications) == [
        {"progressToken": "t-1", "progress": 1, "total": 3, "message": "one"},
        {"progressToken": "t-1", "progress": 2},
    ]


@pytest.mark.parametrize("later", [1, 0.5, -1, float("nan"), float("inf")])
async def test_progress_that_does_not_grow_is_not_sent(later: float) -> None:
    notifications = Notifications(0)
    notifications.progress(1, None, None)
    notifications.progress(later, None, None)
    notifications.progress(2, None, None)
    assert [p["progress"] for p in await settled(notifications)] == [1, 2]


async def test_nothing_is_sent_after_the_end() -> None:
    notifications = Notifications(0)
    notifications.close()
    notifications.progress(1, None, None)
    assert await settled(notifications) == []


async def test_a_slow_client_gets_the_latest_and_memory_stays_bounded() -> None:
    notifications = Notifications(0)
    for step in range(100_000):
        notifications.progress(step, None, None)
    told = [p["progress"] for p in await settled(notifications)]
    assert len(told) == 64
    assert told[-1] == 99_999


async def test_a_thread_may_tell_its_progress() -> None:
    notifications = Notifications(0)
    thread = threading.Thread(target=notifications.progress, args=(1, None, None))
    thread.start()
    await notifications.first()
    thread.join()
    assert notifications.pending


async def test_waiting_ends_with_the_work_or_the_time() -> None:
    notifications = Notifications(0)
    assert await notifications.wait(0) == []
    notifications.close()
    assert await notifications.wait() == []
    await notifications.first()
    assert not notifications.pending
