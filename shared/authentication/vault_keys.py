"""The API keys in a key vault: which there are, what each may, and how soon a change is known."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from shared.authentication import key_format, stored_keys
from shared.authentication.stored_keys import PREFIX, StoredKey
from shared.caller import Caller
from shared.key_vault import KeyVault, Properties
from shared.refreshing import FetchFailed, Refreshed, Unavailable
from shared.vault_errors import VaultError

REFRESH_SECONDS = 60.0
"""A compromise: a revoked key works for at most this long, and a vault with ten thousand keys has
400 pages to list, at Azure's 25 secrets a page."""
GRACE_SECONDS = 900.0
RETRY_SECONDS = 5.0
"""Shortest time between a failure and the next call."""
LIST_SECONDS = 120.0
"""Deadline of listing the whole vault."""
MAX_FOREIGN_KEYS = 100

_READERS = 16
_MOST_TOLD = 20
# The clocks of a vault and of this machine may differ by this much, and Azure's have no fractions.
_SETTLED_SECONDS = 300.0

_log = logging.getLogger("postern.authentication")


@dataclass(frozen=True, slots=True)
class _Index:
    """What the vault listed: the newest version of each key by id, and foreign keys by digest.

    `began` is when listing began, by the monotonic clock: what was changed later is not in it.
    """

    began: float
    entries: Mapping[str, Properties]
    foreign: Mapping[bytes, str]


@dataclass(frozen=True, slots=True)
class _Known:
    """A key that was read, going by an entry of the index."""

    entry: Properties
    key: StoredKey
    caller: Caller
    read_at: float
    unsettled: bool


