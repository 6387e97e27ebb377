"""The fake vault, asked by the real SecretClient over TLS with all its checks on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.secrets.aio import SecretClient

from tests.fakes.azure import FakeAzure
from tests.fakes.faults import CUT, DROP, HANG, Fault
from tests.fakes.key_vault import BROKEN, FORBIDDEN, UNAUTHORIZED, throttled

LATER = datetime(2040, 1, 2, tzinfo=UTC)


@pytest.fixture
async def client(azure: FakeAzure, hosted: None) -> AsyncIterator[SecretClient]:
    async with (
        ManagedIdentityCredential() as identity,
        SecretClient(
            azure.vault.uri, identity, transport=azure.transport(), retry_total=0
        ) as client,
    ):
        yield client


async def test_a_client_is_challenged_once_and_then_signed_in(
    azure: FakeAzure, client: SecretClient
) -> None:
    azure.vault.put("a", "value")
    for _ in range(3):
        assert (await client.get_secret("a")).value == "value"
    assert azure.vault.calls.operations() == ["challenge", "get", "get", "get"]
    assert azure.identity.calls.count() == 1


async def test_what_is_stored_comes_back_with_its_attributes(
    azure: FakeAzure, client: SecretClient
) -> None:
    azure.vault.now = lambda: 1_900_000_000
    stored = await client.set_secret(
        "a",
        "value",
        tags={"owner": "x y"},
        content_type="text/plain",
        enabled=True,
        not_before=LATER,
        expires_on=LATER,
    )
    got = await client.get_secret("a", stored.properties.version)
    told = got.properties
    assert (got.value, told.tags, told.content_type) == ("value", {"owner": "x y"}, "text/plain")
    assert (told.not_before, told.expires_on) == (LATER, LATER)
    assert told.created_on == told.updated_on == datetime.fromtimestamp(1_900_000_000, UTC)
    assert told.enabled is True
    assert told.recovery_level == "Recoverable+Purgeable"


async def test_lists_come_in_pages_and_tell_of_the_newest_version(
    azure: FakeAzure, client: SecretClient
) -> None:
    for number in range(60):
        azure.vault.put(f"s{number}", "old")
    azure.vault.put("s59", "new", enabled=False, tags={"a": "b"})
    listed = [one async for one in client.list_properties_of_secrets()]
    assert [one.name for one in listed] == [f"s{number}" for number in range(60)]
    assert (listed[-1].enabled, listed[-1].tags, listed[-1].version) == (False, {"a": "b"}, None)
    assert azure.vault.calls.count("list") == 3
    small = [one async for one in client.list_properties_of_secrets(max_page_size=7)]
    assert len(small) == 60
    assert azure.vault.calls.count("list") == 3 + 9


async def test_versions_come_in_pages_ordered_by_their_ids(
    azure: FakeAzure, client: SecretClient
) -> None:
    ids = {azure.vault.put("a", str(number)).id for number in range(30)}
    listed = [one.version async for one in client.list_properties_of_secret_versions("a")]
    assert listed == sorted(ids)
    assert azure.vault.calls.count("versions", "a") == 2
    newest = await client.get_secret("a")
    assert (newest.value, newest.properties.version) == ("29", azure.vault.newest("a").id)


async def test_an_update_changes_what_it_names_in_the_version_it_names(
    azure: FakeAzure, client: SecretClient
) -> None:
    first = azure.vault.put("a", "1", tags={"owner": "x"})
    azure.vault.put("a", "2")
    await client.update_secret_properties("a", first.id, expires_on=LATER)
    await client.update_secret_properties("a", enabled=False)
    assert (first.exp, first.enabled, first.tags) == (LATER.timestamp(), True, {"owner": "x"})
    assert (azure.vault.newest("a").enabled, azure.vault.newest("a").exp) == (False, None)
    with pytest.raises(HttpResponseError, match="disabled secret") as caught:
        await client.get_secret("a")
    assert caught.value.status_code == 403


async def test_a_deleted_secret_keeps_its_name(azure: FakeAzure, client: SecretClient) -> None:
    azure.vault.put("a", "1")
    deleted = await client.delete_secret("a")
    assert deleted.recovery_id
    with pytest.raises(ResourceNotFoundError):
        await client.get_secret("a")
    with pytest.raises(ResourceExistsError, match="deleted but recoverable"):
        await client.set_secret("a", "2")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (FORBIDDEN, HttpResponseError),
        (UNAUTHORIZED, ClientAuthenticationError),
        (BROKEN, HttpResponseError),
        (throttled(1), HttpResponseError),
        (DROP, ServiceRequestError),
        (CUT, IncompleteReadError),
    ],
    ids=["forbidden", "unauthorized", "broken", "throttled", "drop", "cut"],
)
async def test_a_vault_that_fails_and_comes_back(
    azure: FakeAzure, client: SecretClient, fault: Fault, error: type[Exception]
) -> None:
    azure.vault.put("a", "value")
    azure.vault.faults.set("get", fault)
    for _ in range(2):
        with pytest.raises(error):
            await client.get_secret("a")
    azure.vault.faults.clear()
    assert (await client.get_secret("a")).value == "value"


async def test_a_fault_can_be_for_one_call(azure: FakeAzure, client: SecretClient) -> None:
    azure.vault.put("a", "value")
    azure.vault.faults.set("get", BROKEN, times=2)
    outcomes: list[Any] = []
    for _ in range(3):
        try:
            outcomes.append((await client.get_secret("a")).value)
        except HttpResponseError as error:
            outcomes.append(error.status_code)
    assert outcomes == [500, 500, "value"]


async def test_what_hangs_is_answered_once_it_is_cleared(
    azure: FakeAzure, client: SecretClient
) -> None:
    azure.vault.put("a", "value")
    azure.vault.faults.set("get", HANG)
    getting = asyncio.ensure_future(client.get_secret("a"))
    await azure.vault.calls.arrival("get")
    assert not getting.done()
    azure.vault.faults.clear()
    assert (await getting).value == "value"
