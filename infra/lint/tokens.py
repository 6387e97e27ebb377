"""Bicep in tokens, each with its line; strings hold the tokens of their interpolations."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_SPACE = re.compile(r"[ \t\r]+")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|#[a-z][^\n]*", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[0-9]+")
_PUNCTUATION = re.compile(r"\.\?|\?\?|=>|==|!=|=~|!~|<=|>=|&&|\|\||[-{}\[\]().,:?=+*/%<>!@]")
_ESCAPE = re.compile(r"\\(?:([nrt\\'$])|u\{([0-9A-Fa-f]{1,6})\})")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class SyntaxProblem(Exception):
    """The text is not Bicep as it is understood here; says on which line and why."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}")
        self.line = line
        self.text = text


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is name, number, string, newline, end, or the punctuation itself.

    `parts` of a string are its texts, escapes undone, and the tokens of each `${…}` in it.
    """

    kind: str
    text: str
    line: int
    parts: tuple["str | tuple[Token, ...]", ...] = ()


@dataclass(slots=True)
class Scanner:
    """Reads tokens off a text. `comments` maps lines to the comments that begin on them."""

    text: str
    position: int = 0
    line: int = 1
    comments: dict[int, str] = field(default_factory=dict)

    def tokens(self) -> tuple[Token, ...]:
        """All tokens, `end` last. Raises SyntaxProblem."""
        found = tuple(self._until_brace())
        if self.position < len(self.text):
            raise SyntaxProblem(self.line, "a } that closes nothing")
        return found

    def _until_brace(self) -> Iterator[Token]:
        """Tokens up to a } that was not opened here, or to the end of the text."""
        depth = 0
        while self.position < len(self.text):
            line = self.line
            if self._take(_SPACE) is not None:
                continue
            if (comment := self._take(_COMMENT)) is not None:
                self.comments[line] = comment
            elif self.text[self.position] == "\n":
                self._advance(1)
                yield Token("newline", "\n", line)
            elif self.text[self.position] == "'":
                yield self._string()
            elif (name := self._take(_NAME)) is not None:
                yield Token("name", name, line)
            elif (number := self._take(_NUMBER)) is not None:
                yield Token("number", number, line)
            elif (mark := _PUNCTUATION.match(self.text, self.position)) is not None:
                depth += (mark[0] == "{") - (mark[0] == "}")
                if depth < 0:
                    break
                self._advance(len(mark[0]))
                yield Token(mark[0], mark[0], line)
            else:
                raise SyntaxProblem(line, f"{self.text[self.position]!r} means nothing here")
        yield Token("end", "", self.line)

    def _string(self) -> Token:
        line, start, text = self.line, self.position, ""
        parts: list[str | tuple[Token, ...]] = []
        self._advance(1)
        while True:
            if self.position >= len(self.text) or self.text[self.position] == "\n":
                raise SyntaxProblem(line, "a string that is not closed")
            if self.text[self.position] == "'":
                break
            if self.text.startswith("${", self.position):
                self._advance(2)
                parts += [text, tuple(self._until_brace())]
                text = ""
                if self.position >= len(self.text):
                    raise SyntaxProblem(line, "an interpolation that is not closed")
                self._advance(1)
            elif self.text[self.position] == "\\":
                escape = _ESCAPE.match(self.text, self.position)
                if escape is None:
                    raise SyntaxProblem(self.line, r"expected \n \r \t \\ \' \$ or \u{…}")
                text += chr(int(escape[2], 16)) if escape[2] else _ESCAPES.get(escape[1], escape[1])
                self._advance(len(escape[0]))
            else:
                text += self.text[self.position]
                self._advance(1)
        self._advance(1)
        return Token("string", self.text[start : self.position], line, (*parts, text))

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.position)
        if match is None:
            return None
        self._advance(len(match[0]))
        return match[0]

    def _advance(self, count: int) -> None:
        self.line += self.text.count("\n", self.position, self.position + count)
        self.position += count
