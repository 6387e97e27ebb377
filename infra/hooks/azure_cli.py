"""The command lines `az` and `azd`, as the hooks use them.

Arguments are letters, digits and few signs, never JSON: on Windows both are batch files, which
quote by rules of their own. What is longer goes through a file.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

_MINUTES = 15


class Stopped(Exception):
    """Why a hook cannot go on, and what to do, in words for whoever deploys."""


class Failed(Exception):
    """A command that ended with an error; the text is what it wrote to standard error."""


def say(text: str) -> None:
    """Tell whoever deploys, at once."""
    print(text, flush=True)


def az(*arguments: str) -> Any:
    """What `az` answers, read as JSON; None when it says nothing.

    Raises:
        Stopped: There is no `az`.
        Failed: It ended with an error, or took longer than 15 minutes.
    """
    output = run("az", *arguments, "--output", "json", "--only-show-errors")
    return json.loads(output) if output.strip() else None


def remember(name: str, value: str) -> None:
    """Set a variable in azd's environment, for the next command and the next time."""
    try:
        run("azd", "env", "set", name, value)
    except Failed as error:
        raise Stopped(f"azd could not keep {name}={value}: {error}") from error


def run(program: str, *arguments: str, show: bool = False) -> str:
    """Standard output of a program. `show` lets its standard error through, for progress.

    Raises:
        Stopped: The program is not there.
        Failed: It ended with an error, or took longer than 15 minutes.
    """
    found = shutil.which(program)
    if found is None:
        raise Stopped(f"{program} is not on the path. {_WHERE_FROM.get(program, '')}".rstrip())
    try:
        done = subprocess.run(
            [found, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=_MINUTES * 60,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{program} did not end within {_MINUTES} minutes") from error
    if done.returncode:
        raise Failed((done.stderr or "").strip() or f"{program} ended with {done.returncode}")
    return done.stdout


def finish(error: Stopped) -> int:
    """Show why a hook stopped; the exit status."""
    print(f"\n{error}", file=sys.stderr, flush=True)
    return 1


_WHERE_FROM = {
    "az": "Install the Azure CLI: https://learn.microsoft.com/cli/azure/install-azure-cli",
    "azd": "Install it: https://learn.microsoft.com/azure/developer/azure-developer-cli/install-azd",
    "sh": "ENTRA_BY=script needs a POSIX shell. On Windows: WSL, Git Bash or Cloud Shell.",
}
