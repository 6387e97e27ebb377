"""Tokens are remembered for as long as they may be used, within bounds, and for whom they are."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.credential import CredentialRefused
from shared.credentials.token_cache import SKEW, TokenCache
from shared.credentials.tokens import Key, Token, Wanted
from tests.credentials.support import ARM, POSTGRES, Clock

KEY = Key("JwtObo", "tenant", "tenant/user", "assertion", Wanted((ARM,)))


class Source:
    """Counts how often a token is fetched; each one is another."""

    def __init__(self, clock: Clock, lifetime: float = 3600) -> None:
        self.times = 0
        self.clock = clock
        self.lifetime = lifetime

    async def __call__(self) -> Token:
        self.times += 1
        return Token(f"token-{self.times}", self.clock() + self.lifetime)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> TokenCache:
    return TokenCache(clock=clock)


async def test_a_token_is_fetched_again_shortly_before_it_expires(
    cache: TokenCache, clock: Clock
) -> None:
    source = Source(clock)
    await cache.get(KEY, source)
    clock.now += 3600 - SKEW - 1
    assert (await cache.get(KEY, source)).text == "token-1"
    clock.now += 2
    assert (await cache.get(KEY, source)).text == "token-2"


async def test_a_token_is_worth_no_more_than_what_it_was_exchanged_for(
    cache: TokenCache, clock: Clock
) -> None:
    source = Source(clock)
    until = clock() + 600
    token = await cache.get(KEY, source, valid_until=until)
    assert token.expires_at == until
    clock.now += 600 - SKEW + 1
    assert (await cache.get(KEY, source, valid_until=until)).text == "token-2"


async def test_what_expired_long_ago_lengthens_nothing(cache: TokenCache, clock: Clock) -> None:
    source = Source(clock, lifetime=100)
    token = await cache.get(KEY, source, valid_until=clock() + 9999)
    assert token.expires_at == clock() + 100


@pytest.mark.parametrize("lifetime", [SKEW - 1, 0, -5])
async def test_a_token_that_expires_at_once_is_given_and_forgotten(
    cache: TokenCache, clock: Clock, lifetime: float
) -> None:
    source = Source(clock, lifetime)
    assert (await cache.get(KEY, source)).text == "token-1"
    assert (await cache.get(KEY, source)).text == "token-2"
    assert len(cache) == 0


@pytest.mark.parametrize(
    "other",
    [
        KEY._replace(strategy="ClientCredentials"),
        KEY._replace(tenant="another"),
        KEY._replace(principal="tenant/another"),
        KEY._replace(assertion="another"),
        KEY._replace(assertion=None),
        KEY._replace(wanted=Wanted((POSTGRES,))),
        KEY._replace(wanted=Wanted((ARM, POSTGRES))),
        KEY._replace(wanted=Wanted((ARM,), claims="{}")),
        KEY._replace(wanted=Wanted((ARM,), enable_cae=True)),
        KEY._replace(tenant="tenant,tenant/user", principal=""),
    ],
)
async def test_whatever_differs_is_another_token(
    cache: TokenCache, clock: Clock, other: Key
) -> None:
    source = Source(clock)
    assert (await cache.get(KEY, source)).text == "token-1"
    assert (await cache.get(other, source)).text == "token-2"
    assert (await cache.get(KEY, source)).text == "token-1"


async def test_it_is_bounded_and_the_longest_unused_go_first(clock: Clock) -> None:
    cache, source = TokenCache(3, clock=clock), Source(clock)
    keys = [KEY._replace(principal=str(number)) for number in range(4)]
    for key in keys[:3]:
        await cache.get(key, source)
    await cache.get(keys[0], source)
    await cache.get(keys[3], source)
    assert len(cache) == 3
    assert (await cache.get(keys[0], source)).text == "token-1"
    assert (await cache.get(keys[1], source)).text == "token-5"


def refusing(clock: Clock, retry_after: float | None) -> Callable[[], Awaitable[Token]]:
    async def fetch() -> Token:
        raise CredentialRefused("busy", retry_after)

    return fetch


async def test_a_refusal_is_remembered_as_long_as_it_says(cache: TokenCache, clock: Clock) -> None:
    source = Source(clock)
    with pytest.raises(CredentialRefused):
        await cache.get(KEY, refusing(clock, 30))
    clock.now += 29
    with pytest.raises(CredentialRefused, match="busy") as caught:
        await cache.get(KEY, source)
    assert caught.value.retry_after == 1
    clock.now += 1
    assert (await cache.get(KEY, source)).text == "token-1"


async def test_no_refusal_lasts_longer_than_a_minute(cache: TokenCache, clock: Clock) -> None:
    with pytest.raises(CredentialRefused):
        await cache.get(KEY, refusing(clock, 3600))
    clock.now += 60
    assert (await cache.get(KEY, Source(clock))).text == "token-1"


async def test_a_refusal_that_says_nothing_is_not_remembered(
    cache: TokenCache, clock: Clock
) -> None:
    with pytest.raises(CredentialRefused):
        await cache.get(KEY, refusing(clock, None))
    assert (await cache.get(KEY, Source(clock))).text == "token-1"


async def test_many_at_once_fetch_once(cache: TokenCache, clock: Clock) -> None:
    source = Source(clock)
    got = await asyncio.gather(*(cache.get(KEY, source) for _ in range(50)))
    assert {token.text for token in got} == {"token-1"}


def test_nothing_secret_is_in_a_repr() -> None:
    assert "secret-token" not in repr(Token("secret-token", 1.0))
    assert KEY.digest() == KEY.digest()
    assert b"assertion" not in KEY.digest()
