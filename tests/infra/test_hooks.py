"""The hooks of azd, run as azure.yaml runs them, with stand-ins for az and azd."""

import contextlib
import functools
import json
import re
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePath
from typing import Any

import pytest
import trustme
import yaml
from pycep import BicepParser

from infra.hooks import variables
from infra.hooks.postprovision import AUDIENCE, OUTPUTS
from infra.hooks.preprovision import PROVIDERS
from tests.infra.command_line import (
    CLIENT,
    PRINCIPAL,
    REFUSALS,
    ROOT,
    SUBSCRIPTION,
    TENANT,
    URL,
    Call,
    CommandLine,
)

BEFORE = {
    "AZURE_ENV_NAME": "dev",
    "AZURE_LOCATION": "westeurope",
    "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
}
AFTER = {
    **BEFORE,
    "ENTRA_CLIENT_ID": CLIENT,
    "MCP_URL": URL,
    "FUNCTION_APP_NAME": "func-postern",
    "AZURE_RESOURCE_GROUP": "rg-dev",
    "IDENTITY_PRINCIPAL_ID": PRINCIPAL,
}
DEPLOY = ("deployment", "sub", "create")
SETTINGS = ("functionapp", "config", "appsettings", "set")
MANAGED = {"appId": CLIENT, "displayName": "postern-dev", "uniqueName": "postern-dev"}
ALL_PROVIDERS = [*PROVIDERS, "Microsoft.Network", "Microsoft.DBforPostgreSQL"]


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """Signed in; a subscription and a tenant where everything is possible."""
    line = CommandLine(tmp_path)
    line.when("account", "show", says={"id": SUBSCRIPTION, "tenantId": TENANT})
    states = [{"name": name, "state": "Registered"} for name in ALL_PROVIDERS]
    line.when("provider", "list", says=states)
    line.when(
        "list-flexconsumption-locations", says=[{"name": "westeurope"}, {"name": "swedencentral"}]
    )
    line.when("ad", "list", says=[])
    line.when("ad", "show", says=MANAGED)
    line.when(*DEPLOY, says={"clientId": {"type": "String", "value": CLIENT}})
    return line


def deployed(line: CommandLine, number: int = 0) -> dict[str, Any]:
    """The parameters of a deployment of entra.bicep."""
    (file,) = line.calls(*DEPLOY)[number].files
    return {name: entry["value"] for name, entry in file["parameters"].items()}


def remembered(line: CommandLine) -> dict[str, str]:
    """What was set in azd's environment."""
    calls = line.calls("env", "set", program="azd")
    return {call.arguments[2]: call.arguments[3] for call in calls}


def changes(line: CommandLine) -> list[Call]:
    """The calls that changed something."""
    changing = (DEPLOY, SETTINGS, ("rest", "patch"))
    return [call for words in changing for call in line.calls(*words)]


# The first pass


def test_the_first_pass_registers_without_url_and_identity(line: CommandLine) -> None:
    done = line.hook("preprovision", **BEFORE)
    assert done.returncode == 0, done.stderr
    assert deployed(line) == {
        "uniqueName": "postern-dev",
        "requiredScope": "access_as_user",
        "identifierUris": [],
        "preAuthorizedClientIds": [],
        "toolsets": [],
        "identityPrincipalId": "",
    }
    (call,) = line.calls(*DEPLOY)
    assert call.after("--subscription") == SUBSCRIPTION
    assert call.after("--location") == "westeurope"
    assert Path(call.after("--template-file")) == ROOT / "infra" / "entra.bicep"
    assert remembered(line) == {"ENTRA_CLIENT_ID": CLIENT}


def test_every_parameter_the_hooks_pass_is_one_of_entra_bicep(line: CommandLine) -> None:
    assert line.hook("preprovision", **BEFORE).returncode == 0
    tree = BicepParser().parse(text=(ROOT / "infra" / "entra.bicep").read_text("utf-8"))
    assert set(deployed(line)) | {"displayName"} == set(tree["parameters"])
    assert "clientId" in tree["outputs"]


