"""The client of Key Vault: what it takes for a vault, what it says of failures, what it leaves."""

import asyncio
import subprocess
import sys

import pytest
from azure.core.credentials_async import AsyncTokenCredential

from shared import key_vault
from shared.key_vault import KeyVault, developer_identity, managed_identity
from shared.vault_errors import (
    AccessDenied,
    NameTaken,
    SecretDisabled,
    SecretMissing,
    SignInFailed,
    Throttled,
    VaultError,
    VaultUnavailable,
)
from shared.vault_uri import NotAVault, vault_uri
from tests.fakes.azure import FakeAzure
from tests.fakes.faults import CUT, DROP, HANG, Fault, answer
from tests.fakes.key_vault import (
    BROKEN,
    BUSY,
    FIREWALL,
    FORBIDDEN,
    RESOURCE,
    UNAUTHORIZED,
    throttled,
)

CLIENT = "44444444-0000-4000-8000-000000000004"
HALF_JSON = answer(200, '{"value": [', {"Content-Type": "application/json"})
VALUE = "a-value-nobody-may-see-0123456789"


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net"),
        ("https://contoso.vault.azure.net/", "https://contoso.vault.azure.net"),
        ("HTTPS://Contoso.Vault.Azure.NET:443/", "https://contoso.vault.azure.net"),
        ("https://con-toso1.vault.azure.cn", "https://con-toso1.vault.azure.cn"),
        ("https://a2b.vault.usgovcloudapi.net", "https://a2b.vault.usgovcloudapi.net"),
    ],
)
def test_a_vault_of_any_azure_cloud_is_taken(text: str, uri: str) -> None:
    assert vault_uri(text) == uri


