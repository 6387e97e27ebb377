"""`manage.py call`: call a tool of a running endpoint, through the official Python client."""

import asyncio
import json
import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import httpx2
import mcp
from mcp.client.streamable_http import streamable_http_client

from commands import print_json, tell
from commands.run import development_key

KEY_VARIABLE = "POSTERN_API_KEY"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("tool", metavar="TOOL")
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument; VALUE is JSON where it reads as JSON, else text",
    )
    parser.add_argument("--url", default="http://127.0.0.1:7071/mcp")
    parser.add_argument("--header", default="X-API-Key", help="the header the key goes in")
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        help=f"where the API key is, - for standard input; else ${KEY_VARIABLE}, "
        "else the development key",
    )
    parser.set_defaults(main=main)


def main(arguments: Namespace) -> int:
    given: dict[str, Any] = {}
    for pair in arguments.arg:
        name, equals, value = pair.partition("=")
        if not equals:
            tell(f"--arg takes NAME=VALUE; {pair!r} has no =")
            return 2
        given[name] = _value(value)
    try:
        key = _key(arguments.key_file)
    except OSError as error:
        tell(f"The key file cannot be read: {error.strerror}")
        return 2
    try:
        result = asyncio.run(_call(arguments.url, {arguments.header: key}, arguments.tool, given))
    except mcp.MCPError as error:
        tell(f"The endpoint refused: {error}")
        return 1
    except (OSError, httpx2.HTTPError, ExceptionGroup) as error:
        tell(f"The endpoint at {arguments.url} could not be called: {_reason(error)}")
        return 1
    if arguments.json:
        print_json(result.model_dump(mode="json", by_alias=True, exclude_none=True))
    else:
        for block in result.content:
            print(getattr(block, "text", f"[{block.type}]"))
    return int(bool(result.is_error))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _key(file: str | None) -> str:
    if file == "-":
        return sys.stdin.readline().strip()
    if file is not None:
        return Path(file).read_text(encoding="utf-8").strip()
    return os.environ.get(KEY_VARIABLE) or development_key() or ""


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


async def _call(
    url: str, headers: dict[str, str], tool: str, given: dict[str, Any]
) -> mcp.types.CallToolResult:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=240) as http,
        mcp.Client(streamable_http_client(url, http_client=http)) as client,
    ):
        return await client.call_tool(tool, given)
