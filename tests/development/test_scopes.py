"""`scope` and `resource`, resolved and refused as Entra does."""

import pytest

from development import scopes
from development.errors import Refused
from development.scopes import EXCHANGE, GRAPH
from tests.development.support import API, REGISTRATION, URL

ME = "client"


def code(scope: str | None, resource: str | None = None) -> int:
    with pytest.raises(Refused) as refused:
        scopes.read(scope, resource, ME, REGISTRATION)
    return refused.value.code


@pytest.mark.parametrize(
    ("scope", "uri", "names"),
    [
        (f"{API}/read", API, ("read",)),
        (f"{API}/read {API}/write {API}/read", API, ("read", "write")),
        (f"{URL}/read", URL, ("read",)),
        (f"{URL}/.default", URL, (".default",)),
        (f"{REGISTRATION.client_id}/.default", REGISTRATION.client_id, (".default",)),
        (f"{REGISTRATION.client_id}/write", REGISTRATION.client_id, ("write",)),
    ],
)
def test_a_full_scope_names_the_api(scope: str, uri: str, names: tuple[str, ...]) -> None:
    asked = scopes.read(scope, None, ME, REGISTRATION)
    assert (asked.resource.id, asked.resource.uri) == (REGISTRATION.client_id, uri)
    assert asked.scopes == names


@pytest.mark.parametrize(
    ("scope", "uri"),
    [
        ("https://management.azure.com/.default", "https://management.azure.com"),
        ("https://management.azure.com//.default", "https://management.azure.com/"),
        ("https://vault.azure.net/user_impersonation", "https://vault.azure.net"),
        (
            "https://ossrdbms-aad.database.windows.net/.default",
            "https://ossrdbms-aad.database.windows.net",
        ),
        (f"{EXCHANGE}/.default", EXCHANGE),
        ("https://graph.microsoft.com/User.Read", "https://graph.microsoft.com"),
        ("User.Read", "https://graph.microsoft.com"),
    ],
)
def test_other_resources_are_those_azure_has(scope: str, uri: str) -> None:
    assert scopes.read(scope, None, ME, REGISTRATION).resource.uri == uri


def test_openid_scopes_stand_by_themselves() -> None:
    asked = scopes.read(f"openid {API}/read offline_access", None, ME, REGISTRATION)
    assert asked.oidc == {"openid", "offline_access"}
    assert asked.scopes == ("read",)
    assert scopes.read("openid profile", None, ME, REGISTRATION).resource.id == GRAPH


@pytest.mark.parametrize("resource", [URL, API])
def test_a_resource_is_any_identifier_of_the_same_application(resource: str) -> None:
    asked = scopes.read(f"{API}/read", resource, ME, REGISTRATION)
    assert (asked.resource.uri, asked.scopes) == (API, ("read",))


@pytest.mark.parametrize(
    "resource",
    [
        f"{URL}/",
        URL.upper(),
        URL.replace("127.0.0.1", "localhost"),
        "http://127.0.0.1:7071",
        "https://management.azure.com",
        "nonsense",
    ],
)
def test_a_resource_that_is_not_the_scopes_own_letter_by_letter_is_refused(resource: str) -> None:
    assert code(f"{API}/read", resource) == 9010010


def test_a_bare_scope_is_graphs() -> None:
    assert code("read") == 650053
    assert code("read write") == 650053
    assert code("User.Read", URL) == 9010010
    assert code("openid", URL) == 9010010


@pytest.mark.parametrize(
    ("scope", "number"),
    [
        (None, 900144),
        ("", 900144),
        ("  ", 900144),
        (f"{API}/read https://vault.azure.net/.default", 28000),
        (f"{API}/read User.Read", 28000),
        (f"{API}/delete", 650053),
        ("api://unknown/read", 500011),
        ("https://evil.example/.default", 500011),
        ("https://vault.azure.net.evil.example/.default", 500011),
        (f"{API}/", 70011),
        ("/read", 70011),
        (f"{API}/.default {API}/read", 70011),
        (f"{API}/openid", 65005),
    ],
)
def test_what_entra_would_refuse_is_refused(scope: str | None, number: int) -> None:
    assert code(scope) == number
