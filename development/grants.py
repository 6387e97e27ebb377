"""The token endpoint: every grant that Entra's v2.0 endpoint knows and an MCP client needs.

Authorization code with PKCE (RFC 6749 section 4.1, RFC 7636), refresh token, client credentials,
and on-behalf-of (Microsoft's use of RFC 7523).
"""

import base64
import dataclasses
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from development import assertions, scopes
from development.client_authentication import authenticate
from development.directory import USERS, Client, User
from development.errors import Refused, refusal
from development.form import Form
from development.registration import Registration
from development.scopes import DEFAULT, Asked
from development.stores import Gone, SingleUse
from development.tokens import LIFETIME, Grant, Mint, Proof, client_info

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CODE_SECONDS = 300.0
_REFRESH_SECONDS = 24 * 3600.0
_MOST = 1000
CONTEXT = "c1"
"""The authentication context that users who must step up have to satisfy."""


@dataclass(frozen=True, slots=True)
class Code:
    """What an authorization code stands for, and what whoever redeems it has to repeat."""

    grant: Grant
    redirect_uri: str
    challenge: str
    resource: str | None


class Grants:
    """The grants, and the codes and refresh tokens that are out."""

    def __init__(self, registration: Registration, mint: Mint, now: Callable[[], float]) -> None:
        self._registration = registration
        self._mint = mint
        self.codes: SingleUse[Code] = SingleUse(_CODE_SECONDS, _MOST, now)
        self.refresh_tokens: SingleUse[Grant] = SingleUse(_REFRESH_SECONDS, _MOST, now)

    def answer(
        self, form: Form, headers: Mapping[str, str], audiences: tuple[str, ...]
    ) -> dict[str, Any]:
        """The answer to a token request (RFC 6749 section 5.1). Raises Refused.

        `audiences` are the URLs a client assertion may be addressed to.
        """
        grant_type = form.need("grant_type")
        make = {
            "authorization_code": self._of_code,
            "refresh_token": self._of_refresh_token,
            "client_credentials": self._of_client,
            _JWT_BEARER: self._on_behalf_of,
        }.get(grant_type)
        if make is None:
            raise refusal(70003, grant_type)
        client, proof = authenticate(form, headers, self._registration, self._mint, audiences)
        return make(form, client, proof)

    def _of_code(self, form: Form, client: Client, proof: Proof) -> dict[str, Any]:
        name, redirect_uri = form.need("code"), form.need("redirect_uri")
        verifier = form.need("code_verifier")
        try:
            code = self.codes.take(name, lambda code: code.grant.client == client)
        except Gone as gone:
            raise refusal({"taken": 54005, "expired": 70008}.get(gone.reason, 70000)) from None
        if redirect_uri != code.redirect_uri:
            raise refusal(500112, redirect_uri, code.redirect_uri)
        if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(
            challenge_of(verifier), code.challenge
        ):
            raise refusal(501481)
        resource = form.get("resource")
        if resource is not None and resource != (code.resource or resource):
            raise refusal(9010010)
        return self._for_user(self._narrowed(form, code.grant), proof)

    def _of_refresh_token(self, form: Form, client: Client, proof: Proof) -> dict[str, Any]:
        name = form.need("refresh_token")
        try:
            grant = self.refresh_tokens.take(name, lambda grant: grant.client == client)
        except Gone as gone:
            raise refusal(70008 if gone.reason == "expired" else 70000) from None
        return self._for_user(self._narrowed(form, grant), proof)

    def _narrowed(self, form: Form, grant: Grant) -> Grant:
        """The grant, or that part of it which the request still asks for."""
        scope, resource = form.get("scope"), form.get("resource")
        if scope is None:
            if resource is not None:
                named = scopes.find(resource, self._registration)
                if named is None or named.id != grant.resource.id:
                    raise refusal(9010010)
            return grant
        asked = scopes.read(scope, resource, grant.client.id, self._registration)
        if not asked.scopes:
            return dataclasses.replace(grant, oidc=asked.oidc | grant.oidc)
        if asked.resource.id != grant.resource.id:
            raise refusal(70000)
        wanted = grant.scopes if asked.default else asked.scopes
        kept = tuple(scope for scope in grant.scopes if scope in wanted)
        if not kept:
            raise refusal(70000)
        return dataclasses.replace(grant, scopes=kept, oidc=asked.oidc | grant.oidc)

    def _of_client(self, form: Form, client: Client, proof: Proof) -> dict[str, Any]:
        if client.public:
            raise refusal(7000218)
        scope = form.need("scope")
        names = scope.split()
        if len(names) != 1 or not names[0].endswith(f"/{DEFAULT}"):
            raise refusal(1002012, scope)
        asked = scopes.read(scope, form.get("resource"), client.id, self._registration)
        token = self._mint.for_application(asked.resource, client, proof)
        return _answer(token)

    def _on_behalf_of(self, form: Form, client: Client, proof: Proof) -> dict[str, Any]:
        if form.need("requested_token_use") != "on_behalf_of":
            raise refusal(9002313)
        if client.public:
            raise refusal(7000218)
        claims = assertions.verified(form.need("assertion"), self._mint, self._names_of(client))
        user = next((user for user in USERS if user.object_id == claims.get("oid")), None)
        if user is None or not claims.get("scp"):
            raise refusal(7000114, client.id)
        asked = scopes.read(form.get("scope"), form.get("resource"), client.id, self._registration)
        if asked.resource.uri.rstrip("/") in self._registration.unconsented:
            raise Refused(65001, (client.id,), more={"suberror": "consent_required"})
        contexts = (*claims.get("acrs", ()), *contexts_in(form.get("claims")))
        if user.step_up and CONTEXT not in contexts:
            raise _step_up(asked)
        granted = ("user_impersonation",) if asked.default else asked.scopes
        oidc = asked.oidc - {"offline_access"}
        return self._for_user(Grant(client, user, asked.resource, granted, oidc), proof)

    def _names_of(self, client: Client) -> dict[str, str]:
        """The audiences that mean an application, each with its client id."""
        names = [client.id]
        if client.id == self._registration.client_id:
            names += self._registration.identifier_uris
            names += [self._registration.audience] if self._registration.audience else []
        return dict.fromkeys(names, client.id)

    def _for_user(self, grant: Grant, proof: Proof) -> dict[str, Any]:
        answer = _answer(self._mint.for_user(grant, proof))
        prefix = "" if grant.resource.kind == "graph" else f"{grant.resource.uri}/"
        answer["scope"] = " ".join(
            [f"{prefix}{scope}" for scope in grant.scopes] + sorted(grant.oidc - {"offline_access"})
        )
        if "openid" in grant.oidc:
            answer["id_token"] = self._mint.id_token(grant)
            answer["client_info"] = client_info(grant.user)
        if "offline_access" in grant.oidc:
            answer["refresh_token"] = self.refresh_tokens.put(grant)
        return answer


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def contexts_in(claims: str | None) -> tuple[str, ...]:
    """The authentication contexts (`acrs`) that a `claims` parameter asks of the access token.

    Raises Refused when it is not JSON of that shape (OpenID Connect Core section 5.5).
    """
    if claims is None:
        return ()
    try:
        wanted = json.loads(claims)
        asked = (wanted.get("access_token") or {}).get("acrs") or {}
        values = [asked["value"]] if "value" in asked else asked.get("values", [])
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise refusal(9002313) from None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise refusal(9002313)
    return tuple(values)


def _step_up(asked: Asked) -> Refused:
    wanted = {"access_token": {"acrs": {"essential": True, "value": CONTEXT}}}
    more = {"suberror": "basic_action", "claims": json.dumps(wanted, separators=(",", ":"))}
    return Refused(50076, (asked.resource.id,), more=more)


def _answer(token: str) -> dict[str, Any]:
    return {
        "token_type": "Bearer",
        "expires_in": LIFETIME - 1,
        "ext_expires_in": LIFETIME - 1,
        "access_token": token,
    }


def user_scopes(user: User, asked: Asked, registration: Registration) -> tuple[str, ...]:
    """Those of the scopes asked for that a user has consented to. All of Graph's are."""
    if asked.resource.kind != "api":
        return ("User.Read",) if asked.default or not asked.scopes else asked.scopes
    wanted = registration.scopes if asked.default else asked.scopes
    return registration.consented(user, wanted)
