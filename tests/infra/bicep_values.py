"""What a Bicep expression comes to, for given parameters: enough for the app settings.

Reads the lint's tree. Knows the functions the app settings are made of, and no resource: what those
tell after their deployment is given too.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.lint.bicep_files import BicepFile
from infra.lint.tree import (
    Array,
    Binary,
    Call,
    Conditional,
    Index,
    Literal,
    Member,
    Name,
    Node,
    NonNull,
    Object,
    Text,
    Unary,
)

CLOUDS = {
    "AzureCloud": "https://login.microsoftonline.com/",
    "AzureUSGovernment": "https://login.microsoftonline.us/",
    "AzureChinaCloud": "https://login.chinacloudapi.cn/",
}
"""Where each cloud signs people in, as `environment().authentication.loginEndpoint` has it."""


class Values:
    """The values of a file's symbols; `given` holds parameters and resources by name."""

    def __init__(
        self, folder: Path, file: BicepFile, given: Mapping[str, Any], cloud: str = "AzureCloud"
    ) -> None:
        self.folder = folder
        self.file = file
        self.given = given
        endpoint = {"authentication": {"loginEndpoint": CLOUDS[cloud]}}
        self.functions: dict[str, Callable[..., Any]] = {
            "empty": lambda value: not value,
            "environment": lambda: {"name": cloud, **endpoint},
            "loadJsonContent": self._json,
            "string": str,
            "toLower": str.lower,
            "union": _union,
        }

    def of(self, name: str) -> Any:
        """The value of a parameter, resource or variable."""
        if name in self.given:
            return self.given[name]
        variable = self.file.declared(name, "var")
        if variable is None or variable.value is None:
            raise KeyError(f"no value is given for {name}")
        return self.value(variable.value)

    def value(self, node: Node) -> Any:
        """Raises NotImplementedError for what is not known here."""
        match node:
            case Literal():
                return node.value
            case Text():
                parts = [p if isinstance(p, str) else self.value(p) for p in node.parts]
                return "".join(map(str, parts))
            case Name():
                return self.of(node.name)
            case NonNull():
                return self.value(node.of)
            case Member():
                return self.value(node.of)[node.name]
            case Index():
                return self.value(node.of)[self.value(node.index)]
            case Array():
                return [self.value(item) for item in node.items]
            case Object():
                return {self.value(pair.key): self.value(pair.value) for pair in node.pairs}
            case Conditional():
                return self.value(node.yes if self.value(node.condition) else node.no)
            case Unary(operator="!"):
                return not self.value(node.operand)
            case Binary():
                return self._binary(node)
            case Call(of=None) if node.name in self.functions:
                return self.functions[node.name](*map(self.value, node.arguments))
        raise NotImplementedError(f"{self.file.name}:{node.line}: {node}")

    def _binary(self, node: Binary) -> Any:
        left = self.value(node.left)
        match node.operator:
            case "&&":
                return left and self.value(node.right)
            case "||":
                return left or self.value(node.right)
            case "??":
                return self.value(node.right) if left is None else left
            case "==":
                return left == self.value(node.right)
            case "!=":
                return left != self.value(node.right)
        raise NotImplementedError(f"{self.file.name}:{node.line}: {node.operator}")

    def _json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def _union(*objects: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for one in objects:
        merged |= one
    return merged
