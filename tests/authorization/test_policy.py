"""What each tool asks, and what that means for one caller."""

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from shared.authorization.policy import Decision, Policy
from shared.caller import ANONYMOUS, Caller
from shared.configuration.model import (
    AuthenticationSettings,
    Cors,
    Listed,
    Override,
    Requirement,
)

OWN = "https://mcp.example.com/mcp"
Names = Sequence[str] | None


def asks(written: str, scopes: Names = None, roles: Names = None, **more: Any) -> Requirement:
    def listed(names: Names) -> Listed | None:
        return None if names is None else Listed(frozenset(names), written)

    return Requirement(listed(scopes), listed(roles), written=written, **more)


def policy_for(
    own: Requirement | None = None,
    *,
    default: Requirement | None = None,
    overrides: Sequence[tuple[str, Requirement]] = (),
    list_tools: Literal["reachable", "callable"] = "reachable",
    enabled: bool = True,
) -> Policy:
    """A policy over the tools `get_process` and `other`; `own` is what get_process asks itself."""
    settings = AuthenticationSettings(enabled, (), default or asks("default"), list_tools, Cors())
    tools = {"get_process": own or asks("decorator"), "other": asks("other")}
    given = [Override(command, (command,), requirement) for command, requirement in overrides]
    return Policy(settings, tools, given, [OWN])


def decide(policy: Policy, caller: Caller) -> Decision:
    return policy.decide(caller, "get_process")


def user(scopes: Names = None, roles: Names = None) -> Caller:
    held = frozenset(scopes or ()), frozenset(roles or ())
    return Caller("user", tenant_id="t", object_id="o", scopes=held[0], roles=held[1])


def key(scopes: Names = None, roles: Names = None) -> Caller:
    held = frozenset(scopes or ()), frozenset(roles or ())
    return Caller("key", "ApiKey", "ApiKey-1", scopes=held[0], roles=held[1])


@pytest.mark.parametrize("kind", ["scopes", "roles"])
@pytest.mark.parametrize(
    ("command", "function", "decorator", "default", "wanted"),
    [
        (["c"], ["f"], ["o"], ["d"], "c"),
        (None, ["f"], ["o"], ["d"], "f"),
        (None, None, ["o"], ["d"], "o"),
        (None, None, None, ["d"], "d"),
        (["c"], [], [], [], "c"),
        ([], ["f"], ["o"], ["d"], None),
        (None, [], ["o"], ["d"], None),
        (None, None, [], ["d"], None),
        (None, None, None, [], None),
        (None, None, None, None, None),
    ],
)
def test_the_first_place_that_says_anything_decides_and_an_empty_list_clears(
    kind: str, command: Names, function: Names, decorator: Names, default: Names, wanted: str | None
) -> None:
    policy = policy_for(
        asks("decorator", **{kind: decorator}),
        default=asks("default", **{kind: default}),
        overrides=[
            ("Get-Process", asks("command override", **{kind: command})),
            ("get_process", asks("function override", **{kind: function})),
        ],
    )
    holder = {kind: [wanted]} if wanted else {}
    assert decide(policy, key(**holder)).allowed
    if wanted:
        others = [name for name in "cfod" if name != wanted]
        assert not decide(policy, key(**{kind: others})).allowed


def test_scopes_and_roles_are_inherited_separately() -> None:
    policy = policy_for(
        asks("decorator", scopes=["own"], roles=["own"]),
        default=asks("default", scopes=["d"], roles=["d"]),
        overrides=[("get_process", asks("override", roles=["ops"]))],
    )
    assert decide(policy, key(["own"], ["ops"])).allowed
    assert not decide(policy, key(["own"], ["own"])).allowed
    assert not decide(policy, key(["d"], ["ops"])).allowed


def test_an_override_concerns_its_own_tool_only() -> None:
    policy = policy_for(
        default=asks("default", roles=["reader"]),
        overrides=[("get_process", asks("override", roles=["ops"]))],
    )
    assert policy.callable(key(roles=["reader"])) == ("other",)
    assert policy.callable(key(roles=["ops"])) == ("get_process",)


@pytest.mark.parametrize("caller", [user, key])
@pytest.mark.parametrize(
    ("scopes", "roles", "missing_scopes", "missing_roles"),
    [
        (["a", "b"], ["r"], (), ()),
        (["a", "b", "more"], ["s", "more"], (), ()),
        (["a"], ["r"], ("b",), ()),
        ([], ["s"], ("a", "b"), ()),
        (["a", "b"], [], (), ("r", "s")),
        (["a", "b"], ["R"], (), ("r", "s")),
        (["A", "b"], ["r"], ("a",), ()),
        ([], [], ("a", "b"), ("r", "s")),
        (["r", "s"], ["a", "b"], ("a", "b"), ("r", "s")),
        (["a b"], ["r"], ("a", "b"), ()),
    ],
)
def test_all_scopes_and_any_role_are_needed_in_their_exact_case(
    caller: Any, scopes: Names, roles: Names, missing_scopes: Names, missing_roles: Names
) -> None:
    policy = policy_for(asks("decorator", scopes=["b", "a"], roles=["s", "r"]))
    decision = decide(policy, caller(scopes, roles))
    assert decision.missing_scopes == missing_scopes
    assert decision.missing_roles == missing_roles
    assert decision.allowed == (not missing_scopes and not missing_roles)
    assert decision.outcome == ("allowed" if decision.allowed else "missing")


