"""PoshMcp's section `PowerShellConfiguration`: which tools, and what each asks."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.model import Requirement
from tests.configuration.support import (
    SECRET,
    load_text,
    refused,
)
from tests.support import configured


def powershell(**section: Any) -> dict[str, Any]:
    return {"PowerShellConfiguration": section}


def text_of(changes: dict[str, Any]) -> str:
    return json.dumps(configured(changes), indent=1)


def requirement(folder: Path, **override: Any) -> Requirement:
    section = powershell(CommandOverrides={"Get-Process": override})
    (found,) = load_text(folder, text_of(section))[0].overrides
    return found.requirement


def names(requirement: Requirement) -> tuple[object, object, object]:
    scopes, roles = requirement.scopes, requirement.roles
    return scopes and scopes.names, roles and roles.names, requirement.allow_anonymous


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
    ],
)
def test_keys_without_effect_here_are_accepted_with_a_warning(
    tmp_path: Path, changes: dict[str, Any], path: str
) -> None:
    _, report = load_text(tmp_path, text_of(changes))
    assert [(problem.path, problem.level) for problem in report.problems] == [(path, "warning")]
    assert report.problems[0].source.startswith("settings.json:")
    assert SECRET not in str(report.problems)
