"""What is published for clients that sign in, over a real issuer: the development identity."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.configuration.entra import DEVELOPMENT_TENANT
from tests.commands.support import Running, copy_of_the_project, exchange, running

FACADE = "/.well-known/oauth-authorization-server/mcp"
RESOURCE = "/.well-known/oauth-protected-resource"


def configuration(*, facade: bool) -> str:
    """Tokens of the development identity alone, with or without its metadata repeated here."""
    section = {
        "Enabled": True,
        "DefaultPolicy": {"RequiredScopes": ["read"]},
        "Schemes": {"Bearer": {"Authority": "development"}},
        "ProtectedResource": {"ServeAuthorizationServerMetadata": facade},
    }
    return json.dumps({"Authentication": section})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_project(tmp_path_factory.mktemp("discovery") / "project")


@pytest.fixture(scope="module", params=[True, False], ids=["facade", "no facade"])
def endpoint(
    request: pytest.FixtureRequest, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Running, bool]]:
    file = tmp_path_factory.mktemp("configuration") / "appsettings.json"
    file.write_text(configuration(facade=request.param), encoding="utf-8")
    with running(project, "run", "--port", "0", "--json", "--config", str(file)) as server:
        yield server, request.param


def test_the_facade_is_served_when_it_is_asked_for_and_only_then(
    endpoint: tuple[Running, bool],
) -> None:
    server, facade = endpoint
    url, authority = server.json["url"], server.json["authority"]
    origin = url.removesuffix("/mcp")
    reply = exchange(f"{origin}{FACADE}", None, {"Origin": "https://anywhere.example"})
    resource = exchange(f"{origin}{RESOURCE}/mcp").json
    if not facade:
        assert reply.status == 404
        assert resource["authorization_servers"] == [f"{authority}/v2.0"]
        return
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "*"
    assert [reply.json["issuer"]] == resource["authorization_servers"] == [url]
    assert reply.json["authorization_endpoint"].startswith(authority)
    assert reply.json["token_endpoint"].startswith(authority)
    assert DEVELOPMENT_TENANT in reply.json["jwks_uri"]
    assert reply.json["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize("suffix", ["", "/", "/mcp", "/MCP/"])
def test_the_resource_is_the_same_at_the_root_and_under_the_path(
    endpoint: tuple[Running, bool], suffix: str
) -> None:
    server, _ = endpoint
    url = server.json["url"]
    reply = exchange(f"{url.removesuffix('/mcp')}{RESOURCE}{suffix}")
    assert reply.status == 200
    assert reply.json["resource"] == url
    assert reply.json["scopes_supported"] == [f"{url}/read"]


@pytest.mark.parametrize("path", [f"{FACADE}/x", "/.well-known/oauth-authorization-server"])
def test_nothing_is_published_elsewhere(endpoint: tuple[Running, bool], path: str) -> None:
    server, _ = endpoint
    assert exchange(f"{server.json['url'].removesuffix('/mcp')}{path}").status == 404
