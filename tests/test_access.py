"""Who may reach what, seen from outside: requests to a real endpoint, in both eras."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.authentication.authenticate import Authenticator
from shared.caller import Caller
from shared.configuration.problems import ConfigurationError
from shared.endpoint import Endpoint
from shared.http import Request, Response
from shared.startup import build
from shared.unready import UnreadyEndpoint
from tests.configuration.support import DEVELOPMENT, GUIDE_API_KEYS
from tests.support import (
    OPS_KEY,
    READER_KEY,
    ask,
    configured,
    endpoint_for,
    message,
    routing_headers,
    send,
    write_configuration,
)

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
DEPLOY_KEY = "deploy-key-0123456789abcdefghijklmno"
CHALLENGE = 'ApiKey realm="postern"'

FOR_READERS = ["greet", "fail", "sleep", "block", "repeat", "nothing"]
OPEN_GREET = {"PowerShellConfiguration": {"FunctionOverrides": {"greet": {"AllowAnonymous": True}}}}


def overriding(tool: str, **asked: Any) -> dict[str, Any]:
    return {"PowerShellConfiguration": {"FunctionOverrides": {tool: asked}}}


async def call(
    endpoint: Endpoint,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    modern: bool = False,
    key: str | None = READER_KEY,
    query: str = "",
) -> Response:
    body = message("tools/call", {"name": tool, "arguments": arguments or {}}, modern=modern)
    headers = {**(routing_headers(body) if modern else {}), "x-correlation-id": "same"}
    return await send(endpoint, body, headers, key=key, query=query)


async def listed(
    endpoint: Endpoint, *, modern: bool = False, key: str | None = READER_KEY
) -> list[str]:
    answer = await ask(endpoint, "tools/list", modern=modern, key=key)
    return [tool["name"] for tool in answer["result"]["tools"]]


async def listed_for_curl(endpoint: Endpoint, key: str | None = READER_KEY) -> list[str]:
    response = await send(endpoint, b"", method="GET", path="/tools", key=key)
    assert response.status == 200
    return [tool["name"] for tool in json.loads(response.body)["tools"]]


def is_result(response: Response) -> bool:
    return response.status == 200 and "result" in json.loads(response.body)


# Credentials


@ERAS
@pytest.mark.parametrize("method", ["initialize", "server/discover", "ping", "tools/list", "no/no"])
async def test_without_a_key_every_method_is_401_with_a_challenge(
    tmp_path: Path, method: str, modern: bool
) -> None:
    body = message(method, {"protocolVersion": "2025-11-25"}, modern=modern)
    response = await send(endpoint_for(tmp_path), body, routing_headers(body), key=None)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize("body", [b"{", b"", b"[" * 10_000, b"\xff"])
async def test_who_calls_is_asked_before_the_body_is_read(tmp_path: Path, body: bytes) -> None:
    response = await send(endpoint_for(tmp_path), body, key=None)
    assert response.status == 401


async def test_the_realm_is_the_servers_name_and_stays_within_its_quotes(tmp_path: Path) -> None:
    name = 'a", error="x\r\nX: y'
    endpoint = endpoint_for(tmp_path, {"Server": {"Name": name}})
    response = await send(endpoint, message("ping"), key=None)
    value = response.headers["WWW-Authenticate"]
    assert value.startswith("ApiKey realm=")
    assert value.count('"') == 2
    assert value.isprintable()


@pytest.mark.parametrize("path", ["/mcp", "/tools"])
@pytest.mark.parametrize("changes", [{}, OPEN_GREET], ids=["closed", "anonymous-admitted"])
@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"x-api-key": "wrong"}, "", 401),
        ({"x-api-key": ""}, "", 401),
        ({"x-api-key": f"{READER_KEY}, {READER_KEY}"}, "", 401),
        ({"x-api-key": "k" * 100_000}, "", 401),
        ({"x-api-key": "cl\xe9"}, "", 401),
        ({"authorization": f"Bearer {READER_KEY}"}, "", 401),
        ({}, f"api_key={READER_KEY}", 401),
        ({}, f"x-api-key={READER_KEY}", 401),
        ({}, "code=", 401),
        ({"x-api-key": READER_KEY, "authorization": "Bearer x"}, "", 400),
        ({"x-api-key": READER_KEY}, f"key={READER_KEY}", 400),
    ],
)
async def test_a_bad_credential_is_refused_and_never_counts_as_none(
    tmp_path: Path,
    path: str,
    changes: Mapping[str, Any],
    headers: Mapping[str, str],
    query: str,
    status: int,
) -> None:
    endpoint = endpoint_for(tmp_path, changes)
    method = "POST" if path == "/mcp" else "GET"
    response = await send(
        endpoint, message("ping"), headers, key=None, query=query, path=path, method=method
    )
    assert response.status == status
    assert ("WWW-Authenticate" in response.headers) is (status == 401)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": READER_KEY}, 200),
        ({"x-deploy-key": DEPLOY_KEY}, 200),
        ({"x-api-key": DEPLOY_KEY}, 401),
        ({"x-deploy-key": READER_KEY}, 401),
        ({"x-api-key": READER_KEY, "x-deploy-key": DEPLOY_KEY}, 400),
    ],
)
async def test_additional_schemes_take_keys_in_headers_of_their_own(
    tmp_path: Path, headers: Mapping[str, str], status: int
) -> None:
    deploy = {
        "Type": "ApiKey",
        "HeaderName": "X-Deploy-Key",
        "AllowInlineKeys": True,
        "Keys": {DEPLOY_KEY: {"Roles": ["reader"]}},
    }
    schemes = {"AdditionalSchemes": ["Deploy"], "Schemes": {"Deploy": deploy}}
    endpoint = endpoint_for(tmp_path, {"Authentication": schemes})
    response = await send(endpoint, message("ping"), headers, key=None)
    assert response.status == status


async def test_a_scheme_that_is_not_in_use_takes_no_keys(tmp_path: Path) -> None:
    idle = {"Type": "ApiKey", "HeaderName": "X-Idle-Key", "Keys": {DEPLOY_KEY: {}}}
    endpoint = endpoint_for(tmp_path, {"Authentication": {"Schemes": {"Idle": idle}}})
    response = await send(endpoint, message("ping"), {"x-idle-key": DEPLOY_KEY}, key=None)
    assert response.status == 401


async def test_with_keys_only_there_is_no_resource_metadata(tmp_path: Path) -> None:
    for path in (
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ):
        response = await send(endpoint_for(tmp_path), b"", method="GET", path=path, key=None)
        assert response.status == 404


# Keys


@ERAS
async def test_a_key_sees_only_what_it_may_call(tmp_path: Path, modern: bool) -> None:
    endpoint = endpoint_for(tmp_path, overriding("greet", RequiredRoles=["ops"]))
    without_greet = [name for name in FOR_READERS if name != "greet"]
    assert await listed(endpoint, modern=modern) == without_greet
    assert await listed_for_curl(endpoint) == without_greet
    assert await listed(endpoint, modern=modern, key=OPS_KEY) == FOR_READERS
    assert await listed_for_curl(endpoint, OPS_KEY) == FOR_READERS


@ERAS
@pytest.mark.parametrize("hidden", ["find_invoices", "pay_invoice"])
@pytest.mark.parametrize("list_tools", ["reachable", "callable"])
@pytest.mark.parametrize("arguments", [{}, {"customer": "C-1"}, {"wrong": 1}])
async def test_a_hidden_tool_answers_a_key_like_one_that_does_not_exist(
    tmp_path: Path, hidden: str, modern: bool, list_tools: str, arguments: dict[str, Any]
) -> None:
    endpoint = endpoint_for(tmp_path, {"Authentication": {"ListTools": list_tools}})
    unknown = hidden[:-1] + "x"
    real = await call(endpoint, hidden, arguments, modern=modern)
    invented = await call(endpoint, unknown, arguments, modern=modern)
    assert real.status == invented.status
    assert real.headers == invented.headers
    assert real.body.replace(hidden.encode(), unknown.encode()) == invented.body
    assert json.loads(real.body)["error"]["code"] == -32602


@ERAS
async def test_a_hidden_tool_in_a_batch_or_a_cursor_is_no_different(
    tmp_path: Path, modern: bool
) -> None:
    endpoint = endpoint_for(tmp_path, {"Server": {"PageSize": 2}})
    first = await ask(endpoint, "tools/list", modern=modern, key=OPS_KEY)
    cursors = []
    for name in ("find_invoices", "find_invoicex"):
        changed = _renamed(first["result"]["nextCursor"], name)
        answer = await ask(endpoint, "tools/list", {"cursor": changed}, modern=modern)
        cursors.append(answer)
    assert cursors[0] == cursors[1]
    assert cursors[0]["error"]["code"] == -32602
    batch = [
        message("tools/call", {"name": name}, id=1) for name in ("find_invoices", "find_invoicex")
    ]
    real, invented = json.loads((await send(endpoint, batch)).body)
    assert str(real).replace("invoices", "invoicex") == str(invented)


def _renamed(cursor: str, name: str) -> str:
    """A page's cursor that goes on after another tool."""
    before = base64.urlsafe_b64decode(cursor).decode().rpartition(" ")[0]
    return base64.urlsafe_b64encode(f"{before} {name}".encode()).decode()


