"""The fake managed identity, asked by the real ManagedIdentityCredential."""

from collections.abc import Mapping

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ManagedIdentityCredential

from tests.fakes.azure import FakeAzure
from tests.fakes.faults import answer
from tests.fakes.managed_identity import SYSTEM_ASSIGNED

SCOPE = "https://vault.azure.net/.default"
CLIENT = "22222222-0000-4000-8000-000000000002"


def variables(azure: FakeAzure, host: str) -> Mapping[str, str]:
    return azure.identity.app_service() if host == "app_service" else azure.identity.imds()


@pytest.mark.parametrize("host", ["app_service", "imds"])
@pytest.mark.parametrize("client_id", [None, CLIENT])
async def test_a_host_gets_tokens_of_its_identities(
    azure: FakeAzure, monkeypatch: pytest.MonkeyPatch, host: str, client_id: str | None
) -> None:
    azure.identity.user_assigned.add(CLIENT)
    for name, value in variables(azure, host).items():
        monkeypatch.setenv(name, value)
    async with ManagedIdentityCredential(client_id=client_id) as identity:
        token = (await identity.get_token(SCOPE)).token
        await identity.get_token(SCOPE)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["appid"] == (client_id or SYSTEM_ASSIGNED)
    assert claims["aud"] == "https://vault.azure.net"
    (call,) = azure.identity.calls.all("token", client_id or "")
    assert call.details == {"resource": "https://vault.azure.net", "host": host}


@pytest.mark.parametrize("host", ["app_service", "imds"])
async def test_an_identity_the_host_lacks_is_refused(
    azure: FakeAzure, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name, value in variables(azure, host).items():
        monkeypatch.setenv(name, value)
    async with ManagedIdentityCredential(client_id=CLIENT) as identity:
        with pytest.raises(ClientAuthenticationError):
            await identity.get_token(SCOPE)


async def test_without_the_hosts_header_there_is_no_token(
    azure: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in azure.identity.app_service().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IDENTITY_HEADER", "another")
    async with ManagedIdentityCredential() as identity:
        with pytest.raises(ClientAuthenticationError):
            await identity.get_token(SCOPE)


async def test_a_fault_is_met_instead_of_an_answer(
    azure: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in azure.identity.app_service().items():
        monkeypatch.setenv(name, value)
    azure.identity.faults.set("token", answer(403, {"error": "forbidden"}), times=1)
    async with ManagedIdentityCredential() as identity:
        with pytest.raises(ClientAuthenticationError):
            await identity.get_token(SCOPE)
        assert (await identity.get_token(SCOPE)).token