def test_an_application_of_that_name_keeps_its_uris_through_the_first_pass(
    line: CommandLine,
) -> None:
    """A new azd environment, as in a pipeline, must not take the running endpoint's URL away."""
    found = [
        {**MANAGED, "uniqueName": None, "identifierUris": ["https://of.somebody.else/mcp"]},
        {**MANAGED, "identifierUris": [URL]},
    ]
    line.when("ad", "list", says=found, first=True)
    assert line.hook("preprovision", **BEFORE).returncode == 0
    assert deployed(line)["identifierUris"] == [URL]


def test_who_owns_what_was_registered_is_told(line: CommandLine) -> None:
    """An application of that name may have been there, and is taken over with its owners."""
    people = [{"userPrincipalName": "mallory@contoso.com"}, {"displayName": "Pipeline"}]
    line.when("ad", "owner", "list", CLIENT, says=people, first=True)
    done = line.hook("preprovision", **BEFORE)
    assert done.returncode == 0, done.stderr
    assert "Its owners: mallory@contoso.com, Pipeline. Each can add a secret" in done.stdout


def test_owners_that_may_not_be_read_stop_nothing(line: CommandLine) -> None:
    line.when("ad", "owner", "list", status=1, complains="Insufficient privileges", first=True)
    assert line.hook("preprovision", **BEFORE).returncode == 0
    assert remembered(line) == {"ENTRA_CLIENT_ID": CLIENT}


def test_a_registered_application_is_left_to_the_second_pass(line: CommandLine) -> None:
    done = line.hook("preprovision", **BEFORE, ENTRA_CLIENT_ID=CLIENT)
    assert done.returncode == 0, done.stderr
    assert changes(line) == []
    assert remembered(line) == {}


def test_a_client_id_of_another_application_is_refused(line: CommandLine) -> None:
    line.when("ad", "show", says={**MANAGED, "uniqueName": "payroll"}, first=True)
    done = line.hook("preprovision", **BEFORE, ENTRA_CLIENT_ID=CLIENT)
    assert done.returncode == 1
    assert "ENTRA_BY existing" in done.stderr
    assert changes(line) == []


def test_a_client_id_of_nothing_is_refused(line: CommandLine) -> None:
    line.when("ad", "show", status=3, complains="Request_ResourceNotFound", first=True)
    done = line.hook("preprovision", **BEFORE, ENTRA_CLIENT_ID=CLIENT)
    assert done.returncode == 1
    assert 'azd env set ENTRA_CLIENT_ID ""' in done.stderr


def test_an_existing_application_is_neither_read_nor_changed(line: CommandLine) -> None:
    done = line.hook("preprovision", **BEFORE, ENTRA_BY="existing", ENTRA_CLIENT_ID=CLIENT)
    assert done.returncode == 0, done.stderr
    assert changes(line) == line.calls("ad") == []


def test_the_script_registers_where_it_is_asked_for(line: CommandLine) -> None:
    speak_as_graph(line)
    done = line.hook("preprovision", **BEFORE, ENTRA_BY="script", ENTRA_TENANT_ID=TENANT)
    assert done.returncode == 0, done.stderr
    assert line.calls(*DEPLOY) == []
    assert line.calls("rest", "patch") != []
    assert remembered(line) == {"ENTRA_CLIENT_ID": CLIENT}


def speak_as_graph(line: CommandLine) -> None:
    """Answers for entra.sh, which asks az for plain text."""
    line.when("account", "--query", "tenantId", says=f"{TENANT}\n", first=True)
    line.when("cloud", "name", says="AzureCloud\n")
    line.when("cloud", "endpoints.microsoftGraphResourceId", says="https://graph.microsoft.com/\n")
    line.when("rest", "get", says=f"{CLIENT}\n")


@pytest.mark.parametrize(
    ("outbound", "toolsets"),
    [("", ["postgres"]), ("ByCaller", ["postgres"]), ("ManagedIdentity", []), ("None", [])],
)
def test_permissions_are_asked_for_only_where_tools_act_as_the_user(
    line: CommandLine, outbound: str, toolsets: list[str]
) -> None:
    server = {"POSTGRES_ADMIN_OBJECT_ID": PRINCIPAL, "POSTGRES_ADMIN_NAME": "Database Admins"}
    done = line.hook("preprovision", **BEFORE, **server, POSTGRES="true", OUTBOUND_TYPE=outbound)
    assert done.returncode == 0, done.stderr
    assert deployed(line)["toolsets"] == toolsets


