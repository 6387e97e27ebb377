"""Era, version and the order of the checks (2026-07-28 streamable-http and basic/versioning)."""

import base64
import json
from typing import Any

import pytest

from shared.protocol import envelope
from shared.protocol.envelope import Call, Notice
from shared.protocol.faults import ProtocolError
from tests.support import MODERN, message, routing_headers

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"


def modern(method: str = "tools/list", params: dict[str, Any] | None = None) -> dict[str, Any]:
    return message(method, params, modern=True)


def refusal(body: Any, headers: dict[str, str] | None = None) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        envelope.read(body, headers or {})
    return caught.value


def call(body: Any, headers: dict[str, str] | None = None) -> Call:
    understood = envelope.read(body, headers or {})
    assert isinstance(understood, Call)
    return understood


def test_a_modern_request_is_understood() -> None:
    body = modern("tools/call", {"name": "greet", "arguments": {"name": "Ada"}})
    understood = call(body, routing_headers(body))
    assert (understood.id, understood.method, understood.version) == (1, "tools/call", MODERN)
    assert understood.params["arguments"] == {"name": "Ada"}


def test_the_client_may_leave_out_its_name_and_have_no_capabilities() -> None:
    body = modern()
    assert "io.modelcontextprotocol/clientInfo" not in body["params"]["_meta"]
    assert call(body, routing_headers(body)).version == MODERN


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        ({"_meta": {VERSION_KEY: MODERN}}, -32602, 400),
        ({"_meta": {CAPABILITIES_KEY: {}}}, -32602, 400),
        ({"_meta": {VERSION_KEY: 7, CAPABILITIES_KEY: {}}}, -32602, 400),
        ({"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: []}}, -32602, 400),
        ({}, -32602, 400),
        ({"_meta": None}, -32602, 400),
        ({"_meta": {VERSION_KEY: "1900-01-01", CAPABILITIES_KEY: {}}}, -32020, 400),
    ],
)
def test_the_meta_keys_are_checked_before_the_headers(
    change: dict[str, Any], code: int, status: int
) -> None:
    body = {"jsonrpc": "2.0", "id": "x", "method": "no/such", "params": change}
    error = refusal(body, {"mcp-protocol-version": MODERN, "mcp-method": "wrong"})
    assert (error.fault.code, error.status, error.id) == (code, status, "x")


@pytest.mark.parametrize(
    "headers",
    [
        {"mcp-method": "tools/call", "mcp-name": "greet"},
        {"mcp-protocol-version": MODERN, "mcp-name": "greet"},
        {"mcp-protocol-version": MODERN, "mcp-method": "tools/call"},
        {"mcp-protocol-version": MODERN, "mcp-method": "TOOLS/CALL", "mcp-name": "greet"},
        {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "other"},
        {
            "mcp-protocol-version": MODERN,
            "mcp-method": "tools/call, tools/call",
            "mcp-name": "greet",
        },
        {"mcp-protocol-version": "2025-11-25", "mcp-method": "tools/call", "mcp-name": "greet"},
    ],
)
def test_a_routing_header_must_be_there_once_and_repeat_the_body(headers: dict[str, str]) -> None:
    error = refusal(modern("tools/call", {"name": "greet"}), headers)
    assert (error.fault.code, error.status, error.id) == (-32020, 400, 1)


def test_header_values_are_trimmed() -> None:
    body = modern("tools/call", {"name": "greet"})
    headers = {name: f"  {value}\t" for name, value in routing_headers(body).items()}
    assert call(body, headers).method == "tools/call"


def test_a_name_header_is_wanted_only_where_a_name_is() -> None:
    body = modern("tools/list")
    assert call(body, {**routing_headers(body), "mcp-param-x": "1"}).method == "tools/list"


@pytest.mark.parametrize(
    ("method", "params"), [("prompts/get", {"name": "p"}), ("resources/read", {"uri": "x:y"})]
)
def test_prompts_and_resources_are_named_in_the_header_too(
    method: str, params: dict[str, Any]
) -> None:
    body = modern(method, params)
    bare = {"mcp-protocol-version": MODERN, "mcp-method": method}
    assert refusal(body, bare).fault.code == -32020
    assert refusal(body, {**bare, "mcp-name": "other"}).fault.code == -32020
    assert call(body, {**bare, "mcp-name": next(iter(params.values()))}).method == method


def test_a_mismatch_beats_an_unsupported_version() -> None:
    body = modern()
    body["params"]["_meta"][VERSION_KEY] = "1900-01-01"
    assert refusal(body, {"mcp-protocol-version": MODERN}).fault.code == -32020


