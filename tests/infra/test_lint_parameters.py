"""Parameters are described, constrained and consistent; API versions come from the list."""

from pathlib import Path

import pytest

from infra.lint import api_versions
from tests.infra.lint_sample import assert_found

MAIN, APP = "main.bicep", "app.bicep"


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "said"),
    [
        (APP, "@description('How many.')\n", "", "param count", "count is not described"),
        (APP, "'How many.'", "''", "@description('')", "description of count is empty"),
        (APP, "@minLength(2)\n", "", "param name", "parameter name takes any string"),
        (APP, "@minValue(1)\n", "", "param count", "parameter count takes any int"),
        (MAIN, "string = 'JwtObo'", "string = 'Obo'", "param outboundType", "not among"),
    ],
)
def test_a_loose_parameter_is_found(
    sample: Path, file: str, old: str, new: str, at: str, said: str
) -> None:
    assert_found(sample, file, old, new, at, said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("storageAccounts@2025-01-01", "storageAccounts@2025-01-01-preview", "is not in the list"),
        ("storageAccounts@2025-01-01", "storageAcounts@2025-01-01", "is not in the list"),
        ("Microsoft.Web/sites@2024-11-01", "Microsoft.Web/sites@2020-06-01", "is not in the list"),
        (
            "sites/config@",
            "sites/confg@",
            "sites/confg@2024-11-01 is not in the list",
        ),
        (
            "Microsoft.Storage/storageAccounts@2025-01-01",
            "Microsoft.Graph/applications@v1.0",
            "needs an extension",
        ),
    ],
)
def test_another_api_version_is_found(sample: Path, old: str, new: str, said: str) -> None:
    assert_found(sample, APP, old, new, new, said)


def test_an_extension_that_nothing_uses_or_names_is_found(sample: Path) -> None:
    new = "extension microsoftGraphV1\ntargetScope"
    said = "extension microsoftGraphV1 is not used"
    assert_found(sample, MAIN, "targetScope", new, "extension", said)
    (sample / "bicepconfig.json").write_text('{"extensions": {"other": "br:x"}}')
    said = "bicepconfig.json names no extension microsoftGraphV1"
    assert_found(sample, MAIN, "environment.", "the environment.", "extension", said)


def test_the_list_of_versions_is_sorted_and_without_previews_but_for_one() -> None:
    text = api_versions.LIST.read_text(encoding="utf-8").splitlines()
    lines = [line for line in text if not line.startswith("#")]
    assert lines == sorted(api_versions.allowed())
    previews = [line for line in lines if "preview" in line]
    assert previews == ["Microsoft.Insights/diagnosticSettings@2021-05-01-preview"]