# Bad input

BAD = {
    "AZURE_ENV_NAME": "dev's",
    "AZURE_LOCATION": "west;europe",
    "AZURE_SUBSCRIPTION_ID": "mine",
    "AZURE_RESOURCE_GROUP_NAME": "ends.with.",
    "AZURE_PRINCIPAL_ID": "me@example.com",
    "ENTRA_BY": "hand",
    "ENTRA_CLIENT_ID": "postern",
    "ENTRA_TENANT_ID": "contoso.com",
    "ENTRA_APPLICATION_NAME": "a b",
    "ENTRA_TOOLSETS": "postgres,nosuch",
    "PREAUTHORIZED_CLIENT_IDS": f"{CLIENT},vscode",
    "APP_ID_URI": "postern",
    "PUBLIC_URL": "https://mcp.example.com/mcp/",
    "REQUIRED_SCOPE": "access as user",
    "OUTBOUND_TYPE": "Jwtobo",
    "API_KEYS": "yes",
    "INSTANCE_MEMORY_MB": "1024",
    "HTTP_CONCURRENCY": "0",
    "MAXIMUM_INSTANCES": "39",
    "ALWAYS_READY_INSTANCES": "-1",
    "PRIVATE_NETWORK": "1",
    "NETWORK_ADDRESS_PREFIX": "10.80.0.1/24",
    "POSTGRES": "True",
    "POSTGRES_ADMIN_OBJECT_ID": "me",
    "POSTGRES_ADMIN_NAME": 'a"b',
    "POSTGRES_ADMIN_TYPE": "Person",
    "ALERT_EMAIL": "ops@example",
    "LOG_RETENTION_DAYS": "7",
}


def test_every_variable_has_a_bad_value_here() -> None:
    assert set(BAD) == set(variables.RULES)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_named_with_what_is_expected(name: str) -> None:
    (found,) = variables.problems({**BEFORE, name: BAD[name]})
    assert found.startswith(f'{name} is "{BAD[name]}"; expected {variables.RULES[name].expected}.')
    assert f"azd env set {name} <value>" in found


@pytest.mark.parametrize("name", variables.RULES)
@pytest.mark.parametrize("text", ['"', "\\", "`id`", "$(id)", "${HOME}", "\nx", "\0", "'"])
def test_nothing_in_a_value_ends_or_expands_a_string(name: str, text: str) -> None:
    good = {"ALERT_EMAIL": "ops@example.com", "POSTGRES_ADMIN_NAME": "Database Admins"}
    for value in (text, f"a{text}", f"{good.get(name, 'a')}{text}", f"{text}@example.com"):
        assert len(variables.problems({**BEFORE, name: value})) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://mcp.example.com/mcp",
        "https://mcp.example.com",
        "https://mcp.example.com/",
        "https://me:secret@mcp.example.com/mcp",
        "https://mcp.example.com/mcp?code=1",
        "https://mcp.example.com/mcp#x",
        "https://mcp.example.com/mcp&calc",
        "https://mcp.example.com//mcp",
        "https://mcp.example.com/mcp\n",
    ],
)
def test_a_public_url_has_https_a_path_and_no_slash_at_its_end(url: str) -> None:
    assert len(variables.problems({**BEFORE, "PUBLIC_URL": url})) == 1
    assert variables.problems({**BEFORE, "PUBLIC_URL": "https://mcp.example.com:8443/a/mcp"}) == []


def test_what_may_be_secret_in_a_url_is_not_shown() -> None:
    url = "https://me:hunter2@mcp.example.com/mcp?code=hunter3"
    (found,) = variables.problems({**BEFORE, "PUBLIC_URL": url})
    assert "hunter" not in found
    assert "https://…@mcp.example.com/mcp?…" in found


@pytest.mark.parametrize("name", variables.REQUIRED)
def test_what_must_be_set_is_asked_for(name: str) -> None:
    for environment in ({**BEFORE, name: ""}, {k: v for k, v in BEFORE.items() if k != name}):
        (found,) = variables.problems(environment)
        assert found.startswith(f"{name} is not set")


