"""Access tokens through Microsoft's worker library, from an issuer with a certificate."""

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from anyio.from_thread import start_blocking_portal

from tests.authentication.issuer import API, APP_ID_URI, TENANT, USER, Issuer, issuing, token
from tests.functions_host.conftest import extended
from tests.functions_host.host import FunctionsHost, Reply, hosting
from tests.support import OPS_KEY, configured, message

JSON = ("Content-Type", "application/json")
ACCEPT = ("Accept", "application/json, text/event-stream")
METADATA = "/.well-known/oauth-protected-resource"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def issuer(ca: trustme.CA) -> Iterator[Issuer]:
    """An issuer in a thread of its own, since the host is waited for without an event loop."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(issuing(tls)) as running,
    ):
        running.now = int(time.time())
        yield running


@pytest.fixture(scope="module", params=["false", "true"], ids=["buffered", "streaming"])
def host(
    request: pytest.FixtureRequest,
    issuer: Issuer,
    ca: trustme.CA,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FunctionsHost]:
    folder = tmp_path_factory.mktemp("tokens")
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    bearer = {"Authority": issuer.authority, "Audience": APP_ID_URI, "ClientId": API}
    authentication = {
        "DefaultScheme": "Bearer",
        "AdditionalSchemes": ["ApiKey"],
        "Schemes": {"Bearer": {"Type": "JwtBearer", **bearer}},
    }
    shown = {"ServeAuthorizationServerMetadata": True}
    changes = {"Authentication": {**authentication, "ProtectedResource": shown}}
    app = extended(folder / "app", configured(changes))
    variables = {"Hosting__Streaming": request.param, "SSL_CERT_FILE": str(folder / "ca.pem")}
    with hosting(app, variables) as running:
        yield running


def call(host: FunctionsHost, presented: str | None, tool: str, /, **arguments: Any) -> Reply:
    body = message("tools/call", {"name": tool, "arguments": arguments})
    headers = [JSON]
    if presented is not None:
        headers.append(("Authorization", f"Bearer {presented}"))
    return host.request("POST", "/mcp", headers, json.dumps(body).encode())


def test_a_token_is_verified_over_tls_and_its_caller_may_call(
    host: FunctionsHost, issuer: Issuer
) -> None:
    presented = token(issuer.user(roles=["reader"]))
    assert f"{TENANT}/{USER}" in call(host, presented, "whoami").body.decode()
    reply = call(host, presented, "greet", name="Ada")
    assert reply.json["result"]["content"][0]["text"] == "Hello, Ada!"


def test_without_a_token_the_answer_leads_to_the_metadata(
    host: FunctionsHost, issuer: Issuer
) -> None:
    reply = call(host, None, "whoami")
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == (
        f'Bearer resource_metadata="https://mcp.example.com{METADATA}/mcp", '
        f'scope="{APP_ID_URI}/.default"'
    )
    for suffix in ("", "/mcp"):
        document = host.request("GET", METADATA + suffix, [("Origin", "https://any.example")]).json
        assert document["resource"] == APP_ID_URI
    server = host.request("GET", "/.well-known/oauth-authorization-server/mcp").json
    assert [server["issuer"]] == document["authorization_servers"]
    assert server["token_endpoint"] == issuer.metadata["token_endpoint"]


def test_a_bad_token_is_refused_and_a_repeated_one_too(host: FunctionsHost, issuer: Issuer) -> None:
    good = token(issuer.user(roles=["reader"]))
    for bad in (good[:-8], token(issuer.user(exp=1)), "opaque", f"{good}, Bearer {good}"):
        reply = call(host, bad, "whoami")
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


def test_a_call_with_a_token_is_answered_as_it_goes_where_the_app_streams(
    host: FunctionsHost, issuer: Issuer, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    body = message("tools/call", {"name": "count", "arguments": {"gate": str(gate)}})
    body["params"]["_meta"] = {"progressToken": "t"}
    bearer = ("Authorization", f"Bearer {token(issuer.user(roles=['reader']))}")
    reply = host.request("POST", "/mcp", [JSON, ACCEPT, bearer], json.dumps(body).encode())
    assert (reply.status, b"counted" in reply.body) == (200, True)
    events = reply.headers["content-type"] == "text/event-stream"
    assert events is (host.server is not None)
    assert (b"notifications/progress" in reply.body) is events


def test_a_key_does_beside_a_token_and_both_at_once_do_not(
    host: FunctionsHost, issuer: Issuer
) -> None:
    bearer = ("Authorization", f"Bearer {token(issuer.user())}")
    key = ("X-API-Key", OPS_KEY)
    body = json.dumps(message("ping")).encode()
    for credentials, status in (([key], 200), ([bearer], 200), ([key, bearer], 400)):
        assert host.request("POST", "/mcp", [JSON, *credentials], body).status == status


def test_the_log_names_the_caller_and_holds_no_token(host: FunctionsHost, issuer: Issuer) -> None:
    presented = token(issuer.user(roles=["reader"], name="Logged"))
    call(host, presented, "whoami")
    call(host, presented + "x", "whoami")
    log = host.log.read_text(encoding="utf-8")
    assert f"{TENANT}/{USER}" in log
    assert presented.split(".")[1] not in log
    assert presented.split(".")[2] not in log
