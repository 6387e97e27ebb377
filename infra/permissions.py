"""`python -m infra.permissions` writes permissions.json anew from the endpoint's own table.

The file has one permission a line, with its members always in this order: entra.sh reads it with
sed, entra.bicep as JSON.
"""

import json
from pathlib import Path

from shared.credentials.permissions import PERMISSIONS

FILE = Path(__file__).with_name("permissions.json")


def written() -> str:
    """What belongs into permissions.json."""
    lines = [
        json.dumps(
            {
                "service": permission.service,
                "toolsets": list(permission.toolsets),
                "permission": permission.permission,
                "resourceAppId": permission.app_id,
                "id": permission.permission_id,
            }
        )
        for permission in PERMISSIONS
    ]
    return "[\n  " + ",\n  ".join(lines) + "\n]\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
