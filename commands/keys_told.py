"""What `manage.py keys` takes on its command line, reads and prints."""

import getpass
import re
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commands import print_json, tell
from shared.authentication import key_format

NEVER = 0.0

_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class WrongUsage(Exception):
    """Options that do not go together, or a key that is not one line of text."""


def key_id(text: str) -> str:
    """An id, for argparse."""
    if not key_format.ID.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is not 8 to 24 characters a-z and 0-9")
    return text


def duration(text: str) -> float:
    """A time in seconds, such as 0, 90m, 24h or 7d, for argparse."""
    match = _DURATION.fullmatch(text)
    if match is None and text != "0":
        raise ArgumentTypeError(f"{text!r} is not a time such as 24h, 7d or 0")
    return int(match[1]) * _SECONDS[match[2]] if match else 0.0


def moment(text: str) -> float:
    """A time to come in seconds since the epoch: from a date, a time from now, or NEVER."""
    if text == "never":
        return NEVER
    now = time.time()
    try:
        given = datetime.fromisoformat(text)
        time_zone = given.tzinfo or UTC
        seconds = given.replace(tzinfo=time_zone).timestamp()
    except ValueError:
        if _DURATION.fullmatch(text) is None:
            raise ArgumentTypeError(
                f"{text!r} is not a date such as 2030-12-31, a time from now such as 90d, or never"
            ) from None
        seconds = now + duration(text)
    if seconds <= now:
        raise ArgumentTypeError(f"{text!r} is not in the future")
    return seconds


def date(seconds: float | None) -> str | None:
    """A time as it is printed, in UTC."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def presented(key_file: str | None) -> str:
    """The key to check: from a file, or from standard input, without showing it when typed."""
    try:
        if key_file not in (None, "-"):
            text = Path(str(key_file)).read_text(encoding="utf-8")
        elif sys.stdin.isatty():
            text = getpass.getpass("Key: ")
        else:
            text = sys.stdin.readline()
    except OSError as error:
        raise WrongUsage(f"The key file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongUsage("The key is not text.") from None
    if not text.strip():
        raise WrongUsage("No key was given: it is read from standard input or --key-file.")
    return text.strip()


def form(key: str) -> str | None:
    """`mcp` for a key of our format, `foreign` for one that may be of another, else None."""
    if key_format.parse(key):
        return "mcp"
    return "foreign" if key_format.is_foreign(key) else None


def tell_key(key: str, values: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """A new key: the only time it is printed, alone on the last line of standard output."""
    if as_json:
        print_json({**values, "key": key})
    else:
        tell(f"{text} The new key, shown this once:")
        print(key, flush=True)


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Rows as JSON, or as a table of some columns."""
    if as_json:
        print_json(rows)
        return
    table = [list(columns)] + [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[place]) for line in table) for place in range(len(columns))]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def tell_verdict(
    key: str, id: str | None, accepted: bool | None, why: str, *, as_json: bool
) -> int:
    """Whether a key is right; the exit status. `accepted` is None where nobody was asked."""
    shape = form(key)
    right = shape is not None if accepted is None else accepted
    if as_json:
        print_json({"format": shape, "id": id, "accepted": accepted, "reason": why or None})
    elif right:
        print(f"Key {id or 'without an id'}: {'accepted' if accepted else 'the format is right'}.")
    else:
        print(f"Key {id or 'without an id'}: not accepted, {why}.")
    return int(not right)


def _cell(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, list) else str(value)
