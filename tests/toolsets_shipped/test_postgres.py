"""The tools against a real PostgreSQL, over verified TLS, with the token as the password."""

import dataclasses
import json
import logging
import traceback
from typing import Any

import pytest

from shared.tools import ToolError
from shared.tools.runner import Runner
from tests.fakes.postgres_server import PostgresServer
from tests.tools.support import tool_of
from tests.toolsets_shipped.postgres_support import SCOPE, TOKENS, Token, context_of, settings_for
from toolsets.postgres import (
    postgres_describe_table,
    postgres_list_databases,
    postgres_list_tables,
    postgres_query,
    postgres_server_parameters,
)

A_UUID = "00000000-0000-0000-0000-000000000001"


async def query(shop: PostgresServer, sql: str, *parameters: Any, **context: Any) -> Any:
    limit = context.pop("limit", 100)
    given = list(parameters)
    return await postgres_query("shop", "shop", sql, context_of(shop, **context), given, limit)


async def refusal(shop: PostgresServer, sql: str, *parameters: Any, **context: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await query(shop, sql, *parameters, **context)
    return str(caught.value)


async def one(shop: PostgresServer, expression: str, **context: Any) -> tuple[Any, str]:
    """The value of an expression, and its type."""
    rows = await query(shop, f"SELECT {expression}", **context)
    return rows.rows[0][0], rows.columns[0].type


async def test_a_query_returns_rows_with_names_and_types(shop: PostgresServer) -> None:
    rows = await query(shop, "SELECT id, name, joined FROM customer ORDER BY id")
    assert [(c.name, c.type) for c in rows.columns] == [
        ("id", "int4"),
        ("name", "text"),
        ("joined", "date"),
    ]
    assert rows.rows == [[1, "Ada", "2024-02-29"], [2, "Grace", None], [3, "Élise", "2025-01-01"]]
    assert rows.notice is None


async def test_the_token_for_the_servers_scope_is_the_password(shop: PostgresServer) -> None:
    token = Token(TOKENS["reader"])
    rows = await query(shop, "SELECT current_user, session_user", credential=token)
    assert rows.rows == [["reader", "reader"]]
    assert token.asked == [SCOPE]


async def test_another_scope_can_be_set(shop: PostgresServer) -> None:
    token = Token(TOKENS["reader"])
    await query(shop, "SELECT 1", credential=token, server={"token_scope": "api://db/.default"})
    assert token.asked == ["api://db/.default"]


async def test_a_fixed_user_is_the_role_of_everybody(shop: PostgresServer) -> None:
    token = Token(TOKENS["other"])
    rows = await query(shop, "SELECT current_user", credential=token, server={"user": "other"})
    assert rows.rows == [["other"]]


async def test_a_caller_without_the_claim_gets_no_connection(shop: PostgresServer) -> None:
    before = shop.front.connections
    said = await refusal(shop, "SELECT 1", server={"user_claim": "client_id"})
    assert said.startswith("Your identity has no client_id")
    assert shop.front.connections == before


@pytest.mark.parametrize(
    ("expression", "value", "kind"),
    [
        ("true", True, "bool"),
        ("1::int2", 1, "int2"),
        ("9007199254740991", 9007199254740991, "int8"),
        ("9007199254740993", "9007199254740993", "int8"),
        ("1.50::numeric(10,2)", "1.50", "numeric(10,2)"),
        ("1e400::numeric > 1", True, "bool"),
        ("0.5::float8", 0.5, "float8"),
        ("'NaN'::float8", "NaN", "float8"),
        ("'-Infinity'::float4", "-Infinity", "float4"),
        ("'NaN'::numeric", "NaN", "numeric"),
        ("'2026-01-31 12:00+02'::timestamptz", "2026-01-31T10:00:00+00:00", "timestamptz"),
        ("'2026-01-31 12:00:00.5'::timestamp(3)", "2026-01-31T12:00:00.5", "timestamp(3)"),
        ("'infinity'::timestamptz", "infinity", "timestamptz"),
        ("'0044-03-15 BC'::date", "0044-03-15 BC", "date"),
        ("interval '1 day 2 hours'", "P1DT2H", "interval"),
        ("'\\x00ff'::bytea", "\\x00ff", "bytea"),
        ("'{\"a\": 1.10}'::jsonb", '{"a": 1.10}', "jsonb"),
        ("'{\"a\":1}'::json", '{"a":1}', "json"),
        ("array[1,null,3]", "{1,NULL,3}", "int4[]"),
        ("'bad'::mood", "bad", "mood"),
        ("row(1,'x')", "(1,x)", "record"),
        ("'x'", "x", "text"),
        ("NULL", None, "text"),
        ("'1'::varchar(3)", "1", "varchar(3)"),
        (f"'{A_UUID}'::uuid", A_UUID, "uuid"),
        ("int4range(1,3)", "[1,3)", "int4range"),
        ("'customer'::regclass", "customer", "regclass"),
    ],
)  # fmt: skip
async def test_every_value_becomes_json(
    shop: PostgresServer, expression: str, value: Any, kind: str
) -> None:
    assert await one(shop, expression) == (value, kind)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("VALUES (1), (2);", [[1], [2]]),
        ("TABLE customer LIMIT 0", []),
        ("SELECT 1 AS a, 2 AS a", [[1, 2]]),
        ("SELECT FROM generate_series(1, 2)", [[], []]),
        ("WITH RECURSIVE t(n) AS (VALUES (1) UNION SELECT 2 FROM t) TABLE t", [[1], [2]]),
        ("SELECT 'é' -- and so on", [["é"]]),
        ("/* é */ SELECT 1; -- done", [[1]]),
        ("SELECT 1 UNION SELECT 2 ORDER BY 1 DESC", [[2], [1]]),
        ("SELECT count(*) FILTER (WHERE joined IS NULL) FROM customer", [[1]]),
        ("SELECT id FROM customer WHERE id IN (SELECT id FROM regulars) ORDER BY 1", [[1], [3]]),
        ("SELECT rank() OVER (ORDER BY id) FROM customer", [[1], [2], [3]]),
        ('SELECT "A b" FROM "Odd Name"', []),
    ],
)  # fmt: skip
async def test_what_reads_is_read(shop: PostgresServer, sql: str, rows: list[Any]) -> None:
    assert (await query(shop, sql)).rows == rows


