"""One PostgreSQL for all tests of the toolset, with a small shop in it."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.fakes.postgres_server import PostgresServer, postgres_server
from tests.toolsets_shipped.postgres_support import TOKENS

SHOP = (
    *(f"CREATE ROLE {role} LOGIN PASSWORD '{token}'" for role, token in TOKENS.items()),
    "ALTER ROLE boss SUPERUSER",
    "CREATE DATABASE shop",
    "CREATE DATABASE closed",
    "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
)
TABLES = """
CREATE TABLE customer (
    id int PRIMARY KEY,
    name text NOT NULL DEFAULT 'nobody',
    joined date,
    CONSTRAINT named CHECK (name <> '')
);
COMMENT ON TABLE customer IS 'Who buys here';
COMMENT ON COLUMN customer.joined IS 'First order';
CREATE INDEX by_name ON customer (lower(name));
INSERT INTO customer VALUES (1, 'Ada', '2024-02-29'), (2, 'Grace', NULL), (3, 'Élise', '2025-01-01');
CREATE VIEW regulars AS SELECT id, name FROM customer WHERE joined IS NOT NULL;
CREATE TABLE salary (id int, amount numeric);
CREATE TABLE "Odd Name" ("A b" int);
CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE FUNCTION plant() RETURNS int LANGUAGE sql AS
    $$INSERT INTO customer VALUES (99, 'planted') RETURNING id$$;
CREATE FUNCTION wreck() RETURNS int LANGUAGE plpgsql AS
    $$BEGIN EXECUTE 'DROP TABLE salary'; RETURN 1; END$$;
CREATE FUNCTION unlock() RETURNS int LANGUAGE plpgsql AS
    $$BEGIN SET transaction_read_only = off; INSERT INTO customer VALUES (98, 'x'); RETURN 1; END$$;
CREATE FUNCTION customers() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM customer';
CREATE SCHEMA secret;
CREATE TABLE secret.plans (id int);
GRANT SELECT ON customer, regulars, "Odd Name" TO reader, other, loose;
GRANT ALL ON ALL TABLES IN SCHEMA public TO writer;
GRANT ALL ON SEQUENCE numbers TO writer;
"""  # noqa: E501


@contextlib.contextmanager
def shop_of(version: int) -> Iterator[PostgresServer]:
    with postgres_server(version) as server:
        server.run(*SHOP)
        server.run(TABLES, database="shop")
        server.run("ALTER ROLE loose SET standard_conforming_strings = off")
        yield server


@pytest.fixture(scope="session")
def shop() -> Iterator[PostgresServer]:
    with shop_of(18) as server:
        yield server


@pytest.fixture(scope="session", params=[18, 16])
def each_shop(request: pytest.FixtureRequest, shop: PostgresServer) -> Iterator[PostgresServer]:
    """The shop on every version that there is to test with."""
    if request.param == 18:
        yield shop
        return
    with shop_of(request.param) as server:
        yield server
