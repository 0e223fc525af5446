"""One audit from its beginning to its report, with a saved state where there is one. docs/operations.md "Audit".

An audit with a saved state begins behind the last epoch that was replayed before. Where that does not lead to a
good end, whatever the reason, the audit is made once more from the first entry: no alarm rests on a saved file.
If the ledger is good when it is read from its first entry, and is not the one whose state was saved, then it was
written anew below what was audited: that is an alarm of its own (`inconsistent`), and the state is kept.

    report = audit("https://ledger.example", pin, state=Path("audit.state"))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.audit.chunk import differs_at
from ledger.audit.history import History
from ledger.audit.pool import examined_chunks
from ledger.audit.replay import AuditReplay, Progress
from ledger.audit.report import AuditReport
from ledger.audit.saved_audit import SavedAudit, read_saved_audit, write_saved_audit
from ledger.audit.source import opened_source
from ledger.core.cells import CELL_SIZE
from ledger.core.merkle import HASH_SIZE
from ledger.core.pin import Pin
from ledger.errors import CodedError, ForkAlarm, LedgerError, MalformedError, StorageError, VerificationError

SAVE_EVERY: Final = 100_000
"""Entries after which the state is saved, so that what was cut off is soon caught up."""
Remark = Callable[[str], None]


def audit(
    source_name: str,
    pin: Pin,
    *,
    against: str | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
    allow_uncosigned: bool = False,
    state: Path | None = None,
    remark: Remark | None = None,
    history: History | None = None,
) -> AuditReport:
    """Replay a ledger and report.

    Args:
        source_name: data directory, published directory, or address of either.
        pin: origin and charter hash of the ledger that it should be.
        against: text of a checkpoint seen before, or None.
        jobs: worker processes; 1 does all in this one.
        progress: called with (entries replayed, tree size).
        allow_uncosigned: accept a ledger of which no head has a quorum of witnesses.
        state: file with the state of an audit before; the state of this one is written there. It need not be
            there yet.
        remark: called with what people should know about that file.
        history: is told of each epoch, for the pages of a report; goes with no `state`, as it begins with the
            first entry.

    Returns:
        The report; its code is "ok", that of the first violation, or not_cosigned.

    Raises:
        LedgerError: code usage, `history` with `state`; code bad_input, `against` is not a head that this
            ledger signed, or `state` is of another ledger.
        StorageError: the source or `state` cannot be read (codes not_found, not_reachable, storage_failed).
    """
    if history is not None and state is not None:
        raise LedgerError(
            "usage", "a report begins with the first entry; leave the saved state out", field="report"
        )
    saver = None if state is None else _Saver(state, remark or _say_nothing)
    run = _Run(source_name, pin, against, jobs, progress, allow_uncosigned, saver, history)
    saved = None if saver is None else saver.read(pin)
    if saver is None or saved is None:
        return run.go(None)[1]
    _, report = run.go(saved)
    if report.ok or report.code == "not_cosigned":
        return report
    saver.tell(
        f"From entry {saved.size} on, where the audit before had ended: {report.code}. "
        "The audit begins again with the first entry."
    )
    saver.rests = True
    replay, report = run.go(None)
    if not (report.ok or report.code == "not_cosigned"):
        return report
    alarm = _rewritten(saved, replay)
    if alarm is not None:
        return replay.report(alarm)
    saver.tell("The ledger is in order, and the saved state did not lead there: it is written anew.")
    saver.write(replay)
    return report


@dataclass(frozen=True, slots=True)
class _Run:
    """How an audit is made, from the first entry or from a saved state on."""

    source_name: str
    pin: Pin
    against: str | None
    jobs: int
    progress: Progress | None
    allow_uncosigned: bool
    saver: _Saver | None
    history: History | None

    def go(self, saved: SavedAudit | None) -> tuple[AuditReplay, AuditReport]:
        """Replay and report."""
        replay = AuditReplay(
            self.pin,
            against=self.against,
            saved=saved,
            progress=self.progress,
            allow_uncosigned=self.allow_uncosigned,
            history=self.history,
        )
        error = self._first_error(replay)
        if error is None and self.saver is not None and not self.saver.rests:
            self.saver.write(replay)
        return replay, replay.report(error)

    def _first_error(self, replay: AuditReplay) -> CodedError | None:
        try:
            with opened_source(self.source_name) as source:
                replay.begin(source)
                size, start = replay.head.tree_size, replay.start
                for chunk in examined_chunks(
                    self.source_name, source, size, self.jobs, lambda: replay.keys, start
                ):
                    replay.take(chunk)
                    if self.saver is not None:
                        self.saver.write_now_and_then(replay)
                replay.finish(source)
        except (ForkAlarm, VerificationError) as alarm:
            return alarm
        except LedgerError as error:
            if error.code in ("malformed", "too_large", "unsupported"):
                return error
            raise
        return None


class _Saver:
    """The file of the state: read once, written now and then. That it cannot be written ends no audit."""

    def __init__(self, path: Path, remark: Remark) -> None:
        self.tell = remark
        # Set while it is open whether the state in the file is right.
        self.rests = False
        self._path = path
        self._size = 0

    def read(self, pin: Pin) -> SavedAudit | None:
        """Return what the file holds, None where it is not there or is of no use."""
        try:
            saved = read_saved_audit(self._path, pin)
        except (MalformedError, VerificationError) as error:
            self.tell(
                f"{self._path} is of no use: {error.detail} ({error.field}). The audit begins with entry 0."
            )
            return None
        self._size = 0 if saved is None else saved.size
        return saved

    def write_now_and_then(self, replay: AuditReplay) -> None:
        """Write the state if many entries were replayed since it was written last."""
        if not self.rests and replay.replayed - self._size >= SAVE_EVERY:
            self.write(replay)

    def write(self, replay: AuditReplay) -> None:
        """Write the state after the last epoch that was replayed."""
        self._size = replay.replayed
        try:
            write_saved_audit(self._path, replay.saved())
        except (StorageError, MalformedError) as error:
            self.tell(f"The state was not saved: {error.detail}.")


def _rewritten(saved: SavedAudit, replay: AuditReplay) -> ForkAlarm | None:
    """Return the alarm of a ledger that is good by itself and not the one that was audited before."""
    assert replay.registry is not None
    # Behind the newest head that an audit came to, only seals were seen: a thief of the service key makes those.
    before = saved.cells()[: saved.proven_size // CELL_SIZE * HASH_SIZE]
    now = bytes(replay.registry.cells)
    cell = differs_at(before, now[: len(before)])
    if cell is None:
        return None
    if cell * CELL_SIZE >= replay.head.tree_size:
        detail = "the head is smaller than what was audited before: the tail was cut off"
        return ForkAlarm(detail, code="inconsistent", field="tree_size", index=replay.head.tree_size)
    detail = "the ledger was written anew below what was audited before"
    return ForkAlarm(detail, code="inconsistent", field="entries", index=cell * CELL_SIZE)


def _say_nothing(_: str) -> None:
    """Take a remark that nobody asked for."""
