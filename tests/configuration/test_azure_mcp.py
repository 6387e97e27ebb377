"""Azure MCP's dialects: the pull request's files and the variables of 2.x."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.azure_mcp import APP_ROLE, SCOPE
from shared.configuration.azure_mcp_variables import _INSTEAD
from shared.configuration.model import EntraScheme, ProtectedResource
from tests.configuration.support import (
    CLIENT_ID,
    DEVELOPMENT,
    OTHER_TENANT,
    PUBLIC_URL,
    PULL_REQUEST_MANAGED_IDENTITY,
    PULL_REQUEST_ON_BEHALF_OF,
    PULL_REQUEST_PASSTHROUGH,
    SECRET,
    TENANT,
    V1_ISSUER,
    V2_ISSUER,
    bearer,
    load_text,
    refused,
)

SERVER = {"Server__PublicUrl": PUBLIC_URL}
REQUIRED = {
    **SERVER,
    "AzureAd__Instance": "https://login.microsoftonline.com/",
    "AzureAd__TenantId": TENANT,
    "AzureAd__ClientId": CLIENT_ID,
}
# With the audience for which clients can sign in, so that there is nothing to warn of.
COMPLETE = {**REQUIRED, "AzureAd__Audiences__0": PUBLIC_URL}


def inbound(**changes: Any) -> str:
    """The pull request's section with keys of its `azureAd` replaced; None leaves one out."""
    given = {
        "instance": "https://login.microsoftonline.com/",
        "tenantId": TENANT,
        "clientId": CLIENT_ID,
        "audience": PUBLIC_URL,
        **changes,
    }
    section = {"type": "JwtBearerScheme", "azureAd": given}
    configuration = {"inboundAuthentication": section, "Server": {"PublicUrl": PUBLIC_URL}}
    return json.dumps(configuration, indent=1)


def scheme_of(folder: Path, environment: dict[str, str], text: str = "{}") -> EntraScheme:
    """The scheme that these variables come to, without a word of warning."""
    settings, report = load_text(folder, text, environment)
    assert report.problems == []
    assert settings.authentication.entra is not None
    return settings.authentication.entra


# The pull request's files


@pytest.mark.parametrize(
    "text",
    [PULL_REQUEST_MANAGED_IDENTITY, PULL_REQUEST_PASSTHROUGH, PULL_REQUEST_ON_BEHALF_OF],
    ids=["managed identity", "passthrough", "on behalf of"],
)
@pytest.mark.parametrize(
    "environment", [SERVER, DEVELOPMENT, {"WEBSITE_HOSTNAME": "app.azurewebsites.net"}]
)
def test_the_pull_requests_files_work_verbatim(
    tmp_path: Path, text: str, environment: dict[str, str]
) -> None:
    settings, report = load_text(tmp_path, text, environment)
    found = settings.authentication
    assert found.enabled
    assert found.entra is not None
    assert found.entra.authority == f"https://login.microsoftonline.com/{TENANT}"
    assert found.entra.issuers == {V2_ISSUER: TENANT, V1_ISSUER: TENANT}
    assert found.entra.audiences == (CLIENT_ID,)
    assert found.entra.client_id == CLIENT_ID
    assert found.key_schemes == ()
    assert found.application_roles == {}
    assert found.default_policy.scopes is None
    assert found.default_policy.allow_anonymous is None
    assert found.protected_resource == ProtectedResource()
    assert settings.outbound is not None
    assert not [problem for problem in report.problems if problem.level == "error"]
    assert "your-client-secret" not in str(report.problems)


def test_required_roles_are_asked_of_everyone(tmp_path: Path) -> None:
    text = inbound(requiredRoles=["reader", "ops"])
    policy = load_text(tmp_path, text)[0].authentication.default_policy
    line = 1 + next(i for i, line in enumerate(text.splitlines()) if "requiredRoles" in line)
    assert policy.roles is not None
    assert policy.roles.names == {"reader", "ops"}
    place = "inboundAuthentication:azureAd:requiredRoles"
    assert policy.roles.written == f"{place} (settings.json:{line})"


def test_keys_of_the_pull_request_match_in_any_case(tmp_path: Path) -> None:
    expected, _ = load_text(tmp_path, inbound())
    text = inbound()
    for key in ("inboundAuthentication", "azureAd", "tenantId", "type", "audience"):
        text = text.replace(f'"{key}"', f'"{key[0].upper()}{key[1:]}"')
    assert load_text(tmp_path, text)[0].authentication == expected.authentication


