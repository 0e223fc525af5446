"""Whose keys are the ledger's, shown from the pin: charter, effective actions, seals. docs/protocol.md section 12.

A governor's action alone does not make a key the ledger's: a seal under the service key of before must have
acknowledged it, and the last seal says that no action is left out. So neither governors nor the holder of an
old log key can make others answer for heads that the ledger's keys of that size did not sign.

    standing = open_terms(evidence.terms, pin)
    head = standing.open_head(evidence.head)
    head.checkpoint.tree_size, head.witnesses
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.core.bridges import log_verifier_keys
from ledger.core.bundle import MAX_ISSUERS
from ledger.core.charter import Charter
from ledger.core.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.core.cose_key import PublicKey
from ledger.core.cosignature import check_cosignature
from ledger.core.evidence.finding import not_proven
from ledger.core.evidence.form import ShownAction, ShownTerms
from ledger.core.ledger_verbs import SetLogKeys, SetServiceKeys, SetWitnessPolicy
from ledger.core.merkle import leaf_hash
from ledger.core.note import Note, NoteSignature, VerifierKey, format_note, parse_note
from ledger.core.pin import Pin
from ledger.core.policy import parse_policy
from ledger.core.registry.governance import Effect, Governance
from ledger.core.seal import Seal
from ledger.core.statement import Statement, parse_statement
from ledger.errors import CodedError


@dataclass(frozen=True, slots=True)
class ShownHead:
    """A head that the ledger's keys of its size signed, and the key names of the witnesses that cosigned it."""

    checkpoint: Checkpoint
    witnesses: frozenset[str]

    @property
    def size_and_root(self) -> tuple[int, bytes]:
        """Tree size and root."""
        return self.checkpoint.tree_size, self.checkpoint.root_hash


