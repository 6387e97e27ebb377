"""What the guard takes and what it refuses, decided on PostgreSQL's own grammar."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.errors import DatatypeMismatch, UndefinedColumn

from tests.fakes.postgres_server import PostgresServer
from toolsets._sql_functions import (
    ALLOWED,
    HARMLESS_THOUGH_VOLATILE,
    OF_ROWS,
    is_never_allowed,
    is_never_allowed_of_a_row,
)
from toolsets._sql_guard import Functions, Refused, Statement, check

STRICT = Functions()
ANY = Functions(any=True)

STATEMENTS = """INSERT INTO t VALUES (1)|UPDATE t SET a = 1|DELETE FROM t|TRUNCATE t|DROP TABLE t|
MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE|CREATE TABLE t ()|ALTER TABLE t ADD a int|
CREATE TABLE t AS SELECT 1|REFRESH MATERIALIZED VIEW m|COPY t TO STDOUT|COPY t FROM '/etc/passwd'|
COPY (SELECT 1) TO PROGRAM 'sh'|DO $$ BEGIN END $$|CALL p()|SET a = 1|SET LOCAL a = 1|RESET ALL|
SET ROLE boss|SET SESSION AUTHORIZATION boss|SET TRANSACTION READ WRITE|SHOW ALL|BEGIN|COMMIT|
ROLLBACK|SAVEPOINT a|START TRANSACTION READ WRITE|PREPARE TRANSACTION 'a'|LOCK TABLE t|NOTIFY a|
LISTEN a|UNLISTEN *|PREPARE a AS SELECT 1|EXECUTE a|DEALLOCATE ALL|DISCARD ALL|VACUUM|ANALYZE t|
CLUSTER|REINDEX TABLE t|CHECKPOINT|LOAD 'a'|GRANT SELECT ON t TO a|REVOKE SELECT ON t FROM a|
DECLARE c CURSOR FOR SELECT 1|FETCH c|MOVE c|CLOSE c|COMMENT ON TABLE t IS 'a'|
ALTER SYSTEM SET a = 1|CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ''|ALTER ROLE a SUPERUSER|
SECURITY LABEL ON TABLE t IS 'a'|IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c|
CREATE EXTENSION dblink|/**/DELETE/**/FROM t|/* SELECT 1 */ DELETE FROM t""".replace(
    "\n", ""
).split("|")

SQL_WORDS = """SELECT FROM WHERE WITH AS ( ) , ; ' " $$ -- /* */ * 1 a t.b lower( pg_sleep( INTO FOR
UPDATE UNION VALUES TABLE EXPLAIN ANALYZE DELETE INSERT OPERATOR( :: [ ] $1 U&" E' \\ é AND OVER
JOIN LATERAL ROWS LIMIT ORDER BY USING json_table( XMLTABLE( TABLESAMPLE CASE WHEN END"""


def accepts(sql: str, functions: Functions = STRICT) -> Statement:
    return check(sql, max_bytes=65_536, functions=functions)


def refusal(sql: str, functions: Functions = STRICT) -> str:
    with pytest.raises(Refused) as caught:
        accepts(sql, functions)
    return str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT",
        "TABLE t",
        "VALUES (1, 2)",
        "SELECT 1 UNION ALL (SELECT 2 EXCEPT SELECT 3) ORDER BY 1 LIMIT 1",
        "WITH a AS MATERIALIZED (SELECT 1) SELECT * FROM a",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) "
        "SEARCH DEPTH FIRST BY n SET s CYCLE n SET c USING p TABLE t",
        "SELECT sum(x) FILTER (WHERE y) OVER (PARTITION BY z ROWS 1 PRECEDING) FROM t",
        "SELECT a FROM t GROUP BY ROLLUP (a), GROUPING SETS ((a), ()) HAVING count(*) > 1",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a), grouping(a) FROM t GROUP BY a",
        "SELECT a[1:2], (b).lower, ARRAY[1]::int[], ROW(1), a = ANY (ARRAY[1]), EXISTS (TABLE t)",
        "SELECT CASE WHEN a THEN 1 END, coalesce(a, 1), greatest(1, 2), nullif(a, b), a IS TRUE",
        'SELECT a BETWEEN 1 AND 2, a IN (1, 2), a IS DISTINCT FROM b, NOT a, a COLLATE "C", $1',
        "SELECT extract(year FROM now()), a AT TIME ZONE 'UTC', substring('a' FROM 1 FOR 2), "
        "trim(BOTH FROM 'x'), position('a' IN 'b'), overlay('a' PLACING 'b' FROM 1)",
        "SELECT a LIKE 'b' ESCAPE 'c', a SIMILAR TO 'b', (a, b) OVERLAPS (c, d), a IS NORMALIZED",
        "SELECT current_user, current_date, localtimestamp, system_user, COLLATION FOR ('a')",
        "SELECT * FROM a LEFT JOIN b USING (id) CROSS JOIN LATERAL (SELECT 1) AS l, ONLY c AS d",
        "SELECT * FROM t TABLESAMPLE system (1) REPEATABLE (2)",
        "SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY[1])) WITH ORDINALITY AS f",
        "SELECT * FROM json_to_record('{}') AS x(a int, b text)",
        "SELECT * FROM json_table('[]', '$[*]' COLUMNS (a int PATH '$', n FOR ORDINALITY)) AS j",
        "SELECT json_object('a': 1), json_array(SELECT 1), json_value(a, '$'), a IS JSON OBJECT",
        "SELECT * FROM XMLTABLE('/a' PASSING b COLUMNS c int PATH 'd', e FOR ORDINALITY)",
        "SELECT xmlelement(NAME a, xmlattributes(b AS c)), xmlserialize(CONTENT d AS text)",
        "SELECT pg_catalog.lower('A'), \"lower\"('A'), LOWER('A'), l/**/ower FROM t",
        "SELECT a OPERATOR(pg_catalog.+) b FROM t ORDER BY a USING <",
        "SELECT 'pg_sleep(1); DROP TABLE t' AS \"INSERT INTO\" -- COPY t TO '/x'",
        "SELECT '1'::regclass, 'now'::timestamptz, b'101', U&'\\0041', E'\\n', $$;$$, $a$ $$ $a$",
        "EXPLAIN SELECT 1",
        "EXPLAIN (COSTS OFF, FORMAT JSON) WITH a AS (SELECT 1) TABLE a",
    ],
)
def test_what_reads_is_taken_as_it_is(sql: str) -> None:
    assert accepts(sql) == Statement(sql, explain=sql.startswith("EXPLAIN"))


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("  SELECT 1 ; ", "SELECT 1"),
        (";; SELECT 1;;", "SELECT 1"),
        ("/* é; */ SELECT 'é;ü' /* ; */ ; -- ; end", "SELECT 'é;ü' /* ; */"),
        ("-- one\nSELECT 1 -- two", "SELECT 1 -- two"),
        ("SELECT 1 /* a /* nested */ comment */", "SELECT 1 /* a /* nested */ comment */"),
    ],
)
def test_the_statement_is_cut_out_of_what_surrounds_it(sql: str, text: str) -> None:
    assert accepts(sql).text == text


@pytest.mark.parametrize("sql", ["", " ", ";", "-- SELECT 1", "/* SELECT 1 */;;"])
def test_no_statement_is_refused(sql: str) -> None:
    assert refusal(sql).startswith("There is no statement in the query")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE t",
        "SELECT 1; -- \n COMMIT",
        "SELECT 1 /* ; */; BEGIN",
        "SELECT ';'; ROLLBACK; SELECT 1",
        "SELECT $$;$$; SELECT 1",
    ],
)
@pytest.mark.parametrize("functions", [STRICT, ANY])
def test_several_statements_are_refused(sql: str, functions: Functions) -> None:
    assert "send one at a time" in refusal(sql, functions).lower()


@pytest.mark.parametrize("sql", STATEMENTS)
@pytest.mark.parametrize("functions", [STRICT, ANY])
def test_what_is_no_query_is_refused_by_its_first_word(sql: str, functions: Functions) -> None:
    word = re.sub(r"/\*.*?\*/", " ", sql).split()[0]
    assert refusal(sql, functions).startswith(f"{word} is not allowed. Only reading is")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", "DELETE is not allowed inside"),
        ("WITH a AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT 1", "INSERT is not allowed"),
        ("WITH a AS (UPDATE t SET b = 1 RETURNING 1) TABLE a", "UPDATE is not allowed"),
        ("WITH a AS (MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE) SELECT 1", "MERGE"),
        ("SELECT (WITH a AS (DELETE FROM t RETURNING 1) SELECT 1 FROM a)", "DELETE"),
        ("SELECT * INTO new FROM t", "SELECT INTO"),
        ("WITH a AS (SELECT 1) SELECT 1 INTO TEMP b FROM a", "SELECT INTO"),
        ("SELECT 1 INTO a UNION SELECT 2", "SELECT INTO"),
        ("SELECT 1 FROM t FOR UPDATE", "lock rows"),
        ("SELECT 1 FROM t FOR NO KEY UPDATE SKIP LOCKED", "lock rows"),
        ("SELECT * FROM (SELECT 1 FROM t FOR SHARE) AS a", "lock rows"),
        ("WITH a AS (SELECT 1 FROM t FOR KEY SHARE) TABLE a", "lock rows"),
        ("TABLE t FOR UPDATE", "lock rows"),
        ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN with ANALYZE"),
        ("EXPLAIN (ANALYZE FALSE) SELECT 1", "EXPLAIN with ANALYZE"),
        ("EXPLAIN (COSTS, ANALYZE) SELECT 1", "EXPLAIN with ANALYZE"),
        ("EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN with ANALYZE"),
        ("EXPLAIN DELETE FROM t", "EXPLAIN of this"),
        ("EXPLAIN CREATE TABLE a AS SELECT 1", "EXPLAIN of this"),
        ("EXPLAIN EXECUTE a", "EXPLAIN of this"),
        ("EXPLAIN DECLARE c CURSOR FOR SELECT 1", "EXPLAIN of this"),
        ("EXPLAIN WITH a AS (DELETE FROM t RETURNING 1) TABLE a", "DELETE"),
        ("EXPLAIN (SERIALIZE) SELECT 1", "EXPLAIN with SERIALIZE"),
    ],
)
@pytest.mark.parametrize("functions", [STRICT, ANY])
def test_what_writes_or_locks_inside_of_a_query_is_refused(
    sql: str, said: str, functions: Functions
) -> None:
    assert said in refusal(sql, functions)


NEVER = """pg_sleep(1)|pg_sleep_for('1 s')|pg_sleep_until(now())|pg_read_file('/etc/passwd')
pg_read_binary_file('a')|pg_ls_dir('.')|pg_ls_waldir()|pg_stat_file('a')|lo_import('/etc/passwd')|lo_export(1, '/x')
lo_create(0)|lo_unlink(1)|lo_get(1)|loread(1, 1)|lowrite(1, 'a')|set_config('a', 'b', false)
pg_terminate_backend(1)|pg_cancel_backend(1)|pg_reload_conf()|pg_rotate_logfile()|pg_promote()
pg_advisory_lock(1)|pg_try_advisory_lock(1)|pg_advisory_xact_lock(1)|pg_advisory_unlock_all()
query_to_xml('SELECT 1', true, true, '')|query_to_xml_and_xmlschema('a', true, true, '')|cursor_to_xml('c', 1, true, true, '')
table_to_xml('t', true, true, '')|schema_to_xml_and_xmlschema('a', true, true, '')|database_to_xml(true, true, '')
ts_stat('SELECT a FROM t')|ts_rewrite('a', 'SELECT b')|dblink('', 'DELETE FROM t')|dblink_exec('a', 'b')
dblink_connect('host=a')|crosstab('SELECT 1')|connectby('t', 'a', 'b', 'c', 0)|pg_notify('a', 'b')
pg_switch_wal()|pg_create_restore_point('a')|pg_backup_start('a')|pg_wal_replay_pause()|pg_export_snapshot()
pg_create_physical_replication_slot('a')|pg_drop_replication_slot('a')|pg_logical_emit_message(true, 'a', 'b')
pg_logical_slot_get_changes('a', NULL, NULL)|pg_replication_origin_create('a')|pg_stat_reset()
pg_stat_reset_shared('bgwriter')|pg_stat_statements_reset()|pg_stat_get_activity(1)|http_get('a')|blob_put('a', 'b')|pgr_dijkstra('a', 1, 2)|pg_import_system_collations('pg_catalog')|pg_log_backend_memory_contexts(1)
pg_restore_relation_stats('a', 1)|pg_clear_relation_stats('a', 'b')|brin_summarize_new_values('i')
gin_clean_pending_list('i')|pg_file_write('a', 'b', false)|pg_prewarm('t')|pg_hba_file_rules()
binary_upgrade_set_next_pg_authid_oid(1)""".replace("\n", "|").split("|")  # noqa: E501


@pytest.mark.parametrize("call", NEVER)
@pytest.mark.parametrize("functions", [STRICT, ANY, Functions(frozenset({"pg_sleep", "dblink"}))])
def test_what_a_read_only_transaction_does_not_stop_is_never_allowed(
    call: str, functions: Functions
) -> None:
    for sql in (
        f"SELECT {call}",
        f"SELECT 1 FROM t WHERE ({call}) IS NULL",  # noqa: S608
        f"TABLE t LIMIT {call}",
    ):
        assert "is never allowed" in refusal(sql, functions)


@pytest.mark.parametrize(
    "name",
    [
        "pg_sleep",
        "PG_SLEEP",
        '"pg_sleep"',
        'U&"pg\\005fsleep"',
        'U&"\\0070g_sleep"',
        "U&\"pg!005fsleep\" UESCAPE '!'",
        "pg_catalog.pg_sleep",
        'pg_catalog . "pg_sleep"',
        "pg_catalog./* here */pg_sleep",
        "public.pg_sleep",
        "shop.public.pg_sleep",
        "pg_sleep -- \n",
        "pg_sleep/* ( */",
    ],
)
@pytest.mark.parametrize("functions", [STRICT, ANY])
def test_no_spelling_hides_a_name(name: str, functions: Functions) -> None:
    assert "function pg_sleep is never" in refusal(f"SELECT {name}(1)", functions)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM pg_sleep(1)",
        "SELECT * FROM ROWS FROM (unnest(ARRAY[1]), pg_sleep(1)) AS f",
        "SELECT * FROM t JOIN LATERAL pg_sleep(t.a) ON true",
        "SELECT a FROM t GROUP BY pg_sleep(1)",
        "SELECT a FROM t ORDER BY pg_sleep(1)",
        "SELECT sum(a) OVER (ORDER BY pg_sleep(1)) FROM t",
        "SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY pg_sleep(1))",
        "SELECT sum(a ORDER BY pg_sleep(1)) FROM t",
        "SELECT sum(a) FILTER (WHERE pg_sleep(1) IS NULL) FROM t",
        "SELECT 1 FROM t HAVING pg_sleep(1) IS NULL",
        "SELECT 1 OFFSET pg_sleep(1)",
        "SELECT DISTINCT ON (pg_sleep(1)) a FROM t",
        "VALUES (1), (pg_sleep(1))",
        "SELECT CASE WHEN true THEN pg_sleep(1) END",
        "SELECT ARRAY[pg_sleep(1)]",
        "SELECT (ARRAY[1])[pg_sleep(1)]",
        "SELECT coalesce(NULL, pg_sleep(1))",
        "SELECT (pg_sleep(1))::text",
        "SELECT concat(VARIADIC ARRAY[pg_sleep(1)])",
        "SELECT make_interval(days => pg_sleep(1))",
        "SELECT * FROM t TABLESAMPLE system (pg_sleep(1))",
        "SELECT * FROM json_table(pg_sleep(1), '$' COLUMNS (a int PATH '$')) AS j",
        "SELECT * FROM json_table('', '$' COLUMNS (a int DEFAULT pg_sleep(1) ON ERROR)) AS j",
        "SELECT * FROM XMLTABLE('/a' PASSING pg_sleep(1) COLUMNS c int DEFAULT pg_sleep(1))",
        "SELECT json_object('a': pg_sleep(1)), json_arrayagg(1)",
        "SELECT xmlelement(NAME a, pg_sleep(1))",
        "SELECT 1 UNION SELECT 2 UNION SELECT pg_sleep(1)",
        "WITH a AS (WITH b AS (SELECT pg_sleep(1)) TABLE b) TABLE a",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM t WHERE a IN (SELECT pg_sleep(1)))",
        "EXPLAIN SELECT pg_sleep(1)",
        "SELECT (1::float8).pg_sleep",
        'SELECT (1::float8) . "pg_sleep"',
        "SELECT $1.pg_sleep",
        "SELECT (ARRAY[1::float8])[1].pg_sleep",
        "SELECT (SELECT 1::float8).pg_sleep",
        "SELECT x.pg_sleep FROM unnest(ARRAY[1::float8]) AS x",
        "SELECT x.pg_sleep FROM t, LATERAL unnest(ARRAY[1::float8]) AS x (v)",
        "SELECT x.pg_sleep FROM ROWS FROM (unnest(ARRAY[1::float8])) AS x",
        "SELECT unnest.pg_sleep FROM unnest(ARRAY[1::float8])",
        "SELECT x.pg_sleep FROM coalesce(1::float8) AS x",
        "SELECT x.pg_sleep FROM CAST(1 AS float8) AS x",
        "SELECT x.pg_sleep FROM t LEFT JOIN json_populate_record(1::float8, '{}') AS x ON false",
        "SELECT x.pg_sleep FROM t LEFT JOIN jsonb_populate_recordset(a, '[]') AS x ON false",
        "SELECT pg_sleep.pg_sleep FROM json_array_elements('[1]') AS pg_sleep",
        "SELECT pg_sleep.pg_sleep FROM json_populate_record(NULL::t, '{}') AS pg_sleep",
    ],
)
def test_functions_are_found_wherever_they_are_called(sql: str) -> None:
    assert "pg_sleep is never allowed" in refusal(sql)
    assert "pg_sleep is never allowed" in refusal(sql, ANY)


@pytest.mark.parametrize(
    "call",
    [
        "nextval('s')",
        "setval('s', 1)",
        "currval('s')",
        "lastval()",
        "txid_current()",
        "pg_current_xact_id()",
        "current_setting('a')",
        "plant()",
        "public.lower('A')",
        '"LOWER"(1)',
        "has_server_privilege('a', 'b')",
        "setseed(0)",
    ],
)
def test_other_functions_are_refused_unless_any_is_allowed(call: str) -> None:
    assert "is not allowed" in refusal(f"SELECT {call}")
    assert accepts(f"SELECT {call}", ANY).text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ('s'::regclass).nextval",
        "SELECT (t).plant FROM t",
        "SELECT (t.a).plant FROM t",
        "SELECT x.plant FROM unnest(ARRAY[1]) AS x",
        "SELECT x.plant FROM unnest(ARRAY[1]) AS x (v)",
        "SELECT x.x FROM unnest(ARRAY[1]) AS x (v)",
        "SELECT x.plant FROM unnest(ARRAY[1]) AS x, LATERAL (SELECT 1 FROM unnest(x) AS x (plant))",
        "SELECT 1 FROM unnest(a) AS x (plant), (SELECT x.plant FROM unnest(ARRAY[1]) AS x) AS y",
        "SELECT x.plant FROM t AS x, LATERAL (SELECT 1 FROM unnest(ARRAY[1]) AS x) AS y",
        "SELECT plant.plant FROM unnest(a) AS plant",
    ],
)
def test_what_may_be_a_call_after_a_dot_is_refused_unless_any_is_allowed(sql: str) -> None:
    assert "after a dot may be a call of a function" in refusal(sql)
    assert accepts(sql, ANY).text
    names = Functions(frozenset({"plant", "nextval", "x"}))
    assert accepts(sql, names).text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT t.plant, s.t.plant, d.s.t.plant FROM t",
        "SELECT q.plant FROM (SELECT (t.a).* FROM t) AS q",
        "SELECT x FROM generate_series(1, 2) AS x",
        "SELECT x.x FROM generate_series(1, 2) AS x (x)",
        "SELECT x.a FROM generate_series(1, 2) AS x (a)",
        "SELECT generate_series.generate_series FROM generate_series(1, 2)",
        "SELECT x.a, x.b FROM unnest(ARRAY[1], ARRAY[2]) AS x (a, b)",
        "SELECT x.v, x.ordinality FROM unnest(ARRAY[1]) WITH ORDINALITY AS x (v)",
        "SELECT x.key, x.value FROM jsonb_each('{}') AS x",
        "SELECT x.a FROM json_to_record('{}') AS x (a int)",
        "SELECT x.a, x.b FROM json_populate_record(NULL::t, '{}') AS x (a, b)",
        "SELECT x.upper FROM unnest(ARRAY['a']) AS x",
    ],
)
def test_columns_are_no_calls(sql: str) -> None:
    assert accepts(sql).text


def test_a_function_of_rows_is_known_with_its_schema() -> None:
    sql = "SELECT x.pg_sleep FROM {}json_each('{{}}') AS x"
    assert accepts(sql.format(""), ANY).text
    assert accepts(sql.format("pg_catalog."), ANY).text
    assert "pg_sleep is never allowed" in refusal(sql.format("app."), ANY)


@pytest.mark.parametrize("name", ["http", "pg_restore_relation_stats"])
@pytest.mark.parametrize("functions", [STRICT, ANY])
def test_a_row_is_given_to_no_function_that_is_never_allowed(
    name: str, functions: Functions
) -> None:
    for column in (f"t.{name}", f"public.t.{name}"):
        assert f"{name} is never allowed" in refusal(f"SELECT {column} FROM t", functions)  # noqa: S608
    assert accepts(f"SELECT {name} FROM t", functions).text  # noqa: S608


def test_what_from_calls_without_a_name_of_its_own_is_refused() -> None:
    assert refusal("SELECT coalesce.plant FROM coalesce(1)") == "Name what FROM calls: AS x."


@pytest.mark.parametrize(
    "sql",
    [
        "TABLE pg_stat_activity",
        'SELECT query FROM pg_catalog."pg_stat_activity" AS a',
        'SELECT 1 FROM U&"pg\\005fstat_activity"',
        "SELECT (SELECT min(query) FROM pg_stat_statements)",
        "EXPLAIN TABLE pg_stat_activity",
    ],
)
@pytest.mark.parametrize("functions", [STRICT, ANY])
def test_what_others_ask_is_not_shown(sql: str, functions: Functions) -> None:
    assert "shows other sessions' queries" in refusal(sql, functions)


def test_functions_can_be_allowed_by_name() -> None:
    functions = Functions(frozenset({"st_distance", "app.total"}))
    assert accepts("SELECT st_distance(a, b), ST_Distance(a, b), app.total(1)", functions).text
    for call in ("total(1)", "public.st_distance(a, b)", '"ST_Distance"(a, b)', "app.other()"):
        assert "is not allowed" in refusal(f"SELECT {call}", functions)


def test_a_misspelt_function_gets_a_hint() -> None:
    assert "Did you mean date_trunc?" in refusal("SELECT date_trunk('day', now())")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1 OPERATOR(public.+) 2", "schema public"),
        ("SELECT 1 = ANY (SELECT 1) OR 1 OPERATOR(evil.=) ANY (SELECT 1)", "schema evil"),
        ("SELECT 1 FROM t ORDER BY a USING OPERATOR(evil.<)", "schema evil"),
        ("SELECT * FROM t TABLESAMPLE evil.sample (1)", "sampling methods"),
        ("SELECT * FROM t TABLESAMPLE evil.system (1)", "sampling methods"),
    ],
)
def test_operators_and_samplings_of_others_are_refused(sql: str, said: str) -> None:
    assert said in refusal(sql)
    assert accepts(sql, ANY).text


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", 'syntax error at or near "SELEC" (character 1)'),
        ("SELECT 'é', FROM t", 'at or near "FROM" (character 13)'),
        ("SELECT 'a", "unterminated quoted string"),
        ("SELECT 1 /* a", "unterminated /* comment"),
        ("SELECT (1", "syntax error at end of input"),
        ("SELECT 1)", 'at or near ")"'),
        ("SELECT 1) AS q; DROP TABLE t; SELECT (1", "syntax error"),
        ("\\d t", "syntax error"),
    ],
)
def test_what_is_no_sql_is_refused_with_the_place(sql: str, said: str) -> None:
    assert said in refusal(sql)


def test_a_syntax_error_does_not_quote_without_end() -> None:
    assert len(refusal(f"SELECT {'a' * 60_000} b c")) < 400


@pytest.mark.parametrize("sql", ["SELECT 1 \0; DROP TABLE t", "SELECT '\ud800'", "\0"])
def test_characters_that_are_no_text_are_refused(sql: str) -> None:
    assert "a character that is no text" in refusal(sql)


def test_a_megabyte_of_text_is_refused_before_it_is_read() -> None:
    sql = f"SELECT '{'x' * 1_000_000}'"
    assert refusal(sql) == "The query is longer than 65,536 bytes. Send a shorter one."
    assert check(f"SELECT '{'x' * 65_000}'", max_bytes=65_536, functions=STRICT).text
    assert "longer than" in refusal(f"SELECT '{'é' * 33_000}'")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "+".join(["1"] * 30_000),
        "SELECT " + "(" * 30_000 + "1" + ")" * 30_000,
        "SELECT " + "NOT " * 15_000 + "true",
        "SELECT 1" + "::a" * 20_000,
        "SELECT a" + " ISNULL" * 9_000,
        "SELECT " + "f(" * 20_000 + ")" * 20_000,
        "SELECT" + " - " * 20_000 + "1",
        "SELECT " + "(SELECT " * 6_000 + "1" + ")" * 6_000,
    ],
)
def test_what_is_nested_too_deeply_is_refused_and_ends_nothing(sql: str) -> None:
    assert refusal(sql) == "The query is nested too deeply. Send a simpler one."


@pytest.mark.parametrize("row", ["/*" * 15_000 + "*/" * 15_000, "/**/" * 15_000, "+" * 60_000])
def test_what_would_be_read_over_and_over_is_refused_unread(row: str) -> None:
    no_sql = f"SELECT 1 {row} '"
    assert "256 signs such as = or - in a row" in refusal(no_sql)
    assert accepts(f"SELECT '{'=' * 256}' /{'*' * 254}/").text
    assert accepts(f"SELECT 1 {('/*' * 128 + ' ') * 100} {'*/ ' * 12_800}").text


def test_a_long_list_is_not_deep() -> None:
    assert accepts(f"SELECT 1 WHERE 1 IN ({', '.join(map(str, range(9_000)))})").text


WORDS = st.sampled_from(["\n", *SQL_WORDS.split()])
ANYTHING = st.text() | st.lists(WORDS, max_size=25).map(" ".join)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(ANYTHING)
def test_no_text_raises_anything_but_the_refusal(sql: str) -> None:
    for functions in (STRICT, ANY):
        try:
            taken = accepts(sql, functions)
        except Refused:
            continue
        if not taken.explain:
            assert accepts(f"SELECT * FROM (\n{taken.text}\n) AS q", functions).text  # noqa: S608


@settings(max_examples=100, derandomize=True, deadline=None)
@given(ANYTHING, ANYTHING)
def test_nothing_around_it_gets_a_forbidden_function_through(before: str, after: str) -> None:
    """Either the text around makes it no call (a string, a comment, a name), or it is refused."""
    sql = f"{before} pg_sleep(1) {after}"
    try:
        taken = accepts(sql, ANY)
    except Refused:
        return
    assert any(sign in sql for sign in ("'", '"', "--", "/*", "$")), taken


def test_allowed_functions_exist_and_only_compute_or_read(shop: PostgresServer) -> None:
    found = shop.run(
        "SELECT proname, provolatile::text FROM pg_proc "
        "WHERE pronamespace = 'pg_catalog'::regnamespace"
    )
    volatilities: dict[str, set[str]] = {}
    for name, volatility in found:
        volatilities.setdefault(name, set()).add(volatility)
    assert ALLOWED - set(volatilities) == set()
    volatile = {name for name in ALLOWED if "v" in volatilities[name]}
    assert volatile == HARMLESS_THOUGH_VOLATILE
    assert {name for name in ALLOWED if is_never_allowed(name)} == set()


def test_no_function_that_is_never_allowed_has_become_unknown(shop: PostgresServer) -> None:
    """Those of PostgreSQL itself; extensions and older versions have others."""
    found = {name for (name,) in shop.run("SELECT proname FROM pg_proc")}
    called = {call.partition("(")[0] for call in NEVER}
    elsewhere = {
        "dblink",
        "dblink_exec",
        "dblink_connect",
        "crosstab",
        "connectby",
        "pg_file_write",
        "pg_prewarm",
        "pg_stat_statements_reset",
        "http_get",
        "blob_put",
        "pgr_dijkstra",
    }
    assert called - found == elsewhere


def test_those_of_them_that_take_a_row_are_known(shop: PostgresServer) -> None:
    found = shop.run(
        "SELECT proname FROM pg_proc WHERE prokind = 'f' AND proargtypes[0] IN (SELECT oid "
        "FROM pg_type WHERE typtype = 'c' OR typcategory = 'P')"
    )
    taking = {name for (name,) in found if is_never_allowed(name)}
    assert taking == {"pg_restore_attribute_stats", "pg_restore_relation_stats"}
    assert all(map(is_never_allowed_of_a_row, taking))


def test_functions_of_rows_return_nothing_else(shop: PostgresServer) -> None:
    found = shop.run(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY 1 "
        "HAVING bool_and(prorettype = 'record'::regtype AND prokind = 'f')"
    )
    assert {name for (name,) in found} & ALLOWED == OF_ROWS


def test_only_functions_in_from_make_a_dot_a_call(shop: PostgresServer) -> None:
    """What the guard knows of the dot, asked of PostgreSQL."""
    with shop.admin("shop") as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE FUNCTION f(float8) RETURNS int LANGUAGE sql AS 'SELECT 7'")

        def calls(source: str) -> bool:
            connection.execute("SAVEPOINT s")
            try:
                return connection.execute(f"SELECT x.f FROM {source}".encode()).fetchone() == (7,)  # noqa: S608
            except (UndefinedColumn, DatatypeMismatch):
                connection.execute("ROLLBACK TO s")
                return False

        array = "unnest(ARRAY[1::float8])"
        for source in (
            f"{array} AS x",
            f"ROWS FROM ({array}) AS x",
            "coalesce(1::float8) AS x",
            "(SELECT 1) AS y LEFT JOIN json_populate_record(1::float8, '{}') AS x ON false",
            "(SELECT 1) AS y LEFT JOIN json_populate_recordset(1::float8, '[]') AS x ON false",
        ):
            assert calls(source), source
        for source in (
            "(SELECT 1::float8) AS x",
            "(VALUES (1::float8)) AS x",
            f"(TABLE pg_class) AS x, {array} AS y",
            f"{array} WITH ORDINALITY AS x",
            f"ROWS FROM ({array}, {array}) AS x",
            f"({array} AS y CROSS JOIN (SELECT 1) AS z) AS x",
            "json_to_record('{}') AS x (a float8)",
            "json_table('[1]', '$[*]' COLUMNS (v float8 PATH '$')) AS x",
            "pg_timezone_names() AS x",
        ):
            assert not calls(source), source
        connection.execute("ROLLBACK")
