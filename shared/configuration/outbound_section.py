"""Section `outboundAuthentication`: the self-hosting pull request's vocabulary, and ours beside it.

The pull request has `ManagedIdentity`, `JwtPassthrough` and `JwtObo`; `ClientCredentials` and
`ByCaller` are ours, as is everything that is described as such below.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.configuration.authority import SIGN_IN_HOSTS, is_guid, parse
from shared.configuration.client_credential import (
    KEYS_OF,
    ClientCredentialSection,
    Surroundings,
    read_credential,
)
from shared.configuration.entra import read_guid
from shared.configuration.first_party import is_first_party
from shared.configuration.outbound import (
    Application,
    CallerKind,
    Deny,
    OutboundSettings,
    Strategy,
    UseClientCredentials,
    UseManagedIdentity,
    UseOnBehalfOf,
    UsePassthrough,
)
from shared.configuration.problems import Report
from shared.validation import Path
from shared.wording import either, shown

SECTION = "outboundAuthentication"
KINDS: tuple[CallerKind, ...] = ("user", "application", "key", "anonymous")

StrategyName = Literal["ManagedIdentity", "JwtObo", "ClientCredentials", "JwtPassthrough", "Deny"]

# Which keys mean something, beside the one that chooses.
_OF_TYPE: dict[str, set[str]] = {
    "ManagedIdentity": {"clientId"},
    "JwtObo": {"clientId", "instance", "clientCredential"},
    "ClientCredentials": {"clientId", "tenantId", "instance", "clientCredential"},
    "JwtPassthrough": {"allowPassthrough"},
    "Deny": set(),
    "ByCaller": {"user", "application", "key"},
}
# Strategies that need something only some callers have.
_ONLY_FOR: dict[str, tuple[set[CallerKind], str]] = {
    "JwtObo": ({"user"}, "exchanges a user's token, which these callers do not have"),
    "JwtPassthrough": (
        {"user", "application"},
        "sends a token on that these callers do not have",
    ),
}


class StrategySection(msgspec.Struct, rename="camel", frozen=True):
    type: Annotated[StrategyName, Meta(description="As whom Azure is called.")]
    client_id: Annotated[
        str | None,
        Meta(description="ManagedIdentity: the user-assigned one; else the app registration."),
    ] = None
    tenant_id: Annotated[str | None, Meta(description="Ours, ClientCredentials: its tenant.")] = (
        None
    )
    instance: Annotated[str | None, Meta(description="Ours: the cloud's sign-in host.")] = None
    client_credential: ClientCredentialSection | None = None
    allow_passthrough: Annotated[
        bool | None, Meta(description="Ours, JwtPassthrough: let the caller's token leave.")
    ] = None


Choice = StrategyName | StrategySection | None


class OutboundSection(msgspec.Struct, rename="camel", frozen=True):
    type: Annotated[
        Literal[StrategyName, "ByCaller"],
        Meta(description="As whom tools call Azure; ByCaller (ours) decides per kind of caller."),
    ]
    client_id: str | None = None
    tenant_id: str | None = None
    instance: str | None = None
    client_credential: ClientCredentialSection | None = None
    allow_passthrough: bool | None = None
    user: Annotated[Choice, Meta(description="Ours, ByCaller: for users' tokens.")] = None
    application: Annotated[Choice, Meta(description="Ours, ByCaller: for applications'.")] = None
    key: Annotated[Choice, Meta(description="Ours, ByCaller: for API keys.")] = None
    anonymous: Annotated[
        Choice, Meta(description="Ours: for callers without a credential; unset means Deny.")
    ] = None
    claims_challenge: Annotated[
        Literal["toolError", "http401"],
        Meta(description="Ours: how Conditional Access' demands reach the client."),
    ] = "toolError"


def read_outbound(
    section: OutboundSection, report: Report, where: Surroundings
) -> OutboundSettings | None:
    """The section as settings, or None when `report` says why not."""
    before = len(report.problems)
    _refuse_others(section, "type", section.type, _OF_TYPE[section.type] | {"anonymous"}, report)
    strategies: dict[CallerKind, Strategy]
    if section.type == "ByCaller":
        strategies = {kind: _choice(kind, getattr(section, kind), report, where) for kind in KINDS}
    else:
        given = {name: getattr(section, name) for name in StrategySection.__struct_fields__}
        one = _strategy(StrategySection(**given), (SECTION,), report, where)
        strategies = dict.fromkeys(KINDS, one)
        strategies["anonymous"] = _choice("anonymous", section.anonymous, report, where)
    if any(problem.level == "error" for problem in report.problems[before:]):
        return None
    return OutboundSettings(strategies, section.claims_challenge, where.azure_login)


def _refuse_others(
    section: msgspec.Struct,
    chooser: str,
    choice: str,
    meant: set[str],
    report: Report,
    at: Path = (SECTION,),
) -> None:
    """An error for every key that is there and means nothing with this choice, or is empty.

    Empty is what a variable is that was meant to name an identity and does not; absent may mean
    another identity, with more rights.
    """
    for field in msgspec.structs.fields(section):
        name, value = field.encode_name, getattr(section, field.name)
        if value == "":
            report.error((*at, name), "is empty; expected a value, or the key removed")
        elif value is not None and name not in meant | {chooser, "claimsChallenge"}:
            report.error((*at, name), f"means nothing with {chooser} {choice}; remove it")


def _choice(kind: CallerKind, given: Choice, report: Report, where: Surroundings) -> Strategy:
    at: Path = (SECTION, kind)
    if given is None:
        return Deny(f"{SECTION}:{kind} is not set")
    section = StrategySection(given) if isinstance(given, str) else given
    kinds, why = _ONLY_FOR.get(section.type, (set(KINDS), ""))
    if kind not in kinds:
        report.error(at, f"{section.type} {why}; expected another strategy, or Deny")
    _refuse_others(section, "type", section.type, _OF_TYPE[section.type], report, at)
    return _strategy(section, at, report, where)


def _strategy(given: StrategySection, at: Path, report: Report, where: Surroundings) -> Strategy:
    written = ":".join(str(part) for part in at)
    match given.type:
        case "Deny":
            return Deny(f"{written} is Deny")
        case "ManagedIdentity":
            id = given.client_id
            return UseManagedIdentity(read_guid(id, (*at, "clientId"), report) if id else None)
        case "JwtPassthrough":
            return _passthrough(given, at, report, where)
    if given.type == "JwtObo" and where.scheme is None:
        report.error((*at, "type"), "needs users' tokens, and no scheme takes any")
    unusable = Deny(f"{written} cannot be used")
    application = _application(given, at, report, where)
    if given.type == "JwtObo":
        return UseOnBehalfOf(application) if application else unusable
    tenant = given.tenant_id or (where.scheme and where.scheme.authority.rpartition("/")[2])
    if not tenant or (given.tenant_id is None and not is_guid(tenant)):
        report.error((*at, "tenantId"), "missing; expected the id of the application's tenant")
        return unusable
    tenant = read_guid(tenant, (*at, "tenantId"), report)
    return UseClientCredentials(application, tenant) if application else unusable


def _application(
    given: StrategySection, at: Path, report: Report, where: Surroundings
) -> Application | None:
    scheme = where.scheme
    client_id = given.client_id or (scheme.client_id if scheme else None)
    instance = given.instance or (scheme.authority.rpartition("/")[0] if scheme else None)
    if client_id is None:
        report.error((*at, "clientId"), "missing; expected the API's application (client) id")
    else:
        client_id = read_guid(client_id, (*at, "clientId"), report)
    if given.instance is not None:
        _check_instance(given.instance, (*at, "instance"), report)
    if given.client_credential is None:
        expected = f"expected an object with kind {either(KEYS_OF)}"
        report.error((*at, "clientCredential"), f"missing; {expected}")
        return None
    instance = (instance or "https://login.microsoftonline.com").rstrip("/")
    path = (*at, "clientCredential")
    own = given.client_credential
    _refuse_others(own, "kind", own.kind, KEYS_OF[own.kind], report, path)
    credential = read_credential(own, instance, lambda key: (*path, key), report, where)
    if client_id is None or credential is None:
        return None
    return Application(instance, client_id, credential)


def _check_instance(instance: str, at: Path, report: Report) -> None:
    host = parse(f"{instance.removesuffix('/')}/organizations")
    if host is None or host.scheme != "https":
        report.error(at, "cannot be used; expected https://login.microsoftonline.com/")
    elif not host.is_known:
        report.warn(
            at,
            f"{shown(host.host)} is no sign-in host of Entra ID known here, and is sent callers' "
            f"tokens and what the application proves itself with; expected one of {SIGN_IN_HOSTS}",
        )


def _passthrough(given: StrategySection, at: Path, report: Report, where: Surroundings) -> Strategy:
    scheme = where.scheme
    if scheme is None:
        report.error((*at, "type"), "passes tokens on, and no scheme takes any")
        return Deny("no scheme takes tokens")
    for audience in filter(is_first_party, scheme.audiences):
        report.error(
            (*at, "type"),
            f"would pass tokens for {audience} on, which is Microsoft's own; expected the "
            "scheme's audiences to be of your own registration",
        )
    if not given.allow_passthrough:
        text = "every call to Azure will be refused: passing tokens on needs allowPassthrough: true"
        report.warn((*at, "allowPassthrough"), text)
    named = {a for a in scheme.audiences if not is_guid(a)}
    own = {scheme.client_id, f"api://{scheme.client_id}"} if scheme.client_id else set()
    return UsePassthrough(bool(given.allow_passthrough), frozenset(named | own))