async def test_the_name_in_the_body_decides_and_not_the_one_in_the_header(tmp_path: Path) -> None:
    endpoint = endpoint_for(tmp_path)
    for modern in (False, True):
        body = message("tools/call", {"name": "find_invoices"}, modern=modern)
        headers = {**(routing_headers(body) if modern else {}), "mcp-name": "greet"}
        response = await send(endpoint, body, headers)
        assert not is_result(response)


@pytest.mark.parametrize("name", ["GREET", "Greet", "gre-et", " greet", "greet ", "greet\0", ""])
async def test_a_tool_is_called_by_its_exact_name(tmp_path: Path, name: str) -> None:
    response = await call(endpoint_for(tmp_path), name, {"name": "Ada"})
    assert json.loads(response.body)["error"]["code"] == -32602


@ERAS
@pytest.mark.parametrize(
    ("asked", "granted", "allowed"),
    [
        ({"RequiredRoles": ["ops"]}, {"Roles": ["ops"]}, True),
        ({"RequiredRoles": ["Ops"]}, {"Roles": ["ops"]}, False),
        ({"RequiredRoles": ["a", "b"]}, {"Roles": ["b"]}, True),
        ({"RequiredRoles": []}, {}, True),
        ({}, {}, False),
        ({"RequiredRoles": [], "RequiredScopes": ["a", "b"]}, {"Scopes": ["a"]}, False),
        ({"RequiredRoles": [], "RequiredScopes": ["a", "b"]}, {"Scopes": ["b", "a"]}, True),
        ({"RequiredScopes": ["a"]}, {"Scopes": ["a"]}, False),
        ({"RequiredScopes": ["a"]}, {"Scopes": ["a"], "Roles": ["reader"]}, True),
        (
            {"RequiredRoles": [], "RequiredScopes": ["https://mcp.example.com/mcp/a"]},
            {"Scopes": ["a"]},
            True,
        ),
        (
            {"RequiredRoles": [], "RequiredScopes": ["https://other.example.com/mcp/a"]},
            {"Scopes": ["a"]},
            False,
        ),
    ],
)
async def test_a_keys_scopes_and_roles_decide(
    tmp_path: Path,
    modern: bool,
    asked: dict[str, Any],
    granted: dict[str, Any],
    allowed: bool,
) -> None:
    keys = {"Authentication": {"Schemes": {"ApiKey": {"Keys": {DEPLOY_KEY: granted}}}}}
    endpoint = endpoint_for(tmp_path, {**keys, **overriding("greet", **asked)})
    response = await call(endpoint, "greet", {"name": "Ada"}, modern=modern, key=DEPLOY_KEY)
    assert is_result(response) is allowed
    assert ("greet" in await listed(endpoint, modern=modern, key=DEPLOY_KEY)) is allowed