async def test_parameters_are_values_and_never_sql(shop: PostgresServer) -> None:
    rows = await query(
        shop,
        "SELECT $1::text, $2::int, $3::bool, $4::text, $5::float8 FROM customer WHERE id = $2",
        "'; DROP TABLE customer; --", 1, True, None, 0.5,
    )  # fmt: skip
    assert rows.rows == [["'; DROP TABLE customer; --", 1, True, None, 0.5]]
    assert "cannot contain NUL" in await refusal(shop, "SELECT $1", "a\0b")
    assert (await query(shop, "SELECT $1::numeric", 10**40)).rows == [["1" + "0" * 40]]
    assert "supplies 1 parameters" in await refusal(shop, "SELECT $1::text || $2", "a")


async def test_a_plan_is_shown_without_running_the_query(shop: PostgresServer) -> None:
    rows = await query(shop, "EXPLAIN (COSTS OFF) SELECT * FROM customer WHERE id = 1")
    assert [c.name for c in rows.columns] == ["QUERY PLAN"]
    assert any("customer" in str(line) for (line,) in rows.rows)
    (as_json,) = (await query(shop, "EXPLAIN (FORMAT JSON) SELECT 1")).rows[0]
    assert json.loads(as_json)[0]["Plan"]["Node Type"] == "Result"


async def test_an_agent_gets_the_rows_as_structure(shop: PostgresServer) -> None:
    runner = Runner(timeout=30, threads=1, max_result_bytes=262_144)
    context = context_of(shop)
    tool = tool_of(postgres_list_databases, settings_for(shop))
    outcome = await runner.run(tool, {}, context.caller, "cid")
    assert outcome.kind == "ok"
    assert json.loads(outcome.texts[0])[0]["name"] == "shop"
    tool = tool_of(postgres_query, settings_for(shop))
    arguments = {"server": "shop", "database": "shop", "query": "SELECT 1", "limit": 0}
    outcome = await runner.run(tool, arguments, context.caller, "cid")
    assert outcome.kind == "bad_arguments"


