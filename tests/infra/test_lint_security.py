"""Roles are what they are called, secrets go nowhere, nothing is left open."""

from pathlib import Path

import pytest

from infra.lint.secrets import is_secret
from tests.infra.lint_sample import assert_found, break_one

MAIN, APP = "main.bicep", "app.bicep"
OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        (OWNER, OWNER[:-1] + "c", "var blobData", "is the id of nothing that is known"),
        (OWNER, PUBLISHER, "var blobData", "is Monitoring Metrics Publisher, and nothing"),
        ("// Storage Blob Data Owner: for", "// For", "var blobData", "nothing beside it says so"),
        ("guid(account.id, identity.id,", "format('{0}{1}',", "resource reads", "is no guid("),
        ("  scope: account\n", "", "resource reads", "on the whole resource group"),
        ("roleDefinitions'", "roleDefs'", "resource reads", "is no roleDefinitions id"),
    ],
)
def test_a_wrong_role_is_found(sample: Path, old: str, new: str, at: str, said: str) -> None:
    assert_found(sample, APP, old, new, at, said)


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("@secure()\n", "", "param adminPassword", "adminPassword sounds like a secret"),
        ("Password string", "Password string = 'x'", "param admin", "has a default"),
        ("'https://${site", "'${adminPassword}${site", "output url", "output url tells a secret"),
        ("output url", "output apiKey", "output apiKey", "output apiKey sounds like a secret"),
        ("join(names, ',')", "account.listKeys().keys[0].value", "listKeys", "reads keys"),
        ("join(names, ',')", "listAccountSas('x', 'y').z", "listAccountSas", "reads keys"),
        ("join(names, ',')", "listCredentials('x', 'y').z", "listCredentials", "reads keys"),
        ("'@Microsoft.Key", "'Microsoft.Key", "Server__Conf", "holds a secret in clear"),
        ("Server__ConfirmationKeys__0:", "PLAIN: adminPassword\n    X:", "PLAIN", "PLAIN holds"),
        ("'Bearer'", "adminPassword", "DefaultScheme:", "DefaultScheme holds a secret in clear"),
    ],
)
def test_a_secret_that_gets_out_is_found(
    sample: Path, old: str, new: str, at: str, said: str
) -> None:
    assert_found(sample, APP, old, new, at, said)


def test_a_variable_made_of_a_secret_is_one(sample: Path) -> None:
    break_one(sample, APP, "password: adminPassword", "password: copy")
    break_one(sample, APP, "resource account", "var copy = '${adminPassword}!'\n\nresource account")
    said = "output url tells a secret"
    assert_found(sample, APP, "'https://${site", "'${copy}${site", "output url", said)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("adminPassword", True),
        ("clientSecret", True),
        ("storageKey", True),
        ("accessToken", True),
        ("ConfirmationKeys", True),
        ("StorageConnectionString", True),
        ("keyVaultUri", False),
        ("keyVaultName", False),
        ("tokenVersion", False),
        ("TokenScope", False),
        ("SecretName", False),
        ("location", False),
    ],
)
def test_what_sounds_like_a_secret(name: str, secret: bool) -> None:
    assert is_secret(name) == secret


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("KeyAccess: false", "KeyAccess: true", "KeyAccess: true", "KeyAccess is not false"),
        (
            "KeyAccess: false",
            "KeyAccess: !privateNetwork",
            "KeyAccess: !",
            "allowSharedKeyAccess is not false",
        ),
        ("    allowSharedKeyAccess: false\n", "", "resource account", "does not say properties.a"),
        ("PublicAccess: false", "PublicAccess: true", "PublicAccess: true", "is not false"),
        ("'TLS1_2'", "'TLS1_0'", "'TLS1_0'", "minimumTlsVersion is not '1.2'"),
        ("'1.2'", "'1.1'", "'1.1'", "minTlsVersion is not '1.2'"),
        ("privateNetwork ? 'Disabled' : ", "", "publicNetworkAccess", "is Enabled whatever"),
        ("httpsOnly: true", "httpsOnly: false", "httpsOnly", "httpsOnly is not true"),
        ("    httpsOnly: true\n", "", "resource site", "site does not say properties.httpsOnly"),
        (
            "'Disabled'\n      cors",
            "'AllAllowed'\n      cors",
            "ftpsState",
            "ftpsState is not 'Disabled'",
        ),
        ("'https://example.com'", "'*'", "'*'", "CORS for every origin"),
        (
            "encryption:",
            "disableLocalAuth: false\n    encryption:",
            "disableLocalAuth",
            "is not true",
        ),
    ],
)
def test_what_is_left_open_is_found(sample: Path, old: str, new: str, at: str, said: str) -> None:
    assert_found(sample, APP, old, new, at, said)
