"""What azd is told: the hooks it runs, the folder it deploys."""

import yaml

from tests.infra.command_line import (
    ROOT,
)


def test_azure_yaml_runs_hooks_that_are_there() -> None:
    hooks = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))["hooks"]
    assert set(hooks) == {"preprovision", "postprovision", "postdeploy"}
    for name, hook in hooks.items():
        assert (ROOT / "infra" / "hooks" / f"{name}.py").is_file()
        assert hook["posix"]["shell"] == "sh"
        assert hook["posix"]["run"] == f"python3 -m infra.hooks.{name}"
        assert hook["windows"]["shell"] == "pwsh"
        # PowerShell's own status is 0 whatever its last command's was.
        assert hook["windows"]["run"] == f"python -m infra.hooks.{name}; exit $LASTEXITCODE"


def test_azure_yaml_deploys_this_folder_as_a_python_function_app() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert set(project["services"]) == {"api"}
    service = project["services"]["api"]
    assert (ROOT / service.pop("project") / "host.json").is_file()
    assert service == {"language": "python", "host": "function", "remoteBuild": True}
    assert (ROOT / project["infra"]["path"] / f"{project['infra']['module']}.bicep").is_file()
