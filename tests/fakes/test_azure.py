"""The fakes as a process of its own meets them: by the real names, through a proxy."""

import gc
import os
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.fakes.azure import FakeAzure
from tests.fakes.entra import HOST

CLIENT = "33333333-0000-4000-8000-000000000003"

PROGRAM = """
import asyncio, sys
from azure.identity.aio import DefaultAzureCredential
from azure.keyvault.secrets.aio import SecretClient

async def main(uri):
    async with DefaultAzureCredential() as credential, SecretClient(uri, credential) as client:
        print((await client.get_secret("a")).value)

asyncio.run(main(sys.argv[1]))
"""


def run(uri: str, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, uri],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )


def test_another_process_reaches_a_vault_by_its_name(azure: FakeAzure) -> None:
    azure.vault.put("a", "value")
    other = azure.add_vault()
    other.put("a", "another")
    variables = {**azure.environment(), **azure.workload_identity(CLIENT)}
    for uri, value in ((azure.vault.uri, "value"), (other.uri, "another")):
        ended = run(uri, variables)
        assert (ended.stdout, ended.returncode) == (f"{value}\n", 0), ended.stderr
    assert azure.vault.calls.operations() == ["challenge", "get"]
    assert azure.entra.calls.count("token", CLIENT) == 2


def test_the_certificates_are_checked(azure: FakeAzure) -> None:
    azure.vault.put("a", "value")
    variables = {**azure.environment(), **azure.workload_identity(CLIENT)}
    ended = run(azure.vault.uri, {**variables, "SSL_CERT_FILE": os.devnull})
    assert ended.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in ended.stderr
    assert azure.vault.calls.operations() == []


def test_connections_end_with_the_fakes(tmp_path: Path) -> None:
    """Those through the proxy, those on which nothing was said, and those of just this moment."""
    with warnings.catch_warnings(record=True) as caught, ExitStack() as clients:
        warnings.simplefilter("always", ResourceWarning)
        with FakeAzure(tmp_path) as azure:
            urls = azure.environment()["HTTPS_PROXY"], azure.entra.url, azure.identity.url
            addresses = [("127.0.0.1", urlsplit(url).port or 0) for url in urls]
            client, *_ = (
                clients.enter_context(socket.create_connection(address, timeout=10))
                for address in addresses
            )
            client.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\n\r\n".encode())
            assert client.recv(64).startswith(b"HTTP/1.1 200")
            knocking = [threading.Thread(target=knock, args=(address,)) for address in addresses]
            for thread in knocking:
                thread.start()
        for thread in knocking:
            thread.join()
        with suppress(ConnectionError):
            assert client.recv(64) == b""
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def knock(address: tuple[str, int]) -> None:
    """Connect and leave, until nobody is there."""
    with suppress(OSError):
        while True:
            socket.create_connection(address, timeout=10).close()
