"""The official conformance suite against a real server: `python -m tests.conformance`.

For each revision one line says how many of its scored scenarios pass. A failure that the baseline
`expected-<revision>.yaml` does not list fails the run, and so does a listed one that passes.
Scenarios that the suite itself does not score (extensions, pending ones) are left out.
"""

import asyncio
import base64
import json
import re
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.hosting import uvicorn_server
from tests.conformance.proxy import adding
from tests.serving import ROOT, serving
from tests.support import READER_KEY, configured, write_configuration

HERE = Path(__file__).parent
NODE = str(ROOT / "scripts" / "node")
REVISIONS = ["2026-07-28", "2025-11-25"]
TIME_LIMIT = 300


@dataclass(frozen=True)
class Outcome:
    """What a run came to: the suite's output, and its verdict on the scored scenarios."""

    output: str
    agrees: bool
    """Whether all that fails is expected to, and the other way round."""
    scenarios: int
    failed: int
    checks: int
    unknown: set[str]
    """What the baseline lists and the suite does not score."""

    @property
    def fine(self) -> bool:
        return self.agrees and not self.unknown and self.scenarios > 0

    def __str__(self) -> str:
        text = f"{self.scenarios - self.failed}/{self.scenarios} scenarios, {self.checks} checks"
        return f"{text}; {self.failed} expected to fail" if self.failed and self.fine else text


async def run(revision: str, url: str, suite: Path, results: Path) -> Outcome:
    """Run the scenarios that a revision requires."""
    baseline = HERE / f"expected-{revision}.yaml"
    process = await asyncio.create_subprocess_exec(
        *[NODE, "run", str(suite / "dist" / "index.js"), "server", "--url", url],
        *["--requirements", revision, "--expected-failures", str(baseline)],
        *["--output-dir", str(results)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(TIME_LIMIT):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    scored = set(_listed(suite / "requirements" / f"{revision}.yaml"))
    verdicts = {name: checks for name, checks in _results(results) if name in scored}
    return Outcome(
        output.decode(),
        process.returncode == 0 and verdicts.keys() == scored,
        len(scored),
        sum(not {"FAILURE", "WARNING"}.isdisjoint(checks) for checks in verdicts.values()),
        sum(checks.count("SUCCESS") for checks in verdicts.values()),
        {entry for entry in _listed(baseline) if entry.split(":")[0] not in scored},
    )


def _listed(file: Path) -> list[str]:
    """The entries under `server:` in a YAML file of the suite's simple kind."""
    text = file.read_text(encoding="utf-8")
    _, _, after = f"\n{text}".partition("\nserver:\n")
    return re.findall(r"^  - (\S+)", re.split(r"^\w", after, maxsplit=1, flags=re.M)[0], re.M)


def _results(folder: Path) -> list[tuple[str, list[str]]]:
    """Each scenario that was run, with the statuses of its checks."""
    return [
        (
            re.sub(r"^server-(.*)-\d{4}-\d\d-\d\dT[\d-]+Z$", r"\1", file.parent.name),
            [check["status"] for check in json.loads(file.read_text(encoding="utf-8"))],
        )
        for file in folder.glob("*/checks.json")
    ]


def configuration(origin: str) -> dict[str, Any]:
    """A production configuration: all asks for a key, and browsers may call from that origin."""
    sealing = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return configured(
        {
            "Authentication": {"Cors": {"AllowedOrigins": [origin]}},
            "Server": {"ConfirmationKeys": [f"run:{sealing}"]},
        }
    )


async def main(revisions: list[str]) -> int:
    installed = subprocess.run([NODE, "install", HERE], check=True, stdout=subprocess.PIPE)  # noqa: ASYNC221
    packages = Path(installed.stdout.decode().strip()) / "node_modules"
    suite = packages / "@modelcontextprotocol" / "conformance"
    listener = uvicorn_server.listen("127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    fine = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = write_configuration(folder, configuration(origin))
        with serving(file, "tests.conformance.fixtures") as server:
            async with adding(f"X-API-Key: {READER_KEY}", listener, server.port):
                for revision in revisions:
                    outcome = await run(revision, f"{origin}/mcp", suite, folder / revision)
                    if not outcome.fine:
                        fine = False
                        print(outcome.output)  # noqa: T201
                    for entry in sorted(outcome.unknown):
                        print(f"expected-{revision}.yaml: {entry} is not a scored scenario")  # noqa: T201
                    print(revision, outcome, flush=True)  # noqa: T201
    return 0 if fine else 1


if __name__ == "__main__":
    wanted = sys.argv[1:] or REVISIONS
    if not set(wanted) <= set(REVISIONS):
        sys.exit(f"usage: python -m tests.conformance [{' | '.join(REVISIONS)}]")
    sys.exit(asyncio.run(main(wanted)))
