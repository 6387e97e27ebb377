"""From tokens to the tree: the part of Bicep's grammar that the files here are written in.

As in the compiler's own parser, a binary operator and its right side stay on one line, a
conditional may break before `?` and `:`, and arguments, arrays and objects may break anywhere.
What nothing here needs is not understood: `type`, `func`, `import`, nested resources, spreads,
multi-line strings.
"""

from infra.lint.tokens import Scanner, SyntaxProblem, Token
from infra.lint.tree import (
    Array,
    Binary,
    Call,
    Conditional,
    Declaration,
    Index,
    Lambda,
    Literal,
    Loop,
    Member,
    Name,
    Node,
    NonNull,
    Object,
    Pair,
    Text,
    Unary,
    When,
)

_PRECEDENCE = {
    operator: strength
    for strength, operators in enumerate(
        ("??", "||", "&&", "== != =~ !~", "< > <= >=", "+ -", "* / %"), start=1
    )
    for operator in operators.split()
}


def parse(text: str) -> tuple[tuple[Declaration, ...], dict[int, str]]:
    """The statements of a file in order, and its comments by line. Raises SyntaxProblem."""
    scanner = Scanner(text)
    parser = Parser(scanner.tokens())
    return parser.statements(), scanner.comments


class Parser:
    """Recursive descent over tokens: a method is named for what it reads. Raises SyntaxProblem."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.position = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.position]

    def take(self) -> Token:
        token = self.next
        self.position += token.kind != "end"
        return token

    def at(self, kind: str, text: str | None = None) -> bool:
        return self.next.kind == kind and text in (None, self.next.text)

    def accept(self, kind: str, text: str | None = None) -> bool:
        found = self.at(kind, text)
        self.position += found
        return found

    def expect(self, kind: str, text: str | None = None) -> Token:
        if not self.at(kind, text):
            shown = "the end of the line" if self.next.kind == "newline" else self.next.text
            raise SyntaxProblem(self.next.line, f"expected {text or kind}, found {shown or 'end'}")
        return self.take()

    def newlines(self) -> None:
        while self.accept("newline"):
            pass

    def beyond_newlines(self, *kinds: str) -> bool:
        """Whether one of these comes next, newlines aside; then those are taken."""
        position = self.position
        while self.tokens[position].kind == "newline":
            position += 1
        found = self.tokens[position].kind in kinds
        if found:
            self.position = position
        return found

    # Statements.

    def statements(self) -> tuple[Declaration, ...]:
        found = []
        self.newlines()
        while not self.at("end"):
            found.append(self.statement())
            if not self.at("end"):
                self.expect("newline")
            self.newlines()
        return tuple(found)

    def statement(self) -> Declaration:
        decorators = []
        while self.accept("@"):
            call = self.postfix()
            if not isinstance(call, Call):
                raise SyntaxProblem(call.line, "expected a decorator with (…)")
            decorators.append(call)
            self.newlines()
        keyword = self.expect("name")
        line, kind = keyword.line, keyword.text
        if kind == "targetScope":
            self.expect("=")
            return Declaration(line, kind, "", value=self.expression())
        if kind not in ("param", "var", "output", "resource", "module", "extension"):
            raise SyntaxProblem(line, f"{kind} begins no statement that is understood here")
        deployed = kind in ("resource", "module")
        name, of = self.expect("name").text, self.plain_string() if deployed else ""
        existing = kind == "resource" and self.accept("name", "existing")
        type_ = self.type() if kind in ("param", "output") else ""
        value = None
        if kind not in ("param", "extension") or self.at("="):
            self.expect("=")
            value = self.body() if deployed else self.expression()
        return Declaration(line, kind, name, tuple(decorators), type_, value, of, existing)

    def body(self) -> Node:
        """Of a resource or module: an object, perhaps under a condition, perhaps in a loop."""
        line = self.next.line
        if self.accept("name", "if"):
            self.expect("(")
            self.newlines()
            condition = self.expression()
            self.newlines()
            self.expect(")")
            return When(line, condition, self.object())
        return self.array() if self.at("[") else self.object()

    def type(self) -> str:
        """The name of a type, with `[]` and `?` where they are behind it."""
        if not self.at("name"):
            return ""
        text = self.take().text
        while self.at("[") or self.at("?"):
            text += "?" if self.accept("?") else self.expect("[").text + self.expect("]").text
        return text

    def plain_string(self) -> str:
        token = self.expect("string")
        if len(token.parts) != 1 or not isinstance(token.parts[0], str):
            raise SyntaxProblem(token.line, "expected a string without ${…}")
        return token.parts[0]

    # Expressions.

    def expression(self) -> Node:
        condition = self.binary(0)
        if not self.beyond_newlines("?"):
            return condition
        self.expect("?")
        yes = self.expression()
        self.beyond_newlines(":")
        self.expect(":")
        return Conditional(condition.line, condition, yes, self.expression())

    def binary(self, weakest: int) -> Node:
        left = self.unary()
        while (strength := _PRECEDENCE.get(self.next.kind, 0)) > weakest:
            operator = self.take().kind
            left = Binary(left.line, operator, left, self.binary(strength))
        return left

    def unary(self) -> Node:
        token = self.next
        if token.kind in ("!", "-"):
            self.take()
            return Unary(token.line, token.kind, self.unary())
        return self.postfix()

    def postfix(self) -> Node:
        node = self.primary()
        while True:
            token = self.next
            if token.kind in (".", ".?"):
                self.take()
                name = self.expect("name").text
                if token.kind == "." and self.at("("):
                    node = Call(node.line, name, self.arguments(), node)
                else:
                    node = Member(node.line, node, name, token.kind == ".?")
            elif self.accept("["):
                node = Index(node.line, node, self.expression())
                self.expect("]")
            elif token.kind == "!":
                self.take()
                node = NonNull(node.line, node)
            else:
                return node

    def primary(self) -> Node:
        token = self.next
        if token.kind == "string":
            return self.text()
        if token.kind == "number":
            return Literal(self.take().line, int(token.text))
        if token.kind == "{":
            return self.object()
        if token.kind == "[":
            return self.array()
        if token.kind == "(":
            return self.parenthesised()
        name = self.expect("name")
        words = {"true": True, "false": False, "null": None}
        if name.text in words:
            return Literal(name.line, words[name.text])
        if self.at("("):
            return Call(name.line, name.text, self.arguments())
        if self.accept("=>"):
            self.newlines()
            return Lambda(name.line, (Name(name.line, name.text),), self.expression())
        return Name(name.line, name.text)

    def text(self) -> Text:
        token = self.expect("string")
        parts: list[str | Node] = []
        for part in token.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            inner = Parser(part)
            parts.append(inner.expression())
            inner.expect("end")
        return Text(token.line, tuple(parts))

    def parenthesised(self) -> Node:
        line, items = self.next.line, self.arguments()
        if self.accept("=>"):
            self.newlines()
            variables = tuple(item for item in items if isinstance(item, Name))
            return Lambda(line, variables, self.expression())
        if len(items) != 1:
            raise SyntaxProblem(line, "expected one expression in ( )")
        return items[0]

    def arguments(self) -> tuple[Node, ...]:
        self.expect("(")
        self.newlines()
        found = []
        while not self.accept(")"):
            found.append(self.expression())
            self.newlines()
            if not self.at(")"):
                self.expect(",")
                self.newlines()
        return tuple(found)

    def array(self) -> Node:
        line = self.expect("[").line
        self.newlines()
        if self.accept("name", "for"):
            return self.loop(line)
        items: list[Node] = []
        while not self.accept("]"):
            items.append(self.expression())
            self.separator("]")
        return Array(line, tuple(items))

    def loop(self, line: int) -> Loop:
        names = [self.expect("name")] if self.at("name") else []
        if not names:
            self.expect("(")
            names = [self.expect("name")]
            self.expect(",")
            names.append(self.expect("name"))
            self.expect(")")
        self.expect("name", "in")
        over = self.expression()
        self.expect(":")
        body = self.body() if self.at("name", "if") else self.expression()
        self.newlines()
        self.expect("]")
        return Loop(line, tuple(Name(name.line, name.text) for name in names), over, body)

    def object(self) -> Object:
        line = self.expect("{").line
        self.newlines()
        pairs = []
        while not self.accept("}"):
            pairs.append(self.pair())
            self.separator("}")
        return Object(line, tuple(pairs))

    def pair(self) -> Pair:
        line = self.next.line
        key = self.text() if self.at("string") else Text(line, (self.expect("name").text,))
        self.expect(":")
        return Pair(line, key, self.expression())

    def separator(self, closing: str) -> None:
        """A comma, or newlines, between items; nothing before what closes them."""
        if not self.at(closing) and not self.accept(","):
            self.expect("newline")
        self.newlines()
