"""The caller's own token goes on to the API it was issued for, and nowhere else."""

import dataclasses

import pytest

from shared.caller import Caller
from shared.configuration.outbound import UsePassthrough
from shared.credential import ClaimsChallenge, CredentialRefused
from tests.credentials.support import (
    ARM,
    CALLERS,
    CLIENT,
    POSTGRES,
    Maker,
    for_everybody,
    user,
)
from tests.fakes.azure import FakeAzure
from tests.fakes.entra import TENANT

APP_ID_URI = "https://mcp.example.com/mcp"
NAMES = frozenset({CLIENT, f"api://{CLIENT}", APP_ID_URI})
ALLOWED = UsePassthrough(True, NAMES)


def calling(azure: FakeAzure, audience: str | list[str]) -> Caller:
    token = azure.entra.mint(audience, oid=CLIENT, scp="read")  # type: ignore[arg-type]
    return dataclasses.replace(user(azure), assertion=token)


@pytest.mark.parametrize("audience", [CLIENT, f"api://{CLIENT}", APP_ID_URI, f"{APP_ID_URI}/"])
@pytest.mark.parametrize("target", [CLIENT, f"api://{CLIENT}", APP_ID_URI, f"{APP_ID_URI}/"])
async def test_a_token_goes_to_its_own_registration_by_any_of_its_names(
    azure: FakeAzure, make: Maker, audience: str, target: str
) -> None:
    caller = calling(azure, audience)
    credential = make(for_everybody(ALLOWED)).of(caller)
    got = await credential.get_token(f"{target}/.default")
    assert (got.token, got.expires_on) == (caller.assertion, caller.expires_at)
    assert credential.acted_as == f"JwtPassthrough {caller.principal}"
    assert azure.entra.calls.operations() == []


@pytest.mark.parametrize(
    "scope",
    [
        POSTGRES,
        ARM,
        "https://evil.example/.default",
        f"{APP_ID_URI}/read",
        f"{APP_ID_URI}/more/.default",
        f"{APP_ID_URI}.evil.example/.default",
        f"api://{CLIENT}",
        "/.default",
        "",
        f"{APP_ID_URI}//x/.default",
    ],
)
async def test_a_token_goes_nowhere_else(azure: FakeAzure, make: Maker, scope: str) -> None:
    credential = make(for_everybody(ALLOWED)).of(calling(azure, CLIENT))
    with pytest.raises(CredentialRefused, match="may not be sent to"):
        await credential.get_token(scope)
    assert credential.acted_as == ""


async def test_every_scope_counts(azure: FakeAzure, make: Maker) -> None:
    credential = make(for_everybody(ALLOWED)).of(calling(azure, CLIENT))
    with pytest.raises(CredentialRefused):
        await credential.get_token(f"{CLIENT}/.default", ARM)


async def test_a_token_for_another_api_is_good_for_that_one_only(
    azure: FakeAzure, make: Maker
) -> None:
    """An audience that is accepted, but is no name of this registration."""
    credential = make(for_everybody(ALLOWED)).of(calling(azure, "api://other"))
    await credential.get_token("api://other/.default")
    with pytest.raises(CredentialRefused):
        await credential.get_token(f"{APP_ID_URI}/.default")


async def test_several_audiences_are_refused(azure: FakeAzure, make: Maker) -> None:
    credentials = make(for_everybody(ALLOWED))
    await credentials.of(calling(azure, [CLIENT])).get_token(f"{CLIENT}/.default")
    with pytest.raises(CredentialRefused, match="several audiences"):
        await credentials.of(calling(azure, [CLIENT, APP_ID_URI])).get_token(f"{CLIENT}/.default")


async def test_without_the_switch_everything_is_refused_with_the_reason(
    azure: FakeAzure, make: Maker
) -> None:
    credential = make(for_everybody(UsePassthrough(False, NAMES))).of(user(azure))
    with pytest.raises(CredentialRefused, match="without allowPassthrough: true"):
        await credential.get_token(f"{CLIENT}/.default")


async def test_a_caller_without_a_token_has_none_to_pass_on(make: Maker) -> None:
    with pytest.raises(CredentialRefused, match="came without one"):
        await make(for_everybody(ALLOWED)).of(CALLERS["key"]).get_token(f"{CLIENT}/.default")


async def test_another_tenant_is_refused(azure: FakeAzure, make: Maker) -> None:
    credential = make(for_everybody(ALLOWED)).of(user(azure))
    await credential.get_token(f"{CLIENT}/.default", tenant_id=TENANT)
    with pytest.raises(CredentialRefused, match="in no other"):
        await credential.get_token(f"{CLIENT}/.default", tenant_id=CLIENT)


async def test_claims_the_api_asks_for_go_to_the_client(azure: FakeAzure, make: Maker) -> None:
    credential = make(for_everybody(ALLOWED)).of(user(azure))
    with pytest.raises(ClaimsChallenge) as caught:
        await credential.get_token(f"{CLIENT}/.default", claims='{"access_token":{}}')
    assert caught.value.claims == '{"access_token":{}}'
