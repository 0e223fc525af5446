"""The heads of an audit: the one that is audited, those stored for each epoch, and one seen before.

docs/protocol.md sections 5 and 8. Sizes and signatures are judged as soon as the genesis epoch has given
the keys, before anything is replayed that only an unsigned number promises.

    heads = Heads(pin.origin, source.checkpoint(), against)
    heads.know(governance)
    heads.check_stored(size, root, time_ms)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledger.core.cells import CELL_SIZE
from ledger.core.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.core.cosignature import check_cosignatures
from ledger.core.note import TYPE_ED25519, TYPE_MLDSA44_COSIGNATURE, VerifierKey, parse_note
from ledger.core.policy import parse_policy
from ledger.core.registry.governance import Governance
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
        self._keys: tuple[VerifierKey, ...] = ()
        self._policy = parse_policy("quorum none\n")

    def know(self, governance: Governance) -> None:
        """Take keys and policy from the pinned charter; verify the newest head and the one seen before.

        Raises:
            VerificationError: code bad_checkpoint, the newest head is not signed by the log.
            LedgerError: code bad_input, the head seen before is not signed by the log.
        """
        ed25519, mldsa44 = governance.log_keys
        self._keys = (
            VerifierKey(governance.origin, TYPE_ED25519, ed25519),
            VerifierKey(governance.origin, TYPE_MLDSA44_COSIGNATURE, mldsa44),
        )
        self._policy = parse_policy(governance.witness_policy)
        open_checkpoint(self.text, self._keys)
        if self._before_text is not None:
            try:
                open_checkpoint(self._before_text, self._keys)
            except CodedError as error:
                raise LedgerError(
                    "bad_input", "the head seen before is not signed by this ledger", field="against"
                ) from error

    def check_stored(self, size: int, root: bytes, time_ms: int) -> None:
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
            signed = open_checkpoint(head.note, self._keys)
            if signed.checkpoint != Checkpoint(self.newest.origin, size, root):
                raise _bad_head("a stored note is about another head", "checkpoints", size)
            if head.cosignatures:
                self._count_witnesses(head.text, signed.checkpoint)
        except (MalformedError, VerificationError) as error:
            raise _bad_head(f"a stored head does not verify: {error.detail}", "checkpoints", size) from error

    def check_newest_witnesses(self) -> None:
        """Check the cosignatures of the newest head; those of an older head stay where it has no quorum.

        Raises:
            VerificationError: code bad_checkpoint, a known witness has a line that does not verify.
        """
        self._count_witnesses(self.text, self.newest)

    def _count_witnesses(self, text: str, head: Checkpoint) -> None:
        times = check_cosignatures(parse_note(text), head, self._policy.witness_keys())
        if self._policy.satisfied(times):
            self.cosigned, self.cosigned_size = times, head.tree_size
        elif self.cosigned_size is None:
            self.cosigned = times


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
