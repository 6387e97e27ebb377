"""The managed identity of a host: App Service's endpoint and that of virtual machines (IMDS)."""

import time
from collections.abc import Mapping

from aiohttp import web

from tests.fakes.entra import FakeEntra, object_id
from tests.fakes.faults import Call, Calls, Faults, respond

SYSTEM_ASSIGNED = "5f000000-0000-4000-8000-0000000000aa"
HEADER = "the-header-of-the-host"


class FakeManagedIdentity:
    """One host's identities. `user_assigned` are the client ids it has besides its own.

    Records `token`, about the client id asked for, with details resource and host (`app_service`
    or `imds`).
    """

    def __init__(self, url: str, entra: FakeEntra) -> None:
        self.url = url
        self.user_assigned: set[str] = set()
        self.calls = Calls()
        self.faults = Faults()
        self._entra = entra

    def app_service(self) -> Mapping[str, str]:
        """The environment variables of an app on App Service or Functions."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": HEADER}

    def imds(self) -> Mapping[str, str]:
        """The environment variable that leads azure-identity to this instance metadata service."""
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.url}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/msi/token":
            host, allowed = "app_service", request.headers.get("X-IDENTITY-HEADER") == HEADER
        elif request.path == "/metadata/identity/oauth2/token":
            host, allowed = "imds", request.headers.get("Metadata") == "true"
        else:
            return respond(404)
        resource = request.query.get("resource", "")
        client = request.query.get("client_id", "")
        self.calls.add(Call("token", client, {"resource": resource, "host": host}))
        wrong = await self.faults.meet(request, "token")
        if wrong is not None:
            return wrong
        if not allowed:
            status = 401 if host == "app_service" else 400
            return respond(status, {"error": "invalid_request", "error_description": "Header"})
        if client and client not in self.user_assigned:
            text = "Identity not found"
            return respond(400, {"error": "invalid_request", "error_description": text})
        identity = client or SYSTEM_ASSIGNED
        token = self._entra.mint(resource, appid=identity, oid=object_id(identity), idtyp="app")
        body = {
            "access_token": token,
            "expires_on": str(int(time.time()) + 3600),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": identity,
        }
        return respond(200, body)
