"""Evidence about heads and single entries: `fork`, `tampered_entry`. docs/protocol.md section 12.

A fork convicts who holds the ledger's keys. Bytes that differ from an entry convict only the copy that they
came from, because anybody can make them up: nobody's signature is on them.
"""

from __future__ import annotations

from ledger.core.evidence.finding import COPY, OPERATOR, Finding, not_proven
from ledger.core.evidence.form import Evidence, Fork, ShownTerms, TamperedEntry
from ledger.core.evidence.standing import ShownHead, Standing
from ledger.core.merkle import (
    HASH_SIZE,
    NodeReader,
    check_inclusion,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    root_at,
    roots_from_consistency_path,
)
from ledger.core.tiles import split_hashes


def check_fork(body: Fork, head: ShownHead, standing: Standing) -> Finding:
    """Check that two heads that the ledger signed cannot both be of one growing tree.

    Raises:
        VerificationError: not_proven, they agree or are not comparable; others as `Standing.open_head`.
    """
    other = standing.open_head(body.other)
    size, other_size = head.checkpoint.tree_size, other.checkpoint.tree_size
    root = head.checkpoint.root_hash
    if bool(body.prefix_root) != (other_size < size):
        raise not_proven("a smaller head is compared with a prefix, one of the same size directly", "other")
    if other_size < size:
        found = roots_from_consistency_path(other_size, body.prefix_root, size, split_hashes(body.path))
        if found != (body.prefix_root, root):
            raise not_proven("the path does not lead to the first head", "path")
        root = body.prefix_root
    elif other_size > size:
        raise not_proven("the second head is the smaller one", "other")
    if root == other.checkpoint.root_hash:
        raise not_proven("the two heads agree", "other")
    detail = (
        f"two heads of {size} entries have different roots"
        if other_size == size
        else f"the head of {other_size} entries is not a beginning of the head of {size} entries"
    )
    return Finding(
        kind="fork",
        against=OPERATOR,
        origin=standing.origin,
        code="fork",
        index=None,
        field="root",
        detail=detail,
        heads=(head.size_and_root, other.size_and_root),
        witnesses=tuple(sorted(head.witnesses & other.witnesses)),
    )


def prove_fork(
    terms: ShownTerms, head: str, size: int, other: str, other_size: int, node: NodeReader
) -> Evidence:
    """Return evidence that `other` contradicts `head`.

    Args:
        terms: complete up to `size`.
        head: note of the larger head, or of one of the same size.
        size, other_size: their tree sizes, 0 < other_size <= size.
        node: complete subtrees of the tree of `head`; not asked where the sizes are one.
    """
    if other_size == size:
        return Evidence(terms, head, Fork(other))
    path = b"".join(prove_consistency(other_size, size, node))
    return Evidence(terms, head, Fork(other, root_at(other_size, node), path))


def check_tampered_entry(body: TamperedEntry, head: ShownHead, standing: Standing) -> Finding:
    """Check that bytes are not the entry that the head has at their index.

    Raises:
        VerificationError: not_proven, they are; not_listed, the leaf hash is not the head's.
    """
    size = head.checkpoint.tree_size
    check_inclusion(body.leaf, body.index, size, split_hashes(body.path), head.checkpoint.root_hash)
    if leaf_hash(body.served) == body.leaf:
        raise not_proven("the bytes are the entry", "served")
    return Finding(
        kind="tampered_entry",
        against=COPY,
        origin=standing.origin,
        code="bad_entry",
        index=body.index,
        field="entry",
        detail=f"the bytes are not entry {body.index} of the head of {size} entries",
        heads=(head.size_and_root,),
        witnesses=tuple(sorted(head.witnesses)),
    )


def prove_tampered_entry(
    terms: ShownTerms, head: str, size: int, index: int, served: bytes, node: NodeReader
) -> Evidence:
    """Return evidence that `served` is not the entry at `index` of `head`.

    Args:
        terms: complete up to `size`.
        head: note of the head of `size` entries.
        index: below `size`.
        served: what a copy gave out as that entry.
        node: complete subtrees of the tree of `head`.
    """
    path = b"".join(prove_inclusion(index, size, node))
    return Evidence(terms, head, TamperedEntry(index, node(0, index)[:HASH_SIZE], path, served))
