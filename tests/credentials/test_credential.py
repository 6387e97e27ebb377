"""Azure SDK clients take the credential, and let through why there is no token."""

import subprocess
import sys
from pathlib import Path

import pytest
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from azure.keyvault.secrets.aio import SecretClient

from shared.configuration.outbound import Deny, UseManagedIdentity
from shared.credential import CredentialRefused
from tests.credentials.support import ARM, CALLERS, Maker, for_everybody, user
from tests.fakes.azure import FakeAzure


async def test_it_is_what_azure_clients_ask_for(make: Maker) -> None:
    credential = make(for_everybody(UseManagedIdentity())).of(CALLERS["key"])
    assert isinstance(credential, AsyncTokenCredential)
    assert isinstance(credential, AsyncSupportsTokenInfo)


async def test_both_ways_to_ask_give_the_same_token(
    azure: FakeAzure, make: Maker, hosted: None
) -> None:
    credential = make(for_everybody(UseManagedIdentity())).of(CALLERS["key"])
    assert credential.acted_as == ""
    plain = await credential.get_token(ARM, claims=None, tenant_id=None, enable_cae=False)
    info = await credential.get_token_info(ARM, options={"enable_cae": False})
    assert (info.token, info.expires_on) == (plain.token, plain.expires_on)
    assert info.token_type == "Bearer"
    assert credential.acted_as == "ManagedIdentity system-assigned"


async def test_a_token_is_for_something(make: Maker) -> None:
    credential = make(for_everybody(UseManagedIdentity())).of(CALLERS["key"])
    with pytest.raises(ValueError, match="at least one scope"):
        await credential.get_token()


async def test_a_client_of_azure_works_with_it_and_may_close_it(
    azure: FakeAzure, make: Maker, hosted: None
) -> None:
    azure.vault.put("a", "value")
    credentials = make(for_everybody(UseManagedIdentity()))
    for _ in range(2):
        credential = credentials.of(CALLERS["key"])
        async with (
            credential,
            SecretClient(azure.vault.uri, credential, transport=azure.transport()) as client,
        ):
            assert (await client.get_secret("a")).value == "value"
    assert azure.identity.calls.count("token") == 1


async def test_a_refusal_passes_through_a_client_at_once(azure: FakeAzure, make: Maker) -> None:
    """No retries and no wrapping: the tool's caller learns why."""
    azure.vault.put("a", "value")
    credential = make(for_everybody(Deny("because"))).of(CALLERS["key"])
    async with SecretClient(azure.vault.uri, credential, transport=azure.transport()) as client:
        with pytest.raises(CredentialRefused, match="because"):
            await client.get_secret("a")
    assert azure.vault.calls.operations() == ["challenge"]


async def test_its_repr_tells_who_and_no_token(azure: FakeAzure, make: Maker) -> None:
    caller = user(azure)
    credential = make(for_everybody(UseManagedIdentity())).of(caller)
    assert repr(credential) == f"<credential of {caller.principal}>"


def test_importing_the_room_loads_no_azure_library() -> None:

    room = Path(__file__).parents[2] / "shared" / "credentials"
    names = [f"shared.credentials.{file.stem}" for file in room.glob("*.py")]
    names.remove("shared.credentials.entra_http")  # Which is loaded with MSAL.
    program = f"""
import importlib, sys
for name in {names!r}: importlib.import_module(name.removesuffix(".__init__"))
print({{"azure", "msal", "aiohttp", "cryptography", "requests", "jwt"}} & set(sys.modules))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "set()\n"
