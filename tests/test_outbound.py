"""From a caller's token to a token for Azure, seen from outside: requests to a real endpoint.

The development identity is both who issues the callers' tokens and who exchanges them.
"""

import base64
import dataclasses
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from development.directory import user_named
from development.identity import TENANT
from development.registration import API_SECRET
from development.serving import Served
from shared import startup
from shared.credentials.by_caller import Around
from shared.endpoint import Endpoint
from shared.http import EventStream, Request, Response
from tests.configuration.support import DEVELOPMENT
from tests.credentials.conftest import served as served
from tests.credentials.tenant import API, reach, signed_in
from tests.support import message, routing_headers, write_configuration

ARM = "https://management.azure.com"
KEY = "a-key-of-automation-0123456789abcdefgh"
ON_BEHALF_OF = {
    "type": "JwtObo",
    "clientCredential": {"kind": "ClientSecret", "secret": API_SECRET},
}


def endpoint_for(folder: Path, served: Served, outbound: dict[str, Any] | None) -> Endpoint:
    """An endpoint in development mode whose users are those of the development identity."""
    client_id = served.identity.registration.client_id
    schemes = {
        "Bearer": {
            "Type": "JwtBearer",
            "Authority": served.authority,
            "Audience": API,
            "ClientId": client_id,
        },
        "ApiKey": {"Type": "ApiKey", "Keys": {KEY: {}}},
    }
    configuration = {
        "Authentication": {
            "Enabled": True,
            "DefaultScheme": "Bearer",
            "AdditionalSchemes": ["ApiKey"],
            "Schemes": schemes,
        },
        "Server": {"PublicUrl": "http://127.0.0.1:7071/mcp"},
        "PowerShellConfiguration": {"FunctionOverrides": {"do_nothing": {"AllowAnonymous": True}}},
        **({"outboundAuthentication": outbound} if outbound else {}),
    }
    file = write_configuration(folder, configuration)
    offer = startup.offer(
        folder, DEVELOPMENT, package="tests.azure_toolsets", config_file=file, loopback=True
    )
    around = Around(development=True, reach=reach(served))
    return startup.endpoint_of(offer, loopback=True, around=around)


async def send(
    endpoint: Endpoint,
    served: Served,
    method: str,
    params: dict[str, Any],
    *,
    user: str | None = "alma",
    claims: str | None = None,
    modern: bool = False,
    streams: bool = False,
) -> Response | EventStream:
    body = message(method, params, modern=modern)
    headers = {"host": "127.0.0.1:7071", "content-type": "application/json"}
    if modern:
        headers |= routing_headers(body)
    if user == "key":
        headers["x-api-key"] = KEY
    elif user is not None:
        headers["authorization"] = f"Bearer {signed_in(served, user, claims).assertion}"
    if streams:
        body["params"]["_meta"] = {**body["params"].get("_meta", {}), "progressToken": 1}
        headers["accept"] = "application/json, text/event-stream"
    return await endpoint.handle(
        Request("POST", "/mcp", headers, "", json.dumps(body).encode(), streams)
    )


async def call(endpoint: Endpoint, served: Served, tool: str, **more: Any) -> Response:
    response = await send(endpoint, served, "tools/call", {"name": tool, "arguments": {}}, **more)
    assert isinstance(response, Response)
    return response


def result(response: Response) -> Any:
    assert response.status == 200, response.body
    return json.loads(response.body)["result"]


def text_of(response: Response) -> str:
    told = result(response)
    assert told["isError"] is True
    return str(told["content"][0]["text"])


def records(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [
        json.loads(record.getMessage())
        for record in caplog.records
        if record.name == "postern.audit"
    ]


@pytest.fixture
def endpoint(tmp_path: Path, served: Served) -> Endpoint:
    return endpoint_for(tmp_path, served, ON_BEHALF_OF)


@pytest.fixture
def challenging(tmp_path: Path, served: Served) -> Endpoint:
    return endpoint_for(tmp_path, served, {**ON_BEHALF_OF, "claimsChallenge": "http401"})


MODERN = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])


