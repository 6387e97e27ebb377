"""`@tool`: marks a function as a tool and leaves it as it is."""

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, NamedTuple, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__tool_options__"


class ToolOptions(NamedTuple):
    """What the decorator was told. None means: not said."""

    name: str | None = None
    title: str | None = None
    scopes: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    *,
    name: str | None = None,
    title: str | None = None,
    scopes: Sequence[str] | None = None,
    roles: Sequence[str] | None = None,
    read_only: bool | None = None,
    destructive: bool | None = None,
    idempotent: bool | None = None,
    open_world: bool | None = None,
) -> Callable[[F], F]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    scopes: Sequence[str] | None = None,
    roles: Sequence[str] | None = None,
    read_only: bool | None = None,
    destructive: bool | None = None,
    idempotent: bool | None = None,
    open_world: bool | None = None,
) -> Any:
    """Offer a function as a tool, under its own name unless `name` says otherwise.

    `scopes` (all needed) and `roles` (any suffices) are what the tool asks of callers unless the
    configuration says otherwise. The rest are the hints of the protocol's ToolAnnotations.
    """
    options = ToolOptions(
        name,
        title,
        _names("scopes", scopes),
        _names("roles", roles),
        read_only,
        destructive,
        idempotent,
        open_world,
    )

    def mark(marked: F) -> F:
        if not isinstance(marked, FunctionType):
            raise TypeError(f"@tool marks a function; write @tool(name=…) or mend {marked!r:.60}")
        setattr(marked, _MARK, options)
        return marked

    return mark if function is None else mark(function)


def options_of(value: object) -> ToolOptions | None:
    """What `@tool` was told about a function, or None when it is not a tool."""
    options = getattr(value, _MARK, None)
    return options if isinstance(options, ToolOptions) else None


def _names(parameter: str, names: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(names, str):
        raise TypeError(f'{parameter} is a list: write {parameter}=["{names}"]')
    return None if names is None else tuple(names)
