"""The arguments of a call: from JSON to what the function takes, or everything wrong with them."""

from typing import Any

import msgspec

from shared.tools.signature import Signature
from shared.validation import Violation, check
from shared.wording import shown

_EXACT_FLOAT = 2.0**53
_TOLD = 20


class BadArguments(Exception):
    """The arguments do not fit. The text lists every problem, for the agent to mend them."""


def convert(
    signature: Signature, arguments: dict[str, Any], *, texts: bool = False
) -> dict[str, Any]:
    """Keyword arguments for the function. Raises BadArguments.

    With `texts` every argument is text, as of prompts and URIs, and may stand for a number.
    """
    try:
        return _keywords(signature, arguments, texts=texts)
    except msgspec.ValidationError:
        pass
    # JSON Schema counts 5.0 as an integer; msgspec does not.
    arguments = _integers(arguments)
    try:
        return _keywords(signature, arguments, texts=texts)
    except msgspec.ValidationError as error:
        found: list[Violation] = []
        check(arguments, signature.arguments, found=found, config=texts)
        problems = [_told(violation) for violation in found] or [str(error)]
        more = len(problems) - _TOLD
        rest = [f"and {more} more problems"] if more > 0 else []
        raise BadArguments("\n".join([*problems[:_TOLD], *rest])) from None


def _keywords(signature: Signature, arguments: dict[str, Any], *, texts: bool) -> dict[str, Any]:
    if signature.records:
        found: list[Violation] = []
        check(arguments, signature.arguments, found=found)
        if found:
            raise msgspec.ValidationError("the arguments do not fit")
    converted = msgspec.convert(arguments, signature.arguments, strict=not texts, str_keys=True)
    return {name: getattr(converted, name) for name in converted.__struct_fields__}


def _integers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_FLOAT:
        return int(value)
    if isinstance(value, dict):
        return {key: _integers(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_integers(item) for item in value]
    return value


def _told(violation: Violation) -> str:
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in violation.path)
    name = path.lstrip(".")[:200]
    if violation.reason == "unknown":
        hint = f"; did you mean {violation.suggestion}?" if violation.suggestion else ""
        return f"{name}: unknown{hint}"
    if violation.reason == "missing":
        return f"{name}: missing; expected {violation.expected}"
    return f"{name}: {shown(violation.value)} {violation.reason}; expected {violation.expected}"
