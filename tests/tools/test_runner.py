"""A tool runs under a deadline and a size limit, and its failures stay its own."""

import asyncio
import concurrent.futures
import contextvars
import datetime
import json
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from jsonschema import Draft202012Validator

from shared.caller import Caller
from shared.tools import Meta, ToolContext, ToolError
from shared.tools.runner import Outcome, Runner
from tests.tools.finance.invoices import find_invoices
from tests.tools.support import CALLER, named, returning, tool_of

CAP = 10.0
"""Seconds after which a wait gives up; no test waits that long."""

SECRET = "password-hunter2"

MakeRunner = Callable[..., Runner]


@pytest.fixture
def make_runner() -> Iterator[MakeRunner]:
    runners: list[Runner] = []

    def make(*, timeout: float = CAP, threads: int = 2, max_result_bytes: int = 1024) -> Runner:
        runners.append(Runner(timeout=timeout, threads=threads, max_result_bytes=max_result_bytes))
        return runners[-1]

    yield make
    for runner in runners:
        runner._pool.shutdown(wait=False)


@pytest.fixture
def runner(make_runner: MakeRunner) -> Runner:
    return make_runner()


async def call(
    runner: Runner, function: Callable[..., Any], settings: Any = None, /, **arguments: Any
) -> Outcome:
    outcome = await runner.run(tool_of(function, settings), arguments, CALLER, "cid-1")
    for text in outcome.texts:
        assert type(text) is str
        text.encode()
    if outcome.structured is not None:
        json.loads(outcome.structured)
    return outcome


async def result_of(runner: Runner, annotation: Any, result: Any) -> Outcome:
    return await call(runner, returning(annotation, result))


def hold_the_loop(until: threading.Event) -> None:
    """Let no deadline of the call that comes next pass before its thread has set `until`.

    The event loop first gives the thread its work, then waits here, and only then looks at time.
    """
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, until.wait, CAP)


def assert_failed_safely(outcome: Outcome, name: str = "example") -> None:
    """The caller learns that it failed and under which id, and not a word more."""
    text = f"{name} failed. The operator finds the reason under correlation id cid-1."
    assert outcome == Outcome("failed", (text,))
    assert outcome.is_error


async def test_the_example_of_the_design_runs(runner: Runner) -> None:
    outcome = await call(runner, find_invoices, customer="C-1042", status="paid", limit=1)
    assert outcome.kind == "ok"
    assert outcome.structured == b'[{"number":"C-1042-paid-1","total":10.0}]'
    assert outcome.texts == (outcome.structured.decode(),)


async def test_the_text_of_a_tool_error_reaches_the_caller(runner: Runner) -> None:
    outcome = await call(runner, find_invoices, customer="C-1")
    assert outcome == Outcome("tool_error", ("No customer C-1; try find_customers.",))
    assert outcome.is_error


async def test_bad_arguments_are_told_and_the_tool_does_not_run(runner: Runner) -> None:
    outcome = await call(runner, find_invoices, limt=5, limit=500)
    assert outcome.kind == "bad_arguments"
    assert outcome.is_error
    assert "limit: 500 is too large; expected an integer from 1 to 100" in outcome.texts[0]
    assert "limt: unknown; did you mean limit?" in outcome.texts[0]
    assert "customer: missing" in outcome.texts[0]


async def test_a_flood_of_bad_arguments_is_answered_within_the_size_limit(runner: Runner) -> None:
    outcome = await call(runner, find_invoices, **{f"name{n}": n for n in range(1_000)})
    assert outcome.kind == "bad_arguments"
    assert sum(len(text.encode()) for text in outcome.texts) < 3 * 1024


async def test_a_tool_gets_its_context(runner: Runner) -> None:
    class Settings(msgspec.Struct):
        url: str

    settings = Settings("https://invoices.example.com")
    seen: list[ToolContext[Settings]] = []

    async def look(first: int, ctx: ToolContext[Settings]) -> None:
        """Look."""
        seen.append(ctx)

    look.__annotations__["ctx"] = ToolContext[Settings]
    await call(runner, look, settings, first=1)
    (context,) = seen
    assert context.caller is CALLER
    assert context.settings is settings
    assert context.correlation_id == "cid-1"
    assert 0 < context.remaining() <= CAP
    assert not context.cancelled


