"""What a head of a copy says, and who vouches for it: log keys, witnesses, quorum. docs/protocol.md section 8.

report = check_head(text, history, root)
report.fault, report.has_quorum
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.core.checkpoint import open_checkpoint, parse_checkpoint
from ledger.core.cosignature import check_cosignature
from ledger.core.key_history import KeyHistory
from ledger.core.note import Note, find_line, parse_note
from ledger.core.policy import QUORUM_NONE, Policy
from ledger.errors import CodedError
from ledger.explorer.fold import Fault


@dataclass(frozen=True, slots=True)
class WitnessReport:
    """One witness of the policy: its local name, its key name, the time of its cosignature or None, a fault or None."""

    name: str
    key_name: str
    time_s: int | None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class HeadReport:
    """What was found about one head.

    Attributes:
        size: its tree size.
        root: its root hash.
        log_time_s: the log's own word of when it signed, or None.
        witnesses: in the order of the policy.
        is_signed: whether both keys of the log signed it.
        has_quorum: whether it is signed, and the cosignatures that verify satisfy the policy of its epoch.
        quorum: the policy's rule in words.
        faults: why it is not the log's, or not of this tree; empty for a good one.
    """

    size: int
    root: bytes
    log_time_s: int | None
    witnesses: tuple[WitnessReport, ...]
    is_signed: bool
    has_quorum: bool
    quorum: str
    faults: tuple[Fault, ...]


def check_head(text: str, history: KeyHistory, root: bytes | None) -> HeadReport:
    """Check a head against the keys and the policy of its epoch.

    Args:
        text: the note.
        history: of this copy, noted up to the head's size.
        root: what the entries hash to at the head's size, None where the copy does not have them.

    Raises:
        MalformedError: the note is not a checkpoint.
    """
    note = parse_note(text)
    head = parse_checkpoint(note.text)
    faults, log_time_s = [], None
    try:
        log_time_s = open_checkpoint(text, history.log_keys_at(head.tree_size)).timestamp_s
    except CodedError as error:
        faults.append(Fault("bad_checkpoint", f"the head is not signed by the ledger: {error.detail}"))
    is_signed = not faults
    if root != head.root_hash:
        faults.append(Fault("bad_checkpoint", "the entries of this copy do not hash to the root of the head"))
    policy = history.policy_at(head.tree_size)
    witnesses = tuple(_look_for(note, name, policy) for name in policy.witness_keys())
    met = [witness.name for witness in witnesses if witness.time_s is not None]
    return HeadReport(
        head.tree_size,
        head.root_hash,
        log_time_s,
        witnesses,
        is_signed,
        is_signed and policy.satisfied(met),
        describe_quorum(policy),
        tuple(faults),
    )


def describe_quorum(policy: Policy) -> str:
    """Return what a policy asks for, in words.

    >>> from ledger.core.policy import parse_policy
    >>> describe_quorum(parse_policy("quorum none\\n"))
    'no witness is asked for'
    """
    if policy.quorum == QUORUM_NONE:
        return "no witness is asked for"
    groups = {group.name: group for group in policy.groups}

    def words(name: str) -> str:
        if name not in groups:
            return name
        group = groups[name]
        members = ", ".join(f"({words(item)})" if item in groups else item for item in group.members)
        return f"{group.threshold} of {members}"

    return words(policy.quorum)


def _look_for(note: Note, name: str, policy: Policy) -> WitnessReport:
    key = policy.witness_keys()[name]
    try:
        line = find_line(note, key)
        if line is None:
            return WitnessReport(name, key.name, None)
        time_s = check_cosignature(key, line, parse_checkpoint(note.text), note.text)
    except CodedError as error:
        return WitnessReport(name, key.name, None, Fault("bad_checkpoint", error.detail))
    return WitnessReport(name, key.name, time_s)
