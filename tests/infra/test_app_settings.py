"""App settings in Bicep, local.settings.example.json and the configuration agree, both ways."""

import ast
import functools
import itertools
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commands import config
from infra.lint import bicep_files
from infra.lint.tree import Pair, walk
from shared.configuration import azure_mcp_variables
from shared.configuration.entra import DEVELOPMENT_AUTHORITY, DEVELOPMENT_CLIENT_ID
from shared.configuration.load import CONFIGURATION_FILE, DEVELOPMENT_FILE, SECTIONS
from shared.configuration.problems import ConfigurationError
from shared.startup import Offer, offer
from tests.infra.bicep_values import CLOUDS, Values
from tests.infra.lint_sample import break_one

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
EXAMPLE = ROOT / "local.settings.example.json"

OF_OTHERS = {
    "AzureWebJobsStorage__blobServiceUri": "the Functions host: its own storage",
    "AzureWebJobsStorage__credential": "the Functions host: as whom it reads that",
    "AzureWebJobsStorage__clientId": "the Functions host: as whom it reads that",
    "AzureWebJobsDisableHomepage": "the Functions host: nothing at /",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "the Functions host: where telemetry goes",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "the Functions host: as whom it is sent",
    "FUNCTIONS_WORKER_RUNTIME": "Core Tools: the language; Flex Consumption has it elsewhere",
    "AzureWebJobsStorage": "Core Tools: no storage, which HTTP functions do not need",
}
"""Settings that are not ours, and who reads them."""

NOT_IN_BICEP = {
    "IDENTITY_ENDPOINT": "set by App Service and Container Apps where there is an identity",
    "WEBSITE_INSTANCE_ID": "set by App Service",
    "WEBSITE_HOSTNAME": "set by App Service",
    "CONTAINER_APP_NAME": "set by Container Apps",
    "KUBERNETES_SERVICE_HOST": "set by Kubernetes",
    "AZURE_FEDERATED_TOKEN_FILE": "set by workload identity in Kubernetes",
    "AZURE_FUNCTIONS_ENVIRONMENT": "Development in local.settings.json, refused in Azure",
    "POSHMCP_LOG_LEVEL": "PoshMcp's variable; Logging__LogLevel__Default says the same",
    "LC_ALL": "given to the programs that tools start, not read",
    "SYSTEMD_COLORS": "given to the programs that tools start, not read",
}
"""Variables that the code knows by name and the deployment does not set, and why."""

NOT_LOCAL = {
    r"AzureWebJobsStorage__.*": "there is no storage account on a developer's machine",
    r"APPLICATIONINSIGHTS_.*": "telemetry of development is the terminal's",
    r"AZURE_CLIENT_ID": "names a managed identity, which there is none of",
    r"Authentication__DefaultPolicy__.*": "the development key has no scopes and would be shut out",
    r"Authentication__Schemes__ApiKey__KeyVault__.*": "development keys are in the file",
    r"Authentication__Schemes__Bearer__ClaimsMapping__.*": "goes with PostgreSQL",
    r"outboundAuthentication__.*": "there is no managed identity to call Azure as",
    r"Toolsets__postgres__.*": "there is no server",
}
"""What the deployment sets and local.settings.example.json does not, and why."""

TENANT = "70a036f6-8e4d-4615-bad6-149c02e7720d"
CLIENT = "85a0b190-f927-4e27-b286-cd301d965e4a"
IDENTITY = "12345678-1234-4234-8234-123456789abc"
HOST = "func-postern-x.azurewebsites.net"
URL = f"https://{HOST}/mcp"
HOSTED = {
    "WEBSITE_INSTANCE_ID": "1",
    "WEBSITE_HOSTNAME": HOST,
    "IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi/token",
}
GIVEN = {
    "identityClientId": IDENTITY,
    "identityName": "id-postern-x",
    "vaultUri": "https://kv-postern-x.vault.azure.net/",
    "entraClientId": CLIENT,
    "entraTenantId": TENANT,
    "appIdUri": URL,
    "publicUrl": "",
    "requiredScope": "access_as_user",
    "outboundType": "JwtObo",
    "apiKeys": False,
    "postgresHost": "",
    "postgresDatabase": "",
    "storage": {"properties": {"primaryEndpoints": {"blob": "https://x.blob.core.windows.net/"}}},
    "component": {"properties": {"ConnectionString": "InstrumentationKey=x"}},
    "site": {"properties": {"defaultHostName": HOST}},
}
POSTGRES = {"postgresHost": "psql-x.postgres.database.azure.com", "postgresDatabase": "sample"}

