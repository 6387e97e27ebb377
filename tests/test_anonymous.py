"""What somebody without a credential is told, on every route: as docs/security.md has it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.authentication.issuer import Issuer
from tests.bearer import endpoint_with_tokens, issuing_now
from tests.support import endpoint_for, message, send

METADATA = "/.well-known/oauth-protected-resource"
TOLD = {
    "/healthz": {"status"},
    "/readyz": {"status"},
    METADATA: {
        "resource",
        "resource_name",
        "authorization_servers",
        "scopes_supported",
        "bearer_methods_supported",
    },
}
"""What answers 200, and the members of the answer."""
CLOSED = ("/mcp", "/tools", "/", "/admin/host/status", "/.well-known/oauth-authorization-server")
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing_now() as running:
        yield running


@pytest.mark.parametrize("path", [*TOLD, *CLOSED])
async def test_who_has_no_credential_is_told_nothing_of_the_tools(
    tmp_path: Path, issuer: Issuer, path: str
) -> None:
    endpoint = endpoint_with_tokens(tmp_path, issuer)
    names = list(endpoint._answers._catalogue.tools)
    assert names
    try:
        for verb in VERBS:
            asked = message("tools/list") if verb == "POST" else b""
            answer = await send(endpoint, asked, key=None, method=verb, path=path)
            told = json.loads(answer.body) if answer.body else {}
            if answer.status == 200:
                assert set(told) <= TOLD[path]
            else:
                assert answer.status in (204, 401, 404, 405)
                assert set(told) <= {"jsonrpc", "error", "id"}
            seen = f"{answer.body!r}{answer.headers}"
            assert [name for name in names if name in seen] == []
    finally:
        await endpoint.close()


@pytest.mark.parametrize("path", [path for path in TOLD if path.startswith("/.")])
async def test_with_keys_alone_there_is_no_metadata(tmp_path: Path, path: str) -> None:
    answer = await send(endpoint_for(tmp_path), b"", key=None, method="GET", path=path)
    assert answer.status == 404
