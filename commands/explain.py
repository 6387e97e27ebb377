"""`manage.py explain`: what a caller may call and which line decided, without running anything."""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from commands import FOLDER, add_source_options, environment, print_json, tell, tell_errors
from shared import command_names, startup
from shared.authentication.authenticate import Authenticator, Refused
from shared.authentication.entra import EntraTokens, InvalidToken, NotAdmitted, claims_of
from shared.authorization.explain import Explanation, explain
from shared.caller import ANONYMOUS, Caller
from shared.configuration.model import AuthenticationSettings
from shared.configuration.problems import ConfigurationError
from shared.http import Request
from shared.startup import Offer


class Described(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A caller described by hand: `{"kind": "user", "scopes": ["read"], "roles": []}`."""

    kind: str
    scopes: list[str] = []
    roles: list[str] = []


class _NoCaller(Exception):
    """The credential would be refused; the text says with which status and why."""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--as",
        dest="credential",
        required=True,
        metavar="FILE|-",
        help="whom to explain it for: a file (- for standard input) with an access token, its "
        'claims as JSON, an API key, or a description such as {"kind": "user", "scopes": ["a"]}; '
        "an empty one stands for an anonymous caller",
    )
    parser.add_argument("--tool", metavar="NAME", help="only this tool; exit 1 unless allowed")
    add_source_options(parser)
    parser.set_defaults(main=main)


def main(arguments: Namespace) -> int:
    try:
        text = _read(arguments.credential).strip()
    except OSError as error:
        tell(f"{arguments.credential} cannot be read: {error.strerror}")
        return 2
    except UnicodeDecodeError:
        tell(f"{arguments.credential} is not text.")
        return 2
    variables = environment(development=arguments.development)
    try:
        offer = startup.offer(FOLDER, variables, config_file=arguments.config)
    except ConfigurationError as error:
        tell_errors(error.problems, arguments)
        return 1
    names = _chosen(arguments.tool, offer)
    if names is None:
        return 1
    try:
        caller = _caller(text, offer)
    except _NoCaller as error:
        if arguments.json:
            print_json({"caller": None, "refused": str(error), "tools": []})
        else:
            print(f"Refused: {error}")
        return 1
    found = explain(offer.policies.tools, caller, names)
    if arguments.json:
        print_json({"caller": _described(caller), "tools": [asdict(one) for one in found]})
    else:
        _print(caller, found)
    return int(arguments.tool is not None and found[0].outcome != "allowed")


def _read(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")


def _chosen(wanted: str | None, offer: Offer) -> list[str] | None:
    """The tools to explain, or None (told) when the wanted one is not offered."""
    tools = offer.catalogue.tools
    if wanted is None:
        return list(tools)
    name = command_names.find(wanted, tools)
    if name is None:
        near = command_names.closest(wanted, tools)
        hint = f"; did you mean {near}?" if near else ": there is none, or it is switched off."
        tell(f"No tool {wanted} is offered{hint}")
        return None
    return [name]


def _caller(text: str, offer: Offer) -> Caller:
    """The caller a text stands for. Raises _NoCaller.

    Checks what a token claims, not its signature; a key is looked for where the endpoint would.
    """
    settings = offer.settings.authentication
    if not text:
        return ANONYMOUS
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and "kind" in value:
        return _by_description(value)
    if isinstance(value, dict) or text.count(".") == 2:
        return _by_token(text, value, settings)
    return asyncio.run(_by_key(text, offer))


async def _by_key(text: str, offer: Offer) -> Caller:
    settings, vaults = offer.settings.authentication, offer.vaults()
    authenticator = Authenticator(settings, "", vaults=vaults)
    told = "401 This endpoint takes no API keys."
    try:
        for scheme in settings.key_schemes:
            request = Request("POST", "/mcp", {scheme.header.lower(): text})
            try:
                return await authenticator.authenticate(request)
            except Refused as refused:
                told = f"{refused.status} {refused.message}"
    finally:
        await authenticator.close()
        await vaults.close()
    raise _NoCaller(told)


def _by_description(value: dict[str, Any]) -> Caller:
    try:
        given = msgspec.convert(value, Described)
    except msgspec.ValidationError as error:
        raise _NoCaller(f"the description does not fit: {error}") from None
    scopes, roles = frozenset(given.scopes), frozenset(given.roles)
    match given.kind:
        case "user" | "application" as kind:
            return Caller(kind, tenant_id="tenant", object_id="object", scopes=scopes, roles=roles)
        case "key":
            return Caller("key", key_id="described", scopes=scopes, roles=roles)
        case "anonymous":
            return ANONYMOUS
    raise _NoCaller(f"no kind {given.kind}; expected user, application, key or anonymous")


def _by_token(text: str, claims: dict[str, Any] | None, settings: AuthenticationSettings) -> Caller:
    if settings.entra is None:
        raise _NoCaller("401 This endpoint takes no access tokens.")
    tokens = EntraTokens(settings.entra)
    tell("The signature is not checked here.")
    try:
        if claims is None:
            claims = dict(claims_of(text.removeprefix("Bearer ")))
        return tokens.admitted(tokens.verified(claims))
    except InvalidToken as error:
        raise _NoCaller(f"401 {error}") from None
    except NotAdmitted as error:
        raise _NoCaller(f"403 {error.reason}") from None


def _described(caller: Caller) -> dict[str, Any]:
    return {
        "kind": caller.kind,
        "principal": caller.principal,
        "name": caller.name,
        "scopes": sorted(caller.scopes),
        "roles": sorted(caller.roles),
    }


def _print(caller: Caller, found: list[Explanation]) -> None:
    held = [f"scopes {', '.join(sorted(caller.scopes)) or 'none'}"] * (caller.kind == "user")
    held.append(f"roles {', '.join(sorted(caller.roles)) or 'none'}")
    name = f" ({caller.name})" if caller.name else ""
    who = " ".join(dict.fromkeys((caller.kind, caller.principal)))
    print(f"{who}{name}: {'; '.join(held)}")
    width = max((len(one.tool) for one in found), default=0)
    for one in found:
        reason = f"{one.reason}; " if one.reason else ""
        print(f"  {one.tool:<{width}}  {one.outcome:<7}  {reason}{one.rule}")
