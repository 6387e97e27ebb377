"""The fenced blocks of the documentation, and an endpoint that its examples can call."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from development.directory import DAEMON, DAEMON_SECRET
from shared.configuration.entra import DEVELOPMENT_TENANT
from tests.commands.support import copy_of_the_project, running
from tests.support import READER_KEY, reserved_port, write_configuration

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: the file it stands in, its line there, its language and its text."""

    file: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def blocks(file: Path, language: str) -> list[Block]:
    """The blocks of a file that are in a language, in their order."""
    text = file.read_text(encoding="utf-8")
    return [
        Block(file, text.count("\n", 0, match.start()) + 1, language, match[2])
        for match in _BLOCK.finditer(text)
        if match[1] == language
    ]


CONFIGURATION: dict[str, Any] = {
    "Authentication": {
        "Enabled": True,
        "DefaultScheme": "Bearer",
        "AdditionalSchemes": ["ApiKey"],
        "Schemes": {
            "Bearer": {"Type": "JwtBearer", "Authority": "development"},
            "ApiKey": {
                "Type": "ApiKey",
                "AllowInlineKeys": True,
                "Keys": {READER_KEY: {"Scopes": ["access_as_user"]}},
            },
        },
        "DefaultPolicy": {"RequiredScopes": ["access_as_user"]},
    },
}


@contextmanager
def endpoint(folder: Path) -> Iterator[Mapping[str, str]]:
    """An endpoint that takes a key and the development identity's tokens, as what the examples
    read from their environment. Lasts until the block ends."""
    file = write_configuration(folder, CONFIGURATION)
    project = copy_of_the_project(folder / "project")
    arguments = ("run", "--port", "0", "--json", "--config", str(file))
    with reserved_port() as callback, running(project, *arguments) as server:
        started = server.json
        yield {
            "MCP_URL": started["url"],
            "MCP_API_KEY": READER_KEY,
            "MCP_CLIENT_ID": started["clientId"],
            "CALLBACK_PORT": str(callback),
            "MCP_SCOPE": f"{started['url']}/.default",
            "AZURE_TENANT_ID": DEVELOPMENT_TENANT,
            "AZURE_CLIENT_ID": DAEMON,
            "AZURE_CLIENT_SECRET": DAEMON_SECRET,
            "AZURE_AUTHORITY_HOST": started["secureAuthority"].rpartition("/")[0],
            "REQUESTS_CA_BUNDLE": started["certificateAuthority"],
            "NODE_EXTRA_CA_CERTS": started["certificateAuthority"],
        }
