"""The context for tool authors' own tests."""

import pytest

from shared.tools import ToolError
from shared.tools.testing import context_for_tests
from tests.tools.finance.invoices import Invoice, find_invoices


async def test_a_tool_is_tested_by_awaiting_it() -> None:
    context = context_for_tests(roles=["finance.reader"])
    assert await find_invoices("C-1042", context, limit=1) == [Invoice("C-1042-open-1", 10.0)]


async def test_its_errors_are_raised_as_they_are() -> None:
    with pytest.raises(ToolError, match=r"^No customer C-1; try find_customers\.$"):
        await find_invoices("C-1", context_for_tests())


def test_roles_scopes_and_settings_are_as_asked_for() -> None:
    settings = {"a": 1}
    context = context_for_tests(roles=["a", "b"], scopes=("s",), settings=settings)
    assert context.caller.roles == {"a", "b"}
    assert context.caller.scopes == {"s"}
    assert context.settings is settings
    assert context.correlation_id


def test_without_arguments_the_caller_is_a_user_who_may_nothing() -> None:
    context = context_for_tests()
    assert (context.caller.kind, context.caller.roles, context.caller.scopes) == (
        "user",
        frozenset(),
        frozenset(),
    )
    assert context.caller.principal
    assert context.settings is None


def test_the_deadline_is_ahead_unless_asked_otherwise() -> None:
    assert 0 < context_for_tests().remaining() <= 60
    assert context_for_tests(seconds=0).remaining() == 0
    assert context_for_tests(seconds=-5).remaining() == 0


def test_the_tool_can_be_told_that_nobody_waits() -> None:
    context, other = context_for_tests(), context_for_tests()
    context.cancel()
    assert (context.cancelled, other.cancelled) == (True, False)


def test_a_context_shows_no_settings_and_no_assertion() -> None:
    context = context_for_tests(settings={"client_secret": "s3cret-value"})
    assert "s3cret-value" not in repr(context)
