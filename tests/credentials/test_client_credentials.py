"""The application itself, where there is no managed identity."""

import asyncio
import time

import pytest

from development.serving import Served
from shared.configuration.outbound import (
    Application,
    ClientSecret,
    FederatedIdentity,
    OutboundSettings,
    UseClientCredentials,
)
from shared.credential import ClaimsChallenge, CredentialRefused
from shared.credentials.by_caller import Credentials
from shared.credentials.entra_app import Reach
from tests.credentials.support import (
    ARM,
    CALLERS,
    CLIENT,
    INSTANCE,
    POSTGRES,
    SECRET,
    Clock,
    Maker,
    application,
    claims_of,
    for_everybody,
    registered,
    user,
)
from tests.credentials.tenant import reach
from tests.fakes.azure import FakeAzure
from tests.fakes.entra import EXCHANGE, TENANT, object_id
from tests.fakes.entra import Application as Registered
from tests.fakes.faults import answer
from tests.fakes.managed_identity import SYSTEM_ASSIGNED


def itself(make: Maker, **more: object) -> Credentials:
    return make(for_everybody(UseClientCredentials(application(), TENANT)), **more)


async def test_the_application_acts_whoever_calls_and_is_asked_once(
    azure: FakeAzure, make: Maker
) -> None:
    registered(azure)
    credentials = itself(make)
    for caller in (user(azure, 1), user(azure, 2), CALLERS["application"], CALLERS["key"]):
        credential = credentials.of(caller)
        claims = claims_of((await credential.get_token(ARM)).token)
        assert (claims["oid"], claims["idtyp"]) == (object_id(CLIENT), "app")
        assert credential.acted_as == f"ClientCredentials {CLIENT}"
    assert azure.entra.calls.operations() == ["configuration", "token"]


async def test_each_resource_has_a_token_of_its_own(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    credential = itself(make).of(CALLERS["key"])
    tokens = await asyncio.gather(*(credential.get_token(s) for s in (ARM, POSTGRES) * 5))
    audiences = [claims_of(one.token)["aud"] for one in tokens]
    assert audiences == [ARM.removesuffix("/.default"), POSTGRES.removesuffix("/.default")] * 5
    assert azure.entra.calls.count("token") == 2


async def test_it_is_renewed_in_time(azure: FakeAzure, make: Maker) -> None:
    registered(azure)
    clock = Clock(time.time())
    credentials = itself(make, clock=clock)
    await credentials.of(CALLERS["key"]).get_token(ARM)
    clock.now += 3600
    await credentials.of(CALLERS["key"]).get_token(ARM)
    assert azure.entra.calls.count("token") == 2


async def test_no_secret_is_needed_with_a_federated_identity(
    azure: FakeAzure, make: Maker, hosted: None
) -> None:
    azure.entra.applications[CLIENT] = Registered(subjects={object_id(SYSTEM_ASSIGNED)})
    app = application(FederatedIdentity(None, EXCHANGE))
    credentials = make(for_everybody(UseClientCredentials(app, TENANT)))
    claims = claims_of((await credentials.of(CALLERS["key"]).get_token(ARM)).token)
    assert claims["appid"] == CLIENT


async def test_a_scope_that_applications_cannot_ask_for_is_told(
    make: Maker, served: Served
) -> None:
    registration = served.identity.registration
    secret = ClientSecret(registration.secrets[0])
    app = Application(served.identity.base, registration.client_id, secret)
    tenant = served.authority.rpartition("/")[2]
    credentials = make(for_everybody(UseClientCredentials(app, tenant)), reach=reach(served))
    await credentials.of(CALLERS["key"]).get_token(ARM)
    with pytest.raises(CredentialRefused, match=r"must ask for https://management\.azure\.com"):
        await credentials.of(CALLERS["key"]).get_token("https://management.azure.com/read")


async def test_a_wrong_secret_and_another_tenant_are_told(azure: FakeAzure, make: Maker) -> None:
    registered(azure, "another")
    credential = itself(make).of(CALLERS["key"])
    with pytest.raises(CredentialRefused, match="AADSTS7000215"):
        await credential.get_token(ARM)
    with pytest.raises(CredentialRefused, match="in no other"):
        await credential.get_token(ARM, tenant_id=CLIENT)


async def test_claims_asked_of_the_application_are_no_challenge_to_who_calls(
    azure: FakeAzure, make: Maker
) -> None:
    registered(azure)
    refused = {"error": "invalid_grant", "error_codes": [53003], "claims": '{"access_token":{}}'}
    azure.entra.faults.set("token", answer(400, refused))
    with pytest.raises(CredentialRefused, match="AADSTS53003") as caught:
        await itself(make).of(user(azure)).get_token(ARM)
    assert not isinstance(caught.value, ClaimsChallenge)


async def test_the_same_ids_in_another_cloud_are_another_application(
    azure: FakeAzure, make: Maker
) -> None:
    registered(azure)
    government = "https://login.microsoftonline.us"
    elsewhere = Application(government, CLIENT, ClientSecret(SECRET))
    settings = for_everybody(UseClientCredentials(application(), TENANT))
    other = UseClientCredentials(elsewhere, TENANT)
    strategies = {**settings.strategies, "key": other}
    to = Reach(azure.entra.url, azure.ca_file)
    credentials = make(OutboundSettings(strategies), reach={INSTANCE: to, government: to})
    for caller in ("application", "key"):
        await credentials.of(CALLERS[caller]).get_token(ARM)
    assert azure.entra.calls.count("token") == 2
