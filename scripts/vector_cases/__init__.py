"""The cases of the test vectors, one module per floor of the house; `scripts/make_vectors.py` writes them.

Each module has `cases()`, which yields `Case`s. A case says what it expects; the result is what the code
gives, and is compared again by every reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """One vector before its result is known.

    Attributes:
        form: the format, a folder of tests/vectors.
        name: file name without ending.
        description: one sentence.
        given: the input.
        expect: "ok" or a code of `ledger.codes`.
    """

    form: str
    name: str
    description: str
    given: Any
    expect: str = "ok"
