"""What is known too late, or not there, when it is asked for."""

from pathlib import Path

import pytest

from tests.infra.lint_sample import assert_found, break_one

MAIN, APP = "main.bicep", "app.bicep"
LATE = "identity.properties.principalId is"


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "said"),
    [
        (APP, "identity.id,", "identity.properties.principalId,", "  name: guid", LATE[:19]),
        (MAIN, "name: 'app'", "name: group.properties.x", "name: group", "group.properties is"),
        (
            APP,
            "name: 'appsettings'",
            "name: name",
            "resource settings",
            "which properties settings",
        ),
        (MAIN, "'rg-${env", "'${reference('x').y}-${env", "reference", "reference(…) is known"),
        (
            MAIN,
            "app.?outputs.url ?? ''",
            "app.outputs.url",
            "app.outputs",
            "app is not there under",
        ),
    ],
)
def test_what_comes_too_late_is_found(
    sample: Path, file: str, old: str, new: str, at: str, said: str
) -> None:
    assert_found(sample, file, old, new, at, said)


def test_a_variable_is_as_late_as_what_it_is_made_of(sample: Path) -> None:
    late = "var principal = identity.properties.principalId\n\nresource reads"
    break_one(sample, APP, "resource reads", late)
    said = "identity.properties is known only after its deployment"
    assert_found(sample, APP, "identity.id,", "principal,", "  name: guid", said)


def test_a_loop_over_what_is_deployed_is_found(sample: Path) -> None:
    new = "resource many 'Microsoft.Storage/storageAccounts@2025-01-01' existing = ["
    new += "for x in account.properties.list: {\n  name: x\n}]\n\nresource identity"
    said = "account.properties is known only after its deployment"
    assert_found(sample, APP, "resource identity", new, "resource many", said)
