"""The package where it is deployed: unpacked, with requirements.txt alone, under Microsoft's
worker library, and called by the official client over HTTP."""

import ast
import json
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal
from zipfile import ZipFile

import httpx2
import mcp
import pytest
from mcp.client.streamable_http import streamable_http_client

from scripts.package import ROOT, zipped
from tests.deployed import INSTALLING
from tests.functions_host.front import fronted
from tests.functions_host.host import FunctionsHost, hosting
from tests.functions_host.packaged import packaged_files, unpack
from tests.support import READER_KEY, configured

pytestmark = pytest.mark.timeout(INSTALLING + 60)

Mode = Literal["auto", "legacy"]
MODES: list[Mode] = ["auto", "legacy"]
WORKSHOP = ("mcp", "pytest", "httpx2", "pathspec", "commands", "development", "scripts", "tests")
TENANT = "7e1a0000-0000-4000-8000-000000000001"
AUTHORITY = f"https://login.microsoftonline.com/{TENANT}"
PUBLIC_URL = "https://mcp.example.com/mcp"
TOKENS_TOO = {
    "Authentication": {
        "DefaultScheme": "Bearer",
        "AdditionalSchemes": ["ApiKey"],
        "Schemes": {
            "Bearer": {"Type": "JwtBearer", "Authority": AUTHORITY, "Audience": PUBLIC_URL}
        },
    },
}
MISSING = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
missing = []
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        missing.append(name)
print(json.dumps(missing))
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package unpacked, with a configuration in place of ours."""
    folder = tmp_path_factory.mktemp("deployed") / "app"
    with ZipFile(BytesIO(zipped(ROOT, packaged_files()))) as archive:
        archive.extractall(folder)
    settings = json.dumps(configured(TOKENS_TOO))
    (folder / "appsettings.json").write_text(settings, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def host(app: Path, deployed_python: Path) -> Iterator[FunctionsHost]:
    with hosting(app, python=deployed_python) as running:
        yield running


@pytest.fixture(scope="module")
def url(host: FunctionsHost) -> Iterator[str]:
    with fronted(host) as base:
        yield base


@asynccontextmanager
async def connected(url: str, mode: Mode, key: str) -> AsyncIterator[mcp.Client]:
    async with (
        httpx2.AsyncClient(headers={"X-API-Key": key}, timeout=30) as http,
        mcp.Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def missing(app: Path, python: Path, names: Iterable[str]) -> list[str]:
    """Those of the modules that the deployed app cannot import."""
    ran = subprocess.run(
        [python, "-I", "-c", MISSING, str(app), *names],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    answer: list[str] = json.loads(ran.stdout)
    return answer


def imported(app: Path) -> set[str]:
    """Every module that the app's code names in an import, at whatever moment it is run."""
    names: set[str] = set()
    for file in app.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.module is not None
                names.add(node.module)
    return names


def test_all_that_the_code_imports_is_there(app: Path, deployed_python: Path) -> None:
    """But for the extension that only `Hosting:Streaming` wants."""
    names = sorted(imported(app))
    assert {"azure.identity.aio", "msal", "psycopg", "shared.endpoint"} <= set(names)
    assert missing(app, deployed_python, names) == [
        "azurefunctions.extensions.http.fastapi",
        "shared.hosting.azure_functions_streaming",
    ]


def test_nothing_of_the_workshop_is_there(app: Path, deployed_python: Path) -> None:
    assert missing(app, deployed_python, WORKSHOP) == list(WORKSHOP)


@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client_lists_and_calls(url: str, mode: Mode) -> None:
    async with connected(url, mode, READER_KEY) as client:
        listed = await client.list_tools()
        called = await client.call_tool("get_process", {"limit": 2})
    names = [tool.name for tool in listed.tools]
    assert names == ["get_process", "get_service", "get_endpoint_status", "whoami"]
    assert not called.is_error
    assert len(json.loads(called.content[0].text)) == 2  # type: ignore[union-attr]


async def test_a_wrong_key_is_refused(url: str) -> None:
    wrong = f"{READER_KEY[:-1]}q"
    async with httpx2.AsyncClient(headers={"X-API-Key": wrong}) as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert (await http.post(f"{url}/mcp", json=body)).status_code == 401
    with pytest.raises(ExceptionGroup):
        async with connected(url, "auto", wrong) as client:
            await client.list_tools()


async def test_whoever_has_no_credential_is_led_to_the_metadata(url: str) -> None:
    async with httpx2.AsyncClient() as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        refused = await http.post(f"{url}/mcp", json=body)
        document = (await http.get(f"{url}/.well-known/oauth-protected-resource/mcp")).json()
    assert refused.status_code == 401
    assert "/.well-known/oauth-protected-resource/mcp" in refused.headers["www-authenticate"]
    assert document["resource"] == PUBLIC_URL
    assert document["authorization_servers"] == [f"{AUTHORITY}/v2.0"]


async def test_it_lives_and_is_ready(url: str) -> None:
    async with httpx2.AsyncClient() as http:
        for path in ("/healthz", "/readyz"):
            assert (await http.get(url + path)).status_code == 200


def test_the_settings_of_func_start_make_it_ready_on_this_machine_alone(
    tmp_path: Path, deployed_python: Path
) -> None:
    """With `local.settings.example.json` and a development profile, as a developer has them."""
    local = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    app = unpack(tmp_path / "app")
    text = json.dumps({"Authentication": {"Schemes": {"ApiKey": {"Keys": {READER_KEY: {}}}}}})
    (app / "appsettings.Development.json").write_text(text, encoding="utf-8")
    with hosting(app, local["Values"], python=deployed_python) as host:
        assert host.request("GET", "/readyz").status == 200
        sent = [("Content-Type", "application/json"), ("X-API-Key", READER_KEY)]
        reply = host.request("POST", "/mcp", sent, b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
        assert reply.status == 403
        assert "The Host header must name this machine" in reply.body.decode()
