"""What starting the functions must not load: it is paid for at every cold start."""

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest

from tests.functions_host.packaged import unpack
from tests.support import READER_KEY, configured

HEAVY = {
    "aiohttp",
    "azure.core",
    "azure.identity",
    "azure.keyvault",
    "cryptography",
    "fastapi",
    "jwt",
    "mcp",
    "msal",
    "pydantic",
    "requests",
    "uvicorn",
}
NOT_DEPENDENCIES = {"fastapi"}
OURS_BUT_NOT_THE_APPS = {"commands", "development", "tests"}

PROGRAM = """
import asyncio, json, sys
sys.path.insert(0, sys.argv[1])
import function_app
started = sorted(sys.modules)
import azure.functions as func
body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}
request = func.HttpRequest(
    "POST",
    "https://mcp.example.com/mcp",
    headers={"x-api-key": sys.argv[2], "content-type": "application/json"},
    body=json.dumps(body).encode(),
)
response = asyncio.run(function_app.answer(request))
print(json.dumps({
    "started": started,
    "status": response.status_code,
    "called": sorted(sys.modules),
}))
"""


TENANT = "7e1a0000-0000-4000-8000-000000000001"
TOKENS_TOO = {
    "Authentication": {
        "DefaultScheme": "Bearer",
        "AdditionalSchemes": ["ApiKey"],
        "Schemes": {
            "Bearer": {
                "Type": "JwtBearer",
                "Authority": f"https://login.microsoftonline.com/{TENANT}",
                "Audience": "https://mcp.example.com/mcp",
            }
        },
    }
}


@pytest.fixture(scope="module", params=[{}, TOKENS_TOO], ids=["keys", "tokens-too"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    app = unpack(tmp_path_factory.mktemp("imports") / "app", configured(request.param))
    run = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, str(app), READER_KEY],
        cwd=app,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


def under(names: set[str], modules: list[str]) -> list[str]:
    return [m for m in modules if any(m == name or m.startswith(f"{name}.") for name in names)]


@pytest.mark.parametrize("name", sorted(HEAVY - NOT_DEPENDENCIES))
def test_what_must_not_be_loaded_is_there_to_be_loaded(name: str) -> None:
    assert importlib.util.find_spec(name) is not None


def test_the_endpoint_of_this_test_works(loaded: Any) -> None:
    assert loaded["status"] == 200
    assert "shared.endpoint" in loaded["started"]
    assert "toolsets.identity" in loaded["started"]


@pytest.mark.parametrize("moment", ["started", "called"])
def test_heavy_libraries_wait_until_they_are_needed(loaded: Any, moment: str) -> None:
    assert under(HEAVY, loaded[moment]) == []


def test_the_functions_load_nothing_of_the_workshop(loaded: Any) -> None:
    assert under(OURS_BUT_NOT_THE_APPS, loaded["called"]) == []
