"""A project to run commands in, and an environment that says nothing about where it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.configuration.load import HOSTED
from tests.commands.support import Running, copy_of_the_project, running
from tests.support import configured, write_configuration


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *HOSTED,
        "AZURE_FUNCTIONS_ENVIRONMENT",
        "POSTERN_API_KEY",
        "POSTERN_TOKEN",
        "WEBSITE_HOSTNAME",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy for commands that write nothing into it."""
    return copy_of_the_project(tmp_path_factory.mktemp("commands") / "project")


@pytest.fixture(scope="session")
def developing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Running]]:
    """`manage.py run --port 0 --json` in a copy of its own."""
    copy = copy_of_the_project(tmp_path_factory.mktemp("developing") / "project")
    with running(copy, "run", "--port", "0", "--json") as server:
        yield copy, server


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A production configuration that works."""
    return write_configuration(tmp_path, configured())
