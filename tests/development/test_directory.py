"""The invented people and applications."""

import pytest

from development.directory import CLIENTS, USERS, user_named
from development.registration import Registration
from tests.development.support import REGISTRATION


def test_every_user_and_client_is_somebody_else() -> None:
    for values in (
        [user.name for user in USERS],
        [user.login for user in USERS],
        [user.object_id for user in USERS] + [client.object_id for client in CLIENTS],
        [client.id for client in CLIENTS],
    ):
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", ["alma", "ALMA", "Alma Adler", "alma@postern.example", " alma "])
def test_a_user_is_found_by_login_first_name_or_name(name: str) -> None:
    assert user_named(name) == USERS[0]


@pytest.mark.parametrize("name", ["", "al", "adler", "alma@elsewhere.example"])
def test_nobody_else_is_found(name: str) -> None:
    assert user_named(name) is None


def test_a_subject_is_stable_and_differs_between_applications() -> None:
    user = USERS[0]
    assert user.subject("one") == user.subject("one")
    assert len({user.subject("one"), user.subject("two"), USERS[1].subject("one")}) == 3
    assert user.object_id == "948aa7c2-bcc1-5832-98e2-b4c542a2661a"


def test_no_repr_shows_a_secret() -> None:
    secrets = [secret for client in CLIENTS for secret in client.secrets]
    secrets += REGISTRATION.secrets
    told = repr(CLIENTS) + repr(REGISTRATION)
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in told]


def test_the_api_is_an_application_too() -> None:
    api = Registration().client(Registration().client_id.upper())
    assert api is not None
    assert not api.public
    assert Registration().client("nobody") is None
