"""azd's variables: what may be in them, and that main.bicep takes the same."""

import functools
import json
import re
from typing import Any

import pytest
from pycep import BicepParser

from infra.hooks import variables
from tests.infra.command_line import (
    CLIENT,
    ROOT,
)
from tests.infra.hooks import BEFORE

BAD = {
    "AZURE_ENV_NAME": "dev's",
    "AZURE_LOCATION": "west;europe",
    "AZURE_SUBSCRIPTION_ID": "mine",
    "AZURE_RESOURCE_GROUP_NAME": "ends.with.",
    "KEEPER_PRINCIPAL_ID": "me@example.com",
    "ENTRA_BY": "hand",
    "ENTRA_CLIENT_ID": "postern",
    "ENTRA_TENANT_ID": "contoso.com",
    "ENTRA_APPLICATION_NAME": "a b",
    "ENTRA_TOOLSETS": "postgres,nosuch",
    "PREAUTHORIZED_CLIENT_IDS": f"{CLIENT},vscode",
    "APP_ID_URI": "postern",
    "PUBLIC_URL": "https://mcp.example.com/mcp/",
    "REQUIRED_SCOPE": "access as user",
    "OUTBOUND_TYPE": "Jwtobo",
    "API_KEYS": "yes",
    "INSTANCE_MEMORY_MB": "1024",
    "HTTP_CONCURRENCY": "0",
    "MAXIMUM_INSTANCES": "39",
    "ALWAYS_READY_INSTANCES": "-1",
    "PRIVATE_NETWORK": "1",
    "NETWORK_ADDRESS_PREFIX": "10.80.0.1/24",
    "POSTGRES": "True",
    "POSTGRES_ADMIN_OBJECT_ID": "me",
    "POSTGRES_ADMIN_NAME": 'a"b',
    "POSTGRES_ADMIN_TYPE": "Person",
    "ALERT_EMAIL": "ops@example",
    "LOG_RETENTION_DAYS": "7",
}


def test_every_variable_has_a_bad_value_here() -> None:
    assert set(BAD) == set(variables.RULES)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_named_with_what_is_expected(name: str) -> None:
    (found,) = variables.problems({**BEFORE, name: BAD[name]})
    assert found.startswith(f'{name} is "{BAD[name]}"; expected {variables.RULES[name].expected}.')
    assert f"azd env set {name} <value>" in found


@pytest.mark.parametrize("name", variables.RULES)
@pytest.mark.parametrize("text", ['"', "\\", "`id`", "$(id)", "${HOME}", "\nx", "\0", "'"])
def test_nothing_in_a_value_ends_or_expands_a_string(name: str, text: str) -> None:
    good = {"ALERT_EMAIL": "ops@example.com", "POSTGRES_ADMIN_NAME": "Database Admins"}
    for value in (text, f"a{text}", f"{good.get(name, 'a')}{text}", f"{text}@example.com"):
        assert len(variables.problems({**BEFORE, name: value})) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://mcp.example.com/mcp",
        "https://mcp.example.com",
        "https://mcp.example.com/",
        "https://me:secret@mcp.example.com/mcp",
        "https://mcp.example.com/mcp?code=1",
        "https://mcp.example.com/mcp#x",
        "https://mcp.example.com/mcp&calc",
        "https://mcp.example.com//mcp",
        "https://mcp.example.com/mcp\n",
    ],
)
def test_a_public_url_has_https_a_path_and_no_slash_at_its_end(url: str) -> None:
    assert len(variables.problems({**BEFORE, "PUBLIC_URL": url})) == 1
    assert variables.problems({**BEFORE, "PUBLIC_URL": "https://mcp.example.com:8443/a/mcp"}) == []


def test_what_may_be_secret_in_a_url_is_not_shown() -> None:
    url = "https://me:hunter2@mcp.example.com/mcp?code=hunter3"
    (found,) = variables.problems({**BEFORE, "PUBLIC_URL": url})
    assert "hunter" not in found
    assert "https://…@mcp.example.com/mcp?…" in found


@pytest.mark.parametrize("name", variables.REQUIRED)
def test_what_must_be_set_is_asked_for(name: str) -> None:
    for environment in ({**BEFORE, name: ""}, {k: v for k, v in BEFORE.items() if k != name}):
        (found,) = variables.problems(environment)
        assert found.startswith(f"{name} is not set")


def test_what_belongs_together_must_be_given_together() -> None:
    existing = variables.problems({**BEFORE, "ENTRA_BY": "existing"})
    postgres = variables.problems({**BEFORE, "POSTGRES": "true"})
    assert [text.split(",")[0] for text in existing] == ["ENTRA_BY is existing"]
    assert ["POSTGRES_ADMIN_OBJECT_ID" in postgres[0], "POSTGRES_ADMIN_NAME" in postgres[1]] == [
        True,
        True,
    ]


@functools.cache
def bicep_parameters() -> dict[str, Any]:
    tree = BicepParser().parse(text=(ROOT / "infra" / "main.bicep").read_text("utf-8"))
    parameters: dict[str, Any] = tree["parameters"]
    return parameters


def mapped() -> dict[str, tuple[str, str | None]]:
    """Parameter → azd's variable, and what stands in for it when it is empty."""
    text = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    found = {}
    for name, entry in json.loads(text)["parameters"].items():
        match = re.fullmatch(r"\$\{(\w+)(?:=(.*))?\}", entry["value"])
        assert match, name
        found[name] = (match[1], match[2])
    return found


def test_every_variable_of_main_bicep_is_checked() -> None:
    assert {variable for variable, _ in mapped().values()} - set(variables.RULES) == set()
    assert set(mapped()) == set(bicep_parameters())


def decorated(parameter: dict[str, Any]) -> dict[str, Any]:
    return {each["type"]: each.get("argument") for each in parameter["decorators"]}


def test_the_hook_takes_what_bicep_takes() -> None:
    checked = 0
    for name, parameter in bicep_parameters().items():
        variable, standing_in = mapped()[name]
        rule, limits = variables.RULES[variable], decorated(parameter)
        assert not standing_in or rule.fits(standing_in), name
        if "allowed" in limits:
            assert rule.expected == "one of " + ", ".join(map(str, limits["allowed"])), name
            checked += 1
        if "min_value" in limits:
            least, most = limits["min_value"], limits["max_value"]
            inside, outside = (least, most), (least - 1, most + 1)
            assert all(rule.fits(str(value)) for value in inside), name
            assert not any(rule.fits(str(value)) for value in outside), name
            checked += 1
    assert checked >= 7


def test_azd_has_nothing_to_ask_for_before_the_first_hook() -> None:
    """`azd up` asks for parameters that are empty and have no default before it runs any hook."""
    asked = [
        variable
        for name, (variable, standing_in) in mapped().items()
        if not standing_in and bicep_parameters()[name]["default"] is None
    ]
    assert asked == ["AZURE_ENV_NAME", "AZURE_LOCATION"]
