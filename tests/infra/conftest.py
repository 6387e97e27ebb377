"""The sample of the lint's tests, in a folder of its own."""

from pathlib import Path

import pytest

from tests.infra import lint_sample


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return lint_sample.write(tmp_path)
