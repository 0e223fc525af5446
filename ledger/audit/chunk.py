"""One part of an audit, for a worker process: parse, hash, verify signatures, compare tiles.

A chunk is a run of whole tiles. What depends on order (rules, chain, seals) is left to `ledger.audit.replay`;
what does not is done here, so that signatures, which cost most, use all processors.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ledger.audit.source import Source, open_source
from ledger.core.cells import CELL_SIZE, cells_from_leaves, root_from_cells
from ledger.core.claims import CredentialFacts
from ledger.core.cose_key import PublicKey
from ledger.core.epoch import Item
from ledger.core.merkle import HASH_SIZE
from ledger.core.statement import PADDING, Statement, parse_statement, verify_credential
from ledger.core.tiles import TILE_SIZE_BYTES, TILE_WIDTH, split_hashes
from ledger.errors import CodedError, ForkAlarm

CHUNK_ENTRIES: Final = 8 * TILE_WIDTH
FIRST_CHUNK_ENTRIES: Final = TILE_WIDTH
"""The first chunk is small: nobody knows any key before it is replayed."""

Keys = Mapping[tuple[str, bytes], PublicKey]
_LEAF: Final = b"\x00"
_CELL_LEAVES: Final = CELL_SIZE * HASH_SIZE
"""Bytes of the leaves of a cell, and of the cells of a tile."""


class Violation(NamedTuple):
    """An entry that is malformed, to be reported when its place in the order comes."""

    at: int
    rule: str
    detail: str
    code: str = "bad_entry"


@dataclass(frozen=True, slots=True)
class ExaminedChunk:
    """What a worker says of a chunk.

    Attributes:
        start: index of the first entry.
        items: per entry: the fields of `CredentialFacts` of a credential whose signature is verified; the
            whole statement of any other; None for padding. They end before the entry of `violation`.
        seals: places of seals in `items`.
        verified: the entries of those whole statements whose signature is verified too.
        violation: the first entry that is malformed, or None.
        counts: entries by kind.
        leaves: leaf hashes, joined.
        chain: stored chain values, joined; empty where the source has none.
        cells: of these entries, joined.
        tile_hashes: hash of each full tile, which is a node of level 8.
        bad_tile: first leaf index at which a stored level-0 tile differs from the entries, or None.
        misplaced: index of the first statement that the stored index of statements has elsewhere, or None.
    """

    start: int
    items: list[tuple[Any, ...] | None]
    seals: list[int]
    verified: frozenset[bytes]
    violation: Violation | None
    counts: Counter[str]
    leaves: bytes
    chain: bytes
    cells: bytes
    tile_hashes: list[bytes]
    bad_tile: int | None
    misplaced: int | None


def examine_chunk(source_name: str, start: int, stop: int, tree_size: int, keys: Keys) -> ExaminedChunk:
    """Examine the entries [start, stop) in a worker process, which opens the source by its name."""
    return examine(_kept_source(source_name), start, stop, tree_size, keys)


def examine(source: Source, start: int, stop: int, tree_size: int, keys: Keys) -> ExaminedChunk:
    """Examine the entries [start, stop) of an open source.

    Args:
        source: read only here.
        start: a multiple of 256.
        stop: a multiple of 256, or the tree size.
        tree_size: of the checkpoint that is audited.
        keys: by (issuer id, kid), as far as the replay knew them when it asked; the service key by
            (origin, kid).
    """
    (entries, chain), unreadable = _entries(source, start, stop, tree_size)
    sha256 = hashlib.sha256
    leaves = b"".join([sha256(_LEAF + entry).digest() for entry in entries])
    whole = len(leaves) // _CELL_LEAVES * _CELL_LEAVES
    cells = cells_from_leaves(split_hashes(leaves[:whole]))
    reading = _Reading(keys)
    violation = reading.read(entries, start) or unreadable
    return ExaminedChunk(
        start=start,
        items=reading.items,
        seals=reading.seals,
        verified=frozenset(reading.verified),
        violation=violation,
        counts=reading.count(),
        leaves=leaves,
        chain=chain,
        cells=cells,
        tile_hashes=[
            root_from_cells(cells[at : at + _CELL_LEAVES], CELL_SIZE)
            for at in range(0, len(leaves) // TILE_SIZE_BYTES * _CELL_LEAVES, _CELL_LEAVES)
        ],
        bad_tile=_first_bad_tile(source, start, leaves, tree_size),
        misplaced=source.first_misplaced(reading.places(start)),
    )


def _entries(
    source: Source, start: int, stop: int, tree_size: int
) -> tuple[tuple[list[bytes], bytes], Violation | None]:
    """Read entries; where one cannot be read, those before it, for an earlier fault is named first."""
    try:
        return source.entries(start, stop, tree_size), None
    except ForkAlarm as alarm:
        if alarm.index is None:
            raise
        before = source.entries(start, alarm.index, tree_size) if alarm.index > start else ([], b"")
        return before, Violation(alarm.index, alarm.field, alarm.detail, alarm.code)


class _Reading:
    """The entries of a chunk, one after the other."""

    def __init__(self, keys: Keys) -> None:
        self.items: list[tuple[Any, ...] | None] = []
        self.seals: list[int] = []
        self.verified: list[bytes] = []
        self._keys = keys
        self._statements: Counter[str] = Counter()

    def read(self, entries: Sequence[bytes], start: int) -> Violation | None:
        """Read entries up to the first that is malformed."""
        items, keys = self.items, self._keys
        for index, entry in enumerate(entries, start):
            if entry == PADDING:
                items.append(None)
                continue
            try:
                facts = verify_credential(entry, keys)
            except CodedError:
                facts = None  # the replay finds it in its place in the order
            try:
                # A plain tuple travels between processes at a fifth of the cost of a named one.
                items.append(self._read_other(entry) if facts is None else tuple(facts))
            except CodedError as error:
                return Violation(index, error.field or error.code, f"{error.detail} ({error.code})")
        return None

    def _read_other(self, entry: bytes) -> tuple[Any, ...]:
        statement = parse_statement(entry)
        is_holder = statement.kind == "status" and statement.body.proof is not None
        # A holder's key is in the credential, whatever issuer bears the same name.
        key = None if is_holder else self._keys.get((statement.iss, statement.kid))
        if key is not None:
            with suppress(CodedError):
                statement.check_signature(key)
                self.verified.append(entry)
        if statement.kind == "seal":
            self.seals.append(len(self.items))
        self._statements[statement.kind] += 1
        return statement

    def places(self, start: int) -> list[tuple[int, bytes]]:
        """Return (index, identity) of each statement that was read."""
        at = CredentialFacts._fields.index("statement_id")
        return [
            (index, item.statement_id if isinstance(item, Statement) else item[at])
            for index, item in enumerate(self.items, start)
            if item is not None
        ]

    def count(self) -> Counter[str]:
        """Return the entries by kind."""
        padding = self.items.count(None)
        credentials = len(self.items) - padding - self._statements.total()
        return self._statements + Counter(padding=padding, credential=credentials)


def count_kinds(items: Iterable[Item]) -> Counter[str]:
    """Return items of a replay by kind."""
    return Counter(
        "padding" if item is None else item.kind if isinstance(item, Statement) else "credential"
        for item in items
    )


@lru_cache(maxsize=1)
def _kept_source(name: str) -> Source:
    """Return the source of this worker process, opened once and closed with the process."""
    return open_source(name)


def _first_bad_tile(source: Source, start: int, leaves: bytes, tree_size: int) -> int | None:
    for at in range(0, len(leaves), TILE_SIZE_BYTES):
        mine = leaves[at : at + TILE_SIZE_BYTES]
        n = (start + at // HASH_SIZE) // TILE_WIDTH
        index = differs_at(mine, source.tile(0, n, len(mine) // HASH_SIZE, tree_size))
        if index is not None:
            return n * TILE_WIDTH + index
    return None


def differs_at(mine: bytes, stored: bytes) -> int | None:
    """Return which hash is the first that differs between two runs of hashes, or None if none does."""
    if mine == stored:
        return None
    for at in range(0, max(len(mine), len(stored)), HASH_SIZE):
        if mine[at : at + HASH_SIZE] != stored[at : at + HASH_SIZE]:
            return at // HASH_SIZE
    return None
