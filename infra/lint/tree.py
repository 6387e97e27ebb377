"""What Bicep says, as a tree. Every node knows the line on which it begins."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    line: int


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string: texts and the expressions of its interpolations, in turn."""

    parts: tuple[str | Node, ...]

    @property
    def literal(self) -> str | None:
        """The text of a string without interpolation."""
        part = self.parts[0] if len(self.parts) == 1 else None
        return part if isinstance(part, str) else None


@dataclass(frozen=True, slots=True)
class Literal(Node):
    value: int | bool | None


@dataclass(frozen=True, slots=True)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`of.name`, or `of.?name` when `safe`."""

    of: Node
    name: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Index(Node):
    of: Node
    index: Node


@dataclass(frozen=True, slots=True)
class NonNull(Node):
    """`of!`"""

    of: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function, or a method `of` something."""

    name: str
    arguments: tuple[Node, ...]
    of: Node | None = None


@dataclass(frozen=True, slots=True)
class Pair(Node):
    key: Text
    value: Node


@dataclass(frozen=True, slots=True)
class Object(Node):
    pairs: tuple[Pair, ...]

    def get(self, *keys: str) -> Node | None:
        """The value below these keys, where every step is an object written in place."""
        node: Node | None = self
        for key in keys:
            pairs = node.pairs if isinstance(node, Object) else ()
            node = next((pair.value for pair in pairs if pair.key.literal == key), None)
        return node


@dataclass(frozen=True, slots=True)
class Array(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Loop(Node):
    """`[for variables in over: body]`"""

    variables: tuple[Name, ...]
    over: Node
    body: Node


@dataclass(frozen=True, slots=True)
class When(Node):
    """`if (condition) body`, of a resource or module."""

    condition: Node
    body: Node


@dataclass(frozen=True, slots=True)
class Lambda(Node):
    variables: tuple[Name, ...]
    body: Node


@dataclass(frozen=True, slots=True)
class Unary(Node):
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`condition ? yes : no`"""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Declaration(Node):
    """A statement. `kind` is its keyword; `of` a resource's type@version or a module's path;
    `type` that of a parameter or output, as written."""

    kind: str
    name: str
    decorators: tuple[Call, ...] = ()
    type: str = ""
    value: Node | None = None
    of: str = ""
    existing: bool = False

    def decorator(self, name: str) -> Call | None:
        return next((found for found in self.decorators if found.name == name), None)

    @property
    def body(self) -> Object | None:
        """The object of a resource or module, without its condition and loop."""
        node = self.value
        while isinstance(node, Loop | When):
            node = node.body
        return node if isinstance(node, Object) else None

    @property
    def conditional(self) -> bool:
        """Whether a resource or module is there only under a condition."""
        inner = self.value.body if isinstance(self.value, Loop) else self.value
        return isinstance(inner, When)


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below one."""
    for member in dataclasses.fields(node):
        value = getattr(node, member.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Node):
                yield item


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)
