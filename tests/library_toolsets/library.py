"""Resources, templates and prompts of each kind that the tests need."""

from dataclasses import dataclass
from typing import Literal

from shared.tools import ToolContext, ToolError, prompt, resource, tool
from shared.tools.content import Contents, Image, Message, Text

CITIES = ["Berlin", "Bergen", "Bern", "Oslo"]


@dataclass
class Invoice:
    number: int
    total: float


@tool
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


@resource("notes://welcome", title="Welcome", mime_type="text/markdown")
def welcome() -> str:
    """A word of welcome."""
    return "# Welcome"


@resource("notes://logo", mime_type="image/png")
async def logo() -> bytes:
    """A logo."""
    return b"png"


@resource("notes://both")
def both() -> list[Contents]:
    """Two contents at once."""
    return [Contents(uri="notes://one", text="1"), Contents(uri="notes://two", blob=b"2")]


@resource("notes://secret", roles=["ops"])
def secret(context: ToolContext) -> str:
    """For operators."""
    return f"secret of {context.caller.principal}"


@resource("notes://broken")
def broken() -> Invoice:
    """Returns what it should not."""
    return "password-hunter2"  # type: ignore[return-value]


@resource("notes://large")
def large() -> str:
    """More than fits."""
    return "x" * 2000


@resource("invoices://{customer}/{number}", complete={"customer": lambda typed: ["C-1", "C-2"]})
def invoice(customer: str, number: int) -> Invoice:
    """An invoice."""
    if customer == "C-0":
        raise ToolError("No customer C-0.")
    return Invoice(number, 10.0)


@resource("reports://{year}", roles=["ops"])
def report(year: str) -> str:
    """A report, for operators."""
    return year


@prompt(title="Weather")
def weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    """Ask for the weather.

    Args:
        city: Where.
    """
    return f"What is the weather in {city}, in {unit}?"


@prompt(complete={"city": lambda typed: [c for c in CITIES if c.startswith(typed)]})
async def travel(city: str, days: int = 1) -> list[Message]:
    """Plan a journey."""
    return [
        Message(f"Plan {days} days in {city}."),
        Message(Text("Gladly."), role="assistant"),
        Message(Image(b"png", "image/png")),
    ]


@prompt(roles=["ops"], complete={"number": lambda typed: [str(n) for n in range(250)]})
def operate(number: str) -> str:
    """For operators."""
    return number
