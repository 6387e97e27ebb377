"""The packaged app on Microsoft's worker library, which exists from Python 3.13 on."""

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.functions_host.host import FunctionsHost, hosting
from tests.functions_host.packaged import unpack
from tests.support import configured

collect_ignore = (
    [
        "test_deployed.py",
        "test_indexing.py",
        "test_invocation.py",
        "test_streaming.py",
        "test_streaming_adapter.py",
        "test_tokens.py",
    ]
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

COUNTING = '''"""Counting."""

import asyncio
from pathlib import Path

from shared.tools import ToolContext, tool


@tool(roles=["reader"])
async def count(gate: str, context: ToolContext) -> str:
    """Count to two, telling how far it is; the second only once there is a file `gate`."""
    await context.progress(1, 2)
    try:
        while not Path(gate).exists():
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        Path(gate).with_suffix(".stopped").touch()
        raise
    await context.progress(2, 2)
    return "counted"
'''


def extended(folder: Path, configuration: Mapping[str, Any] | None = None) -> Path:
    """The packaged app with toolsets of its user's, and two keys or another configuration."""
    app = unpack(folder, configuration or configured())
    (app / "toolsets" / "greetings.py").write_text(GREETINGS, encoding="utf-8")
    (app / "toolsets" / "counting.py").write_text(COUNTING, encoding="utf-8")
    return app


@pytest.fixture(scope="session")
def buffered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionsHost]:
    with hosting(extended(tmp_path_factory.mktemp("buffered") / "app")) as running:
        yield running


@pytest.fixture(scope="session")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionsHost]:
    app = extended(tmp_path_factory.mktemp("streaming") / "app")
    with hosting(app, {"Hosting__Streaming": "true"}) as running:
        yield running


@pytest.fixture(scope="session", params=["buffered", "streaming"])
def host(request: pytest.FixtureRequest) -> FunctionsHost:
    """What holds for one way of answering holds for the other."""
    running: FunctionsHost = request.getfixturevalue(request.param)
    return running


@pytest.fixture(scope="session")
def unconfigured_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged app just as it is packaged."""
    return unpack(tmp_path_factory.mktemp("unconfigured") / "app")


@pytest.fixture(scope="session")
def unconfigured(unconfigured_app: Path) -> Iterator[FunctionsHost]:
    with hosting(unconfigured_app) as running:
        yield running