def test_variables_override_the_pull_requests_keys(tmp_path: Path) -> None:
    environment = {
        "inboundAuthentication__azureAd__tenantId": OTHER_TENANT,
        "INBOUNDAUTHENTICATION__AZUREAD__REQUIREDROLES__0": "ops",
    }
    found = load_text(tmp_path, inbound(), environment)[0].authentication
    assert found.entra is not None
    assert found.entra.tenants == {OTHER_TENANT}
    assert found.default_policy.roles is not None
    assert found.default_policy.roles.names == {"ops"}


@pytest.mark.parametrize(
    ("changes", "key", "told"),
    [
        ({"tenantId": None}, "tenantId", "missing; expected the tenant's id, a GUID"),
        ({"tenantId": ""}, "tenantId", "missing; expected the tenant's id, a GUID"),
        ({"tenantId": "common"}, "tenantId", '"common" stands for every tenant'),
        ({"tenantId": "organizations"}, "tenantId", '"organizations" stands for every tenant'),
        ({"tenantId": "contoso.com"}, "tenantId", '"contoso.com" is no tenant id'),
        ({"tenantId": f"{TENANT}/x"}, "tenantId", "cannot be used; expected the tenant's id"),
        ({"tenantId": "{tenant-id}"}, "tenantId", "still holds a {placeholder}"),
        ({"tenantId": 5}, "tenantId", "5 is an integer; expected a string"),
        ({"clientId": "postgres"}, "clientId", '"postgres" is no id; expected a GUID'),
        ({"clientId": None, "audience": None}, "audience", "missing; expected"),
        ({"instance": "login"}, "instance", "expected https://login.microsoftonline.com/"),
        ({"instance": ""}, "instance", "expected https://login.microsoftonline.com/"),
        ({"instance": f"https://a.example/{TENANT}"}, "instance", "cannot be used"),
        ({"instance": f"https://me:{SECRET}@a.example/"}, "instance", "cannot be used"),
        ({"instance": "http://login.microsoftonline.com/"}, "instance", "is not https"),
        ({"requiredRoles": "reader"}, "requiredRoles", "expected a list, each a string"),
        ({"tenant": TENANT}, "tenant", "did you mean tenantId?"),
        ({"allowedTenants": [TENANT]}, "allowedTenants", "unknown key"),
    ],
)
def test_a_wrong_key_of_the_pull_request_is_named(
    tmp_path: Path, changes: dict[str, Any], key: str, told: str
) -> None:
    (found,) = refused(tmp_path, inbound(**changes))
    assert found.path == f"inboundAuthentication:azureAd:{key}"
    assert found.source.startswith("settings.json:")
    assert told in found.text
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("section", "path", "told"),
    [
        ({}, "inboundAuthentication:type", 'missing; expected "JwtBearerScheme"'),
        ({}, "inboundAuthentication:azureAd", "missing; expected an object"),
        ({"type": "JwtBearer"}, "inboundAuthentication:type", '"JwtBearer" is not one of the'),
        ({"type": "None"}, "inboundAuthentication:type", 'expected "JwtBearerScheme"'),
        ({"azureAd": []}, "inboundAuthentication:azureAd", "is a list; expected an object"),
        ({"azureAD2": {}}, "inboundAuthentication:azureAD2", "did you mean azureAd?"),
        ("JwtBearerScheme", "inboundAuthentication", "expected an object"),
        ([], "inboundAuthentication", "is a list; expected an object"),
    ],
)
def test_a_section_of_another_shape_is_refused(
    tmp_path: Path, section: object, path: str, told: str
) -> None:
    text = json.dumps({"inboundAuthentication": section, "Server": {"PublicUrl": PUBLIC_URL}})
    problems = {problem.path: problem.text for problem in refused(tmp_path, text)}
    assert told in problems[path]


def test_an_instance_without_its_slash_and_none_at_all_will_do(tmp_path: Path) -> None:
    expected = load_text(tmp_path, inbound())[0].authentication
    bare = "https://login.microsoftonline.com"
    for text in (inbound(instance=bare), inbound(instance=None)):
        assert load_text(tmp_path, text)[0].authentication == expected


def test_an_instance_of_this_machine_is_for_development(tmp_path: Path) -> None:
    text = inbound(instance="http://127.0.0.1:7072/")
    found = load_text(tmp_path, text, DEVELOPMENT)[0].authentication.entra
    assert found is not None
    assert found.authority == f"http://127.0.0.1:7072/{TENANT}"
    assert refused(tmp_path, text)


# The variables of 2.x


def test_the_three_required_variables_are_enough(tmp_path: Path) -> None:
    settings, report = load_text(tmp_path, "{}", REQUIRED)
    found = settings.authentication
    assert found.entra is not None
    assert found.entra.authority == f"https://login.microsoftonline.com/{TENANT}"
    assert found.entra.audiences == (f"api://{CLIENT_ID}", CLIENT_ID)
    assert found.entra.issuers == {V2_ISSUER: TENANT, V1_ISSUER: TENANT}
    (told,) = report.problems
    assert told.path == "AzureAd:Audiences"
    assert "AADSTS9010010" in told.text


