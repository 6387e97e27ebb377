"""Verified tokens are remembered: what that spares, what is checked all the same, for how long."""

import asyncio
import gc
from typing import Any

import jwt
import pytest

from shared.authentication import entra
from shared.authentication.entra import EntraTokens, InvalidToken, NoAppRole, NotAdmitted
from shared.refreshing import Unavailable
from tests.authentication.issuer import (
    CLIENT,
    NOW,
    OTHER_CLIENT,
    Clock,
    Issuer,
    jwk,
    rsa_key,
    saying,
    token,
)

REFRESH, OUTAGE = 3600.0, 86400.0


class Verifications:
    """Counts the signatures that PyJWT checks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        really = jwt.PyJWS.decode_complete

        def counted(*args: Any, **more: Any) -> Any:
            self.count += 1
            return really(*args, **more)

        monkeypatch.setattr(jwt.PyJWS, "decode_complete", counted)


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> Verifications:
    return Verifications(monkeypatch)


class Validator:
    """A validator with a clock for the time of day and one for the age of keys."""

    def __init__(self, issuer: Issuer, **changes: Any) -> None:
        self.clock, self.key_clock = Clock(), Clock()
        self.keys = issuer.signing_keys(self.key_clock, refresh=REFRESH, outage=OUTAGE)
        self.tokens = EntraTokens(issuer.scheme(**changes), self.keys, clock=self.clock)
        self.caller = self.tokens.caller

    async def renew_keys(self) -> None:
        self.key_clock.now += REFRESH + 1
        self.keys.current("one")
        fetching = self.keys._published._fetching
        assert fetching is not None
        await asyncio.wait_for(asyncio.shield(fetching), 10)


async def test_a_token_is_verified_once(issuer: Issuer, verifications: Verifications) -> None:
    validator, presented = Validator(issuer), token(issuer.user())
    callers = [await validator.caller(presented) for _ in range(10)]
    assert callers == [callers[0]] * 10
    assert [caller.assertion for caller in callers] == [presented] * 10
    assert verifications.count == 1


async def test_a_refused_token_is_not_remembered(
    issuer: Issuer, verifications: Verifications
) -> None:
    validator, forged = Validator(issuer), token(issuer.user(), key=rsa_key("own"))
    for _ in range(3):
        with pytest.raises(InvalidToken):
            await validator.caller(forged)
    assert verifications.count == 3
    assert not validator.tokens._remembered


@pytest.mark.parametrize(("passed", "verified"), [(299.9, 1), (300, 2), (3000, 2)])
async def test_it_is_remembered_for_five_minutes_and_no_longer(
    issuer: Issuer, verifications: Verifications, passed: float, verified: int
) -> None:
    validator, presented = Validator(issuer), token(issuer.user())
    await validator.caller(presented)
    validator.clock.now += passed
    await validator.caller(presented)
    assert verifications.count == verified


async def test_being_used_does_not_prolong_it(issuer: Issuer, verifications: Verifications) -> None:
    validator, presented = Validator(issuer), token(issuer.user())
    for _ in range(6):
        await validator.caller(presented)
        validator.clock.now += 59
    await validator.caller(presented)
    assert verifications.count == 2


async def test_a_remembered_token_expires_on_time(issuer: Issuer) -> None:
    validator = Validator(issuer, clock_skew_seconds=10.0)
    presented = token(issuer.user(exp=NOW + 100))
    for now in (NOW, NOW + 99, NOW + 100, NOW + 109):
        validator.clock.now = now
        await validator.caller(presented)
    validator.clock.now = NOW + 110
    with pytest.raises(InvalidToken, match="expired"):
        await validator.caller(presented)
    validator.clock.now = NOW + 200
    with pytest.raises(InvalidToken, match="expired"):
        await validator.caller(presented)


async def test_it_is_not_remembered_beyond_its_expiry_though_the_skew_lets_it_pass(
    issuer: Issuer, verifications: Verifications
) -> None:
    validator = Validator(issuer, clock_skew_seconds=60.0)
    presented = token(issuer.user(exp=NOW + 100))
    for now, count in ((NOW, 1), (NOW + 99, 1), (NOW + 100, 2), (NOW + 159, 3)):
        validator.clock.now = now
        await validator.caller(presented)
        assert verifications.count == count


async def test_a_remembered_token_is_not_good_before_its_time(
    issuer: Issuer, verifications: Verifications
) -> None:
    validator = Validator(issuer, clock_skew_seconds=10.0)
    presented = token(issuer.user(nbf=NOW, iat=NOW))
    await validator.caller(presented)
    validator.clock.now = NOW - 11
    with pytest.raises(InvalidToken, match="not valid yet"):
        await validator.caller(presented)
    assert verifications.count == 1


async def test_the_removal_of_its_key_ends_it(issuer: Issuer, verifications: Verifications) -> None:
    validator = Validator(issuer)
    with_one, with_two = token(issuer.user()), token(issuer.user(), kid="two")
    await validator.caller(with_one)
    await validator.caller(with_two)
    issuer.keys = [jwk("two")]
    await validator.renew_keys()
    with pytest.raises(InvalidToken, match="does not publish"):
        await validator.caller(with_one)
    await validator.caller(with_two)
    assert verifications.count == 2


async def test_another_key_under_the_same_id_ends_it(issuer: Issuer) -> None:
    validator, presented = Validator(issuer), token(issuer.user())
    await validator.caller(presented)
    issuer.keys = [jwk("one", rsa_key("two"))]
    await validator.renew_keys()
    with pytest.raises(InvalidToken, match="signature is not right"):
        await validator.caller(presented)


async def test_a_renewal_without_change_does_not_end_it(
    issuer: Issuer, verifications: Verifications
) -> None:
    validator, presented = Validator(issuer), token(issuer.user())
    await validator.caller(presented)
    await validator.renew_keys()
    await validator.caller(presented)
    assert verifications.count == 1


async def test_keys_that_are_too_old_end_it(issuer: Issuer) -> None:
    validator, presented = Validator(issuer), token(issuer.user())
    await validator.caller(presented)
    issuer.on_metadata = saying(500)
    validator.key_clock.now += OUTAGE
    await validator.caller(presented)
    validator.key_clock.now += 61
    with pytest.raises(Unavailable):
        await validator.caller(presented)


async def test_a_use_renews_old_keys(issuer: Issuer) -> None:
    validator, presented = Validator(issuer), token(issuer.user())
    await validator.caller(presented)
    validator.key_clock.now += REFRESH + 1
    await validator.caller(presented)
    fetching = validator.keys._published._fetching
    assert fetching is not None
    await fetching
    assert issuer.fetches == 2


async def test_who_is_not_let_in_is_refused_each_time(issuer: Issuer) -> None:
    without_role = Validator(issuer)
    unlisted = Validator(issuer, allowed_client_ids=frozenset({OTHER_CLIENT}))
    overage = Validator(issuer, role_claim="groups")
    for _ in range(3):
        with pytest.raises(NoAppRole):
            await without_role.caller(token(issuer.application(roles=[])))
        with pytest.raises(NotAdmitted, match=CLIENT):
            await unlisted.caller(token(issuer.user()))
        with pytest.raises(NotAdmitted, match="groups"):
            await overage.caller(token(issuer.user(hasgroups=True)))


async def test_two_tokens_are_never_taken_for_each_other(issuer: Issuer) -> None:
    validator = Validator(issuer)
    names = [f"user {n}" for n in range(20)]
    tokens = [token(issuer.user(name=name)) for name in names]
    for _ in range(2):
        callers = await asyncio.gather(*(validator.caller(t) for t in tokens))
        assert [caller.name for caller in callers] == names
        assert [caller.assertion for caller in callers] == tokens


async def test_a_token_that_resembles_a_remembered_one_is_verified(issuer: Issuer) -> None:
    validator, presented = Validator(issuer), token(issuer.user())
    await validator.caller(presented)
    header, payload, signature = presented.split(".")
    flipped = "B" if signature[10] == "A" else "A"
    for like in (
        f"{header}.{payload}.{signature[:10]}{flipped}{signature[11:]}",
        f"{header}.{payload}.{signature}A",
        presented[:-1],
    ):
        with pytest.raises(InvalidToken):
            await validator.caller(like)


async def test_only_so_many_are_remembered_and_the_oldest_use_goes_first(
    issuer: Issuer, verifications: Verifications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entra, "_REMEMBERED_TOKENS", 3)
    validator = Validator(issuer)
    one, two, three, four = (token(issuer.user(name=str(n))) for n in range(4))
    for presented in (one, two, three, one, four):
        await validator.caller(presented)
    assert len(validator.tokens._remembered) == 3
    assert verifications.count == 4
    for presented in (three, one, four):
        await validator.caller(presented)
    assert verifications.count == 4
    await validator.caller(two)
    assert verifications.count == 5


def test_the_bound_is_one_that_memory_can_bear() -> None:
    assert 100 <= entra._REMEMBERED_TOKENS <= 10_000
    assert entra.REMEMBERED_SECONDS <= 300


async def test_no_token_stays_in_the_memory_of_the_validator(issuer: Issuer) -> None:
    validator = Validator(issuer)
    for _ in range(2):
        await validator.caller(token(issuer.user()))
        with pytest.raises(NotAdmitted):
            await validator.caller(token(issuer.application(roles=[])))
    gc.collect()
    signatures = {
        token(c).rpartition(".")[2] for c in (issuer.user(), issuer.application(roles=[]))
    }
    assert len(validator.tokens._remembered) == 2
    kept = texts(validator.tokens)
    assert kept
    assert not [text for text in kept if any(signature in text for signature in signatures)]


def texts(root: object) -> list[str]:
    """Every text that is reachable from an object, but for modules, classes and code."""
    found, seen, waiting = [], set(), [root]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, type) or callable(value):
            continue
        seen.add(id(value))
        if isinstance(value, str | bytes):
            found.append(value if isinstance(value, str) else value.decode("latin-1"))
            continue
        slots = getattr(type(value), "__slots__", ())
        waiting += [getattr(value, name) for name in slots if hasattr(value, name)]
        waiting += gc.get_referents(value)
        waiting += getattr(value, "__dict__", {}).values()
    return found
