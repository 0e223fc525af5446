"""What governors decided, read again from a source without replaying its credentials.

Evidence has to show whose keys are the ledger's (docs/protocol.md section 12). After an alarm the source is
read once more for that: only govern statements and seals are parsed, and only they are kept.

    governed = read_governed(source, size)
    governed.effects, governed.seal_of(index)
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from ledger.audit.chunk import CHUNK_ENTRIES
from ledger.audit.source import Source
from ledger.core.charter import Charter
from ledger.core.epoch import MAX_EPOCH_ENTRIES
from ledger.core.merkle import leaf_hash
from ledger.core.registry.governance import Effect, Governance
from ledger.core.registry.rates import Windows
from ledger.core.seal import Seal
from ledger.core.statement import Statement, parse_statement
from ledger.core.tiles import TILE_WIDTH
from ledger.errors import CodedError, ForkAlarm, MalformedError

MOST_UNSEALED: Final = 16 * MAX_EPOCH_ENTRIES
"""Entries behind the last seal that the service key signed. Behind a seal that it did not sign the keys of the ledger
may still be shown; but the size of a head that nobody signed is only a number, and entries can be made up for ever."""
_TYPES: Final = (b"safeconduct.govern+cose", b"safeconduct.seal+cose")
_HEADER_BYTES: Final = 400
"""The protected header of an entry lies before this; an origin has at most 200 bytes."""


@dataclass(slots=True)
class Governed:
    """Govern statements of a source, and where its seals are.

    Attributes:
        charter_entry: entry 0.
        governance: folded over all approvals that count.
        entries: govern statements by index.
        seals: indexes of seals, rising.
    """

    charter_entry: bytes
    governance: Governance
    entries: dict[int, bytes] = field(default_factory=dict)
    seals: array[int] = field(default_factory=lambda: array("Q"))

    @property
    def effects(self) -> list[Effect]:
        """Effective actions, in order."""
        return self.governance.effects

    def seal_of(self, index: int) -> int:
        """Return the index of the seal of the epoch that holds an entry; MalformedError if it has none."""
        place = bisect_left(self.seals, index)
        if place == len(self.seals):
            raise MalformedError("this entry is in no sealed epoch", field="seal", code="not_found")
        return self.seals[place]

    def start_of(self, index: int) -> int:
        """Return the index of the first entry of the epoch that holds an entry."""
        place = bisect_left(self.seals, index)
        return self.seals[place - 1] + 1 if place else 0


def read_governed(source: Source, size: int) -> Governed:
    """Read the govern statements and seals of the first `size` entries.

    Raises:
        MalformedError: entry 0 is not a charter.
        ForkAlarm: as the source, at the first entry that cannot be read; code bad_epoch, so many entries have no
            seal of the service key that nothing of them will be evidence, and the source may never end.
        StorageError: as the source.
    """
    governed: Governed | None = None
    windows, waiting, first, sealed = Windows(), list[tuple[int, Statement]](), 0, 0
    for start in range(0, size, CHUNK_ENTRIES):
        entries, _ = source.entries(start, min(start + CHUNK_ENTRIES, size), size)
        if governed is None:
            governed = Governed(entries[0], _found(entries[0]))
        for index, entry in enumerate(entries, start):
            statement = _governing(entry)
            if statement is None:
                continue
            if statement.kind == "govern":
                governed.entries[index] = entry
                waiting.append((index, statement))
                continue
            if _is_sealed(statement, governed.governance):
                sealed = index
            governed.seals.append(index)
            _fold_epoch(governed.governance, windows, first, statement.body, waiting)
            waiting, first = [], index + 1
        if start - sealed > MOST_UNSEALED:
            raise ForkAlarm("no seal of the ledger in very many entries", code="bad_epoch", index=sealed)
    if governed is None:
        raise MalformedError("there are no entries", field="entries", code="not_found")
    return governed


def read_entry(source: Source, index: int, size: int) -> bytes:
    """Return one entry of a source of `size` entries.

    Raises:
        ForkAlarm, StorageError: as the source.
    """
    start = index // TILE_WIDTH * TILE_WIDTH
    entries, _ = source.entries(start, min(start + TILE_WIDTH, size), size)
    if index - start >= len(entries):
        raise ForkAlarm("an entry is missing", code="bad_entry", index=index)
    return entries[index - start]


def _found(entry: bytes) -> Governance:
    charter = parse_statement(entry).body
    if not isinstance(charter, Charter):
        raise MalformedError("entry 0 is not a charter", field="charter")
    return Governance.from_charter(charter, leaf_hash(entry))


def _is_sealed(seal: Statement, governance: Governance) -> bool:
    """Tell whether the service key of this moment, or the next one, signed a seal."""
    for key in {governance.service_key, governance.terms.opened().service_key}:
        with suppress(CodedError):
            seal.check_signature(key)
            return True
    return False


def _governing(entry: bytes) -> Statement | None:
    if not any(kind in entry[:_HEADER_BYTES] for kind in _TYPES):
        return None
    try:
        statement = parse_statement(entry)
    except CodedError:
        return None
    return statement if statement.kind in ("govern", "seal") else None


def _fold_epoch(
    governance: Governance, windows: Windows, first: int, seal: Seal, approvals: list[tuple[int, Statement]]
) -> None:
    """Fold the approvals of one epoch; what does not count is passed over, for the check decides."""
    windows.open_epoch(seal.time_ms, first)
    governance.lapse(seal.time_ms)
    governance.open_epoch()
    for index, statement in approvals:
        with suppress(CodedError):
            statement.check_signature(governance.governor_key(statement.iss, statement.kid))
            required = governance.required_approvals(statement.body, windows.distrust_floor)
            governance.approve(index, statement, time_ms=seal.time_ms, required=required)
