"""`manage.py run`: as whom tools call Azure on a developer's machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from development.registration import API_SECRET
from tests.commands.support import exchange, manage, running
from tests.support import message, reserved_port, write_configuration

UNREACHABLE = "The server shop cannot be reached"


@pytest.fixture
def closed_port() -> Iterator[int]:
    with reserved_port() as port:
        yield port


def calling(
    project: Path, folder: Path, outbound: dict[str, Any], port: int, *flags: str
) -> tuple[str, str]:
    """What a user's call is told whose tool wants a token for PostgreSQL, and the log."""
    configuration = {
        "Authentication": {
            "Enabled": True,
            "DefaultScheme": "Bearer",
            "Schemes": {"Bearer": {"Type": "JwtBearer", "Authority": "development"}},
        },
        "Toolsets": {
            "postgres": {
                "Servers": {"shop": {"Host": "127.0.0.1", "Port": port, "Databases": ["shop"]}}
            }
        },
        "outboundAuthentication": outbound,
    }
    file = write_configuration(folder, configuration)
    given = ("run", "--port", "0", "--json", "--config", str(file), *flags)
    environment = {"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
    with running(project, *given, environment=environment) as server:
        url = server.json["url"]
        port_of_endpoint = url.split(":")[2].removesuffix("/mcp")
        token = manage(project, "token", "--port", port_of_endpoint).stdout.strip()
        arguments = {"server": "shop", "database": "shop"}
        call = message("tools/call", {"name": "postgres_list_tables", "arguments": arguments})
        reply = exchange(url, call, {"Authorization": f"Bearer {token}"})
        return reply.json["result"]["content"][0]["text"], server.log.read_text(encoding="utf-8")


def test_users_of_the_development_identity_act_on_their_own_behalf(
    project: Path, tmp_path: Path, closed_port: int
) -> None:
    secret = {"kind": "ClientSecret", "secret": API_SECRET}
    outbound = {"type": "JwtObo", "clientCredential": secret}
    told, log = calling(project, tmp_path, outbound, closed_port)
    assert told.startswith(UNREACHABLE), told
    assert '"actedAs":"JwtObo ' in log
    assert API_SECRET not in log
    assert "eyJ" not in log


def test_nobody_acts_as_the_developer_by_default(
    project: Path, tmp_path: Path, closed_port: int
) -> None:
    told, log = calling(project, tmp_path, {"type": "ManagedIdentity"}, closed_port)
    assert "manage.py run --use-my-azure-login" in told
    assert '"actedAs"' not in log


def test_with_the_developers_word_their_own_sign_in_is_asked(
    project: Path, tmp_path: Path, closed_port: int
) -> None:
    outbound = {"type": "ManagedIdentity"}
    told, _ = calling(project, tmp_path, outbound, closed_port, "--use-my-azure-login")
    assert "Nobody is signed in to Azure on this machine" in told
