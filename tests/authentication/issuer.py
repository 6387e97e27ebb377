"""A real issuer on loopback, shaped like Entra ID, whose every misbehaviour can be switched on.

It publishes OpenID metadata and a key set, records what it is asked, and signs tokens with any
header and any claims, also such as no issuer would. Not the development identity, which is part of
the product: what checks a validator should share no code with it.
"""

import asyncio
import base64
import functools
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from shared.authentication.signing_keys import SigningKeys
from shared.configuration.model import EntraScheme

TENANT = "7e1a0000-0000-4000-8000-000000000001"
OTHER_TENANT = "7e1a0000-0000-4000-8000-000000000002"
API = "a9100000-0000-4000-8000-000000000001"
CLIENT = "c11e0000-0000-4000-8000-000000000001"
OTHER_CLIENT = "c11e0000-0000-4000-8000-000000000002"
USER = "05e40000-0000-4000-8000-000000000001"
APPLICATION = "5e9b0000-0000-4000-8000-000000000001"
APP_ID_URI = "https://mcp.example.com/mcp"
NOW = 1_800_000_000

Claims = dict[str, Any]
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@functools.cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The key of a name, the same for the whole run. Names only tell keys apart."""
    return rsa.generate_private_key(65537, bits)


def jwk(kid: str, key: rsa.RSAPrivateKey | None = None, **more: Any) -> dict[str, Any]:
    """A public key as it stands in a key set; by default the one called like its id."""
    numbers = (key or rsa_key(kid)).public_key().public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "kid": kid,
        "x5t": kid,
        "n": base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)),
        "e": base64url(numbers.e.to_bytes(3)),
        **more,
    }


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def part(value: Any) -> str:
    """One part of a token: a value as JSON, or bytes as they are."""
    return base64url(value if isinstance(value, bytes) else json.dumps(value).encode())


def token(
    claims: Any,
    *,
    kid: str = "one",
    key: Any = None,
    alg: str = "RS256",
    header: Mapping[str, Any] | bytes | None = None,
    omit: str = "",
) -> str:
    """A signed token. `header` adds to what it needs, or as bytes is the whole; `omit` takes away.

    `key` is a private key, or the secret of an HMAC as bytes; by default the one called `kid`.
    """
    if not isinstance(header, bytes):
        header = {"typ": "JWT", "alg": alg, "kid": kid, "x5t": kid, **(header or {})}
        header.pop(omit, None)
    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{base64url(_signature(alg, key or rsa_key(kid), signed.encode()))}"


def _signature(alg: str, key: Any, data: bytes) -> bytes:
    digest = getattr(hashes, f"SHA{alg[2:]}", hashes.SHA256)()
    if isinstance(key, bytes):
        return hmac.digest(key, data, f"sha{alg[2:]}")
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(32) + s.to_bytes(32)
    if alg.startswith("PS"):
        pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        return bytes(key.sign(data, pss, digest))
    return bytes(key.sign(data, padding.PKCS1v15(), digest))


class Issuer:
    """The issuer of one tenant. Assign to `metadata` and `keys` to change what is published, or to
    `on_metadata` and `on_keys` to change how. Its claims are as of `now`."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.authority = f"{url}/{TENANT}"
        self.v1 = f"{url}/{TENANT}/"
        self.v2 = f"{url}/{TENANT}/v2.0"
        self.requests: list[str] = []
        self.metadata: Any = {
            "issuer": self.v2,
            "jwks_uri": f"{self.authority}/discovery/v2.0/keys",
            "authorization_endpoint": f"{self.authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{self.authority}/oauth2/v2.0/token",
        }
        self.keys: list[Any] = [jwk("one"), jwk("two")]
        self.on_metadata: Handler | None = None
        self.on_keys: Handler | None = None

    @property
    def fetches(self) -> int:
        """How often the key set was asked for."""
        return self.requests.count("keys")

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        metadata = request.path.endswith("openid-configuration")
        self.requests.append("metadata" if metadata else "keys")
        handler = self.on_metadata if metadata else self.on_keys
        return await (handler or self.publish)(request)

    async def publish(self, request: web.BaseRequest) -> web.StreamResponse:
        """What is asked for, as it should be."""
        metadata = request.path.endswith("openid-configuration")
        return web.json_response(self.metadata if metadata else {"keys": self.keys})

    def scheme(self, **changes: Any) -> EntraScheme:
        """The settings of an endpoint that takes this issuer's tokens."""
        given: dict[str, Any] = {
            "name": "Bearer",
            "authority": self.authority,
            "tenants": frozenset({TENANT}),
            "issuers": {self.v2: TENANT, self.v1: TENANT},
            "audiences": (APP_ID_URI, API),
            "client_id": API,
            "require_https": False,
        }
        return EntraScheme(**{**given, **changes})

    def signing_keys(self, clock: Callable[[], float] | None = None, **options: Any) -> SigningKeys:
        issuers = dict.fromkeys((self.v2, self.v1), TENANT)
        given = {"https": False, **({"clock": clock} if clock else {}), **options}
        return SigningKeys(self.authority, issuers, **given)

    def user(self, version: int = 2, /, **changes: Any) -> Claims:
        """What Entra says about a user who lets a client call the API."""
        return self._dated(version) | {
            "oid": USER,
            "sub": "pairwise-subject-of-this-application",
            "name": "Ada Lovelace",
            "scp": "tools.read tools.write",
            **({"preferred_username": "ada@example.com"} if version == 2 else {"upn": "ada@x.y"}),
            **changes,
        }

    def application(self, version: int = 2, /, **changes: Any) -> Claims:
        """What Entra says about an application that calls for itself."""
        claims = {"oid": APPLICATION, "sub": APPLICATION, "roles": ["tools.read"]}
        return self._dated(version) | claims | changes

    def id_token(self, version: int = 2, /, **changes: Any) -> Claims:
        """What Entra tells a client, with the same registration, about who signed in."""
        claims = self.user(version, aud=API, **changes)
        for name in ("scp", "azp", "azpacr", "appid", "appidacr"):
            claims.pop(name, None)
        return claims

    def _dated(self, version: int) -> Claims:
        client = {1: ("appid", "appidacr"), 2: ("azp", "azpacr")}[version]
        return {
            "aud": {1: APP_ID_URI, 2: API}[version],
            "iss": {1: self.v1, 2: self.v2}[version],
            "iat": self.now - 60,
            "nbf": self.now - 60,
            "exp": self.now + 3600,
            "tid": TENANT,
            "uti": "uti",
            "ver": f"{version}.0",
            client[0]: CLIENT,
            client[1]: "0",
        }


