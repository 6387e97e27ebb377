"""permissions.json, the registration's copy of the table of permissions."""

import json

from infra import permissions
from infra.hooks.variables import known_toolsets
from shared.credentials.permissions import PERMISSIONS


def test_the_file_is_what_the_table_says() -> None:
    expected = permissions.written()
    found = permissions.FILE.read_text(encoding="utf-8")
    assert found == expected, "run: python -m infra.permissions"


def test_each_service_is_named_once() -> None:
    """Entra takes one entry for each service."""
    ids = [entry["resourceAppId"] for entry in json.loads(permissions.FILE.read_text("utf-8"))]
    assert sorted(set(ids)) == sorted(ids)


def test_every_toolset_of_the_table_is_known_to_the_hooks() -> None:
    assert known_toolsets() == {toolset for each in PERMISSIONS for toolset in each.toolsets}
    assert "postgres" in known_toolsets()
