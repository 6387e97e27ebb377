"""Every parameter is described and constrained, and its default is among what it allows."""

from collections.abc import Iterator

from infra.lint.bicep_files import BicepFile, Finding, Folder
from infra.lint.tree import Array, Declaration, Literal, Node, Text, Unary

_CONSTRAINTS = {
    "string": ("allowed", "minLength", "maxLength"),
    "int": ("allowed", "minValue", "maxValue"),
}
_LONGEST_DESCRIPTION = 300


def check(folder: Folder) -> Iterator[Finding]:
    for file in folder.files.values():
        for parameter in file.of_kind("param"):
            yield from _described(file, parameter)
            yield from _constrained(file, parameter)
            yield from _default(file, parameter)


def allowed_values(parameter: Declaration) -> list[object] | None:
    """The values of `@allowed([…])`, or None where any will do."""
    decorator = parameter.decorator("allowed")
    if decorator is None or not decorator.arguments:
        return None
    values = decorator.arguments[0]
    return [literal(item) for item in values.items] if isinstance(values, Array) else []


def literal(node: Node) -> object:
    """The value of a string or number that is written out; None for anything else."""
    if isinstance(node, Text):
        return node.literal
    if isinstance(node, Unary) and node.operator == "-" and isinstance(node.operand, Literal):
        return -node.operand.value if isinstance(node.operand.value, int) else None
    return node.value if isinstance(node, Literal) else None


def _described(file: BicepFile, parameter: Declaration) -> Iterator[Finding]:
    decorator = parameter.decorator("description")
    if decorator is None or not decorator.arguments:
        text = f"parameter {parameter.name} is not described"
        yield file.finding(parameter.line, text, "add @description('…')")
        return
    text_ = literal(decorator.arguments[0])
    if not isinstance(text_, str) or not 0 < len(text_.strip()) <= _LONGEST_DESCRIPTION:
        text = f"the description of {parameter.name} is empty, computed or too long"
        yield file.finding(decorator.line, text, "say in a sentence what it is")


def _constrained(file: BicepFile, parameter: Declaration) -> Iterator[Finding]:
    type_ = parameter.type.removesuffix("?")
    if not type_:
        yield file.finding(parameter.line, f"parameter {parameter.name} has no type", "give it one")
    expected = _CONSTRAINTS.get(type_, ())
    if expected and not any(parameter.decorator(name) for name in expected):
        text = f"parameter {parameter.name} takes any {type_}"
        yield file.finding(parameter.line, text, f"add @{expected[0]}, @{expected[1]} or the like")


def _default(file: BicepFile, parameter: Declaration) -> Iterator[Finding]:
    if parameter.value is None:
        return
    value, allowed = literal(parameter.value), allowed_values(parameter)
    if allowed is not None and value not in allowed:
        text = f"the default of {parameter.name} is not among its @allowed values"
        yield file.finding(parameter.value.line, text, f"expected {', '.join(map(str, allowed))}")
