"""What the identity hands out for a while: authorization codes, refresh tokens, sign-in pages."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

_Value = TypeVar("_Value")


class Gone(Exception):
    """There is nothing to take, and why."""

    def __init__(self, reason: Literal["unknown", "taken", "expired"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class _Entry(Generic[_Value]):
    value: _Value
    expires: float
    taken: bool = False


class SingleUse(Generic[_Value]):
    """Values under unguessable names, to be taken once within `seconds`.

    Holds the latest `most` of them, so that nobody can fill the memory. A name that was taken or
    has expired is told from one that never was for as long as its entry is held.
    """

    def __init__(self, seconds: float, most: int, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._most = most
        self._now = now
        self._entries: dict[str, _Entry[_Value]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, value: _Value) -> str:
        """Hold a value; returns its name."""
        while len(self._entries) >= self._most:
            del self._entries[next(iter(self._entries))]
        name = secrets.token_urlsafe(32)
        self._entries[name] = _Entry(value, self._now() + self._seconds)
        return name

    def take(self, name: str, fits: Callable[[_Value], bool] = lambda _: True) -> _Value:
        """The value of a name, once. Raises Gone.

        A value that does not fit whoever asks is as unknown to them, and stays for who it is for.
        """
        entry = self._entries.get(name)
        if entry is None or not fits(entry.value):
            raise Gone("unknown")
        if entry.taken:
            raise Gone("taken")
        if self._now() >= entry.expires:
            raise Gone("expired")
        entry.taken = True
        return entry.value
