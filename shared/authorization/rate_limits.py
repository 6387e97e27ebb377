"""How often one caller may call: token buckets, in the memory of this process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping

from shared.command_names import squashed
from shared.configuration.model import RateLimit, RateLimits

_BUCKETS = 10_000


class RateLimiter:
    """Lets requests through at the configured rates.

    Each process counts for itself: behind N of them a caller may get through N times as much. The
    buckets used last are kept, so that strangers cannot fill the memory. `clock` is monotonic, in
    seconds.
    """

    def __init__(self, limits: RateLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_principal = limits.per_principal
        self._tools: Mapping[str, RateLimit] = {
            squashed(name): limit for name, limit in limits.tools.items()
        }
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def admit(self, principal: str, requests: int = 1) -> float:
        """Count requests of a caller: 0 when they may go on, else the seconds to wait.

        What has to wait is not counted. More at once than the burst holds never fits; they then
        need a full bucket.
        """
        if self._per_principal is None:
            return 0.0
        return self._take(principal, self._per_principal, requests)

    def admit_call(self, principal: str, tool: str) -> float:
        """Count a caller's call of one tool; as for `admit`."""
        form = squashed(tool)
        limit = self._tools.get(form)
        return 0.0 if limit is None else self._take((principal, form), limit, 1)

    def _take(self, key: Hashable, limit: RateLimit, requests: int) -> float:
        now = self._clock()
        level, at = self._buckets.pop(key, (float(limit.burst), now))
        level = min(float(limit.burst), level + (now - at) * limit.per_second)
        wanted = min(requests, limit.burst)
        wait = max(0.0, (wanted - level) / limit.per_second)
        # Rounding must not keep anybody waiting for a billionth of a request.
        if wait < 1e-6:
            level, wait = max(0.0, level - wanted), 0.0
        self._buckets[key] = (level, now)
        if len(self._buckets) > _BUCKETS:
            self._buckets.popitem(last=False)
        return wait
