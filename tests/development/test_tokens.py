"""Tokens have the shape of Entra's."""

import jwt
import pytest

from development.directory import AGENT, DAEMON, USERS
from development.identity import TENANT
from tests.development.support import API, BASE, NOON, URL, Bench, claims_of

ALMA = USERS[0]


async def test_a_v2_token_of_a_user(bench: Bench) -> None:
    token = await bench.user_token(scope=f"{API}/read {API}/write", resource=URL)
    claims = claims_of(token)
    assert len(claims.pop("uti")) == 22
    assert claims == {
        "aud": bench.registration.client_id,
        "iss": f"{BASE}/{TENANT}/v2.0",
        "iat": NOON,
        "nbf": NOON,
        "exp": NOON + 75 * 60,
        "azp": AGENT,
        "azpacr": "0",
        "name": "Alma Adler",
        "oid": ALMA.object_id,
        "preferred_username": "alma@postern.example",
        "roles": ["finance.reader", "ops"],
        "scp": "read write",
        "sub": ALMA.subject(bench.registration.client_id),
        "tid": TENANT,
        "ver": "2.0",
    }
    assert claims["sub"] != claims["oid"]
    header = jwt.get_unverified_header(token)
    assert header == {"typ": "JWT", "alg": "RS256", "kid": bench.keys.key_id}


@pytest.mark.parametrize("uri", [API, URL])
async def test_a_v1_token_of_a_user_names_the_resource_as_it_was_asked_for(
    bench: Bench, uri: str
) -> None:
    token = await bench.registered(token_version=1).user_token(scope=f"{uri}/read")
    claims = claims_of(token)
    del claims["uti"]
    assert claims == {
        "aud": uri,
        "iss": f"{BASE}/{TENANT}/",
        "iat": NOON,
        "nbf": NOON,
        "exp": NOON + 75 * 60,
        "amr": ["pwd"],
        "appid": AGENT,
        "appidacr": "0",
        "name": "Alma Adler",
        "oid": ALMA.object_id,
        "roles": ["finance.reader", "ops"],
        "scp": "read",
        "sub": ALMA.subject(bench.registration.client_id),
        "tid": TENANT,
        "unique_name": "alma@postern.example",
        "upn": "alma@postern.example",
        "ver": "1.0",
    }
    header = jwt.get_unverified_header(token)
    assert header["x5t"] == header["kid"] == bench.keys.key_id


async def test_a_v2_token_of_an_application(bench: Bench) -> None:
    _, answer = await bench.daemon()
    claims = claims_of(answer["access_token"])
    del claims["uti"]
    assert claims == {
        "aud": bench.registration.client_id,
        "iss": f"{BASE}/{TENANT}/v2.0",
        "iat": NOON,
        "nbf": NOON,
        "exp": NOON + 75 * 60,
        "azp": DAEMON,
        "azpacr": "1",
        "oid": claims["sub"],
        "roles": ["finance.reader", "ops", "read", "write"],
        "sub": claims["sub"],
        "tid": TENANT,
        "ver": "2.0",
    }


async def test_a_v1_token_of_an_application(bench: Bench) -> None:
    _, answer = await bench.registered(token_version=1).daemon()
    claims = claims_of(answer["access_token"])
    assert (claims["aud"], claims["ver"], claims["appid"], claims["appidacr"]) == (
        API,
        "1.0",
        DAEMON,
        "1",
    )
    assert claims["oid"] == claims["sub"]
    assert "scp" not in claims


async def test_idtyp_is_an_optional_claim_of_applications(bench: Bench) -> None:
    marked = bench.registered(optional_claims=frozenset({"idtyp"}))
    _, answer = await marked.daemon()
    assert claims_of(answer["access_token"])["idtyp"] == "app"
    assert "idtyp" not in claims_of(await marked.user_token())


async def test_a_user_without_roles_has_no_roles_claim(bench: Bench) -> None:
    assert "roles" not in claims_of(await bench.user_token("bruno"))


async def test_the_audience_of_v2_tokens_can_be_set(bench: Bench) -> None:
    claims = claims_of(await bench.registered(audience=API).user_token())
    assert (claims["aud"], claims["ver"]) == (API, "2.0")


async def test_an_id_token_is_for_the_client(bench: Bench) -> None:
    code = await bench.code(scope=f"openid profile email {API}/read", nonce="n-1")
    _, answer = await bench.redeem(code)
    claims = claims_of(answer["id_token"])
    assert claims == {
        "aud": AGENT,
        "iss": f"{BASE}/{TENANT}/v2.0",
        "iat": NOON,
        "nbf": NOON,
        "exp": NOON + 75 * 60,
        "email": "alma@postern.example",
        "name": "Alma Adler",
        "nonce": "n-1",
        "oid": ALMA.object_id,
        "preferred_username": "alma@postern.example",
        "sub": ALMA.subject(AGENT),
        "tid": TENANT,
        "ver": "2.0",
    }
    assert claims["sub"] != claims_of(answer["access_token"])["sub"]
