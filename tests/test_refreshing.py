"""A value from elsewhere, how fresh it is and what an outage does to it."""

import asyncio
import logging

import pytest

from shared.refreshing import FetchFailed, Refreshed, Unavailable


class Elsewhere:
    """Where the value lives: counts fetches, fails when told to, and holds them back."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.fetches = 0
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.value = Refreshed(
            "the value", self.fetch, refresh=100, outage=1000, clock=lambda: self.now
        )

    async def fetch(self) -> str:
        self.fetches += 1
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return f"v{self.fetches}"

    async def settled(self) -> None:
        """Let a fetch in the background end."""
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def elsewhere() -> Elsewhere:
    return Elsewhere()


async def test_it_is_fetched_when_first_needed_and_then_remembered(elsewhere: Elsewhere) -> None:
    assert elsewhere.value.current() is None
    assert await elsewhere.value.get() == "v1"
    assert await elsewhere.value.get() == "v1"
    assert elsewhere.value.current() == "v1"
    assert elsewhere.fetches == 1


async def test_however_many_ask_there_is_one_fetch(elsewhere: Elsewhere) -> None:
    elsewhere.gate.clear()
    asking = asyncio.gather(*(elsewhere.value.get() for _ in range(1000)))
    await elsewhere.settled()
    elsewhere.gate.set()
    assert set(await asking) == {"v1"}
    assert elsewhere.fetches == 1


async def test_an_asker_who_leaves_does_not_take_the_fetch_along(elsewhere: Elsewhere) -> None:
    elsewhere.gate.clear()
    leaving = asyncio.ensure_future(elsewhere.value.get())
    staying = asyncio.ensure_future(elsewhere.value.get())
    await elsewhere.settled()
    leaving.cancel()
    elsewhere.gate.set()
    assert await staying == "v1"
    assert elsewhere.fetches == 1


async def test_an_old_value_serves_while_it_is_renewed_in_the_background(
    elsewhere: Elsewhere,
) -> None:
    await elsewhere.value.get()
    elsewhere.now += 101
    elsewhere.gate.clear()
    assert await elsewhere.value.get() == "v1"
    elsewhere.gate.set()
    await elsewhere.settled()
    assert elsewhere.value.current() == "v2"


async def test_through_an_outage_the_last_good_value_serves_until_it_is_too_old(
    elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    await elsewhere.value.get()
    elsewhere.failure = FetchFailed("the cable is cut")
    elsewhere.now += 1000
    assert await elsewhere.value.get() == "v1"
    await elsewhere.settled()
    elsewhere.now += 1
    assert elsewhere.value.current() is None
    with pytest.raises(Unavailable) as caught:
        await elsewhere.value.get()
    assert caught.value.retry_after == 5
    assert "the value could not be renewed: the cable is cut" in caplog.text
    elsewhere.failure = None
    elsewhere.now += 5
    assert await elsewhere.value.get() == "v3"


async def test_two_fetches_are_an_interval_apart(elsewhere: Elsewhere) -> None:
    await elsewhere.value.get()
    elsewhere.now += 59
    assert await elsewhere.value.renewed() == "v1"
    elsewhere.now += 1
    assert await elsewhere.value.renewed() == "v2"


async def test_a_failing_renewal_waits_for_the_interval_too(elsewhere: Elsewhere) -> None:
    await elsewhere.value.get()
    elsewhere.failure = FetchFailed("no")
    for now in (101, 102, 160, 161):
        elsewhere.now = 1000.0 + now
        elsewhere.value.current()
        await elsewhere.settled()
    assert elsewhere.fetches == 3


async def test_without_a_value_a_retry_comes_sooner(elsewhere: Elsewhere) -> None:
    elsewhere.failure = FetchFailed("no")
    for now in (0, 1, 4.9, 5):
        elsewhere.now = 1000.0 + now
        with pytest.raises(Unavailable):
            await elsewhere.value.get()
    assert elsewhere.fetches == 2


async def test_a_source_that_says_when_to_come_again_is_obeyed(elsewhere: Elsewhere) -> None:
    elsewhere.failure = FetchFailed("slow down", retry_after=30)
    with pytest.raises(Unavailable) as caught:
        await elsewhere.value.get()
    assert caught.value.retry_after == 30
    elsewhere.failure = None
    elsewhere.now += 29
    with pytest.raises(Unavailable):
        await elsewhere.value.get()
    elsewhere.now += 1
    assert await elsewhere.value.get() == "v2"


async def test_an_unforeseen_failure_is_logged_and_treated_alike(
    elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere.failure = ZeroDivisionError("x")
    with caplog.at_level(logging.ERROR), pytest.raises(Unavailable):
        await elsewhere.value.get()
    assert "ZeroDivisionError" in caplog.text


def test_it_outlives_the_event_loop_it_was_fetched_in() -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    fetches = [never]

    async def fetch() -> str:
        return await fetches[0]()

    value = Refreshed("x", fetch, refresh=1, outage=1, retry=0)

    async def given_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(value.get(), 0.01)

    async def at_once() -> str:
        return "there"

    asyncio.run(given_up())
    fetches[0] = at_once
    assert asyncio.run(value.get()) == "there"
