"""Entra ID access tokens: a bearer token becomes the caller it was issued for.

RFC 7519 and RFC 8725 for JSON Web Tokens, RFC 6750 for how they are presented, Microsoft's claims
reference for what Entra ID puts into them.
"""

import base64
import hashlib
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard

from shared.authentication.signing_keys import SigningKey, SigningKeys
from shared.caller import Caller
from shared.configuration.authority import is_guid
from shared.configuration.model import EntraScheme

_log = logging.getLogger("postern.authentication")

MAX_TOKEN_CHARACTERS = 16 * 1024
REMEMBERED_SECONDS = 300.0
"""How long a verified token is taken without verifying it again, unless it expires before."""
_REMEMBERED_TOKENS = 2048
_YEAR_10000 = 253_402_300_800
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
_KEYS_IN_THE_TOKEN = ("jwk", "jku", "x5u", "x5c", "crit")
_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash")
_GRAPH = "00000003-0000-0000-c000-000000000000"
_GRAPH_AUDIENCE = re.compile(rf"https://(dod-)?graph\.microsoft\.(com|us)|{_GRAPH}")


class InvalidToken(Exception):
    """A token that is not taken for anybody's. The text is for the client's developer: 401."""


class NotAdmitted(Exception):
    """A genuine token of a caller who may do nothing here: 403. `caller` is who."""

    def __init__(self, caller: Caller, reason: str) -> None:
        super().__init__(reason)
        self.caller = caller
        self.reason = reason


class NoAppRole(NotAdmitted):
    """An application without an app role and without a grant."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a token says, as far as it does not depend on the time or on who is let in."""

    caller: Caller
    not_before: float
    expires_at: float
    groups_are_missing: bool


