"""One vault of Key Vault: its secrets over REST, as azure-keyvault-secrets speaks to it."""

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes import entra
from tests.fakes.entra import FakeEntra
from tests.fakes.faults import Call, Calls, Fault, Faults, answer, respond

RESOURCE = "https://vault.azure.net"
PAGE = 25
"""Most items the service puts on a page, whatever is asked for."""

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")


@dataclass
class Version:
    """One version of a secret. Times are in seconds since the epoch."""

    id: str
    value: str
    created: int
    updated: int
    enabled: bool = True
    nbf: int | None = None
    exp: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    content_type: str | None = None

    def change(self, body: Mapping[str, Any], now: int) -> None:
        """Take over what a request says; the rest stays."""
        attributes = body.get("attributes") or {}
        self.enabled = attributes.get("enabled", self.enabled)
        self.nbf = attributes.get("nbf", self.nbf)
        self.exp = attributes.get("exp", self.exp)
        self.tags = dict(body["tags"]) if body.get("tags") is not None else self.tags
        self.content_type = body.get("contentType", self.content_type)
        self.updated = now

    def described(self, id: str) -> dict[str, Any]:
        """Everything but the value."""
        times = {"nbf": self.nbf, "exp": self.exp, "created": self.created, "updated": self.updated}
        attributes: dict[str, Any] = {
            "enabled": self.enabled,
            **{name: value for name, value in times.items() if value is not None},
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        }
        told: dict[str, Any] = {"id": id, "attributes": attributes, "tags": self.tags}
        return told | ({"contentType": self.content_type} if self.content_type else {})


@dataclass
class Secret:
    """A secret and its versions, oldest first."""

    name: str
    versions: list[Version] = field(default_factory=list)

    def version(self, id: str) -> Version | None:
        """The version of an id; the newest for an empty one."""
        if not id:
            return self.versions[-1]
        return next((version for version in self.versions if version.id == id), None)


