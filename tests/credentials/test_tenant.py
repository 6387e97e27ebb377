"""Acting on behalf of users whose tenant has policies: consent and Conditional Access."""

import base64
import json

import pytest

from development.directory import DAEMON, DAEMON_SECRET, user_named
from development.identity import TENANT
from development.serving import Served
from shared.configuration.outbound import Application, ClientSecret, UseOnBehalfOf
from shared.credential import ClaimsChallenge, ConsentMissing, CredentialRefused
from shared.credentials.by_caller import Credentials
from tests.credentials.support import ARM, Maker, claims_of, for_everybody
from tests.credentials.tenant import UNCONSENTED, acting, reach, signed_in

VAULT = "https://vault.azure.net/.default"


@pytest.fixture
def credentials(make: Maker, served: Served) -> Credentials:
    return make(for_everybody(acting(served)), reach=reach(served))


async def test_a_user_of_the_development_identity_acts_as_themselves(
    credentials: Credentials, served: Served
) -> None:
    alma = user_named("alma")
    assert alma is not None
    got = await credentials.of(signed_in(served, "alma")).get_token(ARM)
    claims = claims_of(got.token)
    assert (claims["oid"], claims["scp"]) == (alma.object_id, "user_impersonation")


@pytest.mark.parametrize(
    ("scope", "permission"),
    [
        (
            VAULT,
            "user_impersonation of Azure Key Vault (cfa8b339-82a2-471a-a3c9-0fc0be7a4093)",
        ),
        (f"{UNCONSENTED}/.default", f"a delegated permission of {UNCONSENTED}"),
    ],
)
async def test_missing_consent_names_the_permission_and_who_can_give_it(
    credentials: Credentials, served: Served, scope: str, permission: str
) -> None:
    with pytest.raises(ConsentMissing) as caught:
        await credentials.of(signed_in(served, "alma")).get_token(scope)
    client_id = served.identity.registration.client_id
    told = str(caught.value)
    assert permission in told
    assert f"{served.identity.base}/{TENANT}/adminconsent?client_id={client_id}" in told
    assert "AADSTS65001" in told


async def test_a_claims_challenge_is_met_by_a_new_token(
    credentials: Credentials, served: Served
) -> None:
    with pytest.raises(ClaimsChallenge) as caught:
        await credentials.of(signed_in(served, "edith")).get_token(ARM)
    assert json.loads(caught.value.claims)["access_token"]["acrs"]["value"] == "c1"
    assert "AADSTS50076" in str(caught.value)
    assert caught.value.claims in str(caught.value)
    again = signed_in(served, "edith", caught.value.claims)
    got = await credentials.of(again).get_token(ARM)
    assert claims_of(got.token)["name"] == "Edith Engel"


async def test_claims_of_the_service_that_is_called_are_asked_for(
    credentials: Credentials, served: Served
) -> None:
    """What a client of Azure does on a 401 with insufficient_claims."""
    edith = signed_in(served, "edith")
    wanted = json.dumps({"access_token": {"acrs": {"value": "c1"}}})
    got = await credentials.of(edith).get_token(ARM, claims=wanted)
    assert claims_of(got.token)["name"] == "Edith Engel"
    with pytest.raises(ClaimsChallenge):
        await credentials.of(edith).get_token(ARM)


async def test_claims_split_what_is_remembered(credentials: Credentials, served: Served) -> None:
    alma = signed_in(served, "alma")
    plain = await credentials.of(alma).get_token(ARM)
    claims = json.dumps({"access_token": {"nbf": {"essential": True, "value": "1"}}})
    more = await credentials.of(alma).get_token(ARM, claims=claims)
    assert more.token != plain.token
    assert (await credentials.of(alma).get_token(ARM)).token == plain.token
    assert (await credentials.of(alma).get_token(ARM, claims=claims)).token == more.token


async def test_a_client_that_handles_revocation_is_told_apart(
    credentials: Credentials, served: Served
) -> None:
    alma = signed_in(served, "alma")
    plain = await credentials.of(alma).get_token(ARM)
    assert (await credentials.of(alma).get_token(ARM, enable_cae=True)).token != plain.token


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("https://nowhere.example/.default", "knows no resource https://nowhere.example"),
        ("https://graph.microsoft.com/Nothing.Read", "does not exist on"),
    ],
)
async def test_a_wrong_scope_is_told(
    credentials: Credentials, served: Served, scope: str, said: str
) -> None:
    with pytest.raises(CredentialRefused, match=said):
        await credentials.of(signed_in(served, "alma")).get_token(scope)


async def test_scopes_of_two_resources_are_refused(
    credentials: Credentials, served: Served
) -> None:
    with pytest.raises(CredentialRefused, match="one resource"):
        await credentials.of(signed_in(served, "alma")).get_token(
            "https://management.azure.com/user_impersonation",
            "https://storage.azure.com/user_impersonation",
        )


async def test_a_token_for_another_application_is_refused(make: Maker, served: Served) -> None:
    daemon = Application(served.identity.base, DAEMON, ClientSecret(DAEMON_SECRET))
    settings = UseOnBehalfOf(daemon)
    with pytest.raises(CredentialRefused, match="was not issued for the application"):
        await (
            make(for_everybody(settings), reach=reach(served))
            .of(signed_in(served, "alma"))
            .get_token(ARM)
        )


async def test_a_plain_http_sign_in_host_is_refused_with_the_way_out(
    make: Maker, served: Served
) -> None:
    credentials = make(for_everybody(acting(served)), reach={})
    with pytest.raises(CredentialRefused, match="over https only"):
        await credentials.of(signed_in(served, "alma")).get_token(ARM)


async def test_no_token_is_in_what_is_logged_or_said(
    credentials: Credentials, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    edith = signed_in(served, "edith")
    with pytest.raises(ClaimsChallenge) as caught:
        await credentials.of(edith).get_token(ARM)
    got = await credentials.of(signed_in(served, "alma")).get_token(ARM)
    assert edith.assertion is not None
    said = caplog.text + str(caught.value) + repr(credentials.of(edith))
    for token in (edith.assertion, got.token):
        assert token.rpartition(".")[2] not in said
    assert base64.b64encode(b"development-only").decode() not in said
    assert "development-only-secret" not in said
