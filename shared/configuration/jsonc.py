"""JSON with comments and trailing commas, read so that every value knows its line.

What .NET's configuration reader accepts, which is what the files we must read were written for.
A message of this module never quotes the text it read: keys may be secrets.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from shared.configuration.sources import MAX_DEPTH, Node, Source

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w.])
      | (?P<word>true|false|null)(?!\w)
      | (?P<punctuation>[{}\[\],:])""",
    re.VERBOSE | re.DOTALL,
)


class SyntaxProblem(Exception):
    """The text is not JSON; says what was expected and on which line."""

    def __init__(self, line: int, expected: str) -> None:
        super().__init__(f"line {line}: expected {expected}")
        self.line = line
        self.expected = expected


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse(text: str, name: str) -> Node:
    """Parse a whole document. `name` is how the file is called in messages.

    Raises SyntaxProblem, also for a key that one object holds twice (in any case, as .NET reads
    keys) and for nesting deeper than MAX_DEPTH.
    """
    parser = _Parser(_tokens(text), name)
    root = parser.value(0)
    parser.take("end", "the end of the file")
    return root


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise SyntaxProblem(line, "a value, a key in double quotes or one of { } [ ] : ,")
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match.group(), line)
        line += match.group().count("\n")
        position = match.end()
    yield _Token("end", "", line)


class _Parser:
    def __init__(self, tokens: Iterator[_Token], name: str) -> None:
        self.tokens = tokens
        self.name = name
        self.next = next(tokens)

    def take(self, kind: str, expected: str, text: str | None = None) -> _Token:
        token = self.next
        if token.kind != kind or (text is not None and token.text != text):
            raise SyntaxProblem(token.line, expected)
        if kind != "end":
            self.next = next(self.tokens)
        return token

    def at(self, text: str) -> bool:
        return self.next.kind == "punctuation" and self.next.text == text

    def value(self, depth: int) -> Node:
        token = self.next
        source = Source(self.name, token.line)
        if depth > MAX_DEPTH:
            raise SyntaxProblem(token.line, f"at most {MAX_DEPTH} levels of nesting")
        if self.at("{"):
            return Node(self.object(depth), source)
        if self.at("["):
            return Node(self.array(depth), source)
        if token.kind in ("string", "number", "word"):
            self.take(token.kind, "a value")
            return Node(self.scalar(token), source)
        raise SyntaxProblem(token.line, "a value")

    def scalar(self, token: _Token) -> Any:
        try:
            value = json.loads(token.text)
            if isinstance(value, str):
                value.encode()  # Refuses half a surrogate pair, which no output could hold.
            return value
        except ValueError:
            raise SyntaxProblem(token.line, "a valid string or number") from None

    def object(self, depth: int) -> dict[str, Node]:
        self.take("punctuation", "{", "{")
        members: dict[str, Node] = {}
        seen: set[str] = set()
        while not self.at("}"):
            token = self.take("string", "a key in double quotes")
            key = self.scalar(token)
            if key.lower() in seen:
                raise SyntaxProblem(token.line, "each key once (this one is here twice)")
            seen.add(key.lower())
            self.take("punctuation", "':' after the key", ":")
            value = self.value(depth + 1)
            members[key] = Node(value.value, Source(self.name, token.line))
            if not self.at("}"):
                self.take("punctuation", "',' or '}'", ",")
        self.take("punctuation", "}", "}")
        return members

    def array(self, depth: int) -> list[Node]:
        self.take("punctuation", "[", "[")
        items: list[Node] = []
        while not self.at("]"):
            items.append(self.value(depth + 1))
            if not self.at("]"):
                self.take("punctuation", "',' or ']'", ",")
        self.take("punctuation", "]", "]")
        return items
