"""The workflow that deploys from GitHub."""

import re
from typing import Any

import yaml

from infra.hooks import variables
from tests.infra.command_line import (
    ROOT,
)

WORKFLOW = ROOT / ".github" / "workflows" / "deploy.yml"


def read() -> Any:
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


def test_the_workflow_signs_in_without_a_secret() -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert "secrets." not in text
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert "permissions" not in jobs["test"]
    assert jobs["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert jobs["deploy"]["needs"] == "test"
    assert jobs["deploy"]["environment"]
    (login,) = [s for s in jobs["deploy"]["steps"] if s.get("uses", "").startswith("azure/login@")]
    assert set(login["with"]) == {"client-id", "tenant-id", "subscription-id"}
    assert all(re.fullmatch(r"\$\{\{ vars\.\w+ \}\}", value) for value in login["with"].values())


def test_the_workflow_pins_actions_and_puts_nothing_into_a_shell() -> None:
    jobs = read()["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    uses = [step["uses"] for step in steps if "uses" in step]
    assert [name for name in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name)] == []
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []


def test_the_workflow_deploys_the_package_that_it_keeps() -> None:
    steps = read()["jobs"]["deploy"]["steps"]
    runs = [step.get("run", "") for step in steps]
    (kept,) = [s["with"]["path"] for s in steps if s.get("uses", "").startswith("actions/upload-")]
    assert f"azd deploy api --from-package {kept} --no-prompt" in runs
    assert runs.index("make package") < runs.index("azd provision --no-prompt")


def test_the_workflow_runs_what_a_change_must_pass() -> None:
    runs = [step.get("run") for step in read()["jobs"]["test"]["steps"]]
    assert ".ci/run" in runs


def test_the_workflow_hands_every_variable_over() -> None:
    given = set(read()["jobs"]["deploy"]["env"])
    assert set(variables.RULES) - given == set()
