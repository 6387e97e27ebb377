"""What a hostile or a careless query can do to the database and to the endpoint: nothing."""

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from shared.tools import ToolError
from shared.tools.runner import Runner
from tests.fakes.postgres_server import PostgresServer
from tests.tools.support import tool_of
from tests.toolsets_shipped.postgres_support import TOKENS, context_of, settings_for, until
from toolsets.postgres import postgres_query, postgres_server_parameters

RUNNING = "SELECT pid FROM pg_stat_activity WHERE application_name = 'postern' AND state = 'active'"
# Asks the database for work without end, by functions that are allowed.
ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b"


async def query(shop: PostgresServer, sql: str, *parameters: Any, **context: Any) -> Any:
    limit = context.pop("limit", 10_000)
    given = list(parameters)
    return await postgres_query("shop", "shop", sql, context_of(shop, **context), given, limit)


async def refusal(shop: PostgresServer, sql: str, **context: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await query(shop, sql, **context)
    return str(caught.value)


@pytest.mark.parametrize("role", ["writer", "boss"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nextval('numbers')",
        "SELECT setval('numbers', 7)",
        "SELECT plant()",
        "SELECT * FROM plant()",
        "SELECT c.id FROM customer c WHERE plant() = 99",
        "SELECT wreck()",
        "SELECT unlock()",
        "WITH a AS MATERIALIZED (SELECT plant()) TABLE a",
        "SELECT xpath('/a', (SELECT plant())::text::xml)",
    ],
)
async def test_with_any_function_the_read_only_transaction_is_the_barrier(
    shop: PostgresServer, sql: str, role: str
) -> None:
    state = "SELECT (SELECT count(*) FROM customer), last_value, is_called FROM numbers"
    before = shop.run(state, database="shop")
    if "(SELECT plant())" not in sql:
        assert "is not allowed" in await refusal(shop, sql, role=role)
    said = await refusal(shop, sql, role=role, allow_any_function=True)
    assert "Only reading is allowed, and the query would change something" in said or (
        "transaction read-write mode" in said
    )
    assert shop.run(state, database="shop") == before
    assert shop.run("SELECT count(*) FROM pg_tables WHERE tablename = 'salary'", database="shop")


async def test_the_same_functions_work_where_nothing_stops_them(shop: PostgresServer) -> None:
    """So that what stops them above is the transaction."""
    with shop.admin("shop") as connection:
        connection.execute("BEGIN")
        assert connection.execute("SELECT plant()").fetchone() == (99,)
        assert connection.execute("SELECT wreck()").fetchone() == (1,)
        connection.execute("ROLLBACK")


async def test_a_function_that_only_reads_can_be_allowed(shop: PostgresServer) -> None:
    assert "customers is not allowed" in await refusal(shop, "SELECT customers()")
    rows = await query(shop, "SELECT customers()", allow_functions=["customers"])
    assert rows.rows == [[3]]


@pytest.mark.parametrize("role", ["loose", "reader"])
async def test_strings_mean_to_the_server_what_they_mean_to_the_guard(
    shop: PostgresServer, role: str
) -> None:
    """With standard_conforming_strings off, as `loose` has it, the second string would end later
    and the call would be one."""
    sql = r"SELECT '\' AS a, ' , pg_sleep(1) --' AS b"
    assert (await query(shop, sql, role=role)).rows == [["\\", " , pg_sleep(1) --"]]
    (there,) = shop.run("SELECT rolconfig[1] FROM pg_roles WHERE rolname = 'loose'")
    assert there == ("standard_conforming_strings=off",)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1) AS q; DROP TABLE customer; SELECT * FROM (SELECT 1",
        "SELECT 1 -- ) AS q",
        "SELECT 1 /* ) AS q */",
        "SELECT ') AS q; DROP TABLE customer --'",
        'SELECT $$) AS q$$ AS ") AS q"',
    ],
)
async def test_no_query_gets_out_of_the_one_around_it(shop: PostgresServer, sql: str) -> None:
    with contextlib.suppress(ToolError):
        rows = await query(shop, sql)
        assert len(rows.rows) == 1
    assert shop.run("SELECT count(*) FROM customer", database="shop") == [(3,)]


