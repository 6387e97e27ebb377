"""The Bicep files of a folder, parsed, and what else lies beside them."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lark.exceptions import LarkError, UnexpectedInput
from pycep import BicepParser

from infra.lint.parser import parse
from infra.lint.tokens import SyntaxProblem
from infra.lint.tree import Declaration, Name, Node, walk

TOP_LEVEL = ("main.bicep", "endpoint.bicep", "entra.bicep")
"""Files that are deployed by themselves; every other one is a module of one of them."""


class Finding(NamedTuple):
    """Something to mend: where, what, and what to do."""

    file: str
    line: int
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text} — {self.advice}"


@dataclass(frozen=True, slots=True)
class BicepFile:
    """A parsed file. `comments` maps lines to the comments that begin on them."""

    name: str
    declarations: tuple[Declaration, ...]
    comments: dict[int, str]

    def of_kind(self, *kinds: str) -> Iterator[Declaration]:
        return (found for found in self.declarations if found.kind in kinds)

    def declared(self, name: str, *kinds: str) -> Declaration | None:
        return next((found for found in self.of_kind(*kinds) if found.name == name), None)

    @property
    def scope(self) -> str:
        """What it is deployed to: its `targetScope`, or a resource group."""
        stated = next(self.of_kind("targetScope"), None)
        return str(getattr(stated.value, "literal", "")) if stated else "resourceGroup"

    def nodes(self) -> Iterator[Node]:
        for declaration in self.declarations:
            yield from walk(declaration)

    def reach(self, node: Node) -> Iterator[Node]:
        """A node, everything below it, and what the variables in it stand for."""
        waiting, seen = [node], set[str]()
        while waiting:
            for found in walk(waiting.pop()):
                yield found
                if isinstance(found, Name) and found.name not in seen:
                    seen.add(found.name)
                    variable = self.declared(found.name, "var")
                    if variable is not None and variable.value is not None:
                        waiting.append(variable.value)

    def finding(self, line: int, text: str, advice: str) -> Finding:
        return Finding(self.name, line, text, advice)


@dataclass(frozen=True, slots=True)
class Folder:
    """The files that could be parsed, by name."""

    path: Path
    files: dict[str, BicepFile]

    def modules(self) -> Iterator[tuple[BicepFile, Declaration, BicepFile | None]]:
        """Each use of a module: the file, the statement, and the module's file if it is there."""
        for file in self.files.values():
            for module in file.of_kind("module"):
                yield file, module, self.files.get(module.of.removeprefix("./"))


def read(path: Path) -> tuple[Folder, list[Finding]]:
    """Parse every `.bicep` of a folder; a file that cannot be is a finding and left out."""
    files, found = {}, []
    for file in sorted(path.glob("*.bicep")):
        text = file.read_text(encoding="utf-8")
        try:
            declarations, comments = parse(text)
        except SyntaxProblem as problem:
            found.append(Finding(file.name, problem.line, problem.text, "mend the syntax"))
            continue
        files[file.name] = BicepFile(file.name, declarations, comments)
        found += _second_opinion(files[file.name], text)
    return Folder(path, files), found


@functools.cache
def _pycep() -> BicepParser:
    return BicepParser(cache=False)


def _second_opinion(file: BicepFile, text: str) -> Iterable[Finding]:
    """What pycep-parser cannot read."""
    try:
        _pycep().parse(text=text)
    except UnexpectedInput as error:
        yield file.finding(error.line, "pycep-parser cannot read this", "mend or simplify it")
    except (LarkError, ValueError) as error:
        first = str(error).splitlines()[0]
        yield file.finding(1, f"pycep-parser cannot read it: {first}", "mend or simplify it")