@pytest.mark.parametrize(
    ("wanted", "held", "allowed"),
    [
        ("x", "x", True),
        (f"{OWN}/x", "x", True),
        ("x", f"{OWN}/x", True),
        (f"{OWN}/x", f"{OWN}/x", True),
        ("https://other/x", "https://other/x", True),
        ("https://other/x", "x", False),
        ("x", "https://other/x", False),
        (f"{OWN}2/x", "x", False),
        (f"{OWN}.evil.com/x", "x", False),
        (f"https://evil.com/{OWN}/x", "x", False),
        (f"{OWN.upper()}/x", "x", False),
        (f"{OWN}/X", "x", False),
        (f"{OWN}/a/x", "x", False),
        ("https://mcp.example.com/x", "x", False),
        ("api://postern/x", "x", False),
    ],
)
def test_a_long_scope_equals_the_short_one_only_under_this_endpoints_own_url(
    wanted: str, held: str, allowed: bool
) -> None:
    assert decide(policy_for(asks("decorator", scopes=[wanted])), key([held])).allowed is allowed


@pytest.mark.parametrize(
    ("caller", "list_tools", "visible"),
    [
        (user(roles=["r"]), "reachable", True),
        (user(roles=["r"]), "callable", False),
        (user(), "reachable", False),
        (user(["a"]), "reachable", False),
        (key(roles=["r"]), "reachable", False),
        (Caller("application", roles=frozenset({"r"})), "reachable", False),
        (ANONYMOUS, "reachable", False),
        (user(["a"], ["r"]), "callable", True),
    ],
)
def test_only_a_user_sees_a_tool_that_more_scopes_would_allow(
    caller: Caller, list_tools: Literal["reachable", "callable"], visible: bool
) -> None:
    policy = policy_for(asks("decorator", scopes=["a"], roles=["r"]), list_tools=list_tools)
    assert decide(policy, caller).visible is visible
    assert ("get_process" in policy.visible(caller)) is visible
    assert ("get_process" in policy.callable(caller)) is decide(policy, caller).allowed


def test_what_one_caller_sees_is_not_remembered_for_another_kind_with_the_same_rights() -> None:
    policy = policy_for(asks("decorator", scopes=["a"]))
    for _ in range(2):
        assert policy.visible(user()) == ("get_process", "other")
        assert policy.visible(key()) == ("other",)
        assert policy.visible(ANONYMOUS) == ()


def test_a_tool_without_requirement_still_wants_somebody() -> None:
    decision = decide(policy_for(), ANONYMOUS)
    assert (decision.outcome, decision.visible) == ("unauthenticated", False)
    assert decide(policy_for(), key()).allowed


def test_allow_anonymous_opens_one_tool_and_ignores_what_it_would_inherit() -> None:
    policy = policy_for(
        asks("decorator", scopes=["a"], roles=["r"]),
        default=asks("default", roles=["reader"]),
        overrides=[
            ("Get-Process", asks("line 7", allow_anonymous=True)),
            ("get_process", asks("weaker", roles=["ops"])),
        ],
    )
    assert policy.admits_anonymous
    for caller in (ANONYMOUS, key(), user()):
        assert decide(policy, caller).allowed
    assert "line 7" in policy.rules["get_process"].written
    assert policy.visible(ANONYMOUS) == ("get_process",)


@pytest.mark.parametrize(
    "first",
    [
        asks("first", allow_anonymous=False),
        asks("first", roles=["ops"]),
        asks("first", scopes=["admin"]),
    ],
)
def test_allow_anonymous_does_not_undo_what_a_stronger_place_asks(first: Requirement) -> None:
    later = asks("later", allow_anonymous=True)
    policy = policy_for(overrides=[("get_process", first), ("get_process", later)])
    assert not decide(policy, ANONYMOUS).allowed
    assert not policy.admits_anonymous


def test_without_allow_anonymous_nobody_anonymous_is_admitted() -> None:
    assert not policy_for().admits_anonymous


@pytest.mark.parametrize("own", [None, asks("decorator", roles=["r"])])
def test_not_requiring_authentication_opens_what_asks_for_nothing(own: Requirement | None) -> None:
    policy = policy_for(own, default=asks("default", allow_anonymous=True))
    assert decide(policy, ANONYMOUS).allowed is (own is None)


