"""`make package`: what it makes, and what it refuses to make anything of."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import pytest

from scripts.package import NEEDED, ROOT, ZIP, main
from tests.functions_host.packaged import unpack

FILES = (*NEEDED, "shared/caller.py", "toolsets/greetings.py")
KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n"


def git(folder: Path, *arguments: str) -> None:
    program = shutil.which("git")
    assert program is not None
    subprocess.run([program, *arguments], cwd=folder, capture_output=True, check=True)


def plant(folder: Path, name: str, text: str = "planted\n", *, track: bool = True) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    if track:
        git(folder, "add", "--force", name)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project under git, with our .funcignore."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for name in FILES:
        plant(folder, name, f"{name}\n")
    plant(folder, ".funcignore", (ROOT / ".funcignore").read_text(encoding="utf-8"))
    plant(folder, "tests/test_caller.py")
    plant(folder, "appsettings.Development.json", track=False)
    return folder


def take_along(folder: Path, pattern: str) -> None:
    """Lose a line of .funcignore."""
    file = folder / ".funcignore"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines.remove(pattern)
    file.write_text("\n".join(lines), encoding="utf-8")


def test_the_path_the_size_and_the_number_of_files_are_printed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(project) == 0
    size = (project / ZIP).stat().st_size
    assert capsys.readouterr() == (f"{ZIP}  {size} bytes  {len(FILES)} files\n", "")
    with ZipFile(project / ZIP) as archive:
        assert archive.namelist() == sorted(FILES)
        assert archive.read("shared/caller.py") == b"shared/caller.py\n"


def test_the_same_files_make_the_same_bytes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main(project)
    first = (project / ZIP).read_bytes()
    for name in FILES:
        os.utime(project / name, (1, 1))
        (project / name).chmod(0o600)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        main(project)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (project / ZIP).read_bytes() == first


def test_the_time_of_the_source_is_the_time_of_the_files(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    main(project)
    with ZipFile(project / ZIP) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}


@pytest.mark.parametrize(
    ("pattern", "name", "why"),
    [
        ("development", "development/identity.py", "belongs to the development identity"),
        (".development", ".development/token", "belongs to the development identity"),
        ("tests", "toolsets/tests/test_greetings.py", "belongs to the tests"),
        *(
            (pattern, name, "is a setting of one machine")
            for pattern, name in [
                ("appsettings.Development.json", "appsettings.Development.json"),
                ("local.settings*.json", "local.settings.json"),
                ("local.settings*.json", "Local.Settings.azure.json"),
                (".env*", ".env"),
                (".env*", "toolsets/.env.production"),
                (".azure", ".azure/production/config.json"),
            ]
        ),
        ("*.pem", "Toolsets/Mine.PEM", "is a key or a certificate"),
        *(
            (f"*.{ending}", f"toolsets/mine.{ending}", "is a key or a certificate")
            for ending in ("cer", "crt", "jks", "key", "p12", "pem", "pfx")
        ),
        ("id_rsa*", "toolsets/id_rsa", "is a key or a certificate"),
        ("id_ed25519*", "toolsets/id_ed25519.old", "is a key or a certificate"),
    ],
)
def test_what_must_stay_here_is_refused_by_name_when_the_ignore_file_lets_it_through(
    project: Path, pattern: str, name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(project, name)
    take_along(project, pattern)
    assert main(project) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{name}: {why}\n" in captured.err
    assert not (project / ZIP).exists()


@pytest.mark.parametrize("name", ["toolsets/scratch.py", "notes.txt", "toolsets/data/rows.csv"])
def test_what_git_does_not_track_is_refused_until_it_is_added(
    project: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(project, name, track=False)
    assert main(project) == 1
    assert f"{name}: is not tracked by git" in capsys.readouterr().err
    git(project, "add", name)
    assert main(project) == 0


@pytest.mark.parametrize("kind", ["PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
def test_a_private_key_is_refused_whatever_its_file_is_called(
    project: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(project, "toolsets/settings.py", f'KEY = """{KEY.replace("PRIVATE KEY", kind)}"""\n')
    assert main(project) == 1
    captured = capsys.readouterr()
    assert "toolsets/settings.py: holds a private key\n" in captured.err
    assert "MC4CAQAwBQYDK2Vw" not in captured.err


def test_a_link_is_refused_and_not_followed(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(tmp_path / "elsewhere", "secret.txt", track=False)
    (project / "toolsets" / "elsewhere").symlink_to(tmp_path / "elsewhere")
    (project / "toolsets" / "secret.txt").symlink_to(tmp_path / "elsewhere" / "secret.txt")
    git(project, "add", ".")
    assert main(project) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == [
        "toolsets/elsewhere: is no regular file",
        "toolsets/secret.txt: is no regular file",
    ]


@pytest.mark.parametrize("name", NEEDED)
def test_a_package_that_would_not_start_is_refused(
    project: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / name).unlink()
    assert main(project) == 1
    assert f"{name}: is missing\n" in capsys.readouterr().err


def test_every_reason_is_told_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".funcignore").write_text(".git*\n.funcignore\n", encoding="utf-8")
    assert main(project) == 1
    assert capsys.readouterr().err.splitlines() == [
        "Nothing was packaged.",
        "appsettings.Development.json: is a setting of one machine",
        "tests/test_caller.py: belongs to the tests",
    ]


def test_without_git_nothing_is_packaged(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(project / ".git")
    assert main(project) == 1
    assert "no checkout of git" in capsys.readouterr().err


def test_a_refusal_leaves_no_older_package(project: Path) -> None:
    main(project)
    assert (project / ZIP).exists()
    plant(project, "scratch.py", track=False)
    assert main(project) == 1
    assert not (project / ZIP).exists()


def test_this_project_can_be_packaged(tmp_path: Path) -> None:
    """A copy of what git tracks here, by the command that `make package` runs."""
    copy = unpack(tmp_path / "copy")
    shutil.copy(ROOT / ".funcignore", copy)
    shutil.copytree(ROOT / "scripts", copy / "scripts")
    git(copy, "init", "--quiet")
    git(copy, "add", ".")
    ran = subprocess.run(
        [sys.executable, "-m", "scripts.package"],
        cwd=copy,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    path, size, _, count, _ = ran.stdout.split()
    assert (copy / path).stat().st_size == int(size)
    with ZipFile(copy / path) as archive:
        assert len(archive.namelist()) == int(count)
