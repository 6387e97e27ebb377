"""The hook before anything is created, run as azure.yaml runs it, with stand-ins for az and azd."""

from pathlib import Path

import pytest
from pycep import BicepParser

from infra.hooks.preprovision import PROVIDERS
from tests.infra.command_line import (
    CLIENT,
    PRINCIPAL,
    ROOT,
    SUBSCRIPTION,
    TENANT,
    URL,
    CommandLine,
)
from tests.infra.hooks import BEFORE, DEPLOY, MANAGED, changes, deployed, remembered, speak_as_graph
from tests.infra.test_variables import BAD


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


def test_a_deployment_has_a_name_of_its_own_in_each_region(line: CommandLine) -> None:
    """Azure refuses a name that was deployed in another region (InvalidDeploymentLocation)."""
    for region in ("westeurope", "Sweden Central"):
        done = line.hook("preprovision", **{**BEFORE, "AZURE_LOCATION": region})
        assert done.returncode == 0, done.stderr
    names = [call.after("--name") for call in line.calls(*DEPLOY)]
    assert names == ["entra-westeurope-postern-dev", "entra-swedencentral-postern-dev"]


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