async def test_rows_are_capped_by_the_caller_and_by_the_settings(shop: PostgresServer) -> None:
    series = "SELECT generate_series(1, 50)"
    rows = await query(shop, series, limit=10)
    assert [row[0] for row in rows.rows] == list(range(1, 11))
    assert rows.notice == (
        "There are more rows than these 10. Narrow the query: fewer columns, a WHERE, an "
        "aggregate, or LIMIT and OFFSET."
    )
    assert len((await query(shop, series, max_rows=20)).rows) == 20
    assert (await query(shop, series, limit=50)).notice is None


async def test_the_server_stops_after_the_last_row_that_is_wanted(shop: PostgresServer) -> None:
    joined = ", ".join(f"customer c{n}" for n in range(26))
    sql = f"SELECT c0.id FROM {joined}"  # noqa: S608
    rows = await query(shop, sql, limit=5, statement_timeout_seconds=5)
    assert len(rows.rows) == 5


async def test_bytes_are_capped_and_the_rest_is_cancelled_on_the_server(
    shop: PostgresServer,
) -> None:
    cancels = shop.front.cancels
    rows = await query(
        shop, "SELECT repeat('x', 100) FROM generate_series(1, 9000)", max_bytes=5000
    )
    assert 40 <= len(rows.rows) < 50
    assert "which are what fits" in rows.notice
    assert shop.front.cancels == cancels + 1
    await until(lambda: shop.run(RUNNING) == [])


async def test_values_are_cut_before_they_travel(shop: PostgresServer) -> None:
    rows = await query(shop, "SELECT repeat('é', 100000), 'ok'", max_value_characters=20)
    assert rows.rows == [["é" * 20 + "…", "ok"]]
    assert "Values longer than 20 characters are cut: 1 end in …" in rows.notice
    many = ", ".join(f"repeat('x', 5000) AS c{n}" for n in range(100))
    rows = await query(shop, f"SELECT {many}", max_bytes=10_000)
    assert {len(value) for value in rows.rows[0]} == {100 - 7 + 1}
    rows = await query(shop, f"SELECT {many.replace('x', '丈')}", max_bytes=10_000)
    assert (rows.rows, rows.notice[:58]) == (
        [],
        "There are rows, but the first alone is over 10,000 bytes. ",
    )


@contextlib.contextmanager
def growth() -> Iterator[list[int]]:
    """By how many bytes this process is larger than it was, every few milliseconds."""
    process = psutil.Process()
    before = process.memory_info().rss
    grown: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.003):
            grown.append(process.memory_info().rss - before)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield grown
    finally:
        done.set()
        looking.join()
        grown.append(process.memory_info().rss - before)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT n, repeat('x', 200) FROM generate_series(1, 1000000) AS n",
        "SELECT repeat('x', 40000000), repeat('y', 40000000)",
        "SELECT array_agg(n) FROM generate_series(1, 1000000) AS n",
    ],
)
async def test_a_million_rows_or_a_huge_value_leave_memory_flat(
    shop: PostgresServer, sql: str
) -> None:
    await query(shop, sql, limit=5)
    with growth() as grown:
        rows = await query(shop, sql, max_rows=10_000, max_bytes=4_000_000)
    assert rows.notice
    assert max(grown) < 24 * 1024 * 1024


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', 50000000)::int",
        "SELECT repeat('x', 50000000)::int FROM customer WHERE name = $1",
        "EXPLAIN VERBOSE SELECT repeat('x', 50000000)",
        "EXPLAIN SELECT 1 FROM customer WHERE name = repeat('x', 50000000)",
        "EXPLAIN (FORMAT JSON, VERBOSE) SELECT repeat('x', 50000000)",
    ],
)
async def test_a_huge_plan_or_error_message_does_not_reach_this_process(
    shop: PostgresServer, sql: str
) -> None:
    given = ["Ada"] if "$1" in sql else []
    await query(shop, "SELECT 1")
    with growth() as grown, pytest.raises(ToolError, match="answer is too large"):
        await query(shop, sql, *given)
    assert max(grown) < 24 * 1024 * 1024
    await until(lambda: shop.run(RUNNING) == [])
    assert (await query(shop, "SELECT 1")).rows == [[1]]


