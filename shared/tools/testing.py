"""For the tests of tool authors: call a tool as the plain function it is."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shared.caller import Caller
from shared.tools.context import ToolContext

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


def context_for_tests(
    *,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    settings: Any = None,
    seconds: float = 60.0,
    credential: "AsyncTokenCredential | None" = None,
) -> ToolContext[Any]:
    """A context whose caller is an invented user with these roles and scopes.

    `credential` is what the tool calls Azure with; without one, asking for it is an error.
    """
    caller = Caller(
        kind="user",
        scheme="tests",
        tenant_id="00000000-0000-0000-0000-000000000000",
        object_id="11111111-1111-1111-1111-111111111111",
        name="Test User",
        roles=frozenset(roles),
        scopes=frozenset(scopes),
    )
    deadline = time.monotonic() + seconds
    return ToolContext(caller, settings, "test", deadline, _credential=credential)
