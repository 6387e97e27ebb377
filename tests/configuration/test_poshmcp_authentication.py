"""PoshMcp's section `Authentication`: read as its guide writes it, refused where unsafe."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.model import (
    AuthenticationSettings,
    Cors,
    EntraScheme,
    KeyVaultKeys,
    ProtectedResource,
    Requirement,
)
from tests.configuration.support import (
    CLIENT_ID,
    DEVELOPMENT,
    GUIDE_API_KEYS,
    GUIDE_ENTRA,
    OTHER_TENANT,
    PUBLIC_URL,
    SECRET,
    TENANT,
    V1_ISSUER,
    V2_ISSUER,
    bearer,
    load_text,
    refused,
    warnings,
)
from tests.support import OPS_KEY, READER_KEY, configured

VAULT = {"VaultUri": "https://contoso.vault.azure.net/"}


def scheme(**changes: Any) -> dict[str, Any]:
    return {"Authentication": {"Schemes": {"ApiKey": changes}}}


def text_of(changes: dict[str, Any]) -> str:
    return json.dumps(configured(changes), indent=1)


def authentication(folder: Path, changes: dict[str, Any]) -> AuthenticationSettings:
    return load_text(folder, text_of(changes))[0].authentication


def names(requirement: Requirement) -> tuple[object, object, object]:
    scopes, roles = requirement.scopes, requirement.roles
    return scopes and scopes.names, roles and roles.names, requirement.allow_anonymous


# The guide


def test_the_guides_api_keys_work_verbatim_in_development(tmp_path: Path) -> None:
    settings, report = load_text(tmp_path, GUIDE_API_KEYS, DEVELOPMENT, port=7071)
    assert report.problems == []
    assert settings.authentication.enabled
    (found,) = settings.authentication.key_schemes
    assert (found.name, found.header) == ("ApiKey", "X-API-Key")
    assert [(key.id, key.digest, sorted(key.roles)) for key in found.keys] == [
        ("ApiKey-1", hashlib.sha256(b"key-reader").digest(), ["reader"]),
        ("ApiKey-2", hashlib.sha256(b"key-ops").digest(), ["ops", "reader"]),
    ]
    policy = settings.authentication.default_policy
    assert names(policy) == (frozenset(), {"reader"}, False)
    assert policy.roles is not None
    assert policy.roles.written == "Authentication:DefaultPolicy:RequiredRoles (settings.json:8)"


def test_the_guides_api_keys_are_refused_outside_development(tmp_path: Path) -> None:
    found = refused(tmp_path, GUIDE_API_KEYS, {"WEBSITE_HOSTNAME": "app.azurewebsites.net"})
    at = "Authentication:Schemes:ApiKey:Keys"
    assert [(problem.path, problem.source) for problem in found] == [
        (at, "settings.json:14"),
        (f"{at}[#1]", "settings.json:15"),
        (f"{at}[#2]", "settings.json:19"),
    ]
    assert "AllowInlineKeys" in found[0].text
    assert all("example of a public guide" in problem.text for problem in found[1:])
    assert not any(key in str(p) for p in found for key in ("key-reader", "key-ops"))


@pytest.mark.parametrize("environment", [{}, DEVELOPMENT])
def test_the_guides_entra_json_is_refused_with_all_reasons(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    told = {problem.path: problem for problem in refused(tmp_path, GUIDE_ENTRA, environment)}
    placeholders = {path: p.source for path, p in told.items() if "placeholder" in p.text}
    assert placeholders == {
        "Authentication:Schemes:Bearer:Authority": "settings.json:12",
        "Authentication:Schemes:Bearer:ValidIssuers[0]": "settings.json:15",
        "Authentication:ProtectedResource:AuthorizationServers[0]": "settings.json:21",
    }


GUIDE_WITH_TENANT = GUIDE_ENTRA.replace("{tenant-id}", TENANT)
WHERE_IT_RUNS = {"WEBSITE_HOSTNAME": "poshmcp.example.com"}


def test_the_guides_entra_json_works_with_its_placeholder_replaced(tmp_path: Path) -> None:
    settings, report = load_text(tmp_path, GUIDE_WITH_TENANT, WHERE_IT_RUNS)
    found = settings.authentication.entra
    assert found is not None
    assert found.authority == f"https://login.microsoftonline.com/{TENANT}"
    assert found.issuers == {V2_ISSUER: TENANT}
    assert found.audiences == ("api://poshmcp-prod",)
    assert names(settings.authentication.default_policy) == (
        {"api://poshmcp-prod/access_as_server"},
        None,
        False,
    )
    assert settings.authentication.protected_resource == ProtectedResource(
        "api://poshmcp-prod",
        "PoshMcp Server",
        (f"https://login.microsoftonline.com/{TENANT}",),
        ("api://poshmcp-prod/access_as_server",),
        ("header",),
    )
    told = {problem.path: problem for problem in report.problems}
    assert {problem.level for problem in report.problems} == {"warning"}
    assert {path: problem.source for path, problem in told.items()} == {
        "Authentication:Schemes:Bearer:ValidIssuers": "settings.json:15",
        "Authentication:ProtectedResource:Resource": "settings.json:19",
        "Authentication:ProtectedResource:AuthorizationServers[0]": "settings.json:21",
    }
    line = '"ClientId": "<application (client) id>"'
    assert line in told["Authentication:Schemes:Bearer:ValidIssuers"].text


def test_the_line_that_the_guide_lacks_is_the_one_that_start_up_names(tmp_path: Path) -> None:
    text = GUIDE_WITH_TENANT.replace('"Audience"', f'"ClientId": "{CLIENT_ID}",\n"Audience"')
    settings, report = load_text(tmp_path, text, WHERE_IT_RUNS)
    assert settings.authentication.entra is not None
    assert settings.authentication.entra.audiences == ("api://poshmcp-prod", CLIENT_ID)
    assert not any("no token can match" in problem.text for problem in report.problems)


# Schemes for tokens


EVERY_KEY: dict[str, Any] = {
    "Authentication": {
        "Enabled": True,
        "DefaultScheme": "Entra",
        "AdditionalSchemes": [],
        "DefaultPolicy": {
            "RequireAuthentication": True,
            "RequiredScopes": ["read"],
            "RequiredRoles": ["reader"],
        },
        "Schemes": {
            "Entra": {
                "Type": "JwtBearer",
                "Authority": f"https://login.microsoftonline.com/{TENANT}/v2.0",
                "Audience": PUBLIC_URL,
                "ValidAudiences": ["api://other"],
                "ValidIssuers": [V1_ISSUER, V2_ISSUER],
                "RequireHttpsMetadata": True,
                "ClaimsMapping": {
                    "ScopeClaim": "scope",
                    "RoleClaim": "groups",
                    "NameClaim": "preferred_username",
                },
                "ClientId": CLIENT_ID,
                "AllowedTenants": [TENANT],
                "AllowedClientIds": [OTHER_TENANT],
                "ApplicationGrants": {OTHER_TENANT: {"Roles": ["reader"]}},
                "ApplicationRoles": {"read": ["Read.All"]},
                "Algorithms": ["PS256"],
                "ClockSkewSeconds": 5,
                "SigningKeyRefreshSeconds": 600,
                "SigningKeyOutageSeconds": 7200,
            }
        },
        "ProtectedResource": {
            "Resource": PUBLIC_URL,
            "ResourceName": "Mine",
            "AuthorizationServers": [PUBLIC_URL],
            "ScopesSupported": [f"{PUBLIC_URL}/read"],
            "BearerMethodsSupported": ["header"],
            "ServeAuthorizationServerMetadata": True,
        },
        "Cors": {"AllowedOrigins": ["https://app.example.com"], "AllowCredentials": True},
        "OAuthProxy": {"Enabled": False, "TenantId": TENANT, "ClientId": CLIENT_ID, "Audience": ""},
        "ListTools": "callable",
    },
    "Server": {"PublicUrl": PUBLIC_URL},
}


def test_every_key_of_a_scheme_for_tokens_is_read(tmp_path: Path) -> None:
    settings, report = load_text(tmp_path, json.dumps(EVERY_KEY))
    found = settings.authentication
    assert report.problems == []
    assert found.entra == EntraScheme(
        name="Entra",
        authority=f"https://login.microsoftonline.com/{TENANT}",
        tenants=frozenset({TENANT}),
        issuers={V1_ISSUER: TENANT, V2_ISSUER: TENANT},
        audiences=(PUBLIC_URL, "api://other", CLIENT_ID),
        client_id=CLIENT_ID,
        algorithms=("PS256",),
        require_https=True,
        scope_claim="scope",
        role_claim="groups",
        name_claim="preferred_username",
        allowed_client_ids=frozenset({OTHER_TENANT}),
        application_grants={OTHER_TENANT: frozenset({"reader"})},
        clock_skew_seconds=5,
        key_refresh_seconds=600,
        key_outage_seconds=7200,
    )
    assert found.application_roles == {"read": frozenset({"Read.All"})}
    assert names(found.default_policy) == ({"read"}, {"reader"}, False)
    assert found.protected_resource == ProtectedResource(
        PUBLIC_URL, "Mine", (PUBLIC_URL,), (f"{PUBLIC_URL}/read",), ("header",), True
    )
    assert found.cors == Cors(frozenset({"https://app.example.com"}), True)
    assert found.key_schemes == ()


def test_keys_of_a_scheme_for_tokens_match_in_any_case(tmp_path: Path) -> None:
    lowered = json.dumps(EVERY_KEY).replace('"Schemes"', '"schemes"').replace('"Type"', '"type"')
    for key in ("ClientId", "ValidIssuers", "AllowedTenants", "ServeAuthorizationServerMetadata"):
        lowered = lowered.replace(f'"{key}"', f'"{key.lower()}"')
    expected = load_text(tmp_path, json.dumps(EVERY_KEY))[0].authentication
    assert load_text(tmp_path, lowered)[0].authentication.entra == expected.entra


def test_a_scheme_without_a_type_takes_tokens(tmp_path: Path) -> None:
    settings, _ = load_text(tmp_path, json.dumps(bearer(Type=None)))
    assert settings.authentication.entra is not None


@pytest.mark.parametrize(
    ("name", "value", "attribute", "read"),
    [
        ("ClientId", OTHER_TENANT, "client_id", OTHER_TENANT),
        ("Audience", "api://x", "audiences", ("api://x", CLIENT_ID)),
        ("ValidAudiences__0", "api://x", "audiences", (PUBLIC_URL, "api://x", CLIENT_ID)),
        ("ValidIssuers__0", V1_ISSUER, "issuers", {V1_ISSUER: TENANT}),
        ("AllowedClientIds__0", OTHER_TENANT, "allowed_client_ids", {OTHER_TENANT}),
        (
            f"ApplicationGrants__{OTHER_TENANT}__Roles__0",
            "reader",
            "application_grants",
            {OTHER_TENANT: {"reader"}},
        ),
        ("Algorithms__0", "PS256", "algorithms", ("PS256",)),
        ("ClockSkewSeconds", "7.5", "clock_skew_seconds", 7.5),
        ("SigningKeyRefreshSeconds", "90", "key_refresh_seconds", 90),
        ("ClaimsMapping__NameClaim", "upn", "name_claim", "upn"),
    ],
)
def test_a_variable_overrides_a_key_of_the_scheme(
    tmp_path: Path, name: str, value: str, attribute: str, read: object
) -> None:
    environment = {f"Authentication__Schemes__Bearer__{name}": value}
    settings, _ = load_text(tmp_path, json.dumps(bearer()), environment)
    assert getattr(settings.authentication.entra, attribute) == read


def test_a_scheme_can_come_from_variables_alone(tmp_path: Path) -> None:
    scheme = "Authentication__Schemes__Bearer"
    environment = {
        "Authentication__Enabled": "true",
        f"{scheme}__Authority": f"https://login.microsoftonline.com/{TENANT}",
        f"{scheme}__ClientId": CLIENT_ID,
        f"{scheme}__ValidAudiences__0": PUBLIC_URL,
        "Server__PublicUrl": PUBLIC_URL,
    }
    settings, report = load_text(tmp_path, "{}", environment)
    assert report.problems == []
    assert (
        settings.authentication.entra
        == load_text(tmp_path, json.dumps(bearer()))[0].authentication.entra
    )


def test_a_wrong_variable_of_a_scheme_is_named(tmp_path: Path) -> None:
    name = "Authentication__Schemes__Bearer__ClientId"
    (found,) = refused(tmp_path, json.dumps(bearer()), {name: "mine"})
    assert found.path == "Authentication:Schemes:Bearer:ClientId"
    assert found.source == f"environment variable {name}"


@pytest.mark.parametrize(
    ("keys", "path", "told"),
    [
        ({"Authority": 5}, "Authority", "5 is an integer; expected a string"),
        ({"Audience": ["api://x"]}, "Audience", "is a list; expected a string"),
        ({"ClientId": {}}, "ClientId", "is an object; expected a string"),
        ({"ValidAudiences": "api://x"}, "ValidAudiences", "expected a list, each a string"),
        ({"ValidIssuers": V2_ISSUER}, "ValidIssuers", "expected a list, each a string"),
        ({"ValidIssuers": [None]}, "ValidIssuers[0]", "is null; expected a string"),
        ({"RequireHttpsMetadata": "no"}, "RequireHttpsMetadata", "expected true or false"),
        ({"ClaimsMapping": []}, "ClaimsMapping", "is a list; expected an object"),
        ({"ClaimsMapping": {"Scope": "x"}}, "ClaimsMapping:Scope", "did you mean ScopeClaim?"),
        ({"AllowedTenants": TENANT}, "AllowedTenants", "expected a list"),
        ({"ApplicationGrants": [CLIENT_ID]}, "ApplicationGrants", "is a list"),
        (
            {"ApplicationGrants": {CLIENT_ID: ["reader"]}},
            f"ApplicationGrants:{CLIENT_ID}",
            "is a list; expected an object",
        ),
        ({"ApplicationRoles": {"read": "r"}}, "ApplicationRoles:read", "expected a list"),
        ({"Type": "OpenIdConnect"}, "Type", 'expected "ApiKey" or "JwtBearer"'),
        ({"Type": "jwtbearer"}, "Type", 'expected "ApiKey" or "JwtBearer"'),
        ({"ValidAudience": ["x"]}, "ValidAudience", "did you mean ValidAudiences?"),
        ({"ValidIssuer": V2_ISSUER}, "ValidIssuer", "did you mean ValidIssuers?"),
        ({"ClientID_": CLIENT_ID}, "ClientID_", "did you mean ClientId?"),
    ],
)
def test_a_wrong_kind_is_refused_with_what_is_expected(
    tmp_path: Path, keys: dict[str, Any], path: str, told: str
) -> None:
    (found,) = refused(tmp_path, json.dumps(bearer(**keys), indent=1))
    assert found.path == f"Authentication:Schemes:Bearer:{path}"
    assert told in found.text
    assert found.source.startswith("settings.json:")


def test_a_second_scheme_for_tokens_is_refused(tmp_path: Path) -> None:
    changed = bearer()
    section = changed["Authentication"]
    section["Schemes"]["Second"] = section["Schemes"]["Bearer"]
    section["AdditionalSchemes"] = ["second"]
    (found,) = refused(tmp_path, json.dumps(changed, indent=1))
    assert found.path == "Authentication:Schemes:Second"
    assert "besides Bearer" in found.text
    assert "AllowedTenants" in found.text
    section["AdditionalSchemes"] = []
    (unused,) = load_text(tmp_path, json.dumps(changed))[1].problems
    assert unused.path == "Authentication:Schemes:Second"


def test_tokens_and_keys_are_taken_side_by_side(tmp_path: Path) -> None:
    changed = configured(bearer())
    changed["Authentication"]["AdditionalSchemes"] = ["ApiKey"]
    settings, report = load_text(tmp_path, json.dumps(changed))
    assert report.problems == []
    assert settings.authentication.entra is not None
    assert [found.name for found in settings.authentication.key_schemes] == ["ApiKey"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("HeaderName", "X-Key"),
        ("Keys", {SECRET: {}}),
        ("KeyVault", VAULT),
        ("AllowInlineKeys", True),
    ],
)
def test_what_concerns_keys_has_no_effect_on_tokens(
    tmp_path: Path, key: str, value: object
) -> None:
    _, report = load_text(tmp_path, json.dumps(bearer(**{key: value}), indent=1))
    (told,) = report.problems
    assert (told.level, told.path) == ("warning", f"Authentication:Schemes:Bearer:{key}")
    assert "for schemes of type ApiKey" in told.text
    assert SECRET not in str(told)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Authority", f"https://login.microsoftonline.com/{TENANT}"),
        ("AllowedClientIds", [CLIENT_ID]),
        ("AllowedTenants", [TENANT]),
        ("ApplicationRoles", {"read": ["Read.All"]}),
    ],
)
def test_what_concerns_tokens_has_no_effect_on_keys(
    tmp_path: Path, key: str, value: object
) -> None:
    _, report = load_text(tmp_path, text_of(scheme(**{key: value})))
    (told,) = report.problems
    assert (told.level, told.path) == ("warning", f"Authentication:Schemes:ApiKey:{key}")
    assert "for schemes of type JwtBearer" in told.text


def test_the_proxy_is_refused_with_the_alternative(tmp_path: Path) -> None:
    changed = bearer()
    proxy = {"Enabled": True, "TenantId": TENANT, "ClientId": CLIENT_ID, "Audience": "api://x"}
    changed["Authentication"]["OAuthProxy"] = proxy
    (found,) = refused(tmp_path, json.dumps(changed, indent=1))
    assert found.path == "Authentication:OAuthProxy:Enabled"
    assert "App ID URI equal to Server:PublicUrl" in found.text
    assert "AADSTS9010010" in found.text


# Protected resource


def test_a_resource_without_tokens_is_not_used(tmp_path: Path) -> None:
    text = text_of({"Authentication": {"ProtectedResource": {"Resource": "api://x"}}})
    (told,) = load_text(tmp_path, text)[1].problems
    assert (told.level, told.path) == ("warning", "Authentication:ProtectedResource")


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("Resource", "poshmcp", "Resource"),
        ("Resource", "/mcp", "Resource"),
        ("Resource", "https://mcp.example.com/m cp", "Resource"),
        ("Resource", "", "Resource"),
        ("AuthorizationServers", ["login"], "AuthorizationServers[0]"),
        ("AuthorizationServers", [V2_ISSUER, ""], "AuthorizationServers[1]"),
        ("AuthorizationServers", V2_ISSUER, "AuthorizationServers"),
        ("ScopesSupported", "read", "ScopesSupported"),
        ("ServeAuthorizationServerMetadata", "maybe", "ServeAuthorizationServerMetadata"),
        ("Ressource", "https://mcp.example.com/mcp", "Ressource"),
    ],
)
def test_a_resource_that_cannot_be_published_is_refused(
    tmp_path: Path, key: str, value: object, path: str
) -> None:
    changed = bearer()
    changed["Authentication"]["ProtectedResource"] = {key: value}
    (found,) = refused(tmp_path, json.dumps(changed, indent=1))
    assert found.path == f"Authentication:ProtectedResource:{path}"
    assert "expected" in found.text or "did you mean Resource?" in found.text


# Keys


@pytest.mark.parametrize("key", ["x" * 31, "a", ""])
def test_a_short_key_is_refused_outside_development(tmp_path: Path, key: str) -> None:
    found = refused(tmp_path, text_of(scheme(Keys={key: {}})))
    assert [problem.path for problem in found] == ["Authentication:Schemes:ApiKey:Keys[#3]"]


def test_a_refused_key_says_how_long_it_must_be(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, text_of(scheme(Keys={"x" * 31: {}})))
    assert "is 31 characters long; expected at least 32" in found.text
    assert load_text(tmp_path, text_of(scheme(Keys={"x" * 32: {}})))


def test_keys_in_a_file_need_to_be_allowed_outside_development(tmp_path: Path) -> None:
    text = text_of(scheme(AllowInlineKeys=False))
    (found,) = refused(tmp_path, text)
    assert found.path == "Authentication:Schemes:ApiKey:Keys"
    assert "AllowInlineKeys" in found.text
    assert load_text(tmp_path, text, DEVELOPMENT)
    assert load_text(tmp_path, text, {"Authentication__Schemes__ApiKey__AllowInlineKeys": "true"})


@pytest.mark.parametrize("key", [f"{SECRET} x", f"{SECRET}é", f"{SECRET}\n", f"{SECRET}\x7f"])
def test_a_key_no_header_can_carry_is_refused(tmp_path: Path, key: str) -> None:
    for environment in ({}, DEVELOPMENT):
        (found,) = refused(tmp_path, text_of(scheme(Keys={key: {}})), environment)
        assert "printable ASCII" in found.text
        assert SECRET not in str(found)


@pytest.mark.parametrize("environment", [{}, DEVELOPMENT])
def test_a_scheme_in_use_needs_a_key(tmp_path: Path, environment: dict[str, str]) -> None:
    text = text_of({"Authentication": {"DefaultScheme": "B", "Schemes": {"B": {"Type": "ApiKey"}}}})
    (found,) = refused(tmp_path, text, environment)
    assert str(found).startswith("Authentication:Schemes:B:Keys (settings.json:")
    assert "at least one key" in found.text


def test_keys_are_case_sensitive_and_kept_as_digests(tmp_path: Path) -> None:
    other = f"{READER_KEY.upper()}1"
    (found,) = authentication(tmp_path, scheme(Keys={other: {}})).key_schemes
    digests = [key.digest for key in found.keys]
    assert digests == [
        hashlib.sha256(key.encode()).digest() for key in (READER_KEY, OPS_KEY, other)
    ]


def test_settings_and_report_hold_no_key(tmp_path: Path) -> None:
    settings, report = load_text(tmp_path, text_of({"Server": {"Title": "x"}}))
    (found,) = settings.authentication.key_schemes
    shown = f"{settings} {settings!r} {report} {report!r} {report.problems}"
    for key, kept in zip((READER_KEY, OPS_KEY), found.keys, strict=True):
        assert key not in shown
        assert repr(kept.digest) not in shown


# Schemes


@pytest.mark.parametrize("environment", [{}, DEVELOPMENT])
@pytest.mark.parametrize(
    ("changes", "path", "text"),
    [
        (scheme(Type="Basic"), "Schemes:ApiKey:Type", '"Basic"'),
        (scheme(Type=None), "Schemes:ApiKey:Authority", "missing"),
        (scheme(Type="JwtBearer"), "Schemes:ApiKey:Audience", "missing"),
        (scheme(HeaderName="Authorization"), "Schemes:ApiKey:HeaderName", '"Authorization"'),
        (scheme(HeaderName="cookie"), "Schemes:ApiKey:HeaderName", '"cookie"'),
        (scheme(HeaderName="X API"), "Schemes:ApiKey:HeaderName", '"X API"'),
        (scheme(HeaderName="X-Key\r\n"), "Schemes:ApiKey:HeaderName", "cannot be used"),
        (scheme(HeaderName="X-Key\n"), "Schemes:ApiKey:HeaderName", "cannot be used"),
        (scheme(HeaderName=""), "Schemes:ApiKey:HeaderName", "cannot be used"),
        ({"Authentication": {"DefaultScheme": "Bearer"}}, "DefaultScheme", "ApiKey"),
        ({"Authentication": {"DefaultScheme": None}}, "DefaultScheme", '"Bearer"'),
        ({"Authentication": {"AdditionalSchemes": ["Two"]}}, "AdditionalSchemes[0]", '"Two"'),
        (
            {"Authentication": {"OAuthProxy": {"Enabled": True}}},
            "OAuthProxy:Enabled",
            "AADSTS9010010",
        ),
    ],
)
def test_a_scheme_that_cannot_be_used_is_refused(
    tmp_path: Path, changes: dict[str, Any], path: str, text: str, environment: dict[str, str]
) -> None:
    found = refused(tmp_path, text_of(changes), environment)
    told = {problem.path: problem for problem in found}[f"Authentication:{path}"]
    assert text in told.text
    assert told.source.startswith("settings.json:")


def test_the_default_scheme_is_found_in_any_case(tmp_path: Path) -> None:
    changes = {"Authentication": {"DefaultScheme": "APIKEY"}}
    assert [found.name for found in authentication(tmp_path, changes).key_schemes] == ["ApiKey"]


def test_only_the_default_and_the_additional_schemes_are_in_use(tmp_path: Path) -> None:
    section: dict[str, Any] = configured()["Authentication"]["Schemes"]["ApiKey"]
    schemes = {name: {**section, "HeaderName": f"X-{name}"} for name in ("Second", "Third")}
    changes = {"Authentication": {"AdditionalSchemes": ["second", "apikey"], "Schemes": schemes}}
    settings, report = load_text(tmp_path, text_of(changes))
    in_use = [(found.name, found.header) for found in settings.authentication.key_schemes]
    assert in_use == [("ApiKey", "X-API-Key"), ("Second", "X-Second")]
    (unused,) = report.problems
    assert (unused.level, unused.path) == ("warning", "Authentication:Schemes:Third")


def test_a_scheme_without_keys_may_lie_unused(tmp_path: Path) -> None:
    empty = {"Type": "ApiKey", "Keys": {}}
    schemes = {"Empty": empty, "Vault": {**empty, "KeyVault": VAULT}}
    _, report = load_text(tmp_path, text_of({"Authentication": {"Schemes": schemes}}))
    assert [told.path for told in report.problems] == ["Authentication:Schemes:Vault"]


def test_keys_may_be_in_a_vault(tmp_path: Path) -> None:
    settings, report = load_text(tmp_path, text_of(scheme(KeyVault=VAULT)))
    assert report.problems == []
    (found,) = settings.authentication.key_schemes
    assert found.vault == KeyVaultKeys("https://contoso.vault.azure.net", "mcp-key-", 60, 900)


def test_two_schemes_cannot_share_a_header(tmp_path: Path) -> None:
    section: dict[str, Any] = configured()["Authentication"]["Schemes"]["ApiKey"]
    other = {**section, "HeaderName": "x-api-KEY"}
    changes = {"Authentication": {"AdditionalSchemes": ["Other"], "Schemes": {"Other": other}}}
    (found,) = refused(tmp_path, text_of(changes))
    assert found.path == "Authentication:Schemes:Other:HeaderName"
    assert "ApiKey" in found.text


# Off, open, and who may come in without a key


@pytest.mark.parametrize("value", [False, None])
def test_authentication_is_off_only_in_development(tmp_path: Path, value: bool | None) -> None:
    text = text_of({"Authentication": {"Enabled": value}})
    (found,) = refused(tmp_path, text)
    assert found.path == "Authentication:Enabled"
    settings, report = load_text(tmp_path, text, DEVELOPMENT)
    assert not settings.authentication.enabled
    assert [str(p.path) for p in warnings(report.problems)] == ["Authentication:Enabled"]


def test_everyone_is_let_in_only_in_development(tmp_path: Path) -> None:
    text = text_of({"Authentication": {"DefaultPolicy": {"RequireAuthentication": False}}})
    (found,) = refused(tmp_path, text)
    assert found.path == "Authentication:DefaultPolicy:RequireAuthentication"
    settings, _ = load_text(tmp_path, text, DEVELOPMENT)
    assert settings.authentication.default_policy.allow_anonymous
