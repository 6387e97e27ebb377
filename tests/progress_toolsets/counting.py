"""Tools that tell how far they are."""

import asyncio

from shared.tools import ToolContext, tool

STOPPED: list[str] = []
"""The correlation ids of the calls of `hold` that were stopped."""


@tool
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


@tool
async def count(steps: int, context: ToolContext) -> str:
    """Count, telling how far it is."""
    for step in range(1, steps + 1):
        await context.progress(step, steps, f"step {step}")
    return "counted"


@tool
def count_in_thread(steps: int, context: ToolContext) -> str:
    """Count in a thread, telling how far it is."""
    for step in range(1, steps + 1):
        context.report(step, steps)
    return "counted"


@tool
async def hold(context: ToolContext) -> str:
    """Tell of one step, then wait to be released or stopped."""
    await context.progress(1)
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        STOPPED.append(context.correlation_id)
        raise
    return "released"