parsed = functools.cache(bicep_files.read)


def app_settings(
    given: Mapping[str, Any] | None = None, *, infra: Path = INFRA, cloud: str = "AzureCloud"
) -> dict[str, str]:
    """The app settings that function-app.bicep sets for these parameters."""
    folder, problems = parsed(infra)
    assert not problems
    values = Values(infra, folder.files["function-app.bicep"], {**GIVEN, **(given or {})}, cloud)
    found = values.of("appSettings")
    assert isinstance(found, dict)
    return found


def names_in_bicep() -> set[str]:
    """The names of all app settings, under every condition."""
    folder, _ = parsed(INFRA)
    declared = folder.files["function-app.bicep"].declared("appSettings", "var")
    assert declared is not None
    return {str(n.key.literal) for n in walk(declared) if isinstance(n, Pair)}


def deployed(settings: Mapping[str, str], tmp_path: Path) -> Offer:
    """What an app makes of its settings and the packaged appsettings.json."""
    shutil.copy(ROOT / CONFIGURATION_FILE, tmp_path)
    return offer(tmp_path, {**settings, **HOSTED})


def example() -> dict[str, str]:
    values = json.loads(EXAMPLE.read_text(encoding="utf-8"))["Values"]
    assert isinstance(values, dict)
    return values


def is_ours(name: str) -> bool:
    """Whether a name is a key of our configuration, as a variable."""
    section, _, key = name.partition("__")
    return section in SECTIONS and bool(key)


COMBINATIONS = list(
    itertools.product(
        ["JwtObo", "ManagedIdentity", "ByCaller", "None"], [False, True], [False, True]
    )
)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(("outbound", "keys", "postgres"), COMBINATIONS)
def test_what_is_deployed_starts_without_a_problem(
    tmp_path: Path, outbound: str, keys: bool, postgres: bool, cloud: str
) -> None:
    given = {"outboundType": outbound, "apiKeys": keys, **(POSTGRES if postgres else {})}
    offered = deployed(app_settings(given, cloud=cloud), tmp_path)
    assert [str(problem) for problem in offered.warnings] == []
    settings = offered.settings
    assert settings.public_url == URL
    assert settings.authentication.entra is not None
    assert settings.authentication.entra.tenants == {TENANT}
    assert len(settings.authentication.key_schemes) == keys
    assert (settings.outbound is not None) == (outbound != "None")
    wanted = postgres and outbound != "None"
    assert ("postgres" in {name.lower() for name in settings.toolsets}) == wanted


def test_before_the_second_pass_one_warning_says_what_it_will_do(tmp_path: Path) -> None:
    (warning,) = deployed(app_settings({"appIdUri": ""}), tmp_path).warnings
    assert "AADSTS9010010" in str(warning)
    assert URL in str(warning)


def test_every_app_setting_is_read_by_somebody() -> None:
    names = names_in_bicep()
    assert len(names) > 20
    read = {*OF_OTHERS, *variables_read()}
    assert [name for name in names if not is_ours(name) and name not in read] == []


def test_what_is_compared_is_what_can_be_set() -> None:
    """No setting hides behind a condition that no combination meets."""
    reached: set[str] = set()
    for outbound, keys, postgres in COMBINATIONS:
        given = {"outboundType": outbound, "apiKeys": keys, **(POSTGRES if postgres else {})}
        reached |= set(app_settings(given))
    assert reached == names_in_bicep()


_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


def variables_read() -> set[str]:
    """Names in the deployed code that look like an environment variable's, wherever they stand."""
    files = [ROOT / "function_app.py"]
    files += itertools.chain(*((ROOT / name).rglob("*.py") for name in ("shared", "toolsets")))
    without_effect = Path(azure_mcp_variables.__file__)
    return {name for file in files if file != without_effect for name in _texts(file)}


