"""References to key vaults: which there are, and what becomes of them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from shared.configuration.load import load
from shared.configuration.problems import ConfigurationError, Problem
from shared.configuration.references import Failed, Reference, parse
from tests.support import configured, write_configuration

VAULT = "https://contoso.vault.azure.net"
VERSION = "0123456789abcdef0123456789abcdef"
KEY = "k1:" + "A" * 43


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/one)", Reference(VAULT, "one")),
        (f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/one/)", Reference(VAULT, "one")),
        (
            f"@Microsoft.KeyVault(SecretUri={VAULT}/secrets/one/{VERSION})",
            Reference(VAULT, "one", VERSION),
        ),
        (
            "@Microsoft.KeyVault(VaultName=contoso;SecretName=one)",
            Reference(VAULT, "one"),
        ),
        (
            f"@microsoft.keyvault( vaultname = Contoso ;secretname = one;SecretVersion={VERSION})",
            Reference(VAULT, "one", VERSION),
        ),
        ("plain", None),
        ("", None),
        ("see @Microsoft.KeyVault(SecretUri=x)", None),
    ],
)
def test_a_reference_is_understood_in_both_forms(text: str, reference: Reference | None) -> None:
    assert parse(text) == reference


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "SecretUri=",
        "SecretUri=https://contoso.vault.azure.net/keys/one",
        "SecretUri=http://contoso.vault.azure.net/secrets/one",
        "SecretUri=https://evil.example/secrets/one",
        "SecretUri=https://contoso.vault.azure.net.evil.example/secrets/one",
        "SecretUri=https://user@contoso.vault.azure.net/secrets/one",
        "SecretUri=https://contoso.vault.azure.net/secrets/one?x=1",
        "VaultName=contoso",
        "VaultName=evil.example/;SecretName=one",
        "VaultName=contoso;SecretName=../two",
        "VaultName=contoso;SecretName=one;Other=x",
    ],
)
def test_a_reference_that_makes_no_sense_says_what_is_expected(inside: str) -> None:
    with pytest.raises(ValueError, match=r"expected @Microsoft\.KeyVault"):
        parse(f"@Microsoft.KeyVault({inside})")


class Vault:
    """Knows one secret, and what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Reference] = []

    def __call__(self, references: Iterable[Reference]) -> Mapping[Reference, str | Failed]:
        self.asked += references
        return {r: KEY if r.name == "one" else Failed("there is none") for r in self.asked}


def reference(name: str = "one") -> str:
    return f"@Microsoft.KeyVault(VaultName=contoso;SecretName={name})"


def problems(
    folder: Path, *keys: str, environment: Mapping[str, str] | None = None
) -> list[Problem]:
    file = write_configuration(folder, configured({"Server": {"ConfirmationKeys": list(keys)}}))
    with pytest.raises(ConfigurationError) as caught:
        load(folder, environment or {}, config_file=file, resolve=Vault())
    return caught.value.problems


def test_each_secret_is_asked_for_once(tmp_path: Path) -> None:
    vault = Vault()
    changes = {"Server": {"ConfirmationKeys": [reference(), reference()], "Title": reference()}}
    file = write_configuration(tmp_path, configured(changes))
    settings, _ = load(tmp_path, {}, config_file=file, resolve=vault)
    assert vault.asked == [Reference(VAULT, "one")]
    assert settings.server.title == KEY
    assert len(settings.confirmation_keys) == 2


def test_without_references_nothing_is_asked_for(tmp_path: Path) -> None:
    vault = Vault()
    load(tmp_path, {}, config_file=write_configuration(tmp_path, configured()), resolve=vault)
    assert vault.asked == []


def test_what_cannot_be_resolved_is_told_by_its_place(tmp_path: Path) -> None:
    found = problems(tmp_path, reference("two"), "@Microsoft.KeyVault(nonsense)")
    told = [(problem.path, problem.text) for problem in found]
    assert ("Server:ConfirmationKeys[0]", "has no value: there is none") in told
    assert any("[1]" in path and "cannot be understood" in text for path, text in told)


def test_without_anyone_to_read_vaults_a_reference_is_an_error(tmp_path: Path) -> None:
    changes = {"Server": {"ConfirmationKeys": [reference()]}}
    with pytest.raises(ConfigurationError, match="nothing reads key vaults here"):
        load(tmp_path, {}, config_file=write_configuration(tmp_path, configured(changes)))


def test_off_functions_a_variable_may_be_a_reference(tmp_path: Path) -> None:
    file = write_configuration(tmp_path, configured())
    variables = {"Server__ConfirmationKeys__0": reference()}
    settings, _ = load(tmp_path, variables, config_file=file, resolve=Vault())
    assert len(settings.confirmation_keys) == 1


def test_on_functions_a_variable_that_still_is_one_was_not_resolved_by_the_platform(
    tmp_path: Path,
) -> None:
    variables = {"Server__ConfirmationKeys__0": reference(), "WEBSITE_INSTANCE_ID": "1"}
    found = problems(tmp_path, environment=variables)
    (problem,) = (p for p in found if "platform" in p.text)
    assert problem.source == "environment variable Server__ConfirmationKeys__0"
    assert "Key Vault Secrets User" in problem.text
    assert "keyVaultReferenceIdentity" in problem.text


def test_on_functions_a_reference_in_the_file_is_read(tmp_path: Path) -> None:
    changes = {"Server": {"ConfirmationKeys": [reference()]}}
    file = write_configuration(tmp_path, configured(changes))
    settings, _ = load(tmp_path, {"WEBSITE_INSTANCE_ID": "1"}, config_file=file, resolve=Vault())
    assert len(settings.confirmation_keys) == 1
