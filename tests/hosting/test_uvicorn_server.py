"""The endpoint on a real socket: odd bytes are answered, crash nothing and are not logged."""

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import psutil
import pytest

from shared.hosting import uvicorn_server
from tests.serving import Server, serving
from tests.support import (
    READER_KEY,
    configured,
    message,
    routing_headers,
    write_configuration,
)

JSON = {"Content-Type": "application/json"}
KEY = {"X-API-Key": READER_KEY}


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> Any:
        return json.loads(self.body)["error"]["code"]

    @property
    def text(self) -> str:
        return str(json.loads(self.body)["error"]["message"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with serving(write_configuration(folder, configured())) as running:
        yield running


def exchange(
    server: Server,
    body: bytes | None = b"",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    path: str = "/mcp",
) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body, dict(headers if headers is not None else JSON | KEY))
    response = connection.getresponse()
    reply = Reply(
        response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    )
    connection.close()
    return reply


def test_a_tool_is_called_over_a_socket(server: Server) -> None:
    body = message("tools/call", {"name": "greet", "arguments": {"name": "Ada"}})
    reply = exchange(server, json.dumps(body).encode())
    assert reply.status == 200
    assert json.loads(reply.body)["result"]["content"][0]["text"] == "Hello, Ada!"
    assert "server" not in reply.headers


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"hello", -32700),
        (b"[" * 10_000, -32700),
        (b"\xff" * 100, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
    ],
)
def test_a_body_that_is_no_message_is_400_with_a_reason(
    server: Server, body: bytes, code: int
) -> None:
    reply = exchange(server, body)
    assert (reply.status, reply.code) == (400, code)
    assert reply.text


def test_a_hundred_megabytes_are_refused_without_being_held(server: Server) -> None:
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    reply = exchange(server, b"x" * 100_000_000)
    assert (reply.status, reply.code) == (413, 413)
    assert "1,048,576" in reply.text
    assert process.memory_info().rss - before < 30_000_000


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
def test_only_post_reaches_mcp(server: Server, method: str) -> None:
    reply = exchange(server, None, {}, method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "POST, OPTIONS")


def test_head_is_answered_without_a_body(server: Server) -> None:
    reply = exchange(server, None, {}, method="HEAD")
    assert (reply.status, reply.body) == (405, b"")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "application/problem+json"}, 200),
        ({}, 200),
        ({"Accept": "text/html"}, 406),
        ({"Accept": "text/event-stream"}, 406),
        ({"Accept": "application/json, text/event-stream"}, 200),
        ({"Accept": "*/*"}, 200),
        ({"Accept": "application/*;q=0.5"}, 200),
    ],
)
def test_media_types_are_taken_leniently(
    server: Server, headers: Mapping[str, str], status: int
) -> None:
    body = json.dumps(message("ping")).encode()
    assert exchange(server, body, {**KEY, **headers}).status == status


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({}, "", 401),
        ({"X-API-Key": "wrong"}, "", 401),
        ({"X-API-Key": ""}, "", 401),
        ({"X-API-Key": "x" * 20_000}, "", 401),
        ({"X-API-Key": "schlüssel"}, "", 401),
        ({"Authorization": "Bearer abc"}, "", 401),
        ({"Authorization": f"Bearer {READER_KEY}"}, "", 401),
        ({}, f"?api_key={READER_KEY}", 401),
        ({}, f"?X-API-Key={READER_KEY}", 401),
        (KEY | {"Authorization": "Bearer abc"}, "", 400),
        (KEY, "?access_token=abc", 400),
        (KEY, "?page=2", 200),
    ],
)
def test_credentials(server: Server, headers: Mapping[str, str], query: str, status: int) -> None:
    body = json.dumps(message("ping")).encode()
    encoded = {k: v.encode("latin-1").decode("latin-1") for k, v in headers.items()}
    reply = exchange(server, body, encoded, path=f"/mcp{query}")
    assert reply.status == status
    if status == 401:
        assert reply.headers["www-authenticate"] == 'ApiKey realm="postern"'
        assert "X-API-Key" in reply.text


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_a_strangers_host_or_origin_is_refused(server: Server, name: str) -> None:
    value = "evil.example" if name == "Host" else "https://evil.example"
    reply = exchange(server, b"{}", KEY | {name: value})
    assert (reply.status, reply.code) == (403, 403)
    assert name in reply.text


def raw(server: Server, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_a_chunked_body_is_read(server: Server) -> None:
    body = json.dumps(message("ping")).encode()
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {READER_KEY}\r\n"
    chunks = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in (body[:9], body[9:]))
    head += "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = raw(server, head.encode() + chunks + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b'{"jsonrpc":"2.0","id":1,"result":{}}')


@pytest.mark.parametrize(
    "data",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab",
        b"POST /mcp HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"POST /%00%ff%2e%2e/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
def test_the_server_survives_bytes_that_are_no_request(server: Server, data: bytes) -> None:
    raw(server, data)
    assert exchange(server, None, {}, method="GET", path="/healthz").status == 200


def test_nothing_secret_is_logged(server: Server) -> None:
    stranger = "stranger-key-0123456789abcdefghijklmnop"
    body = json.dumps(message("tools/call", {"name": "fail", "arguments": {"kind": "x"}})).encode()
    exchange(server, body, {"X-API-Key": stranger})
    exchange(server, body, JSON, path=f"/mcp?api_key={stranger}")
    reply = exchange(server, body)
    assert b"secret detail" not in reply.body
    log = server.log.read_text()
    assert "postern.audit" in log
    assert READER_KEY not in log
    assert stranger not in log


def test_where_it_cannot_listen_it_says_why(server: Server) -> None:
    taken = rf"Port {server.port} on 127.0.0.1 is taken\."
    with pytest.raises(uvicorn_server.CannotListen, match=taken):
        uvicorn_server.listen("127.0.0.1", server.port)
    with pytest.raises(uvicorn_server.CannotListen, match=r"192\.0\.2\.1 cannot .*: .*[a-z]\.$"):
        uvicorn_server.listen("192.0.2.1", 0)


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("counting")
    with serving(write_configuration(folder, configured()), "tests.progress_toolsets") as running:
        yield running


def test_progress_arrives_while_the_tool_works_and_leaving_stops_it(counting: Server) -> None:
    body = message("tools/call", {"name": "hold"}, modern=True)
    body["params"]["_meta"]["progressToken"] = 7
    data = json.dumps(body).encode()
    headers = {
        **JSON,
        **KEY,
        **routing_headers(body),
        "Accept": "application/json, text/event-stream",
        "Host": "localhost",
        "X-Correlation-ID": "client-that-leaves",
        "Content-Length": str(len(data)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", counting.port), timeout=30) as connection:
        connection.sendall(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + data)
        received = b""
        while b"notifications/progress" not in received:
            received += connection.recv(65536)
    assert b"content-type: text/event-stream" in received
    assert b"transfer-encoding: chunked" in received
    assert b'"progressToken":7' in received
    record = wait_for_record(counting, "client-that-leaves")
    assert (record["tool"], record["outcome"]) == ("hold", "cancelled")


def wait_for_record(server: Server, correlation_id: str) -> Any:
    """The audit record of a call, as soon as it is written."""
    for _ in range(500):
        for line in server.log.read_text().splitlines():
            if f'"correlationId":"{correlation_id}"' in line:
                return json.loads(line[line.index("{") :])
        time.sleep(0.02)
    raise AssertionError(f"no record of {correlation_id}")