def test_azure_mcps_scope_and_app_role_are_preset(tmp_path: Path) -> None:
    assert (SCOPE, APP_ROLE) == ("Mcp.Tools.ReadWrite", "Mcp.Tools.ReadWrite.All")
    found = load_text(tmp_path, "{}", COMPLETE)[0].authentication
    assert found.default_policy.scopes is not None
    assert found.default_policy.scopes.names == {SCOPE}
    assert "Azure MCP's preset" in found.default_policy.scopes.written
    assert found.default_policy.roles is None
    assert found.application_roles == {SCOPE: frozenset({APP_ROLE})}


@pytest.mark.parametrize(
    ("variables", "audiences"),
    [
        ({"AzureAd__Audience": PUBLIC_URL}, (PUBLIC_URL, CLIENT_ID)),
        ({"AzureAd__Audience": CLIENT_ID}, (CLIENT_ID,)),
        (
            {"AzureAd__Audiences__0": PUBLIC_URL, "AzureAd__Audiences__1": "api://x"},
            (PUBLIC_URL, "api://x", CLIENT_ID),
        ),
        (
            {"AzureAd__Audience": "api://x", "AzureAd__Audiences__0": PUBLIC_URL},
            ("api://x", PUBLIC_URL, CLIENT_ID),
        ),
        ({"AzureAd__Audience": ""}, (f"api://{CLIENT_ID}", CLIENT_ID)),
    ],
)
def test_named_audiences_replace_the_usual_ones(
    tmp_path: Path, variables: dict[str, str], audiences: tuple[str, ...]
) -> None:
    found = load_text(tmp_path, "{}", {**REQUIRED, **variables})[0].authentication.entra
    assert found is not None
    assert found.audiences == audiences


@pytest.mark.parametrize(
    ("variables", "authority"),
    [
        (
            {"AzureAd__Instance": "https://login.microsoftonline.us"},
            f"https://login.microsoftonline.us/{TENANT}",
        ),
        (
            {"AzureAd__Authority": f"https://login.microsoftonline.us/{TENANT}/v2.0"},
            f"https://login.microsoftonline.us/{TENANT}",
        ),
        (
            {
                "AzureAd__Authority": f"https://login.chinacloudapi.cn/{OTHER_TENANT}",
                "AzureAd__TenantId": "",
            },
            f"https://login.partner.microsoftonline.cn/{OTHER_TENANT}",
        ),
    ],
)
def test_the_cloud_and_the_tenant_are_those_of_the_variables(
    tmp_path: Path, variables: dict[str, str], authority: str
) -> None:
    assert scheme_of(tmp_path, {**COMPLETE, **variables}).authority == authority


def test_the_section_may_stand_in_a_file(tmp_path: Path) -> None:
    section = {"TenantId": TENANT, "ClientId": CLIENT_ID, "Audiences": [PUBLIC_URL]}
    text = json.dumps({"azuread": section, "Server": {"PublicUrl": PUBLIC_URL}})
    assert scheme_of(tmp_path, {}, text) == scheme_of(tmp_path, COMPLETE)


def test_variables_match_in_any_case(tmp_path: Path) -> None:
    loud = {name.upper(): value for name, value in COMPLETE.items()}
    assert scheme_of(tmp_path, loud) == scheme_of(tmp_path, COMPLETE)


@pytest.mark.parametrize("value", ["false", "False"])
def test_an_access_list_that_is_off_is_fine(tmp_path: Path, value: str) -> None:
    variables = {**COMPLETE, "AzureAd__AllowWebApiToBeAuthorizedByACL": value}
    assert scheme_of(tmp_path, variables) == scheme_of(tmp_path, COMPLETE)


