"""Hostile and odd statements, each through the tool to a real server: what writes, waits, reaches
out or is read in two ways is refused or does nothing, and the connection stays what it was."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.tools import ToolError
from tests.fakes.postgres_server import PostgresServer
from tests.toolsets_shipped.postgres_support import context_of
from toolsets.postgres import postgres_query

STATE = """SELECT (SELECT count(*) FROM customer), (SELECT count(*) FROM pg_class),
    (SELECT count(*) FROM pg_largeobject_metadata), last_value, is_called FROM numbers"""
SESSION = """SELECT a.application_name, l.count, (SELECT count(*) FROM pg_listening_channels()),
    current_setting('transaction_read_only'), current_setting('statement_timeout')
    FROM (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS l,
    (SELECT current_setting('application_name') AS application_name) AS a"""

REFUSED = """
WITH a AS (MERGE INTO customer USING regulars ON false WHEN NOT MATCHED THEN INSERT VALUES (9, 'x') RETURNING 1) TABLE a
WITH RECURSIVE a AS (SELECT 1 UNION ALL (WITH b AS (DELETE FROM customer RETURNING 1) TABLE b)) TABLE a
SELECT * FROM (DELETE FROM customer RETURNING 1) AS x
UPDATE pg_settings SET setting = 'off' WHERE name = 'transaction_read_only'
SELECT 1 INTO UNLOGGED x
SELECT 1 INTO TEMP x UNION SELECT 2
EXPLAIN SELECT 1 INTO x
EXPLAIN (ANALYZE OFF) DELETE FROM customer
EXPLAIN (BUFFERS) SELECT 1
SELECT * FROM (SELECT * FROM customer FOR SHARE NOWAIT) AS x
SELECT * FROM customer WHERE CURRENT OF c
BEGIN; SELECT 1
SELECT 1; COMMIT; DROP TABLE customer
SELECT 1) AS q LIMIT 0; DROP TABLE customer; SELECT * FROM (SELECT 1
ROLLBACK AND CHAIN
SET transaction_read_only = off
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
SHOW statement_timeout
ALTER ROLE reader SUPERUSER
ALTER DATABASE shop SET default_transaction_read_only = off
DO $$BEGIN PERFORM pg_sleep(9); END$$
COPY (SELECT 1) TO PROGRAM 'id'
\\copy customer TO 'x'
\\! id
SELECT 1 \\gexec
SELECT lo_from_bytea(0, 'x')
SELECT lo_import('/etc/passwd')
SELECT pg_read_file('/etc/passwd')
SELECT ('/etc/passwd'::text).pg_read_file
SELECT x.pg_read_file FROM unnest(ARRAY['/etc/passwd']) AS x
SELECT x.lo_import FROM lower('/etc/passwd') AS x
SELECT pg_read_file.pg_read_file FROM json_array_elements_text('["/etc/passwd"]') AS pg_read_file
SELECT ts_stat.ts_stat FROM jsonb_array_elements_text('["SELECT to_tsvector(pg_sleep(9)::text)"]') AS ts_stat
SELECT pg_ls_dir('.')
SELECT * FROM pg_ls_logdir()
SELECT (pg_backend_pid()).pg_terminate_backend
SELECT x.pg_cancel_backend FROM pg_backend_pid() AS x
SELECT (1::bigint).pg_advisory_lock
SELECT x.pg_advisory_lock FROM generate_series(1::bigint, 2) AS x
SELECT ('SELECT pg_sleep(9)'::text).ts_stat
SELECT ts_stat('SELECT to_tsvector(pg_sleep(9)::text)')
SELECT query_to_xml('SELECT pg_sleep(9)', true, true, '')
SELECT ts_rewrite('a', 'SELECT a, b FROM c')
SELECT set_config('transaction_read_only', 'off', true)
SELECT pg_notify('a', 'b')
SELECT E'\\\\' , pg_sleep(9), '\\'
SELECT $$ $$ , pg_sleep(9), $$ $$
SELECT $a$ $b$ $a$, pg_sleep(9), $b$ $b$
SELECT U&'!' UESCAPE '!' , pg_sleep(9)
SELECT U&"pg!005fsleep" UESCAPE '!' (9)
SELECT E'\\xff\\xfe'
SELECT E'\\x00'
SELECT E'\\ud800'
SELECT U&'\\D83D'
SELECT 1 OFFSET pg_sleep(9)::text::int
SELECT sum(id) OVER (ROWS nextval('numbers') PRECEDING) FROM customer
SELECT * FROM customer TABLESAMPLE bernoulli (1) REPEATABLE (nextval('numbers'))
SELECT * FROM ROWS FROM (json_to_record('{}') AS (a int), nextval('numbers')) AS x
SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS a text DEFAULT nextval('numbers')::text)
SELECT * FROM json_table('[1]', '$ ? (@ > $x)' PASSING nextval('numbers') AS x COLUMNS (a int PATH '$'))
SELECT json_value('{}', '$.a' RETURNING int DEFAULT nextval('numbers') ON EMPTY)
SELECT id FROM customer GROUP BY GROUPING SETS ((id), (nextval('numbers')))
SELECT DISTINCT ON (nextval('numbers')) 1
SELECT ROW(1, 2) = ROW(nextval('numbers'), 2)
SELECT x.nextval FROM to_regclass('numbers') AS x
SELECT ('numbers'::regclass).nextval
SELECT xmlparse(DOCUMENT '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>') IS NULL
SELECT query FROM pg_stat_activity
SELECT * FROM pg_stat_get_activity(NULL)
SELECT x.pg_stat_get_activity FROM (SELECT 1) AS y LEFT JOIN json_populate_record(NULL::int, '{}') AS x ON false
SELECT x.pg_stat_get_activity FROM (SELECT 1) AS y LEFT JOIN jsonb_populate_recordset(NULL::int, '[]') AS x ON false
SELECT rolpassword FROM pg_authid
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_file_settings
SELECT * FROM secret.plans
SELECT * FROM closed.public.x
"""  # noqa: E501

# What looks odd, and the rows it has.
TAKEN: list[tuple[str, list[list[Any]]]] = [
    (r"SELECT U&'\0027; SELECT pg_sleep(9); --'", [["'; SELECT pg_sleep(9); --"]]),
    ("SELECT U&'!0027 , pg_sleep(9)' UESCAPE '!'", [["' , pg_sleep(9)"]]),
    (r"SELECT U&'\D83D\DE00', E'\uD83D\uDE00'", [["😀", "😀"]]),
    ("SELECT $a$ $b$ pg_sleep(9) $b$ $a$", [[" $b$ pg_sleep(9) $b$ "]]),
    (r"SELECT '\', E'\\', E'\''", [["\\", "\\", "'"]]),
    ("SELECT 'a'\n'b'", [["ab"]]),
    ("SELECT 1 -- \r, 2", [[1, 2]]),
    ("SELECT 0x1F, 0b101, 1_000", [[31, 5, 1000]]),
    ('SELECT 1 AS "pg_sleep(9)", 2 AS "; DROP TABLE customer"', [[1, 2]]),
    ("((SELECT 1)) LIMIT 1 OFFSET (SELECT count(*) FROM regulars WHERE id > 9)", [[1]]),
    ("TABLE ONLY regulars ORDER BY id FETCH FIRST 1 ROWS WITH TIES", [[1, "Ada"]]),
    ("SELECT c FROM customer AS c WHERE c.id = 1", [["(1,Ada,2024-02-29)"]]),
    ("SELECT q.id FROM (SELECT (c).* FROM customer AS c) AS q WHERE q.id = 2", [[2]]),
    ("SELECT x.x FROM generate_series(1, 2) AS x(x)", [[1], [2]]),
    ("SELECT NULL::void, NULL::cstring, NULL::record, 'x'::unknown", [[None, None, None, "x"]]),
    ("SELECT 'a'::\"char\", 'b'::char(3), 'plant()'::regprocedure", [["a", "b", "plant()"]]),
    ("SELECT repeat('a', 20000) ~ '^(a+)+$b'", [[False]]),
    ("SELECT count(*) FROM customer GROUP BY CUBE (id), GROUPING SETS (()) LIMIT 1", [[3]]),
]  # fmt: skip


@pytest.fixture
def untouched(each_shop: PostgresServer) -> Iterator[None]:
    before = each_shop.run(STATE, database="shop")
    yield
    assert each_shop.run(STATE, database="shop") == before


async def query(shop: PostgresServer, sql: str, **context: Any) -> Any:
    return await postgres_query("shop", "shop", sql, context_of(shop, "writer", **context))


@pytest.mark.parametrize("loose", [False, True])
@pytest.mark.parametrize("sql", REFUSED.strip().splitlines())
async def test_what_is_hostile_is_refused_and_leaves_nothing(
    each_shop: PostgresServer, untouched: None, sql: str, loose: bool
) -> None:
    with pytest.raises(ToolError) as caught:
        await query(each_shop, sql, allow_any_function=loose, seconds=4.0)
    assert "did not finish" not in str(caught.value)
    (session,) = (await query(each_shop, SESSION, allow_any_function=True)).rows
    assert session == ["postern", 0, 0, "on", "30s"]


@pytest.mark.parametrize(("sql", "rows"), TAKEN)
async def test_what_is_odd_means_the_same_to_guard_and_server(
    each_shop: PostgresServer, untouched: None, sql: str, rows: list[list[Any]]
) -> None:
    assert (await query(each_shop, sql, seconds=4.0)).rows == rows


async def test_where_long_names_end_elsewhere_nothing_is_queried(each_shop: PostgresServer) -> None:
    """In EUC_JP these two names are one: é has three bytes there, and 63 are what a name has."""
    each_shop.run("CREATE DATABASE japanese ENCODING EUC_JP LOCALE 'C' TEMPLATE template0")
    name = "é" * 21
    sql = f"SELECT {name}.pg_read_file FROM unnest(ARRAY['PG_VERSION']) AS {name}a"  # noqa: S608
    assert each_shop.run("SET client_encoding = UTF8", sql, database="japanese")
    context = context_of(each_shop, "boss", server={"databases": ["japanese"]})
    with pytest.raises(ToolError, match="has the encoding EUC_JP"):
        await postgres_query("shop", "japanese", sql, context)
