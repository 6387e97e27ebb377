"""Token buckets: what goes through, what waits, and what memory that takes."""

import pytest

from shared.authorization.rate_limits import RateLimiter
from shared.configuration.model import RateLimit, RateLimits


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limiter(clock: Clock, **tools: RateLimit) -> RateLimiter:
    """One request in two seconds and three at once for each caller, and limits of tools."""
    return RateLimiter(RateLimits(RateLimit(0.5, 3), tools), clock=clock)


def test_a_burst_goes_through_and_then_one_waits(clock: Clock) -> None:
    limits = limiter(clock)
    assert [limits.admit("a") for _ in range(4)] == [0, 0, 0, 2]


def test_who_waits_as_long_as_told_goes_through_and_not_before(clock: Clock) -> None:
    limits = limiter(clock)
    for _ in range(3):
        limits.admit("a")
    clock.now += 1.9
    assert limits.admit("a") == pytest.approx(0.1)
    clock.now += limits.admit("a")
    assert limits.admit("a") == 0
    assert limits.admit("a") > 0


def test_asking_again_does_not_make_the_wait_longer(clock: Clock) -> None:
    limits = limiter(clock)
    assert [limits.admit("a") for _ in range(100)][-1] == 2


def test_a_bucket_never_holds_more_than_its_burst(clock: Clock) -> None:
    limits = limiter(clock)
    clock.now += 1_000_000
    assert [limits.admit("a") for _ in range(4)] == [0, 0, 0, 2]


def test_each_caller_has_a_bucket_of_its_own(clock: Clock) -> None:
    limits = limiter(clock)
    for _ in range(3):
        limits.admit("a")
    assert limits.admit("a") > 0
    assert limits.admit("b") == 0


def test_several_requests_count_together_and_all_or_none(clock: Clock) -> None:
    limits = limiter(clock)
    assert limits.admit("a", 2) == 0
    assert limits.admit("a", 2) == 2
    assert limits.admit("a", 1) == 0


def test_more_than_a_bucket_holds_needs_a_full_one(clock: Clock) -> None:
    limits = limiter(clock)
    assert limits.admit("a", 50) == 0
    assert limits.admit("a", 50) == 6
    clock.now += 6
    assert limits.admit("a", 50) == 0


def test_a_tool_has_a_limit_per_caller_under_any_spelling(clock: Clock) -> None:
    limits = limiter(clock, **{"Get-Process": RateLimit(1, 1)})
    assert limits.admit_call("a", "get_process") == 0
    assert limits.admit_call("a", "get_process") == 1
    assert limits.admit_call("b", "get_process") == 0
    assert [limits.admit_call("a", "whoami") for _ in range(9)] == [0] * 9


def test_without_a_limit_nothing_waits(clock: Clock) -> None:
    limits = RateLimiter(RateLimits(), clock=clock)
    assert [limits.admit("a") for _ in range(1000)] == [0] * 1000


def test_many_callers_do_not_fill_the_memory(clock: Clock) -> None:
    limits = limiter(clock)
    for number in range(30_000):
        limits.admit(f"caller-{number}")
    assert len(limits._buckets) == 10_000
    for _ in range(2):
        limits.admit("caller-29999")
    assert limits.admit("caller-29999") > 0
