"""`manage.py run`: the endpoint on this machine, in development mode."""

import json
import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path

from commands import FOLDER, environment, leave, port, print_json, tell, tell_problems
from commands.config import write_development_profile
from shared import startup
from shared.configuration import load
from shared.configuration.problems import ConfigurationError
from shared.hosting import uvicorn_server

HOST = "127.0.0.1"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="read this file instead of the appsettings"
    )
    parser.add_argument("--port", type=port, default=7071, help="0 takes a free one (default 7071)")
    parser.set_defaults(main=main)


def main(arguments: Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    if arguments.config is None:
        write_development_profile()
    try:
        listener = uvicorn_server.listen(HOST, arguments.port)
    except (uvicorn_server.PortTaken, OSError) as error:
        tell(f"{error} Choose another with --port (make run PORT=…); 0 takes a free one.")
        return 1
    number = listener.getsockname()[1]
    variables = environment(development=True)
    try:
        endpoint = startup.build(
            FOLDER, variables, config_file=arguments.config, loopback=True, port=number
        )
    except ConfigurationError as error:
        listener.close()
        tell_problems(error.problems)
        return 1
    url = f"http://{HOST}:{number}{load.MCP_PATH}"
    key = None if arguments.config else development_key()

    def announce() -> None:
        if arguments.json:
            print_json({"url": url, "keyFile": load.DEVELOPMENT_FILE if key else None})
        else:
            print(_how_to_call(url, key or "YOUR-KEY"), flush=True)

    try:
        uvicorn_server.serve(endpoint, listener, announce)
    except KeyboardInterrupt:
        tell("Stopped.")
    return leave(0)


def development_key() -> str | None:
    """The first key of the development profile."""
    path = FOLDER / load.DEVELOPMENT_FILE
    node, _ = load.tree(FOLDER, environment(development=True), path)
    for name in ("Authentication", "Schemes", "ApiKey", "Keys"):
        child = node.member(name)
        if child is None:
            return None
        node = child
    return next(iter(node.value), None)


def _how_to_call(url: str, key: str) -> str:
    vscode = {"servers": {"postern": {"type": "http", "url": url, "headers": {"X-API-Key": key}}}}
    message = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami"}}'
    return f"""
Postern listens on {url}
API key: {key}   (header X-API-Key; development only)

curl
  curl -H 'X-API-Key: {key}' -H 'Content-Type: application/json' \\
    -d '{message}' {url}

VS Code (.vscode/mcp.json)
  {json.dumps(vscode)}
Claude Code
  claude mcp add --transport http postern {url} --header 'X-API-Key: {key}'

MCP Inspector (Node 22.19 or newer)
  npx @modelcontextprotocol/inspector@latest --cli {url} --transport http \\
    --header 'X-API-Key: {key}' --method tools/list

Ctrl-C stops it."""
