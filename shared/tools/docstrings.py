"""Docstrings in Google style: what a tool does, and a line for each parameter."""

import inspect
import re
from collections.abc import Callable
from typing import Any

_SECTION = re.compile(r"^(Args|Arguments|Returns?|Raises|Yields?|Examples?|Notes?):\s*$")
_ENTRY = re.compile(r"^(\*{0,2}\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


def parse(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The description and the parameter descriptions of a function's docstring."""
    description: list[str] = []
    parameters: dict[str, str] = {}
    section, current, indent = "", "", 0
    for line in inspect.cleandoc(function.__doc__ or "").splitlines():
        heading = _SECTION.match(line)
        if heading:
            section, current = heading[1], ""
        elif not section or (line and not line[0].isspace()):
            section = ""
            description.append(line)
        elif section in ("Args", "Arguments") and line.strip():
            depth = len(line) - len(line.lstrip())
            entry = _ENTRY.match(line.strip())
            if entry and (not current or depth <= indent):
                current, indent = entry[1].lstrip("*"), depth
                parameters[current] = entry[2]
            elif current:
                parameters[current] = f"{parameters[current]} {line.strip()}".strip()
    return "\n".join(description).strip(), parameters
