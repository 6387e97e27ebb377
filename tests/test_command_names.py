"""Names as people write them: which spellings are one name, and what wildcards reach."""

import pytest

from shared.command_names import closest, excludes, find, includes, squashed

TOOLS = ["get_process", "get_service", "getaway", "remove_item", "set_credential"]


@pytest.mark.parametrize(
    "name", ["Get-Process", "get-process", "GET_PROCESS", "get_process", "GetProcess", "getprocess"]
)
def test_spellings_of_one_command_are_one_name(name: str) -> None:
    assert squashed(name) == squashed("get_process")
    assert find(name, TOOLS) == "get_process"


@pytest.mark.parametrize("name", ["", "get", "get_proces", "get process", "Get-*", "*"])
def test_other_names_are_no_tool(name: str) -> None:
    assert find(name, TOOLS) is None


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("Get-*", ["get_process", "get_service"]),
        ("get_*", ["get_process", "get_service"]),
        ("Get*", ["get_process", "get_service", "getaway"]),
        ("GetProcess", ["get_process"]),
        ("GET-PROCESS", ["get_process"]),
        ("*-Credential", ["set_credential"]),
        ("Get-Servic?", ["get_service"]),
        ("Get-Service?", []),
        ("[GS]et-*", ["get_process", "get_service", "set_credential"]),
        ("[a-z]et-*", ["get_process", "get_service", "set_credential"]),
        ("[A-Z]et-*", ["get_process", "get_service", "set_credential"]),
        ("get[-_]*", ["get_process", "get_service"]),
        ("get-", []),
        ("", []),
        ("*", TOOLS),
        ("[", []),
        ("get.process", []),
    ],
)
def test_an_inclusion_chooses_what_it_spells(pattern: str, chosen: list[str]) -> None:
    assert [tool for tool in TOOLS if includes(pattern, tool)] == chosen


@pytest.mark.parametrize(
    ("pattern", "tool"),
    [
        ("Remove-*", "remove_item"),
        ("Remove-*", "removeitem"),
        ("remove*", "remove_item"),
        ("RemoveItem", "remove_item"),
        ("*Item", "remove_item"),
        ("*-Credential", "setcredential"),
        ("*CREDENTIAL", "set_credential"),
        ("Invoke-Expression", "invoke_expression"),
        ("[IR]*-Item", "remove_item"),
        ("remove[-_]item", "remove_item"),
    ],
)
def test_an_exclusion_reaches_every_spelling(pattern: str, tool: str) -> None:
    assert excludes(pattern, tool)


@pytest.mark.parametrize("pattern", ["Remove", "move-item", "[ab]emove-item", ""])
def test_an_exclusion_keeps_out_no_more_than_it_says(pattern: str) -> None:
    assert not excludes(pattern, "remove_item")


@pytest.mark.parametrize("pattern", ["Get-*", "*", "Get-Servic?", "[GS]et-*", "GetProcess"])
def test_what_a_pattern_includes_it_also_excludes(pattern: str) -> None:
    chosen = [tool for tool in TOOLS if includes(pattern, tool)]
    assert chosen
    assert all(excludes(pattern, tool) for tool in chosen)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Get-Proces", "get_process"),
        ("get_porcess", "get_process"),
        ("GetServices", "get_service"),
        ("frobnicate", None),
        ("", None),
    ],
)
def test_a_misspelt_name_is_led_to_the_nearest(name: str, near: str | None) -> None:
    assert closest(name, TOOLS) == near
    assert closest(name, []) is None
