"""Entra ID as a configuration names it: authorities, tenants, audiences and the issuers they mean.

All dialects that take access tokens end here, so what is refused and why is the same in each.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from shared.configuration import authority
from shared.configuration.authority import Authority
from shared.configuration.model import EntraScheme
from shared.configuration.problems import Report
from shared.configuration.token_rules import Claims, Names, TokenRules
from shared.http import is_loopback
from shared.validation import Path
from shared.wording import shown

DEVELOPMENT_AUTHORITY = "development"
"""What a development profile writes for the authority of the development identity."""
DEVELOPMENT_IDENTITY_PORT = 7072
DEVELOPMENT_TENANT = "de5e1099-0000-4000-8000-000000000001"
DEVELOPMENT_CLIENT_ID = "de5e1099-0000-4000-8000-0000000000a9"

_AN_ISSUER = "https://login.microsoftonline.com/<tenant id>/v2.0"

Blame = Callable[[str], Path]
"""Where the configuration says what we call by one of PoshMcp's keys."""


class Identity(NamedTuple):
    """What a dialect says about an identity provider, in PoshMcp's words.

    `expected` is what the place that `Blame` calls `Authority` should hold.
    """

    name: str
    authority: str | None
    audiences: Names
    valid_issuers: Names
    require_https: bool
    claims: Claims
    rules: TokenRules
    expected: str = "https://login.microsoftonline.com/<tenant id>"


class Circumstances(NamedTuple):
    """What else decides how an identity is read. `identity` is the development identity's URL."""

    development: bool
    public_url: str
    identity: str


def read_scheme(
    given: Identity, blame: Blame, report: Report, where: Circumstances
) -> EntraScheme | None:
    """The scheme, or None when `report` says why not."""
    before = len(report.problems)
    if given.authority == DEVELOPMENT_AUTHORITY and where.development:
        given = _of_development(given, where)
    found = _authority(given, blame, report, development=where.development)
    rules = given.rules
    client_id = read_guid(rules.client_id, blame("ClientId"), report) if rules.client_id else None
    stripped = (text.removesuffix("/") for text in (*given.audiences, client_id or ""))
    audiences = [a.lower() if authority.is_guid(a.lower()) else a for a in stripped if a]
    if not audiences:
        text = "missing; expected the API's application (client) id as ClientId, or its App ID URI"
        report.error(blame("Audience"), text)
    allowed = _guids(rules.allowed_tenants, blame("AllowedTenants"), report)
    clients = _guids(rules.allowed_client_ids, blame("AllowedClientIds"), report)
    grants = {
        read_guid(client, (*blame("ApplicationGrants"), client), report): frozenset(grant.roles)
        for client, grant in rules.application_grants.items()
    }
    if rules.signing_key_outage_seconds < rules.signing_key_refresh_seconds:
        text = "is shorter than SigningKeyRefreshSeconds; expected the longer one here"
        report.error(blame("SigningKeyOutageSeconds"), text)
    if found is None:
        return None
    _check_tenants(found, allowed, blame, report)
    tenants = allowed or frozenset({found.tenant})
    issuers = _issuers(found, tenants, given, blame, report)
    if any(problem.level == "error" for problem in report.problems[before:]):
        return None
    scheme = EntraScheme(
        given.name,
        found.url,
        tenants,
        issuers,
        tuple(dict.fromkeys(audiences)),
        client_id,
        tuple(rules.algorithms),
        found.scheme == "https",
        given.claims.scope_claim,
        given.claims.role_claim,
        given.claims.name_claim,
        clients,
        grants,
        rules.clock_skew_seconds,
        rules.signing_key_refresh_seconds,
        rules.signing_key_outage_seconds,
    )
    _warn_of_no_match(scheme, blame, report)
    return scheme


def _of_development(given: Identity, where: Circumstances) -> Identity:
    """`Authority: development` as the development identity's URL, with its invented API."""
    client_id = given.rules.client_id or DEVELOPMENT_CLIENT_ID
    return given._replace(
        authority=f"{where.identity}/{DEVELOPMENT_TENANT}",
        audiences=given.audiences or [where.public_url, f"api://{client_id}"],
        rules=msgspec.structs.replace(given.rules, client_id=client_id),
    )


