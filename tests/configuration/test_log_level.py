"""How much is logged: PoshMcp's variable and .NET's section; audit records always."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.configuration.outbound import UseManagedIdentity
from shared.credential import CredentialRefused
from shared.key_vault import KeyVault, managed_identity
from tests.configuration.support import bearer, load_text, refused
from tests.credentials.conftest import make as make
from tests.credentials.support import ARM, CALLERS, Maker, for_everybody
from tests.fakes.azure import FakeAzure
from tests.fakes.faults import answer
from tests.support import endpoint_for, message, send

VARIABLE = "POSHMCP_LOG_LEVEL"
LEVELS = [
    ("Trace", logging.DEBUG),
    ("Debug", logging.DEBUG),
    ("Information", logging.INFO),
    ("Warning", logging.WARNING),
    ("Error", logging.ERROR),
    ("Critical", logging.CRITICAL),
    ("None", logging.CRITICAL + 1),
]
WRONG = ["", "Info", "Verbose", "Warn", "2", "INFORMATION!", "null"]
EXPECTED = "expected Trace, Debug, Information, Warning, Error, Critical or None"
RIGHT = json.dumps(bearer())


def saying(level: object) -> str:
    return json.dumps(bearer() | {"Logging": {"LogLevel": {"Default": level}}}, indent=1)


@pytest.fixture
def _levels_restored() -> Iterator[None]:
    """Levels belong to the process. Python's own defaults before, whatever was there after."""
    names = ("postern", "postern.audit", "azure", "azure.identity")
    ours = dict.fromkeys(names, logging.NOTSET)
    defaults = {"": logging.WARNING, **ours}
    before = {name: logging.getLogger(name).level for name in defaults}
    for name, level in defaults.items():
        logging.getLogger(name).setLevel(level)
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(("word", "level"), LEVELS)
def test_every_word_means_a_level(tmp_path: Path, word: str, level: int) -> None:
    for spelling in (word, word.lower(), word.upper()):
        assert load_text(tmp_path, RIGHT, {VARIABLE: spelling})[0].log_level == level
        assert load_text(tmp_path, saying(spelling))[0].log_level == level
        variable = {"Logging__LogLevel__Default": spelling}
        assert load_text(tmp_path, RIGHT, variable)[0].log_level == level


def test_without_a_word_the_level_is_the_hosts(tmp_path: Path) -> None:
    assert load_text(tmp_path, RIGHT)[0].log_level is None
    assert load_text(tmp_path, saying(None))[0].log_level is None


def test_the_variable_wins_over_the_section(tmp_path: Path) -> None:
    environment = {VARIABLE: "Error", "Logging__LogLevel__Default": "Debug"}
    assert load_text(tmp_path, saying("Warning"), environment)[0].log_level == logging.ERROR


def test_the_section_is_read_in_any_case_and_other_categories_mean_nothing(tmp_path: Path) -> None:
    levels = {"Microsoft.AspNetCore": "Warning", "DEFAULT": "Error"}
    text = json.dumps(bearer() | {"logging": {"loglevel": levels}})
    settings, report = load_text(tmp_path, text)
    assert settings.log_level == logging.ERROR
    assert report.problems == []


@pytest.mark.parametrize("word", WRONG)
def test_a_wrong_word_in_the_variable_is_refused(tmp_path: Path, word: str) -> None:
    (found,) = refused(tmp_path, RIGHT, {VARIABLE: word})
    assert str(found) == f'{VARIABLE} (environment): "{word}" is no level; {EXPECTED}'


@pytest.mark.parametrize("word", WRONG)
def test_a_wrong_word_in_the_section_is_refused(tmp_path: Path, word: str) -> None:
    (found,) = refused(tmp_path, saying(word))
    assert found.path == "Logging:LogLevel:Default"
    assert found.source.startswith("settings.json:")
    assert found.text == f'"{word}" is no level; {EXPECTED}'


