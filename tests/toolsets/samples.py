"""A tool of each kind that the endpoint's tests need."""

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated, Literal

from shared.tools import Meta, ToolContext, ToolError, tool


@dataclass
class Invoice:
    number: str
    total: float


@tool
def greet(name: str) -> str:
    """Greet somebody.

    Args:
        name: Whom to greet.
    """
    return f"Hello, {name}!"


@tool(title="Find invoices", read_only=True, roles=["finance.reader"])
async def find_invoices(
    customer: str,
    context: ToolContext,
    status: Literal["open", "paid"] = "open",
    limit: Annotated[int, Meta(ge=1, le=100)] = 20,
) -> list[Invoice]:
    """Find a customer's invoices.

    Args:
        customer: The customer's number, such as C-1042.
    """
    if customer == "C-0":
        raise ToolError("No customer C-0; try find_customers.")
    return [Invoice(f"{customer}-{status}-{n}", 10.0 * n) for n in range(1, min(limit, 3) + 1)]


@tool(scopes=["invoices.write"])
async def pay_invoice(invoice: Invoice) -> Invoice:
    """Pay an invoice."""
    return Invoice(invoice.number, 0.0)


@tool
async def fail(kind: str) -> str:
    """Fail in a way a tool should not."""
    raise RuntimeError(f"secret detail of {kind}")


@tool
async def sleep(seconds: float) -> str:
    """Sleep on the event loop."""
    await asyncio.sleep(seconds)
    return "awake"


@tool
def block(seconds: float) -> str:
    """Sleep in a thread."""
    time.sleep(seconds)
    return "awake"


@tool
async def repeat(text: str, times: int) -> list[str]:
    """Repeat a text."""
    return [text] * times


@tool
async def nothing() -> None:
    """Do nothing."""
