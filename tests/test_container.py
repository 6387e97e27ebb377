"""The container: what its image holds, what it runs as, and that its command works."""

import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.package import ROOT
from tests.commands.support import Running, exchange, running, variables
from tests.deployed import INSTALLING
from tests.functions_host.packaged import packaged_files
from tests.image import context, copied, stages
from tests.support import message

pytestmark = pytest.mark.timeout(INSTALLING + 60)

GUIDE = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
ANY_ID = "7e1a0000-0000-4000-8000-000000000001"
FINAL = {instruction.name: instruction for instruction in stages()[-1]}
SERVED = [line for line in stages()[-1] if line.name == "CMD"][-1].command
HEALTH = FINAL["HEALTHCHECK"].command
PORT = SERVED[SERVED.index("--port") + 1]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("image") / "app")


def contents(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def lines_of(name: str) -> set[str]:
    return set((ROOT / name).read_text(encoding="utf-8").splitlines())


def test_the_builds_context_and_the_package_leave_out_the_same() -> None:
    """But for how each of the two is started, and the Functions app's own files."""
    expected = {f"**/{line}" for line in lines_of(".funcignore")}
    expected -= {"**/commands", "**/manage.py"}
    expected |= {"**/function_app.py", "**/host.json"}
    assert lines_of(".dockerignore") == expected
    assert all(file.parts[0] not in ("development", "tests", "infra") for file in context())


def test_the_image_holds_what_serving_needs_and_no_more(image: Path) -> None:
    assert {path.name for path in image.iterdir()} == {
        *("appsettings.json", "commands", "manage.py", "requirements.txt", "shared", "toolsets"),
    }
    commands = {path.name for path in (image / "commands").iterdir()}
    assert commands == {"__init__.py", "serve.py", "config.py", "tools.py", "explain.py"}
    code = {Path(file) for file in packaged_files() if file.parts[0] in ("shared", "toolsets")}
    assert {p for p in contents(image) if p.suffix and p.parts[0] in ("shared", "toolsets")} == code


def test_it_runs_as_a_numbered_user_who_is_not_root() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", FINAL["USER"].text)
    names = [instruction.name for instruction in stages()[-1]]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in ("COPY", "RUN"))


