"""What the README says to do, done."""

import re
import shlex
from pathlib import Path

from tests.commands import support
from tests.commands.support import ROOT, copy_of_the_project, running
from tests.guides import blocks

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_tool_is_called_as_it_says(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    (tool,) = blocks(README, "python")
    (copy / "toolsets" / "greetings.py").write_text(tool.text, encoding="utf-8")
    (line,) = [line for line in TEXT.splitlines() if "call greet" in line]
    token, call = (shlex.split(part)[1:] for part in line.split("|"))
    with running(copy, "run", "--port", "0", "--json") as server:
        port = ("--port", server.json["url"].split(":")[2].removesuffix("/mcp"))
        given = support.manage(copy, *token, *port).stdout
        assert support.manage(copy, *call, *port, given=given).stdout == "Hello, Ada!\n"
        unknown = support.manage(copy, *(w for w in call if w not in ("--token-file", "-")), *port)
        assert unknown.stderr == "The endpoint refused: Unknown tool: greet\n"


def test_the_configuration_is_explained_as_it_says(tmp_path: Path) -> None:
    copy = copy_of_the_project(tmp_path / "project")
    (settings,) = blocks(README, "json")
    (copy / "appsettings.json").write_text(settings.text, encoding="utf-8")
    assert support.manage(copy, "config", "init").returncode == 0
    shown = re.search(r"^\$ echo '(.+)' \| (\./manage\.py explain .+)\n((?:.+\n)+?)```", TEXT, re.M)
    assert shown is not None
    described, command, expected = shown.groups()
    found = support.manage(copy, *shlex.split(command)[1:], given=described)
    assert (found.stdout, found.returncode) == (expected, 0)
