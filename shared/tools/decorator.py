"""`@tool`, `@resource` and `@prompt`: mark a function and leave it as it is."""

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, MappingProxyType
from typing import Any, NamedTuple, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__offered_as__"

Complete = Mapping[str, Callable[[str], Sequence[str]]]
"""For each argument, a function from what was typed so far to the values it may become."""


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

    return _marked(options) if function is None else _marked(options)(function)


class ResourceOptions(NamedTuple):
    """What `@resource` was told."""

    uri: str
    name: str | None = None
    title: str | None = None
    mime_type: str | None = None
    scopes: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    complete: Complete = MappingProxyType({})


def resource(
    uri: str,
    *,
    name: str | None = None,
    title: str | None = None,
    mime_type: str | None = None,
    scopes: Sequence[str] | None = None,
    roles: Sequence[str] | None = None,
    complete: Complete | None = None,
) -> Callable[[F], F]:
    """Offer what a function returns as a resource under `uri`.

    With variables (`invoices://{customer}`) it is a template, and each variable a parameter. Text
    is sent as text, `bytes` as a blob, anything else as JSON. `scopes` and `roles` as for `tool`.
    """
    options = ResourceOptions(
        uri,
        name,
        title,
        mime_type,
        _names("scopes", scopes),
        _names("roles", roles),
        complete or {},
    )
    return _marked(options)


class PromptOptions(NamedTuple):
    """What `@prompt` was told."""

    name: str | None = None
    title: str | None = None
    scopes: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    complete: Complete = MappingProxyType({})


@overload
def prompt(function: F, /) -> F: ...


@overload
def prompt(
    *,
    name: str | None = None,
    title: str | None = None,
    scopes: Sequence[str] | None = None,
    roles: Sequence[str] | None = None,
    complete: Complete | None = None,
) -> Callable[[F], F]: ...


def prompt(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    scopes: Sequence[str] | None = None,
    roles: Sequence[str] | None = None,
    complete: Complete | None = None,
) -> Any:
    """Offer what a function returns as a prompt: text, or a list of `Message`.

    Its parameters are the prompt's arguments. `scopes` and `roles` as for `tool`.
    """
    options = PromptOptions(
        name, title, _names("scopes", scopes), _names("roles", roles), complete or {}
    )
    return _marked(options) if function is None else _marked(options)(function)


Options = ToolOptions | ResourceOptions | PromptOptions


def options_of(value: object) -> Options | None:
    """What a decorator was told about a function, or None when it has none."""
    options = getattr(value, _MARK, None)
    return options if isinstance(options, Options) else None


def _marked(options: Options) -> Callable[[F], F]:
    def mark(function: F) -> F:
        if not isinstance(function, FunctionType):
            text = f"a decorator marks a function; write @tool(name=…) or mend {function!r:.60}"
            raise TypeError(text)
        setattr(function, _MARK, options)
        return function

    return mark


def _names(parameter: str, names: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(names, str):
        raise TypeError(f'{parameter} is a list: write {parameter}=["{names}"]')
    return None if names is None else tuple(names)
