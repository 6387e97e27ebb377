"""A key as a vault holds it: what counts as one, whose it is, and which of its versions count."""

import pytest

from shared.authentication import key_format, stored_keys
from shared.authentication.stored_keys import Grants, StoredKey, StoredVersion
from shared.key_vault import KeyVault
from tests.fakes.azure import FakeAzure

ID = "ab12cd34"
KEY = key_format.make(ID)
HASH = key_format.digest_text(KEY)
NOW = 1_900_000_000.0
FOREIGN_KEY = "sk-foreign/0123456789abcdefghijklmnop"


async def read(azure: FakeAzure, vault: KeyVault, name: str = "mcp-key-ab12cd34") -> StoredKey:
    azure.vault.now = lambda: NOW
    return await stored_keys.read(vault, name, ID, NOW)


def refusal(key: StoredKey, presented: str = KEY, now: float = NOW) -> str | None:
    return key.refusal(key_format.digest(presented), now)


@pytest.mark.parametrize(
    ("name", "prefix", "id"),
    [
        ("mcp-key-ab12cd34", "mcp-key-", ID),
        ("MCP-Key-AB12cd34", "mcp-key-", ID),
        ("mcp-key-ab12cd34", "MCP-KEY-", ID),
        ("ab12cd34", "", ID),
        ("mcp-key-short", "mcp-key-", None),
        ("mcp-key-with-hyphen", "mcp-key-", None),
        ("mcp-key-" + "a" * 25, "mcp-key-", None),
        ("other-ab12cd34", "mcp-key-", None),
        ("mcp-key-", "mcp-key-", None),
    ],
)
def test_a_secret_is_a_keys_by_its_name(name: str, prefix: str, id: str | None) -> None:
    assert stored_keys.key_id(name, prefix) == id


async def test_a_key_is_its_digest_and_what_the_tags_say(azure: FakeAzure, vault: KeyVault) -> None:
    tags = {
        "Owner": "Data platform team",
        "scopes": "tools.read  tools.write",
        "roles": "ops reader",
        "note": "nightly",
        "cost-centre": "12, 13",
    }
    azure.vault.put("mcp-key-ab12cd34", f" {HASH}\n", tags=tags)
    key = await read(azure, vault)
    assert key.grants == Grants(
        "Data platform team",
        frozenset({"tools.read", "tools.write"}),
        frozenset({"ops", "reader"}),
        "nightly",
    )
    assert refusal(key) is None
    assert "not the key that is stored" in str(refusal(key, key_format.make(ID)))
    assert not key.plain
    assert HASH[7:] not in repr(key)
    assert repr(key_format.digest(KEY)) not in repr(key)


@pytest.mark.parametrize(
    "grants",
    [
        Grants(),
        Grants("Data platform", frozenset({"a", "b"}), frozenset({"r"}), "note"),
        Grants("é", note="n" * 256),
        Grants("Data platform", note="n" * 257),
        Grants("o" * 300, frozenset(f"scope.{n}" for n in range(100)), frozenset({"r"}), "x"),
    ],
)
async def test_what_is_stored_is_read_back(
    azure: FakeAzure, vault: KeyVault, grants: Grants
) -> None:
    value, tags, content_type = stored_keys.encoded(KEY, grants)
    assert KEY not in f"{value}{tags}"
    assert all(0 < len(text) <= 256 for text in tags.values())
    azure.vault.put("mcp-key-ab12cd34", value, tags=tags, content_type=content_type)
    key = await read(azure, vault)
    assert (key.grants, refusal(key)) == (grants, None)


@pytest.mark.parametrize(
    "grants",
    [
        Grants(roles=frozenset({"two words"})),
        Grants(scopes=frozenset({"a,b"})),
        Grants(scopes=frozenset({""})),
        Grants("two\nlines"),
        Grants(note="x" * 30_000),
    ],
)
def test_what_cannot_be_stored_is_refused_before(grants: Grants) -> None:
    with pytest.raises(ValueError, match=r"cannot be|one line|too long"):
        stored_keys.encoded(KEY, grants)


@pytest.mark.parametrize(
    ("value", "tags", "told"),
    [
        ("", {}, "sha256"),
        ("sha256:", {}, "sha256"),
        (HASH[:-1], {}, "sha256"),
        (HASH + "0", {}, "sha256"),
        ("sha256:" + "z" * 64, {}, "sha256"),
        (HASH[7:], {}, "sha256"),
        ("sha512:" + "a" * 128, {}, "sha256"),
        ("hunter2", {}, "sha256"),
        (key_format.make("zz99zz99"), {}, "a key of this id"),
        (KEY[:-1], {}, "a key of this id"),
        (FOREIGN_KEY, {}, "a key of this id"),
        ("k" * 31, {"format": "foreign"}, "32 or more"),
        ("{", {}, "not JSON of the expected form"),
        ("{}", {}, "not JSON of the expected form"),
        ('{"hash": 5}', {}, "not JSON of the expected form"),
        (f'{{"hash": "{HASH}", "role": ["ops"]}}', {}, "not JSON of the expected form"),
        (f'{{"hash": "{HASH}", "roles": "ops"}}', {}, "not JSON of the expected form"),
        (f'{{"hash": "{KEY}"}}', {}, "sha256"),
        (f'{{"hash": "{HASH}", "roles": ["ops"]}}', {"roles": "reader"}, "both say"),
        (f'{{"hash": "{HASH}", "roles": ["two words"]}}', {}, "words separated"),
        (HASH, {"roles": "ops,reader"}, "words separated"),
        (HASH, {"scopes": "ops;reader"}, "words separated"),
        (HASH, {"roles": "r\u00f4le"}, "words separated"),
        (HASH, {"owner": "two\nlines"}, "one line"),
        (HASH, {"roles": "reader", "Roles": "ops"}, "twice"),
        (HASH, {"format": "bcrypt"}, "format"),
    ],
)
async def test_a_malformed_secret_is_no_key_and_is_not_quoted(
    azure: FakeAzure, vault: KeyVault, value: str, tags: dict[str, str], told: str
) -> None:
    azure.vault.put("mcp-key-ab12cd34", value, tags=tags)
    key = await read(azure, vault)
    assert told in str(key.problem)
    assert refusal(key) == key.problem
    for secret in (KEY, HASH[7:40], "hunter2", FOREIGN_KEY):
        assert secret not in repr(key)


