"""Intake: statements from their arrival to the close of their epoch.

docs/protocol.md section 8, "Checks on POST": size, form, iss and kid known, rate, signature, rules. The rules
are judged tentatively, against the state after the last epoch; the close has the last word. A statement that
is refused is looked up first: what is logged already is answered with its first place.

While an epoch is built the registry belongs to another thread; `pause` and `resume` keep what arrives
meanwhile, for a few milliseconds, from being judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ledger.core.epoch import MAX_EPOCH_STATEMENTS
from ledger.core.registry import Registry
from ledger.core.statement import MAX_ENTRY_BYTES, PADDING, Statement, parse_statement
from ledger.errors import CodedError, LedgerError, MalformedError, StorageError, VerificationError
from ledger.service.rate import RateLimit
from ledger.service.verify_pool import VerifyPool
from ledger.store.entries import EpochRows

Clock = Callable[[], int]
"""Milliseconds since 1970, UTC."""


class Placed(NamedTuple):
    """Where a statement stands.

    Attributes:
        leaf_index: its index.
        statement_id: its identity.
        entry: the logged bytes, which may carry another signature than the ones sent.
        is_new: False where it had been logged before.
    """

    leaf_index: int
    statement_id: bytes
    entry: bytes
    is_new: bool


class LoggedStatements(Protocol):
    """What the intake needs of the database."""

    def index_of(self, statement_id: bytes) -> int | None: ...

    def entry(self, index: int) -> bytes | None: ...


class Submission:
    """A statement on its way. `admitted` is resolved when it waits for its epoch, `placed` when it is logged."""

    __slots__ = ("admitted", "arrival", "placed", "statement")

    def __init__(self, statement: Statement, placed: asyncio.Future[Placed], arrival: int) -> None:
        self.statement = statement
        self.placed = placed
        self.arrival = arrival
        self.admitted: asyncio.Future[None] | None = None


class Intake:
    """Takes statements and keeps those that wait for their epoch. All methods run on the event loop.

    Args:
        registry: state after the last committed epoch; changed by the writer between `pause` and `resume`.
        store: finds what is logged.
        pool: verifies signatures.
        limit: statements per issuer.
        now_ms: the clock.
        max_pending_bytes: bytes of statements that may wait.
    """

    def __init__(
        self,
        registry: Registry,
        store: LoggedStatements,
        pool: VerifyPool,
        limit: RateLimit,
        now_ms: Clock,
        max_pending_bytes: int,
    ) -> None:
        self.arrived = asyncio.Event()
        self._registry = registry
        self._store = store
        self._pool = pool
        self._limit = limit
        self._now_ms = now_ms
        self._max_pending_bytes = max_pending_bytes
        self._pending: dict[bytes, list[Submission]] = {}
        self._pending_bytes = 0
        self._queue: list[Submission] = []
        self._paused: list[Submission] | None = None
        self._arrivals = 0
        self._closed_because = ""

    def take(self, entry: bytes, *, tell_admitted: bool = False) -> Submission:
        """Take one statement; `tell_admitted` asks for the future `admitted`.

        Raises:
            MalformedError: the entry has no form that could be logged.
        """
        loop = asyncio.get_running_loop()
        statement = _parse(entry)
        self._arrivals += 1
        submission = Submission(statement, loop.create_future(), self._arrivals)
        if tell_admitted:
            submission.admitted = loop.create_future()
            # Nobody may be left who waits for the place.
            submission.placed.add_done_callback(_read)
        try:
            self.check_open()
            key = self._registry.key_for(statement)
            if not self._limit.take(_rate_name(statement), loop.time()):
                raise VerificationError("rate_limited", "too many statements at once", field="rate")
        except LedgerError as error:
            self._refuse(submission, error)
        else:
            self._pool.verify(statement, key, lambda error: self._on_verified(submission, error))
        return submission

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for the next epoch."""
        return not self._queue

    @property
    def pending_count(self) -> int:
        """Statements that are not acknowledged yet."""
        return len(self._pending)

    def is_pending(self, statement_id: bytes) -> bool:
        """Whether the statement waits for its epoch."""
        return statement_id in self._pending

    def check_open(self) -> None:
        """Check that statements are taken.

        Raises:
            StorageError: code read_only.
        """
        if self._closed_because:
            raise StorageError(self._closed_because, field="sequencer", code="read_only")

    # -- for the sequencer ------------------------------------------------------------------------------

    def take_batch(self) -> list[Statement]:
        """Return what waits, in the order of arrival, which is not the one in which threads verified it."""
        queue, self._queue = self._queue, []
        queue.sort(key=_arrival)
        self.arrived.clear()
        return [submission.statement for submission in queue]

    def find_logged(self, batch: Sequence[Statement]) -> list[Placed]:
        """Return which of these are on the ledger already; from the thread that writes.

        The rules refuse every other statement when it comes again. An approval that was struck they would
        count once more, and one identity has one place.
        """
        approvals = [statement for statement in batch if statement.kind == "govern"]
        found = (find_placed(self._store, statement.statement_id) for statement in approvals)
        return [placed for placed in found if placed is not None]

    def answer_logged(self, found: Sequence[Placed]) -> None:
        """Answer statements of a batch that are on the ledger already with their first place."""
        for placed in found:
            submissions = self._pending.pop(placed.statement_id)
            self._pending_bytes -= len(submissions[0].statement.entry)
            for submission in submissions:
                _set(submission.placed, placed)

    def pause(self) -> None:
        """Judge nothing until `resume`: the registry is being changed."""
        self._paused = []

    def resume(self) -> None:
        """Judge what was verified since `pause`."""
        waiting, self._paused = self._paused or (), None
        for submission in waiting:
            self._admit(submission)

    def acknowledge(self, rows: EpochRows) -> None:
        """Tell everybody whose statement stands in a committed epoch where it stands."""
        pending, first = self._pending, rows.first_index
        for at, identity in enumerate(rows.ids):
            if identity is None or (submissions := pending.pop(identity, None)) is None:
                continue
            entry = rows.entries[at]
            self._pending_bytes -= len(entry)
            for submission in submissions:
                if not submission.placed.done():
                    is_new = submission is submissions[0]
                    submission.placed.set_result(Placed(first + at, identity, entry, is_new))

    def reject(self, rejected: Sequence[tuple[Statement, CodedError]]) -> None:
        """Answer statements of a batch that did not apply at the close."""
        for statement, error in rejected:
            self._pending_bytes -= len(statement.entry)
            for submission in self._pending.pop(statement.statement_id, ()):
                _fail(submission, error)

    def close(self, reason: str) -> None:
        """Take no more statements; what waits goes on waiting."""
        self._closed_because = self._closed_because or reason

    def fail_all(self, error: CodedError) -> None:
        """Answer everything that waits with an error."""
        pending, self._pending, self._queue = self._pending, {}, []
        self._pending_bytes = 0
        for submissions in pending.values():
            for submission in submissions:
                _fail(submission, error)
        self.resume()

    # -- the way of one statement -----------------------------------------------------------------------

    def _on_verified(self, submission: Submission, error: LedgerError | None) -> None:
        if error is not None:
            self._refuse(submission, error)
        elif self._paused is not None:
            self._paused.append(submission)
        else:
            self._admit(submission)

    def _admit(self, submission: Submission) -> None:
        """Judge a verified statement tentatively and let it wait for its epoch, or refuse it."""
        statement = submission.statement
        same = self._pending.get(statement.statement_id)
        if same is not None:
            same.append(submission)
            _set(submission.admitted, None)
            return
        try:
            self.check_open()
            self._judge(statement)
            self._check_room(statement)
        except LedgerError as error:
            self._refuse(submission, error)
            return
        self._pending[statement.statement_id] = [submission]
        self._pending_bytes += len(statement.entry)
        self._queue.append(submission)
        self.arrived.set()
        _set(submission.admitted, None)

    def _judge(self, statement: Statement) -> None:
        """Judge against the state after the last epoch; what the clock may change, as of now."""
        registry = self._registry
        try:
            registry.judge(statement)
        except LedgerError:
            # The last epoch may be long ago: hours, months and deadlines have moved on since.
            registry.open_epoch(max(self._now_ms(), registry.time_ms + 1), 0)
            try:
                registry.judge(statement)
            finally:
                registry.abandon_epoch()

    def _check_room(self, statement: Statement) -> None:
        full = self._pending_bytes + len(statement.entry) > self._max_pending_bytes
        if full or len(self._queue) >= MAX_EPOCH_STATEMENTS:
            raise VerificationError("rate_limited", "the epoch is full", field="epoch")

    def _refuse(self, submission: Submission, error: LedgerError) -> None:
        """Answer a refusal, unless the same statement is logged already: then with its first place."""
        if error.code == "rate_limited" or self._closed_because:
            _fail(submission, error)
            return
        identity = submission.statement.statement_id

        def answer(found: asyncio.Future[Placed | None]) -> None:
            placed = None if found.cancelled() or found.exception() is not None else found.result()
            if placed is None:
                _fail(submission, error)
            else:
                _set(submission.admitted, None)
                _set(submission.placed, placed)

        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, find_placed, self._store, identity).add_done_callback(answer)


