"""PoshMcp's sections: read as its guide writes them, and refused where they would be unsafe."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.model import AuthenticationSettings, Requirement
from tests.configuration.support import (
    DEVELOPMENT,
    GUIDE_API_KEYS,
    GUIDE_ENTRA,
    SECRET,
    load_text,
    refused,
    warnings,
)
from tests.support import OPS_KEY, READER_KEY, configured


def scheme(**changes: Any) -> dict[str, Any]:
    return {"Authentication": {"Schemes": {"ApiKey": changes}}}


def powershell(**section: Any) -> dict[str, Any]:
    return {"PowerShellConfiguration": section}


def text_of(changes: dict[str, Any]) -> str:
    return json.dumps(configured(changes), indent=1)


def authentication(folder: Path, changes: dict[str, Any]) -> AuthenticationSettings:
    return load_text(folder, text_of(changes))[0].authentication


def requirement(folder: Path, **override: Any) -> Requirement:
    section = powershell(CommandOverrides={"Get-Process": override})
    (found,) = load_text(folder, text_of(section))[0].overrides
    return found.requirement


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
    settings, report = load_text(tmp_path, text_of(powershell(RuntimeMode="InProcess")))
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


@pytest.mark.parametrize("key", ["CommandOverrides", "FunctionOverrides"])
@pytest.mark.parametrize("own", [{"RequiredRoles": ["ops"]}, {"RequiredScopes": ["s"]}])
def test_anonymous_together_with_requirements_is_refused(
    tmp_path: Path, key: str, own: dict[str, Any]
) -> None:
    section = powershell(**{key: {"Get-Process": {"AllowAnonymous": True, **own}}})
    (found,) = refused(tmp_path, text_of(section))
    assert found.path == f"PowerShellConfiguration:{key}:Get-Process"
    assert "AllowAnonymous" in found.text


@pytest.mark.parametrize(
    ("override", "asked"),
    [
        ({}, (None, None, None)),
        ({"RequiredRoles": None}, (None, None, None)),
        ({"RequiredRoles": []}, (None, frozenset(), None)),
        ({"RequiredRoles": ["a", "b"]}, (None, {"a", "b"}, None)),
        ({"RequiredScopes": ["s"], "AllowAnonymous": False}, ({"s"}, None, False)),
        ({"AllowAnonymous": True}, (None, None, True)),
        ({"AllowAnonymous": True, "RequiredRoles": []}, (None, frozenset(), True)),
    ],
)
def test_an_absent_list_inherits_and_an_empty_one_asks_nothing(
    tmp_path: Path, override: dict[str, Any], asked: object
) -> None:
    assert names(requirement(tmp_path, **override)) == asked


def test_a_requirement_says_where_it_is_written(tmp_path: Path) -> None:
    found = requirement(tmp_path, RequiredRoles=["ops"])
    at = "PowerShellConfiguration:CommandOverrides:Get-Process"
    lines = text_of(powershell(CommandOverrides={"Get-Process": {"RequiredRoles": ["ops"]}}))
    line = 1 + next(i for i, text in enumerate(lines.splitlines()) if "Get-Process" in text)
    assert found.written == f"{at} (settings.json:{line})"
    assert found.roles is not None
    assert found.roles.written == f"{at}:RequiredRoles (settings.json:{line + 1})"


def test_command_overrides_come_before_function_overrides(tmp_path: Path) -> None:
    section = powershell(FunctionOverrides={"A": {}}, CommandOverrides={"B": {}, "A": {}})
    overrides = load_text(tmp_path, text_of(section))[0].overrides
    assert [(found.path[1], found.command) for found in overrides] == [
        ("CommandOverrides", "B"),
        ("CommandOverrides", "A"),
        ("FunctionOverrides", "A"),
    ]


def test_two_overrides_of_one_command_are_refused(tmp_path: Path) -> None:
    both: dict[str, Any] = {"get_process": {}, "Get-Process": {"RequiredRoles": ["ops"]}}
    found = refused(tmp_path, text_of(powershell(CommandOverrides=both)))
    assert [problem.path.rpartition(":")[0] for problem in found] == [
        "PowerShellConfiguration:CommandOverrides"
    ]


def test_a_variable_overrides_the_override_of_the_same_command(tmp_path: Path) -> None:
    """A variable's name can hold no hyphen."""
    section = powershell(CommandOverrides={"Get-Process": {"RequiredRoles": ["reader"]}})
    name = "PowerShellConfiguration__CommandOverrides__Get_Process__RequiredRoles__0"
    (found,) = load_text(tmp_path, text_of(section), {name: "ops"})[0].overrides
    assert names(found.requirement) == (None, {"ops"}, None)