async def test_command_overrides_go_before_function_overrides(tmp_path: Path) -> None:
    changes = {
        "PowerShellConfiguration": {
            "CommandOverrides": {"Greet": {"RequiredRoles": ["ops"]}},
            "FunctionOverrides": {"greet": {"RequiredRoles": ["reader"]}},
        }
    }
    endpoint = endpoint_for(tmp_path, changes)
    assert not is_result(await call(endpoint, "greet", {"name": "Ada"}))
    assert is_result(await call(endpoint, "greet", {"name": "Ada"}, key=OPS_KEY))


@ERAS
async def test_a_tool_that_is_not_offered_is_unknown_to_everybody(
    tmp_path: Path, modern: bool
) -> None:
    endpoint = endpoint_for(tmp_path, {"PowerShellConfiguration": {"ExcludePatterns": ["Greet"]}})
    excluded = await call(endpoint, "greet", {"name": "Ada"}, modern=modern, key=OPS_KEY)
    unknown = await call(endpoint, "griet", {"name": "Ada"}, modern=modern, key=OPS_KEY)
    assert excluded.body.replace(b"greet", b"griet") == unknown.body
    assert "greet" not in await listed(endpoint, modern=modern, key=OPS_KEY)


# Anonymous callers


@ERAS
async def test_one_anonymous_tool_opens_itself_and_the_way_to_it(
    tmp_path: Path, modern: bool
) -> None:
    endpoint = endpoint_for(tmp_path, OPEN_GREET)
    assert is_result(await call(endpoint, "greet", {"name": "Ada"}, modern=modern, key=None))
    assert await listed(endpoint, modern=modern, key=None) == ["greet"]
    assert await listed_for_curl(endpoint, None) == ["greet"]
    methods = ["server/discover"] if modern else ["initialize", "ping"]
    for method in methods:
        answer = await ask(
            endpoint, method, {"protocolVersion": "2025-11-25"}, modern=modern, key=None
        )
        assert "result" in answer
    assert set(await listed(endpoint, modern=modern)) == set(FOR_READERS)


