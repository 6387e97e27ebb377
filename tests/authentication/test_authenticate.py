"""Which credential a request carries, and when it is refused."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from shared.authentication.authenticate import Authenticator, Refused
from shared.caller import ANONYMOUS
from shared.configuration.model import (
    ApiKeyScheme,
    AuthenticationSettings,
    Cors,
    InlineKey,
    Requirement,
)
from shared.http import Request

KEY = "reader-key-0123456789abcdefghijklmnop"
DEPLOY_KEY = "deploy-key-0123456789abcdefghijklmno"


def scheme(name: str, header: str, key: str) -> ApiKeyScheme:
    digest = hashlib.sha256(key.encode()).digest()
    return ApiKeyScheme(name, header, (InlineKey(f"{name}-1", digest, frozenset(), frozenset()),))


SETTINGS = AuthenticationSettings(
    enabled=True,
    key_schemes=(scheme("ApiKey", "X-API-Key", KEY),),
    default_policy=Requirement(),
    list_tools="reachable",
    cors=Cors(),
)
TWO_SCHEMES = replace(
    SETTINGS, key_schemes=(*SETTINGS.key_schemes, scheme("Deploy", "X-Deploy-Key", DEPLOY_KEY))
)


def request(headers: dict[str, str] | None = None, query: str = "") -> Request:
    return Request("POST", "/mcp", headers or {}, query)


async def refusal(settings: AuthenticationSettings = SETTINGS, **given: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await Authenticator(settings, "postern").authenticate(request(**given))
    return caught.value


async def test_without_any_credential_a_caller_is_anonymous() -> None:
    found = await Authenticator(SETTINGS, "postern").authenticate(request(query="page=2"))
    assert found is ANONYMOUS


@pytest.mark.parametrize("value", [KEY, f" {KEY}\t"])
async def test_the_key_in_its_header_is_recognised(value: str) -> None:
    caller = await Authenticator(SETTINGS, "postern").authenticate(request({"x-api-key": value}))
    assert caller.principal == "key/ApiKey-1"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-api-key": "wrong"}, id="wrong"),
        pytest.param({"x-api-key": ""}, id="empty"),
        pytest.param({"x-api-key": " "}, id="blank"),
        pytest.param({"x-api-key": f"{KEY}, {KEY}"}, id="repeated"),
        pytest.param({"x-api-key": f"{KEY},{KEY}"}, id="repeated-on-functions"),
        pytest.param({"x-api-key": f"Bearer {KEY}"}, id="with-a-scheme"),
        pytest.param({"x-api-key": "k" * 100_000}, id="huge"),
        pytest.param({"x-api-key": "clé\xff"}, id="not-ascii"),
        pytest.param({"x-api-key": "\udcff"}, id="no-text"),
        pytest.param({"authorization": f"Bearer {KEY}"}, id="bearer"),
        pytest.param({"authorization": f"ApiKey {KEY}"}, id="authorization-apikey"),
        pytest.param({"authorization": ""}, id="authorization-empty"),
    ],
)
async def test_a_bad_credential_is_401_and_never_anonymous(headers: dict[str, str]) -> None:
    refused = await refusal(headers=headers)
    assert refused.status == 401
    assert str(refused.challenge) == 'ApiKey realm="postern"'
    assert "X-API-Key" in refused.message


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "code",
        "token",
        "access_token",
        "accessToken",
        "api_key",
        "api-key",
        "apikey",
        "ApiKey",
        "X-API-Key",
        "x_api_key",
        "x-functions-key",
        "%6bey",
        "page=2&key",
    ],
)
@pytest.mark.parametrize("value", [f"={KEY}", "=", ""])
async def test_a_credential_in_the_url_is_401_even_when_it_is_right(name: str, value: str) -> None:
    refused = await refusal(query=f"{name}{value}")
    assert refused.status == 401
    assert "URL" in refused.message
    assert refused.challenge is not None


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-api-key": KEY, "x-deploy-key": DEPLOY_KEY}, ""),
        ({"x-api-key": KEY, "x-deploy-key": KEY}, ""),
        ({"x-api-key": KEY, "authorization": "Bearer abc"}, ""),
        ({"x-api-key": KEY, "authorization": ""}, ""),
        ({"x-api-key": KEY}, f"key={KEY}"),
        ({"x-api-key": KEY}, f"x-deploy-key={KEY}"),
        ({"authorization": "Bearer abc"}, f"access_token={KEY}"),
        ({"x-api-key": "wrong", "authorization": "wrong"}, "key=wrong"),
    ],
)
async def test_two_credentials_are_400_whether_or_not_they_are_right(
    headers: dict[str, str], query: str
) -> None:
    refused = await refusal(TWO_SCHEMES, headers=headers, query=query)
    assert refused.status == 400
    assert "Two credentials" in refused.message


async def test_the_refusal_of_two_credentials_names_both_places() -> None:
    refused = await refusal(headers={"x-api-key": KEY}, query=f"Api_Key={KEY}")
    assert "header X-API-Key and query Api_Key" in refused.message


@pytest.mark.parametrize(
    ("headers", "principal"),
    [
        ({"x-api-key": KEY}, "key/ApiKey-1"),
        ({"x-deploy-key": DEPLOY_KEY}, "key/Deploy-1"),
    ],
)
async def test_each_active_scheme_has_a_header_of_its_own(
    headers: dict[str, str], principal: str
) -> None:
    caller = await Authenticator(TWO_SCHEMES, "postern").authenticate(request(headers))
    assert caller.principal == principal


@pytest.mark.parametrize("headers", [{"x-api-key": DEPLOY_KEY}, {"x-deploy-key": KEY}])
async def test_a_key_from_another_ring_is_refused(headers: dict[str, str]) -> None:
    refused = await refusal(TWO_SCHEMES, headers=headers)
    assert refused.status == 401
    assert "X-API-Key or X-Deploy-Key" in refused.message


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-api-key": f"{KEY}x"}, ""),
        ({"authorization": f"Bearer {KEY}"}, ""),
        ({"x-api-key": KEY, "authorization": f"Bearer {KEY}"}, ""),
        ({"x-api-key": KEY}, f"key={KEY}"),
        ({}, f"key={KEY}"),
    ],
)
async def test_no_refusal_repeats_the_credential(headers: dict[str, str], query: str) -> None:
    refused = await refusal(headers=headers, query=query)
    assert KEY not in f"{refused!r} {refused} {refused.message} {refused.challenge}"


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"authorization": "Bearer x"}])
async def test_with_authentication_off_everyone_is_anonymous(headers: dict[str, str]) -> None:
    off = replace(SETTINGS, enabled=False, key_schemes=())
    assert await Authenticator(off, "postern").authenticate(request(headers)) is ANONYMOUS


async def test_a_challenge_can_tell_which_scopes_are_missing() -> None:
    challenge = Authenticator(SETTINGS, "postern").challenge("insufficient_scope", "More.", ("a",))
    assert str(challenge).startswith('ApiKey realm="postern", error="insufficient_scope"')
    assert 'scope="a"' in str(challenge)
