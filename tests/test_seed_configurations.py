"""The self-hosting pull request's three configurations, from a caller's token to rows.

The files are the pull request's own, with ids, sign-in host and secret replaced (and passthrough's
one line more). An endpoint in a process of its own serves them in production mode: callers sign in
at the development identity, over https, which also exchanges their tokens; the host's managed
identity is a fake; PostgreSQL is real, behind TLS, and takes nothing but a token that is for it and
for the principal its role was made for.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from development import serving as development
from development.directory import DAEMON, DAEMON_SECRET, user_named
from development.identity import TENANT
from development.registration import API_SECRET, Registration
from development.serving import Served
from shared.hosting import uvicorn_server
from tests.configuration.support import (
    PULL_REQUEST_MANAGED_IDENTITY,
    PULL_REQUEST_ON_BEHALF_OF,
    PULL_REQUEST_PASSTHROUGH,
)
from tests.credentials.tenant import signed_in
from tests.fakes.azure import FakeAzure
from tests.fakes.entra import object_id
from tests.fakes.postgres_server import PostgresServer, postgres_server
from tests.serving import Server, serving

IDENTITY = "12345678-1234-1234-1234-123456789abc"
API = Registration().client_id
POSTGRES = "https://ossrdbms-aad.database.windows.net"
SERVICE = "postern-identity"
QUERY = "SELECT owner, item FROM wish ORDER BY item"


def id_of(name: str) -> str:
    person = user_named(name)
    assert person is not None
    return person.object_id


ALMA, BRUNO = id_of("alma"), id_of("bruno")
WISHES = """
CREATE TABLE wish (owner text, item text);
ALTER TABLE wish ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON wish USING (owner = current_user);
GRANT SELECT ON wish TO PUBLIC;
"""
ROWS = [(ALMA, "a bicycle"), (ALMA, "a boat"), (BRUNO, "a book"), (SERVICE, "a server")]


class Principals:
    """The roles of a server and whose they are, as Azure's PostgreSQL knows them.

    `audience` is what tokens must be for. A role is let in with a token that is signed, for that,
    and its principal's; `seen` are the claims of each.
    """

    def __init__(self, shop: PostgresServer, served: Served, azure: FakeAzure) -> None:
        self.shop = shop
        self.served = served
        self.azure = azure
        self.audience = POSTGRES
        self.principals = {ALMA: ALMA, BRUNO: BRUNO, SERVICE: object_id(IDENTITY)}
        self.seen: list[dict[str, Any]] = []

    def admit(self, role: str, token: str) -> None:
        claims = self._claims(token)
        self.seen.append(claims)
        if claims.get("oid") == self.principals.get(role):
            with self.shop.admin() as connection:
                connection.execute(f"ALTER ROLE \"{role}\" PASSWORD '{token}'".encode())

    def _claims(self, token: str) -> dict[str, Any]:
        kid = jwt.get_unverified_header(token)["kid"]
        key = self.served.identity._mint.keys.public_key(kid)
        if key is None:
            return dict(self.azure.entra.claims(token, self.audience) or {})
        try:
            claims: dict[str, Any] = jwt.decode(token, key, ["RS256"], audience=self.audience)
        except jwt.InvalidTokenError:
            return {}
        return claims


@pytest.fixture(scope="module")
def shop() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        roles = [f'CREATE ROLE "{role}" LOGIN' for role in (ALMA, BRUNO, SERVICE)]
        server.run(*roles, "CREATE DATABASE shop")
        server.run(WISHES, database="shop")
        with server.admin("shop") as connection:
            connection.cursor().executemany("INSERT INTO wish VALUES (%s, %s)", ROWS)
        yield server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The development identity under its https URL, so that an endpoint in production takes it."""
    for _ in range(20):
        listener = uvicorn_server.listen("127.0.0.1", 0)
        secure = f"https://127.0.0.1:{listener.getsockname()[1] + 1}"
        found = development.start(
            tmp_path_factory.mktemp("project"),
            {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"},
            Registration(),
            listener,
            secure,
        )
        if found.secure_base == secure:
            return found
    raise RuntimeError("no two free ports side by side")


@pytest.fixture
def principals(shop: PostgresServer, served: Served, azure: FakeAzure) -> Iterator[Principals]:
    found = Principals(shop, served, azure)
    shop.front.admit = found.admit
    yield found
    shop.front.admit = None


@dataclass(frozen=True)
class Running:
    """A running endpoint and how to call its tool."""

    server: Server
    served: Served

    def query(self, token: str | None) -> Any:
        """The result of the tool for who has this token."""
        arguments = {"server": "shop", "database": "shop", "query": QUERY}
        params = {"name": "postgres_query", "arguments": arguments}
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        body: Any = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        answer = requests.post(
            self.server.url,
            json=body,
            headers={**headers, "MCP-Protocol-Version": "2025-11-25"},
            timeout=30,
        )
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer.json()["result"]

    def rows(self, token: str) -> Any:
        told = self.query(token)
        assert not told["isError"], told
        return told["structuredContent"]["rows"]

    def refusal(self, token: str) -> str:
        told = self.query(token)
        assert told["isError"], told
        return str(told["content"][0]["text"])

    def token(self, user: str) -> str:
        token = signed_in(self.served, user, scope=f"{API}/.default").assertion
        assert token is not None
        return token

    def application_token(self) -> str:
        answer = requests.post(
            f"{self.served.secure_authority}/oauth2/v2.0/token",
            {
                "grant_type": "client_credentials",
                "client_id": DAEMON,
                "client_secret": DAEMON_SECRET,
                "scope": f"{API}/.default",
            },
            verify=str(self.served.certificate_authority),
            timeout=30,
        )
        token: str = answer.json()["access_token"]
        return token

    def acted_as(self) -> list[str]:
        """As whom the calls so far reached Azure, by the audit log."""
        lines = self.server.log.read_text().splitlines()
        records = [json.loads(line[line.index("{") :]) for line in lines if "postern.audit" in line]
        return [record["actedAs"] for record in records if "actedAs" in record]


@contextlib.contextmanager
def running(folder: Path, text: str, principals: Principals, **server: Any) -> Iterator[Running]:
    """Serve the pull request's text with ids replaced, and the sections it leaves to the host."""
    served, shop = principals.served, principals.shop
    for old, new in {
        "https://login.microsoftonline.com/": f"{served.secure_base}/",
        "70a036f6-8e4d-4615-bad6-149c02e7720d": TENANT,
        "85a0b190-f927-4e27-b286-cd301d965e4a": API,
        "your-client-secret": API_SECRET,
    }.items():
        text = text.replace(old, new)
    own = {
        "Host": "localhost",
        "Port": shop.port,
        "Databases": ["shop"],
        "SslRootCert": str(shop.ca),
        "UserClaim": "object_id",
        **server,
    }
    configuration = {
        **json.loads(text),
        "Server": {"PublicUrl": "https://mcp.example.com/mcp"},
        "Toolsets": {"postgres": {"Servers": {"shop": own}}},
    }
    file = folder / "settings.json"
    file.write_text(json.dumps(configuration, indent=1), encoding="utf-8")
    authority = str(served.certificate_authority)
    variables = {
        **principals.azure.identity.app_service(),
        "SSL_CERT_FILE": authority,
        "REQUESTS_CA_BUNDLE": authority,
    }
    with serving(file, "toolsets", variables) as started:
        yield Running(started, served)


def test_managed_identity(tmp_path: Path, principals: Principals) -> None:
    """Everybody's calls reach PostgreSQL as the one user-assigned identity of the host."""
    principals.azure.identity.user_assigned.add(IDENTITY)
    text = PULL_REQUEST_MANAGED_IDENTITY
    with running(tmp_path, text, principals, User=SERVICE) as endpoint:
        for token in (endpoint.token("alma"), endpoint.token("bruno"), endpoint.token("alma")):
            assert endpoint.rows(token) == [[SERVICE, "a server"]]
        assert endpoint.rows(endpoint.application_token()) == [[SERVICE, "a server"]]
        assert set(endpoint.acted_as()) == {f"ManagedIdentity {IDENTITY}"}
    assert {claims["oid"] for claims in principals.seen} == {object_id(IDENTITY)}
    (asked,) = principals.azure.identity.calls.all("token")
    assert (asked.name, asked.details["resource"]) == (IDENTITY, POSTGRES)


def test_on_behalf_of(tmp_path: Path, principals: Principals) -> None:
    """Each user's calls reach PostgreSQL as that user, and see that user's rows."""
    with running(tmp_path, PULL_REQUEST_ON_BEHALF_OF, principals) as endpoint:
        alma, bruno = endpoint.token("alma"), endpoint.token("bruno")
        for _ in range(2):
            assert endpoint.rows(alma) == [[ALMA, "a bicycle"], [ALMA, "a boat"]]
            assert endpoint.rows(bruno) == [[BRUNO, "a book"]]
        assert "from an application" in endpoint.refusal(endpoint.application_token())
        assert "more proof of who you are" in endpoint.refusal(endpoint.token("edith"))
        assert set(endpoint.acted_as()) == {
            f"JwtObo {TENANT}/{ALMA} by {API}",
            f"JwtObo {TENANT}/{BRUNO} by {API}",
        }
        log = endpoint.server.log.read_text()
    assert {claims["oid"] for claims in principals.seen} == {ALMA, BRUNO}
    assert {claims["aud"] for claims in principals.seen} == {POSTGRES}
    assert API_SECRET not in log
    assert "eyJ" not in log


def test_on_behalf_of_does_not_reach_anothers_role(tmp_path: Path, principals: Principals) -> None:
    with running(tmp_path, PULL_REQUEST_ON_BEHALF_OF, principals, User=ALMA) as endpoint:
        assert endpoint.rows(endpoint.token("alma"))
        assert "did not accept the token" in endpoint.refusal(endpoint.token("bruno"))


def test_passthrough_as_the_pull_request_has_it_is_refused(
    tmp_path: Path, principals: Principals
) -> None:
    with running(tmp_path, PULL_REQUEST_PASSTHROUGH, principals) as endpoint:
        assert "without allowPassthrough: true" in endpoint.refusal(endpoint.token("alma"))
    assert principals.seen == []


def test_passthrough_with_its_one_line_more(tmp_path: Path, principals: Principals) -> None:
    """A database that takes tokens of the endpoint's own registration gets the caller's."""
    principals.audience = API
    text = PULL_REQUEST_PASSTHROUGH.replace(
        '"type": "JwtPassthrough"', '"type": "JwtPassthrough", "allowPassthrough": true'
    )
    with running(tmp_path, text, principals, TokenScope=f"{API}/.default") as endpoint:
        token = endpoint.token("alma")
        assert endpoint.rows(token) == [[ALMA, "a bicycle"], [ALMA, "a boat"]]
        assert endpoint.acted_as() == [f"JwtPassthrough {TENANT}/{ALMA}"]
    assert [claims["oid"] for claims in principals.seen] == [ALMA]


def test_passthrough_never_reaches_azures_own_postgresql(
    tmp_path: Path, principals: Principals
) -> None:
    text = PULL_REQUEST_PASSTHROUGH.replace(
        '"type": "JwtPassthrough"', '"type": "JwtPassthrough", "allowPassthrough": true'
    )
    with running(tmp_path, text, principals) as endpoint:
        told = endpoint.refusal(endpoint.token("alma"))
    assert f"may not be sent to {POSTGRES}" in told
    assert principals.seen == []
