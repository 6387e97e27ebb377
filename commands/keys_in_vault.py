"""Keys in a vault: made, listed, replaced and revoked, each step safe to be interrupted after."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.authentication import key_format, stored_keys
from shared.authentication.stored_keys import GRANT_TAGS, Grants, Malformed
from shared.key_vault import KeyVault, Properties
from shared.vault_errors import SecretDisabled, SecretMissing

_AT_ONCE = 8
_TRIES = 5


class KeyProblem(Exception):
    """What was asked cannot be done with this key; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where keys are: a vault, and what the names of their secrets begin with."""

    vault: KeyVault
    prefix: str

    def name(self, id: str) -> str:
        return f"{self.prefix}{id}"


async def create(place: Place, id: str, grants: Grants, expires: float | None) -> str:
    """Store the digest of a new key; the key. Raises KeyProblem, VaultError, ValueError.

    It is stored by one write. Interrupted after it, a key exists that nobody has: revoke it.
    """
    key = key_format.make(id)
    value, tags, content_type = stored_keys.encoded(key, grants)
    name = place.name(id)
    try:
        await place.vault.versions(name)
    except SecretMissing:
        pass
    else:
        raise KeyProblem(f"There is a key {id} already: rotate it, or take another id.")
    await place.vault.set(name, value, tags=tags, content_type=content_type, expires=expires)
    return key


async def rotate(
    place: Place,
    id: str,
    *,
    overlap: float,
    expires: float | None,
    endless: bool,
    now: float,
    tell: Callable[[str, float], None],
) -> None:
    """Replace a key: `tell` gets the new one and when the old one ends, before it is stored.

    `overlap` is in seconds. `expires` is the new version's expiry; a key that has one needs another
    unless `endless` says that it shall have none. Raises KeyProblem, VaultError.

    The order keeps a working key in somebody's hands wherever it stops. With an overlap the old
    version's end is set first and versions before it are disabled, then the new one is stored: up
    to there the old key works until its end. Without one the new version is stored first, which
    alone ends an old key that has no expiry; then the others are disabled. The new key is told
    before it is stored, as nobody could get it afterwards.
    """
    name = place.name(id)
    try:
        newest = await place.vault.get(name)
        _, grants, _ = stored_keys.understood(newest, id)
    except SecretMissing:
        raise _no_key(place, id) from None
    except SecretDisabled:
        raise KeyProblem(f"The key {id} is revoked: create a new one.") from None
    except Malformed as error:
        raise KeyProblem(f"{name} holds no key that could be replaced: {error}.") from None
    old = newest.properties
    if old.expires is not None and expires is None and not endless:
        raise KeyProblem(
            "This key has an expiry, its own or that of a rotation that was interrupted: say with "
            "--expires what the new one's shall be, or never."
        )
    others = [one for one in await place.vault.versions(name) if one.version != old.version]
    key = key_format.make(id)
    value, tags, content_type = stored_keys.encoded(key, grants)
    tags |= {tag: text for tag, text in old.tags.items() if tag.lower() not in GRANT_TAGS}
    ends = now + overlap if old.expires is None else min(old.expires, now + overlap)
    if overlap:
        await place.vault.update(name, old.version, expires=ends)
        await _disable(place.vault, name, others)
    tell(key, ends)
    await place.vault.set(name, value, tags=tags, content_type=content_type, expires=expires)
    if not overlap:
        await _disable(place.vault, name, [old, *others])


async def revoke(place: Place, id: str) -> int:
    """Disable every version of a key; how many there are. Raises KeyProblem, VaultError.

    The newest is first: that alone ends the key. Whatever a rotation adds meanwhile follows.
    """
    name = place.name(id)
    try:
        await place.vault.update(name, enabled=False)
        for _ in range(_TRIES):
            versions = await place.vault.versions(name)
            if not any(one.enabled for one in versions):
                return len(versions)
            await _disable(place.vault, name, versions)
    except SecretMissing:
        raise _no_key(place, id) from None
    raise KeyProblem(f"Somebody keeps enabling versions of {name}: revoke it again.")


async def listing(place: Place) -> tuple[list[Mapping[str, Any]], list[str]]:
    """What is known of each key, ordered by id, and what is wrong with other secrets.

    `created` is when the newest version was made. Times in seconds since the epoch.
    """
    entries, problems = await stored_keys.index(place.vault, place.prefix)
    few = asyncio.Semaphore(_AT_ONCE)
    ids = sorted(entries)
    rows = await asyncio.gather(*(_row(place, id, entries[id], few) for id in ids))
    problems |= {f"{entries[row['id']].name}: {row['problem']}" for row in rows if row["problem"]}
    return list(rows), sorted(problems)


async def _row(
    place: Place, id: str, listed: Properties, few: asyncio.Semaphore
) -> Mapping[str, Any]:
    grants, problem = Grants(), None
    async with few:
        versions = len(await place.vault.versions(listed.name))
        try:
            if listed.enabled:
                _, grants, _ = stored_keys.understood(await place.vault.get(listed.name), id)
            else:
                grants = stored_keys.tagged(listed.tags)
        except Malformed as error:
            problem = str(error)
    return {
        "id": id,
        "owner": grants.owner,
        "roles": sorted(grants.roles),
        "scopes": sorted(grants.scopes),
        "note": grants.note,
        "created": listed.created,
        "expires": listed.expires,
        "enabled": listed.enabled,
        "versions": versions,
        "problem": problem,
    }


async def verdict(place: Place, key: str, now: float) -> tuple[str | None, str | None]:
    """The id of a key, and why the vault would not accept it now: None when it would.

    A foreign key is looked for in every secret whose tags say that it holds one.
    """
    digest = key_format.digest(key)
    id = key_format.parse(key)
    if id is not None:
        stored = await stored_keys.read(place.vault, place.name(id), id, now)
        return id, stored.refusal(digest, now)
    entries, _ = await stored_keys.index(place.vault, place.prefix)
    for found, one in entries.items():
        if not one.enabled or not stored_keys.is_foreign(one):
            continue
        stored = await stored_keys.read(place.vault, one.name, found, now)
        if any(version.digest == digest for version in stored.versions):
            return found, stored.refusal(digest, now)
    return None, "no secret tagged format=foreign holds it"


async def _disable(vault: KeyVault, name: str, versions: list[Properties]) -> None:
    for one in versions:
        if one.enabled:
            await vault.update(name, one.version, enabled=False)


def _no_key(place: Place, id: str) -> KeyProblem:
    return KeyProblem(f"There is no key {id} in {place.vault.uri} ({place.name(id)}).")
