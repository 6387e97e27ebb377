"""Protected resource metadata: what is derived, what is taken word for word."""

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
from tests.authentication.issuer import API, APP_ID_URI, OTHER_TENANT, TENANT

MICROSOFT = "https://login.microsoftonline.com"
GIVEN = ProtectedResource(
    "api://poshmcp-prod",
    "PoshMcp Server",
    (f"{MICROSOFT}/{TENANT}",),
    ("api://poshmcp-prod/access_as_server",),
    ("header",),
)


def scheme(**changes: Any) -> EntraScheme:
    given: dict[str, Any] = {
        "name": "Bearer",
        "authority": f"{MICROSOFT}/{TENANT}",
        "tenants": frozenset({TENANT}),
        "issuers": {f"{MICROSOFT}/{TENANT}/v2.0": TENANT},
        "audiences": (APP_ID_URI, API),
        "client_id": API,
    }
    return EntraScheme(**{**given, **changes})


def described(
    given: ProtectedResource | None = None,
    *,
    first: tuple[str, ...] = ("read",),
    every: tuple[str, ...] = ("read", "write"),
    url: str = APP_ID_URI,
    **changes: Any,
) -> ResourceMetadata:
    settings = AuthenticationSettings(
        True,
        (),
        Requirement(),
        "reachable",
        Cors(),
        scheme(**changes),
        protected_resource=given or ProtectedResource(),
    )
    metadata = describe(settings, url, first, every)
    assert metadata is not None
    return metadata


def test_everything_is_derived_where_nothing_is_configured() -> None:
    metadata = described()
    assert metadata.document == {
        "resource": APP_ID_URI,
        "authorization_servers": [f"{MICROSOFT}/{TENANT}/v2.0"],
        "scopes_supported": [f"{APP_ID_URI}/read", f"{APP_ID_URI}/write"],
        "bearer_methods_supported": ["header"],
    }
    assert metadata.scopes == (f"{APP_ID_URI}/read",)
    assert metadata.url == "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    assert metadata.issuer is None


def test_what_is_configured_is_published_word_for_word() -> None:
    metadata = described(GIVEN, first=("access_as_server",), audiences=("api://poshmcp-prod",))
    assert metadata.document == {
        "resource": "api://poshmcp-prod",
        "resource_name": "PoshMcp Server",
        "authorization_servers": [f"{MICROSOFT}/{TENANT}"],
        "scopes_supported": ["api://poshmcp-prod/access_as_server"],
        "bearer_methods_supported": ["header"],
    }
    assert metadata.scopes == ("api://poshmcp-prod/access_as_server",)


def test_where_only_keys_are_taken_there_is_no_metadata() -> None:
    settings = AuthenticationSettings(True, (), Requirement(), "reachable", Cors())
    assert describe(settings, APP_ID_URI, ["read"], ["read"]) is None
    assert own_prefixes(None, APP_ID_URI) == [APP_ID_URI]


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://h.example/mcp", "https://h.example/.well-known/oauth-protected-resource/mcp"),
        ("https://h.example/a/b", "https://h.example/.well-known/oauth-protected-resource/a/b"),
        (
            "https://h.example:8443/m",
            "https://h.example:8443/.well-known/oauth-protected-resource/m",
        ),
        (
            "http://127.0.0.1:7071/mcp",
            "http://127.0.0.1:7071/.well-known/oauth-protected-resource/mcp",
        ),
    ],
)
def test_the_path_of_the_resource_follows_the_well_known_one(url: str, where: str) -> None:
    assert described(url=url).url == where


@pytest.mark.parametrize(
    ("audiences", "client_id", "prefix"),
    [
        ((APP_ID_URI, "api://other", API), API, APP_ID_URI),
        (("api://other", APP_ID_URI, API), API, APP_ID_URI),
        (("api://other", "api://another"), None, "api://other"),
        ((API,), API, f"api://{API}"),
        ((API,), None, f"api://{API}"),
    ],
)
def test_scopes_are_asked_for_below_the_app_id_uri(
    audiences: tuple[str, ...], client_id: str | None, prefix: str
) -> None:
    metadata = described(audiences=audiences, client_id=client_id)
    assert metadata.document["scopes_supported"] == [f"{prefix}/read", f"{prefix}/write"]
    assert metadata.qualified(["write", "more"]) == (f"{prefix}/write", f"{prefix}/more")


def test_a_scope_is_asked_for_as_it_is_published_and_never_by_a_part_of_its_name() -> None:
    given = ProtectedResource(
        scopes_supported=(
            "https://other.example/x",
            "api://prod/read",
            f"{APP_ID_URI}/x",
        )
    )
    metadata = described(given)
    assert metadata.qualified(["read"]) == ("api://prod/read",)
    assert metadata.qualified(["x"]) == (f"{APP_ID_URI}/x",)
    assert metadata.qualified(["ead"]) == (f"{APP_ID_URI}/ead",)
    assert metadata.qualified(["https://other.example/y"]) == ("https://other.example/y",)


def test_without_any_scope_clients_ask_for_what_they_were_granted() -> None:
    metadata = described(first=(), every=())
    assert metadata.document["scopes_supported"] == [f"{APP_ID_URI}/.default"]
    assert metadata.scopes == (f"{APP_ID_URI}/.default",)


def test_without_first_scopes_clients_ask_for_all() -> None:
    assert described(first=()).scopes == (f"{APP_ID_URI}/read", f"{APP_ID_URI}/write")


def test_every_tenant_is_an_authorization_server_by_its_id() -> None:
    metadata = described(
        authority=f"{MICROSOFT}/organizations", tenants=frozenset({OTHER_TENANT, TENANT})
    )
    assert metadata.document["authorization_servers"] == [
        f"{MICROSOFT}/{TENANT}/v2.0",
        f"{MICROSOFT}/{OTHER_TENANT}/v2.0",
    ]


def test_a_server_described_here_is_the_one_that_is_named() -> None:
    metadata = described(ProtectedResource(serve_authorization_server=True))
    assert metadata.document["authorization_servers"] == [APP_ID_URI]
    upstream = {
        "issuer": f"{MICROSOFT}/{TENANT}/v2.0",
        "authorization_endpoint": f"{MICROSOFT}/{TENANT}/oauth2/v2.0/authorize",
        "token_endpoint": f"{MICROSOFT}/{TENANT}/oauth2/v2.0/token",
        "jwks_uri": f"{MICROSOFT}/{TENANT}/discovery/v2.0/keys",
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
    }
    document = server_document(metadata, upstream)
    assert document["issuer"] == APP_ID_URI
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert document[name] == upstream[name]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["scopes_supported"] == metadata.document["scopes_supported"]
    assert "registration_endpoint" not in document
    assert "userinfo_endpoint" not in document


@pytest.mark.parametrize(
    "upstream", [{}, dict.fromkeys(("token_endpoint", "jwks_uri")), {"jwks_uri": 5}]
)
def test_an_endpoint_that_entra_does_not_name_is_left_out(upstream: dict[str, Any]) -> None:
    metadata = described(ProtectedResource(serve_authorization_server=True))
    document = server_document(metadata, upstream)
    assert not {"authorization_endpoint", "token_endpoint", "jwks_uri"} & set(document)
    assert None not in document.values()


def test_own_identifiers_are_url_audiences_and_client_id() -> None:
    assert set(own_prefixes(scheme(audiences=("api://prod", API)), "https://h.example/mcp")) == {
        "https://h.example/mcp",
        "api://prod",
        API,
        f"api://{API}",
    }
