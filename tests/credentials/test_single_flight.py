"""Many ask at once, and the work is done once."""

import asyncio

import pytest

from shared.credentials.single_flight import SingleFlight


class Work:
    """Work that is done when the test says so."""

    def __init__(self) -> None:
        self.times = 0
        self.release = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self) -> int:
        self.times += 1
        self.begun.set()
        await self.release.wait()
        return self.times


async def test_one_key_is_worked_on_once_at_a_time() -> None:
    flights, work = SingleFlight[str, int](), Work()
    waiting = [asyncio.create_task(flights.do("a", work)) for _ in range(5)]
    await work.begun.wait()
    work.release.set()
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await flights.do("a", work) == 2


async def test_keys_do_not_wait_for_each_other() -> None:
    flights, work, other = SingleFlight[str, int](), Work(), Work()
    other.release.set()
    waiting = asyncio.create_task(flights.do("a", work))
    assert await flights.do("b", other) == 1
    work.release.set()
    await waiting


async def test_everyone_who_waits_learns_of_a_failure_and_the_next_tries_again() -> None:
    flights = SingleFlight[str, int]()
    started = asyncio.Event()

    async def fail() -> int:
        started.set()
        await asyncio.sleep(0)
        raise LookupError

    async def work() -> int:
        return 7

    waiting = [asyncio.create_task(flights.do("a", fail)) for _ in range(3)]
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in ended] == [LookupError] * 3
    assert await flights.do("a", work) == 7


async def test_work_goes_on_when_everyone_gave_up() -> None:
    flights, work = SingleFlight[str, int](), Work()
    waiting = asyncio.create_task(flights.do("a", work))
    await work.begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    again = asyncio.create_task(flights.do("a", work))
    work.release.set()
    assert await again == 1
    assert work.times == 1


def test_another_event_loop_does_not_wait_for_a_dead_one() -> None:
    flights = SingleFlight[str, int]()

    async def hang() -> int:
        await asyncio.Event().wait()
        return 1

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flights.do("a", hang), 0.01)

    async def work() -> int:
        return 2

    asyncio.run(give_up())
    assert asyncio.run(flights.do("a", work)) == 2
