"""Status statements: changes of the status of places on one list. docs/protocol.md section 4.

Two kinds of people sign them: an issuer, for places of its lists; and a holder, for the one place of its own
credential, with a proof of what the ledger has there ("A holder's own replacement").

>>> TRANSITIONS[VALID, REPLACED]
frozenset({1})
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ledger.core.cells import CELL_PATH_SIZE_BYTES
from ledger.core.claims import MAX_CREDENTIAL_BYTES
from ledger.core.fields import PLACES, parse_array, parse_bytes, parse_list_uri, parse_map, parse_uint
from ledger.errors import MalformedError

VALID: Final = 0
WITHDRAWN: Final = 1
SUSPENDED: Final = 2
REPLACED: Final = 3
AFFIRMED: Final = 0x0C
HELD: Final = 0x0D

REASON_REPLACED: Final = 1
REASON_CORRECTED: Final = 2
REASON_WITHDRAWN: Final = 3
REASON_CONTESTED: Final = 4
REASON_AFFIRMED: Final = 5
REASON_CLEARED: Final = 6
REASON_NAMES: Final = {
    REASON_REPLACED: "replaced",
    REASON_CORRECTED: "corrected",
    REASON_WITHDRAWN: "withdrawn",
    REASON_CONTESTED: "contested",
    REASON_AFFIRMED: "affirmed",
    REASON_CLEARED: "cleared",
}

_WITHDRAWING: Final = frozenset((REASON_CORRECTED, REASON_WITHDRAWN))
TRANSITIONS: Final[dict[tuple[int, int], frozenset[int]]] = {
    **{(old, WITHDRAWN): _WITHDRAWING for old in (VALID, AFFIRMED, SUSPENDED)},
    **{(old, SUSPENDED): frozenset((REASON_CONTESTED,)) for old in (VALID, AFFIRMED)},
    **{(old, REPLACED): frozenset((REASON_REPLACED,)) for old in (VALID, AFFIRMED, SUSPENDED, HELD)},
    (SUSPENDED, VALID): frozenset((REASON_CLEARED,)),
    **{(old, AFFIRMED): frozenset((REASON_AFFIRMED,)) for old in (VALID, SUSPENDED)},
}
"""(old status, new status) -> the reasons that go with it."""
MAX_ROWS: Final = 4096
HOLDER_SEQ: Final = 0
"""`seq` of a holder's own replacement, which leaves the list's sequence alone."""


class StatusRow(NamedTuple):
    """One change: place, status before and after, reason code, month as year * 100 + month."""

    idx: int
    old: int
    new: int
    reason: int
    month: int


@dataclass(frozen=True, slots=True)
class HolderProof:
    """What shows that a credential is on the ledger: its index, its path of 128 bytes, its logged bytes."""

    index: int
    path: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class StatusChange:
    """Body of a status statement.

    Attributes:
        uri: the list.
        seq: the list's last sequence number plus one; 0 with a proof.
        rows: by rising idx, none twice; exactly one with a proof.
        proof: of the holder whose own replacement it is; None where an issuer signs.
    """

    uri: str
    seq: int
    rows: tuple[StatusRow, ...]
    proof: HolderProof | None = None


def parse_status_change(value: Any) -> StatusChange:
    """Return the change of a decoded body.

    Raises:
        MalformedError: not the form of the CDDL, rows not by rising idx, or a holder's proof with a
            sequence number or more than one row; code too_large for a credential over its cap.
    """
    body = parse_map(value, (1, 2, 3), optional=(4,), field="status")
    parse_list_uri(body[1], field="status.uri")
    rows = tuple(
        parse_status_row(item) for item in parse_array(body[3], field="status.rows", low=1, high=MAX_ROWS)
    )
    if any(row.idx >= after.idx for row, after in zip(rows, rows[1:], strict=False)):
        raise MalformedError("rows are not by rising idx", field="status.rows")
    seq = parse_uint(body[2], field="status.seq")
    proof = _parse_proof(body[4]) if 4 in body else None
    if proof is not None and (seq != HOLDER_SEQ or len(rows) != 1):
        raise MalformedError("a holder's own change has the number 0 and one row", field="status.proof")
    return StatusChange(uri=body[1], seq=seq, rows=rows, proof=proof)


def format_status_change(change: StatusChange) -> dict[int, Any]:
    """Return the body of a status statement, ready to be encoded."""
    body: dict[int, Any] = {1: change.uri, 2: change.seq, 3: [list(row) for row in change.rows]}
    if change.proof is not None:
        body[4] = [change.proof.index, change.proof.path, change.proof.entry]
    return body


def _parse_proof(value: Any) -> HolderProof:
    index, path, entry = parse_array(value, field="status.proof", low=3, high=3)
    if type(entry) is not bytes:
        raise MalformedError("not the bytes of a credential", field="status.proof")
    if len(entry) > MAX_CREDENTIAL_BYTES:
        raise MalformedError(
            f"more than {MAX_CREDENTIAL_BYTES} bytes", field="status.proof", code="too_large"
        )
    return HolderProof(
        index=parse_uint(index, field="status.proof"),
        path=parse_bytes(path, CELL_PATH_SIZE_BYTES, field="status.proof"),
        entry=entry,
    )


def parse_month(value: Any, *, field: str) -> int:
    """Return a month of the years 2000 to 9999 as year * 100 + month."""
    month = parse_uint(value, field=field, low=200001, high=999912)
    if not 1 <= month % 100 <= 12:
        raise MalformedError("not a month", field=field)
    return month


def parse_status_row(value: Any) -> StatusRow:
    """Return one row of a decoded body; MalformedError if it is not the form of the CDDL."""
    item = parse_array(value, field="status.row", low=5, high=5)
    month = parse_month(item[4], field="status.month")
    return StatusRow(
        idx=parse_uint(item[0], field="status.idx", high=PLACES - 1),
        old=parse_uint(item[1], field="status.old", high=15),
        new=parse_uint(item[2], field="status.new", high=15),
        reason=parse_uint(item[3], field="status.reason", low=1, high=6),
        month=month,
    )
