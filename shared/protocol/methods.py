"""The methods served, the era each belongs to and what its parameters must look like."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Problem = str | None


class Method(NamedTuple):
    """One request method. `check` returns what is wrong with its parameters, or None."""

    modern: bool
    legacy: bool
    check: Callable[[Mapping[str, Any]], Problem]


def _anything(params: Mapping[str, Any]) -> Problem:
    return None


def _initialize(params: Mapping[str, Any]) -> Problem:
    if not isinstance(params.get("protocolVersion"), str):
        return "initialize needs params.protocolVersion, a string such as 2025-11-25."
    return None


def _list(params: Mapping[str, Any]) -> Problem:
    if not isinstance(params.get("cursor"), str | None):
        return "params.cursor must be a string from an earlier nextCursor."
    return None


def _call(params: Mapping[str, Any]) -> Problem:
    if not isinstance(params.get("name"), str):
        return "tools/call needs params.name, the name of a tool as a string."
    arguments = params.get("arguments")
    if arguments is not None and not isinstance(arguments, dict):
        return "params.arguments must be an object that maps parameter names to values."
    return None


METHODS: Mapping[str, Method] = {
    "initialize": Method(modern=False, legacy=True, check=_initialize),
    "ping": Method(modern=False, legacy=True, check=_anything),
    "server/discover": Method(modern=True, legacy=False, check=_anything),
    "tools/list": Method(modern=True, legacy=True, check=_list),
    "tools/call": Method(modern=True, legacy=True, check=_call),
}

NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The parameter that the `Mcp-Name` header repeats, by method (served here or not)."""
