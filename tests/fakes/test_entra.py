"""The fake token service, asked by the real credentials of azure-identity over TLS."""

import json

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ClientSecretCredential, DefaultAzureCredential

from tests.fakes.azure import FakeAzure
from tests.fakes.entra import TENANT, Application, object_id
from tests.fakes.faults import answer

CLIENT = "11111111-0000-4000-8000-000000000001"
SCOPE = "https://vault.azure.net/.default"


def credential(azure: FakeAzure, secret: str) -> ClientSecretCredential:
    azure.entra.applications[CLIENT] = Application({"right"})
    return ClientSecretCredential(
        TENANT, CLIENT, secret, authority=azure.entra.url, transport=azure.transport()
    )


async def test_a_client_secret_gets_a_token_that_the_published_keys_verify(
    azure: FakeAzure,
) -> None:
    async with credential(azure, "right") as signed_in:
        token = (await signed_in.get_token(SCOPE)).token
    async with azure.transport() as transport:
        assert transport.session is not None
        url = f"{azure.entra.authority}/v2.0/.well-known/openid-configuration"
        metadata = await (await transport.session.get(url)).json()
        keys = json.loads(await (await transport.session.get(metadata["jwks_uri"])).text())
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token,
        key,
        algorithms=["RS256"],
        audience="https://vault.azure.net",
        issuer=metadata["issuer"],
    )
    assert (claims["appid"], claims["oid"], claims["tid"]) == (CLIENT, object_id(CLIENT), TENANT)
    (call,) = azure.entra.calls.all("token", CLIENT)
    expected = {"client_id": CLIENT, "scope": SCOPE, "claims": "", "credential": "secret"}
    assert call.details == expected
    assert azure.entra.calls.operations() == ["token", "configuration", "keys"]


@pytest.mark.parametrize("secret", ["wrong", "right "])
async def test_a_wrong_secret_is_refused_in_entras_words(azure: FakeAzure, secret: str) -> None:
    async with credential(azure, secret) as signed_in:
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
            await signed_in.get_token(SCOPE)


async def test_a_fault_is_met_instead_of_an_answer(azure: FakeAzure) -> None:
    azure.entra.faults.set("token", answer(400, {"error": "temporarily_unavailable"}), times=1)
    async with credential(azure, "right") as signed_in:
        with pytest.raises(ClientAuthenticationError, match="temporarily_unavailable"):
            await signed_in.get_token(SCOPE)
        assert (await signed_in.get_token(SCOPE)).token
    assert azure.entra.calls.count("token") == 2


async def test_a_workload_signs_in_with_its_token_file(
    azure: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in azure.workload_identity(CLIENT).items():
        monkeypatch.setenv(name, value)
    async with DefaultAzureCredential(transport=azure.transport()) as signed_in:
        assert (await signed_in.get_token(SCOPE)).token
    (call,) = azure.entra.calls.all("token")
    assert call.details["credential"] == "assertion"
