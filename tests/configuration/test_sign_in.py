"""Warnings of what keeps clients from signing in: right where it fails, silent where it works."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.configuration.support import (
    CLIENT_ID,
    DEVELOPMENT,
    OTHER_TENANT,
    PUBLIC_URL,
    TENANT,
    V2_ISSUER,
    bearer,
    load_text,
)
from tests.support import configured

AT = "Authentication:ProtectedResource"
AUDIENCES = "Authentication:Schemes:Bearer:ValidAudiences"


def warned_of(
    folder: Path,
    resource: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
    **scheme: Any,
) -> dict[str, str]:
    """What is warned of, by path."""
    changed = bearer(**scheme)
    if resource is not None:
        changed["Authentication"]["ProtectedResource"] = resource
    _, report = load_text(folder, json.dumps(changed, indent=1), environment)
    assert {problem.level for problem in report.problems} <= {"warning"}
    return {problem.path: problem.text for problem in report.problems}


# The App ID URI and the resource


@pytest.mark.parametrize(
    "audience", [CLIENT_ID, "api://mine", f"{PUBLIC_URL}/x", "https://other/mcp"]
)
def test_a_public_url_that_is_no_app_id_uri_is_warned_of(tmp_path: Path, audience: str) -> None:
    told = warned_of(tmp_path, Audience=audience)
    assert list(told) == [AUDIENCES]
    assert "AADSTS9010010" in told[AUDIENCES]
    assert f'"{PUBLIC_URL}"' in told[AUDIENCES]


@pytest.mark.parametrize(
    ("resource", "scheme"),
    [
        (None, {}),
        ({}, {}),
        (None, {"Audience": "api://mine", "ValidAudiences": [PUBLIC_URL]}),
        (None, {"Audience": f"{PUBLIC_URL}/"}),
        ({"Resource": PUBLIC_URL}, {}),
        ({"ScopesSupported": [f"{PUBLIC_URL}/read"]}, {"Audience": CLIENT_ID}),
        ({"Resource": PUBLIC_URL, "ScopesSupported": [f"{PUBLIC_URL}/read"]}, {"Audience": None}),
    ],
)
def test_the_documented_pattern_is_not_warned_of(
    tmp_path: Path, resource: dict[str, Any] | None, scheme: dict[str, Any]
) -> None:
    assert warned_of(tmp_path, resource, **scheme) == {}


def test_the_line_that_is_named_ends_the_warning(tmp_path: Path) -> None:
    assert warned_of(tmp_path, Audience=CLIENT_ID)
    assert warned_of(tmp_path, Audience=CLIENT_ID, ValidAudiences=[PUBLIC_URL]) == {}


def test_scopes_of_another_uri_than_the_resource_are_warned_of(tmp_path: Path) -> None:
    told = warned_of(tmp_path, {"ScopesSupported": [f"{PUBLIC_URL}/read", "api://mine/ops"]})
    assert list(told) == [AUDIENCES]


@pytest.mark.parametrize(
    "resource",
    ["api://mine", "https://mcp.example.com", f"{PUBLIC_URL}/", PUBLIC_URL.upper(), "urn:mine"],
)
@pytest.mark.parametrize("audience", [PUBLIC_URL, "api://mine"])
def test_a_resource_that_is_not_the_url_clients_call_is_warned_of(
    tmp_path: Path, resource: str, audience: str
) -> None:
    told = warned_of(tmp_path, {"Resource": resource}, Audience=audience)
    assert list(told) == [f"{AT}:Resource"]
    assert "RFC 9728" in told[f"{AT}:Resource"]
    assert told[f"{AT}:Resource"].endswith(f"expected {PUBLIC_URL}")


@pytest.mark.parametrize("resource", [None, {"Resource": "api://mine"}])
def test_development_is_not_warned_of_registrations(
    tmp_path: Path, resource: dict[str, Any] | None
) -> None:
    assert warned_of(tmp_path, resource, DEVELOPMENT, Audience="api://mine") == {}


def test_keys_alone_are_not_warned_of_registrations(tmp_path: Path) -> None:
    assert load_text(tmp_path, json.dumps(configured()))[1].problems == []


def test_the_configuration_of_the_documentation_is_not_warned_of(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "entra.md").read_text(encoding="utf-8")
    (text,) = re.findall(r'```json\n(\{\n  "Authentication".*?)```', page, re.DOTALL)
    text = text.replace("<tenant id>", TENANT).replace("<application (client) id>", CLIENT_ID)
    settings, report = load_text(tmp_path, text)
    assert report.problems == []
    assert settings.authentication.entra is not None


# Scopes


@pytest.mark.parametrize("scope", ["read", "Mcp.Tools.ReadWrite", ".default"])
def test_a_short_scope_is_warned_of_with_its_long_form(tmp_path: Path, scope: str) -> None:
    told = warned_of(tmp_path, {"ScopesSupported": [f"{PUBLIC_URL}/x", scope]})
    text = told[f"{AT}:ScopesSupported[1]"]
    assert "AADSTS650053" in text
    assert text.endswith(f"{PUBLIC_URL}/{scope}")


def test_scopes_of_openid_have_no_long_form(tmp_path: Path) -> None:
    told = warned_of(tmp_path, {"ScopesSupported": [f"{PUBLIC_URL}/x", "openid", "profile"]})
    assert told == {}


# Authorization servers


@pytest.mark.parametrize(
    "server",
    [
        f"https://login.microsoftonline.com/{TENANT}",
        f"https://login.microsoftonline.com/{TENANT}/",
        f"https://login.microsoftonline.com/{TENANT}/v2.0/",
        f"https://login.microsoftonline.com/{TENANT.upper()}/v2.0",
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/contoso.com/v2.0",
        f"https://sts.windows.net/{TENANT}/",
        f"https://login.windows.net/{TENANT}/v2.0",
    ],
)
def test_a_server_that_is_not_its_own_issuer_is_warned_of(tmp_path: Path, server: str) -> None:
    told = warned_of(tmp_path, {"AuthorizationServers": [server]})
    assert list(told) == [f"{AT}:AuthorizationServers[0]"]
    assert told[f"{AT}:AuthorizationServers[0]"].endswith(f"expected {V2_ISSUER}")


def test_the_issuer_of_each_tenant_is_named(tmp_path: Path) -> None:
    told = warned_of(
        tmp_path,
        {"AuthorizationServers": ["https://login.microsoftonline.com/organizations/v2.0"]},
        Authority="https://login.microsoftonline.com/organizations",
        AllowedTenants=[TENANT, OTHER_TENANT],
    )
    other = V2_ISSUER.replace(TENANT, OTHER_TENANT)
    assert told[f"{AT}:AuthorizationServers[0]"].endswith(f"expected {other} or {V2_ISSUER}")


@pytest.mark.parametrize(
    "server", [V2_ISSUER, "https://signin.example.com/x", V2_ISSUER.replace(".com", ".us")]
)
def test_an_issuer_and_what_is_not_entras_are_not_warned_of(tmp_path: Path, server: str) -> None:
    assert warned_of(tmp_path, {"AuthorizationServers": [server]}) == {}


def test_metadata_that_no_client_is_sent_to_is_warned_of(tmp_path: Path) -> None:
    serving = {"ServeAuthorizationServerMetadata": True}
    told = warned_of(tmp_path, {**serving, "AuthorizationServers": [V2_ISSUER]})
    assert list(told) == [f"{AT}:AuthorizationServers"]
    assert PUBLIC_URL in told[f"{AT}:AuthorizationServers"]
    assert warned_of(tmp_path, serving) == {}
    assert warned_of(tmp_path, {**serving, "AuthorizationServers": [PUBLIC_URL]}) == {}
