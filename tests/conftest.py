"""What every test shares: asyncio as the event loop, and a line for whatever was not run."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell `make test` of skipped tests; under REQUIRE_ALL it counts them as failures."""
    reasons = {
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    }
    collector = os.environ.get("NOT_RUN_FILE")
    for reason in sorted(reasons):
        terminalreporter.write_line(f"not run: {reason}")
        if collector:
            with Path(collector).open("a", encoding="utf-8") as file:
                file.write(f"not run: {reason}\n")