class Standing:
    """The ledger's keys up to `size`, the end of its last shown seal.

    Attributes:
        governance: folded up to there.
        size: tree size up to which the actions are complete.
        last_seal: the last seal's statement, or None where only the charter counts.
        service_keys: every key that seals were made with.
    """

    def __init__(self, charter: Charter, charter_hash: bytes) -> None:
        self.governance = Governance.from_charter(charter, charter_hash)
        self.size = 0
        self.last_seal: Statement | None = None
        self.service_keys: list[PublicKey] = [charter.service_key]
        # From which size on they sign; None from an action that replaces them to the end of its epoch.
        self._log_keys: list[tuple[int, tuple[bytes, bytes] | None]] = [(0, charter.log_keys)]
        self._witnesses: dict[tuple[str, int], VerifierKey] = {}
        self._know_witnesses(charter.witness_policy)

    @property
    def origin(self) -> str:
        """The ledger's name."""
        return self.governance.origin

    def open_head(self, text: str, *, epoch_from: int | None = None) -> ShownHead:
        """Check a head under the log keys of its size; every line must be of the log or of a witness.

        Log keys of an action count for heads of later epochs only, which the seal of its epoch shows: else
        governors could make heads of an epoch that the ledger signed itself. The one head that ends the very
        epoch of such an action is made under the keys before; it is known only by `epoch_from`.

        Args:
            text: the note.
            epoch_from: tree size before the epoch that the head ends, where the caller has shown that one
                epoch lies between; the last shown seal must end there.

        Raises:
            MalformedError: not a checkpoint.
            VerificationError: bad_checkpoint, a signature of the log is missing or a line does not verify;
                not_proven, the head is larger than the actions are complete for, or has a line of a stranger.
        """
        note = parse_note(text)
        size = parse_checkpoint(note.text).tree_size
        known_until = size if epoch_from is None else epoch_from
        if known_until > self.size or (epoch_from is not None and epoch_from != self.size):
            raise not_proven("the actions are not shown up to this head", "seals")
        raw = self._log_keys_at(known_until)
        if raw is None:
            raise not_proven("no later epoch than that of an action on the log keys is shown", "seals")
        keys = log_verifier_keys(self.origin, raw)
        signed = open_checkpoint(text, keys)
        ours = {(key.name, key.key_id) for key in keys}
        witnesses: list[str] = []
        for line in note.signatures:
            if (line.name, line.key_id) in ours:
                continue
            key = self._witnesses.get((line.name, line.key_id))
            if key is None or line.name in witnesses:
                raise not_proven("a line on the head is of nobody known, or stands twice", "head")
            check_cosignature(key, line, signed.checkpoint, note.text)
            witnesses.append(line.name)
        return ShownHead(signed.checkpoint, frozenset(witnesses))

    def open_seal(self, entry: bytes, index: int) -> Seal:
        """Return a seal that the ledger signed for `index`, under any key that its seals were made with.

        The caller shows that the entry is in the tree, which is why the time of the key does not matter.
        """
        statement = _parse_seal(entry, self.origin)
        seal: Seal = statement.body
        if seal.index != index:
            raise not_proven("a seal is of another place", "seal")
        keys = [key for key in self.service_keys if key.kid == statement.kid]
        if not any(_is_signed_by(statement, key) for key in keys):
            raise not_proven("a seal is not signed by a service key of this ledger", "seal")
        return seal

    def strip(self, text: str) -> str:
        """Return a note with the lines of the log, and of each witness one that verifies, as evidence carries it.

        So no line that an operator added to a head keeps the head out of evidence.
        """
        note = parse_note(text)
        checkpoint = parse_checkpoint(note.text)
        ours = {
            (key.name, key.key_id)
            for _, raw in self._log_keys
            if raw is not None
            for key in log_verifier_keys(self.origin, raw)
        }
        lines: list[NoteSignature] = []
        witnesses: set[str] = set()
        for line in note.signatures:
            key = self._witnesses.get((line.name, line.key_id))
            if (line.name, line.key_id) in ours:
                lines.append(line)
            elif key is not None and line.name not in witnesses and _is_cosigned(note, checkpoint, line, key):
                lines.append(line)
                witnesses.add(line.name)
        return format_note(Note(note.text, tuple(lines)))

    def take_action(self, action: ShownAction) -> None:
        """Fold one effective action: approvals of governors of that moment, enough of them."""
        governance = self.governance
        effect: Effect | None = None
        for entry in action.approvals:
            statement = parse_statement(entry)
            if statement.kind != "govern":
                raise not_proven("an approval is not a govern statement", "approvals")
            statement.check_signature(governance.governor_key(statement.iss, statement.kid))
            required = max(governance.threshold, len(action.approvals))
            effect = governance.approve(action.index, statement, time_ms=None, required=required)
        if effect is None or len(governance.issuers) > MAX_ISSUERS:
            raise not_proven("an action has too few approvals", "approvals")
        governance.hold_unbridged()
        for verb in effect.action.verbs:
            match verb:
                case SetLogKeys():
                    self._log_keys.append((action.index + 1, None))
                case SetServiceKeys(service_key, _):
                    self.service_keys.append(service_key)
                case SetWitnessPolicy(policy):
                    self._know_witnesses(policy)

    def take_seal(self, statement: Statement, *, is_last: bool) -> None:
        """Check a seal under the service key of that moment; it must say that no action is left out."""
        scheduled = self.governance.terms.scheduled.values()
        if not is_last and not any(isinstance(verb, SetServiceKeys | SetLogKeys) for verb in scheduled):
            raise not_proven("a seal that no change of keys asks for", "seals")
        key = self.governance.service_key
        if statement.kid != key.kid:
            raise not_proven("a seal is not signed by the service key of its time", "seals")
        statement.check_signature(key)
        if statement.body.govern_head != self.governance.govern_head:
            raise not_proven("the actions are not all that a seal commits", "seals")
        if is_last:
            self.size, self.last_seal = statement.body.index + 1, statement
        else:
            self._log_keys += [
                (statement.body.index + 2, verb.log_keys)
                for verb in scheduled
                if isinstance(verb, SetLogKeys)
            ]
            self.governance.open_epoch()

    def _log_keys_at(self, size: int) -> tuple[bytes, bytes] | None:
        return next(keys for start, keys in reversed(self._log_keys) if start <= size)

    def _know_witnesses(self, policy: str) -> None:
        for key in parse_policy(policy).witness_keys().values():
            self._witnesses[key.name, key.key_id] = key


