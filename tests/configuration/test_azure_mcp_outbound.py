"""Azure MCP 2.x: client credentials in variables, and the names of its outgoing strategies."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.outbound import (
    Application,
    ClientSecret,
    Deny,
    FederatedIdentity,
    OutboundSettings,
    SignedAssertion,
    UseManagedIdentity,
    UseOnBehalfOf,
    VaultCertificate,
)
from tests.configuration.support import (
    CLIENT_ID,
    PUBLIC_URL,
    SECRET,
    TENANT,
    load_text,
    refused,
)

IDENTITY = "12345678-1234-1234-1234-123456789abc"
STRATEGY = "AzureAd__OutgoingAuthStrategy"
FIRST = "AzureAd__ClientCredentials__0__"
INBOUND = {
    "Server__PublicUrl": PUBLIC_URL,
    "AzureAd__Instance": "https://login.microsoftonline.com/",
    "AzureAd__TenantId": TENANT,
    "AzureAd__ClientId": CLIENT_ID,
    "AzureAd__Audiences__0": PUBLIC_URL,
}


def read(folder: Path, variables: dict[str, str]) -> tuple[OutboundSettings | None, list[str]]:
    settings, report = load_text(folder, "{}", {**INBOUND, **variables})
    assert SECRET not in str(report.problems) + repr(settings)
    return settings.outbound, [problem.path for problem in report.problems]


def entry(**variables: str) -> dict[str, str]:
    return {f"{FIRST}{name}": value for name, value in variables.items()}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (entry(SourceType="ClientSecret", ClientSecret=SECRET), ClientSecret(SECRET)),
        (entry(SourceType="6", ClientSecret=SECRET), ClientSecret(SECRET)),
        (entry(SourceType="clientsecret", ClientSecret=SECRET), ClientSecret(SECRET)),
        (
            entry(
                SourceType="KeyVault",
                KeyVaultUrl="https://contoso.vault.azure.net",
                KeyVaultCertificateName="api",
            ),
            VaultCertificate("https://contoso.vault.azure.net", "api"),
        ),
        (
            entry(
                SourceType="1",
                KeyVaultUrl="https://contoso.vault.azure.net",
                KeyVaultCertificateName="api",
                ManagedIdentityClientId=IDENTITY,
            ),
            VaultCertificate("https://contoso.vault.azure.net", "api", IDENTITY),
        ),
        (
            entry(
                SourceType="SignedAssertionFromManagedIdentity", ManagedIdentityClientId=IDENTITY
            ),
            FederatedIdentity(IDENTITY, "api://AzureADTokenExchange"),
        ),
        (
            entry(SourceType="7", TokenExchangeUrl="api://AzureADTokenExchangeUSGov"),
            FederatedIdentity(None, "api://AzureADTokenExchangeUSGov"),
        ),
        (
            entry(SourceType="8", SignedAssertionFileDiskPath="/var/run/secrets/token"),
            SignedAssertion("/var/run/secrets/token"),
        ),
    ],
)
@pytest.mark.parametrize("strategy", [None, "NotSet", "UseOnBehalfOf"])
def test_client_credentials_mean_on_behalf_of(
    tmp_path: Path, variables: dict[str, str], expected: Any, strategy: str | None
) -> None:
    more = {STRATEGY: strategy} if strategy else {}
    found, warned = read(tmp_path, {**variables, **more})
    assert found is not None
    own = Application("https://login.microsoftonline.com", CLIENT_ID, expected)
    assert found.strategies["user"] == UseOnBehalfOf(own)
    assert isinstance(found.strategies["anonymous"], Deny)
    assert warned == []


@pytest.mark.parametrize("variables", [{}, {STRATEGY: "NotSet"}])
def test_without_credentials_and_strategy_tools_do_not_call_azure(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    assert read(tmp_path, variables) == (None, [])


@pytest.mark.parametrize(
    ("variables", "client_id"), [({}, None), ({"AZURE_CLIENT_ID": IDENTITY}, IDENTITY)]
)
def test_the_hosting_environments_identity(
    tmp_path: Path, variables: dict[str, str], client_id: str | None
) -> None:
    strategy = {STRATEGY: "UseHostingEnvironmentIdentity"}
    found, warned = read(tmp_path, {**variables, **strategy})
    assert found is not None
    for kind in ("user", "application", "key"):
        assert found.strategies[kind] == UseManagedIdentity(client_id)
    assert isinstance(found.strategies["anonymous"], Deny)
    assert warned == []


def test_the_first_credential_of_the_list_is_used(tmp_path: Path) -> None:
    found, warned = read(
        tmp_path,
        {
            **entry(SourceType="SignedAssertionFromManagedIdentity"),
            "AzureAd__ClientCredentials__1__SourceType": "ClientSecret",
            "AzureAd__ClientCredentials__1__ClientSecret": SECRET,
        },
    )
    assert found is not None
    strategy = found.strategies["user"]
    assert isinstance(strategy, UseOnBehalfOf)
    assert isinstance(strategy.application.credential, FederatedIdentity)
    assert warned == ["AzureAd:ClientCredentials[1]"]


def test_credentials_that_the_strategy_does_not_need_are_warned_of(tmp_path: Path) -> None:
    strategy = {STRATEGY: "UseHostingEnvironmentIdentity"}
    secret = entry(SourceType="ClientSecret", ClientSecret=SECRET)
    found, warned = read(tmp_path, {**secret, **strategy})
    assert found is not None
    assert found.strategies["user"] == UseManagedIdentity()
    assert warned == ["AzureAd:ClientCredentials"]


@pytest.mark.parametrize(
    ("variables", "path", "said"),
    [
        (
            entry(SourceType="Path", CertificateDiskPath="/x"),
            "AzureAd:ClientCredentials[0]:SourceType",
            "ClientSecret (6), KeyVault (1), SignedAssertionFromManagedIdentity (7)",
        ),
        (
            entry(SourceType="3"),
            "AzureAd:ClientCredentials[0]:SourceType",
            "Path is not available",
        ),
        (
            entry(SourceType="99"),
            "AzureAd:ClientCredentials[0]:SourceType",
            "99 is not available",
        ),
        (entry(ClientSecret=SECRET), "AzureAd:ClientCredentials[0]:SourceType", "missing"),
        (
            entry(SourceType="ClientSecret"),
            "AzureAd:ClientCredentials[0]:ClientSecret",
            "missing",
        ),
        (
            entry(SourceType="KeyVault", KeyVaultUrl="https://x.example"),
            "AzureAd:ClientCredentials[0]:KeyVaultUrl",
            "not the URI of a key vault",
        ),
        (
            entry(SourceType="KeyVault"),
            "AzureAd:ClientCredentials[0]:KeyVaultCertificateName",
            "missing",
        ),
        (
            entry(SourceType="ClientSecret", ClientSecrt=SECRET),
            "AzureAd:ClientCredentials[0]:ClientSecrt",
            "did you mean ClientSecret?",
        ),
        (
            {STRATEGY: "UseOnBehalfOf"},
            "AzureAd:ClientCredentials[0]",
            "missing",
        ),
        (
            {STRATEGY: "UseManagedIdentity"},
            "AzureAd:OutgoingAuthStrategy",
            "UseHostingEnvironmentIdentity",
        ),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, variables: dict[str, str], path: str, said: str
) -> None:
    problems = refused(tmp_path, "{}", {**INBOUND, **variables})
    found = {problem.path: problem.text for problem in problems}
    assert path in found, found
    assert said in found[path]
    assert SECRET not in str(problems)


def test_a_strategy_and_the_pull_requests_section_exclude_each_other(tmp_path: Path) -> None:
    section = {"outboundAuthentication": {"type": "ManagedIdentity"}}
    for more in ({STRATEGY: "UseHostingEnvironmentIdentity"}, entry(SourceType="6")):
        problems = refused(tmp_path, json.dumps(section), {**INBOUND, **more})
        assert "outboundAuthentication" in {problem.path for problem in problems}
