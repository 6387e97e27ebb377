"""Who may reach what with an access token: real tokens, a real issuer, in both eras."""

import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.endpoint import Endpoint
from shared.http import Response
from tests.authentication.issuer import (
    API,
    APP_ID_URI,
    APPLICATION,
    CLIENT,
    OTHER_CLIENT,
    TENANT,
    USER,
    Issuer,
    rsa_key,
    saying,
    token,
)
from tests.bearer import call_with, endpoint_with_tokens, issuing_now, send_with
from tests.support import OPS_KEY, READER_KEY, message, send

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
METADATA = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
SIGN_IN = f'resource_metadata="{METADATA}", scope="{APP_ID_URI}/tools.read"'
SAME = {"x-correlation-id": "same"}
INVOICE = {"invoice": {"number": "1", "total": 2.0}}


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing_now() as running:
        yield running


@pytest.fixture
def endpoint(tmp_path: Path, issuer: Issuer) -> Endpoint:
    return endpoint_with_tokens(tmp_path, issuer)


def overriding(tool: str, **asked: Any) -> dict[str, Any]:
    return {"PowerShellConfiguration": {"FunctionOverrides": {tool: asked}}}


def scheme(**keys: Any) -> dict[str, Any]:
    return {"Authentication": {"Schemes": {"Bearer": keys}}}


def error(response: Response) -> Any:
    """The error of a JSON-RPC answer that a client can show."""
    body = json.loads(response.body)
    assert body["jsonrpc"] == "2.0"
    assert response.headers["Content-Type"] == "application/json"
    return body["error"]


def is_result(response: Response) -> bool:
    return response.status == 200 and "result" in json.loads(response.body)


async def listed(endpoint: Endpoint, presented: str | None, *, modern: bool = False) -> set[str]:
    response = await send_with(endpoint, presented, "tools/list", modern=modern)
    return {tool["name"] for tool in json.loads(response.body)["result"]["tools"]}


async def listed_for_curl(endpoint: Endpoint, presented: str) -> set[str]:
    headers = {"authorization": f"Bearer {presented}"}
    response = await send(endpoint, b"", headers, key=None, method="GET", path="/tools")
    assert response.status == 200
    return {tool["name"] for tool in json.loads(response.body)["tools"]}


# 401


@ERAS
@pytest.mark.parametrize("method", ["initialize", "server/discover", "ping", "tools/list", "no/no"])
async def test_without_a_token_a_client_learns_where_to_sign_in_and_for_what(
    endpoint: Endpoint, method: str, modern: bool
) -> None:
    params = {"protocolVersion": "2025-11-25"}
    response = await send_with(endpoint, None, method, params, modern=modern)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == f"Bearer {SIGN_IN}"
    assert error(response) == {
        "code": 401,
        "message": "A credential is needed. Send Authorization: Bearer with an access token or an "
        "API key in the header X-API-Key.",
    }


@ERAS
async def test_a_bad_token_is_401_and_the_reason_stands_in_challenge_and_body(
    endpoint: Endpoint, issuer: Issuer, modern: bool
) -> None:
    bad = {
        "not a signed JSON Web Token": "opaque",
        "has expired": token(issuer.user(exp=issuer.now - 3600)),
        "not valid yet": token(issuer.user(nbf=issuer.now + 3600)),
        "another resource": token(issuer.user(aud="https://other.example.com")),
        "Microsoft Graph": token(issuer.user(aud="https://graph.microsoft.com")),
        "an ID token": token(issuer.id_token()),
        "another issuer": token(issuer.user(iss="https://evil.example/v2.0")),
        "another tenant": token(issuer.user(tid=CLIENT)),
        "signature is not right": token(issuer.user(), key=rsa_key("own")),
        "does not publish": token(issuer.user(), kid="own"),
        "accepted algorithm": token(issuer.user(), header={"alg": "none"}),
        "neither clearly": token(issuer.user(scp="")),
    }
    for reason, presented in bad.items():
        response = await send_with(endpoint, presented, "tools/list", modern=modern)
        message = error(response)["message"]
        assert (response.status, error(response)["code"]) == (401, 401)
        assert reason in message
        assert response.headers["WWW-Authenticate"] == (
            f'Bearer error="invalid_token", error_description="{message}", {SIGN_IN}'
        )


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Basic dXNlcjpwYXNz",
        "Token abc",
        "Bearer\u00a0x.y.z",
        "DPoP x.y.z",
        "x.y.z",
        f"Bearer {READER_KEY}",
        f"ApiKey {READER_KEY}",
        READER_KEY,
    ],
)
async def test_what_is_no_bearer_token_is_401_and_never_tried_as_a_key(
    endpoint: Endpoint, issuer: Issuer, value: str
) -> None:
    response = await send(endpoint, message("ping"), {"authorization": value}, key=None)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert issuer.requests == []