@asynccontextmanager
async def issuing(tls: ssl.SSLContext | None = None) -> AsyncIterator[Issuer]:
    """An issuer that listens, until the block ends."""
    server = web.Server(lambda request: issuer.answer(request), access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    issuer = Issuer(f"http{'s' if tls else ''}://127.0.0.1:{port}")
    try:
        yield issuer
    finally:
        await runner.cleanup()


# How an issuer can misbehave.


def saying(status: int = 200, body: bytes = b"{}", **headers: str) -> Handler:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=named)

    return answer


def redirecting(location: str | None = None) -> Handler:
    """To another place, or to itself for ever."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": location or str(request.url)})

    return answer


async def dropping(request: web.BaseRequest) -> web.StreamResponse:
    """Hang up instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    raise asyncio.CancelledError


async def dropping_halfway(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"keys":')
    assert request.transport is not None
    request.transport.abort()
    raise asyncio.CancelledError


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    """A body that never ends, as fast as it is read."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65536)


async def dripping(request: web.BaseRequest) -> web.StreamResponse:
    """A body of which a byte comes now and then."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


class Gate:
    """Holds an issuer's answers back until it is opened; `reached` says that one waits."""

    def __init__(self, issuer: Issuer) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self._issuer = issuer

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.reached.set()
        await self.opened.wait()
        return await self._issuer.publish(request)
