"""What the documents show can be used: JSON is JSON, configurations load, links lead somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest

from shared.configuration import jsonc
from shared.configuration.load import SECTIONS, load
from tests.clients.foreign.__main__ import CLIENTS
from tests.guides import DOCS, ROOT, Block, blocks
from tests.support import configured, write_configuration

DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
JSON = [block for file in DOCUMENTS for block in blocks(file, "json")]
_OURS = {name.lower() for name in SECTIONS}
_PLACEHOLDER = re.compile(r"<[^<>\"]+>")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def plain(block: Block) -> Any:
    return jsonc.parse(block.text, str(block)).plain()


def is_configuration(block: Block) -> bool:
    """Whether a block is a configuration of this endpoint, or a part of one."""
    try:
        value = plain(block)
    except jsonc.SyntaxProblem:
        return False
    return isinstance(value, dict) and bool(value) and {key.lower() for key in value} <= _OURS


CONFIGURATIONS = [block for block in JSON if is_configuration(block)]


@pytest.mark.parametrize("block", JSON, ids=str)
def test_json_is_json(block: Block) -> None:
    assert isinstance(plain(block), dict)


def test_there_are_configurations_to_try() -> None:
    assert len(CONFIGURATIONS) > 5


ID = "1c0ffee0-0000-4000-8000-00000000beef"
AROUND = configured(
    {
        "Authentication": {
            "AdditionalSchemes": ["Bearer"],
            "Schemes": {
                "Bearer": {
                    "Type": "JwtBearer",
                    "Authority": f"https://login.microsoftonline.com/{ID}",
                    "Audience": "https://mcp.example.com/mcp",
                    "ClientId": ID,
                }
            },
        }
    }
)
"""What a part of a configuration is tried in: keys, and Entra ID's tokens."""


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=str)
def test_a_configuration_loads(block: Block, tmp_path: Path) -> None:
    """A whole one by itself, a part of one in AROUND; an id takes the place of <words>."""
    shown = jsonc.parse(_PLACEHOLDER.sub(ID, block.text), str(block)).plain()
    whole = "Enabled" in shown.get("Authentication", {})
    file = write_configuration(tmp_path, shown if whole else configured(shown, AROUND))
    load(tmp_path, {"Server__PublicUrl": "https://mcp.example.com/mcp"}, config_file=file)


def anchors(file: Path) -> set[str]:
    """What a link may name after #, as GitHub makes it of the headings."""
    text = _FENCED.sub("", file.read_text(encoding="utf-8"))
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_link_leads_somewhere(file: Path) -> None:
    for target in _LINK.findall(_FENCED.sub("", file.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (file.parent / name).resolve() if name else file
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def client_runs(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if re.match(r"\| (Python )?`[\w@/]+` \d \|", line)]


def test_the_client_runs_are_told_alike() -> None:
    runs = client_runs(DOCS / "clients" / "README.md")
    assert len(runs) == sum(len(client.eras) for client in CLIENTS)
    assert client_runs(ROOT / "README.md") == runs


def test_every_document_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    guides = (DOCS / "clients" / "README.md").read_text(encoding="utf-8")
    assert [
        f.name for f in DOCS.glob("*.md") if f.name != "README.md" and f.name not in index
    ] == []
    assert [f.name for f in (DOCS / "clients").glob("[a-z]*.md") if f.name not in guides] == []
