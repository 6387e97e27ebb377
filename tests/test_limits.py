"""Rate limits and the kill switch, seen from outside, in both eras."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.problems import ConfigurationError
from shared.endpoint import Endpoint
from tests.configuration.support import refused
from tests.support import (
    OPS_KEY,
    READER_KEY,
    ask,
    configured,
    endpoint_for,
    message,
    routing_headers,
    send,
)

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])


def limited(**limits: Any) -> dict[str, Any]:
    return {"RateLimits": limits}


def limiting(folder: Path, **limits: Any) -> Endpoint:
    """An endpoint for which no time passes, however busy the machine is between two requests."""
    endpoint = endpoint_for(folder, limited(**limits))
    endpoint._limiter._clock = lambda: 100.0
    return endpoint


@ERAS
async def test_past_the_limit_the_answer_is_429_and_says_when_to_come_again(
    tmp_path: Path, modern: bool
) -> None:
    endpoint = limiting(tmp_path, PerPrincipal={"PerMinute": 6, "Burst": 2})
    body = message("tools/list", modern=modern)
    headers = routing_headers(body) if modern else {}
    responses = [await send(endpoint, body, headers) for _ in range(3)]
    assert [response.status for response in responses] == [200, 200, 429]
    assert responses[2].headers["Retry-After"] == "10"
    error = json.loads(responses[2].body)["error"]
    assert error == {"code": 429, "message": "Too many requests; try again in 10 seconds."}
    assert (await send(endpoint, body, headers, key=OPS_KEY)).status == 200


@ERAS
async def test_a_tool_has_a_limit_of_its_own(tmp_path: Path, modern: bool) -> None:
    endpoint = limiting(tmp_path, Tools={"Greet": {"PerMinute": 60, "Burst": 1}})
    params = {"name": "greet", "arguments": {"name": "Ada"}}
    body = message("tools/call", params, id=7, modern=modern)
    headers = routing_headers(body) if modern else {}
    assert (await send(endpoint, body, headers)).status == 200
    response = await send(endpoint, body, headers)
    assert response.status == 429
    assert json.loads(response.body)["id"] == 7
    assert (await send(endpoint, message("tools/list"))).status == 200


async def test_the_tools_list_for_curl_counts_too(tmp_path: Path) -> None:
    endpoint = limiting(tmp_path, PerPrincipal={"PerMinute": 1, "Burst": 1})
    statuses = [(await send(endpoint, b"", method="GET", path="/tools")).status for _ in range(2)]
    assert statuses == [200, 429]


async def test_a_batch_counts_as_what_it_holds(tmp_path: Path) -> None:
    endpoint = limiting(tmp_path, PerPrincipal={"PerMinute": 60, "Burst": 5})
    batch = [message("ping", id=number) for number in range(4)]
    assert (await send(endpoint, batch)).status == 200
    assert (await send(endpoint, batch)).status == 429


async def test_a_wrong_key_is_401_however_often(tmp_path: Path) -> None:
    endpoint = limiting(tmp_path, PerPrincipal={"PerMinute": 1, "Burst": 1})
    statuses = {(await send(endpoint, message("ping"), key="wrong")).status for _ in range(9)}
    assert statuses == {401}


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"PerPrincipal": {}}, "RateLimits:PerPrincipal:PerMinute"),
        ({"PerPrincipal": {"PerMinute": 0}}, "RateLimits:PerPrincipal:PerMinute"),
        ({"PerPrincipal": {"PerMinute": 1, "Burst": 0}}, "RateLimits:PerPrincipal:Burst"),
        ({"PerMinute": 60}, "RateLimits:PerMinute"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(
    tmp_path: Path, section: dict[str, Any], path: str
) -> None:
    text = json.dumps(configured({"RateLimits": section}))
    assert path in [problem.path for problem in refused(tmp_path, text)]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (limited(Tools={"gret": {"PerMinute": 1}}), "RateLimits:Tools:gret"),
        ({"Deny": {"Tools": ["gret"]}}, "Deny:Tools[0]"),
    ],
)
def test_a_misspelt_tool_is_an_error_with_the_likely_spelling(
    tmp_path: Path, changes: dict[str, Any], path: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        endpoint_for(tmp_path, changes)
    (problem,) = caught.value.problems
    assert (problem.path, problem.text) == (path, "no tool is called gret; did you mean greet?")


@ERAS
async def test_a_denied_key_is_shut_out(tmp_path: Path, modern: bool) -> None:
    endpoint = endpoint_for(tmp_path, {"Deny": {"Keys": ["ApiKey-1"]}})
    body = message("tools/list", modern=modern)
    headers = routing_headers(body) if modern else {}
    response = await send(endpoint, body, headers, key=READER_KEY)
    assert response.status == 403
    assert json.loads(response.body)["error"]["message"] == (
        "Shut out: the key ApiKey-1 is denied."
    )
    assert (await send(endpoint, body, headers, key=OPS_KEY)).status == 200


@ERAS
async def test_a_denied_tool_is_not_there_for_anybody(tmp_path: Path, modern: bool) -> None:
    endpoint = endpoint_for(tmp_path, {"Deny": {"Tools": ["Greet"]}})
    listed = await ask(endpoint, "tools/list", modern=modern)
    assert "greet" not in [tool["name"] for tool in listed["result"]["tools"]]
    assert len(listed["result"]["tools"]) > 1
    called = await ask(
        endpoint, "tools/call", {"name": "greet", "arguments": {"name": "Ada"}}, modern=modern
    )
    assert called["error"]["message"] == "Unknown tool: greet"
    response = await send(endpoint, b"", method="GET", path="/tools")
    assert "greet" not in [tool["name"] for tool in json.loads(response.body)["tools"]]


async def test_what_a_denied_tool_returns_cannot_be_read_either(tmp_path: Path) -> None:
    resource = {
        "Uri": "notes://greeting",
        "Name": "Greeting",
        "Source": "command",
        "Command": "nothing",
    }
    changes = {"McpResources": {"Resources": [resource]}}
    open_ = endpoint_for(tmp_path, changes)
    closed = endpoint_for(tmp_path, {**changes, "Deny": {"Tools": ["nothing"]}})
    for endpoint, there in ((open_, True), (closed, False)):
        listed = await ask(endpoint, "resources/list")
        assert bool(listed["result"]["resources"]) is there
        read = await ask(endpoint, "resources/read", {"uri": "notes://greeting"})
        assert ("error" not in read) is there


def test_a_vault_elsewhere_is_refused(tmp_path: Path) -> None:
    secret = {"VaultUri": "https://vault.azure.net.evil.example", "SecretName": "deny"}
    text = json.dumps(configured({"Deny": {"KeyVault": secret}}))
    (problem,) = refused(tmp_path, text)
    assert problem.path == "Deny:KeyVault:VaultUri"
    assert "not the URI of a key vault" in problem.text
