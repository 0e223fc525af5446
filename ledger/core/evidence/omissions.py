"""Evidence that a seal leaves out an action that took effect: `omitted_action`. docs/protocol.md section 12.

The approvals stand in the tree of the head, the head's seal commits the actions without them, and folding
them in by the rules lets the action take effect. An honest ledger accepts an approval only when it counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ledger.core.actions import DistrustKey
from ledger.core.evidence.bodies import OmittedAction, PlacedApproval
from ledger.core.evidence.finding import OPERATOR, Finding, not_proven
from ledger.core.evidence.form import Evidence, ShownTerms
from ledger.core.evidence.standing import ShownHead, Standing, open_terms
from ledger.core.merkle import NodeReader, check_inclusion, leaf_hash, prove_inclusion
from ledger.core.pin import Pin
from ledger.core.registry.governance import Governance
from ledger.core.statement import Statement, parse_statement
from ledger.core.tiles import split_hashes


def check_omitted_action(
    body: OmittedAction, head: ShownHead, standing: Standing, terms: ShownTerms, pin: Pin
) -> Finding:
    """Check that approvals in the head's tree made an action effective that its seal does not have.

    Raises:
        VerificationError: not_proven, no action takes effect with them; not_listed, one or the seal is not in
            the tree; others of an approval that does not count.
    """
    size, root = head.size_and_root
    if standing.size != size or standing.last_seal is None:
        raise not_proven("the last seal is not that of the head", "seals")
    # A service key that was replaced signs any seal; only the tree says which one is the ledger's.
    check_inclusion(leaf_hash(standing.last_seal.entry), size - 1, size, split_hashes(body.seal_path), root)
    statements = []
    for placed in body.approvals:
        check_inclusion(leaf_hash(placed.entry), placed.index, size, split_hashes(placed.path), root)
        statements.append(parse_statement(placed.entry))
    if any(statement.kind != "govern" for statement in statements):
        raise not_proven("an approval is not a govern statement", "approvals")
    index = _takes_effect(body, statements, terms, pin)
    if index is None:
        raise not_proven("no action takes effect with these approvals", "approvals")
    return Finding(
        kind="omitted_action",
        against=OPERATOR,
        origin=standing.origin,
        code="bad_seal",
        index=size - 1,
        field="govern_head",
        detail=f"the seal at {size - 1} leaves out the action that took effect at {index}",
        heads=(head.size_and_root,),
        witnesses=tuple(sorted(head.witnesses)),
    )


def prove_omitted_action(
    terms: ShownTerms,
    head: str,
    size: int,
    indexes: Sequence[int],
    read_entry: Callable[[int], bytes],
    node: NodeReader,
) -> Evidence:
    """Return evidence that the seal of `head` leaves out an action.

    Args:
        terms: complete up to `size`, as the seal commits them.
        head: note of the head of `size` entries.
        indexes: of the approvals that made the action effective, rising.
        read_entry: returns the entry at an index.
        node: complete subtrees of the tree of `head`.
    """
    placed = tuple(
        PlacedApproval(index, b"".join(prove_inclusion(index, size, node)), read_entry(index))
        for index in indexes
    )
    seal_path = b"".join(prove_inclusion(size - 1, size, node))
    return Evidence(terms, head, OmittedAction(placed, seal_path))


def _takes_effect(
    body: OmittedAction, statements: Sequence[Statement], terms: ShownTerms, pin: Pin
) -> int | None:
    """Fold the approvals between the actions that the seal commits; return where the action takes effect."""
    waiting = deque(zip(body.approvals, statements, strict=True))
    last = body.approvals[-1].index
    found: list[int] = []

    def fold(governance: Governance, until: int | None) -> bool:
        while waiting and (until is None or waiting[0][0].index < until):
            placed, statement = waiting.popleft()
            statement.check_signature(governance.governor_key(statement.iss, statement.kid))
            required = _required(governance, statement)
            effect = governance.approve(placed.index, statement, time_ms=None, required=required)
            if effect is not None:
                found.append(placed.index)
                return True
        return False

    open_terms(terms, pin, before_action=fold)
    return last if found == [last] else None


def _required(governance: Governance, statement: Statement) -> int:
    """Return how many approvals make it effective whatever the clock hours: distrust may need n-1."""
    deep = any(isinstance(verb, DistrustKey) for verb in statement.body.verbs)
    return max(governance.threshold, len(governance.governors) - 1) if deep else governance.threshold
