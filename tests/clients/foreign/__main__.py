"""Real clients of other makers against a running endpoint: `python -m tests.clients.foreign`.

Installs each client from its committed lock into .tools/, takes the same steps with all of them and
prints one table, then runs what the guides for Node say. Exits 1 when a step failed.
"""

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.foreign import guides
from tests.clients.foreign.steps import SIGN_IN, STEPS
from tests.clients.test_sign_in import CONFIGURATION
from tests.commands.support import copy_of_the_project, running
from tests.serving import ROOT, serving
from tests.support import READER_KEY, configured, write_configuration

FOLDER = Path(__file__).parent
PACKAGE = "tests.clients.foreign"
INSTALLING = 600
"""Seconds that installing one environment may take."""
RUNNING = 180
"""Seconds that one client may take for all steps, each of which has a cap of its own."""
COLUMNS = ["connect", *STEPS, SIGN_IN]
VERSIONS = {"modern": "2026-07-28", "legacy": "2025-11-25"}


@dataclass(frozen=True)
class Client:
    """A client: what it is called, the script that drives it, where it lives, what it speaks."""

    name: str
    script: str
    eras: tuple[str, ...]
    lock: str | None = None


CLIENTS = [
    Client("Python `mcp` 2", "mcp2", ("modern", "legacy")),
    Client("Python `mcp` 1", "mcp1", ("legacy",), "mcp1.txt"),
    Client("Python `fastmcp` 4", "fastmcp4", ("modern", "legacy"), "fastmcp.txt"),
    Client("`@modelcontextprotocol/client` 2", "client2.cjs", ("modern", "legacy")),
    Client("`@modelcontextprotocol/sdk` 1", "sdk1.cjs", ("legacy",)),
    Client("`@modelcontextprotocol/inspector` 2", "inspector.cjs", ("modern", "legacy")),
]


@dataclass
class Row:
    """What one client did in one era."""

    client: str
    era: str
    version: str = "?"
    protocol: str = "?"
    results: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, line: dict[str, str]) -> None:
        """Take in what the client's script said."""
        self.version = line.get("version", self.version)
        self.protocol = line.get("protocol", self.protocol)
        if "step" in line:
            self.note(line["step"], line["result"], line.get("reason", ""))

    def note(self, step: str, result: str, reason: str = "") -> None:
        self.results[step] = result
        if reason:
            reason = " ".join(reason.split())[:300]
            self.remarks.append(f"{self.client}, {self.era}: {step}: {result}: {reason}")

    @property
    def failed(self) -> bool:
        return "FAILED" in self.results.values()


def output(command: list[str]) -> str:
    """The last line that a command prints; what it says besides goes to the terminal."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=INSTALLING
    )
    return done.stdout.strip().rpartition("\n")[2]


def python_for(lock: str | None) -> str:
    """The interpreter of the environment that holds a lock, installed unless it is there."""
    if lock is None:
        return sys.executable
    file = FOLDER / "locks" / lock
    environment = Path(".tools") / f"{file.stem}-{zlib.crc32(file.read_bytes()):08x}"
    (ROOT / ".tools").mkdir(exist_ok=True)
    output(["scripts/install", str(environment), str(file.relative_to(ROOT)), sys.executable])
    return str(ROOT / environment / "bin" / "python")


@dataclass(frozen=True)
class Installed:
    """A client that is ready to run."""

    client: Client
    command: list[str]
    environment: dict[str, str]


def node_modules() -> Path:
    """The folder with the clients for Node, installed unless they are there."""
    return Path(output(["scripts/node", "install", str(FOLDER.relative_to(ROOT))]))


def installed(modules: Path) -> list[Installed]:
    """Every client with the command that runs it. `modules` has those for Node."""
    node_path = {"NODE_PATH": str(modules / "node_modules")}
    ready = []
    for client in CLIENTS:
        if client.script.endswith(".cjs"):
            command = ["scripts/node", "run", str(FOLDER / client.script)]
            ready.append(Installed(client, command, node_path))
        else:
            command = [python_for(client.lock), "-m", f"{PACKAGE}.{client.script}"]
            ready.append(Installed(client, command, {}))
    return ready


def take(ready: Installed, era: str, given: Mapping[str, str]) -> Row:
    """Run one client in one era, with what it is given as environment variables."""
    row = Row(ready.client.name, era)
    try:
        done = subprocess.run(
            ready.command,
            cwd=ROOT,
            env={**os.environ, **ready.environment, **given, "CLIENT_ERA": era},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUNNING,
        )
    except subprocess.TimeoutExpired:
        row.note("connect", "FAILED", f"not done after {RUNNING} seconds")
        return row
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            row.add(json.loads(line))
    if row.protocol not in (VERSIONS[era], "?"):
        row.note("connect", "FAILED", f"negotiated {row.protocol}, not {VERSIONS[era]}")
    if done.returncode:
        row.note("end", "FAILED", f"exit code {done.returncode}: {done.stderr[-200:]}")
    for step in COLUMNS:
        if step not in row.results:
            row.note(step, "FAILED", "" if row.failed else "not reached")
    return row


def table(rows: list[Row]) -> Iterator[str]:
    """The rows as a Markdown table, and below it what there is to say."""
    header = ["client", "version", "protocol", *COLUMNS]
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    for row in rows:
        cells = [row.client, row.version, row.protocol]
        cells += [row.results.get(step, "FAILED") for step in COLUMNS]
        yield f"| {' | '.join(cells)} |"
    yield ""
    for row in rows:
        yield from row.remarks


@contextmanager
def endpoints() -> Iterator[Mapping[str, str]]:
    """Two running endpoints, as variables for the clients: one that takes a key, and one to sign in
    at. What the clients write for their user goes to a HOME of theirs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        server_settings = {"Server": {"ConfirmationKeys": [f"run:{key}"]}}
        with_key = write_configuration(folder, configured(server_settings))
        project = copy_of_the_project(folder / "project")
        to_sign_in = write_configuration(home, CONFIGURATION)
        arguments = ("run", "--port", "0", "--json", "--config", str(to_sign_in))
        with (
            serving(with_key, f"{PACKAGE}.toolsets") as server,
            running(project, *arguments) as development,
        ):
            yield {
                "CLIENT_URL": server.url,
                "CLIENT_KEY": READER_KEY,
                "SIGN_IN_URL": development.json["url"],
                "SIGN_IN_CLIENT_ID": development.json["clientId"],
                "HOME": str(home),
            }


def main() -> int:
    modules = node_modules()
    ready = installed(modules)
    with endpoints() as given, ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(take, one, era, given) for one in ready for era in one.client.eras]
        rows = [task.result() for task in tasks]
    sys.stdout.write("\n".join(table(rows)) + "\n")
    failed = sum(row.failed for row in rows)
    sys.stdout.write(f"{len(rows) - failed} of {len(rows)} client runs without a failure\n")
    for block, result in guides.results(modules):
        sys.stdout.write(f"{block}: {result}\n")
        failed += result != "ok"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
