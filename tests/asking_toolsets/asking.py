"""Tools, a resource and a prompt that ask in the middle of a call."""

from dataclasses import dataclass
from typing import Annotated, Literal

from shared.tools import Meta, ToolContext, prompt, resource, tool
from shared.tools.inputs import form, roots, sample

RUNS: list[str] = []
"""What the tools have really done."""

STOCK: list[int] = []
"""What `empty` empties; it may change between two rounds."""


@dataclass
class Region:
    name: str
    size: Annotated[int, Meta(ge=1, le=9, description="How large.")]
    kind: Literal["test", "live"] = "test"


@tool
async def delete(name: str, context: ToolContext) -> str:
    """Delete something, when the person agrees."""
    if not await context.confirm(f"Delete {name}?"):
        return "kept"
    RUNS.append(f"delete {name}")
    return f"deleted {name}"


@tool
async def empty(context: ToolContext) -> str:
    """Empty what is there when the person agrees."""
    if not await context.confirm(f"Empty {len(STOCK)} shelves?"):
        return "kept"
    STOCK.clear()
    return "emptied"


@tool(destructive=True, title="Drop everything")
async def drop(name: str) -> str:
    """Drop something; the endpoint asks first."""
    RUNS.append(f"drop {name}")
    return f"dropped {name}"


@tool(destructive=True)
def drop_in_thread() -> str:
    """Drop something in a thread."""
    return "dropped"


@tool
async def create(context: ToolContext) -> str:
    """Ask twice, one after the other."""
    region = await context.ask(Region, "Which region?")
    if region is None:
        return "declined"
    sure = await context.confirm(f"Create {region.name} of size {region.size}, {region.kind}?")
    return "created" if sure else "not created"


@tool
async def several(context: ToolContext) -> str:
    """Ask the person, the model and the client at once."""
    given = await context.inputs(
        region=form(Region, "Which region?"), model=sample(messages=[], maxTokens=1), roots=roots()
    )
    return f"{given['region'].name} {given['model']['content']['text']} {len(given['roots'])}"


@tool
async def swallow(context: ToolContext) -> str:
    """Ask inside a broad except."""
    try:
        return str(await context.confirm("Sure?"))
    except Exception:
        return "swallowed"


@resource("asking://region")
async def region(context: ToolContext) -> str:
    """A resource that asks."""
    return str(await context.confirm("Read it?"))


@prompt
async def plan(topic: str, context: ToolContext) -> str:
    """A prompt that asks."""
    return f"{topic}: {await context.confirm('Plan it?')}"
