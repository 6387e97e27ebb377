"""What must be known when a deployment starts, and what may not be there when it is asked for.

The compiler refuses the one (BCP120) and warns of the other (BCP318): names, scopes, conditions and
lengths of loops are calculated before anything is deployed, so nothing that a resource or module
only then tells can be in them. Some names must be known earlier still, to the compiler: they say
which properties there are, and with a computed one it checks none (BCP225).
"""

from collections.abc import Iterator

from infra.lint.bicep_files import BicepFile, Finding, Folder
from infra.lint.tree import Call, Declaration, Loop, Member, Name, Node, NonNull, Text, When, walk

# `uniqueName` is what Microsoft Graph's objects are found by.
_KNOWN_AT_START = {"id", "name", "type", "apiVersion", "uniqueName"}
_EARLY = ("name", "scope", "parent")
_TOLD_APART_BY_NAME = {
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
}


def check(folder: Folder) -> Iterator[Finding]:
    for file in folder.files.values():
        for declaration in file.of_kind("resource", "module"):
            yield from _early(file, declaration)
            yield from _told_apart(file, declaration)
        yield from _guarded(file)


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


def _told_apart(file: BicepFile, declaration: Declaration) -> Iterator[Finding]:
    name = declaration.body.get("name") if declaration.body is not None else None
    if declaration.of.partition("@")[0] in _TOLD_APART_BY_NAME and (
        not isinstance(name, Text) or name.literal is None
    ):
        text = f"the compiler cannot tell which properties {declaration.name} has"
        yield file.finding(declaration.line, text, "write the name out, once for each resource")


def _late(file: BicepFile, node: Node) -> Iterator[str]:
    """What an expression takes from deployed resources, through variables too."""
    for found in file.reach(node):
        if isinstance(found, Call) and found.of is None and found.name == "reference":
            yield "reference(…)"
        if isinstance(found, Member):
            of = found.of.of if isinstance(found.of, NonNull) else found.of
            if isinstance(of, Name) and found.name not in _KNOWN_AT_START:
                source = file.declared(of.name, "resource", "module")
                if source is not None:
                    yield f"{of.name}.{found.name}"


def _guarded(file: BicepFile) -> Iterator[Finding]:
    """What is deployed under a condition is asked for with `!` or `.?` (BCP318)."""
    conditional = {d.name for d in file.of_kind("resource", "module") if d.conditional}
    for node in file.nodes():
        if (
            isinstance(node, Member)
            and isinstance(node.of, Name)
            and node.of.name in conditional
            and not (node.safe or node.name in _KNOWN_AT_START)
        ):
            text = f"{node.of.name} is not there under every condition"
            advice = f"write {node.of.name}.?… ?? …, or {node.of.name}!… under the same condition"
            yield file.finding(node.line, text, advice)