def test_all_bad_values_are_told_at_once_and_nothing_is_done(line: CommandLine) -> None:
    done = line.hook("preprovision", **BAD)
    assert done.returncode == 1
    assert [name for name in BAD if f"- {name} is " not in done.stderr] == []
    assert changes(line) == []
    assert remembered(line) == {}
    assert "Traceback" not in done.stderr


def test_azures_problems_are_told_together_with_bad_values(line: CommandLine) -> None:
    states = [
        {"name": "Microsoft.App", "state": "NotRegistered"},
        {"name": "microsoft.web", "state": "Registered"},
    ]
    line.when("provider", "list", says=states, first=True)
    done = line.hook("preprovision", **{**BEFORE, "AZURE_LOCATION": "Mars"}, ALERT_EMAIL="ops")
    assert done.returncode == 1
    assert "ALERT_EMAIL" in done.stderr
    assert "az provider register --wait --namespace Microsoft.App\n" in done.stderr
    assert "namespace Microsoft.Web\n" not in done.stderr
    assert "AZURE_LOCATION is Mars, where there is no Flex Consumption" in done.stderr
    assert "swedencentral, westeurope" in done.stderr
    assert changes(line) == []


def test_a_region_may_be_written_as_people_do(line: CommandLine) -> None:
    assert line.hook("preprovision", **{**BEFORE, "AZURE_LOCATION": "West Europe"}).returncode == 0


@pytest.mark.parametrize(
    ("switch", "provider"),
    [("PRIVATE_NETWORK", "Microsoft.Network"), ("POSTGRES", "Microsoft.DBforPostgreSQL")],
)
def test_options_need_their_providers(line: CommandLine, switch: str, provider: str) -> None:
    states = [{"name": name, "state": "Registered"} for name in PROVIDERS]
    line.when("provider", "list", says=states, first=True)
    server = {"POSTGRES_ADMIN_OBJECT_ID": PRINCIPAL, "POSTGRES_ADMIN_NAME": "Database Admins"}
    assert line.hook("preprovision", **BEFORE).returncode == 0
    done = line.hook("preprovision", **BEFORE, **server, **{switch: "true"})
    assert done.returncode == 1
    assert f"--namespace {provider}" in done.stderr


def test_what_belongs_together_must_be_given_together() -> None:
    existing = variables.problems({**BEFORE, "ENTRA_BY": "existing"})
    postgres = variables.problems({**BEFORE, "POSTGRES": "true"})
    assert [text.split(",")[0] for text in existing] == ["ENTRA_BY is existing"]
    assert ["POSTGRES_ADMIN_OBJECT_ID" in postgres[0], "POSTGRES_ADMIN_NAME" in postgres[1]] == [
        True,
        True,
    ]


def test_another_tenant_is_not_registered_in(line: CommandLine) -> None:
    done = line.hook("preprovision", **BEFORE, ENTRA_TENANT_ID=CLIENT)
    assert done.returncode == 1
    assert f"the subscription's tenant is {TENANT}" in done.stderr
    assert changes(line) == []


def test_an_az_that_works_in_another_tenant_is_told(line: CommandLine) -> None:
    """`az ad` and `az rest` go by the subscription that az works with, not by azd's."""
    line.when("account", "show", says={"id": CLIENT, "tenantId": CLIENT}, first=True)
    mine = {"id": SUBSCRIPTION, "tenantId": TENANT}
    line.when("account", "show", "--subscription", says=mine, first=True)
    done = line.hook("preprovision", **BEFORE)
    assert done.returncode == 1
    assert f"az account set --subscription {SUBSCRIPTION}" in done.stderr
    assert changes(line) == []


def test_without_az_the_hook_says_where_to_get_it(line: CommandLine) -> None:
    line.without("az")
    done = line.hook("preprovision", **BEFORE)
    assert done.returncode == 1
    assert "az is not on the path" in done.stderr


@pytest.mark.parametrize("subscription", [SUBSCRIPTION, ""])
def test_whoever_is_signed_out_is_told_to_sign_in(line: CommandLine, subscription: str) -> None:
    complaint = "Please run 'az login' to setup account."
    line.when("account", "show", status=1, complains=complaint, first=True)
    done = line.hook("preprovision", **{**BEFORE, "AZURE_SUBSCRIPTION_ID": subscription})
    assert done.returncode == 1
    assert "az is not signed in" in done.stderr


