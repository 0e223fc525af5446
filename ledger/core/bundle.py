"""The trust bundle: all that a station needs to judge cards without a network, as one file.

docs/protocol.md, section 9, and `bundle` in docs/safeconduct.cddl. This module knows the form and nothing
more: `parse_bundle` says that the bytes are a bundle, never that it may be trusted. Folding it up to the
pinned ledger is the verifier's work (`verifier.core.trust`).

>>> placed = PlacedEntry(0, bytes(128), b"charter")
>>> seal = PlacedEntry(15, bytes(128), b"seal")
>>> bundle = Bundle(placed, (), "note", bytes(32), seal, ())
>>> parse_bundle(format_bundle(bundle)) == bundle
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from ledger.core.cbor import decode, encode
from ledger.core.cells import CELL_PATH_SIZE_BYTES, CELL_SIZE
from ledger.core.merkle import HASH_SIZE
from ledger.errors import MalformedError

VERSION: Final = 1
MAX_BUNDLE_SIZE: Final = 64 * 1024 * 1024
MAX_ENTRY_SIZE: Final = 65_535
MAX_NOTE_SIZE: Final = 65_536
MAX_ISSUERS: Final = 10_000
"""The most issuers that the approvals of a bundle may admit; the fold counts them."""
MAX_LISTS: Final = 4_096
MAX_INDEX: Final = 2**53 - 1
_LIST_URI: Final = re.compile(r"sc:[1-9][0-9]{0,6}/(?:0|[1-9][0-9]{0,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlacedEntry:
    """A logged entry with its ledger index and its 128-byte path to its cell."""

    index: int
    path: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class PackedList:
    """One status list as it travels: zlib streams of the raw list and of its reasons, not inflated here."""

    uri: str
    raw_deflated: bytes
    reasons_deflated: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that has the right form. Nothing in it is verified.

    Attributes:
        charter: the entry at index 0.
        approvals: approvals of effective actions, by strictly rising index.
        checkpoint: text of the cosigned checkpoint.
        cells: 32 bytes for each 16 entries; at least one.
        seal: the last entry that `cells` cover.
        lists: status lists, by URI in bytewise order, each once.
        bridges: texts of the bridging checkpoints; whether their sizes rise is asked when they are opened.
    """

    charter: PlacedEntry
    approvals: tuple[PlacedEntry, ...]
    checkpoint: str
    cells: bytes
    seal: PlacedEntry
    lists: tuple[PackedList, ...]
    bridges: tuple[str, ...] = ()

    @property
    def tree_size(self) -> int:
        """The number of entries that the cells cover."""
        return len(self.cells) // HASH_SIZE * CELL_SIZE


def parse_bundle(data: bytes) -> Bundle:
    """Read the one allowed form of a bundle.

    Raises:
        MalformedError: code `too_large` above 64 MiB, 4,096 lists, or the size of an entry or of the note;
            code `unsupported` for another version; otherwise `malformed`: not deterministic CBOR of this
            shape, indexes or list URIs out of order.
    Source: docs/protocol.md, section 9, step 1.
    """
    value = decode(data, max_size=MAX_BUNDLE_SIZE, field="bundle")
    # simple(1) equals 1 in Python, so a key is looked at before it is looked up.
    if not isinstance(value, dict) or any(type(key) is not int for key in value):
        raise MalformedError("a bundle is a map with integer keys", field="bundle")
    if value.get(1) != VERSION or type(value[1]) is not int:
        raise MalformedError("not a bundle of this version", field="version", code="unsupported")
    if list(value) != [1, 2, 3, 4, 5, 6, 7, 8]:
        raise MalformedError("a bundle has the parts 1 to 8", field="bundle")
    cells = _cells(value[5])
    last = len(cells) // HASH_SIZE * CELL_SIZE - 1
    return Bundle(
        charter=parse_placed(0, value[2], "charter"),
        approvals=parse_approvals(value[3], last),
        checkpoint=parse_note_text(value[4]),
        cells=cells,
        seal=parse_placed(last, value[6], "seal"),
        lists=parse_lists(value[7]),
        bridges=parse_bridges(value[8]),
    )


