"""An inclusion proof, one step after the other, so that a person can follow and recompute it.

RFC 9162, section 2.1.3.2, as in `ledger.core.merkle.root_from_inclusion_path`, which stays the judge.

>>> from ledger.core.merkle import leaf_hash, node_hash
>>> a, b = leaf_hash(b"a"), leaf_hash(b"b")
>>> [step] = steps_of_inclusion(b, 1, 2, [a])
>>> step.sibling_is_left, step.node == node_hash(a, b)
(True, True)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.core.merkle import node_hash, root_from_inclusion_path


@dataclass(frozen=True, slots=True)
class Step:
    """One hash of a proof.

    Attributes:
        sibling: the hash that the proof gives.
        sibling_is_left: whether it stands left of what has been computed so far.
        node: SHA-256 of 01, the left and the right one.
    """

    sibling: bytes
    sibling_is_left: bool
    node: bytes


def steps_of_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> list[Step]:
    """Return the steps from a leaf to the root that its path leads to.

    Raises:
        MalformedError, VerificationError: as `root_from_inclusion_path`.
    Source: RFC 9162, 2.1.3.2.
    """
    root_from_inclusion_path(leaf, index, size, path)
    steps: list[Step] = []
    first, last, node = index, size - 1, leaf
    for sibling in path:
        is_left = bool(first & 1) or first == last
        if is_left:
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        node = node_hash(sibling, node) if is_left else node_hash(node, sibling)
        steps.append(Step(sibling, is_left, node))
        first >>= 1
        last >>= 1
    return steps
