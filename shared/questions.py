"""Questions to the person behind a client: asked in one round of a call, answered in the next.

MCP 2026-07-28, multi round-trip requests: a call ends with what it wants to know, and is made anew
with the answers. What is known so far travels in a sealed state, so nothing is kept here.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from shared import request_state
from shared.caller import Caller
from shared.protocol import faults
from shared.protocol.envelope import Call
from shared.protocol.faults import ProtocolError
from shared.protocol.versions import FEATURES
from shared.request_state import BadState, Binding, Sealer
from shared.tools.catalogue import Tool
from shared.tools.context import Confirmation
from shared.tools.inputs import CapabilityMissing, InputRequired, Inputs, form
from shared.tools.runner import Outcome
from shared.wording import shown

_NO_KEYS = "This endpoint cannot ask: Server:ConfirmationKeys is not set."
_NO_CLIENT = "This client cannot be asked: it needs protocol version 2026-07-28."


class Asking(Exception):
    """A call ends with questions: what is asked, by name, and the state to come back with."""

    def __init__(self, requests: Mapping[str, Mapping[str, Any]], state: str) -> None:
        super().__init__("input required")
        self.requests = requests
        self.state = state


class Questions:
    """Asks on behalf of tools, and before destructive ones.

    Without a `sealer` nothing can be asked. `unconfirmed` says what becomes of a destructive call
    whose person cannot be asked.
    """

    def __init__(self, sealer: Sealer | None, unconfirmed: Literal["refuse", "allow"]) -> None:
        self._sealer = sealer
        self._unconfirmed = unconfirmed

    @contextmanager
    def round(
        self, call: Call, caller: Caller, name: str, arguments: Mapping[str, Any]
    ) -> Iterator[Inputs | None]:
        """One round of a call that may ask: the answers so far, and what becomes of questions.

        None before 2026-07-28. Raises ProtocolError for a state that is not of this call.
        """
        if not FEATURES[call.version].modern:
            yield None
            return
        bind = functools.partial(
            request_state.binding, caller.principal, call.method, name, arguments
        )
        answers, asked, offered = self._answers_so_far(call, bind)
        unavailable = None if self._sealer is not None else _NO_KEYS
        inputs = Inputs(call.client_capabilities, answers, asked, offered, unavailable)
        try:
            yield inputs
        except InputRequired as required:
            if self._sealer is None:
                raise RuntimeError("asked without a key") from None
            state = self._sealer.seal(bind(), inputs.answers, inputs.asked)
            requests = {
                name: {"method": request.method, "params": request.params}
                for name, request in required.requests.items()
            }
            raise Asking(requests, state) from None
        except CapabilityMissing as missing:
            names = ", ".join(missing.capabilities)
            text = f"This needs a client that declares the capability {names}."
            data = {"requiredCapabilities": missing.capabilities}
            raise ProtocolError(
                faults.CAPABILITY_MISSING, text, id=call.id, modern=True, data=data
            ) from None

    def _answers_so_far(
        self, call: Call, bind: Callable[[], Binding]
    ) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
        """What was answered in earlier rounds and this one, what was asked, and other answers."""
        state, responses = call.params.get("requestState"), call.params.get("inputResponses")
        given = responses if isinstance(responses, dict) else {}
        given = {name: answer for name, answer in given.items() if isinstance(answer, dict)}
        if state is None:
            return {}, {}, given
        try:
            if self._sealer is None or not isinstance(state, str):
                raise BadState
            answers, asked = self._sealer.open(state, bind())
        except BadState:
            text = "The requestState is not valid for this call, or too old; start again without."
            raise ProtocolError(faults.INVALID_PARAMS, text, id=call.id, modern=True) from None
        pending = [name for name in asked if name in given and name not in answers]
        answers.update({name: given.pop(name) for name in pending})
        return answers, asked, given

    def unconfirmed(
        self, tool: Tool, given: Mapping[str, Any], inputs: Inputs | None
    ) -> Outcome | None:
        """Why a destructive tool is not run now, or None for one that may be.

        Raises InputRequired to ask, and CapabilityMissing where the client could be asked but did
        not say so.
        """
        if not tool.options.destructive:
            return None
        rule = self._unconfirmed
        if (
            inputs is not None
            and self._sealer is not None
            and ("elicitation" in inputs.capabilities or rule == "refuse")
        ):
            message = f"{tool.options.title or tool.name}: run it with {shown(given, 300)}?"
            answer = inputs.take({"confirm-call": form(Confirmation, message)})["confirm-call"]
            confirmed = answer is not None and answer.confirm
            return None if confirmed else Outcome("declined", ("The person did not confirm it.",))
        if rule == "allow":
            return None
        why = _NO_CLIENT if inputs is None else _NO_KEYS
        return Outcome("declined", (f"{tool.name} needs a confirmation. {why}",))
