"""Requests and responses as values."""

import json

import pytest

from shared.http import Request, Response, is_loopback, json_response

KEY = "reader-key-0123456789abcdefghijklmnop"


@pytest.mark.parametrize("given", ["a", "A-1_b.c", "0" * 64, "00-4bf92f3577b34da6-01"])
def test_a_sane_correlation_id_is_kept(given: str) -> None:
    assert Request("POST", "/mcp", {"x-correlation-id": given}).correlation_id() == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        "a b",
        "a\n",
        "a\r\nSet-Cookie: b=c",
        "a, b",
        "a/b",
        '"a"',
        "{a}",
        "é",
        "\u0661",
        "a\u2028",
        "0" * 65,
        "x" * 100_000,
    ],
)
def test_any_other_correlation_id_is_replaced(given: str) -> None:
    request = Request("POST", "/mcp", {"x-correlation-id": given})
    fresh = request.correlation_id()
    assert fresh != given
    assert fresh.isalnum()
    assert len(fresh) == 32


def test_every_request_without_one_gets_a_correlation_id_of_its_own() -> None:
    assert len({Request("POST", "/mcp", {}).correlation_id() for _ in range(20)}) == 20


def test_a_request_shows_neither_headers_nor_query_nor_body() -> None:
    headers = {"x-api-key": KEY, "authorization": f"Bearer {KEY}"}
    request = Request("POST", "/mcp", headers, f"key={KEY}", KEY.encode())
    for text in (repr(request), str(request), f"{request}", repr([request]), f"{request!a}"):
        assert KEY not in text
        assert "POST /mcp" in text


def test_a_finished_response_forbids_storing_and_guessing_its_type() -> None:
    response = Response(200, {"Allow": "GET"}, b"x").finished("abc-1", {"Vary": "Origin"})
    assert (response.status, response.body) == (200, b"x")
    assert response.headers == {
        "Allow": "GET",
        "Cache-Control": "no-store",
        "Vary": "Origin",
        "X-Content-Type-Options": "nosniff",
        "X-Correlation-ID": "abc-1",
    }


def test_json_is_encoded_once() -> None:
    response = json_response(418, {"a": 1}, {"X-More": "yes"})
    assert response.headers == {"Content-Type": "application/json", "X-More": "yes"}
    assert json.loads(response.body) == {"a": 1}
    assert json_response(200, response.body).body == response.body


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_only_this_machines_addresses_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
