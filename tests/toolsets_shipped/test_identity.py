"""`whoami` tells who the endpoint takes its caller for, and never a credential."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.caller import ANONYMOUS, Caller
from shared.tools import ToolContext
from tests.support import OPS_KEY, READER_KEY, ask, endpoint_for
from toolsets.identity import Identity, whoami

ASSERTION = "eyJhbGciOiJSUzI1NiJ9.secret.signature"
TENANT = "00000000-0000-0000-0000-000000000001"

USER = Caller(
    kind="user",
    scheme="Entra",
    tenant_id=TENANT,
    object_id="o-1",
    client_id="c-1",
    name="Ada",
    scopes=frozenset({"b.read", "a.read"}),
    roles=frozenset({"z", "y"}),
    expires_at=1_800_000_000,
    assertion=ASSERTION,
)


async def identity_of(caller: Caller) -> Identity:
    return await whoami(ToolContext(caller, None, "cid-1", 0.0))


async def test_a_user_is_told_all_but_the_token() -> None:
    identity = await identity_of(USER)
    assert identity == Identity(
        kind="user",
        principal=f"{TENANT}/o-1",
        scheme="Entra",
        name="Ada",
        tenant_id=TENANT,
        client_id="c-1",
        scopes=["a.read", "b.read"],
        roles=["y", "z"],
        expires=datetime(2027, 1, 15, 8, 0, tzinfo=UTC),
    )
    assert ASSERTION not in repr(identity)


async def test_an_anonymous_caller_is_told_so() -> None:
    identity = await identity_of(ANONYMOUS)
    assert (identity.kind, identity.principal, identity.expires) == ("anonymous", "anonymous", None)
    assert (identity.scopes, identity.roles) == ([], [])


@pytest.mark.parametrize("modern", [False, True])
async def test_a_key_is_told_its_principal_and_roles_and_shown_nowhere(
    tmp_path: Path, modern: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = endpoint_for(tmp_path, package="toolsets")
    answer = await ask(endpoint, "tools/call", {"name": "whoami"}, modern=modern, key=OPS_KEY)
    told = json.loads(answer["result"]["content"][0]["text"])
    assert (told["kind"], told["principal"], told["scheme"]) == ("key", "key/ApiKey-2", "ApiKey")
    assert told["roles"] == ["ops", "reader"]
    assert caplog.records
    for text in (json.dumps(answer), caplog.text):
        assert OPS_KEY not in text
        assert READER_KEY not in text
