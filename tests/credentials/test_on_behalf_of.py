"""Acting on behalf of users: by MSAL, against Entra on loopback."""

import asyncio
import json
import time

import pytest

from shared.caller import Caller
from shared.credential import CredentialRefused
from shared.credentials.by_caller import Credentials
from tests.credentials.support import (
    ARM,
    CALLERS,
    CLIENT,
    POSTGRES,
    SECRET,
    Clock,
    Maker,
    claims_of,
    registered,
    token_in_time,
    user,
    user_id,
)
from tests.fakes.azure import FakeAzure
from tests.fakes.entra import TENANT
from tests.fakes.faults import DROP, HANG, answer


async def token(credentials: Credentials, caller: Caller, scope: str = ARM) -> str:
    return (await credentials.of(caller).get_token(scope)).token


async def refusal(credentials: Credentials, caller: Caller, scope: str = ARM) -> CredentialRefused:
    with pytest.raises(CredentialRefused) as caught:
        await credentials.of(caller).get_token(scope)
    return caught.value


async def test_a_user_acts_as_themselves(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    credential = make.on_behalf_of().of(user(azure, 7))
    claims = claims_of((await credential.get_token(POSTGRES)).token)
    assert (claims["oid"], claims["appid"]) == (user_id(7), CLIENT)
    assert claims["aud"] == "https://ossrdbms-aad.database.windows.net"
    assert credential.acted_as == f"JwtObo {TENANT}/{user_id(7)} by {CLIENT}"


async def test_a_token_is_exchanged_once_however_often_it_is_wanted(
    azure: FakeAzure, make: Maker
) -> None:
    registered(azure)
    credentials = make.on_behalf_of()
    caller = user(azure)
    tokens = {await token(credentials, caller) for _ in range(20)}
    tokens |= set(await asyncio.gather(*(token(credentials, caller) for _ in range(20))))
    assert len(tokens) == 1
    assert azure.entra.calls.operations() == ["configuration", "token"]


async def test_many_at_once_wait_for_one_exchange(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    azure.entra.faults.set("token", HANG)
    credentials = make.on_behalf_of()
    waiting = [asyncio.create_task(token(credentials, user_)) for user_ in [user(azure)] * 30]
    await azure.entra.calls.arrival("token")
    azure.entra.faults.clear()
    assert len(set(await asyncio.gather(*waiting))) == 1
    assert azure.entra.calls.count("token") == 1


async def test_no_user_ever_gets_anothers_token(azure: FakeAzure, make: Maker) -> None:
    """200 calls of 20 users for two services, interleaved, while Entra lets everybody wait."""
    registered(azure)
    azure.entra.faults.set("token", HANG)
    credentials = make.on_behalf_of()
    callers = [user(azure, number) for number in range(20)]

    async def one(number: int) -> tuple[int, str, str]:
        scope = (ARM, POSTGRES)[number // 20 % 2]
        return number % 20, scope, await token(credentials, callers[number % 20], scope)

    calls = [asyncio.create_task(one(number)) for number in range(200)]
    await azure.entra.calls.arrival("token", 10)
    azure.entra.faults.clear()
    for number, scope, got in await asyncio.gather(*calls):
        claims = claims_of(got)
        assert claims["oid"] == user_id(number)
        assert claims["aud"] == scope.removesuffix("/.default")
    exchanged = azure.entra.calls.all("token")
    assert len(exchanged) == 40
    assert {call.details["user"] for call in exchanged} == {user_id(n) for n in range(20)}
    # And once more, from memory.
    for number, scope, got in await asyncio.gather(*(one(number) for number in range(200))):
        assert claims_of(got)["oid"] == user_id(number), scope
    assert azure.entra.calls.count("token") == 40


async def test_a_new_token_of_the_same_user_is_exchanged_anew(
    azure: FakeAzure, make: Maker
) -> None:
    registered(azure)
    credentials = make.on_behalf_of()
    caller = user(azure, jti="1")
    first = await token(credentials, caller)
    assert first == await token(credentials, caller)
    await token(credentials, user(azure, jti="2"))
    assert azure.entra.calls.count("token") == 2


async def test_one_users_assertion_under_anothers_name_shares_nothing(
    azure: FakeAzure, make: Maker
) -> None:
    """Whatever else goes wrong: the memory is asked for this principal and this very token."""
    registered(azure)
    credentials = make.on_behalf_of()
    mine, theirs = user(azure, 1), user(azure, 2)
    await token(credentials, mine)
    mixed = Caller("user", tenant_id=TENANT, object_id=mine.object_id, assertion=theirs.assertion)
    assert claims_of(await token(credentials, mixed))["oid"] == user_id(2)
    assert azure.entra.calls.count("token") == 2


async def test_a_token_is_good_no_longer_than_what_it_was_exchanged_for(
    azure: FakeAzure, make: Maker
) -> None:
    registered(azure)
    clock = Clock(time.time())
    credentials = make.on_behalf_of(clock=clock)
    caller = user(azure, seconds=600)
    got = await credentials.of(caller).get_token(ARM)
    assert got.expires_on == caller.expires_at
    clock.now += 530
    assert (await credentials.of(caller).get_token(ARM)).token == got.token
    assert azure.entra.calls.count("token") == 1
    clock.now += 20
    await credentials.of(caller).get_token(ARM)
    assert azure.entra.calls.count("token") == 2


async def test_an_assertion_that_expired_between_calls_is_told(
    azure: FakeAzure, make: Maker
) -> None:
    """Also where a token it was exchanged for would be good for longer."""
    registered(azure)
    credentials = make.on_behalf_of()
    caller = user(azure, seconds=5)
    await token(credentials, caller)
    assert caller.expires_at is not None
    await asyncio.sleep(caller.expires_at - time.time() + 0.1)
    refused = await refusal(credentials, caller)
    assert "has expired. Sign in again" in str(refused)
    assert "AADSTS500133" in str(refused)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("application", "comes from an application, which nobody can act on behalf of"),
        ("key", "comes with an API key"),
    ],
)
async def test_who_is_no_user_is_refused_before_anything_is_asked(
    azure: FakeAzure, make: Maker, kind: str, said: str
) -> None:
    registered(azure)
    refused = await refusal(make.on_behalf_of(), CALLERS[kind])
    assert said in str(refused)
    assert "ByCaller" in str(refused)
    assert azure.entra.calls.operations() == []


async def test_another_tenants_resource_is_refused(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    credential = make.on_behalf_of().of(user(azure))
    other = "99999999-0000-4000-8000-000000000000"
    with pytest.raises(CredentialRefused, match=other):
        await credential.get_token(ARM, tenant_id=other)
    await credential.get_token(ARM, tenant_id=TENANT.upper())
    await credential.get_token(ARM)
    assert azure.entra.calls.count("token") == 1


async def test_a_wrong_secret_is_the_operators_to_mend(
    azure: FakeAzure, make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    registered(azure, "another")
    refused = await refusal(make.on_behalf_of(), user(azure))
    assert "client secret" in str(refused)
    assert "operator" in str(refused)
    assert "AADSTS7000215" in str(refused)
    assert SECRET not in str(refused) + caplog.text
    assert "AADSTS7000215" in caplog.text
    registered(azure)
    await token(make.on_behalf_of(), user(azure))


async def test_throttling_is_kept_to_whom_it_was_said(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    throttled = answer(429, {"error": "temporarily_unavailable"}, {"Retry-After": "30"})
    azure.entra.faults.set("token", throttled, times=1)
    clock = Clock(time.time())
    credentials = make.on_behalf_of(clock=clock)
    caller, other = user(azure, 1), user(azure, 2)
    refused = await refusal(credentials, caller)
    assert "try again in 30 seconds" in str(refused)
    assert refused.retry_after == 30
    clock.now += 10
    again = await refusal(credentials, caller)
    assert again.retry_after == 20
    assert azure.entra.calls.count("token") == 1
    await token(credentials, other)
    clock.now += 20
    await token(credentials, caller)
    assert azure.entra.calls.count("token") == 3


async def test_an_answer_with_retry_after_goes_to_nobody_else(
    azure: FakeAzure, make: Maker
) -> None:
    """MSAL would repeat a response with this header to whoever asks for the same scope."""
    registered(azure)
    stray = {"token_type": "Bearer", "expires_in": 3599, "access_token": "of-user-1"}
    azure.entra.faults.set("token", answer(200, stray, {"Retry-After": "600"}), times=1)
    credentials = make.on_behalf_of()
    assert await token(credentials, user(azure, 1)) == "of-user-1"
    assert claims_of(await token(credentials, user(azure, 2)))["oid"] == user_id(2)


async def test_a_refusal_ends_when_its_reason_does(azure: FakeAzure, make: Maker) -> None:
    """An administrator consents, and the very next call works."""
    registered(azure)
    refused = {"error": "invalid_grant", "error_codes": [65001], "suberror": "consent_required"}
    azure.entra.faults.set("token", answer(400, refused), times=1)
    credentials = make.on_behalf_of()
    caller = user(azure)
    assert "Nobody has consented" in str(await refusal(credentials, caller))
    await token(credentials, caller)


async def test_entra_being_ill_is_told_and_does_not_last(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    azure.entra.faults.set("token", answer(503, "ill"), times=1)
    clock = Clock(time.time())
    credentials = make.on_behalf_of(clock=clock)
    assert "status 503" in str(await refusal(credentials, user(azure)))
    clock.now += 6
    await token(credentials, user(azure))


@pytest.mark.parametrize("operation", ["configuration", "token"])
async def test_entra_being_away_is_told(azure: FakeAzure, make: Maker, operation: str) -> None:
    registered(azure)
    azure.entra.faults.set(operation, DROP)
    credentials = make.on_behalf_of()
    assert "cannot be reached" in str(await refusal(credentials, user(azure)))
    azure.entra.faults.clear()
    await token(credentials, user(azure))


@pytest.mark.parametrize("body", ["<html>", '{"access_token":'])
async def test_an_answer_that_is_no_json_is_told(azure: FakeAzure, make: Maker, body: str) -> None:
    registered(azure)
    azure.entra.faults.set("token", answer(200, body))
    assert "did not answer as expected" in str(await refusal(make.on_behalf_of(), user(azure)))


async def test_a_tenant_that_is_none_is_told(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    azure.entra.faults.set("configuration", answer(400, {"error": "invalid_tenant"}))
    assert "Is the tenant right?" in str(await refusal(make.on_behalf_of(), user(azure)))


async def test_a_slow_entra_is_not_waited_for(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    azure.entra.faults.set("token", HANG)
    credentials = make.on_behalf_of(timeout=0.5)
    refused = await refusal(credentials, user(azure))
    assert "did not answer within 0.5 seconds" in str(refused)
    azure.entra.faults.clear()
    await token_in_time(credentials.of(user(azure)))


async def test_a_slow_entra_stops_nobody(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    azure.entra.faults.set("token", HANG)
    waiting = asyncio.create_task(token(make.on_behalf_of(), user(azure)))
    await azure.entra.calls.arrival("token")
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    azure.entra.faults.clear()
    await waiting


async def test_who_gives_up_waiting_takes_nothing_from_others(
    azure: FakeAzure, make: Maker
) -> None:
    registered(azure)
    azure.entra.faults.set("token", HANG)
    credentials = make.on_behalf_of()
    caller = user(azure)
    first, second = (asyncio.create_task(token(credentials, caller)) for _ in range(2))
    await azure.entra.calls.arrival("token")
    first.cancel()
    azure.entra.faults.clear()
    assert claims_of(await second)["oid"] == user_id(1)
    assert azure.entra.calls.count("token") == 1


async def test_a_slow_entra_keeps_to_threads_of_its_own(azure: FakeAzure, make: Maker) -> None:
    """So many and no more, and none of those that others wait for."""
    registered(azure)
    credentials = make.on_behalf_of(timeout=2.0)
    await token_in_time(credentials.of(user(azure)))
    azure.entra.calls.clear()
    azure.entra.faults.set("token", HANG)
    waiting = [asyncio.create_task(token(credentials, user(azure, n))) for n in range(2, 42)]
    await azure.entra.calls.arrival("token", 16)
    # Less than those threads wait for an answer.
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 5) == "free"
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in ended} == {CredentialRefused}
    assert azure.entra.calls.count("token") == 16
    azure.entra.faults.clear()
    await token_in_time(credentials.of(user(azure)))


async def test_who_can_handle_revocation_gets_tokens_that_are_evaluated_continuously(
    azure: FakeAzure, make: Maker
) -> None:
    """And who asks for none has none: such a client could do nothing with a revoked one."""
    registered(azure)
    credential = make.on_behalf_of().of(user(azure))
    await credential.get_token(ARM)
    await credential.get_token_info(ARM, options={"enable_cae": True})
    plain, continuous = (call.details["claims"] for call in azure.entra.calls.all("token"))
    assert plain == ""
    assert json.loads(continuous) == {"access_token": {"xms_cc": {"values": ["cp1"]}}}