def test_a_subscription_out_of_reach_is_named(line: CommandLine) -> None:
    complaint = f"Subscription '{SUBSCRIPTION}' not found."
    line.when("account", "show", status=1, complains=complaint, first=True)
    done = line.hook("preprovision", **BEFORE)
    assert f"az has no access to the subscription {SUBSCRIPTION}" in done.stderr


def test_an_az_too_old_to_know_flex_consumption_is_told(line: CommandLine) -> None:
    line.when("list-flex", status=2, complains="'list-flex…' is misspelled", first=True)
    done = line.hook("preprovision", **BEFORE)
    assert done.returncode == 1
    assert "az upgrade" in done.stderr


# What fails at Entra ID


@pytest.mark.parametrize(
    ("complaint", "advice"),
    [
        ("Authorization_RequestDenied", "infra/entra.sh"),
        ("Another object with the same value for property uniqueName already exists.", "deleted"),
        ("Error BCP192: Unable to restore the artifact", "ENTRA_BY script"),
        ("not authorized to call Microsoft Graph using a Bicep template", "ENTRA_BY script"),
        ("InternalServerError", "could not be registered"),
    ],
)
def test_what_entra_refuses_is_shown_with_advice(
    line: CommandLine, complaint: str, advice: str
) -> None:
    line.when(*DEPLOY, status=1, complains=complaint, first=True)
    done = line.hook("preprovision", **BEFORE)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert advice in done.stderr
    assert remembered(line) == {}


def test_an_azd_that_forgets_is_told(line: CommandLine) -> None:
    line.when("env", "set", program="azd", status=1, complains="no environment exists")
    done = line.hook("preprovision", **BEFORE)
    assert done.returncode == 1
    assert f"azd could not keep ENTRA_CLIENT_ID={CLIENT}" in done.stderr


def test_a_script_that_fails_stops_the_hook(line: CommandLine) -> None:
    speak_as_graph(line)
    line.when("rest", "patch", status=1, complains="ServiceUnavailable")
    done = line.hook("preprovision", **BEFORE, ENTRA_BY="script")
    assert done.returncode == 1
    assert "ServiceUnavailable" in done.stderr
    assert remembered(line) == {}


# The second pass


def test_the_second_pass_sets_url_identity_and_the_endpoints_audience(line: CommandLine) -> None:
    done = line.hook("postprovision", **AFTER)
    assert done.returncode == 0, done.stderr
    given = deployed(line)
    assert given["identifierUris"] == [URL, f"api://{CLIENT}"]
    assert given["identityPrincipalId"] == PRINCIPAL
    (setting,) = line.calls(*SETTINGS)
    assert setting.after("--settings") == f"{AUDIENCE}={URL}"
    assert setting.after("--name") == "func-postern"
    assert setting.after("--resource-group") == "rg-dev"
    assert remembered(line) == {"APP_ID_URI": URL}


def test_a_second_run_changes_nothing_more(line: CommandLine) -> None:
    assert line.hook("postprovision", **AFTER).returncode == 0
    first = deployed(line)
    line.forget()
    assert line.hook("postprovision", **AFTER, APP_ID_URI=URL).returncode == 0
    assert deployed(line) == first
    assert line.calls(*SETTINGS) == []
    assert remembered(line) == {}


def test_without_outbound_users_no_identity_is_trusted(line: CommandLine) -> None:
    assert line.hook("postprovision", **AFTER, OUTBOUND_TYPE="ManagedIdentity").returncode == 0
    assert deployed(line)["identityPrincipalId"] == ""


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_url_that_the_tenant_refuses_is_left_out(line: CommandLine, refusal: str) -> None:
    line.when(*DEPLOY, status=1, complains=refusal, times=1, first=True)
    done = line.hook("postprovision", **AFTER)
    assert done.returncode == 0, done.stderr
    assert deployed(line, 1)["identifierUris"] == [f"api://{CLIENT}"]
    assert deployed(line, 1)["identityPrincipalId"] == PRINCIPAL
    assert "AADSTS9010010" in done.stdout
    assert "identifierUriConfiguration" in done.stdout
    assert line.calls(*SETTINGS) == [], "the endpoint was told api://<client id> from the start"


