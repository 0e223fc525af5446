"""Fixtures for every test: where published vectors are, and how hard Hypothesis works.

`HYPOTHESIS_PROFILE=thorough` tries many more cases than the default; under `CI` the cases are the same
in every run, so that a failure there can be repeated anywhere.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Shared machines stall: a deadline would report the neighbour, not a defect.
settings.register_profile("default", deadline=None, print_blob=True, max_examples=50)
settings.register_profile("ci", deadline=None, print_blob=True, max_examples=50, derandomize=True)
settings.register_profile(
    "thorough",
    deadline=timedelta(seconds=30),
    print_blob=True,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))


@pytest.fixture(scope="session")
def vectors_dir() -> Path:
    """Folder of published test vectors of other projects; the test is skipped where there is none.

    Set SAFECONDUCT_VECTORS to choose it; the default is `shared/vectors` beside the repository.
    """
    chosen = os.environ.get("SAFECONDUCT_VECTORS")
    folder = Path(chosen) if chosen else ROOT.parent / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("no published vectors: set SAFECONDUCT_VECTORS to their folder")
    return folder
