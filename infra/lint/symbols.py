"""Every name is declared once, and everything declared is used; functions are known.

Does not check the names of properties: that takes the types of Azure's resources.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from infra.lint.bicep_files import TOP_LEVEL, BicepFile, Finding, Folder
from infra.lint.functions import DECORATORS, FUNCTIONS, METHODS, PARAMETER_DEFAULTS_ONLY
from infra.lint.tree import (
    Call,
    Declaration,
    Lambda,
    Loop,
    Member,
    Name,
    Node,
    Object,
    children,
    walk,
)

_NAMESPACES = {"az", "sys"}


class Reference(NamedTuple):
    """A name somewhere in a statement. `local`: of a loop, a lambda or a nested resource."""

    name: str
    line: int
    local: bool


def check(folder: Folder) -> Iterator[Finding]:
    for file in folder.files.values():
        yield from _declared_once(file)
        yield from _references(file)
        yield from _calls(file)
        yield from _defaults(file)
        yield from _locals(file)
        yield from _cycles(file)
    yield from _outputs(folder)
    yield from _unused_files(folder)


def references(node: Node, known: frozenset[str] = frozenset()) -> Iterator[Reference]:
    """The names in a node, knowing which of them are local."""
    if isinstance(node, Name):
        yield Reference(node.name, node.line, node.name in known)
    elif isinstance(node, Loop):
        yield from references(node.over, known)
        yield from references(node.body, known | {variable.name for variable in node.variables})
    elif isinstance(node, Lambda):
        yield from references(node.body, known | {variable.name for variable in node.variables})
    else:
        if isinstance(node, Object):
            known |= {resource.name for resource in node.resources}
        for child in children(node):
            # A decorator is a function of its own kind, its arguments are expressions.
            yield from references(child, known)


def _declared_once(file: BicepFile) -> Iterator[Finding]:
    # A name may be an output and something else.
    for kinds in (("param", "var", "resource", "module", "type", "func"), ("output",)):
        counted = Counter(found.name for found in file.of_kind(*kinds))
        for found in file.of_kind(*kinds):
            if counted[found.name] > 1:
                counted[found.name] = 0
                yield file.finding(
                    found.line, f"{found.name} is declared more than once", "rename one"
                )


def _references(file: BicepFile) -> Iterator[Finding]:
    names = {d.name for d in file.of_kind("param", "var", "resource", "module", "type", "func")}
    used = {node.name for node in file.nodes() if isinstance(node, Call) and node.of is None}
    for statement in file.declarations:
        for reference in references(statement):
            if reference.local:
                continue
            if reference.name != statement.name:
                used.add(reference.name)
            if reference.name not in names and reference.name not in _NAMESPACES:
                text = f"{reference.name} is not declared"
                yield file.finding(reference.line, text, "declare it, or mend the spelling")
    for found in file.of_kind("param", "var", "type", "func", "resource"):
        there = found.kind != "resource" or found.existing
        if there and found.name not in used:
            kind = "existing resource" if found.existing else found.kind
            yield file.finding(found.line, f"{kind} {found.name} is not used", "use or remove it")


def _calls(file: BicepFile) -> Iterator[Finding]:
    own = {found.name: found for found in file.of_kind("func")}
    decorators = {
        id(call)
        for node in file.nodes()
        if isinstance(node, Declaration)
        for call in node.decorators
    }
    for node in file.nodes():
        if not isinstance(node, Call):
            continue
        plain = node.of is None or (isinstance(node.of, Name) and node.of.name in _NAMESPACES)
        known = DECORATORS if id(node) in decorators else FUNCTIONS if plain else METHODS
        function = own.get(node.name)
        if function is not None and isinstance(function.value, Lambda):
            limits: tuple[int, int] | None = (len(function.value.variables),) * 2
        else:
            limits = known.get(node.name)
        count = len(node.arguments)
        if limits is None:
            if not node.name.lower().startswith("list"):
                text = f"there is no function {node.name} here"
                yield file.finding(node.line, text, "mend the spelling, or add it to functions.py")
        elif not limits[0] <= count <= limits[1]:
            text = f"{node.name} does not take {count} argument{'s' if count != 1 else ''}"
            yield file.finding(node.line, text, f"give it {limits[0]} to {limits[1]}")


def _defaults(file: BicepFile) -> Iterator[Finding]:
    """The default of a parameter knows parameters only; some functions are for it alone."""
    parameters = {found.name for found in file.of_kind("param")}
    declared = {found.name for found in file.of_kind("var", "resource", "module")}
    for statement in file.declarations:
        if statement.kind == "param" and statement.value is not None:
            for reference in references(statement.value):
                if reference.name in declared and reference.name not in parameters:
                    text = f"the default of {statement.name} uses {reference.name}"
                    yield file.finding(reference.line, text, "use parameters and functions only")
            continue
        for node in (n for n in walk(statement) if isinstance(n, Call)):
            if node.of is None and node.name in PARAMETER_DEFAULTS_ONLY:
                text = f"{node.name}() is for defaults of parameters only"
                yield file.finding(node.line, text, "move it into a parameter's default")


def _locals(file: BicepFile) -> Iterator[Finding]:
    """Variables of loops and lambdas that nothing uses."""
    for node in file.nodes():
        if not isinstance(node, Loop | Lambda):
            continue
        used = {reference.name for reference in references(node.body)}
        # Whoever wants the index of a loop must name the item too.
        index_only = isinstance(node, Loop) and node.variables[-1].name in used
        for variable in () if index_only else node.variables:
            if variable.name not in used and not variable.name.startswith("_"):
                text = f"variable {variable.name} of a loop or lambda is not used"
                yield file.finding(variable.line, text, "use it, or begin its name with _")


def _cycles(file: BicepFile) -> Iterator[Finding]:
    """Statements that wait for themselves."""
    needs = {
        found.name: {r.name for r in references(found) if not r.local} - {found.name}
        for found in file.of_kind("param", "var", "resource", "module")
    }
    for found in file.of_kind("param", "var", "resource", "module"):
        reached: set[str] = set()
        waiting = set(needs[found.name])
        while waiting:
            name = waiting.pop()
            reached.add(name)
            waiting |= needs.get(name, set()) - reached
        itself = found.value is not None and any(
            r.name == found.name and not r.local for r in references(found.value)
        )
        if found.name in reached or itself:
            text = f"{found.name} needs itself, perhaps through others"
            yield file.finding(found.line, text, "break the circle")


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