def open_terms(
    shown: ShownTerms, pin: Pin, *, before_action: Callable[[Governance, int | None], bool] | None = None
) -> Standing:
    """Fold what is shown of a ledger's keys, from the pinned charter to the last seal.

    Args:
        shown: the parts.
        pin: the ledger.
        before_action: called before each action with its index, and once behind all with None; may fold
            more, and ends the walk by True. The last seal is then not compared.

    Raises:
        MalformedError, VerificationError: an entry is not of its form, a signature does not verify, or the
            parts do not lead from the pin to the last seal.
    Source: docs/protocol.md, section 12, "Keys".
    """
    standing = _open_charter(shown.charter, pin)
    seals = deque(_parse_seal(entry, standing.origin) for entry in shown.seals)
    indexes = [statement.body.index for statement in seals]
    if indexes != sorted(set(indexes)):
        raise not_proven("the seals are not by rising index", "seals")
    if shown.actions and (not indexes or shown.actions[-1].index >= indexes[-1]):
        raise not_proven("an action lies behind the last seal", "actions")
    for action in shown.actions:
        while seals[0].body.index < action.index:
            standing.take_seal(seals.popleft(), is_last=False)
        if before_action is not None and before_action(standing.governance, action.index):
            return standing
        standing.take_action(action)
    if before_action is not None:
        before_action(standing.governance, None)
        return standing
    while seals:
        standing.take_seal(seals.popleft(), is_last=not seals)
    return standing


def show_terms(
    read_entry: Callable[[int], bytes],
    effects: Sequence[Effect],
    size: int,
    seal_of: Callable[[int], int],
) -> ShownTerms:
    """Return what shows the keys of a ledger up to `size`; the inverse of `open_terms`.

    Args:
        read_entry: returns the entry at an index.
        effects: effective actions in order (`Registry.effects`).
        size: end of an epoch; 0 shows the charter alone.
        seal_of: returns the index of the seal of the epoch that holds an index.
    """
    inside = [effect for effect in effects if effect.index < size]
    actions = tuple(
        ShownAction(effect.index, tuple(sorted(read_entry(index) for index in effect.approvals)))
        for effect in inside
    )
    changes = [
        effect.index
        for effect in inside
        if any(isinstance(verb, SetServiceKeys | SetLogKeys) for verb in effect.action.verbs)
    ]
    places = sorted({seal_of(index) for index in changes} | ({size - 1} if size else set()))
    return ShownTerms(read_entry(0), actions, tuple(read_entry(place) for place in places))


def _open_charter(entry: bytes, pin: Pin) -> Standing:
    charter_hash = leaf_hash(entry)
    if charter_hash != pin.charter_hash:
        raise not_proven("the charter is not the pinned one", "charter")
    statement = parse_statement(entry)
    charter = statement.body
    if not isinstance(charter, Charter) or charter.origin != pin.origin:
        raise not_proven("the charter is not of the pinned origin", "charter")
    if statement.kid != charter.service_key.kid:
        raise not_proven("the charter is not signed by its service key", "charter")
    statement.check_signature(charter.service_key)
    return Standing(charter, charter_hash)


def _is_cosigned(note: Note, checkpoint: Checkpoint, line: NoteSignature, key: VerifierKey) -> bool:
    try:
        check_cosignature(key, line, checkpoint, note.text)
    except CodedError:
        return False
    return True


def _parse_seal(entry: bytes, origin: str) -> Statement:
    statement = parse_statement(entry)
    if statement.kind != "seal" or statement.iss != origin:
        raise not_proven("not a seal of this ledger", "seals")
    return statement


def _is_signed_by(statement: Statement, key: PublicKey) -> bool:
    try:
        statement.check_signature(key)
    except CodedError:
        return False
    return True
