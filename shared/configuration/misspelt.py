"""Environment variables that are meant for the configuration and would be passed over.

A variable whose section is not ours takes no part, since the environment holds much that is not
ours. So a section's name with a slip in it, or `_` or `:` where `__` belongs, would leave a
restriction out without a word. Such names are errors here; variables of others are not told of.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import msgspec

from shared.command_names import closest
from shared.configuration.problems import Problem, path_text
from shared.configuration.sources import VARIABLE, Node
from shared.validation import fields_of, unqualified

# A name of so many letters may have two slips in it, a shorter one has one.
_LONG = 6
_SEPARATORS = re.compile(r"__+|[_:.]")


def variables(environment: Mapping[str, str], model: type[msgspec.Struct]) -> Iterator[Problem]:
    """The names that are most likely meant for a section of `model`, each with the right one."""
    sections = {f.encode_name: _keys(f.type) for f in msgspec.structs.fields(model)}
    for name in sorted(environment):
        parts = [part for part in _SEPARATORS.split(name) if part]
        if len(parts) < 2:
            continue
        section = _section(name, parts[0], sections)
        key = _key(parts[1], sections[section]) if section else None
        if section is None or key is None:
            continue
        # What follows may be an API key that was put into a name.
        more = len(parts) > 2
        end = name.index(parts[1], len(parts[0])) + len(parts[1])
        shown = f"{name[: name.index(parts[2], end)]}…" if more else name
        right = f"{section}__{key}{'__…' if more else ''}"
        yield Problem(shown, "environment", f"is not a setting; did you mean {right}?")


def schemes(root: Node) -> Iterator[Problem]:
    """Schemes that only variables speak of, not in use and called almost like one that is."""
    section = root.member("Authentication")
    there = section.member("Schemes") if section is not None else None
    if section is None or there is None or not isinstance(there.value, dict):
        return
    used = _used(section)
    for name, node in there.value.items():
        near = closest(name, used)
        in_use = name.lower() in {other.lower() for other in used}
        if near is not None and not in_use and node.source.name.startswith(VARIABLE):
            path = path_text(root, ("Authentication", "Schemes", name))
            text = f"is not in use; did you mean {near}?"
            yield Problem(path, str(node.source), text)


def _section(name: str, first: str, sections: Mapping[str, Any]) -> str | None:
    """The section that a name is meant for and does not reach, or None."""
    separator = name[len(first) :]
    if not name.startswith(first):
        return None
    exact = next((s for s in sections if s.lower() == first.lower()), None)
    if separator.startswith("__"):
        return None if exact else next((s for s in sections if _is_slip(first, s)), None)
    # SERVER_NAME is a web server's; Server_Name is nobody's but ours.
    return exact if separator.startswith(":") or exact == first else None


def _is_slip(given: str, name: str) -> bool:
    """Whether two names differ by letters left out, put in, changed or swapped: one, or two."""
    one, other = given.lower(), name.lower()
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        above, row = row, [i]
        for j, wanted in enumerate(other, 1):
            slips = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                slips = min(slips, before[j - 2] + 1)
            row.append(slips)
        before = above
    return row[-1] <= (2 if len(name) >= _LONG else 1)


def _key(given: str, keys: frozenset[str] | None) -> str | None:
    """The key of a section that is meant, or None when it has none like that."""
    return given if keys is None else closest(given, keys)


def _keys(annotation: Any) -> frozenset[str] | None:
    """The keys of a section, or None where any will do; those that mean nothing have none."""
    bare = unqualified(annotation)
    fields = fields_of(bare)
    if fields is not None:
        return frozenset(field.name for field in fields)
    if get_origin(bare) is dict:
        return None
    found = [_keys(inner) for inner in get_args(bare)]
    return None if None in found else frozenset().union(*(keys for keys in found if keys))


def _used(section: Node) -> list[str]:
    default, more = section.member("DefaultScheme"), section.member("AdditionalSchemes")
    names = [default.value if default is not None else "Bearer"]
    names += [item.value for item in more.value] if more and isinstance(more.value, list) else []
    return [name for name in names if isinstance(name, str)]
