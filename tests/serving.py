"""A real server in a process of its own: `python -m tests.serving FILE PACKAGE` on a free port."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.hosting import uvicorn_server
from shared.startup import build

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Server:
    """A running server: where it is, its process id and the file its log goes to."""

    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


@contextmanager
def serving(
    configuration: Path,
    package: str = "tests.toolsets",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Serve a configuration until the block ends; `environment` has variables besides ours."""
    log = configuration.with_suffix(".log")
    command = [sys.executable, "-m", "tests.serving", str(configuration), package]
    variables = {**os.environ, **(environment or {})}
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True, env=variables
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            yield Server(json.loads(line)["port"], process.pid, log)
        finally:
            process.terminate()


def main(configuration: str, package: str) -> None:
    logging.basicConfig(level=logging.INFO)
    listener = uvicorn_server.listen("127.0.0.1", 0)
    endpoint = build(
        ROOT, os.environ, config_file=Path(configuration), loopback=True, package=package
    )
    line = json.dumps({"port": listener.getsockname()[1]})
    uvicorn_server.serve(endpoint, listener, lambda: print(line, flush=True))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
