"""A day's delta: what turns the trust bundle of one day's beginning into that of its end.

docs/protocol.md section 9, "Deltas", and `delta` in docs/safeconduct.cddl. A delta is a static file that
saves a station the rest of the bundle. Nothing in it is believed: it leads to bytes whose hash it names, and
these are verified as any other bundle.

    delta = make_delta(bundle_of_yesterday, bundle_of_today)
    apply_delta(bundle_at_hand, delta)       # a whole bundle, to be verified
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from ledger.core.bundle import (
    MAX_BUNDLE_SIZE,
    MAX_INDEX,
    Bundle,
    PackedList,
    PlacedEntry,
    format_bundle,
    parse_approvals,
    parse_bridges,
    parse_bundle,
    parse_lists,
    parse_note_text,
    parse_placed,
)
from ledger.core.cbor import decode, encode
from ledger.core.cells import CELL_SIZE
from ledger.core.checkpoint import parse_checkpoint
from ledger.core.merkle import HASH_SIZE
from ledger.core.note import parse_note
from ledger.errors import BundleError, CodedError, MalformedError

VERSION: Final = 1
MAX_DELTA_SIZE: Final = MAX_BUNDLE_SIZE
_KEYS: Final = list(range(1, 11))


@dataclass(frozen=True, slots=True)
class Delta:
    """A delta that has the right form. Nothing in it is verified.

    Attributes:
        from_size, to_size: tree sizes that it leads from and to, multiples of 16; equal where only the
            checkpoint is newer.
        approvals: approvals that the bundle at `from_size` does not have, by rising index.
        checkpoint: text of the cosigned checkpoint at `to_size`.
        cells: 32 bytes for each 16 entries from `from_size` to `to_size`.
        seal: the last entry of the tree at `to_size`.
        lists: status lists that the bundle at `from_size` has not, or has otherwise.
        bridges: bridging checkpoints that the bundle at `from_size` has not, or has otherwise.
        bundle_hash: SHA-256 of the bundle at `to_size`.
    """

    from_size: int
    to_size: int
    approvals: tuple[PlacedEntry, ...]
    checkpoint: str
    cells: bytes
    seal: PlacedEntry
    lists: tuple[PackedList, ...]
    bridges: tuple[str, ...]
    bundle_hash: bytes


def parse_delta(data: bytes) -> Delta:
    """Read the one allowed form of a delta.

    Raises:
        MalformedError: code `too_large` above the caps of a bundle; `unsupported` for another version;
            otherwise `malformed`.
    """
    value = decode(data, max_size=MAX_DELTA_SIZE, field="delta")
    # simple(1) equals 1 in Python, so a key is looked at before it is looked up.
    if not isinstance(value, dict) or any(type(key) is not int for key in value):
        raise MalformedError("a delta is a map with integer keys", field="delta")
    if value.get(1) != VERSION or type(value[1]) is not int:
        raise MalformedError("not a delta of this version", field="version", code="unsupported")
    if list(value) != _KEYS:
        raise MalformedError("a delta has the parts 1 to 10", field="delta")
    from_size, to_size = _size(value[2]), _size(value[3])
    cells, bundle_hash = value[6], value[10]
    if not isinstance(cells, bytes) or len(cells) * CELL_SIZE != (to_size - from_size) * HASH_SIZE:
        raise MalformedError("the cells are not those between the sizes", field="cells")
    if not isinstance(bundle_hash, bytes) or len(bundle_hash) != HASH_SIZE:
        raise MalformedError("a hash has 32 bytes", field="bundle_hash")
    return Delta(
        from_size=from_size,
        to_size=to_size,
        approvals=parse_approvals(value[4], to_size - 1),
        checkpoint=parse_note_text(value[5]),
        cells=cells,
        seal=parse_placed(to_size - 1, value[7], "seal"),
        lists=parse_lists(value[8]),
        bridges=parse_bridges(value[9]),
        bundle_hash=bundle_hash,
    )


def format_delta(delta: Delta) -> bytes:
    """Return the bytes of a delta; the inverse of `parse_delta`.

    Raises:
        MalformedError: the delta would not be read back, with the codes of `parse_delta`.
    """
    value = {
        1: VERSION,
        2: delta.from_size,
        3: delta.to_size,
        4: [[approval.index, approval.path, approval.entry] for approval in delta.approvals],
        5: delta.checkpoint,
        6: delta.cells,
        7: [delta.seal.path, delta.seal.entry],
        8: [[packed.uri, packed.raw_deflated, packed.reasons_deflated] for packed in delta.lists],
        9: list(delta.bridges),
        10: delta.bundle_hash,
    }
    data = encode(value)
    if parse_delta(data) != delta:
        raise MalformedError("the seal is the last entry", field="delta")
    return data


def make_delta(old: bytes, new: bytes) -> bytes:
    """Return the delta that leads from one bundle to a later one of the same ledger.

    Raises:
        MalformedError: not bundles.
        BundleError: code bundle_invalid, the second does not extend the first.
    """
    before, after = parse_bundle(old), parse_bundle(new)
    if before.charter != after.charter or after.cells[: len(before.cells)] != before.cells:
        raise BundleError(0, "the second bundle does not extend the first", field="cells")
    known = set(before.approvals)
    known_lists = set(before.lists)
    known_bridges = set(before.bridges)
    return format_delta(
        Delta(
            from_size=before.tree_size,
            to_size=after.tree_size,
            approvals=tuple(approval for approval in after.approvals if approval not in known),
            checkpoint=after.checkpoint,
            cells=after.cells[len(before.cells) :],
            seal=after.seal,
            lists=tuple(packed for packed in after.lists if packed not in known_lists),
            bridges=tuple(text for text in after.bridges if text not in known_bridges),
            bundle_hash=hashlib.sha256(new).digest(),
        )
    )


def apply_delta(bundle: bytes, delta: bytes) -> bytes:
    """Return the bundle that a delta leads to; it is not verified yet.

    Args:
        bundle: the bundle at hand, whose size lies between the delta's two.
        delta: as the ledger gave it.

    Raises:
        MalformedError: not a bundle, or not a delta.
        BundleError: code bundle_invalid, the delta is of other sizes, or does not lead to the bundle whose
            hash it names; it is then dropped whole.
    Source: docs/protocol.md, section 9, "Deltas".
    """
    old, change = parse_bundle(bundle), parse_delta(delta)
    if not change.from_size <= old.tree_size <= change.to_size:
        raise BundleError(0, "the delta does not begin at the list at hand", field="tree_size")
    have = (old.tree_size - change.from_size) // CELL_SIZE * HASH_SIZE
    approvals = {approval.index: approval for approval in (*old.approvals, *change.approvals)}
    lists = {packed.uri: packed for packed in (*old.lists, *change.lists)}
    try:
        bridges = {_checkpoint_size(text): text for text in (*old.bridges, *change.bridges)}
        data = format_bundle(
            Bundle(
                charter=old.charter,
                approvals=tuple(approvals[index] for index in sorted(approvals)),
                checkpoint=change.checkpoint,
                cells=old.cells + change.cells[have:],
                seal=change.seal,
                lists=tuple(lists[uri] for uri in sorted(lists)),
                bridges=tuple(bridges[size] for size in sorted(bridges)),
            )
        )
    except CodedError as error:
        raise BundleError(0, "the delta does not lead to a bundle", field="delta") from error
    if hashlib.sha256(data).digest() != change.bundle_hash:
        raise BundleError(0, "the delta leads to another bundle than it names", field="bundle_hash")
    return data


def _checkpoint_size(text: str) -> int:
    return parse_checkpoint(parse_note(text).text).tree_size


def _size(value: Any) -> int:
    if type(value) is not int or not CELL_SIZE <= value <= MAX_INDEX or value % CELL_SIZE:
        raise MalformedError("a tree size is a positive multiple of 16", field="size")
    return value
