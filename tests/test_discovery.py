"""What is published for clients that sign in: where, to whom, and how it is asked for."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.http import Response
from tests.authentication.issuer import API, APP_ID_URI, TENANT, Issuer, saying
from tests.bearer import endpoint_with_tokens, issuing_now
from tests.configuration.support import GUIDE_ENTRA
from tests.support import endpoint_for, send

RESOURCE = "/.well-known/oauth-protected-resource"
SERVER = "/.well-known/oauth-authorization-server"
SERVED = {"Authentication": {"ProtectedResource": {"ServeAuthorizationServerMetadata": True}}}


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing_now() as running:
        yield running


async def get(endpoint: Any, path: str, method: str = "GET", **headers: str) -> Response:
    return await send(endpoint, b"", headers, key=None, method=method, path=path)


@pytest.mark.parametrize("path", [RESOURCE, f"{RESOURCE}/", f"{RESOURCE}/mcp", f"{RESOURCE}/MCP/"])
async def test_the_metadata_is_there_for_everybody(
    tmp_path: Path, issuer: Issuer, path: str
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer)
    response = await get(endpoint, path)
    assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(response.body) == {
        "resource": APP_ID_URI,
        "authorization_servers": [issuer.v2],
        "scopes_supported": [f"{APP_ID_URI}/invoices.write", f"{APP_ID_URI}/tools.read"],
        "bearer_methods_supported": ["header"],
    }
    assert issuer.requests == []


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:6274", ""])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_every_page_may_read_it_and_a_bad_credential_does_not_matter(
    tmp_path: Path, issuer: Issuer, origin: str, method: str
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, SERVED)
    for path in (RESOURCE, f"{RESOURCE}/mcp", f"{SERVER}/mcp"):
        response = await get(endpoint, path, method, origin=origin, authorization="Bearer wrong")
        assert response.status == (204 if method == "OPTIONS" else 200)
        assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_what_every_page_may_read_is_sent_without_credentials(
    tmp_path: Path, issuer: Issuer, method: str
) -> None:
    """A browser takes no `*` together with credentials, also where its Origin may send them."""
    page = "https://app.example.com"
    cors = {"Authentication": {"Cors": {"AllowedOrigins": [page], "AllowCredentials": True}}}
    endpoint = endpoint_with_tokens(tmp_path, issuer, cors)
    response = await get(endpoint, RESOURCE, method, origin=page)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers
    refused = await get(endpoint, "/mcp", origin=page)
    assert refused.headers["Access-Control-Allow-Origin"] == page
    assert refused.headers["Access-Control-Allow-Credentials"] == "true"


async def test_a_preflight_says_what_a_page_may_send(tmp_path: Path, issuer: Issuer) -> None:
    response = await get(endpoint_with_tokens(tmp_path, issuer), RESOURCE, "OPTIONS")
    assert response.body == b""
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert response.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert "MCP-Protocol-Version" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_it_is_only_read(tmp_path: Path, issuer: Issuer, method: str) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, SERVED)
    for path in (RESOURCE, f"{SERVER}/mcp"):
        response = await get(endpoint, path, method)
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    "path",
    [
        f"{RESOURCE}/other",
        f"{RESOURCE}/mcp/tools",
        f"{RESOURCE}mcp",
        f"{RESOURCE}//mcp",
        f"{RESOURCE}/../mcp",
        SERVER,
        f"{SERVER}/mcp",
        f"{SERVER}/mcp/x",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/.well-known",
    ],
)
async def test_nothing_else_is_there(tmp_path: Path, issuer: Issuer, path: str) -> None:
    response = await get(endpoint_with_tokens(tmp_path, issuer), path)
    assert response.status == 404
    if path.startswith(RESOURCE):
        assert f"https://mcp.example.com{RESOURCE}/mcp" in str(response.body)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", [RESOURCE, f"{RESOURCE}/mcp", f"{SERVER}/mcp"])
async def test_where_only_keys_are_taken_there_is_nothing_to_read(
    tmp_path: Path, method: str, path: str
) -> None:
    assert (await get(endpoint_for(tmp_path), path, method)).status == 404


async def test_a_public_url_with_another_path_has_its_metadata_there_too(
    tmp_path: Path, issuer: Issuer
) -> None:
    changes = {"Server": {"PublicUrl": "https://Gateway.example.com/Finance/mcp"}} | SERVED
    endpoint = endpoint_with_tokens(tmp_path, issuer, changes)
    for path in (RESOURCE, f"{RESOURCE}/mcp", f"{RESOURCE}/Finance/mcp", f"{RESOURCE}/finance/mcp"):
        document = json.loads((await get(endpoint, path)).body)
        assert document["resource"] == "https://Gateway.example.com/Finance/mcp"
    assert (await get(endpoint, f"{RESOURCE}/finance")).status == 404
    assert (await get(endpoint, f"{SERVER}/finance/mcp")).status == 200
    assert (await get(endpoint, f"{SERVER}/mcp")).status == 404
    challenged = await send(endpoint, b"{}", key=None)
    url = f"https://Gateway.example.com{RESOURCE}/Finance/mcp"
    assert f'resource_metadata="{url}"' in challenged.headers["WWW-Authenticate"]


@pytest.mark.parametrize("name", ["host", "x-forwarded-host", "x-forwarded-proto", "forwarded"])
async def test_no_header_changes_what_is_published(
    tmp_path: Path, issuer: Issuer, name: str
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer)
    plain = await get(endpoint, RESOURCE)
    headers = {name: "host=evil.example"}
    assert (await get(endpoint, RESOURCE, **headers)).body == plain.body


async def test_the_guides_metadata_is_published_word_for_word(tmp_path: Path) -> None:
    given = json.loads(GUIDE_ENTRA.replace("{tenant-id}", TENANT))
    bearer = given["Authentication"]["Schemes"]["Bearer"]
    changes = {
        "Authentication": {
            "DefaultScheme": "Bearer",
            "Schemes": {"Bearer": {**bearer, "ClientId": API}},
            "ProtectedResource": given["Authentication"]["ProtectedResource"],
        }
    }
    response = await get(endpoint_for(tmp_path, changes), RESOURCE)
    assert json.loads(response.body) == {
        "resource": "api://poshmcp-prod",
        "resource_name": "PoshMcp Server",
        "authorization_servers": [f"https://login.microsoftonline.com/{TENANT}"],
        "scopes_supported": ["api://poshmcp-prod/access_as_server"],
        "bearer_methods_supported": ["header"],
    }


# The authorization server's metadata, published here


async def test_a_client_finds_the_issuer_that_the_resource_names(
    tmp_path: Path, issuer: Issuer
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, SERVED)
    (named,) = json.loads((await get(endpoint, RESOURCE)).body)["authorization_servers"]
    assert named == APP_ID_URI
    # RFC 8414 section 3.1: the well-known part goes between the host and the issuer's path.
    document = json.loads((await get(endpoint, f"{SERVER}/mcp")).body)
    assert document["issuer"] == named
    assert document["authorization_endpoint"] == issuer.metadata["authorization_endpoint"]
    assert document["token_endpoint"] == issuer.metadata["token_endpoint"]
    assert document["jwks_uri"] == issuer.metadata["jwks_uri"]
    assert document["code_challenge_methods_supported"] == ["S256"]


async def test_the_issuer_is_asked_once_however_many_ask_here(
    tmp_path: Path, issuer: Issuer
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, SERVED)
    for _ in range(10):
        assert (await get(endpoint, f"{SERVER}/mcp")).status == 200
    assert issuer.requests == ["metadata", "keys"]


async def test_without_the_issuer_there_is_nothing_to_tell_now(
    tmp_path: Path, issuer: Issuer
) -> None:
    issuer.on_metadata = saying(500)
    response = await get(endpoint_with_tokens(tmp_path, issuer, SERVED), f"{SERVER}/mcp")
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert issuer.authority not in str(response.body)
