"""Modules are files that are there, get every parameter they need, and none they do not know."""

import json
import re
from collections.abc import Iterator
from typing import Any

from infra.lint.bicep_files import BicepFile, Finding, Folder
from infra.lint.parameters import allowed_values
from infra.lint.tree import Array, Declaration, Literal, Loop, Name, Node, Object, Pair, Text

_MODULE_KEYS = {"name", "params", "scope", "dependsOn", "identity"}
_AZD_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*(=.*)?", re.DOTALL)
# azd puts whoever is signed in to it here, whatever was set.
_FILLED_IN_BY_AZD = ("AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE")
# azd's variables are text, whatever the parameter is.
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int, str),
    "bool": (bool, str),
    "array": (list,),
    "object": (dict,),
}


def check(folder: Folder) -> Iterator[Finding]:
    for file, module, target in folder.modules():
        if target is None:
            if not (folder.path / module.of).exists():
                text = f"there is no file {module.of}"
                yield file.finding(module.line, text, "mend the path")
            continue
        yield from _keys(file, module, target)
        yield from _parameters(file, module, target)
    yield from _parameter_file(folder)


def _keys(file: BicepFile, module: Declaration, target: BicepFile) -> Iterator[Finding]:
    body = module.body or Object(module.line, ())
    for pair in body.pairs:
        if pair.key.literal not in _MODULE_KEYS:
            text = f"{pair.key.literal} is no property of a module"
            yield file.finding(pair.line, text, f"expected {', '.join(sorted(_MODULE_KEYS))}")
    if target.scope != file.scope and body.get("scope") is None:
        text = f"{module.of} is deployed to a {target.scope}, and {file.name} to a {file.scope}"
        yield file.finding(module.line, text, "give the module a scope")


def _parameters(file: BicepFile, module: Declaration, target: BicepFile) -> Iterator[Finding]:
    body = module.body
    given = body.get("params") if body else None
    pairs = given.pairs if isinstance(given, Object) else ()
    for pair in pairs:
        parameter = target.declared(str(pair.key.literal), "param")
        if parameter is None:
            text = f"{module.of} has no parameter {pair.key.literal}"
            yield file.finding(pair.line, text, "mend the spelling, or remove it")
        else:
            yield from _fits(file, pair, parameter, module.of)
    names = {pair.key.literal for pair in pairs}
    for parameter in target.of_kind("param"):
        if required(parameter) and parameter.name not in names:
            text = f"{module.of} needs the parameter {parameter.name}"
            yield file.finding(module.line, text, "give it in params")


def required(parameter: Declaration) -> bool:
    """Whether a parameter must be given: it has no default, and may not be null."""
    text = parameter.type
    return parameter.value is None and not text.endswith("?")


def _fits(file: BicepFile, pair: Pair, parameter: Declaration, of: str) -> Iterator[Finding]:
    """As far as it can be told without a compiler: literals, and parameters passed on."""
    wanted = parameter.type.removesuffix("?")
    found = _type_of(file, pair.value)
    if found and wanted in ("string", "int", "bool", "object", "array") and found != wanted:
        text = f"{parameter.name} of {of} is a {wanted}, and this is a {found}"
        yield file.finding(pair.line, text, "give what it takes")
    allowed = allowed_values(parameter)
    source = file.declared(pair.value.name, "param") if isinstance(pair.value, Name) else None
    if parameter.decorator("secure") is None and source and source.decorator("secure"):
        text = f"{source.name} is secret, and {parameter.name} of {of} is not @secure()"
        yield file.finding(pair.line, text, "make that parameter @secure()")
    values = allowed_values(source) if source else _literal_values(pair.value)
    if allowed is None or (source is None and values is None):
        return
    if values is None or not set(values) <= set(allowed):
        text = f"{parameter.name} of {of} takes only {', '.join(map(str, allowed))}"
        yield file.finding(pair.line, text, "allow the same values in both files")


def _literal_values(node: Node) -> list[object] | None:
    if isinstance(node, Text) and node.literal is not None:
        return [node.literal]
    return [node.value] if isinstance(node, Literal) else None


def _type_of(file: BicepFile, node: Node) -> str | None:
    if isinstance(node, Name):
        parameter = file.declared(node.name, "param")
        text = parameter.type if parameter else ""
        return text if text in ("string", "int", "bool", "object", "array") else None
    if isinstance(node, Literal):
        return {bool: "bool", int: "int"}.get(type(node.value))
    kinds = {Text: "string", Object: "object", Array: "array", Loop: "array"}
    return kinds.get(type(node))


def _parameter_file(folder: Folder) -> Iterator[Finding]:
    """main.parameters.json: parameters that are there, with values and variables that fit."""
    path, main = folder.path / "main.parameters.json", folder.files.get("main.bicep")
    if main is None or not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    try:
        given: dict[str, Any] = json.loads(text)["parameters"]
    except (ValueError, KeyError, TypeError) as error:
        yield Finding(path.name, 1, f"holds no parameters ({error})", "mend the JSON")
        return
    lines = text.splitlines()
    for name, entry in given.items():
        line = next(
            (n for n, t in enumerate(lines, 1) if re.search(rf'"{re.escape(name)}"\s*:', t)), 1
        )
        parameter = main.declared(name, "param")
        if parameter is None:
            text = f"main.bicep has no parameter {name}"
            yield Finding(path.name, line, text, "mend the spelling, or remove it")
            continue
        value = entry.get("value") if isinstance(entry, dict) else None
        wanted = parameter.type
        if value is None or not isinstance(value, _JSON_TYPES.get(wanted, (object,))):
            yield Finding(path.name, line, f"{name} has no value of type {wanted}", "give it one")
        for variable in _AZD_VARIABLE.findall(value) if isinstance(value, str) else ():
            if not _VARIABLE.fullmatch(variable):
                text = f"${{{variable}}} is no variable of azd"
                yield Finding(path.name, line, text, "write ${NAME} or ${NAME=default}")
            if variable.partition("=")[0] in _FILLED_IN_BY_AZD:
                text = f"${{{variable}}} is whoever azd runs as, and cannot be set"
                yield Finding(path.name, line, text, "take a variable of another name")
    for parameter in main.of_kind("param"):
        if required(parameter) and parameter.name not in given:
            text = f"main.bicep needs the parameter {parameter.name}"
            yield Finding(path.name, 1, text, "give it a value or a variable")
