"""The kill switch: who and what is shut out now, whatever else allows it."""

import json
import time
from collections.abc import Awaitable, Callable

import msgspec

from shared.caller import Caller
from shared.command_names import squashed
from shared.configuration.deny import DeniedSection, lists
from shared.configuration.model import Denied, DenySettings
from shared.refreshing import FetchFailed, Refreshed
from shared.validation import Violation, check

Read = Callable[[], Awaitable[str]]
"""Reads the secret that holds more of the lists. Raises FetchFailed."""

_NOTHING = Denied()


class DenyList:
    """The lists of the configuration and, joined to them, those of a secret.

    The secret is read before the first decision and then every so often (`DenySecret`). When it
    cannot be read, or is not what it should be, the last good lists count for their grace time;
    after that, and as long as it was never read, there is no decision: whoever asks has to refuse.
    `clock` is monotonic.
    """

    def __init__(
        self,
        settings: DenySettings,
        read: Read | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own = settings.denied
        self._read = read
        self._more: Refreshed[Denied] | None = None
        if settings.secret is not None:
            secret = settings.secret
            self._more = Refreshed(
                f"the deny list {secret.name}",
                self._fetch,
                refresh=secret.refresh_seconds,
                outage=secret.refresh_seconds + secret.grace_seconds,
                interval=min(5.0, secret.refresh_seconds),
                clock=clock,
            )
        self._joined = _NOTHING
        self._tools = _tools(self._own)

    async def reason(self, caller: Caller) -> str | None:
        """Why a caller is shut out, or None. Raises Unavailable when that cannot be known.

        Does not look at tools; `has_tool` does, by what this has read.
        """
        more = _NOTHING if self._more is None else await self._more.get()
        if more is not self._joined:
            self._joined, self._tools = more, _tools(self._own) | _tools(more)
        return _reason(self._own, caller) or _reason(more, caller)

    @property
    def has_tools(self) -> bool:
        """Whether any tool is shut out."""
        return bool(self._tools)

    def has_tool(self, name: str) -> bool:
        """Whether a tool is shut out, as of the last decision about a caller."""
        return bool(self._tools) and squashed(name) in self._tools

    async def _fetch(self) -> Denied:
        if self._read is None:
            raise FetchFailed("nothing reads it")
        return read_lists(await self._read())


def read_lists(text: str) -> Denied:
    """The lists that a secret holds, as JSON in the shape of the section `Deny`.

    An empty secret holds none. Raises FetchFailed, which never quotes the text.
    """
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        raise FetchFailed("it is not JSON") from None
    found: list[Violation] = []
    plain = check(value, DeniedSection, found=found, config=True)
    if found:
        places = ", ".join(sorted({str(v.path[0]) if v.path else "all of it" for v in found}))
        raise FetchFailed(f"it does not hold the lists of Deny; wrong is: {places[:200]}")
    return lists(msgspec.convert(plain, DeniedSection))


def _reason(denied: Denied, caller: Caller) -> str | None:
    if caller.key_id is not None and caller.key_id in denied.keys:
        return f"the key {caller.key_id} is denied"
    if caller.principal.lower() in denied.principals:
        return "the caller is denied"
    if caller.client_id is not None and caller.client_id in denied.client_ids:
        return f"the client application {caller.client_id} is denied"
    if caller.tenant_id is not None and caller.tenant_id in denied.tenants:
        return f"the tenant {caller.tenant_id} is denied"
    return None


def _tools(denied: Denied) -> frozenset[str]:
    return frozenset(squashed(name) for name in denied.tools)
