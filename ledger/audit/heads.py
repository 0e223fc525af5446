"""The heads of an audit: the one that is audited, those stored for each epoch, and one seen before.

docs/protocol.md sections 5 and 8. Sizes and signatures are judged as soon as the genesis epoch has given
the keys, before anything is replayed that only an unsigned number promises.

    heads = Heads(pin.origin, source.checkpoint(), against)
    heads.check_sizes_are_signed(history)
    heads.check_stored(size, root, time_ms, history)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ledger.core.cells import CELL_SIZE
from ledger.core.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.core.cosignature import check_cosignatures
from ledger.core.key_history import KeyHistory
from ledger.core.note import VerifierKey, parse_note
from ledger.errors import CodedError, ForkAlarm, LedgerError, MalformedError, VerificationError
from ledger.store.rows import StoredCheckpoint

MAX_AUDITED_SIZE: Final = 2**53
"""A larger number of entries is not exact in the JSON of a report, and nobody has them."""


class Heads:
    """The heads of one ledger.

    Args:
        origin: the ledger's name, as pinned.
        text: the newest head, as the source shows it.
        against: text of a head seen before, or None.
        stored: the stored heads by rising size, None where the source has only the newest.

    Raises:
        LedgerError: code bad_input, `against` is not a head of this ledger.
        MalformedError: the newest head is not a checkpoint.
        ForkAlarm: code bad_checkpoint, it is of another ledger or of a size that no ledger has.
    """

    def __init__(
        self, origin: str, text: str, against: str | None, stored: Iterator[StoredCheckpoint] | None = None
    ) -> None:
        self.text = text
        self._before_text = against
        self.before: Checkpoint | None = None if against is None else _parse_before(origin, against)
        self.newest = parse_checkpoint(parse_note(text).text)
        if self.newest.origin != origin:
            raise _bad_head("the source shows another ledger", "checkpoint.origin")
        if self.newest.tree_size > MAX_AUDITED_SIZE or self.newest.tree_size % CELL_SIZE:
            raise _bad_head("no ledger has a head of this size", "tree_size")
        self.cosigned: dict[str, int] = {}
        self.cosigned_size: int | None = None
        self._stored = stored

    def resume(self, cosigned: dict[str, int], cosigned_size: int | None) -> None:
        """Begin with the witnesses that an audit before this one has found."""
        self.cosigned, self.cosigned_size = cosigned, cosigned_size

    def check_sizes_are_signed(self, history: KeyHistory) -> None:
        """Refuse an unsigned head as soon as the genesis epoch has given the keys, where these never changed.

        A ledger that has changed its log keys is judged at its end, by `check_newest`.

        Raises:
            VerificationError: code bad_checkpoint, no line of the log's first keys verifies, and none of
                another key of the log is there.
            LedgerError: code bad_input, the same of the head seen before.
        """
        keys = history.log_keys_at(self.newest.tree_size)
        if _only_of(keys, self.text):
            open_checkpoint(self.text, keys)
        if self._before_text is not None and _only_of(keys, self._before_text):
            self._check_before_signed(keys)

    def check_stored(self, size: int, root: bytes, time_ms: int, history: KeyHistory) -> None:
        """Compare the next stored head with the epoch that was replayed.

        Raises:
            ForkAlarm: code bad_checkpoint with the size as index: it is missing, of another size, root or
                time than the epoch, or its note or a cosignature does not verify.
        """
        if self._stored is None:
            return
        head = next(self._stored, None)
        if head is None or (head.size, head.root, head.time_ms) != (size, root, time_ms):
            raise _bad_head("the stored head of an epoch is missing or another", "checkpoints", size)
        try:
            signed = open_checkpoint(head.note, history.log_keys_at(size))
            if signed.checkpoint != Checkpoint(self.newest.origin, size, root):
                raise _bad_head("a stored note is about another head", "checkpoints", size)
            if head.cosignatures:
                self._count_witnesses(head.text, signed.checkpoint, history)
        except (MalformedError, VerificationError) as error:
            raise _bad_head(f"a stored head does not verify: {error.detail}", "checkpoints", size) from error

    def check_newest(self, history: KeyHistory) -> None:
        """Check the newest head and the one seen before under the keys of their time, and the cosignatures.

        The cosignatures of an older head stay where the newest has no quorum.

        Raises:
            VerificationError: code bad_checkpoint, the log or a known witness has a line that does not verify.
            LedgerError: code bad_input, the head seen before is not signed by the log.
        """
        open_checkpoint(self.text, history.log_keys_at(self.newest.tree_size))
        self._count_witnesses(self.text, self.newest, history)
        if self.before is not None:
            self._check_before_signed(history.log_keys_at(self.before.tree_size))

    def _check_before_signed(self, keys: Sequence[VerifierKey]) -> None:
        assert self._before_text is not None
        try:
            open_checkpoint(self._before_text, keys)
        except CodedError as error:
            raise LedgerError(
                "bad_input", "the head seen before is not signed by this ledger", field="against"
            ) from error

    def _count_witnesses(self, text: str, head: Checkpoint, history: KeyHistory) -> None:
        policy = history.policy_at(head.tree_size)
        times = check_cosignatures(parse_note(text), head, policy.witness_keys())
        if policy.satisfied(times):
            self.cosigned, self.cosigned_size = times, head.tree_size
        elif self.cosigned_size is None:
            self.cosigned = times


def _only_of(keys: Sequence[VerifierKey], text: str) -> bool:
    """Tell whether every line with the log's name is of these keys."""
    known = {(key.name, key.key_id) for key in keys}
    lines = [(line.name, line.key_id) for line in parse_note(text).signatures]
    return all(line in known for line in lines if line[0] == keys[0].name)


def _parse_before(origin: str, text: str) -> Checkpoint:
    try:
        before = parse_checkpoint(parse_note(text).text)
    except CodedError as error:
        raise LedgerError("bad_input", "the head seen before is not a checkpoint", field="against") from error
    if before.origin != origin:
        raise LedgerError("bad_input", "the head seen before is of another ledger", field="against")
    return before


def _bad_head(detail: str, field: str, index: int | None = None) -> ForkAlarm:
    return ForkAlarm(detail, code="bad_checkpoint", field=field, index=index)
