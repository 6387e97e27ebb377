"""Section `RateLimits`: how often one caller may call."""

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.configuration.model import RateLimit, RateLimits
from shared.validation import Path


class LimitSection(msgspec.Struct, rename="pascal", frozen=True):
    per_minute: Annotated[
        float, Meta(gt=0, le=1_000_000, description="Requests that are let through on average.")
    ]
    burst: (
        Annotated[
            int,
            Meta(ge=1, le=1_000_000, description="Requests at once; else a tenth of PerMinute."),
        ]
        | None
    ) = None


class RateLimitsSection(msgspec.Struct, rename="pascal", frozen=True):
    per_principal: Annotated[
        LimitSection | None, Meta(description="For all requests of one caller together.")
    ] = None
    tools: Annotated[
        dict[str, LimitSection], Meta(description="For one caller's calls of one tool, by name.")
    ] = {}


def read(section: RateLimitsSection) -> RateLimits:
    """The limits as settings. Whether the tools exist is checked when they are known."""
    at: Path = ("RateLimits", "Tools")
    return RateLimits(
        _limit(section.per_principal) if section.per_principal else None,
        {name: _limit(limit) for name, limit in section.tools.items()},
        {name: (*at, name) for name in section.tools},
    )


def _limit(section: LimitSection) -> RateLimit:
    burst = section.burst or max(1, round(section.per_minute / 10))
    return RateLimit(section.per_minute / 60, burst)