async def test_the_databases_that_may_be_asked_are_listed(shop: PostgresServer) -> None:
    listed = await postgres_list_databases(context_of(shop))
    assert [(d.server, d.name, d.exists) for d in listed] == [
        ("shop", "shop", None),
        ("shop", "closed", None),
        ("shop", "gone", None),
    ]
    asked = await postgres_list_databases(context_of(shop), "shop")
    assert [(d.name, d.exists, d.may_connect) for d in asked] == [
        ("closed", True, False),
        ("gone", False, None),
        ("shop", True, True),
    ]


async def test_tables_the_role_may_read_are_listed(shop: PostgresServer) -> None:
    listed = await postgres_list_tables("shop", "shop", context_of(shop))
    assert [(t.schema, t.name, t.kind, t.comment) for t in listed] == [
        ("public", "Odd Name", "table", None),
        ("public", "customer", "table", "Who buys here"),
        ("public", "regulars", "view", None),
    ]
    assert await postgres_list_tables("shop", "shop", context_of(shop), schema="secret") == []
    of_all = await postgres_list_tables("shop", "shop", context_of(shop, "boss"), schema="secret")
    assert [t.name for t in of_all] == ["plans"]
    few = await postgres_list_tables("shop", "shop", context_of(shop), "pg_catalog", 3)
    assert len(few) == 3


async def test_a_table_is_described(shop: PostgresServer) -> None:
    table = await postgres_describe_table("shop", "shop", "customer", context_of(shop))
    assert table.kind == "table"
    assert [(c.name, c.type, c.nullable, c.default, c.primary_key) for c in table.columns] == [
        ("id", "integer", False, None, True),
        ("name", "text", False, "'nobody'::text", False),
        ("joined", "date", True, None, False),
    ]
    assert table.columns[2].comment == "First order"
    assert all(column.readable for column in table.columns)
    assert "CHECK ((name <> ''::text))" in {c.definition for c in table.constraints}
    assert {index.name for index in table.indexes} == {"by_name", "customer_pkey"}
    with pytest.raises(ToolError, match="There is no table Customer in the schema public"):
        await postgres_describe_table("shop", "shop", "Customer", context_of(shop))


async def test_parameters_of_the_server_are_shown_without_those_that_may_be_secret(
    shop: PostgresServer,
) -> None:
    listed = await postgres_server_parameters("shop", context_of(shop), "work_*")
    assert [(p.name, p.unit) for p in listed] == [("work_mem", "kB")]
    everything = await postgres_server_parameters("shop", context_of(shop, "boss"), limit=1000)
    names = {parameter.name for parameter in everything}
    assert "default_transaction_read_only" in names
    assert names.isdisjoint({"archive_command", "primary_conninfo", "ssl_passphrase_command"})
    assert await postgres_server_parameters("shop", context_of(shop), "work%") == []


