"""The settings of the deployment, and the example's, on Microsoft's worker library."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from commands import config
from shared.configuration.load import DEVELOPMENT_FILE
from tests.functions_host import host
from tests.functions_host.packaged import unpack
from tests.infra.test_app_settings import HOSTED, URL, app_settings, example
from tests.support import message

LIST = json.dumps(message("tools/list")).encode()
JSON = ("Content-Type", "application/json")


def challenge(app: Path, settings: Mapping[str, str]) -> tuple[int, str]:
    """The status and the challenge that a call without a credential gets."""
    with host.hosting(app, settings) as running:
        reply = running.request("POST", "/mcp", [JSON], LIST)
        return reply.status, reply.headers.get("www-authenticate", "")


def test_a_deployed_app_asks_for_a_token_of_its_tenant(tmp_path: Path) -> None:
    settings = {**app_settings({"apiKeys": True}), **HOSTED}
    status, challenged = challenge(unpack(tmp_path / "app"), settings)
    assert status == 401
    metadata = URL.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
    assert f'resource_metadata="{metadata}"' in challenged


def test_a_deployed_app_with_a_misspelt_setting_refuses_and_names_it(tmp_path: Path) -> None:
    app = unpack(tmp_path / "app")
    settings = {**app_settings(), **HOSTED, "Dney__Tools__0": "whoami"}
    assert challenge(app, settings)[0] == 503
    log = app.with_suffix(".log").read_text(encoding="utf-8")
    assert "Dney__Tools__… (environment): is not a setting; did you mean Deny__Tools__…?" in log


def test_the_example_serves_the_development_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = unpack(tmp_path / "app")
    monkeypatch.setattr(config, "FOLDER", app)
    monkeypatch.setattr(host, "HOSTNAME", "localhost:7071")
    assert config.write_development_profile()
    profile = json.loads((app / DEVELOPMENT_FILE).read_text(encoding="utf-8"))
    (key,) = profile["Authentication"]["Schemes"]["ApiKey"]["Keys"]
    with host.hosting(app, example()) as running:
        assert running.request("POST", "/mcp", [JSON], LIST).status == 401
        reply = running.request("POST", "/mcp", [JSON, ("X-API-Key", key)], LIST)
        assert running.request("GET", "/readyz").status == 200
    assert reply.status == 200
    assert "whoami" in {tool["name"] for tool in reply.json["result"]["tools"]}