class FakeVault:
    """One vault, called `name`. `now` gives its time in seconds since the epoch.

    Records `list`, `versions`, `get`, `set`, `update`, `delete` and `get_deleted`, about the
    secret's name, with detail `version` where one is asked for; and `challenge` for each request
    without a valid token. Faults go by the same names and come after the challenge.
    """

    def __init__(self, name: str, issuer: FakeEntra) -> None:
        self.name = name
        self.host = f"{name}.vault.azure.net"
        self.uri = f"https://{self.host}"
        self.now: Callable[[], float] = time.time
        self.calls = Calls()
        self.faults = Faults()
        self.secrets: dict[str, Secret] = {}
        self.deleted: dict[str, Secret] = {}
        self._issuer = issuer
        self._operations: dict[str, Callable[[str, str, web.Request, Any], web.Response]] = {
            "list": self._list,
            "versions": self._versions,
            "get": self._get,
            "set": self._set,
            "update": self._update,
            "delete": self._delete,
            "get_deleted": self._get_deleted,
        }

    def put(self, name: str, value: str, **settings: Any) -> Version:
        """A new version of a secret, without a call. Settings are those of Version."""
        now = int(self.now())
        given = {"created": now, "updated": now, **settings}
        version = Version(secrets.token_hex(16), value, **given)
        # Names that differ only in case are two here, though never in Azure: clients must cope.
        self.secrets.setdefault(name, Secret(name)).versions.append(version)
        return version

    def newest(self, name: str) -> Version:
        return self.secrets[name].versions[-1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        operation, name, version = _asked(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._issuer.claims(token, RESOURCE) is None:
            self.calls.add(Call("challenge", name))
            return challenge()
        if operation is None or (name and not _NAME.fullmatch(name)):
            return failure(400, "BadParameter", "The request is not understood.")
        self.calls.add(Call(operation, name, {"version": version} if version else {}))
        wrong = await self.faults.meet(request, operation)
        if wrong is not None:
            return wrong
        content = await request.read()
        return self._operations[operation](
            name, version, request, json.loads(content) if content else {}
        )

    def _list(self, name: str, version: str, request: web.Request, body: Any) -> web.Response:
        def item(secret: Secret) -> dict[str, Any]:
            return secret.versions[-1].described(f"{self.uri}/secrets/{secret.name}")

        return self._page(request, list(self.secrets.values()), item)

    def _versions(self, name: str, version: str, request: web.Request, body: Any) -> web.Response:
        if name not in self.secrets:
            return missing(name)

        def item(one: Version) -> dict[str, Any]:
            return one.described(self._id(name, one))

        # Azure orders versions by their ids, not by their age.
        ordered = sorted(self.secrets[name].versions, key=lambda one: one.id)
        return self._page(request, ordered, item)

    def _get(self, name: str, version: str, request: web.Request, body: Any) -> web.Response:
        found = self._found(name, version)
        if found is None:
            return missing(name)
        if not found.enabled:
            text = "Operation get is not allowed on a disabled secret."
            return failure(403, "Forbidden", text, "SecretDisabled")
        return respond(200, {**found.described(self._id(name, found)), "value": found.value})

    def _set(self, name: str, version: str, request: web.Request, body: Any) -> web.Response:
        if name in self.deleted:
            text = f"Secret {name} is currently in a deleted but recoverable state."
            return failure(409, "Conflict", text, "ObjectIsDeletedButRecoverable")
        stored = self.put(name, body["value"])
        stored.change(body, stored.updated)
        return respond(200, {**stored.described(self._id(name, stored)), "value": stored.value})

    def _update(self, name: str, version: str, request: web.Request, body: Any) -> web.Response:
        found = self._found(name, version)
        if found is None:
            return missing(name)
        found.change(body, int(self.now()))
        return respond(200, found.described(self._id(name, found)))

    def _delete(self, name: str, version: str, request: web.Request, body: Any) -> web.Response:
        if name not in self.secrets:
            return missing(name)
        self.deleted[name] = self.secrets.pop(name)
        return self._get_deleted(name, version, request, body)

    def _get_deleted(
        self, name: str, version: str, request: web.Request, body: Any
    ) -> web.Response:
        if name not in self.deleted:
            return missing(name)
        newest = self.deleted[name].versions[-1]
        now = int(self.now())
        times = {"deletedDate": now, "scheduledPurgeDate": now + 90 * 86400}
        recovery = {"recoveryId": f"{self.uri}/deletedsecrets/{name}", **times}
        return respond(200, {**newest.described(self._id(name, newest)), **recovery})

    def _found(self, name: str, version: str) -> Version | None:
        secret = self.secrets.get(name)
        return secret.version(version) if secret else None

    def _id(self, name: str, version: Version) -> str:
        return f"{self.uri}/secrets/{name}/{version.id}"

    def _page(
        self, request: web.Request, items: list[Any], item: Callable[[Any], dict[str, Any]]
    ) -> web.Response:
        size = min(int(request.query.get("maxresults", PAGE)), PAGE)
        start = int(request.query.get("$skiptoken", 0))
        page = [item(one) for one in items[start : start + size]]
        following = None
        if start + size < len(items):
            query = f"api-version={request.query['api-version']}&maxresults={size}"
            following = f"{self.uri}{request.path}?{query}&$skiptoken={start + size}"
        return respond(200, {"value": page, "nextLink": following})


def _asked(request: web.Request) -> tuple[str | None, str, str]:
    """The operation, the name and the version of a request."""
    match [request.method, *(part for part in request.path.split("/") if part)]:
        case ["GET", "secrets"]:
            return "list", "", ""
        case ["GET", "secrets", name, "versions"]:
            return "versions", name, ""
        case ["GET" | "PATCH" as method, "secrets", name, *rest] if len(rest) < 2:
            return "get" if method == "GET" else "update", name, rest[0] if rest else ""
        case ["PUT" | "DELETE" as method, "secrets", name]:
            return "set" if method == "PUT" else "delete", name, ""
        case ["GET", "deletedsecrets", name]:
            return "get_deleted", name, ""
    return None, "", ""


def challenge() -> web.Response:
    """The 401 that tells a client where to get a token, and for what."""
    asked = f'authorization="https://{entra.HOST}/{entra.TENANT}", resource="{RESOURCE}"'
    text = "AKV10000: Request is missing a Bearer or PoP token."
    response = failure(401, "Unauthorized", text)
    response.headers["WWW-Authenticate"] = f"Bearer {asked}"
    return response


def failure(status: int, code: str, text: str, inner: str | None = None) -> web.Response:
    """An error in the service's format."""
    return respond(status, error_body(code, text, inner))


def error_body(code: str, text: str, inner: str | None = None) -> dict[str, Any]:
    return {
        "error": {
            "code": code,
            "message": text,
            **({"innererror": {"code": inner}} if inner else {}),
        }
    }


def missing(name: str) -> web.Response:
    text = f"A secret with (name/id) {name} was not found in this key vault."
    return failure(404, "SecretNotFound", text)


def throttled(retry_after: int) -> Fault:
    text = "Request was not processed because too many requests were received."
    return answer(429, error_body("Throttled", text), {"Retry-After": str(retry_after)})


FORBIDDEN = answer(
    403,
    error_body("Forbidden", "Caller is not authorized to perform action.", "ForbiddenByRbac"),
)
FIREWALL = answer(
    403,
    error_body("Forbidden", "Client address is not authorized.", "ForbiddenByFirewall"),
)
UNAUTHORIZED = answer(401, error_body("Unauthorized", "AKV10032: Invalid issuer."))
BROKEN = answer(500, error_body("InternalServerError", "Something went wrong."))
BUSY = answer(503, error_body("ServiceUnavailable", "Try again."), {"Retry-After": "7"})
