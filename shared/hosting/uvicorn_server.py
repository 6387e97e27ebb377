"""uvicorn: the endpoint on a socket of its own, for developers' machines and containers."""

import errno
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from shared.hosting import Handler
from shared.hosting.asgi import AsgiApplication

_BACKLOG = 2048


class CannotListen(Exception):
    """Another program listens there already, or this one may not; the text says which."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        why = "is taken" if taken else f"cannot be listened on: {error.strerror}"
        raise CannotListen(f"Port {port} on {host} {why}.") from None
    return listener


def serve(handler: Handler, listener: socket.socket, on_started: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; calls in flight are finished first."""
    server_for(handler, on_started).run(sockets=[listener])


def server_for(
    handler: Handler, on_started: Callable[[], None], certificate: Path | None = None
) -> uvicorn.Server:
    """A server that is not running yet; https with a PEM file of a certificate and its key.

    uvicorn's access log stays off: the audit record says more, and never a query string.
    Forwarded headers are not trusted.
    """
    config = uvicorn.Config(
        AsgiApplication(handler),
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=certificate,
    )
    return _Server(config, on_started)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()
