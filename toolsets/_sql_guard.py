"""Is a text one statement that only reads? Decided on the tree of PostgreSQL's own parser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import msgspec

from shared import command_names
from shared.tools import ToolError
from toolsets._sql_functions import (
    ALLOWED,
    OF_ROWS,
    is_never_allowed,
    is_never_allowed_of_a_row,
)

if find_spec("pglast") is None:
    raise ImportError(
        "pglast is not installed. It is the line pglast in requirements.in: put it back and run "
        "make lock, or remove the section Toolsets:postgres"
    )


class Refused(ToolError):
    """A query that is not run. The text says what is not allowed and what to do instead."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that passed, without its semicolon. `explain`: it asks for a plan, not rows."""

    text: str
    explain: bool


@dataclass(frozen=True, slots=True)
class Functions:
    """Which functions may be called besides those in ALLOWED: `more` by name, or nearly `any`.

    Names are as in a query, in the case the database has them: `st_distance`, `app.total`.
    """

    more: frozenset[str] = frozenset()
    any: bool = False


def check(sql: str, *, max_bytes: int, functions: Functions) -> Statement:
    """Take `sql` when it is one SELECT, VALUES or TABLE (WITH and set operations included), or a
    plain EXPLAIN of one. Raises Refused, and nothing else.

    Checks the whole tree: no data-modifying WITH, no INTO, no locking clause, no function,
    operator of another schema or sampling method that is not allowed. Node types it does not know
    are refused. Names are compared as the grammar reads them, so that quotes, case, comments and
    `U&"…"` hide nothing; this holds as long as the server reads strings the same way, which is why
    sessions set standard_conforming_strings.

    `(…).f` is a call of f in PostgreSQL unless it is a field, and so is `x.f` where x is what a
    function in FROM returned. The tree does not tell, so both count as calls.

    Does not check: which tables are read (the database's privileges decide), what a query costs,
    and what is called without being named as a function: unqualified operators, casts to types
    with checks, views, row security policies, and functions of a whole row of a table or subquery
    written as a column (`t.f`). The READ ONLY transaction is what these run in. Nor a text for a
    database in another encoding than UTF8, where the grammar reads names in another way.
    """
    encoded = sql.encode(errors="replace")
    if len(encoded) > max_bytes:
        raise Refused(f"The query is longer than {max_bytes:,} bytes. Send a shorter one.")
    if b"\0" in encoded or encoded.decode() != sql:
        raise Refused("The query holds a character that is no text. Remove it.")
    if _SIGNS.search(sql):
        raise Refused(
            f"The query holds over {_MOST_SIGNS} signs such as = or - in a row. Remove them, or "
            "send what holds them as a parameter."
        )
    statements = _parse(sql)
    if len(statements) != 1:
        found = f"There are {len(statements)} statements" if statements else "There is no statement"
        raise Refused(f"{found} in the query; expected one. Send one at a time.")
    text = _text(sql, statements[0])
    tag, body = next(iter(statements[0]["stmt"].items()))
    if tag == "ExplainStmt":
        _check_explain(body)
    elif tag != "SelectStmt":
        (word,) = re.findall(r"^\w+", text) or ["This"]
        raise Refused(f"{word.upper()} is not allowed. {_READING}")
    nodes = list(_nodes(tag, body))
    called = _called_in_from(node for name, node in nodes if name == "RangeFunction")
    for name, node in nodes:
        _check(name, node, functions)
        for field in _fields(name, node, called):
            _check_field(field, functions)
    return Statement(text, explain=tag == "ExplainStmt")


_READING = (
    "Only reading is: one SELECT, VALUES or TABLE, with WITH before it, or EXPLAIN of such a query."
)
_LONGEST_QUOTE = 200
# PostgreSQL reads a row of operators' signs to its end for each operator or comment it begins: a
# row of 64 KB takes seconds, here and on the server, which no timeout interrupts.
_MOST_SIGNS = 256
_SIGNS = re.compile(rf"[-+*/<>=~!@#%^&|`?]{{{_MOST_SIGNS + 1}}}")


