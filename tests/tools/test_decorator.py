"""`@tool` marks a function and leaves it what it was."""

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import pytest

import shared.tools
from shared.tools import tool
from shared.tools.decorator import ToolOptions, options_of


def plain(name: str) -> str:
    """Greet."""
    return f"Hello, {name}!"


async def waiting(name: str) -> str:
    """Greet."""
    return f"Hello, {name}!"


@pytest.mark.parametrize("function", [plain, waiting])
@pytest.mark.parametrize(
    "decorate", [tool, tool(), tool(name="hello", roles=["reader"])], ids=["bare", "()", "options"]
)
def test_the_function_comes_back_unchanged(
    function: types.FunctionType, decorate: Callable[..., Any]
) -> None:
    copy = types.FunctionType(function.__code__, function.__globals__)
    functools.update_wrapper(copy, function)
    before = (copy.__code__, copy.__name__, copy.__doc__, inspect.signature(copy))
    assert decorate(copy) is copy
    assert (copy.__code__, copy.__name__, copy.__doc__, inspect.signature(copy)) == before


def test_a_decorated_function_is_called_as_before() -> None:
    @tool(roles=["nobody"])
    def greet(name: str) -> str:
        return f"Hello, {name}!"

    assert greet("Ada") == "Hello, Ada!"


def test_what_the_decorator_was_told_is_kept() -> None:
    @tool(
        name="greet",
        title="Greet",
        scopes=["a", "b"],
        roles=[],
        read_only=True,
        destructive=False,
        idempotent=True,
        open_world=False,
    )
    def function() -> None: ...

    assert options_of(function) == ToolOptions(
        "greet", "Greet", ("a", "b"), (), True, False, True, False
    )


def test_an_empty_list_and_no_list_are_different() -> None:
    assert options_of(tool(roles=[])(lambda: None)) == ToolOptions(roles=())
    assert options_of(tool(lambda: None)) == ToolOptions(roles=None)


def test_two_tools_do_not_share_their_options() -> None:
    one = tool(name="one")(lambda: None)
    two = tool(name="two")(lambda: None)
    assert [options.name for options in map(options_of, (one, two)) if options] == ["one", "two"]


@pytest.mark.parametrize("value", [plain, 5, None, ToolOptions(), "tool"], ids=repr)
def test_what_is_not_decorated_is_no_tool(value: object) -> None:
    assert options_of(value) is None


@pytest.mark.parametrize("parameter", ["scopes", "roles"])
def test_one_name_in_place_of_a_list_is_an_error_that_shows_the_list(parameter: str) -> None:
    options: Any = {parameter: "finance.reader"}
    with pytest.raises(TypeError) as caught:
        tool(**options)
    assert f'write {parameter}=["finance.reader"]' in str(caught.value)


def test_an_unknown_option_is_an_error_that_names_it() -> None:
    options: Any = {"readonly": True}
    with pytest.raises(TypeError, match="readonly"):
        tool(**options)


def test_a_name_given_by_position_is_an_error_that_shows_the_keyword() -> None:
    given: Any = "find_invoices"
    with pytest.raises(TypeError, match="name="):
        tool(given)


def test_one_import_has_all_a_tool_author_needs() -> None:
    assert {"tool", "ToolContext", "ToolError", "Meta"} <= set(shared.tools.__all__)
    assert all(hasattr(shared.tools, name) for name in shared.tools.__all__)
