"""Paths, metadata and who may reach the identity at all."""

import json
import logging
from urllib.parse import urlencode

import pytest

from development.directory import DAEMON_SECRET
from development.identity import ROTATION_PATH, TENANT, Identity
from development.signing_keys import SigningKeys
from shared.http import Request
from tests.development.support import API, BASE, REGISTRATION, VERIFIER, Bench, refused

AUTHORITY = f"{BASE}/{TENANT}"
CONFIGURATION = "v2.0/.well-known/openid-configuration"


async def test_the_metadata_is_where_and_what_entras_is(bench: Bench) -> None:
    v2 = json.loads((await bench.get(CONFIGURATION)).body)
    assert v2["issuer"] == f"{AUTHORITY}/v2.0"
    assert v2["authorization_endpoint"] == f"{AUTHORITY}/oauth2/v2.0/authorize"
    assert v2["token_endpoint"] == f"{AUTHORITY}/oauth2/v2.0/token"
    assert v2["jwks_uri"] == f"{AUTHORITY}/discovery/v2.0/keys"
    assert v2["scopes_supported"] == ["openid", "profile", "email", "offline_access"]
    v1 = json.loads((await bench.get(".well-known/openid-configuration")).body)
    assert (v1["issuer"], v1["jwks_uri"]) == (f"{AUTHORITY}/", f"{AUTHORITY}/discovery/keys")


@pytest.mark.parametrize(
    "absent",
    [
        "code_challenge_methods_supported",
        "registration_endpoint",
        "authorization_response_iss_parameter_supported",
        "client_id_metadata_document_supported",
    ],
)
async def test_what_entra_does_not_say_is_not_said(bench: Bench, absent: str) -> None:
    assert absent not in json.loads((await bench.get(CONFIGURATION)).body)


async def test_the_keys_are_where_the_metadata_says(bench: Bench) -> None:
    """Entra tells the issuer in its v2 key set alone."""
    for path, issuer in (("discovery/v2.0/keys", f"{AUTHORITY}/v2.0"), ("discovery/keys", None)):
        (key,) = json.loads((await bench.get(path)).body)["keys"]
        assert (key["kid"], key.get("issuer")) == (bench.keys.key_id, issuer)


async def test_under_another_address_it_is_the_same_issuer(bench: Bench) -> None:
    secure = bench.identity.under("https://localhost:7073")
    path, headers = f"/{TENANT}/{CONFIGURATION}", {"host": "localhost:7073"}
    told = json.loads((await secure.handle(Request("GET", path, headers))).body)
    assert told["issuer"] == f"{AUTHORITY}/v2.0"
    assert told["token_endpoint"] == f"https://localhost:7073/{TENANT}/oauth2/v2.0/token"


async def test_keys_are_rotated_by_post_alone() -> None:
    bench = Bench(SigningKeys())
    first = bench.keys.key_id
    assert (await bench.send("GET", ROTATION_PATH)).status == 405
    assert bench.keys.key_id == first
    evil = {"origin": "https://evil.example"}
    assert (await bench.send("POST", ROTATION_PATH, headers=evil)).status == 403
    assert bench.keys.key_id == first
    rotated = json.loads((await bench.send("POST", ROTATION_PATH)).body)
    assert rotated == {"kid": bench.keys.key_id}
    published = json.loads((await bench.get("discovery/v2.0/keys")).body)
    assert [key["kid"] for key in published["keys"]] == [rotated["kid"], first]


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:7072", "127.0.0.1:7072", "127.1.2.3", "[::1]:7072", "LOCALHOST:1"],
)
async def test_this_machines_names_are_its_hosts(bench: Bench, host: str) -> None:
    assert (await bench.get(CONFIGURATION, headers={"host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:7072",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost, evil.example",
        "localhost:7072, localhost:7072",
        "localhost/x",
        "x@localhost",
        "localhost:port",
        "[::1",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1:7072",
    ],
)
@pytest.mark.parametrize("path", [f"/{TENANT}/{CONFIGURATION}", ROTATION_PATH, "/"])
async def test_a_strangers_host_is_refused(bench: Bench, host: str, path: str) -> None:
    response = await bench.send("GET", path, headers={"host": host})
    assert response.status == 403
    assert b"Host" in response.body


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://localhost.evil.example",
        "http://127.0.0.1@evil.example",
        "file://",
        "localhost",
        "chrome-extension://localhost",
    ],
)
@pytest.mark.parametrize("path", ["oauth2/v2.0/token", "login", CONFIGURATION])
async def test_a_strangers_origin_is_refused(bench: Bench, origin: str, path: str) -> None:
    for response in (
        await bench.post(path, {}, {"origin": origin}),
        await bench.get(path, headers={"origin": origin}),
    ):
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("origin", ["http://localhost:6274", "https://127.0.0.1", "http://[::1]:1"])
async def test_web_pages_on_this_machine_may_read_what_clients_need(
    bench: Bench, origin: str
) -> None:
    given = {"origin": origin}
    for path in (CONFIGURATION, "discovery/v2.0/keys", ".well-known/openid-configuration"):
        response = await bench.get(path, headers=given)
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert response.headers["Vary"] == "Origin"
    refusal = await bench.post("oauth2/v2.0/token", {}, given)
    assert (refusal.status, refusal.headers["Access-Control-Allow-Origin"]) == (400, origin)
    preflight = await bench.send("OPTIONS", f"/{TENANT}/oauth2/v2.0/token", headers=given)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in preflight.headers