@pytest.mark.parametrize("joined", [", ", ","])
async def test_a_token_that_comes_twice_is_none(
    endpoint: Endpoint, issuer: Issuer, joined: str
) -> None:
    value = f"Bearer {token(issuer.user())}"
    headers = {"authorization": f"{value}{joined}{value}"}
    assert (await send(endpoint, message("ping"), headers, key=None)).status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_name_of_the_scheme_has_no_case(
    endpoint: Endpoint, issuer: Issuer, scheme: str
) -> None:
    headers = {"authorization": f"{scheme}  {token(issuer.user())}\t"}
    assert is_result(await send(endpoint, message("ping"), headers, key=None))


@pytest.mark.parametrize("name", ["access_token", "token", "bearer_token"])
async def test_a_token_in_the_url_is_not_taken(
    endpoint: Endpoint, issuer: Issuer, name: str
) -> None:
    query = f"{name}={token(issuer.user())}"
    response = await send(endpoint, message("ping"), key=None, query=query)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == f"Bearer {SIGN_IN}"


async def test_without_default_scopes_a_client_is_told_of_all_there_are(
    tmp_path: Path, issuer: Issuer
) -> None:
    changes: dict[str, Any] = {"Authentication": {"DefaultPolicy": {"RequiredScopes": []}}}
    response = await send_with(endpoint_with_tokens(tmp_path, issuer, changes), None, "ping")
    assert f'scope="{APP_ID_URI}/invoices.write"' in response.headers["WWW-Authenticate"]


async def test_without_any_scope_a_client_asks_for_what_it_was_granted(
    tmp_path: Path, issuer: Issuer
) -> None:
    nothing: dict[str, Any] = {"RequiredScopes": []}
    changes = {
        "Authentication": {"DefaultPolicy": nothing},
        **overriding("pay_invoice", **nothing),
    }
    response = await send_with(endpoint_with_tokens(tmp_path, issuer, changes), None, "ping")
    assert f'scope="{APP_ID_URI}/.default"' in response.headers["WWW-Authenticate"]


# 403


@ERAS
async def test_a_user_who_lacks_scopes_is_told_all_that_the_call_needs(
    tmp_path: Path, issuer: Issuer, modern: bool
) -> None:
    asked = {"RequiredScopes": ["b", "a", f"{APP_ID_URI}/c", "tools.read", f"api://{API}/d"]}
    endpoint = endpoint_with_tokens(tmp_path, issuer, overriding("greet", **asked))
    presented = token(issuer.user(scp="tools.read d"))
    response = await call_with(endpoint, presented, "greet", {"name": "Ada"}, modern=modern)
    assert response.status == 403
    needed = " ".join(f"{APP_ID_URI}/{name}" for name in ("a", "b", "c", "d", "tools.read"))
    assert response.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_scope", '
        'error_description="greet needs what this credential lacks: a, b, c.", '
        f'resource_metadata="{METADATA}", scope="{needed}"'
    )
    body = json.loads(response.body)
    assert (body["id"], body["error"]["code"]) == (1, 403)
    assert body["error"]["message"] == "greet needs what this credential lacks: a, b, c."


@ERAS
@pytest.mark.parametrize("scp", ["invoices.write", f"x {APP_ID_URI}/invoices.write"])
async def test_a_user_with_the_scope_may_call(
    endpoint: Endpoint, issuer: Issuer, modern: bool, scp: str
) -> None:
    presented = token(issuer.user(scp=scp))
    assert is_result(await call_with(endpoint, presented, "pay_invoice", INVOICE, modern=modern))
    assert "pay_invoice" in await listed_for_curl(endpoint, presented)


@ERAS
async def test_a_users_role_is_no_scope(endpoint: Endpoint, issuer: Issuer, modern: bool) -> None:
    presented = token(issuer.user(scp="other", roles=["tools.read", "invoices.write"]))
    for tool in ("greet", "pay_invoice"):
        assert (await call_with(endpoint, presented, tool, modern=modern)).status == 403


