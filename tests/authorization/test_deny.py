"""The kill switch: who is shut out, from the configuration and from a secret."""

import asyncio
import json
from typing import Any

import pytest

from shared.authorization.deny import DenyList, read_lists
from shared.caller import ANONYMOUS, Caller
from shared.configuration.model import Denied, DenySecret, DenySettings
from shared.refreshing import FetchFailed, Unavailable

TENANT = "70a036f6-8e4d-4615-bad6-149c02e7720d"
USER = Caller("user", tenant_id=TENANT, object_id="oid", client_id="client")
KEY = Caller("key", "ApiKey", "build01")


class Vault:
    """A secret that can change, be broken and be away, and the time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.reads = 0
        self.text = "{}"
        self.away = False

    async def read(self) -> str:
        self.reads += 1
        if self.away:
            raise FetchFailed("away")
        return self.text

    def deny(self, own: Denied | None = None) -> DenyList:
        """A list with a secret that is read every 30 seconds, with a grace of 300."""
        secret = DenySecret("https://v.vault.azure.net", "deny", 30, 300)
        return DenyList(DenySettings(own or Denied(), secret), self.read, clock=lambda: self.now)

    async def later(self, deny: DenyList, seconds: float) -> None:
        """Let time pass, and whatever then happens in the background."""
        self.now += seconds
        await deny.reason(ANONYMOUS)
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("denied", "caller", "reason"),
    [
        (Denied(keys=frozenset({"build01"})), KEY, "the key build01 is denied"),
        (Denied(principals=frozenset({"key/build01"})), KEY, "the caller is denied"),
        (Denied(principals=frozenset({f"{TENANT}/oid"})), USER, "the caller is denied"),
        (Denied(principals=frozenset({"anonymous"})), ANONYMOUS, "the caller is denied"),
        (
            Denied(client_ids=frozenset({"client"})),
            USER,
            "the client application client is denied",
        ),
        (Denied(tenants=frozenset({TENANT})), USER, f"the tenant {TENANT} is denied"),
    ],
)
async def test_each_list_shuts_out_whom_it_names_and_nobody_else(
    denied: Denied, caller: Caller, reason: str
) -> None:
    deny = DenyList(DenySettings(denied))
    assert await deny.reason(caller) == reason
    others = {USER, KEY, ANONYMOUS} - {caller}
    assert [await deny.reason(other) for other in others] == [None, None]


async def test_a_tool_is_shut_out_under_any_spelling() -> None:
    deny = DenyList(DenySettings(Denied(tools=frozenset({"Get-Process"}))))
    assert deny.has_tool("get_process")
    assert not deny.has_tool("get_service")
    assert await deny.reason(USER) is None


async def test_the_secret_adds_to_the_configuration() -> None:
    vault = Vault()
    vault.text = json.dumps({"keys": ["build01"], "Tools": ["whoami"]})
    deny = vault.deny(Denied(tools=frozenset({"get_process"}), tenants=frozenset({TENANT})))
    assert await deny.reason(KEY) == "the key build01 is denied"
    assert await deny.reason(USER) is not None
    assert deny.has_tool("whoami")
    assert deny.has_tool("get_process")
    assert vault.reads == 1


async def test_a_change_counts_within_the_refresh_interval_without_a_restart() -> None:
    vault = Vault()
    deny = vault.deny()
    assert await deny.reason(KEY) is None
    vault.text = json.dumps({"Principals": ["KEY/build01"]})
    await vault.later(deny, 30.1)
    assert await deny.reason(KEY) == "the caller is denied"
    vault.text = ""
    await vault.later(deny, 30.1)
    assert await deny.reason(KEY) is None


async def test_until_it_was_read_once_nobody_is_let_in() -> None:
    vault = Vault()
    vault.away = True
    deny = vault.deny()
    with pytest.raises(Unavailable):
        await deny.reason(USER)


async def test_while_it_is_away_the_last_lists_count_for_their_grace_and_then_none() -> None:
    vault = Vault()
    vault.text = json.dumps({"Keys": ["build01"]})
    deny = vault.deny()
    await deny.reason(USER)
    vault.away = True
    await vault.later(deny, 329)
    assert await deny.reason(KEY) is not None
    assert await deny.reason(USER) is None
    vault.now += 2
    with pytest.raises(Unavailable):
        await deny.reason(USER)
    vault.away = False
    vault.now += 5
    assert await deny.reason(KEY) is not None


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '"x"',
        '{"Keys": "build01"}',
        '{"Keys": [1]}',
        '{"Key": ["build01"]}',
        '{"KeyVault": {}}',
        "[" * 100_000,
    ],
)
async def test_a_secret_that_makes_no_sense_is_as_if_it_were_away(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    vault = Vault()
    vault.text = text
    deny = vault.deny()
    with pytest.raises(Unavailable):
        await deny.reason(USER)
    assert "the deny list deny could not be renewed" in caplog.text
    assert "build01" not in caplog.text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, Denied()),
        (
            {"TENANTS": ["ABC"], "clientIds": ["DEF"]},
            Denied(client_ids=frozenset({"def"}), tenants=frozenset({"abc"})),
        ),
        ({"Keys": ["aB"], "Tools": None}, Denied(keys=frozenset({"aB"}))),
    ],
)
def test_lists_are_read_in_any_case(value: Any, expected: Denied) -> None:
    assert read_lists(json.dumps(value)) == expected
