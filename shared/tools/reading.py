"""What resources and prompts return, as the protocol's JSON values."""

import base64
from typing import Any

import msgspec

from shared.tools.catalogue import Resource
from shared.tools.content import Contents, Message

_MESSAGES = msgspec.json.Decoder(list[Message])


def contents(resource: Resource, uri: str, result: Any) -> list[dict[str, Any]]:
    """The contents of a resource. Raises TypeError or ValueError for what does not fit.

    Text is text, bytes are a blob, `Contents` (or a list of them) say it themselves; anything else
    is JSON. What the function returns is held to its return annotation.
    """
    signature, mime_type = resource.call.signature, resource.options.mime_type
    declared = signature.returns
    if declared is Any:
        declared = type(result)
    elif declared in (str, bytes, Contents) and not isinstance(result, declared):
        raise TypeError(f"expected {declared.__name__}")
    if isinstance(result, bytes):
        blob = base64.b64encode(result).decode()
        return [{"uri": uri, "mimeType": mime_type or "application/octet-stream", "blob": blob}]
    if declared is str:
        text = str(result).encode(errors="replace").decode()
        return [{"uri": uri, "mimeType": mime_type or "text/plain", "text": text}]
    encoded = msgspec.json.encode(result, enc_hook=plain_text)
    if signature.result is not None:
        encoded = msgspec.json.encode(signature.result.decode(encoded))
    if declared in (Contents, list[Contents]):
        given = msgspec.json.decode(encoded)
        return given if isinstance(given, list) else [given]
    return [{"uri": uri, "mimeType": mime_type or "application/json", "text": encoded.decode()}]


def messages(result: Any) -> list[dict[str, Any]]:
    """The messages of a prompt. Raises TypeError or ValueError for what does not fit."""
    given = [Message(str(result))] if isinstance(result, str) else result
    encoded = msgspec.json.encode(given, enc_hook=plain_text)
    _MESSAGES.decode(encoded)
    return [_message(message) for message in msgspec.json.decode(encoded)]


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    if isinstance(content, str):
        content = {"type": "text", "text": content}
    return {"role": message.get("role", "user"), "content": content}


def choices(schema: dict[str, Any], argument: str, typed: str) -> list[str]:
    """The values of an argument's `Literal` or `Enum` that begin with what was typed."""
    part = schema.get("properties", {}).get(argument, {})
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].removeprefix("#/$defs/")]
    values = [value for value in part.get("enum", ()) if isinstance(value, str)]
    return [value for value in values if value.lower().startswith(typed.lower())]


def plain_text(value: object) -> str:
    """For msgspec, which takes `str` but none of its subclasses."""
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
