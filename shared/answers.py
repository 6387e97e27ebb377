"""What each MCP method answers, and to whom: the policy before the work, everywhere the same.

Wires `authorization`, `tools` and `protocol` for `endpoint.py`, which owns all that is HTTP.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from shared import VERSION
from shared.audit.record import Record
from shared.authentication.authenticate import Authenticator, Refused
from shared.authorization.deny import DenyList
from shared.authorization.policy import Decision, Policies, Policy
from shared.authorization.rate_limits import RateLimiter
from shared.caller import Caller
from shared.configuration.model import Settings
from shared.definitions import prompt_definition, resource_definition, tool_definition
from shared.http import Refusal
from shared.protocol import faults
from shared.protocol.envelope import Call
from shared.protocol.faults import ProtocolError
from shared.protocol.results import (
    Content,
    Definition,
    ListKind,
    Results,
    ServerInfo,
    ToolDefinition,
)
from shared.protocol.versions import FEATURES
from shared.questions import Asking, Questions
from shared.request_state import Sealer
from shared.tools import reading
from shared.tools.catalogue import Catalogue, Prompt, Resource, Tool
from shared.tools.context import Report
from shared.tools.runner import Failure, Runner
from shared.tools.uri_template import MAX_URI

if TYPE_CHECKING:
    from shared.credential import Credential

Item = TypeVar("Item", Tool, Resource, Prompt)


class Credentials(Protocol):
    """Gives each caller the credential of one call."""

    def of(self, caller: Caller) -> "Credential": ...

    async def close(self) -> None: ...


class Answers:
    """Answers the requests of one endpoint."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        policies: Policies,
        authenticator: Authenticator,
        deny: DenyList,
        limiter: RateLimiter,
        credentials: Credentials | None = None,
    ) -> None:
        server = settings.server
        self._settings = settings
        self._catalogue = catalogue
        self._policies = policies
        self._authenticator = authenticator
        self._credentials = credentials
        self._deny = deny
        self._limiter = limiter
        self._tools = {name: tool_definition(tool) for name, tool in catalogue.tools.items()}
        self._resources = {uri: resource_definition(r) for uri, r in catalogue.resources.items()}
        self._prompts = {
            name: prompt_definition(prompt) for name, prompt in catalogue.prompts.items()
        }
        keys = settings.confirmation_keys
        self._questions = Questions(
            Sealer(keys) if keys else None, server.unconfirmed_destructive_calls
        )
        info = ServerInfo(server.name, VERSION, server.title)
        self._results = Results(info, server.instructions, server.page_size)
        self._runner = Runner(
            timeout=server.tool_timeout_seconds,
            threads=server.tool_threads,
            max_result_bytes=server.max_result_bytes,
        )

    def callable_tools(self, caller: Caller) -> list[ToolDefinition]:
        """The tools a caller may call right now."""
        names = self._not_denied(self._policies.tools.callable(caller), self._catalogue.tools)
        return [self._tools[name] for name in names]

    async def answer(
        self, call: Call, caller: Caller, record: Record, report: Report | None = None
    ) -> Any:
        """The result of one request, ready for JSON encoding.

        `report` takes a tool's progress. Raises ProtocolError, or Refusal for what HTTP answers
        (401, 403). Fills in the record.
        """
        record.method, record.version = call.method, call.version
        try:
            match call.method:
                case "tools/call":
                    return await self._call_tool(call, caller, record, report)
                case "resources/read":
                    return await self._read_resource(call, caller, record)
                case "prompts/get":
                    return await self._get_prompt(call, caller, record)
                case "completion/complete":
                    return await self._complete(call, caller, record)
        except Asking as asking:
            record.outcome = "input_required"
            return self._results.input_required(asking.requests, asking.state, call.version)
        record.decision, record.outcome = "allowed", "ok"
        match call.method:
            case "initialize":
                return self._results.initialize(call.version)
            case "server/discover":
                return self._results.discover(call.version)
            case "tools/list":
                visible = self._policies.tools.visible(caller)
                visible = self._not_denied(visible, self._catalogue.tools)
                return self._page(call, "tools", visible, self._tools)
            case "resources/list":
                visible = self._visible_resources(caller, templates=False)
                return self._page(call, "resources", visible, self._resources)
            case "resources/templates/list":
                visible = self._visible_resources(caller, templates=True)
                return self._page(call, "resourceTemplates", visible, self._resources)
            case "prompts/list":
                visible = self._policies.prompts.visible(caller)
                visible = self._not_denied(visible, self._catalogue.prompts)
                return self._page(call, "prompts", visible, self._prompts)
            case _:
                return self._results.empty(call.version)

    def _page(
        self,
        call: Call,
        kind: ListKind,
        visible: tuple[str, ...],
        definitions: Mapping[str, Definition],
    ) -> msgspec.Raw:
        cursor = call.params.get("cursor")
        return self._results.page(kind, visible, definitions, cursor, call.version)

    def _visible_resources(self, caller: Caller, *, templates: bool) -> tuple[str, ...]:
        resources = self._catalogue.resources
        visible = self._not_denied(self._policies.resources.visible(caller), resources)
        return tuple(uri for uri in visible if resources[uri].is_template is templates)

    def _not_denied(
        self, names: tuple[str, ...], items: Mapping[str, Tool | Resource | Prompt]
    ) -> tuple[str, ...]:
        """The names whose functions the kill switch leaves alone."""
        if not self._deny.has_tools:
            return names
        return tuple(name for name in names if not self._deny.has_tool(_function(items[name])))

    async def _call_tool(
        self, call: Call, caller: Caller, record: Record, report: Report | None
    ) -> Any:
        name = record.tool = call.params["name"]
        unknown = functools.partial(_unknown, call, f"Unknown tool: {name[:80]}")
        tools, policy = self._catalogue.tools, self._policies.tools
        tool = self._permitted(call, caller, name, tools, policy, unknown, record)
        wait = self._limiter.admit_call(caller.principal, name)
        if wait:
            record.decision = "denied"
            raise too_many(wait, call.id)
        given = call.params.get("arguments") or {}
        with self._questions.round(call, caller, name, given) as inputs:
            outcome = self._questions.unconfirmed(tool, given, inputs)
            if outcome is None:
                with self._acting(caller, record) as credential:
                    outcome = await self._runner.run(
                        tool, given, caller, record.correlation_id, report, inputs, credential
                    )
        record.outcome = outcome.kind
        if outcome.claims is not None:
            self._challenge(call, outcome.claims, outcome.texts[0])
        content = Content(
            outcome.texts,
            outcome.blocks,
            outcome.structured,
            is_object=(tool.signature.output_schema or {}).get("type") == "object",
            is_error=outcome.is_error,
        )
        return self._results.call(content, call.version)

    @contextmanager
    def _acting(self, caller: Caller, record: Record) -> Iterator["Credential | None"]:
        """The credential with which a tool calls Azure; as whom it did goes into the record."""
        credential = self._credentials.of(caller) if self._credentials else None
        try:
            yield credential
        finally:
            if credential is not None:
                record.acted_as = credential.acted_as

    def _challenge(self, call: Call, claims: str, text: str) -> None:
        """Raise the 401 with which a client gets a token that satisfies claims, when that is how
        claims challenges reach the client."""
        outbound = self._settings.outbound
        if outbound is not None and outbound.claims_challenge == "http401":
            what = "Azure asks for a token that satisfies more claims."
            challenge = self._authenticator.challenge("insufficient_claims", what, claims=claims)
            raise Refusal(401, text, {"WWW-Authenticate": str(challenge)}, call.id)

    async def _read_resource(self, call: Call, caller: Caller, record: Record) -> Any:
        uri: str = call.params["uri"]
        record.resource = uri
        found = [
            (resource, given, self._policies.resources.decide(caller, key))
            for key, resource in self._catalogue.resources.items()
            if (given := resource.template.match(uri)) is not None
            and not self._deny.has_tool(resource.call.name)
        ]
        # A resource of its own goes before a template, what the caller may read before what not.
        found.sort(key=lambda match: (not match[2].allowed, match[0].is_template))
        resource, given, decision = found[0] if found else (None, {}, None)
        unknown = functools.partial(_no_resource, call, uri)
        self._authorize(call, caller, uri[:80], decision, unknown, record)
        if resource is None:
            raise unknown()
        with (
            self._failures(call, record),
            self._questions.round(call, caller, uri, {}) as inputs,
            self._acting(caller, record) as credential,
        ):
            shape = functools.partial(reading.contents, resource, uri)
            read, id = self._runner.read, record.correlation_id
            contents = await read(resource.call, given, caller, id, inputs, credential, shape)
        return self._results.read(contents, call.version)

    async def _get_prompt(self, call: Call, caller: Caller, record: Record) -> Any:
        name = record.prompt = call.params["name"]
        unknown = functools.partial(_unknown, call, f"Unknown prompt: {name[:80]}")
        prompts, policy = self._catalogue.prompts, self._policies.prompts
        prompt = self._permitted(call, caller, name, prompts, policy, unknown, record)
        given = call.params.get("arguments") or {}
        with (
            self._failures(call, record),
            self._questions.round(call, caller, name, given) as inputs,
            self._acting(caller, record) as credential,
        ):
            read, id = self._runner.read, record.correlation_id
            shape = reading.messages
            messages = await read(prompt.call, given, caller, id, inputs, credential, shape)
        return self._results.prompt(prompt.call.signature.description, messages, call.version)

    async def _complete(self, call: Call, caller: Caller, record: Record) -> Any:
        ref, argument = call.params["ref"], call.params["argument"]
        is_prompt = ref["type"] == "ref/prompt"
        name: str = ref["name"] if is_prompt else ref["uri"]
        unknown = functools.partial(_unknown, call, f"Nothing to complete: {name[:80]}")
        item: Prompt | Resource
        if is_prompt:
            record.prompt = name
            prompts, policy = self._catalogue.prompts, self._policies.prompts
            item = self._permitted(call, caller, name, prompts, policy, unknown, record)
        else:
            record.resource = name
            resources, policy = self._catalogue.resources, self._policies.resources
            item = self._permitted(call, caller, name, resources, policy, unknown, record)
        with self._failures(call, record):
            values = await self._runner.complete(
                item.call,
                item.options.complete,
                argument["name"],
                argument["value"],
                caller,
                record.correlation_id,
            )
        return self._results.complete(values, call.version)

    @contextmanager
    def _failures(self, call: Call, record: Record) -> Iterator[None]:
        """Turn what a resource or prompt could not do into a JSON-RPC error."""
        modern = FEATURES[call.version].modern
        try:
            yield
        except Failure as failure:
            record.outcome = failure.kind
            if failure.claims is not None:
                self._challenge(call, failure.claims, failure.text)
            bad = failure.kind == "bad_arguments"
            fault = faults.INVALID_PARAMS if bad else faults.INTERNAL_ERROR
            raise ProtocolError(fault, failure.text, id=call.id, modern=modern) from None
        record.outcome = "ok"

    def _permitted(
        self,
        call: Call,
        caller: Caller,
        name: str,
        items: Mapping[str, Item],
        policy: Policy,
        unknown: Callable[[], ProtocolError],
        record: Record,
    ) -> Item:
        """The item of a name, when it is there and the caller may have it; see `_authorize`."""
        item = items.get(name)
        if item is not None and self._deny.has_tool(_function(item)):
            record.decision, record.reason = "denied", "shut out by Deny"
            item = None
        decision = policy.decide(caller, name) if item is not None else None
        self._authorize(call, caller, name[:80], decision, unknown, record)
        if item is None:
            raise unknown()
        return item

    def _authorize(
        self,
        call: Call,
        caller: Caller,
        name: str,
        decision: Decision | None,
        unknown: Callable[[], ProtocolError],
        record: Record,
    ) -> None:
        """Let an allowed call pass, or raise in a form that tells nothing the caller may not know.

        To an anonymous caller everything it may not call looks the same, whether it exists or not
        (`decision` is None), and so do hidden and unknown things to everyone else (`unknown`).
        """
        if decision is not None:
            record.rule = decision.rule.written
            if decision.allowed:
                record.decision = "allowed"
                return
            record.decision = "denied"
            wanted = [*decision.missing_scopes, *decision.missing_roles]
            record.reason = f"{decision.outcome}: {', '.join(wanted)}".removesuffix(": ")
        if caller.kind == "anonymous" and self._settings.authentication.enabled:
            record.decision = "denied"
            raise refusal_of(self._authenticator.refusal(), call.id)
        if decision is None or not decision.visible:
            raise unknown()
        missing = ", ".join(decision.missing_scopes)
        text = f"{name} needs what this credential lacks: {missing}."
        # All that the operation needs, also what is held: a client may ask for just these.
        wanted = sorted(decision.rule.scopes)
        challenge = self._authenticator.challenge("insufficient_scope", text, wanted)
        raise Refusal(403, text, {"WWW-Authenticate": str(challenge)}, call.id)


