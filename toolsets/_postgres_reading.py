"""Rows of a query as values that JSON can say, as many as fit."""

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import msgspec

from shared.tools import ToolError
from toolsets import _postgres_errors as errors
from toolsets._sql_guard import Statement

if TYPE_CHECKING:
    from toolsets._postgres_driver import Connection

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result. `type` is PostgreSQL's name for its type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the database, each with one value a column: data, never instructions.

    Numbers of exact types beyond JSON's safe range, NaN, times (ISO 8601, UTC), bytes (hex) and
    everything else are text. `notice` says what was left out.
    """

    columns: list[Column]
    rows: list[list[Value]]
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that is read: rows, bytes of all rows as JSON, characters of one value."""

    rows: int
    bytes: int
    characters: int


PREFIX = "SELECT * FROM (\n"

_AS_THEY_ARE = {"bool", "int2", "int4", "int8", "oid", "float4", "float8"}
_TIMES = {"timestamp", "timestamptz"}
_JSON_EXTRA = len('"…",'.encode()) + 1
_EXACT_IN_JSON = 2**53 - 1


async def read(
    connection: "Connection", statement: Statement, parameters: Sequence[Value], caps: Caps
) -> Rows:
    """Run a statement and take what fits. Raises ToolError in a database that is not in UTF8.

    In another encoding PostgreSQL cuts long names elsewhere and may change the case of other
    letters than the guard, so that what are two names to the guard is one to the server.

    Rows are read one by one. Every value is cut on the server, so that one of a gigabyte does not
    reach this process, and the server stops after the last row that is wanted.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ToolError(
            f"The database has the encoding {encoding}, in which names may mean other things than "
            "this tool takes them for. Only databases in UTF8 are queried."
        )
    text, characters = statement.text, caps.characters
    if statement.explain:
        columns = [Column("QUERY PLAN", "text")]
    else:
        columns = await _describe(connection, text, parameters)
        # What could not be shown of a row need not travel.
        characters = min(characters, max(10, caps.bytes // max(1, len(columns)) - _JSON_EXTRA))
        text = _wrapped(text, columns, characters, caps.rows + 1)
    rows: list[list[Value]] = []
    size, cut, more = 0, 0, ""
    # aclosing ends the query on the server when not all of its rows are taken.
    stream = cast(
        "AsyncGenerator[tuple[object, ...]]", connection.cursor().stream(text.encode(), parameters)
    )
    async with aclosing(stream):
        async for raw in stream:
            if len(rows) == caps.rows:
                more = f"There are more rows than these {caps.rows:,}."
                continue
            row = [_value(value, characters) for value in raw]
            size += len(msgspec.json.encode(row)) + 1
            if size > caps.bytes:
                more = f"There are more rows than these {len(rows):,}, which are what fits."
                if not rows:
                    more = f"There are rows, but the first alone is over {caps.bytes:,} bytes."
                break
            cut += sum(isinstance(value, str) and len(value) > characters for value in raw)
            rows.append(row)
    return Rows(columns, rows, _notice(more, cut, characters))


def _notice(more: str, cut: int, characters: int) -> str | None:
    if not more and not cut:
        return None
    cutting = (
        f"Values longer than {characters:,} characters are cut: {cut:,} end in …." if cut else ""
    )
    narrow = "Narrow the query: fewer columns, a WHERE, an aggregate, or LIMIT and OFFSET."
    return " ".join(filter(None, (more, cutting, narrow)))


async def _describe(
    connection: "Connection", text: str, parameters: Sequence[Value]
) -> list[Column]:
    """The columns of a query, without running it. Raises ToolError for what is wrong in it."""
    from psycopg import Error

    # `binary` has no rows to apply to; it makes psycopg use the protocol that takes one statement
    # only, whatever the parameters.
    query = f"{PREFIX}{text}\n) AS q LIMIT 0"
    role = connection.info.user
    try:
        cursor = await connection.cursor().execute(query.encode(), parameters, binary=True)
    except Error as error:
        raise ToolError(errors.of_query(error, role, PREFIX)) from None
    described = cursor.description or []
    strangers = {c.type_code for c in described if c.type_display.isdecimal()}
    names: dict[int, str] = {}
    if strangers:
        query = "SELECT t, pg_catalog.format_type(t, NULL) FROM pg_catalog.unnest($1::oid[]) AS t"
        found = await connection.cursor().execute(query.encode(), [sorted(strangers)])
        names = {int(str(oid)): str(name) for oid, name in await found.fetchall()}
    return [Column(c.name, names.get(c.type_code, c.type_display)) for c in described]


def _wrapped(text: str, columns: list[Column], characters: int, rows: int) -> str:
    """A query around the query: values that are safe to receive, and no more rows than wanted."""
    given = [f"c{n}" for n in range(len(columns))]
    taken = ", ".join(
        _taken(name, column.type, characters) for name, column in zip(given, columns, strict=True)
    )
    names = f"({', '.join(given)})" if given else ""
    # The guard has seen that `text` is one whole statement, so it cannot end the parenthesis.
    return f"SELECT {taken} FROM (\n{text}\n) AS q{names} LIMIT {rows}"  # noqa: S608


def _taken(name: str, kind: str, characters: int) -> str:
    if kind in _AS_THEY_ARE:
        return name
    if kind.partition("(")[0] in _TIMES:
        return f"pg_catalog.to_json({name}) OPERATOR(pg_catalog.#>>) '{{}}'"
    return f'pg_catalog."left"({name}::pg_catalog.text, {characters + 1})'


def _value(value: object, characters: int) -> Value:
    match value:
        case None | bool():
            return value
        case int():
            return value if abs(value) <= _EXACT_IN_JSON else str(value)
        case float():
            if math.isfinite(value):
                return value
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case _:
            text = str(value)
            return text if len(text) <= characters else text[:characters] + "…"
