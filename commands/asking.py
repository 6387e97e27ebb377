"""A tool's questions, put to whoever sits at the terminal: MCP's elicitation, form mode."""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mcp.client.session import ClientRequestContext
from mcp.types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult

from commands import tell

_YES, _NO = {"y", "yes", "true"}, {"n", "no", "false"}


class _Unfit(ValueError):
    """An answer that does not fit."""


async def ask(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """Ask for one field after the other. Ctrl-D and Ctrl-C cancel."""
    if not isinstance(params, ElicitRequestFormParams):
        tell(f"{params.message}\nThis is asked on a page, not on a terminal: declined.")
        return ElicitResult(action="decline")
    tell(params.message)
    schema = params.requested_schema
    content: dict[str, Any] = {}
    try:
        for name, field in schema.get("properties", {}).items():
            content[name] = _answer(name, field, required=name in schema.get("required", ()))
    except (EOFError, KeyboardInterrupt):
        tell("")
        return ElicitResult(action="cancel")
    given = {name: value for name, value in content.items() if value is not None}
    return ElicitResult(action="accept", content=given)


def _answer(name: str, field: Mapping[str, Any], *, required: bool) -> Any:
    """What is typed, as its type; the default, or None, for an empty line."""
    expected = _expected(field)
    default = f" [{field['default']}]" if "default" in field else ""
    about = f", {field['description']}" if "description" in field else ""
    while True:
        line = _line(f"{name} ({expected}{about}){default}: ")
        if not line and ("default" in field or not required):
            return field.get("default")
        try:
            return _value(line, field)
        except _Unfit:
            tell(f"expected {expected}")


def _expected(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(field["enum"])
    return {"boolean": "y or n", "integer": "an integer", "number": "a number"}.get(
        field.get("type", ""), "text"
    )


def _value(line: str, field: Mapping[str, Any]) -> str | int | float | bool:
    if not line or ("enum" in field and line not in field["enum"]):
        raise _Unfit
    match field.get("type"):
        case "boolean":
            if line.lower() not in _YES | _NO:
                raise _Unfit
            return line.lower() in _YES
        case "integer" | "number" as kind:
            try:
                return int(line) if kind == "integer" else float(line)
            except ValueError:
                raise _Unfit from None
        case _:
            return line


def _line(prompt: str) -> str:
    with _interruptible():
        print(prompt, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt here; asyncio would only note it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
