"""The sample of the lint's tests, in a folder of its own."""

import importlib.util
from pathlib import Path

import pytest

from tests.infra import lint_sample

# Microsoft's worker library exists from Python 3.13 on.
collect_ignore = (
    ["test_settings_hosted.py"]
    if importlib.util.find_spec("azure_functions_runtime") is None
    else []
)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return lint_sample.write(tmp_path)