@MODERN
async def test_a_tool_calls_azure_as_its_caller_and_the_record_says_so(
    endpoint: Endpoint, served: Served, caplog: pytest.LogCaptureFixture, modern: bool
) -> None:
    caplog.set_level(logging.INFO, "postern.audit")
    for name in ("alma", "bruno"):
        person = user_named(name)
        assert person is not None
        told = result(await call(endpoint, served, "act", user=name, modern=modern))
        acted = json.loads(told["content"][0]["text"])
        assert acted == {"aud": ARM, "oid": person.object_id, "tid": TENANT}
        (record,) = records(caplog)
        client_id = served.identity.registration.client_id
        assert record["actedAs"] == f"JwtObo {TENANT}/{person.object_id} by {client_id}"
        assert record["principal"] == f"{TENANT}/{person.object_id}"
        caplog.clear()


async def test_who_does_not_call_azure_acts_as_nobody(
    endpoint: Endpoint, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "postern.audit")
    result(await call(endpoint, served, "do_nothing"))
    (record,) = records(caplog)
    assert "actedAs" not in record


async def test_resources_and_prompts_act_as_their_caller_too(
    endpoint: Endpoint, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "postern.audit")
    alma = user_named("alma")
    assert alma is not None
    read = await send(endpoint, served, "resources/read", {"uri": "azure://me"})
    got = await send(endpoint, served, "prompts/get", {"name": "introduce"})
    assert isinstance(read, Response)
    assert isinstance(got, Response)
    assert result(read)["contents"][0]["text"] == alma.object_id
    assert result(got)["messages"][0]["content"]["text"] == alma.object_id
    assert all("JwtObo" in record["actedAs"] for record in records(caplog))


async def test_an_api_key_under_on_behalf_of_is_told_what_is_needed(
    endpoint: Endpoint, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "postern.audit")
    told = text_of(await call(endpoint, served, "act", user="key"))
    assert told.startswith("act got no access.")
    assert "API key, which is no user's token" in told
    (record,) = records(caplog)
    assert (record["decision"], record["outcome"]) == ("allowed", "credential_refused")
    assert "actedAs" not in record


async def test_a_refusal_inside_a_group_of_tasks_is_told_as_well(
    endpoint: Endpoint, served: Served
) -> None:
    told = text_of(await call(endpoint, served, "act_in_a_group", user="key"))
    assert "no user's token" in told


async def test_a_tools_own_words_come_before_ours(endpoint: Endpoint, served: Served) -> None:
    told = text_of(await call(endpoint, served, "act_and_explain", user="edith"))
    assert told == "The storage could not be read."


async def test_missing_consent_reaches_the_caller(endpoint: Endpoint, served: Served) -> None:
    params = {"name": "act", "arguments": {"scope": "https://vault.azure.net/.default"}}
    response = await send(endpoint, served, "tools/call", params)
    assert isinstance(response, Response)
    told = text_of(response)
    assert "user_impersonation of Azure Key Vault" in told
    assert "/adminconsent?client_id=" in told


async def test_without_outbound_authentication_a_tool_says_so(
    tmp_path: Path, served: Served
) -> None:
    told = text_of(await call(endpoint_for(tmp_path, served, None), served, "act"))
    assert told == (
        "This endpoint has no credentials for calls to Azure: outboundAuthentication is not set."
    )


async def test_in_development_a_managed_identity_is_withheld(
    tmp_path: Path, served: Served
) -> None:
    endpoint = endpoint_for(tmp_path, served, {"type": "ManagedIdentity"})
    assert "--use-my-azure-login" in text_of(await call(endpoint, served, "act"))


# Claims challenges


async def test_a_claims_challenge_is_a_readable_error_by_default(
    endpoint: Endpoint, served: Served
) -> None:
    told = text_of(await call(endpoint, served, "act", user="edith"))
    assert "more proof of who you are" in told
    assert '"acrs"' in told