@ERAS
@pytest.mark.parametrize(
    ("list_tools", "roles", "seen"),
    [
        ("reachable", ["finance"], True),
        ("callable", ["finance"], False),
        ("reachable", [], False),
        ("reachable", ["invoices.write"], False),
    ],
)
async def test_a_user_sees_what_more_scopes_would_allow_unless_lists_are_strict(
    tmp_path: Path, issuer: Issuer, modern: bool, list_tools: str, roles: list[str], seen: bool
) -> None:
    changes = {
        "Authentication": {"ListTools": list_tools},
        **overriding("pay_invoice", RequiredRoles=["finance"]),
    }
    endpoint = endpoint_with_tokens(tmp_path, issuer, changes)
    presented = token(issuer.user(roles=roles))
    assert ("pay_invoice" in await listed(endpoint, presented, modern=modern)) is seen
    assert "pay_invoice" not in await listed_for_curl(endpoint, presented)
    hidden = await call_with(endpoint, presented, "pay_invoice", {}, modern=modern, **SAME)
    if seen:
        assert hidden.status == 403
    else:
        unknown = await call_with(endpoint, presented, "pay_invoicx", {}, modern=modern, **SAME)
        assert (hidden.status, hidden.headers) == (unknown.status, unknown.headers)
        assert hidden.body.replace(b"invoice", b"invoicx") == unknown.body


@ERAS
async def test_an_application_without_a_role_is_told_which_would_do(
    tmp_path: Path, issuer: Issuer, modern: bool
) -> None:
    changes = {
        "Authentication": {"DefaultPolicy": {"RequiredScopes": ["access_as_server"]}},
        "PowerShellConfiguration": {"CommandNames": ["greet"]},
    }
    endpoint = endpoint_with_tokens(tmp_path, issuer, changes)
    presented = token(issuer.application(roles=[]))
    response = await send_with(endpoint, presented, "tools/list", modern=modern)
    assert response.status == 403
    assert "WWW-Authenticate" not in response.headers
    assert error(response) == {
        "code": 403,
        "message": f"The application {CLIENT} has no app role on this API. "
        "Assign it the app role access_as_server.",
    }
    assigned = token(issuer.application(roles=["access_as_server"]))
    assert await listed_for_curl(endpoint, assigned) == {"greet"}


@ERAS
@pytest.mark.parametrize("kind", ["user", "application"])
async def test_a_client_that_is_not_on_the_list_is_403(
    tmp_path: Path, issuer: Issuer, modern: bool, kind: str
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, scheme(AllowedClientIds=[OTHER_CLIENT]))
    claims = getattr(issuer, kind)()
    response = await send_with(endpoint, token(claims), "tools/list", modern=modern)
    assert (response.status, error(response)["code"]) == (403, 403)
    assert CLIENT in error(response)["message"]
    claims["azp"] = OTHER_CLIENT
    response = await send_with(endpoint, token(claims), "tools/list", modern=modern)
    assert is_result(response)


async def test_left_out_groups_are_403_where_groups_are_the_roles(
    tmp_path: Path, issuer: Issuer
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, scheme(ClaimsMapping={"RoleClaim": "groups"}))
    response = await send_with(endpoint, token(issuer.user(hasgroups=True)), "ping")
    assert response.status == 403
    assert "groups" in error(response)["message"]


# Applications


@ERAS
@pytest.mark.parametrize(
    ("roles", "greets", "pays"),
    [
        (["tools.read"], True, False),
        (["invoices.write"], False, True),
        (["Tools.Write.All"], False, True),
        (["tools.read", "invoices.write"], True, True),
        (["Tools.Read"], False, False),
        (["Tools.Read.All"], False, False),
        ([f"{APP_ID_URI}/tools.read"], False, False),
    ],
)
async def test_an_application_has_app_roles_in_place_of_scopes(
    tmp_path: Path, issuer: Issuer, modern: bool, roles: list[str], greets: bool, pays: bool
) -> None:
    stand_ins = {f"{APP_ID_URI}/invoices.write": ["Tools.Write.All"]}
    endpoint = endpoint_with_tokens(tmp_path, issuer, scheme(ApplicationRoles=stand_ins))
    presented = token(issuer.application(roles=roles))
    assert ("greet" in await listed(endpoint, presented, modern=modern)) is greets
    assert ("pay_invoice" in await listed(endpoint, presented, modern=modern)) is pays
    for tool, arguments, may in (("greet", {"name": "A"}, greets), ("pay_invoice", INVOICE, pays)):
        response = await call_with(endpoint, presented, tool, arguments, modern=modern, **SAME)
        assert is_result(response) is may
        if not may:
            unknown = await call_with(
                endpoint, presented, f"{tool[:-1]}_", arguments, modern=modern, **SAME
            )
            assert response.body.replace(tool.encode(), f"{tool[:-1]}_".encode()) == unknown.body


