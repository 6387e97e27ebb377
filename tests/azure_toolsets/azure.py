"""Tools that get a token for Azure, and what each makes of not getting one."""

import asyncio
import base64
import json
from typing import Any

from shared.tools import ToolContext, ToolError, prompt, resource, tool

ARM = "https://management.azure.com/.default"


async def _claims(context: ToolContext, scope: str) -> dict[str, Any]:
    token = (await context.credential.get_token(scope)).token
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims


@tool
async def act(context: ToolContext, scope: str = ARM) -> dict[str, str]:
    """Tell as whom Azure is called."""
    claims = await _claims(context, scope)
    return {name: str(claims[name]) for name in ("aud", "oid", "tid") if name in claims}


@tool
async def act_in_a_group(context: ToolContext) -> str:
    """Ask within a group of tasks."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_claims(context, ARM))
    return "ok"


@tool
async def act_and_explain(context: ToolContext) -> str:
    """Say in its own words why it could not."""
    try:
        await _claims(context, ARM)
    except Exception as error:
        raise ToolError("The storage could not be read.") from error
    return "ok"


@tool
async def act_with_progress(context: ToolContext) -> str:
    """Tell how far it is before it asks for a token."""
    await context.progress(1, 2)
    await _claims(context, ARM)
    return "ok"


@tool
async def do_nothing() -> str:
    """Leave Azure alone."""
    return "ok"


@resource("azure://me")
async def me(context: ToolContext) -> str:
    """As whom Azure is called."""
    return str((await _claims(context, ARM))["oid"])


@prompt
async def introduce(context: ToolContext) -> str:
    """As whom Azure is called."""
    return str((await _claims(context, ARM))["oid"])
