"""What a deployment to Azure Functions takes along: the files .funcignore leaves."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).parent.parent.parent


def ignored_patterns() -> list[str]:
    """The lines of .funcignore: each a name, at any depth, with wildcards."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def is_packaged(file: PurePosixPath) -> bool:
    """Whether a file or folder of the project, by its relative path, is taken along."""
    return not any(fnmatchcase(p, pattern) for p in file.parts for pattern in ignored_patterns())


def packaged_files() -> list[PurePosixPath]:
    """The files a deployment from a clean clone takes along."""
    return [file for file in _project_files() if is_packaged(file)]


def unpack(folder: Path, configuration: Mapping[str, Any] | None = None) -> Path:
    """Put the packaged files into `folder`, and there a configuration in place of ours."""
    for file in packaged_files():
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)
    if configuration is not None:
        text = json.dumps(configuration, indent=1)
        (folder / "appsettings.json").write_text(text, encoding="utf-8")
    return folder


def _project_files() -> list[PurePosixPath]:
    """The committed files; in a copy that is no checkout, everything that is there."""
    git = shutil.which("git")
    if git is not None and (ROOT / ".git").exists():
        listed = subprocess.run(
            [git, "ls-files", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            encoding="utf-8",
        )
        names = [PurePosixPath(name) for name in listed.stdout.split("\0") if name]
        return sorted(name for name in names if (ROOT / name).exists())
    return sorted(_walk(ROOT))


def _walk(folder: Path) -> list[PurePosixPath]:
    files: list[PurePosixPath] = []
    for path in folder.iterdir():
        relative = PurePosixPath(path.relative_to(ROOT).as_posix())
        if not is_packaged(relative):
            continue
        files += _walk(path) if path.is_dir() else [relative]
    return files