def find_placed(store: LoggedStatements, statement_id: bytes) -> Placed | None:
    """Return where a statement is logged, with the logged bytes; None if it is not."""
    index = store.index_of(statement_id)
    entry = None if index is None else store.entry(index)
    return None if index is None or entry is None else Placed(index, statement_id, entry, False)


def _parse(entry: bytes) -> Statement:
    if len(entry) > MAX_ENTRY_BYTES:
        raise MalformedError(f"more than {MAX_ENTRY_BYTES} bytes", field="entry", code="too_large")
    if entry == PADDING:
        raise MalformedError("padding is not a statement", field="entry")
    return parse_statement(entry)


def _rate_name(statement: Statement) -> str:
    """Return the name that a statement counts for; holders of one list share one: they are too many to name."""
    is_holder = statement.kind == "status" and statement.body.proof is not None
    return statement.sub if is_holder else statement.iss


def _arrival(submission: Submission) -> int:
    return submission.arrival


def _read(future: asyncio.Future[Any]) -> None:
    """Mark an error as seen."""
    if not future.cancelled():
        future.exception()


def _set(future: asyncio.Future[Any] | None, value: Any) -> None:
    if future is not None and not future.done():
        future.set_result(value)


def _fail(submission: Submission, error: CodedError) -> None:
    if submission.admitted is not None and not submission.admitted.done():
        submission.admitted.set_exception(error)
        # Whoever asked for `admitted` reads the error there.
        submission.placed.cancel()
    elif not submission.placed.done():
        submission.placed.set_exception(error)
