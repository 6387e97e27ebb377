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


def _read(params: Mapping[str, Any]) -> Problem:
    if not isinstance(params.get("uri"), str):
        return "resources/read needs params.uri, the URI of a resource as a string."
    return None


def _get(params: Mapping[str, Any]) -> Problem:
    if not isinstance(params.get("name"), str):
        return "prompts/get needs params.name, the name of a prompt as a string."
    return _texts(params.get("arguments"), "params.arguments")


def _complete(params: Mapping[str, Any]) -> Problem:
    ref, argument = params.get("ref"), params.get("argument")
    if not isinstance(ref, dict) or ref.get("type") not in ("ref/prompt", "ref/resource"):
        return "completion/complete needs params.ref, of type ref/prompt or ref/resource."
    if not isinstance(ref.get("name" if ref["type"] == "ref/prompt" else "uri"), str):
        return "params.ref needs the name of a prompt, or the uri of a resource template."
    if not isinstance(argument, dict) or not all(
        isinstance(argument.get(key), str) for key in ("name", "value")
    ):
        return "completion/complete needs params.argument with name and value, both strings."
    return None


def _texts(value: object, name: str) -> Problem:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        return f"{name} must be an object that maps names to strings."
    return None


METHODS: Mapping[str, Method] = {
    "initialize": Method(modern=False, legacy=True, check=_initialize),
    "ping": Method(modern=False, legacy=True, check=_anything),
    "server/discover": Method(modern=True, legacy=False, check=_anything),
    "tools/list": Method(modern=True, legacy=True, check=_list),
    "tools/call": Method(modern=True, legacy=True, check=_call),
    "resources/list": Method(modern=True, legacy=True, check=_list),
    "resources/templates/list": Method(modern=True, legacy=True, check=_list),
    "resources/read": Method(modern=True, legacy=True, check=_read),
    "prompts/list": Method(modern=True, legacy=True, check=_list),
    "prompts/get": Method(modern=True, legacy=True, check=_get),
    "completion/complete": Method(modern=True, legacy=True, check=_complete),
}

NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The parameter that the `Mcp-Name` header repeats, by method."""
