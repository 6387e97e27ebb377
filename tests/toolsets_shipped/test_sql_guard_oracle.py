"""What the guard takes for the calls of a query, and what PostgreSQL's analysis makes of it.

Names stand in every place of a query where one may be, in front of a function of that name that
takes anything. The server logs the analysed tree of each query that the guard lets through.
"""

import re
from collections.abc import Iterator
from itertools import product

from tests.fakes.postgres_server import PostgresServer
from toolsets._sql_functions import ALLOWED, is_never_allowed
from toolsets._sql_guard import Functions, Refused, check

# In public, and of a name that is never allowed, whatever the settings say.
OURS = """
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN paired AS pair;
CREATE TABLE t (id int, c pair, n int[], p pair[], j jsonb);
CREATE FUNCTION lo_f(anyelement) RETURNS int LANGUAGE sql AS 'SELECT 7';
SET client_min_messages = log;
SET debug_print_parse = on;
SET debug_pretty_print = off;
"""

# What FROM may call, with and without a name of its own.
CALLED = """unnest(ARRAY[1])|unnest((SELECT p FROM t))|generate_series(1, 2)|abs(1)|now()|count(*)
json_array_elements_text('[]')|jsonb_array_elements('[]')|pg_partition_ancestors('t')
json_populate_record(NULL::pair, '{}')|jsonb_populate_recordset(NULL::pair, '[]')|json_each('{}')
json_object_keys('{}')|regexp_matches('a', 'a')|xpath('/a', '<a/>')|pg_timezone_names()
coalesce(1)|coalesce(ROW(1, 'a')::pair)|nullif(1, 2)|greatest(1, 2)|CAST(1 AS text)
CAST((1, 'a') AS pair)|CAST((1, 'a') AS paired)|current_user|current_date|system_user
trim('a')|overlay('a' PLACING 'b' FROM 1)|extract(year FROM now())|json_value('1', '$')
json_scalar(1)|json_object('a': 1)|ROWS FROM (abs(1))|ROWS FROM (abs(1), json_each('{}'))
ROWS FROM (json_to_record('{}') AS (a int))|LATERAL unnest(t.n)|LATERAL unnest(t.p)"""
ALIASES = "|AS x|AS lo_f|AS x(v)|AS lo_f(v)|AS lo_f(lo_f)|AS x(lo_f)|WITH ORDINALITY AS lo_f"
OTHERS = """(SELECT 1) AS x|(VALUES (1)) AS lo_f|(SELECT c FROM t) AS lo_f|t AS x|t AS lo_f|t AS lo_f(lo_f)
json_to_record('{}') AS lo_f(a int)|json_table('1', '$' COLUMNS (v int PATH '$')) AS lo_f
XMLTABLE('/a' PASSING '<a/>' COLUMNS v int PATH '.') AS lo_f|(t AS a JOIN t AS b USING (id)) AS x
t AS a NATURAL JOIN t AS b"""  # noqa: E501
NAMED = """lo_f|x.lo_f|lo_f.lo_f|lo_f.v|lo_f.a|lo_f.value|x.x|x.v|x.value|x.*|lo_f.*|(x).lo_f|(lo_f).lo_f
(lo_f).a|(x.*)|(x).*|unnest.lo_f|abs.lo_f|coalesce.lo_f|public.t.lo_f|t.n[1]|t.n[1].lo_f|(t.n[1]).lo_f
(t.p[1]).lo_f|(t.c).lo_f|t.j['a'].lo_f|t.c.lo_f|(SELECT lo_f)|(SELECT x.lo_f)"""  # noqa: E501