async def test_names_that_are_not_there_are_answered_with_those_that_are(
    shop: PostgresServer,
) -> None:
    before = shop.front.connections
    with pytest.raises(ToolError, match=r"no server called shp\. Did you mean shop\? There are: "):
        await postgres_query("shp", "shop", "SELECT 1", context_of(shop))
    with pytest.raises(ToolError, match=r"no database on shop called postgres\. .*closed, gone"):
        await postgres_query("shop", "postgres", "SELECT 1", context_of(shop))
    with pytest.raises(ToolError, match="no server called x"):
        await postgres_server_parameters("x", context_of(shop))
    assert shop.front.connections == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nme FROM customer", 'column "nme" does not exist (SQLSTATE 42703, character 8)'),
        ("SELECT 'é' FROM customr", '"customr" does not exist (SQLSTATE 42P01, character 17)'),
        ("SELECT 1 FROM salary", "refuses this to the role reader: permission denied for table"),
        ("SELECT * FROM pg_authid", "permission denied for table pg_authid"),
        ("SELECT 1/0", "division by zero"),
        ("SELECT lower(1, 2)", "function lower(integer, integer) does not exist"),
        ("SELECT c.nam FROM customer c", 'Perhaps you meant to reference the column "c.name".'),
    ],
)
async def test_what_postgresql_says_of_a_query_is_passed_on(
    shop: PostgresServer, sql: str, said: str
) -> None:
    assert said in await refusal(shop, sql)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"credential": Token("wrong-token")}, "did not accept the token for the role reader"),
        ({"server": {"user": "nobody"}}, "did not accept the token for the role nobody on shop"),
        ({"server": {"port": 1}}, "cannot be reached"),
        ({"server": {"host": "no.invalid"}}, "has no address"),
        ({"server": {"host": "127.0.0.1"}}, "could not be verified, so the token was not sent"),
        ({"server": {"ssl_root_cert": None}}, "could not be verified, so the token was not sent"),
        ({"server": {"ssl_root_cert": "/no/file"}}, "could not be verified"),
    ],
)
async def test_a_connection_that_fails_says_what_to_mend_and_no_secret(
    shop: PostgresServer, change: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = await refusal(shop, "SELECT 1", **change)
    assert said in told
    for token in ("wrong-token", TOKENS["reader"]):
        assert token not in told
        assert token not in caplog.text
    assert "127.0.0.1" not in told


@pytest.mark.parametrize(
    "name",
    [
        "reader dbname=postgres",
        "reader' options='-c transaction_read_only=off",
        "a b\"\\'=;",
        "Ünïcode@example.com#EXT#",
        "reader ",
        "READER",
    ],
)
async def test_a_role_is_what_its_name_says_and_nothing_more(
    shop: PostgresServer, name: str
) -> None:
    caller = dataclasses.replace(context_of(shop).caller, name=name)
    assert f"for the role {name} on shop" in await refusal(shop, "SELECT 1", caller=caller)
    quoted = name.replace('"', '""')
    token = TOKENS["reader"]
    shop.run(f"CREATE ROLE \"{quoted}\" LOGIN PASSWORD '{token}'")
    try:
        rows = await query(shop, "SELECT current_user", caller=caller, idle_seconds=0)
        assert rows.rows == [[name]]
    finally:
        shop.run(f'DROP ROLE "{quoted}"')


@pytest.mark.parametrize("name", ["rea\0der", "reader\0", "x" * 64, "é" * 32, "\ud800", "a\nb"])
async def test_a_name_that_can_be_no_role_gets_no_connection(
    shop: PostgresServer, name: str
) -> None:
    before = shop.front.connections
    caller = dataclasses.replace(context_of(shop).caller, name=name)
    assert "no name that can be the name of a" in await refusal(shop, "SELECT 1", caller=caller)
    assert shop.front.connections == before


async def test_a_setting_that_is_no_text_shows_no_token(shop: PostgresServer) -> None:
    context = context_of(shop, server={"databases": ["\ud800"]})
    with pytest.raises(ToolError) as caught:
        await postgres_query("shop", "\ud800", "SELECT 1", context)
    told = "".join(traceback.format_exception(caught.value))
    assert "connection to shop failed" in told
    assert TOKENS["reader"] not in told


@pytest.mark.parametrize(
    ("database", "said"),
    [("closed", "may not connect to the database closed"), ("gone", "does not offer")],
)
async def test_a_database_that_cannot_be_had_says_why(
    shop: PostgresServer, database: str, said: str
) -> None:
    with pytest.raises(ToolError, match=said):
        await postgres_query("shop", database, "SELECT 1", context_of(shop))


async def test_a_server_without_tls_gets_no_token(shop: PostgresServer) -> None:
    with shop.behind("refuses tls") as plain:
        said = await refusal(shop, "SELECT 1", server={"port": plain.port})
    assert "the token was not sent" in said


async def test_a_server_that_does_not_answer_is_not_waited_for_without_end(
    shop: PostgresServer,
) -> None:
    with shop.behind("silent") as silent:
        server = {"port": silent.port}
        slow: dict[str, Any] = {"server": server, "connect_timeout_seconds": 2}
        assert "cannot be reached" in await refusal(shop, "SELECT 1", **slow)
        hasty: dict[str, Any] = {"server": server, "seconds": 0.5}
        assert "did not finish in the time" in await refusal(shop, "SELECT 1", **hasty)
