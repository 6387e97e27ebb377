"""Every GUID in a Bicep file is known here, and is called what it is.

A wrong role id deploys without complaint and grants something else. Ids of roles are those of
Microsoft's list of Azure built-in roles.
"""

import re
from collections.abc import Iterator

from infra.lint.bicep_files import BicepFile, Finding, Folder
from infra.lint.tree import Declaration, Member, Name, Node, Pair, Text, children

ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
APPLICATIONS = {
    "aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
}
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ROLE_TYPE = "microsoft.authorization/roledefinitions"


def check(folder: Folder) -> Iterator[Finding]:
    for file in folder.files.values():
        for declaration in file.declarations:
            yield from _guids(file, declaration)
        yield from _assignments(file)


def _guids(file: BicepFile, declaration: Declaration) -> Iterator[Finding]:
    for node, named in _texts(declaration, declaration.name):
        for guid in _GUID.findall(node.literal or ""):
            name = ROLES.get(guid.lower()) or APPLICATIONS.get(guid.lower())
            if name is None:
                text = f"{guid} is the id of nothing that is known"
                yield file.finding(node.line, text, "mend it, or look it up and add it to roles.py")
                continue
            told = _squashed(" ".join((named, *_comments(file, node.line))))
            if not _told(name, told):
                text = f"{guid} is {name}, and nothing beside it says so"
                yield file.finding(node.line, text, f"write // {name} behind it")


def _texts(node: Node, named: str) -> Iterator[tuple[Text, str]]:
    """Every string, with the name of the variable or property that holds it."""
    if isinstance(node, Text):
        yield node, named
    if isinstance(node, Pair):
        named = node.key.literal or named
    for child in children(node):
        yield from _texts(child, named)


def _comments(file: BicepFile, line: int) -> Iterator[str]:
    """The comment behind a line, and those on the lines directly above it."""
    yield file.comments.get(line, "")
    while (line := line - 1) in file.comments:
        yield file.comments[line]


def _told(name: str, told: str) -> bool:
    return _squashed(name) in told or (name == "Visual Studio Code" and "vscode" in told)


def _squashed(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def _assignments(file: BicepFile) -> Iterator[Finding]:
    """A role assignment has a name made of its parts, one resource as scope, and a role."""
    for resource in file.of_kind("resource"):
        if not resource.of.startswith("Microsoft.Authorization/roleAssignments@"):
            continue
        body = resource.body
        if body is None:
            continue
        name = body.get("name")
        if getattr(name, "name", "") != "guid":
            text = f"the name of role assignment {resource.name} is no guid(…)"
            yield file.finding(resource.line, text, "write guid(scope, principal, role)")
        if body.get("scope") is None and file.scope == "resourceGroup":
            text = f"{resource.name} grants its role on the whole resource group"
            yield file.finding(resource.line, text, "give it the scope of one resource")
        role = body.get("properties", "roleDefinitionId")
        if role is None or not _is_role(file, role):
            text = f"the role of {resource.name} is no roleDefinitions id"
            advice = "write subscriptionResourceId('Microsoft.Authorization/roleDefinitions', …)"
            yield file.finding(resource.line, text, advice)


def _is_role(file: BicepFile, node: Node) -> bool:
    """Whether a role definition's id is made somewhere in an expression, or it is a parameter."""
    return any(
        (isinstance(found, Text) and _ROLE_TYPE in (found.literal or "").lower())
        or (isinstance(found, Member) and found.name == "id")
        or (isinstance(found, Name) and file.declared(found.name, "param") is not None)
        for found in file.reach(node)
    )
