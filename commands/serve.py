"""`manage.py serve`: the endpoint in production outside Azure Functions. Never development mode."""

import logging
import os
import signal
from argparse import ArgumentParser, Namespace
from pathlib import Path

from commands import DEVELOPMENT, FOLDER, leave, port, print_json, tell
from shared import startup
from shared.hosting import uvicorn_server
from shared.http import is_loopback


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="0.0.0.0", help="address to bind (default 0.0.0.0)")  # noqa: S104
    parser.add_argument("--port", type=port, default=8080, help="0 takes a free one (default 8080)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="read this file instead of appsettings.json"
    )
    parser.set_defaults(main=main)


def main(arguments: Namespace) -> int:
    """Serve until stopped. A bad configuration does not end the process: it serves 503."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        listener = uvicorn_server.listen(arguments.host, arguments.port)
    except uvicorn_server.CannotListen as error:
        tell(f"{error} Choose another with --host or --port.")
        return 1
    host, number = listener.getsockname()[:2]
    variables = {name: value for name, value in os.environ.items() if name not in DEVELOPMENT}
    handler = startup.build_or_refuse(
        FOLDER,
        variables,
        config_file=arguments.config,
        loopback=is_loopback(arguments.host),
        port=number,
    )

    def announce() -> None:
        if arguments.json:
            print_json({"host": host, "port": number})
        tell(f"Postern listens on {host}:{number}")

    # uvicorn raises the signal that stopped it once more when all is done.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        uvicorn_server.serve(handler, listener, announce)
    except KeyboardInterrupt:
        tell("Stopped.")
    return leave(0)
