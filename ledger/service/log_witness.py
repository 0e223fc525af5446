"""A witness of one log: judge, sign, remember durably, answer; in this order.

C2SP tlog-witness. The judgement is `ledger.core.witness_protocol.decide`; here it meets what the witness
remembers. What a log signed and what cannot stand beside what was cosigned is kept: two signed heads that
contradict each other are evidence that convinces anybody.

    witness = LogWitness(MlDsa44Cosigner("w1.example", seed), origin, log_keys, state, now_s)
    answer = witness.cosign(parse_add_checkpoint(body))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from ledger.core.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint
from ledger.core.cosignature import CosignerKey, check_cosignature, cosign
from ledger.core.merkle import EMPTY_ROOT
from ledger.core.note import (
    Note,
    NoteSigner,
    VerifierKey,
    find_line,
    format_note,
    format_signature_line,
    format_vkey,
    parse_note,
    parse_vkey,
)
from ledger.core.witness_protocol import (
    Acceptance,
    AddCheckpoint,
    KeySet,
    KnownLog,
    Refusal,
    decide,
    origin_of,
)
from ledger.errors import ForkAlarm, LedgerError, StorageError, VerificationError
from ledger.store.witness_state import Alarm, RefusedHead, StoredHead, WitnessState


class LogWitness:
    """A witness of one log. Methods may be called from any thread.

    Args:
        signer: Ed25519 (0x04) or ML-DSA-44 (0x06) cosigner.
        origin: the log.
        log_keys: its verifier keys; all of them must have signed what is cosigned.
        state: what the witness remembers.
        now_s: POSIX time in seconds.
        allow_extensions: whether checkpoints of this log may have extension lines.

    Raises:
        StorageError: the state cannot be read, or its head does not carry this witness's own signature.
    """

    def __init__(
        self,
        signer: NoteSigner,
        origin: str,
        log_keys: Sequence[VerifierKey],
        state: WitnessState,
        now_s: Callable[[], int],
        *,
        allow_extensions: bool = False,
    ) -> None:
        self.origin = origin
        self._signer = signer
        self._state = state
        self._now_s = now_s
        self._allow_extensions = allow_extensions
        self._guard = threading.Lock()
        learnt = [tuple(parse_vkey(text) for text in vkeys) for vkeys in self._state.key_sets(origin)]
        self._log_keys = list(dict.fromkeys([tuple(log_keys), *learnt]))
        self._check_own(self._state.head(origin))

    @property
    def key(self) -> CosignerKey:
        """The key of its cosignatures."""
        return self._signer.verifier_key

    @property
    def key_sets(self) -> tuple[KeySet, ...]:
        """The sets of log keys that are known, oldest first."""
        return tuple(self._log_keys)

    def learn_log_keys(self, log_keys: Sequence[VerifierKey], *, durably: bool = False) -> None:
        """Take other keys of the log too, after governors decided on them; those known stay good.

        Args:
            log_keys: the keys that sign together.
            durably: remember them beyond this process.

        Raises:
            StorageError: they cannot be written.
        """
        if tuple(log_keys) not in self._log_keys:
            if durably:
                self._state.keep_key_set(self.origin, [format_vkey(key) for key in log_keys])
            self._log_keys = [*self._log_keys, tuple(log_keys)]

    def last_checkpoint(self, origin: str) -> str | None:
        """Return the last note that it cosigned, None if it never did or the log is not known to it.

        Raises:
            StorageError: its state cannot be read.
        """
        head = self._state.head(origin) if origin == self.origin else None
        return None if head is None else head.note

    def consider(self, request: AddCheckpoint) -> Acceptance | Refusal:
        """Judge a request without cosigning; what contradicts an earlier cosignature is kept as evidence.

        Raises:
            StorageError: its state cannot be read or written.
        """
        return self._judge(request, self._state.head(self.origin))

    def cosign(self, request: AddCheckpoint) -> str | Refusal:
        """Judge, sign, remember durably, and only then return the line; one at a time.

        Raises:
            StorageError: its state cannot be read or written; no signature leaves.
        """
        with self._guard:
            before = self._state.head(self.origin)
            decision = self._judge(request, before)
            if isinstance(decision, Refusal):
                return decision
            note, new = decision.signed.note, decision.signed.checkpoint
            now_s = self._now_s()
            if now_s <= 0:
                raise StorageError("the clock of the witness is wrong", field="clock", code="not_reachable")
            line = cosign(self._signer, new, note.text, now_s)
            text = format_note(Note(note.text, (*note.signatures, line)))
            if not self._state.remember(
                self.origin, before, StoredHead(new.tree_size, new.root_hash, text), now_s
            ):
                raise StorageError("somebody else writes the state of the witness", field="witness")
            return format_signature_line(line)

    def condemn(self, alarm: ForkAlarm, note: str) -> None:
        """Refuse this log for ever: replaying its entries came to an alarm under the checkpoint `note`.

        Raises:
            StorageError: that cannot be written.
        """
        self._state.keep_alarm(self.origin, Alarm(alarm.code, alarm.index, alarm.detail, note, self._now_s()))

    def keep_evidence(self, signed: SignedCheckpoint, detail: str, *, is_fork: bool = True) -> None:
        """Keep a checkpoint that the log signed and that speaks against it; errors as `condemn`."""
        checkpoint, note = signed.checkpoint, format_note(signed.note)
        self._state.keep_refused(
            self.origin,
            RefusedHead(checkpoint.tree_size, checkpoint.root_hash, note, is_fork, detail, self._now_s()),
        )

    def alarm(self) -> Alarm | None:
        """Return why this log is refused for ever, None if it is not."""
        return self._state.alarm(self.origin)

    def head(self) -> StoredHead | None:
        """Return the last checkpoint that was cosigned."""
        return self._state.head(self.origin)

    def fork_count(self) -> int:
        """Return how many signed checkpoints are kept that contradict what was cosigned."""
        return self._state.fork_count(self.origin)

    def close(self) -> None:
        """Close the state; for who gave this witness a state of its own."""
        self._state.close()

    def _judge(self, request: AddCheckpoint, head: StoredHead | None) -> Acceptance | Refusal:
        known = KnownLog(self.key_sets, allow_extensions=self._allow_extensions)
        if head is not None:
            known = replace(known, tree_size=head.size, root_hash=head.root)
        decision = decide(request, known if origin_of(request) == self.origin else None)
        if isinstance(decision, Acceptance):
            alarm = self._state.alarm(self.origin)
            if alarm is None:
                return decision
            place = "" if alarm.index is None else f" at entry {alarm.index}"
            return Refusal(
                422, alarm.code, f"refused for ever: {alarm.detail}{place}", signed=decision.signed
            )
        if decision.signed is not None:
            self._look_for_contradiction(decision, decision.signed)
        return decision

    def _look_for_contradiction(self, refusal: Refusal, signed: SignedCheckpoint) -> None:
        """Keep what the log signed if it cannot stand beside what was cosigned, or may not."""
        checkpoint = signed.checkpoint
        root = self._state.root_at(self.origin, checkpoint.tree_size)
        if root is not None and root != checkpoint.root_hash:
            self.keep_evidence(signed, "another root than the one that was cosigned for this size")
        elif checkpoint.tree_size == 0 and checkpoint.root_hash != EMPTY_ROOT:
            self.keep_evidence(signed, "a root for a tree of nothing")
        elif refusal.status == 422 and root is None:
            self.keep_evidence(signed, "not proven to extend what was cosigned", is_fork=False)

    def _check_own(self, head: StoredHead | None) -> None:
        """Check the stored head by the witness's own signature on it.

        Raises:
            StorageError: it does not verify: the state is damaged, or of another witness.
        """
        if head is None:
            return
        try:
            note = parse_note(head.note)
            checkpoint = parse_checkpoint(note.text, allow_extensions=True)
            line = find_line(note, self.key)
            if line is None or checkpoint != Checkpoint(self.origin, head.size, head.root):
                raise VerificationError("bad_checkpoint", "not what this witness cosigned")
            check_cosignature(self.key, line, checkpoint, note.text)
        except LedgerError as error:
            raise StorageError(
                "the state of the witness is not what it cosigned: damaged, or of another witness",
                field="witness",
            ) from error