@ERAS
async def test_every_other_name_is_the_same_401_to_an_anonymous_caller(
    tmp_path: Path, modern: bool
) -> None:
    changes = {
        "PowerShellConfiguration": {
            "FunctionOverrides": {
                "greet": {"AllowAnonymous": True},
                "nothing": {"RequiredRoles": []},
            }
        }
    }
    endpoint = endpoint_for(tmp_path, changes)
    names = ["nothing", "find_invoices", "pay_invoice", "no_such_tool", "", "x" * 300, "é"]
    answers = []
    for name in names:
        body = message("tools/call", {"name": name}, modern=modern)
        headers = {**(routing_headers(body) if modern else {}), "x-correlation-id": "same"}
        answers.append(await send(endpoint, body, headers, key=None))
    assert answers == [answers[0]] * len(names)
    assert answers[0].status == 401
    assert answers[0].headers["WWW-Authenticate"] == CHALLENGE


async def test_in_a_batch_too_an_anonymous_caller_gets_the_same_refusals(tmp_path: Path) -> None:
    endpoint = endpoint_for(tmp_path, OPEN_GREET)
    names = ["fail", "find_invoices", "no_such_tool"]
    batch = [message("tools/call", {"name": name}, id=7) for name in names]
    answers = json.loads((await send(endpoint, batch, key=None)).body)
    assert answers == [answers[0]] * 3
    assert answers[0]["error"]["code"] == 401


