"""For the tests of tool authors: call a tool as the plain function it is."""

import time
from collections.abc import Iterable
from typing import Any

from shared.caller import Caller
from shared.tools.context import ToolContext


def context_for_tests(
    *,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    settings: Any = None,
    seconds: float = 60.0,
) -> ToolContext[Any]:
    """A context whose caller is an invented user with these roles and scopes."""
    caller = Caller(
        kind="user",
        scheme="tests",
        tenant_id="00000000-0000-0000-0000-000000000000",
        object_id="11111111-1111-1111-1111-111111111111",
        name="Test User",
        roles=frozenset(roles),
        scopes=frozenset(scopes),
    )
    return ToolContext(caller, settings, "test", time.monotonic() + seconds)
