"""Witnesses: who confirms that everybody is shown the same ledger, and how one is asked.

C2SP tlog-witness and tlog-cosignature, docs/protocol.md sections 5 and 8. `WitnessClient` is what the service
asks; it may stand for a server elsewhere or for a `Witness` in this process. `Witness` is a whole witness: it
cosigns a checkpoint only if it extends the last one that it cosigned, and remembers that durably before it
answers. With a `Replay` it also runs the rules over every new entry, and cosigns only what they accept.

    witness = Witness(MlDsa44Cosigner("w1.example", seed), origin, log_keys, path, now_s)
    client = LocalWitness(witness)
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ledger.core.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.core.cosignature import CosignerKey, cosign
from ledger.core.merkle import EMPTY_ROOT, check_consistency
from ledger.core.note import NoteSigner, VerifierKey, format_signature_line
from ledger.errors import LedgerError, StorageError, VerificationError
from ledger.service.replay import Replay
from ledger.store.lock import sync_directory


class WitnessConflictError(LedgerError):
    """The witness has cosigned another size than the one that the proof starts from; ask again from there."""

    def __init__(self, size: int) -> None:
        super().__init__("inconsistent", "the witness has another tree size", field="old_size")
        self.size = size


class WitnessClient(Protocol):
    """One witness, as the service sees it."""

    @property
    def key(self) -> CosignerKey:
        """The key of its cosignatures."""
        ...

    async def last_checkpoint(self, origin: str) -> str | None:
        """Return the last note that it cosigned for this log, None if it never did.

        Raises:
            StorageError: code not_reachable, it does not answer.
        """
        ...

    async def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        """Return its cosignature lines on a checkpoint that extends the tree of `old_size`.

        Raises:
            WitnessConflictError: it has cosigned another size.
            VerificationError: it does not accept the checkpoint or the proof.
            StorageError: code not_reachable, it does not answer.
        """
        ...


class Witness:
    """A witness of one log. Methods may be called from any thread.

    Args:
        signer: Ed25519 (0x04) or ML-DSA-44 (0x06) cosigner.
        origin: the log.
        log_keys: its verifier keys; both must have signed what is cosigned.
        state_path: file that remembers the last cosigned checkpoint; in a directory of the witness's own.
        now_s: POSIX time in seconds.
        replay: runs the rules over new entries; None for a plain witness.
    """

    def __init__(
        self,
        signer: NoteSigner,
        origin: str,
        log_keys: Sequence[VerifierKey],
        state_path: Path,
        now_s: Callable[[], int],
        replay: Replay | None = None,
    ) -> None:
        self.origin = origin
        self._signer = signer
        self._log_keys = [tuple(log_keys)]
        self._state_path = state_path
        self._now_s = now_s
        self._replay = replay
        self._guard = threading.Lock()

    @property
    def key(self) -> CosignerKey:
        """The key of its cosignatures."""
        return self._signer.verifier_key

    def learn_log_keys(self, log_keys: Sequence[VerifierKey]) -> None:
        """Take other keys of the log too, after governors decided on them; those known stay good."""
        if tuple(log_keys) not in self._log_keys:
            self._log_keys = [*self._log_keys, tuple(log_keys)]

    def last_checkpoint(self, origin: str) -> str | None:
        """Return the last note that it cosigned, None if it never did or the log is not known to it.

        Raises:
            StorageError: its state cannot be read.
        """
        if origin != self.origin:
            return None
        try:
            stored = json.loads(self._state_path.read_text(encoding="utf-8"))
            note = stored["note"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError("the state of the witness cannot be read", field="witness") from error
        return str(note)

    def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        """Check, remember durably, then cosign; all or nothing, one at a time.

        Raises:
            WitnessConflictError: `old_size` is not the size that it cosigned last.
            VerificationError: code bad_checkpoint where the log's signatures are not good, inconsistent
                where the proof is not.
            ForkAlarm: the replay found an entry, an epoch or a seal that the rules do not accept.
            StorageError: its state cannot be read or written.
        """
        with self._guard:
            opened = self._open(note)
            new = opened.checkpoint
            last = self._last()
            if old_size != last.tree_size:
                raise WitnessConflictError(last.tree_size)
            check_consistency(last.tree_size, last.root_hash, new.tree_size, new.root_hash, tuple(proof))
            if self._replay is not None:
                self._replay.advance(new.tree_size, new.root_hash)
            line = cosign(self._signer, new, opened.note.text, self._now_s())
            text = format_signature_line(line)
            self._remember(note + text)
            return text

    def _last(self) -> Checkpoint:
        note = self.last_checkpoint(self.origin)
        if note is None:
            return Checkpoint(self.origin, 0, EMPTY_ROOT)
        return self._open(note).checkpoint

    def _open(self, note: str) -> SignedCheckpoint:
        """Open a checkpoint under any keys of the log that are known; the error is that of the newest."""
        *older, newest = self._log_keys
        for log_keys in reversed(older):
            with suppress(VerificationError):
                return open_checkpoint(note, log_keys)
        return open_checkpoint(note, newest)

    def _remember(self, note: str) -> None:
        aside = self._state_path.with_name(self._state_path.name + ".new")
        try:
            with aside.open("w", encoding="utf-8") as file:
                json.dump({"note": note}, file)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._state_path)
            sync_directory(self._state_path.parent)
        except OSError as error:
            raise StorageError("the state of the witness cannot be written", field="witness") from error


class LocalWitness:
    """A `WitnessClient` of a witness in this process; its work runs on a thread."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    @property
    def key(self) -> CosignerKey:
        """The key of its cosignatures."""
        return self._witness.key

    def learn_log_keys(self, log_keys: Sequence[VerifierKey]) -> None:
        """Take other keys of the log too; a witness elsewhere is told by whoever runs it."""
        self._witness.learn_log_keys(log_keys)

    async def last_checkpoint(self, origin: str) -> str | None:
        """As `WitnessClient`."""
        try:
            return await asyncio.to_thread(self._witness.last_checkpoint, origin)
        except StorageError as error:
            raise _not_reachable(error) from error

    async def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        """As `WitnessClient`."""
        try:
            return await asyncio.to_thread(self._witness.add_checkpoint, old_size, tuple(proof), note)
        except StorageError as error:
            raise _not_reachable(error) from error


def check_answered(answers: dict[str, str | None], quorum_met: bool, is_first_start: bool) -> None:
    """Check that enough witnesses answered at a start.

    Args:
        answers: local name -> last note or None, of the witnesses that answered.
        quorum_met: whether these names satisfy the policy.
        is_first_start: whether the lock stands at the genesis epoch.

    Raises:
        StorageError: code not_reachable, no quorum answered, and this is not a first start that no witness
            has seen anything of.
    Source: docs/protocol.md, section 5.
    """
    nothing_seen = all(note is None for note in answers.values())
    if not quorum_met and not (is_first_start and nothing_seen):
        raise StorageError(
            "too few witnesses answer; without them nobody knows what was signed last",
            field="witnesses",
            code="not_reachable",
        )


def _not_reachable(error: StorageError) -> StorageError:
    return StorageError(error.detail, field="witness", code="not_reachable")
