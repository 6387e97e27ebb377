"""The real compiler, where there is one: `bicep build` and `bicep lint` on each top-level file.

`entra.bicep` needs the Microsoft Graph extension, which the compiler fetches from a registry; where
it cannot, the file is left out and that is said.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from infra.lint.bicep_files import TOP_LEVEL, Finding

_DIAGNOSTIC = re.compile(r"(?P<file>[^\n(]+)\((?P<line>\d+),\d+\) : (?:Error|Warning) (?P<text>.*)")
_NOT_RESTORED = re.compile(r"BCP19[02]|not been restored|unable to restore", re.IGNORECASE)
_TIMEOUT = 120


def find() -> str | None:
    """The compiler on PATH."""
    return shutil.which("bicep")


def check(folder: Path, bicep: str) -> tuple[list[Finding], list[str]]:
    """What it finds, and what is to be told beside that."""
    found: list[Finding] = []
    told: list[str] = []
    for name in TOP_LEVEL:
        file = folder / name
        if not file.exists():
            continue
        for arguments in (["build", "--stdout", str(file)], ["lint", str(file)]):
            done = subprocess.run(
                [bicep, *arguments], capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
            if _NOT_RESTORED.search(done.stderr):
                told.append(f"bicep could not fetch the extension of {name}: not compiled")
                break
            found += _findings(done.stderr, name, failed=done.returncode != 0)
    return list(dict.fromkeys(found)), told


def _findings(output: str, name: str, *, failed: bool) -> Iterator[Finding]:
    some = False
    for match in _DIAGNOSTIC.finditer(output):
        some = True
        file = Path(match["file"].strip()).name
        yield Finding(file, int(match["line"]), match["text"].strip(), "bicep says so")
    if failed and not some:
        text = output.strip().splitlines()[-1:] or ["failed and said nothing"]
        yield Finding(name, 1, text[0], "bicep says so")
