"""PoshMcp's Authentication Guide by the letter, against the development identity.

Its Entra JSON with nothing changed but host names and the tenant, then its three requests.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from development.directory import DAEMON, DAEMON_SECRET, STRANGER, STRANGER_SECRET
from shared.configuration.entra import DEVELOPMENT_TENANT
from tests.commands.support import Reply, copy_of_the_project, exchange, running
from tests.configuration.support import GUIDE_ENTRA
from tests.support import reserved_port


class Guide(NamedTuple):
    """What follows the guide: the endpoint's origin, the issuer, and the endpoint's log."""

    origin: str
    authority: str
    log: Path


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    folder = tmp_path_factory.mktemp("guide")
    file = folder / "appsettings.json"
    project = copy_of_the_project(folder / "project")
    with reserved_port() as port:
        authority = f"http://127.0.0.1:{port}"
        text = GUIDE_ENTRA.replace("https://login.microsoftonline.com", authority)
        file.write_text(text.replace("{tenant-id}", DEVELOPMENT_TENANT), encoding="utf-8")
        with running(project, "run", "--port", "0", "--json", "--config", str(file)) as server:
            origin = server.json["url"].removesuffix("/mcp")
            yield Guide(origin, f"{authority}/{DEVELOPMENT_TENANT}", server.log)


def token(guide: Guide, client_id: str, secret: str) -> str:
    """The guide's second request."""
    form = {
        "client_id": client_id,
        "client_secret": secret,
        "scope": "api://poshmcp-prod/.default",
        "grant_type": "client_credentials",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = exchange(f"{guide.authority}/oauth2/v2.0/token", urlencode(form), headers)
    assert reply.status == 200, reply.body
    return str(reply.json["access_token"])


def tools(guide: Guide, bearer: str) -> Reply:
    """The guide's third request."""
    return exchange(f"{guide.origin}/tools", None, {"Authorization": f"Bearer {bearer}"})


def test_the_metadata_is_what_the_guide_expects(guide: Guide) -> None:
    reply = exchange(f"{guide.origin}/.well-known/oauth-protected-resource")
    assert reply.status == 200
    assert reply.json == {
        "resource": "api://poshmcp-prod",
        "resource_name": "PoshMcp Server",
        "authorization_servers": [guide.authority],
        "scopes_supported": ["api://poshmcp-prod/access_as_server"],
        "bearer_methods_supported": ["header"],
    }


def test_an_application_with_the_app_role_lists_the_tools(guide: Guide) -> None:
    reply = tools(guide, token(guide, DAEMON, DAEMON_SECRET))
    assert reply.status == 200
    assert [tool["name"] for tool in reply.json["tools"]] == ["get_process", "get_service"]


def test_without_the_app_role_the_answer_names_it(guide: Guide) -> None:
    reply = tools(guide, token(guide, STRANGER, STRANGER_SECRET))
    assert reply.status == 403
    assert "Assign it the app role access_as_server." in reply.json["error"]["message"]
    assert "www-authenticate" not in reply.headers


def test_without_a_token_the_challenge_says_where_the_metadata_is(guide: Guide) -> None:
    reply = exchange(f"{guide.origin}/tools")
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == (
        f'Bearer resource_metadata="{guide.origin}/.well-known/oauth-protected-resource/mcp", '
        'scope="api://poshmcp-prod/access_as_server"'
    )


def test_the_log_names_the_line_that_real_tokens_need(guide: Guide) -> None:
    assert '"ClientId": "<application (client) id>"' in guide.log.read_text(encoding="utf-8")


def test_the_log_tells_who_called_and_no_token(guide: Guide) -> None:
    bearer = token(guide, DAEMON, DAEMON_SECRET)
    tools(guide, bearer)
    log = guide.log.read_text(encoding="utf-8")
    records: list[Any] = [
        json.loads(line.partition("postern.audit ")[2])
        for line in log.splitlines()
        if "postern.audit " in line
    ]
    assert records[-1]["principal"].startswith(f"{DEVELOPMENT_TENANT}/")
    assert records[-1]["callerKind"] == "application"
    assert bearer not in log
    assert DAEMON_SECRET not in log