async def test_no_web_page_reads_a_sign_in_page(bench: Bench) -> None:
    given = {"origin": "http://localhost:6274"}
    response = await bench.get("oauth2/v2.0/authorize", headers=given)
    assert "Access-Control-Allow-Origin" not in response.headers
    preflight = await bench.send("OPTIONS", f"/{TENANT}/login", headers=given)
    assert preflight.status == 405


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", f"/{TENANT}", 404),
        ("GET", f"/.well-known/oauth-authorization-server/{TENANT}/v2.0", 404),
        ("GET", f"/.well-known/openid-configuration/{TENANT}/v2.0", 404),
        ("GET", f"/{TENANT}/oauth2/v2.0/token", 405),
        ("POST", f"/{TENANT}/oauth2/v2.0/authorize", 405),
        ("PUT", f"/{TENANT}/{CONFIGURATION}", 405),
        ("HEAD", f"/{TENANT}/{CONFIGURATION}", 200),
        ("GET", f"/{TENANT.upper()}/{CONFIGURATION}", 200),
    ],
)
async def test_other_paths_and_verbs(bench: Bench, method: str, path: str, status: int) -> None:
    assert (await bench.send(method, path)).status == status


@pytest.mark.parametrize("tenant", ["common", "organizations", "<b>", "x" * 500])
async def test_there_is_one_tenant(bench: Bench, tenant: str) -> None:
    response = await bench.send("GET", f"/{tenant}/{CONFIGURATION}")
    assert refused((response.status, json.loads(response.body))) == (400, "invalid_request", 90002)
    page = await bench.send("GET", f"/{tenant}/oauth2/v2.0/authorize")
    assert b"AADSTS90002" in page.body
    assert b"<b>" not in page.body.replace(b"<body>", b"")


async def test_what_is_too_large_is_refused(bench: Bench) -> None:
    assert (await bench.get("oauth2/v2.0/authorize", query="x" * 16_385)).status == 413
    body = urlencode({"client_secret": "x" * 65_536})
    assert (await bench.send("POST", f"/{TENANT}/oauth2/v2.0/token", body=body)).status == 413


async def test_a_repeated_parameter_is_refused(bench: Bench) -> None:
    page = await bench.get("oauth2/v2.0/authorize", query="client_id=a&client_id=b")
    assert b"AADSTS9000411" in page.body


async def test_a_failure_of_our_own_is_told_by_its_correlation_id_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> float:
        raise RuntimeError("no time")

    identity = Identity(BASE, REGISTRATION, SigningKeys(), broken)
    body = urlencode({"grant_type": "client_credentials", "client_secret": DAEMON_SECRET}).encode()
    mark = "0a1b2c3d-0000-4000-8000-000000000001"
    headers = {
        "host": "localhost",
        "content-type": "application/x-www-form-urlencoded",
        "client-request-id": mark,
    }
    path = f"/{TENANT}/oauth2/v2.0/token"
    response = await identity.handle(Request("POST", path, headers, "", body))
    assert response.status == 500
    assert json.loads(response.body) == {"error": "server_error", "correlation_id": mark}
    assert response.headers["client-request-id"] == response.headers["X-Correlation-ID"] == mark
    assert mark in caplog.text
    assert DAEMON_SECRET not in caplog.text


async def test_no_secret_code_or_token_is_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    code = await bench.code(scope=f"{API}/.default offline_access openid")
    _, answer = await bench.redeem(code)
    await bench.redeem(code)
    await bench.daemon()
    await bench.daemon(client_secret="a-wrong-secret")
    await bench.on_behalf_of(answer["access_token"], scope=None)
    await bench.authorize(login_hint="dario")
    await bench.authorize(client_id="nobody")
    assert "oauth2/v2.0/token: AADSTS54005" in caplog.text
    assert "sign-in: AADSTS50105" in caplog.text
    for secret in (
        code,
        answer["access_token"],
        answer["refresh_token"],
        answer["id_token"],
        DAEMON_SECRET,
        "a-wrong-secret",
        VERIFIER,
    ):
        assert secret not in caplog.text


@pytest.mark.parametrize("path", ["oauth2/v2.0/token", "login", "oauth2/v2.0/authorize"])
async def test_whatever_is_sent_is_answered(bench: Bench, path: str) -> None:
    for text in (
        "",
        "&&&",
        "=",
        "%",
        "%00",
        "a=%zz",
        "\u00fc",
        "grant_type=%00&scope=%ff",
        "a" * 99,
    ):
        form = {"content-type": "application/x-www-form-urlencoded"}
        for response in (
            await bench.send("POST", f"/{TENANT}/{path}", body=text, headers=form),
            await bench.send("GET", f"/{TENANT}/{path}", query=text),
        ):
            assert response.status in (400, 405)
