"""The endpoint without a usable configuration: alive, closed and discreet."""

import json
import logging
from pathlib import Path

import pytest

from shared.startup import build_or_refuse
from shared.unready import UnreadyEndpoint
from tests.support import (
    OPS_KEY,
    READER_KEY,
    configured,
    message,
    routing_headers,
    send,
    write_configuration,
)

MODERN_LIST = message("tools/list", modern=True)


@pytest.mark.parametrize("key", [None, READER_KEY])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/mcp", "/MCP/", "/tools", "/", "/nowhere", "/readyz"])
async def test_everything_is_503(method: str, path: str, key: str | None) -> None:
    endpoint = UnreadyEndpoint("configuration")
    response = await send(
        endpoint, MODERN_LIST, routing_headers(MODERN_LIST), method=method, path=path, key=key
    )
    assert response.status == 503
    assert len(response.headers["X-Correlation-ID"]) == 32
    assert "WWW-Authenticate" not in response.headers


async def test_an_answer_names_the_category_and_the_correlation_id_the_log_has() -> None:
    response = await send(
        UnreadyEndpoint("configuration"), message("ping"), {"x-correlation-id": "abc-1"}
    )
    error = json.loads(response.body)["error"]
    assert error["code"] == 503
    assert "configuration" in error["message"]
    assert "abc-1" in error["message"]
    assert response.headers["X-Correlation-ID"] == "abc-1"


@pytest.mark.parametrize("path", ["/healthz", "/Healthz/"])
async def test_the_process_is_healthy_all_the_same(path: str) -> None:
    response = await send(UnreadyEndpoint("configuration"), b"", method="GET", path=path)
    assert response.status == 200
    assert json.loads(response.body) == {"status": "ok"}


@pytest.mark.parametrize("category", ["configuration", "internal"])
async def test_readiness_tells_the_category_and_nothing_else(category: str) -> None:
    response = await send(UnreadyEndpoint(category), b"", method="GET", path="/readyz")
    assert response.status == 503
    assert json.loads(response.body) == {"status": "not ready", "category": category}


async def test_a_refused_call_is_in_the_log_without_its_credential(
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint = UnreadyEndpoint("configuration")
    headers = {"x-correlation-id": "abc-1", "authorization": f"Bearer {OPS_KEY}"}
    await send(endpoint, message("ping"), headers, query=f"key={OPS_KEY}")
    assert "abc-1" in caplog.text
    assert READER_KEY not in caplog.text
    assert OPS_KEY not in caplog.text


async def test_the_log_has_the_reason_and_the_answers_do_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scheme = {"HeadrName": "X-Key"}
    configuration = configured({"Authentication": {"Schemes": {"ApiKey": scheme}}})
    file = write_configuration(tmp_path, configuration)
    caplog.set_level(logging.INFO)
    endpoint = build_or_refuse(tmp_path, {}, config_file=file)
    assert isinstance(endpoint, UnreadyEndpoint)
    assert "HeadrName" in caplog.text
    assert "settings.json" in caplog.text
    assert READER_KEY not in caplog.text
    for method, path in (("POST", "/mcp"), ("GET", "/tools"), ("GET", "/readyz")):
        response = await send(endpoint, message("ping"), method=method, path=path)
        assert response.status == 503
        assert b"HeadrName" not in response.body
        assert b"settings.json" not in response.body
