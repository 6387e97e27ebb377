"""The audit: one record per MCP request, with what matters and nothing that must stay secret."""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.audit import record as audit
from shared.audit.record import Record
from shared.authentication.authenticate import Authenticator
from shared.caller import Caller
from shared.endpoint import Endpoint
from shared.http import Request
from tests.support import (
    OPS_KEY,
    READER_KEY,
    ask,
    endpoint_for,
    message,
    routing_headers,
    send,
)

Records = Callable[[], list[dict[str, Any]]]

GREET = {"name": "greet", "arguments": {"name": "Ada"}}
HIDDEN = {"name": "find_invoices", "arguments": {"customer": "C-1"}}
UNKNOWN = {"name": "no_such_tool", "arguments": {}}


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    return endpoint_for(tmp_path)


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Records:
    """The audit records written since the test began."""
    caplog.set_level(logging.DEBUG)
    return lambda: [
        json.loads(entry.getMessage()) for entry in caplog.records if entry.name == "postern.audit"
    ]


async def test_a_call_is_recorded_with_who_what_which_rule_and_how_it_went(
    endpoint: Endpoint, records: Records, tmp_path: Path
) -> None:
    await ask(endpoint, "tools/call", GREET, headers={"x-correlation-id": "abc-1"})
    (record,) = records()
    lines = (tmp_path / "settings.json").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "RequiredRoles" in text)
    assert record.pop("durationMs") > 0
    assert datetime.fromisoformat(record.pop("time")).tzinfo == UTC
    assert record == {
        "correlationId": "abc-1",
        "principal": "key/ApiKey-1",
        "callerKind": "key",
        "method": "tools/call",
        "tool": "greet",
        "version": "2025-03-26",
        "decision": "allowed",
        "rule": f"Authentication:DefaultPolicy:RequiredRoles (settings.json:{line})",
        "outcome": "ok",
        "status": 200,
    }


