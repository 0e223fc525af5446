"""What an audit leaves for the next one: the state after the seal of an epoch, in one file of the auditor's own.

The file is as good as the disk of the auditor, who made it; whoever can write there can write over the program
as well. It is bound all the same: the state of the registry to the digests of a seal
(`ledger.core.registry.saved`), the seal to the entries that the next audit reads again, the cells to the root
that the next audit must come to. Not bound by the ledger are the numbers of a report (entries by kind, epochs),
the witnesses found, and the keys of heads of long ago; for them there is the hash over the file.

The form is local and may change with any version; deterministic CBOR `[body: bstr, SHA-256 of the body]` with

    1: 2 (version)  2: origin  3: charter hash  4: entry of the seal  5: state  6: history of keys
    7: {kind: entries}  8: epochs  9: [[witness, time in s]...]  10: size of the newest cosigned head / null
    11: size of the newest head that a whole audit came to, 0 where there was none

    write_saved_audit(path, saved)
    saved = read_saved_audit(path, pin)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.core import cbor
from ledger.core.cells import CELL_SIZE, root_from_cells
from ledger.core.chain import chain_next
from ledger.core.fields import parse_array, parse_bytes, parse_map, parse_origin, parse_text, parse_uint
from ledger.core.key_history import KeyHistory, parse_key_history
from ledger.core.merkle import HASH_SIZE, leaf_hash
from ledger.core.pin import Pin
from ledger.core.registry import Registry
from ledger.core.registry.saved import MAX_STATE_BYTES, format_state, parse_state
from ledger.core.seal import Seal
from ledger.core.statement import parse_statement
from ledger.core.tiles import TILE_SIZE_BYTES, TILE_WIDTH
from ledger.errors import LedgerError, MalformedError, StorageError
from ledger.files import OWNER_ONLY, read_file, replace_file

MAX_SAVED_BYTES: Final = MAX_STATE_BYTES + (1 << 26)
_VERSION: Final = 2
_KINDS: Final = frozenset(("charter", "accept", "govern", "status", "credential", "padding", "seal"))
_MAX_WITNESSES: Final = 1_024
_CELLS_OF_TILE: Final = TILE_WIDTH // CELL_SIZE


@dataclass(frozen=True, slots=True)
class SavedAudit:
    """An audit up to the seal of an epoch.

    Attributes:
        pin: origin and charter hash of the ledger.
        seal_entry: the last entry that was replayed.
        registry: state after it, cells included.
        history: keys and witnesses up to there.
        counts: entries by kind.
        epochs: number of seals.
        cosigned, cosigned_size: as in `AuditReport`.
        proven_size: of the newest head that a whole audit came to, with its signatures; 0 where there was none.
            What lies behind it has a seal and no head yet: it accuses nobody.
    """

    pin: Pin
    seal_entry: bytes
    registry: Registry
    history: KeyHistory
    counts: dict[str, int]
    epochs: int
    cosigned: dict[str, int]
    cosigned_size: int | None
    proven_size: int

    @property
    def seal(self) -> Seal:
        """Body of the seal."""
        return parse_seal_entry(self.seal_entry)

    @property
    def size(self) -> int:
        """Tree size: the seal is its last entry."""
        return self.seal.index + 1

    @property
    def chain_head(self) -> bytes:
        """Chain value of the seal."""
        return chain_next(self.seal.chain, leaf_hash(self.seal_entry))

    def cells(self) -> bytes:
        """Return the cells of the tree."""
        return bytes(self.registry.cells[: self.size // CELL_SIZE * HASH_SIZE])

    def tile_hashes(self, count: int) -> list[bytes]:
        """Return the hashes of the first `count` full tiles of level 0."""
        cells = memoryview(self.cells())
        width = TILE_SIZE_BYTES // CELL_SIZE
        return [root_from_cells(cells[at * width : (at + 1) * width], _CELLS_OF_TILE) for at in range(count)]


def write_saved_audit(path: Path, saved: SavedAudit) -> None:
    """Write a saved audit in place of an older one.

    Raises:
        StorageError: it cannot be written; what was there is still there.
        MalformedError: code too_large, the state is larger than can be saved.
    """
    replace_file(path, format_saved_audit(saved), mode=OWNER_ONLY)


def read_saved_audit(path: Path, pin: Pin) -> SavedAudit | None:
    """Return the saved audit of a file, None where there is no file.

    Raises:
        MalformedError, VerificationError: it is damaged, of another version, or contradicts itself: as
            `parse_saved_audit`.
        LedgerError: code bad_input, it is of another ledger.
        StorageError: it cannot be read.
    """
    try:
        data = read_file(path, max_size=MAX_SAVED_BYTES, field="state")
    except StorageError as error:
        if error.code == "not_found":
            return None
        raise
    saved = parse_saved_audit(data)
    if not saved.pin.same_ledger(pin):
        raise LedgerError("bad_input", f"{path} is the state of another ledger", field="state")
    return saved


def format_saved_audit(saved: SavedAudit) -> bytes:
    """Return the content of a file."""
    body = cbor.encode(
        {
            1: _VERSION,
            2: saved.pin.origin,
            3: saved.pin.charter_hash,
            4: saved.seal_entry,
            5: format_state(saved.registry),
            6: saved.history.format(),
            7: saved.counts,
            8: saved.epochs,
            9: [list(item) for item in sorted(saved.cosigned.items())],
            10: saved.cosigned_size,
            11: saved.proven_size,
        }
    )
    return cbor.encode([body, hashlib.sha256(body).digest()])


def parse_saved_audit(data: bytes) -> SavedAudit:
    """Return the saved audit of a file's content.

    Raises:
        MalformedError: not the form; code unsupported for another version.
        VerificationError: code bad_input, the state is not the one that its seal seals.
    """
    outer = cbor.decode(data, max_size=MAX_SAVED_BYTES, field="state")
    body, digest = parse_array(outer, field="state", low=2, high=2)
    if type(body) is not bytes or hashlib.sha256(body).digest() != digest:
        raise MalformedError("the state is damaged", field="state.hash")
    value = cbor.decode(body, max_size=len(body), field="state", max_items=None)
    if not isinstance(value, dict) or value.get(1) != _VERSION:
        raise MalformedError("a state of another version", field="state.version", code="unsupported")
    fields = parse_map(value, range(1, 12), field="state")
    if type(fields[4]) is not bytes or type(fields[5]) is not bytes:
        raise MalformedError("no seal or no state", field="state")
    seal = parse_seal_entry(fields[4])
    size = seal.index + 1
    registry = parse_state(fields[5], seal, max_items=None)
    pin = Pin(
        parse_origin(fields[2], field="state.origin"),
        parse_bytes(fields[3], HASH_SIZE, field="state.charter"),
    )
    if (registry.governance.origin, registry.governance.charter_hash) != (pin.origin, pin.charter_hash):
        raise MalformedError("the state is of another ledger than its file", field="state.origin")
    return SavedAudit(
        pin=pin,
        seal_entry=fields[4],
        registry=registry,
        history=parse_key_history(fields[6], size, registry.governance),
        counts=_parse_counts(fields[7], size),
        epochs=parse_uint(fields[8], field="state.epochs", low=1),
        cosigned=_parse_cosigned(fields[9]),
        cosigned_size=None
        if fields[10] is None
        else parse_uint(fields[10], field="state.cosigned", high=size),
        proven_size=parse_uint(fields[11], field="state.proven", high=size),
    )


def parse_seal_entry(entry: bytes) -> Seal:
    """Return the seal of an entry; MalformedError if it is none."""
    statement = parse_statement(entry)
    if statement.kind != "seal":
        raise MalformedError("not a seal", field="state.seal")
    seal: Seal = statement.body
    return seal


def _parse_counts(value: Any, size: int) -> dict[str, int]:
    if not isinstance(value, dict) or not set(value) <= _KINDS:
        raise MalformedError("not entries by kind", field="state.counts")
    counts = {kind: parse_uint(count, field="state.counts") for kind, count in value.items()}
    if sum(counts.values()) != size:
        raise MalformedError("not as many entries as the tree has", field="state.counts")
    return counts


def _parse_cosigned(value: Any) -> dict[str, int]:
    cosigned = {}
    for item in parse_array(value, field="state.cosigned", low=0, high=_MAX_WITNESSES):
        name, time_s = parse_array(item, field="state.cosigned", low=2, high=2)
        cosigned[parse_text(name, field="state.cosigned", max_bytes=255)] = parse_uint(
            time_s, field="state.cosigned"
        )
    return cosigned