@pytest.mark.parametrize(
    ("variables", "key", "told"),
    [
        ({"AzureAd__TenantId": ""}, "TenantId", "missing; expected the tenant's id, a GUID"),
        ({"AzureAd__TenantId": "common"}, "TenantId", '"common" stands for every tenant'),
        ({"AzureAd__TenantId": "organizations"}, "TenantId", "AllowedTenants"),
        ({"AzureAd__TenantId": "consumers"}, "TenantId", "every personal Microsoft account"),
        ({"AzureAd__TenantId": "contoso.com"}, "TenantId", "is no tenant id"),
        ({"AzureAd__TenantId": "{tenant-id}"}, "TenantId", "still holds a {placeholder}"),
        ({"AzureAd__ClientId": "{client-id}"}, "ClientId", "expected a GUID"),
        ({"AzureAd__ClientId": "mine"}, "ClientId", '"mine" is no id; expected a GUID'),
        ({"AzureAd__Instance": "login.microsoftonline.com"}, "Instance", "cannot be used"),
        ({"AzureAd__Instance": "http://login.microsoftonline.com/"}, "Instance", "not https"),
        ({"AzureAd__Authority": TENANT}, "Authority", "expected https://login.microsoftonline"),
        (
            {"AzureAd__Authority": f"http://login.microsoftonline.com/{TENANT}"},
            "Authority",
            "is not https",
        ),
        (
            {"AzureAd__Authority": f"https://login.microsoftonline.com/{OTHER_TENANT}"},
            "Authority",
            "another tenant than TenantId",
        ),
        (
            {"AzureAd__AllowWebApiToBeAuthorizedByACL": "true"},
            "AllowWebApiToBeAuthorizedByACL",
            "would admit every application of the tenant",
        ),
        (
            {"AzureAd__AllowWebApiToBeAuthorizedByACL": "1x"},
            "AllowWebApiToBeAuthorizedByACL",
            "expected true or false",
        ),
        ({"AzureAd__Tenant": TENANT}, "Tenant", "did you mean TenantId?"),
        ({"AzureAd__Audiences": PUBLIC_URL}, "Audiences", "expected a list, each a string"),
    ],
)
def test_a_wrong_variable_is_named_with_what_is_expected(
    tmp_path: Path, variables: dict[str, str], key: str, told: str
) -> None:
    environment = {**REQUIRED, **variables}
    by_path = {p.path: p for p in reversed(refused(tmp_path, "{}", environment))}
    found = by_path[f"AzureAd:{key}"]
    assert list(by_path) == [found.path]
    assert any(told in p.text for p in refused(tmp_path, "{}", environment))
    assert found.source == f"environment variable AzureAd__{key}"


@pytest.mark.parametrize("audience", [None, PUBLIC_URL])
def test_a_client_id_is_required(tmp_path: Path, audience: str | None) -> None:
    environment = {k: v for k, v in REQUIRED.items() if k != "AzureAd__ClientId"}
    (found,) = refused(
        tmp_path, "{}", environment | ({"AzureAd__Audience": audience} if audience else {})
    )
    assert (found.path, found.source) == ("AzureAd:ClientId", "environment")
    assert found.text.startswith("missing; expected the API's application (client) id")


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        (
            {
                "AzureAd__TokenDecryptionCredentials__0__SourceType": "Base64Encoded",
                "AzureAd__TokenDecryptionCredentials__0__Base64EncodedValue": SECRET,
            },
            "TokenDecryptionCredentials",
        ),
        ({"AzureAd__AppHomeTenantId": TENANT}, "AppHomeTenantId"),
        ({"AzureAd__AzureRegion": "westeurope"}, "AzureRegion"),
        ({"AzureAd__SendX5C": "true"}, "SendX5C"),
        ({"AzureAd__ClientCapabilities__0": "cp1"}, "ClientCapabilities"),
        ({"AzureAd__ExtraQueryParameters__dc": "x"}, "ExtraQueryParameters"),
        ({"AzureAd__EnablePiiLogging": "true"}, "EnablePiiLogging"),
    ],
)
def test_what_has_no_effect_here_is_recognised(
    tmp_path: Path, variables: dict[str, str], key: str
) -> None:
    settings, report = load_text(tmp_path, "{}", {**COMPLETE, **variables})
    assert settings.authentication.entra == scheme_of(tmp_path, COMPLETE)
    (told,) = report.problems
    assert (told.level, told.path) == ("warning", f"AzureAd:{key}")
    assert told.source.startswith("environment variable AzureAd__")
    assert SECRET not in f"{told} {settings!r}"


@pytest.mark.parametrize("name", sorted(_INSTEAD))
def test_variables_that_mean_nothing_here_are_told_of(tmp_path: Path, name: str) -> None:
    (told,) = load_text(tmp_path, "{}", {**COMPLETE, name: SECRET})[1].problems
    assert (told.level, told.path, told.source) == ("warning", name, "environment")
    assert told.text.startswith("has no effect: ")
    assert SECRET not in str(told)
    # They are Azure MCP's, and another dialect's configuration knows nothing of them.
    assert load_text(tmp_path, json.dumps(bearer()), {name: SECRET})[1].problems == []


@pytest.mark.parametrize("name", ["AZURE_CLIENT_ID", "AZURE_TOKEN_CREDENTIALS"])
def test_variables_of_the_azure_libraries_are_left_alone(tmp_path: Path, name: str) -> None:
    assert scheme_of(tmp_path, {**COMPLETE, name: "x"}) == scheme_of(tmp_path, COMPLETE)
