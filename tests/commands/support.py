"""A copy of the project with the command line in it, and a verb that keeps running."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent.parent
WAIT = 30


def copy_of_the_project(folder: Path) -> Path:
    """What the command line needs, where it may write: no development profile, no environment."""
    folder.mkdir()
    for name in ("manage.py", "appsettings.json"):
        shutil.copy2(ROOT / name, folder)
    for name in ("commands", "development", "shared", "toolsets"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def variables(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A bare environment, so that a test does not depend on the one it runs in."""
    return {"PATH": os.defpath, "PYTHONWARNINGS": "error", **(more or {})}


def manage(
    project: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    given: str = "",
    python: Sequence[str] = (sys.executable,),
) -> "subprocess.CompletedProcess[str]":
    """Run a verb to its end; `given` is its standard input."""
    return subprocess.run(
        [*python, str(project / "manage.py"), *arguments],
        cwd=project.parent,
        env=variables(environment),
        input=given,
        capture_output=True,
        encoding="utf-8",
        timeout=WAIT,
        check=False,
    )


@dataclass(frozen=True)
class Running:
    """A verb that serves: its process, what it said when it was ready, and its log."""

    process: "subprocess.Popen[str]"
    said: str
    log: Path

    @property
    def json(self) -> Any:
        return json.loads(self.said)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(WAIT)


@contextmanager
def running(
    project: Path,
    *arguments: str,
    until: str = "}",
    environment: Mapping[str, str] | None = None,
    python: Sequence[str] = (sys.executable,),
) -> Iterator[Running]:
    """Run a verb until the block ends. It is ready when it has said the line `until`."""
    log = project.parent / f"{arguments[0]}.log"
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [*python, str(project / "manage.py"), *arguments],
            cwd=project.parent,
            env=variables(environment),
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = ""
            while not said.endswith(f"{until}\n"):
                line = process.stdout.readline()
                assert line, said + log.read_text(encoding="utf-8")
                said += line
            yield Running(process, said, log)
        finally:
            process.kill()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def exchange(
    url: str,
    body: Mapping[str, Any] | str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """POST a body to a URL, or GET the URL when there is none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=WAIT)
    sent = json.dumps(body) if isinstance(body, Mapping) else body
    given = {"Content-Type": "application/json", **(headers or {})}
    connection.request("GET" if body is None else "POST", parts.path, sent, given)
    response = connection.getresponse()
    received = {name.lower(): value for name, value in response.getheaders()}
    reply = Reply(response.status, received, response.read())
    connection.close()
    return reply
