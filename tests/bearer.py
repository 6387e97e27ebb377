"""Build a real endpoint whose callers carry access tokens of an issuer, and call it with them."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from shared.endpoint import Endpoint
from shared.http import Response
from shared.startup import build
from tests.authentication.issuer import API, APP_ID_URI, Issuer, issuing
from tests.configuration.support import DEVELOPMENT
from tests.support import configured, message, routing_headers, send, write_configuration


@asynccontextmanager
async def issuing_now() -> AsyncIterator[Issuer]:
    """An issuer whose tokens are good by the clock on the wall."""
    async with issuing() as issuer:
        issuer.now = int(time.time())
        yield issuer


def bearer(issuer: Issuer, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A configuration that takes tokens with the scope `tools.read`, and the two keys as well."""
    scheme = {
        "Type": "JwtBearer",
        "Authority": issuer.authority,
        "Audience": APP_ID_URI,
        "ClientId": API,
        "RequireHttpsMetadata": False,
    }
    base = configured(
        {
            "Authentication": {
                "DefaultScheme": "Bearer",
                "AdditionalSchemes": ["ApiKey"],
                "DefaultPolicy": {"RequiredScopes": ["tools.read"], "RequiredRoles": []},
                "Schemes": {"Bearer": scheme},
            }
        }
    )
    return configured(changes, base)


def endpoint_with_tokens(
    folder: Path,
    issuer: Issuer,
    changes: Mapping[str, Any] | None = None,
    package: str = "tests.toolsets",
) -> Endpoint:
    """An endpoint over `bearer`; in development, since the issuer has no certificate."""
    file = write_configuration(folder, bearer(issuer, changes))
    return build(folder, DEVELOPMENT, config_file=file, loopback=True, package=package)


async def send_with(
    endpoint: Endpoint,
    presented: str | None,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    modern: bool = False,
    **headers: str,
) -> Response:
    """One MCP request with a token, or without."""
    body = message(method, params, modern=modern)
    given = {**(routing_headers(body) if modern else {}), **headers}
    if presented is not None:
        given["authorization"] = f"Bearer {presented}"
    return await send(endpoint, body, given, key=None)


async def call_with(
    endpoint: Endpoint,
    presented: str | None,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    modern: bool = False,
    **headers: str,
) -> Response:
    """One tool call with a token, or without."""
    params = {"name": tool, "arguments": arguments or {}}
    return await send_with(endpoint, presented, "tools/call", params, modern=modern, **headers)
