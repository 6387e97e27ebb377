"""`manage.py explain`: what a caller may call, and which line decided."""

import asyncio
import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

import manage
from commands import explain as command
from shared.authentication import key_format
from shared.key_vault import Vaults, managed_identity
from shared.startup import offer
from tests.fakes.azure import FakeAzure
from tests.fakes.key_vault import BUSY
from tests.support import OPS_KEY, READER_KEY, configured, write_configuration

TENANT = "70a036f6-8e4d-4615-bad6-149c02e7720d"
CLIENT = "85a0b190-f927-4e27-b286-cd301d965e4a"
CONFIGURATION = {
    "Authentication": {
        "DefaultPolicy": {"RequiredScopes": ["read"], "RequiredRoles": []},
        "AdditionalSchemes": ["Bearer"],
        "Schemes": {
            "Bearer": {
                "Type": "JwtBearer",
                "Authority": f"https://login.microsoftonline.com/{TENANT}",
                "Audience": "https://mcp.example.com/mcp",
                "ClientId": CLIENT,
            }
        },
    },
    "PowerShellConfiguration": {
        "CommandNames": ["Get-Process", "Get-Service", "whoami"],
        "FunctionOverrides": {
            "Get-Service": {"RequiredScopes": ["services.read"]},
            "whoami": {"RequiredScopes": [], "RequiredRoles": ["ops"]},
        },
    },
}
USER = {
    "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
    "tid": TENANT,
    "aud": CLIENT,
    "azp": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    "oid": "6c3a1d0e-9f0b-4e0c-8f83-5c9a5dd4b0a1",
    "sub": "pairwise",
    "name": "Ada",
    "scp": "read other",
    "exp": 4102444800,
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(write_configuration(tmp_path, configured(CONFIGURATION)))


def run(file: str, given: str, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    return manage.main(["explain", "--as", "-", "--config", file, *more])


def outcomes(text: str) -> dict[str, str]:
    return {row["tool"]: row["outcome"] for row in json.loads(text)["tools"]}


def token(claims: dict[str, Any]) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256', 'kid': 'k'})}.{part(claims)}.{part('signature')}"


def test_a_users_claims_are_explained_tool_by_tool(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file, json.dumps(USER), monkeypatch) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == f"user {TENANT}/{USER['oid']} (Ada): scopes other, read; roles none"
    assert [line.split()[:2] for line in lines[1:]] == [
        ["get_process", "allowed"],
        ["get_service", "refused"],
        ["whoami", "hidden"],
    ]
    assert "lacks the scope services.read" in lines[2]
    at = "PowerShellConfiguration:FunctionOverrides:Get-Service:RequiredScopes (settings.json:"
    assert at in lines[2]
    assert "The signature is not checked" in captured.err


@pytest.mark.parametrize("wrapped", ["{}", "Bearer {}", "{}\n"])
def test_a_token_is_explained_like_its_claims(
    wrapped: str, file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file, wrapped.format(token(USER)), monkeypatch, "--json") == 0
    captured = capsys.readouterr()
    assert outcomes(captured.out)["get_process"] == "allowed"
    assert token(USER) not in captured.out + captured.err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://graph.microsoft.com"}, "401 This is a token for Microsoft Graph"),
        ({"exp": int(time.time()) - 3600}, "401 The token has expired"),
        ({"tid": CLIENT}, "401 The token is of another tenant"),
        ({"scp": None, "sub": USER["oid"]}, "403 The application"),
    ],
)
def test_a_token_that_would_be_refused_is_told_so(
    changes: dict[str, Any],
    reason: str,
    file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    claims = {k: v for k, v in {**USER, **changes}.items() if v is not None}
    assert run(file, json.dumps(claims), monkeypatch) == 1
    assert capsys.readouterr().out.startswith(f"Refused: {reason}")


def test_a_key_is_explained_and_not_shown(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file, OPS_KEY, monkeypatch, "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["caller"]["principal"] == "key/ApiKey-2"
    assert outcomes(captured.out) == {
        "get_process": "hidden",
        "get_service": "hidden",
        "whoami": "allowed",
    }
    assert OPS_KEY not in captured.out + captured.err


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("wrong", "401 The key in X-API-Key is not valid"),
        ('{"kind": "robot"}', "no kind robot"),
        ('{"kind": "user", "scope": []}', "the description does not fit"),
        ("a.b.c", "401"),
        ("[" * 100_000, "401"),
    ],
)
def test_what_cannot_be_anybody_is_told(
    given: str,
    reason: str,
    file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(file, given, monkeypatch) == 1
    assert capsys.readouterr().out.startswith(f"Refused: {reason}")


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({"kind": "user", "scopes": ["services.read"]}, ["refused", "allowed", "hidden"]),
        ({"kind": "application", "roles": ["read", "ops"]}, ["allowed", "hidden", "allowed"]),
        ({"kind": "anonymous"}, ["hidden", "hidden", "hidden"]),
        (None, ["hidden", "hidden", "hidden"]),
    ],
)
def test_a_caller_may_be_described_instead(
    described: Any,
    expected: list[str],
    file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = json.dumps(described) if described else ""
    assert run(file, given, monkeypatch, "--json") == 0
    assert list(outcomes(capsys.readouterr().out).values()) == expected


def test_whoever_has_no_name_is_named_once(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file, "", monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[0] == "anonymous: roles none"


@pytest.mark.parametrize(("tool", "status"), [("Get-Process", 0), ("get_service", 1)])
def test_one_tool_alone_decides_the_exit_status(
    tool: str,
    status: int,
    file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(file, json.dumps(USER), monkeypatch, "--tool", tool, "--json") == status
    assert len(outcomes(capsys.readouterr().out)) == 1


def test_a_tool_that_is_not_offered_is_said_to_be_none(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file, READER_KEY, monkeypatch, "--tool", "get_proces") == 1
    captured = capsys.readouterr()
    assert captured.err == "No tool get_proces is offered; did you mean get_process?\n"
    assert captured.out == ""


def test_a_file_that_is_not_there_is_wrong_usage(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing")
    assert manage.main(["explain", "--as", missing, "--config", file]) == 2
    assert "cannot be read" in capsys.readouterr().err


async def test_a_key_in_a_vault_is_looked_for_where_the_endpoint_would(
    azure: FakeAzure, hosted: None, tmp_path: Path
) -> None:
    key = key_format.make("build001")
    azure.vault.put("mcp-key-build001", key_format.digest_text(key), tags={"roles": "ops"})
    scheme = {"KeyVault": {"VaultUri": azure.vault.uri}}
    changes = {"Authentication": {"Schemes": {"ApiKey": scheme}}}
    file = write_configuration(tmp_path, configured(changes))
    offered = offer(tmp_path, {}, config_file=file)._replace(
        vaults=lambda: Vaults(lambda: managed_identity(None), transport=azure.transport)
    )
    caller = await asyncio.to_thread(command._caller, key, offered)
    assert (caller.principal, set(caller.roles)) == ("key/build001", {"ops"})
    azure.vault.faults.set("list", BUSY)
    with pytest.raises(command._NoCaller, match="503 Keys cannot be checked now"):
        await asyncio.to_thread(command._caller, key, offered)
