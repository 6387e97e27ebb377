"""The endpoint over a key vault: keys, references and the kill switch, with the real client."""

import asyncio
import json
import logging
import time
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commands import keys as command
from shared import vaults
from shared.authentication import key_format
from shared.authentication.vault_keys import VaultKeyRing
from shared.configuration.load import load
from shared.configuration.problems import ConfigurationError
from shared.configuration.references import Reference
from shared.endpoint import Endpoint
from shared.key_vault import Vaults, managed_identity
from shared.startup import endpoint_of, offer
from tests.fakes.azure import FakeAzure
from tests.fakes.key_vault import BUSY, FORBIDDEN
from tests.support import (
    READER_KEY,
    configured,
    message,
    routing_headers,
    send,
    write_configuration,
)

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
Make = Callable[[Mapping[str, Any]], Endpoint]


@pytest.fixture
def opened(azure: FakeAzure, hosted: None) -> Callable[[], Vaults]:
    """Opens the fake vaults, signed in with the host's managed identity."""
    return lambda: Vaults(lambda: managed_identity(None), transport=azure.transport)


@pytest.fixture
async def made(
    azure: FakeAzure, opened: Callable[[], Vaults], tmp_path: Path
) -> AsyncIterator[Make]:
    """Makes endpoints whose keys are in the vault, with some changes."""
    endpoints = []

    def make(changes: Mapping[str, Any]) -> Endpoint:
        scheme = {"Keys": None, "KeyVault": {"VaultUri": azure.vault.uri}}
        base = configured({"Authentication": {"Schemes": {"ApiKey": scheme}}})
        file = write_configuration(tmp_path, {**base, **changes})
        offered = offer(
            tmp_path,
            {},
            package="tests.toolsets",
            config_file=file,
            resolve=partial(vaults.resolve, opened),
        )
        endpoint = endpoint_of(offered._replace(vaults=opened))
        endpoints.append(endpoint)
        return endpoint

    yield make
    for endpoint in endpoints:
        await endpoint.close()


def store(azure: FakeAzure, id: str = "build001", **tags: str) -> str:
    """A key in the vault, as a hash."""
    key = key_format.make(id)
    tags = {"owner": "Build team", "roles": "reader ops", **tags}
    azure.vault.put(f"mcp-key-{id}", key_format.digest_text(key), tags=tags)
    return key


async def whoami(endpoint: Endpoint, key: str, *, modern: bool = False) -> Any:
    body = message("tools/call", {"name": "greet", "arguments": {"name": "Ada"}}, modern=modern)
    return await send(endpoint, body, routing_headers(body) if modern else {}, key=key)


@ERAS
async def test_a_key_of_the_vault_is_recognised_by_name(
    azure: FakeAzure, made: Make, modern: bool, caplog: pytest.LogCaptureFixture
) -> None:
    key = store(azure)
    with caplog.at_level(logging.INFO, "postern.audit"):
        response = await whoami(made({}), key, modern=modern)
    assert response.status == 200
    (record,) = (
        json.loads(line.getMessage()) for line in caplog.records if line.name == "postern.audit"
    )
    assert (record["principal"], record["owner"]) == ("key/build001", "Build team")
    assert key not in caplog.text


async def test_a_strangers_key_is_401_and_is_not_asked_for(azure: FakeAzure, made: Make) -> None:
    store(azure)
    endpoint = made({})
    for key in (key_format.make("stranger"), "wrong", READER_KEY):
        response = await whoami(endpoint, key)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'ApiKey realm="postern"'
    assert azure.vault.calls.count("get") == 0


async def test_without_the_vault_keys_are_503_with_a_time_to_come_again(
    azure: FakeAzure, made: Make
) -> None:
    key = store(azure)
    azure.vault.faults.set("list", BUSY)
    response = await whoami(made({}), key)
    assert response.status == 503
    assert int(response.headers["Retry-After"]) >= 1
    text = json.loads(response.body)["error"]["message"]
    assert text == "Keys cannot be checked now: the vault they are kept in is not available."


async def test_keys_of_the_file_and_of_the_vault_work_side_by_side(
    azure: FakeAzure, made: Make
) -> None:
    key = store(azure)
    changes = configured(
        {"Authentication": {"Schemes": {"ApiKey": {"KeyVault": {"VaultUri": azure.vault.uri}}}}}
    )
    endpoint = made(changes)
    assert (await whoami(endpoint, key)).status == 200
    azure.vault.calls.clear()
    assert (await whoami(endpoint, READER_KEY)).status == 200
    assert azure.vault.calls.count("list") == 0


@ERAS
async def test_a_secret_shuts_a_key_out(azure: FakeAzure, made: Make, modern: bool) -> None:
    key = store(azure)
    azure.vault.put("deny", '{"Keys": ["build001"]}')
    deny = {"Deny": {"KeyVault": {"VaultUri": azure.vault.uri, "SecretName": "deny"}}}
    response = await whoami(made(deny), key, modern=modern)
    assert response.status == 403


