"""Decisions in words."""

import pytest

from shared.authorization.explain import Explanation, explain
from shared.caller import ANONYMOUS, Caller
from tests.authorization.test_policy import asks, key, policy_for, user

POLICY = policy_for(
    asks("decorator (tools.py:3)", ["read", "write"], ["ops", "admin"]),
    default=asks("default (settings.json:9)", ["base"]),
)


@pytest.mark.parametrize(
    ("caller", "outcome", "reason"),
    [
        (user(["read", "write"], ["ops"]), "allowed", ""),
        (user(["read"], ["ops"]), "refused", "lacks the scope write"),
        (user([], ["ops"]), "refused", "lacks the scope read and write"),
        (user(["read", "write"]), "hidden", "lacks the role admin or ops"),
        (user(), "hidden", "lacks the scope read and write and lacks the role admin or ops"),
        (key(["read"], ["ops"]), "hidden", "lacks the scope write"),
        (ANONYMOUS, "hidden", "needs a credential"),
    ],
)
def test_a_decision_is_told_with_its_reason_and_where_its_rule_is(
    caller: Caller, outcome: str, reason: str
) -> None:
    (found,) = explain(POLICY, caller, ["get_process"])
    assert (found.tool, found.outcome, found.reason) == ("get_process", outcome, reason)
    assert found.rule == "decorator (tools.py:3)"


def test_each_tool_has_the_rule_that_decided_on_it() -> None:
    assert explain(POLICY, user(["base"]), ["get_process", "other"])[1] == Explanation(
        "other", "allowed", "", "default (settings.json:9)"
    )
