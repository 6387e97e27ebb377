"""What went wrong with PostgreSQL, in words that a model or its operator can act on.

PostgreSQL's own words about a query are passed on, since they say what to mend; words about
connections are not: they name hosts and addresses.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

TOO_LATE = (
    "The query did not finish in the time of this call and was cancelled. Narrow it, or ask for "
    "an EXPLAIN of it."
)
_TOO_MUCH = (
    "PostgreSQL's answer is too large: a plan or an error message that quotes a value of many "
    "megabytes. The connection was closed. Make the values of the query smaller."
)
_LONGEST = 500

# What libpq and PostgreSQL say, to what it means. The first that fits counts.
_CONNECTING = (
    (
        ("too many connections", "remaining connection slots"),
        "The server {server} has no connection left. Try again later.",
    ),
    (
        ("password authentication failed", "access token", "no pg_hba.conf entry"),
        "PostgreSQL did not accept the token for the role {role} on {server}. The role must exist "
        "there for the Microsoft Entra principal that the token is for, with exactly this name; an "
        "Entra administrator of the server creates it (pgaadauth_create_principal). See "
        "docs/postgres.md.",
    ),
    (
        ('role "', "permission denied for database"),
        "The role {role} may not connect to the database {database} on {server}. It must exist "
        "there for the Microsoft Entra principal, with LOGIN, and CONNECT on the database.",
    ),
    (
        ('database "',),
        "The server {server} does not offer the database {database} now: it does not exist there "
        "or takes no connections.",
    ),
    (
        ("closed", "syscall", "unexpected eof", "starting up", "shutting down"),
        "The server {server} ended the connection; it may be restarting. Try again later.",
    ),
    (
        ("certificate", "ssl"),
        "The TLS connection to {server} could not be verified, so the token was not sent. The "
        "operator has to check Host (it must be a name in the certificate) and SslRootCert.",
    ),
    (("resolve host",), "The host of {server} has no address. The operator has to check Host."),
    (
        ("refused", "timeout", "unreachable", "no route"),
        "The server {server} cannot be reached: it is down, or a firewall or network rule is in "
        "the way.",
    ),
)


def of_connecting(error: "psycopg.Error", server: str, database: str, role: str) -> str:
    """Why there is no connection; `server` is its name in the settings."""
    first, failed, rest = str(error).lower().partition(" failed: ")  # Names come before.
    said = rest if failed else first
    for signs, meaning in _CONNECTING:
        if any(sign in said for sign in signs):
            return meaning.format(server=server, database=database, role=role)
    return f"The connection to {server} failed. Try again later."


_QUERY = {
    "42501": "PostgreSQL refuses this to the role {role}: {said}. Ask for other data, or have a "
    "database administrator GRANT the role what it needs.",
    "57014": "The query took too long and was cancelled. Narrow it, or ask for an EXPLAIN of it.",
    "55P03": "A table of the query is locked by somebody else. Try again later.",
    "25006": "Only reading is allowed, and the query would change something: {said}.",
    "54001": "The query is nested too deeply. Send a simpler one.",
}
_PARAMETERS_MISFIT = "08P01"
_GONE = "The connection to PostgreSQL was lost. Try again."
_ELSEWHERE = "Another server that the query reads from failed."


def of_query(error: "psycopg.Error", role: str, prefix: str = "") -> str:
    """Why a query failed. `prefix` is what was put before the caller's text."""
    from psycopg import OperationalError

    from toolsets._postgres_driver import TooMuch

    if isinstance(error, TooMuch):
        return _TOO_MUCH
    state, diagnosis = error.sqlstate, error.diag
    if state is None or state.startswith("57P"):
        return _GONE if isinstance(error, OperationalError) else f"The query failed: {error}"
    if state.startswith(("08", "HV")) and state != _PARAMETERS_MISFIT:
        return _ELSEWHERE
    said = (diagnosis.message_primary or "no reason given")[:_LONGEST]
    if state in _QUERY:
        return _QUERY[state].format(role=role, said=said)
    at = int(diagnosis.statement_position or 0) - len(prefix)
    where = f", character {at}" if at > 0 else ""
    hint = f" {diagnosis.message_hint[:_LONGEST]}" if diagnosis.message_hint else ""
    return f"PostgreSQL refuses the query: {said} (SQLSTATE {state}{where}).{hint}"