def refusal_of(refused: Refused, id: str | int | None = None) -> Refusal:
    """What authentication refused, as HTTP says it."""
    headers = {}
    if refused.challenge is not None:
        headers["WWW-Authenticate"] = str(refused.challenge)
    if refused.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(refused.retry_after))
    return Refusal(refused.status, refused.message, headers, id)


def too_many(wait: float, id: str | int | None = None) -> Refusal:
    """The refusal of a request that came too soon; `wait` in seconds."""
    seconds = math.ceil(wait)
    text = f"Too many requests; try again in {seconds} seconds."
    return Refusal(429, text, {"Retry-After": str(seconds)}, id)


def _function(item: Tool | Resource | Prompt) -> str:
    """The name of the function behind an item, which is what the kill switch names."""
    return item.name if isinstance(item, Tool) else item.call.name


def _unknown(call: Call, text: str) -> ProtocolError:
    modern = FEATURES[call.version].modern
    return ProtocolError(faults.INVALID_PARAMS, text, id=call.id, modern=modern)


def _no_resource(call: Call, uri: str) -> ProtocolError:
    modern = FEATURES[call.version].modern
    fault = faults.RESOURCE_NOT_FOUND if modern else faults.RESOURCE_NOT_FOUND_LEGACY
    data = {"uri": uri[:MAX_URI]}
    return ProtocolError(fault, "Resource not found.", id=call.id, modern=modern, data=data)
