"""The registration fits the configuration, so that its tokens are the ones it accepts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from development.from_configuration import registration_for
from development.registration import Registration
from shared.configuration.entra import DEVELOPMENT_CLIENT_ID, DEVELOPMENT_TENANT
from shared.startup import offer
from tests.support import write_configuration

BASE = "http://127.0.0.1:7072"
AUTHORITY = f"{BASE}/{DEVELOPMENT_TENANT}"
URL = "http://127.0.0.1:7071/mcp"


def registered(
    folder: Path,
    scheme: Mapping[str, Any],
    authentication: Mapping[str, Any] | None = None,
    **sections: Any,
) -> Registration:
    """The registration for an endpoint with one scheme for tokens."""
    configuration = {
        "Authentication": {
            "Enabled": True,
            "DefaultScheme": "Bearer",
            "Schemes": {"Bearer": {"Type": "JwtBearer", "RequireHttpsMetadata": False, **scheme}},
            **(authentication or {}),
        },
        **sections,
    }
    offered = offer(
        folder,
        {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"},
        config_file=write_configuration(folder, configuration),
        loopback=True,
        port=7071,
        identity=BASE,
        package="tests.toolsets",
    )
    return registration_for(offered)


def policy(**keys: Any) -> dict[str, Any]:
    return {"DefaultPolicy": keys}


def test_the_development_profile_gets_the_invented_api(tmp_path: Path) -> None:
    found = registered(tmp_path, {"Authority": "development"}, policy(RequiredScopes=[]))
    assert found.client_id == DEVELOPMENT_CLIENT_ID
    assert found.identifier_uris == (URL, f"api://{DEVELOPMENT_CLIENT_ID}")
    assert (found.token_version, found.audience) == (2, None)


def test_what_the_rules_ask_for_is_there_to_be_had(tmp_path: Path) -> None:
    overrides = {
        "greet": {"RequiredScopes": [f"{URL}/write", "read"], "RequiredRoles": ["ops"]},
    }
    found = registered(
        tmp_path,
        {"Authority": "development"},
        policy(RequiredScopes=["z.first"], RequiredRoles=["reader"]),
        PowerShellConfiguration={"CommandOverrides": overrides},
    )
    assert found.scopes[0] == "z.first"
    assert {"z.first", "write", "read"} <= set(found.scopes)
    assert {"reader", "ops"} <= set(found.roles)
    assert set(found.application_roles) >= {"z.first", "write", "read", "reader", "ops"}


def test_where_nothing_asks_for_a_scope_there_is_one(tmp_path: Path) -> None:
    found = registered(
        tmp_path,
        {"Authority": "development"},
        policy(RequiredScopes=[]),
        PowerShellConfiguration={"CommandNames": ["nothing"]},
    )
    assert found.scopes == ("access_as_user",)


def test_the_scopes_of_another_api_are_not_ours(tmp_path: Path) -> None:
    found = registered(
        tmp_path,
        {"Authority": "development"},
        policy(RequiredScopes=["api://other/read", "mine"]),
    )
    assert "mine" in found.scopes
    assert not [scope for scope in found.scopes if "other" in scope]


def test_configured_identifiers_are_registered(tmp_path: Path) -> None:
    client_id = "0a1b2c3d-0000-4000-8000-00000000000a"
    found = registered(
        tmp_path,
        {
            "Authority": AUTHORITY,
            "Audience": "api://poshmcp-prod",
            "ValidAudiences": ["https://mcp.example.com/mcp"],
            "ClientId": client_id,
        },
        {
            **policy(RequiredScopes=["api://poshmcp-prod/access_as_server"]),
            "ProtectedResource": {"Resource": "https://mcp.example.com/other"},
        },
    )
    assert found.client_id == client_id
    assert set(found.identifier_uris) == {
        URL,
        "https://mcp.example.com/other",
        "api://poshmcp-prod",
        "https://mcp.example.com/mcp",
        f"api://{client_id}",
    }
    assert "access_as_server" in found.scopes
    assert (found.token_version, found.audience) == (2, None)


def test_a_configuration_without_client_id_gets_v1_tokens(tmp_path: Path) -> None:
    found = registered(tmp_path, {"Authority": AUTHORITY, "Audience": "api://poshmcp-prod"})
    assert (found.token_version, found.audience) == (1, None)


def test_one_that_no_token_of_entras_matches_can_be_tried_all_the_same(tmp_path: Path) -> None:
    scheme = {
        "Authority": AUTHORITY,
        "Audience": "api://poshmcp-prod",
        "ValidIssuers": [f"{AUTHORITY}/v2.0"],
    }
    found = registered(tmp_path, scheme)
    assert (found.token_version, found.audience) == (2, "api://poshmcp-prod")


def test_keys_alone_get_the_invented_api(tmp_path: Path) -> None:
    keys = {"Type": "ApiKey", "Keys": {"key-reader": {}}}
    found = registered(
        tmp_path,
        {"Authority": AUTHORITY, "Audience": "api://x"},
        {"DefaultScheme": "Key", "Schemes": {"Key": keys}},
    )
    assert (found.client_id, found.token_version) == (DEVELOPMENT_CLIENT_ID, 2)
