"""Make tools of functions the way the catalogue does."""

import re
from collections.abc import Callable
from typing import Any

from shared.caller import Caller
from shared.tools import signature
from shared.tools.catalogue import Tool
from shared.tools.decorator import ToolOptions
from shared.tools.signature import Signature

WHERE = "toolsets/example.py:7 example"
CALLER = Caller(kind="key", scheme="ApiKey", key_id="ApiKey-1", roles=frozenset({"reader"}))


def read(function: Callable[..., Any], settings: type | None = None) -> Signature:
    return signature.read(function, settings, WHERE)


def taking(annotation: Any, *default: Any) -> Callable[..., Any]:
    """A tool function whose one parameter, `value`, has this annotation and perhaps a default."""

    def example(value: Any) -> Any:
        """Take a value."""
        return value

    example.__annotations__ = {"value": annotation, "return": str}
    example.__defaults__ = default or None
    return example


def returning(annotation: Any, result: Any = None) -> Callable[..., Any]:
    """A tool function with this return annotation that returns `result`."""

    def example() -> Any:
        """Return a value."""
        return result

    example.__annotations__ = {"return": annotation}
    return example


def tool_of(function: Callable[..., Any], settings: Any = None) -> Tool:
    """A tool of a toolset with these settings."""
    kind = None if settings is None else type(settings)
    read_as = signature.read(function, kind, WHERE)
    return Tool(function.__name__, "example", function, ToolOptions(), read_as, WHERE, settings)


def named(value: Any) -> str:
    """A short name for a parametrized annotation; the values beside it need none."""
    if isinstance(value, dict | list):
        return "-"
    return re.sub(r"<class '|'>|\b(?:\w+\.)+", "", str(value))
