"""How much the endpoint logs: `Logging:LogLevel:Default`, in .NET's words."""

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.configuration.problems import Problem, Report
from shared.wording import shown

VARIABLE = "POSHMCP_LOG_LEVEL"
"""PoshMcp's variable for the same thing; it wins."""

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 1,
}
_EXPECTED = "expected Trace, Debug, Information, Warning, Error, Critical or None"


class LoggingSection(msgspec.Struct, rename="pascal", frozen=True):
    log_level: dict[str, str | None] = {}
    file: Any = None


def read(section: LoggingSection, environment: Mapping[str, str], report: Report) -> int | None:
    """The level for our loggers, or None where nothing is said. Audit records are not concerned."""
    given = environment.get(VARIABLE)
    if given is not None:
        if given.lower() not in _LEVELS:
            text = f"{shown(given)} is no level; {_EXPECTED}"
            report.problems.append(Problem(VARIABLE, "environment", text))
        return _LEVELS.get(given.lower())
    default = next((v for k, v in section.log_level.items() if k.lower() == "default"), None)
    if default is not None and default.lower() not in _LEVELS:
        text = f"{shown(default)} is no level; {_EXPECTED}"
        report.error(("Logging", "LogLevel", "Default"), text)
    return None if default is None else _LEVELS.get(default.lower())


def apply(level: int | None) -> None:
    """Set the level of our loggers, and write audit records at any.

    Azure's libraries tell of each request they send at Information: they are kept to warnings,
    unless the level is Debug or somebody has set theirs.
    """
    if level is not None:
        logging.getLogger("postern").setLevel(level)
    logging.getLogger("postern.audit").setLevel(logging.INFO)
    azure = logging.getLogger("azure")
    if azure.level == logging.NOTSET and level != logging.DEBUG:
        azure.setLevel(max(level or 0, logging.WARNING))


def silence_azure_identity() -> None:
    """Keep azure-identity out of the log, unless somebody has set its level.

    When an identity endpoint answers with something unexpected, it writes the answer as a warning,
    tokens and all. Why there is no token, our own loggers say.
    """
    identity = logging.getLogger("azure.identity")
    if identity.level == logging.NOTSET:
        identity.setLevel(logging.CRITICAL + 1)
