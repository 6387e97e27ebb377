"""Run a tool: arguments in, content out, under a deadline and a size limit."""

import asyncio
import contextvars
import functools
import inspect
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from shared.caller import Caller
from shared.credential import ClaimsChallenge, refusal_behind
from shared.tools import arguments, reading
from shared.tools.catalogue import Tool
from shared.tools.content import Block
from shared.tools.context import Report, ToolContext
from shared.tools.decorator import Complete
from shared.tools.errors import ToolError
from shared.tools.inputs import CapabilityMissing, InputRequired, Inputs
from shared.tools.reading import plain_text

if TYPE_CHECKING:
    from shared.credential import Credential

_log = logging.getLogger("postern.tools")
_BLOCKS = msgspec.json.Decoder(list[Block])
_MISFIT = (TypeError, ValueError, RecursionError)
_PASSING = (asyncio.CancelledError, KeyboardInterrupt, InputRequired, CapabilityMissing)
_NOT_AS_ANNOTATED = "returned what its annotation does not allow"


Kind = Literal[
    "ok",
    "bad_arguments",
    "tool_error",
    "credential_refused",
    "failed",
    "timeout",
    "too_large",
    "declined",
]
"""How a call ended, for the audit record."""


class Failure(Exception):
    """There is no result. `text` is for the caller.

    `claims` are what Conditional Access wants of the person before there can be one, as JSON.
    """

    def __init__(self, kind: Kind, text: str, claims: str | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.claims = claims


class Outcome(NamedTuple):
    """What a call came to.

    `texts` are the text blocks; `structured` is the result as JSON when the tool declares an
    output schema (then the first text is the same JSON); `blocks` are what a tool of content blocks
    returned, as JSON values. `claims` as in `Failure`.
    """

    kind: Kind
    texts: tuple[str, ...]
    structured: bytes | None = None
    blocks: tuple[dict[str, Any], ...] = ()
    claims: str | None = None

    @property
    def is_error(self) -> bool:
        return self.kind != "ok"


class Runner:
    """Runs tools: async ones on the event loop, others on a bounded pool of threads."""

    def __init__(self, *, timeout: float, threads: int, max_result_bytes: int) -> None:
        self._timeout = timeout
        self._limit = max_result_bytes
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="postern-tool")
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def run(
        self,
        tool: Tool,
        given: dict[str, Any],
        caller: Caller,
        correlation_id: str,
        report: Report | None = None,
        inputs: Inputs | None = None,
        credential: "Credential | None" = None,
    ) -> Outcome:
        """Call a tool. Never raises for what the tool or its caller did wrong.

        `report` takes the tool's progress, `inputs` answers what it asks, `credential` is for its
        calls to Azure. Raises InputRequired and CapabilityMissing when that needs another round,
        or cannot be had.

        A tool past its deadline is cancelled and not waited for; one that runs in a thread goes on
        there, unheard, until it returns or looks at `context.cancelled`.
        """
        try:
            keywords = arguments.convert(tool.signature, given)
            result = await self._result(
                tool, keywords, caller, correlation_id, report, inputs, credential
            )
        except arguments.BadArguments as error:
            return Outcome("bad_arguments", (str(error),))
        except Failure as failure:
            return Outcome(failure.kind, (failure.text,), claims=failure.claims)
        return self._content(tool, result, correlation_id)

    async def read(
        self,
        call: Tool,
        given: Mapping[str, str],
        caller: Caller,
        id: str,
        inputs: Inputs | None,
        credential: "Credential | None",
        shape: Callable[[Any], list[dict[str, Any]]],
    ) -> list[dict[str, Any]]:
        """What a resource or a prompt holds, as JSON values.

        `given` are the variables of the URI or the prompt's arguments; `shape` turns what the
        function returns into the protocol's form; `id` is the correlation id. Raises Failure:
        `bad_arguments` when a text does not fit its type.
        """
        try:
            keywords = arguments.convert(call.signature, dict(given), texts=True)
        except arguments.BadArguments as error:
            raise Failure("bad_arguments", str(error)) from None
        result = await self._result(call, keywords, caller, id, None, inputs, credential)
        try:
            shaped = shape(result)
        except _MISFIT:
            raise self._broken(call, id, _NOT_AS_ANNOTATED) from None
        if len(msgspec.json.encode(shaped)) > self._limit:
            raise Failure("too_large", f"{call.name} is larger than {self._limit:,} bytes.")
        return shaped

    async def complete(
        self, call: Tool, complete: Complete, argument: str, typed: str, caller: Caller, id: str
    ) -> list[str]:
        """The values an argument may become: by its own function, else those its type names.

        Raises Failure, as `read` does. An argument that knows no values has none.
        """
        function = complete.get(argument)
        if function is None:
            return reading.choices(call.signature.input_schema, argument, typed)
        context = ToolContext(caller, call.settings, id, time.monotonic() + self._timeout)
        try:
            work = self._call(functools.partial(function, typed), {})
            return msgspec.convert(await self._within_deadline(work, context), list[str])
        except Exception:
            raise self._broken(call, id, f"could not complete {argument}") from None

    async def _result(
        self,
        tool: Tool,
        keywords: dict[str, Any],
        caller: Caller,
        correlation_id: str,
        report: Report | None,
        inputs: Inputs | None,
        credential: "Credential | None",
    ) -> Any:
        """What the function returns. Raises Failure with what the caller may know."""
        deadline = time.monotonic() + self._timeout
        context = ToolContext(
            caller,
            tool.settings,
            correlation_id,
            deadline,
            _report=report,
            _inputs=inputs,
            _credential=credential,
        )
        if tool.signature.context_parameter is not None:
            keywords[tool.signature.context_parameter] = context
        try:
            return await self._within_deadline(self._call(tool.function, keywords), context)
        except _DeadlinePassed:
            text = (
                f"{tool.name} did not finish within {self._timeout:g} seconds and was stopped. "
                f"{_NARROW} Correlation id: {correlation_id}"
            )
            raise Failure("timeout", text) from None
        except Exception as error:
            raise self._failure(tool, error, correlation_id) from None

    def _failure(self, tool: Tool, error: Exception, correlation_id: str) -> Failure:
        """What the caller learns: the tool's own words, why it got no token, or that it broke."""
        refused = refusal_behind(error)
        claims = refused.claims if isinstance(refused, ClaimsChallenge) else None
        if isinstance(error, ToolError):
            return Failure("tool_error", _cut(_clean(str(error)), self._limit), claims)
        if refused is not None:
            text = f"{tool.name} got no access. {refused}"
            return Failure("credential_refused", _cut(_clean(text), self._limit), claims)
        return self._broken(tool, correlation_id, "raised an exception")

    async def _call(self, function: Callable[..., Any], keywords: dict[str, Any]) -> Any:
        try:
            if inspect.iscoroutinefunction(function):
                return await function(**keywords)
            call = functools.partial(function, **keywords)
            run = contextvars.copy_context().run
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, run, _call_in_thread, call)
        except (Exception, *_PASSING):
            raise
        except BaseException as error:
            # SystemExit and its like would end the process, not the call.
            raise RuntimeError(f"the tool raised {type(error).__name__}") from error

    async def _within_deadline(
        self, work: Coroutine[Any, Any, Any], context: ToolContext[Any]
    ) -> Any:
        task = _task(work)
        try:
            if not task.done():
                await asyncio.wait({task}, timeout=self._timeout)
        finally:
            if not task.done():
                context.cancel()
                task.cancel()
                self._abandoned.add(task)
                task.add_done_callback(self._forget)
        if not task.done():
            raise _DeadlinePassed
        if task.cancelled():
            raise RuntimeError("the tool cancelled itself")
        return task.result()

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.warning("an abandoned tool call ended with %s", type(task.exception()).__name__)

    def _content(self, tool: Tool, result: Any, correlation_id: str) -> Outcome:
        decoder = tool.signature.result
        try:
            if tool.signature.content:
                return self._blocks(result)
            if decoder is None:
                return self._text(tool, result)
            # Decoding holds the result to its annotation: what is not declared is not sent, and
            # what JSON cannot say (NaN) does not become something else.
            value = decoder.decode(msgspec.json.encode(result, enc_hook=plain_text))
            encoded = msgspec.json.encode(value)
        except _MISFIT:
            failure = self._broken(tool, correlation_id, _NOT_AS_ANNOTATED)
            return Outcome(failure.kind, (failure.text,))
        if len(encoded) <= self._limit:
            return Outcome("ok", (encoded.decode(),), encoded)
        return self._limited_list(value) if isinstance(value, list) else _too_large(self._limit)

    def _blocks(self, result: Any) -> Outcome:
        encoded = msgspec.json.encode(result if isinstance(result, list) else [result])
        if len(encoded) > self._limit:
            return _too_large(self._limit)
        _BLOCKS.decode(encoded)
        return Outcome("ok", (), None, tuple(msgspec.json.decode(encoded)))

    def _text(self, tool: Tool, result: Any) -> Outcome:
        if tool.signature.returns in (str, type(None)):
            msgspec.convert(result, tool.signature.returns)
        if result is None:
            return Outcome("ok", ())
        if isinstance(result, str):
            return self._limited_text(str(result))
        return self._limited_text(msgspec.json.encode(result, enc_hook=plain_text).decode())

    def _limited_text(self, text: str) -> Outcome:
        text = _clean(text)
        cut = _cut(text, self._limit)
        if cut == text:
            return Outcome("ok", (text,))
        notice = f"Truncated: the first {len(cut):,} of {len(text):,} characters. {_NARROW}"
        return Outcome("ok", (cut, notice))

    def _limited_list(self, value: list[Any]) -> Outcome:
        items: list[bytes] = []
        size = 2
        for item in value:
            encoded = msgspec.json.encode(item)
            size += len(encoded) + 1
            if size > self._limit:
                break
            items.append(encoded)
        if not items:
            return _too_large(self._limit)
        body = b"[" + b",".join(items) + b"]"
        notice = f"Truncated: the first {len(items):,} of {len(value):,} items. {_NARROW}"
        return Outcome("ok", (body.decode(), notice), body)

    def _broken(self, tool: Tool, correlation_id: str, what: str) -> Failure:
        """What the caller learns of a defect: that there is one. The log has the rest."""
        _log.exception("%s %s (correlation id %s)", tool.name, what, correlation_id)
        text = f"{tool.name} failed. The operator finds the reason under correlation id "
        return Failure("failed", f"{text}{correlation_id}.")


def _call_in_thread(call: "functools.partial[Any]") -> Any:
    try:
        return call()
    except StopIteration as error:
        raise RuntimeError("the tool raised StopIteration") from error  # No future can carry it.


class _DeadlinePassed(TimeoutError):
    pass


_NARROW = "Ask for less: narrow the filter or lower the limit."


def _too_large(limit: int) -> Outcome:
    return Outcome("too_large", (f"The result is larger than {limit:,} bytes. {_NARROW}",))


def _cut(text: str, limit: int) -> str:
    """Text of at most `limit` bytes, whole characters only."""
    return text.encode()[:limit].decode(errors="ignore")


def _clean(text: str) -> str:
    """Text that UTF-8 can hold: what stands for undecodable bytes becomes a question mark."""
    return text.encode(errors="replace").decode()


def _task(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """A task that has already run up to its first suspension, where Python can do that."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    return asyncio.get_running_loop().create_task(work)
