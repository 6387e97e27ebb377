"""The programs and commands of the guides for Node, as they stand there."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from tests.clients import browser
from tests.guides import DOCS, ROOT, Block, blocks, endpoint

NODE = ROOT / "scripts" / "node"
INSPECTOR = "@modelcontextprotocol/inspector"
LIMIT = 60
"""Seconds that one program may take."""
KINDS = ["key", "user", "application"]
"""As whom the programs call, in their order."""
PRINTED = ["get_process", "key/ApiKey-1", "Alma Adler"]
"""What is in what the commands print, in their order."""
USER = "alma@postern.example"


def _lines(command: list[str], folder: Path, given: Mapping[str, str]) -> list[str]:
    """What a command prints. A page it asks to open is opened, and a user picked there."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **given},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,  # so that what it starts ends with it
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        stop = threading.Timer(LIMIT, os.killpg, (process.pid, signal.SIGKILL))
        stop.start()
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Open http"):
                browser.main(USER, line.split()[1])
        errors = process.stderr.read()
        stop.cancel()
        if process.wait():
            raise AssertionError(f"exit code {process.returncode}: {errors[-300:]}")
    return lines


def _program(block: Block, kind: str, folder: Path, given: Mapping[str, str]) -> None:
    file = folder / "program.mts"
    file.write_text(block.text, encoding="utf-8")
    told = json.loads(_lines([str(NODE), "run", str(file)], folder, given)[-1])
    if told["kind"] != kind:
        raise AssertionError(f"called as {told['kind']}, not as {kind}")


def _command(block: Block, printed: str, folder: Path, given: Mapping[str, str]) -> None:
    """A command of the guide. What npx would run is there, and run in its place."""
    program = f"node_modules/{INSPECTOR}/clients/launcher/build/index.js"
    npx = f'npx() {{ [ "$1" = {INSPECTOR} ]; shift; {NODE} run {program} "$@"; }}'
    lines = "\n".join(_lines(["sh", "-ec", f"{npx}\n{block.text}"], folder, given))
    if printed not in lines:
        raise AssertionError(f"printed {lines[:300]}")


def _with_browser(folder: Path, given: Mapping[str, str]) -> Mapping[str, str]:
    """The environment of somebody with a browser, by the names that systems open one by."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("xdg-open", "open"):
        command = f'cd {ROOT} && exec {sys.executable} -m tests.clients.browser {USER} "$@"'
        (programs / name).write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        (programs / name).chmod(0o700)
    return {
        **given,
        "HOME": str(folder),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "BROWSER": str(programs / "xdg-open"),
        "MCP_AUTO_OPEN_ENABLED": "true",  # although no terminal is there
        "MCP_INSPECTOR_SECRET_STORE": "memory",
    }


def _said(take: Callable[[], None]) -> str:
    try:
        take()
    except Exception as error:
        return f"FAILED: {error}"
    return "ok"


def results(modules: Path) -> Iterator[tuple[Block, str]]:
    """Each program and command with `ok`, or with what went wrong.

    `modules` is the folder with the node_modules that they import.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "guide"
        folder.mkdir()
        (folder / "node_modules").symlink_to(modules / "node_modules")
        with endpoint(Path(name)) as variables:
            given = _with_browser(folder, variables)
            programs = blocks(DOCS / "clients" / "typescript.md", "ts")
            for block, kind in zip(programs, KINDS, strict=True):
                yield block, _said(partial(_program, block, kind, folder, given))
            commands = blocks(DOCS / "clients" / "inspector.md", "sh")
            for block, printed in zip(commands, PRINTED, strict=True):
                yield block, _said(partial(_command, block, printed, folder, given))
