"""Resources, templates, prompts and completion, by the same policy as tools, in every version."""

import base64
import json
from pathlib import Path
from typing import Any

import mcp_types
import pytest

from shared.configuration.problems import ConfigurationError
from shared.endpoint import Endpoint
from shared.protocol.versions import SUPPORTED
from tests.support import OPS_KEY, READER_KEY, ask, endpoint_for, message, send

MODERN = "2026-07-28"
EVERY = pytest.mark.parametrize("version", SUPPORTED)


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    server = {"MaxResultBytes": 1024, "PageSize": 3}
    return endpoint_for(tmp_path, {"Server": server}, package="tests.library_toolsets")


async def answer(
    endpoint: Endpoint,
    method: str,
    params: dict[str, Any] | None = None,
    version: str = MODERN,
    key: str = READER_KEY,
) -> Any:
    headers = {} if version == MODERN else {"mcp-protocol-version": version}
    if version == MODERN and params:
        name = params.get("uri") or params.get("name")
        headers = {"mcp-name": name} if name else {}
    return await ask(endpoint, method, params, modern=version == MODERN, key=key, headers=headers)


async def listed(endpoint: Endpoint, what: str, version: str, key: str = READER_KEY) -> list[Any]:
    method = {"resourceTemplates": "resources/templates/list"}.get(what, f"{what}/list")
    found: list[Any] = []
    cursor: dict[str, Any] = {}
    while True:
        result = (await answer(endpoint, method, cursor, version, key))["result"]
        found += result[what]
        if "nextCursor" not in result:
            return found
        cursor = {"cursor": result["nextCursor"]}


@EVERY
async def test_resources_are_listed_by_what_the_caller_may_read(
    endpoint: Endpoint, version: str
) -> None:
    resources = await listed(endpoint, "resources", version)
    names = ["welcome", "logo", "both", "broken", "large"]
    assert [resource["name"] for resource in resources] == names
    welcome = resources[0]
    assert welcome.pop("title", None) == (None if version == "2025-03-26" else "Welcome")
    assert welcome == {
        "uri": "notes://welcome",
        "name": "welcome",
        "description": "A word of welcome.",
        "mimeType": "text/markdown",
    }
    for_operators = await listed(endpoint, "resources", version, OPS_KEY)
    assert "secret" in [resource["name"] for resource in for_operators]
    mcp_types.ListResourcesResult.model_validate({"resources": resources})


@EVERY
async def test_templates_have_a_list_of_their_own(endpoint: Endpoint, version: str) -> None:
    (template,) = await listed(endpoint, "resourceTemplates", version)
    assert template["uriTemplate"] == "invoices://{customer}/{number}"
    assert "uri" not in template
    both = await listed(endpoint, "resourceTemplates", version, OPS_KEY)
    assert [t["name"] for t in both] == ["invoice", "report"]


@EVERY
async def test_prompts_tell_their_arguments(endpoint: Endpoint, version: str) -> None:
    prompts = await listed(endpoint, "prompts", version)
    assert [prompt["name"] for prompt in prompts] == ["weather", "travel"]
    assert prompts[0]["arguments"] == [
        {"name": "city", "description": "Where.", "required": True},
        {"name": "unit", "required": False},
    ]
    mcp_types.ListPromptsResult.model_validate({"prompts": prompts})


async def test_a_cursor_of_one_list_does_not_continue_another(endpoint: Endpoint) -> None:
    cursor = (await answer(endpoint, "resources/list"))["result"]["nextCursor"]
    for method in ("tools/list", "prompts/list", "resources/templates/list"):
        assert (await answer(endpoint, method, {"cursor": cursor}))["error"]["code"] == -32602


@EVERY
@pytest.mark.parametrize(
    ("uri", "contents"),
    [
        (
            "notes://welcome",
            [{"uri": "notes://welcome", "mimeType": "text/markdown", "text": "# Welcome"}],
        ),
        (
            "notes://logo",
            [
                {
                    "uri": "notes://logo",
                    "mimeType": "image/png",
                    "blob": base64.b64encode(b"png").decode(),
                }
            ],
        ),
        (
            "notes://both",
            [{"uri": "notes://one", "text": "1"}, {"uri": "notes://two", "blob": "Mg=="}],
        ),
        (
            "invoices://C-1/42",
            [
                {
                    "uri": "invoices://C-1/42",
                    "mimeType": "application/json",
                    "text": '{"number":42,"total":10.0}',
                }
            ],
        ),
    ],
)
async def test_a_resource_is_read(
    endpoint: Endpoint, version: str, uri: str, contents: Any
) -> None:
    result = (await answer(endpoint, "resources/read", {"uri": uri}, version))["result"]
    assert result["contents"] == contents
    assert (result.get("cacheScope"), result.get("ttlMs")) == (
        ("private", 0) if version == MODERN else (None, None)
    )
    mcp_types.ReadResourceResult.model_validate(result)


