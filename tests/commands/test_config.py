"""`manage.py config`: what is wrong, what is set and by whom, and never a secret."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import manage
from tests.commands import support
from tests.commands.support import copy_of_the_project
from tests.configuration.support import (
    CLIENT_ID,
    GUIDE_ENTRA,
    PULL_REQUEST_MANAGED_IDENTITY,
    PULL_REQUEST_PASSTHROUGH,
    TENANT,
    bearer,
)
from tests.support import OPS_KEY, READER_KEY, configured, write_configuration

PROFILE = "appsettings.Development.json"
SECRET = "a-secret-in-the-wrong-place-0123456789"


def scheme(keys: Any) -> dict[str, Any]:
    """The configuration with `Keys` as somebody may have written them."""
    given = {"Type": "ApiKey", "Keys": keys}
    return configured({"Authentication": {"DefaultScheme": "Given", "Schemes": {"Given": given}}})


def azure_ad(**changes: Any) -> dict[str, Any]:
    """A section of Azure MCP 2.x."""
    return {"AzureAd": {"TenantId": TENANT, "ClientId": CLIENT_ID, **changes}}


def test_a_configuration_without_fault_is_fine(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["config", "check", "--config", str(settings)]) == 0
    assert capsys.readouterr() == ("The configuration is fine.\n", "")
    assert manage.main(["config", "check", "--json", "--config", str(settings)]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"ok": True, "problems": []}
    assert captured.err == ""


def test_a_warning_is_told_and_is_no_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = {"PowerShellConfiguration": {"CommandNames": ["whoami", "Get-Proces"]}}
    file = write_configuration(tmp_path, configured(commands))
    assert manage.main(["config", "check", "--config", str(file)]) == 0
    captured = capsys.readouterr()
    assert captured.out == "The configuration is fine.\n"
    assert captured.err.startswith(
        "warning: PowerShellConfiguration:CommandNames[1] (settings.json:"
    )
    assert "did you mean get_process?" in captured.err


def test_every_error_is_told_with_its_path_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = {"PageSize": 0, "Nmae": "x", "PublicUrl": 5}
    file = write_configuration(tmp_path, configured({"Server": server}))
    assert manage.main(["config", "check", "--config", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "The configuration cannot be used.\n"
    told = sorted(line.split(" (")[0] for line in captured.err.splitlines())
    assert told == [f"error: Server:{key}" for key in ("Nmae", "PageSize", "PublicUrl")]
    assert manage.main(["config", "check", "--json", "--config", str(file)]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert {p["path"] for p in problems} == {"Server:Nmae", "Server:PageSize", "Server:PublicUrl"}
    assert all(p["source"].startswith("settings.json:") for p in problems)


@pytest.mark.parametrize("action", ["check", "show"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"", "not JSON"),
        (b'{"Server": {', "not JSON"),
        (b"[]", "object"),
        (b"\xff\xfe{\x00}", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding(
    tmp_path: Path,
    action: str,
    content: bytes | None,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "given.json"
    if content is not None:
        file.write_bytes(content)
    assert manage.main(["config", action, "--config", str(file)]) == 1
    error = capsys.readouterr().err
    assert "given.json" in error
    assert told in error


def test_what_production_refuses_development_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_configuration(tmp_path, scheme({"short": {"Roles": ["reader"]}}))
    check = ["config", "check", "--config", str(file)]
    assert manage.main(check) == 1
    assert "5 characters" in capsys.readouterr().err
    assert manage.main([*check, "--development"]) == 0


def test_beside_a_development_profile_it_says_how_run_reads_it(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    assert support.manage(copy, "config", "init").returncode == 0
    for verb in (("config", "check"), ("tools", "list"), ("explain", "--as", "-")):
        ended = support.manage(copy, *verb)
        assert ended.returncode == 1
        assert ended.stderr.splitlines()[-1] == (
            "A deployment reads it so. --development reads it as run does, with "
            "appsettings.Development.json."
        )
        told = support.manage(copy, *verb, "--development")
        assert (told.returncode, told.stderr) == (0, "")


def test_a_fresh_clone_is_not_ready_and_says_what_is_missing(project: Path) -> None:
    ended = support.manage(project, "config", "check")
    assert ended.returncode == 1
    assert "Authentication:Schemes:ApiKey:Keys (appsettings.json:" in ended.stderr
    assert "Server:PublicUrl (appsettings.json" in ended.stderr


def test_each_value_is_shown_with_its_source(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("Server__Name", "from-outside")
    assert manage.main(["config", "show", "--config", str(settings)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'Server:Name = "from-outside"    (environment variable Server__Name)' in lines
    assert any(
        line.startswith('Server:PublicUrl = "https://mcp.example.com/mcp"    (settings.json:')
        for line in lines
    )


def test_the_same_is_shown_as_json(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert manage.main(["config", "show", "--json", "--config", str(settings)]) == 0
    rows = {row["path"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["Authentication:Enabled"]["value"] == "true"
    assert rows["Authentication:Schemes:ApiKey:Keys[#2]:Roles[0]"]["value"] == '"ops"'
    assert rows["Server:PublicUrl"]["source"].startswith("settings.json:")


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("action", ["check", "show"])
@pytest.mark.parametrize(
    "configuration",
    [
        configured(),
        scheme({SECRET: {}}),
        scheme({SECRET: {"Roles": "reader"}}),
        scheme({SECRET: {"Rolse": ["reader"]}}),
        scheme({SECRET: SECRET}),
        scheme({"reader": SECRET}),
        scheme({"reader": {"Key": SECRET}}),
        scheme({"reader": {"Value": SECRET, "Roles": []}}),
        scheme([SECRET]),
        scheme([{"Key": SECRET, "Roles": ["reader"]}]),
        scheme(SECRET),
        configured({"Toolsets": {"crm": {"Password": SECRET, "ClientSecret": SECRET}}}),
        configured({"Toolsets": {"crm": {"ApiKey": SECRET, "api_key": SECRET}}}),
        bearer(Keys={SECRET: {}}),
        configured({"outboundAuthentication": {"clientCredential": {"secret": SECRET}}}),
        configured({"outboundAuthentication": {"clientCredential": SECRET}}),
        configured({"outboundAuthentication": {"clientCredential": [SECRET]}}),
        azure_ad(ClientCredentials=[{"SourceType": "ClientSecret", "ClientSecret": SECRET}]),
        azure_ad(ClientCredentials=[{"Base64EncodedValue": SECRET}]),
        azure_ad(ClientCredentials=[{"CertificatePassword": SECRET}]),
        azure_ad(ClientCredentials=[{"CustomSignedAssertionProviderData": {"x": SECRET}}]),
        azure_ad(ClientCredentials={"0": SECRET}),
        azure_ad(ClientCredentials=SECRET),
        azure_ad(TokenDecryptionCredentials=[{"Base64EncodedValue": SECRET}]),
        azure_ad(ClientSecret=SECRET),
    ],
    ids=[
        "right", "no grants", "roles no list", "misspelt roles", "key for a key", "key as value",
        "key in an object", "key as a member", "list", "list of objects", "text", "passwords",
        "api keys", "keys of a scheme for tokens", "secret", "credential as text",
        "credentials as texts", "client secret", "certificate", "password", "data of a provider",
        "credentials by name", "credentials as text", "decryption", "secret of its own",
    ],
)  # fmt: skip
def test_no_secret_is_told_however_it_is_written(
    tmp_path: Path,
    action: str,
    form: list[str],
    configuration: Mapping[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write_configuration(tmp_path, configuration)
    manage.main(["config", action, *form, "--config", str(file)])
    captured = capsys.readouterr()
    for secret in (SECRET, READER_KEY, OPS_KEY):
        assert secret not in captured.out + captured.err


def test_a_variable_that_misses_its_section_is_named(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("Dney__Tools__0", "whoami")
    monkeypatch.setenv("Server_Name", "x")
    assert manage.main(["config", "check", "--config", str(settings)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "error: Dney__Tools__… (environment): is not a setting; did you mean Deny__Tools__…?",
        "error: Server_Name (environment): is not a setting; did you mean Server__Name?",
    ]


@pytest.mark.parametrize("action", ["check", "show"])
def test_keys_in_the_environment_are_refused_and_not_told(
    settings: Path,
    action: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"Authentication__Schemes__ApiKey__Keys__{SECRET}__Roles__0", "reader")
    status = manage.main(["config", action, "--config", str(settings)])
    captured = capsys.readouterr()
    assert SECRET not in captured.out + captured.err
    if action == "check":
        assert status == 1
        assert "never read from environment variables" in captured.err


def test_credentials_in_the_environment_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = (
        "AzureAd__ClientCredentials__0__ClientSecret",
        "AzureAd__ClientCredentials__1__Base64EncodedValue",
        "AzureAd__ClientCredentials__2__CertificatePassword",
        "AzureAd__TokenDecryptionCredentials__0__Base64EncodedValue",
        "outboundAuthentication__clientCredential__secret",
    )
    for name in names:
        monkeypatch.setenv(name, SECRET)
    file = write_configuration(tmp_path, azure_ad())
    for action in (["check"], ["show"], ["show", "--json"]):
        manage.main(["config", *action, "--config", str(file)])
        captured = capsys.readouterr()
        assert SECRET not in captured.out + captured.err
        if action == ["show"]:
            assert captured.out.count("***") == len(names)
            assert all(f"environment variable {name}" in captured.out for name in names)


def test_where_a_credential_lies_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = {
        "SourceType": "KeyVault",
        "KeyVaultUrl": "https://vault.example/",
        "KeyVaultCertificateName": "mine",
        "ManagedIdentityClientId": CLIENT_ID,
    }
    file = write_configuration(tmp_path, azure_ad(ClientCredentials=[shown]))
    manage.main(["config", "show", "--config", str(file)])
    told = capsys.readouterr().out
    for key, value in shown.items():
        assert f'AzureAd:ClientCredentials[0]:{key} = "{value}"' in told


def test_the_schema_takes_a_right_file_and_refuses_a_wrong_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert manage.main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    assert validator.is_valid(configured())
    assert validator.is_valid(bearer())
    assert validator.is_valid(azure_ad(ClientCredentials=[{"SourceType": "ClientSecret"}]))
    for text in (PULL_REQUEST_MANAGED_IDENTITY, PULL_REQUEST_PASSTHROUGH, GUIDE_ENTRA):
        assert validator.is_valid(json.loads(text))
    assert not validator.is_valid(bearer(ClientId=5))
    assert not validator.is_valid(bearer(Algorithms=["HS256"]))
    assert not validator.is_valid(bearer(ClockSkewSeconds=301))
    assert not validator.is_valid(azure_ad(TenantId=5))
    assert not validator.is_valid({"inboundAuthentication": {"type": "JwtBearerScheme"}})
    assert not validator.is_valid({"Logging": {"LogLevel": {"Default": 5}}})
    assert not validator.is_valid(configured({"Server": {"PageSize": "many"}}))
    assert not validator.is_valid(configured({"Authentication": {"Schemes": {"A": {"Type": 5}}}}))


def profile_of(project: Path) -> Any:
    return json.loads((project / PROFILE).read_text(encoding="utf-8"))


def test_the_development_profile_is_private_and_never_overwritten(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    first = support.manage(copy, "config", "init", "--json")
    assert first.returncode == 0
    assert json.loads(first.stdout) == {"file": PROFILE, "written": True}
    assert stat.S_IMODE((copy / PROFILE).stat().st_mode) == 0o600
    written = profile_of(copy)
    (key,) = written["Authentication"]["Schemes"]["ApiKey"]["Keys"]
    assert written["Authentication"]["AdditionalSchemes"] == ["Bearer"]
    assert written["Authentication"]["Schemes"]["Bearer"]["Authority"] == "development"
    again = support.manage(copy, "config", "init")
    assert (again.returncode, again.stderr) == (0, "")
    assert "nothing changed" in again.stdout
    assert profile_of(copy) == written
    assert key not in first.stdout + first.stderr + again.stdout
    check = support.manage(copy, "config", "check", "--development")
    assert (check.returncode, check.stderr) == (0, "")


def test_the_development_key_is_random_and_long_enough_for_production(tmp_path: Path) -> None:
    keys = set()
    for name in ("one", "two"):
        copy = copy_of_the_project(tmp_path / name)
        support.manage(copy, "config", "init")
        keys |= set(profile_of(copy)["Authentication"]["Schemes"]["ApiKey"]["Keys"])
    assert len(keys) == 2
    assert all(len(key) >= 32 for key in keys)


def test_the_profile_does_not_follow_a_link_out_of_the_project(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    (copy / PROFILE).symlink_to(tmp_path / "elsewhere.json")
    support.manage(copy, "config", "init")
    assert not (tmp_path / "elsewhere.json").exists()
