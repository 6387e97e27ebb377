"""One API key as a vault holds it: the digest is a secret's value, its tags say whose key it is.

The secret is called `<prefix><id>`. Tags: `owner` and `note` in words, `scopes` and `roles`
separated by spaces. Where one is too long for a tag the value is JSON instead: `{"hash":
"sha256:…", "owner": "…", "scopes": […], "roles": […], "note": "…"}`. The tag `format` is `foreign`
for a key of another format, which has no id in it.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from shared.authentication import key_format
from shared.key_vault import KeyVault, Properties, Secret
from shared.vault_errors import SecretDisabled, SecretMissing

PREFIX = "mcp-key-"
"""What the names of secrets begin with that hold keys, where nothing else is said."""
JSON_TYPE = "application/json"
MAX_OLDER_VERSIONS = 8
"""Versions accepted beside the newest; of more the latest count."""

_MAX_TAG = 256
_MAX_VALUE = 25_000
_WORD = re.compile(r"[!-~]+")
GRANT_TAGS = ("owner", "scopes", "roles", "note")


class Malformed(Exception):
    """A secret that holds no key. The text says why and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Grants:
    """Whose a key is, and what it may."""

    owner: str | None = None
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version that is accepted between two dates, in seconds since the epoch."""

    digest: bytes = field(repr=False)
    not_before: float | None
    expires: float | None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with its accepted versions, the newest first. Without any, `problem` says why.

    `plain` is whether a value was a key itself and not its digest.
    """

    id: str
    grants: Grants = Grants()
    versions: tuple[StoredVersion, ...] = ()
    problem: str | None = None
    plain: bool = False

    def refusal(self, digest: bytes, now: float) -> str | None:
        """Why a key of this digest is not accepted at a time, or None when it is.

        Compares with every version in constant time. An expired newest version ends the key; one
        that is not yet valid leaves the older ones what they are.
        """
        if self.problem is not None:
            return self.problem
        found = None
        for version in self.versions:
            if hmac.compare_digest(version.digest, digest):
                found = found or version
        newest = self.versions[0]
        if found is None:
            return "it is not the key that is stored, nor one it replaced"
        if newest.expires is not None and now >= newest.expires:
            return f"it expired on {_date(newest.expires)}"
        if found.expires is not None and now >= found.expires:
            return f"it was replaced, and accepted until {_date(found.expires)}"
        if found.not_before is not None and now < found.not_before:
            return f"it is not valid before {_date(found.not_before)}"
        return None


