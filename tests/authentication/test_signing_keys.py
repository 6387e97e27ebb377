"""Signing keys: what is taken from an issuer, how often it is asked, and what its outages do."""

import asyncio
import gc
import gzip
import json
import logging
import ssl
import tracemalloc
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec

from shared.authentication import signing_keys
from shared.authentication.signing_keys import SigningKey, SigningKeys
from shared.refreshing import Unavailable
from tests.authentication.issuer import (
    OTHER_TENANT,
    TENANT,
    Clock,
    Gate,
    Handler,
    Issuer,
    base64url,
    dripping,
    dropping,
    dropping_halfway,
    endless,
    issuing,
    jwk,
    redirecting,
    rsa_key,
    saying,
)

REFRESH, OUTAGE = 3600.0, 86400.0
BROKEN: list[Any] = [
    pytest.param(saying(500), id="an-error"),
    pytest.param(saying(404), id="nothing"),
    pytest.param(saying(204, b""), id="no-content"),
    pytest.param(saying(200, b""), id="an-empty-body"),
    pytest.param(saying(200, b"<html>sign in</html>"), id="a-page"),
    pytest.param(saying(200, b"\xff\xfe\x00"), id="garbage"),
    pytest.param(saying(200, b"[]"), id="a-list"),
    pytest.param(saying(200, b"null"), id="null"),
    pytest.param(saying(200, b"{}"), id="an-empty-object"),
    pytest.param(saying(200, b'{"keys": [] '), id="half-an-object"),
    pytest.param(saying(200, b'{"keys": 1e999}'), id="an-endless-number"),
    pytest.param(saying(200, b"[" * 100_000), id="too-deep"),
    pytest.param(saying(200, b"{}", Content_Encoding="gzip"), id="a-wrong-encoding"),
    pytest.param(redirecting(), id="a-redirect-loop"),
    pytest.param(dropping, id="hanging-up"),
    pytest.param(dropping_halfway, id="hanging-up-halfway"),
    pytest.param(endless, id="an-endless-body"),
]


async def settled(keys: SigningKeys) -> None:
    """Let a renewal that has begun in the background end."""
    fetching = keys._published._fetching
    if fetching is not None:
        await asyncio.wait_for(asyncio.shield(fetching), 10)


async def found(keys: SigningKeys, kid: str) -> SigningKey:
    key = await keys.find(kid)
    assert key is not None
    return key


# How often the issuer is asked


async def test_nothing_is_asked_before_a_key_is_needed(issuer: Issuer) -> None:
    keys = issuer.signing_keys()
    assert keys.current("one") is None
    assert issuer.requests == []
    await found(keys, "one")
    assert issuer.requests == ["metadata", "keys"]


async def test_a_known_key_is_found_without_asking_again(issuer: Issuer, clock: Clock) -> None:
    keys = issuer.signing_keys(clock)
    first = await found(keys, "one")
    clock.now += REFRESH
    assert keys.current("one") is first
    assert await keys.find("one") is first
    assert await keys.find("two") is keys.current("two")
    assert issuer.fetches == 1


async def test_a_thousand_unknown_ids_in_parallel_are_one_fetch(issuer: Issuer) -> None:
    gate = issuer.on_keys = Gate(issuer)
    keys = issuer.signing_keys()
    asking = [asyncio.ensure_future(keys.find(f"unknown-{n}")) for n in range(1000)]
    await asyncio.wait_for(gate.reached.wait(), 10)
    asking += [asyncio.ensure_future(keys.find("one"))]
    gate.opened.set()
    answers = await asyncio.gather(*asking)
    assert answers == [None] * 1000 + [keys.current("one")]
    assert answers[-1] is not None
    assert issuer.requests == ["metadata", "keys"]


async def test_unknown_ids_lead_to_one_fetch_an_interval_however_many(
    issuer: Issuer, clock: Clock
) -> None:
    keys = issuer.signing_keys(clock)
    await found(keys, "one")
    for seconds, fetches in ((59.9, 1), (0.1, 2), (59.9, 2), (0.2, 3)):
        clock.now += seconds
        unknown = await asyncio.gather(*(keys.find(f"unknown-{n}") for n in range(100)))
        assert unknown == [None] * 100
        assert issuer.fetches == fetches


