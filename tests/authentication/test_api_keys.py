"""Keys of one scheme: who holds which, and that no key shows anywhere."""

import hashlib

import pytest

from shared.authentication.api_keys import KeyRing
from shared.configuration.model import ApiKeyScheme, InlineKey

READER = "reader-key-0123456789abcdefghijklmnop"
OPS = "ops-key-0123456789abcdefghijklmnopqrs"


def key(id: str, value: str, *roles: str, scopes: frozenset[str] = frozenset()) -> InlineKey:
    return InlineKey(id, hashlib.sha256(value.encode()).digest(), scopes, frozenset(roles))


SCHEME = ApiKeyScheme(
    "ApiKey",
    "X-API-Key",
    (
        key("ApiKey-1", READER, "reader", scopes=frozenset({"tools.read"})),
        key("ApiKey-2", OPS, "ops", "reader"),
    ),
)


@pytest.mark.parametrize(
    ("presented", "id", "scopes", "roles"),
    [
        (READER, "ApiKey-1", {"tools.read"}, {"reader"}),
        (OPS, "ApiKey-2", set(), {"ops", "reader"}),
    ],
)
def test_a_key_is_the_caller_it_was_made_for(
    presented: str, id: str, scopes: set[str], roles: set[str]
) -> None:
    caller = KeyRing(SCHEME).caller(presented)
    assert caller is not None
    assert (caller.kind, caller.scheme, caller.key_id) == ("key", "ApiKey", id)
    assert caller.scopes == scopes
    assert caller.roles == roles


@pytest.mark.parametrize(
    "presented",
    [
        "",
        READER[:-1],
        READER + "x",
        READER.upper(),
        f"{READER}\0",
        f"{READER}, {READER}",
        f"{READER},{OPS}",
        hashlib.sha256(READER.encode()).hexdigest(),
        "ApiKey-1",
        "clé-ключ-鍵",
        "x" * 1_000_000,
        pytest.param("\udcff", id="a-byte-no-text-holds"),
    ],
)
def test_anything_but_a_whole_key_is_nobody(presented: str) -> None:
    assert KeyRing(SCHEME).caller(presented) is None


def test_keys_of_one_ring_are_strangers_to_another() -> None:
    other = KeyRing(ApiKeyScheme("Other", "X-Other", (key("Other-1", OPS, "ops"),)))
    assert other.caller(READER) is None
    caller = other.caller(OPS)
    assert caller is not None
    assert (caller.scheme, caller.principal) == ("Other", "key/Other-1")


def test_a_scheme_shows_neither_its_keys_nor_their_digests() -> None:
    shown = f"{SCHEME!r} {SCHEME} {SCHEME.keys[0]!r} {vars(KeyRing(SCHEME))['_callers'][0][1]!r}"
    digest = SCHEME.keys[0].digest
    for secret in (READER, OPS, digest.hex(), repr(digest)):
        assert secret not in shown
    assert "ApiKey-1" in shown
