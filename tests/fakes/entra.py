"""The token service of Entra ID, as far as applications and workloads need it."""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.fakes.faults import Call, Calls, Faults, respond

HOST = "login.microsoftonline.com"
TENANT = "72f988bf-0000-4000-8000-2d7cd011db47"
KEY_ID = "k1"
EXCHANGE = "api://AzureADTokenExchange"

_ON_BEHALF_OF = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """One key for all fakes of a test run: making one takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Application:
    """An app registration: its secrets, and what is accepted instead of one: outside tokens, and
    this tenant's tokens for EXCHANGE with one of these object ids (`subjects`)."""

    secrets: set[str] = field(default_factory=set)
    federated: set[str] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)


class FakeEntra:
    """One tenant. `url` is where it listens, without the tenant.

    Records `token` (details: client_id, scope, credential, claims, and user for on-behalf-of),
    `configuration` and `keys`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.applications: dict[str, Application] = {}
        self.calls = Calls()
        self.faults = Faults()

    @property
    def authority(self) -> str:
        return f"{self.url}/{TENANT}"

    @property
    def issuer(self) -> str:
        return f"{self.authority}/v2.0"

    def mint(self, audience: str, seconds: float = 3600, **claims: Any) -> str:
        """A token of this tenant, signed."""
        now = int(time.time())
        usual = {"iss": self.issuer, "tid": TENANT, "ver": "2.0", "iat": now, "nbf": now}
        given = {**usual, "aud": audience, "exp": now + int(seconds), **claims}
        return jwt.encode(given, signing_key(), "RS256", {"kid": KEY_ID})

    def claims(self, token: str, audience: str) -> Mapping[str, Any] | None:
        """What a token says; None unless it is one of this tenant for `audience`."""
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                signing_key().public_key(),
                algorithms=["RS256"],
                audience=audience,
                issuer=self.issuer,
            )
        except jwt.InvalidTokenError:
            return None
        return claims

    def _speaks_for(self, assertion: str, application: Application) -> bool:
        claims = self.claims(assertion, EXCHANGE) or {}
        return assertion in application.federated or claims.get("oid") in application.subjects

    async def handle(self, request: web.Request) -> web.StreamResponse:
        _, _, path = request.path.lstrip("/").partition("/")
        match request.method, path:
            case "GET", "v2.0/.well-known/openid-configuration":
                operation = "configuration"
            case "GET", "discovery/v2.0/keys":
                operation = "keys"
            case "POST", "oauth2/v2.0/token":
                return await self._token(request)
            case _:
                return respond(404, {"error": "invalid_request"})
        self.calls.add(Call(operation))
        wrong = await self.faults.meet(request, operation)
        if wrong is not None:
            return wrong
        return respond(200, self._configuration() if operation == "configuration" else self._keys())

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{self.authority}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{self.authority}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{self.authority}/discovery/v2.0/keys",
        }

    def _keys(self) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(signing_key().public_key()))
        return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        client, scope = form.get("client_id", ""), form.get("scope", "")
        credential = "assertion" if "client_assertion" in form else "secret"
        details = {"client_id": client, "scope": scope, "credential": credential}
        details["claims"] = form.get("claims", "")
        user = self.claims(form.get("assertion", ""), client)
        if user is not None:
            details["user"] = user["oid"]
        self.calls.add(Call("token", client, details))
        wrong = await self.faults.meet(request, "token")
        if wrong is not None:
            return wrong
        if form.get("grant_type") not in ("client_credentials", _ON_BEHALF_OF):
            return refusal(400, "unsupported_grant_type", 70003, "The grant type is not supported.")
        application = self.applications.get(client)
        if application is None:
            text = f"Application with identifier '{client}' was not found in the directory."
            return refusal(400, "unauthorized_client", 700016, text)
        if credential == "assertion":
            known = form.get("client_assertion_type") == _ASSERTION
            if not known or not self._speaks_for(form["client_assertion"], application):
                text = "No matching federated identity record found."
                return refusal(401, "invalid_client", 700213, text)
        elif form.get("client_secret") not in application.secrets:
            return refusal(401, "invalid_client", 7000215, "Invalid client secret provided.")
        names = [name for name in scope.split() if "/" in name]
        audience = names[0].rpartition("/")[0] if names else ""
        answered = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599}
        if form["grant_type"] == _ON_BEHALF_OF:
            if user is None:
                return refusal(400, "invalid_grant", 500133, "Assertion is not within its time.")
            token = self.mint(audience, appid=client, oid=user["oid"], scp="user_impersonation")
            return respond(200, {**answered, "access_token": token})
        token = self.mint(audience, azp=client, appid=client, idtyp="app", oid=object_id(client))
        return respond(200, {**answered, "access_token": token})


def object_id(client_id: str) -> str:
    """The object id of an application's service principal: made of its client id."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, client_id))


def refusal(status: int, error: str, code: int, text: str) -> web.Response:
    """An error of the token endpoint, as Entra words it."""
    body = {
        "error": error,
        "error_description": f"AADSTS{code}: {text}",
        "error_codes": [code],
        "correlation_id": str(uuid.uuid4()),
    }
    return respond(status, body)