async def test_a_weaker_override_does_not_open_to_anyone_what_a_stronger_one_reserves(
    tmp_path: Path,
) -> None:
    overrides = {
        "CommandOverrides": {"Greet": {"RequiredRoles": ["ops"]}},
        "FunctionOverrides": {"greet": {"AllowAnonymous": True}},
    }
    endpoint = endpoint_for(tmp_path, {"PowerShellConfiguration": overrides})
    assert (await call(endpoint, "greet", {"name": "Ada"}, key=None)).status == 401
    assert not is_result(await call(endpoint, "greet", {"name": "Ada"}))
    assert is_result(await call(endpoint, "greet", {"name": "Ada"}, key=OPS_KEY))


@pytest.mark.parametrize("asked", [{"RequiredRoles": ["ops"]}, {"RequiredScopes": ["x"]}])
def test_anonymous_and_requirements_in_one_place_are_a_configuration_error(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="AllowAnonymous"):
        endpoint_for(tmp_path, overriding("greet", AllowAnonymous=True, **asked))


async def test_an_anonymous_tool_that_is_not_offered_opens_nothing(tmp_path: Path) -> None:
    changes = {
        "PowerShellConfiguration": {
            "ExcludePatterns": ["greet"],
            "FunctionOverrides": {"greet": {"AllowAnonymous": True}},
        }
    }
    response = await send(endpoint_for(tmp_path, changes), message("ping"), key=None)
    assert response.status == 401


# The API-key JSON of PoshMcp's guide, word for word


@pytest.fixture
def guide(tmp_path: Path) -> Endpoint:
    file = tmp_path / "guide.json"
    file.write_text(GUIDE_API_KEYS, encoding="utf-8")
    reserved = "PowerShellConfiguration__FunctionOverrides__Get-Process__RequiredRoles__0"
    environment = {**DEVELOPMENT, reserved: "ops"}
    return build(tmp_path, environment, config_file=file, loopback=True)


@ERAS
async def test_the_guides_reader_passes_and_what_is_reserved_for_ops_is_not_there_for_it(
    guide: Endpoint, modern: bool
) -> None:
    for_readers = {"get_service", "get_endpoint_status", "whoami"}
    assert set(await listed(guide, modern=modern, key="key-reader")) == for_readers
    assert set(await listed_for_curl(guide, "key-reader")) == for_readers
    assert is_result(await call(guide, "whoami", modern=modern, key="key-reader"))
    refused = await call(guide, "get_process", {"limit": 1}, modern=modern, key="key-reader")
    unknown = await call(guide, "get_procesx", {"limit": 1}, modern=modern, key="key-reader")
    assert refused.body.replace(b"get_process", b"get_procesx") == unknown.body


@ERAS
async def test_the_guides_ops_key_calls_what_is_reserved_for_it(
    guide: Endpoint, modern: bool
) -> None:
    assert "get_process" in await listed(guide, modern=modern, key="key-ops")
    assert "get_process" in await listed_for_curl(guide, "key-ops")
    response = await call(guide, "get_process", {"limit": 1}, modern=modern, key="key-ops")
    assert is_result(response)
    assert json.loads(response.body)["result"]["isError"] is False


@pytest.mark.parametrize("key", [None, "KEY-READER", "key-read"])
async def test_the_guides_endpoint_refuses_everyone_else(guide: Endpoint, key: str | None) -> None:
    response = await send(guide, b"", method="GET", path="/tools", key=key)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == CHALLENGE


# Origin and Host


def listening(folder: Path, where: str) -> Endpoint:
    listed = {"Authentication": {"Cors": {"AllowedOrigins": ["https://app.example.com"]}}}
    if where == "production":
        return endpoint_for(folder, listed)
    if where == "loopback":
        return endpoint_for(folder, listed, loopback=True)
    if where == "func start":
        file = write_configuration(folder, configured(listed))
        return build(folder, DEVELOPMENT, config_file=file, package="tests.toolsets")
    return endpoint_for(folder, listed, environment=DEVELOPMENT, loopback=True)


