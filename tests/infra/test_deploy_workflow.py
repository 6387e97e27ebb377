"""The workflow that deploys from GitHub."""

import re
from pathlib import PurePath
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
    assert [name for name, job in jobs.items() if "permissions" in job] == ["deploy"]
    assert jobs["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert (jobs["deploy"]["needs"], jobs["package"]["needs"]) == ("package", "test")
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
    jobs = read()["jobs"]
    packing = jobs["package"]["steps"]
    assert "make package" in [step.get("run") for step in packing]
    (kept,) = [s["with"] for s in packing if "upload-artifact" in s.get("uses", "")]
    deploying = jobs["deploy"]["steps"]
    (got,) = [s["with"] for s in deploying if "download-artifact" in s.get("uses", "")]
    assert got == {"name": kept["name"], "path": str(PurePath(kept["path"]).parent)}
    runs = [step.get("run", "") for step in deploying]
    assert f"azd deploy api --from-package {kept['path']} --no-prompt" in runs


def test_the_job_that_signs_in_installs_nothing() -> None:
    """Whatever runs there can ask for a token of the pipeline."""
    runs = [step.get("run", "") for step in read()["jobs"]["deploy"]["steps"]]
    assert [run for run in runs if re.search(r"\b(make|pip|npm|uv|scripts|\.ci)\b", run)] == []


def test_the_workflow_runs_what_a_change_must_pass() -> None:
    runs = [step.get("run") for step in read()["jobs"]["test"]["steps"]]
    assert ".ci/run" in runs


def test_the_workflow_hands_every_variable_over() -> None:
    given = set(read()["jobs"]["deploy"]["env"])
    assert set(variables.RULES) - given == set()