async def test_while_there_are_no_keys_a_retry_comes_after_seconds(
    issuer: Issuer, clock: Clock
) -> None:
    issuer.on_metadata = saying(500)
    keys = issuer.signing_keys(clock)
    for seconds, requests in ((0, 1), (4.9, 1), (0.2, 2)):
        clock.now += seconds
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                await keys.find("one")
            assert 0 < caught.value.retry_after <= 60
        assert len(issuer.requests) == requests
    issuer.on_metadata = None
    clock.now += 5
    await found(keys, "one")


async def test_old_keys_are_renewed_in_the_background_and_serve_meanwhile(
    issuer: Issuer, clock: Clock
) -> None:
    keys = issuer.signing_keys(clock)
    first = await found(keys, "one")
    gate = issuer.on_keys = Gate(issuer)
    issuer.keys = [jwk("one"), jwk("three", rsa_key("two"))]
    clock.now += REFRESH + 1
    for _ in range(100):
        assert await keys.find("one") is first
    await asyncio.wait_for(gate.reached.wait(), 10)
    assert keys.current("two") is not None
    assert keys.current("three") is None
    gate.opened.set()
    await settled(keys)
    assert keys.current("two") is None
    assert keys.current("three") is not None
    assert issuer.fetches == 2


async def test_one_who_leaves_while_waiting_does_not_take_the_fetch_along(issuer: Issuer) -> None:
    gate = issuer.on_keys = Gate(issuer)
    keys = issuer.signing_keys()
    leaving = asyncio.ensure_future(keys.find("one"))
    staying = asyncio.ensure_future(keys.find("one"))
    await asyncio.wait_for(gate.reached.wait(), 10)
    leaving.cancel()
    gate.opened.set()
    assert await staying is not None
    assert issuer.fetches == 1


# Rotation


async def test_a_key_that_is_published_later_is_found_when_it_is_first_used(
    issuer: Issuer, clock: Clock
) -> None:
    keys = issuer.signing_keys(clock)
    assert await keys.find("three") is None
    issuer.keys.append(jwk("three", rsa_key("two")))
    clock.now += 60
    assert (await found(keys, "three")).public == rsa_key("two").public_key()


async def test_a_key_that_is_published_no_longer_is_forgotten(issuer: Issuer, clock: Clock) -> None:
    keys = issuer.signing_keys(clock)
    await found(keys, "one")
    issuer.keys = [jwk("two")]
    clock.now += REFRESH + 1
    keys.current("two")
    await settled(keys)
    assert keys.current("one") is None
    assert await keys.find("one") is None


async def test_an_unchanged_key_stays_the_same_object_and_a_changed_one_does_not(
    issuer: Issuer, clock: Clock
) -> None:
    issuer.keys = [
        jwk("one"),
        jwk("two"),
        jwk("three", rsa_key("one"), issuer="https://a"),
        jwk("four", rsa_key("one"), alg="RS256"),
    ]
    keys = issuer.signing_keys(clock)
    one, two, three, four = [await found(keys, kid) for kid in ("one", "two", "three", "four")]
    issuer.keys = [
        jwk("four", rsa_key("one"), alg="PS256"),
        jwk("three", rsa_key("one"), issuer="https://b"),
        jwk("two", rsa_key("one")),
        jwk("one"),
    ]
    clock.now += 60
    assert await keys.find("unknown") is None
    assert keys.current("one") is one
    assert keys.current("two") is not two
    assert keys.current("three") is not three
    assert keys.current("four") is not four


# Outage