def test_a_url_that_is_refused_later_is_taken_back_from_the_endpoint(line: CommandLine) -> None:
    line.when(*DEPLOY, status=1, complains=REFUSALS[0], times=1, first=True)
    assert line.hook("postprovision", **AFTER, APP_ID_URI=URL).returncode == 0
    (setting,) = line.calls(*SETTINGS)
    assert setting.after("--settings") == f"{AUDIENCE}=api://{CLIENT}"
    assert remembered(line) == {"APP_ID_URI": f"api://{CLIENT}"}


def test_a_url_that_another_application_has_is_no_reason_to_go_without(line: CommandLine) -> None:
    taken = "Another object with the same value for property identifierUris already exists."
    line.when(*DEPLOY, status=1, complains=taken, first=True)
    done = line.hook("postprovision", **AFTER)
    assert done.returncode == 1
    assert "Another application has this URL" in done.stderr
    assert len(line.calls(*DEPLOY)) == 1
    assert line.calls(*SETTINGS) == []


def test_an_existing_application_is_left_to_its_owner(line: CommandLine) -> None:
    done = line.hook("postprovision", **AFTER, ENTRA_BY="existing", ENTRA_TOOLSETS="postgres")
    assert done.returncode == 0, done.stderr
    assert line.calls() == []
    for needed in (URL, PRINCIPAL, "access_as_user", "postgres", "infra/entra.sh"):
        assert needed in done.stdout


def test_the_script_makes_the_second_pass_too(line: CommandLine) -> None:
    speak_as_graph(line)
    done = line.hook("postprovision", **AFTER, ENTRA_BY="script")
    assert done.returncode == 0, done.stderr
    assert any(
        {"identifierUris": [URL, f"api://{CLIENT}"]} in call.files
        for call in line.calls("rest", "patch")
    )
    assert remembered(line) == {"APP_ID_URI": URL}


def test_the_script_falls_back_too(line: CommandLine) -> None:
    speak_as_graph(line)
    application = "https://graph.microsoft.com/v1.0/applications(uniqueName"
    line.when("rest", "patch", application, times=1)
    line.when("rest", "patch", application, times=1, status=1, complains=REFUSALS[1])
    done = line.hook("postprovision", **AFTER, ENTRA_BY="script", APP_ID_URI=URL)
    assert done.returncode == 0, done.stderr
    assert remembered(line) == {"APP_ID_URI": f"api://{CLIENT}"}


def test_consent_is_asked_of_an_administrator_where_tools_act_as_the_user(
    line: CommandLine,
) -> None:
    for toolsets, told in (("postgres", True), ("", False)):
        done = line.hook("postprovision", **AFTER, ENTRA_TOOLSETS=toolsets)
        assert done.returncode == 0, done.stderr
        assert (f"admin-consent --id {CLIENT}" in done.stdout) == told


@pytest.mark.parametrize("missing", OUTPUTS)
def test_a_missing_output_is_named(line: CommandLine, missing: str) -> None:
    done = line.hook("postprovision", **{**AFTER, missing: ""})
    assert done.returncode == 1
    assert missing in done.stderr
    assert changes(line) == []


def test_a_setting_that_cannot_be_set_is_tried_again_next_time(line: CommandLine) -> None:
    line.when(*SETTINGS, status=1, complains="Conflict", times=1, first=True)
    done = line.hook("postprovision", **AFTER)
    assert done.returncode == 1
    assert f"{AUDIENCE}={URL}" in done.stderr
    assert "azd provision again" in done.stderr
    assert remembered(line) == {}
    assert line.hook("postprovision", **AFTER).returncode == 0
    assert remembered(line) == {"APP_ID_URI": URL}


def test_another_application_than_the_endpoint_knows_is_told(line: CommandLine) -> None:
    done = line.hook("postprovision", **{**AFTER, "ENTRA_CLIENT_ID": TENANT})
    assert done.returncode == 1
    assert f"the endpoint was told {TENANT}" in done.stderr
    assert line.calls(*SETTINGS) == []


# After the deployment


