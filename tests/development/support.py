"""An identity without a socket, a clock to turn, and requests to send to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt

from development.directory import AGENT, DAEMON, DAEMON_SECRET
from development.grants import challenge_of
from development.identity import TENANT, Identity
from development.registration import API_SECRET, Registration
from development.signing_keys import SigningKeys
from shared.http import Request, Response

BASE = "http://127.0.0.1:7072"
URL = "http://127.0.0.1:7071/mcp"
API = "api://invoices"
NOON = 1_800_000_000.0
REDIRECT = "http://localhost:3118/callback"
VERIFIER = "v" * 43
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

REGISTRATION = Registration(
    identifier_uris=(URL, API),
    scopes=("read", "write"),
    roles=("finance.reader", "ops"),
)


class Clock:
    """Seconds since the epoch, as a test sets them."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """An identity under test; `keys` may be shared, since making them is slow."""

    keys: SigningKeys
    registration: Registration = REGISTRATION
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.identity = Identity(BASE, self.registration, self.keys, self.clock)

    def registered(self, **changes: Any) -> "Bench":
        """Another one whose API is registered differently."""
        return Bench(self.keys, replace(self.registration, **changes), self.clock)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A request to the identity; an absent Host header is right."""
        given = {"host": "127.0.0.1:7072", **(headers or {})}
        return await self.identity.handle(Request(method, path, given, query, body.encode()))

    async def get(self, path: str, **more: Any) -> Response:
        return await self.send("GET", f"/{TENANT}/{path}", **more)

    async def post(
        self, path: str, form: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Response:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode({name: value for name, value in form.items() if value is not None})
        return await self.send(
            "POST", f"/{TENANT}/{path}", body=body, headers={**kind, **(headers or {})}
        )

    async def authorize(self, **changes: str | None) -> Response:
        """An authorization request without fault, save for `changes`; None leaves one out."""
        parameters: dict[str, str | None] = {
            "client_id": AGENT,
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": f"{API}/.default",
            "state": "s t&a",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            "prompt": "none",
            "login_hint": "alma",
            **changes,
        }
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        return await self.get("oauth2/v2.0/authorize", query=query)

    async def code(self, **changes: str | None) -> str:
        """An authorization code."""
        return returned(await self.authorize(**changes))["code"]

    async def token(
        self, headers: Mapping[str, str] | None = None, /, **form: str | None
    ) -> tuple[int, Any]:
        """The status and the answer of a token request."""
        response = await self.post("oauth2/v2.0/token", form, headers)
        return response.status, json.loads(response.body)

    async def redeem(self, code: str, /, **changes: str | None) -> tuple[int, Any]:
        """Redeem a code, as whoever got it would, save for `changes`."""
        return await self.token(
            **{
                "grant_type": "authorization_code",
                "client_id": AGENT,
                "code": code,
                "redirect_uri": REDIRECT,
                "code_verifier": VERIFIER,
                **changes,
            }
        )

    async def user_token(self, user: str = "alma", **changes: str | None) -> str:
        """The access token of a user who has signed in."""
        code = await self.code(login_hint=user, **changes)
        status, answer = await self.redeem(code)
        assert status == 200, answer
        return str(answer["access_token"])

    async def daemon(self, **changes: str | None) -> tuple[int, Any]:
        """A client credentials request without fault, save for `changes`."""
        return await self.token(
            **{
                "grant_type": "client_credentials",
                "client_id": DAEMON,
                "client_secret": DAEMON_SECRET,
                "scope": f"{API}/.default",
                **changes,
            }
        )

    async def on_behalf_of(self, assertion: str, /, **changes: str | None) -> tuple[int, Any]:
        """An on-behalf-of request of the API, save for `changes`."""
        return await self.token(
            **{
                "grant_type": JWT_BEARER,
                "client_id": self.registration.client_id,
                "client_secret": API_SECRET,
                "assertion": assertion,
                "requested_token_use": "on_behalf_of",
                "scope": "https://management.azure.com/.default",
                **changes,
            }
        )


def returned(response: Response) -> dict[str, str]:
    """What a redirect to the client carries; nothing else than that redirect will do."""
    assert response.status == 303, response.body
    location = response.headers["Location"]
    assert location.startswith(f"{REDIRECT}?")
    return dict(parse_qsl(urlsplit(location).query, strict_parsing=True))


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def refused(answer: tuple[int, Any]) -> tuple[int, str, int]:
    """Status, OAuth error and AADSTS number of a refusal."""
    status, told = answer
    (code,) = told["error_codes"]
    assert told["error_description"].startswith(f"AADSTS{code}: ")
    return status, told["error"], code
