"""The host's managed identity, by azure-identity against the endpoints hosts have."""

import time

import pytest

from shared.configuration.outbound import OutboundSettings, UseManagedIdentity
from shared.credential import CredentialRefused
from shared.credentials.by_caller import Credentials
from tests.credentials.support import (
    ARM,
    CALLERS,
    KINDS,
    POSTGRES,
    Clock,
    Maker,
    claims_of,
    for_everybody,
    token_in_time,
    user,
)
from tests.fakes.azure import FakeAzure
from tests.fakes.entra import object_id
from tests.fakes.faults import DROP, HANG, answer
from tests.fakes.managed_identity import SYSTEM_ASSIGNED
from tests.support import reserved_port

IDENTITY = "12345678-1234-1234-1234-123456789abc"
PROXY_ADVICE = "no network policy or proxy stands before 169.254.169.254"

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variables of a host."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def app_service(azure: FakeAzure, clean: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in azure.identity.app_service().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def imds(azure: FakeAzure, clean: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in azure.identity.imds().items():
        monkeypatch.setenv(name, value)


def system_assigned(make: Maker, **more: object) -> Credentials:
    return make(for_everybody(UseManagedIdentity()), **more)


async def refusal(credentials: Credentials) -> str:
    with pytest.raises(CredentialRefused) as caught:
        await credentials.of(CALLERS["key"]).get_token(ARM)
    return str(caught.value)


@pytest.mark.parametrize("host", ["app_service", "imds"])
@pytest.mark.parametrize("client_id", [None, IDENTITY])
async def test_the_hosts_identity_acts_whoever_calls(
    azure: FakeAzure,
    make: Maker,
    request: pytest.FixtureRequest,
    host: str,
    client_id: str | None,
) -> None:
    request.getfixturevalue(host)
    azure.identity.user_assigned.add(IDENTITY)
    credentials = make(for_everybody(UseManagedIdentity(client_id)))
    for caller in (user(azure), CALLERS["application"], CALLERS["key"]):
        credential = credentials.of(caller)
        claims = claims_of((await credential.get_token(POSTGRES)).token)
        assert claims["aud"] == "https://ossrdbms-aad.database.windows.net"
        assert claims["oid"] == object_id(client_id or SYSTEM_ASSIGNED)
        assert credential.acted_as == f"ManagedIdentity {client_id or 'system-assigned'}"
    (asked,) = azure.identity.calls.all("token")
    assert (asked.name, asked.details["host"]) == (client_id or "", host)


async def test_workload_identity_comes_with_it(
    azure: FakeAzure, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in azure.workload_identity(IDENTITY).items():
        monkeypatch.setenv(name, value)
    token = (await system_assigned(make).of(CALLERS["key"]).get_token(ARM)).token
    assert claims_of(token)["appid"] == IDENTITY


async def test_azure_identity_renews_tokens_so_it_is_asked_again_soon(
    azure: FakeAzure, make: Maker, app_service: None
) -> None:
    clock = Clock(time.time())
    credentials = system_assigned(make, clock=clock)
    first = (await credentials.of(CALLERS["key"]).get_token(ARM)).token
    clock.now += 301
    assert (await credentials.of(CALLERS["key"]).get_token(ARM)).token == first
    assert azure.identity.calls.count("token") == 1


async def test_claims_of_a_service_get_a_token_that_was_asked_for_anew(
    azure: FakeAzure, make: Maker, app_service: None
) -> None:
    """Though nobody tells the identity endpoint of them."""
    credential = system_assigned(make).of(CALLERS["key"])
    await credential.get_token(ARM)
    await credential.get_token(ARM, claims='{"access_token":{}}')
    assert azure.identity.calls.count("token") == 2


async def test_one_identity_for_two_kinds_of_caller_is_asked_once(
    azure: FakeAzure, make: Maker, app_service: None
) -> None:
    both = dict.fromkeys(KINDS, UseManagedIdentity())
    credentials = make(OutboundSettings({**both}))
    for kind in ("application", "anonymous"):
        await credentials.of(CALLERS[kind]).get_token(ARM)
    assert azure.identity.calls.count("token") == 1


async def test_a_host_without_identity_is_told_what_to_enable(
    azure: FakeAzure, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reserved_port() as closed:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://127.0.0.1:{closed}")
        told = await refusal(system_assigned(make, timeout=1.0))
    assert "enable a managed identity" in told
    assert PROXY_ADVICE in told


async def test_imds_without_an_identity_is_told_what_to_enable(
    azure: FakeAzure, make: Maker, imds: None
) -> None:
    azure.identity.faults.set("token", answer(400, {"error": "invalid_request"}))
    told = await refusal(system_assigned(make))
    assert "enable a managed identity" in told


async def test_an_identity_the_host_does_not_have_is_named(
    azure: FakeAzure, make: Maker, app_service: None
) -> None:
    told = await refusal(make(for_everybody(UseManagedIdentity(IDENTITY))))
    assert f"does not have the managed identity {IDENTITY}" in told


async def test_an_endpoint_that_is_slow_is_not_waited_for(
    azure: FakeAzure, make: Maker, app_service: None
) -> None:
    azure.identity.faults.set("token", HANG)
    credentials = system_assigned(make, timeout=0.3)
    told = await refusal(credentials)
    assert "did not answer within 0.3 seconds" in told
    assert PROXY_ADVICE in told
    azure.identity.faults.clear()
    await token_in_time(credentials.of(CALLERS["key"]))


@pytest.mark.parametrize(
    "fault",
    [
        answer(200, "<html>a proxy's page</html>", {"Content-Type": "text/html"}),
        answer(200, {"unexpected": True}),
        answer(403, "A socket operation was attempted to an unreachable network"),
        DROP,
    ],
)
@pytest.mark.parametrize("host", ["app_service", "imds"])
async def test_something_else_that_answers_is_told(
    azure: FakeAzure, make: Maker, request: pytest.FixtureRequest, host: str, fault: object
) -> None:
    request.getfixturevalue(host)
    azure.identity.faults.set("token", fault)  # type: ignore[arg-type]
    told = await refusal(system_assigned(make, timeout=2.0))
    assert "managed identity" in told
    assert "operator" in told


async def test_a_wrong_header_is_told(
    azure: FakeAzure, make: Maker, app_service: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "of-another-host")
    assert "gave no token" in await refusal(system_assigned(make))
