"""How the toolset is configured, and that it is off and not loaded until it is."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.problems import ConfigurationError
from shared.startup import Offer, offer
from shared.tools import ToolError
from shared.tools.testing import context_for_tests
from tests.support import configured, write_configuration
from toolsets._postgres_settings import Server, Settings

SHOP = {"Host": "shop.postgres.database.azure.com", "Databases": ["orders"]}
TOOLS = {
    "postgres_query",
    "postgres_list_databases",
    "postgres_list_tables",
    "postgres_describe_table",
    "postgres_server_parameters",
}


def offered(folder: Path, section: Any, environment: dict[str, str] | None = None) -> Offer:
    changes = {} if section is None else {"Toolsets": {"postgres": section}}
    file = write_configuration(folder, configured(changes))
    return offer(folder, environment or {}, config_file=file)


def settings_of(offered: Offer) -> Settings:
    settings = offered.catalogue.tools["postgres_query"].settings
    assert isinstance(settings, Settings)
    return settings


def test_without_its_section_the_toolset_is_off(tmp_path: Path) -> None:
    assert TOOLS.isdisjoint(offered(tmp_path, None).catalogue.tools)


def test_with_its_section_it_is_on_and_only_reads(tmp_path: Path) -> None:
    found = offered(tmp_path, {"Servers": {"Shop": SHOP}})
    assert set(found.catalogue.tools) >= TOOLS
    for name in TOOLS:
        assert found.catalogue.tools[name].annotations["readOnlyHint"] is True
    assert settings_of(found).servers == {
        "Shop": Server("shop.postgres.database.azure.com", ["orders"])
    }


def test_without_outbound_authentication_a_warning_says_that_no_call_will_work(
    tmp_path: Path,
) -> None:
    section = {"Servers": {"Shop": SHOP}}
    (warning,) = offered(tmp_path, section).warnings
    assert warning.path == "Toolsets:postgres"
    assert "outboundAuthentication" in warning.text
    identity = {"outboundAuthentication__type": "ManagedIdentity"}
    assert offered(tmp_path, section, identity).warnings == []


def test_settings_may_come_from_the_environment(tmp_path: Path) -> None:
    found = offered(
        tmp_path,
        {"servers": {"shop": {**SHOP, "USERCLAIM": "object_id"}}, "MaxRows": 50},
        {
            "Toolsets__postgres__Servers__shop__Port": "6432",
            "Toolsets__postgres__StatementTimeoutSeconds": "5",
            "Toolsets__postgres__AllowFunctions__0": "app.total",
        },
    )
    settings = settings_of(found)
    assert settings.servers["shop"].port == 6432
    assert settings.servers["shop"].user_claim == "object_id"
    assert (settings.max_rows, settings.statement_timeout_seconds) == (50, 5)
    assert settings.functions.more == {"app.total"}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "Toolsets:postgres:Servers"),
        ({"Servers": {}}, "at least 1 members"),
        ({"Servers": {"shop": {"Host": "a"}}}, "databases"),
        ({"Servers": {"shop": {**SHOP, "Databases": []}}}, "Databases"),
        ({"Servers": {"shop": {**SHOP, "Host": "/var/run/postgresql"}}}, "Host"),
        ({"Servers": {"shop": {**SHOP, "Host": "a,b"}}}, "Host"),
        ({"Servers": {"shop": {**SHOP, "Host": "a\n"}}}, "Host"),
        ({"Servers": {"shop": {**SHOP, "Port": 0}}}, "Port"),
        ({"Servers": {"shop": {**SHOP, "Pasword": "a"}}}, "unknown key"),
        ({"Servers": {"shop": {**SHOP, "UserClaim": "email"}}}, "object_id"),
        ({"Servers": {"shop": {**SHOP, "User": ""}}}, "User"),
        ({"Servers": {"shop": {**SHOP, "TokenScope": "a b"}}}, "TokenScope"),
        ({"Servers": {"shop": {**SHOP, "SslRootCert": ""}}}, "SslRootCert"),
        ({"Servers": {"shop": SHOP}, "MaxRows": 1_000_000}, "from 1 to 10000"),
        ({"Servers": {"shop": SHOP}, "AllowAnyFunktion": True}, "did you mean AllowAnyFunction"),
    ],
)
def test_mistakes_are_told_at_start(tmp_path: Path, section: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        offered(tmp_path, section)
    assert said.lower() in str(caught.value).lower()


def test_the_role_is_the_fixed_user_or_what_the_caller_is() -> None:
    caller = dataclasses.replace(context_for_tests().caller, name="ada@example.com", client_id=None)
    assert Server("a", ["b"]).role(caller) == "ada@example.com"
    assert Server("a", ["b"], user="readers").role(caller) == "readers"
    assert Server("a", ["b"], user_claim="object_id").role(caller) == caller.object_id
    with pytest.raises(ToolError, match="no client_id"):
        Server("a", ["b"], user_claim="client_id").role(caller)


def test_loading_the_toolset_loads_neither_driver_nor_grammar() -> None:
    program = (
        "import sys, toolsets.postgres\n"
        "print([n for n in ('pglast', 'psycopg', 'psycopg_binary', 'certifi') if n in sys.modules])"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"


def test_without_the_grammar_the_start_says_which_line_is_missing(tmp_path: Path) -> None:
    file = write_configuration(
        tmp_path, configured({"Toolsets": {"postgres": {"Servers": {"shop": SHOP}}}})
    )
    program = (
        "import sys\n"
        "sys.modules['pglast'] = None\n"
        "from pathlib import Path\n"
        "from shared.configuration.problems import ConfigurationError\n"
        "from shared.startup import offer\n"
        "try:\n"
        "    offer(Path(sys.argv[1]).parent, {}, config_file=Path(sys.argv[1]))\n"
        "except ConfigurationError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(file)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pglast is not installed. It is the line pglast in requirements.in" in run.stdout
