"""`python -m infra.lint [FOLDER]`: one line a finding, exit status 1 if there is any.

The folder is `infra/` unless given.
"""

import sys
from pathlib import Path

from infra.lint import (
    api_versions,
    bicep_files,
    compiler,
    deployment,
    hardening,
    modules,
    parameters,
    roles,
    secrets,
    symbols,
)
from infra.lint.bicep_files import Finding

CHECKS = (
    symbols.check,
    modules.check,
    parameters.check,
    api_versions.check,
    roles.check,
    secrets.check,
    hardening.check,
    deployment.check,
)


def lint(path: Path) -> tuple[list[Finding], str]:
    """Everything there is to mend in a folder, and a line that says what was looked at."""
    folder, found = bicep_files.read(path)
    for check in CHECKS:
        found += check(folder)
    bicep, told = compiler.find(), ["no bicep on PATH: no compiler has read them"]
    if bicep is not None:
        compiled, told = compiler.check(path, bicep)
        found += compiled
    names = [d.name for file in folder.files.values() for d in file.declarations if d.name]
    counted = f"{len(folder.files)} Bicep files, {len(names)} symbols"
    return sorted(set(found)), "; ".join([counted, *told])


def main(arguments: list[str]) -> int:
    path = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    found, counted = lint(path)
    if not any(path.glob("*.bicep")):
        print(f"there are no Bicep files in {path}", file=sys.stderr)
        return 2
    for finding in found:
        print(finding)
    plural = "s" if len(found) != 1 else ""
    print(f"{counted}: {f'{len(found)} finding{plural}' if found else 'clean'}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
