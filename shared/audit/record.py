"""The audit record of one MCP request."""

import json
import logging
from datetime import UTC, datetime
from time import perf_counter

import msgspec

from shared.caller import Caller

_log = logging.getLogger("postern.audit")
_SHOWN = 128


class Record(msgspec.Struct, rename="camel", omit_defaults=True):
    """Who asked for what, what was decided and what came of it.

    Holds no arguments, results, tokens or keys. `method`, `tool`, `resource` and `prompt` are the
    caller's own words, cut to a length. `decision` is `allowed`, `denied` (no usable credential,
    not permitted, or hidden from the caller) or `invalid` (not a request that could be decided on,
    the default); `outcome` says how an allowed one ended; `acted_as` as whom its tool got tokens
    for Azure.
    """

    correlation_id: str
    principal: str = ""
    owner: str = ""
    """Whose key it is, as the key says."""
    caller_kind: str = ""
    method: str = ""
    tool: str = ""
    resource: str = ""
    prompt: str = ""
    version: str = ""
    decision: str = ""
    rule: str = ""
    reason: str = ""
    outcome: str = ""
    acted_as: str = ""
    status: int = 0
    duration_ms: float = 0.0
    time: str = ""
    open: bool = False
    """Whether the work goes on after the response has begun; not written."""
    started: float = 0.0
    """When the request came, on the clock of `perf_counter`; not written."""

    def __post_init__(self) -> None:
        self.started = perf_counter()

    def called_by(self, caller: Caller) -> None:
        self.principal = caller.principal
        self.caller_kind = caller.kind
        self.owner = (caller.name or "") if caller.kind == "key" else ""


def write(record: Record) -> None:
    """Write a record as one line of JSON to the logger `postern.audit`.

    The line is pure ASCII: whatever a caller put into a name cannot break it or steer a terminal.
    """
    elapsed = perf_counter() - record.started
    line = msgspec.structs.replace(
        record,
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        duration_ms=round(elapsed * 1000, 3),
        decision=record.decision or "invalid",
        owner=record.owner[:_SHOWN],
        method=record.method[:_SHOWN],
        tool=record.tool[:_SHOWN],
        resource=record.resource[:_SHOWN],
        prompt=record.prompt[:_SHOWN],
    )
    line.started, line.open = 0.0, False
    _log.info("%s", json.dumps(msgspec.to_builtins(line), separators=(",", ":")))
