"""The protocol versions served, and what differs between them.

2026-07-28 (the modern era) puts version and capabilities into every request; the older ones (the
legacy era) agree on them once, in `initialize`.
"""

from typing import NamedTuple

MODERN = "2026-07-28"
LATEST_LEGACY = "2025-11-25"
ASSUMED = "2025-03-26"
"""What a request without a version header speaks (2025-11-25 basic/transports)."""


class Features(NamedTuple):
    """What results may contain in one version (the schemas of the specification)."""

    modern: bool = False
    titles: bool = True
    structured: bool = True
    """Output schemas and structured content."""
    any_structured: bool = False
    """They may be other than objects."""
    links: bool = True
    """Content blocks of type resource_link."""
    batches: bool = False


FEATURES = {
    MODERN: Features(modern=True, any_structured=True),
    LATEST_LEGACY: Features(),
    "2025-06-18": Features(),
    ASSUMED: Features(titles=False, structured=False, links=False, batches=True),
}
SUPPORTED = tuple(FEATURES)
LEGACY_DATES = frozenset({LATEST_LEGACY, "2025-06-18", ASSUMED, "2024-11-05"})
"""Header values that mean the legacy era, served or not."""


def negotiate(requested: str) -> str:
    """The version that answers `initialize`: the requested one, else the latest legacy one."""
    features = FEATURES.get(requested)
    return requested if features is not None and not features.modern else LATEST_LEGACY