@pytest.mark.parametrize("value", [None, "not json"])
async def test_a_kill_switch_that_cannot_be_read_lets_nobody_in(
    azure: FakeAzure, made: Make, value: str | None
) -> None:
    key = store(azure)
    if value is not None:
        azure.vault.put("deny", value)
    deny = {"Deny": {"KeyVault": {"VaultUri": azure.vault.uri, "SecretName": "deny"}}}
    response = await whoami(made(deny), key)
    assert response.status == 503
    assert "Retry-After" in response.headers


# References


async def test_a_reference_is_read_with_and_without_a_running_loop(
    azure: FakeAzure, opened: Callable[[], Vaults]
) -> None:
    azure.vault.put("one", "first")
    azure.vault.put("two", "second")
    wanted = [Reference(azure.vault.uri, name) for name in ("one", "two", "none")]
    found = vaults.resolve(opened, wanted)
    assert [found[reference] for reference in wanted[:2]] == ["first", "second"]
    assert "There is no secret none" in str(found[wanted[2]])


def loaded(tmp_path: Path, opened: Callable[[], Vaults], key: str) -> Any:
    changes = {"Server": {"ConfirmationKeys": [key]}}
    file = write_configuration(tmp_path, configured(changes))
    return load(tmp_path, {}, config_file=file, resolve=partial(vaults.resolve, opened))


def test_a_reference_in_the_file_becomes_its_value(
    azure: FakeAzure, opened: Callable[[], Vaults], tmp_path: Path
) -> None:
    azure.vault.put("confirmation", "k1:" + "A" * 43)
    reference = f"@Microsoft.KeyVault(SecretUri={azure.vault.uri}/secrets/confirmation)"
    settings, report = loaded(tmp_path, opened, reference)
    assert settings.confirmation_keys == (("k1", bytes(32)),)
    assert report.problems == []


def test_a_reference_without_a_value_says_what_to_do(
    azure: FakeAzure, opened: Callable[[], Vaults], tmp_path: Path
) -> None:
    azure.vault.faults.set("get", FORBIDDEN)
    reference = f"@Microsoft.KeyVault(SecretUri={azure.vault.uri}/secrets/confirmation)"
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, opened, reference)
    problem = caught.value.problems[0]
    assert problem.path == "Server:ConfirmationKeys[0]"
    assert problem.source.startswith("settings.json:")
    assert 'grant this identity the role "Key Vault Secrets User"' in problem.text


def test_a_value_from_a_vault_is_never_told(
    azure: FakeAzure, opened: Callable[[], Vaults], tmp_path: Path
) -> None:
    azure.vault.put("timeout", "not-a-number-but-a-secret")
    reference = f"@Microsoft.KeyVault(SecretUri={azure.vault.uri}/secrets/timeout)"
    file = write_configuration(tmp_path, configured({"Server": {"ToolTimeoutSeconds": reference}}))
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, {}, config_file=file, resolve=partial(vaults.resolve, opened))
    (problem,) = caught.value.problems
    assert problem.path == "Server:ToolTimeoutSeconds"
    assert "not-a-number-but-a-secret" not in str(caught.value)


# The life of a key


class Hours:
    """The time for the endpoint's ring and the vault. The command line knows the real one."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


async def test_a_key_is_made_called_with_replaced_with_overlap_and_revoked(
    azure: FakeAzure,
    opened: Callable[[], Vaults],
    made: Make,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What docs/api-keys.md shows, on one running endpoint."""
    hours = Hours()
    azure.vault.now = hours
    endpoint = made({})
    reader = opened()
    ring = VaultKeyRing("ApiKey", reader.open(azure.vault.uri), clock=hours, now=hours)
    endpoint._authenticator._vault_rings["X-API-Key"] = ring

    async def keys(*arguments: str) -> str:
        """Run the command; the last line it prints."""
        parser = ArgumentParser()
        parser.add_argument("--json", action="store_true")
        command.configure(parser)
        given = parser.parse_args([*arguments, "--vault-uri", azure.vault.uri])
        connect = lambda uri: opened().open(uri)  # noqa: E731
        assert await asyncio.to_thread(command.main, given, connect) == 0
        return capsys.readouterr().out.rstrip().rpartition("\n")[2]

    async def status(key: str) -> int:
        return int((await whoami(endpoint, key)).status)

    first = await keys("create", "--id", "build001", "--owner", "Build team", "--role", "reader")
    assert await status(first) == 200
    assert first not in str([v.value for s in azure.vault.secrets.values() for v in s.versions])

    hours.now += 5
    second = await keys("rotate", "build001", "--overlap", "24h")
    hours.now += 60
    assert (await status(first), await status(second)) == (200, 200)
    hours.now += 24 * 3600
    assert (await status(first), await status(second)) == (401, 200)

    await keys("revoke", "build001")
    hours.now += 61
    assert (await status(first), await status(second)) == (401, 401)
    await ring.close()
    await reader.close()
