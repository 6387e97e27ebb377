"""Google-style docstrings: the description, and a text for each parameter."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.tools.docstrings import parse


def documented(text: str | None) -> Callable[..., Any]:
    def function() -> None: ...

    function.__doc__ = text
    return function


@pytest.mark.parametrize(
    ("text", "description", "parameters"),
    [
        (None, "", {}),
        ("", "", {}),
        ("Find invoices.", "Find invoices.", {}),
        ("Find.\n\n    More of it,\n    on two lines.\n    ",
         "Find.\n\nMore of it,\non two lines.", {}),
        ("Find.\n\n    Args:\n        customer: Its number.\n        limit: How many.\n    ",
         "Find.", {"customer": "Its number.", "limit": "How many."}),
        ("Find.\n\nArguments:\n    customer: Its number.", "Find.", {"customer": "Its number."}),
        ("Find.\n\nArgs:\n    customer (str): Its number.\n    limit (int, optional): How many.",
         "Find.", {"customer": "Its number.", "limit": "How many."}),
        ("Find.\n\nArgs:\n    customer: Its number,\n        example: C-1.\n    limit: How many.",
         "Find.", {"customer": "Its number, example: C-1.", "limit": "How many."}),
        ("Find.\n\nArgs:\n    customer:\n        Its number.", "Find.",
         {"customer": "Its number."}),
        ("Find.\n\nArgs:\n    customer: Its number.\n\n    limit: How many.", "Find.",
         {"customer": "Its number.", "limit": "How many."}),
        ("Find.\n\nArgs:\n\tcustomer: Its number.", "Find.", {"customer": "Its number."}),
        ("Find.\n\nArgs:\n    customer: Its number.\n\nReturns:\n    limit: no parameter.",
         "Find.", {"customer": "Its number."}),
        ("Find.\n\nReturns:\n    What it finds.\n\nArgs:\n    customer: Its number.",
         "Find.", {"customer": "Its number."}),
        ("Find.\n\nRaises:\n    ToolError: Always.", "Find.", {}),
        ("Find.\n\nArgs:\n    customer: Its number.\n\nSlow on Mondays.",
         "Find.\n\nSlow on Mondays.", {"customer": "Its number."}),
        ("Args: of all kinds.", "Args: of all kinds.", {}),
        ("Find.\n\nArgs:\n    customer: Größe 漢字 🙂", "Find.", {"customer": "Größe 漢字 🙂"}),
    ],
)  # fmt: skip
def test_a_docstring_is_read(
    text: str | None, description: str, parameters: dict[str, str]
) -> None:
    assert parse(documented(text)) == (description, parameters)


def test_a_line_without_a_name_in_args_is_no_parameter() -> None:
    assert parse(documented("Find.\n\nArgs:\n    All of them are optional."))[1] == {}
