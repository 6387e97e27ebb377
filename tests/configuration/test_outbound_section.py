"""Section `outboundAuthentication`: what it comes to, and what it is refused for."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.configuration.azure_mcp import AzureAdSection
from shared.configuration.azure_mcp_outbound import ClientCredentialEntry
from shared.configuration.client_credential import KEYS_OF, ClientCredentialSection, KindName
from shared.configuration.model import Settings
from shared.configuration.outbound import (
    Application,
    ClientSecret,
    Deny,
    FederatedIdentity,
    OutboundSettings,
    SignedAssertion,
    UseClientCredentials,
    UseManagedIdentity,
    UseOnBehalfOf,
    UsePassthrough,
    VaultCertificate,
)
from shared.configuration.outbound_section import OutboundSection
from shared.configuration.problems import Report
from shared.configuration.references import Reference
from tests.configuration.support import (
    CLIENT_ID,
    DEVELOPMENT,
    OTHER_TENANT,
    PUBLIC_URL,
    PULL_REQUEST_MANAGED_IDENTITY,
    PULL_REQUEST_ON_BEHALF_OF,
    PULL_REQUEST_PASSTHROUGH,
    SECRET,
    TENANT,
    bearer,
    load_text,
    refused,
)

INSTANCE = "https://login.microsoftonline.com"
IDENTITY = "12345678-1234-1234-1234-123456789abc"
INLINE = {"kind": "ClientSecret", "secret": SECRET}
AT = "outboundAuthentication"
KEYS: dict[str, Any] = {
    "Authentication": {
        "Enabled": True,
        "DefaultScheme": "Keys",
        "Schemes": {"Keys": {"Type": "ApiKey", "AllowInlineKeys": True, "Keys": {SECRET: {}}}},
    },
    "Server": {"PublicUrl": PUBLIC_URL},
}


def text(section: Any, base: dict[str, Any] | None = None) -> str:
    return json.dumps({**(base or bearer()), AT: section}, indent=1)


def read(
    folder: Path, section: Any, environment: dict[str, str] | None = None, **more: Any
) -> tuple[OutboundSettings, list[str]]:
    """The settings, and the paths of the warnings."""
    settings, report = load_text(folder, text(section), environment, **more)
    return outbound(settings), told(report)


def outbound(settings: Settings) -> OutboundSettings:
    assert settings.outbound is not None
    return settings.outbound


def told(report: Report) -> list[str]:
    return [problem.path for problem in report.problems]


def app(credential: Any, instance: str = INSTANCE, client_id: str = CLIENT_ID) -> Application:
    return Application(instance, client_id, credential)


def test_without_the_section_tools_do_not_call_azure(tmp_path: Path) -> None:
    settings, report = load_text(tmp_path, json.dumps(bearer()))
    assert settings.outbound is None
    assert report.problems == []


def test_the_pull_requests_managed_identity(tmp_path: Path) -> None:
    settings, _ = load_text(tmp_path, PULL_REQUEST_MANAGED_IDENTITY, DEVELOPMENT)
    strategies = outbound(settings).strategies
    for kind in ("user", "application", "key"):
        assert strategies[kind] == UseManagedIdentity(IDENTITY)
    assert strategies["anonymous"] == Deny(f"{AT}:anonymous is not set")


def test_the_pull_requests_on_behalf_of(tmp_path: Path) -> None:
    environment = {"Server__PublicUrl": PUBLIC_URL}
    settings, report = load_text(tmp_path, PULL_REQUEST_ON_BEHALF_OF, environment)
    own = app(ClientSecret("your-client-secret"))
    assert outbound(settings).strategies["user"] == UseOnBehalfOf(own)
    assert f"{AT}:clientCredential:secret" in told(report)
    assert "your-client-secret" not in str(report.problems) + repr(settings)


def test_the_pull_requests_passthrough_is_refused_at_each_call(tmp_path: Path) -> None:
    settings, report = load_text(tmp_path, PULL_REQUEST_PASSTHROUGH, DEVELOPMENT)
    names = frozenset({CLIENT_ID, f"api://{CLIENT_ID}"})
    assert outbound(settings).strategies["user"] == UsePassthrough(False, names)
    assert f"{AT}:allowPassthrough" in told(report)


def test_passthrough_with_its_one_extra_line(tmp_path: Path) -> None:
    section = {"type": "JwtPassthrough", "allowPassthrough": True}
    settings, warned = read(tmp_path, section)
    names = frozenset({CLIENT_ID, f"api://{CLIENT_ID}", PUBLIC_URL})
    assert settings.strategies["application"] == UsePassthrough(True, names)
    assert warned == []


@pytest.mark.parametrize(
    "audience",
    [
        "https://graph.microsoft.com",
        "https://management.azure.com/",
        "https://ossrdbms-aad.database.windows.net",
        "https://contoso.vault.azure.net",
        "00000003-0000-0000-c000-000000000000",
        "api://00000002-0000-0ff1-ce00-000000000000",
        "123CD850-d9df-40bd-94d5-c9f07b7fa203",
        "HTTPS://GRAPH.microsoft.com",
        "https://management.core.usgovcloudapi.net/",
        "https://management.core.chinacloudapi.cn",
        "https://dod-graph.microsoft.us",
        "https://shop.blob.core.chinacloudapi.cn",
        "https://search.azure.us",
        "https://management.azure.com:443/",
    ],
)
def test_passing_on_tokens_of_microsofts_own_resources_is_refused(
    tmp_path: Path, audience: str
) -> None:
    section = {"type": "JwtPassthrough", "allowPassthrough": True}
    base = bearer(ValidAudiences=[audience])
    (problem,) = refused(tmp_path, text(section, base))
    assert (problem.path, "Microsoft's own" in problem.text) == (f"{AT}:type", True)


@pytest.mark.parametrize(
    "audience",
    [
        "api://invoices",
        "https://invoices.azurewebsites.net",
        "https://invoices.westeurope.cloudapp.azure.com/mcp",
        "https://contoso.onmicrosoft.com/invoices",
        "https://notmicrosoft.com",
    ],
)
def test_an_audience_of_ones_own_may_be_passed_on(tmp_path: Path, audience: str) -> None:
    section = {"type": "JwtPassthrough", "allowPassthrough": True}
    settings, _ = load_text(tmp_path, text(section, bearer(ValidAudiences=[audience])))
    passed = outbound(settings).strategies["user"]
    assert isinstance(passed, UsePassthrough)
    assert audience in passed.resources


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        (INLINE, ClientSecret(SECRET)),
        (
            {
                "kind": "CertificateKeyVault",
                "keyVaultUrl": "https://Contoso.vault.azure.net/",
                "certificateName": "api",
            },
            VaultCertificate("https://contoso.vault.azure.net", "api"),
        ),
        (
            {
                "kind": "CertificateKeyVault",
                "keyVaultUrl": "https://contoso.vault.azure.net",
                "certificateName": "api",
                "managedIdentityClientId": IDENTITY.upper(),
            },
            VaultCertificate("https://contoso.vault.azure.net", "api", IDENTITY),
        ),
        (
            {"kind": "FederatedManagedIdentity"},
            FederatedIdentity(None, "api://AzureADTokenExchange"),
        ),
        (
            {"kind": "FederatedManagedIdentity", "managedIdentityClientId": IDENTITY},
            FederatedIdentity(IDENTITY, "api://AzureADTokenExchange"),
        ),
        (
            {"kind": "FederatedManagedIdentity", "tokenExchangeUrl": "api://Other/.default"},
            FederatedIdentity(None, "api://Other"),
        ),
        (
            {"kind": "SignedAssertionFile", "assertionFile": "/var/run/secrets/token"},
            SignedAssertion("/var/run/secrets/token"),
        ),
    ],
)
def test_each_kind_of_client_credential(
    tmp_path: Path, credential: dict[str, str], expected: Any
) -> None:
    settings, _ = read(tmp_path, {"type": "JwtObo", "clientCredential": credential})
    assert settings.strategies["user"] == UseOnBehalfOf(app(expected))


def test_an_assertion_is_where_workload_identity_puts_it(tmp_path: Path) -> None:
    section = {"type": "JwtObo", "clientCredential": {"kind": "SignedAssertionFile"}}
    (problem,) = refused(tmp_path, text(section))
    assert problem.path == f"{AT}:clientCredential:assertionFile"
    assert "AZURE_FEDERATED_TOKEN_FILE is not set" in problem.text
    there = {"AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/token"}
    settings, _ = load_text(tmp_path, text(section), there)
    expected = UseOnBehalfOf(app(SignedAssertion("/var/run/secrets/token")))
    assert outbound(settings).strategies["user"] == expected


def test_the_path_of_an_assertion_is_absolute(tmp_path: Path) -> None:
    credential = {"kind": "SignedAssertionFile", "assertionFile": "eyJ-a-token"}
    (problem,) = refused(tmp_path, text({"type": "JwtObo", "clientCredential": credential}))
    assert "is no absolute path" in problem.text
    assert "eyJ" not in str(problem)


@pytest.mark.parametrize(
    ("host", "audience"),
    [
        ("login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
        ("login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
        ("login.chinacloudapi.cn", "api://AzureADTokenExchangeChina"),
    ],
)
def test_each_cloud_has_its_own_audience_for_exchange(
    tmp_path: Path, host: str, audience: str
) -> None:
    section = {"type": "JwtObo", "clientCredential": {"kind": "FederatedManagedIdentity"}}
    base = bearer(Authority=f"https://{host}/{TENANT}")
    settings, _ = load_text(tmp_path, text(section, base))
    strategy = outbound(settings).strategies["user"]
    assert isinstance(strategy, UseOnBehalfOf)
    assert strategy.application.credential == FederatedIdentity(None, audience)


def test_client_credentials_take_tenant_and_application_from_the_scheme(tmp_path: Path) -> None:
    settings, _ = read(tmp_path, {"type": "ClientCredentials", "clientCredential": INLINE})
    assert settings.strategies["key"] == UseClientCredentials(app(ClientSecret(SECRET)), TENANT)


def test_client_credentials_work_without_any_scheme_for_tokens(tmp_path: Path) -> None:
    section = {
        "type": "ClientCredentials",
        "instance": "https://login.microsoftonline.us/",
        "tenantId": OTHER_TENANT.upper(),
        "clientId": IDENTITY,
        "clientCredential": INLINE,
    }
    settings, _ = load_text(tmp_path, text(section, KEYS))
    own = app(ClientSecret(SECRET), "https://login.microsoftonline.us", IDENTITY)
    assert outbound(settings).strategies["key"] == UseClientCredentials(own, OTHER_TENANT)


@pytest.mark.parametrize(
    ("host", "known"), [("login.windows.net", True), ("login.microsoftonline.com.example", False)]
)
def test_a_sign_in_host_that_nobody_knows_is_warned_of(
    tmp_path: Path, host: str, known: bool
) -> None:
    section = {"type": "JwtObo", "clientCredential": INLINE, "instance": f"https://{host}"}
    _, report = load_text(tmp_path, text(section, bearer()))
    warned = [p.text for p in report.problems if p.path == "outboundAuthentication:instance"]
    assert [host in text for text in warned] == ([] if known else [True])


def test_by_caller_takes_names_and_objects_and_denies_what_is_unset(tmp_path: Path) -> None:
    section = {
        "type": "ByCaller",
        "user": {"type": "JwtObo", "clientCredential": INLINE},
        "application": "ManagedIdentity",
        "anonymous": "Deny",
    }
    settings, _ = read(tmp_path, section)
    assert settings.strategies == {
        "user": UseOnBehalfOf(app(ClientSecret(SECRET))),
        "application": UseManagedIdentity(),
        "key": Deny(f"{AT}:key is not set"),
        "anonymous": Deny(f"{AT}:anonymous is Deny"),
    }


def test_anonymous_callers_get_something_only_when_it_says_so(tmp_path: Path) -> None:
    section = {"type": "ManagedIdentity", "anonymous": {"type": "ManagedIdentity"}}
    settings, _ = read(tmp_path, section)
    assert settings.strategies["anonymous"] == UseManagedIdentity()


def test_an_empty_variable_does_not_turn_one_identity_into_another(tmp_path: Path) -> None:
    section = {"type": "ByCaller", "key": {"type": "ManagedIdentity", "clientId": IDENTITY}}
    environment = {f"{AT}__key__clientId": ""}
    (problem,) = refused(tmp_path, text(section), environment)
    assert problem.path == f"{AT}:key:clientId"
    assert problem.source == f"environment variable {AT}__key__clientId"


def test_keys_match_in_any_case_and_variables_do_for_all_of_it(tmp_path: Path) -> None:
    section = {
        "Type": "ByCaller",
        "User": {"TYPE": "ManagedIdentity"},
        "CLAIMSCHALLENGE": "http401",
    }
    settings, _ = read(tmp_path, section)
    assert settings.strategies["user"] == UseManagedIdentity()
    assert settings.claims_challenge == "http401"
    variables = {
        f"{AT}__type": "JwtObo",
        f"{AT}__clientCredential__kind": "ClientSecret",
        f"{AT}__clientCredential__secret": SECRET,
    }
    loaded, report = load_text(tmp_path, json.dumps(bearer()), variables)
    assert outbound(loaded).strategies["user"] == UseOnBehalfOf(app(ClientSecret(SECRET)))
    assert report.problems == []


def test_a_secret_in_a_file_is_warned_of_outside_development(tmp_path: Path) -> None:
    section = {"type": "JwtObo", "clientCredential": INLINE}
    _, report = load_text(tmp_path, text(section))
    (warning,) = report.problems
    assert (warning.level, warning.path) == ("warning", f"{AT}:clientCredential:secret")
    assert "FederatedManagedIdentity" in warning.text
    assert SECRET not in str(warning)
    assert read(tmp_path, section, DEVELOPMENT)[1] == []


def test_a_secret_that_is_a_reference_is_resolved_and_not_warned_of(tmp_path: Path) -> None:
    reference = "@Microsoft.KeyVault(VaultName=contoso;SecretName=api)"
    section = {"type": "JwtObo", "clientCredential": {"kind": "ClientSecret", "secret": reference}}
    settings, warned = read(tmp_path, section, resolve=lambda asked: dict.fromkeys(asked, SECRET))
    where = Reference("https://contoso.vault.azure.net", "api")
    assert settings.strategies["user"] == UseOnBehalfOf(app(ClientSecret(SECRET, where)))
    assert warned == []
    assert SECRET not in repr(settings)


def test_the_developers_login_is_for_development(tmp_path: Path) -> None:
    section = {"type": "ManagedIdentity"}
    assert not read(tmp_path, section, DEVELOPMENT)[0].azure_login
    assert read(tmp_path, section, DEVELOPMENT, use_azure_login=True)[0].azure_login
    assert not read(tmp_path, section, use_azure_login=True)[0].azure_login


@pytest.mark.parametrize(
    ("section", "path", "said"),
    [
        ({}, "type", "missing"),
        ({"type": "Obo"}, "type", "expected"),
        ({"type": "jwtobo"}, "type", "expected"),
        ({"type": "ManagedIdentity", "clientId": "x"}, "clientId", "is no id"),
        ({"type": "ManagedIdentity", "cliendId": IDENTITY}, "cliendId", "did you mean clientId?"),
        ({"type": "ManagedIdentity", "clientCredential": INLINE}, "clientCredential", "means"),
        ({"type": "ManagedIdentity", "tenantId": TENANT}, "tenantId", "means nothing with type"),
        ({"type": "ManagedIdentity", "allowPassthrough": True}, "allowPassthrough", "means"),
        ({"type": "ManagedIdentity", "user": "Deny"}, "user", "means nothing with type"),
        ({"type": "JwtObo"}, "clientCredential", "CertificateKeyVault"),
        ({"type": "JwtObo", "clientCredential": {}}, "clientCredential:kind", "missing"),
        ({"type": "JwtObo", "clientCredential": "x"}, "clientCredential", "expected"),
        (
            {"type": "JwtObo", "clientCredential": {"kind": "ClientSecret"}},
            "clientCredential:secret",
            "missing",
        ),
        (
            {"type": "JwtObo", "clientCredential": {"kind": "CertificateKeyVault"}},
            "clientCredential:certificateName",
            "missing",
        ),
        (
            {
                "type": "JwtObo",
                "clientCredential": {
                    "kind": "CertificateKeyVault",
                    "keyVaultUrl": "https://contoso.example",
                    "certificateName": "x",
                },
            },
            "clientCredential:keyVaultUrl",
            "not the URI of a key vault",
        ),
        (
            {"type": "JwtObo", "clientCredential": {**INLINE, "certificateName": "x"}},
            "clientCredential:certificateName",
            "means nothing with kind ClientSecret",
        ),
        (
            {
                "type": "JwtObo",
                "clientCredential": {
                    "kind": "FederatedManagedIdentity",
                    "managedIdentityClientId": "x",
                },
            },
            "clientCredential:managedIdentityClientId",
            "is no id",
        ),
        (
            {"type": "ClientCredentials", "clientCredential": INLINE, "instance": "ftp://x"},
            "instance",
            "cannot be used",
        ),
        (
            {"type": "ByCaller", "clientId": IDENTITY},
            "clientId",
            "means nothing with type ByCaller",
        ),
        ({"type": "ByCaller", "user": "ByCaller"}, "user", "expected"),
        ({"type": "ByCaller", "usr": "Deny"}, "usr", "did you mean user?"),
        ({"type": "ByCaller", "key": "JwtObo"}, "key", "exchanges a user's token"),
        (
            {"type": "ByCaller", "application": {"type": "JwtObo", "clientCredential": INLINE}},
            "application",
            "exchanges a user's token",
        ),
        ({"type": "ByCaller", "anonymous": "JwtPassthrough"}, "anonymous", "sends a token on"),
        ({"type": "ByCaller", "user": {"type": "JwtObo"}}, "user:clientCredential", "missing"),
        ({"type": "ManagedIdentity", "clientId": ""}, "clientId", "is empty"),
        (
            {"type": "ByCaller", "key": {"type": "ManagedIdentity", "clientId": ""}},
            "key:clientId",
            "is empty",
        ),
        (
            {"type": "ClientCredentials", "tenantId": "", "clientCredential": INLINE},
            "tenantId",
            "is empty",
        ),
        (
            {
                "type": "JwtObo",
                "clientCredential": {
                    "kind": "FederatedManagedIdentity",
                    "managedIdentityClientId": "",
                },
            },
            "clientCredential:managedIdentityClientId",
            "is empty",
        ),
        ({"type": "Deny", "claimsChallenge": "http403"}, "claimsChallenge", "http401"),
        ("ManagedIdentity", "", "expected"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_path(
    tmp_path: Path, section: Any, path: str, said: str
) -> None:
    problems = refused(tmp_path, text(section))
    found = {problem.path: problem.text for problem in problems}
    at = f"{AT}:{path}" if path else AT
    assert at in found, found
    assert said in found[at]
    assert SECRET not in str(problems)


@pytest.mark.parametrize("type", ["JwtObo", "JwtPassthrough"])
def test_what_needs_tokens_needs_a_scheme_that_takes_them(tmp_path: Path, type: str) -> None:
    section: dict[str, Any] = {"type": type}
    if type == "JwtObo":
        section |= {"clientId": CLIENT_ID, "clientCredential": INLINE}
    (problem,) = refused(tmp_path, text(section, KEYS))
    assert problem.path == f"{AT}:type"


def test_an_application_and_a_tenant_have_to_be_known(tmp_path: Path) -> None:
    section = {"type": "ClientCredentials", "clientCredential": INLINE}
    problems = refused(tmp_path, text(section, KEYS))
    assert [p.path for p in problems] == [f"{AT}:clientId", f"{AT}:tenantId"]
    (problem,) = refused(tmp_path, text({**section, "clientId": CLIENT_ID}, KEYS))
    assert problem.path == f"{AT}:tenantId"


def test_ids_are_looked_at_whatever_the_credential_lacks(tmp_path: Path) -> None:
    credential = {"kind": "ClientSecret"}
    section = {"type": "ClientCredentials", "clientId": "x", "tenantId": "y"}
    problems = refused(tmp_path, text({**section, "clientCredential": credential}))
    paths = ["clientId", "clientCredential:secret", "tenantId"]
    assert [p.path for p in problems] == [f"{AT}:{path}" for path in paths]


def test_several_tenants_need_one_named_for_the_application(tmp_path: Path) -> None:
    section = {"type": "ClientCredentials", "clientCredential": INLINE}
    base = bearer(Authority=f"{INSTANCE}/organizations", AllowedTenants=[TENANT, OTHER_TENANT])
    (problem,) = refused(tmp_path, text(section, base))
    assert problem.path == f"{AT}:tenantId"
    load_text(tmp_path, text({**section, "tenantId": TENANT}, base))


def test_a_placeholder_is_told(tmp_path: Path) -> None:
    section = {"type": "ManagedIdentity", "clientId": "{client-id}"}
    problems = refused(tmp_path, text(section))
    assert any("placeholder" in problem.text for problem in problems)


def test_every_kind_knows_its_keys() -> None:
    assert set(KEYS_OF) == set(get_args(KindName))


@pytest.mark.parametrize(
    "section",
    [
        {"type": "ManagedIdentity", "clientId": SECRET},
        {"type": "JwtObo", "clientId": SECRET, "clientCredential": INLINE},
        {"type": "ClientCredentials", "tenantId": SECRET, "clientCredential": INLINE},
        {
            "type": "JwtObo",
            "clientCredential": {
                "kind": "FederatedManagedIdentity",
                "managedIdentityClientId": SECRET,
            },
        },
    ],
)
def test_a_secret_in_the_place_of_an_id_is_not_told(
    tmp_path: Path, section: dict[str, Any]
) -> None:
    problems = refused(tmp_path, text(section))
    assert "the value is no id" in str(problems)
    assert SECRET not in str(problems)


def test_no_secret_is_in_the_repr_of_what_is_read() -> None:
    read = OutboundSection(
        "JwtObo", client_credential=ClientCredentialSection("ClientSecret", SECRET)
    )
    entry = ClientCredentialEntry("ClientSecret", SECRET)
    assert SECRET not in repr(read) + repr(entry) + repr(AzureAdSection(client_credentials=[entry]))
