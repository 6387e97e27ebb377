"""Values that the configuration refers to instead of holding them: `@Microsoft.KeyVault(...)`.

The syntax is that of App Service's Key Vault references. Reading a vault is somebody else's part:
this module is handed a resolver.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from shared.configuration.problems import Problem, path_text
from shared.configuration.sources import Node
from shared.validation import Path
from shared.vault_uri import NotAVault, vault_uri

_REFERENCE = re.compile(r"@Microsoft\.KeyVault\((.*)\)", re.IGNORECASE)
_SECRET_URI = re.compile(
    r"(https://[^/]+)/secrets/([0-9A-Za-z-]{1,127})(?:/([0-9a-f]{32}))?/?", re.IGNORECASE
)
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_EXPECTED = (
    "expected @Microsoft.KeyVault(SecretUri=https://<name>.vault.azure.net/secrets/<secret>) or "
    "@Microsoft.KeyVault(VaultName=<name>;SecretName=<secret>)"
)


class Reference(NamedTuple):
    """A secret of a vault; without a version, its newest one."""

    vault_uri: str
    name: str
    version: str | None = None


class Failed(NamedTuple):
    """Why a reference has no value, in words that hold nothing of one."""

    reason: str


Resolve = Callable[[Iterable[Reference]], Mapping[Reference, str | Failed]]
"""Reads what references stand for, all at once."""


def parse(text: str) -> Reference | None:
    """The reference that a value is, or None for any other value.

    Raises ValueError for one that cannot be understood; the text says what is expected.
    """
    match = _REFERENCE.fullmatch(text.strip())
    if match is None:
        return None
    parts = [part.partition("=") for part in match[1].split(";") if part.strip()]
    given = {name.strip().lower(): value.strip() for name, _, value in parts}
    try:
        if set(given) == {"secreturi"}:
            uri = _SECRET_URI.fullmatch(given["secreturi"])
            if uri is not None:
                return Reference(vault_uri(uri[1]), uri[2], uri[3])
        elif {"vaultname", "secretname"} <= set(given) <= {
            "vaultname",
            "secretname",
            "secretversion",
        } and _NAME.fullmatch(given["secretname"]):
            uri_of_name = vault_uri(f"https://{given['vaultname']}.vault.azure.net")
            return Reference(uri_of_name, given["secretname"], given.get("secretversion") or None)
    except NotAVault:
        raise ValueError(f"names no key vault; {_EXPECTED}") from None
    raise ValueError(f"is a reference that cannot be understood; {_EXPECTED}")


def resolve(root: Node, resolver: Resolve | None, *, on_functions: bool) -> list[Problem]:
    """Put the values in place of the references in a tree; what has none is a problem.

    On Azure Functions the platform resolves those in app settings before the process starts, so a
    reference that is still there is one that the platform could not resolve.
    """
    problems = []
    places: dict[Reference, list[tuple[Path, Node]]] = {}
    for path, node in _texts(root, ()):
        try:
            reference = parse(node.value)
        except ValueError as error:
            problems.append(_problem(root, path, node, str(error)))
            continue
        if reference is None:
            continue
        if on_functions and node.source.line is None:
            problems.append(_problem(root, path, node, _by_platform(reference)))
        else:
            places.setdefault(reference, []).append((path, node))
    values = resolver(places) if resolver is not None and places else {}
    for reference, found in places.items():
        value = values.get(reference, Failed("nothing reads key vaults here"))
        for path, node in found:
            if isinstance(value, Failed):
                problems.append(_problem(root, path, node, f"has no value: {value.reason}"))
            else:
                node.value, node.reference = value, reference
    return problems


def _by_platform(reference: Reference) -> str:
    return (
        "is still a reference, so the platform could not resolve it. Check that the app's identity "
        f'has the role "Key Vault Secrets User" on {reference.vault_uri}, that '
        "keyVaultReferenceIdentity names that identity, and that there is a secret "
        f"{reference.name}; the portal shows the reason beside the app setting"
    )


def _texts(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    if isinstance(node.value, dict):
        for key, member in node.value.items():
            yield from _texts(member, (*path, key))
    elif isinstance(node.value, list):
        for index, member in enumerate(node.value):
            yield from _texts(member, (*path, index))
    elif isinstance(node.value, str):
        yield path, node


def _problem(root: Node, path: Path, node: Node, text: str) -> Problem:
    return Problem(path_text(root, path), str(node.source), text)
