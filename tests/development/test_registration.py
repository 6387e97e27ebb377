"""Who holds which scopes and roles of the API."""

import pytest

from development.directory import CLIENTS, DAEMON, STRANGER, USERS
from tests.development.support import REGISTRATION


@pytest.mark.parametrize(
    ("number", "scopes", "roles"),
    [
        (0, ("read", "write"), ("finance.reader", "ops")),
        (1, ("read", "write"), ()),
        (2, ("read",), ("finance.reader", "ops")),
    ],
)
def test_users_differ_in_scopes_and_roles(
    number: int, scopes: tuple[str, ...], roles: tuple[str, ...]
) -> None:
    user = USERS[number]
    assert REGISTRATION.consented(user, ("read", "write")) == scopes
    assert REGISTRATION.roles_of(user) == roles


def test_an_application_role_stands_for_each_scope_and_no_user_holds_it() -> None:
    daemon, stranger = (
        next(client for client in CLIENTS if client.id == id) for id in (DAEMON, STRANGER)
    )
    assert REGISTRATION.roles_of(daemon) == ("finance.reader", "ops", "read", "write")
    assert REGISTRATION.roles_of(stranger) == ()
    assert not set(REGISTRATION.scopes) & set(REGISTRATION.roles_of(USERS[0]))