class Endpoint:
    """`/readyz` on loopback, over TLS: unready so often, then ready."""

    def __init__(self, folder: Path) -> None:
        self.unready = 0
        self.asked: list[str] = []
        authority = trustme.CA()
        self.authority = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.authority)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(503 if len(outer.asked) <= outer.unready else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator["Endpoint"]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


@pytest.fixture
def endpoint(tmp_path: Path, line: CommandLine) -> Iterator[Endpoint]:
    """An endpoint at the host name that az tells."""
    with Endpoint(tmp_path).serving() as endpoint:
        line.when("functionapp", "show", says=json.dumps(endpoint.host))
        yield endpoint


def after_deployment(line: CommandLine, endpoint: Endpoint, **more: str) -> Any:
    trust = {"SSL_CERT_FILE": str(endpoint.authority)}
    return line.hook("postdeploy", **{**AFTER, **trust, "READY_SECONDS": "12", **more})


def test_a_ready_endpoint_is_told_with_how_to_connect(
    line: CommandLine, endpoint: Endpoint
) -> None:
    done = after_deployment(line, endpoint, APP_ID_URI=URL)
    assert done.returncode == 0, done.stderr
    assert endpoint.asked == ["/readyz"]
    for said in (URL, CLIENT, f"{URL}/access_as_user", "mcp.json", URL.replace("/mcp", "/tools")):
        assert said in done.stdout


def test_an_endpoint_that_starts_is_waited_for(line: CommandLine, endpoint: Endpoint) -> None:
    endpoint.unready = 1
    done = after_deployment(line, endpoint)
    assert done.returncode == 0, done.stderr
    assert "503" in done.stdout
    assert f"api://{CLIENT}/access_as_user" in done.stdout


def test_an_endpoint_that_stays_unready_fails_with_where_the_log_is(
    line: CommandLine, endpoint: Endpoint
) -> None:
    endpoint.unready = 1000
    done = after_deployment(line, endpoint, READY_SECONDS="1")
    assert done.returncode == 1
    assert "not ready within 1 seconds: 503" in done.stderr
    assert "Log stream" in done.stderr
    assert "mcp.json" not in done.stdout


def test_an_endpoint_that_cannot_be_trusted_is_not_ready(
    line: CommandLine, endpoint: Endpoint
) -> None:
    done = after_deployment(line, endpoint, READY_SECONDS="1", SSL_CERT_FILE="")
    assert done.returncode == 1
    assert "certificate" in done.stderr.lower()
    assert endpoint.asked == []


def test_a_function_app_that_is_not_there_is_named(line: CommandLine) -> None:
    line.when("functionapp", "show", status=3, complains="ResourceNotFound", first=True)
    done = line.hook("postdeploy", **AFTER)
    assert done.returncode == 1
    assert "cannot find the Function App func-postern in rg-dev" in done.stderr


# What calls the hooks


def read(*path: str) -> Any:
    return yaml.safe_load(ROOT.joinpath(*path).read_text(encoding="utf-8"))


def test_azure_yaml_runs_hooks_that_are_there() -> None:
    hooks = read("azure.yaml")["hooks"]
    assert set(hooks) == {"preprovision", "postprovision", "postdeploy"}
    for name, hook in hooks.items():
        assert (ROOT / "infra" / "hooks" / f"{name}.py").is_file()
        assert hook["posix"]["shell"] == "sh"
        assert hook["posix"]["run"] == f"python3 -m infra.hooks.{name}"
        assert hook["windows"]["shell"] == "pwsh"
        # PowerShell's own status is 0 whatever its last command's was.
        assert hook["windows"]["run"] == f"python -m infra.hooks.{name}; exit $LASTEXITCODE"


def test_azure_yaml_deploys_this_folder_as_a_python_function_app() -> None:
    project = read("azure.yaml")
    assert set(project["services"]) == {"api"}
    service = project["services"]["api"]
    assert (ROOT / service.pop("project") / "host.json").is_file()
    assert service == {"language": "python", "host": "function", "remoteBuild": True}
    assert (ROOT / project["infra"]["path"] / f"{project['infra']['module']}.bicep").is_file()


WORKFLOW = (".github", "workflows", "deploy.yml")


def test_the_workflow_signs_in_without_a_secret() -> None:
    text = ROOT.joinpath(*WORKFLOW).read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert "secrets." not in text
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert [name for name, job in jobs.items() if "permissions" in job] == ["deploy"]
    assert jobs["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert (jobs["deploy"]["needs"], jobs["package"]["needs"]) == ("package", "test")
    assert jobs["deploy"]["environment"]
    (login,) = [s for s in jobs["deploy"]["steps"] if s.get("uses", "").startswith("azure/login@")]
    assert set(login["with"]) == {"client-id", "tenant-id", "subscription-id"}
    assert all(re.fullmatch(r"\$\{\{ vars\.\w+ \}\}", value) for value in login["with"].values())


def test_the_workflow_pins_actions_and_puts_nothing_into_a_shell() -> None:
    jobs = read(*WORKFLOW)["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    uses = [step["uses"] for step in steps if "uses" in step]
    assert [name for name in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name)] == []
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []


def test_the_workflow_deploys_the_package_that_it_keeps() -> None:
    jobs = read(*WORKFLOW)["jobs"]
    packing = jobs["package"]["steps"]
    assert "make package" in [step.get("run") for step in packing]
    (kept,) = [s["with"] for s in packing if "upload-artifact" in s.get("uses", "")]
    deploying = jobs["deploy"]["steps"]
    (got,) = [s["with"] for s in deploying if "download-artifact" in s.get("uses", "")]
    assert got == {"name": kept["name"], "path": str(PurePath(kept["path"]).parent)}
    runs = [step.get("run", "") for step in deploying]
    assert f"azd deploy api --from-package {kept['path']} --no-prompt" in runs


def test_the_job_that_signs_in_installs_nothing() -> None:
    """Whatever runs there can ask for a token of the pipeline."""
    runs = [step.get("run", "") for step in read(*WORKFLOW)["jobs"]["deploy"]["steps"]]
    assert [run for run in runs if re.search(r"\b(make|pip|npm|uv|scripts|\.ci)\b", run)] == []


def test_the_workflow_runs_what_a_change_must_pass() -> None:
    runs = [step.get("run") for step in read(*WORKFLOW)["jobs"]["test"]["steps"]]
    assert ".ci/run" in runs


def test_the_workflow_hands_every_variable_over() -> None:
    given = set(read(*WORKFLOW)["jobs"]["deploy"]["env"])
    assert set(variables.RULES) - given == set()


# The variables and main.bicep


@functools.cache
def bicep_parameters() -> dict[str, Any]:
    tree = BicepParser().parse(text=(ROOT / "infra" / "main.bicep").read_text("utf-8"))
    parameters: dict[str, Any] = tree["parameters"]
    return parameters


def mapped() -> dict[str, tuple[str, str | None]]:
    """Parameter → azd's variable, and what stands in for it when it is empty."""
    text = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    found = {}
    for name, entry in json.loads(text)["parameters"].items():
        match = re.fullmatch(r"\$\{(\w+)(?:=(.*))?\}", entry["value"])
        assert match, name
        found[name] = (match[1], match[2])
    return found


def test_every_variable_of_main_bicep_is_checked() -> None:
    assert {variable for variable, _ in mapped().values()} - set(variables.RULES) == set()
    assert set(mapped()) == set(bicep_parameters())


def decorated(parameter: dict[str, Any]) -> dict[str, Any]:
    return {each["type"]: each.get("argument") for each in parameter["decorators"]}


def test_the_hook_takes_what_bicep_takes() -> None:
    checked = 0
    for name, parameter in bicep_parameters().items():
        variable, standing_in = mapped()[name]
        rule, limits = variables.RULES[variable], decorated(parameter)
        assert not standing_in or rule.fits(standing_in), name
        if "allowed" in limits:
            assert rule.expected == "one of " + ", ".join(map(str, limits["allowed"])), name
            checked += 1
        if "min_value" in limits:
            least, most = limits["min_value"], limits["max_value"]
            inside, outside = (least, most), (least - 1, most + 1)
            assert all(rule.fits(str(value)) for value in inside), name
            assert not any(rule.fits(str(value)) for value in outside), name
            checked += 1
    assert checked >= 7


def test_azd_has_nothing_to_ask_for_before_the_first_hook() -> None:
    """`azd up` asks for parameters that are empty and have no default before it runs any hook."""
    asked = [
        variable
        for name, (variable, standing_in) in mapped().items()
        if not standing_in and bicep_parameters()[name]["default"] is None
    ]
    assert asked == ["AZURE_ENV_NAME", "AZURE_LOCATION"]
