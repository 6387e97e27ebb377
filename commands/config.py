"""`manage.py config`: what the endpoint is told, from where, and whether it is right."""

import json
import os
import secrets
from argparse import ArgumentParser, Namespace

import msgspec

from commands import (
    FOLDER,
    add_json_option,
    add_source_options,
    environment,
    print_json,
    problems_json,
    tell,
    tell_errors,
    tell_problems,
)
from shared import startup
from shared.configuration import load
from shared.configuration.entra import DEVELOPMENT_AUTHORITY
from shared.configuration.problems import ConfigurationError, is_secret, path_text
from shared.configuration.sources import Node
from shared.validation import Path


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="report every problem")
    show = actions.add_parser("show", help="each value and its source; secrets masked")
    for action, main in ((check, check_main), (show, show_main)):
        add_source_options(action)
        action.set_defaults(main=main)
    schema = actions.add_parser("schema", help="the JSON Schema of the file, for editors")
    schema.set_defaults(main=schema_main)
    init = actions.add_parser("init", help=f"write {load.DEVELOPMENT_FILE} with a random key")
    init.set_defaults(main=init_main)
    for action in (check, show, schema, init):
        add_json_option(action)


def check_main(arguments: Namespace) -> int:
    """Build the endpoint as the host would, without serving; tell everything found."""
    try:
        variables = environment(development=arguments.development)
        offer = startup.offer(FOLDER, variables, config_file=arguments.config)
        problems, failed = offer.warnings, False
    except ConfigurationError as error:
        problems, failed = error.problems, True
    if arguments.json:
        print_json({"ok": not failed, "problems": problems_json(problems)})
    else:
        if failed:
            tell_errors(problems, arguments)
        else:
            tell_problems(problems)
        print("The configuration cannot be used." if failed else "The configuration is fine.")
    return int(failed)


def show_main(arguments: Namespace) -> int:
    """Print the merged configuration, each value with its source."""
    variables = environment(development=arguments.development)
    root, problems = load.tree(FOLDER, variables, arguments.config)
    tell_problems(problems)
    rows = list(_rows(root, root, ()))
    if arguments.json:
        print_json([{"path": p, "value": v, "source": s} for p, v, s in rows])
    else:
        for path, value, source in rows:
            print(f"{path} = {value}    ({source})")
    return int(bool(problems))


def _rows(root: Node, node: Node, path: Path) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    if isinstance(node.value, dict) and node.value:
        for key, member in node.value.items():
            rows += _rows(root, member, (*path, key))
    elif isinstance(node.value, list) and node.value:
        for index, item in enumerate(node.value):
            rows += _rows(root, item, (*path, index))
    elif path:
        hidden = is_secret(path) and not isinstance(node.value, dict | list) and not _grant(path)
        value = "***" if hidden else json.dumps(node.plain(), ensure_ascii=False)
        rows.append((path_text(root, path), value, str(node.source)))
    return rows


def _grant(path: Path) -> bool:
    """Whether this is one of a key's scopes or roles, which are no secrets."""
    names = [str(part).lower() for part in path]
    return "keys" in names and names[names.index("keys") + 2 :][:1] in (["scopes"], ["roles"])


def schema_main(arguments: Namespace) -> int:
    """Print the JSON Schema of a configuration file."""
    print_json(msgspec.json.schema(load.Configuration))
    return 0


def init_main(arguments: Namespace) -> int:
    """Write the development profile unless it is there."""
    written = write_development_profile()
    if arguments.json:
        print_json({"file": load.DEVELOPMENT_FILE, "written": written})
    elif not written:
        print(f"{load.DEVELOPMENT_FILE} is there already; nothing changed.")
    return 0


def write_development_profile() -> bool:
    """Write a development configuration, readable by its owner only.

    It takes a random API key and the tokens of the development identity.

    Git ignores the file and packages leave it out. Returns whether it was written; an existing
    one is kept.
    """
    path = FOLDER / load.DEVELOPMENT_FILE
    key = f"dev_{secrets.token_urlsafe(32)}"
    profile = {
        "Authentication": {
            "Enabled": True,
            "DefaultScheme": "ApiKey",
            "AdditionalSchemes": ["Bearer"],
            "Schemes": {
                "ApiKey": {"Type": "ApiKey", "Keys": {key: {"Scopes": [], "Roles": ["developer"]}}},
                "Bearer": {"Type": "JwtBearer", "Authority": DEVELOPMENT_AUTHORITY},
            },
        }
    }
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(profile, file, indent=2)
        file.write("\n")
    tell(f"Wrote {load.DEVELOPMENT_FILE} with a new random API key.")
    return True
