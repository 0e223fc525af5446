"""P13: how large the front code of the reference card of each profile is; nothing here is timed."""

from __future__ import annotations

from benchmarks.measure import Figure, Goal
from issuer.sizes import reference_size


def measure() -> list[Figure]:
    """Return the size of the front code of each profile, against the goal in the profile itself."""
    figures = []
    for at, vct in enumerate(("sc:identity", "sc:companion")):
        table = reference_size(vct)
        details = {
            "version": table.version,
            "parts": dict(table.parts),
            "ceiling_bytes": table.limits.ceiling,
        }
        goal = Goal("<=", table.limits.goal)
        what = f"front code of {vct}, version {table.version}-M"
        figures.append(
            Figure("P13" + "b" * at, what, "", "bytes", goal, (float(table.total_bytes),), details)
        )
    return figures
