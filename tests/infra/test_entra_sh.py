"""infra/entra.sh, run by real shells, with a stand-in for az that answers as Graph does."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from pycep import BicepParser

from infra.hooks.entra import URI_REFUSED
from infra.hooks.variables import INFRA
from shared.credentials.permissions import PERMISSIONS
from tests.infra.command_line import (
    CLIENT,
    PRINCIPAL,
    REFUSALS,
    ROOT,
    TENANT,
    URL,
    Call,
    CommandLine,
)

SCRIPT = str(ROOT / "infra" / "entra.sh")
APPLICATION = "https://graph.microsoft.com/v1.0/applications(uniqueName='postern-dev')"
VISUAL_STUDIO_CODE = "aebc6443-996d-45c2-90f0-388ff96faa56"

FIRST = ("--name", "postern-dev")
SECOND = (*FIRST, "--public-url", URL, "--identity", PRINCIPAL)


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """Signed in, in the public cloud, to a tenant that refuses nothing."""
    line = CommandLine(tmp_path)
    line.when("account", "show", says=f"{TENANT}\n")
    line.when("cloud", "show", "name", says="AzureCloud\n")
    line.when("cloud", "endpoints.microsoftGraphResourceId", says="https://graph.microsoft.com/\n")
    line.when("rest", "get", APPLICATION, says=f"{CLIENT}\n")
    return line


def changes(line: CommandLine) -> list[Call]:
    return line.calls("rest", "patch")


def body(line: CommandLine, url: str, number: int = 0) -> Any:
    calls = [call for call in changes(line) if call.after("--url") == url]
    return calls[number].files[0]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_first_pass_registers_and_prints_the_client_id(line: CommandLine, shell: str) -> None:
    done = line.run(shell, SCRIPT, *FIRST)
    assert (done.returncode, done.stdout) == (0, f"{CLIENT}\n"), done.stderr
    application = body(line, APPLICATION)
    assert application["api"]["requestedAccessTokenVersion"] == 2
    assert application["optionalClaims"] == {"accessToken": [{"name": "idtyp"}]}
    assert application["requiredResourceAccess"] == []
    (scope,), (role,) = application["api"]["oauth2PermissionScopes"], application["appRoles"]
    assert scope["value"] == role["value"] == "access_as_user"
    assert role["allowedMemberTypes"] == ["Application"]
    assert application["api"]["preAuthorizedApplications"] == [
        {"appId": VISUAL_STUDIO_CODE, "delegatedPermissionIds": [scope["id"]]}
    ]
    assert [call.after("--url").rsplit("/", 1)[1] for call in changes(line)] == [
        "applications(uniqueName='postern-dev')",
        f"servicePrincipals(appId='{CLIENT}')",
    ]
    assert all("Prefer=create-if-missing" in call.arguments for call in changes(line))


def test_scope_and_role_agree_in_all_that_entra_compares(line: CommandLine) -> None:
    """One value with two ids, or other texts, is refused as a duplicate."""
    assert line.run("sh", SCRIPT, *FIRST, "--scope", "mcp.tools").returncode == 0
    application = body(line, APPLICATION)
    (scope,), (role,) = application["api"]["oauth2PermissionScopes"], application["appRoles"]
    assert [scope[name] for name in ("id", "value", "isEnabled")] == [
        role[name] for name in ("id", "value", "isEnabled")
    ]
    assert scope["value"] == "mcp.tools"
    assert scope["adminConsentDisplayName"] == role["displayName"]
    assert scope["adminConsentDescription"] == role["description"]


def test_the_second_pass_sets_the_url_and_trusts_the_identity(line: CommandLine) -> None:
    done = line.run("sh", SCRIPT, *SECOND)
    assert (done.returncode, done.stdout) == (0, f"{URL}\n{CLIENT}\n"), done.stderr
    assert body(line, APPLICATION, 1) == {"identifierUris": [URL, f"api://{CLIENT}"]}
    credential = (
        f"https://graph.microsoft.com/v1.0/applications(appId='{CLIENT}')"
        "/federatedIdentityCredentials(name='managed-identity')"
    )
    assert {**body(line, credential), "description": ""} == {
        "description": "",
        "issuer": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "subject": PRINCIPAL,
        "audiences": ["api://AzureADTokenExchange"],
    }


@pytest.mark.parametrize(
    ("cloud", "login", "audience"),
    [
        (
            "AzureUSGovernment",
            "https://login.microsoftonline.us",
            "api://AzureADTokenExchangeUSGov",
        ),
        (
            "AzureChinaCloud",
            "https://login.partner.microsoftonline.cn",
            "api://AzureADTokenExchangeChina",
        ),
    ],
)
def test_other_clouds_have_their_own_issuer_and_audience(
    line: CommandLine, cloud: str, login: str, audience: str
) -> None:
    line.when("cloud", "show", "name", says=f"{cloud}\n", first=True)
    assert line.run("sh", SCRIPT, *SECOND).returncode == 0
    credential = next(c for c in changes(line) if "federatedIdentity" in c.after("--url")).files[0]
    assert (credential["issuer"], credential["audiences"]) == (f"{login}/{TENANT}/v2.0", [audience])


def test_only_the_permissions_of_named_toolsets_are_asked_for(line: CommandLine) -> None:
    assert line.run("sh", SCRIPT, *FIRST, "--toolsets", "postgres").returncode == 0
    expected = [
        {
            "resourceAppId": permission.app_id,
            "resourceAccess": [{"id": permission.permission_id, "type": "Scope"}],
        }
        for permission in PERMISSIONS
        if "postgres" in permission.toolsets
    ]
    assert body(line, APPLICATION)["requiredResourceAccess"] == expected != []


def test_further_clients_are_pre_authorized(line: CommandLine) -> None:
    assert line.run("sh", SCRIPT, *FIRST, "--clients", f"{CLIENT},{PRINCIPAL}").returncode == 0
    clients = body(line, APPLICATION)["api"]["preAuthorizedApplications"]
    assert {client["appId"] for client in clients} == {CLIENT, PRINCIPAL, VISUAL_STUDIO_CODE}


def test_a_second_run_asks_for_the_same(line: CommandLine) -> None:
    def everything() -> list[Any]:
        assert line.run("sh", SCRIPT, *SECOND, "--toolsets", "postgres").returncode == 0
        asked = [(call.after("--url"), call.files) for call in changes(line)]
        line.forget()
        return asked

    assert everything() == everything()


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_url_that_the_tenant_refuses_is_left_out(line: CommandLine, refusal: str) -> None:
    line.when("rest", "patch", APPLICATION, times=1)
    line.when("rest", "patch", APPLICATION, times=1, status=1, complains=refusal)
    done = line.run("sh", SCRIPT, *SECOND)
    assert (done.returncode, done.stdout) == (0, f"api://{CLIENT}\n{CLIENT}\n"), done.stderr
    assert body(line, APPLICATION, 2) == {"identifierUris": [f"api://{CLIENT}"]}
    assert "AADSTS9010010" in done.stderr
    assert "identifierUriConfiguration" in done.stderr


def test_a_url_that_another_application_has_is_no_reason_to_go_without(line: CommandLine) -> None:
    taken = "Another object with the same value for property identifierUris already exists."
    line.when("rest", "patch", APPLICATION, times=1)
    line.when("rest", "patch", APPLICATION, status=1, complains=taken)
    done = line.run("sh", SCRIPT, *SECOND)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Another application has the App ID URI" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--name"),
        (("--name", "x"), "--name"),
        (("--name", "two words"), "--name"),
        (("--name", "a')b"), "--name"),
        (("--name", "good\nbad"), "--name"),
        ((*FIRST, "--display-name", 'say "hi"'), "--display-name"),
        ((*FIRST, "--scope", "a b"), "--scope"),
        ((*FIRST, "--tenant", "contoso.com"), "--tenant"),
        ((*FIRST, "--identity", "me"), "--identity"),
        ((*FIRST, "--public-url", "http://host/mcp"), "--public-url"),
        ((*FIRST, "--public-url", "https://host/mcp/"), "--public-url"),
        ((*FIRST, "--public-url", "https://host"), "--public-url"),
        ((*FIRST, "--public-url", "https://user@host/mcp"), "--public-url"),
        ((*FIRST, "--public-url", "https://host/mcp?x=1"), "--public-url"),
        ((*FIRST, "--clients", f"{CLIENT},vscode"), "vscode"),
        ((*FIRST, "--toolsets", "nosuch"), "no toolset nosuch"),
        ((*FIRST, "--toolsets", ".*"), "--toolsets"),
        ((*FIRST, "--secret", "x"), "--secret"),
        (("--name",), "--name wants a value"),
    ],
)
def test_wrong_arguments_change_nothing(
    line: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    done = line.run("sh", SCRIPT, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert line.calls() == []


def test_a_name_that_is_none_is_told_once(line: CommandLine) -> None:
    told = line.run("sh", SCRIPT).stderr
    assert (
        told
        == "entra.sh: --name: expected 3 to 80 letters, digits and hyphens\nNothing was changed.\n"
    )


def test_a_pattern_is_no_name_of_a_file(line: CommandLine) -> None:
    """Checked as the file it names, a pattern would reach Graph with whatever else is in it."""
    (line.folder / "here").mkdir()
    (line.folder / "here" / CLIENT).touch()
    clients = f'{CLIENT[:-1]}[{CLIENT[-1]}"]'
    started = ("sh", "-c", 'cd "$0" && exec sh "$@"', str(line.folder / "here"), SCRIPT)
    done = line.run(*started, *FIRST, "--clients", clients)
    assert done.returncode == 2
    assert line.calls() == []


def test_all_wrong_arguments_are_told_at_once(line: CommandLine) -> None:
    done = line.run("sh", SCRIPT, "--name", "x", "--scope", " ", "--identity", "me")
    assert [word in done.stderr for word in ("--name", "--scope", "--identity")] == [True] * 3


def test_help_needs_no_az(line: CommandLine) -> None:
    line.without("az")
    done = line.run("sh", SCRIPT, "--help")
    assert done.returncode == 0
    assert "Second pass" in done.stdout


def test_without_az_nothing_happens(line: CommandLine) -> None:
    line.without("az")
    done = line.run("sh", SCRIPT, *FIRST)
    assert (done.returncode, done.stdout) == (1, "")
    assert "not on the path" in done.stderr


def test_whoever_is_signed_out_is_told_to_sign_in(line: CommandLine) -> None:
    line.when("account", "show", status=1, complains="Please run 'az login'", first=True)
    done = line.run("sh", SCRIPT, *FIRST, "--tenant", TENANT)
    assert done.returncode == 1
    assert f"az login --tenant {TENANT}" in done.stderr
    assert changes(line) == []


def test_another_tenant_is_refused(line: CommandLine) -> None:
    done = line.run("sh", SCRIPT, *FIRST, "--tenant", CLIENT)
    assert done.returncode == 1
    assert f"az login --tenant {CLIENT}" in done.stderr
    assert changes(line) == []


def test_who_may_not_register_gets_the_command_for_somebody_who_may(line: CommandLine) -> None:
    line.when("rest", "patch", status=1, complains="Authorization_RequestDenied: Insufficient")
    done = line.run("sh", SCRIPT, *SECOND)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"infra/entra.sh --name postern-dev --scope access_as_user --public-url {URL}" in (
        done.stderr
    )


def test_a_name_in_the_recycle_bin_is_explained(line: CommandLine) -> None:
    said = "Another object with the same value for property uniqueName already exists."
    line.when("rest", "patch", APPLICATION, status=1, complains=said)
    done = line.run("sh", SCRIPT, *FIRST)
    assert done.returncode == 1
    assert "deleted less than 30 days ago" in done.stderr


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        (("rest", "get", APPLICATION), "Reading the application back failed"),
        (("rest", "patch", "https://graph.microsoft.com/v1.0/serv"), "service principal failed"),
        (
            ("rest", "patch", "https://graph.microsoft.com/v1.0/applications(appId"),
            "The federated credential failed",
        ),
    ],
)
def test_what_fails_in_the_middle_is_named_and_can_be_run_again(
    line: CommandLine, failing: tuple[str, ...], said: str
) -> None:
    line.when(*failing, status=1, complains="ServiceUnavailable", first=True)
    done = line.run("sh", SCRIPT, *SECOND)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "ServiceUnavailable" in done.stderr
    assert "run the command again" in done.stderr


def test_a_new_application_is_waited_for(line: CommandLine) -> None:
    url = "https://graph.microsoft.com/v1.0/servicePrincipals"
    line.when("rest", "patch", url, status=1, times=3, complains="not a valid application object")
    assert line.run("sh", SCRIPT, *FIRST).returncode == 0
    assert len(line.calls("5", program="sleep")) == 3


def test_script_and_bicep_register_the_same(line: CommandLine) -> None:
    """As far as a syntax tree shows: the same members, constants and ids."""
    assert line.run("sh", SCRIPT, *SECOND).returncode == 0
    script = body(line, APPLICATION)
    text = (ROOT / "infra" / "entra.bicep").read_text(encoding="utf-8")
    tree = BicepParser().parse(text=text)
    bicep = tree["resources"]["application"]["config"]
    assert set(bicep) == set(script) | {"uniqueName", "identifierUris"}
    assert set(bicep["api"]) == set(script["api"])
    scope, role = bicep["api"]["oauth2PermissionScopes"][0], bicep["appRoles"][0]
    assert set(scope) == set(script["api"]["oauth2PermissionScopes"][0])
    assert set(role) == set(script["appRoles"][0])
    for name in ("description", "signInAudience", "optionalClaims"):
        assert bicep[name] == script[name]
    assert bicep["api"]["requestedAccessTokenVersion"] == 2
    assert (scope["type"], role["allowedMemberTypes"]) == ("User", ["Application"])
    assert [scope["id"], scope["value"], scope["isEnabled"]] == [
        role["id"],
        role["value"],
        role["isEnabled"],
    ]
    assert scope["adminConsentDisplayName"] == role["displayName"]
    assert scope["adminConsentDescription"] == role["description"]

    # Bicep's guid() is a UUID of version 5 in this namespace, over its arguments with hyphens.
    namespace = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
    assert "guid('postern', 'access')" in text
    assert script["appRoles"][0]["id"] == str(uuid.uuid5(namespace, "postern-access"))

    clouds = json.loads((INFRA / "clouds.json").read_text(encoding="utf-8"))
    source = Path(SCRIPT).read_text(encoding="utf-8")
    known = re.findall(r"(\w+)\) login=(\S+) audience=(\S+)", source)
    assert {name: (f"{login}/", audience) for name, login, audience in known} == {
        name: (cloud["loginEndpoint"], cloud["tokenExchangeAudience"])
        for name, cloud in clouds.items()
    }
    assert VISUAL_STUDIO_CODE in text
    assert "/managed-identity'" in text


def test_script_and_hooks_know_the_same_refusals() -> None:
    source = Path(SCRIPT).read_text(encoding="utf-8")
    assert f"uri_refused='{URI_REFUSED.pattern}'" in source
    assert all(URI_REFUSED.search(refusal) for refusal in REFUSALS)