@EVERY
@pytest.mark.parametrize(
    "uri",
    [
        "notes://nothing",
        "notes://secret",
        "reports://2026",
        "NOTES://welcome",
        "notes://welcome/",
        "invoices://C-1",
        "invoices://../1",
        "invoices://%2e%2e/1",
        "invoices://C-1%2F..%2F/1",
        "invoices://C%5C1/1",
        "invoices://C%00/1",
        "invoices://%ff/1",
        "invoices://" + "x" * 65_536 + "/1",
        "file:///etc/passwd",
        "",
    ],
)
async def test_what_is_not_there_and_what_is_hidden_are_equally_not_found(
    endpoint: Endpoint, version: str, uri: str
) -> None:
    if uri == "" and version == MODERN:
        return  # The header cannot be sent empty; the legacy versions show the answer.
    error = (await answer(endpoint, "resources/read", {"uri": uri}, version))["error"]
    assert error["code"] == (-32602 if version == MODERN else -32002)
    assert error["message"] == "Resource not found."
    assert error["data"] == {"uri": uri[:4096]}


async def test_an_operator_reads_what_is_hidden_from_others(endpoint: Endpoint) -> None:
    params = {"uri": "notes://secret"}
    result = (await answer(endpoint, "resources/read", params, key=OPS_KEY))["result"]
    assert result["contents"][0]["text"] == "secret of key/ApiKey-2"


@pytest.mark.parametrize(
    ("uri", "code", "text"),
    [
        ("invoices://C-1/x", -32602, 'number: "x" is a string; expected an integer'),
        ("invoices://C-0/1", -32603, "No customer C-0."),
        ("notes://large", -32603, "large is larger than 1,024 bytes."),
        ("notes://broken", -32603, "broken failed. The operator finds the reason"),
    ],
)
async def test_a_resource_that_cannot_be_read_says_why(
    endpoint: Endpoint, uri: str, code: int, text: str
) -> None:
    error = (await answer(endpoint, "resources/read", {"uri": uri}))["error"]
    assert error["code"] == code
    assert error["message"].startswith(text)
    assert "hunter2" not in error["message"]


@EVERY
async def test_a_prompt_of_text_is_one_message_of_the_user(
    endpoint: Endpoint, version: str
) -> None:
    params = {"name": "weather", "arguments": {"city": "Oslo", "unit": "fahrenheit"}}
    result = (await answer(endpoint, "prompts/get", params, version))["result"]
    text = "What is the weather in Oslo, in fahrenheit?"
    assert result["messages"] == [{"role": "user", "content": {"type": "text", "text": text}}]
    assert result["description"] == "Ask for the weather."
    assert "ttlMs" not in result
    mcp_types.GetPromptResult.model_validate(result)


async def test_a_prompt_may_be_a_conversation(endpoint: Endpoint) -> None:
    params = {"name": "travel", "arguments": {"city": "Bern", "days": "3"}}
    first, second, third = (await answer(endpoint, "prompts/get", params))["result"]["messages"]
    assert first["content"]["text"] == "Plan 3 days in Bern."
    assert (second["role"], second["content"]["text"]) == ("assistant", "Gladly.")
    assert third["content"]["mimeType"] == "image/png"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"name": "weather"}, "city: missing; expected a string"),
        ({"name": "weather", "arguments": {"city": "Oslo", "unit": "kelvin"}}, 'unit: "kelvin" is'),
        ({"name": "weather", "arguments": {"city": "Oslo", "units": "x"}}, "units: unknown; did"),
        ({"name": "travel", "arguments": {"city": "Oslo", "days": "many"}}, 'days: "many" is a'),
        ({"name": "travel", "arguments": {"city": 7}}, "params.arguments must be an object"),
        ({"name": "nothing"}, "Unknown prompt: nothing"),
        ({"name": "operate", "arguments": {"number": "1"}}, "Unknown prompt: operate"),
    ],
)
async def test_a_prompt_that_cannot_be_had_is_an_error_that_says_why(
    endpoint: Endpoint, params: dict[str, Any], text: str
) -> None:
    error = (await answer(endpoint, "prompts/get", params))["error"]
    assert error["code"] == -32602
    assert error["message"].startswith(text)


def completing(ref: str, name: str, argument: str, value: str) -> dict[str, Any]:
    key = "name" if ref == "ref/prompt" else "uri"
    return {"ref": {"type": ref, key: name}, "argument": {"name": argument, "value": value}}


