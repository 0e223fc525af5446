"""One part of an audit, for a worker process: parse, hash, verify signatures, compare tiles.

A chunk is a run of whole tiles. What depends on order (rules, chain, seals) is left to `ledger.audit.replay`;
what does not is done here, so that signatures, which cost most, use all processors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ledger.audit.source import Source, opened_source
from ledger.core.claims import CredentialFacts
from ledger.core.cose_key import PublicKey
from ledger.core.merkle import HASH_SIZE, leaf_hash
from ledger.core.statement import Statement, is_padding, parse_statement
from ledger.core.tiles import TILE_WIDTH, hash_tile
from ledger.errors import CodedError

CHUNK_TILES: Final = 8
CHUNK_ENTRIES: Final = CHUNK_TILES * TILE_WIDTH

Keys = Mapping[tuple[str, bytes], PublicKey]


class Violation(NamedTuple):
    """A violation that a worker found, to be reported when its place in the order comes."""

    at: int
    code: str
    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class ExaminedChunk:
    """What a worker says of a chunk.

    Attributes:
        start: index of the first entry.
        items: per entry: facts of a credential whose signature is verified; a statement that the replay
            verifies; None for padding; or a violation.
        leaves: leaf hashes, joined.
        chain: stored chain values, joined; empty where the source has none.
        tile_hashes: hash of each full tile, which is a node of level 8.
        bad_tile: first leaf index at which a stored level-0 tile differs from the entries, or None.
    """

    start: int
    items: list[CredentialFacts | Statement | Violation | None]
    leaves: bytes
    chain: bytes
    tile_hashes: list[bytes]
    bad_tile: int | None


def examine_chunk(source_name: str, start: int, stop: int, tree_size: int, keys: Keys) -> ExaminedChunk:
    """Examine the entries [start, stop); opens the source by its name, for use in another process."""
    with opened_source(source_name) as source:
        return examine(source, start, stop, tree_size, keys)


def examine(source: Source, start: int, stop: int, tree_size: int, keys: Keys) -> ExaminedChunk:
    """Examine the entries [start, stop) of an open source.

    Args:
        start: a multiple of 256.
        stop: a multiple of 256, or the tree size.
        tree_size: of the checkpoint that is audited.
        keys: by (issuer id, kid), as far as the replay knew them when it asked.
    """
    items: list[CredentialFacts | Statement | Violation | None] = []
    leaves: list[bytes] = []
    chain: list[bytes] = []
    known: dict[Any, Any] = {}
    for index, (entry, chain_value) in enumerate(source.rows(start, stop, tree_size), start):
        leaves.append(leaf_hash(entry))
        items.append(None if is_padding(entry) else _examine_entry(index, entry, keys, known))
        if chain_value is not None:
            chain.append(chain_value)
    joined = b"".join(leaves)
    full = len(leaves) // TILE_WIDTH
    size = TILE_WIDTH * HASH_SIZE
    return ExaminedChunk(
        start=start,
        items=items,
        leaves=joined,
        chain=b"".join(chain),
        tile_hashes=[hash_tile(joined[at * size : (at + 1) * size]) for at in range(full)],
        bad_tile=_first_bad_tile(source, start, joined, tree_size),
    )


def _examine_entry(
    index: int, entry: bytes, keys: Keys, known: dict[Any, Any]
) -> CredentialFacts | Statement | Violation:
    try:
        statement = parse_statement(entry)
        key = keys.get((statement.iss, statement.kid)) if statement.kind == "credential" else None
        if key is None:
            return statement
        statement.check_signature(key)
    except CodedError as error:
        return Violation(index, "bad_entry", error.field or error.code, f"{error.detail} ({error.code})")
    # Equal names become one object each: what travels between processes shrinks to a fraction.
    return CredentialFacts._make(
        known.setdefault(value, value) if type(value) is str else value for value in statement.facts()
    )


def _first_bad_tile(source: Source, start: int, leaves: bytes, tree_size: int) -> int | None:
    size = TILE_WIDTH * HASH_SIZE
    for at in range(0, len(leaves), size):
        mine = leaves[at : at + size]
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