async def test_a_long_plan_is_cut_here(shop: PostgresServer) -> None:
    sql = "EXPLAIN SELECT 1 FROM customer WHERE name = repeat('x', 1000000)"
    rows = await query(shop, sql, max_value_characters=1000)
    assert max(len(line) for (line,) in rows.rows) == 1001
    assert "1 end in …" in rows.notice
    union = "EXPLAIN " + " UNION ALL ".join(["TABLE customer"] * 200)
    rows = await query(shop, union, max_bytes=5000)
    assert "which are what fits" in rows.notice
    assert len((await query(shop, union, limit=10)).rows) == 10


async def test_a_query_that_takes_too_long_is_stopped_by_the_server(shop: PostgresServer) -> None:
    said = await refusal(shop, ENDLESS, statement_timeout_seconds=1)
    assert said.startswith("The query took too long and was cancelled.")
    await until(lambda: shop.run(RUNNING) == [])


async def test_a_query_past_the_deadline_of_its_call_is_cancelled_on_the_server(
    shop: PostgresServer,
) -> None:
    said = await refusal(shop, ENDLESS, seconds=1.0)
    assert said.startswith("The query did not finish in the time of this call")
    assert shop.run(RUNNING) == []


async def test_a_cancelled_call_cancels_its_query_on_the_server(shop: PostgresServer) -> None:
    cancels = shop.front.cancels
    call = asyncio.ensure_future(query(shop, ENDLESS))
    await until(lambda: len(shop.run(RUNNING)) == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert shop.front.cancels > cancels
    assert shop.run(RUNNING) == []
    ours = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'postern'"
    await until(lambda: shop.run(ours) == [])


async def test_a_call_that_the_endpoint_gives_up_on_is_cancelled_on_the_server(
    shop: PostgresServer,
) -> None:
    """The runner does not wait for what it cancels; the query must end all the same."""
    context = context_of(shop)
    runner = Runner(timeout=30, threads=1, max_result_bytes=262_144)
    tool = dataclasses.replace(tool_of(forever, settings_for(shop)), function=forever_as(context))
    runner._timeout = 1.0
    outcome = await runner.run(tool, {}, context.caller, "cid")
    assert outcome.kind == "timeout"
    await until(lambda: shop.run(RUNNING) == [])


async def forever() -> None:
    """Query without end."""


def forever_as(context: Any) -> Any:
    async def forever() -> None:
        await postgres_query("shop", "shop", ENDLESS, context)

    return forever


async def test_a_query_that_waits_for_a_lock_does_not_wait_long(shop: PostgresServer) -> None:
    with shop.admin("shop") as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE customer")
        said = await refusal(shop, "TABLE customer", statement_timeout_seconds=1)
        connection.execute("ROLLBACK")
    assert "is locked by somebody else" in said or "took too long" in said


async def test_what_is_deep_for_the_server_too_ends_neither(shop: PostgresServer) -> None:
    for sql in (" UNION ".join(["SELECT 1"] * 4_000), "SELECT 1" + " + 1" * 400):
        with contextlib.suppress(ToolError):
            await query(shop, sql)
    assert (await query(shop, "SELECT 1")).rows == [[1]]


async def test_a_session_is_read_only_and_bound_before_the_query_runs(shop: PostgresServer) -> None:
    listed = await postgres_server_parameters("shop", context_of(shop))
    values = {parameter.name: (parameter.value, parameter.unit) for parameter in listed}
    assert values["default_transaction_read_only"] == ("on", None)
    assert values["transaction_read_only"] == ("on", None)
    assert values["statement_timeout"] == ("30000", "ms")
    assert values["lock_timeout"] == ("5000", "ms")
    assert values["idle_in_transaction_session_timeout"] == ("40000", "ms")


async def test_the_connection_is_encrypted_and_the_token_is_the_only_way_in(
    shop: PostgresServer,
) -> None:
    with pytest.raises(ToolError, match="did not accept the token"):
        await query(shop, "SELECT 1", role="other", server={"user": "reader"})
    assert TOKENS["other"] != TOKENS["reader"]
