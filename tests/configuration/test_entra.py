"""A scheme for Entra ID's tokens: what its keys come to, and what is refused or warned of."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.entra import DEVELOPMENT_CLIENT_ID, DEVELOPMENT_TENANT
from shared.configuration.model import EntraScheme
from tests.configuration.support import (
    CLIENT_ID,
    DEVELOPMENT,
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

SCHEME = "Authentication:Schemes:Bearer"
DOMAIN = "contoso.onmicrosoft.com"
PERSONAL_ACCOUNTS = "9188040d-6c67-4c5b-b112-36a304b66dad"


def scheme_of(folder: Path, environment: dict[str, str] | None = None, **keys: Any) -> EntraScheme:
    """The scheme that these keys come to, without a word of warning."""
    settings, report = load_text(folder, json.dumps(bearer(**keys), indent=1), environment)
    assert report.problems == []
    assert settings.authentication.entra is not None
    return settings.authentication.entra


def errors_of(
    folder: Path, environment: dict[str, str] | None = None, **keys: Any
) -> dict[str, str]:
    """What these keys are refused for, by path; each with a line of the file."""
    found = refused(folder, json.dumps(bearer(**keys), indent=1), environment)
    assert all(problem.source.startswith("settings.json:") for problem in found)
    assert len({problem.path for problem in found}) == len(found)
    return {problem.path: problem.text for problem in found}


def warned_of(
    folder: Path, environment: dict[str, str] | None = None, **keys: Any
) -> dict[str, str]:
    """What these keys are accepted with a warning of, by path."""
    _, report = load_text(folder, json.dumps(bearer(**keys), indent=1), environment)
    return {problem.path: problem.text for problem in warnings(report.problems)}


# What a scheme without much to say comes to


def test_a_scheme_is_strict_where_it_says_nothing(tmp_path: Path) -> None:
    assert scheme_of(tmp_path) == EntraScheme(
        name="Bearer",
        authority=f"https://login.microsoftonline.com/{TENANT}",
        tenants=frozenset({TENANT}),
        issuers={V2_ISSUER: TENANT, V1_ISSUER: TENANT},
        audiences=(PUBLIC_URL, CLIENT_ID),
        client_id=CLIENT_ID,
        algorithms=("RS256",),
        require_https=True,
        scope_claim="scp",
        role_claim="roles",
        name_claim=None,
        allowed_client_ids=frozenset(),
        application_grants={},
        clock_skew_seconds=60,
        key_refresh_seconds=3600,
        key_outage_seconds=86400,
    )


# Authority


@pytest.mark.parametrize(
    ("authority", "read", "v1_issuer"),
    [
        ("login.microsoftonline.com", "login.microsoftonline.com", "sts.windows.net"),
        ("LOGIN.MicrosoftOnline.com", "login.microsoftonline.com", "sts.windows.net"),
        ("login.windows.net", "login.microsoftonline.com", "sts.windows.net"),
        ("login.microsoft.com", "login.microsoftonline.com", "sts.windows.net"),
        ("sts.windows.net", "login.microsoftonline.com", "sts.windows.net"),
        ("login.microsoftonline.us", "login.microsoftonline.us", "sts.windows.net"),
        (
            "login.partner.microsoftonline.cn",
            "login.partner.microsoftonline.cn",
            "sts.chinacloudapi.cn",
        ),
        ("login.chinacloudapi.cn", "login.partner.microsoftonline.cn", "sts.chinacloudapi.cn"),
        ("sts.chinacloudapi.cn", "login.partner.microsoftonline.cn", "sts.chinacloudapi.cn"),
    ],
)
@pytest.mark.parametrize("ending", ["", "/", "/v2.0", "/v2.0/", "/V2.0"])
def test_each_cloud_has_its_issuers(
    tmp_path: Path, authority: str, read: str, v1_issuer: str, ending: str
) -> None:
    found = scheme_of(tmp_path, Authority=f"https://{authority}/{TENANT.upper()}{ending}")
    assert found.authority == f"https://{read}/{TENANT}"
    assert found.issuers == {
        f"https://{read}/{TENANT}/v2.0": TENANT,
        f"https://{v1_issuer}/{TENANT}/": TENANT,
    }


@pytest.mark.parametrize(
    "authority",
    [
        "",
        TENANT,
        "login.microsoftonline.com",
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.com/",
        f"https://login.microsoftonline.com//{TENANT}",
        f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0",
        f"https://login.microsoftonline.com/{TENANT}/v1.0",
        f"https://login.microsoftonline.com/{TENANT}?x=1",
        f"https://login.microsoftonline.com/{TENANT}#x",
        f"https://login.microsoftonline.com/{TENANT}\n",
        f" https://login.microsoftonline.com/{TENANT}",
        f"https://me:{SECRET}@login.microsoftonline.com/{TENANT}",
        f"https://login.microsoftonline.com\\@evil.example/{TENANT}",
        f"ftp://login.microsoftonline.com/{TENANT}",
        "Development",
    ],
)
def test_an_authority_that_is_no_sign_in_url_is_refused(tmp_path: Path, authority: str) -> None:
    told = errors_of(tmp_path, Authority=authority)
    expected = "expected https://login.microsoftonline.com/<tenant id>"
    assert told == {f"{SCHEME}:Authority": f"cannot be used; {expected}"}


def test_a_scheme_without_authority_is_refused(tmp_path: Path) -> None:
    (told,) = errors_of(tmp_path, Authority=None).values()
    assert told == "missing; expected https://login.microsoftonline.com/<tenant id>"


@pytest.mark.parametrize(
    ("tenant", "found"),
    [
        ("common", '"common" stands for every tenant and every personal account'),
        ("COMMON", '"common" stands for every tenant and every personal account'),
        ("organizations", '"organizations" stands for every tenant'),
        ("consumers", '"consumers" stands for every personal Microsoft account'),
        (DOMAIN, f'"{DOMAIN}" is no tenant id'),
        (f"{TENANT}0", f'"{TENANT}0" is no tenant id'),
        (TENANT.replace("-", ""), "is no tenant id"),
    ],
)
@pytest.mark.parametrize("environment", [{}, DEVELOPMENT])
def test_an_authority_that_names_no_tenant_id_needs_allowed_tenants(
    tmp_path: Path, environment: dict[str, str], tenant: str, found: str
) -> None:
    authority = f"https://login.microsoftonline.com/{tenant}"
    told = errors_of(tmp_path, environment, Authority=authority)
    assert list(told) == [f"{SCHEME}:Authority"]
    assert found in told[f"{SCHEME}:Authority"]
    assert "AllowedTenants" in told[f"{SCHEME}:Authority"]


@pytest.mark.parametrize("tenant", ["common", "organizations", DOMAIN])
def test_allowed_tenants_are_the_only_ones_let_in(tmp_path: Path, tenant: str) -> None:
    authority = f"https://login.microsoftonline.com/{tenant}"
    found = scheme_of(tmp_path, Authority=authority, AllowedTenants=[TENANT.upper(), OTHER_TENANT])
    assert found.authority == authority
    assert found.tenants == {TENANT, OTHER_TENANT}
    assert found.issuers == {
        V2_ISSUER: TENANT,
        V1_ISSUER: TENANT,
        f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0": OTHER_TENANT,
        f"https://sts.windows.net/{OTHER_TENANT}/": OTHER_TENANT,
    }


@pytest.mark.parametrize(("tenant", "itself"), [(TENANT, TENANT), ("consumers", PERSONAL_ACCOUNTS)])
def test_allowed_tenants_have_to_name_the_authoritys_own(
    tmp_path: Path, tenant: str, itself: str
) -> None:
    authority = f"https://login.microsoftonline.com/{tenant}"
    told = errors_of(tmp_path, Authority=authority, AllowedTenants=[OTHER_TENANT])
    assert list(told) == [f"{SCHEME}:AllowedTenants"]
    assert f"expected {itself} among them" in told[f"{SCHEME}:AllowedTenants"]
    assert scheme_of(tmp_path, Authority=authority, AllowedTenants=[itself]).tenants == {itself}


def test_one_tenants_authority_for_several_is_warned_of(tmp_path: Path) -> None:
    told = warned_of(tmp_path, AllowedTenants=[TENANT, OTHER_TENANT])
    assert list(told) == [f"{SCHEME}:Authority"]
    expected = "expected https://login.microsoftonline.com/organizations"
    assert expected in told[f"{SCHEME}:Authority"]


@pytest.mark.parametrize(
    "host", ["login.micr0softonline.com", "login.microsoftonline.de", "10.1.2.3"]
)
def test_a_host_of_no_known_cloud_is_warned_of(tmp_path: Path, host: str) -> None:
    told = warned_of(tmp_path, Authority=f"https://{host}/{TENANT}")
    assert list(told) == [f"{SCHEME}:Authority"]
    assert f'"{host}"' in told[f"{SCHEME}:Authority"]
    assert "login.microsoftonline.com" in told[f"{SCHEME}:Authority"]


# https


@pytest.mark.parametrize("host", ["login.microsoftonline.com", "127.0.0.1:7072", "localhost"])
@pytest.mark.parametrize("required", [True, False])
def test_plain_http_is_refused_outside_development(
    tmp_path: Path, host: str, required: bool
) -> None:
    keys: dict[str, Any] = {
        "Authority": f"http://{host}/{TENANT}",
        "RequireHttpsMetadata": required,
    }
    told = errors_of(tmp_path, **keys)
    assert told == {f"{SCHEME}:Authority": "is not https; expected an https URL"}


@pytest.mark.parametrize("host", ["127.0.0.1:7072", "localhost:7072", "[::1]:7072"])
@pytest.mark.parametrize("required", [True, False])
def test_development_takes_plain_http_from_this_machine(
    tmp_path: Path, host: str, required: bool
) -> None:
    keys: dict[str, Any] = {
        "Authority": f"http://{host}/{TENANT}",
        "RequireHttpsMetadata": required,
    }
    found = scheme_of(tmp_path, DEVELOPMENT, **keys)
    assert found.authority == f"http://{host}/{TENANT}"
    assert not found.require_https


def test_development_takes_plain_http_from_elsewhere_only_when_told_to(tmp_path: Path) -> None:
    authority = f"http://issuer.example/{TENANT}"
    told = errors_of(tmp_path, DEVELOPMENT, Authority=authority)
    assert told == {f"{SCHEME}:Authority": "is not https; expected an https URL"}
    assert warned_of(
        tmp_path, DEVELOPMENT, Authority=authority, RequireHttpsMetadata=False
    ).keys() == {f"{SCHEME}:Authority"}


def test_https_is_not_to_be_given_up_outside_development(tmp_path: Path) -> None:
    told = errors_of(tmp_path, RequireHttpsMetadata=False)
    text = "is false; expected true outside development"
    assert told == {f"{SCHEME}:RequireHttpsMetadata": text}
    assert scheme_of(tmp_path, DEVELOPMENT, RequireHttpsMetadata=False).require_https


# The development identity


def test_the_development_identity_fills_in_what_is_not_said(tmp_path: Path) -> None:
    text = json.dumps(bearer(Authority="development", Audience=None, ClientId=None))
    text = text.replace(PUBLIC_URL, "http://127.0.0.1:4321/mcp")
    settings, report = load_text(tmp_path, text, DEVELOPMENT, identity="http://127.0.0.1:9999")
    found = settings.authentication.entra
    assert report.problems == []
    assert found is not None
    assert found.authority == f"http://127.0.0.1:9999/{DEVELOPMENT_TENANT}"
    assert found.tenants == {DEVELOPMENT_TENANT}
    assert set(found.audiences) == {
        "http://127.0.0.1:4321/mcp",
        f"api://{DEVELOPMENT_CLIENT_ID}",
        DEVELOPMENT_CLIENT_ID,
    }


def test_the_development_identity_is_where_it_usually_is_unless_said(tmp_path: Path) -> None:
    found = scheme_of(tmp_path, DEVELOPMENT, Authority="development")
    assert found.authority == f"http://127.0.0.1:7072/{DEVELOPMENT_TENANT}"
    assert found.audiences == (PUBLIC_URL, CLIENT_ID)


def test_the_development_identity_is_refused_outside_development(tmp_path: Path) -> None:
    told = errors_of(tmp_path, Authority="development")
    assert list(told) == [f"{SCHEME}:Authority"]
    assert "outside development" in told[f"{SCHEME}:Authority"]
    assert "https://login.microsoftonline.com/<tenant id>" in told[f"{SCHEME}:Authority"]


# Audiences


@pytest.mark.parametrize(
    ("keys", "audiences"),
    [
        ({"Audience": "api://x"}, ("api://x", CLIENT_ID)),
        ({"Audience": "api://x/"}, ("api://x", CLIENT_ID)),
        ({"Audience": None}, (CLIENT_ID,)),
        ({"Audience": CLIENT_ID.upper()}, (CLIENT_ID,)),
        ({"Audience": "api://A", "ValidAudiences": ["api://A", "b"]}, ("api://A", "b", CLIENT_ID)),
        ({"Audience": None, "ValidAudiences": ["b"], "ClientId": None}, ("b",)),
        ({"ClientId": CLIENT_ID.upper(), "Audience": None}, (CLIENT_ID,)),
    ],
)
def test_every_audience_that_is_named_is_accepted(
    tmp_path: Path, keys: dict[str, Any], audiences: tuple[str, ...]
) -> None:
    text = json.dumps(bearer(**keys))
    found = load_text(tmp_path, text)[0].authentication.entra
    assert found is not None
    assert found.audiences == audiences


@pytest.mark.parametrize("audience", [None, "", "/"])
@pytest.mark.parametrize("others", [[], [""], ["/"]])
@pytest.mark.parametrize("environment", [{}, DEVELOPMENT])
def test_a_scheme_without_audience_is_refused(
    tmp_path: Path, environment: dict[str, str], audience: str | None, others: list[str]
) -> None:
    keys: dict[str, Any] = {"Audience": audience, "ValidAudiences": others, "ClientId": None}
    told = errors_of(tmp_path, environment, **keys)
    text = "missing; expected the API's application (client) id as ClientId, or its App ID URI"
    assert told == {f"{SCHEME}:Audience": text}


# Issuers


@pytest.mark.parametrize("issuers", [[V1_ISSUER], [V2_ISSUER], [V2_ISSUER, V1_ISSUER]])
def test_explicit_issuers_are_the_only_ones(tmp_path: Path, issuers: list[str]) -> None:
    assert scheme_of(tmp_path, ValidIssuers=issuers).issuers == dict.fromkeys(issuers, TENANT)


@pytest.mark.parametrize(
    "issuer",
    [
        V1_ISSUER.removesuffix("/"),
        f"{V2_ISSUER}/",
        V2_ISSUER.removesuffix("/v2.0"),
        V2_ISSUER.replace(TENANT, TENANT.upper()),
        V2_ISSUER.replace(".com", ".us"),
        V2_ISSUER.replace("login.microsoftonline.com", "sts.windows.net"),
        "https://issuer.example/",
    ],
)
def test_an_issuer_that_entra_never_writes_is_honoured_and_warned_of(
    tmp_path: Path, issuer: str
) -> None:
    text = json.dumps(bearer(ValidIssuers=[issuer]), indent=1)
    settings, report = load_text(tmp_path, text)
    assert settings.authentication.entra is not None
    assert list(settings.authentication.entra.issuers) == [issuer]
    (told,) = warnings(report.problems)
    assert told.path == f"{SCHEME}:ValidIssuers[0]"
    assert f"Entra ID writes {V2_ISSUER} or {V1_ISSUER}" in told.text


@pytest.mark.parametrize("allowed", [[], [TENANT]])
def test_an_issuer_does_not_let_another_tenant_in(tmp_path: Path, allowed: list[str]) -> None:
    issuers = [V2_ISSUER, V1_ISSUER.replace(TENANT, OTHER_TENANT)]
    told = errors_of(tmp_path, ValidIssuers=issuers, AllowedTenants=allowed)
    assert list(told) == [f"{SCHEME}:ValidIssuers[1]"]
    assert OTHER_TENANT in told[f"{SCHEME}:ValidIssuers[1]"]
    assert "AllowedTenants" in told[f"{SCHEME}:ValidIssuers[1]"]


def test_issuers_of_several_allowed_tenants_are_told_apart(tmp_path: Path) -> None:
    other = V2_ISSUER.replace(TENANT, OTHER_TENANT)
    found = scheme_of(
        tmp_path,
        Authority="https://login.microsoftonline.com/organizations",
        AllowedTenants=[TENANT, OTHER_TENANT],
        ValidIssuers=[V2_ISSUER, other],
    )
    assert found.issuers == {V2_ISSUER: TENANT, other: OTHER_TENANT}


@pytest.mark.parametrize("issuer", ["", "x", TENANT, "sts.windows.net", "api://x"])
def test_an_issuer_that_is_no_url_is_refused(tmp_path: Path, issuer: str) -> None:
    told = errors_of(tmp_path, ValidIssuers=[issuer])
    expected = f'"{issuer}" is no URL; expected https://login.microsoftonline.com/<tenant id>/v2.0'
    assert told == {f"{SCHEME}:ValidIssuers[0]": expected}


@pytest.mark.parametrize(
    ("audience", "line"),
    [
        ("api://mine", '"ClientId": "<application (client) id>"'),
        (PUBLIC_URL, '"ClientId": "<application (client) id>"'),
        (f"api://{CLIENT_ID.upper()}", f'"ClientId": "{CLIENT_ID}"'),
    ],
)
def test_an_audience_no_v2_token_has_is_warned_of_with_the_line_to_add(
    tmp_path: Path, audience: str, line: str
) -> None:
    keys: dict[str, Any] = {
        "Audience": audience,
        "ClientId": None,
        "ValidIssuers": [V2_ISSUER],
    }
    told = warned_of(tmp_path, **keys)[f"{SCHEME}:ValidIssuers"]
    assert told.startswith("no token can match")
    assert told.endswith(f"Add to the scheme: {line}")


@pytest.mark.parametrize(
    "keys",
    [
        {"ValidIssuers": [V2_ISSUER]},
        {"ValidIssuers": [V2_ISSUER], "ClientId": None, "ValidAudiences": [CLIENT_ID]},
        {"ValidIssuers": [V1_ISSUER], "ClientId": None},
        {"ValidIssuers": [V2_ISSUER, V1_ISSUER], "ClientId": None},
        {"ClientId": None},
    ],
)
def test_audiences_and_issuers_that_can_meet_are_not_warned_of(
    tmp_path: Path, keys: dict[str, Any]
) -> None:
    assert warned_of(tmp_path, **keys) == {}


# Our own keys


def test_who_is_let_in_beside_their_roles_is_read(tmp_path: Path) -> None:
    found = scheme_of(
        tmp_path,
        AllowedClientIds=[CLIENT_ID.upper()],
        ApplicationGrants={CLIENT_ID.upper(): {"Roles": ["reader", "ops"]}, OTHER_TENANT: {}},
    )
    assert found.allowed_client_ids == {CLIENT_ID}
    assert found.application_grants == {
        CLIENT_ID: frozenset({"reader", "ops"}),
        OTHER_TENANT: frozenset(),
    }


def test_how_tokens_and_keys_are_checked_is_read(tmp_path: Path) -> None:
    found = scheme_of(
        tmp_path,
        Algorithms=["PS256", "RS256"],
        ClockSkewSeconds=0,
        SigningKeyRefreshSeconds=60,
        SigningKeyOutageSeconds=604800,
        ClaimsMapping={"ScopeClaim": "scope", "RoleClaim": "groups", "NameClaim": "upn"},
    )
    assert found.algorithms == ("PS256", "RS256")
    assert found.clock_skew_seconds == 0
    assert (found.key_refresh_seconds, found.key_outage_seconds) == (60, 604800)
    assert (found.scope_claim, found.role_claim, found.name_claim) == ("scope", "groups", "upn")


@pytest.mark.parametrize(
    ("keys", "path", "text"),
    [
        ({"ClientId": "mine"}, "ClientId", '"mine" is no id; expected a GUID'),
        ({"ClientId": f"{{{CLIENT_ID}}}"}, "ClientId", "is no id"),
        ({"ClientId": f"{CLIENT_ID}\n"}, "ClientId", "is no id"),
        ({"AllowedTenants": [TENANT, DOMAIN]}, "AllowedTenants[1]", f'"{DOMAIN}" is no id'),
        ({"AllowedClientIds": ["*"]}, "AllowedClientIds[0]", '"*" is no id'),
        ({"ApplicationGrants": {"app": {}}}, "ApplicationGrants:app", '"app" is no id'),
        ({"Algorithms": []}, "Algorithms", "is too short; expected a list of at least 1 items"),
        ({"Algorithms": ["HS256"]}, "Algorithms[0]", '"HS256" is not one of the choices'),
        ({"Algorithms": ["none"]}, "Algorithms[0]", 'expected "PS256" or "RS256"'),
        ({"ClockSkewSeconds": 301}, "ClockSkewSeconds", "expected a number from 0 to 300"),
        ({"ClockSkewSeconds": -1}, "ClockSkewSeconds", "is too small"),
        ({"SigningKeyRefreshSeconds": 59}, "SigningKeyRefreshSeconds", "is too small"),
        ({"SigningKeyOutageSeconds": 604801}, "SigningKeyOutageSeconds", "is too large"),
        ({"SigningKeyOutageSeconds": 60}, "SigningKeyOutageSeconds", "SigningKeyRefreshSeconds"),
    ],
)
def test_a_key_of_ours_that_is_wrong_is_refused(
    tmp_path: Path, keys: dict[str, Any], path: str, text: str
) -> None:
    told = errors_of(tmp_path, **keys)
    assert list(told) == [f"{SCHEME}:{path}"]
    assert text in told[f"{SCHEME}:{path}"]


@pytest.mark.parametrize("key", ["ClientId", "AllowedTenants", "AllowedClientIds"])
def test_a_secret_in_the_place_of_an_id_is_not_told(tmp_path: Path, key: str) -> None:
    keys: dict[str, Any] = {key: SECRET if key == "ClientId" else [SECRET]}
    told = errors_of(tmp_path, **keys)
    assert SECRET[:10] not in str(told)
    assert "is no id; expected a GUID" in str(told)


# Everything at once


def test_all_that_is_wrong_with_a_scheme_is_told_at_once(tmp_path: Path) -> None:
    told = errors_of(
        tmp_path,
        Authority="http://login.microsoftonline.com/" + TENANT,
        ClientId="x",
        AllowedClientIds=["y"],
        ValidIssuers=["z"],
        Audience="api://a",
        SigningKeyOutageSeconds=60,
    )
    keys = ("ClientId", "AllowedClientIds[0]", "SigningKeyOutageSeconds", "ValidIssuers[0]")
    assert {f"{SCHEME}:{key}" for key in keys} <= told.keys()
