"""Build a real endpoint for a test and talk to it without a socket."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.endpoint import Endpoint
from shared.http import Request, Response
from shared.startup import build

READER_KEY = "reader-key-0123456789abcdefghijklmnop"
OPS_KEY = "ops-key-0123456789abcdefghijklmnopqrs"
MODERN = "2026-07-28"

CONFIGURATION: dict[str, Any] = {
    "Authentication": {
        "Enabled": True,
        "DefaultScheme": "ApiKey",
        "DefaultPolicy": {"RequiredRoles": ["reader"]},
        "Schemes": {
            "ApiKey": {
                "Type": "ApiKey",
                "AllowInlineKeys": True,
                "Keys": {
                    READER_KEY: {"Roles": ["reader"]},
                    OPS_KEY: {"Roles": ["ops", "reader"]},
                },
            }
        },
    },
    "Server": {"PublicUrl": "https://mcp.example.com/mcp"},
}
"""A production configuration: two keys, and everything asks for the role `reader`."""


def configured(
    changes: Mapping[str, Any] | None = None, base: Mapping[str, Any] = CONFIGURATION
) -> dict[str, Any]:
    """CONFIGURATION with sections or keys replaced; nested objects merge."""
    merged: dict[str, Any] = _merged(base, changes or {})
    return merged


def _merged(base: Any, over: Any) -> Any:
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return over
    return {
        **base,
        **{key: _merged(base[key], value) if key in base else value for key, value in over.items()},
    }


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port of this machine that refuses connections and is handed out to nobody else.

    A server of ours that asks for it by its number gets it all the same.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def write_configuration(folder: Path, configuration: Mapping[str, Any]) -> Path:
    """A configuration file in `folder`."""
    file = folder / "settings.json"
    file.write_text(json.dumps(configuration, indent=1), encoding="utf-8")
    return file


def endpoint_for(
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    package: str = "tests.toolsets",
    loopback: bool = False,
) -> Endpoint:
    """A real endpoint over CONFIGURATION with `changes`, offering the tools of `package`."""
    return build(
        folder,
        environment or {},
        config_file=write_configuration(folder, configured(changes)),
        loopback=loopback,
        package=package,
    )


def message(
    method: str, params: Mapping[str, Any] | None = None, id: Any = 1, *, modern: bool = False
) -> dict[str, Any]:
    """A JSON-RPC request, with the `_meta` of the modern era when asked for."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "method": method}
    given = dict(params or {})
    if modern:
        given["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    if given:
        body["params"] = given
    return body


def routing_headers(body: Mapping[str, Any]) -> dict[str, str]:
    """The headers the modern era wants beside a request body."""
    headers = {"mcp-protocol-version": MODERN, "mcp-method": body["method"]}
    if body["method"] == "tools/call":
        headers["mcp-name"] = body["params"]["name"]
    return headers


async def send(
    endpoint: Any,
    body: Any,
    headers: Mapping[str, str] | None = None,
    *,
    key: str | None = READER_KEY,
    method: str = "POST",
    path: str = "/mcp",
    query: str = "",
) -> Response:
    """Send one request straight to an endpoint. `body` is bytes, or a value to send as JSON."""
    given = {"content-type": "application/json", "host": "127.0.0.1:7071"}
    if key is not None:
        given["x-api-key"] = key
    given.update(headers or {})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    response: Response = await endpoint.handle(Request(method, path, given, query, data))
    return response


async def ask(
    endpoint: Any,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    modern: bool = False,
    key: str | None = READER_KEY,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Send a well-formed MCP request and return the decoded JSON-RPC answer."""
    body = message(method, params, modern=modern)
    routing = routing_headers(body) if modern else {}
    response = await send(endpoint, body, {**routing, **(headers or {})}, key=key)
    return json.loads(response.body)