async def test_an_async_tool_runs_on_the_event_loop_and_another_does_not(runner: Runner) -> None:
    async def waiting() -> bool:
        """Look."""
        return asyncio.get_running_loop() is loop and threading.current_thread() is here

    def plain() -> bool:
        """Look."""
        return threading.current_thread() is here

    loop, here = asyncio.get_running_loop(), threading.current_thread()
    assert (await call(runner, waiting)).structured == b"true"
    assert (await call(runner, plain)).structured == b"false"


async def test_more_calls_than_threads_all_finish_on_those_threads(
    make_runner: MakeRunner,
) -> None:
    running: list[int] = []
    most: list[int] = []
    threads: set[int] = set()
    pair = threading.Barrier(2, timeout=CAP)

    def meet() -> str:
        """Meet another call."""
        running.append(1)
        most.append(len(running))
        threads.add(threading.get_ident())
        pair.wait()
        running.pop()
        return "met"

    runner = make_runner(threads=2)
    outcomes = await asyncio.gather(*(call(runner, meet) for _ in range(8)))
    assert [outcome.texts for outcome in outcomes] == [("met",)] * 8
    assert len(threads) == 2
    assert max(most) == 2


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_tool_sees_the_context_variables_of_its_call(runner: Runner, kind: str) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def waiting() -> str:
        """Look."""
        return variable.get("none")

    def plain() -> str:
        """Look."""
        return variable.get("none")

    async def one(value: str) -> tuple[str, ...]:
        variable.set(value)
        return (await call(runner, waiting if kind == "async" else plain)).texts

    assert list(await asyncio.gather(one("a"), one("b"))) == [("a",), ("b",)]


async def test_what_a_tool_sets_in_its_context_stays_with_it(runner: Runner) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def waiting() -> None:
        """Set."""
        variable.set("changed")

    def plain() -> None:
        """Set."""
        variable.set("changed")

    await call(runner, waiting)
    await call(runner, plain)
    assert variable.get("none") == "none"


async def test_an_async_tool_past_its_deadline_is_cancelled_and_said_to_be_late(
    make_runner: MakeRunner,
) -> None:
    cancelled = asyncio.Event()
    contexts: list[ToolContext] = []

    async def late(context: ToolContext) -> None:
        """Wait."""
        contexts.append(context)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    outcome = await call(make_runner(timeout=0.05), late)
    await asyncio.wait_for(cancelled.wait(), CAP)
    assert outcome.kind == "timeout"
    assert outcome.is_error
    assert "late did not finish within 0.05 seconds" in outcome.texts[0]
    assert "cid-1" in outcome.texts[0]
    assert contexts[0].cancelled
    assert contexts[0].remaining() == 0


async def test_a_tool_that_swallows_cancellation_is_not_waited_for(
    make_runner: MakeRunner, caplog: pytest.LogCaptureFixture
) -> None:
    release, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> str:
        """Wait."""
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        ended.set()
        raise ValueError(SECRET)

    outcome = await call(make_runner(timeout=0.05), stubborn)
    assert outcome.kind == "timeout"
    assert not ended.is_set()
    release.set()
    await asyncio.wait_for(ended.wait(), CAP)
    await asyncio.sleep(0)
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text


async def test_a_tool_in_a_thread_past_its_deadline_is_told_that_nobody_waits(
    make_runner: MakeRunner,
) -> None:
    started, abandoned = threading.Event(), threading.Event()
    seen: queue.Queue[tuple[bool, bool]] = queue.Queue()

    def late(context: ToolContext) -> str:
        """Wait."""
        before = context.cancelled
        started.set()
        abandoned.wait(CAP)
        seen.put((before, context.cancelled))
        return "too late"

    hold_the_loop(until=started)
    outcome = await call(make_runner(timeout=0.05), late)
    abandoned.set()
    assert outcome.kind == "timeout"
    assert seen.get(timeout=CAP) == (False, True)