def format_bundle(bundle: Bundle) -> bytes:
    """Return the bytes of a bundle; the inverse of `parse_bundle`.

    Raises:
        MalformedError: the bundle would not be read back, with the codes of `parse_bundle`.
    """
    value = {
        1: VERSION,
        2: [bundle.charter.path, bundle.charter.entry],
        3: [[approval.index, approval.path, approval.entry] for approval in bundle.approvals],
        4: bundle.checkpoint,
        5: bundle.cells,
        6: [bundle.seal.path, bundle.seal.entry],
        7: [[packed.uri, packed.raw_deflated, packed.reasons_deflated] for packed in bundle.lists],
        8: list(bundle.bridges),
    }
    data = encode(value)
    if parse_bundle(data) != bundle:
        raise MalformedError("the charter is entry 0 and the seal the last entry", field="bundle")
    return data


def parse_placed(index: int, value: Any, field: str) -> PlacedEntry:
    """Read `[path, entry]` of the entry at `index`."""
    if not isinstance(value, list) or len(value) != 2:
        raise MalformedError("a placed entry has a path and its bytes", field=field)
    path, entry = value
    if not isinstance(path, bytes) or len(path) != CELL_PATH_SIZE_BYTES:
        raise MalformedError("a path has 128 bytes", field=field)
    if not isinstance(entry, bytes) or not entry:
        raise MalformedError("an entry is a byte string", field=field)
    if len(entry) > MAX_ENTRY_SIZE:
        raise MalformedError("an entry is too large", field=field, code="too_large")
    return PlacedEntry(index, path, entry)


def parse_approvals(value: Any, last: int) -> tuple[PlacedEntry, ...]:
    """Read `[[index, path, entry], ...]`, indexes rising between 0 and `last`."""
    if not isinstance(value, list):
        raise MalformedError("approvals are a list", field="approvals")
    approvals = []
    before = 0  # entry 0 is the charter
    for row in value:
        if not isinstance(row, list) or len(row) != 3 or type(row[0]) is not int:
            raise MalformedError("an approval has an index, a path and its bytes", field="approvals")
        if not before < row[0] < last:
            raise MalformedError("indexes of approvals rise and lie inside the tree", field="approvals")
        before = row[0]
        approvals.append(parse_placed(before, row[1:], "approvals"))
    return tuple(approvals)


def parse_note_text(value: Any) -> str:
    """Read the text of a cosigned checkpoint; its lines are not looked at."""
    if not isinstance(value, str):
        raise MalformedError("the checkpoint is a text", field="checkpoint")
    if len(value.encode()) > MAX_NOTE_SIZE:
        raise MalformedError("the checkpoint is too large", field="checkpoint", code="too_large")
    return value


def _cells(value: Any) -> bytes:
    if not isinstance(value, bytes) or not value or len(value) % HASH_SIZE:
        raise MalformedError("the cells are a whole number of hashes, at least one", field="cells")
    return value


def parse_lists(value: Any) -> tuple[PackedList, ...]:
    """Read `[[uri, raw, reasons], ...]`, URIs rising."""
    if not isinstance(value, list):
        raise MalformedError("the lists are a list", field="lists")
    if len(value) > MAX_LISTS:
        raise MalformedError("more status lists than a station takes", field="lists", code="too_large")
    lists = []
    before = ""
    for row in value:
        if not isinstance(row, list) or len(row) != 3 or not isinstance(row[0], str):
            raise MalformedError("a list has a URI and two byte strings", field="lists")
        uri, raw, reasons = row
        if not _LIST_URI.fullmatch(uri) or uri <= before:
            raise MalformedError("URIs of lists are of the ledger's form and rise", field="lists")
        if not isinstance(raw, bytes) or not isinstance(reasons, bytes):
            raise MalformedError("a list has a URI and two byte strings", field="lists")
        before = uri
        lists.append(PackedList(uri, raw, reasons))
    return tuple(lists)


def parse_bridges(value: Any) -> tuple[str, ...]:
    """Read the texts of bridging checkpoints."""
    if not isinstance(value, list):
        raise MalformedError("bridging checkpoints are a list", field="bridges")
    return tuple(parse_note_text(text) for text in value)
