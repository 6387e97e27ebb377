"""What must be known when a deployment starts, and what may not be there when it is asked for.

The compiler refuses the same (BCP120, BCP138, BCP318 and others): names, scopes, conditions and
lengths of loops are calculated before anything is deployed, so nothing that a resource or module
only then tells can be in them.
"""

from collections.abc import Iterator

from infra.lint.bicep_files import BicepFile, Finding, Folder
from infra.lint.tree import (
    Array,
    Call,
    Declaration,
    Loop,
    Member,
    Name,
    Node,
    NonNull,
    Object,
    Pair,
    When,
    children,
    walk,
)

# `uniqueName` is what Microsoft Graph's objects are found by.
_KNOWN_AT_START = {"id", "name", "type", "apiVersion", "uniqueName"}
_EARLY = ("name", "scope", "parent")
_DEEPEST = 8


def check(folder: Folder) -> Iterator[Finding]:
    for file in folder.files.values():
        for node in file.nodes():
            if isinstance(node, Declaration) and node.kind in ("resource", "module"):
                yield from _early(file, node)
                yield from _named(file, node)
        yield from _guarded(file)
        for declaration in file.declarations:
            yield from _loops(file, declaration.value, declaration.kind in ("resource", "module"))
        yield from _scopes(file)


def _early(file: BicepFile, declaration: Declaration) -> Iterator[Finding]:
    body, value = declaration.body, declaration.value
    given = [body.get(key) for key in _EARLY] if body is not None else []
    early = [node for node in given if node is not None]
    for node in walk(value) if value is not None else ():
        if isinstance(node, When):
            early.append(node.condition)
        if isinstance(node, Loop):
            early.append(node.over)
    for node in early:
        for late in _late(file, node):
            text = f"{late} is known only after its deployment"
            yield file.finding(node.line, text, "use the id or name of a resource, or a parameter")


def _late(file: BicepFile, node: Node, depth: int = 0) -> Iterator[str]:
    """What an expression takes from deployed resources, through variables too."""
    for found in walk(node):
        if isinstance(found, Call) and found.of is None and found.name == "reference":
            yield "reference(…)"
        if isinstance(found, Name) and depth < _DEEPEST:
            variable = file.declared(found.name, "var")
            if variable is not None and variable.value is not None:
                yield from _late(file, variable.value, depth + 1)
        if isinstance(found, Member):
            of = found.of.of if isinstance(found.of, NonNull) else found.of
            if isinstance(of, Name) and found.name not in _KNOWN_AT_START and not found.nested:
                source = file.declared(of.name, "resource", "module")
                if source is not None:
                    yield f"{of.name}.{found.name}"


def _named(file: BicepFile, declaration: Declaration) -> Iterator[Finding]:
    body = declaration.body
    if (
        declaration.kind == "module"
        or body is None
        or declaration.of.startswith("Microsoft.Graph/")
    ):
        return
    if body.get("name") is None:
        text = f"resource {declaration.name} has no name"
        yield file.finding(declaration.line, text, "give it one")


def _guarded(file: BicepFile) -> Iterator[Finding]:
    """What is deployed under a condition is asked for with `!` or `.?` (BCP318)."""
    conditional = {d.name for d in file.of_kind("resource", "module") if d.conditional}
    for node in file.nodes():
        if (
            isinstance(node, Member)
            and isinstance(node.of, Name)
            and node.of.name in conditional
            and not (node.safe or node.nested or node.name in _KNOWN_AT_START)
        ):
            text = f"{node.of.name} is not there under every condition"
            advice = f"write {node.of.name}.?… ?? …, or {node.of.name}!… under the same condition"
            yield file.finding(node.line, text, advice)


def _loops(
    file: BicepFile, node: Node | None, inside: bool, outer: bool = True
) -> Iterator[Finding]:
    """A loop stands for a whole value, or for a property of a resource or module."""
    if node is None:
        return
    if isinstance(node, Loop) and not outer:
        yield file.finding(node.line, "a loop cannot stand here", "put it into a variable")
    for child in children(node):
        of_property = isinstance(node, Pair) and inside
        of_body = isinstance(node, Object | Pair | Loop | When | Array)
        nested = isinstance(child, Declaration)
        value = child.value if isinstance(child, Declaration) else child
        yield from _loops(file, value, inside and of_body, nested or of_property)


def _scopes(file: BicepFile) -> Iterator[Finding]:
    for node in file.nodes():
        if not isinstance(node, Call) or node.of is not None or node.arguments:
            continue
        if node.name == "resourceGroup" and file.scope != "resourceGroup":
            text = f"there is no resource group in a deployment to a {file.scope}"
            yield file.finding(node.line, text, "name the group: resourceGroup('…')")
    for node in file.nodes():
        if not isinstance(node, Member) or node.name != "location":
            continue
        if getattr(node.of, "name", "") == "deployment" and file.scope == "resourceGroup":
            text = "a deployment to a resource group has no location of its own"
            yield file.finding(node.line, text, "write resourceGroup().location")