def _authority(
    given: Identity, blame: Blame, report: Report, *, development: bool
) -> Authority | None:
    at = blame("Authority")
    if given.authority is None:
        report.error(at, f"missing; expected {given.expected}")
        return None
    if given.authority == DEVELOPMENT_AUTHORITY:
        text = f"is the development identity, outside development; expected {given.expected}"
        report.error(at, text)
        return None
    found = authority.parse(given.authority)
    if found is None:
        report.error(at, f"cannot be used; expected {given.expected}")
        return None
    local = development and is_loopback(urlsplit(f"//{found.host}").hostname or "")
    if found.scheme == "http" and not local and (given.require_https or not development):
        report.error(blame("Instance"), "is not https; expected an https URL")
    elif not given.require_https and not development:
        report.error(blame("RequireHttpsMetadata"), "is false; expected true outside development")
    if not found.is_known and not local:
        report.warn(
            blame("Instance"),
            f"{shown(found.host)} is no sign-in host of Entra ID known here, and who runs it "
            f"decides who comes in; expected one of {authority.SIGN_IN_HOSTS}",
        )
    return found


def _check_tenants(found: Authority, allowed: frozenset[str], blame: Blame, report: Report) -> None:
    """Check that it is decided which tenants are let in, and that the authority serves them."""
    at = blame("Authority")
    if not allowed:
        # A placeholder is told where placeholders are.
        if found.stands_for or not (found.tenant_id or "{" in found.tenant):
            whom = f"stands for {found.stands_for}" if found.stands_for else "is no tenant id"
            text = f"{shown(found.tenant)} {whom}; expected the id of one (a GUID)"
            report.error(at, f"{text}, or AllowedTenants in a scheme of type JwtBearer")
    elif found.tenant_id and found.tenant_id not in allowed:
        text = f"does not name the tenant of the Authority; expected {found.tenant_id} among them"
        report.error(blame("AllowedTenants"), text)
    elif found.tenant_id and len(allowed) > 1:
        report.warn(
            at,
            "names one tenant, whose signing keys may not be good for the others of "
            f"AllowedTenants; expected {found._replace(tenant='organizations').url}",
        )


def _issuers(
    found: Authority, tenants: frozenset[str], given: Identity, blame: Blame, report: Report
) -> Mapping[str, str | None]:
    """Accepted issuers with the tenant each stands for: those of the tenants, or the explicit."""
    derived = found.issuers(sorted(tenants))
    if not given.valid_issuers:
        return derived
    explicit: dict[str, str | None] = {}
    for index, issuer in enumerate(given.valid_issuers):
        at = (*blame("ValidIssuers"), index)
        tenant = explicit[issuer] = derived.get(issuer) or authority.guid_in(issuer)
        if not issuer.startswith(("https://", "http://")):
            report.error(at, f"{shown(issuer)} is no URL; expected {_AN_ISSUER}")
        elif tenant is not None and tenant not in tenants and "{" not in found.tenant:
            text = f"is the issuer of {tenant}, a tenant that is not let in; expected one that "
            report.error(at, f"{text}Authority or AllowedTenants names")
        elif found.is_known and issuer not in derived and "{" not in issuer:
            text = "no token names this issuer: Entra ID writes "
            report.warn(at, f"{text}{' or '.join(derived)}, character for character")
    return explicit


def _warn_of_no_match(scheme: EntraScheme, blame: Blame, report: Report) -> None:
    """Tell of audiences and issuers that no token has together.

    Entra puts an App ID URI into the audience of v1 tokens only; v2 tokens name the client id.
    """
    by_id = any(authority.is_guid(audience) for audience in scheme.audiences)
    only_v2 = all(issuer.endswith("/v2.0") for issuer in scheme.issuers)
    if only_v2 and not by_id:
        ids = (audience.removeprefix("api://").lower() for audience in scheme.audiences)
        client_id = next(filter(authority.is_guid, ids), "<application (client) id>")
        report.warn(
            blame("ValidIssuers"),
            "no token can match: v2 issuers put the application (client) id into the audience, "
            f'never an App ID URI. Add to the scheme: "ClientId": "{client_id}"',
        )


def _guids(values: Names, path: Path, report: Report) -> frozenset[str]:
    return frozenset(read_guid(value, (*path, i), report) for i, value in enumerate(values))


def read_guid(value: str, path: Path, report: Report) -> str:
    """An id in lower case; one that is none is an error and returned all the same."""
    if not authority.is_guid(value.lower()):
        # Longer than an id: perhaps a secret, in the wrong place.
        told = shown(value) if len(value) <= len(DEVELOPMENT_TENANT) else "the value"
        report.error(path, f"{told} is no id; expected a GUID such as {DEVELOPMENT_TENANT}")
    return value.lower()
