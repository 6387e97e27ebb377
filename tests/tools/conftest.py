"""Packages of toolsets that live for one test."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

MakePackage = Callable[..., str]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    """Write source texts as the modules of a new package and return its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(files: dict[str, str | bytes]) -> str:
        package = f"package_{uuid.uuid4().hex}"
        folder = tmp_path / package
        folder.mkdir()
        for name, source in {"__init__.py": "", **files}.items():
            data = source.encode() if isinstance(source, str) else source
            (folder / name).write_bytes(data)
        return package

    return make
