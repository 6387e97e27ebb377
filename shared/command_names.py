"""Tool names as people write them: `Get-Process`, `get-process` and `get_process` are one name.

PoshMcp configurations name PowerShell commands (`Verb-Noun`, any case); tools are named in snake
case. Patterns are PowerShell wildcards: `*`, `?` and `[a-z]`.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BRACKETS = re.compile(r"(\[[^\]]*\])")


def squashed(name: str) -> str:
    """The form in which two spellings of one command are equal: lower case, no separators."""
    return name.replace("-", "").replace("_", "").lower()


def _snake(text: str) -> str:
    return _HUMP.sub("_", text).replace("-", "_").lower()


def includes(pattern: str, tool: str) -> bool:
    """Whether a wildcard chooses a tool. Separators count: `Get-*` does not choose `getaway`."""
    return fnmatchcase(_snake(tool), _outside_brackets(pattern, _snake))


def excludes(pattern: str, tool: str) -> bool:
    """Whether a wildcard keeps a tool out: like `includes`, and also with separators ignored.

    The wider match is on purpose: an exclusion that misses for want of an underscore is a hole.
    """
    return includes(pattern, tool) or fnmatchcase(
        squashed(tool), _outside_brackets(pattern, squashed)
    )


def _outside_brackets(pattern: str, change: Callable[[str], str]) -> str:
    parts = _BRACKETS.split(pattern)
    return "".join(part.lower() if i % 2 else change(part) for i, part in enumerate(parts))


def find(name: str, tools: Iterable[str]) -> str | None:
    """The tool a command name means, or None."""
    wanted = squashed(name)
    return next((tool for tool in tools if squashed(tool) == wanted), None)


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like a misspelt name, or None when nothing is near."""
    by_form = {squashed(candidate): candidate for candidate in candidates}
    near = difflib.get_close_matches(squashed(name), by_form, n=1, cutoff=0.6)
    return by_form[near[0]] if near else None
