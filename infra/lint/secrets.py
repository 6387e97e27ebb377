"""Secrets come in through @secure() parameters only, and go out nowhere.

Judges by names: a secret that is called something harmless is not seen.
"""

import re
from collections.abc import Iterator

from infra.lint.bicep_files import BicepFile, Finding, Folder
from infra.lint.tree import Call, Name, Node, Pair, Text, walk

_SECRET = re.compile(r"secret|password|passphrase|token|key|connectionstring", re.IGNORECASE)
# What sounds like one and only says where, how often or of which kind.
_HARMLESS = re.compile(r"key_?vault|key_?credentials|public_?key", re.IGNORECASE)
_ABOUT = re.compile(
    r"(names?|uri|url|seconds|prefix|type|id|version|scopes?|lifetime)$", re.IGNORECASE
)
_LISTS = re.compile(r"list[A-Z]\w*|listkeys")
_OF_RESOURCES = {"name", "parent", "scope", "properties"}
_REFERENCE = "@Microsoft.KeyVault("


def check(folder: Folder) -> Iterator[Finding]:
    for file in folder.files.values():
        yield from _parameters(file)
        yield from _keys_listed(file)
        yield from _outputs(file)
        yield from _settings(file)


def is_secret(name: str) -> bool:
    """Whether something of this name is a secret."""
    return not _ABOUT.search(name) and bool(_SECRET.search(_HARMLESS.sub("", name)))


def _parameters(file: BicepFile) -> Iterator[Finding]:
    for parameter in file.of_kind("param"):
        type_ = parameter.type.removesuffix("?")
        secure = parameter.decorator("secure") is not None
        if type_ in ("", "string", "object") and is_secret(parameter.name) and not secure:
            text = f"parameter {parameter.name} sounds like a secret"
            yield file.finding(parameter.line, text, "make it @secure(), or rename it")
        if secure and isinstance(parameter.value, Text) and parameter.value.parts != ("",):
            text = f"the secret parameter {parameter.name} has a default"
            yield file.finding(parameter.line, text, "remove it")


def _keys_listed(file: BicepFile) -> Iterator[Finding]:
    for node in file.nodes():
        if isinstance(node, Call) and _LISTS.fullmatch(node.name):
            text = f"{node.name} reads keys of the resource"
            yield file.finding(node.line, text, "use the managed identity and a role instead")


def _tells(file: BicepFile, node: Node) -> bool:
    """Whether a secure parameter is in an expression, or in the variables it is made of."""
    secure = {p.name for p in file.of_kind("param") if p.decorator("secure")}
    return any(isinstance(found, Name) and found.name in secure for found in file.reach(node))


def _outputs(file: BicepFile) -> Iterator[Finding]:
    for output in file.of_kind("output"):
        if output.value is not None and _tells(file, output.value):
            text = f"output {output.name} tells a secret"
            yield file.finding(output.line, text, "remove it: outputs are kept in the deployment")
        elif is_secret(output.name):
            text = f"output {output.name} sounds like a secret"
            yield file.finding(output.line, text, "remove or rename it")


def _last(setting: str) -> str:
    """The last part of a setting's name that is no index of a list."""
    return [part for part in setting.split("__") if not part.isdecimal()][-1]


def _settings(file: BicepFile) -> Iterator[Finding]:
    """Nothing secret in an app setting, but for a reference to the vault."""
    variable = file.declared("appSettings", "var")
    holders: list[Node] = [variable] if variable else []
    for resource in file.of_kind("resource"):
        called = resource.body.get("name") if resource.body else None
        if isinstance(called, Text) and called.literal == "appsettings":
            holders.append(resource)
    for node in (node for holder in holders for node in walk(holder)):
        if not isinstance(node, Pair) or node.key.literal in _OF_RESOURCES:
            continue
        name = str(node.key.literal)
        refers = isinstance(node.value, Text) and str(node.value.parts[0]).startswith(_REFERENCE)
        if _tells(file, node.value) or (is_secret(_last(name)) and not refers):
            text = f"the setting {name} holds a secret in clear"
            yield file.finding(node.line, text, f"write {_REFERENCE}SecretUri=…)")
