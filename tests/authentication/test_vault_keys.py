"""The key ring of a vault: who holds which key, how soon a change is known, and at what cost."""

import asyncio
import gc
import logging
import sys
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core.credentials_async import AsyncTokenCredential

from shared.authentication import key_format
from shared.authentication.vault_keys import MAX_FOREIGN_KEYS, VaultKeyRing
from shared.key_vault import KeyVault, managed_identity
from shared.refreshing import Unavailable
from tests.fakes.azure import FakeAzure
from tests.fakes.faults import DROP, HANG, Fault
from tests.fakes.key_vault import BROKEN, BUSY, FORBIDDEN, UNAUTHORIZED, FakeVault, throttled

REFRESH = 60
GRACE = 600
ID = "ab12cd34"
NAME = f"mcp-key-{ID}"
FOREIGN = "sk-foreign/0123456789abcdefghijklmnop"


class Clock:
    """The time, for the ring and for the vault."""

    now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def store(vault: FakeVault, id: str = ID, **settings: Any) -> str:
    """A new version of a key, put into the vault; returns the key."""
    key = key_format.make(id)
    vault.put(f"mcp-key-{id}", key_format.digest_text(key), **settings)
    return key


def reads(vault: FakeVault) -> dict[str, int]:
    """The calls made since last asked."""
    counts = {
        operation: vault.calls.count(operation)
        for operation in ("list", "versions", "get")
        if vault.calls.count(operation)
    }
    vault.calls.clear()
    return counts


@pytest.fixture
def clock(azure: FakeAzure) -> Clock:
    clock = Clock()
    azure.vault.now = clock
    return clock


def new_ring(vault: KeyVault, clock: Clock, **settings: Any) -> VaultKeyRing:
    given = {"refresh_seconds": REFRESH, "grace_seconds": GRACE, **settings}
    return VaultKeyRing("Keys", vault, clock=clock, now=clock, **given)


@pytest.fixture
async def ring(vault: KeyVault, clock: Clock) -> AsyncIterator[VaultKeyRing]:
    ring = new_ring(vault, clock)
    yield ring
    await ring.close()


