"""The container's image as far as it can be had without a builder: what `Dockerfile` says, and the
files it copies, in a folder."""

import json
import shutil
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from scripts.package import ROOT, tracked


class Instruction(NamedTuple):
    """One instruction: its name in capitals, and the rest of its line."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return self.text.split()

    @property
    def command(self) -> list[str]:
        """The exec form, which is JSON."""
        command: list[str] = json.loads(self.text[self.text.index("[") :])
        return command


def stages() -> list[list[Instruction]]:
    """The instructions of each stage; those before the first FROM come first."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: list[list[Instruction]] = [[]]
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, rest = line.split(maxsplit=1)
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, rest.strip()))
    return found


def context() -> list[PurePosixPath]:
    """The files of a clean clone that .dockerignore lets into a build."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    spec = GitIgnoreSpec.from_lines(lines)
    files = tracked(ROOT)
    if files is None:
        files = {PurePosixPath(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()}
    return sorted(file for file in files if not spec.match_file(file) and (ROOT / file).exists())


def copied(folder: Path) -> Path:
    """Do what the stage `build` copies from the context: files, or folders' contents."""
    files = context()
    for instruction in stages()[1]:
        if instruction.name != "COPY":
            continue
        *sources, target = instruction.words
        into = target.endswith("/")
        assert into or len(sources) == 1
        for source in map(PurePosixPath, sources):
            found = [file for file in files if file == source or source in file.parents]
            assert found, f"{source} is not in the context"
            for file in found:
                inner = file.relative_to(source) if file != source else PurePosixPath()
                name = source.name if into and file == source else ""
                place = folder / target / name / inner
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / file, place)
    return folder
