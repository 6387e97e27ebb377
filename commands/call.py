"""`manage.py call`: call a tool of a running endpoint, through the official Python client."""

import asyncio
import json
import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import mcp
from mcp.client.streamable_http import streamable_http_client

from commands import port, print_json, tell
from commands.asking import ask
from commands.run import development_key
from shared.configuration.load import MCP_PATH
from shared.http import is_loopback

KEY_VARIABLE = "POSTERN_API_KEY"
TOKEN_VARIABLE = "POSTERN_TOKEN"  # noqa: S105


class Refusal(Exception):
    """The endpoint answered with a status that the client library does not explain."""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("tool", metavar="TOOL")
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument; VALUE is JSON where it reads as JSON, else text",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help="the endpoint's URL with its path")
    where.add_argument(
        "--port", type=port, default=7071, help="of an endpoint on this machine (default 7071)"
    )
    parser.add_argument("--header", default="X-API-Key", help="the header the key goes in")
    files = parser.add_mutually_exclusive_group()
    files.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"where an access token is, - for standard input; else ${TOKEN_VARIABLE}",
    )
    files.add_argument(
        "--key-file",
        metavar="FILE",
        help=f"where the API key is, - for standard input; else ${KEY_VARIABLE}, "
        "else (on this machine) the development key",
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
    url = arguments.url or f"http://127.0.0.1:{arguments.port}{MCP_PATH}"
    try:
        parts = urlsplit(url)
        here = is_loopback(parts.hostname or "")
    except ValueError as error:
        tell(f"The endpoint at {url} could not be called: {error}")
        return 1
    try:
        headers = _credential(arguments, here=here)
    except OSError as error:
        tell(f"The credential's file cannot be read: {error.strerror}")
        return 2
    except UnicodeDecodeError:
        headers = {arguments.header: "\0"}
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        tell("The key or token is not one line of printable ASCII.")
        return 2
    if headers and parts.scheme == "http" and not here:
        tell("Over http anybody on the way can read the key or token: give an https URL.")
        return 2
    try:
        result = asyncio.run(_call(url, headers, arguments.tool, given))
    except Exception as error:
        cause = _cause(error)
        if isinstance(cause, Refusal | mcp.MCPError):
            tell(f"The endpoint refused: {cause}")
        elif isinstance(cause, OSError | OverflowError | httpx2.HTTPError | httpx2.InvalidURL):
            reason = str(cause) or type(cause).__name__
            hint = ". Is it running (make run)?" if here else ""
            tell(f"The endpoint at {url} could not be called: {reason}{hint}")
        else:
            raise
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


def _credential(arguments: Namespace, *, here: bool) -> dict[str, str]:
    """The header with the one credential to send: a file's, the environment's, or none.

    A token goes before a key, and what is named by hand before both.
    """
    token = _read(arguments.token_file)
    key = _read(arguments.key_file)
    if token is None and key is None:
        token = os.environ.get(TOKEN_VARIABLE)
    if token:
        return {"Authorization": f"Bearer {token}"}
    if token is None and key is None:
        key = os.environ.get(KEY_VARIABLE) or (development_key() if here else None)
    return {arguments.header: key} if key else {}


def _read(file: str | None) -> str | None:
    """The credential in a file, or on a line of standard input; None when none is named."""
    if file == "-":
        return sys.stdin.readline().strip()
    return None if file is None else Path(file).read_text(encoding="utf-8").strip()


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _explain(response: httpx2.Response) -> None:
    """Turn the statuses of the endpoint itself into what it says about them."""
    if response.is_error:
        body = await response.aread()
        try:
            error = json.loads(body)["error"]
            code, text = error["code"], str(error["message"])
        except (ValueError, KeyError, TypeError):
            return
        if code == response.status_code:
            raise Refusal(text)


async def _call(
    url: str, headers: dict[str, str], tool: str, given: dict[str, Any]
) -> mcp.types.CallToolResult:
    hooks = {"response": [_explain]}
    async with (
        # Without the environment's proxies: the key goes where the URL says and nowhere else.
        httpx2.AsyncClient(
            headers=headers, timeout=240, event_hooks=hooks, trust_env=False
        ) as http,
        mcp.Client(
            streamable_http_client(url, http_client=http),
            elicitation_callback=ask if sys.stdin.isatty() else None,
        ) as client,
    ):
        return await client.call_tool(tool, given, progress_callback=_tell_progress)


async def _tell_progress(progress: float, total: float | None, message: str | None) -> None:
    of = "" if total is None else f"/{total:g}"
    tell(f"{progress:g}{of} {message or ''}".rstrip())