@MODERN
@pytest.mark.parametrize("tool", ["act", "act_in_a_group", "act_and_explain"])
async def test_a_claims_challenge_is_401_where_that_is_chosen(
    challenging: Endpoint,
    served: Served,
    caplog: pytest.LogCaptureFixture,
    modern: bool,
    tool: str,
) -> None:
    caplog.set_level(logging.INFO, "postern.audit")
    response = await call(challenging, served, tool, user="edith", modern=modern)
    assert response.status == 401
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer error="insufficient_claims"')
    assert "resource_metadata=" in challenge
    assert json.loads(response.body)["id"] == 1
    (record,) = records(caplog)
    assert (record["status"], record["decision"]) == (401, "allowed")
    assert record["outcome"] in ("credential_refused", "tool_error")
    # The client does what it says, and comes again.
    match = re.search(r'claims="([^"]+)"', challenge)
    assert match is not None
    claims = base64.b64decode(match[1], validate=True).decode()
    assert json.loads(claims) == {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
    again = await call(challenging, served, tool, user="edith", claims=claims, modern=modern)
    assert result(again)["isError"] is False


@pytest.mark.parametrize(
    ("method", "params"),
    [("resources/read", {"uri": "azure://me"}), ("prompts/get", {"name": "introduce"})],
)
async def test_resources_and_prompts_are_challenged_the_same_way(
    challenging: Endpoint,
    endpoint: Endpoint,
    served: Served,
    method: str,
    params: dict[str, Any],
) -> None:
    response = await send(challenging, served, method, params, user="edith")
    assert isinstance(response, Response)
    assert response.status == 401
    assert 'claims="' in response.headers["WWW-Authenticate"]
    response = await send(endpoint, served, method, params, user="edith")
    assert isinstance(response, Response)
    assert "more proof" in json.loads(response.body)["error"]["message"]


async def test_other_refusals_are_no_401(challenging: Endpoint, served: Served) -> None:
    assert "no user's token" in text_of(await call(challenging, served, "act", user="key"))


async def test_before_any_progress_a_stream_can_still_become_a_401(
    challenging: Endpoint, served: Served
) -> None:
    response = await send(
        challenging,
        served,
        "tools/call",
        {"name": "act", "arguments": {}},
        user="edith",
        streams=True,
    )
    assert isinstance(response, Response)
    assert response.status == 401


async def test_once_a_stream_has_begun_the_challenge_is_its_last_event(
    challenging: Endpoint, served: Served
) -> None:
    response = await send(
        challenging,
        served,
        "tools/call",
        {"name": "act_with_progress", "arguments": {}},
        user="edith",
        streams=True,
    )
    assert isinstance(response, EventStream)
    events = b"".join([event async for event in response.events]).decode()
    last = json.loads(events.strip().rpartition("data: ")[2])
    assert last["error"]["code"] == 401
    assert "more proof of who you are" in last["error"]["message"]


async def test_no_token_and_no_secret_reaches_a_record_or_the_log(
    challenging: Endpoint, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await call(challenging, served, "act")
    await call(challenging, served, "act", user="edith")
    assert API_SECRET not in caplog.text
    assert "eyJ" not in caplog.text


async def test_closing_the_endpoint_closes_what_its_credentials_opened(
    endpoint: Endpoint, served: Served
) -> None:
    result(await call(endpoint, served, "act"))
    await endpoint.close()
    assert endpoint._credentials is not None
    response = await call(endpoint, served, "act")
    assert result(response)["isError"] is True


def test_the_settings_hide_the_secret(tmp_path: Path, served: Served) -> None:
    endpoint = endpoint_for(tmp_path, served, ON_BEHALF_OF)
    settings = endpoint._settings
    assert settings.outbound is not None
    assert API_SECRET not in repr(settings)
    assert API_SECRET in str(dataclasses.asdict(settings.outbound))
