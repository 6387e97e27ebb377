#!/usr/bin/env python3
"""Postern's command line. Every verb takes --json and exits 0 for fine, 1 for a finding, 2 for
wrong usage; results go to standard output, talk to standard error."""

import importlib
import os
import sys
from argparse import ArgumentParser
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

VERBS = {
    "run": "serve on this machine for development, and say how to call",
    "serve": "serve in production outside Azure Functions, such as in a container",
    "identity": "serve the development identity alone, which signs in invented users",
    "token": "print an access token from the development identity",
    "call": "call a tool of a running endpoint through the official client",
    "tools": "list the tools the configuration offers, or show one's schemas",
    "explain": "say what a caller may call and which rule decides, without running anything",
    "keys": "make, list, replace, revoke and check API keys, in a key vault or a file",
    "config": "check, show or describe the configuration, or write a development one",
}


def main(arguments: list[str]) -> int:
    """Run one verb and return the exit status."""
    parser = ArgumentParser(prog="manage.py", description="Postern's command line.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    for verb, purpose in VERBS.items():
        subparser = verbs.add_parser(verb, help=purpose, description=purpose)
        subparser.add_argument("--json", action="store_true", help="print the result as JSON")
        if verb == wanted:
            try:
                command = importlib.import_module(f"commands.{verb}")
            except ModuleNotFoundError as error:
                if error.name == f"commands.{verb}":
                    print(f"The verb {verb} is not part of this deployment.", file=sys.stderr)
                    return 1
                return _without(error.name)
            command.configure(subparser)
    parsed, surplus = parser.parse_known_args(arguments)
    if surplus:
        verbs.choices[parsed.verb].error(f"unrecognized arguments: {' '.join(surplus)}")
    try:
        status: int = parsed.main(parsed)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        return _without(error.name)
    return status


def _without(module: str | None) -> int:
    """A library is missing: go on in `.venv`, or say how to get it."""
    python = FOLDER / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    inside = Path(sys.prefix).resolve() == python.parent.parent.resolve()
    if python.exists() and not inside:
        sys.stdout.flush()
        os.execv(python, [str(python), str(FOLDER / "manage.py"), *sys.argv[1:]])
    print(f"{module} is not installed. Run: make setup", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER))
    sys.exit(main(sys.argv[1:]))