def _texts(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and _VARIABLE.fullmatch(text):
            yield text


def test_every_variable_that_the_code_reads_is_set_or_known_not_to_be() -> None:
    read, in_bicep = variables_read(), names_in_bicep()
    assert "AZURE_CLIENT_ID" in read
    assert sorted(read - in_bicep - set(NOT_IN_BICEP)) == []
    assert sorted(set(NOT_IN_BICEP) - read) == []
    assert not in_bicep & set(NOT_IN_BICEP)


def unexplained(local: set[str]) -> set[str]:
    """Names that only one of the deployment and local settings have, without a known reason."""
    in_bicep = names_in_bicep()
    left_out = {name for name in in_bicep - local if not _reasons(name)}
    only_local = {"FUNCTIONS_WORKER_RUNTIME", "AZURE_FUNCTIONS_ENVIRONMENT", "AzureWebJobsStorage"}
    return left_out | (local - in_bicep - only_local)


def _reasons(name: str) -> list[str]:
    return [pattern for pattern in NOT_LOCAL if re.fullmatch(pattern, name)]


def test_the_example_has_the_names_of_the_deployment_but_for_what_cannot_be_local() -> None:
    local = set(example())
    assert unexplained(local) == set()
    used = {pattern for name in names_in_bicep() - local for pattern in _reasons(name)}
    assert sorted(set(NOT_LOCAL) - used) == []
    assert [name for name in local if _reasons(name)] == []


def test_a_name_that_the_example_lacks_or_misspells_is_seen() -> None:
    for name in set(example()) & names_in_bicep():
        local = set(example()) - {name}
        assert unexplained(local) == {name}
        assert unexplained({*local, f"{name}s"}) == {name, f"{name}s"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a fresh checkout after `make setup`."""
    shutil.copy(ROOT / CONFIGURATION_FILE, tmp_path)
    monkeypatch.setattr(config, "FOLDER", tmp_path)
    assert config.write_development_profile()
    assert (tmp_path / DEVELOPMENT_FILE).exists()
    return tmp_path


def test_the_example_works_in_a_fresh_checkout(checkout: Path) -> None:
    offered = offer(checkout, example())
    assert [str(problem) for problem in offered.warnings] == []
    settings = offered.settings
    assert settings.development
    assert settings.public_url == "http://127.0.0.1:7071/mcp"
    (keys,) = settings.authentication.key_schemes
    assert len(keys.keys) == 1
    entra = settings.authentication.entra
    assert entra is not None
    assert entra.client_id == DEVELOPMENT_CLIENT_ID
    assert example()["Authentication__Schemes__Bearer__Authority"] == DEVELOPMENT_AUTHORITY


def test_the_example_changes_nothing_that_is_served(checkout: Path) -> None:
    with_it = offer(checkout, example()).settings.authentication
    without = offer(checkout, {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}).settings
    assert with_it.key_schemes == without.authentication.key_schemes
    # Without ClientId and Audience both are derived, and so is the form api://<client id>.
    derived = without.authentication.entra
    assert with_it.entra is not None
    assert derived is not None
    assert set(with_it.entra.audiences) | {f"api://{DEVELOPMENT_CLIENT_ID}"} == set(
        derived.audiences
    )
    assert replace(with_it.entra, audiences=derived.audiences) == derived


# What is broken in function-app.bicep, and what is then told of it.
BROKEN = [
    ("Bearer__Authority:", "Bearer__Autority:", "Authority?"),
    ("Authentication__DefaultScheme:", "Authentcation__DefaultScheme:", "Authentication__Def"),
    ("Authentication__DefaultScheme: 'Bearer'", "Authentication__DefaultScheme: 'Beerer'", "Beer"),
    ("Schemes__Bearer__ClientId", "Schemes__Bearrer__ClientId", "Bearrer"),
    ("__managedIdentityClientId", "__managedIdentityId", "managedIdentityClientId?"),
    ("'FederatedManagedIdentity'", "'ManagedIdentity'", "is not one of the choices"),
    ("outboundAuthentication__type: outboundType", "outboundAuthentication__typ: 'x'", "type"),
    ("Server__PublicUrl: url", "Server__PublicUrl: '/mcp'", "cannot be used"),
]


@pytest.mark.parametrize(("old", "new", "said"), BROKEN)
def test_a_broken_setting_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    infra = tmp_path / "infra"
    infra.mkdir()
    for name in ("function-app.bicep", "clouds.json"):
        shutil.copy(INFRA / name, infra)
    break_one(infra, "function-app.bicep", old, new)
    with pytest.raises(ConfigurationError) as caught:
        deployed(app_settings(infra=infra), tmp_path)
    assert said in str(caught.value)


STARTS_WITHOUT = {
    **OF_OTHERS,
    "AZURE_CLIENT_ID": "no identity reads the vault then, and what comes from it is refused",
    "Server__PublicUrl": "WEBSITE_HOSTNAME says the same, unless the URL is another one",
    "Authentication__Enabled": "as in the packaged file",
    "Authentication__DefaultPolicy__RequiredScopes__0": "any scope or role of the API will do",
    "Authentication__Schemes__Bearer__Type": "the scheme's name says it",
    "Authentication__Schemes__Bearer__ClientId": "the audience is there; on-behalf-of needs both",
    "Authentication__Schemes__Bearer__Audience": "api://<client id> is, and a warning says so",
    "Authentication__Schemes__Bearer__ClaimsMapping__NameClaim": "roles are named otherwise",
    "Authentication__DefaultScheme": "with API keys: as in the packaged file, keys alone",
    "Authentication__AdditionalSchemes__0": "tokens alone, and a warning says so",
    "Authentication__Schemes__ApiKey__Type": "as in the packaged file",
    "outboundAuthentication__clientCredential__managedIdentityClientId": "the app has no other",
    "outboundAuthentication__user__clientCredential__managedIdentityClientId": "no other",
    "outboundAuthentication__clientId": "the app has no system-assigned identity to use instead",
    "outboundAuthentication__application__clientId": "the app has no system-assigned identity",
    "outboundAuthentication__key__clientId": "the app has no system-assigned identity",
    "Toolsets__postgres__Servers__sample__TokenScope": "the public cloud's",
    "Toolsets__postgres__Servers__service__TokenScope": "the public cloud's",
    "Toolsets__postgres__Servers__service__User": "the caller's name is not the identity's",
}
"""Settings that an app can lack and still serve, and what becomes of it. Each other closes it."""


def test_without_any_other_setting_the_app_refuses_everything(tmp_path: Path) -> None:
    started: set[str] = set()
    for outbound, keys, postgres in COMBINATIONS:
        given = {"outboundType": outbound, "apiKeys": keys, **(POSTGRES if postgres else {})}
        settings = app_settings(given)
        for name in settings:
            try:
                offered = deployed({n: v for n, v in settings.items() if n != name}, tmp_path)
            except ConfigurationError:
                continue
            started.add(name)
            authentication = offered.settings.authentication
            assert authentication.enabled
            assert not any(scheme.keys for scheme in authentication.key_schemes)
    assert sorted(started) == sorted(set(STARTS_WITHOUT) & names_in_bicep())


@pytest.mark.parametrize("enabled", [True, False])
def test_keys_in_the_packaged_file_open_nothing_that_the_deployment_did_not(
    tmp_path: Path, enabled: bool
) -> None:
    inline = {"Type": "ApiKey", "AllowInlineKeys": True, "Keys": {"k" * 40: {"Roles": ["x"]}}}
    file = {
        "Authentication": {
            "Enabled": enabled,
            "DefaultScheme": "ApiKey",
            "Schemes": {"ApiKey": inline},
        }
    }
    (tmp_path / CONFIGURATION_FILE).write_text(json.dumps(file))
    settings = offer(tmp_path, {**app_settings(), **HOSTED}).settings
    assert settings.authentication.enabled
    assert list(settings.authentication.key_schemes) == []