@pytest.mark.parametrize("version", ["1900-01-01", "2025-11-25", ""])
def test_an_unsupported_version_is_named_with_what_is_served(version: str) -> None:
    body = modern()
    body["params"]["_meta"][VERSION_KEY] = version
    headers = {"mcp-protocol-version": version, "mcp-method": "tools/list"}
    error = refusal(body, headers)
    if version:
        assert (error.fault.code, error.status) == (-32022, 400)
        assert json.loads(json.dumps(error.data)) == {
            "supported": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
            "requested": version,
        }
    else:
        assert error.fault.code == -32020


def test_an_unknown_version_header_without_meta_is_unsupported_and_echoed() -> None:
    error = refusal(message("tools/list"), {"mcp-protocol-version": "2031-01-01"})
    assert (error.fault.code, error.status) == (-32022, 400)
    assert error.body()["error"]["data"]["requested"] == "2031-01-01"


@pytest.mark.parametrize(
    "method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "no/such"]
)
def test_a_method_of_the_other_era_is_not_found_with_404(method: str) -> None:
    body = modern(method)
    error = refusal(body, routing_headers(body))
    assert (error.fault.code, error.status, error.id) == (-32601, 404, 1)


@pytest.mark.parametrize("method", ["server/discover", "no/such", "logging/setLevel"])
def test_a_legacy_method_that_is_not_found_keeps_status_200(method: str) -> None:
    error = refusal(message(method), {"mcp-protocol-version": "2025-11-25"})
    assert (error.fault.code, error.status) == (-32601, 200)


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {}),
        ("tools/call", {"name": 7}),
        ("tools/call", {"name": "greet", "arguments": []}),
        ("tools/call", {"name": "greet", "arguments": "x"}),
        ("tools/list", {"cursor": 1}),
    ],
)
def test_malformed_parameters_are_a_json_rpc_error_with_status_200(
    era: str, method: str, params: dict[str, Any]
) -> None:
    body = message(method, params, modern=era == "modern")
    headers = {"mcp-name": str(params.get("name")), "mcp-method": method}
    if era == "modern":
        headers["mcp-protocol-version"] = MODERN
    error = refusal(body, headers)
    assert (error.fault.code, error.status) == (-32602, 200)


@pytest.mark.parametrize(
    ("method", "params"),
    [("tools/call", {"name": "greet", "arguments": None}), ("tools/list", {"cursor": None})],
)
def test_null_stands_for_an_absent_parameter(method: str, params: dict[str, Any]) -> None:
    assert call(message(method, params)).params == params


@pytest.mark.parametrize(
    ("header", "version"),
    [
        (None, "2025-03-26"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        (" 2025-11-25 ", "2025-11-25"),
    ],
)
def test_a_legacy_request_speaks_the_version_of_its_header(
    header: str | None, version: str
) -> None:
    headers = {} if header is None else {"mcp-protocol-version": header}
    assert call(message("ping"), headers).version == version


def test_a_legacy_version_that_is_not_served_is_400() -> None:
    error = refusal(message("tools/list"), {"mcp-protocol-version": "2024-11-05"})
    assert (error.fault.code, error.status) == (-32022, 400)
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert refusal(notification, {"mcp-protocol-version": "2024-11-05"}).status == 400


@pytest.mark.parametrize(
    ("requested", "answered"),
    [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("banana", "2025-11-25"),
    ],
)
def test_initialize_never_answers_with_a_modern_version(requested: str, answered: str) -> None:
    body = message("initialize", {"protocolVersion": requested})
    assert call(body, {"mcp-protocol-version": "2024-11-05"}).version == answered


def test_initialize_needs_a_version() -> None:
    assert refusal(message("initialize")).fault.code == -32602


@pytest.mark.parametrize("headers", [{}, {"mcp-protocol-version": MODERN}])
@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/x", "tools/call"])
def test_a_message_without_id_is_a_notification(method: str, headers: dict[str, str]) -> None:
    understood = envelope.read({"jsonrpc": "2.0", "method": method}, headers)
    assert isinstance(understood, Notice)


def test_a_legacy_response_is_accepted_and_a_modern_one_is_not() -> None:
    response = {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert isinstance(envelope.read(response, {}), Notice)
    error = refusal(response, {"mcp-protocol-version": MODERN})
    assert (error.fault.code, error.status) == (-32600, 400)


@pytest.mark.parametrize("headers", [{}, {"mcp-protocol-version": MODERN}])
@pytest.mark.parametrize(
    "body",
    [
        7,
        "text",
        None,
        {},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "method": 5},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1.0, "method": "ping"},
        {"jsonrpc": "2.0", "id": True, "method": "ping"},
        {"jsonrpc": "2.0", "id": [1], "method": "ping"},
    ],
)
def test_what_is_no_json_rpc_message_is_400(body: Any, headers: dict[str, str]) -> None:
    error = refusal(body, headers)
    assert (error.fault.code, error.status) == (-32600, 400)


