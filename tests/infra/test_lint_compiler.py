"""What is made of the compiler's words. A script stands in for `bicep`, which is not here."""

import os
from pathlib import Path

import pytest

from infra.lint.__main__ import lint

SCRIPT = """\
#!/bin/sh
for last; do :; done
case "$last" in
  {name}) printf '%s' '{words}' >&2; exit {status} ;;
esac
"""


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that PATH begins with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def install(folder: Path, name: str, words: str, status: int) -> None:
    script = folder / "bicep"
    script.write_text(SCRIPT.format(name=name, words=words, status=status), encoding="utf-8")
    script.chmod(0o755)


def test_without_a_compiler_that_is_said(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(sample))
    found, counted = lint(sample)
    assert not found
    assert counted.endswith("no bicep on PATH: no compiler has read them")


def test_its_errors_and_warnings_are_findings_once(sample: Path, on_path: Path) -> None:
    words = (
        '/x/main.bicep(9,7) : Warning no-unused-params: Parameter "a" is not used. [https://x]\n'
        '/x/app.bicep(3,1) : Error BCP018: Expected the "=" character.\n'
    )
    install(on_path, "*main.bicep", words, 1)
    found, counted = lint(sample)
    assert [(f.file, f.line) for f in found] == [("app.bicep", 3), ("main.bicep", 9)]
    assert found[0].text.startswith("BCP018: Expected the")
    assert "no bicep" not in counted


def test_a_failure_without_a_place_is_a_finding_too(sample: Path, on_path: Path) -> None:
    install(on_path, "*main.bicep", "Unhandled exception.", 134)
    found, _ = lint(sample)
    assert [(f.file, f.line, f.text) for f in found] == [("main.bicep", 1, "Unhandled exception.")]


def test_an_extension_that_cannot_be_fetched_is_said_and_is_no_finding(
    sample: Path, on_path: Path
) -> None:
    (sample / "entra.bicep").write_text("var a = 1\noutput b int = a\n", encoding="utf-8")
    words = "entra.bicep(1,11) : Error BCP192: Unable to restore the artifact with reference x"
    install(on_path, "*entra.bicep", words, 1)
    found, counted = lint(sample)
    assert not found
    assert counted.endswith("bicep could not fetch the extension of entra.bicep: not compiled")
