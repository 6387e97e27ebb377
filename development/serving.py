"""The development identity on sockets: http for clients and the endpoint, https for MSAL."""

import asyncio
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from development import certificates, signing_keys
from development.identity import TENANT, Identity
from development.registration import Registration
from shared.configuration.load import HOSTED
from shared.hosting import uvicorn_server
from shared.http import is_loopback

FOLDER = ".development"
"""Where keys and certificates lie in the project; git and packages leave it out."""


class NotDevelopment(Exception):
    """This is no developer's machine, or others could reach the identity. The text says why."""


@dataclass(frozen=True)
class Served:
    """A running identity. `certificate_authority` is the file that https clients must trust."""

    identity: Identity
    secure_base: str
    certificate_authority: Path
    thread: threading.Thread

    @property
    def authority(self) -> str:
        return f"{self.identity.base}/{TENANT}"

    @property
    def secure_authority(self) -> str:
        return f"{self.secure_base}/{TENANT}"


def listen_near(host: str, port: int) -> socket.socket:
    """A listening socket on a port, or on a free one where that cannot be had."""
    try:
        return uvicorn_server.listen(host, port if port < 65536 else 0)
    except uvicorn_server.CannotListen:
        return uvicorn_server.listen(host, 0)


def start(
    project: Path,
    environment: Mapping[str, str],
    registration: Registration,
    listener: socket.socket,
    base: str | None = None,
) -> Served:
    """Serve on `listener`, and over https on the port after it, until the process ends.

    `base` is the identity's URL when it is not the listener's address. Both servers run in one
    daemon thread. Raises NotDevelopment where the identity must not run, and NotPrivate when
    others can read its keys.
    """
    host, port = listener.getsockname()[:2]
    refuse_outside_development(environment, host)
    folder = project / FOLDER
    keys = signing_keys.open_file(folder / "signing-keys.pem")
    files = certificates.files_in(folder, time.time)
    secure = listen_near(host, port + 1)
    name = f"[{host}]" if ":" in host else host
    identity = Identity(base or f"http://{name}:{port}", registration, keys)
    secure_base = f"https://{name}:{secure.getsockname()[1]}"
    started = threading.Semaphore(0)
    servers = [
        uvicorn_server.server_for(identity, started.release),
        uvicorn_server.server_for(identity.under(secure_base), started.release, files.server),
    ]

    async def serve() -> None:
        await asyncio.gather(
            servers[0].serve(sockets=[listener]), servers[1].serve(sockets=[secure])
        )

    thread = threading.Thread(
        target=lambda: asyncio.run(serve()), name="development identity", daemon=True
    )
    thread.start()
    for _ in servers:
        while not started.acquire(timeout=0.1):
            if not thread.is_alive():
                raise RuntimeError("the development identity could not be started")
    return Served(identity, secure_base, files.authority, thread)


def refuse_outside_development(environment: Mapping[str, str], host: str) -> None:
    """Raise NotDevelopment unless this is development on an address only this machine reaches.

    The rules are those of development mode (`shared.configuration.load`).
    """
    if environment.get("AZURE_FUNCTIONS_ENVIRONMENT", "").lower() != "development":
        raise NotDevelopment("The development identity runs in development mode only.")
    hosted = next((name for name in HOSTED if environment.get(name)), None)
    if hosted:
        raise NotDevelopment(f"The development identity does not run where {hosted} is set.")
    if not is_loopback(host):
        raise NotDevelopment("The development identity listens on loopback only.")
