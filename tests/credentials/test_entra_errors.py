"""What Entra refuses, in words that say who mends it."""

from typing import Any

import pytest

from shared.credential import ClaimsChallenge, ConsentMissing, CredentialRefused
from shared.credentials.entra_errors import (
    blames_credential,
    code_of,
    refusal,
    refusal_on_behalf,
)

APP = "85a0b190-f927-4e27-b286-cd301d965e4a"
AUTHORITY = "https://login.microsoftonline.com/tenant"
RESOURCE = "https://storage.azure.com"


def told(**result: Any) -> CredentialRefused:
    return refusal_on_behalf(result, APP, AUTHORITY, RESOURCE)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (50013, "Sign in again"),
        (500133, "has expired"),
        (50057, "disabled"),
        (50173, "has been revoked. Sign in again"),
        (53003, "Conditional Access does not let"),
        (50105, "You are not assigned"),
        (7000114, "needs a user's token"),
        (7000215, "client secret"),
        (7000222, "has expired"),
        (700027, "certificate"),
        (700024, "clock"),
        (70021, "federated credential"),
        (700213, "federated credential"),
        (700016, f"The application {APP}"),
        (90002, "no such tenant"),
        (500011, RESOURCE),
        (1002012, f"{RESOURCE}/.default"),
        (123456789, "gives no token"),
    ],
)
def test_each_code_has_its_words(code: int, said: str) -> None:
    error = told(error="invalid_grant", error_codes=[code], error_description="x")
    assert type(error) is CredentialRefused
    assert said in str(error)
    assert str(error).endswith(f"(AADSTS{code})")


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"error": "server_error"},
        {"error_codes": []},
        {"error_codes": "no list"},
        {"error_codes": ["x"]},
        {"error_description": 5},
    ],
)
def test_what_has_no_code_is_a_refusal_all_the_same(result: dict[str, Any]) -> None:
    assert code_of(result) is None
    assert str(told(**result)).startswith("Entra ID gives no token.")


def test_the_code_is_read_from_the_text_where_there_is_no_list() -> None:
    assert code_of({"error_description": "AADSTS50076: Due to a change"}) == 50076


def test_nothing_of_entras_text_is_repeated() -> None:
    error = told(error="x", error_description="AADSTS7000215: a-secret-it-quotes")
    assert "a-secret-it-quotes" not in str(error)


@pytest.mark.parametrize("claims", ["", None, 5, {}])
def test_claims_that_are_none_are_no_challenge(claims: Any) -> None:
    error = told(error="interaction_required", error_codes=[50079], claims=claims)
    assert not isinstance(error, ClaimsChallenge)
    assert "wants to ask you something" in str(error)


def test_consent_is_told_by_code_or_suberror() -> None:
    for result in ({"error_codes": [65001]}, {"suberror": "consent_required"}):
        error = told(**result)
        assert isinstance(error, ConsentMissing)
        assert "user_impersonation of Azure Storage" in str(error)
        assert f"{AUTHORITY}/adminconsent?client_id={APP}" in str(error)


@pytest.mark.parametrize(("code", "blamed"), [(7000215, True), (700027, True), (65001, False)])
def test_some_codes_blame_the_applications_credential(code: int, blamed: bool) -> None:
    assert blames_credential({"error_codes": [code]}) is blamed


@pytest.mark.parametrize("error", ["interaction_required", "invalid_grant"])
def test_what_has_words_of_its_own_is_told_in_these(error: str) -> None:
    assert "Conditional Access does not" in str(told(error=error, error_codes=[53003]))


def test_an_application_is_asked_for_no_proof_and_no_consent() -> None:
    """There is nobody behind it: the client would sign its user in again for nothing."""
    claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
    for code in (53003, 65001, 50079):
        error = refusal({"error_codes": [code], "claims": claims}, APP, RESOURCE)
        assert type(error) is CredentialRefused
        assert claims not in str(error)