@pytest.mark.parametrize(
    "text",
    [
        "",
        "contoso",
        "contoso.vault.azure.net",
        "http://contoso.vault.azure.net",
        "https://vault.azure.net",
        "https://contoso.vault.azure.net.evil.example",
        "https://evil.example/contoso.vault.azure.net",
        "https://evil.example#.vault.azure.net",
        "https://evil.example?.vault.azure.net",
        "https://evil.example\\.vault.azure.net",
        "https://evil.example/.vault.azure.net",
        "https://user@contoso.vault.azure.net",
        "https://evil.example@contoso.vault.azure.net",
        "https://a.contoso.vault.azure.net",
        "https://contosovault.azure.net",
        "https://contoso.vault.azure.net:8443",
        "https://contoso.vault.azure.net/secrets/a",
        "https://contoso.vault.azure.net/?a=b",
        "https://contoso.vault.azure.net\n",
        " https://contoso.vault.azure.net",
        "https://contoso.vault.azure.net.",
        "https://contoso.managedhsm.azure.net",
        "https://contoso.vault.microsoftazure.de",
        "https://cöntoso.vault.azure.net",
        "https://127.0.0.1",
        "https://1contoso.vault.azure.net",
        f"https://{'a' * 25}.vault.azure.net",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(NotAVault, match=r"https://<name>\.vault\.azure\.net"):
        vault_uri(text)
    with pytest.raises(NotAVault):
        KeyVault(text, developer_identity)


def test_importing_it_loads_no_azure_library() -> None:
    program = "import sys, shared.key_vault; print({'azure', 'aiohttp', 'msal'} & set(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "set()\n"


async def test_nothing_is_opened_before_the_first_call(azure: FakeAzure) -> None:
    def never() -> AsyncTokenCredential:
        raise AssertionError

    vault = KeyVault(azure.vault.uri, never, transport=azure.transport)
    await vault.close()


async def test_what_is_stored_is_read_with_its_properties(
    azure: FakeAzure, vault: KeyVault
) -> None:
    azure.vault.now = lambda: 1_900_000_000
    stored = await vault.set(
        "a", VALUE, tags={"owner": "x"}, content_type="text/plain", expires=1_950_000_000
    )
    got = await vault.get("a")
    assert (got.value, got.properties) == (VALUE, stored)
    assert stored.version == azure.vault.newest("a").id
    assert (stored.name, stored.enabled, stored.tags) == ("a", True, {"owner": "x"})
    assert (stored.created, stored.updated) == (1_900_000_000, 1_900_000_000)
    assert (stored.not_before, stored.expires) == (None, 1_950_000_000)
    assert stored.content_type == "text/plain"


async def test_the_index_and_the_versions_come_whole_however_many_pages(
    azure: FakeAzure, vault: KeyVault
) -> None:
    for number in range(60):
        azure.vault.put("many", str(number))
    for number in range(59):
        azure.vault.put(f"s{number}", VALUE)
    listed = [one async for one in vault.secrets()]
    assert len(listed) == 60
    assert all(one.version is None for one in listed)
    versions = await vault.versions("many")
    assert {one.version for one in versions} == {v.id for v in azure.vault.secrets["many"].versions}
    assert azure.vault.calls.count("list") == azure.vault.calls.count("versions") == 3


async def test_an_update_changes_one_version(azure: FakeAzure, vault: KeyVault) -> None:
    first = azure.vault.put("a", "1", tags={"owner": "x"})
    newest = azure.vault.put("a", "2")
    await vault.update("a", first.id, expires=1_950_000_000)
    changed = await vault.update("a", enabled=False)
    assert (first.enabled, first.exp, first.tags) == (True, 1_950_000_000, {"owner": "x"})
    assert (changed.version, newest.enabled, newest.exp) == (newest.id, False, None)


async def test_a_user_assigned_identity_is_used_where_one_is_named(
    azure: FakeAzure, hosted: None
) -> None:
    azure.identity.user_assigned.add(CLIENT)
    azure.vault.put("a", VALUE)
    vault = KeyVault(azure.vault.uri, lambda: managed_identity(CLIENT), transport=azure.transport)
    assert (await vault.get("a")).value == VALUE
    await vault.close()
    assert azure.identity.calls.count("token", CLIENT) == 1


async def test_a_closed_client_stays_closed_whatever_is_under_way(
    azure: FakeAzure, vault: KeyVault
) -> None:
    azure.vault.put("a", VALUE)
    azure.vault.faults.set("get", HANG)
    getting = asyncio.ensure_future(vault.get("a"))
    await azure.vault.calls.arrival("get")
    await vault.close()
    with pytest.raises(VaultUnavailable):
        await getting
    with pytest.raises(VaultUnavailable, match="is closed"):
        await vault.get("a")
    assert azure.vault.calls.count("get") == 1


async def test_what_is_missing_disabled_or_taken_is_told_apart(
    azure: FakeAzure, vault: KeyVault
) -> None:
    with pytest.raises(SecretMissing, match="no secret gone in https://"):
        await vault.get("gone")
    with pytest.raises(SecretMissing):
        await vault.versions("gone")
    with pytest.raises(SecretMissing):
        await vault.update("gone", enabled=False)
    azure.vault.put("off", VALUE, enabled=False)
    with pytest.raises(SecretDisabled):
        await vault.get("off")
    azure.vault.deleted["old"] = azure.vault.secrets["off"]
    with pytest.raises(NameTaken, match="recover it, purge it"):
        await vault.set("old", VALUE)


READS = ("list", "versions", "get")
WRITES = ("set", "update")


async def ask(vault: KeyVault, operation: str) -> object:
    match operation:
        case "list":
            return [one async for one in vault.secrets()]
        case "versions":
            return await vault.versions("a")
        case "get":
            return await vault.get("a")
        case "set":
            return await vault.set("a", VALUE)
        case _:
            return await vault.update("a", enabled=True)


@pytest.mark.parametrize("operation", [*READS, *WRITES])
@pytest.mark.parametrize(
    ("fault", "error", "told", "again"),
    [
        (FORBIDDEN, AccessDenied, "grant this identity the role", False),
        (FIREWALL, AccessDenied, "network rules", False),
        (UNAUTHORIZED, SignInFailed, "another tenant", False),
        (BROKEN, VaultUnavailable, "answers 500", True),
        (BUSY, VaultUnavailable, "answers 503", False),
        (throttled(30), Throttled, "throttling", False),
        (DROP, VaultUnavailable, "cannot be reached: ServerDisconnectedError", True),
        (CUT, VaultUnavailable, "cannot be reached: ClientPayloadError", True),
        (answer(200, "<html>"), VaultUnavailable, "is no key vault", True),
        (HALF_JSON, VaultUnavailable, "is no key vault", True),
        (answer(302, "", {"Location": "https://evil.example/"}), VaultUnavailable, "302", True),
        (answer(400), VaultError, "does not understand", False),
    ],
    ids=[
        "forbidden", "firewall", "unauthorized", "broken", "busy", "throttled", "drop", "cut",
        "html", "half", "redirect", "bad",
    ],
)  # fmt: skip
async def test_each_failure_says_what_it_is_and_a_vault_comes_back(
    azure: FakeAzure,
    vault: KeyVault,
    operation: str,
    fault: Fault,
    error: type[VaultError],
    told: str,
    again: bool,
) -> None:
    azure.vault.put("a", VALUE)
    azure.vault.faults.set(operation, fault)
    with pytest.raises(VaultError, match=told) as caught:
        await ask(vault, operation)
    assert type(caught.value) is error
    assert VALUE not in f"{caught.value!r}{caught.value.__cause__!r}"
    tries = 2 if again and operation in READS else 1
    if fault is DROP and operation != "update":
        # aiohttp itself repeats what is lost with a kept connection, unless it is a PATCH.
        assert tries <= azure.vault.calls.count(operation) <= 2 * tries
    else:
        assert azure.vault.calls.count(operation) == tries
    azure.vault.faults.clear()
    assert await ask(vault, operation)


@pytest.mark.parametrize("operation", READS)
async def test_a_read_survives_one_bad_answer(
    azure: FakeAzure, vault: KeyVault, operation: str
) -> None:
    azure.vault.put("a", VALUE)
    azure.vault.faults.set(operation, BROKEN, times=1)
    assert await ask(vault, operation)
    assert azure.vault.calls.count(operation) == 2


@pytest.mark.parametrize("fault", [BROKEN, CUT, HALF_JSON], ids=["broken", "cut", "half"])
async def test_a_list_broken_in_the_middle_goes_on_there(
    azure: FakeAzure, vault: KeyVault, fault: Fault
) -> None:
    for number in range(60):
        azure.vault.put(f"s{number}", VALUE)
    listing = vault.secrets()
    names = [(await anext(listing)).name]
    azure.vault.faults.set("list", fault, times=1)
    names += [one.name async for one in listing]
    assert names == [f"s{number}" for number in range(60)]
    assert azure.vault.calls.count("list") == 4


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(throttled(30), 30), (BUSY, 7), (throttled(999_999), 3600), (answer(429), 10)],
)
async def test_how_long_to_wait_is_what_the_vault_says(
    azure: FakeAzure, vault: KeyVault, fault: Fault, seconds: float
) -> None:
    azure.vault.faults.set("get", fault)
    with pytest.raises(VaultUnavailable) as caught:
        await vault.get("a")
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("operation", "role"),
    [("get", '"Key Vault Secrets User"'), ("set", '"Key Vault Secrets Officer"')],
)
async def test_a_refusal_names_the_role_to_grant(
    azure: FakeAzure, vault: KeyVault, operation: str, role: str
) -> None:
    azure.vault.faults.set(operation, FORBIDDEN)
    with pytest.raises(AccessDenied, match=role):
        await ask(vault, operation)


