"""Requests through Microsoft's worker library: decoded, answered and encoded by real code."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.functions_host.host import FunctionsHost, Reply, hosting
from tests.functions_host.packaged import unpack
from tests.support import OPS_KEY, READER_KEY, configured, message, routing_headers

JSON = ("Content-Type", "application/json")
KEY = ("X-API-Key", READER_KEY)
TOOLS = ["get_process", "get_service", "get_endpoint_status", "count", "greet", "whoami"]


def send(
    host: FunctionsHost,
    body: Mapping[str, Any],
    *headers: tuple[str, str],
    target: str = "/mcp",
    key: tuple[str, str] | None = KEY,
) -> Reply:
    sent = [JSON, *([key] if key else []), *headers]
    return host.request("POST", target, sent, json.dumps(body).encode())


def call(name: str, arguments: Mapping[str, Any], *, modern: bool = False) -> dict[str, Any]:
    return message("tools/call", {"name": name, "arguments": arguments}, modern=modern)


def routed(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(routing_headers(body).items())


@pytest.mark.parametrize("modern", [False, True])
def test_tools_are_listed(host: FunctionsHost, modern: bool) -> None:
    body = message("tools/list", modern=modern)
    reply = send(host, body, *(routed(body) if modern else []))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    result = reply.json["result"]
    assert sorted(tool["name"] for tool in result["tools"]) == sorted(TOOLS)
    assert result.get("resultType") == ("complete" if modern else None)


@pytest.mark.parametrize("modern", [False, True])
def test_a_dropped_in_tool_is_called(host: FunctionsHost, modern: bool) -> None:
    body = call("greet", {"name": "Ada", "times": 2}, modern=modern)
    reply = send(host, body, *(routed(body) if modern else []))
    assert reply.status == 200
    assert reply.json["id"] == body["id"]
    assert reply.json["result"]["content"][0]["text"] == "Hello, Ada! Hello, Ada!"


def test_a_legacy_client_initializes(host: FunctionsHost) -> None:
    client = {"name": "test", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    reply = send(host, message("initialize", params))
    assert reply.json["result"]["protocolVersion"] == "2025-11-25"
    assert "mcp-session-id" not in reply.headers


@pytest.mark.parametrize(
    ("key", "principal"), [(READER_KEY, "key/ApiKey-1"), (OPS_KEY, "key/ApiKey-2")]
)
def test_each_key_is_its_own_caller(host: FunctionsHost, key: str, principal: str) -> None:
    reply = send(host, call("whoami", {}), key=("x-api-key", key))
    assert principal in reply.json["result"]["content"][0]["text"]


@pytest.mark.parametrize("name", ["Zoë", "李雷", "🎈", "\u2028", 'quo"te'])
@pytest.mark.parametrize("escaped", [True, False])
def test_a_body_keeps_every_character(host: FunctionsHost, name: str, escaped: bool) -> None:
    body = json.dumps(call("greet", {"name": name}), ensure_ascii=escaped).encode()
    reply = host.request("POST", "/mcp", [JSON, KEY], body)
    assert reply.json["result"]["content"][0]["text"] == f"Hello, {name}!"


@pytest.mark.parametrize("key", [None, ("X-API-Key", "wrong" * 8)])
def test_without_a_right_key_the_answer_is_a_challenge(
    host: FunctionsHost, key: tuple[str, str] | None
) -> None:
    reply = send(host, call("whoami", {}), key=key)
    assert (reply.status, reply.json["error"]["code"]) == (401, 401)
    assert reply.headers["www-authenticate"] == 'ApiKey realm="postern"'
    assert "X-API-Key" in reply.json["error"]["message"]


def test_a_key_in_the_url_is_refused(host: FunctionsHost) -> None:
    reply = send(host, message("ping"), target=f"/mcp?code={READER_KEY}", key=None)
    assert reply.status == 401


def test_two_credentials_are_refused(host: FunctionsHost) -> None:
    reply = send(host, message("ping"), ("Authorization", "Bearer abc"))
    assert reply.status == 400


@pytest.mark.parametrize(
    "repeated",
    [
        [KEY, KEY],
        [KEY, ("x-api-key", OPS_KEY)],
        [("X-API-Key", "wrong"), KEY],
    ],
)
def test_a_repeated_key_header_is_no_key(
    host: FunctionsHost, repeated: list[tuple[str, str]]
) -> None:
    assert send(host, message("ping"), *repeated, key=None).status == 401


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name"])
def test_a_repeated_routing_header_is_a_mismatch(host: FunctionsHost, name: str) -> None:
    body = call("greet", {"name": "Ada"}, modern=True)
    headers = routed(body)
    reply = send(host, body, *headers, (name, dict(headers)[name]))
    assert (reply.status, reply.json["error"]["code"]) == (400, -32020)


def test_accept_may_be_repeated(host: FunctionsHost) -> None:
    accept = [("Accept", "application/json"), ("Accept", "text/event-stream")]
    assert send(host, message("ping"), *accept).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_only_post_reaches_mcp(host: FunctionsHost, method: str) -> None:
    reply = host.request(method, "/mcp", [KEY])
    assert (reply.status, reply.headers["allow"]) == (405, "POST, OPTIONS")


def test_options_says_what_is_allowed_and_has_no_body(host: FunctionsHost) -> None:
    reply = host.request("OPTIONS", "/mcp")
    assert (reply.status, reply.headers["allow"], reply.body) == (204, "POST, OPTIONS", b"")


@pytest.mark.parametrize(
    ("origin", "status"), [("https://mcp.example.com", 204), ("https://evil.example", 403)]
)
def test_a_browser_asks_before_it_sends(host: FunctionsHost, origin: str, status: int) -> None:
    asked = [("Origin", origin), ("Access-Control-Request-Method", "POST")]
    reply = host.request("OPTIONS", "/mcp", asked)
    assert reply.status == status
    assert reply.headers.get("access-control-allow-origin") == (origin if status == 204 else None)


def test_a_notification_is_accepted_without_a_body(host: FunctionsHost) -> None:
    body = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    reply = send(host, body)
    assert (reply.status, reply.body) == (202, b"")


def test_a_chunked_body_arrives_empty_and_the_message_says_what_to_do(
    buffered: FunctionsHost,
) -> None:
    body = json.dumps(message("ping")).encode()
    reply = buffered.request("POST", "/mcp", [JSON, KEY], body, chunked=True)
    assert (reply.status, reply.json["error"]["code"]) == (400, -32700)
    assert "empty" in reply.json["error"]["message"]
    assert "Content-Length" in reply.json["error"]["message"]


def test_a_body_beyond_the_limit_is_refused(host: FunctionsHost) -> None:
    reply = host.request("POST", "/mcp", [JSON, KEY], b"x" * (1024 * 1024 + 1))
    assert reply.status == 413


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{", b"[" * 10_000, b'"\xed\xa0\x80"'])
def test_a_body_that_is_no_json_is_400(host: FunctionsHost, body: bytes) -> None:
    reply = host.request("POST", "/mcp", [JSON, KEY], body)
    assert (reply.status, reply.json["error"]["code"]) == (400, -32700)


@pytest.mark.parametrize("target", ["/MCP", "/Mcp/", "/mcp/", "/mcp?page=2"])
def test_the_path_is_matched_as_the_host_matches_it(host: FunctionsHost, target: str) -> None:
    assert send(host, message("ping"), target=target).json["result"] == {}


@pytest.mark.parametrize("suffix", ["", "/", "/mcp", "/mcp/x"])
def test_there_is_no_metadata_while_only_keys_are_taken(host: FunctionsHost, suffix: str) -> None:
    for name in ("oauth-protected-resource", "oauth-authorization-server"):
        reply = host.request("GET", f"/.well-known/{name}{suffix}")
        assert (reply.status, reply.json["error"]["code"]) == (404, 404)


def test_tools_are_listed_for_people_with_curl(host: FunctionsHost) -> None:
    reply = host.request("GET", "/tools", [KEY])
    assert sorted(tool["name"] for tool in reply.json["tools"]) == sorted(TOOLS)
    assert host.request("GET", "/tools").status == 401


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
def test_health_is_told_to_anyone(host: FunctionsHost, path: str, status: str) -> None:
    reply = host.request("GET", path)
    assert (reply.status, reply.json) == (200, {"status": status})


def test_the_correlation_id_comes_back(host: FunctionsHost) -> None:
    given = send(host, message("ping"), ("X-Correlation-ID", "abc-1"))
    assert given.headers["x-correlation-id"] == "abc-1"
    assert re.fullmatch(r"[0-9a-f]{32}", send(host, message("ping")).headers["x-correlation-id"])


def test_the_log_has_a_record_and_no_key(host: FunctionsHost) -> None:
    stranger = "stranger-key-0123456789abcdefghijklmnop"
    send(host, call("greet", {"name": "Ada"}), ("X-Correlation-ID", "logged-1"))
    send(host, message("ping"), key=("X-API-Key", stranger))
    send(host, message("ping"), target=f"/mcp?code={stranger}", key=None)
    log = host.log.read_text(encoding="utf-8")
    record = next(line for line in log.splitlines() if "logged-1" in line)
    assert json.loads(record[record.index("{") :])["tool"] == "greet"
    for key in (READER_KEY, OPS_KEY, stranger):
        assert key not in log


@pytest.mark.parametrize(("method", "path"), [("POST", "/mcp"), ("GET", "/mcp"), ("GET", "/tools")])
def test_without_a_configuration_every_call_gets_503(
    unconfigured: FunctionsHost, method: str, path: str
) -> None:
    reply = unconfigured.request(method, path, [JSON, KEY], b"{}")
    correlation_id = reply.headers["x-correlation-id"]
    assert (reply.status, reply.json["error"]["code"]) == (503, 503)
    assert correlation_id in reply.json["error"]["message"]
    assert correlation_id in unconfigured.log.read_text(encoding="utf-8")
    assert "Keys" not in reply.json["error"]["message"]


def test_without_a_configuration_the_process_lives_and_is_not_ready(
    unconfigured: FunctionsHost,
) -> None:
    alive = unconfigured.request("GET", "/healthz")
    assert (alive.status, alive.json) == (200, {"status": "ok"})
    ready = unconfigured.request("GET", "/readyz")
    assert (ready.status, ready.json) == (503, {"status": "not ready", "category": "configuration"})


def test_the_log_says_what_the_configuration_lacks(unconfigured: FunctionsHost) -> None:
    log = unconfigured.log.read_text(encoding="utf-8")
    assert "Authentication:Schemes:ApiKey:Keys (appsettings.json:" in log
    assert "Server:PublicUrl (appsettings.json" in log


def test_a_wrong_configuration_is_told_by_its_key_and_without_the_secret(tmp_path: Path) -> None:
    short = "short-key-4711"
    keys = {short: {"Roles": ["reader"]}, "x" * 40: {"Rolse": ["reader"]}}
    changes = {"Authentication": {"Schemes": {"ApiKey": {"Keys": keys}}}, "Sever": {}}
    app = unpack(tmp_path / "app", configured(changes))
    with hosting(app, {"WEBSITE_HOSTNAME": "postern.example.net"}) as host:
        assert send(host, message("ping")).status == 503
        log = host.log.read_text(encoding="utf-8")
    assert "Authentication:Schemes:ApiKey:Keys[#4]" in log
    assert "(appsettings.json:" in log
    assert "did you mean Roles?" in log
    assert "did you mean Server?" in log
    assert short not in log


def test_development_is_refused_where_azure_runs_the_app(tmp_path: Path) -> None:
    variables = {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "WEBSITE_INSTANCE_ID": "1",
    }
    with hosting(unpack(tmp_path / "app", configured()), variables) as host:
        assert send(host, message("ping")).status == 503
        assert "WEBSITE_INSTANCE_ID" in host.log.read_text(encoding="utf-8")


def test_app_settings_override_the_file_and_the_host_name_makes_the_url(tmp_path: Path) -> None:
    configuration = configured()
    del configuration["Server"]
    variables = {
        "WEBSITE_HOSTNAME": "postern.example.net",
        "PowerShellConfiguration__CommandNames__0": "whoami",
    }
    with hosting(unpack(tmp_path / "app", configuration), variables) as host:
        listed = host.request("GET", "/tools", [KEY, ("Origin", "https://postern.example.net")])
    assert [tool["name"] for tool in listed.json["tools"]] == ["whoami"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def greet(:", "broken.py"),
        ("import nosuch_module", "nosuch_module"),
        ("LIMIT = 1 / 0", "broken"),
        (
            "from shared.tools import tool\n@tool\ndef greet(name: object) -> str:\n    '''Hi.'''",
            "broken",
        ),
    ],
)
def test_a_broken_toolset_closes_the_endpoint_and_is_named_in_the_log(
    tmp_path: Path, source: str, told: str
) -> None:
    app = unpack(tmp_path / "app", configured())
    (app / "toolsets" / "broken.py").write_text(source, encoding="utf-8")
    with hosting(app) as host:
        assert send(host, message("ping")).status == 503
        assert host.request("GET", "/healthz").status == 200
        assert told in host.log.read_text(encoding="utf-8")
