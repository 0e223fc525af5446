"""Evidence of a fork from a trust bundle: what a station can prove by itself. docs/protocol.md sections 9 and 12.

A bundle has charter, actions, last seal and cells, which is all that a fork needs; but not the older seals that
acknowledged an exchange of the service key or the log keys. Of a ledger that has exchanged one of them, the
auditor who gets both lists makes the evidence.

    data = prove_bundle_fork(bundle_bytes, pin, note_of_the_other_head)
"""

from __future__ import annotations

from typing import Final

from ledger.core.bundle import parse_bundle
from ledger.core.cells import CELL_SIZE, root_from_cells
from ledger.core.checkpoint import parse_checkpoint
from ledger.core.evidence.check import check_evidence
from ledger.core.evidence.form import format_evidence
from ledger.core.evidence.heads import prove_fork
from ledger.core.evidence.standing import open_terms, show_terms
from ledger.core.merkle import HASH_SIZE, NodeReader
from ledger.core.note import parse_note
from ledger.core.opened_bundle import open_bundle
from ledger.core.pin import Pin
from ledger.errors import VerificationError

_CELL_LEVEL: Final = CELL_SIZE.bit_length() - 1


def prove_bundle_fork(data: bytes, pin: Pin, other: str) -> bytes:
    """Return the evidence file that a head of the same or a smaller tree contradicts a bundle; checked once.

    Args:
        data: the bundle.
        pin: its ledger.
        other: note of the other head.

    Raises:
        BundleError: the bundle does not verify.
        MalformedError: the note is not a checkpoint.
        VerificationError: code not_proven, the two agree, the other tree is larger, or the bundle does not
            carry what the evidence would need.
    """
    opened, bundle = open_bundle(data, pin), parse_bundle(data)
    placed = {part.index: part.entry for part in (bundle.charter, *bundle.approvals, bundle.seal)}
    size, other_size = bundle.tree_size, parse_checkpoint(parse_note(other).text).tree_size
    if not 0 < other_size <= size or other_size % CELL_SIZE:
        raise VerificationError(
            "not_proven", "the bundle does not reach to the other head", field="tree_size"
        )
    try:
        terms = show_terms(placed.__getitem__, opened.governance.effects, size, _no_seal)
    except LookupError as error:
        raise VerificationError(
            "not_proven",
            "the bundle lacks the seals that acknowledged other keys of the ledger",
            field="seals",
        ) from error
    standing = open_terms(terms, pin)
    notes = standing.strip(bundle.checkpoint), standing.strip(other)
    evidence = prove_fork(terms, notes[0], size, notes[1], other_size, _nodes_of(bundle.cells))
    made = format_evidence(evidence)
    check_evidence(made, pin)
    return made


def _no_seal(index: int) -> int:
    raise LookupError(f"the seal over entry {index} is not in a bundle")


def _nodes_of(cells: bytes) -> NodeReader:
    """Return the complete subtrees of 16 leaves and more; those of sizes at which epochs end ask for no others."""

    def node(level: int, index: int) -> bytes:
        width = 1 << level - _CELL_LEVEL
        start = index * width * HASH_SIZE
        return root_from_cells(cells[start : start + width * HASH_SIZE], width)

    return node