class VaultKeyRing:
    """The keys of one vault whose secrets' names begin with `prefix`, for one event loop.

    The vault is listed when first needed. From half of `refresh_seconds` on, whoever presents a key
    starts the next listing in the background; after the whole, callers wait for it. So no answer
    rests on an index older than that, and a key revoked, expired or stripped of a role stops within
    `refresh_seconds` — unless the vault does not answer: then the last good index serves until it
    is `grace_seconds` old. Without callers there are no calls.

    A key's versions are read when it is first presented, and again when its entry has changed. The
    index tells nothing of older versions, and has times without fractions: a key with older
    versions, or changed within five minutes, is read anew every `refresh_seconds` while in use.

    An id that is not in the index leads to one early listing per `refresh_seconds`, whoever asks
    how often; a text that is no key leads to none. Foreign keys (no id to look for) are read with
    the index, at most MAX_FOREIGN_KEYS.

    `clock` is monotonic, `now` in seconds since the epoch.
    """

    def __init__(
        self,
        scheme: str,
        vault: KeyVault,
        *,
        prefix: str = PREFIX,
        refresh_seconds: float = REFRESH_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._scheme = scheme
        self._vault = vault
        self._prefix = prefix
        self._refresh = refresh_seconds
        self._grace = max(grace_seconds, refresh_seconds)
        self._clock = clock
        self._now = now
        self._index = Refreshed(
            f"The list of keys in {vault.uri}",
            self._list,
            refresh=refresh_seconds / 2,
            outage=self._grace,
            interval=RETRY_SECONDS,
            retry=RETRY_SECONDS,
            clock=clock,
        )
        self._listed: Mapping[str, Properties] = {}
        self._known: dict[str, _Known] = {}
        self._used: dict[str, float] = {}
        self._told: frozenset[str] = frozenset()
        self._early_from = self._pause_until = float("-inf")
        self._reading: dict[str, tuple[Properties, asyncio.Task[None]]] = {}
        self._listing: asyncio.Task[Any] | None = None
        self._readers = asyncio.Semaphore(_READERS)

    @property
    def keys(self) -> int:
        """How many keys the vault was last seen to have, disabled ones too."""
        return len(self._listed)

    def last_used(self, id: str) -> float | None:
        """When a key was last accepted by this process, in seconds since the epoch."""
        return self._used.get(id)

    async def caller(self, presented: str) -> Caller | None:
        """Whose key this is, or None when it is none that is accepted now.

        Raises Unavailable when that cannot be told: the vault does not answer, and what was last
        known of it is too old or does not cover this key. Checks nothing but the key: not what it
        may do, nor how often.
        """
        id = key_format.parse(presented)
        if id is None and not key_format.is_foreign(presented):
            return None
        digest = key_format.digest(presented)
        index = await self._current()
        if id is not None and id not in index.entries:
            index = await self._early(index)
        # The time of this look-up says nothing to whoever cannot choose the bytes of a digest.
        id = id or index.foreign.get(digest)
        entry = None if id is None else index.entries.get(id)
        if id is None or entry is None:
            if self._clock() - index.began > self._refresh:
                raise self._unavailable()
            return None
        if not entry.enabled:
            return None
        known = await self._read(id, entry)
        if known.key.refusal(digest, self._now()) is not None:
            return None
        self._used[id] = self._now()
        return known.caller

    async def close(self) -> None:
        """End what goes on in the background. The vault stays open."""
        tasks = [task for _, task in self._reading.values()]
        tasks += [self._listing] if self._listing else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _current(self) -> _Index:
        """An index no older than is promised, or the last good one in an outage."""
        index = self._index.current()
        if index is None or self._clock() - index.began > self._refresh:
            index = await self._index.renewed()
        return index

    async def _early(self, index: _Index) -> _Index:
        """The index with what was added since, where it is time to look."""
        if self._clock() < self._early_from and self._listing is None:
            return index
        renewed = await self._index.renewed()
        if renewed is not index:
            self._early_from = self._clock() + self._refresh
        return renewed

    async def _list(self) -> _Index:
        """List the vault. Raises FetchFailed."""
        self._listing = asyncio.current_task()
        try:
            began = self._clock()
            async with self._asking(), asyncio.timeout(LIST_SECONDS):
                entries, problems = await stored_keys.index(self._vault, self._prefix)
            for id, old in self._listed.items():
                if entries.get(id) == old:
                    entries[id] = old  # what was read of an entry that stays the same still holds
            foreign = await self._foreign(entries, problems)
        finally:
            self._listing = None
        self._tell(problems)
        self._listed = entries
        for gone in self._known.keys() - entries.keys():
            del self._known[gone]
        for gone in self._used.keys() - entries.keys():
            del self._used[gone]
        return _Index(began, entries, foreign)

    async def _foreign(
        self, entries: Mapping[str, Properties], problems: set[str]
    ) -> Mapping[bytes, str]:
        ids = [id for id, one in entries.items() if one.enabled and stored_keys.is_foreign(one)]
        if len(ids) > MAX_FOREIGN_KEYS:
            problems.add(f"{len(ids)} keys are foreign; the first {MAX_FOREIGN_KEYS} are used")
        ids = sorted(ids)[:MAX_FOREIGN_KEYS]
        try:
            read = await asyncio.gather(*(self._read(id, entries[id]) for id in ids))
        except Unavailable as error:
            raise FetchFailed("a foreign key cannot be read", error.retry_after) from error
        found: dict[bytes, str] = {}
        twice: set[bytes] = set()
        for id, known in zip(ids, read, strict=True):
            for digest in {version.digest for version in known.key.versions}:
                if digest in found:
                    twice.add(digest)
                    names = f"{entries[id].name} and {entries[found[digest]].name}"
                    problems.add(f"{names} hold the same key; it is not accepted")
                found[digest] = id
        return {digest: id for digest, id in found.items() if digest not in twice}

    async def _read(self, id: str, entry: Properties) -> _Known:
        """The key of an entry. Raises Unavailable."""
        waited = False
        while not (known := self._known.get(id)) or known.entry is not entry or self._due(known):
            if waited or self._clock() < self._pause_until:
                if known and known.entry is entry and self._age(known) <= self._grace:
                    break
                raise self._unavailable()
            if id not in self._reading:
                task = asyncio.create_task(self._fetch(id, entry))
                self._reading[id] = entry, task
            of, task = self._reading[id]
            waited = of is entry
            await asyncio.wait([task])
        return known

    async def _fetch(self, id: str, entry: Properties) -> None:
        """Read a key and remember it. Raises nothing: whoever waits finds it remembered or not."""
        try:
            async with self._asking():
                read_at, now = self._clock(), self._now()
                key = await stored_keys.read(self._vault, entry.name, id, now)
        except FetchFailed as error:
            _log.warning("%s cannot be read: %s", entry.name, error)
            return
        except Exception:
            _log.exception("%s cannot be read", entry.name)
            return
        finally:
            del self._reading[id]
        last = self._known.get(id)
        if key.problem and (last is None or last.key.problem != key.problem):
            _log.warning("%s is not accepted: %s", entry.name, key.problem)
        if key.plain and not (last and last.key.plain):
            _log.warning("%s holds a key itself; it should hold its digest", entry.name)
        grants = key.grants
        caller = Caller(
            "key", self._scheme, id, name=grants.owner, scopes=grants.scopes, roles=grants.roles
        )
        unsettled = len(key.versions) > 1 or now - entry.updated < _SETTLED_SECONDS
        self._known[id] = _Known(entry, key, caller, read_at, unsettled)

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Around calls to the vault: few at once, and none for a while after a failure.

        Raises FetchFailed instead of VaultError.
        """
        async with self._readers:
            pause = self._pause_until - self._clock()
            if pause > 0:
                raise FetchFailed("the vault is left alone after a failure", pause)
            try:
                yield
            except (VaultError, TimeoutError) as error:
                pause = max(RETRY_SECONDS, getattr(error, "retry_after", 0.0))
                self._pause_until = self._clock() + pause
                raise FetchFailed(str(error) or "it took too long", pause) from error

    def _due(self, known: _Known) -> bool:
        return known.unsettled and self._age(known) > self._refresh

    def _age(self, known: _Known) -> float:
        return self._clock() - known.read_at

    def _unavailable(self) -> Unavailable:
        return Unavailable(max(RETRY_SECONDS, self._pause_until - self._clock()))

    def _tell(self, problems: set[str]) -> None:
        """Log what is wrong with the vault's secrets, each once while it stays so."""
        new = sorted(problems - self._told)
        for problem in new[:_MOST_TOLD]:
            _log.warning("%s: %s", self._vault.uri, problem)
        if len(new) > _MOST_TOLD:
            _log.warning("%s: %d more such problems", self._vault.uri, len(new) - _MOST_TOLD)
        self._told = frozenset(problems)
