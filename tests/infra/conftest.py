"""The sample of the lint's tests in a folder of its own, and command lines for the hooks."""

import importlib.util
from pathlib import Path

import pytest

from tests.infra import lint_sample
from tests.infra.command_line import CLIENT, SUBSCRIPTION, TENANT, CommandLine
from tests.infra.hooks import ALL_PROVIDERS, DEPLOY, MANAGED

# Microsoft's worker library exists from Python 3.13 on.
collect_ignore = (
    ["test_settings_hosted.py"]
    if importlib.util.find_spec("azure_functions_runtime") is None
    else []
)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return lint_sample.write(tmp_path)


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """Signed in; a subscription and a tenant where everything is possible."""
    line = CommandLine(tmp_path)
    line.when("account", "show", says={"id": SUBSCRIPTION, "tenantId": TENANT})
    states = [{"name": name, "state": "Registered"} for name in ALL_PROVIDERS]
    line.when("provider", "list", says=states)
    line.when(
        "list-flexconsumption-locations", says=[{"name": "westeurope"}, {"name": "swedencentral"}]
    )
    line.when("ad", "list", says=[])
    line.when("ad", "show", says=MANAGED)
    line.when(*DEPLOY, says={"clientId": {"type": "String", "value": CLIENT}})
    return line
