"""`manage.py keys`: make, list, replace, revoke and check API keys, in a vault or a file."""

import asyncio
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path

from commands import add_json_option, keys_in_vault, print_json, tell
from commands.keys_in_file import KeyFile
from commands.keys_in_vault import KeyProblem, Place
from commands.keys_told import (
    NEVER,
    WrongUsage,
    date,
    duration,
    form,
    key_id,
    moment,
    presented,
    print_rows,
    tell_key,
    tell_verdict,
)
from shared.authentication import key_format
from shared.authentication.stored_keys import PREFIX, Grants
from shared.configuration import log_level
from shared.key_vault import KeyVault, developer_identity
from shared.vault_errors import SignInFailed, VaultError
from shared.vault_uri import NotAVault, vault_uri

OVERLAP = "24h"
_WRONG_FORM = "it is no key: the format or the checksum is wrong"
_VAULT_ONLY = ("owner", "note", "expires", "prefix", "overlap")


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key, print it once, store its digest")
    create.add_argument("--id", type=key_id, help="8 to 24 of a-z and 0-9 (default: random)")
    create.add_argument("--owner", help="whose it is, in words")
    create.add_argument("--note")
    for option in ("--scope", "--role"):
        create.add_argument(option, action="append", default=[], help="may be repeated")
    listing = actions.add_parser("list", help="the keys, without the keys themselves")
    rotate = actions.add_parser("rotate", help="replace a key by a new one of the same id")
    rotate.add_argument(
        "--overlap",
        type=duration,
        metavar="TIME",
        help=f"how long the old key still works: 24h, 7d, 0 (default {OVERLAP}; in a file 0)",
    )
    revoke = actions.add_parser("revoke", help="disable every version of a key")
    for action in (rotate, revoke):
        action.add_argument("key", metavar="ID", help="its id; in a file also #N")
    for action in (create, rotate):
        action.add_argument(
            "--expires",
            type=moment,
            metavar="WHEN",
            help="a date such as 2030-12-31 (UTC), a time from now such as 90d, or never",
        )
    verify = actions.add_parser("verify", help="check a key, read from standard input")
    verify.add_argument("--key-file", metavar="FILE", help="where the key is instead")
    for action in (create, listing, rotate, revoke, verify):
        place = action.add_mutually_exclusive_group(required=action is not verify)
        place.add_argument("--vault-uri", metavar="URI", help="https://<name>.vault.azure.net")
        place.add_argument("--file", type=Path, help="a configuration file, for development")
        action.add_argument("--prefix", help=f"of the secrets' names (default {PREFIX})")
        action.add_argument("--scheme", metavar="NAME", help="in a file, where it has several")
        add_json_option(action)
        action.set_defaults(main=main)


def connect(uri: str) -> KeyVault:
    """A vault, for whoever is signed in on this machine."""
    return KeyVault(uri, developer_identity)


def main(arguments: Namespace, connect: Callable[[str], KeyVault] = connect) -> int:
    given = vars(arguments)
    try:
        if arguments.file is not None:
            misplaced = [name for name in _VAULT_ONLY if given.get(name)]
            if misplaced:
                raise WrongUsage(f"--{misplaced[0]} is for vaults: a file cannot hold it.")
            return _IN_FILE[arguments.action](arguments)
        if arguments.scheme is not None:
            raise WrongUsage("--scheme is for files.")
        if arguments.vault_uri is None:
            return _verify_format(arguments)
        vault_uri(arguments.vault_uri)
        work = _IN_VAULT[arguments.action]
        return asyncio.run(_in_vault(arguments, work, connect))
    except (WrongUsage, NotAVault) as error:
        tell(str(error))
        return 2
    except (KeyProblem, VaultError) as error:
        tell(str(error))
        if isinstance(error, SignInFailed):
            tell("Sign in with: az login")
        return 1


async def _in_vault(
    arguments: Namespace,
    work: Callable[[Place, Namespace], Awaitable[int]],
    connect: Callable[[str], KeyVault],
) -> int:
    log_level.silence_azure_identity()
    vault = connect(arguments.vault_uri)
    try:
        return await work(Place(vault, arguments.prefix or PREFIX), arguments)
    finally:
        await vault.close()