async def test_a_grant_gives_an_application_its_roles(tmp_path: Path, issuer: Issuer) -> None:
    grants = {CLIENT: {"Roles": ["invoices.write"]}, OTHER_CLIENT: {}}
    endpoint = endpoint_with_tokens(tmp_path, issuer, scheme(ApplicationGrants=grants))
    granted = token(issuer.application(roles=[]))
    assert await listed_for_curl(endpoint, granted) == {"pay_invoice"}
    admitted = token(issuer.application(roles=[], azp=OTHER_CLIENT))
    assert await listed_for_curl(endpoint, admitted) == set()


# 503


@ERAS
@pytest.mark.parametrize("which", ["on_metadata", "on_keys"])
async def test_without_signing_keys_a_token_is_503_and_a_key_is_not(
    endpoint: Endpoint, issuer: Issuer, modern: bool, which: str
) -> None:
    setattr(issuer, which, saying(500))
    response = await send_with(endpoint, token(issuer.user()), "tools/list", modern=modern)
    assert (response.status, error(response)["code"]) == (503, 503)
    assert "WWW-Authenticate" not in response.headers
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert "signing keys" in error(response)["message"]
    assert issuer.authority not in error(response)["message"]
    assert is_result(await send(endpoint, message("ping")))
    assert (await send_with(endpoint, None, "ping")).status == 401


# Tokens and keys together


async def test_a_token_and_a_key_each_do_and_both_at_once_do_not(
    endpoint: Endpoint, issuer: Issuer
) -> None:
    presented = token(issuer.user())
    assert is_result(await send_with(endpoint, presented, "ping"))
    assert is_result(await send(endpoint, message("ping")))
    for key in (READER_KEY, "wrong"):
        for bearer in (presented, "wrong"):
            both = {"authorization": f"Bearer {bearer}", "x-api-key": key}
            response = await send(endpoint, message("ping"), both, key=None)
            assert response.status == 400
            assert "X-API-Key and header Authorization" in error(response)["message"]


async def test_a_token_in_the_header_for_keys_is_a_wrong_key(
    endpoint: Endpoint, issuer: Issuer
) -> None:
    for value in (token(issuer.user()), f"Bearer {token(issuer.user())}"):
        response = await send(endpoint, message("ping"), key=value)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == f"Bearer {SIGN_IN}"
    assert issuer.requests == []


async def test_a_key_is_no_application(tmp_path: Path, issuer: Issuer) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, overriding("greet", RequiredRoles=["ops"]))
    keyed = {
        "Authentication": {
            "Schemes": {"ApiKey": {"Keys": {OPS_KEY: {"Scopes": ["tools.read"], "Roles": ["ops"]}}}}
        }
    }
    assert not is_result(await call_key(endpoint, OPS_KEY))
    endpoint = endpoint_with_tokens(
        tmp_path, issuer, {**overriding("greet", RequiredRoles=["ops"]), **keyed}
    )
    assert is_result(await call_key(endpoint, OPS_KEY))
    assert not is_result(await call_key(endpoint, READER_KEY))


async def call_key(endpoint: Endpoint, key: str) -> Response:
    params = {"name": "greet", "arguments": {"name": "Ada"}}
    return await send(endpoint, message("tools/call", params), key=key)


# Anonymous tools


@ERAS
async def test_a_bad_token_is_401_also_where_nobody_needs_one(
    tmp_path: Path, issuer: Issuer, modern: bool
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, overriding("greet", AllowAnonymous=True))
    ada = {"name": "Ada"}
    assert is_result(await call_with(endpoint, None, "greet", ada, modern=modern))
    assert is_result(await call_with(endpoint, token(issuer.user()), "greet", ada, modern=modern))
    expired = token(issuer.user(exp=issuer.now - 3600))
    for bad in (expired, "opaque", token(issuer.user(), key=rsa_key("own"))):
        response = await call_with(endpoint, bad, "greet", ada, modern=modern)
        assert response.status == 401
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@ERAS
async def test_who_comes_without_a_token_is_asked_for_one_by_every_other_tool(
    tmp_path: Path, issuer: Issuer, modern: bool
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, overriding("greet", AllowAnonymous=True))
    assert await listed(endpoint, None, modern=modern) == {"greet"}
    for tool in ("pay_invoice", "find_invoices", "no_such_tool"):
        response = await call_with(endpoint, None, tool, modern=modern)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == f"Bearer {SIGN_IN}"