class EntraTokens:
    """Recognises the access tokens of one scheme.

    Verified tokens are remembered by their SHA-256, for at most REMEMBERED_SECONDS and never
    beyond their expiry; each use checks again what may have changed: the time, that the signing
    key is still there, and who is admitted. `clock` is in seconds since the epoch.
    """

    def __init__(
        self,
        scheme: EntraScheme,
        keys: SigningKeys | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._scheme = scheme
        self.keys = keys or SigningKeys(
            scheme.authority,
            scheme.issuers,
            https=scheme.require_https,
            refresh=scheme.key_refresh_seconds,
            outage=scheme.key_outage_seconds,
        )
        self._clock = clock
        self._remembered: OrderedDict[bytes, tuple[Verified, str, SigningKey, float]] = (
            OrderedDict()
        )

    async def caller(self, token: str) -> Caller:
        """Whom a token was issued for.

        Raises InvalidToken (401), NotAdmitted (403), and Unavailable (503) when there is no key
        to check it with. Does not check what the caller may do, nor whether Entra has revoked the
        token since: an access token is good until it expires.
        """
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        verified = self._recalled(digest)
        if verified is None:
            verified, kid, key = await self._verify(token)
            self._remember(digest, verified, kid, key)
        return replace(self.admitted(verified), assertion=token)

    def _recalled(self, digest: bytes) -> Verified | None:
        found = self._remembered.get(digest)
        if found is None:
            return None
        verified, kid, key, until = found
        if self._clock() >= until or self.keys.current(kid) is not key:
            del self._remembered[digest]
            return None
        self._remembered.move_to_end(digest)
        return verified

    def _remember(self, digest: bytes, verified: Verified, kid: str, key: SigningKey) -> None:
        until = min(verified.expires_at, self._clock() + REMEMBERED_SECONDS)
        self._remembered[digest] = verified, kid, key, until
        if len(self._remembered) > _REMEMBERED_TOKENS:
            self._remembered.popitem(last=False)

    async def _verify(self, token: str) -> tuple[Verified, str, SigningKey]:
        """Check everything about a token but the time and who is let in, in this order."""
        # The form: three parts and no more than a header can sensibly hold (RFC 7515 section 7.1).
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise InvalidToken("The token is too long.")
        if not _FORM.fullmatch(token):
            raise InvalidToken("The token is not a signed JSON Web Token.")
        # The algorithm is ours to choose, and the key the issuer's (RFC 8725 sections 3.1, 3.10).
        header = _object(token.split(".")[0], "header")
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._scheme.algorithms:
            raise InvalidToken("The token is not signed with an accepted algorithm.")
        if any(name in header for name in _KEYS_IN_THE_TOKEN):
            raise InvalidToken("The token brings a key of its own.")
        if "nonce" in header:
            raise InvalidToken(_for_graph())
        if not isinstance(kid, str) or not kid:
            raise InvalidToken("The token does not name its signing key (kid).")
        # What kind of token it is (RFC 8725 section 3.11).
        if "typ" in header and str(header["typ"]).lower() not in _TYPES:
            raise InvalidToken("The token is of another type; expected an access token.")
        key = await self.keys.find(kid)
        if key is None:
            raise InvalidToken(
                "The token is signed with a key this issuer does not publish. "
                + _hint(token, "Is it from the right tenant and cloud?")
            )
        if key.algorithm not in (None, algorithm):
            raise InvalidToken("The token is signed with a key for another algorithm.")
        _check_signature(token, key, algorithm)
        claims = _object(token.split(".")[1], "payload")
        return self.verified(claims, key), kid, key

    def verified(self, claims: Mapping[str, Any], key: SigningKey | None = None) -> Verified:
        """Check the claims of a token whose signature has been checked (by whoever calls this).

        `key` is the one it was signed with. Raises InvalidToken. Does not check the time.
        """
        scheme = self._scheme
        # Who issued it, for which tenant.
        issuer, tenant = _text(claims, "iss"), _id(claims, "tid")
        if issuer not in scheme.issuers:
            raise InvalidToken("The token is of another issuer (iss) than this endpoint trusts.")
        if tenant not in scheme.tenants or scheme.issuers[issuer] not in (None, tenant):
            raise InvalidToken("The token is of another tenant (tid) than this endpoint serves.")
        # The key set names v2 issuers, also for the keys that v1 tokens are signed with.
        v2_issuer = f"{scheme.authority.rpartition('/')[0]}/{tenant}/v2.0"
        if key is not None and not key.may_sign_for(tenant, (issuer, v2_issuer)):
            raise InvalidToken("The token is signed with a key of another issuer.")
        # That it was issued for this endpoint and nothing else (RFC 8707, RFC 8725 section 3.9).
        audiences = _audiences(claims)
        if not all(a.removesuffix("/") in scheme.audiences for a in audiences):
            raise InvalidToken(_for_another(audiences, claims))
        client_claim = "azp" if "azp" in claims else "appid"
        if client_claim not in claims or any(name in claims for name in _OF_ID_TOKENS):
            raise InvalidToken("This is an ID token; send the access token.")
        # When it is good: checked each time it is used, read here.
        expires_at = _moment(claims, "exp")
        if expires_at is None:
            raise InvalidToken("The token has no expiry (exp).")
        not_before = max(_moment(claims, "nbf") or 0.0, _moment(claims, "iat") or 0.0)
        # Whom it stands for, and through which client.
        kind = self._kind(claims)
        scopes = _text(claims, scheme.scope_claim).split(" ") if kind == "user" else []
        roles = _names(claims, scheme.role_claim)
        caller = Caller(
            kind,
            scheme.name,
            tenant_id=tenant,
            object_id=_id(claims, "oid"),
            client_id=_id(claims, client_claim),
            name=self._name(claims),
            scopes=frozenset(filter(None, scopes)),
            roles=frozenset(roles),
            expires_at=expires_at,
        )
        overage = scheme.role_claim == "groups" and _has_too_many_groups(claims)
        return Verified(caller, not_before, expires_at, overage)

    def _kind(self, claims: Mapping[str, Any]) -> Literal["user", "application"]:
        """Whether a user or an application calls; neither is an error.

        Entra gives delegated tokens a `scp` and application tokens none; theirs have an `oid` that
        is also the `sub`, where a user's `sub` differs per application.
        """
        name, declared = self._scheme.scope_claim, claims.get("idtyp", "undeclared")
        scope = claims.get(name)
        if _is_text(scope) and scope.strip() and declared in ("undeclared", "user"):
            return "user"
        itself = "oid" in claims and claims["oid"] == claims.get("sub")
        if name not in claims and (declared == "app" or (declared == "undeclared" and itself)):
            return "application"
        raise InvalidToken(
            "The token is neither clearly a user's (a scope in scp) nor clearly an application's. "
            "Ask for a scope of this API."
        )

    def _name(self, claims: Mapping[str, Any]) -> str | None:
        wanted = self._scheme.name_claim
        names = (wanted,) if wanted else ("name", "preferred_username", "upn", "app_displayname")
        found = (claims.get(name) for name in names)
        return next((name[:256] for name in found if _is_text(name)), None)

    def admitted(self, verified: Verified) -> Caller:
        """The caller as of now, with what the configuration grants it.

        Raises InvalidToken for a token whose time has passed or not come, and NotAdmitted.
        """
        self._check_time(verified)
        caller, scheme = verified.caller, self._scheme
        client = caller.client_id or ""
        if scheme.allowed_client_ids and client not in scheme.allowed_client_ids:
            raise NotAdmitted(caller, f"The client application {client} is not allowed here.")
        if verified.groups_are_missing:
            raise NotAdmitted(
                caller,
                "The token leaves out the caller's groups, because there are too many. Use app "
                "roles, or have Entra ID emit only the groups assigned to the application.",
            )
        if caller.kind == "application":
            granted = scheme.application_grants.get(client)
            caller = replace(caller, roles=caller.roles | (granted or frozenset()))
            if not caller.roles and granted is None:
                raise NoAppRole(caller, f"The application {client} has no app role on this API.")
        return caller

    def _check_time(self, verified: Verified) -> None:
        now, skew = self._clock(), self._scheme.clock_skew_seconds
        if now >= verified.expires_at + skew:
            raise InvalidToken("The token has expired.")
        if now < verified.not_before - skew:
            raise InvalidToken("The token is not valid yet; is a clock wrong?")


def claims_of(token: str) -> Mapping[str, Any]:
    """What a token says, unverified: for people who want to know why one is refused.

    Checks nothing. Raises InvalidToken when it cannot be read.
    """
    if len(token) > MAX_TOKEN_CHARACTERS or not _FORM.fullmatch(token):
        raise InvalidToken("The token is not a signed JSON Web Token.")
    return _object(token.split(".")[1], "payload")


def _check_signature(token: str, key: SigningKey, algorithm: str) -> None:
    """Check that the key signed the token. Does not look at what the token says."""
    import jwt

    try:
        jwt.PyJWS(algorithms=[algorithm]).decode_complete(token, key.public, [algorithm])
    except Exception:
        raise InvalidToken(
            "The token's signature is not right. " + _hint(token, "Was it changed, or cut off?")
        ) from None


def _object(part: str, what: str) -> dict[str, Any]:
    """One part of a token as a JSON object in which no name stands twice."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        value = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidToken(f"The token's {what} cannot be read.") from None
    if not isinstance(value, dict):
        raise InvalidToken(f"The token's {what} is not an object.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_text(value: object) -> TypeGuard[str]:
    """Whether something is a text that is not empty and can be written down.

    JSON can spell half a character (a lone surrogate), which nothing can encode again.
    """
    try:
        return isinstance(value, str) and bool(value.encode())
    except UnicodeEncodeError:
        return False


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not _is_text(value):
        raise InvalidToken(f"The token's {name} is missing or not a text.")
    return value


def _id(claims: Mapping[str, Any], name: str) -> str:
    value = _text(claims, name).lower()
    if not is_guid(value):
        raise InvalidToken(f"The token's {name} is not an id.")
    return value


def _names(claims: Mapping[str, Any], name: str) -> list[str]:
    value = claims.get(name, [])
    # A claim with one value may be written without its list.
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(_is_text(item) for item in values):
        raise InvalidToken(f"The token's {name} is not a list of texts.")
    return values


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    values = _names(claims, "aud")
    if not values:
        raise InvalidToken("The token names no audience (aud).")
    return values


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _YEAR_10000:
        return value
    raise InvalidToken(f"The token's {name} is not a time.")


def _has_too_many_groups(claims: Mapping[str, Any]) -> bool:
    elsewhere = claims.get("_claim_names")
    named = isinstance(elsewhere, dict) and "groups" in elsewhere
    return named or bool(claims.get("hasgroups"))


def _hint(token: str, otherwise: str) -> str:
    """What an unverified token suggests about the mistake. Decides nothing."""
    try:
        audiences = _audiences(claims_of(token))
    except InvalidToken:
        return otherwise
    return _for_graph() if any(_GRAPH_AUDIENCE.match(a) for a in audiences) else otherwise


def _for_graph() -> str:
    return "This is a token for Microsoft Graph; ask for a scope of this API instead."


def _for_another(audiences: list[str], claims: Mapping[str, Any]) -> str:
    if any(_GRAPH_AUDIENCE.match(audience) for audience in audiences):
        return _for_graph()
    if "azp" not in claims and "appid" not in claims:
        return "This is an ID token; send an access token for this API."
    return "The token is for another resource (aud); ask for a scope of this API."
