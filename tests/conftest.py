"""What every test shares: asyncio as the event loop, and a line for whatever was not run."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shared.key_vault import KeyVault
    from tests.fakes.azure import FakeAzure


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def deployed_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with requirements.txt alone; give it INSTALLING seconds."""
    from tests.deployed import environment

    return environment(tmp_path_factory.mktemp("environment") / "environment")


@pytest.fixture
def azure(tmp_path: Path) -> "Iterator[FakeAzure]":
    """Entra, managed identity and Key Vault on loopback."""
    from tests.fakes.azure import FakeAzure

    with FakeAzure(tmp_path) as running:
        yield running


@pytest.fixture
def hosted(azure: "FakeAzure", monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has the managed identity of an app on Azure Functions."""
    for name, value in azure.identity.app_service().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def vault(azure: "FakeAzure", hosted: None) -> "AsyncIterator[KeyVault]":
    """The product's client of the fake vault, signed in with the managed identity."""
    from shared.key_vault import KeyVault, managed_identity

    client = KeyVault(azure.vault.uri, lambda: managed_identity(None), transport=azure.transport)
    yield client
    await client.close()


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
