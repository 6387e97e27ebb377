"""What each tool asks of its callers, where that is written, and what it means for one caller."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from shared import command_names
from shared.caller import Caller
from shared.configuration.model import AuthenticationSettings, Listed, Override, Requirement

_EMPTY = Listed(frozenset(), "no requirement")
_REMEMBERED_CALLERS = 512


@dataclass(frozen=True, slots=True)
class Rule:
    """What one tool asks: all of `scopes` and any of `roles`, or nothing at all (`open`).

    `written` says where each part stands, for people.
    """

    scopes: frozenset[str]
    roles: frozenset[str]
    open: bool
    written: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether one caller may call one tool, and why.

    `visible` is whether the caller may know of the tool. What is missing is everything at once,
    so that a client can ask for it in one go.
    """

    outcome: Literal["allowed", "missing", "unauthenticated"]
    rule: Rule
    visible: bool
    missing_scopes: tuple[str, ...] = ()
    missing_roles: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        return self.outcome == "allowed"


def _restricts_or_opens(requirement: Requirement) -> bool:
    asks = [listed for listed in (requirement.scopes, requirement.roles) if listed and listed.names]
    return requirement.allow_anonymous is not None or bool(asks)


class Policy:
    """The rules of all offered tools.

    `tools` maps a tool's name to what its own decorator asks. `own_prefixes` are the identifiers
    of this endpoint: a scope `<prefix>/x` equals `x` for these prefixes and for no other. `given`
    holds rules that are decided already: of resources that are what a tool returns.
    """

    def __init__(
        self,
        settings: AuthenticationSettings,
        tools: Mapping[str, Requirement],
        overrides: Iterable[Override],
        own_prefixes: Iterable[str],
        given: Mapping[str, Rule] | None = None,
    ) -> None:
        self._prefixes = tuple(f"{prefix.rstrip('/')}/" for prefix in own_prefixes)
        self._callable_only = settings.list_tools == "callable"
        self._stand_ins = {
            self._short(scope): roles for scope, roles in settings.application_roles.items()
        }
        default = settings.default_policy.scopes or _EMPTY
        self.default_scopes = frozenset(self._short(scope) for scope in default.names)
        self._visible: dict[tuple[object, ...], tuple[str, ...]] = {}
        by_command: dict[str, list[Requirement]] = {}
        for override in overrides:
            form = command_names.squashed(override.command)
            by_command.setdefault(form, []).append(override.requirement)
        self.rules = {
            name: self._rule(
                settings,
                by_command.get(command_names.squashed(name), []),
                own,
            )
            for name, own in tools.items()
        } | dict(given or {})
        self.admits_anonymous = any(rule.open for rule in self.rules.values())

    def _rule(
        self, settings: AuthenticationSettings, overrides: list[Requirement], own: Requirement
    ) -> Rule:
        default = settings.default_policy
        if not settings.enabled:
            return Rule(frozenset(), frozenset(), True, "Authentication:Enabled is false")
        first = next((override for override in overrides if _restricts_or_opens(override)), default)
        if first.allow_anonymous and first is not default:
            return Rule(frozenset(), frozenset(), True, f"AllowAnonymous in {first.written}")
        chain = [*overrides, own, default]
        scopes = next((r.scopes for r in chain if r.scopes is not None), _EMPTY)
        roles = next((r.roles for r in chain if r.roles is not None), _EMPTY)
        asking = [listed.written for listed in (scopes, roles) if listed.names]
        silent = [listed.written for listed in (scopes, roles) if listed is not _EMPTY]
        return Rule(
            frozenset(self._short(scope) for scope in scopes.names),
            roles.names,
            bool(first.allow_anonymous) and not asking,
            " and ".join(dict.fromkeys(asking or silent)) or default.written,
        )

    def decide(self, caller: Caller, tool: str) -> Decision:
        """What the rule of an offered tool means for a caller. Runs nothing and remembers nothing.

        All scopes are needed, and one of the roles. Does not check that the credential is genuine
        or still valid: that is authentication's part.
        """
        rule = self.rules[tool]
        if rule.open:
            return Decision("allowed", rule, visible=True)
        if caller.kind == "anonymous":
            return Decision("unauthenticated", rule, visible=False)
        missing_scopes = tuple(sorted(rule.scopes - self._held(caller, rule)))
        roles_fit = not rule.roles or bool(rule.roles & caller.roles)
        missing_roles = () if roles_fit else tuple(sorted(rule.roles))
        if not missing_scopes and roles_fit:
            return Decision("allowed", rule, visible=True)
        # A user can go and consent to a scope; a role, or anything for a key, comes from elsewhere.
        reachable = caller.kind == "user" and roles_fit and not self._callable_only
        return Decision("missing", rule, reachable, missing_scopes, missing_roles)

    def _held(self, caller: Caller, rule: Rule) -> set[str]:
        """The scopes of a rule that a caller has, in short form.

        Applications have none of their own: an app role stands for a scope. A user's role does not.
        """
        if caller.kind != "application":
            return {self._short(scope) for scope in caller.scopes}
        return {scope for scope in rule.scopes if self._roles_for(scope) & caller.roles}

    def _roles_for(self, scope: str) -> frozenset[str]:
        return self._stand_ins.get(scope, frozenset()) | {scope}

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that some rule asks for, in short form."""
        return frozenset(scope for rule in self.rules.values() for scope in rule.scopes)

    @property
    def app_roles(self) -> frozenset[str]:
        """The app roles with which an application may do something."""
        rules = self.rules.values()
        stand_ins = (self._stand_ins.get(s) or {s} for rule in rules for s in rule.scopes)
        return frozenset(role for rule in rules for role in rule.roles).union(*stand_ins)

    def visible(self, caller: Caller) -> tuple[str, ...]:
        """The names of the tools a caller may see in a list, in the order they are offered."""
        key = (caller.kind, caller.scopes, caller.roles)
        names = self._visible.get(key)
        if names is None:
            names = tuple(name for name in self.rules if self.decide(caller, name).visible)
            if len(self._visible) >= _REMEMBERED_CALLERS:
                self._visible.pop(next(iter(self._visible)))
            self._visible[key] = names
        return names

    def callable(self, caller: Caller) -> tuple[str, ...]:
        """The names of the tools a caller may call right now."""
        return tuple(name for name in self.visible(caller) if self.decide(caller, name).allowed)

    def _short(self, scope: str) -> str:
        prefix = next((p for p in self._prefixes if scope.startswith(p)), "")
        return scope[len(prefix) :]


class Policies(NamedTuple):
    """The policies of everything offered: tools and prompts by name, resources by URI."""

    tools: Policy
    resources: Policy
    prompts: Policy

    @property
    def admits_anonymous(self) -> bool:
        return any(policy.admits_anonymous for policy in self)

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset().union(*(policy.scopes for policy in self))

    @property
    def app_roles(self) -> frozenset[str]:
        return frozenset().union(*(policy.app_roles for policy in self))
