"""A configuration problem, told so that the reader knows which key of which source to change."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shared.configuration.sources import VARIABLE, Node
from shared.validation import Path, Violation
from shared.wording import shown

# Names under `Keys` are the keys themselves, and these values are credentials.
_SECRET_NAMES_UNDER = re.compile(r"^keys$", re.IGNORECASE)
_SECRET_VALUES = re.compile(
    r"secret|password|token|connection[-_]?string|confirmationkeys|key$", re.IGNORECASE
)
# A credential is a secret in all its members but those that only say where it is.
_CREDENTIALS = re.compile(r"credentials?$", re.IGNORECASE)
_OPEN_IN_CREDENTIALS = {
    "sourcetype",
    "kind",
    "keyvaulturl",
    "keyvaultcertificatename",
    "certificatename",
    "certificatethumbprint",
    "certificatesubjectname",
    "certificatedistinguishedname",
    "certificatestorepath",
    "certificatediskpath",
    "signedassertionfilediskpath",
    "managedidentityclientid",
    "tokenexchangeurl",
    "tokenexchangeauthority",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. Errors keep the endpoint from serving; warnings are only told."""

    path: str
    source: str
    text: str
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.path} ({self.source}): {self.text}"


class ConfigurationError(Exception):
    """The configuration cannot be used. `problems` holds everything wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        errors = [problem for problem in self.problems if problem.level == "error"]
        heading = f"{len(errors)} configuration error{'s' if len(errors) != 1 else ''}"
        super().__init__("\n".join([heading, *(f"  {problem}" for problem in errors)]))


class Report:
    """Problems found while reading one configuration tree."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.problems: list[Problem] = []

    def error(self, path: Path, text: str) -> None:
        self.problems.append(self._problem(path, text, "error"))

    def warn(self, path: Path, text: str) -> None:
        self.problems.append(self._problem(path, text, "warning"))

    def violations(self, violations: Iterable[Violation], prefix: Path = ()) -> None:
        """Report type violations found in the section at `prefix`."""
        for violation in violations:
            path = (*prefix, *violation.path)
            if _may_be_a_key(violation, path):
                self.error(path[:-1], "holds an unknown key; expected API keys under Keys")
            else:
                secret = is_secret(path) or self.root.reference_of(path) is not None
                self.error(
                    path, _told(violation, secret=secret) + self._as_variables(violation, path)
                )

    def _as_variables(self, violation: Violation, path: Path) -> str:
        """How variables write a list, for one that was given as a text."""
        variable = self.root.source_of(path).name.startswith(VARIABLE)
        is_list = violation.expected.startswith("a list") and isinstance(violation.value, str)
        return "; as variables …__0, …__1 and so on" if variable and is_list else ""

    def _problem(self, path: Path, text: str, level: Literal["error", "warning"]) -> Problem:
        return Problem(path_text(self.root, path), str(self.root.source_of(path)), text, level)

    @property
    def failed(self) -> bool:
        return any(problem.level == "error" for problem in self.problems)


def path_text(root: Node, path: Path) -> str:
    """`Authentication:Schemes:ApiKey:Keys[#1]:Roles[0]`: secret names shown by their position."""
    text = ""
    node: Node | None = root
    for position, part in enumerate(path):
        if isinstance(part, int):
            text += f"[{part}]"
            inside = node is not None and isinstance(node.value, list) and part < len(node.value)
            node = node.value[part] if node is not None and inside else None
            continue
        if position and _SECRET_NAMES_UNDER.match(str(path[position - 1])):
            names = list(node.value) if node is not None and isinstance(node.value, dict) else []
            text += f"[#{names.index(part) + 1 if part in names else '?'}]"
        elif any(_SECRET_NAMES_UNDER.match(str(above)) for above in path[:position]):
            text += f":{part}" if part.lower() in ("scopes", "roles") else ":…"
        else:
            text += f":{part}" if text else part
        node = node.member(part) if node is not None else None
    return text or "the configuration"


def is_secret(path: Path) -> bool:
    """Whether the value at a path is not to be shown."""
    if any(isinstance(part, str) and _SECRET_NAMES_UNDER.match(part) for part in path):
        return True
    names = [part for part in path if isinstance(part, str)]
    if any(_CREDENTIALS.search(name) for name in names):
        return names[-1].lower() not in _OPEN_IN_CREDENTIALS
    return bool(names) and bool(_SECRET_VALUES.search(names[-1]))


def _may_be_a_key(violation: Violation, path: Path) -> bool:
    """Whether an unknown name inside a scheme is like none of its keys: an API key, misplaced?"""
    scheme = len(path) > 2 and str(path[1]).lower() == "schemes"
    return violation.reason == "unknown" and violation.suggestion is None and scheme


def _told(violation: Violation, *, secret: bool) -> str:
    if violation.reason == "unknown":
        hint = f"; did you mean {violation.suggestion}?" if violation.suggestion else ""
        return f"unknown key{hint}"
    if violation.reason == "repeated":
        return f"is another spelling of {violation.expected}; expected each key once"
    if violation.reason == "missing":
        return f"missing; expected {violation.expected}"
    if secret or not isinstance(violation.value, str | int | float):
        return f"{violation.reason}; expected {violation.expected}"
    return f"{shown(violation.value)} {violation.reason}; expected {violation.expected}"
