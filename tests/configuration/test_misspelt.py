"""A variable that is meant for the configuration and misses it is named, and the right one too."""

import json
import logging
from pathlib import Path

import azure.functions as func
import pytest

from shared.configuration.load import Configuration
from shared.configuration.misspelt import variables
from shared.hosting.azure_functions import function_for
from tests.configuration.support import (
    CLIENT_ID,
    PUBLIC_URL,
    SECRET,
    TENANT,
    bearer,
    errors,
    load_text,
    refused,
    warnings,
)

FULL = json.dumps(bearer())


@pytest.mark.parametrize(
    ("name", "right"),
    [
        # A slip in the section's name.
        ("Authentcation__DefaultScheme", "Authentication__DefaultScheme"),
        ("Autentcation__Enabled", "Authentication__Enabled"),
        ("Sever__PublicUrl", "Server__PublicUrl"),
        ("Dney__Tools__0", "Deny__Tools__…"),
        ("RateLimit__PerPrincipal__PerMinute", "RateLimits__PerPrincipal__…"),
        ("outboundAuthentcation__type", "outboundAuthentication__type"),
        ("Toolset__postgres", "Toolsets__postgres"),
        ("AzureAdd__TenantId", "AzureAd__TenantId"),
        # And in the key's besides.
        ("Authentcation__DefaltScheme", "Authentication__DefaultScheme"),
        # One underscore, a colon, a dot.
        ("Authentication_DefaultScheme", "Authentication__DefaultScheme"),
        ("Authentication_Schemes__Bearer__Audience", "Authentication__Schemes__…"),
        ("Deny_Keys_0", "Deny__Keys__…"),
        ("Toolsets_postgres", "Toolsets__postgres"),
        ("Authentication:DefaultScheme", "Authentication__DefaultScheme"),
        ("authentication:defaultscheme", "Authentication__DefaultScheme"),
        ("Deny:Keys:0", "Deny__Keys__…"),
        ("Server.PublicUrl", "Server__PublicUrl"),
    ],
)
def test_a_name_that_misses_its_section_is_an_error(tmp_path: Path, name: str, right: str) -> None:
    (told,) = refused(tmp_path, FULL, {name: "x"})
    assert told.text == f"is not a setting; did you mean {right}?"
    assert told.source == "environment"
    assert name.startswith(told.path.removesuffix("…"))


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "SERVER_NAME",
        "SERVER_SOFTWARE",
        "LOGGING_LEVEL",
        "HOSTING_PROVIDER",
        "Login__Url",
        "SERVICE__NAME",
        "Server__",
        "WEBSITE_SITE_NAME",
        "WEBSITE_AUTH_ENABLED",
        "AzureWebJobsStorage__accountName",
        "AzureFunctionsJobHost__logging__logLevel__default",
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "APPSETTING_Authentication__DefaultScheme",
        "APPSETTING_outboundAuthentication__type",
        "FUNCTIONS_WORKER_RUNTIME",
        "AZURE_TENANT_ID",
        "ConnectionStrings__Default",
        "Kestrel__Endpoints__Http__Url",
        "__CF_USER_TEXT_ENCODING",
        "npm_config__x",
        "_",
        "",
    ],
)
def test_what_belongs_to_others_is_not_told_of(name: str) -> None:
    assert list(variables({name: "x"}, Configuration)) == []


def test_names_that_fit_are_not_told_of() -> None:
    fitting = {
        "Authentication__DefaultScheme": "x",
        "AUTHENTICATION__SCHEMES__Bearer__CLIENTID": "x",
        "Toolsets__anything__Key": "x",
    }
    assert list(variables(fitting, Configuration)) == []


def test_neither_a_value_nor_what_may_be_a_key_is_shown(tmp_path: Path) -> None:
    name = f"Authentcation__Schemes__ApiKey__Keys__{SECRET}__Roles__0"
    (told,) = refused(tmp_path, FULL, {name: SECRET})
    assert told.path == "Authentcation__Schemes__…"
    assert SECRET not in str(told)


def test_a_scheme_of_variables_that_is_almost_one_in_use_is_an_error(tmp_path: Path) -> None:
    # Passed over, it would let every client in.
    name = "Authentication__Schemes__Bearrer__AllowedClientIds__0"
    (told,) = refused(tmp_path, FULL, {name: CLIENT_ID})
    assert told.path == "Authentication:Schemes:Bearrer"
    assert told.text == "is not in use; did you mean Bearer?"
    assert "Authentication__Schemes__Bearrer__AllowedClientIds" in told.source


def test_a_scheme_in_another_case_is_the_same_scheme(tmp_path: Path) -> None:
    name = "AUTHENTICATION__SCHEMES__BEARER__ALLOWEDCLIENTIDS__0"
    settings, report = load_text(tmp_path, FULL, {name: CLIENT_ID})
    assert report.problems == []
    assert settings.authentication.entra is not None
    assert settings.authentication.entra.allowed_client_ids == {CLIENT_ID}


def test_a_scheme_of_variables_that_is_like_none_in_use_is_a_warning(tmp_path: Path) -> None:
    environment = {"Authentication__Schemes__Third__ClientId": CLIENT_ID}
    _, report = load_text(tmp_path, FULL, environment)
    assert errors(report.problems) == []
    assert [told.path for told in warnings(report.problems)] == ["Authentication:Schemes:Third"]


def test_a_scheme_of_the_file_may_be_called_almost_like_another(tmp_path: Path) -> None:
    given = bearer()
    given["Authentication"]["Schemes"]["Bearer2"] = given["Authentication"]["Schemes"]["Bearer"]
    _, report = load_text(tmp_path, json.dumps(given))
    assert errors(report.problems) == []


async def test_on_azure_functions_the_log_names_it_and_every_call_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {
        "WEBSITE_INSTANCE_ID": "1",
        "WEBSITE_HOSTNAME": "mcp.example.com",
        "Authentication__Enabled": "true",
        "Authentication__DefaultScheme": "Bearer",
        "Authentication__Schemes__Bearer__Authority": f"https://login.microsoftonline.com/{TENANT}",
        "Authentication__Schemes__Bearer__Audience": PUBLIC_URL,
        "Authentication__Schemes__Bearer__ClientId": CLIENT_ID,
        "Dney__ClientIds__0": CLIENT_ID,
    }
    with caplog.at_level(logging.ERROR, "postern.startup"):
        answer = function_for(tmp_path, environment)
    (line,) = caplog.messages
    assert line.startswith("Dney__ClientIds__… (environment): is not a setting; did you mean Deny_")
    assert CLIENT_ID not in line
    request = func.HttpRequest("POST", PUBLIC_URL, headers={}, body=b"{}")
    assert (await answer(request)).status_code == 503
