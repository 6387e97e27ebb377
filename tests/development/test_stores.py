"""What is handed out is taken once, in time, and never fills the memory."""

import pytest

from development.stores import Gone, SingleUse
from tests.development.support import Clock


def reason(store: SingleUse[int], name: str) -> str:
    with pytest.raises(Gone) as gone:
        store.take(name)
    return gone.value.reason


def test_a_value_is_taken_once() -> None:
    store: SingleUse[int] = SingleUse(60, 10, Clock())
    name = store.put(7)
    assert store.take(name) == 7
    assert reason(store, name) == "taken"
    assert reason(store, "other") == "unknown"


def test_a_value_is_taken_in_time() -> None:
    clock = Clock()
    store: SingleUse[int] = SingleUse(60, 10, clock)
    early, late = store.put(1), store.put(2)
    clock.now += 59.9
    assert store.take(early) == 1
    clock.now += 0.1
    assert reason(store, late) == "expired"


def test_only_the_latest_are_held() -> None:
    store: SingleUse[int] = SingleUse(60, 3, Clock())
    names = [store.put(number) for number in range(5)]
    assert len(store) == 3
    assert [reason(store, name) for name in names[:2]] == ["unknown", "unknown"]
    assert [store.take(name) for name in names[2:]] == [2, 3, 4]


def test_a_value_for_somebody_else_stays_theirs() -> None:
    store: SingleUse[int] = SingleUse(60, 10, Clock())
    name = store.put(7)
    with pytest.raises(Gone, match="unknown"):
        store.take(name, lambda value: value == 8)
    assert store.take(name, lambda value: value == 7) == 7
