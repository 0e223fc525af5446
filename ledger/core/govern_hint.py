"""What waits for the governors, by index: the answer of `GET /govern`, which nobody need believe.

docs/protocol.md section 8. A service names the status statements of which anything is held, and the approvals
of open proposals. Who asks reads those entries, checks that the cosigned tree commits to them, and sees for
itself what they are (`ledger.open_matters`).

>>> parse_govern_hint(format_govern_hint(GovernHint(96, (80,), (64, 65))))
GovernHint(size=96, held=(80,), approvals=(64, 65))
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from ledger.core import cbor
from ledger.core.fields import parse_array, parse_map, parse_uint
from ledger.errors import MalformedError

VERSION: Final = 1
MAX_HELD: Final = 4_096
"""Statements that one answer names; where more are held, the oldest."""
MAX_APPROVALS: Final = 8_192
"""Of at most 32 governors, 256 open approvals each."""
MAX_HINT_BYTES: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class GovernHint:
    """Indexes below `size`, each list rising.

    Attributes:
        size: entries of the ledger as the service saw it.
        held: of status statements of which rows are held.
        approvals: of the approvals of open proposals.
    """

    size: int
    held: tuple[int, ...]
    approvals: tuple[int, ...]


def parse_govern_hint(data: bytes) -> GovernHint:
    """Read the one allowed form of an answer.

    Raises:
        MalformedError: code `too_large` above 131,072 bytes; `unsupported` for another version; otherwise
            `malformed`: not `{1: 1, 2: size, 3: [held], 4: [approvals]}` in deterministic CBOR, indexes that do
            not rise or do not lie below the size, more than 4,096 held or 8,192 approvals.
    """
    value = cbor.decode(data, max_size=MAX_HINT_BYTES, field="govern")
    if isinstance(value, dict) and (value.get(1) != VERSION or type(value[1]) is not int):
        raise MalformedError("not an answer of this version", field="version", code="unsupported")
    body = parse_map(value, (1, 2, 3, 4), field="govern")
    size = parse_uint(body[2], field="size")
    return GovernHint(
        size,
        _indexes(body[3], size, MAX_HELD, field="held"),
        _indexes(body[4], size, MAX_APPROVALS, field="approvals"),
    )


def format_govern_hint(hint: GovernHint) -> bytes:
    """Return the bytes of an answer; the inverse of `parse_govern_hint`.

    Raises:
        MalformedError: the answer would not be read back.
    """
    data = cbor.encode({1: VERSION, 2: hint.size, 3: list(hint.held), 4: list(hint.approvals)})
    parse_govern_hint(data)
    return data


def _indexes(value: Any, size: int, most: int, *, field: str) -> tuple[int, ...]:
    indexes = [parse_uint(item, field=field) for item in parse_array(value, field=field, low=0, high=most)]
    if any(a >= b for a, b in pairwise([*indexes, size])):
        raise MalformedError("indexes rise and lie below the size", field=field)
    return tuple(indexes)
