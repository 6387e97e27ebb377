"""Which credential a request carries, and when it is refused."""

import hashlib
import time
from dataclasses import replace
from typing import Any

import pytest

from shared.authentication.authenticate import Authenticator, Refused
from shared.authentication.resource_metadata import describe
from shared.caller import ANONYMOUS
from shared.configuration.model import (
    ApiKeyScheme,
    AuthenticationSettings,
    Cors,
    InlineKey,
    Requirement,
)
from shared.http import Request
from tests.authentication.issuer import (
    APP_ID_URI,
    CLIENT,
    OTHER_CLIENT,
    TENANT,
    USER,
    Issuer,
    rsa_key,
    saying,
    token,
)

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


# Access tokens


def authenticator(issuer: Issuer, *schemes: ApiKeyScheme, **changes: Any) -> Authenticator:
    """Takes the issuer's tokens, and the keys of some schemes."""
    issuer.now = int(time.time())
    settings = replace(SETTINGS, key_schemes=schemes, entra=issuer.scheme(**changes))
    metadata = describe(settings, APP_ID_URI, ["read"], ["read", "write"])
    return Authenticator(settings, "postern", metadata, ["app.read", "app.write"])


async def refused(tokens: Authenticator, **given: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await tokens.authenticate(request(**given))
    return caught.value


@pytest.mark.parametrize("name", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize("around", ["{} {}", "{}   {}", " {} {}\t"])
async def test_a_token_is_recognised(issuer: Issuer, name: str, around: str) -> None:
    tokens = authenticator(issuer)
    header = around.format(name, token(issuer.user()))
    caller = await tokens.authenticate(request({"authorization": header}))
    assert (caller.kind, caller.principal) == ("user", f"{TENANT}/{USER}")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer\t{}",
        "Bearer\u00a0{}",
        "Bearer {} {}",
        "Bearer {}, Bearer {}",
        "Bearer {},Bearer {}",
        'Bearer token="{}"',
        "Basic {}",
        "MyBearer {}",
        "{}",
    ],
)
async def test_what_is_not_bearer_and_one_token_is_401(issuer: Issuer, header: str) -> None:
    tokens = authenticator(issuer, *SETTINGS.key_schemes)
    genuine = token(issuer.user())
    found = await refused(tokens, headers={"authorization": header.replace("{}", genuine)})
    assert found.status == 401
    assert str(found.challenge).startswith('Bearer error="invalid_token", error_description="The ')
    assert genuine not in f"{found!r} {found.challenge}"


async def test_a_failing_token_is_never_tried_as_a_key(issuer: Issuer) -> None:
    forged = token(issuer.user(), key=rsa_key("own"))
    tokens = authenticator(issuer, scheme("ApiKey", "X-API-Key", forged))
    found = await refused(tokens, headers={"authorization": f"Bearer {forged}"})
    assert found.status == 401
    assert (await tokens.authenticate(request({"x-api-key": forged}))).kind == "key"


async def test_a_key_is_never_tried_as_a_token(issuer: Issuer) -> None:
    tokens = authenticator(issuer, *SETTINGS.key_schemes)
    found = await refused(tokens, headers={"x-api-key": token(issuer.user())})
    assert found.status == 401
    assert str(found.challenge).startswith("Bearer resource_metadata=")
    assert issuer.requests == []


async def test_no_credential_is_challenged_without_an_error(issuer: Issuer) -> None:
    tokens = authenticator(issuer)
    assert await tokens.authenticate(request()) is ANONYMOUS
    refusal = tokens.refusal()
    assert (refusal.status, str(refusal.challenge)) == (
        401,
        "Bearer resource_metadata="
        '"https://mcp.example.com/.well-known/oauth-protected-resource/mcp", '
        f'scope="{APP_ID_URI}/read"',
    )
    assert (
        refusal.message
        == "A credential is needed. Send Authorization: Bearer with an access token."
    )


async def test_who_is_not_let_in_is_known_and_403(issuer: Issuer) -> None:
    tokens = authenticator(issuer, allowed_client_ids=frozenset({OTHER_CLIENT}))
    presented = token(issuer.user())
    found = await refused(tokens, headers={"authorization": f"Bearer {presented}"})
    assert (found.status, found.challenge) == (403, None)
    assert found.caller is not None
    assert found.caller.principal == f"{TENANT}/{USER}"
    assert CLIENT in found.message
    assert presented.rpartition(".")[2] not in repr(found)


async def test_an_application_without_a_role_is_told_of_those_there_are(issuer: Issuer) -> None:
    tokens = authenticator(issuer)
    presented = token(issuer.application(roles=[]))
    found = await refused(tokens, headers={"authorization": f"Bearer {presented}"})
    assert found.status == 403
    assert found.message.endswith("Assign it the app role app.read or app.write.")


async def test_without_signing_keys_it_is_503_and_not_401(issuer: Issuer) -> None:
    issuer.on_keys = saying(500)
    tokens = authenticator(issuer)
    presented = token(issuer.user())
    found = await refused(tokens, headers={"authorization": f"Bearer {presented}"})
    assert (found.status, found.challenge) == (503, None)
    assert found.retry_after is not None
    assert found.retry_after > 0


async def test_with_authentication_off_a_token_is_not_even_looked_at(issuer: Issuer) -> None:
    off = replace(SETTINGS, enabled=False, key_schemes=(), entra=issuer.scheme())
    given = request({"authorization": f"Bearer {token(issuer.user())}"})
    assert await Authenticator(off, "postern").authenticate(given) is ANONYMOUS
    assert issuer.requests == []
