"""What a database shows of itself: databases, tables, columns, parameters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from toolsets._postgres_driver import Connection

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Database:
    """A database that may be asked. The rest is known only where its server was asked."""

    server: str
    name: str
    exists: bool | None = None
    may_connect: bool | None = None
    encoding: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view that the role may read. `rows` is PostgreSQL's estimate."""

    schema: str
    name: str
    kind: str
    rows: int | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table. `readable`: the role may SELECT it."""

    name: str
    type: str
    nullable: bool
    default: str | None
    primary_key: bool
    readable: bool
    comment: str | None


@dataclass(frozen=True, slots=True)
class Definition:
    """An index or a constraint, as PostgreSQL writes it."""

    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table or view: its columns, and what holds for them."""

    schema: str
    name: str
    kind: str
    columns: list[TableColumn]
    constraints: list[Definition]
    indexes: list[Definition]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the server as this session has it, in `unit` where there is one."""

    name: str
    value: str | None
    unit: str | None
    description: str
    source: str


_KIND = """CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN
    'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' END"""

_DATABASES = """
SELECT $1 AS server, n.name, d.oid IS NOT NULL AS exists,
    d.datallowconn AND pg_catalog.has_database_privilege(d.oid, 'CONNECT') AS may_connect,
    pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
    pg_catalog.left(pg_catalog.shobj_description(d.oid, 'pg_database'), 500) AS comment
FROM pg_catalog.unnest($2::text[]) AS n(name)
LEFT JOIN pg_catalog.pg_database d ON d.datname = n.name
ORDER BY n.name"""

_TABLES = f"""
SELECT n.nspname::text AS schema, c.relname::text AS name, {_KIND} AS kind,
    CASE WHEN c.reltuples >= 0 AND c.relkind <> 'v' THEN c.reltuples::int8 END AS rows,
    pg_catalog.left(pg_catalog.obj_description(c.oid, 'pg_class'), 500) AS comment
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND CASE WHEN $1::text IS NULL
        THEN n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ELSE n.nspname = $1 END
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
ORDER BY 1, 2 LIMIT $2"""  # noqa: S608 (only our own text is put in)

_RELATION = f"""
SELECT c.oid::int8, {_KIND}
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""  # noqa: S608 (likewise)

_COLUMNS = """
SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    NOT a.attnotnull AS nullable,
    pg_catalog.left(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 500) AS default,
    EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary
        AND a.attnum = ANY (i.indkey)) AS primary_key,
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable,
    pg_catalog.left(pg_catalog.col_description(a.attrelid, a.attnum), 500) AS comment
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum"""

_CONSTRAINTS = """
SELECT conname::text AS name, pg_catalog.left(pg_catalog.pg_get_constraintdef(oid), 2000)
    AS definition
FROM pg_catalog.pg_constraint WHERE conrelid = $1::int8::oid AND contype IN ('c','f','p','u','x')
ORDER BY contype, conname"""

_INDEXES = """
SELECT c.relname::text AS name, pg_catalog.left(pg_catalog.pg_get_indexdef(c.oid), 2000)
    AS definition
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = $1::int8::oid ORDER BY c.relname"""

# What may hold a password or a signed URL is not shown, to whomever the role may be.
_PARAMETERS = """
SELECT name, pg_catalog.left(setting, 2000) AS value, unit, short_desc AS description, source
FROM pg_catalog.pg_settings
WHERE name LIKE $1 AND name !~ '(_command$|conninfo|passphrase|password|secret|token|_key$)'
ORDER BY name LIMIT $2"""


async def databases(connection: "Connection", server: str, names: list[str]) -> list[Database]:
    """What the server knows of these databases."""
    return await _rows(connection, Database, _DATABASES, server, names)


async def tables(connection: "Connection", schema: str | None, limit: int) -> list[Table]:
    """The tables of a schema, or of all that are not PostgreSQL's own; partitions are left out."""
    return await _rows(connection, Table, _TABLES, schema, limit)


async def describe(connection: "Connection", schema: str, table: str) -> TableDescription | None:
    """A table or view, or None when there is none of this name."""
    cursor = await connection.cursor().execute(_RELATION.encode(), [schema, table])
    found = await cursor.fetchone()
    if found is None:
        return None
    relation, kind = found
    return TableDescription(
        schema,
        table,
        str(kind),
        await _rows(connection, TableColumn, _COLUMNS, relation),
        await _rows(connection, Definition, _CONSTRAINTS, relation),
        await _rows(connection, Definition, _INDEXES, relation),
    )


async def parameters(connection: "Connection", pattern: str, limit: int) -> list[Parameter]:
    """The parameters whose names match a LIKE pattern."""
    return await _rows(connection, Parameter, _PARAMETERS, pattern, limit)


async def _rows(
    connection: "Connection", kind: type[_Row], query: str, *parameters: Any
) -> list[_Row]:
    from psycopg.rows import class_row

    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchall()