@pytest.mark.parametrize("id", [0, -1, 10**30, "", "0", "x" * 5000])
def test_ids_come_back_exactly(id: str | int) -> None:
    assert call(message("ping", id=id)).id == id
    body = refusal(message("no/such", id=id)).body()
    assert body["id"] == id
    assert type(body["id"]) is type(id)


def test_parameters_by_position_are_refused() -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": []}
    assert refusal(body).fault.code == -32602
    assert refusal(body, {"mcp-protocol-version": MODERN}).status == 400


def test_a_batch_is_understood_message_by_message() -> None:
    items = envelope.read(
        [
            message("ping", id=1),
            {"jsonrpc": "2.0", "method": "notifications/x"},
            message("no/such", id=2),
            message("initialize", {"protocolVersion": "2025-03-26"}, id=3),
            [],
        ],
        {},
    )
    assert isinstance(items, list)
    kinds = [i.fault.code if isinstance(i, ProtocolError) else type(i).__name__ for i in items]
    assert kinds == ["Call", "Notice", -32601, -32600, -32600]


@pytest.mark.parametrize(
    ("items", "version"),
    [
        ([message("ping")], "2025-06-18"),
        ([message("ping")], "2025-11-25"),
        ([message("ping")], MODERN),
        ([message("ping")], "banana"),
        ([], "2025-03-26"),
        ([message("ping")] * 51, "2025-03-26"),
    ],
)
def test_a_batch_elsewhere_or_out_of_size_is_400(items: list[Any], version: str) -> None:
    error = refusal(items, {"mcp-protocol-version": version})
    assert (error.fault.code, error.status) == (-32600, 400)


def encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("plain", "plain"),
        (encoded("grüße"), "grüße"),
        (encoded(""), ""),
        ("=?base64?abc", "=?base64?abc"),
        ("abc?=", "abc?="),
        ("=?BASE64?YQ==?=", "=?BASE64?YQ==?="),
    ],
)
def test_the_base64_sentinel_is_decoded(value: str, meaning: str) -> None:
    assert envelope.decode_sentinel(value) == meaning


@pytest.mark.parametrize("inner", ["YQ", "YQ=", "Y Q==", "YQ==\n", "_w==", "YR==", "/w=="])
def test_a_sentinel_that_is_not_canonical_base64_of_utf8_is_a_mismatch(inner: str) -> None:
    body = modern("tools/call", {"name": "a"})
    headers = {**routing_headers(body), "mcp-name": f"=?base64?{inner}?="}
    assert refusal(body, headers).fault.code == -32020


def test_a_name_outside_ascii_is_called_through_the_sentinel() -> None:
    body = modern("tools/call", {"name": "grüße"})
    headers = {**routing_headers(body), "mcp-name": encoded("grüße")}
    assert call(body, headers).params["name"] == "grüße"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"hello",
        b"{",
        b"{} {}",
        b'{"a": NaN}',
        b"\xff\xfe",
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b'"\\ud800"',
        b"1e999",
        b"1" + b"0" * 5000,
        b"[" * 10_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b"[" * 101 + b"]" * 101,
    ],
)
def test_what_cannot_be_decoded_is_a_parse_error_without_id(body: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        envelope.decode(body)
    assert (caught.value.fault.code, caught.value.status) == (-32700, 400)
    assert "id" not in caught.value.body()


@pytest.mark.parametrize(
    "body", [b"[" * 100 + b"]" * 100, json.dumps("[" * 500).encode(), b"[" + b"[]," * 500 + b"[]]"]
)
def test_many_brackets_are_fine_when_they_are_not_deep(body: bytes) -> None:
    assert envelope.decode(body) == json.loads(body)


def test_an_empty_body_is_told_apart_because_chunked_requests_arrive_so_on_functions() -> None:
    with pytest.raises(ProtocolError, match="Content-Length"):
        envelope.decode(b"")
