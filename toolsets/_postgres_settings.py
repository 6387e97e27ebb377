"""The settings of the PostgreSQL toolset, and what a call makes of them."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from shared import command_names
from shared.caller import Caller
from shared.tools import Meta, ToolError
from toolsets._sql_guard import Functions

_Name = Annotated[str, Meta(min_length=1, max_length=63)]
_LONGEST_ROLE = 63


class Server(msgspec.Struct, frozen=True, rename="pascal"):
    """A server that may be asked, and as which of its roles.

    `user` is the PostgreSQL role of all callers; without it, each caller's role has the name that
    `user_claim` of the caller says. `ssl_root_cert` is a file of certificate authorities in place
    of the public ones. TLS with a verified certificate and host name is not a choice.
    """

    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]*\Z")]
    databases: Annotated[list[_Name], Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 5432
    user: _Name | None = None
    user_claim: Literal["name", "object_id", "client_id"] = "name"
    token_scope: Annotated[str, Meta(pattern=r"^[!-~]+\Z")] = (
        "https://ossrdbms-aad.database.windows.net/.default"  # noqa: S105
    )
    ssl_root_cert: Annotated[str, Meta(min_length=1)] | None = None

    def role(self, caller: Caller) -> str:
        """The PostgreSQL role of a caller. Raises ToolError when it has none.

        PostgreSQL would cut a longer name, to what may be another's. Does not check that the
        caller may have this role: PostgreSQL does, by the token.
        """
        role: str = self.user or getattr(caller, self.user_claim) or ""
        size = len(role.encode(errors="replace"))
        if 0 < size <= _LONGEST_ROLE and role.isprintable():
            return role
        raise ToolError(
            f"Your identity has no {self.user_claim} that can be the name of a PostgreSQL role "
            f"(1 to {_LONGEST_ROLE} bytes of text). The operator can set User, or another "
            "UserClaim."
        )


class Settings(msgspec.Struct, frozen=True, rename="pascal"):
    """Which servers may be asked, and how much. Seconds and bytes; `max_bytes` is of all rows as
    JSON and should stay below Server:MaxResultBytes. `allow_functions` are names as in a query."""

    servers: Annotated[dict[str, Server], Meta(min_length=1)]
    max_rows: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    max_bytes: Annotated[int, Meta(ge=1000, le=4_000_000)] = 200_000
    max_value_characters: Annotated[int, Meta(ge=10, le=1_000_000)] = 20_000
    max_query_bytes: Annotated[int, Meta(ge=100, le=262_144)] = 65_536
    statement_timeout_seconds: Annotated[int, Meta(ge=1, le=200)] = 30
    connect_timeout_seconds: Annotated[int, Meta(ge=2, le=60)] = 10
    max_connections: Annotated[int, Meta(ge=1, le=200)] = 20
    max_connections_per_caller: Annotated[int, Meta(ge=1, le=200)] = 4
    idle_seconds: Annotated[int, Meta(ge=0, le=3600)] = 300
    allow_functions: list[_Name] = []
    allow_any_function: bool = False

    @property
    def functions(self) -> Functions:
        return Functions(frozenset(self.allow_functions), self.allow_any_function)

    def server(self, name: str) -> Server:
        """The server of a name. Raises ToolError with the names there are."""
        if name not in self.servers:
            raise ToolError(_unknown("server", name, self.servers))
        return self.servers[name]

    def database(self, server: str, database: str) -> Server:
        """The server, when it offers the database. Raises ToolError with the names there are."""
        found = self.server(server)
        if database not in found.databases:
            raise ToolError(_unknown(f"database on {server}", database, found.databases))
        return found


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = command_names.closest(name[:63], known)
    hint = f" Did you mean {near}?" if near else ""
    return f"There is no {what} called {name[:63]}.{hint} There are: {', '.join(sorted(known))}."
