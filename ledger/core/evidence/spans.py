"""Evidence about what a seal commits of the leaves: `broken_chain`, `wrong_root`. docs/protocol.md section 12.

Both look at a span, the leaves from the end of one epoch to the end of a later one. The chain of hashes ties
them to the service key, the tree ties them to the log keys, and an honest ledger has one list of leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.core.chain import chain_next, chain_start, extend_chain
from ledger.core.evidence.finding import OPERATOR, Finding, not_proven
from ledger.core.evidence.form import BrokenChain, Evidence, ShownTerms, Span, WrongRoot
from ledger.core.evidence.standing import ShownHead, Standing
from ledger.core.merkle import (
    Frontier,
    NodeReader,
    check_inclusion,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    roots_from_consistency_path,
)
from ledger.core.seal import Seal
from ledger.core.tiles import split_hashes


class OpenedSpan:
    """A span whose first seal stands where it says, in the tree that its peaks fold to.

    Attributes:
        leaves: leaf hashes.
        end: tree size at its end.
        root_before, root: roots of the trees that end where it begins and where it ends.
        chain: chain value of the entry before the last.
    """

    def __init__(self, span: Span, standing: Standing) -> None:
        self.leaves = split_hashes(span.leaves)
        self.end = span.first + len(self.leaves)
        if not self.leaves:
            raise not_proven("a span has leaves", "leaves")
        frontier = Frontier.from_peaks(span.first, split_hashes(span.peaks))
        self.root_before = frontier.root()
        frontier.extend(self.leaves)
        self.root = frontier.root()
        start = self._chain_before(span, standing)
        self.chain = extend_chain(start, self.leaves[:-1])[-1] if len(self.leaves) > 1 else start

    def _chain_before(self, span: Span, standing: Standing) -> bytes:
        if span.first == 0:
            if span.seal_path:
                raise not_proven("there is no seal before entry 0", "seal_path")
            return chain_start(standing.origin)
        index, leaf = span.first - 1, leaf_hash(span.seal_before)
        check_inclusion(leaf, index, span.first, split_hashes(span.seal_path), self.root_before)
        return chain_next(standing.open_seal(span.seal_before, index).chain, leaf)


def check_leads_to(size: int, root: bytes, path: bytes, head: ShownHead) -> None:
    """Check that the tree of `size` entries with this root is a beginning of the head's; path empty for one size."""
    checkpoint = head.checkpoint
    hashes = split_hashes(path)
    if size > checkpoint.tree_size or (size == checkpoint.tree_size) != (not hashes):
        raise not_proven("the head does not cover what is shown", "path")
    found = (root, root)
    if hashes:
        found = roots_from_consistency_path(size, root, checkpoint.tree_size, hashes)
    if found != (root, checkpoint.root_hash):
        raise not_proven("what is shown is not in the tree of the head", "path")


def check_broken_chain(body: BrokenChain, head: ShownHead, standing: Standing) -> Finding:
    """Check that a seal in the tree commits another chain value than a seal before it and the leaves give.

    Raises:
        VerificationError: not_proven, the chain holds, or a part is not in the tree of the head.
    """
    span = OpenedSpan(body.span, standing)
    check_leads_to(span.end, span.root, body.path, head)
    index = span.end - 1
    if leaf_hash(body.seal) != span.leaves[-1]:
        raise not_proven("the later seal is not the last leaf", "seal")
    seal = standing.open_seal(body.seal, index)
    if seal.chain == span.chain:
        raise not_proven("the chain holds", "seal")
    return Finding(
        kind="broken_chain",
        against=OPERATOR,
        origin=standing.origin,
        code="bad_seal",
        index=index,
        field="chain",
        detail=f"the seal at {index} commits a chain value that the leaves of the same tree do not give",
        heads=(head.size_and_root,),
        witnesses=tuple(sorted(head.witnesses)),
    )


def check_wrong_root(body: WrongRoot, head: ShownHead, standing: Standing) -> Finding:
    """Check that the leaves that the head's own seal commits do not give the head's root.

    Raises:
        VerificationError: not_proven, they do, or the leaves are not those that the seal commits.
    """
    span = OpenedSpan(body.span, standing)
    statement = standing.last_seal
    size = head.checkpoint.tree_size
    if statement is None or standing.size != size or span.end != size:
        raise not_proven("the last seal is not that of the head", "seals")
    earlier = standing.open_head(body.earlier) if body.earlier else None
    if (0 if earlier is None else earlier.checkpoint.tree_size) != body.span.first:
        raise not_proven("the span does not begin with the earlier head", "earlier")
    if earlier is not None and earlier.checkpoint.root_hash != span.root_before:
        raise not_proven("the peaks do not fold to the earlier head", "peaks")
    seal: Seal = statement.body
    if span.leaves[-1] != leaf_hash(statement.entry) or seal.chain != span.chain:
        raise not_proven("the leaves are not those that the seal commits", "leaves")
    if span.root == head.checkpoint.root_hash:
        raise not_proven("the head has the root of its leaves", "leaves")
    heads = [head] if earlier is None else [head, earlier]
    return Finding(
        kind="wrong_root",
        against=OPERATOR,
        origin=standing.origin,
        code="bad_checkpoint",
        index=None,
        field="root",
        detail=f"the head of {size} entries has not the root of the leaves that its own seal commits",
        heads=tuple(item.size_and_root for item in heads),
        witnesses=tuple(sorted(frozenset.intersection(*[item.witnesses for item in heads]))),
    )


def show_span(
    first: int, leaves: Sequence[bytes], read_entry: Callable[[int], bytes], node: NodeReader
) -> Span:
    """Return the span of these leaves from `first` on.

    Args:
        first: a size at which an epoch ended, or 0.
        leaves: leaf hashes.
        read_entry: returns the entry at an index; asked for `first` - 1 only.
        node: complete subtrees of the tree of `first` leaves.
    """
    if first == 0:
        return Span(0, b"", b"", b"", b"".join(leaves))
    peaks = b"".join(Frontier.from_nodes(first, node).peaks())
    path = b"".join(prove_inclusion(first - 1, first, node))
    return Span(first, peaks, read_entry(first - 1), path, b"".join(leaves))


def prove_broken_chain(
    terms: ShownTerms, head: str, size: int, span: Span, seal: bytes, node: NodeReader
) -> Evidence:
    """Return evidence that `seal`, the last leaf of the span, commits another chain value.

    Args:
        terms: complete up to `size`.
        head: note of the head of `size` entries.
        span: as `show_span` gives it.
        seal: the entry that is its last leaf.
        node: complete subtrees of the tree of `head`; not asked where the span ends with it.
    """
    end = span.first + len(split_hashes(span.leaves))
    path = b"".join(prove_consistency(end, size, node)) if end < size else b""
    return Evidence(terms, head, BrokenChain(span, seal, path))


def prove_wrong_root(terms: ShownTerms, head: str, span: Span, earlier: str) -> Evidence:
    """Return evidence that `head` has not the root of the leaves that its own seal commits.

    Args:
        terms: up to the size of `head`; their last seal is the head's own.
        head: its note.
        span: from the earlier head to the end, the leaf of the seal last.
        earlier: note of the earlier head, "" where the span begins with entry 0.
    """
    return Evidence(terms, head, WrongRoot(span, earlier))