@pytest.mark.parametrize("limit", ["read", "deadline"])
async def test_a_vault_that_does_not_answer_is_given_up_on(
    azure: FakeAzure, vault: KeyVault, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    azure.vault.put("a", VALUE)
    await vault.get("a")  # Signing in takes longer than there is time below.
    azure.vault.faults.set("get", HANG)
    with monkeypatch.context() as impatient:
        if limit == "read":
            impatient.setitem(key_vault._LIMITS, "read_timeout", 0.2)
        else:
            impatient.setattr(key_vault, "DEADLINE_SECONDS", 0.2)
        with pytest.raises(VaultUnavailable, match="took too long"):
            await vault.get("a")
    await azure.vault.calls.arrival("get", 3)
    azure.vault.faults.clear()
    assert (await vault.get("a")).value == VALUE
    assert azure.vault.calls.count("get") == 4


async def test_a_misspelt_vault_is_said_to_be_one(azure: FakeAzure, hosted: None) -> None:
    vault = KeyVault(
        "https://nosuch.vault.azure.net",
        lambda: managed_identity(None),
        transport=azure.transport,
    )
    with pytest.raises(VaultUnavailable, match="is the vault's name right"):
        await vault.get("a")
    await vault.close()


async def test_a_host_without_an_identity_is_said_to_be_one(azure: FakeAzure, hosted: None) -> None:
    vault = KeyVault(azure.vault.uri, lambda: managed_identity(CLIENT), transport=azure.transport)
    with pytest.raises(SignInFailed, match=f"No token for {azure.vault.uri}"):
        await vault.get("a")
    assert azure.vault.calls.operations() == ["challenge"]
    await vault.close()


async def test_a_vault_that_asks_for_a_token_for_something_else_gets_none(
    azure: FakeAzure, vault: KeyVault
) -> None:
    """The client's own check, which stays on: else a hostile server could harvest tokens."""
    asked = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://graph"'
    azure.vault.put("a", VALUE)
    await vault.get("a")
    azure.vault.faults.set("get", answer(401, "", {"WWW-Authenticate": asked}))
    with pytest.raises(VaultUnavailable):
        await vault.get("a")
    resources = {call.details["resource"] for call in azure.identity.calls.all("token")}
    assert resources == {RESOURCE}


@pytest.fixture
async def several(azure: FakeAzure, vault: KeyVault) -> KeyVault:
    for number in range(20):
        azure.vault.put(f"s{number}", VALUE)
    return vault


async def test_calls_at_the_same_time_share_one_sign_in(
    azure: FakeAzure, several: KeyVault
) -> None:
    await several.get("s0")
    got = await asyncio.gather(*(several.get(f"s{number}") for number in range(20)))
    assert {one.value for one in got} == {VALUE}
    assert azure.identity.calls.count() == 1


async def test_a_caller_who_gives_up_leaves_the_client_usable(
    azure: FakeAzure, several: KeyVault
) -> None:
    azure.vault.faults.set("get", HANG)
    getting = asyncio.ensure_future(several.get("s1"))
    await azure.vault.calls.arrival("get")
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    azure.vault.faults.clear()
    assert (await several.get("s1")).value == VALUE


async def test_a_secret_does_not_show_its_value(azure: FakeAzure, several: KeyVault) -> None:
    secret = await several.get("s1")
    assert VALUE not in repr(secret)
    assert "s1" in repr(secret)
