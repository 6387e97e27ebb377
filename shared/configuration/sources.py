"""Where configuration comes from: files, then environment variables, later sources winning.

The merged tree keeps the source of every value, so that a message or a policy decision can name
the file and line (or the variable) to change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.validation import Path

if TYPE_CHECKING:
    from shared.configuration.references import Reference

MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Source:
    """A place a value was written: a file and line, or an environment variable."""

    name: str
    line: int | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}"


_ENVIRONMENT = Source("environment")
VARIABLE = "environment variable "
"""How the name of a source begins that is a variable."""


@dataclass(slots=True)
class Node:
    """A value and its source. `value` is a scalar, a list of nodes or a dict of nodes.

    `reference` is the vault's secret that a value was read from; it is not to be told.
    """

    value: Any = field(repr=False)
    source: Source
    reference: "Reference | None" = None

    def plain(self) -> Any:
        """The value without sources."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def member(self, key: str) -> "Node | None":
        """The member of an object by its name in any case, or None."""
        if not isinstance(self.value, dict):
            return None
        if key in self.value:
            return self.value[key]  # type: ignore[no-any-return]
        return next((n for k, n in self.value.items() if k.lower() == key.lower()), None)

    def source_of(self, path: Path) -> Source:
        """The source of the value at `path`, or of the nearest ancestor that is there.

        What is missing among variables is missing in the environment, not in one of them.
        """
        node, missing = self._nearest(path)
        return _ENVIRONMENT if missing and node.source.name.startswith(VARIABLE) else node.source

    def reference_of(self, path: Path) -> "Reference | None":
        """The vault's secret that the value at `path` was read from."""
        node, _ = self._nearest(path)
        return node.reference

    def _nearest(self, path: Path) -> "tuple[Node, bool]":
        """The node at `path`, or the nearest ancestor there is and True."""
        node = self
        for part in path:
            child: Node | None = None
            if isinstance(part, str):
                child = node.member(part)
            elif isinstance(node.value, list) and part < len(node.value):
                child = node.value[part]
            if child is None:
                return node, True
            node = child
        return node, False


def merge(base: Node, over: Node, *, exact: bool = False) -> Node:
    """`over` on top of `base`: objects merge by key, anything else is replaced.

    Keys match in any case, except directly under `Keys`, where they are secrets (`exact`).
    """
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        name = key if exact else next((k for k in merged if k.lower() == key.lower()), key)
        secrets = name.lower() == "keys"
        merged[name] = merge(merged[name], node, exact=secrets) if name in merged else node
    return Node(merged, base.source)


def apply_environment(root: Node, environment: Mapping[str, str], sections: set[str]) -> list[str]:
    """Set `Section__Key__0` variables in the tree; return the names that could not be set.

    Only variables whose first part is one of `sections` (in any case) take part. A list takes the
    index of one of its items, or the next free one. Of two names for one setting neither is known
    to be meant: the second is refused.
    """
    folded = {section.lower() for section in sections}
    refused = []
    known = set[str]()
    for name in sorted(environment, key=_natural):
        parts = name.split("__")
        if len(parts) < 2 or parts[0].lower() not in folded:
            continue
        shown = _shown(parts)
        leaf = Node(environment[name], Source(f"{VARIABLE}{shown}"))
        same = _variable(name)
        fits = same not in known and len(parts) <= MAX_DEPTH and all(parts)
        known.add(same)
        if not (fits and _set(root, parts, leaf)):
            refused.append(shown)
    return refused


def _natural(name: str) -> list[tuple[int, str]]:
    """List items in order: `__10` after `__2`."""
    return [(int(part) if part.isdecimal() else -1, part) for part in name.split("__")]


def _shown(parts: list[str]) -> str:
    """A variable's name as it may be told: deep inside a scheme a misspelt one may hold a key."""
    deep = parts[0].lower() == "authentication" and len(parts) > 4
    return "__".join([*parts[:4], "…"] if deep else parts)


def _set(node: Node, parts: list[str], leaf: Node) -> bool:
    part, rest = parts[0], parts[1:]
    if node.value is None:
        node.value = [] if part == "0" else {}
    if isinstance(node.value, list):
        if not part.isdecimal() or int(part) > len(node.value):
            return False
        index = int(part)
        if index == len(node.value):
            node.value.append(_branch(rest, leaf))
        child = node.value[index]
        if not rest:
            node.value[index] = leaf
    elif isinstance(node.value, dict):
        key = next((k for k in node.value if _variable(k) == _variable(part)), part)
        child = node.value.setdefault(key, _branch(rest, leaf))
        if not rest:
            node.value[key] = leaf
    else:
        return False
    return not rest or _set(child, rest, leaf)


def _variable(key: str) -> str:
    """A key as a variable's name can hold it: any case, and no hyphen (`Get_Process`)."""
    return key.lower().replace("-", "_")


def _branch(rest: list[str], leaf: Node) -> Node:
    """An empty place for what is still to be set: a list when its first key is `0`."""
    if not rest:
        return leaf
    return Node([] if rest[0] == "0" else {}, leaf.source)