def _parse(sql: str) -> list[dict[str, Any]]:
    # The parser's JSON form is made under PostgreSQL's own limit of depth. The tree of Python
    # objects (parse_sql) is not: 40 KB of `1+1+1…` end the process there.
    from pglast.parser import ParseError, parse_sql_json

    try:
        tree = msgspec.json.decode(parse_sql_json(sql))
    except ParseError as error:
        raise Refused(_syntax_error(*error.args)) from None
    except (RecursionError, msgspec.DecodeError):
        raise Refused("The query is nested too deeply. Send a simpler one.") from None
    statements: list[dict[str, Any]] = tree.get("stmts", [])
    return statements


def _syntax_error(message: str, index: int | None = None) -> str:
    if "stack depth" in message or "memory exhausted" in message:
        return "The query is nested too deeply. Send a simpler one."
    where = "" if index is None else f" (character {index + 1})"
    return f"The query is not valid SQL: {message[:_LONGEST_QUOTE]}{where}."


def _text(sql: str, statement: dict[str, Any]) -> str:
    """The statement's own part of the text; the parser counts in bytes."""
    start: int = statement.get("stmt_location", 0)
    length: int | None = statement.get("stmt_len") or None
    return sql.encode()[start : None if length is None else start + length].decode().strip()


def _nodes(tag: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node with its type. Members whose type the grammar fixes carry none: they have `""`."""
    stack: list[tuple[str, Any]] = [(tag, body)]
    while stack:
        name, value = stack.pop()
        if isinstance(value, list):
            stack += [("", item) for item in value]
        elif isinstance(value, dict):
            yield name, value
            stack += [(key if key[0].isupper() else "", item) for key, item in value.items()]


def _check(name: str, node: dict[str, Any], functions: Functions) -> None:
    if name and name not in _NODES:
        raise Refused(_REFUSED_NODES.get(name) or f"{name} is not allowed. {_READING}")
    if "intoClause" in node:
        raise Refused("SELECT INTO creates a table, which is not allowed. Leave INTO out.")
    if "lockingClause" in node:
        raise Refused("FOR UPDATE and FOR SHARE lock rows, which is not allowed. Leave them out.")
    if name == "FuncCall":
        _check_function(_words(node["funcname"]), functions)
    elif name == "RangeVar" and node["relname"] in _OF_OTHER_SESSIONS:
        raise Refused(f"{node['relname']} shows other sessions' queries, which is not allowed.")
    elif name == "RangeTableSample":
        _check_sampling(_words(node["method"]), functions)
    for key in ("operName", "useOp", *(["name"] if name == "A_Expr" else [])):
        *schema, _ = _words(node.get(key, [])) or [""]
        if schema not in ([], ["pg_catalog"]) and not functions.any:
            raise Refused(
                f"Operators of the schema {schema[0][:63]} are not allowed. Write the operator "
                "alone, without OPERATOR(…)."
            )


def _check_explain(node: dict[str, Any]) -> None:
    for option in node.get("options", []):
        name = option["DefElem"]["defname"]
        if name not in _PLAIN_EXPLAIN:
            raise Refused(
                f"EXPLAIN with {name[:63].upper()} is not allowed; ANALYZE, for one, runs the "
                "query. Leave the option out."
            )
    if "SelectStmt" not in node["query"]:
        raise Refused(f"EXPLAIN of this is not allowed. {_READING}")


def _check_function(path: list[str], functions: Functions) -> None:
    *schema, name = path
    if is_never_allowed(name):
        raise Refused(_never(name))
    written = ".".join(path)
    if functions.any or written in functions.more:
        return
    if schema in ([], ["pg_catalog"]) and name in ALLOWED:
        return
    near = command_names.closest(name[:63], ALLOWED)
    hint = f" Did you mean {near}?" if near and near != name else ""
    raise Refused(
        f"The function {written[:130]} is not allowed.{hint} Allowed are PostgreSQL's own "
        "functions that only compute: aggregates, window, text, number, date, JSON and array "
        "functions. The operator can allow more (AllowFunctions)."
    )


def _called_in_from(ranges: Iterator[dict[str, Any]]) -> dict[str, set[str]]:
    """What functions in FROM that return one value a row are known as, to the columns they are
    given. Without, the column may be named by the function (`value`), or be the type's.

    Under one name in two places a query has only the columns that both have.
    """
    called: dict[str, set[str]] = {}
    for node in ranges:
        items = [each["List"]["items"][0] for each in node["functions"]]
        if len(items) > 1 or "ordinality" in node or "coldeflist" in node:
            continue  # A row then, which no function takes for a value.
        *schema, function = _words(items[0].get("FuncCall", {}).get("funcname", [])) or [""]
        if schema in ([], ["pg_catalog"]) and function in OF_ROWS:
            continue
        alias = node.get("alias", {})
        name = alias.get("aliasname") or function
        if not name:
            raise Refused("Name what FROM calls: AS x.")
        columns = set(_words(alias.get("colnames", [])))
        called[name] = called.get(name, columns) & columns
    return called


def _fields(name: str, node: dict[str, Any], called: dict[str, set[str]]) -> list[str]:
    """The names in a node that may be called like functions without looking like it."""
    if name == "A_Indirection":
        return _words(node["indirection"])
    if name == "ColumnRef":
        match _words(node["fields"]):
            case [of, column] if of in called and column not in called[of]:
                return [column]
            case [_, *_, column] if is_never_allowed_of_a_row(column):
                return [column]
    return []


def _check_field(name: str, functions: Functions) -> None:
    if is_never_allowed(name):
        raise Refused(_never(name))
    if not functions.any and name not in ALLOWED | functions.more:
        raise Refused(
            f"{name[:63]} after a dot may be a call of a function here, and no such function is "
            "allowed. For fields of a row, write (…).* in a subquery in FROM; for columns of a "
            "function in FROM, name them: AS x(a, b)."
        )


def _check_sampling(path: list[str], functions: Functions) -> None:
    *schema, name = path
    own = schema in ([], ["pg_catalog"]) and name in ("system", "bernoulli")
    if not own and not functions.any:
        raise Refused("Only the sampling methods SYSTEM and BERNOULLI are allowed.")


def _never(name: str) -> str:
    return (
        f"The function {name[:63]} is never allowed: functions like it wait, act on files, locks, "
        "settings or other sessions, or run SQL from a text. Leave it out."
    )


def _words(nodes: list[dict[str, Any]]) -> list[str]:
    return [node["String"]["sval"] for node in nodes if "String" in node]


# Sessions of the same role are no secret to each other in PostgreSQL; callers that share it are.
_OF_OTHER_SESSIONS = {"pg_stat_activity", "pg_stat_statements"}

_PLAIN_EXPLAIN = {"verbose", "costs", "settings", "generic_plan", "summary", "format"}

_REFUSED_NODES = {
    f"{word.title()}Stmt": f"{word} is not allowed inside WITH. {_READING}"
    for word in ("INSERT", "UPDATE", "DELETE", "MERGE")
}

_READING_NODES = """
    SelectStmt ExplainStmt DefElem
    ResTarget ColumnRef A_Star A_Const Integer Float Boolean String BitString ParamRef List
    A_Expr BoolExpr NullTest BooleanTest CaseExpr CaseWhen CoalesceExpr MinMaxExpr SubLink FuncCall
    NamedArgExpr TypeCast TypeName CollateClause A_ArrayExpr RowExpr A_Indirection A_Indices
    SQLValueFunction GroupingFunc GroupingSet WindowDef SortBy
    RangeVar RangeSubselect RangeFunction RangeTableSample RangeTableFunc RangeTableFuncCol
    ColumnDef JoinExpr Alias CommonTableExpr CTESearchClause CTECycleClause
    XmlExpr XmlSerialize
    JsonFormat JsonReturning JsonValueExpr JsonIsPredicate JsonOutput JsonArgument JsonFuncExpr
    JsonBehavior JsonTable JsonTableColumn JsonTablePathSpec JsonKeyValue JsonParseExpr
    JsonScalarExpr JsonSerializeExpr JsonObjectConstructor JsonArrayConstructor
    JsonArrayQueryConstructor JsonAggConstructor JsonObjectAgg JsonArrayAgg"""
_NODES = frozenset(_READING_NODES.split())