@pytest.mark.parametrize(
    ("body", "key", "modern", "expected"),
    [
        (message("ping"), READER_KEY, False, {"decision": "allowed", "outcome": "ok"}),
        (message("tools/list"), READER_KEY, False, {"decision": "allowed", "method": "tools/list"}),
        (
            message("server/discover", modern=True),
            READER_KEY,
            True,
            {"decision": "allowed", "version": "2026-07-28"},
        ),
        (
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            READER_KEY,
            False,
            {"decision": "allowed", "outcome": "accepted", "status": 202},
        ),
        (
            message("tools/call", {"name": "greet", "arguments": {"nme": "x"}}),
            READER_KEY,
            False,
            {"decision": "allowed", "outcome": "bad_arguments"},
        ),
        (
            message("tools/call", {"name": "fail", "arguments": {"kind": "x"}}),
            READER_KEY,
            False,
            {"decision": "allowed", "outcome": "failed"},
        ),
        (
            message("tools/call", HIDDEN),
            READER_KEY,
            False,
            {
                "decision": "denied",
                "tool": "find_invoices",
                "reason": "missing: finance.reader",
                "status": 200,
            },
        ),
        (
            message("tools/call", UNKNOWN),
            READER_KEY,
            False,
            {"decision": "invalid", "tool": "no_such_tool", "principal": "key/ApiKey-1"},
        ),
        (message("ping"), None, False, {"decision": "denied", "status": 401}),
        (message("ping"), "wrong", False, {"decision": "denied", "status": 401}),
        (b"{", READER_KEY, False, {"decision": "invalid", "status": 400}),
        (b"", READER_KEY, False, {"decision": "invalid", "status": 400}),
        (
            message("no/such", modern=True),
            READER_KEY,
            True,
            {"decision": "invalid", "status": 404},
        ),
    ],
    ids=[
        "ping",
        "list",
        "discover",
        "notification",
        "bad arguments",
        "tool fails",
        "hidden tool",
        "unknown tool",
        "no key",
        "wrong key",
        "not json",
        "empty",
        "unknown method",
    ],
)
async def test_every_request_leaves_exactly_one_record_of_its_decision(
    endpoint: Endpoint,
    records: Records,
    body: Any,
    key: str | None,
    modern: bool,
    expected: Mapping[str, Any],
) -> None:
    await send(endpoint, body, routing_headers(body) if modern else {}, key=key)
    (record,) = records()
    assert {name: record.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("headers", "status"), [({"content-type": "text/plain"}, 415), ({"accept": "image/png"}, 406)]
)
async def test_a_request_of_the_wrong_media_type_is_recorded_as_invalid(
    endpoint: Endpoint, records: Records, headers: Mapping[str, str], status: int
) -> None:
    await send(endpoint, message("ping"), headers)
    (record,) = records()
    assert (record.get("decision"), record["status"]) == ("invalid", status)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (READER_KEY, {"decision": "allowed", "principal": "key/ApiKey-1", "status": 200}),
        (None, {"decision": "denied", "status": 401}),
    ],
)
async def test_the_list_for_curl_is_recorded_too(
    endpoint: Endpoint, records: Records, key: str | None, expected: Mapping[str, Any]
) -> None:
    await send(endpoint, b"", method="GET", path="/tools", key=key)
    (record,) = records()
    assert record["method"] == "GET /tools"
    assert {name: record.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("GET", "/mcp", {}, b""),
        ("OPTIONS", "/mcp", {}, b""),
        ("POST", "/mcp", {"origin": "https://evil.example"}, b"{}"),
        ("POST", "/mcp", {}, b" " * (1024 * 1024 + 1)),
        ("POST", "/tools", {}, b"{}"),
        ("GET", "/healthz", {}, b""),
        ("GET", "/nowhere", {}, b""),
    ],
)
async def test_what_never_became_an_mcp_request_is_not_recorded(
    endpoint: Endpoint,
    records: Records,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    await send(endpoint, body, headers, method=method, path=path)
    assert records() == []


class Broken(Authenticator):
    async def authenticate(self, request: Request) -> Caller:
        raise RuntimeError("the disk is full")


@pytest.mark.parametrize(("method", "path"), [("POST", "/mcp"), ("GET", "/tools")])
async def test_a_request_that_failed_inside_is_recorded_with_its_status(
    endpoint: Endpoint, records: Records, method: str, path: str
) -> None:
    endpoint._authenticator = Broken(endpoint._settings.authentication, "postern")
    response = await send(endpoint, message("ping"), method=method, path=path)
    assert response.status == 500
    assert b"disk" not in response.body
    (record,) = records()
    assert record.get("status") == 500


async def test_each_request_of_a_batch_has_a_record_of_its_own(
    endpoint: Endpoint, records: Records
) -> None:
    batch = [
        message("ping", id=1),
        message("tools/call", GREET, id=2),
        message("tools/call", HIDDEN, id=3),
        message("tools/call", UNKNOWN, id=4),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ]
    await send(endpoint, batch, {"x-correlation-id": "one-batch"})
    found = records()
    assert {record["correlationId"] for record in found} == {"one-batch"}
    assert {record["principal"] for record in found} == {"key/ApiKey-1"}
    items = sorted(
        (record["method"], record.get("tool", ""), record.get("decision"))
        for record in found
        if record["method"] != "batch"
    )
    assert items == [
        ("ping", "", "allowed"),
        ("tools/call", "find_invoices", "denied"),
        ("tools/call", "greet", "allowed"),
        ("tools/call", "no_such_tool", "invalid"),
    ]


async def test_a_malformed_request_in_a_batch_is_recorded_as_invalid(
    endpoint: Endpoint, records: Records
) -> None:
    await send(endpoint, [message("ping"), message("no/such", id=2), {"jsonrpc": "2.0", "id": 3}])
    items = [record.get("decision") for record in records() if record.get("method") != "batch"]
    assert sorted(items, key=str) == ["allowed", "invalid", "invalid"]


async def test_neither_arguments_nor_results_are_logged(
    endpoint: Endpoint, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "4111-1111-1111-1111"
    answer = await ask(endpoint, "tools/call", {"name": "greet", "arguments": {"name": secret}})
    assert secret in str(answer)
    for arguments in ({"name": "x", secret: secret}, {"name": {secret: secret}}, secret, [secret]):
        await ask(endpoint, "tools/call", {"name": "greet", "arguments": arguments})
    await ask(endpoint, "tools/list", {"cursor": secret})
    assert len(records()) == 6
    assert secret not in caplog.text


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-api-key": OPS_KEY}, ""),
        ({"x-api-key": f"{OPS_KEY}x"}, ""),
        ({"x-api-key": f"{OPS_KEY}, {OPS_KEY}"}, ""),
        ({"x-api-key": OPS_KEY, "authorization": f"Bearer {OPS_KEY}"}, ""),
        ({"authorization": f"Bearer {OPS_KEY}"}, ""),
        ({}, f"api_key={OPS_KEY}"),
        ({"x-api-key": OPS_KEY}, f"key={OPS_KEY}"),
        ({"x-api-key": f"{OPS_KEY}\udcff"}, ""),
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/tools", "/nowhere"])
async def test_no_key_reaches_a_log_or_an_answer(
    endpoint: Endpoint,
    caplog: pytest.LogCaptureFixture,
    headers: Mapping[str, str],
    query: str,
    path: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    method = "GET" if path == "/tools" else "POST"
    response = await send(
        endpoint, message("ping"), headers, key=None, query=query, path=path, method=method
    )
    assert OPS_KEY not in caplog.text
    assert OPS_KEY not in f"{response.headers} {response.body!r}"


@pytest.mark.parametrize(
    "character",
    ["\n", "\r\n", "\0", "\x1b[2J", "\x7f", "\x85", "\x9b2J", "\u2028", "\u202e", '"}'],
    ids=ascii,
)
async def test_no_tool_name_can_forge_a_line_of_the_log(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, character: str
) -> None:
    caplog.set_level(logging.INFO)
    name = f'x{character}{{"decision":"allowed"}}'
    await ask(endpoint, "tools/call", {"name": name})
    (line,) = [entry.getMessage() for entry in caplog.records]
    assert json.loads(line)["tool"] == name
    assert line.isprintable()
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    ("body", "modern"),
    [
        (message("tools/call", {"name": "x" * 5000}), False),
        (message("tools/call", {"name": "x" * 5000}, modern=True), True),
        (message("tools/call", {"name": "x" * 5000}, modern=True), False),
        (message("x" * 5000), False),
        (message("x" * 5000, modern=True), True),
        ({"jsonrpc": "2.0", "method": "x" * 5000}, False),
        (message("ping", id="x" * 5000), False),
    ],
)
async def test_long_names_are_cut(
    endpoint: Endpoint, records: Records, body: dict[str, Any], modern: bool
) -> None:
    await send(endpoint, body, routing_headers(body) if modern else {})
    (record,) = records()
    assert all(len(value) <= 300 for value in record.values() if isinstance(value, str))
    assert len(record.get("tool", "")) <= 128
    assert len(record.get("method", "")) <= 128


def test_a_record_that_says_nothing_still_says_it_was_not_decided(records: Records) -> None:
    audit.write(Record("abc-1"))
    (record,) = records()
    assert record["correlationId"] == "abc-1"
    assert record.get("decision") == "invalid"
    assert "started" not in record


def test_a_record_names_its_caller_and_no_more_of_them(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    record = Record("abc-1")
    record.called_by(
        Caller("user", tenant_id="tid", object_id="oid", name="Ada", assertion="eyJ.raw.token")
    )
    audit.write(record)
    assert records()[0]["principal"] == "tid/oid"
    assert records()[0]["callerKind"] == "user"
    assert "eyJ" not in f"{caplog.text} {record!r}"
