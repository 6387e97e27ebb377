"""Invoices of the finance department."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from shared.tools import Meta, ToolContext, ToolError, tool

INVOICES_URL = "https://invoices.example.com"


@dataclass
class Invoice:
    number: str
    total: float


class InvoiceClient:
    """Stands for a library that talks to a service."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def exists(self, customer: str) -> bool:
        return customer == "C-1042"

    async def find(self, customer: str, status: str, limit: int) -> list[Invoice]:
        return [Invoice(f"{customer}-{status}-{n}", 10.0 * n) for n in range(1, limit + 1)]


@tool(read_only=True, roles=["finance.reader"])
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
    async with InvoiceClient(INVOICES_URL) as client:
        if not await client.exists(customer):
            raise ToolError(f"No customer {customer}; try find_customers.")
        return await client.find(customer, status, limit)
