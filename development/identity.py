"""The development identity: one request in, one response out, at the paths Entra has.

It trusts everybody who reaches it and so takes care who does: the Host header must name this
machine (against DNS rebinding) and an Origin, when there is one, must be on it (against web pages).
"""

import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from development import page
from development.authorize import Authorization
from development.errors import Refused, correlation_id, members, refusal
from development.form import Form, of_body
from development.grants import Grants
from development.registration import Registration
from development.signing_keys import SigningKeys
from development.tokens import Mint
from shared.configuration.entra import DEVELOPMENT_TENANT
from shared.http import Request, Response, is_loopback, json_response

TENANT = DEVELOPMENT_TENANT
ROTATION_PATH = "/development/rotate-keys"

_log = logging.getLogger("postern.development")
_MAX_QUERY = 16 * 1024
_CONFIGURATION = ".well-known/openid-configuration"
_LOGIN = "login"
_AUTHORIZE = "oauth2/v2.0/authorize"
_TOKEN = "oauth2/v2.0/token"  # noqa: S105
# Each path below the tenant: the verb, and whether web pages on this machine may read the answer.
_ROUTES = {
    f"v2.0/{_CONFIGURATION}": ("GET", True),
    _CONFIGURATION: ("GET", True),
    "discovery/v2.0/keys": ("GET", True),
    "discovery/keys": ("GET", True),
    _AUTHORIZE: ("GET", False),
    _LOGIN: ("POST", False),
    _TOKEN: ("POST", True),
}
_CORS_REQUEST_HEADERS = "Authorization, Content-Type, MCP-Protocol-Version, client-request-id"


