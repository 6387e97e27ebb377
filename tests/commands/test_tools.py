"""`manage.py tools`: what is offered, what each tool asks, and where that is written."""

import json
from pathlib import Path

import pytest

import manage
from tests.support import configured, write_configuration

OVERRIDES = {
    "PowerShellConfiguration": {
        "ExcludePatterns": ["get_endpoint*"],
        "FunctionOverrides": {
            "Get-Service": {"RequiredRoles": ["ops"], "RequiredScopes": ["services.read"]},
            "whoami": {"AllowAnonymous": True},
        },
    }
}


@pytest.fixture
def overridden(tmp_path: Path) -> str:
    return str(write_configuration(tmp_path, configured(OVERRIDES)))


def test_tools_are_listed_with_what_they_ask_and_where_it_is_written(
    overridden: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["tools", "list", "--config", overridden]) == 0
    captured = capsys.readouterr()
    asks = {line.split()[0]: line.split("  ")[-2].strip() for line in captured.out.splitlines()}
    assert asks == {
        "get_process": "role reader",
        "get_service": "scope services.read and role ops",
        "whoami": "anyone",
    }
    assert "PowerShellConfiguration:FunctionOverrides:Get-Service" in captured.out
    assert "settings.json:" in captured.out
    assert "diagnostics.py:" in captured.out
    assert captured.err == ""


def test_the_same_is_listed_as_json(overridden: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert manage.main(["tools", "list", "--json", "--config", overridden]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert sorted(rows) == ["get_process", "get_service", "whoami"]
    service = rows["get_service"]
    assert (service["scopes"], service["roles"]) == (["services.read"], ["ops"])
    assert [name for name, row in rows.items() if row["anonymous"]] == ["whoami"]


@pytest.mark.parametrize("name", ["get_process", "Get-Process", "GETPROCESS"])
def test_a_schema_is_found_under_any_spelling(
    name: str, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["tools", "schema", name, "--config", str(settings)]) == 0
    schemas = json.loads(capsys.readouterr().out)
    assert sorted(schemas["inputSchema"]["properties"]) == ["limit", "name", "sort"]
    assert schemas["outputSchema"]["type"] == "array"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("get_proces", "There is no tool get_proces; did you mean get_process?\n"),
        ("zzz", "There is no tool zzz.\n"),
    ],
)
def test_an_unknown_tool_is_a_finding_with_a_hint(
    name: str, told: str, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manage.main(["tools", "schema", name, "--config", str(settings)]) == 1
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["schema", "whoami"]])
def test_a_configuration_that_cannot_be_used_is_a_finding(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_configuration(tmp_path, configured({"Authentication": {"Enabled": False}}))
    assert manage.main(["tools", *arguments, "--config", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: Authentication:Enabled (settings.json:")