@pytest.mark.parametrize(
    ("value", "tags", "presented"),
    [
        (KEY, {}, KEY),
        (f"{KEY}\n", {"owner": "x"}, KEY),
        (FOREIGN_KEY, {"format": "foreign"}, FOREIGN_KEY),
    ],
)
async def test_a_plain_value_is_taken_and_marked(
    azure: FakeAzure, vault: KeyVault, value: str, tags: dict[str, str], presented: str
) -> None:
    azure.vault.put("mcp-key-ab12cd34", value, tags=tags)
    key = await read(azure, vault)
    assert key.plain
    assert refusal(key, presented) is None
    assert presented not in repr(key)


async def test_an_older_version_counts_while_its_own_expiry_is_to_come(
    azure: FakeAzure, vault: KeyVault
) -> None:
    keys = {name: key_format.make(ID) for name in ("kept", "ended", "endless", "disabled", "new")}

    def put(name: str, created: float, **settings: object) -> None:
        digest = key_format.digest_text(keys[name])
        azure.vault.put("mcp-key-ab12cd34", digest, created=int(created), **settings)

    put("kept", NOW - 400, exp=int(NOW) + 100)
    put("ended", NOW - 300, exp=int(NOW))
    put("endless", NOW - 200)
    put("disabled", NOW - 100, exp=int(NOW) + 100, enabled=False)
    put("new", NOW)
    key = await read(azure, vault)
    assert refusal(key, keys["new"]) is None
    assert refusal(key, keys["kept"]) is None
    assert refusal(key, keys["kept"], NOW + 99.9) is None
    assert "accepted until 2030-03-17" in str(refusal(key, keys["kept"], NOW + 100))
    for name in ("ended", "endless", "disabled"):
        assert "not the key that is stored" in str(refusal(key, keys[name])), name
    assert azure.vault.calls.count("get") == 2


async def test_what_a_key_may_is_what_its_newest_version_says(
    azure: FakeAzure, vault: KeyVault
) -> None:
    old = {"roles": "admin"}
    azure.vault.put("mcp-key-ab12cd34", HASH, tags=old, created=1, exp=int(NOW) + 100)
    new = key_format.digest_text(key_format.make(ID))
    azure.vault.put("mcp-key-ab12cd34", new, tags={"roles": "reader"})
    key = await read(azure, vault)
    assert refusal(key) is None
    assert key.grants.roles == {"reader"}


async def test_a_disabled_newest_version_ends_the_key(azure: FakeAzure, vault: KeyVault) -> None:
    azure.vault.put("mcp-key-ab12cd34", HASH, created=1, exp=int(NOW) + 100)
    azure.vault.put("mcp-key-ab12cd34", HASH, enabled=False)
    assert "revoked" in str(refusal(await read(azure, vault)))


async def test_a_secret_that_is_gone_is_no_key(azure: FakeAzure, vault: KeyVault) -> None:
    assert "gone" in str(refusal(await read(azure, vault)))


async def test_an_expired_newest_version_ends_the_key_with_its_older_ones(
    azure: FakeAzure, vault: KeyVault
) -> None:
    new = key_format.make(ID)
    azure.vault.put("mcp-key-ab12cd34", HASH, created=1, exp=int(NOW) + 100)
    azure.vault.put("mcp-key-ab12cd34", key_format.digest_text(new), exp=int(NOW) + 50)
    key = await read(azure, vault)
    assert refusal(key, now=NOW + 49) is None
    for presented in (KEY, new):
        assert "expired on 2030-03-17" in str(refusal(key, presented, NOW + 50))


async def test_a_newest_version_that_is_not_yet_valid_leaves_the_older_ones(
    azure: FakeAzure, vault: KeyVault
) -> None:
    new = key_format.make(ID)
    azure.vault.put("mcp-key-ab12cd34", HASH, created=1, exp=int(NOW) + 100)
    azure.vault.put("mcp-key-ab12cd34", key_format.digest_text(new), nbf=int(NOW) + 50)
    key = await read(azure, vault)
    assert refusal(key) is None
    assert "not valid before 2030-03-17" in str(refusal(key, new))
    assert refusal(key, new, NOW + 50) is None


async def test_of_many_older_versions_the_latest_count(azure: FakeAzure, vault: KeyVault) -> None:
    keys = [key_format.make(ID) for _ in range(stored_keys.MAX_OLDER_VERSIONS + 2)]
    for age, presented in enumerate(keys):
        digest = key_format.digest_text(presented)
        azure.vault.put("mcp-key-ab12cd34", digest, created=int(NOW) - age, exp=int(NOW) + 100)
    azure.vault.put("mcp-key-ab12cd34", HASH)
    key = await read(azure, vault)
    accepted = [refusal(key, presented) is None for presented in keys]
    assert accepted == [True] * stored_keys.MAX_OLDER_VERSIONS + [False] * 2


def test_a_version_found_twice_keeps_the_newest_ones_dates() -> None:
    digest = key_format.digest(KEY)
    versions = (StoredVersion(digest, None, None), StoredVersion(digest, None, NOW - 1))
    assert StoredKey(ID, versions=versions).refusal(digest, NOW) is None
