"""`manage.py keys`: made, listed, replaced, revoked and checked, in the fake vault and in files."""

import asyncio
import io
import json
import logging
import stat
import time
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

import pytest

from commands import keys
from commands.keys_told import moment
from shared.authentication import key_format
from shared.authentication.vault_keys import VaultKeyRing
from shared.key_vault import KeyVault, managed_identity
from tests.commands import support
from tests.fakes.azure import FakeAzure
from tests.fakes.faults import DROP, answer
from tests.fakes.key_vault import BROKEN, FORBIDDEN, failure, throttled

CLIENT = "66666666-0000-4000-8000-000000000006"
ID = "ab12cd34"
NAME = f"mcp-key-{ID}"


class Line:
    """The command line with the fake vault behind it: status, output and talk of each verb."""

    def __init__(
        self,
        azure: FakeAzure,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.azure = azure
        self.place = ("--vault-uri", azure.vault.uri)
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.out = self.err = ""

    def connect(self, uri: str) -> KeyVault:
        return KeyVault(uri, lambda: managed_identity(None), transport=self.azure.transport)

    def __call__(self, *arguments: str, given: str = "") -> int:
        parser = ArgumentParser()
        parser.add_argument("--json", action="store_true")
        keys.configure(parser)
        self._monkeypatch.setattr("sys.stdin", io.StringIO(given))
        self._capsys.readouterr()
        status = keys.main(parser.parse_args(arguments), self.connect)
        self.out, self.err = self._capsys.readouterr()
        return status

    def create(self, *options: str, id: str = ID) -> str:
        """Make a key; the key."""
        assert self("create", *self.place, "--id", id, *options) == 0, self.err
        return self.out.splitlines()[-1]

    def rotate(self, *options: str) -> str:
        assert self("rotate", ID, *self.place, *options) == 0, self.err
        return self.out.splitlines()[-1]

    def works(self, key: str, at: float | None = None) -> bool:
        """Whether an endpoint that starts now accepts a key."""

        async def ask() -> bool:
            vault = self.connect(self.azure.vault.uri)
            ring = VaultKeyRing("Keys", vault, now=lambda: at or time.time())
            try:
                return await ring.caller(key) is not None
            finally:
                await ring.close()
                await vault.close()

        return asyncio.run(ask())


@pytest.fixture
def line(
    azure: FakeAzure,
    hosted: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Line:
    return Line(azure, capsys, monkeypatch)


def test_a_new_key_is_printed_once_alone_on_the_last_line_and_works(line: Line) -> None:
    key = line.create(
        "--owner", "Data platform", "--role", "reader", "--scope", "a", "--scope", "b"
    )
    assert line.out == f"{key}\n"
    assert key_format.parse(key) == ID
    assert f"{NAME}; the key is not" in line.err
    assert line.works(key)


def test_what_an_identity_endpoint_answers_is_not_told(
    line: Line, azure: FakeAzure, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("azure.identity")
    before = logger.level
    logger.setLevel(logging.NOTSET)
    azure.identity.faults.set("token", answer(200, {"access_token": "eyJ-a-token"}))
    try:
        assert line("list", *line.place) == 1
    finally:
        logger.setLevel(before)
    assert "No token for" in line.err
    assert "eyJ" not in line.err + line.out + caplog.text


def test_only_the_digest_is_stored(line: Line, azure: FakeAzure) -> None:
    key = line.create("--owner", "x y", "--role", "r2", "--role", "r1", "--note", "n")
    (version,) = azure.vault.secrets[NAME].versions
    assert version.value == key_format.digest_text(key)
    assert version.tags == {"owner": "x y", "roles": "r1 r2", "note": "n"}
    assert version.enabled
    assert version.exp is None
    assert key not in repr(azure.vault.secrets)
    assert azure.vault.calls.count("set") == 1


def test_without_an_id_each_key_gets_its_own(line: Line, azure: FakeAzure) -> None:
    for _ in range(3):
        assert line("create", *line.place, "--prefix", "keys-") == 0
    assert len(azure.vault.secrets) == 3
    assert all(name.startswith("keys-") for name in azure.vault.secrets)


@pytest.mark.parametrize(
    ("when", "seconds"), [("90d", 90 * 86400), ("2w", 14 * 86400), ("2h", 7200)]
)
def test_a_key_can_be_given_an_end(line: Line, azure: FakeAzure, when: str, seconds: float) -> None:
    key = line.create("--expires", when)
    expires = azure.vault.newest(NAME).exp
    assert expires is not None
    assert abs(expires - time.time() - seconds) < 60
    assert line.works(key, expires - 1)
    assert not line.works(key, expires)


def test_an_end_may_be_a_date_in_utc(line: Line, azure: FakeAzure) -> None:
    line.create("--expires", "2040-01-02")
    assert azure.vault.newest(NAME).exp == 2209075200


@pytest.mark.parametrize(
    ("when", "told"),
    [("2020-01-31", "in the future"), ("0d", "in the future"), ("2030-13-31", "such as 90d")],
)
def test_an_end_that_is_past_or_none_is_wrong_usage(when: str, told: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"'{when}' is not .*{told}"):
        moment(when)


def test_what_is_too_long_for_tags_goes_into_the_value(line: Line, azure: FakeAzure) -> None:
    key = line.create("--note", "n" * 300, "--role", "reader")
    version = azure.vault.newest(NAME)
    assert json.loads(version.value)["note"] == "n" * 300
    assert (version.tags, version.content_type) == ({}, "application/json")
    assert line.works(key)


def test_an_id_that_is_taken_is_refused(line: Line, azure: FakeAzure) -> None:
    line.create()
    assert line("create", *line.place, "--id", ID) == 1
    assert (line.out, "rotate it" in line.err) == ("", True)
    azure.vault.deleted["mcp-key-deleted1"] = azure.vault.secrets[NAME]
    assert line("create", *line.place, "--id", "deleted1") == 1
    assert "purge it" in line.err


@pytest.mark.parametrize(
    "options", [["--role", "two words"], ["--scope", "a,b"], ["--owner", "two\nlines"]]
)
def test_grants_that_cannot_be_stored_are_wrong_usage(
    line: Line, azure: FakeAzure, options: list[str]
) -> None:
    assert line("create", *line.place, *options) == 2
    assert line.out == ""
    assert azure.vault.secrets == {}


def test_everything_known_is_listed_and_no_key(line: Line, azure: FakeAzure) -> None:
    key = line.create("--owner", "Data platform", "--role", "reader", "--expires", "2040-01-02")
    other = line.create("--scope", "tools.read", "--note", "n" * 300, id="zz99zz99")
    line.rotate("--expires", "never")
    line("revoke", "zz99zz99", *line.place)
    azure.vault.put("mcp-key-bad-name", "x")
    azure.vault.put("mcp-key-malformed", "sha256:abc")
    azure.vault.put("password", "hunter2")
    assert line("list", *line.place) == 0
    assert key not in line.out + line.err
    assert other not in line.out + line.err
    first, row, *_ = [text.split() for text in line.out.splitlines()]
    assert first == ["id", "owner", "roles", "scopes", "created", "expires", "enabled", "versions"]
    assert row[:5] == [ID, "Data", "platform", "reader", "-"]
    assert row[-3:] == ["-", "yes", "2"]
    assert "bad-name" in line.err
    assert "malformed: its value is neither" in line.err
    assert "password" not in line.out + line.err
    assert line("--json", "list", *line.place) == 0
    rows = {row["id"]: row for row in json.loads(line.out)}
    assert rows["zz99zz99"]["enabled"] is False
    assert rows[ID]["owner"] == "Data platform"
    assert rows[ID]["created"].endswith("Z")


def test_after_a_rotation_the_old_key_works_until_the_overlap_ends(
    line: Line, azure: FakeAzure
) -> None:
    old = line.create("--owner", "x", "--role", "reader")
    azure.vault.newest(NAME).tags["cost-centre"] = "12"
    new = line.rotate("--overlap", "7d")
    assert line.out == f"{new}\n"
    assert "The old key works until" in line.err
    first, second = azure.vault.secrets[NAME].versions
    assert first.exp is not None
    assert abs(first.exp - time.time() - 7 * 86400) < 60
    assert second.tags == {"owner": "x", "roles": "reader", "cost-centre": "12"}
    assert line.works(new)
    assert line.works(old)
    assert not line.works(old, first.exp)
    assert line.works(new, first.exp)


def test_a_second_rotation_ends_all_but_the_last_two(line: Line) -> None:
    first = line.create()
    second = line.rotate()
    third = line.rotate("--overlap", "1h")
    assert [line.works(key) for key in (first, second, third)] == [False, True, True]


def test_without_an_overlap_the_old_key_ends_at_once(line: Line, azure: FakeAzure) -> None:
    old = line.create("--expires", "90d")
    new = line.rotate("--overlap", "0", "--expires", "90d")
    assert [line.works(key) for key in (old, new)] == [False, True]
    assert [version.enabled for version in azure.vault.secrets[NAME].versions] == [False, True]


def test_an_overlap_never_prolongs_a_key(line: Line, azure: FakeAzure) -> None:
    line.create("--expires", "1h")
    ends = azure.vault.newest(NAME).exp
    line.rotate("--overlap", "7d", "--expires", "never")
    first, second = azure.vault.secrets[NAME].versions
    assert (first.exp, second.exp) == (ends, None)


def test_a_key_with_an_end_is_not_made_endless_in_passing(line: Line, azure: FakeAzure) -> None:
    line.create("--expires", "1h")
    assert line("rotate", ID, *line.place) == 1
    assert "--expires" in line.err
    assert len(azure.vault.secrets[NAME].versions) == 1


@pytest.mark.parametrize("overlap", ["0", "24h"])
@pytest.mark.parametrize("operation", ["get", "versions", "update", "set"])
@pytest.mark.parametrize("after", [0, 1])
def test_wherever_a_rotation_is_interrupted_a_key_works_and_a_second_try_ends_it(
    line: Line, azure: FakeAzure, overlap: str, operation: str, after: int
) -> None:
    """As if the line were cut at that call, before (0) or after (1) the vault has heard it."""
    lost, old = line.create(), line.rotate()
    lose = Losing(azure, operation, after)
    status = line("rotate", ID, *line.place, "--overlap", overlap)
    lose.stop()
    told = line.out.splitlines()
    known = [old, *told]
    assert any(line.works(key) for key in known), line.err
    if status == 0:
        return
    new = line.rotate("--overlap", overlap, "--expires", "never")
    assert line.works(new)
    if overlap == "0":
        assert not any(line.works(key) for key in (lost, *known))


class Losing:
    """Lets one operation fail, the first time it is called; `after` the vault has done it."""

    def __init__(self, azure: FakeAzure, operation: str, after: int) -> None:
        self._azure = azure
        self._operations = dict(azure.vault._operations)
        if after:
            done = azure.vault._operations[operation]

            def lost(*given: Any) -> Any:
                done(*given)
                return failure(500, "InternalServerError", "Something went wrong.")

            azure.vault._operations[operation] = lost
        else:
            azure.vault.faults.set(operation, BROKEN)

    def stop(self) -> None:
        self._azure.vault._operations.update(self._operations)
        self._azure.vault.faults.clear()


def test_a_key_that_may_not_be_stored_is_said_to_be_so(line: Line, azure: FakeAzure) -> None:
    old = line.create()
    azure.vault.faults.set("set", BROKEN)
    assert line("rotate", ID, *line.place) == 1
    assert "may not be stored" in line.err
    azure.vault.faults.clear()
    assert line.works(old)


def test_a_revoked_key_ends_with_all_its_versions(line: Line, azure: FakeAzure) -> None:
    old = line.create()
    new = line.rotate()
    assert line("revoke", ID, *line.place) == 0
    assert "2 version(s)" in line.out
    assert [version.enabled for version in azure.vault.secrets[NAME].versions] == [False, False]
    assert not line.works(old)
    assert not line.works(new)
    assert line("rotate", ID, *line.place) == 1
    assert "revoked: create a new one" in line.err


@pytest.mark.parametrize("failing", [1, 2])
def test_a_revocation_that_is_interrupted_has_ended_the_key_with_its_first_step(
    line: Line, azure: FakeAzure, failing: int
) -> None:
    old = line.create()
    new = line.rotate()
    if failing == 2:
        azure.vault.faults.set("versions", BROKEN)
    else:
        azure.vault.faults.set("update", BROKEN)
    assert line("revoke", ID, *line.place) == 1
    azure.vault.faults.clear()
    expected = [failing == 1] * 2
    assert [line.works(key) for key in (old, new)] == expected


@pytest.mark.parametrize("action", ["rotate", "revoke"])
def test_a_key_that_is_not_there_is_said_to_be_so(line: Line, action: str) -> None:
    assert line(action, "nosuch12", *line.place) == 1
    assert f"no key nosuch12 in {line.azure.vault.uri} (mcp-key-nosuch12)" in line.err


def test_a_key_is_verified_without_the_command_line_or_the_output_showing_it(
    line: Line, azure: FakeAzure, tmp_path: Path
) -> None:
    key = line.create()
    assert line("verify", *line.place, given=f"{key}\n") == 0
    assert line.out == f"Key {ID}: accepted.\n"
    file = tmp_path / "key"
    file.write_text(f"{key}\n", encoding="utf-8")
    assert line("verify", *line.place, "--key-file", str(file), "--json") == 0
    expected = {"format": "mcp", "id": ID, "accepted": True, "reason": None}
    assert json.loads(line.out) == expected


@pytest.mark.parametrize(
    ("presented", "told"),
    [
        ("short", "the format or the checksum is wrong"),
        ("mcp_ab12cd34_" + "A" * 43 + "_000000", "the format or the checksum is wrong"),
        (key_format.make("nosuch12"), "its secret is gone"),
        (key_format.make(ID), "not the key that is stored"),
        ("sk-foreign/0123456789abcdefghijklmnop", "no secret tagged format=foreign"),
    ],
)
def test_why_a_key_is_not_accepted_is_told(line: Line, presented: str, told: str) -> None:
    line.create()
    assert line("verify", *line.place, given=presented) == 1
    assert told in line.out
    assert presented not in line.out + line.err
    assert line("verify", *line.place, "--json", given=presented) == 1
    assert told in json.loads(line.out)["reason"]


def test_an_ended_key_is_told_apart(line: Line, azure: FakeAzure) -> None:
    key = line.create()
    now = int(time.time())
    azure.vault.newest(NAME).exp = now - 5
    assert line("verify", *line.place, given=key) == 1
    assert "it expired on" in line.out
    line("revoke", ID, *line.place)
    assert line("verify", *line.place, given=key) == 1
    assert "it is revoked" in line.out


def test_a_foreign_key_is_found_by_its_digest(line: Line, azure: FakeAzure) -> None:
    foreign = "sk-foreign/0123456789abcdefghijklmnop"
    tags = {"format": "foreign"}
    azure.vault.put("mcp-key-foreign1", key_format.digest_text(foreign), tags=tags)
    assert line("verify", *line.place, given=foreign) == 0
    assert line.out == "Key foreign1: accepted.\n"


def test_the_format_alone_is_checked_where_no_place_is_named(line: Line) -> None:
    assert line("verify", given=key_format.make(ID)) == 0
    assert line.out == f"Key {ID}: the format is right.\n"
    assert line("verify", given="x") == 1
    assert line("verify", given="") == 2
    assert line("verify", "--key-file", "/nonexistent") == 2
    assert line.azure.vault.calls.operations() == []


@pytest.mark.parametrize(
    ("operation", "fault", "told"),
    [
        ("set", FORBIDDEN, 'grant this identity the role "Key Vault Secrets Officer"'),
        ("set", throttled(30), "throttling"),
        ("set", DROP, "cannot be reached"),
        ("versions", FORBIDDEN, 'the role "Key Vault Secrets User"'),
    ],
)
def test_a_failing_vault_is_a_finding_that_says_what_to_do(
    line: Line, azure: FakeAzure, operation: str, fault: Any, told: str
) -> None:
    azure.vault.faults.set(operation, fault)
    assert line("create", *line.place) == 1
    assert told in line.err
    assert line.out == ""


def test_a_missing_sign_in_says_how_to(line: Line, azure: FakeAzure) -> None:
    azure.identity.faults.set("token", answer(400, {"error": "x"}))
    assert line("list", *line.place) == 1
    assert "az login" in line.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "--vault-uri", "https://evil.example"], "not the URI of a key vault"),
        (["list", "--vault-uri", "http://a2b.vault.azure.net"], "not the URI of a key vault"),
        (["list", "--vault-uri", "https://a2b.vault.azure.net", "--scheme", "x"], "for files"),
        (["create", "--file", "x", "--owner", "x"], "--owner is for vaults"),
        (["create", "--file", "x", "--expires", "9d"], "--expires is for vaults"),
        (["rotate", "#1", "--file", "x", "--overlap", "9d"], "--overlap is for vaults"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    line: Line, arguments: list[str], told: str
) -> None:
    assert line(*arguments) == 2
    assert told in line.err


def test_the_real_command_signs_in_as_whoever_is_signed_in(azure: FakeAzure, project: Path) -> None:
    variables = {**azure.environment(), **azure.workload_identity(CLIENT)}

    def run(*arguments: str, given: str = "") -> "Any":
        place = ("--vault-uri", azure.vault.uri)
        return support.manage(
            project, "keys", *arguments, *place, environment=variables, given=given
        )

    made = run("create", "--owner", "x", "--json")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["key"]
    verified = run("verify", given=key)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert azure.entra.calls.count("token", CLIENT) == 2


def test_without_a_sign_in_the_real_command_says_so(azure: FakeAzure, project: Path) -> None:
    variables = {**azure.environment(), "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
    place = ("--vault-uri", azure.vault.uri)
    ended = support.manage(project, "keys", "list", *place, environment=variables)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"No token for {azure.vault.uri}" in ended.stderr
    assert "az login" in ended.stderr
    assert "Traceback" not in ended.stderr


OLD = "dev_" + "k" * 40


def content(schemes: dict[str, Any] | None = None) -> dict[str, Any]:
    given = {"Type": "ApiKey", "Keys": {OLD: {"Scopes": [], "Roles": ["developer"]}}}
    schemes = {"ApiKey": given} if schemes is None else schemes
    return {"Authentication": {"Enabled": True, "Schemes": schemes}, "Server": {"Name": "\u00e9"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "appsettings.Development.json"
    path.write_text(json.dumps(content()), encoding="utf-8")
    path.chmod(0o600)
    return path


def keys_in(file: Path) -> dict[str, Any]:
    read = json.loads(file.read_text(encoding="utf-8"))
    found: dict[str, Any] = read["Authentication"]["Schemes"]["ApiKey"]["Keys"]
    return found


def test_in_a_file_a_key_is_added_as_it_is_and_the_file_stays_private(
    line: Line, file: Path
) -> None:
    place = ("--file", str(file))
    assert line("create", *place, "--id", ID, "--role", "ops", "--scope", "a") == 0
    key = line.out.strip()
    assert keys_in(file)[key] == {"Scopes": ["a"], "Roles": ["ops"]}
    assert list(keys_in(file)) == [OLD, key]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text(encoding="utf-8"))["Server"] == {"Name": "\u00e9"}
    assert [path.name for path in file.parent.glob("*.json*")] == [file.name]
    assert line("create", *place, "--id", ID) == 1
    assert line("verify", *place, given=key) == 0
    assert line("verify", *place, given=key_format.make(ID)) == 1


def test_in_a_file_keys_are_listed_by_their_places(line: Line, file: Path) -> None:
    place = ("--file", str(file))
    line("create", *place, "--id", ID, "--role", "ops")
    key = line.out.strip()
    assert line("list", *place) == 0
    rows = [text.split() for text in line.out.splitlines()]
    assert rows == [
        ["position", "id", "roles", "scopes"],
        ["#1", "-", "developer", "-"],
        ["#2", ID, "ops", "-"],
    ]
    assert line("list", *place, "--json") == 0
    assert [row["position"] for row in json.loads(line.out)] == ["#1", "#2"]
    assert OLD not in line.out
    assert key not in line.out


def test_in_a_file_a_key_is_replaced_in_its_place(line: Line, file: Path) -> None:
    place = ("--file", str(file))
    line("create", *place, "--id", ID)
    assert line("rotate", "#1", *place) == 0
    new = line.out.strip()
    assert next(iter(keys_in(file))) == new
    assert keys_in(file)[new] == {"Scopes": [], "Roles": ["developer"]}
    assert line("rotate", ID, *place) == 0
    assert key_format.parse(line.out.strip()) == ID
    assert OLD not in keys_in(file)
    assert len(keys_in(file)) == 2


def test_in_a_file_a_revoked_key_is_removed(line: Line, file: Path) -> None:
    assert line("revoke", "#1", "--file", str(file)) == 0
    assert keys_in(file) == {}
    assert line("revoke", "#1", "--file", str(file)) == 1
    assert "no key #1" in line.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "expected"),
        ("[]", "expected an object"),
        ('{"Authentication": {} } // x', "comments"),
        ('{"Authentication": {},}', "trailing commas"),
        ("{}", "there: none"),
        (json.dumps(content({"A": {"Type": "JwtBearer"}})), "there: none"),
        (json.dumps(content({"A": {"Type": "ApiKey"}, "B": {"Type": "apikey"}})), "there: A, B"),
        ('{"Authentication": {"Schemes": ["ApiKey"]}}', "there: none"),
        (json.dumps(content({"A": {"Type": "ApiKey", "Keys": ["k"]}})), "Keys of A is not"),
    ],
)
def test_a_file_that_cannot_be_edited_is_left_as_it_is(
    line: Line, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text, encoding="utf-8")
    assert line("create", "--file", str(file)) == 1
    assert told in line.err
    assert file.read_text(encoding="utf-8") == text


def test_a_scheme_is_named_where_there_are_several(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    schemes = {"ApiKey": {"Type": "ApiKey", "Keys": None}, "Other": {"Type": "ApiKey"}}
    file.write_text(json.dumps(content(schemes)), encoding="utf-8")
    assert line("create", "--file", str(file), "--scheme", "nosuch") == 1
    assert "there: ApiKey, Other" in line.err
    assert line("create", "--file", str(file), "--scheme", "apikey") == 0
    assert list(keys_in(file)) == [line.out.strip()]


def test_a_file_that_is_not_there_is_said_to_be_so(line: Line, tmp_path: Path) -> None:
    assert line("list", "--file", str(tmp_path / "nosuch.json")) == 1
    assert "No such file" in line.err


def test_a_link_to_a_file_stays_one(line: Line, file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file)
    assert line("create", "--file", str(link)) == 0
    assert link.is_symlink()
    assert len(keys_in(file)) == 2