async def settled() -> None:
    """Let what goes on in the background end."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        background = [t for t in others if "_replace" in repr(t) or "_fetch" in repr(t)]
        if not background:
            return
        await asyncio.wait(background, timeout=10)


async def accepted(ring: VaultKeyRing, key: str) -> bool:
    return await ring.caller(key) is not None


async def test_a_key_is_the_caller_its_tags_name(azure: FakeAzure, ring: VaultKeyRing) -> None:
    tags = {"owner": "Data platform", "scopes": "tools.read x", "roles": "reader ops"}
    caller = await ring.caller(store(azure.vault, tags=tags))
    assert caller is not None
    assert (caller.kind, caller.scheme, caller.principal) == ("key", "Keys", f"key/{ID}")
    assert caller.name == "Data platform"
    assert caller.scopes == {"tools.read", "x"}
    assert caller.roles == {"reader", "ops"}


async def test_a_key_is_read_once_and_then_known(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    key, other = store(azure.vault), store(azure.vault, "other123")
    clock.advance(1000)
    for _ in range(5):
        assert await accepted(ring, key)
    assert reads(azure.vault) == {"list": 1, "versions": 1, "get": 1}
    assert await accepted(ring, other)
    assert reads(azure.vault) == {"versions": 1, "get": 1}
    for _ in range(10):
        clock.advance(REFRESH)
        assert await accepted(ring, key)
        await settled()
    counts = reads(azure.vault)
    assert counts.keys() == {"list"}
    assert counts["list"] <= 20


async def test_a_wrong_key_of_a_right_id_is_nobodys_and_costs_one_read(
    azure: FakeAzure, ring: VaultKeyRing
) -> None:
    key = store(azure.vault)
    for _ in range(20):
        assert not await accepted(ring, key_format.make(ID))
    assert reads(azure.vault) == {"list": 1, "versions": 1, "get": 1}
    assert await accepted(ring, key)
    assert reads(azure.vault) == {}


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "short",
        "mcp_ab12cd34_" + "A" * 43 + "_000000",
        "k" * 31,
        "key with spaces " + "k" * 40,
        "cl\u00e9-\u043a\u043b\u044e\u0447-" + "k" * 40,
        "k" * 40 + "\n",
        "k" * 5000,
        "\udcff" * 40,
    ],
)
async def test_a_text_that_is_no_key_costs_nothing(
    azure: FakeAzure, ring: VaultKeyRing, presented: str
) -> None:
    azure.vault.faults.set("list", BROKEN)
    assert not await accepted(ring, presented)
    assert azure.vault.calls.operations() == []


async def test_ten_thousand_wrong_keys_cost_one_early_listing_and_no_memory(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    assert await accepted(ring, store(azure.vault))
    clock.advance(10)
    reads(azure.vault)
    wrong = [key_format.make(key_format.new_id()) for _ in range(10_000)]
    foreign = [f"foreign-{number:040}" for number in range(10_000)]
    assert not any(await asyncio.gather(*map(ring.caller, wrong[:1000])))
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for presented in (*wrong, *foreign):
        assert await ring.caller(presented) is None
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    grown = sum(stat.size_diff for stat in after.compare_to(before, "filename"))
    assert grown < 100_000
    assert reads(azure.vault) == {"list": 1}


async def test_wrong_keys_do_not_keep_listing_from_one_interval_to_the_next(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    store(azure.vault)
    for _ in range(10 * REFRESH):
        assert not await accepted(ring, key_format.make(key_format.new_id()))
        await settled()
        clock.advance(1)
    # One early listing per interval, besides the one in the background at each half.
    assert reads(azure.vault)["list"] <= 10 + 20 + 1


async def test_a_new_key_works_at_once(azure: FakeAzure, ring: VaultKeyRing, clock: Clock) -> None:
    assert await accepted(ring, store(azure.vault))
    clock.advance(10)
    assert await accepted(ring, store(azure.vault, "second12"))
    assert ring.keys == 2


async def test_a_new_key_works_within_the_interval_when_others_used_up_the_early_listing(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    assert await accepted(ring, store(azure.vault))
    clock.advance(10)
    assert not await accepted(ring, key_format.make("nosuch12"))
    key = store(azure.vault, "second12")
    assert not await accepted(ring, key)
    clock.advance(REFRESH + 1)
    assert await accepted(ring, key)


@pytest.mark.parametrize("idle", [1, REFRESH / 2, REFRESH, 100 * REFRESH])
async def test_a_revoked_key_stops_within_the_refresh_interval(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock, idle: float
) -> None:
    """However long nobody called before: no answer rests on an older index than promised."""
    key = store(azure.vault)
    assert await accepted(ring, key)
    clock.advance(idle)
    await accepted(ring, key)
    await settled()
    azure.vault.newest(NAME).change({"attributes": {"enabled": False}}, int(clock.now))
    clock.advance(REFRESH + 0.001)
    assert not await accepted(ring, key)


async def test_a_key_the_index_shows_as_revoked_is_not_read(
    azure: FakeAzure, ring: VaultKeyRing
) -> None:
    key = store(azure.vault, enabled=False)
    assert not await accepted(ring, key)
    assert reads(azure.vault) == {"list": 1}


async def test_a_revoked_key_stops_sooner_while_there_are_calls(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    key = store(azure.vault)
    assert await accepted(ring, key)
    azure.vault.newest(NAME).change({"attributes": {"enabled": False}}, int(clock.now))
    clock.advance(REFRESH / 2 + 1)
    assert await accepted(ring, key)
    await settled()
    assert not await accepted(ring, key)


@pytest.mark.parametrize("how", ["deleted", "malformed", "expired", "not yet valid", "replaced"])
async def test_whatever_else_ends_a_key_ends_it_within_the_interval(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock, how: str
) -> None:
    key = store(azure.vault)
    clock.advance(1000)
    assert await accepted(ring, key)
    now = int(clock.now)
    match how:
        case "deleted":
            del azure.vault.secrets[NAME]
        case "malformed":
            azure.vault.put(NAME, "sha256:abc")
        case "expired":
            azure.vault.newest(NAME).change({"attributes": {"exp": now}}, now)
        case "not yet valid":
            azure.vault.newest(NAME).change({"attributes": {"nbf": now + 1000}}, now)
        case "replaced":
            store(azure.vault)
    clock.advance(REFRESH + 1)
    assert not await accepted(ring, key)


async def test_a_change_of_what_a_key_may_is_known_within_the_interval(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    key = store(azure.vault, tags={"roles": "reader ops"})
    clock.advance(1000)
    await ring.caller(key)
    azure.vault.newest(NAME).change({"tags": {"roles": "reader"}}, int(clock.now))
    clock.advance(REFRESH + 1)
    caller = await ring.caller(key)
    assert caller is not None
    assert caller.roles == {"reader"}


async def test_a_key_ends_on_its_date_without_a_call(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    key = store(azure.vault, exp=int(clock.now) + 20)
    early = store(azure.vault, "early123", nbf=int(clock.now) + 20)
    assert await accepted(ring, key)
    assert not await accepted(ring, early)
    reads(azure.vault)
    clock.advance(20)
    assert not await accepted(ring, key)
    assert await accepted(ring, early)
    assert reads(azure.vault) == {}


async def test_after_a_rotation_both_keys_work_until_the_overlap_ends(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    old = store(azure.vault)
    clock.advance(1000)
    assert await accepted(ring, old)
    azure.vault.newest(NAME).change({"attributes": {"exp": int(clock.now) + 200}}, int(clock.now))
    new = store(azure.vault)
    clock.advance(REFRESH + 1)
    assert await accepted(ring, new)
    assert await accepted(ring, old)
    clock.advance(200 - REFRESH - 2)
    assert await accepted(ring, old)
    clock.advance(1)
    assert not await accepted(ring, old)
    assert await accepted(ring, new)


async def test_an_older_version_disabled_by_hand_stops_within_the_interval(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    """The index tells nothing of older versions."""
    old = store(azure.vault, exp=int(clock.now) + 100_000)
    older = azure.vault.newest(NAME)
    new = store(azure.vault, created=int(clock.now) + 1)
    clock.advance(1000)
    assert await accepted(ring, old)
    older.change({"attributes": {"enabled": False}}, int(clock.now))
    clock.advance(REFRESH + 1)
    assert not await accepted(ring, old)
    assert await accepted(ring, new)


async def test_a_rotation_in_the_second_of_the_first_call_is_noticed(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    """The vault's times have no fractions: its index looks the same before and after."""
    old = store(azure.vault)
    assert await accepted(ring, old)
    new = store(azure.vault)
    clock.advance(REFRESH + 1)
    assert await accepted(ring, new)
    assert not await accepted(ring, old)


