"""What tools, resources and prompts may return besides text and data: the protocol's own forms.

A tool whose return annotation is one of these, or a list of them, sends them as they are. Binary
data are `bytes` here and base64 on the wire.
"""

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec


class Text(msgspec.Struct, frozen=True, tag="text", tag_field="type"):
    """Text for the model."""

    text: str


class Image(msgspec.Struct, frozen=True, tag="image", tag_field="type", rename="camel"):
    """A picture, such as `Image(data, "image/png")`."""

    data: bytes
    mime_type: str


class Audio(msgspec.Struct, frozen=True, tag="audio", tag_field="type", rename="camel"):
    """Sound, such as `Audio(data, "audio/wav")`."""

    data: bytes
    mime_type: str


class ResourceLink(
    msgspec.Struct,
    frozen=True,
    tag="resource_link",
    tag_field="type",
    rename="camel",
    omit_defaults=True,
):
    """A pointer to something the client may read. Versions before 2025-06-18 get it as text."""

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None


class Contents(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What a resource holds: text or bytes, one of the two."""

    uri: str
    text: str | None = None
    blob: bytes | None = None
    mime_type: str | None = None

    def __post_init__(self) -> None:
        if (self.text is None) == (self.blob is None):
            raise ValueError("Contents takes text or blob, one of the two")


class EmbeddedResource(msgspec.Struct, frozen=True, tag="resource", tag_field="type"):
    """A resource sent along: `EmbeddedResource(Contents(uri="notes:1", text="…"))`."""

    resource: Contents


class Message(msgspec.Struct, frozen=True):
    """One message of a prompt."""

    content: "str | Text | Image | Audio | ResourceLink | EmbeddedResource"
    role: Literal["user", "assistant"] = "user"


Block = Text | Image | Audio | ResourceLink | EmbeddedResource
"""Any content block."""

_BLOCKS = frozenset(get_args(Block))


def is_content(annotation: Any) -> bool:
    """Whether a return annotation means content blocks: one of them, or a list of them."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    return all(isinstance(member, type) and member in _BLOCKS for member in members)
