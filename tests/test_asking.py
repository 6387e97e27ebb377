"""Questions in the middle of a call, answered over stateless retries."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from shared.endpoint import Endpoint
from shared.http import Response
from shared.request_state import LIFETIME_SECONDS, BadState, Sealer, binding, random_key, read_key
from tests.asking_toolsets import asking
from tests.support import OPS_KEY, READER_KEY, endpoint_for, message, routing_headers, send

KEY = "k1:" + base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
OTHER_KEY = "k2:" + base64.urlsafe_b64encode(bytes(32)).decode()
ALL: dict[str, Any] = {"elicitation": {}, "sampling": {}, "roots": {}}
YES = {"action": "accept", "content": {"confirm": True}}
NO = {"action": "accept", "content": {"confirm": False}}


def build(folder: Path, **server: Any) -> Endpoint:
    return endpoint_for(
        folder, {"Server": {"ConfirmationKeys": [KEY], **server}}, package="tests.asking_toolsets"
    )


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    return build(tmp_path)


async def post(
    endpoint: Endpoint,
    tool: str,
    arguments: Any = None,
    *,
    method: str = "tools/call",
    key: str = READER_KEY,
    capabilities: Any = None,
    **more: Any,
) -> Response:
    name = {"uri": tool} if method == "resources/read" else {"name": tool}
    params = {**name, **more, **({} if arguments is None else {"arguments": arguments})}
    body = message(method, params, modern=True)
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = (
        ALL if capabilities is None else capabilities
    )
    headers = {**routing_headers(body), "mcp-name": tool}
    return await send(endpoint, body, headers, key=key)


async def call(endpoint: Endpoint, *args: Any, **more: Any) -> Any:
    return json.loads((await post(endpoint, *args, **more)).body)


def question(answer: Any, name: str = "input-1") -> Any:
    assert answer["result"]["resultType"] == "input_required"
    return answer["result"]["inputRequests"][name]


def text(answer: Any) -> str:
    assert answer["result"]["resultType"] == "complete"
    return str(answer["result"]["content"][0]["text"])


async def test_a_tool_asks_and_goes_on_with_the_answer(endpoint: Endpoint) -> None:
    asking.RUNS.clear()
    first = await call(endpoint, "delete", {"name": "x"})
    asked = question(first)
    assert asked["method"] == "elicitation/create"
    assert asked["params"]["message"] == "Delete x?"
    assert asked["params"]["requestedSchema"] == {
        "type": "object",
        "properties": {"confirm": {"type": "boolean"}},
        "required": ["confirm"],
    }
    assert asking.RUNS == []
    state = first["result"]["requestState"]
    done = await call(
        endpoint, "delete", {"name": "x"}, requestState=state, inputResponses={"input-1": YES}
    )
    assert text(done) == "deleted x"
    assert asking.RUNS == ["delete x"]


@pytest.mark.parametrize("response", [NO, {"action": "decline"}, {"action": "cancel"}])
async def test_anything_but_a_yes_is_a_no(endpoint: Endpoint, response: Any) -> None:
    state = (await call(endpoint, "delete", {"name": "x"}))["result"]["requestState"]
    done = await call(
        endpoint, "delete", {"name": "x"}, requestState=state, inputResponses={"input-1": response}
    )
    assert text(done) == "kept"


@pytest.mark.parametrize(
    "responses",
    [
        None,
        {},
        [],
        {"other": YES},
        {"input-1": None},
        {"input-1": "yes"},
        {"input-1": {}},
        {"input-1": {"action": "accept"}},
        {"input-1": {"action": "accept", "content": {"confirm": "yes"}}},
        {"input-1": {"action": "accept", "content": {"confirm": True, "more": 1}}},
        {"input-1": {"action": "perhaps", "content": {"confirm": True}}},
    ],
)
async def test_an_answer_that_does_not_fit_is_asked_for_again(
    endpoint: Endpoint, responses: Any
) -> None:
    state = (await call(endpoint, "delete", {"name": "x"}))["result"]["requestState"]
    again = await call(
        endpoint, "delete", {"name": "x"}, requestState=state, inputResponses=responses
    )
    assert question(again)["params"]["message"] == "Delete x?"


async def test_a_confirmation_that_comes_unasked_counts_for_nothing(endpoint: Endpoint) -> None:
    for name in ("input-1", "confirm-call"):
        early = await call(endpoint, "delete", {"name": "x"}, inputResponses={name: YES})
        assert question(early)


async def test_data_asked_for_by_name_may_come_unasked_and_is_carried_on(
    endpoint: Endpoint,
) -> None:
    given = {
        "region": {"action": "accept", "content": {"name": "north", "size": 3}},
        "other": {"action": "accept", "content": {}},
    }
    first = await call(endpoint, "several", inputResponses=given)
    assert sorted(first["result"]["inputRequests"]) == ["model", "roots"]
    rest = {
        "model": {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"},
        "roots": {"roots": []},
    }
    state = first["result"]["requestState"]
    done = await call(endpoint, "several", requestState=state, inputResponses=rest)
    assert text(done) == "north hi 1"


async def test_a_destructive_call_cannot_be_confirmed_unasked(endpoint: Endpoint) -> None:
    early = await call(endpoint, "drop", {"name": "x"}, inputResponses={"confirm-call": YES})
    assert question(early, "confirm-call")


async def test_a_yes_counts_for_the_question_that_was_asked_and_no_other(
    endpoint: Endpoint,
) -> None:
    asking.STOCK[:] = [1, 2, 3]
    first = await call(endpoint, "empty")
    assert question(first)["params"]["message"] == "Empty 3 shelves?"
    asking.STOCK.append(4)
    state = first["result"]["requestState"]
    again = await call(endpoint, "empty", requestState=state, inputResponses={"input-1": YES})
    assert question(again)["params"]["message"] == "Empty 4 shelves?"
    assert len(asking.STOCK) == 4
    state = again["result"]["requestState"]
    done = await call(endpoint, "empty", requestState=state, inputResponses={"input-1": YES})
    assert text(done) == "emptied"
    assert asking.STOCK == []


async def test_two_questions_take_two_rounds_and_each_is_asked_once(endpoint: Endpoint) -> None:
    first = await call(endpoint, "create")
    schema = question(first)["params"]["requestedSchema"]
    assert schema["properties"]["size"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "description": "How large.",
    }
    assert schema["properties"]["kind"] == {
        "type": "string",
        "enum": ["live", "test"],
        "default": "test",
    }
    assert schema["required"] == ["name", "size"]
    given = {"input-1": {"action": "accept", "content": {"name": "north", "size": 3}}}
    state = first["result"]["requestState"]
    second = await call(endpoint, "create", requestState=state, inputResponses=given)
    asked = question(second, "input-2")
    assert asked["params"]["message"] == "Create north of size 3, test?"
    assert list(second["result"]["inputRequests"]) == ["input-2"]
    state = second["result"]["requestState"]
    third = await call(endpoint, "create", requestState=state, inputResponses={"input-2": YES})
    assert text(third) == "created"


async def test_several_things_are_asked_at_once(endpoint: Endpoint) -> None:
    first = await call(endpoint, "several")
    asked = first["result"]["inputRequests"]
    assert {name: request["method"] for name, request in asked.items()} == {
        "region": "elicitation/create",
        "model": "sampling/createMessage",
        "roots": "roots/list",
    }
    given = {
        "region": {"action": "accept", "content": {"name": "north", "size": 3}},
        "model": {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"},
    }
    state = first["result"]["requestState"]
    second = await call(endpoint, "several", requestState=state, inputResponses=given)
    assert list(second["result"]["inputRequests"]) == ["roots"]
    state = second["result"]["requestState"]
    roots: dict[str, Any] = {"roots": {"roots": []}}
    third = await call(endpoint, "several", requestState=state, inputResponses=roots)
    assert text(third) == "north hi 1"


@pytest.mark.parametrize(
    ("method", "name", "arguments"),
    [("resources/read", "asking://region", None), ("prompts/get", "plan", {"topic": "x"})],
)
async def test_resources_and_prompts_may_ask_too(
    endpoint: Endpoint, method: str, name: str, arguments: Any
) -> None:
    first = await call(endpoint, name, arguments, method=method)
    state = first["result"]["requestState"]
    assert question(first)
    done = await call(
        endpoint,
        name,
        arguments,
        method=method,
        requestState=state,
        inputResponses={"input-1": YES},
    )
    assert "True" in json.dumps(done["result"])
    assert done["result"]["resultType"] == "complete"


async def test_a_broad_except_does_not_swallow_a_question(endpoint: Endpoint) -> None:
    assert question(await call(endpoint, "swallow"))


async def test_a_client_that_cannot_be_asked_is_told_what_it_takes(endpoint: Endpoint) -> None:
    response = await post(endpoint, "delete", {"name": "x"}, capabilities={"sampling": {}})
    error = json.loads(response.body)["error"]
    assert (response.status, error["code"]) == (400, -32021)
    assert error["data"] == {"requiredCapabilities": {"elicitation": {}}}


@pytest.mark.parametrize("change", ["caller", "tool", "arguments", "method", "key"])
async def test_a_state_of_another_call_is_refused(
    endpoint: Endpoint, tmp_path: Path, change: str
) -> None:
    state = (await call(endpoint, "delete", {"name": "x"}))["result"]["requestState"]
    if change == "key":
        endpoint = build(tmp_path, ConfirmationKeys=[OTHER_KEY])
    answer = await call(
        endpoint,
        "create" if change == "tool" else "plan" if change == "method" else "delete",
        {"name": "y"} if change == "arguments" else {"name": "x"},
        method="prompts/get" if change == "method" else "tools/call",
        key=OPS_KEY if change == "caller" else READER_KEY,
        requestState=state,
        inputResponses={"input-1": YES},
    )
    assert answer["error"]["code"] == -32602
    assert "requestState" in answer["error"]["message"]


@pytest.mark.parametrize("state", ["", "garbage", "v1.k1.", "v1.k1.AAAA", "v2.k1.AAAA", 7, {}])
async def test_a_state_that_is_not_ours_is_refused(endpoint: Endpoint, state: Any) -> None:
    answer = await call(endpoint, "delete", {"name": "x"}, requestState=state)
    assert answer["error"]["code"] == -32602


async def test_every_changed_byte_of_a_state_is_noticed(endpoint: Endpoint) -> None:
    state = (await call(endpoint, "delete", {"name": "x"}))["result"]["requestState"]
    for position in range(0, len(state), 7):
        letter = "A" if state[position] != "A" else "B"
        changed = state[:position] + letter + state[position + 1 :]
        answer = await call(endpoint, "delete", {"name": "x"}, requestState=changed)
        assert answer.get("error", {}).get("code") == -32602, position


def test_a_state_lasts_five_minutes_and_survives_rotation() -> None:
    now = time.time()
    bound = binding("key/a", "tools/call", "delete", {"b": 1, "a": 2})
    old = Sealer([read_key(KEY)], now=lambda: now)
    state = old.seal(bound, {"input-1": YES}, {"input-2": "digest"})
    assert "confirm" not in state
    rotated = Sealer([read_key(OTHER_KEY), read_key(KEY)], now=lambda: now + LIFETIME_SECONDS)
    same = binding("key/a", "tools/call", "delete", {"a": 2, "b": 1})
    assert rotated.open(state, same) == ({"input-1": YES}, {"input-2": "digest"})
    late = Sealer([read_key(KEY)], now=lambda: now + LIFETIME_SECONDS + 1)
    with pytest.raises(BadState):
        late.open(state, bound)
    assert rotated.seal(bound, {}, {}).startswith("v1.k2.")
    assert old.seal(bound, {}, {}) != old.seal(bound, {}, {})


@pytest.mark.parametrize("text", ["", "k1", "k1:", "k1:short", ":" + KEY[3:], "a b:" + KEY[3:]])
def test_a_key_that_is_none_is_refused_without_being_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="ConfirmationKeys") as caught:
        build(tmp_path, ConfirmationKeys=[text])
    assert KEY[3:] not in str(caught.value)


def test_the_keys_are_in_no_repr(endpoint: Endpoint) -> None:
    assert KEY[3:] not in repr(endpoint._answers._settings)
    assert "\\x01\\x02" not in repr(endpoint._answers._settings)
    assert len(random_key()[1]) == 32


async def test_a_destructive_tool_is_confirmed_before_it_runs(endpoint: Endpoint) -> None:
    asking.RUNS.clear()
    first = await call(endpoint, "drop", {"name": "x"})
    asked = question(first, "confirm-call")
    assert asked["params"]["message"] == 'Drop everything: run it with {"name":"x"}?'
    assert asking.RUNS == []
    state = first["result"]["requestState"]
    for response, said in ((NO, "The person did not confirm it."), (YES, "dropped x")):
        done = await call(
            endpoint,
            "drop",
            {"name": "x"},
            requestState=state,
            inputResponses={"confirm-call": response},
        )
        assert text(done) == said
        assert done["result"]["isError"] is (response is NO)
    assert asking.RUNS == ["drop x"]


async def legacy(endpoint: Endpoint, tool: str, arguments: Any = None) -> Any:
    body = message("tools/call", {"name": tool, "arguments": arguments or {}})
    response = await send(endpoint, body, {"mcp-protocol-version": "2025-11-25"})
    return json.loads(response.body)["result"]


async def test_who_cannot_be_asked_is_refused_or_let_through_by_the_rule(tmp_path: Path) -> None:
    strict, lenient = build(tmp_path), build(tmp_path, UnconfirmedDestructiveCalls="allow")
    refused = await legacy(strict, "drop_in_thread")
    assert refused["isError"]
    assert "2026-07-28" in refused["content"][0]["text"]
    assert (await call(strict, "drop_in_thread", capabilities={}))["error"]["code"] == -32021
    assert not (await legacy(lenient, "drop_in_thread"))["isError"]
    assert text(await call(lenient, "drop_in_thread", capabilities={})) == "dropped"
    assert question(await call(lenient, "drop_in_thread"), "confirm-call")
    asked = await legacy(lenient, "delete", {"name": "x"})
    assert asked["isError"]
    assert "cannot be asked" in asked["content"][0]["text"]


async def test_without_a_shared_key_nothing_is_asked_and_nothing_destroyed(tmp_path: Path) -> None:
    endpoint = build(tmp_path, ConfirmationKeys=[])
    for tool, arguments in (("drop", {"name": "x"}), ("delete", {"name": "x"})):
        answer = await call(endpoint, tool, arguments)
        assert answer["result"]["isError"]
        assert "Server:ConfirmationKeys is not set" in text(answer)
    state = (await call(build(tmp_path), "delete", {"name": "x"}))["result"]["requestState"]
    answer = await call(endpoint, "delete", {"name": "x"}, requestState=state)
    assert answer["error"]["code"] == -32602


async def test_the_record_says_that_a_call_ended_with_a_question(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "postern.audit")
    state = (await call(endpoint, "delete", {"name": "x"}))["result"]["requestState"]
    (record,) = [json.loads(r.getMessage()) for r in caplog.records if "audit" in r.name]
    assert (record["decision"], record["outcome"], record["status"]) == (
        "allowed",
        "input_required",
        200,
    )
    assert state not in caplog.text
