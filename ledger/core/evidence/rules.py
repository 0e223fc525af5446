"""Evidence that an epoch does not replay: rules, order, padding, seals that lie. docs/protocol.md section 12.

The file carries every entry from the charter to the end of the epoch. The checker replays them and must come
upon the same code, index and field as the file names, in that epoch and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.core.chain import chain_start
from ledger.core.epoch import MAX_EPOCH_ENTRIES, replay_epoch, replay_genesis
from ledger.core.evidence.finding import OPERATOR, Finding, not_proven
from ledger.core.evidence.form import BrokenRule, Evidence, ShownTerms
from ledger.core.evidence.spans import check_leads_to
from ledger.core.evidence.standing import ShownHead, Standing
from ledger.core.merkle import NodeReader, leaf_hash, prove_consistency, root_hash
from ledger.core.registry import Registry
from ledger.core.statement import is_padding, parse_statement
from ledger.errors import CodedError, ForkAlarm, MalformedError


@dataclass(frozen=True, slots=True)
class Replayed:
    """State after whole epochs: the registry (None before the first), the chain, and how many entries."""

    registry: Registry | None
    chain_head: bytes
    size: int


def check_broken_rule(body: BrokenRule, head_text: str, standing: Standing) -> Finding:
    """Replay an epoch and check that it breaks the rule that the evidence names.

    Raises:
        VerificationError: not_proven, the epoch replays, or something else is found, or what is shown is
            not one whole epoch of the head's tree; others as `Standing.open_head`.
    """
    end = len(body.basis) + len(body.entries)
    leaves = [leaf_hash(entry) for entry in (*body.basis, *body.entries)]
    if leaves[0] != standing.governance.charter_hash:
        raise not_proven("entry 0 is not the pinned charter", "basis")
    head = _open_head(body, head_text, standing)
    check_leads_to(end, root_hash(leaves), body.path, head)
    if not _is_whole_epoch(body.entries, is_head=end == head.checkpoint.tree_size):
        raise not_proven("not one epoch, from seal to seal", "entries")
    try:
        state = replay_basis(body.basis, standing.origin)
    except ForkAlarm as earlier:
        raise not_proven("the entries before break a rule themselves", "basis") from earlier
    alarm = find_violation(state, body.entries)
    if alarm is None:
        raise not_proven("the epoch breaks no rule", "entries")
    if (alarm.code, alarm.index, alarm.field) != (body.code, body.index, body.field):
        raise not_proven("the replay finds something else", "code")
    return Finding(
        kind="broken_rule",
        against=OPERATOR,
        origin=standing.origin,
        code=alarm.code,
        index=alarm.index,
        field=alarm.field,
        detail=alarm.detail,
        heads=(head.size_and_root,),
        witnesses=tuple(sorted(head.witnesses)),
    )


def replay_basis(entries: Sequence[bytes], origin: str) -> Replayed:
    """Replay whole epochs from the charter on.

    Raises:
        ForkAlarm: they break a rule, or the last of them has no seal.
    """
    registry: Registry | None = None
    chain_head, start = chain_start(origin), 0
    for stop in [place + 1 for place, entry in enumerate(entries) if _is_seal(entry)]:
        epoch = entries[start:stop]
        if registry is None:
            registry, _, chain = replay_genesis(epoch)
        else:
            _, chain = replay_epoch(registry, chain_head, start, epoch)
        chain_head, start = chain[-1], stop
    if start != len(entries):
        raise ForkAlarm("the last epoch has no seal", code="bad_epoch", index=start)
    return Replayed(registry, chain_head, start)


def find_violation(state: Replayed, entries: Sequence[bytes]) -> ForkAlarm | None:
    """Return the first violation of the epoch that follows a state, or None; the state is used up."""
    try:
        if state.registry is None:
            replay_genesis(entries)
        else:
            replay_epoch(state.registry, state.chain_head, state.size, entries)
    except ForkAlarm as alarm:
        return alarm
    return None


def prove_broken_rule(
    terms: ShownTerms,
    head: str,
    size: int,
    basis: Sequence[bytes],
    entries: Sequence[bytes],
    node: NodeReader,
) -> Evidence:
    """Return evidence that an epoch breaks a rule.

    Args:
        terms: complete up to `size`, or, for the head that ends this epoch, up to where the epoch begins.
        head: note of the head of `size` entries.
        basis: all entries before the epoch.
        entries: of the epoch.
        node: complete subtrees of the tree of `head`; not asked where the epoch ends with it.

    Raises:
        MalformedError: the epoch breaks no rule.
        ForkAlarm: what is before it does.
    """
    origin = parse_statement(basis[0] if basis else entries[0]).iss
    alarm = find_violation(replay_basis(basis, origin), entries)
    if alarm is None or alarm.index is None:
        raise MalformedError("the epoch breaks no rule", field="entries", code="bad_input")
    end = len(basis) + len(entries)
    path = b"".join(prove_consistency(end, size, node)) if end < size else b""
    body = BrokenRule(tuple(basis), tuple(entries), path, alarm.code, alarm.index, alarm.field)
    return Evidence(terms, head, body)


def _is_whole_epoch(entries: Sequence[bytes], *, is_head: bool) -> bool:
    """Tell whether entries behind a seal are an epoch: no seal but the last, or none where nothing follows."""
    if any(_is_seal(entry) for entry in entries[:-1]):
        return False
    return _is_seal(entries[-1]) or is_head or len(entries) > MAX_EPOCH_ENTRIES


def _open_head(body: BrokenRule, text: str, standing: Standing) -> ShownHead:
    """Return the head: under the keys of its own size, or of its epoch where the terms end with the basis."""
    first = len(body.basis)
    if standing.size != first:
        return standing.open_head(text)
    # What the epoch itself changes holds from the next one on; that it is one epoch is found by the caller.
    head = standing.open_head(text, epoch_from=first)
    last = standing.last_seal
    if head.checkpoint.tree_size != first + len(body.entries) or (first and last is None):
        raise not_proven("the terms do not reach the head", "seals")
    if last is not None and last.entry != body.basis[-1]:
        raise not_proven("the terms do not end with the basis", "seals")
    return head


def _is_seal(entry: bytes) -> bool:
    if is_padding(entry):
        return False
    try:
        return parse_statement(entry).kind == "seal"
    except CodedError:
        return False
