"""From files to an endpoint: which tools are offered, under which rules, or why not."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.problems import ConfigurationError
from shared.endpoint import Endpoint
from shared.startup import Offer, build_or_refuse, offer
from shared.unready import UnreadyEndpoint
from tests.configuration.support import CLIENT_ID, OTHER_TENANT, PUBLIC_URL, TENANT
from tests.support import (
    OPS_KEY,
    READER_KEY,
    configured,
    endpoint_for,
    send,
    write_configuration,
)

ALL = {
    "greet",
    "find_invoices",
    "pay_invoice",
    "fail",
    "sleep",
    "block",
    "repeat",
    "nothing",
}


def offered(
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    package: str = "tests.toolsets",
) -> Offer:
    file = write_configuration(folder, configured(changes))
    return offer(folder, environment or {}, config_file=file, package=package)


def powershell(**keys: Any) -> dict[str, Any]:
    return {"PowerShellConfiguration": keys}


def errors(
    folder: Path, changes: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> str:
    with pytest.raises(ConfigurationError) as caught:
        offered(folder, changes, environment)
    return str(caught.value)


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ({}, ALL),
        ({"CommandNames": ["Find-Invoices"]}, {"find_invoices"}),
        ({"CommandNames": ["find_invoices"]}, {"find_invoices"}),
        ({"CommandNames": ["FIND-INVOICES", "Greet"]}, {"find_invoices", "greet"}),
        ({"FunctionNames": ["Find-Invoices"]}, {"find_invoices"}),
        ({"Commands": ["Find-Invoices"]}, {"find_invoices"}),
        ({"CommandNames": ["greet"], "Commands": ["fail"]}, {"greet", "fail"}),
        ({"IncludePatterns": ["*-Invoice*"]}, {"find_invoices", "pay_invoice"}),
        ({"IncludePatterns": ["*_invoice*"]}, {"find_invoices", "pay_invoice"}),
        ({"IncludePatterns": ["Pay-*"], "CommandNames": ["greet"]}, {"pay_invoice", "greet"}),
        ({"ExcludePatterns": ["Find-*", "PAY_*"]}, ALL - {"find_invoices", "pay_invoice"}),
        ({"ExcludePatterns": ["findinvoices"]}, ALL - {"find_invoices"}),
        ({"CommandNames": ["greet", "fail"], "ExcludePatterns": ["Fa*"]}, {"greet"}),
        (
            {"IncludePatterns": ["*"], "ExcludePatterns": ["*Invoice*"]},
            ALL - {"find_invoices", "pay_invoice"},
        ),
        ({"CommandNames": ["greet"], "ExcludePatterns": ["*"]}, set()),
        ({"CommandNames": ["Get-Nothing"]}, set()),
        ({"IncludePatterns": ["Get-*"]}, set()),
    ],
)
def test_names_and_patterns_choose_tools_in_any_spelling_and_excluding_wins(
    tmp_path: Path, selection: dict[str, Any], names: set[str]
) -> None:
    found = offered(tmp_path, powershell(**selection))
    assert set(found.catalogue.tools) == names
    assert set(found.policies.tools.rules) == set(found.catalogue.tools)


@pytest.mark.parametrize(
    ("selection", "path", "text"),
    [
        ({"CommandNames": ["greet", "Find-Invoice"]}, "CommandNames[1]", "find_invoices?"),
        ({"CommandNames": ["Stop-Universe"]}, "CommandNames[0]", "Stop-Universe"),
        ({"IncludePatterns": ["Stop-*"]}, "IncludePatterns[0]", "no tool matches Stop-*"),
        ({"ExcludePatterns": ["Stop-*"]}, "ExcludePatterns[0]", "no tool matches Stop-*"),
    ],
)
def test_a_name_without_a_tool_is_a_warning_that_says_where(
    tmp_path: Path, selection: dict[str, Any], path: str, text: str
) -> None:
    (warning,) = offered(tmp_path, powershell(**selection)).warnings
    assert warning.level == "warning"
    assert f"PowerShellConfiguration:{path}" in warning.path
    assert warning.source.startswith("settings.json:")
    assert text in warning.text


SCHEME = {
    "Type": "JwtBearer",
    "Authority": f"https://login.microsoftonline.com/{TENANT}",
    "ClientId": CLIENT_ID,
    "ValidAudiences": [PUBLIC_URL],
}
OWN_SCOPES = ["read", f"api://{CLIENT_ID}/read", f"{CLIENT_ID}/read", f"{PUBLIC_URL}/read"]


def asking(*scopes: str, **schemes: Any) -> dict[str, Any]:
    policy = {"RequiredScopes": list(scopes), "RequiredRoles": []}
    section = {"DefaultPolicy": policy, "Schemes": schemes, "AdditionalSchemes": list(schemes)}
    return {"Authentication": section, "Server": {"PublicUrl": PUBLIC_URL}}


def test_a_scope_of_another_api_is_a_warning_that_says_where(tmp_path: Path) -> None:
    """No token of this API has it, so that its tools would be closed to every user."""
    others = ("api://other/read", f"{OTHER_TENANT}/read")
    found = offered(tmp_path, asking(*OWN_SCOPES, *others, Bearer=SCHEME))
    warnings = sorted((one.path, one.source, one.text) for one in found.warnings)
    assert [path for path, _, _ in warnings] == [f"the scope {one}" for one in sorted(others)]
    for path, source, text in warnings:
        assert source.startswith("Authentication:DefaultPolicy:RequiredScopes (settings.json:")
        assert text.endswith(f"an audience {path.split()[-1].removesuffix('/read')}")


def test_the_scopes_of_keys_are_what_the_configuration_makes_them(tmp_path: Path) -> None:
    assert offered(tmp_path, asking("api://other/read")).warnings == []


@pytest.mark.parametrize("section", ["CommandOverrides", "FunctionOverrides"])
def test_an_override_without_a_tool_is_an_error_with_a_suggestion(
    tmp_path: Path, section: str
) -> None:
    text = errors(
        tmp_path,
        powershell(**{section: {"Find-Invoice": {"RequiredRoles": ["x"]}, "Zzz-Qqq": {}}}),
    )
    assert f"PowerShellConfiguration:{section}:Find-Invoice (settings.json:" in text
    assert "no tool is called Find-Invoice; did you mean find_invoices?" in text
    assert "no tool is called Zzz-Qqq" in text
    assert text.count("did you mean") == 1


@pytest.mark.parametrize("toolset", ["samples", "Samples"])
def test_an_override_of_a_toolset_that_is_off_is_no_error(tmp_path: Path, toolset: str) -> None:
    found = offered(
        tmp_path,
        {
            "Toolsets": {toolset: False},
            **powershell(
                CommandNames=["Greet"],
                FunctionOverrides={"Find-Invoices": {"RequiredRoles": ["x"]}},
            ),
        },
    )
    assert found.catalogue.tools == {}
    assert found.warnings == []


def test_an_override_of_an_excluded_tool_is_no_error(tmp_path: Path) -> None:
    selection = powershell(ExcludePatterns=["greet"], FunctionOverrides={"greet": {}})
    found = offered(tmp_path, selection)
    assert "greet" not in found.catalogue.tools
    assert found.warnings == []


def test_a_misspelt_toolset_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    assert "did you mean samples?" in errors(tmp_path, {"Toolsets": {"smaples": False}})


@pytest.mark.parametrize("spelling", ["find_invoices", "Find-Invoices", "FINDINVOICES"])
@pytest.mark.parametrize("section", ["CommandOverrides", "FunctionOverrides"])
def test_an_override_meets_its_tool_in_any_spelling(
    tmp_path: Path, section: str, spelling: str
) -> None:
    found = offered(tmp_path, powershell(**{section: {spelling: {"RequiredRoles": ["ops"]}}}))
    assert found.policies.tools.rules["find_invoices"].roles == {"ops"}


def test_rules_say_the_file_and_line_of_configuration_or_decorator(tmp_path: Path) -> None:
    rules = offered(
        tmp_path, powershell(FunctionOverrides={"greet": {"RequiredRoles": ["ops"]}})
    ).policies.tools.rules
    file = (tmp_path / "settings.json").read_text(encoding="utf-8").splitlines()
    default, override = (n for n, line in enumerate(file, 1) if "RequiredRoles" in line)
    path = "PowerShellConfiguration:FunctionOverrides:greet:RequiredRoles"
    assert rules["greet"].written == f"{path} (settings.json:{override})"
    default_path = "Authentication:DefaultPolicy:RequiredRoles"
    assert rules["fail"].written == f"{default_path} (settings.json:{default})"
    written = rules["find_invoices"].written
    assert written.startswith("@tool in toolsets/samples.py:")
    source = (Path(__file__).parent / "toolsets" / "samples.py").read_text(encoding="utf-8")
    line = source.splitlines()[int(written.rsplit(":", 1)[1]) - 1]
    assert 'roles=["finance.reader"]' in line


OVERRIDE = "PowerShellConfiguration__FunctionOverrides"


def test_an_override_can_come_from_the_environment_and_its_rule_says_so(tmp_path: Path) -> None:
    environment = {f"{OVERRIDE}__greet__RequiredRoles__0": "ops"}
    rule = offered(tmp_path, environment=environment).policies.tools.rules["greet"]
    assert rule.roles == {"ops"}
    assert "environment variable" in rule.written


def test_the_environment_overrides_a_tool_the_file_spells_differently(tmp_path: Path) -> None:
    changes = powershell(FunctionOverrides={"Find-Invoices": {"RequiredRoles": ["reader"]}})
    environment = {f"{OVERRIDE}__find_invoices__RequiredRoles__0": "ops"}
    assert offered(tmp_path, changes, environment).policies.tools.rules["find_invoices"].roles == {
        "ops"
    }


def test_two_spellings_of_one_tool_in_one_section_are_an_error(tmp_path: Path) -> None:
    overrides = {
        "Find-Invoices": {"RequiredRoles": ["reader"]},
        "find_invoices": {"RequiredRoles": ["ops"]},
    }
    text = errors(tmp_path, powershell(FunctionOverrides=overrides))
    assert "Find-Invoices" in text
    assert "find_invoices" in text


def test_settings_show_no_key(tmp_path: Path) -> None:
    found = offered(tmp_path)
    scheme = found.settings.authentication.key_schemes[0]
    shown = f"{found.settings!r} {found.settings} {found!r}"
    for secret in (READER_KEY, OPS_KEY, *(repr(key.digest) for key in scheme.keys)):
        assert secret not in shown
    assert "ApiKey-1" in shown


def test_warnings_are_logged_when_the_endpoint_is_built(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint_for(tmp_path, powershell(CommandNames=["greet", "Find-Invoice"]))
    (entry,) = caplog.records
    assert (entry.name, entry.levelno) == ("postern.startup", logging.WARNING)
    assert "find_invoices?" in caplog.text
    assert READER_KEY not in caplog.text


def test_a_good_configuration_is_served(tmp_path: Path) -> None:
    file = write_configuration(tmp_path, configured())
    assert isinstance(build_or_refuse(tmp_path, {}, config_file=file), Endpoint)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Authentication": {"Enabled": False}}, "Authentication:Enabled"),
        ({"Authentication": None}, "Authentication"),
        ({"Authentication": {"DefaultScheme": "Bearer"}}, '"Bearer" is not a scheme'),
        ({"Server": {"PublicUrl": None}}, "Server:PublicUrl"),
        (powershell(FunctionOverrides={"Gt-Process": {}}), "did you mean get_process?"),
        ({"Toolsets": {"diagnostic": False}}, "did you mean diagnostics?"),
    ],
)
def test_an_unusable_configuration_is_refused_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], told: str
) -> None:
    file = write_configuration(tmp_path, configured(changes))
    assert isinstance(build_or_refuse(tmp_path, {}, config_file=file), UnreadyEndpoint)
    assert told in caplog.text
    assert any(entry.levelno == logging.ERROR for entry in caplog.records)
    assert READER_KEY not in caplog.text


def test_without_any_file_nothing_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(build_or_refuse(tmp_path, {}), UnreadyEndpoint)
    assert "Authentication" in caplog.text


async def test_a_fault_of_ours_while_building_is_refused_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    impossible: Any = {"AZURE_FUNCTIONS_ENVIRONMENT": None}
    endpoint = build_or_refuse(tmp_path, impossible)
    assert isinstance(endpoint, UnreadyEndpoint)
    assert "Traceback" in caplog.text
    response = await send(endpoint, b"", method="GET", path="/readyz")
    assert (response.status, json.loads(response.body)["category"]) == (503, "internal")


@pytest.mark.parametrize(
    "header", ["X-Correlation-ID", "Mcp-Name", "Mcp-Method", "MCP-Protocol-Version"]
)
def test_a_header_that_is_echoed_or_means_something_else_cannot_carry_keys(
    tmp_path: Path, header: str
) -> None:
    scheme = {"HeaderName": header}
    assert "HeaderName" in errors(tmp_path, {"Authentication": {"Schemes": {"ApiKey": scheme}}})


def test_a_broken_toolset_hides_no_other_problem_and_does_not_matter_when_it_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "partly_broken_toolsets"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "broken.py").write_text("def f(:\n")
    (package / "other.py").write_text("import a_package_that_is_not_installed\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        endpoint_for(tmp_path, package=package.name)
    told = {problem.path: problem for problem in caught.value.problems}
    assert told["toolset broken"].source == "toolsets/broken.py:1"
    assert told["toolset broken"].text.startswith("is not Python: ")
    assert "a_package_that_is_not_installed" in str(caught.value)
    off = {"Toolsets": {"broken": False, "other": False}}
    endpoint_for(tmp_path, off, package=package.name)
