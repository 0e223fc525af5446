"""A token bucket per issuer: how many statements the service takes, before it spends work on signatures.

The rate of an issuer's scope is a rule of the ledger and counts accepted credentials (docs/protocol.md
section 4); this one protects the service, is generous, and counts what is sent.

>>> limit = TokenBuckets(rate_per_s=1.0, burst=2)
>>> [limit.take("civil-1", 0.0) for _ in range(3)], limit.take("civil-1", 1.0)
([True, True, False], True)
"""

from __future__ import annotations

from typing import Final, Protocol

_MOST_NAMES: Final = 65_536


class RateLimit(Protocol):
    """Decides whether one more statement of a name is looked at."""

    def take(self, name: str, now_s: float) -> bool:
        """Return whether the statement may go on; `now_s` is any clock that does not go back."""
        ...


class TokenBuckets:
    """Refills `rate_per_s` tokens a second up to `burst`, for each name by itself."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str, now_s: float) -> bool:
        """Take one token of `name` if there is one."""
        tokens, last_s = self._buckets.get(name, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - last_s) * self._rate_per_s)
        if name not in self._buckets and len(self._buckets) >= _MOST_NAMES:
            self._buckets.clear()  # names are those of admitted parties: far fewer than this
        self._buckets[name] = (tokens - 1 if tokens >= 1 else tokens, now_s)
        return tokens >= 1
