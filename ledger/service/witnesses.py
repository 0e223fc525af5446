"""Witnesses: who confirms that everybody is shown the same ledger, and how one is asked.

C2SP tlog-witness and tlog-cosignature, docs/protocol.md sections 5 and 8. `WitnessClient` is what the service
asks; it may stand for a server elsewhere (`ledger.witness.client`) or for a `Witness` in this process.
`Witness` is a whole witness of one log: it cosigns a checkpoint only if it extends the last one that it
cosigned, and remembers that durably before it answers. With a `Replay` it also runs the rules over every new
entry, and cosigns only what they accept.

    witness = Witness(MlDsa44Cosigner("w1.example", seed), origin, log_keys, path, now_s)
    client = LocalWitness(witness)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from ledger.core.cosignature import CosignerKey
from ledger.core.note import NoteSigner, VerifierKey
from ledger.core.witness_protocol import Acceptance, AddCheckpoint, Refusal
from ledger.errors import LedgerError, MalformedError, StorageError, VerificationError
from ledger.service.log_witness import LogWitness
from ledger.store.witness_state import WitnessState


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


@runtime_checkable
class ProbedWitness(Protocol):
    """A witness whose word on what it cosigned last may be old or missing, and who is asked by the protocol."""

    async def seen_size(self, note: str, tree_size: int) -> int:
        """Return the size that it cosigned last, after handing it our head where it never saw the log.

        Args:
            note, tree_size: our own last head.

        Raises:
            VerificationError: code inconsistent, it has seen another tree of this size; otherwise it does not
                take the checkpoint.
            StorageError: code not_reachable, it does not answer.
        """
        ...


class Replays(Protocol):
    """Whatever runs the rules over a growing ledger; `ledger.service.replay.Replay` is one."""

    def advance(self, size: int, root: bytes) -> object:
        """Replay up to the tree of this size and root, or raise ForkAlarm."""
        ...


class Witness(LogWitness):
    """A witness of one log for this process: raises where a server would answer with a status.

    Args:
        state: what the witness remembers, or the file of it, which is made if it is not there.
        replay: runs the rules over new entries; None for a plain witness.
        signer, origin, log_keys, now_s: as `LogWitness`.
    """

    def __init__(
        self,
        signer: NoteSigner,
        origin: str,
        log_keys: Sequence[VerifierKey],
        state: WitnessState | Path,
        now_s: Callable[[], int],
        replay: Replays | None = None,
    ) -> None:
        opened = state if isinstance(state, WitnessState) else _open_or_create(state)
        super().__init__(signer, origin, log_keys, opened, now_s)
        self._replay = replay
        self._replaying = threading.Lock()

    def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        """Check, remember durably, then cosign; all or nothing, one at a time.

        Raises:
            WitnessConflictError: `old_size` is not the size that it cosigned last.
            MalformedError: not a checkpoint, or a smaller one than the proof starts from.
            VerificationError: code bad_checkpoint where the log's signatures are not good, inconsistent
                where the proof is not.
            ForkAlarm: the replay found an entry, an epoch or a seal that the rules do not accept.
            StorageError: its state cannot be read or written.
        """
        request = AddCheckpoint(old_size, tuple(proof), note)
        decision = self.consider(request)
        if isinstance(decision, Acceptance) and self._replay is not None:
            with self._replaying:
                new = decision.signed.checkpoint
                self._replay.advance(new.tree_size, new.root_hash)
        answer = decision if isinstance(decision, Refusal) else self.cosign(request)
        if isinstance(answer, Refusal):
            raise error_of(answer)
        return answer


def error_of(refusal: Refusal) -> LedgerError:
    """Return the error that a refusal is for a client in this process."""
    if refusal.size is not None:
        return WitnessConflictError(refusal.size)
    if refusal.status == 400:
        return MalformedError(refusal.detail, field="checkpoint", code=refusal.code)
    code = "bad_checkpoint" if refusal.status == 403 else refusal.code
    return VerificationError(code, refusal.detail, field="witness")


def _open_or_create(path: Path) -> WitnessState:
    return WitnessState.open(path) if path.exists() else WitnessState.create(path)


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
