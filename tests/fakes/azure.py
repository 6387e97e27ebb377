"""The fakes, running: one thread, two listeners, and ways for clients to reach them.

    with FakeAzure() as azure:
        azure.identity.app_service()   # environment of a host with a managed identity
        azure.vault.put("name", "value")
        client = SecretClient(azure.vault.uri, credential, transport=azure.transport())

Everything goes by its real name (`<vault>.vault.azure.net`, `login.microsoftonline.com`), with
certificates of a CA of its own, so that clients keep all their checks. In this process the
transport leads there; in others the variables of `environment()`, a proxy and that CA.
"""

import asyncio
import secrets
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from aiohttp.abc import AbstractResolver, ResolveResult
from azure.core.pipeline.transport import AioHttpTransport

from tests.fakes import entra
from tests.fakes.ending import hang_up
from tests.fakes.entra import Application, FakeEntra
from tests.fakes.faults import WAIT
from tests.fakes.key_vault import FakeVault
from tests.fakes.managed_identity import FakeManagedIdentity

LOOPBACK = "127.0.0.1"


class FakeAzure:
    """Entra, a host's managed identity and vaults; a context manager.

    `folder` is where the CA's certificate and token files go.
    """

    def __init__(self, folder: Path) -> None:
        self._tls = socket.create_server((LOOPBACK, 0))
        self._plain = socket.create_server((LOOPBACK, 0))
        self._proxy = socket.create_server((LOOPBACK, 0))
        self._authority = trustme.CA()
        self.ca_file = folder / "fake-azure-ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self._folder = folder
        self.entra = FakeEntra(f"https://{_address(self._tls)}")
        self.identity = FakeManagedIdentity(f"http://{_address(self._plain)}", self.entra)
        self.vaults: dict[str, FakeVault] = {}
        self.vault = self.add_vault()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(WAIT):
            raise TimeoutError("the fake did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for faults in (self.entra.faults, self.identity.faults):
            faults.clear()
        for vault in self.vaults.values():
            vault.faults.clear()
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT)

    def add_vault(self, name: str | None = None) -> FakeVault:
        """Another vault. Names are random: clients remember challenges by name, per process."""
        vault = FakeVault(name or f"postern-{secrets.token_hex(4)}", self.entra)
        self.vaults[vault.host] = vault
        return vault

    def transport(self) -> AioHttpTransport:
        """A transport for one async Azure client; to be made where an event loop runs."""
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        connector = TCPConnector(ssl=trust, resolver=_Resolver(self._port_of))
        session = ClientSession(
            connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False
        )
        return AioHttpTransport(session=session)

    def environment(self) -> Mapping[str, str]:
        """Variables with which any process reaches the fakes by the names of the real services."""
        return {
            "HTTPS_PROXY": f"http://{_address(self._proxy)}",
            "SSL_CERT_FILE": str(self.ca_file),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
        }

    def workload_identity(self, client_id: str) -> Mapping[str, str]:
        """Variables of a workload that signs in as `client_id` with a token file, as in AKS."""
        assertion = secrets.token_urlsafe(32)
        self.entra.applications.setdefault(client_id, Application()).federated.add(assertion)
        file = self._folder / f"token-of-{client_id}"
        file.write_text(assertion, encoding="utf-8")
        return {
            "AZURE_TENANT_ID": entra.TENANT,
            "AZURE_CLIENT_ID": client_id,
            "AZURE_FEDERATED_TOKEN_FILE": str(file),
            "AZURE_AUTHORITY_HOST": self.entra.url,
        }

    def _port_of(self, host: str) -> int | None:
        known = host in self.vaults or host == entra.HOST
        port: int = self._tls.getsockname()[1]
        return port if known else None

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = ("*.vault.azure.net", entra.HOST, LOOPBACK, "localhost")
        self._authority.issue_cert(*names).configure_cert(context)
        runners = [
            await _listen(self._tls, self._over_tls, context),
            await _listen(self._plain, self.identity.handle, None),
        ]
        proxy = await asyncio.start_server(self._tunnel, sock=self._proxy)
        self._ready.set()
        await self._stop.wait()
        await hang_up(self._tls, self._plain, self._proxy)
        proxy.close()
        for runner in runners:
            await runner.cleanup()

    async def _over_tls(self, request: web.Request) -> web.StreamResponse:
        vault = self.vaults.get(request.host.partition(":")[0])
        return await (vault or self.entra).handle(request)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A proxy for CONNECT that knows the way to the fakes only (RFC 9110 section 9.3.6)."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            host, _, port = head.split()[1].decode().rpartition(":")
            target = int(port) if host == LOOPBACK else self._port_of(host)
            if target is None:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                writer.close()
                return
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, target)
        except (EOFError, OSError):
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


class _Resolver(AbstractResolver):
    """Leads the names of the fakes to where they listen, and knows no others."""

    def __init__(self, port_of: Callable[[str], int | None]) -> None:
        self._port_of = port_of

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self._port_of(host)
        if found is None:
            raise OSError(f"no host {host}")
        return [
            ResolveResult(
                hostname=host, host=LOOPBACK, port=found, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Nothing to close."""


async def _listen(
    listener: socket.socket,
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
    tls: ssl.SSLContext | None,
) -> web.AppRunner:
    app = web.Application(handler_args={"handler_cancellation": True})
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=tls).start()
    return runner


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"