class _Written(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    hash: str
    owner: str | None = None
    scopes: list[str] = []
    roles: list[str] = []
    note: str | None = None


def key_id(name: str, prefix: str) -> str | None:
    """The id of the key a secret holds, going by its name; None where it is no key's."""
    folded, start = name.lower(), prefix.lower()
    id = folded[len(start) :]
    return id if folded.startswith(start) and key_format.ID.fullmatch(id) else None


def is_foreign(listed: Properties) -> bool:
    """Whether the tags say that the key is in another format."""
    return any(name.lower() == "format" and text == "foreign" for name, text in listed.tags.items())


async def index(vault: KeyVault, prefix: str) -> tuple[dict[str, Properties], set[str]]:
    """The newest version of each key by its id, and what is wrong with other secrets.

    Secrets without the prefix are left alone. Two with one id are no key. Raises VaultError.
    """
    entries: dict[str, Properties] = {}
    twice: set[str] = set()
    problems: set[str] = set()
    async for one in vault.secrets():
        if not one.name.lower().startswith(prefix.lower()):
            continue
        id = key_id(one.name, prefix)
        if id is None:
            problems.add(f"{one.name}: no key has such an id (8 to 24 of a-z and 0-9)")
        elif id in entries:
            twice.add(id)
        else:
            entries[id] = one
    for id in twice:
        problems.add(f"{entries.pop(id).name}: two secrets have this id; neither is a key")
    return entries, problems


async def read(vault: KeyVault, name: str, id: str, now: float) -> StoredKey:
    """The key in a secret: its newest version, and the older ones that have time left.

    An older version counts only while it is enabled and its own expiry is set and to come. What
    the key may is what the newest version says. Raises VaultError where the vault cannot tell.
    """
    try:
        newest = await vault.get(name)
        others = await vault.versions(name)
    except SecretDisabled:
        return StoredKey(id, problem="its newest version is disabled: it is revoked")
    except SecretMissing:
        return StoredKey(id, problem="its secret is gone")
    try:
        version, grants, plain = understood(newest, id)
    except Malformed as error:
        return StoredKey(id, problem=str(error))
    foreign = is_foreign(newest.properties)
    versions = [version]
    older = [
        one
        for one in others
        if one.version != newest.properties.version
        and one.enabled
        and one.expires is not None
        and one.expires > now
    ]
    older.sort(key=lambda one: one.created, reverse=True)
    for one in older[:MAX_OLDER_VERSIONS]:
        try:
            got = await vault.get(name, one.version)
            version, _, was_plain = _value(got.value, got.properties, id, foreign=foreign)
        except (SecretDisabled, SecretMissing):
            continue
        except Malformed as error:
            return StoredKey(id, problem=f"an older version: {error}")
        versions.append(version)
        plain = plain or was_plain
    return StoredKey(id, grants, tuple(versions), plain=plain)


def understood(secret: Secret, id: str) -> tuple[StoredVersion, Grants, bool]:
    """What one version says: the version, the grants, and whether its value was a plain key.

    Raises Malformed.
    """
    properties = secret.properties
    foreign = is_foreign(properties)
    version, told, plain = _value(secret.value, properties, id, foreign=foreign)
    return version, _merged(tagged(properties.tags), told), plain


def encoded(key: str, grants: Grants) -> tuple[str, dict[str, str], str | None]:
    """How a key is stored: the value, the tags and the content type of its secret.

    Raises ValueError for grants that cannot be stored.
    """
    for word in grants.scopes | grants.roles:
        if not _is_word(word):
            raise ValueError(f"{word!r} cannot be a scope or a role here")
    for text in (grants.owner, grants.note):
        if text is not None and not text.isprintable():
            raise ValueError("owner and note are one line of text")
    digest = key_format.digest_text(key)
    scopes, roles = sorted(grants.scopes), sorted(grants.roles)
    tags = {
        "owner": grants.owner or "",
        "scopes": " ".join(scopes),
        "roles": " ".join(roles),
        "note": grants.note or "",
    }
    if max(map(len, tags.values())) <= _MAX_TAG:
        return digest, {name: text for name, text in tags.items() if text}, None
    written = _Written(digest, grants.owner, scopes, roles, grants.note)
    value = msgspec.json.encode(written).decode()
    if len(value) > _MAX_VALUE:
        raise ValueError(f"owner, scopes, roles and note are too long ({len(value)} characters)")
    return value, {}, JSON_TYPE


def _value(
    text: str, properties: Properties, id: str, *, foreign: bool
) -> tuple[StoredVersion, Grants | None, bool]:
    """What a value holds: the version, what JSON in it grants, and whether it was a plain key."""
    text = text.strip()
    told = None
    if text.startswith("{"):
        try:
            written = msgspec.json.decode(text, type=_Written)
        except msgspec.MsgspecError:
            raise Malformed("its value is not JSON of the expected form") from None
        text = written.hash
        told = _grants(written.owner, written.scopes, written.roles, written.note)
    digest = key_format.read_digest(text)
    plain = digest is None and not text.lower().startswith("sha")
    if plain and told is None:
        right = key_format.is_foreign(text) if foreign else key_format.parse(text) == id
        digest = key_format.digest(text) if right else None
    if digest is None:
        kind = "32 or more printable characters" if foreign else "a key of this id"
        raise Malformed(f"its value is neither sha256: and 64 hexadecimal digits, nor {kind}")
    return StoredVersion(digest, properties.not_before, properties.expires), told, plain


def tagged(tags: Mapping[str, str]) -> Grants:
    """What the tags of a secret grant. Raises Malformed."""
    found: dict[str, str] = {}
    for name, text in tags.items():
        folded = name.lower()
        if folded in found:
            raise Malformed(f"it has the tag {folded} twice")
        if folded in (*GRANT_TAGS, "format"):
            found[folded] = text
    if found.get("format", "foreign") != "foreign":
        raise Malformed("its tag format is not foreign, the only one there is")
    scopes, roles = found.get("scopes", "").split(), found.get("roles", "").split()
    return _grants(found.get("owner"), scopes, roles, found.get("note"))


def _grants(
    owner: str | None, scopes: Iterable[str], roles: Iterable[str], note: str | None
) -> Grants:
    given = Grants(owner or None, frozenset(scopes), frozenset(roles), note or None)
    if not all(map(_is_word, given.scopes | given.roles)):
        raise Malformed("its scopes or roles are not words separated by spaces")
    if not f"{given.owner}{given.note}".isprintable():
        raise Malformed("its owner or note is not one line of text")
    return given


def _merged(tags: Grants, told: Grants | None) -> Grants:
    if told is None or told == Grants():
        return tags
    if tags != Grants():
        raise Malformed("its tags and its value both say whose it is")
    return told


def _is_word(text: str) -> bool:
    return bool(_WORD.fullmatch(text)) and not set(text) & set(',;"\\')


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
