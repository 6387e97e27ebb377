"""Protected resource metadata: word for word what is configured, sensibly derived where not."""

from collections.abc import Mapping
from typing import Any

import pytest

from shared.authentication.resource_metadata import (
    ResourceMetadata,
    describe,
    own_prefixes,
    server_document,
)
from shared.configuration.model import (
    AuthenticationSettings,
    Cors,
    EntraScheme,
    ProtectedResource,
    Requirement,
)

URL = "https://mcp.example.com/api/mcp"
TENANT = "70a036f6-8e4d-4615-bad6-149c02e7720d"
OTHER = "1c0ffee0-0000-4000-8000-00000000beef"
CLIENT = "85a0b190-f927-4e27-b286-cd301d965e4a"
LOGIN = "https://login.microsoftonline.com"


def scheme(*audiences: str, tenants: tuple[str, ...] = (TENANT,), host: str = LOGIN) -> EntraScheme:
    issuers = {f"{host}/{tenant}/v2.0": tenant for tenant in tenants}
    authority = f"{host}/{tenants[0] if len(tenants) == 1 else 'organizations'}"
    given = audiences or (URL, CLIENT)
    client = CLIENT if CLIENT in given else None
    return EntraScheme("Bearer", authority, frozenset(tenants), issuers, given, client)


def described(
    entra: EntraScheme | None = None,
    first: tuple[str, ...] = (),
    every: tuple[str, ...] = (),
    **given: Any,
) -> ResourceMetadata:
    resource = ProtectedResource(**given)
    settings = AuthenticationSettings(
        True, (), Requirement(), "reachable", Cors(), entra or scheme(), {}, resource
    )
    found = describe(settings, URL, first, every)
    assert found is not None
    return found


def test_nothing_is_published_where_no_tokens_are_taken() -> None:
    settings = AuthenticationSettings(True, (), Requirement(), "reachable", Cors())
    assert describe(settings, URL, (), ()) is None


def test_what_is_not_configured_is_derived() -> None:
    found = described(first=("read",), every=("write", "read"))
    assert found.url == "https://mcp.example.com/.well-known/oauth-protected-resource/api/mcp"
    assert found.document == {
        "resource": URL,
        "authorization_servers": [f"{LOGIN}/{TENANT}/v2.0"],
        "scopes_supported": [f"{URL}/read", f"{URL}/write"],
        "bearer_methods_supported": ["header"],
    }
    assert found.scopes == (f"{URL}/read",)
    assert found.issuer is None


def test_what_is_configured_is_published_word_for_word() -> None:
    found = described(
        scheme("api://poshmcp-prod"),
        first=("access_as_server",),
        every=("access_as_server",),
        resource="api://poshmcp-prod",
        resource_name="PoshMcp Server",
        authorization_servers=(f"{LOGIN}/{TENANT}",),
        scopes_supported=("api://poshmcp-prod/access_as_server",),
        bearer_methods_supported=("header",),
    )
    assert found.document == {
        "resource": "api://poshmcp-prod",
        "resource_name": "PoshMcp Server",
        "authorization_servers": [f"{LOGIN}/{TENANT}"],
        "scopes_supported": ["api://poshmcp-prod/access_as_server"],
        "bearer_methods_supported": ["header"],
    }
    assert found.scopes == ("api://poshmcp-prod/access_as_server",)


@pytest.mark.parametrize(
    ("audiences", "prefix"),
    [
        ((URL, CLIENT), URL),
        (("api://mine", URL), URL),
        (("api://mine", CLIENT), "api://mine"),
        ((CLIENT,), f"api://{CLIENT}"),
        ((CLIENT, "api://mine"), "api://mine"),
    ],
)
def test_scopes_are_published_in_full_below_the_public_url_where_that_is_an_app_id_uri(
    audiences: tuple[str, ...], prefix: str
) -> None:
    found = described(scheme(*audiences), every=("read",))
    assert found.document["scopes_supported"] == [f"{prefix}/read"]
    assert found.qualified(["ops"]) == (f"{prefix}/ops",)


def test_without_any_scope_clients_ask_for_what_is_granted() -> None:
    found = described()
    assert found.document["scopes_supported"] == [f"{URL}/.default"]
    assert found.scopes == (f"{URL}/.default",)


def test_a_scope_is_asked_for_as_it_is_published() -> None:
    supported = ("api://mine/read", f"{CLIENT}/Mcp.Tools.ReadWrite")
    found = described(scopes_supported=supported)
    asked = found.qualified(["Mcp.Tools.ReadWrite", "read", "ead", "https://other/read"])
    assert asked == (supported[1], supported[0], f"{URL}/ead", "https://other/read")


@pytest.mark.parametrize(
    "host",
    [LOGIN, "https://login.microsoftonline.us", "https://login.partner.microsoftonline.cn"],
)
def test_the_authorization_servers_are_the_tenants_by_their_ids(host: str) -> None:
    found = described(scheme(URL, tenants=(TENANT, OTHER), host=host))
    servers = [f"{host}/{tenant}/v2.0" for tenant in sorted((TENANT, OTHER))]
    assert found.document["authorization_servers"] == servers


UPSTREAM: Mapping[str, Any] = {
    "issuer": f"{LOGIN}/{TENANT}/v2.0",
    "authorization_endpoint": f"{LOGIN}/{TENANT}/oauth2/v2.0/authorize",
    "token_endpoint": f"{LOGIN}/{TENANT}/oauth2/v2.0/token",
    "jwks_uri": f"{LOGIN}/{TENANT}/discovery/v2.0/keys",
    "registration_endpoint": "https://elsewhere.example/register",
}


def test_the_facade_is_its_own_issuer_and_names_entras_endpoints() -> None:
    found = described(every=("read",), serve_authorization_server=True)
    assert found.document["authorization_servers"] == [URL]
    document = server_document(found, UPSTREAM)
    assert document["issuer"] == URL
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert document[name] == UPSTREAM[name]
    assert document["scopes_supported"] == [f"{URL}/read"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert "registration_endpoint" not in document


def test_explicit_servers_stay_beside_the_facade() -> None:
    servers = (f"{LOGIN}/{TENANT}/v2.0",)
    found = described(authorization_servers=servers, serve_authorization_server=True)
    assert found.document["authorization_servers"] == list(servers)


@pytest.mark.parametrize(
    ("entra", "prefixes"),
    [
        (None, {URL}),
        (scheme(URL), {URL}),
        (scheme(CLIENT), {URL, CLIENT, f"api://{CLIENT}"}),
        (scheme("api://mine"), {URL, "api://mine"}),
    ],
)
def test_a_scope_is_ours_below_our_own_identifiers_only(
    entra: EntraScheme | None, prefixes: set[str]
) -> None:
    assert set(own_prefixes(entra, URL)) == prefixes
