"""An environment that holds what requirements.txt says and nothing else, as a deployment has it."""

import subprocess
import sys
from pathlib import Path

import uv

ROOT = Path(__file__).parent.parent
INSTALLING = 240
"""Seconds that making one may take with nothing in a cache."""


def environment(folder: Path, lock: Path = ROOT / "requirements.txt") -> Path:
    """Make one in `folder`, every file checked against its hash; its Python."""
    python = folder / "bin" / "python"
    _uv("venv", "--python", sys.executable, str(folder))
    _uv(
        *("pip", "install", "--python", str(python)),
        *("--require-hashes", "--only-binary", ":all:", "-r", str(lock)),
    )
    return python


def _uv(*arguments: str) -> None:
    ran = subprocess.run(
        [uv.find_uv_bin(), *arguments, "--quiet"],
        capture_output=True,
        encoding="utf-8",
        timeout=INSTALLING,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
