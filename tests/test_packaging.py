"""What a deployment takes along: what the functions need, and nothing of the workshop."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.package import ROOT, ignored
from tests.functions_host.packaged import packaged_files, unpack

CODE = ("shared", "toolsets")
IGNORED = ignored(ROOT)


def test_exactly_what_the_functions_need_is_packaged() -> None:
    files = packaged_files()
    loose = {str(file) for file in files if len(file.parts) == 1}
    assert loose == {"appsettings.json", "function_app.py", "host.json", "requirements.txt"}
    assert {file.parts[0] for file in files if len(file.parts) > 1} == set(CODE)


def test_all_of_the_code_is_packaged_and_only_code() -> None:
    written = [path.relative_to(ROOT) for name in CODE for path in (ROOT / name).rglob("*.py")]
    assert [str(path) for path in written if IGNORED.match_file(path)] == []
    assert {file.suffix for file in packaged_files() if file.parts[0] in CODE} == {".py"}


@pytest.mark.parametrize(
    "file",
    [
        "appsettings.Development.json",
        "local.settings.json",
        "local.settings.example.json",
        "manage.py",
        "commands/run.py",
        "development/identity.py",
        ".development/signing-keys.pem",
        "tests/support.py",
        "tests/functions_host/host.py",
        "toolsets/__pycache__/identity.cpython-313.pyc",
        "scripts/install",
        "infra/main.bicep",
        "azure.yaml",
        ".azure/production/.env",
        "Dockerfile",
        ".dockerignore",
        "dist/postern.zip",
        "toolsets/mine.pem",
        "docs/tools.md",
        "bench/run.py",
        "requirements-dev.txt",
        ".git/config",
        ".gitignore",
        ".github/workflows/ci.yml",
        ".ci/run",
        ".venv/bin/python",
        ".venv/pyvenv.cfg",
        ".tools/python3.11/bin/python",
        ".mypy_cache/3.11/cache.json",
        ".env",
    ],
)
def test_what_belongs_to_the_workshop_stays_there(file: str) -> None:
    assert IGNORED.match_file(file)


@pytest.mark.parametrize(
    "file",
    [
        "toolsets/invoices.py",
        "toolsets/data/rates.json",
        "azure_client.py",
        "shared/tools/runner.py",
    ],
)
def test_what_a_user_adds_is_packaged(file: str) -> None:
    assert not IGNORED.match_file(file)


def test_the_ignore_file_holds_plain_names_only() -> None:
    """Tools read paths and negations in it differently; names mean the same to all of them."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line or set(line) & set("/!#[]?")] == []


def test_the_package_can_be_loaded_on_its_own(tmp_path: Path) -> None:
    app = unpack(tmp_path / "app")
    program = "import sys; sys.path.insert(0, sys.argv[1]); import function_app"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", program, str(app)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert "Traceback" not in loaded.stderr
