"""Finding one entry: by index or identity, in a directory, behind an address, or in a file of its own.

index, entry = find_entry("data", "4711")
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ledger.audit.source import opened_source
from ledger.core.checkpoint import parse_checkpoint
from ledger.core.note import parse_note
from ledger.core.statement import MAX_ENTRY_BYTES
from ledger.core.tiles import TILE_WIDTH
from ledger.errors import LedgerError, VerificationError
from ledger.files import read_file
from ledger.ledger_arguments import parse_number
from ledger.remote import RemoteLedger, is_address
from ledger.store.engine import DATABASE_NAME, open_engine
from ledger.store.entries import LedgerReader

_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def find_entry(source: str, which: str | None) -> tuple[int | None, bytes]:
    """Return (index, bytes) of one entry; the index is None for a file of its own.

    Args:
        source: data directory, address of a service, or file.
        which: index, or identity in hex; None for a file.

    Raises:
        StorageError: the source cannot be read (not_found, not_reachable, storage_failed).
        LedgerError: code usage, no entry is named; not_found, there is none of that name.
    """
    is_file = not is_address(source) and not Path(source).is_dir()
    if is_file != (which is None):
        raise LedgerError(
            "usage", "name the entry by index or identity, or give a file with one entry", field="entry"
        )
    if which is None:
        return None, read_file(Path(source), max_size=MAX_ENTRY_BYTES, field="entry")
    if _ID.fullmatch(which):
        return _find_by_identity(source, bytes.fromhex(which))
    index = parse_number(which, "an index")
    with opened_source(source) as opened:
        size = parse_checkpoint(parse_note(opened.checkpoint()).text).tree_size
        if index >= size:
            raise VerificationError("not_found", f"the ledger has {size} entries", field="entry")
        first = index // TILE_WIDTH * TILE_WIDTH
        entries, _ = opened.entries(first, index + 1, size)
    if len(entries) <= index - first:
        raise VerificationError("not_found", "the entry is missing", field="entry")
    return index, entries[index - first]


def _find_by_identity(source: str, identity: bytes) -> tuple[int, bytes]:
    if is_address(source):
        with RemoteLedger(source) as remote:
            return remote.statement(identity)
    with opened_source(source):  # says what is wrong with the directory
        pass
    if not (Path(source) / DATABASE_NAME).is_file():
        detail = "a published copy has no index of identities: name the entry by its index"
        raise VerificationError("not_found", detail, field="entry")
    engine = open_engine(Path(source) / DATABASE_NAME, "read")
    try:
        reader = LedgerReader(engine)
        index = reader.index_of(identity)
        entry = None if index is None else reader.entry(index)
    finally:
        engine.dispose()
    if index is None or entry is None:
        raise VerificationError("not_found", "no statement has this identity", field="entry")
    return index, entry