class Identity:
    """The identity under its own URL `base`, which is what its issuers begin with.

    Not thread-safe: serve it, under whatever addresses, from one event loop. `now` is the time in
    seconds since the epoch.
    """

    max_body = 64 * 1024

    def __init__(
        self,
        base: str,
        registration: Registration,
        keys: SigningKeys,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.base = base
        self.registration = registration
        self._now = now
        self._mint = Mint(base, registration, keys, now)
        self._grants = Grants(registration, self._mint, now)
        self._authorization = Authorization(registration, self._grants, now)
        self._addresses = [base]

    def under(self, address: str) -> "Address":
        """The same identity reached under another URL, such as its https one."""
        self._addresses.append(address)
        return Address(self, address)

    async def handle(self, request: Request) -> Response:
        """Answer a request to the identity's own URL. Never raises."""
        return self.answer(request, self.base)

    async def close(self) -> None:
        """There is nothing to close."""

    def answer(self, request: Request, address: str) -> Response:
        """Answer a request that came to `address`. Never raises."""
        mark = correlation_id(request.headers.get("client-request-id"))
        try:
            response = self._route(request, address, mark)
        except Exception:
            _log.exception("a request failed (correlation id %s)", mark)
            response = json_response(500, {"error": "server_error", "correlation_id": mark})
        return response.finished(mark, {"client-request-id": mark})

    def rotate_keys(self) -> str:
        """Sign with a new key from now on; returns its id. The old one stays published."""
        return self._mint.keys.rotate()

    def _route(self, request: Request, address: str, mark: str) -> Response:
        origin = request.headers.get("origin")
        if not _here(request.headers.get("host", "")):
            return _plain(403, "The Host header must name this machine: localhost.")
        if origin is not None and not _here_origin(origin):
            return _plain(403, "This Origin may not use the development identity.")
        if len(request.body) > self.max_body or len(request.query) > _MAX_QUERY:
            return _plain(413, "The request is too large.")
        if request.path == ROTATION_PATH:
            if request.method != "POST":
                return _plain(405, "Keys are rotated with POST.", {"Allow": "POST"})
            return json_response(200, {"kid": self.rotate_keys()})
        tenant, _, path = request.path.removeprefix("/").partition("/")
        if path not in _ROUTES:
            return _plain(404, "Nothing is here.")
        verb, readable = _ROUTES[path]
        cors = _cors(origin, verb) if readable and origin is not None else {}
        if request.method == "OPTIONS" and readable:
            return Response(204, {"Allow": f"{verb}, OPTIONS", **cors})
        if request.method != verb and (request.method, verb) != ("HEAD", "GET"):
            return _plain(405, "Wrong verb.", {"Allow": verb})
        try:
            if tenant.lower() != TENANT:
                raise refusal(90002, tenant, TENANT)
            response = self._answer(path, request, address, mark)
        except Refused as refused:
            _log.info("%s: AADSTS%d (correlation id %s)", path, refused.code, mark)
            told = members(refused, self._now(), mark)
            if path in (_AUTHORIZE, _LOGIN):
                marks = told["error_description"].removeprefix(refused.text).strip()
                return page.failure(refused.text, marks)
            response = json_response(refused.status, told)
        return Response(response.status, {**response.headers, **cors}, response.body)

    def _answer(self, path: str, request: Request, address: str, mark: str) -> Response:
        if path.endswith(_CONFIGURATION):
            version = 2 if path.startswith("v2.0/") else 1
            return json_response(200, self._configuration(address, version))
        if path.startswith("discovery/"):
            issuer = self._mint.issuers[2] if "v2.0" in path else None
            return json_response(200, self._mint.keys.published(issuer))
        if path == _AUTHORIZE:
            action = f"/{TENANT}/{_LOGIN}"
            return self._authorization.begin(Form(request.query), action, mark)
        form = of_body(request.headers, request.body)
        if path == _LOGIN:
            return self._authorization.picked(form, mark)
        names = [f"{base}/{TENANT}/{_TOKEN}" for base in self._addresses]
        audiences = (*names, *self._mint.issuers.values())
        return json_response(
            200, self._grants.answer(form, request.headers, audiences), {"Pragma": "no-cache"}
        )

    def _configuration(self, address: str, version: int) -> dict[str, Any]:
        """The provider metadata (OpenID Connect Discovery 1.0 section 3), as Entra's.

        Entra says nothing of PKCE (`code_challenge_methods_supported`), and neither does this.
        """
        below = f"{address}/{TENANT}"
        keys = "discovery/v2.0/keys" if version == 2 else "discovery/keys"
        return {
            "issuer": self._mint.issuers[version],
            "authorization_endpoint": f"{below}/{_AUTHORIZE}",
            "token_endpoint": f"{below}/{_TOKEN}",
            "jwks_uri": f"{below}/{keys}",
            "token_endpoint_auth_methods_supported": [
                "client_secret_post",
                "private_key_jwt",
                "client_secret_basic",
            ],
            "response_modes_supported": ["query", "form_post"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "request_uri_parameter_supported": False,
            "claims_supported": [
                *("sub", "iss", "aud", "exp", "iat", "nonce", "name", "oid", "tid", "ver"),
                *("preferred_username", "email"),
            ],
        }


class Address:
    """An identity under another URL than its own."""

    def __init__(self, identity: Identity, address: str) -> None:
        self.max_body = identity.max_body
        self._identity = identity
        self._address = address

    async def handle(self, request: Request) -> Response:
        return self._identity.answer(request, self._address)

    async def close(self) -> None:
        """There is nothing to close."""


def _here(host: str) -> bool:
    """Whether a Host header names this machine."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.netloc == host and "@" not in host and name is not None and is_loopback(name)


def _here_origin(origin: str) -> bool:
    scheme, separator, host = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and _here(host)


def _cors(origin: str, verb: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": f"{verb}, OPTIONS",
        "Access-Control-Allow-Headers": _CORS_REQUEST_HEADERS,
        "Access-Control-Max-Age": "600",
        "Vary": "Origin",
    }


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    kind = {"Content-Type": "text/plain; charset=utf-8"}
    return Response(status, {**kind, **(headers or {})}, f"{text}\n".encode())
