"""Keys in a configuration file, for development: the names under `Keys` are the keys themselves."""

import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from commands.keys_in_vault import KeyProblem
from development import private_files
from shared.authentication import key_format
from shared.configuration import jsonc


class KeyFile:
    """A configuration file and one scheme of type ApiKey in it: `scheme`, or the only one.

    Raises KeyProblem for a file that is not there, is not plain JSON or has no such scheme.
    """

    def __init__(self, path: Path, scheme: str | None) -> None:
        self.path = path.resolve()
        self._content = _read(self.path)
        schemes = _member(_member(self._content, "Authentication", {}), "Schemes", {})
        of_keys = {
            name: given
            for name, given in schemes.items()
            if _member(given, "Type", "").lower() == "apikey"
        }
        found = [name for name in of_keys if scheme is None or name.lower() == scheme.lower()]
        if len(found) != 1:
            names = ", ".join(of_keys) or "none"
            raise KeyProblem(
                f"{path} needs a scheme of type ApiKey under Authentication:Schemes; "
                f"name one with --scheme where there are several (there: {names})"
            )
        given = of_keys[found[0]]
        name = next((one for one in given if one.lower() == "keys"), "Keys")
        if given.get(name) is None:
            given[name] = {}
        self._keys: dict[str, Any] = given[name]
        if not isinstance(self._keys, dict):
            raise KeyProblem(f"{path}: {name} of {found[0]} is not an object; mend it by hand")

    def listing(self) -> list[Mapping[str, Any]]:
        """Each key by its position, with its id where it has one."""
        return [
            {
                "position": f"#{number}",
                "id": key_format.parse(key),
                "roles": sorted(_member(grants, "Roles", [])),
                "scopes": sorted(_member(grants, "Scopes", [])),
            }
            for number, (key, grants) in enumerate(self._keys.items(), start=1)
        ]

    def create(self, id: str, scopes: Sequence[str], roles: Sequence[str]) -> str:
        """Add a new key; the key."""
        if any(key_format.parse(key) == id for key in self._keys):
            raise KeyProblem(f"There is a key {id} already: rotate it, or take another id.")
        key = key_format.make(id)
        self._keys[key] = {"Scopes": list(scopes), "Roles": list(roles)}
        self._write()
        return key

    def rotate(self, which: str) -> str:
        """Put a new key in the place of one, with what that may; the new key."""
        old = self._find(which)
        key = key_format.make(key_format.parse(old) or key_format.new_id())
        kept = [(key if one == old else one, grants) for one, grants in self._keys.items()]
        self._keys.clear()
        self._keys.update(kept)
        self._write()
        return key

    def revoke(self, which: str) -> None:
        """Remove a key."""
        del self._keys[self._find(which)]
        self._write()

    def holds(self, key: str) -> bool:
        """Whether a key is one of them."""
        return any(hmac.compare_digest(key.encode(), one.encode()) for one in self._keys)

    def _find(self, which: str) -> str:
        """The key of an id, or at a position such as `#2`."""
        for number, key in enumerate(self._keys, start=1):
            if which in (f"#{number}", key_format.parse(key)):
                return key
        raise KeyProblem(f"There is no key {which} in {self.path}: see the list.")

    def _write(self) -> None:
        text = json.dumps(self._content, indent=2, ensure_ascii=False)
        private_files.write(self.path, f"{text}\n".encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        jsonc.parse(text, path.name)
    except OSError as error:
        raise KeyProblem(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeyProblem(f"{path} is not UTF-8") from None
    except jsonc.SyntaxProblem as error:
        raise KeyProblem(f"{path}: {error}") from None
    try:
        content = json.loads(text)
    except ValueError:
        raise KeyProblem(
            f"{path} has comments or trailing commas, which would be lost; edit it by hand"
        ) from None
    if not isinstance(content, dict):
        raise KeyProblem(f"{path}: expected an object")
    return content


def _member(value: Any, key: str, default: Any) -> Any:
    """The member of an object by its name in any case; `default` unless it is of that type."""
    members = value.items() if isinstance(value, dict) else ()
    found = next((member for name, member in members if name.lower() == key.lower()), None)
    return found if isinstance(found, type(default)) else default