async def test_a_call_that_waited_for_a_thread_past_its_deadline_never_runs(
    make_runner: MakeRunner,
) -> None:
    started, release = threading.Event(), threading.Event()
    ran: list[str] = []

    def work(name: str) -> str:
        """Work."""
        ran.append(name)
        started.set()
        release.wait(CAP if name == "first" else 0)
        return name

    runner = make_runner(timeout=0.05, threads=1)
    hold_the_loop(until=started)
    kinds = [(await call(runner, work, name=name)).kind for name in ("first", "second")]
    await asyncio.sleep(0)
    release.set()
    await asyncio.to_thread(runner._pool.shutdown, wait=True)
    assert kinds == ["timeout", "timeout"]
    assert ran == ["first"]


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_tool_whose_caller_went_away_is_cancelled(runner: Runner, kind: str) -> None:
    started, loop = asyncio.Event(), asyncio.get_running_loop()
    release = threading.Event()
    seen: queue.Queue[bool] = queue.Queue()

    async def waiting(context: ToolContext) -> None:
        """Wait."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            seen.put(context.cancelled)

    def plain(context: ToolContext) -> None:
        """Wait."""
        loop.call_soon_threadsafe(started.set)
        release.wait(CAP)
        seen.put(context.cancelled)

    task = asyncio.create_task(call(runner, waiting if kind == "async" else plain))
    await asyncio.wait_for(started.wait(), CAP)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    assert await asyncio.to_thread(seen.get, timeout=CAP) is True


class Stop(BaseException):
    """Not an Exception, as some libraries' control flow."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


EXCEPTIONS = [
    ValueError(SECRET),
    KeyError(SECRET),
    TimeoutError(SECRET),
    asyncio.CancelledError(SECRET),
    concurrent.futures.CancelledError(SECRET),
    RecursionError(SECRET),
    SystemExit(SECRET),
    StopIteration(SECRET),
    StopAsyncIteration(SECRET),
    msgspec.ValidationError(SECRET),
    ExceptionGroup(SECRET, [ToolError(SECRET)]),
    BaseExceptionGroup(SECRET, [SystemExit(SECRET)]),
    Stop(SECRET),
    Unprintable(),
]


