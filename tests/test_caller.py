"""Callers: their stable names, and that their tokens stay out of sight."""

import logging
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from shared.caller import ANONYMOUS, Caller
from shared.tools.context import ToolContext

TOKEN = "eyJhbGciOiJSUzI1NiJ9.payload.signature"


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        (Caller("user", tenant_id="tid", object_id="oid", name="Ada"), "tid/oid"),
        (Caller("application", tenant_id="tid", object_id="oid", client_id="cid"), "tid/oid"),
        (Caller("key", "ApiKey", "ApiKey-1"), "key/ApiKey-1"),
        (ANONYMOUS, "anonymous"),
    ],
)
def test_a_caller_has_one_stable_name(caller: Caller, principal: str) -> None:
    assert caller.principal == principal


def test_an_assertion_shows_in_no_text() -> None:
    caller = Caller("user", tenant_id="tid", object_id="oid", assertion=TOKEN)
    context = ToolContext(caller, None, "abc-1", 0.0)
    shown: list[Any] = [caller, [caller], {"caller": caller}, context]
    for value in shown:
        assert TOKEN not in f"{value!r} {value!s} {value}"
        assert "oid" in repr(value)


def test_a_caller_stays_the_same_when_the_token_is_renewed() -> None:
    old, new = (Caller("user", tenant_id="t", object_id="o", assertion=a) for a in ("a", "b"))
    assert old == new
    assert hash(old) == hash(new)


def test_a_caller_cannot_be_given_more_rights_later() -> None:
    caller = Caller("key", "ApiKey", "ApiKey-1")
    with pytest.raises(FrozenInstanceError):
        caller.roles = frozenset({"ops"})  # type: ignore[misc]
    assert not hasattr(caller, "__dict__")


def test_an_exception_about_a_caller_does_not_log_the_assertion(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caller = Caller("user", assertion=TOKEN)
    try:
        raise RuntimeError(f"cannot serve {caller}")
    except RuntimeError:
        logging.getLogger("postern.tests").exception("failed for %s", caller)
    assert "user" in caplog.text
    assert TOKEN not in caplog.text