def test_nothing_is_fetched_unchecked_and_no_secret_is_asked_for() -> None:
    every = [instruction for stage in stages() for instruction in stage]
    assert {instruction.name for instruction in every} == {
        *("ARG", "CMD", "COPY", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER", "WORKDIR"),
    }
    assert [i.text for i in every if i.name == "ARG"] == ["PYTHON=python:3.13-slim"]
    assert {i.words[0] for i in every if i.name == "FROM"} == {"${PYTHON}"}
    assert {word.split("=")[0] for i in every if i.name == "ENV" for word in i.words} == {
        *("PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"),
    }
    (installs,) = [i.text for i in every if " pip install " in i.text]
    assert "--require-hashes" in installs
    assert "-r requirements.txt" in installs


def test_one_port_is_spoken_of() -> None:
    assert FINAL["EXPOSE"].text == PORT
    assert f", {PORT}," in HEALTH[-1]


def started(image: Path, python: Path, **environment: str) -> Any:
    """The image's own command, on a free port and with its place told."""
    program, script, *arguments = SERVED
    assert (program, script) == ("python", "manage.py")
    given = {"PYTHONDONTWRITEBYTECODE": "1", **environment}
    return running(
        image, *arguments, "--port", "0", "--json", environment=given, python=(str(python),)
    )


def url_of(server: Running, path: str) -> str:
    return f"http://127.0.0.1:{server.json['port']}{path}"


def test_the_command_serves_and_refuses_until_it_is_configured(
    image: Path, deployed_python: Path
) -> None:
    before = contents(image)
    with started(image, deployed_python) as server:
        assert server.json["host"] == SERVED[SERVED.index("--host") + 1] == "0.0.0.0"  # noqa: S104
        assert exchange(url_of(server, "/healthz")).status == 200
        assert exchange(url_of(server, "/readyz")).status == 503
        assert exchange(url_of(server, "/mcp"), message("ping")).status == 503
        program = HEALTH[-1].replace(f", {PORT},", f", {server.json['port']},")
        checked = [str(deployed_python), *HEALTH[1:-1], program]
        assert subprocess.run(checked, env=variables(), check=False).returncode == 0
        assert server.stop(signal.SIGTERM) == 0
        assert subprocess.run(checked, env=variables(), check=False, capture_output=True).returncode
    assert contents(image) == before


@pytest.mark.parametrize("verb", ["serve", "config", "tools", "explain"])
def test_every_verb_in_the_image_can_be_loaded_with_its_packages(
    image: Path, deployed_python: Path, verb: str
) -> None:
    ran = subprocess.run(
        [deployed_python, "manage.py", verb, "--help"],
        cwd=image,
        env=variables({"PYTHONDONTWRITEBYTECODE": "1"}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def documents() -> list[dict[str, Any]]:
    """Every YAML document of the guide, with something in each gap."""
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    filled = [
        re.sub(r"<([^<>\n]+)>", lambda gap: ANY_ID if " id" in gap[1] else "contoso", block)
        for block in blocks
    ]
    return [document for block in filled for document in yaml.safe_load_all(block)]


def of_kind(kind: str) -> dict[str, Any]:
    (found,) = [document for document in documents() if document.get("kind") == kind]
    return found


def container_app() -> dict[str, Any]:
    (found,) = [d for d in documents() if d.get("type") == "Microsoft.App/containerApps"]
    app: dict[str, Any] = found["properties"]
    return app


def settings_of(home: str) -> dict[str, str]:
    """The variables the guide gives the endpoint, and those that its home sets."""
    if home == "AKS":
        file = "/var/run/secrets/azure/tokens/azure-identity-token"
        webhook = {"AZURE_CLIENT_ID": ANY_ID, "AZURE_FEDERATED_TOKEN_FILE": file}
        return {
            **of_kind("ConfigMap")["data"],
            **webhook,
            "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        }
    given = container_app()["template"]["containers"][0]["env"]
    return {v["name"]: v["value"] for v in given} | {"CONTAINER_APP_NAME": "postern"}


@pytest.mark.parametrize("home", ["Container Apps", "AKS"])
def test_the_guides_settings_make_it_ready(image: Path, deployed_python: Path, home: str) -> None:
    settings = settings_of(home)
    assert all(isinstance(value, str) for value in settings.values())
    with started(image, deployed_python, **settings) as server:
        assert exchange(url_of(server, "/readyz")).status == 200, server.log.read_text()
        assert exchange(url_of(server, "/mcp"), message("ping")).status == 401


def test_the_guides_probes_ask_what_the_endpoint_answers() -> None:
    probes = {
        p["type"]: p["httpGet"] for p in container_app()["template"]["containers"][0]["probes"]
    }
    pod = of_kind("Deployment")["spec"]["template"]["spec"]["containers"][0]
    (port,) = pod["ports"]
    paths = {"Startup": "/healthz", "Liveness": "/healthz", "Readiness": "/readyz"}
    for kind, path in paths.items():
        assert probes[kind] == {"path": path, "port": int(PORT)}
        assert pod[f"{kind.lower()}Probe"]["httpGet"] == {"path": path, "port": port["name"]}
    assert (
        port["containerPort"]
        == int(PORT)
        == container_app()["configuration"]["ingress"]["targetPort"]
    )


def test_the_guides_pod_is_as_narrow_as_the_image() -> None:
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    user = [str(pod["securityContext"][name]) for name in ("runAsUser", "runAsGroup")]
    assert ":".join(user) == FINAL["USER"].text
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False


def test_the_guides_objects_find_one_another() -> None:
    deployment = of_kind("Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    pod = deployment["template"]["spec"]
    assert labels["azure.workload.identity/use"] == "true"
    assert pod["serviceAccountName"] == of_kind("ServiceAccount")["metadata"]["name"]
    assert pod["containers"][0]["envFrom"] == [
        {"configMapRef": {"name": of_kind("ConfigMap")["metadata"]["name"]}}
    ]
    selectors = [
        deployment["selector"]["matchLabels"],
        of_kind("Service")["spec"]["selector"],
        of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    backend = of_kind("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = of_kind("Service")
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"]["name"] == service["spec"]["ports"][0]["name"]
    assert service["spec"]["ports"][0]["targetPort"] == pod["containers"][0]["ports"][0]["name"]


def test_no_document_of_the_guide_holds_a_secret() -> None:
    assert [d for d in documents() if d.get("kind") == "Secret"] == []
    assert "secrets" not in container_app()["configuration"]
