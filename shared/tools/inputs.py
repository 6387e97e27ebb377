"""Asking the person behind the client in the middle of a call, without a session.

2026-07-28 basic/patterns/mrtr: the call ends with what is asked, and the client calls again with
the answers and the state it was given. The function then runs anew from its start; what it asks is
answered from the state, in the same order or under the same names. So whatever comes before a
question is done again, and must not matter twice.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from shared.tools import annotations
from shared.tools.errors import ToolDefinitionError, ToolError
from shared.validation import Violation, check

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class InputRequest(Generic[A]):
    """One thing to ask: the client's method, its parameters and how to read its answer.

    `read` raises ValueError for an answer that does not fit; it is then asked again.
    """

    method: str
    params: Mapping[str, Any]
    read: Callable[[Mapping[str, Any]], A]

    @property
    def digest(self) -> str:
        """What is asked, in short: an answer counts for this question and no other wording."""
        asked = msgspec.json.encode([self.method, self.params], order="deterministic")
        return hashlib.sha256(asked).hexdigest()

    @property
    def capability(self) -> str:
        """What a client has to declare to be asked."""
        return self.method.split("/", maxsplit=1)[0]


class InputRequired(BaseException):
    """Ends a call with questions. Not an Exception, so that no tool swallows it by accident."""

    def __init__(self, requests: Mapping[str, InputRequest[Any]]) -> None:
        super().__init__("input required")
        self.requests = requests


class CapabilityMissing(BaseException):
    """The client did not declare what it would take to ask."""

    def __init__(self, capabilities: Mapping[str, Any]) -> None:
        super().__init__("client capability missing")
        self.capabilities = capabilities


class Inputs:
    """The questions and answers of one call.

    `capabilities` are those the client declared on this request. `answers` are to what was asked
    in earlier rounds, of which `asked` holds the digests; `offered` came unasked, and counts only
    where a tool asks for data by name, never as a confirmation. `unavailable` says why nothing can
    be asked, if so.
    """

    def __init__(
        self,
        capabilities: Mapping[str, Any],
        answers: Mapping[str, Any],
        asked: Mapping[str, str] | None = None,
        offered: Mapping[str, Any] | None = None,
        unavailable: str | None = None,
    ) -> None:
        self.capabilities = capabilities
        self.answers = dict(answers)
        self.asked = dict(asked or {})
        self._offered = offered or {}
        self._unavailable = unavailable
        self._nameless = 0

    def next_name(self) -> str:
        """A name for a question that was given none; the same in every round."""
        self._nameless += 1
        return f"input-{self._nameless}"

    def take(
        self, requests: Mapping[str, InputRequest[Any]], *, unasked: bool = False
    ) -> dict[str, Any]:
        """The answers to some questions; with `unasked` also those that came before the question.

        Raises InputRequired when any is still to be given, CapabilityMissing when the client cannot
        be asked, and ToolError when nobody can.
        """
        if self._unavailable is not None:
            raise ToolError(self._unavailable)
        missing: dict[str, Any] = {
            r.capability: {} for r in requests.values() if r.capability not in self.capabilities
        }
        if missing:
            raise CapabilityMissing(missing)
        answers: dict[str, Any] = {}
        for name, request in requests.items():
            if unasked and name in self._offered and name not in self.answers:
                self.answers[name], self.asked[name] = self._offered[name], request.digest
            try:
                if self.asked.get(name) == request.digest:
                    answers[name] = request.read(self.answers[name])
            except (KeyError, ValueError):
                continue
        open_ones = {name: r for name, r in requests.items() if name not in answers}
        for name, request in open_ones.items():
            self.answers.pop(name, None)
            self.asked[name] = request.digest
        if open_ones:
            raise InputRequired(open_ones)
        return answers


def form(annotation: type[A], message: str) -> InputRequest[A | None]:
    """Ask for the fields of a dataclass or Struct; None when the person declines.

    The fields are text, numbers, booleans or choices. Raises ToolDefinitionError for others.
    """

    def refuse(problem: str) -> ToolDefinitionError:
        return ToolDefinitionError(annotation.__name__, problem)

    schema = annotations.schema(annotation, "the form", refuse)
    definitions = schema.pop("$defs", {})
    properties = {
        name: definitions.get(str(part.get("$ref", "")).removeprefix("#/$defs/"), part)
        for name, part in schema["properties"].items()
    }
    for name, part in properties.items():
        if part.get("type") not in _PRIMITIVES and "enum" not in part:
            raise refuse(f"its field {name} must be text, a number, true or false, or a choice")
    wire = {
        "type": "object",
        "properties": {name: _primitive(part) for name, part in properties.items()},
        "required": schema.get("required", []),
    }

    def read(answer: Mapping[str, Any]) -> A | None:
        if answer.get("action") in ("decline", "cancel"):
            return None
        content = answer.get("content")
        found: list[Violation] = []
        if answer.get("action") != "accept" or not isinstance(content, dict):
            raise ValueError("neither accepted nor declined")
        check(content, annotation, found=found)
        if found:
            raise ValueError("the form is not filled in as asked")
        return msgspec.convert(content, annotation)

    params = {"mode": "form", "message": message, "requestedSchema": wire}
    return InputRequest("elicitation/create", params, read)


_PRIMITIVES = ("string", "integer", "number", "boolean")


def _primitive(part: Mapping[str, Any]) -> dict[str, Any]:
    """A property as elicitation knows it: choices are strings."""
    shape = {key: value for key, value in part.items() if key not in ("title", "description")}
    if "enum" in part:
        shape["type"] = "string"
    if "description" in part:
        shape["description"] = part["description"]
    return shape


def sample(**params: Any) -> InputRequest[Mapping[str, Any]]:
    """Ask the client's model (`sampling/createMessage`, deprecated); the answer is its result."""
    return InputRequest("sampling/createMessage", params, _as_it_is)


def roots() -> InputRequest[Mapping[str, Any]]:
    """Ask for the client's roots (`roots/list`, deprecated); the answer is its result."""
    return InputRequest("roots/list", {}, _as_it_is)


def _as_it_is(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    return answer
