"""`make package`: what a deployment sends to Azure Functions, as a zip for its remote build.

The zip holds what .funcignore leaves of the folder, since deployment tools go by nothing else.
The same files make the same bytes; SOURCE_DATE_EPOCH is the time they are given.

Refused is whatever git does not track, and what is secret or of the workshop by its name, or holds
a private key in PEM. Not checked is whether a tracked file holds a secret of another form: keys in
appsettings.json are `manage.py config check`'s business.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parent.parent
ZIP = "dist/postern.zip"

NEEDED = ("appsettings.json", "function_app.py", "host.json", "requirements.txt")
REFUSED = {
    "belongs to the development identity": ["development", ".development"],
    "belongs to the tests": ["tests"],
    "is a setting of one machine": [
        "appsettings.development.json",
        "local.settings*.json",
        ".env*",
        ".azure",
    ],
    "is a key or a certificate": [
        *("*.cer", "*.crt", "*.jks", "*.key", "*.p12", "*.pem", "*.pfx", "id_rsa*", "id_ed25519*"),
    ],
}
"""Why a file is refused, and the names this is told by, in lower case."""

_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_EARLIEST = 315532800  # a zip knows no time before 1980
_SPECS = {why: GitIgnoreSpec.from_lines(names) for why, names in REFUSED.items()}


def ignored(folder: Path) -> GitIgnoreSpec:
    """What .funcignore leaves out."""
    return GitIgnoreSpec.from_lines((folder / ".funcignore").read_text("utf-8").splitlines())


def packaged(folder: Path) -> list[PurePosixPath]:
    """The files that .funcignore leaves, and links, by their paths in `folder`."""
    return sorted(_walk(folder, PurePosixPath(), ignored(folder)), key=str)


def _walk(folder: Path, below: PurePosixPath, spec: GitIgnoreSpec) -> Iterator[PurePosixPath]:
    for entry in os.scandir(folder / below):
        file = below / entry.name
        if spec.match_file(file):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder, file, spec)
        else:
            yield file


def tracked(folder: Path) -> set[PurePosixPath] | None:
    """The files git tracks, committed or only added; None where there is no git to ask."""
    git = shutil.which("git")
    if git is None or not (folder / ".git").exists():
        return None
    listed = subprocess.run(
        [git, "ls-files", "-z"], cwd=folder, capture_output=True, check=True, encoding="utf-8"
    )
    return {PurePosixPath(name) for name in listed.stdout.split("\0") if name}


def objections(folder: Path, files: list[PurePosixPath]) -> list[str]:
    """A line for every file that must not be deployed, or that a deployment lacks."""
    known = tracked(folder)
    if known is None:
        return ["This is no checkout of git, which tells what belongs to the project."]
    found = [f"{file}: {why}" for file in files if (why := _objection(folder, file, known))]
    return found + [f"{name}: is missing" for name in NEEDED if PurePosixPath(name) not in files]


def _objection(folder: Path, file: PurePosixPath, known: set[PurePosixPath]) -> str | None:
    for why, spec in _SPECS.items():
        if spec.match_file(str(file).lower()):
            return why
    if not stat.S_ISREG((folder / file).lstat().st_mode):
        return "is no regular file"
    if file not in known:
        return "is not tracked by git (git add it, or name it in .funcignore)"
    if _PRIVATE_KEY.search((folder / file).read_bytes()):
        return "holds a private key"
    return None


def zipped(folder: Path, files: list[PurePosixPath]) -> bytes:
    """The files as a zip: every one readable by all, and of one time."""
    when = max(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), _EARLIEST)
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for file in files:
            entry = ZipInfo(str(file), time.gmtime(when)[:6])
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, (folder / file).read_bytes())
    return buffer.getvalue()


def main(folder: Path = ROOT) -> int:
    """Write the zip and print its path, size and number of files; 1 when something is refused."""
    target = folder / ZIP
    target.unlink(missing_ok=True)
    files = packaged(folder)
    if found := objections(folder, files):
        print("Nothing was packaged.", *found, sep="\n", file=sys.stderr)
        return 1
    made = zipped(folder, files)
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(made)
    print(f"{ZIP}  {len(made)} bytes  {len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
