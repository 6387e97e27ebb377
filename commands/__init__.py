"""The verbs of manage.py, a module each: `configure` adds options, `main` does the work."""

import json
import logging
import os
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from shared.configuration.load import DEVELOPMENT_FILE
from shared.configuration.problems import Problem

FOLDER = Path(__file__).resolve().parent.parent

DEVELOPMENT = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}


def add_source_options(parser: ArgumentParser) -> None:
    """Options of every verb that reads the configuration."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="read this file instead of the appsettings"
    )
    parser.add_argument(
        "--development", action="store_true", help="read it as `run` does, for development"
    )


def port(text: str) -> int:
    """A port number, for argparse."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError(text)
    return number


def add_json_option(parser: ArgumentParser) -> None:
    """`--json` on an action below a verb, where it may stand as well as before it."""
    parser.add_argument(
        "--json", action="store_true", default=SUPPRESS, help="print the result as JSON"
    )


def environment(*, development: bool) -> Mapping[str, str]:
    """The environment variables, with development mode as asked for."""
    return {**os.environ, **DEVELOPMENT} if development else os.environ


def leave(status: int) -> NoReturn:
    """End the process now: a tool's thread that is still at work must not keep it."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def tell(text: str) -> None:
    """Talk: to standard error."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """A result, as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str), flush=True)


def tell_problems(problems: list[Problem]) -> None:
    """One line a problem."""
    for problem in problems:
        tell(f"{problem.level}: {problem}")


def tell_errors(problems: list[Problem], arguments: Namespace) -> None:
    """Why the configuration cannot be used, to a verb with `add_source_options`; and, where the
    files are those of this folder, that `run` reads them in another way."""
    tell_problems(problems)
    profile = FOLDER / DEVELOPMENT_FILE
    if not (arguments.development or arguments.config) and profile.exists():
        tell(f"A deployment reads it so. --development reads it as run does, with {profile.name}.")


def problems_json(problems: list[Problem]) -> list[dict[str, str]]:
    """Problems as JSON values."""
    return [
        {"level": p.level, "path": p.path, "source": p.source, "text": p.text} for p in problems
    ]
