"""The Bicep files of this repository are clean, and a broken copy of each is not."""

import shutil
from pathlib import Path

import pytest

from infra.lint import api_versions, bicep_files
from infra.lint.__main__ import lint
from infra.lint.roles import APPLICATIONS, ROLES
from tests.infra.lint_sample import assert_found

INFRA = Path(__file__).resolve().parents[2] / "infra"


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    """A copy to break."""
    folder = tmp_path / "infra"
    shutil.copytree(INFRA, folder, ignore=shutil.ignore_patterns("lint", "hooks", "__pycache__"))
    return folder


def test_the_files_of_this_repository_are_clean() -> None:
    found, _ = lint(INFRA)
    assert not found, "\n".join(map(str, found))


def test_nothing_is_in_the_lists_that_no_file_uses() -> None:
    folder, _ = bicep_files.read(INFRA)
    used = {r.of for file in folder.files.values() for r in file.of_kind("resource")}
    assert api_versions.allowed() == used
    text = "".join(file.read_text(encoding="utf-8") for file in INFRA.glob("*.bicep"))
    known = {**ROLES, **APPLICATIONS}
    assert [name for id, name in known.items() if id not in text] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "said"),
    [
        # Symbols and modules.
        ("main.bicep", "scope: resources", "scope: resource", "scope: resource", "not declared"),
        ("main.bicep", ".mcpUrl", ".url", ".url", "endpoint.bicep has no output url"),
        ("endpoint.bicep", "'storage.bicep'", "'store.bicep'", "'store.bicep'", "there is no file"),
        ("endpoint.bicep", "    vaultUri: ", "    vaultUrl: ", "vaultUrl", "no parameter vaultUrl"),
        (
            "endpoint.bicep",
            "database!.outputs.host",
            "database.outputs.host",
            "    postgresHost",
            "is not there under",
        ),
        ("function-app.bicep", "scope: site", "scope: sit", "scope: sit", "sit is not declared"),
        ("main.parameters.json", '"apiKeys"', '"apiKey"', '"apiKey"', "no parameter apiKey"),
        # Parameters and versions.
        ("main.bicep", "string = 'JwtObo'", "string = 'Obo'", "param outboundType", "not among"),
        ("function-app.bicep", "@minLength(3)\n", "", "param identityName", "takes any string"),
        ("vault.bicep", "vaults@2024-11-01", "vaults@2019-09-01", "vaults@2019", "not in the list"),
        # Roles.
        ("storage.bicep", "b7e6dc6d", "b7e6dc6e", "b7e6dc6e", "is the id of nothing"),
        (
            "vault.bicep",
            "4633458b-17de-408a-b874-0445c86b69e6",
            "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
            "b86a8fe4",
            "is Key Vault Secrets Officer",
        ),
        (
            "vault.bicep",
            "  scope: vault\n",
            "",
            "resource endpointReads",
            "the whole resource group",
        ),
        # Secrets.
        (
            "function-app.bicep",
            "component.properties.ConnectionString",
            "storage.listKeys().keys[0].value",
            "listKeys",
            "listKeys reads keys",
        ),
        (
            "function-app.bicep",
            "Server__PublicUrl: url",
            "Server__Password: url",
            "Server__Password",
            "holds a secret in clear",
        ),
        (
            "function-app.bicep",
            "output mcpUrl",
            "output accessToken",
            "output accessToken",
            "sounds like a secret",
        ),
        # What is open.
        ("storage.bicep", "KeyAccess: false", "KeyAccess: true", "KeyAccess: true", "is not false"),
        ("storage.bicep", "'TLS1_2'", "'TLS1_0'", "'TLS1_0'", "minimumTlsVersion is not"),
        (
            "vault.bicep",
            "privateNetwork ? 'Disabled' : 'Enabled'",
            "'Enabled'",
            "publicNetworkAccess",
            "whatever the parameters",
        ),
        (
            "monitoring.bicep",
            "DisableLocalAuth: true",
            "DisableLocalAuth: false",
            "DisableLocalAuth",
            "is not true",
        ),
        ("function-app.bicep", "httpsOnly: true", "httpsOnly: false", "httpsOnly", "is not true"),
        ("function-app.bicep", "minTlsVersion: '1.2'", "minTlsVersion: '1.0'", "minTls", "is not"),
        # When things are known.
        (
            "storage.bicep",
            "name: guid(account.id",
            "name: guid(account.properties.x",
            "account.properties.x",
            "known only after",
        ),
        # Microsoft Graph.
        (
            "entra.bicep",
            "extension microsoftGraphV1\n",
            "",
            "Microsoft.Graph/",
            "needs an extension",
        ),
        ("entra.bicep", "aebc6443-", "aebc6444-", "aebc6444-", "is the id of nothing"),
    ],
)
def test_a_broken_copy_is_found(
    infra: Path, file: str, old: str, new: str, at: str, said: str
) -> None:
    assert_found(infra, file, old, new, at, said)