async def _create(place: Place, arguments: Namespace) -> int:
    grants = Grants(
        arguments.owner, frozenset(arguments.scope), frozenset(arguments.role), arguments.note
    )
    id, expires = arguments.id or key_format.new_id(), arguments.expires or None
    try:
        key = await keys_in_vault.create(place, id, grants, expires)
    except ValueError as error:
        raise WrongUsage(str(error)) from None
    values = {"id": id, "secret": place.name(id), "expires": date(expires)}
    text = f"The digest of key {id} is stored as {place.name(id)}; the key is not."
    tell_key(key, values, text, as_json=arguments.json)
    return 0


async def _list(place: Place, arguments: Namespace) -> int:
    rows, problems = await keys_in_vault.listing(place)
    for problem in problems:
        tell(f"warning: {problem}")
    dated = [
        {**row, "created": date(row["created"]), "expires": date(row["expires"])} for row in rows
    ]
    columns = ("id", "owner", "roles", "scopes", "created", "expires", "enabled", "versions")
    print_rows(dated, columns, as_json=arguments.json)
    return 0


async def _rotate(place: Place, arguments: Namespace) -> int:
    overlap = duration(OVERLAP) if arguments.overlap is None else arguments.overlap
    expires, told = arguments.expires or None, False

    def tell_new_key(key: str, ends: float) -> None:
        nonlocal told
        told = True
        until = date(ends) if overlap else None
        values = {"id": arguments.key, "expires": date(expires), "oldUntil": until}
        text = f"The old key works until {until}." if until else "The old key ends now."
        tell_key(key, values, text, as_json=arguments.json)

    try:
        await keys_in_vault.rotate(
            place,
            arguments.key,
            overlap=overlap,
            expires=expires,
            endless=arguments.expires == NEVER,
            now=time.time(),
            tell=tell_new_key,
        )
    except VaultError:
        if told:
            tell("The new key may not be stored, or the old one not ended. Verify both.")
        raise
    return 0


async def _revoke(place: Place, arguments: Namespace) -> int:
    versions = await keys_in_vault.revoke(place, arguments.key)
    if arguments.json:
        print_json({"id": arguments.key, "versions": versions})
    else:
        print(f"Key {arguments.key} is revoked, with all its {versions} version(s).")
    return 0


async def _verify(place: Place, arguments: Namespace) -> int:
    key = presented(arguments.key_file)
    verdict: tuple[str | None, str | None] = (None, _WRONG_FORM)
    if form(key):
        verdict = await keys_in_vault.verdict(place, key, time.time())
    id, why = verdict
    return tell_verdict(key, id, why is None, why or "", as_json=arguments.json)


def _verify_format(arguments: Namespace) -> int:
    key = presented(arguments.key_file)
    why = "" if form(key) else _WRONG_FORM
    return tell_verdict(key, key_format.parse(key), None, why, as_json=arguments.json)


def _create_in_file(arguments: Namespace) -> int:
    file = KeyFile(arguments.file, arguments.scheme)
    id = arguments.id or key_format.new_id()
    key = file.create(id, arguments.scope, arguments.role)
    text = f"Key {id} is in {file.path}, as it is."
    tell_key(key, {"id": id}, text, as_json=arguments.json)
    return 0


def _list_in_file(arguments: Namespace) -> int:
    rows = KeyFile(arguments.file, arguments.scheme).listing()
    print_rows(rows, ("position", "id", "roles", "scopes"), as_json=arguments.json)
    return 0


def _rotate_in_file(arguments: Namespace) -> int:
    key = KeyFile(arguments.file, arguments.scheme).rotate(arguments.key)
    text = "The old key is out of the file, and ends when the endpoint starts anew."
    tell_key(key, {"id": key_format.parse(key)}, text, as_json=arguments.json)
    return 0


def _revoke_in_file(arguments: Namespace) -> int:
    KeyFile(arguments.file, arguments.scheme).revoke(arguments.key)
    if arguments.json:
        print_json({"id": arguments.key})
    else:
        print(f"Key {arguments.key} is out of the file, and ends when the endpoint starts anew.")
    return 0


def _verify_in_file(arguments: Namespace) -> int:
    held = KeyFile(arguments.file, arguments.scheme).holds(key := presented(arguments.key_file))
    why = "" if held else "the file does not hold it"
    return tell_verdict(key, key_format.parse(key), held, why, as_json=arguments.json)


_IN_VAULT = {
    "create": _create,
    "list": _list,
    "rotate": _rotate,
    "revoke": _revoke,
    "verify": _verify,
}
_IN_FILE = {
    "create": _create_in_file,
    "list": _list_in_file,
    "rotate": _rotate_in_file,
    "revoke": _revoke_in_file,
    "verify": _verify_in_file,
}