async def test_however_many_call_at_once_the_vault_is_asked_once(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    key = store(azure.vault)
    azure.vault.faults.set("list", HANG)
    calling = asyncio.gather(*(ring.caller(key) for _ in range(500)))
    await azure.vault.calls.arrival("list")
    azure.vault.faults.clear()
    assert all(await calling)
    assert reads(azure.vault) == {"list": 1, "versions": 1, "get": 1}
    clock.advance(10 * REFRESH)
    assert all(await asyncio.gather(*(ring.caller(key) for _ in range(500))))
    assert reads(azure.vault)["list"] == 1


async def test_a_caller_who_gives_up_takes_nobody_along(
    azure: FakeAzure, ring: VaultKeyRing
) -> None:
    key = store(azure.vault)
    await accepted(ring, store(azure.vault, "other123"))
    azure.vault.faults.set("get", HANG)
    leaving = asyncio.ensure_future(ring.caller(key))
    staying = asyncio.ensure_future(ring.caller(key))
    await azure.vault.calls.arrival("get", 2)
    leaving.cancel()
    azure.vault.faults.clear()
    assert await staying
    assert azure.vault.calls.count("get", NAME) == 1


@pytest.mark.parametrize("operation", ["list", "versions", "get"])
async def test_a_vault_that_throttles_is_left_alone_until_it_says(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock, operation: str
) -> None:
    key, other = store(azure.vault), store(azure.vault, "other123")
    azure.vault.faults.set(operation, throttled(120))
    with pytest.raises(Unavailable) as caught:
        await ring.caller(key)
    assert caught.value.retry_after == 120
    reads(azure.vault)
    azure.vault.faults.clear()
    for _ in range(119):
        clock.advance(1)
        for presented in (key, other, FOREIGN):
            with pytest.raises(Unavailable):
                await ring.caller(presented) or await ring.caller(key)
    assert reads(azure.vault) == {}
    clock.advance(1)
    assert await accepted(ring, key)


@pytest.mark.parametrize(
    "fault",
    [BROKEN, BUSY, DROP, FORBIDDEN, UNAUTHORIZED, throttled(1)],
    ids=["broken", "busy", "drop", "forbidden", "unauthorized", "throttled"],
)
async def test_through_an_outage_known_keys_work_for_the_grace_time_and_then_none(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock, fault: Fault
) -> None:
    key, unread = store(azure.vault), store(azure.vault, "other123")
    clock.advance(1000)
    assert await accepted(ring, key)
    for operation in ("list", "versions", "get"):
        azure.vault.faults.set(operation, fault)
    for _ in range(GRACE // 20):
        clock.advance(20)
        assert await accepted(ring, key)
        await settled()
        assert not await accepted(ring, key_format.make(ID))
    for presented in (unread, key_format.make("nosuch12"), FOREIGN):
        with pytest.raises(Unavailable):
            await ring.caller(presented)
    clock.advance(1)
    with pytest.raises(Unavailable) as caught:
        await ring.caller(key)
    assert caught.value.retry_after >= 5
    azure.vault.faults.clear()
    clock.advance(caught.value.retry_after)
    assert await accepted(ring, key)
    assert await accepted(ring, unread)


async def test_an_older_version_works_through_an_outage_too_but_not_past_its_expiry(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    old = store(azure.vault, exp=int(clock.now) + 400)
    store(azure.vault, created=int(clock.now) + 1)
    assert await accepted(ring, old)
    azure.vault.faults.set("list", BROKEN)
    azure.vault.faults.set("get", BROKEN)
    clock.advance(399)
    assert await accepted(ring, old)
    clock.advance(1)
    assert not await accepted(ring, old)


async def test_a_key_that_must_be_read_anew_works_without_for_the_grace_time(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    old = store(azure.vault, exp=int(clock.now) + 100_000)
    new = store(azure.vault, created=int(clock.now) + 1)
    clock.advance(1000)
    assert await accepted(ring, old)
    azure.vault.faults.set("get", BROKEN)
    clock.advance(GRACE)
    assert await accepted(ring, old)
    clock.advance(1)
    for key in (old, new):
        with pytest.raises(Unavailable):
            await ring.caller(key)


async def test_an_outage_at_the_start_is_no_storm_however_many_call(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    key = store(azure.vault)
    azure.vault.faults.set("list", BROKEN)
    for _ in range(3):
        outcomes = await asyncio.gather(
            *(ring.caller(key) for _ in range(1000)), return_exceptions=True
        )
        assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert reads(azure.vault) == {"list": 2}
    azure.vault.faults.clear()
    clock.advance(5)
    assert await accepted(ring, key)


async def test_an_outage_is_no_storm_of_reads_however_many_keys_are_new(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    keys = [store(azure.vault, f"key{number:05}") for number in range(300)]
    assert await accepted(ring, store(azure.vault))
    reads(azure.vault)
    azure.vault.faults.set("get", BROKEN)
    outcomes = await asyncio.gather(*map(ring.caller, keys), return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert reads(azure.vault)["get"] <= 2 * 16
    azure.vault.faults.clear()
    clock.advance(5)
    assert all(await asyncio.gather(*map(ring.caller, keys)))


async def test_a_refusal_by_the_vault_is_logged_with_the_role_to_grant(
    azure: FakeAzure, ring: VaultKeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    azure.vault.faults.set("list", FORBIDDEN)
    with pytest.raises(Unavailable):
        await ring.caller(key_format.make(ID))
    assert '"Key Vault Secrets User"' in caplog.text


async def test_a_plain_value_is_taken_with_a_warning_that_names_the_secret_alone(
    azure: FakeAzure, ring: VaultKeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    key = key_format.make(ID)
    azure.vault.put(NAME, key)
    caplog.set_level(logging.DEBUG, "postern")
    for _ in range(3):
        assert await accepted(ring, key)
    assert caplog.text.count(NAME) == 1
    assert key not in caplog.text
    assert key not in repr(vars(ring))
    assert key_format.digest_text(key)[7:] not in repr(vars(ring))


async def test_a_malformed_secret_is_refused_by_name_and_harms_no_other(
    azure: FakeAzure, ring: VaultKeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    key, good = key_format.make(ID), store(azure.vault, "other123")
    azure.vault.put(NAME, f"{key_format.digest_text(key)}0")
    for _ in range(3):
        assert not await accepted(ring, key)
        assert await accepted(ring, good)
    assert caplog.text.count(f"{NAME} is not accepted: its value") == 1
    assert key_format.digest_text(key)[7:] not in caplog.text


async def test_two_secrets_of_one_id_are_no_key_and_are_told_once(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    key, good = store(azure.vault), store(azure.vault, "other123")
    azure.vault.put(NAME.upper(), key_format.digest_text(key))
    for _ in range(3):
        assert not await accepted(ring, key)
        assert await accepted(ring, good)
        clock.advance(REFRESH + 1)
    assert caplog.text.count(f"{NAME}: two secrets have this id") == 1
    assert ring.keys == 1


async def test_secrets_with_other_names_are_left_alone(
    azure: FakeAzure, vault: KeyVault, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    key = store(azure.vault)
    azure.vault.put("database-password", "hunter2")
    azure.vault.put("mcp-key-bad-id", "x")
    mine = new_ring(vault, clock)
    assert await accepted(mine, key)
    assert mine.keys == 1
    assert "mcp-key-bad-id: no key has such an id" in caplog.text
    assert "database" not in caplog.text
    others = new_ring(vault, clock, prefix="other-")
    assert not await accepted(others, key)
    assert {call.name for call in azure.vault.calls.all("get")} == {NAME}
    for ring in (mine, others):
        await ring.close()


def put_foreign(vault: FakeVault, id: str, key: str, **settings: Any) -> None:
    tags = {"format": "foreign", "owner": f"owner of {id}"}
    vault.put(f"mcp-key-{id}", key_format.digest_text(key), tags=tags, **settings)


async def test_a_foreign_key_is_found_without_an_id(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    put_foreign(azure.vault, "foreign1", FOREIGN)
    store(azure.vault)
    caller = await ring.caller(FOREIGN)
    assert caller is not None
    assert (caller.principal, caller.name) == ("key/foreign1", "owner of foreign1")
    assert not await accepted(ring, FOREIGN + "x")
    assert reads(azure.vault) == {"list": 1, "versions": 1, "get": 1}
    azure.vault.newest("mcp-key-foreign1").change({"attributes": {"enabled": False}}, 0)
    clock.advance(REFRESH + 1)
    assert not await accepted(ring, FOREIGN)


async def test_without_the_tag_a_foreign_key_is_nobodys(
    azure: FakeAzure, ring: VaultKeyRing
) -> None:
    azure.vault.put("mcp-key-foreign1", key_format.digest_text(FOREIGN))
    assert not await accepted(ring, FOREIGN)
    assert reads(azure.vault) == {"list": 1}


async def test_one_foreign_key_in_two_secrets_is_nobodys(
    azure: FakeAzure, ring: VaultKeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    for id in ("foreign1", "foreign2", "foreign3"):
        put_foreign(azure.vault, id, FOREIGN)
    put_foreign(azure.vault, "foreign4", FOREIGN + "x")
    assert not await accepted(ring, FOREIGN)
    assert await accepted(ring, FOREIGN + "x")
    assert "mcp-key-foreign2 and mcp-key-foreign1 hold the same key" in caplog.text


async def test_of_too_many_foreign_keys_the_first_are_used(
    azure: FakeAzure, ring: VaultKeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    keys = [f"{FOREIGN}{number:03}" for number in range(MAX_FOREIGN_KEYS + 1)]
    for number, key in enumerate(keys):
        put_foreign(azure.vault, f"foreign{number:03}", key)
    assert await accepted(ring, keys[0])
    assert await accepted(ring, keys[-2])
    assert not await accepted(ring, keys[-1])
    assert f"the first {MAX_FOREIGN_KEYS} are used" in caplog.text
    assert reads(azure.vault)["get"] == MAX_FOREIGN_KEYS


async def test_while_foreign_keys_cannot_be_read_the_last_good_ring_serves(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    put_foreign(azure.vault, "foreign1", FOREIGN)
    assert await accepted(ring, FOREIGN)
    put_foreign(azure.vault, "foreign2", FOREIGN + "x")
    azure.vault.faults.set("get", BROKEN)
    clock.advance(REFRESH + 1)
    assert await accepted(ring, FOREIGN)
    with pytest.raises(Unavailable):
        await ring.caller(FOREIGN + "x")


async def test_the_last_use_of_a_key_is_kept(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    key = store(azure.vault)
    assert ring.last_used(ID) is None
    await ring.caller(key_format.make(ID))
    assert ring.last_used(ID) is None
    await ring.caller(key)
    used = clock.now
    clock.advance(5)
    await ring.caller(key_format.make(ID))
    assert ring.last_used(ID) == used
    del azure.vault.secrets[NAME]
    clock.advance(REFRESH + 1)
    assert not await accepted(ring, key)
    assert ring.last_used(ID) is None


async def test_closing_ends_what_goes_on_in_the_background(
    azure: FakeAzure, vault: KeyVault, clock: Clock
) -> None:
    key = store(azure.vault)
    ring = new_ring(vault, clock)
    assert await accepted(ring, key)
    clock.advance(REFRESH / 2 + 1)
    azure.vault.faults.set("list", HANG)
    before = asyncio.all_tasks()
    assert await accepted(ring, key)
    await azure.vault.calls.arrival("list", 2)
    assert asyncio.all_tasks() - before
    await ring.close()
    assert not asyncio.all_tasks() - before


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_ring_is_made_without_a_loop_and_its_tasks_end_with_one(
    azure: FakeAzure, hosted: None, clock: Clock
) -> None:
    key = store(azure.vault)
    vault = KeyVault(azure.vault.uri, lambda: managed_identity(None), transport=azure.transport)
    ring = new_ring(vault, clock)

    async def main() -> None:
        assert await accepted(ring, key)
        clock.advance(REFRESH / 2 + 1)
        azure.vault.faults.set("list", HANG)
        assert await accepted(ring, key)
        await azure.vault.calls.arrival("list", 2)
        await vault.close()

    asyncio.run(main())
    # The loop ends while TLS says goodbye on the connection that hung: the socket goes here, and
    # not in whichever test is next.
    gc.collect()


async def test_an_unforeseen_failure_is_logged_and_means_unavailable(
    azure: FakeAzure, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> AsyncTokenCredential:
        raise RuntimeError("no such thing")

    ring = new_ring(KeyVault(azure.vault.uri, broken, transport=azure.transport), clock)
    with pytest.raises(Unavailable):
        await ring.caller(key_format.make(ID))
    assert "RuntimeError: no such thing" in caplog.text


def size_of(value: object) -> int:
    """The bytes of a value and all that it leads to."""
    seen: dict[int, object] = {}
    found = [value]
    while found:
        one = found.pop()
        if id(one) not in seen and not isinstance(one, type):
            seen[id(one)] = one
            found += gc.get_referents(one)
    return sum(map(sys.getsizeof, seen.values()))


async def test_an_index_of_ten_thousand_keys_costs_its_pages_and_little_memory(
    azure: FakeAzure, ring: VaultKeyRing, clock: Clock
) -> None:
    tags = {"owner": "somebody", "roles": "reader", "scopes": "tools.read"}
    keys = [store(azure.vault, f"key{number:05}", tags=tags) for number in range(10_000)]
    clock.advance(1000)
    assert await accepted(ring, keys[0])
    assert ring.keys == 10_000
    assert reads(azure.vault) == {"list": 400, "versions": 1, "get": 1}
    assert size_of(ring._listed) < 20_000_000
    for _ in range(10):
        for key in keys[:100]:
            assert await ring.caller(key)
    assert reads(azure.vault) == {"versions": 99, "get": 99}
    assert size_of(ring._known) - size_of(ring._listed) < 500_000
