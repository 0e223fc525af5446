"""Status places: which are taken, what each says, and the journal of changes. docs/protocol.md section 4.

A list has 131,072 places of 4 bits, in the form of a Token Status List: place i is the low half of byte
i div 2 when i is even. State per credential is five bits, so a million credentials take little memory.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Any, Final

from ledger.core import cbor
from ledger.core.bundle import MAX_LISTS
from ledger.core.fields import PLACES, format_list_uri, parse_list_uri
from ledger.core.registry.issuers import Issuer
from ledger.core.status_change import (
    AFFIRMED,
    REASON_AFFIRMED,
    REASON_CLEARED,
    REASON_CONTESTED,
    SUSPENDED,
    TRANSITIONS,
    VALID,
    StatusChange,
    StatusRow,
)
from ledger.errors import VerificationError

HALF_USED: Final = PLACES // 2
RAW_BYTES: Final = PLACES // 2
BITMAP_BYTES: Final = PLACES // 8
MONTHS_BACK: Final = 2

_JOURNAL = struct.Struct(">Q8sIIBBB")
"""index, kid, position of the list, idx, old, new, reason."""
_NO_KID: Final = bytes(8)
"""In the journal: a reversal, which no statement made."""
_REASON_OF_REVERSAL: Final = {VALID: REASON_CLEARED, SUSPENDED: REASON_CONTESTED, AFFIRMED: REASON_AFFIRMED}
"""Reason of a place that is set back to a status; final statuses are never set back to."""


class ListState:
    """One status list: taken places, status of each, last reasons, last sequence number."""

    __slots__ = ("_bitmap_hash", "_reasons_hash", "_status_hash", "bitmap", "raw", "reasons", "seq", "used")

    def __init__(self) -> None:
        self.bitmap = bytearray(BITMAP_BYTES)
        self.raw = bytearray(RAW_BYTES)
        self.reasons: dict[int, tuple[int, int]] = {}
        self.seq = 0
        self.used = 0
        self._bitmap_hash: bytes | None = None
        self._status_hash: bytes | None = None
        self._reasons_hash: bytes | None = None

    def is_taken(self, idx: int) -> bool:
        """Return whether a credential took the place."""
        return bool(self.bitmap[idx >> 3] >> (idx & 7) & 1)

    def take(self, idx: int) -> None:
        """Take a free place."""
        self.bitmap[idx >> 3] |= 1 << (idx & 7)
        self.used += 1
        self._bitmap_hash = None

    def status(self, idx: int) -> int:
        """Return the status of a place."""
        return self.raw[idx >> 1] >> (4 * (idx & 1)) & 15

    def set_status(self, idx: int, status: int, reason: int, month: int) -> None:
        """Set the status of a place, and its reason and month unless it is valid."""
        shift = 4 * (idx & 1)
        self.raw[idx >> 1] = self.raw[idx >> 1] & (0xF0 >> shift) | status << shift
        if status == VALID:
            self.reasons.pop(idx, None)
        else:
            self.reasons[idx] = (reason, month)
        self._status_hash = self._reasons_hash = None

    def format_reasons(self) -> list[list[int]]:
        """Return `[[idx, reason, month], ...]` of the places whose status is not 0, by idx."""
        return [[idx, *self.reasons[idx]] for idx in sorted(self.reasons)]

    def bitmap_hash(self) -> bytes:
        """Return the hash of the bitmap of taken places."""
        if self._bitmap_hash is None:
            self._bitmap_hash = hashlib.sha256(self.bitmap).digest()
        return self._bitmap_hash

    def status_hashes(self) -> tuple[bytes, bytes]:
        """Return the hashes of the raw list and of its reasons."""
        if self._status_hash is None or self._reasons_hash is None:
            self._status_hash = hashlib.sha256(self.raw).digest()
            self._reasons_hash = hashlib.sha256(cbor.encode(self.format_reasons())).digest()
        return self._status_hash, self._reasons_hash


class PlaceBook:
    """All status lists of a ledger and the journal of their changes."""

    def __init__(self, origin: str) -> None:
        self.lists: dict[str, ListState] = {}
        self.journal_head = hashlib.sha256(b"\x02status/v1" + origin.encode()).digest()
        self._uris: list[str] = []
        self._positions: dict[str, int] = {}
        self._numbers: dict[str, tuple[int, int]] = {}
        self._journal = bytearray()

    def judge_place(self, issuer: Issuer, uri: str, idx: int) -> None:
        """Check that a credential of `issuer` may take the place.

        Raises:
            VerificationError: out_of_scope for a list that is not the issuer's or not open; place_taken.
        """
        known = self.lists.get(uri)
        number, n = self._numbers.get(uri) or parse_list_uri(uri, field="claims.status.uri")
        if number != issuer.number:
            raise VerificationError("out_of_scope", "not a list of this issuer", field="claims.status.uri")
        if n >= issuer.scope.desks:
            before = self.lists.get(format_list_uri(number, n - issuer.scope.desks))
            if before is None or before.used < HALF_USED:
                raise VerificationError("out_of_scope", "the list is not open yet", field="claims.status.uri")
        if known is None and len(self.lists) >= MAX_LISTS:
            raise VerificationError("out_of_scope", "the ledger is full of lists", field="claims.status.uri")
        if known is not None and known.is_taken(idx):
            raise VerificationError("place_taken", "the status place is taken", field="claims.status.idx")

    def take_place(self, uri: str, idx: int) -> None:
        """Take a place that `judge_place` allowed."""
        state = self.lists.get(uri)
        if state is None:
            state = self.lists[uri] = ListState()
            self._positions[uri] = len(self._uris)
            self._numbers[uri] = parse_list_uri(uri, field="claims.status.uri")
            self._uris.append(uri)
        state.take(idx)

    def judge_change(self, issuer: Issuer, change: StatusChange, epoch_month: int) -> None:
        """Check a whole status statement of `issuer`.

        Raises:
            VerificationError: out_of_scope for a list that is not the issuer's or has no place taken, or
                a month out of range; stale_action for a sequence number or an `old` that is not current;
                bad_transition for a place without credential or a change that the table does not have.
        """
        number, _ = parse_list_uri(change.uri, field="status.uri")
        state = self.lists.get(change.uri)
        if number != issuer.number or state is None:
            raise VerificationError("out_of_scope", "not a list of this issuer", field="status.uri")
        if change.seq != state.seq + 1:
            raise VerificationError("stale_action", "the sequence number is not the next", field="status.seq")
        for row in change.rows:
            if not state.is_taken(row.idx):
                raise VerificationError("bad_transition", "no credential has this place", field="status.idx")
            if row.old != state.status(row.idx):
                raise VerificationError("stale_action", "the status now is another", field="status.old")
            self._judge_row(issuer, row, epoch_month)

    def _judge_row(self, issuer: Issuer, row: StatusRow, epoch_month: int) -> None:
        if row.reason not in TRANSITIONS.get((row.old, row.new), frozenset()):
            raise VerificationError(
                "bad_transition", "no such change of status with this reason", field="status.new"
            )
        if row.new == AFFIRMED and not issuer.has_distrusted_key:
            raise VerificationError(
                "bad_transition", "no key of the issuer is distrusted", field="status.new"
            )
        if not 0 <= _months(epoch_month) - _months(row.month) <= MONTHS_BACK:
            raise VerificationError("out_of_scope", "the month is not of late", field="status.month")

    def apply_change(self, change: StatusChange, index: int, kid: bytes) -> None:
        """Apply a status statement that `judge_change` allowed."""
        state = self.lists[change.uri]
        state.seq = change.seq
        for row in change.rows:
            self._record(index, kid, change.uri, row)
            state.set_status(row.idx, row.new, row.reason, row.month)

    def reverse(self, issuer_number: int, froms: Mapping[bytes, int], index: int, month: int) -> None:
        """Reverse what statements of distrusted keys changed, newest first.

        The keys of one action count together, so that the order of its verbs does not matter. A place is set
        back only where it still holds what that change had set; what another key has changed since stands,
        even if it set the same again. Source: docs/protocol.md section 3, "distrust".

        Args:
            issuer_number: of the issuer.
            froms: kid of each key -> index from which on its changes are reversed.
            index: of the action's effect.
            month: of the epoch.
        """
        for _, uri, idx, old, new in self._changes_to_reverse(issuer_number, froms):
            reason = _REASON_OF_REVERSAL[old]
            self._record(index, None, uri, StatusRow(idx, new, old, reason, month))
            self.lists[uri].set_status(idx, old, reason, month)

    def _changes_to_reverse(
        self, issuer_number: int, froms: Mapping[bytes, int]
    ) -> list[tuple[int, str, int, int, int]]:
        """Return (row number, uri, idx, old, new) of the changes that no later one covers, newest first."""
        standing: dict[tuple[int, int], list[tuple[int, int, bytes, int, int]]] = {}
        rows = _JOURNAL.iter_unpack(bytes(self._journal))
        for row, (at, row_kid, position, idx, old, new, _) in enumerate(rows):
            if not self._uris[position].startswith(f"sc:{issuer_number}/"):
                continue
            if row_kid == _NO_KID:
                standing[position, idx].pop()  # a reversal always takes back the newest that stands
            else:
                standing.setdefault((position, idx), []).append((row, at, row_kid, old, new))
        found = []
        for (position, idx), changes in standing.items():
            # A key that is not distrusted here reverses nothing: no index is above its own.
            while changes and changes[-1][1] >= froms.get(changes[-1][2], changes[-1][1] + 1):
                row, _, _, old, new = changes.pop()
                found.append((row, self._uris[position], idx, old, new))
        return sorted(found, reverse=True)

    def _record(self, index: int, kid: bytes | None, uri: str, row: StatusRow) -> None:
        line = cbor.encode([index, kid, uri, *row])
        self.journal_head = hashlib.sha256(
            b"\x02" + self.journal_head + hashlib.sha256(line).digest()
        ).digest()
        position = self._positions[uri]
        self._journal += _JOURNAL.pack(index, kid or _NO_KID, position, row.idx, row.old, row.new, row.reason)

    def format_places(self) -> list[list[Any]]:
        """Return part 3 of the registry digest, ready to be encoded."""
        return [
            [uri, state.used, state.bitmap_hash(), state.seq]
            for uri, state in sorted(self.lists.items(), key=_uri_bytes)
        ]

    def format_status(self) -> list[list[Any]]:
        """Return the status parts, ready to be encoded."""
        return [[uri, *state.status_hashes()] for uri, state in sorted(self.lists.items(), key=_uri_bytes)]


def _uri_bytes(item: tuple[str, ListState]) -> bytes:
    return item[0].encode()


def _months(month: int) -> int:
    return month // 100 * 12 + month % 100