@pytest.mark.parametrize(("method", "path"), [("POST", "/mcp"), ("GET", "/tools")])
@pytest.mark.parametrize(
    ("where", "origin", "allowed"),
    [
        ("production", "https://mcp.example.com", True),
        ("production", "https://app.example.com", True),
        ("production", "http://mcp.example.com", False),
        ("production", "https://mcp.example.com:8443", False),
        ("production", "https://mcp.example.com/", False),
        ("production", "https://mcp.example.com.evil.com", False),
        ("production", "https://evil.com", False),
        ("production", "https://mcp.example.com, https://evil.com", False),
        ("production", "null", False),
        ("production", "", False),
        ("production", "http://localhost:5173", False),
        ("loopback", "http://localhost:5173", False),
        ("development", "http://localhost:5173", True),
        ("development", "http://127.0.0.1:7071", True),
        ("development", "https://[::1]:3000", True),
        ("development", "https://app.example.com", True),
        ("development", "http://localhost.evil.com", False),
        ("development", "http://127.0.0.1.evil.com:7071", False),
        ("development", "http://evil.com/localhost", False),
        ("development", "http://localhost@evil.com", False),
        ("development", "http://localhost:7071\n", False),
        ("development", "http://192.168.1.4", False),
        ("development", "file://localhost", False),
        ("development", "localhost", False),
        ("development", "null", False),
        ("development", "", False),
    ],
)
async def test_a_page_from_elsewhere_is_403_whatever_key_it_has(
    tmp_path: Path, method: str, path: str, where: str, origin: str, allowed: bool
) -> None:
    endpoint = listening(tmp_path, where)
    response = await send(endpoint, message("ping"), {"origin": origin}, method=method, path=path)
    assert response.status == (200 if allowed else 403)
    shared = response.headers.get("Access-Control-Allow-Origin")
    assert shared == (origin if allowed else None)


@pytest.mark.parametrize("url", ["https://MCP.Example.com/mcp", "https://mcp.example.com:443/mcp"])
async def test_the_own_origin_is_what_browsers_make_of_the_public_url(
    tmp_path: Path, url: str
) -> None:
    endpoint = endpoint_for(tmp_path, {"Server": {"PublicUrl": url}})
    response = await send(endpoint, message("ping"), {"origin": "https://mcp.example.com"})
    assert response.status == 200


@pytest.mark.parametrize("where", ["loopback", "development", "func start"])
@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:7071", True),
        ("127.0.0.1:7071", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("[::1]:7071", True),
        ("localhost.evil.com", False),
        ("127.0.0.1.evil.com", False),
        ("127.0.0.1.evil.com:7071", False),
        ("evil.com", False),
        ("evil.com:7071", False),
        ("evil-localhost", False),
        ("localhost:7071@evil.com", False),
        ("localhost, evil.com", False),
        ("localhost:7071.evil.com", False),
        ("localhost\n", False),
        ("[::1].evil.com", False),
        ("0.0.0.0:7071", False),
        ("10.0.0.1", False),
        ("mcp.example.com", False),
        ("", False),
    ],
)
async def test_on_this_machine_only_this_machines_names_are_hosts(
    tmp_path: Path, where: str, host: str, allowed: bool
) -> None:
    endpoint = listening(tmp_path, where)
    for method, path in (("POST", "/mcp"), ("GET", "/tools")):
        response = await send(endpoint, message("ping"), {"host": host}, method=method, path=path)
        assert response.status == (200 if allowed else 403)


@pytest.mark.parametrize("host", ["mcp.example.com", "app.azurewebsites.net", "", "10.0.0.1"])
async def test_behind_a_public_name_the_host_is_the_platforms_business(
    tmp_path: Path, host: str
) -> None:
    response = await send(endpoint_for(tmp_path), message("ping"), {"host": host})
    assert response.status == 200


