"""Tokens for Azure, remembered for as long as they may be used and given to nobody else."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from shared.credential import CredentialRefused
from shared.credentials.single_flight import SingleFlight
from shared.credentials.tokens import Key, Token

SKEW = 60.0
"""Seconds before its expiry at which a token is no longer handed out."""
_MOST = 4096
_LONGEST_REFUSAL = 60.0


class _Entry(NamedTuple):
    outcome: Token | str
    until: float


class TokenCache:
    """A bounded memory of tokens; the ones not used for longest go first.

    Holds no assertion and no key that could be turned back into one. A refusal that says when to
    come again is remembered until then (a minute at most), so that a throttled caller waits here
    and not in Entra's queue. `clock` is in seconds since the epoch.
    """

    def __init__(self, most: int = _MOST, *, clock: Callable[[], float] = time.time) -> None:
        self._most = most
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._flights: SingleFlight[bytes, Token] = SingleFlight()

    async def get(
        self,
        key: Key,
        fetch: Callable[[], Awaitable[Token]],
        *,
        valid_until: float | None = None,
        most_seconds: float | None = None,
    ) -> Token:
        """The token of a key, fetched once however many ask.

        It is remembered until SKEW before its expiry, and no longer than `valid_until` (when what
        it was exchanged for expires, which also becomes its own expiry) and `most_seconds` allow.
        Raises what `fetch` raises.
        """
        digest = key.digest()
        found = self._recalled(digest)
        if found is not None:
            return found

        async def remember() -> Token:
            try:
                token = await fetch()
            except CredentialRefused as refused:
                if refused.retry_after is not None:
                    wait = min(refused.retry_after, _LONGEST_REFUSAL)
                    self._remember(digest, str(refused), self._clock() + wait)
                raise
            if valid_until is not None and valid_until < token.expires_at:
                token = Token(token.text, valid_until)
            until = token.expires_at - SKEW
            if most_seconds is not None:
                until = min(until, self._clock() + most_seconds)
            self._remember(digest, token, until)
            return token

        return await self._flights.do(digest, remember)

    def _recalled(self, digest: bytes) -> Token | None:
        entry = self._entries.get(digest)
        if entry is None:
            return None
        left = entry.until - self._clock()
        if left <= 0:
            del self._entries[digest]
            return None
        if isinstance(entry.outcome, str):
            raise CredentialRefused(entry.outcome, left)
        self._entries.move_to_end(digest)
        return entry.outcome

    def _remember(self, digest: bytes, outcome: Token | str, until: float) -> None:
        if until <= self._clock():
            return
        self._entries[digest] = _Entry(outcome, until)
        self._entries.move_to_end(digest)
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)
