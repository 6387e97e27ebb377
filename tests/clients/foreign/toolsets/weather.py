"""A tool, one that tells how far it is, a resource and a prompt."""

from dataclasses import dataclass
from typing import Annotated

from shared.tools import Meta, ToolContext, prompt, resource, tool

CITIES = ["Berlin", "Bergen", "Bern", "Oslo"]


@dataclass
class Forecast:
    day: int
    celsius: float


@tool(read_only=True)
def forecast(city: str, days: Annotated[int, Meta(ge=1, le=7)] = 3) -> list[Forecast]:
    """Forecast the weather of a city."""
    return [Forecast(day, float(len(city))) for day in range(1, days + 1)]


@tool
async def count(steps: int, context: ToolContext) -> str:
    """Count, telling how far it is."""
    for step in range(1, steps + 1):
        await context.progress(step, steps, f"step {step}")
    return "counted"


@tool
async def delete(name: str, context: ToolContext) -> str:
    """Delete something, when the person agrees."""
    return f"deleted {name}" if await context.confirm(f"Delete {name}?") else "kept"


@resource("notes://welcome", title="Welcome", mime_type="text/markdown")
def welcome() -> str:
    """A word of welcome."""
    return "# Welcome"


@prompt(complete={"city": lambda typed: [city for city in CITIES if city.startswith(typed)]})
def travel(city: str, days: int = 1) -> str:
    """Plan a journey."""
    return f"Plan {days} days in {city}."
