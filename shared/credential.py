"""A credential for Azure as tools and the endpoint see it, and why there may be no token.

The errors are none of azure-core's on purpose: its clients let a foreign exception pass at once,
where some would try again for a long time, and a tool that catches AzureError does not swallow it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    class Credential(AsyncTokenCredential, Protocol):
        """The credential of one call. `acted_as` tells as whom tokens were got; empty: none was."""

        @property
        def acted_as(self) -> str: ...


class CredentialRefused(Exception):
    """There is no token for Azure. The text is for the caller: what is wrong and who mends it.

    `retry_after` is in seconds, where asking again makes sense.
    """

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class ClaimsChallenge(CredentialRefused):
    """Conditional Access wants more of the person: a new token of theirs with `claims` (JSON)."""

    def __init__(self, text: str, claims: str) -> None:
        super().__init__(text)
        self.claims = claims


class ConsentMissing(CredentialRefused):
    """Nobody has consented that the endpoint calls a service on the person's behalf."""


def refusal_behind(error: BaseException) -> CredentialRefused | None:
    """The refusal an exception comes from: itself, its cause or context, or a member of a group.

    Azure clients and tools wrap exceptions; what a caller has to do about them stays the same.
    """
    return next((e for e in _behind(error) if isinstance(e, CredentialRefused)), None)


def _behind(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [e for e in (found.__cause__, found.__context__) if e is not None]
        if isinstance(found, BaseExceptionGroup):
            waiting += found.exceptions
