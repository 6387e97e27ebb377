"""Resource types and API versions come from a list: `api-versions.txt`, a type@version a line.

What is not in it may be misspelt, a preview, or not looked at yet. The compiler's rule for this,
use-recent-api-versions, stays off: what it finds depends on the day, and it takes no preview where
there is nothing else.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from infra.lint.bicep_files import BicepFile, Finding, Folder

LIST = Path(__file__).with_name("api-versions.txt")
_GRAPH = "Microsoft.Graph/"


def allowed() -> set[str]:
    """The list. Lines that begin with # are comments."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def check(folder: Folder) -> Iterator[Finding]:
    known = allowed()
    for file in folder.files.values():
        for resource in file.of_kind("resource"):
            if resource.of not in known:
                near = sorted(e for e in known if e.startswith(resource.of.partition("@")[0] + "@"))
                advice = f"use {near[-1]}" if near else f"look it up, then add it to {LIST.name}"
                yield file.finding(resource.line, f"{resource.of} is not in the list", advice)
        yield from _extension(folder, file)


def _extension(folder: Folder, file: BicepFile) -> Iterator[Finding]:
    """Microsoft Graph's types come from an extension: declared where they are used, and named in
    bicepconfig.json."""
    extension = next(file.of_kind("extension"), None)
    graph = [found for found in file.of_kind("resource") if found.of.startswith(_GRAPH)]
    if graph and extension is None:
        text = f"{graph[0].of} needs an extension"
        yield file.finding(graph[0].line, text, "add extension microsoftGraphV1")
    if extension is not None and not graph:
        text = f"extension {extension.name} is not used"
        yield file.finding(extension.line, text, "remove it")
    if extension is not None and extension.name not in _configured(folder):
        text = f"bicepconfig.json names no extension {extension.name}"
        yield file.finding(extension.line, text, "add it there")


def _configured(folder: Folder) -> set[str]:
    """The extensions that bicepconfig.json names."""
    try:
        text = (folder.path / "bicepconfig.json").read_text(encoding="utf-8")
        return set(json.loads(text)["extensions"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()
