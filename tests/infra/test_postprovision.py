"""The hook after the resources, run as azure.yaml runs it, with stand-ins for az and azd."""

import pytest

from infra.hooks.postprovision import AUDIENCE, OUTPUTS
from tests.infra.command_line import (
    CLIENT,
    PRINCIPAL,
    REFUSALS,
    TENANT,
    URL,
    CommandLine,
)
from tests.infra.hooks import AFTER, DEPLOY, SETTINGS, changes, deployed, remembered, speak_as_graph


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
