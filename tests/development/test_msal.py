"""Microsoft's own library takes the identity for Entra, over https with the generated authority."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msal
import pytest
import requests

from development import serving
from development.directory import AGENT, DAEMON, DAEMON_SECRET, USERS, WORKLOAD, WORKLOAD_SECRET
from development.registration import API_SECRET
from development.scopes import EXCHANGE
from development.serving import Served
from shared.hosting import uvicorn_server
from tests.development.support import API, REDIRECT, REGISTRATION, claims_of
from tests.development.test_authorize import Reader
from tests.development.test_client_authentication import Certificate, certificate

ARM = "https://management.azure.com/.default"


@pytest.fixture(scope="module")
def registered() -> Certificate:
    return certificate()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, registered: Certificate) -> Served:
    registration = replace(REGISTRATION, certificates=(registered.pem,))
    return serving.start(
        tmp_path_factory.mktemp("project"),
        {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"},
        registration,
        uvicorn_server.listen("127.0.0.1", 0),
    )


@pytest.fixture(autouse=True)
def _trusted(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(served.certificate_authority))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def confidential(
    served: Served, client_id: str, credential: Any, **more: Any
) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        client_id,
        client_credential=credential,
        authority=served.secure_authority,
        instance_discovery=False,
        **more,
    )


def api(served: Served, credential: Any = API_SECRET) -> msal.ConfidentialClientApplication:
    return confidential(served, REGISTRATION.client_id, credential)


def signed_in(served: Served, user: str, **more: Any) -> Any:
    """What a public client gets that signs a user in, with PKCE."""
    client = msal.PublicClientApplication(
        AGENT, authority=served.secure_authority, instance_discovery=False
    )
    flow = client.initiate_auth_code_flow(
        [f"{API}/.default"],
        redirect_uri=REDIRECT,
        prompt="none",
        login_hint=user,
        response_mode="form_post",
        **more,
    )
    reader = Reader(requests.get(flow["auth_uri"], allow_redirects=False, timeout=30).text)
    answer = {field["name"]: field["value"] for field in reader.named("input")}
    return client.acquire_token_by_auth_code_flow(flow, answer), client


def test_without_the_authority_it_is_not_trusted(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(requests.exceptions.SSLError):
        confidential(served, DAEMON, DAEMON_SECRET).acquire_token_for_client([f"{API}/.default"])


def test_an_application_gets_a_token_by_secret_and_keeps_it(served: Served) -> None:
    client = confidential(served, DAEMON, DAEMON_SECRET)
    answer = client.acquire_token_for_client([f"{API}/.default"])
    assert claims_of(answer["access_token"])["roles"] == list(REGISTRATION.application_roles)
    again = client.acquire_token_for_client([f"{API}/.default"])
    assert (again["token_source"], again["access_token"]) == ("cache", answer["access_token"])


def test_a_wrong_secret_is_told_in_entras_words(served: Served) -> None:
    answer = confidential(served, DAEMON, "wrong").acquire_token_for_client([f"{API}/.default"])
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000215])


@pytest.mark.parametrize("older", [True, False], ids=["thumbprint", "certificate"])
def test_the_api_proves_itself_by_certificate(
    served: Served, registered: Certificate, older: bool
) -> None:
    credential = {"private_key": registered.key_pem}
    if older:
        credential["thumbprint"] = base64.urlsafe_b64decode(f"{registered.sha1}=").hex()
    else:
        credential["public_certificate"] = registered.pem
    answer = api(served, credential).acquire_token_for_client([ARM])
    assert "access_token" in answer, answer
    assert claims_of(answer["access_token"])["appidacr"] == "2"


def federated(served: Served) -> Mapping[str, Any]:
    """A credential that asks for a token of the workload each time, as a managed identity's."""
    workload = confidential(served, WORKLOAD, WORKLOAD_SECRET)

    def assertion() -> str:
        answer = workload.acquire_token_for_client([f"{EXCHANGE}/.default"])
        return str(answer["access_token"])

    return {"client_assertion": assertion}


def test_the_api_proves_itself_by_a_federated_token(served: Served) -> None:
    answer = api(served, federated(served)).acquire_token_for_client([ARM])
    assert claims_of(answer["access_token"])["appid"] == REGISTRATION.client_id


def test_a_person_signs_in_and_is_remembered(served: Served) -> None:
    answer, client = signed_in(served, "alma")
    assert claims_of(answer["access_token"])["scp"] == "read write"
    assert answer["id_token_claims"]["preferred_username"] == "alma@postern.example"
    (account,) = client.get_accounts()
    assert account["username"] == "alma@postern.example"
    refreshed = client.acquire_token_silent(
        [f"{API}/.default"], account=account, force_refresh=True
    )
    assert refreshed["access_token"] != answer["access_token"]


def test_a_person_without_assignment_does_not(served: Served) -> None:
    answer, _ = signed_in(served, "dario")
    assert answer["error"] == "access_denied"
    assert "AADSTS50105" in answer["error_description"]


@pytest.mark.parametrize("how", ["secret", "certificate", "federated"])
def test_the_api_acts_on_behalf_of_a_person(
    served: Served, registered: Certificate, how: str
) -> None:
    credential = {
        "secret": API_SECRET,
        "certificate": {
            "private_key": registered.key_pem,
            "public_certificate": registered.pem,
        },
        "federated": federated(served),
    }[how]
    person, _ = signed_in(served, "bruno")
    answer = api(served, credential).acquire_token_on_behalf_of(person["access_token"], [ARM])
    claims = claims_of(answer["access_token"])
    assert (claims["aud"], claims["oid"]) == ("https://management.azure.com", USERS[1].object_id)


def test_a_claims_challenge_is_passed_on_and_met(served: Served) -> None:
    client = api(served)
    person, _ = signed_in(served, "edith")
    challenged = client.acquire_token_on_behalf_of(person["access_token"], [ARM])
    assert (challenged["error"], challenged["suberror"]) == ("interaction_required", "basic_action")
    claims = challenged["claims"]
    assert json.loads(claims)["access_token"]["acrs"]["value"] == "c1"
    person, _ = signed_in(served, "edith", claims_challenge=claims)
    answer = client.acquire_token_on_behalf_of(person["access_token"], [ARM])
    assert claims_of(answer["access_token"])["name"] == "Edith Engel"


def test_an_application_has_nobody_to_act_on_behalf_of(served: Served) -> None:
    daemon = confidential(served, DAEMON, DAEMON_SECRET)
    token = daemon.acquire_token_for_client([f"{API}/.default"])["access_token"]
    answer = api(served).acquire_token_on_behalf_of(token, [ARM])
    assert answer["error_codes"] == [7000114]
