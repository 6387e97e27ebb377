"""A path with nothing on it but POSIX tools and stand-ins for Azure's command lines."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
POSIX = ("bash", "cat", "dirname", "grep", "mktemp", "paste", "rm", "sed", "sh", "sort", "tr")

TENANT = "11111111-0000-4000-8000-000000000001"
SUBSCRIPTION = "22222222-0000-4000-8000-000000000002"
CLIENT = "33333333-0000-4000-8000-000000000003"
PRINCIPAL = "44444444-0000-4000-8000-000000000004"
URL = "https://func-postern.azurewebsites.net/mcp"

REFUSALS = (
    "Values of identifierUris property must use a verified domain of the organization or its"
    " subdomain: 'https://func-postern.azurewebsites.net/mcp'",
    "Failed to add identifier URI. All newly added URIs must contain a tenant verified domain,"
    " tenant ID, or app ID, as per the default tenant policy of your organization.",
    '{"code":"InvalidUniqueTenantIdentifierAsPerAppPolicy"}',
    "Code: HostNameNotOnVerifiedDomain",
)
"""How Entra refuses the form of an App ID URI, as people report it."""


@dataclass
class Call:
    """One call of a stand-in: its arguments, and what was in the JSON files they named."""

    program: str
    arguments: list[str]
    files: list[Any]

    def has(self, *words: str) -> bool:
        """Whether arguments that start so are all there."""
        return all(any(given.startswith(word) for given in self.arguments) for word in words)

    def after(self, option: str) -> str:
        """The argument that follows an option."""
        return self.arguments[self.arguments.index(option) + 1]


@dataclass
class CommandLine:
    """The stand-ins in `folder`, and everything that runs before them on the path."""

    folder: Path
    answers: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._path.mkdir()
        self._calls.touch()
        for tool in POSIX:
            found = shutil.which(tool)
            assert found, tool
            (self._path / tool).symlink_to(found)
        for program in ("az", "azd", "sleep"):
            text = Path(__file__).with_name("foreign_command.py").read_text(encoding="utf-8")
            file = self._path / program
            file.write_text(f"#!{sys.executable} -SE\n{text}", encoding="utf-8")
            file.chmod(0o755)

    @property
    def _path(self) -> Path:
        return self.folder / "bin"

    @property
    def _calls(self) -> Path:
        return self.folder / "calls.jsonl"

    def without(self, program: str) -> None:
        """Take a stand-in off the path."""
        (self._path / program).unlink()

    def when(self, *words: str, program: str = "az", first: bool = False, **answer: Any) -> None:
        """Answer calls with these arguments so: `says`, `complains`, `status`, `times`."""
        entry = {"program": program, "when": list(words), **answer}
        self.answers.insert(0 if first else len(self.answers), entry)

    def run(
        self, *command: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this path and in no other environment."""
        (self.folder / "answers.json").write_text(json.dumps(self.answers), encoding="utf-8")
        program = shutil.which(command[0], path=str(self._path)) or command[0]
        return subprocess.run(
            [program, *command[1:]],
            cwd=ROOT,
            env={"PATH": str(self._path), "TMPDIR": str(self.folder), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    def hook(self, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a hook as azure.yaml does, in a Python that finds no installed packages."""
        return self.run(sys.executable, "-SE", "-m", f"infra.hooks.{name}", environment=environment)

    def calls(self, *words: str, program: str = "az") -> list[Call]:
        """The calls of a program with these arguments, in order."""
        lines = self._calls.read_text(encoding="utf-8").splitlines()
        every = [json.loads(line) for line in lines]
        calls = [Call(call["program"], call["arguments"], call["files"]) for call in every]
        return [call for call in calls if call.program == program and call.has(*words)]

    def forget(self) -> None:
        """Forget all calls, as before a second run."""
        self._calls.write_text("", encoding="utf-8")