def test_with_authentication_off_everything_is_open_and_the_rule_says_so() -> None:
    policy = policy_for(asks("decorator", scopes=["a"], roles=["r"]), enabled=False)
    decision = decide(policy, ANONYMOUS)
    assert decision.allowed
    assert decision.rule.written == "Authentication:Enabled is false"


@pytest.mark.parametrize(
    ("own", "override", "written"),
    [
        ({"roles": ["r"]}, {}, ["decorator"]),
        ({"roles": ["r"]}, {"roles": ["x"]}, ["override"]),
        ({"scopes": ["s"]}, {"roles": ["x"]}, ["decorator", "override"]),
        ({}, {}, ["default"]),
        ({"roles": ["r"]}, {"roles": []}, ["override"]),
    ],
)
def test_a_rule_says_where_each_part_of_it_is_written(
    own: dict[str, Names], override: dict[str, Names], written: list[str]
) -> None:
    policy = policy_for(
        asks("decorator", **own), overrides=[("get_process", asks("override", **override))]
    )
    rule = policy.rules["get_process"].written
    assert [place for place in ("decorator", "override", "default") if place in rule] == written


@pytest.mark.parametrize("caller", [user, key])
def test_a_role_never_meets_a_scope_nor_a_scope_a_role(caller: Any) -> None:
    policy = policy_for(asks("decorator", scopes=["pay"]))
    assert not decide(policy, caller(roles=["pay"])).allowed
    policy = policy_for(asks("decorator", roles=["pay"]))
    assert not decide(policy, caller(scopes=["pay"])).allowed


# Applications, whose tokens carry roles and no scopes


def application(*roles: str, scopes: Names = None) -> Caller:
    held = frozenset(scopes or ())
    return Caller("application", tenant_id="t", object_id="o", scopes=held, roles=frozenset(roles))


def with_stand_ins(stand_ins: dict[str, list[str]], *scopes: str) -> Policy:
    roles = {scope: frozenset(names) for scope, names in stand_ins.items()}
    settings = AuthenticationSettings(
        True, (), asks("default", scopes), "reachable", Cors(), application_roles=roles
    )
    return Policy(settings, {"get_process": asks("decorator")}, [], [OWN, "api://app"])


def test_an_app_role_named_like_the_scope_stands_for_it() -> None:
    policy = policy_for(asks("decorator", ["api://other/x", f"{OWN}/read"]))
    decision = decide(policy, application("read"))
    assert (decision.allowed, decision.missing_scopes) == (False, ("api://other/x",))
    assert decide(policy, application("read", "api://other/x")).allowed


@pytest.mark.parametrize("scope", ["read", f"{OWN}/read", "api://app/read"])
def test_a_configured_app_role_stands_for_a_scope_in_either_form(scope: str) -> None:
    policy = with_stand_ins({scope: ["Read.All", "Admin"]}, f"{OWN}/read")
    for role in ("Read.All", "Admin", "read"):
        assert decide(policy, application(role)).allowed
    assert not decide(policy, application("read.all")).allowed
    assert policy.app_roles == {"Read.All", "Admin"}


def test_a_users_role_never_stands_for_a_scope() -> None:
    policy = with_stand_ins({"read": ["Read.All"]}, "read")
    assert not decide(policy, user(roles=["Read.All", "read"])).allowed
    assert decide(policy, user(["read"])).allowed


def test_a_keys_role_never_stands_for_a_scope() -> None:
    assert not decide(with_stand_ins({}, "read"), key(roles=["read"])).allowed


def test_an_applications_scopes_count_for_nothing() -> None:
    assert not decide(with_stand_ins({}, "read"), application(scopes=["read"])).allowed


def test_an_application_needs_every_scope_and_one_of_the_roles() -> None:
    policy = policy_for(asks("decorator", ["read", "write"], ["ops", "admin"]))
    assert decide(policy, application("read", "write", "admin")).allowed
    assert decide(policy, application("read", "admin")).missing_scopes == ("write",)
    assert decide(policy, application("read", "write")).missing_roles == ("admin", "ops")


def test_what_an_application_lacks_is_hidden_from_it() -> None:
    policy = policy_for(asks("decorator", ["read"]))
    assert not decide(policy, application("other")).visible
    assert policy.visible(application("other")) == ("other",)


def test_the_policy_knows_which_scopes_and_app_roles_there_are() -> None:
    policy = policy_for(asks("decorator", [f"{OWN}/read"], ["ops"]), default=asks("d", ["base"]))
    assert policy.scopes == {"read", "base"}
    assert policy.default_scopes == {"base"}
    assert policy.app_roles == {"read", "base", "ops"}
