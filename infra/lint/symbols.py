"""Every name is declared once, and everything declared is used; functions are known.

Does not check the names of properties, which takes the types of Azure's resources, nor how many
arguments a function takes.
"""

from collections import Counter
from collections.abc import Iterator

from infra.lint.bicep_files import TOP_LEVEL, BicepFile, Finding, Folder
from infra.lint.functions import FUNCTIONS
from infra.lint.tree import (
    Call,
    Lambda,
    Loop,
    Member,
    Name,
    Node,
    children,
)

_NAMESPACES = {"az", "sys"}


def check(folder: Folder) -> Iterator[Finding]:
    for file in folder.files.values():
        yield from _declared_once(file)
        yield from _references(file)
        yield from _calls(file)
    yield from _outputs(folder)
    yield from _unused_files(folder)


def _free(node: Node, local: frozenset[str] = frozenset()) -> Iterator[Name]:
    """The names in a node that are not those of a loop or a lambda around them."""
    if isinstance(node, Name):
        if node.name not in local:
            yield node
        return
    if isinstance(node, Loop):
        yield from _free(node.over, local)
    if isinstance(node, Loop | Lambda):
        local |= {variable.name for variable in node.variables}
        yield from _free(node.body, local)
        return
    for child in children(node):
        yield from _free(child, local)


def _declared_once(file: BicepFile) -> Iterator[Finding]:
    # A name may be an output and something else.
    for kinds in (("param", "var", "resource", "module"), ("output",)):
        counted = Counter(found.name for found in file.of_kind(*kinds))
        for found in file.of_kind(*kinds):
            if counted[found.name] > 1:
                counted[found.name] = 0
                yield file.finding(
                    found.line, f"{found.name} is declared more than once", "rename one"
                )


def _references(file: BicepFile) -> Iterator[Finding]:
    names = {d.name for d in file.of_kind("param", "var", "resource", "module")}
    used: set[str] = set()
    for statement in file.declarations:
        for name in _free(statement):
            if name.name != statement.name:
                used.add(name.name)
            if name.name not in names and name.name not in _NAMESPACES:
                text = f"{name.name} is not declared"
                yield file.finding(name.line, text, "declare it, or mend the spelling")
    for found in file.of_kind("param", "var", "resource"):
        there = found.kind != "resource" or found.existing
        if there and found.name not in used:
            kind = "existing resource" if found.existing else found.kind
            yield file.finding(found.line, f"{kind} {found.name} is not used", "use or remove it")


def _calls(file: BicepFile) -> Iterator[Finding]:
    """Functions and decorators exist; what lists keys is judged by `secrets`."""
    for node in file.nodes():
        if not isinstance(node, Call) or node.name in FUNCTIONS or node.name.startswith("list"):
            continue
        text = f"there is no function {node.name} here"
        yield file.finding(node.line, text, "mend the spelling, or add it to functions.py")


def _outputs(folder: Folder) -> Iterator[Finding]:
    """`module.outputs.x` exists, and each output of a module is used by somebody."""
    used: set[tuple[str, str]] = set()
    for file, module, target in folder.modules():
        for node in file.nodes():
            if not isinstance(node, Member) or _root(node.of) != (module.name, "outputs"):
                continue
            used.add((module.of.removeprefix("./"), node.name))
            if target is not None and target.declared(node.name, "output") is None:
                text = f"{module.of} has no output {node.name}"
                yield file.finding(node.line, text, "mend the spelling, or add the output")
    for name, file in folder.files.items():
        for output in () if name in TOP_LEVEL else file.of_kind("output"):
            if (name, output.name) not in used:
                text = f"output {output.name} is not used"
                yield file.finding(output.line, text, "use or remove it")


def _root(node: Node) -> tuple[str, str] | None:
    """`x.outputs` as (x, outputs), with `!`, `.?` and an index or not."""
    if not isinstance(node, Member):
        return None
    of = node.of
    while not isinstance(of, Name) and (inner := getattr(of, "of", None)) is not None:
        if isinstance(of, Member):
            return None
        of = inner
    return (of.name, node.name) if isinstance(of, Name) else None


def _unused_files(folder: Folder) -> Iterator[Finding]:
    used = {module.of.removeprefix("./") for _, module, _ in folder.modules()}
    for name, file in folder.files.items():
        if name not in TOP_LEVEL and name not in used:
            yield file.finding(1, f"{name} is no module of any file", "use or remove it")
