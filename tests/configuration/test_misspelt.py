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


# What Kubernetes puts into a pod for each Service of its namespace.
OF_A_SERVICE = (
    "SERVICE_HOST SERVICE_PORT SERVICE_PORT_HTTP SERVICE_PORT_PUBLICURL PORT PORT_8080_TCP "
    "PORT_8080_TCP_PROTO PORT_8080_TCP_PORT PORT_8080_TCP_ADDR"
)
SERVICES = (
    "POSTERN SERVER SERVE AUDIT AUTHENTICATION AUTHENTICATION_SCHEMES AUTH HOSTING HOST TOOLSET "
    "TOOLSETS TOOLS DENY DENY_KEYS LOGGING LOGIN RATELIMIT RATELIMITS RATE_LIMITS AZUREAD AZURE_AD "
    "MCPSERVER MCPRESOURCES MCPPROMPTS INBOUNDAUTHENTICATION OUTBOUNDAUTHENTICATION "
    "POWERSHELLCONFIGURATION ALLOWEDHOSTS APPLICATIONINSIGHTS SCHEMA"
)
# What images, platforms, build machines and frameworks set.
OF_THE_WORLD = """
    AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_TENANT_ID AZURE_AUTHORITY_HOST AZURE_CONFIG_DIR
    AZURE_FEDERATED_TOKEN_FILE AZURE_SUBSCRIPTION_ID AZURE_FUNCTIONS_ENVIRONMENT AZUREAD_TENANT_ID
    AZUREAD_CLIENT_ID AZURE_AD_CLIENT_ID AzureAD_ClientSecretFile AzureWebJobsStorage
    AzureWebJobsScriptRoot AzureWebJobsFeatureFlags AzureWebJobsSecretStorageType
    AzureWebJobsDashboard AzureWebJobs.tools.Disabled AzureWebJobs_Server_Disabled
    AzureWebEncryptionKey APPLICATIONINSIGHTS_CONNECTION_STRING APPLICATIONINSIGHTS_ENABLE_AGENT
    APPINSIGHTS_INSTRUMENTATIONKEY ApplicationInsightsAgent_EXTENSION_VERSION
    XDT_MicrosoftApplicationInsights_Mode FUNCTIONS_EXTENSION_VERSION FUNCTIONS_WORKER_RUNTIME
    FUNCTIONS_HTTPWORKER_PORT FUNCTIONS_WORKER_PROCESS_COUNT FUNCTIONS_APPLICATION_DIRECTORY
    WEBSITE_HOSTNAME WEBSITE_INSTANCE_ID WEBSITE_SKU WEBSITE_AUTH_ENABLED
    WEBSITE_AUTH_DEFAULT_PROVIDER WEBSITE_AUTH_OPENID_ISSUER WEBSITE_CONTENTSHARE
    WEBSITE_RUN_FROM_PACKAGE WEBSITE_VNET_ROUTE_ALL WEBSITES_PORT DOCKER_REGISTRY_SERVER_URL
    DOCKER_REGISTRY_SERVER_PASSWORD SCM_DO_BUILD_DURING_DEPLOYMENT ENABLE_ORYX_BUILD
    PYTHON_ENABLE_WORKER_EXTENSIONS PYTHON_THREADPOOL_THREAD_COUNT CONTAINER_APP_NAME
    CONTAINER_APP_REVISION CONTAINER_APP_PORT CONTAINER_APP_REPLICA_NAME IDENTITY_ENDPOINT
    IDENTITY_HEADER IDENTITY_SERVER_THUMBPRINT MSI_ENDPOINT MSI_SECRET KUBERNETES_SERVICE_HOST
    KUBERNETES_PORT_443_TCP_ADDR HOSTNAME HOSTALIASES HOSTING_ENVIRONMENT GITHUB_TOKEN
    GITHUB_SERVER_URL GITHUB_ACTIONS GITHUB_API_URL RUNNER_TOOL_CACHE RUNNER_NAME
    ACTIONS_ID_TOKEN_REQUEST_URL AGENT_TOOLSDIRECTORY SYSTEM_TEAMFOUNDATIONSERVERURI
    ASPNETCORE_ENVIRONMENT ASPNETCORE_URLS ASPNETCORE_FORWARDEDHEADERS_ENABLED DOTNET_ENVIRONMENT
    Hosting:Environment Kestrel__Limits__MaxRequestBodySize Serilog__MinimumLevel__Default
    POWERSHELL_DISTRIBUTION_CHANNEL POWERSHELL_TELEMETRY_OPTOUT PSModulePath LOGGING_LEVEL_ROOT
    LOGGING_CONFIG LOG_LEVEL LOGIN_URL LOGNAME server.port server.servlet.path logging.level.root
    SERVER_NAME SERVER_PORT SERVER_PROTOCOL SERVER_SOFTWARE SERVER_ADMIN GF_SERVER_ROOT_URL
    GF_AUTH__ENABLED AIRFLOW__CORE__EXECUTOR AIRFLOW__LOGGING__LOGGING_LEVEL OTEL_SERVICE_NAME
    OTEL_EXPORTER_OTLP_ENDPOINT DAPR_HTTP_PORT DAPR_GRPC_PORT HTTP_PROXY NO_PROXY
    REQUESTS_CA_BUNDLE SSL_CERT_FILE PGSSLROOTCERT PGSERVICEFILE XDG_RUNTIME_DIR DENYHOSTS_CONFIG
    ALLOWED_HOSTS DJANGO_ALLOWED_HOSTS DJANGO_SETTINGS_MODULE TOOLSETS_PATH VCTOOLSINSTALLDIR
    RATE_LIMIT_PER_MINUTE RATELIMIT_ENABLED MCP_SERVER_NAME MCP_SERVER_URL MCPSERVER_PORT
"""


@pytest.mark.parametrize("service", SERVICES.split())
def test_what_kubernetes_makes_of_services_is_not_told_of(service: str) -> None:
    made = {f"{service}_{end}": "x" for end in OF_A_SERVICE.split()}
    assert list(variables(made, Configuration)) == []


def test_what_images_and_platforms_set_is_not_told_of() -> None:
    names = OF_THE_WORLD.split()
    assert len(names) > 100
    assert list(variables(dict.fromkeys(names, "x"), Configuration)) == []


@pytest.mark.parametrize(
    "service",
    [
        "server--name",
        "deny--keys",
        "toolsets--postgres",
        "authentication--schemes--apikey--keys--evil",
        "authentication--schemes--bearer--allowedclientids--0",
        "ratelimits--tools--x",
    ],
)
def test_who_may_name_a_service_can_only_close_the_endpoint(tmp_path: Path, service: str) -> None:
    """A name with two hyphens becomes one of ours; `enableServiceLinks: false` keeps it out."""
    name = service.upper().replace("-", "_")
    refused(tmp_path, FULL, {f"{name}_{end}": "tcp://10.0.0.1:80" for end in OF_A_SERVICE.split()})


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