@pytest.mark.parametrize("level", [["Debug"], {"A": "B"}, 2, True])
def test_a_level_that_is_no_text_is_refused(tmp_path: Path, level: object) -> None:
    (found,) = refused(tmp_path, saying(level))
    assert found.path == "Logging:LogLevel:Default"
    assert "expected a string" in found.text


def test_a_long_or_hostile_word_is_cut_short_and_escaped(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, RIGHT, {VARIABLE: "\x1b[31m\n" + "x" * 500})
    assert "\x1b" not in found.text
    assert "\n" not in found.text
    assert len(found.text) < 200


@pytest.mark.usefixtures("_levels_restored")
@pytest.mark.parametrize("word", [None, *(word for word, _ in LEVELS)])
async def test_what_was_decided_is_recorded_at_every_level(
    tmp_path: Path, word: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {VARIABLE: word} if word else {}
    endpoint = endpoint_for(tmp_path, environment=environment)
    await send(endpoint, message("ping"), key=None)
    (record,) = [r for r in caplog.records if r.name == "postern.audit"]
    assert json.loads(record.getMessage())["decision"] == "denied"


@pytest.mark.usefixtures("_levels_restored")
@pytest.mark.parametrize(("word", "warned"), [("Warning", True), ("Error", False), ("None", False)])
def test_the_endpoints_own_words_keep_to_the_level(
    tmp_path: Path, word: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = {"PowerShellConfiguration": {"CommandNames": ["Get-Nothing"]}}
    endpoint_for(tmp_path, unknown, environment={VARIABLE: word})
    told = [r for r in caplog.records if r.name == "postern.startup"]
    assert bool(told) is warned


REQUESTS = "azure.core.pipeline.policies.http_logging_policy"


@pytest.mark.usefixtures("_levels_restored")
@pytest.mark.parametrize("word", [None, "Information", "Warning", "Debug"])
async def test_azures_libraries_do_not_tell_of_each_request_unless_it_is_debug(
    tmp_path: Path,
    azure: FakeAzure,
    hosted: None,
    caplog: pytest.LogCaptureFixture,
    word: str | None,
) -> None:
    """Measured on a real client of theirs, where the host's own level is Information."""
    logging.getLogger().setLevel(logging.INFO)
    endpoint_for(tmp_path, environment={VARIABLE: word} if word else {})
    caplog.clear()
    azure.vault.put("one", "value")
    vault = KeyVault(azure.vault.uri, lambda: managed_identity(None), transport=azure.transport)
    await vault.get("one")
    await vault.close()
    assert (REQUESTS in {r.name for r in caplog.records}) is (word == "Debug")


@pytest.mark.usefixtures("_levels_restored")
def test_a_level_that_somebody_gave_azures_libraries_stays(tmp_path: Path) -> None:
    logging.getLogger("azure").setLevel(logging.INFO)
    endpoint_for(tmp_path)
    assert logging.getLogger(REQUESTS).isEnabledFor(logging.INFO)


@pytest.mark.usefixtures("_levels_restored")
@pytest.mark.parametrize("word", [None, "Debug"])
async def test_what_an_identity_endpoint_answers_is_not_logged(
    tmp_path: Path,
    azure: FakeAzure,
    make: Maker,
    hosted: None,
    caplog: pytest.LogCaptureFixture,
    word: str | None,
) -> None:
    """Not even by azure-identity, which writes an answer that it does not understand."""
    logging.getLogger().setLevel(logging.DEBUG)
    endpoint_for(tmp_path, environment={VARIABLE: word} if word else {})
    azure.identity.faults.set("token", answer(200, {"access_token": "eyJ-a-token"}))
    with pytest.raises(CredentialRefused):
        await make(for_everybody(UseManagedIdentity())).of(CALLERS["key"]).get_token(ARM)
    assert "no token of the managed identity" in caplog.text
    assert "eyJ" not in caplog.text
