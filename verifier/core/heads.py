"""Comparing heads: whether another station was shown the same ledger. docs/protocol.md, section 9.

Two stations that meet exchange the checkpoint of the list at hand, by file or by codes. The one with the
larger tree folds as many of its own cells as the other head counts and sees whether the root comes out; a
ledger that shows two histories is found without any network. Nothing is believed but the log's signatures.

    seen = compare_head(trusted, note)
    seen.relation, seen.checkpoint.tree_size       # ("fork", 4096)
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from ledger.core.cells import CELL_SIZE, root_from_cells
from ledger.core.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.core.cosignature import check_cosignatures
from ledger.core.pin import Pin
from ledger.core.policy import parse_policy
from ledger.errors import CodedError, VerificationError
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import TrustedList

Relation = Literal["same", "older", "newer", "fork"]


@dataclass(frozen=True, slots=True)
class ComparedHead:
    """Another head beside the list at hand.

    Attributes:
        relation: "same" tree; an "older" one that the list at hand extends; a "newer" one, of which the list
            at hand cannot tell; or a "fork": the log has signed two trees that contradict each other.
        checkpoint: the other head, signed by the log.
        witnesses: names of the witnesses whose cosignatures it bears, of those that the policy names now.
        is_cosigned: whether they satisfy the policy.
    """

    relation: Relation
    checkpoint: Checkpoint
    witnesses: tuple[str, ...]
    is_cosigned: bool


def compare_head(trusted: TrustedList, note: str) -> ComparedHead:
    """Compare the head of another station with the list at hand.

    A head needs no quorum to be compared: what the log has signed twice is its own doing.

    Raises:
        MalformedError: not a checkpoint note.
        VerificationError: code bad_checkpoint, it is of another ledger, or no pair of keys that the list at
            hand knows has signed it.
    """
    signed = _open(trusted, note)
    policy = parse_policy(trusted.witness_policy)
    times: dict[str, int] = {}
    for name, key in policy.witness_keys().items():
        # A line that does not verify counts for nobody; refused, it would hide what the log has signed.
        with suppress(VerificationError):
            times |= check_cosignatures(signed.note, signed.checkpoint, {name: key})
    return ComparedHead(
        _relation(trusted, signed.checkpoint), signed.checkpoint, tuple(times), policy.satisfied(times)
    )


def compare_list(mine: TrustedList, note: str, bundle: bytes, pin: Pin) -> ComparedHead:
    """Compare the list in which the head of another station came, and that head, with the list at hand.

    Raises:
        BundleError: the list does not verify, and its head alone is no fork.
        MalformedError: not a checkpoint note.
        VerificationError: code bad_checkpoint, the head is not that of the list.
    """
    compared: ComparedHead | None = None
    # It shows keys of its own where the log has exchanged them since, or in one history alone.
    with suppress(VerificationError):
        compared = compare_head(mine, note)
    if compared is not None and compared.relation == "fork":
        return compared
    # Nothing of it is used, so the least tree does not count: it would hide the other history.
    theirs = open_bundle(bundle, replace(pin, least=None))
    return replace(compared or compare_head(theirs, note), relation=_relation_of_lists(mine, theirs))


def _relation_of_lists(mine: TrustedList, theirs: TrustedList) -> Relation:
    """Return how the other list stands to the list at hand, by their cells alone."""
    smaller, larger = (mine, theirs) if mine.tree_size <= theirs.tree_size else (theirs, mine)
    if root_from_cells(larger.cells, smaller.tree_size // CELL_SIZE) != smaller.root_hash:
        return "fork"
    if mine.tree_size == theirs.tree_size:
        return "same"
    return "newer" if mine is smaller else "older"


def _open(trusted: TrustedList, note: str) -> SignedCheckpoint:
    newest, *older = trusted.log_keys
    for keys in older:
        with suppress(CodedError):
            return open_checkpoint(note, keys)
    return open_checkpoint(note, newest)


def _relation(trusted: TrustedList, other: Checkpoint) -> Relation:
    if other.tree_size % CELL_SIZE or other.tree_size == 0:
        raise VerificationError("bad_checkpoint", "not a size at which an epoch ends", field="tree_size")
    if other.tree_size > trusted.tree_size:
        return "newer"
    if root_from_cells(trusted.cells, other.tree_size // CELL_SIZE) != other.root_hash:
        return "fork"
    return "same" if other.tree_size == trusted.tree_size else "older"