# Expressions that are calls, or may be; each also as what FROM calls, and before a dot.
VALUES = """lo_f(1)|public.lo_f(1)|U&"lo\\005ff"(1)|(1).lo_f|$1.lo_f|($1::int).lo_f|ARRAY[1].lo_f|(ARRAY[1])[1].lo_f
ROW(1).lo_f|(SELECT 1).lo_f|(TABLE t).lo_f|(CASE WHEN true THEN 1 END).lo_f|(now()).lo_f|lo_f 'a'|1::lo_f
collation for ('a')|position('a' IN 'b')|substring('a' SIMILAR 'b' ESCAPE 'c')|normalize('a')|'a' IS NORMALIZED
'a' SIMILAR TO 'b'|'a' LIKE 'b' ESCAPE 'c'|(now(), now()) OVERLAPS (now(), now())|now() AT TIME ZONE 'UTC'|now() AT LOCAL
float8(1)|regclass('t')|text(1)|name('a')|varchar('a')|"char"('a')|"time"(now())|bit(3)|interval '1 h'|json('1')
json_serialize('1')|json_exists('1', '$')|json_query('1', '$')|json_array(SELECT 1)|json_objectagg('a': 1)
json_arrayagg(1 ORDER BY 1 RETURNING jsonb)|'1' IS JSON OBJECT|xmlelement(NAME a, 1)|xmlexists('a' PASSING 'b')
xmlserialize(CONTENT 'a' AS text)|1 = ANY (ARRAY[1])|(1, 2) IN (SELECT 1, 2)|count(DISTINCT 1) FILTER (WHERE true)
percentile_cont(0.5) WITHIN GROUP (ORDER BY 1.0)|rank(1) WITHIN GROUP (ORDER BY 1)|lag(1) OVER (ORDER BY 1)
concat(VARIADIC ARRAY['a'])|make_interval(days => 1)|localtimestamp(2)|nextval('numbers')|hashtext('a')|version()
pg_read_file('a')|current_setting('a')|hash_record(ROW(1))|regclassin('t')|json_in('1')|array_agg(1)"""  # noqa: E501
WHOLE = """SELECT {}|SELECT 1 FROM t WHERE ({}) IS NULL|SELECT 1 FROM t ORDER BY {}|SELECT DISTINCT ON ({}) 1
SELECT count(*) FROM t GROUP BY GROUPING SETS ((), ({}))|VALUES ({})|TABLE t LIMIT {}|SELECT ({}).lo_f
SELECT x.lo_f FROM {} AS x|SELECT lo_f.lo_f FROM {} AS lo_f|SELECT (x.v).lo_f FROM (SELECT {} AS v) AS x
SELECT x.lo_f FROM t LEFT JOIN {} AS x ON false|SELECT * FROM t TABLESAMPLE system ({})"""  # noqa: E501


def split(words: str) -> list[str]:
    return words.replace("\n", "|").split("|")


def queries() -> Iterator[str]:
    sources = [f"{call} {alias}" for call, alias in product(split(CALLED), split(ALIASES))]
    for source, name in product(sources + split(OTHERS), split(NAMED)):
        yield f"SELECT {name} FROM t, {source}"  # noqa: S608
    for value, whole in product(split(VALUES), split(WHOLE)):
        yield whole.format(value)


STRICT = Functions()
ANY = Functions(any=True)
CALL = re.compile(
    r":funcid (\d+) :funcresulttype \d+ :funcretset \w+ :funcvariadic \w+ :funcformat [03]"
    r" :funccollid \d+ :inputcollid \d+ :args (?:\({VAR :varno \d+ :varattno 0 :vartype (\d+))?"
    r"|:(?:aggfnoid|winfnoid) (\d+)"
)


def takes(sql: str, functions: Functions) -> bool:
    try:
        check(sql, max_bytes=65_536, functions=functions)
    except Refused:
        return False
    return True


def test_the_server_calls_nothing_that_the_guard_does_not_see(each_shop: PostgresServer) -> None:
    """But for functions of a table's or a subquery's row, which it does not look at."""
    each_shop.run("CREATE DATABASE analysed")
    with each_shop.admin("analysed") as connection:
        connection.execute(OURS)
        found = connection.execute(
            "SELECT oid::int8, pronamespace = 'pg_catalog'::regnamespace, proname FROM pg_proc"
        )
        known = {oid: (own, name) for oid, own, name in found}
        found = connection.execute("SELECT reltype::int8 FROM pg_class WHERE relkind <> 'c'")
        rows = {"2249", *(str(oid) for (oid,) in found)}
        trees: list[str] = []
        connection.add_notice_handler(lambda notice: trees.append(notice.message_detail or ""))
        seen, missed = set(), set()
        for sql in queries():
            if not takes(sql, ANY):
                continue
            trees.clear()
            connection.pgconn.prepare(b"", sql.encode())
            for function, row, aggregate in CALL.findall(" ".join("".join(trees).split())):
                own, name = known[int(function or aggregate)]
                seen.add(name)
                if row in rows or (own and name in ALLOWED):
                    continue
                if is_never_allowed(name) or takes(sql, STRICT):
                    missed.add((name, sql))
        assert missed == set()
        assert {"lo_f", "unnest", "overlaps", "count", "percentile_cont", "lag"} <= seen
