"""The packaged app on Microsoft's worker library, which exists from Python 3.13 on."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functions_host.host import FunctionsHost, hosting
from tests.functions_host.packaged import unpack
from tests.support import configured

collect_ignore = (
    ["test_indexing.py", "test_invocation.py"]
    if importlib.util.find_spec("azure_functions_runtime") is None
    else []
)

GREETINGS = '''"""Greetings."""

from shared.tools import tool


@tool(read_only=True, roles=["reader"])
def greet(name: str, times: int = 1) -> str:
    """Greet somebody.

    Args:
        name: Whom to greet.
    """
    return " ".join([f"Hello, {name}!"] * times)
'''


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionsHost]:
    """The packaged app with two keys and a toolset of its user's."""
    app = unpack(tmp_path_factory.mktemp("functions") / "app", configured())
    (app / "toolsets" / "greetings.py").write_text(GREETINGS, encoding="utf-8")
    with hosting(app) as running:
        yield running


@pytest.fixture(scope="session")
def unconfigured_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged app just as it is packaged."""
    return unpack(tmp_path_factory.mktemp("unconfigured") / "app")


@pytest.fixture(scope="session")
def unconfigured(unconfigured_app: Path) -> Iterator[FunctionsHost]:
    with hosting(unconfigured_app) as running:
        yield running