# Which tools


@pytest.mark.parametrize(
    ("section", "chosen"),
    [
        ({}, []),
        ({"CommandNames": ["A", "B"]}, ["A", "B"]),
        ({"FunctionNames": ["A"]}, ["A"]),
        ({"CommandNames": ["A"], "FunctionNames": ["B"]}, ["A"]),
        ({"CommandNames": [], "FunctionNames": ["B"]}, ["B"]),
        ({"Commands": ["C"]}, ["C"]),
        ({"CommandNames": ["A"], "Commands": ["C", "A"]}, ["A", "C"]),
        ({"FunctionNames": ["B"], "Commands": ["C"]}, ["B", "C"]),
    ],
)
def test_tools_are_chosen_by_the_three_lists(
    tmp_path: Path, section: dict[str, Any], chosen: list[str]
) -> None:
    selection = load_text(tmp_path, text_of(powershell(**section)))[0].selection
    assert list(selection.names) == chosen


def test_patterns_are_kept_with_their_places(tmp_path: Path) -> None:
    section = powershell(IncludePatterns=["Get-*"], ExcludePatterns=["*-X", "*-Y"])
    selection = load_text(tmp_path, text_of(section))[0].selection
    assert selection.include == {"Get-*": ("PowerShellConfiguration", "IncludePatterns", 0)}
    assert selection.exclude == {
        "*-X": ("PowerShellConfiguration", "ExcludePatterns", 0),
        "*-Y": ("PowerShellConfiguration", "ExcludePatterns", 1),
    }


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (powershell(RuntimeMode="OutOfProcess"), "PowerShellConfiguration:RuntimeMode"),
        (powershell(Environment={"x": [1]}), "PowerShellConfiguration:Environment"),
        (powershell(Performance={"X": True}), "PowerShellConfiguration:Performance"),
        (powershell(Modules=[]), "PowerShellConfiguration:Modules"),
        (
            powershell(CommandOverrides={"A": {"EnableResultCaching": True}}),
            "PowerShellConfiguration:CommandOverrides:A:EnableResultCaching",
        ),
        (
            powershell(FunctionOverrides={"A": {"DefaultProperties": []}}),
            "PowerShellConfiguration:FunctionOverrides:A:DefaultProperties",
        ),
        ({"McpServer": {"HttpTransportMode": "Stateless"}}, "McpServer"),
        ({"ApplicationInsights": {"ConnectionString": SECRET}}, "ApplicationInsights"),
        ({"Logging": {"File": {"Path": "x.log"}}}, "Logging:File"),
        (
            {"outboundAuthentication": {"clientCredential": {"secret": SECRET}}},
            "outboundAuthentication",
        ),
        (
            {"Authentication": {"ProtectedResource": {"Resource": "api://x"}}},
            "Authentication:ProtectedResource",
        ),
    ],
)
def test_keys_without_effect_here_are_accepted_with_a_warning(
    tmp_path: Path, changes: dict[str, Any], path: str
) -> None:
    _, report = load_text(tmp_path, text_of(changes))
    assert [(problem.path, problem.level) for problem in report.problems] == [(path, "warning")]
    assert report.problems[0].source.startswith("settings.json:")
    assert SECRET not in str(report.problems)