@EVERY
@pytest.mark.parametrize(
    ("params", "values"),
    [
        (completing("ref/prompt", "travel", "city", "Ber"), ["Berlin", "Bergen", "Bern"]),
        (completing("ref/prompt", "travel", "days", "1"), []),
        (completing("ref/prompt", "weather", "unit", "F"), ["fahrenheit"]),
        (completing("ref/prompt", "weather", "no_such", ""), []),
        (
            completing("ref/resource", "invoices://{customer}/{number}", "customer", ""),
            ["C-1", "C-2"],
        ),
    ],
)
async def test_arguments_are_completed(
    endpoint: Endpoint, version: str, params: dict[str, Any], values: list[str]
) -> None:
    result = (await answer(endpoint, "completion/complete", params, version))["result"]
    assert result["completion"] == {"values": values, "total": len(values), "hasMore": False}
    assert ("resultType" in result) == (version == MODERN)
    mcp_types.CompleteResult.model_validate(result)


async def test_a_hundred_values_are_sent_at_most(endpoint: Endpoint) -> None:
    params = completing("ref/prompt", "operate", "number", "")
    result = (await answer(endpoint, "completion/complete", params, key=OPS_KEY))["result"]
    assert len(result["completion"]["values"]) == 100
    assert (result["completion"]["total"], result["completion"]["hasMore"]) == (250, True)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ref": {"type": "ref/tool", "name": "greet"}, "argument": {"name": "a", "value": ""}},
        {"ref": {"type": "ref/prompt"}, "argument": {"name": "a", "value": ""}},
        {"ref": {"type": "ref/prompt", "name": "travel"}},
        {"ref": {"type": "ref/prompt", "name": "travel"}, "argument": {"name": "a", "value": 1}},
        completing("ref/prompt", "nothing", "a", ""),
        completing("ref/prompt", "operate", "number", ""),
        completing("ref/resource", "reports://{year}", "year", ""),
    ],
)
async def test_what_cannot_be_completed_is_an_error(endpoint: Endpoint, params: Any) -> None:
    assert (await answer(endpoint, "completion/complete", params))["error"]["code"] == -32602


async def test_a_stranger_gets_401_for_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    opened = {"PowerShellConfiguration": {"CommandOverrides": {"greet": {"AllowAnonymous": True}}}}
    endpoint = endpoint_for(tmp_path, opened, package="tests.library_toolsets")
    bodies = []
    for uri in ("notes://welcome", "notes://nothing"):
        response = await send(endpoint, message("resources/read", {"uri": uri}), key=None)
        assert response.status == 401
        bodies.append(response.body)
    assert bodies[0] == bodies[1]


async def test_the_record_names_the_resource_and_the_prompt(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "postern.audit")
    await answer(endpoint, "resources/read", {"uri": "notes://secret"})
    await answer(endpoint, "prompts/get", {"name": "weather", "arguments": {"city": "Oslo"}})
    first, second = [json.loads(r.getMessage()) for r in caplog.records if "audit" in r.name]
    assert (first["resource"], first["decision"]) == ("notes://secret", "denied")
    assert first["reason"] == "missing: ops"
    assert (second["prompt"], second["outcome"]) == ("weather", "ok")
    assert "Oslo" not in json.dumps(second)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('@resource("not a uri")\ndef f() -> str:\n    "Do."\n    return ""', "expected a URI"),
        ('@resource("x://{a}/{a}")\ndef f(a: str) -> str:\n    "Do."\n    return ""', "once"),
        ('@resource("x://{+a}")\ndef f(a: str) -> str:\n    "Do."\n    return ""', "{name}"),
        ('@resource("x://{a}")\ndef f() -> str:\n    "Do."\n    return ""', "parameters must be"),
        ('@resource("x://a")\ndef f(a: str) -> str:\n    "Do."\n    return ""', "variables of x"),
        (
            '@resource("x://a")\ndef f() -> str:\n    "Do."\n    return ""\n'
            '@resource("x://a")\ndef g() -> str:\n    "Do."\n    return ""',
            "x://a is also",
        ),
        (
            '@prompt(name="f")\ndef a() -> str:\n    "Do."\n    return ""\n'
            '@prompt(name="f")\ndef b() -> str:\n    "Do."\n    return ""',
            "prompt f is also",
        ),
        (
            '@prompt(complete={"x": list})\ndef f() -> str:\n    "Do."\n    return ""',
            "complete names x",
        ),
    ],
)
def test_what_cannot_be_offered_is_an_error_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    package = tmp_path / f"wrong_{abs(hash(source))}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wrong.py").write_text(f"from shared.tools import prompt, resource\n\n{source}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        endpoint_for(tmp_path, package=package.name)
    assert words in str(caught.value)
