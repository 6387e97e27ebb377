"""What must not be open: shared keys, public networks, plain http, old TLS, CORS for everyone.

A literal `Enabled` of a public network is refused unless a parameter decides it, as in
`privateNetwork ? 'Disabled' : 'Enabled'`. The endpoint itself is public; it says so in `PUBLIC`.
"""

from collections.abc import Iterator

from infra.lint.bicep_files import BicepFile, Finding, Folder
from infra.lint.tree import Array, Conditional, Literal, Name, Node, Object, Pair, Text, walk

_TLS: set[object] = {"1.2", "1.3", "TLS1_2", "TLS1_3"}
SAFE: dict[str, set[object]] = {
    "allowSharedKeyAccess": {False},
    "allowBlobPublicAccess": {False},
    "defaultToOAuthAuthentication": {True},
    "disableLocalAuth": {True},
    "DisableLocalAuth": {True},
    "enablePurgeProtection": {True},
    "enableRbacAuthorization": {True},
    "ftpsState": {"Disabled"},
    "httpsOnly": {True},
    "minTlsVersion": _TLS,
    "minimalTlsVersion": _TLS,
    "minimumTlsVersion": _TLS,
    "passwordAuth": {"Disabled"},
    "scmMinTlsVersion": _TLS,
    "supportsHttpsTrafficOnly": {True},
}
"""Properties, wherever they are, and what they may be; nothing that is computed otherwise."""

PUBLIC_NETWORK = (
    "publicNetworkAccess",
    "publicNetworkAccessForIngestion",
    "publicNetworkAccessForQuery",
)
PUBLIC = {
    "Microsoft.Web/sites": "MCP clients call it from the internet",
    "Microsoft.OperationalInsights/workspaces": "it takes what identities with a role send",
    "Microsoft.Insights/components": "it takes what identities with a role send",
}
"""Resource types whose network may be public, and why."""

_DEEPEST = 8

REQUIRED: dict[str, tuple[tuple[str, ...], ...]] = {
    "Microsoft.Storage/storageAccounts": (
        ("properties", "allowSharedKeyAccess"),
        ("properties", "allowBlobPublicAccess"),
        ("properties", "minimumTlsVersion"),
        ("properties", "publicNetworkAccess"),
    ),
    "Microsoft.KeyVault/vaults": (
        ("properties", "enableRbacAuthorization"),
        ("properties", "enablePurgeProtection"),
        ("properties", "publicNetworkAccess"),
    ),
    "Microsoft.Web/sites": (("properties", "httpsOnly"),),
    "Microsoft.Insights/components": (("properties", "DisableLocalAuth"),),
}
"""What is open, or may be, where nothing is said."""


def check(folder: Folder) -> Iterator[Finding]:
    for file in folder.files.values():
        for node in file.nodes():
            if isinstance(node, Pair):
                yield from _refused(file, node)
        for resource in file.of_kind("resource"):
            kind, body = resource.of.partition("@")[0], resource.body
            if body is None or resource.existing:
                continue
            for path in REQUIRED.get(kind, ()):
                if body.get(*path) is None:
                    text = f"{resource.name} does not say {'.'.join(path)}"
                    yield file.finding(resource.line, text, "its default is open: set it")
            if kind not in PUBLIC:
                yield from _public(file, body)


def _refused(file: BicepFile, pair: Pair) -> Iterator[Finding]:
    name, values = str(pair.key.literal), _values(file, pair.value)
    safe = SAFE.get(name)
    if safe is not None and not values <= safe:
        expected = " or ".join(_shown(value) for value in sorted(safe, key=str))
        yield file.finding(pair.line, f"{name} is not {expected}", f"write {expected}")
    if name in ("allowedOrigins", "AllowedOrigins") and isinstance(pair.value, Array):
        for item in pair.value.items:
            if isinstance(item, Text) and item.literal == "*":
                yield file.finding(item.line, "CORS for every origin", "name the origins")


def _public(file: BicepFile, body: Object) -> Iterator[Finding]:
    for pair in (node for node in walk(body) if isinstance(node, Pair)):
        if pair.key.literal in PUBLIC_NETWORK and _values(file, pair.value) == {"Enabled"}:
            text = f"{pair.key.literal} is Enabled whatever the parameters say"
            yield file.finding(pair.line, text, "write privateNetwork ? 'Disabled' : 'Enabled'")


def _values(file: BicepFile, node: Node, depth: int = 0) -> set[object]:
    """The literals an expression may come to, through variables too."""
    if isinstance(node, Text):
        return {node.literal}
    if isinstance(node, Literal):
        return {node.value}
    if isinstance(node, Name):
        variable = file.declared(node.name, "var")
        if variable is not None and variable.value is not None and depth < _DEEPEST:
            return _values(file, variable.value, depth + 1)
    if isinstance(node, Conditional):
        return _values(file, node.yes, depth) | _values(file, node.no, depth)
    return {None}


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"