@pytest.mark.parametrize("which", ["on_metadata", "on_keys"])
@pytest.mark.parametrize("handler", BROKEN)
async def test_a_broken_answer_is_no_answer(
    issuer: Issuer, clock: Clock, which: str, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(issuer, which, handler)
    keys = issuer.signing_keys(clock)
    with pytest.raises(Unavailable):
        await keys.find("one")
    # Where a connection broke, the client library tries a second time at once.
    assert len(issuer.requests) <= 4
    assert ("keys" in issuer.requests) is (which == "on_keys")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    setattr(issuer, which, None)
    clock.now += 5
    await found(keys, "one")


@pytest.mark.parametrize("which", ["on_metadata", "on_keys"])
@pytest.mark.parametrize("handler", BROKEN)
async def test_the_last_good_keys_serve_through_an_outage_until_they_are_too_old(
    issuer: Issuer, clock: Clock, which: str, handler: Handler
) -> None:
    keys = issuer.signing_keys(clock, refresh=REFRESH, outage=OUTAGE)
    one = await found(keys, "one")
    setattr(issuer, which, handler)
    clock.now += REFRESH + 1
    assert await keys.find("one") is one
    await settled(keys)
    assert await keys.find("one") is one
    assert await keys.find("unknown") is None
    clock.now += OUTAGE - REFRESH - 1
    assert await keys.find("one") is one
    await settled(keys)
    clock.now += 0.1
    assert keys.current("one") is None
    clock.now += 60
    with pytest.raises(Unavailable):
        await keys.find("one")
    setattr(issuer, which, None)
    clock.now += 60
    assert await keys.find("one") is one


@pytest.mark.parametrize("status", [201, 203, 206, 404, 500, 503])
async def test_only_an_answer_of_status_200_is_taken_whatever_it_holds(
    issuer: Issuer, status: int
) -> None:
    whole = json.dumps({"keys": issuer.keys}).encode()
    issuer.on_keys = saying(status, whole)
    with pytest.raises(Unavailable):
        await issuer.signing_keys().find("one")
    issuer.on_keys = None
    issuer.on_metadata = saying(status, json.dumps(issuer.metadata).encode())
    with pytest.raises(Unavailable):
        await issuer.signing_keys().find("one")


async def test_a_slow_drip_ends_at_the_deadline(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "FETCH_SECONDS", 0.2)
    issuer.on_keys = dripping
    keys = issuer.signing_keys()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(keys.find("one"), 10)


async def test_an_issuer_that_says_nothing_is_left_at_the_deadline(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "FETCH_SECONDS", 0.2)
    issuer.on_metadata = Gate(issuer)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(issuer.signing_keys().find("one"), 10)


async def test_an_issuer_that_is_not_there_is_an_outage() -> None:
    async with issuing() as issuer:
        keys = issuer.signing_keys()
    with pytest.raises(Unavailable):
        await keys.find("one")


@pytest.mark.parametrize("which", ["on_metadata", "on_keys"])
async def test_a_redirect_is_not_followed_wherever_it_leads(issuer: Issuer, which: str) -> None:
    async with issuing() as elsewhere:
        for target in ("v2.0/.well-known/openid-configuration", "discovery/v2.0/keys"):
            setattr(issuer, which, redirecting(f"{elsewhere.authority}/{target}"))
            with pytest.raises(Unavailable):
                await issuer.signing_keys().find("one")
        assert elsewhere.requests == []


# Size


@pytest.mark.parametrize(("excess", "usable"), [(0, True), (1, False)])
async def test_a_document_may_be_so_large_and_no_larger(
    issuer: Issuer, excess: int, usable: bool
) -> None:
    body = json.dumps({"keys": [jwk("one")]}).encode()
    issuer.on_keys = saying(200, body.ljust(signing_keys.MAX_DOCUMENT_BYTES + excess))
    keys = issuer.signing_keys()
    if usable:
        await found(keys, "one")
    else:
        with pytest.raises(Unavailable):
            await keys.find("one")


async def test_a_small_body_does_not_unfold_to_a_huge_one(issuer: Issuer) -> None:
    bomb = gzip.compress(b" " * 24 * 1024 * 1024)
    issuer.on_metadata = saying(200, bomb, Content_Encoding="gzip")
    keys = issuer.signing_keys()
    tracemalloc.start()
    try:
        with pytest.raises(Unavailable):
            await keys.find("one")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


# What the metadata says


@pytest.mark.parametrize(
    "named",
    [
        "https://evil.example/v2.0",
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "",
        None,
        5,
        ["https://evil.example/v2.0"],
        {},
    ],
)
async def test_metadata_of_another_issuer_is_refused(
    issuer: Issuer, named: Any, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.metadata["issuer"] = named
    with pytest.raises(Unavailable):
        await issuer.signing_keys().find("one")
    assert issuer.requests == ["metadata"]
    assert "another issuer" in caplog.text
    assert [record.exc_info for record in caplog.records] == [None]


async def test_metadata_may_name_the_tenant_a_template_or_a_trusted_issuer(issuer: Issuer) -> None:
    base = issuer.authority.removesuffix(f"/{TENANT}")
    for named in (issuer.v2, f"{base}/{{tenantid}}/v2.0", issuer.v1):
        issuer.metadata["issuer"] = named
        await found(issuer.signing_keys(), "one")
    issuer.metadata["issuer"] = f"{base}/{OTHER_TENANT}/v2.0"
    with pytest.raises(Unavailable):
        await issuer.signing_keys().find("one")


@pytest.mark.parametrize(
    "url",
    [
        None,
        5,
        "",
        [],
        "keys",
        "/discovery/v2.0/keys",
        "//evil.example/keys",
        "file:///etc/passwd",
        "ftp://evil.example/keys",
        "data:application/json,{}",
        "https://",
        "https://[",
        "http://127.0.0.1:99999/keys",
        "https://exa mple/keys",
    ],
)
async def test_without_a_url_of_the_keys_there_are_none(
    issuer: Issuer, url: Any, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.metadata["jwks_uri"] = url
    with pytest.raises(Unavailable):
        await issuer.signing_keys().find("one")
    assert issuer.requests == ["metadata"]
    assert [record.exc_info for record in caplog.records] == [None]


async def test_without_https_keys_are_not_even_asked_for(issuer: Issuer) -> None:
    with pytest.raises(Unavailable):
        await issuer.signing_keys(https=True).find("one")
    assert issuer.fetches == 0


async def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with issuing(context) as issuer:
        with pytest.raises(Unavailable):
            await issuer.signing_keys(https=True).find("one")
        assert issuer.requests == []


async def test_the_metadata_is_fetched_with_the_keys_and_kept(issuer: Issuer, clock: Clock) -> None:
    keys = issuer.signing_keys(clock)
    metadata = await keys.metadata()
    assert metadata["token_endpoint"] == f"{issuer.authority}/oauth2/v2.0/token"
    await found(keys, "one")
    assert await keys.metadata() is metadata
    assert issuer.requests == ["metadata", "keys"]
    issuer.on_metadata = saying(500)
    clock.now += OUTAGE + 1
    with pytest.raises(Unavailable):
        await keys.metadata()


# What a key set holds


def unusable() -> list[Any]:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = base64url(curve.x.to_bytes(32)), base64url(curve.y.to_bytes(32))
    good = jwk("bad", rsa_key("two"))

    def without(name: str) -> dict[str, Any]:
        return {key: value for key, value in good.items() if key != name}

    return [
        pytest.param({"kty": "EC", "crv": "P-256", "kid": "bad", "x": x, "y": y}, id="EC"),
        pytest.param({"kty": "oct", "kid": "bad", "k": base64url(b"k" * 32)}, id="symmetric"),
        pytest.param({"kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": x}, id="Ed25519"),
        pytest.param(good | {"kty": "rsa"}, id="kty-in-lower-case"),
        pytest.param(good | {"kty": ["RSA"]}, id="kty-is-a-list"),
        pytest.param(jwk("bad", rsa_key("small", 1024)), id="1024-bits"),
        pytest.param(good | {"use": "enc"}, id="for-encryption"),
        pytest.param(good | {"use": None}, id="use-is-null"),
        pytest.param(good | {"use": ["sig"]}, id="use-is-a-list"),
        pytest.param(good | {"alg": "RSA-OAEP"}, id="for-another-algorithm"),
        pytest.param(good | {"alg": 5}, id="alg-is-a-number"),
        pytest.param(good | {"issuer": 5}, id="issuer-is-a-number"),
        pytest.param(good | {"issuer": None}, id="issuer-is-null"),
        pytest.param(good | {"issuer": [TENANT]}, id="issuer-is-a-list"),
        *(pytest.param(without(name), id=f"no-{name}") for name in ("kty", "kid", "n", "e")),
        *(
            pytest.param(good | {name: value}, id=f"{name}-is-{value!r:.20}")
            for name in ("n", "e")
            for value in ("", 5, None, ["AQAB"], "ß", "A", "AA", "AQ", "A" * 200_000)
        ),
        pytest.param(good | {"kid": 5}, id="kid-is-a-number"),
        pytest.param(good | {"kid": ""}, id="kid-is-empty"),
        pytest.param(good | {"kid": None}, id="kid-is-null"),
        pytest.param("bad", id="a-text"),
        pytest.param(None, id="null"),
        pytest.param([], id="a-list"),
        pytest.param({}, id="an-empty-object"),
    ]


@pytest.mark.parametrize("entry", unusable())
async def test_what_is_no_rsa_signing_key_is_left_out_and_the_others_serve(
    issuer: Issuer, entry: Any
) -> None:
    issuer.keys = [entry, jwk("one")]
    keys = issuer.signing_keys()
    await found(keys, "one")
    assert keys.current("bad") is None
    assert keys.current("") is None


@pytest.mark.parametrize("entry", unusable())
async def test_a_set_without_any_usable_key_is_an_outage(issuer: Issuer, entry: Any) -> None:
    issuer.keys = [entry]
    with pytest.raises(Unavailable):
        await issuer.signing_keys().find("bad")


@pytest.mark.parametrize("listed", [None, 5, "one", {}, {"one": jwk("one", rsa_key("two"))}])
async def test_a_set_whose_keys_are_no_list_is_an_outage(issuer: Issuer, listed: Any) -> None:
    issuer.on_keys = saying(200, json.dumps({"keys": listed}).encode())
    with pytest.raises(Unavailable):
        await issuer.signing_keys().find("one")


async def test_a_private_key_by_mistake_in_the_set_is_read_as_the_public_one(
    issuer: Issuer,
) -> None:
    issuer.keys = [jwk("one", d="AQAB", p="AQAB", q="AQAB")]
    key = await found(issuer.signing_keys(), "one")
    assert key.public == rsa_key("one").public_key()


async def test_an_id_that_stands_for_two_keys_stands_for_none(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    confined = jwk("three", rsa_key("one"), issuer=issuer.v2)
    issuer.keys = [
        jwk("two"),
        jwk("one", rsa_key("one")),
        jwk("one", rsa_key("two")),
        confined,
        confined | {"issuer": "https://evil.example/v2.0"},
        jwk("four", rsa_key("one"), alg="RS256"),
        jwk("four", rsa_key("one"), alg="PS256"),
    ]
    keys = issuer.signing_keys()
    await found(keys, "two")
    assert await keys.find("one") is None
    assert await keys.find("three") is None
    assert await keys.find("four") is None
    assert "one" in caplog.text


async def test_a_key_that_is_listed_twice_alike_serves(issuer: Issuer) -> None:
    issuer.keys = [jwk("one"), jwk("one", x5c=["other certificate"])]
    await found(issuer.signing_keys(), "one")


async def test_a_key_of_another_kind_does_not_spoil_the_id(issuer: Issuer) -> None:
    issuer.keys = [jwk("one", rsa_key("two"), use="enc"), jwk("one")]
    key = await found(issuer.signing_keys(), "one")
    assert key.public == rsa_key("one").public_key()


@pytest.mark.parametrize(
    ("confined", "issuers", "may"),
    [
        (None, ["https://any"], True),
        ("https://h/{tenantid}/v2.0", [f"https://h/{TENANT}/v2.0"], True),
        ("https://h/{tenantid}/v2.0", [f"https://h/{OTHER_TENANT}/v2.0"], False),
        ("https://h/{tenantid}/v2.0", ["https://h/{tenantid}/v2.0"], False),
        (f"https://h/{TENANT}/v2.0", [f"https://h/{TENANT}/v2.0"], True),
        (f"https://h/{OTHER_TENANT}/v2.0", [f"https://h/{TENANT}/v2.0"], False),
        ("https://h/v2", ["https://x", "https://h/v2"], True),
        ("", ["https://h/v2"], False),
    ],
)
def test_a_key_signs_for_the_issuer_it_is_confined_to(
    confined: str | None, issuers: list[str], may: bool
) -> None:
    key = SigningKey(rsa_key("one").public_key(), confined)
    assert key.may_sign_for(TENANT, issuers) is may


# The event loop


def test_keys_outlive_the_event_loop_they_were_fetched_in(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    keys: list[SigningKeys] = []

    async def first() -> SigningKey:
        async with issuing() as issuer:
            keys.append(issuer.signing_keys(clock))
            one = await found(keys[0], "one")
            issuer.on_keys = Gate(issuer)
            clock.now += REFRESH + 1
            # A renewal begins, and the loop ends before it does.
            assert keys[0].current("one") is one
            await asyncio.wait_for(issuer.on_keys.reached.wait(), 10)
            return one

    async def second() -> SigningKey:
        clock.now += 60
        one = await found(keys[0], "one")
        await settled(keys[0])
        return one

    assert asyncio.run(first()) is asyncio.run(second())
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []
    assert not [r for r in caplog.records if r.name == "asyncio"]


async def test_failures_in_the_background_are_logged_once_and_nothing_is_left_over(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "asyncio")
    keys = issuer.signing_keys(clock)
    await found(keys, "one")
    issuer.on_keys = dropping
    for _ in range(3):
        clock.now += REFRESH + 1
        keys.current("one")
        await settled(keys)
    gc.collect()
    ours = [record for record in caplog.records if record.name.startswith("postern")]
    assert [record.levelname for record in ours] == ["WARNING"] * 3
    assert "never retrieved" not in caplog.text
    assert [task for task in asyncio.all_tasks() if "_replace" in repr(task)] == []
