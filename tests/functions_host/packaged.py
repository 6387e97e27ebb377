"""The project as a deployment to Azure Functions takes it along, in a folder of its own."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from scripts.package import ROOT, packaged, tracked


def packaged_files() -> list[PurePosixPath]:
    """The files a deployment from a clean clone takes along."""
    known = tracked(ROOT)
    return [file for file in packaged(ROOT) if known is None or file in known]


def unpack(folder: Path, configuration: Mapping[str, Any] | None = None) -> Path:
    """Put the packaged files into `folder`, and there a configuration in place of ours."""
    for file in packaged_files():
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)
    if configuration is not None:
        text = json.dumps(configuration, indent=1)
        (folder / "appsettings.json").write_text(text, encoding="utf-8")
    return folder
