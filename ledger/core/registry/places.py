"""Status places: which are taken, what each says, and the journal of changes. docs/protocol.md section 4.

A list has 131,072 places of 4 bits, in the form of a Token Status List: place i is the low half of byte
i div 2 when i is even. State per credential is five bits, so a million credentials take little memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from ledger.core import cbor
from ledger.core.bundle import MAX_LISTS
from ledger.core.fields import PLACES, format_list_uri, parse_list_uri
from ledger.core.registry.issuers import Issuer
from ledger.core.registry.journal import Journal
from ledger.core.registry.quarantine import HeldChange, Quarantine, is_limited
from ledger.core.status_change import (
    AFFIRMED,
    HELD,
    REASON_AFFIRMED,
    REASON_CLEARED,
    REASON_CONTESTED,
    REPLACED,
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

    def take_all(self, bitmap: bytes) -> None:
        """Take the places of a whole bitmap of `BITMAP_BYTES`."""
        self.bitmap[:] = bitmap
        self.used = int.from_bytes(bitmap).bit_count()
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
    """All status lists of a ledger, the journal of their changes, and what of them is held."""

    def __init__(self, origin: str) -> None:
        self.lists: dict[str, ListState] = {}
        self.quarantine = Quarantine()
        self.journal = Journal(origin)
        self._numbers: dict[str, tuple[int, int]] = {}
        self.forget_last_opening()

    def forget_last_opening(self) -> None:
        """Let `abandon_epoch` change nothing."""
        self._before_epoch = (self.quarantine.mark(), list[HeldChange](), self.journal.mark())

    @property
    def journal_head(self) -> bytes:
        """Head of the journal of status changes, part 6 of the registry digest."""
        return self.journal.head

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
            state = self.add_list(uri)
        state.take(idx)

    def add_list(self, uri: str) -> ListState:
        """Return a new list without any place taken; MalformedError if it has no name of a list."""
        self._numbers[uri] = parse_list_uri(uri, field="claims.status.uri")
        state = self.lists[uri] = ListState()
        return state

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
            self._judge_row(state, row, epoch_month)
            if row.old == HELD:
                raise VerificationError(
                    "bad_transition", "what is held waits for the governors", field="status.old"
                )
            if row.new == AFFIRMED and not issuer.has_distrusted_key:
                raise VerificationError(
                    "bad_transition", "no key of the issuer is distrusted", field="status.new"
                )

    def judge_replacement(self, change: StatusChange, epoch_month: int) -> None:
        """Check a holder's own replacement, whose credential is known to be on the ledger.

        Raises:
            VerificationError: stale_action, bad_transition, out_of_scope: as `judge_change`; bad_transition
                for anything else than a replacement.
        """
        row = change.rows[0]
        if row.new != REPLACED:
            raise VerificationError(
                "bad_transition", "a holder can only have it replaced", field="status.new"
            )
        self._judge_row(self.lists[change.uri], row, epoch_month)

    def _judge_row(self, state: ListState, row: StatusRow, epoch_month: int) -> None:
        if not state.is_taken(row.idx):
            raise VerificationError("bad_transition", "no credential has this place", field="status.idx")
        if row.old != state.status(row.idx):
            raise VerificationError("stale_action", "the status now is another", field="status.old")
        if row.reason not in TRANSITIONS.get((row.old, row.new), frozenset()):
            raise VerificationError(
                "bad_transition", "no such change of status with this reason", field="status.new"
            )
        if not 0 <= _months(epoch_month) - _months(row.month) <= MONTHS_BACK:
            raise VerificationError("out_of_scope", "the month is not of late", field="status.month")

    def apply_change(self, issuer: Issuer, change: StatusChange, index: int, kid: bytes, live: int) -> None:
        """Apply a status statement that `judge_change` allowed, or hold of it what exceeds a limit.

        Args:
            issuer: who signed it.
            change: its body.
            index: its index.
            kid: of its key.
            live: live credentials of the issuer's authority.
        """
        self.lists[change.uri].seq = change.seq
        limited = [row for row in change.rows if is_limited(row)]
        held = bool(limited) and self.quarantine.exceeds(issuer.authority, len(limited), live)
        for row in change.rows:
            waits = held and is_limited(row)
            self._set(index, kid, change.uri, row._replace(new=HELD) if waits else row)
        if held:
            self.quarantine.hold(index, issuer.number, kid, change.uri, limited)
        elif limited:
            self.quarantine.count(issuer.authority, len(limited))

    def apply_replacement(self, change: StatusChange, index: int, kid: bytes) -> None:
        """Apply a holder's own replacement that `judge_replacement` allowed."""
        self._set(index, kid, change.uri, change.rows[0])

    def confirm(self, held: HeldChange, index: int, month: int) -> None:
        """Let a held change take effect as it was written, with the month of the epoch."""
        for row in list(held.rows.values()):
            self._set(index, None, held.uri, StatusRow(row.idx, HELD, row.new, row.reason, month))

    def refuse(self, held: HeldChange, index: int, month: int) -> None:
        """Let the places of a held change read again what they read before."""
        for row in list(held.rows.values()):
            reason = _REASON_OF_REVERSAL[row.old]
            self._set(index, None, held.uri, StatusRow(row.idx, HELD, row.old, reason, month))

    def open_epoch(self, time_ms: int, first_index: int, month: int) -> bool:
        """Move to the time of an epoch and let lapse what is held for too long; tell whether anything did."""
        quarantine = self.quarantine
        lapsed = quarantine.due(time_ms)
        self._before_epoch = (quarantine.mark(), lapsed, self.journal.mark())
        quarantine.open_epoch(time_ms)
        for held in lapsed:
            self.refuse(quarantine.held[held.index], first_index, month)
        return bool(lapsed)

    def abandon_epoch(self) -> None:
        """Take back the last `open_epoch`; only where nothing was applied since."""
        marked, lapsed, journal_mark = self._before_epoch
        self.journal.restore(journal_mark)
        for held in lapsed:
            for row in held.rows.values():
                self.lists[held.uri].set_status(row.idx, HELD, row.reason, row.month)
        self.quarantine.restore(marked, lapsed)

    def reverse(self, issuer_number: int, froms: Mapping[bytes, int], index: int, month: int) -> None:
        """Reverse what statements of distrusted keys changed, newest first.

        The keys of one action count together, so that the order of its verbs does not matter. A place is set
        back only where it still holds what that change had set; what another key has changed since stands,
        even if it set the same again. What is held is a change too, and so refused; a place that was replaced
        while it was held reads what it read before it was held. Source: docs/protocol.md section 3, "distrust".

        Args:
            issuer_number: of the issuer.
            froms: kid of each key -> index from which on its changes are reversed.
            index: of the action's effect.
            month: of the epoch.
        """
        for uri, idx, old, new in self.journal.changes_to_reverse(issuer_number, froms):
            self._set(index, None, uri, StatusRow(idx, new, old, _REASON_OF_REVERSAL[old], month))

    def _set(self, index: int, kid: bytes | None, uri: str, row: StatusRow) -> None:
        """Change one place and write it into the journal; what was held there is held no longer."""
        self.journal.record(index, kid, uri, row)
        self.lists[uri].set_status(row.idx, row.new, row.reason, row.month)
        if row.old == HELD:
            self.quarantine.release(uri, row.idx)

    def sorted_lists(self) -> list[tuple[str, ListState]]:
        """Return the lists by the bytes of their URIs."""
        return sorted(self.lists.items(), key=_uri_bytes)

    def format_places(self) -> list[list[Any]]:
        """Return part 3 of the registry digest, ready to be encoded."""
        return [[uri, state.used, state.bitmap_hash(), state.seq] for uri, state in self.sorted_lists()]

    def format_status(self) -> list[list[Any]]:
        """Return the status parts, ready to be encoded."""
        return [[uri, *state.status_hashes()] for uri, state in self.sorted_lists()]


def _uri_bytes(item: tuple[str, ListState]) -> bytes:
    return item[0].encode()


def _months(month: int) -> int:
    return month // 100 * 12 + month % 100
