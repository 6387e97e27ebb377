"""Whatever is sent, the answer is one of the protocol's: nothing crashes the endpoint."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.endpoint import Endpoint
from shared.protocol.methods import METHODS
from shared.protocol.versions import SUPPORTED
from tests.support import READER_KEY, endpoint_for, send

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
META: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "io.modelcontextprotocol/protocolVersion": st.sampled_from(SUPPORTED) | VALUES,
        "io.modelcontextprotocol/clientCapabilities": st.just({"elicitation": {}}) | VALUES,
        "progressToken": VALUES,
    },
)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "_meta": META | VALUES,
        "name": st.sampled_from(["greet", "delete", "plan", "several"]) | VALUES,
        "uri": st.sampled_from(["asking://region"]) | VALUES,
        "arguments": st.fixed_dictionaries({"name": VALUES}) | VALUES,
        "cursor": VALUES,
        "protocolVersion": st.sampled_from(SUPPORTED) | VALUES,
        "ref": st.fixed_dictionaries({"type": st.just("ref/prompt"), "name": st.just("plan")})
        | VALUES,
        "argument": st.fixed_dictionaries({"name": st.just("topic"), "value": VALUES}) | VALUES,
        "requestState": VALUES,
        "inputResponses": VALUES,
    },
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | VALUES,
        "id": st.integers() | VALUES,
        "method": st.sampled_from(sorted(METHODS)) | VALUES,
        "params": PARAMS | VALUES,
        "result": VALUES,
    },
)
BODY = MESSAGE | st.lists(MESSAGE, max_size=3) | VALUES


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    folder: Path = tmp_path_factory.mktemp("robustness")
    return endpoint_for(folder, package="tests.asking_toolsets")


@given(BODY, st.booleans(), st.sampled_from([*SUPPORTED, "2024-11-05", "x", None]), st.booleans())
@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_message_is_an_internal_error(
    endpoint: Endpoint, body: Any, routed: bool, version: str | None, known: bool
) -> None:
    headers: dict[str, str] = {} if version is None else {"mcp-protocol-version": version}
    if routed and isinstance(body, dict):
        headers["mcp-method"] = str(body.get("method"))
        params = body.get("params")
        if isinstance(params, dict):
            headers["mcp-name"] = str(params.get("name", params.get("uri")))
    key = READER_KEY if known else "unknown"
    response = asyncio.run(send(endpoint, body, headers, key=key))
    assert response.status in (200, 202, 400, 401, 404)
    if response.body:
        answer = json.loads(response.body)
        for one in answer if isinstance(answer, list) else [answer]:
            assert one["jsonrpc"] == "2.0"
            assert one.get("error", {}).get("code") != 500
