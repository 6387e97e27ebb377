"""The token endpoint: each grant, and everything it refuses."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from development.directory import (
    AGENT,
    STRANGER,
    STRANGER_SECRET,
    USERS,
    VSCODE,
    WORKLOAD,
    WORKLOAD_SECRET,
)
from development.identity import TENANT
from development.signing_keys import SigningKeys
from tests.development.support import (
    API,
    BASE,
    NOON,
    REGISTRATION,
    URL,
    VERIFIER,
    Bench,
    claims_of,
    refused,
)

ARM = "https://management.azure.com"
CONTEXT = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'


async def test_a_code_is_redeemed_for_what_was_asked(bench: Bench) -> None:
    status, answer = await bench.redeem(await bench.code(scope=f"{API}/read", resource=URL))
    assert status == 200
    assert set(answer) == {
        "token_type",
        "expires_in",
        "ext_expires_in",
        "access_token",
        "scope",
    }
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == (
        "Bearer",
        4499,
        f"{API}/read",
    )
    assert claims_of(answer["access_token"])["scp"] == "read"


async def test_openid_and_offline_access_bring_their_tokens(bench: Bench) -> None:
    scope = f"openid profile offline_access {API}/.default"
    _, answer = await bench.redeem(await bench.code(scope=scope))
    assert {"id_token", "client_info", "refresh_token"} <= set(answer)
    assert answer["scope"] == f"{API}/read {API}/write openid profile"
    info = json.loads(base64.urlsafe_b64decode(f"{answer['client_info']}=="))
    assert info == {"uid": USERS[0].object_id, "utid": TENANT}


async def test_consent_limits_what_a_token_holds(bench: Bench) -> None:
    token = await bench.user_token("clara", scope=f"{API}/read {API}/write")
    assert claims_of(token)["scp"] == "read"


async def test_a_code_works_once(bench: Bench) -> None:
    code = await bench.code()
    assert (await bench.redeem(code))[0] == 200
    assert refused(await bench.redeem(code)) == (400, "invalid_grant", 54005)


async def test_a_code_expires(bench: Bench) -> None:
    code = await bench.code()
    bench.clock.now += 299
    other = await bench.code()
    bench.clock.now += 1
    assert refused(await bench.redeem(code)) == (400, "invalid_grant", 70008)
    assert (await bench.redeem(other))[0] == 200


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"code": "nonsense"}, (400, "invalid_grant", 70000)),
        ({"client_id": VSCODE}, (400, "invalid_grant", 70000)),
        ({"redirect_uri": "http://localhost:3118/other"}, (401, "invalid_client", 500112)),
        ({"code_verifier": "w" * 43}, (400, "invalid_grant", 501481)),
        ({"code_verifier": VERIFIER[1:]}, (400, "invalid_grant", 501481)),
        ({"code_verifier": None}, (400, "invalid_request", 900144)),
        ({"redirect_uri": None}, (400, "invalid_request", 900144)),
        ({"code": None}, (400, "invalid_request", 900144)),
        ({"client_id": None}, (400, "invalid_request", 900144)),
        ({"grant_type": None}, (400, "invalid_request", 900144)),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
        ({"client_id": "nobody"}, (400, "unauthorized_client", 700016)),
        ({"client_secret": "x"}, (401, "invalid_client", 700025)),
        ({"resource": API}, (400, "invalid_target", 9010010)),
        ({"resource": f"{URL}/"}, (400, "invalid_target", 9010010)),
        ({"scope": f"{ARM}/.default"}, (400, "invalid_grant", 70000)),
        ({"scope": f"{API}/write"}, (400, "invalid_grant", 70000)),
        ({"scope": f"{API}/nosuch"}, (400, "invalid_client", 650053)),
    ],
)
async def test_a_code_is_bound_to_what_it_was_made_for(
    bench: Bench, changes: dict[str, str | None], told: tuple[int, str, int]
) -> None:
    code = await bench.code(scope=f"{API}/read", resource=URL)
    assert refused(await bench.redeem(code, **changes)) == told


async def test_a_failed_attempt_spends_the_code(bench: Bench) -> None:
    code = await bench.code()
    await bench.redeem(code, code_verifier="w" * 43)
    assert refused(await bench.redeem(code))[2] == 54005


async def test_a_code_of_another_client_is_not_spent_by_a_stranger(bench: Bench) -> None:
    code = await bench.code()
    await bench.redeem(code, client_id=VSCODE)
    assert (await bench.redeem(code))[0] == 200


async def test_a_code_may_be_redeemed_for_less(bench: Bench) -> None:
    code = await bench.code(scope=f"{API}/read {API}/write")
    _, answer = await bench.redeem(code, scope=f"{API}/write openid")
    assert claims_of(answer["access_token"])["scp"] == "write"
    assert "id_token" in answer


async def refreshing(bench: Bench, scope: str = f"{API}/.default offline_access") -> str:
    _, answer = await bench.redeem(await bench.code(scope=scope))
    return str(answer["refresh_token"])


async def refresh(bench: Bench, token: str, **changes: str | None) -> tuple[int, Any]:
    form = {"grant_type": "refresh_token", "client_id": AGENT, "refresh_token": token}
    return await bench.token(**{**form, **changes})


async def test_a_refresh_token_rotates(bench: Bench) -> None:
    token = await refreshing(bench)
    bench.clock.now += 3600
    status, answer = await refresh(bench, token)
    assert status == 200
    claims = claims_of(answer["access_token"])
    assert (claims["scp"], claims["iat"]) == ("read write", NOON + 3600)
    assert answer["refresh_token"] != token
    assert refused(await refresh(bench, token)) == (400, "invalid_grant", 70000)
    assert (await refresh(bench, answer["refresh_token"]))[0] == 200


async def test_a_refresh_token_may_ask_for_less_and_its_successor_has_no_more(
    bench: Bench,
) -> None:
    _, answer = await refresh(bench, await refreshing(bench), scope=f"{API}/read")
    assert claims_of(answer["access_token"])["scp"] == "read"
    again = await refresh(bench, answer["refresh_token"], scope=f"{API}/write")
    assert refused(again) == (400, "invalid_grant", 70000)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"client_id": VSCODE}, (400, "invalid_grant", 70000)),
        ({"refresh_token": "nonsense"}, (400, "invalid_grant", 70000)),
        ({"refresh_token": None}, (400, "invalid_request", 900144)),
        ({"resource": "https://elsewhere.example"}, (400, "invalid_target", 9010010)),
        ({"scope": "read"}, (400, "invalid_client", 650053)),
    ],
)
async def test_a_refresh_token_is_bound_too(
    bench: Bench, changes: dict[str, str | None], told: tuple[int, str, int]
) -> None:
    assert refused(await refresh(bench, await refreshing(bench), **changes)) == told


async def test_a_refresh_token_expires(bench: Bench) -> None:
    token = await refreshing(bench)
    bench.clock.now += 24 * 3600
    assert refused(await refresh(bench, token)) == (400, "invalid_grant", 70008)


async def test_an_application_without_roles_gets_a_token_without_roles(bench: Bench) -> None:
    _, answer = await bench.daemon(client_id=STRANGER, client_secret=STRANGER_SECRET)
    assert set(answer) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert "roles" not in claims_of(answer["access_token"])


async def test_an_application_may_ask_for_any_resource_of_azures(bench: Bench) -> None:
    _, answer = await bench.daemon(scope="https://vault.azure.net/.default")
    claims = claims_of(answer["access_token"])
    assert (claims["aud"], claims["ver"]) == ("https://vault.azure.net", "1.0")
    assert "roles" not in claims


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scope": f"{API}/read"}, (400, "invalid_scope", 1002012)),
        ({"scope": f"{API}/.default openid"}, (400, "invalid_scope", 1002012)),
        ({"scope": ".default"}, (400, "invalid_scope", 1002012)),
        ({"scope": None}, (400, "invalid_request", 900144)),
        ({"scope": "api://unknown/.default"}, (400, "invalid_resource", 500011)),
        ({"scope": f"{API}/.default", "resource": ARM}, (400, "invalid_target", 9010010)),
        ({"client_id": AGENT, "client_secret": None}, (401, "invalid_client", 7000218)),
    ],
)
async def test_client_credentials_ask_for_a_whole_resource(
    bench: Bench, changes: dict[str, str | None], told: tuple[int, str, int]
) -> None:
    assert refused(await bench.daemon(**changes)) == told


async def test_the_api_acts_on_behalf_of_a_user(bench: Bench) -> None:
    status, answer = await bench.on_behalf_of(await bench.user_token("bruno"))
    assert status == 200
    claims = claims_of(answer["access_token"])
    assert (claims["aud"], claims["iss"], claims["appid"], claims["appidacr"]) == (
        ARM,
        f"{BASE}/{TENANT}/",
        bench.registration.client_id,
        "1",
    )
    assert (claims["oid"], claims["scp"]) == (USERS[1].object_id, "user_impersonation")
    assert answer["scope"] == f"{ARM}/user_impersonation"


async def test_on_behalf_of_keeps_the_form_of_the_resource(bench: Bench) -> None:
    token = await bench.user_token()
    _, answer = await bench.on_behalf_of(token, scope=f"{ARM}//.default offline_access openid")
    assert claims_of(answer["access_token"])["aud"] == f"{ARM}/"
    assert "refresh_token" not in answer
    assert "id_token" in answer


async def test_a_v1_token_is_an_assertion_too(bench: Bench) -> None:
    v1 = bench.registered(token_version=1)
    status, _ = await v1.on_behalf_of(await v1.user_token())
    assert status == 200


async def test_a_token_of_an_application_is_no_user_assertion(bench: Bench) -> None:
    _, answer = await bench.daemon()
    told = refused(await bench.on_behalf_of(answer["access_token"]))
    assert told == (400, "unauthorized_client", 7000114)
    user = claims_of(await bench.user_token())
    del user["scp"]
    assert refused(await bench.on_behalf_of(bench.keys.sign(user)))[2] == 7000114


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"assertion": None}, (400, "invalid_request", 900144)),
        ({"assertion": "nonsense"}, (400, "invalid_grant", 50027)),
        ({"assertion": "a.b.c"}, (400, "invalid_grant", 50027)),
        ({"requested_token_use": None}, (400, "invalid_request", 900144)),
        ({"requested_token_use": "x"}, (400, "invalid_request", 9002313)),
        ({"client_secret": None}, (401, "invalid_client", 7000218)),
        ({"client_secret": "wrong"}, (401, "invalid_client", 7000215)),
        ({"client_id": AGENT, "client_secret": None}, (401, "invalid_client", 7000218)),
        (
            {"client_id": WORKLOAD, "client_secret": WORKLOAD_SECRET},
            (400, "invalid_grant", 500131),
        ),
        ({"scope": None}, (400, "invalid_request", 900144)),
        ({"scope": "api://unknown/.default"}, (400, "invalid_resource", 500011)),
        ({"claims": "nonsense"}, (400, "invalid_request", 9002313)),
        ({"claims": '{"access_token": 5}'}, (400, "invalid_request", 9002313)),
        ({"claims": '{"access_token":{"acrs":{"value":5}}}'}, (400, "invalid_request", 9002313)),
    ],
)
async def test_on_behalf_of_is_refused_without_its_parts(
    bench: Bench, changes: dict[str, str | None], told: tuple[int, str, int]
) -> None:
    assert refused(await bench.on_behalf_of(await bench.user_token(), **changes)) == told


async def test_an_assertion_must_be_ours_for_the_api_and_in_its_time(bench: Bench) -> None:
    token = await bench.user_token()
    own, kid = claims_of(token), bench.keys.key_id
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = jwt.encode(own, stranger, "RS256", {"kid": kid})
    assert refused(await bench.on_behalf_of(forged))[2] == 50013
    unknown = jwt.encode(own, stranger, "RS256", {"kid": "another"})
    assert refused(await bench.on_behalf_of(unknown))[2] == 50013
    unsigned = jwt.encode(own, "", "none", {"kid": kid})
    assert refused(await bench.on_behalf_of(unsigned))[2] == 50013
    shared = jwt.encode(own, "k" * 32, "HS256", {"kid": kid})
    assert refused(await bench.on_behalf_of(shared))[2] == 50013
    elsewhere = bench.keys.sign({**own, "iss": "https://elsewhere.example"})
    assert refused(await bench.on_behalf_of(elsewhere))[2] == 50013
    downstream = (await bench.on_behalf_of(token))[1]["access_token"]
    assert refused(await bench.on_behalf_of(downstream))[2] == 500131
    for wrong in ({"exp": None}, {"exp": "later"}, {"nbf": NOON + 301}):
        assert refused(await bench.on_behalf_of(bench.keys.sign({**own, **wrong})))[2] == 500133
    bench.clock.now += 75 * 60 + 300
    assert refused(await bench.on_behalf_of(token)) == (400, "invalid_grant", 500133)


async def test_a_resource_without_consent_is_told(bench: Bench) -> None:
    scope = "https://unconsented.azure.com/.default"
    answer = await bench.on_behalf_of(await bench.user_token(), scope=scope)
    assert refused(answer) == (400, "invalid_grant", 65001)
    assert answer[1]["suberror"] == "consent_required"
    free = bench.registered(unconsented=frozenset())
    assert (await free.on_behalf_of(await free.user_token(), scope=scope))[0] == 200


async def test_who_must_step_up_meets_a_claims_challenge(bench: Bench) -> None:
    answer = await bench.on_behalf_of(await bench.user_token("edith"))
    assert refused(answer) == (400, "interaction_required", 50076)
    assert answer[1]["suberror"] == "basic_action"
    assert json.loads(answer[1]["claims"]) == json.loads(CONTEXT)


async def test_the_challenge_is_met_by_a_sign_in_with_the_claims(bench: Bench) -> None:
    token = await bench.user_token("edith", claims=CONTEXT)
    assert claims_of(token)["acrs"] == ["c1"]
    assert (await bench.on_behalf_of(token))[0] == 200


@pytest.mark.parametrize(
    "claims", [CONTEXT, '{"access_token":{"acrs":{"values":["c0","c1"]},"xms_cc":{}}}']
)
async def test_the_challenge_is_met_by_a_request_that_repeats_it(bench: Bench, claims: str) -> None:
    assert (await bench.on_behalf_of(await bench.user_token("edith"), claims=claims))[0] == 200


@pytest.mark.parametrize("claims", ["{}", '{"access_token":{"acrs":{"value":"c2"}}}', None])
async def test_other_claims_do_not_meet_it(bench: Bench, claims: str | None) -> None:
    answer = await bench.on_behalf_of(await bench.user_token("edith"), claims=claims)
    assert refused(answer)[2] == 50076


async def test_tokens_signed_before_a_rotation_are_still_assertions() -> None:
    bench = Bench(SigningKeys(), REGISTRATION)
    token = await bench.user_token()
    bench.identity.rotate_keys()
    assert (await bench.on_behalf_of(token))[0] == 200
    bench.identity.rotate_keys()
    assert refused(await bench.on_behalf_of(token))[2] == 50013


async def test_codes_and_refresh_tokens_are_bounded(bench: Bench) -> None:
    first = await bench.code()
    for _ in range(1000):
        last = await bench.code()
    assert refused(await bench.redeem(first))[2] == 70000
    assert (await bench.redeem(last))[0] == 200
    assert len(bench.identity._grants.codes) == 1000
