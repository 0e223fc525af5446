"""What a benchmark hands back, and how times become ratios.

Machines are noisy, so nothing is compared across runs: each round measures both sides one after the other,
and the ratio of that round counts. Reported are the median round and the worst one.

>>> Goal(">=", 4.0).met(4.5), Goal("<=", 1.5).met(1.6)
(True, False)
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure should keep: `>=` at least, `<=` at most."""

    relation: Literal[">=", "<="]
    bound: float

    def met(self, value: float) -> bool:
        return value >= self.bound if self.relation == ">=" else value <= self.bound

    def worst(self, values: Sequence[float]) -> float:
        return min(values) if self.relation == ">=" else max(values)

    def __str__(self) -> str:
        return f"{self.relation} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        id: the goal, as docs/performance.md numbers it, with a letter where it has several.
        what, against: both sides of the ratio in words; against is empty for an absolute figure.
        unit: "x" for a ratio.
        goal: the bound.
        rounds: the figure of each round.
        details: absolute figures behind it, for this machine only.
    """

    id: str
    what: str
    against: str
    unit: str
    goal: Goal
    rounds: tuple[float, ...]
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def worst(self) -> float:
        return self.goal.worst(self.rounds)

    @property
    def met(self) -> bool:
        return self.goal.met(self.median)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "what": self.what,
            "against": self.against,
            "unit": self.unit,
            "goal": str(self.goal),
            "median": round(self.median, 4),
            "worst": round(self.worst, 4),
            "met": self.met,
            "rounds": [round(value, 4) for value in self.rounds],
            "details": self.details,
        }


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Return what a figure depends on, without anything that names the machine."""
    import cryptography

    return {
        "cores": cores(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "cryptography": cryptography.__version__,
    }


def seconds(step: Callable[[], object]) -> float:
    """Return how long a step takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
