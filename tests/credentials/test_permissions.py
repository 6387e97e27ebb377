"""The table of permissions knows every toolset that calls Azure, and the names people use."""

import re

import pytest

from shared.credentials.permissions import PERMISSIONS, permission_for
from tests.credentials.support import ARM, POSTGRES

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize(
    ("resource", "service"),
    [
        (POSTGRES.removesuffix("/.default"), "Azure OSSRDBMS Database"),
        (f"{ARM.removesuffix('/.default')}/", "Azure Resource Manager"),
        ("123cd850-d9df-40bd-94d5-c9f07b7fa203", "Azure OSSRDBMS Database"),
        ("HTTPS://Vault.Azure.Net", "Azure Key Vault"),
    ],
)
def test_a_service_is_known_by_any_of_its_names(resource: str, service: str) -> None:
    found = permission_for(resource)
    assert found is not None
    assert found.service == service


def test_others_are_not() -> None:
    assert permission_for("https://example.com") is None


def test_every_line_is_whole_and_names_nobody_twice() -> None:
    names = [name for one in PERMISSIONS for name in (one.app_id, *one.resources)]
    assert len(names) == len(set(names))
    for one in PERMISSIONS:
        assert GUID.fullmatch(one.app_id)
        assert GUID.fullmatch(one.permission_id)
        assert one.permission
        assert one.role
    assert any("postgres" in one.toolsets for one in PERMISSIONS)