@pytest.mark.parametrize("path", ["/mcp", "/tools"])
async def test_a_preflight_needs_no_key_and_names_the_key_header(tmp_path: Path, path: str) -> None:
    endpoint = endpoint_for(tmp_path)
    response = await send(
        endpoint,
        b"",
        {"origin": "https://mcp.example.com"},
        key=None,
        method="OPTIONS",
        path=path,
    )
    assert (response.status, response.body) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == "https://mcp.example.com"
    allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"X-API-Key", "Content-Type", "MCP-Protocol-Version", "Mcp-Name"} <= set(allowed)
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert response.headers["Vary"] == "Origin"
    refused = await send(
        endpoint, b"", {"origin": "https://evil.com"}, key=None, method="OPTIONS", path=path
    )
    assert refused.status == 403


async def test_a_page_can_read_why_it_was_refused(tmp_path: Path) -> None:
    response = await send(
        endpoint_for(tmp_path), message("ping"), {"origin": "https://mcp.example.com"}, key=None
    )
    assert response.status == 401
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]
    assert "X-Correlation-ID" in response.headers["Access-Control-Expose-Headers"]


# Correlation ids


@pytest.mark.parametrize(
    ("status", "method", "path", "headers", "body"),
    [
        (200, "POST", "/mcp", {}, message("ping")),
        (200, "GET", "/tools", {}, b""),
        (200, "GET", "/healthz", {}, b""),
        (200, "GET", "/readyz", {}, b""),
        (202, "POST", "/mcp", {}, {"jsonrpc": "2.0", "method": "notifications/initialized"}),
        (204, "OPTIONS", "/mcp", {}, b""),
        (400, "POST", "/mcp", {}, b"{"),
        (400, "POST", "/mcp", {"authorization": "Bearer x"}, message("ping")),
        (401, "POST", "/mcp", {"x-api-key": "wrong"}, message("ping")),
        (403, "POST", "/mcp", {"origin": "https://evil.com"}, message("ping")),
        (404, "POST", "/nowhere", {}, message("ping")),
        (404, "GET", "/.well-known/oauth-protected-resource", {}, b""),
        (405, "GET", "/mcp", {}, b""),
        (405, "DELETE", "/mcp", {}, b""),
        (405, "POST", "/tools", {}, b""),
        (406, "POST", "/mcp", {"accept": "image/png"}, message("ping")),
        (413, "POST", "/mcp", {}, b" " * (1024 * 1024 + 1)),
        (415, "POST", "/mcp", {"content-type": "text/xml"}, message("ping")),
        (500, "POST", "/mcp", {}, message("ping")),
        (503, "POST", "/mcp", {}, message("ping")),
    ],
)
async def test_every_answer_carries_a_correlation_id(
    tmp_path: Path, status: int, method: str, path: str, headers: Mapping[str, str], body: Any
) -> None:
    endpoint: Endpoint | UnreadyEndpoint = endpoint_for(tmp_path)
    if status == 503:
        endpoint = UnreadyEndpoint("configuration")
    elif status == 500 and isinstance(endpoint, Endpoint):
        endpoint._authenticator = Broken(endpoint._settings.authentication, "postern")
    given = {**headers, "x-correlation-id": "abc-1"}
    response = await send(endpoint, body, given, method=method, path=path)
    assert response.status == status
    assert response.headers["X-Correlation-ID"] == "abc-1"
    forged = {**headers, "x-correlation-id": "abc\r\nX-Evil: 1"}
    response = await send(endpoint, body, forged, method=method, path=path)
    assert response.status == status
    assert response.headers["X-Correlation-ID"].isalnum()
    assert "Evil" not in str(response.headers)


class Broken(Authenticator):
    async def authenticate(self, request: Request) -> Caller:
        raise RuntimeError("the disk is full")


async def test_a_failure_inside_tells_the_caller_its_correlation_id_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = endpoint_for(tmp_path)
    endpoint._authenticator = Broken(endpoint._settings.authentication, "postern")
    response = await send(endpoint, message("ping"), {"x-correlation-id": "abc-1"})
    error = json.loads(response.body)["error"]
    assert "abc-1" in error["message"]
    assert "disk" not in error["message"]
    assert "the disk is full" in caplog.text
    assert "abc-1" in caplog.text