@pytest.mark.parametrize("error", EXCEPTIONS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", ["at once", "later", "thread"])
async def test_every_other_exception_becomes_a_safe_message_with_the_correlation_id(
    make_runner: MakeRunner, kind: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def at_once() -> str:
        """Fail."""
        raise error

    async def later() -> str:
        """Fail."""
        await asyncio.sleep(0)
        raise error

    def thread() -> str:
        """Fail."""
        raise error

    function: Callable[..., Any] = {"at once": at_once, "later": later, "thread": thread}[kind]
    caplog.set_level(logging.ERROR)
    outcome = await call(make_runner(timeout=2), function)
    assert_failed_safely(outcome, function.__name__)
    records = [record for record in caplog.records if record.name == "postern.tools"]
    assert len(records) == 1
    assert "cid-1" in records[0].getMessage()
    assert records[0].exc_info


async def test_a_runner_goes_on_after_a_tool_tried_to_end_the_process(
    make_runner: MakeRunner,
) -> None:
    def leave() -> str:
        """Leave."""
        raise SystemExit

    runner = make_runner(threads=1)
    await call(runner, leave)
    assert (await result_of(runner, str, "alive")).texts == ("alive",)


async def test_a_long_tool_error_is_cut(make_runner: MakeRunner) -> None:
    def fail() -> str:
        """Fail."""
        raise ToolError("é" * 1000)

    outcome = await call(make_runner(max_result_bytes=101), fail)
    assert outcome == Outcome("tool_error", ("é" * 50,))


async def test_a_tool_error_without_its_text_is_still_an_answer(runner: Runner) -> None:
    def fail() -> str:
        """Fail."""
        raise ToolError

    assert (await call(runner, fail)).kind == "tool_error"


@dataclass
class Invoice:
    number: str
    total: float


class Movie(TypedDict):
    title: str


class Card(msgspec.Struct, tag=True):
    number: str


class Iban(msgspec.Struct, tag=True, rename="camel"):
    bank_code: str


@dataclass
class Discounted(Invoice):
    internal_note: str


class Branded(str):
    """As some libraries return in place of plain text."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("annotation", "result", "texts", "structured"),
    [
        (str, "done", ("done",), None),
        (str, "", ("",), None),
        (None, None, (), None),
        (Any, None, (), None),
        (Any, "text", ("text",), None),
        (Any, {"a": [1]}, ('{"a":[1]}',), None),
        (int, 5, ("5",), b"5"),
        (bool, True, ("true",), b"true"),
        (int, 2**70, (str(2**70),), str(2**70).encode()),
        (str | None, None, ("null",), b"null"),
        (str | None, "a", ('"a"',), b'"a"'),
        (list[int], [], ("[]",), b"[]"),
        (dict[str, int], {"a": 1}, ('{"a":1}',), b'{"a":1}'),
        (dict[int, str], {1: "a"}, ('{"1":"a"}',), b'{"1":"a"}'),
        (Invoice, Invoice("é", 2.5), ('{"number":"é","total":2.5}',),
         '{"number":"é","total":2.5}'.encode()),
        (Movie, {"title": "t"}, ('{"title":"t"}',), b'{"title":"t"}'),
        (Card | Iban, Iban("x"), ('{"type":"Iban","bankCode":"x"}',),
         b'{"type":"Iban","bankCode":"x"}'),
        (tuple[int, str], (1, "a"), ('[1,"a"]',), b'[1,"a"]'),
        (bytes, b"hi", ('"aGk="',), b'"aGk="'),
        (datetime.datetime, datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC),
         ('"2026-01-31T00:00:00Z"',), b'"2026-01-31T00:00:00Z"'),
        (Literal["open"], "open", ('"open"',), b'"open"'),
    ],
    ids=named,
)  # fmt: skip
async def test_a_result_becomes_text_and_structure(
    runner: Runner, annotation: Any, result: Any, texts: tuple[str, ...], structured: bytes | None
) -> None:
    outcome = await result_of(runner, annotation, result)
    assert outcome == Outcome("ok", texts, structured)
    assert not outcome.is_error
    schema = tool_of(returning(annotation)).signature.output_schema
    assert (schema is None) == (structured is None)
    if schema is not None and structured is not None:
        Draft202012Validator(schema).validate(json.loads(structured))


async def test_what_the_annotation_does_not_name_is_not_sent(runner: Runner) -> None:
    outcome = await result_of(runner, Invoice, Discounted("1", 2.0, SECRET))
    assert outcome.structured == b'{"number":"1","total":2.0}'


@pytest.mark.parametrize("annotation", [str, Any, list[str]], ids=named)
async def test_text_of_a_subclass_is_text(runner: Runner, annotation: Any) -> None:
    result = [Branded("text")] if annotation == list[str] else Branded("text")
    outcome = await result_of(runner, annotation, result)
    assert outcome.kind == "ok"
    assert "text" in outcome.texts[0]


@pytest.mark.parametrize(
    ("annotation", "result"),
    [
        (int, "5"),
        (int, None),
        (int, 5.5),
        (Annotated[int, Meta(le=5)], 6),
        (Literal["open"], "closed"),
        (list[int], [1, "two"]),
        (list[int], 5),
        (Invoice, None),
        (Invoice, {"number": "1"}),
        (list[Invoice], [Invoice("1", "much")]),  # type: ignore[arg-type]
        (Movie, {}),
        (Card | Iban, {"number": "1"}),
        (str, None),
        (str, 5),
        (str, {"secret": SECRET}),
        (None, SECRET),
        (None, {"secret": SECRET}),
    ],
    ids=named,
)
async def test_a_result_that_does_not_fit_its_annotation_is_a_failure(
    runner: Runner, annotation: Any, result: Any
) -> None:
    assert_failed_safely(await result_of(runner, annotation, result))


@pytest.mark.parametrize(
    ("annotation", "result"),
    [
        (float, float("nan")),
        (float, float("inf")),
        (float, float("-inf")),
        (list[float], [1.0, float("nan")]),
        (dict[str, float], {"a": float("inf")}),
        (Invoice, Invoice("1", float("nan"))),
        (list[Invoice], [Invoice("1", float("inf"))]),
    ],
    ids=named,
)
async def test_a_number_that_json_cannot_hold_is_a_failure_and_no_null(
    runner: Runner, annotation: Any, result: Any
) -> None:
    assert_failed_safely(await result_of(runner, annotation, result))


def circle() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


@pytest.mark.parametrize("annotation", [Any, list[Any], dict[str, Any]], ids=named)
@pytest.mark.parametrize(
    "result",
    [object(), [object()], {"a": object()}, circle(), {"a": circle()}, (n for n in "ab"), {1j}],
    ids=["object", "in list", "in dict", "circle", "circle in dict", "generator", "complex"],
)
async def test_a_result_without_a_json_form_is_a_failure(
    runner: Runner, annotation: Any, result: Any
) -> None:
    assert_failed_safely(await result_of(runner, annotation, result))


async def test_a_forgotten_await_is_a_failure(runner: Runner) -> None:
    async def inner() -> str:
        return "x"

    coroutine = inner()
    assert_failed_safely(await result_of(runner, Any, coroutine))
    coroutine.close()


@pytest.mark.parametrize("annotation", [str, Any], ids=named)
async def test_text_that_is_not_unicode_is_still_an_answer(runner: Runner, annotation: Any) -> None:
    """File and process names that are not UTF-8 come to Python as lone surrogates."""
    name = b"caf\xe9".decode(errors="surrogateescape")
    outcome = await result_of(runner, annotation, name)
    assert outcome.kind == "ok"
    assert "caf" in outcome.texts[0]


async def test_the_text_of_a_tool_error_that_is_not_unicode_still_arrives(runner: Runner) -> None:
    def fail() -> str:
        """Fail."""
        raise ToolError(b"no file caf\xe9".decode(errors="surrogateescape"))

    outcome = await call(runner, fail)
    assert outcome.kind == "tool_error"
    assert outcome.texts[0].startswith("no file caf")


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("a" * 100, 100, None),
        ("a" * 101, 100, "a" * 100),
        ("é" * 50, 100, None),
        ("é" * 51, 100, "é" * 50),
        ("é" * 51, 101, "é" * 50),
        ("🙂" * 26, 103, "🙂" * 25),
        ("a" + "漢" * 40, 100, "a" + "漢" * 33),
    ],
    ids=lambda value: str(value)[:3],
)
async def test_text_is_cut_at_a_character(
    make_runner: MakeRunner, text: str, limit: int, cut: str | None
) -> None:
    outcome = await result_of(make_runner(max_result_bytes=limit), str, text)
    assert outcome.kind == "ok"
    assert outcome.texts[0] == (cut or text)
    assert len(outcome.texts) == (1 if cut is None else 2)
    if cut is not None:
        assert f"first {len(cut)} of {len(text)} characters" in outcome.texts[1]


@pytest.mark.parametrize("annotation", [list[str], list[Invoice], list[Any]], ids=named)
async def test_a_list_is_cut_at_an_item_and_stays_valid(
    make_runner: MakeRunner, annotation: Any
) -> None:
    item: Any = Invoice("é" * 20, 1.5) if annotation == list[Invoice] else "é" * 30
    whole = [item] * 100
    outcome = await result_of(make_runner(max_result_bytes=1024), annotation, whole)
    assert outcome.kind == "ok"
    assert outcome.structured is not None
    assert len(outcome.structured) <= 1024
    items = json.loads(outcome.structured)
    assert len(outcome.structured) > 1024 // 2
    schema = tool_of(returning(annotation)).signature.output_schema
    Draft202012Validator(schema or {}).validate(items)
    assert items == msgspec.to_builtins(whole)[: len(items)]
    assert outcome.texts[0] == outcome.structured.decode()
    assert f"first {len(items)} of 100 items" in outcome.texts[1]


async def test_a_list_of_just_the_allowed_size_is_whole(make_runner: MakeRunner) -> None:
    whole = ["a" * 10] * 8
    size = len(msgspec.json.encode(whole))
    exact = await result_of(make_runner(max_result_bytes=size), list[str], whole)
    short = await result_of(make_runner(max_result_bytes=size - 1), list[str], whole)
    assert (len(exact.texts), len(json.loads(exact.texts[0]))) == (1, 8)
    assert (len(short.texts), len(json.loads(short.texts[0]))) == (2, 7)


@pytest.mark.parametrize(
    ("annotation", "result"),
    [
        (dict[str, str], {"a": "x" * 2000}),
        (Invoice, Invoice("x" * 2000, 1.0)),
        (list[str], ["x" * 2000, "y"]),
        (str | None, "x" * 2000),
    ],
    ids=named,
)
async def test_what_cannot_be_cut_is_an_error_that_asks_for_less(
    runner: Runner, annotation: Any, result: Any
) -> None:
    outcome = await result_of(runner, annotation, result)
    assert (outcome.kind, outcome.structured, outcome.is_error) == ("too_large", None, True)
    assert "larger than 1,024 bytes" in outcome.texts[0]
    assert "narrow" in outcome.texts[0]


async def test_without_threads_to_run_in_the_answer_is_that_it_failed(
    make_runner: MakeRunner,
) -> None:
    runner = make_runner()
    runner._pool.shutdown(wait=False)
    assert_failed_safely(await result_of(runner, str, "text"))


async def test_no_log_holds_the_assertion_of_a_caller(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(context: ToolContext) -> str:
        """Fail."""
        raise ValueError(repr(context))

    caplog.set_level(logging.DEBUG)
    caller = Caller(kind="user", tenant_id="t", object_id="o", assertion=SECRET)
    await runner.run(tool_of(fail), {}, caller, "cid-1")
    assert "cid-1" in caplog.text
    assert SECRET not in caplog.text
