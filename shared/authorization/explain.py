"""Why a caller may, or may not, call what is offered: the policy's decisions in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shared.authorization.policy import Decision, Policy
from shared.caller import Caller


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of one tool for one caller.

    `refused` tools are seen in lists and answer 403 with what is missing; `hidden` ones are neither
    seen nor admitted to exist. `rule` says where what decided is written.
    """

    tool: str
    outcome: Literal["allowed", "refused", "hidden"]
    reason: str
    rule: str


def explain(policy: Policy, caller: Caller, tools: Iterable[str]) -> list[Explanation]:
    """The decision on each of some offered tools. Runs nothing and checks no credential."""
    return [_explained(tool, policy.decide(caller, tool)) for tool in tools]


def _explained(tool: str, decision: Decision) -> Explanation:
    if decision.allowed:
        return Explanation(tool, "allowed", "", decision.rule.written)
    reasons = []
    if decision.outcome == "unauthenticated":
        reasons.append("needs a credential")
    if decision.missing_scopes:
        reasons.append(f"lacks the scope {' and '.join(decision.missing_scopes)}")
    if decision.missing_roles:
        reasons.append(f"lacks the role {' or '.join(decision.missing_roles)}")
    outcome: Literal["refused", "hidden"] = "refused" if decision.visible else "hidden"
    return Explanation(tool, outcome, " and ".join(reasons), decision.rule.written)