async def test_in_a_batch_each_call_is_decided_for_itself(
    endpoint: Endpoint, issuer: Issuer
) -> None:
    calls = [("greet", {"name": "Ada"}), ("pay_invoice", INVOICE), ("no_such_tool", {})]
    batch = [
        message("tools/call", {"name": name, "arguments": arguments}, id=n)
        for n, (name, arguments) in enumerate(calls)
    ]
    headers = {"authorization": f"Bearer {token(issuer.user())}"}
    answers = json.loads((await send(endpoint, batch, headers, key=None)).body)
    by_id = {answer["id"]: answer for answer in answers}
    assert "result" in by_id[0]
    assert by_id[1]["error"]["code"] == 403
    assert by_id[2]["error"]["code"] == -32602


# What is recorded, and what is never shown


def records(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(r.message) for r in caplog.records if r.name == "postern.audit"]


async def test_the_record_names_tenant_and_object_of_who_called(
    tmp_path: Path, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    endpoint = endpoint_with_tokens(tmp_path, issuer)
    await call_with(endpoint, token(issuer.user()), "greet", {"name": "Ada"})
    await call_with(endpoint, token(issuer.user()), "pay_invoice")
    await call_with(endpoint, token(issuer.application()), "greet", {"name": "Ada"})
    await send_with(endpoint, token(issuer.application(roles=[])), "tools/list")
    await send_with(endpoint, token(issuer.user(exp=1)), "tools/list")
    shown = [
        (r.get("principal"), r.get("callerKind"), r["decision"], r["status"])
        for r in records(caplog)
    ]
    user, application = f"{TENANT}/{USER}", f"{TENANT}/{APPLICATION}"
    assert shown == [
        (user, "user", "allowed", 200),
        (user, "user", "denied", 403),
        (application, "application", "allowed", 200),
        (application, "application", "denied", 403),
        (None, None, "denied", 401),
    ]
    assert [r.get("reason", "") for r in records(caplog)][1:] == [
        "missing: invoices.write",
        "",
        f"The application {CLIENT} has no app role on this API. "
        "Assign it the app role finance.reader or invoices.write or tools.read.",
        "The token has expired.",
    ]


async def test_no_token_shows_in_a_log_an_answer_or_a_repr(
    tmp_path: Path, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = endpoint_with_tokens(tmp_path, issuer, package="toolsets")
    good = token(issuer.user())
    presented = [
        good,
        token(issuer.application(roles=[])),
        token(issuer.user(exp=1)),
        token(issuer.user(), key=rsa_key("own")),
        token(issuer.user(), kid="unknown"),
        token(issuer.user(aud="https://graph.microsoft.com")),
        good + ".x",
        "opaque-secret-token",
    ]
    answers = [
        f"{response!r} {response.body!r} {response.headers}"
        for one in presented
        for response in (
            await call_with(endpoint, one, "whoami"),
            await send(endpoint, message("ping"), key=None, query=f"access_token={one}"),
            await send(endpoint, message("ping"), {"authorization": one}, key=None),
            await send(endpoint, message("ping"), key=one),
        )
    ]
    issuer.on_metadata = saying(500)
    answers.append(
        repr((await call_with(endpoint_with_tokens(tmp_path, issuer), good, "greet")).body)
    )
    for one in presented:
        for secret in (one, one.rpartition(".")[2]):
            if len(secret) > 1:
                assert secret not in caplog.text
                assert not [answer for answer in answers if secret in answer]
    assert not re.search(r"eyJ[\w-]+\.eyJ", caplog.text)


async def test_whoami_tells_who_the_token_stands_for(tmp_path: Path, issuer: Issuer) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, package="toolsets")
    response = await call_with(endpoint, token(issuer.user(roles=["ops"])), "whoami", modern=True)
    told = json.loads(response.body)["result"]["structuredContent"]
    assert told.pop("expires").startswith("20")
    assert told == {
        "kind": "user",
        "principal": f"{TENANT}/{USER}",
        "scheme": "Bearer",
        "name": "Ada Lovelace",
        "tenant_id": TENANT,
        "client_id": CLIENT,
        "scopes": ["tools.read", "tools.write"],
        "roles": ["ops"],
    }


async def test_claims_at_their_limits_break_no_tool(tmp_path: Path, issuer: Issuer) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer, package="toolsets")
    extreme: Mapping[str, Any] = {
        "exp": 253_402_300_799,
        "name": "\ud800",
        "upn": "\u202e\0\x1b[31m",
        "roles": ["\u2028", "r" * 5000],
    }
    response = await call_with(endpoint, token(issuer.user(**extreme)), "whoami")
    assert is_result(response)
    assert json.loads(response.body)["result"].get("isError") is not True
