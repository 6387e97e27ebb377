"""Every way in which a JSON value misses a type, in words a person can act on.

`msgspec.convert` is the fast check and stops at the first problem without naming the value. This
module runs only after it has said no (or at start, where speed does not matter) and reports all
problems at once, with the value, what was expected and the likely spelling.
"""

import dataclasses
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

import msgspec

from shared import command_names
from shared.wording import describe, either, json_kind, shown

Path = tuple[str | int, ...]

# Looking for a likely spelling is dear; a flood of unknown names gets this many.
_SUGGESTIONS = 20


@dataclass(frozen=True, slots=True)
class Violation:
    """One problem: where (`path`), what was found and what would have been right.

    `reason` is `unknown`, `missing`, `repeated` (another spelling of `expected` is there too) or
    says how the value fails. `value` is the offending value as parsed; whoever prints it decides
    whether it may be shown.
    """

    path: Path
    reason: str
    expected: str = ""
    value: object = msgspec.UNSET
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A named member of a Struct, dataclass or TypedDict, as JSON names it."""

    name: str
    annotation: Any
    required: bool
    default: Any = None


def fields_of(annotation: Any) -> list[Field] | None:
    """The members of a record type, or None when `annotation` is not one.

    Raises whatever reading its annotations raises (NameError for a name that is not there).
    """
    origin = get_origin(annotation) or annotation
    if not isinstance(origin, type):
        return None
    if issubclass(origin, msgspec.Struct):
        hints = _hints(annotation, origin)
        return [
            Field(f.encode_name, hints[f.name], f.required, f.default)
            for f in msgspec.structs.fields(origin)
        ]
    if dataclasses.is_dataclass(origin):
        hints = _hints(annotation, origin)
        missing = dataclasses.MISSING
        return [
            Field(
                f.name,
                hints[f.name],
                f.default is missing and f.default_factory is missing,
                f.default,
            )
            for f in dataclasses.fields(origin)
        ]
    if typing.is_typeddict(origin):
        required: frozenset[str] = getattr(origin, "__required_keys__", frozenset())
        return [
            Field(name, unqualified(hint), name in required)
            for name, hint in _hints(annotation, origin).items()
        ]
    return None


def _hints(annotation: Any, origin: type) -> dict[str, Any]:
    """The annotations of a record's members, with a generic record's parameters filled in."""
    hints = typing.get_type_hints(origin, include_extras=True)
    parameters = getattr(origin, "__parameters__", ())
    given = dict(zip(parameters, get_args(annotation), strict=False))
    return {name: _filled(hint, given) for name, hint in hints.items()} if given else hints


def _filled(hint: Any, given: dict[Any, Any]) -> Any:
    if isinstance(hint, typing.TypeVar):
        return given.get(hint, Any)
    parameters = getattr(hint, "__parameters__", ())
    return hint[tuple(given.get(p, Any) for p in parameters)] if parameters else hint


def check(
    value: Any, annotation: Any, *, found: list[Violation], path: Path = (), config: bool = False
) -> Any:
    """Collect in `found` every way `value` misses `annotation`, and return the value to convert.

    Unknown members of records are violations at every depth. With `config`, member names match
    in any case, null means absent and text may stand for numbers and booleans (environment
    variables know nothing else); the returned value then carries the canonical names. Values that
    are right are returned unchanged.
    """
    return _Walk(found, config).visit(value, annotation, path)


class _Walk:
    def __init__(self, found: list[Violation], config: bool) -> None:
        self.found = found
        self.config = config

    def visit(self, value: Any, annotation: Any, path: Path) -> Any:
        bare = unqualified(annotation)
        if get_origin(bare) is typing.Annotated:
            bare = unqualified(get_args(bare)[0])
        origin, arguments = get_origin(bare), get_args(bare)
        if bare is Any:
            return value
        if origin in (Union, types.UnionType):
            return self._union(value, annotation, arguments, path)
        fields = fields_of(bare)
        if fields is not None and isinstance(value, dict):
            return self._record(value, fields, path, _tag(bare))
        if origin is dict and arguments and isinstance(value, dict):
            self._keys(value, arguments[0], path)
            before = len(self.found)
            members = {k: self.visit(v, arguments[1], (*path, k)) for k, v in value.items()}
            if len(self.found) == before:
                self._leaf(members, annotation, path)
            return members
        item = _item_annotation(origin, arguments)
        if item is not None and isinstance(value, list):
            before = len(self.found)
            items = [self.visit(v, item, (*path, i)) for i, v in enumerate(value)]
            if len(self.found) == before:
                self._leaf(items, annotation, path)
            return items
        return self._leaf(value, annotation, path)

    def _record(
        self,
        value: dict[str, Any],
        fields: list[Field],
        path: Path,
        tag: tuple[str, Any] | None,
    ) -> dict[str, Any]:
        known = {spelling: field for field in fields for spelling in self._spellings(field.name)}
        result: dict[str, Any] = {}
        if tag is not None:
            result |= self._tagged(value, [tag], path)
            value = {key: member for key, member in value.items() if key != tag[0]}
        for key, member in value.items():
            field = known.get(key.lower() if self.config else key)
            if field is None:
                near = None
                if len(self.found) < _SUGGESTIONS:
                    near = command_names.closest(key, [f.name for f in fields])
                self.found.append(Violation((*path, key), "unknown", suggestion=near))
            elif field.name in result:
                self.found.append(Violation((*path, key), "repeated", field.name))
            elif not (self.config and member is None):
                result[field.name] = self.visit(member, field.annotation, (*path, key))
        for field in fields:
            if field.required and field.name not in result:
                expected = describe(field.annotation)
                self.found.append(Violation((*path, field.name), "missing", expected))
        return result

    def _spellings(self, name: str) -> set[str]:
        """How a member may be written: `server_url` of a settings class also as `ServerUrl`."""
        return {name.lower(), name.replace("_", "").lower()} if self.config else {name}

    def _keys(self, value: dict[str, Any], annotation: Any, path: Path) -> None:
        if annotation is not str:
            for key in value:
                self._leaf(key, annotation, (*path, key), strict=False)

    def _union(self, value: Any, annotation: Any, members: tuple[Any, ...], path: Path) -> Any:
        if value is None and types.NoneType in members:
            return value
        others = [member for member in members if member is not types.NoneType]
        if len(others) == 1:
            return self.visit(value, others[0], path)
        tags = {tag: member for member in others if (tag := _tag(member)) is not None}
        if isinstance(value, dict) and tags:
            chosen = [member for (key, name), member in tags.items() if value.get(key) == name]
            return self.visit(value, chosen[0], path) if chosen else self._tagged(value, tags, path)
        fitting = [member for member in others if _same_shape(value, member)]
        if len(fitting) == 1:
            return self.visit(value, fitting[0], path)
        return self._leaf(value, annotation, path)

    def _tagged(
        self, value: dict[str, Any], tags: Iterable[tuple[str, Any]], path: Path
    ) -> dict[str, Any]:
        """The member of an object that tells its type, which must be one of `tags`."""
        key = next(key for key, _ in tags)
        given = value.get(key)
        names = [name for _, name in tags]
        if given not in names:
            reason = "is not one of the choices" if key in value else "missing"
            expected = either(shown(name) for name in names)
            self.found.append(Violation((*path, key), reason, expected, given))
        return {key: given}

    def _leaf(self, value: Any, annotation: Any, path: Path, strict: bool | None = None) -> Any:
        strict = not self.config if strict is None else strict
        try:
            msgspec.convert(value, annotation, strict=strict, str_keys=True)
        except msgspec.ValidationError as error:
            reason = _reason(str(error), value)
            self.found.append(Violation(path, reason, describe(annotation), value))
        return value


def unqualified(annotation: Any) -> Any:
    """Without `Required[...]`, `NotRequired[...]` and the name of a `type` statement."""
    while True:
        if get_origin(annotation) in (typing.Required, typing.NotRequired):
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation


def _item_annotation(origin: Any, arguments: tuple[Any, ...]) -> Any:
    if origin in (list, set, frozenset) and arguments:
        return arguments[0]
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return arguments[0]
    return None


def _tag(annotation: Any) -> tuple[str, Any] | None:
    """The tag's name and value of a tagged Struct."""
    annotation = get_origin(annotation) or annotation
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        config = annotation.__struct_config__
        if config.tag_field is not None:
            return config.tag_field, config.tag
    return None


def _same_shape(value: Any, annotation: Any) -> bool:
    origin = get_origin(unqualified(annotation)) or annotation
    if isinstance(value, dict):
        return origin is dict or fields_of(annotation) is not None
    if isinstance(value, list):
        return origin in (list, set, frozenset, tuple)
    return False


_REASONS = (
    ("Expected `str` matching regex", "does not match"),
    ("Expected `object` of length <=", "has too many members"),
    ("Expected `object` of length >=", "has too few members"),
    ("of length <=", "is too long"),
    ("of length >=", "is too short"),
    ("` <", "is too large"),
    ("` >", "is too small"),
    ("multiple of", "is not a multiple"),
    ("Invalid enum value", "is not one of the choices"),
)


def _reason(message: str, value: Any) -> str:
    for part, reason in _REASONS:
        if part in message:
            return reason
    return f"is {json_kind(value)}"
