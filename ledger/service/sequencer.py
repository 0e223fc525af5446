"""The sequencer: the one writer of a ledger.

docs/protocol.md section 5. Statements are checked as they arrive and wait for the close of the epoch; one
commit then serves all of them (group commit). The close is a list of steps whose order is the promise: what
was acknowledged is in the ledger, and no signature leaves the process before the checkpoint lock has it.

    sequencer = Sequencer(state, store, lock, keys, settings, now_ms=clock)
    sequencer.start()
    placed = await sequencer.submit(entry)
    await sequencer.stop()

Everything runs on one event loop; building and writing run on one thread of its own, so that the loop goes on
taking statements. While an epoch is built the registry belongs to that thread, and what arrives meanwhile
waits a few milliseconds to be judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from ledger.core.epoch import MAX_EPOCH_STATEMENTS, BuiltEpoch, build_epoch
from ledger.core.registry import Registry
from ledger.core.statement import MAX_ENTRY_BYTES, PADDING, Statement, parse_statement
from ledger.errors import CodedError, LedgerError, MalformedError, StorageError, VerificationError
from ledger.service.keys import LedgerKeys
from ledger.service.plan import EpochPlan, TreeState, plan_epoch
from ledger.service.rate import RateLimit
from ledger.service.verify_pool import VerifyPool
from ledger.store.entries import EpochRows, StoredCheckpoint
from ledger.store.lock import LockedHead

_log: Final = logging.getLogger("safeconduct.ledger")
CLOCK_STEP_MS: Final = 60_000
"""How far the clock may have been set back without the ledger waiting for it."""
Clock = Callable[[], int]
"""Milliseconds since 1970, UTC."""
_Result = TypeVar("_Result")


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


class Store(Protocol):
    """What the sequencer needs of the database; `ledger.store.entries.LedgerWriter` is one."""

    def index_of(self, statement_id: bytes) -> int | None: ...

    def entry(self, index: int) -> bytes | None: ...

    def stage(self, size: int, root: bytes, blob: bytes) -> None: ...

    def commit(self, rows: EpochRows) -> None: ...


class Lock(Protocol):
    """What the sequencer needs of the checkpoint lock."""

    def swap(self, size: int, root: bytes, new: LockedHead) -> None: ...


class Submission:
    """A statement on its way. `admitted` is resolved when it waits for its epoch, `placed` when it is logged."""

    __slots__ = ("admitted", "arrival", "placed", "statement")

    def __init__(self, statement: Statement, placed: asyncio.Future[Placed], arrival: int) -> None:
        self.statement = statement
        self.placed = placed
        self.arrival = arrival
        self.admitted: asyncio.Future[None] | None = None


class Sequencer:
    """Takes statements, closes epochs.

    Args:
        registry: state after the last committed epoch; the sequencer owns it from here on.
        tree: the tree after the last committed epoch.
        head: the last committed head.
        store, lock: where epochs are written.
        keys: signers of the ledger.
        pool: verifies signatures.
        limit: statements per issuer.
        now_ms: the clock.
        max_pending_bytes: bytes of statements that may wait.
        on_published: called in the loop after each commit, before anything is acknowledged.
    """

    def __init__(
        self,
        registry: Registry,
        tree: TreeState,
        head: StoredCheckpoint,
        store: Store,
        lock: Lock,
        keys: LedgerKeys,
        *,
        pool: VerifyPool,
        limit: RateLimit,
        now_ms: Clock,
        max_pending_bytes: int,
        on_published: Callable[[EpochPlan], None] = lambda plan: None,
    ) -> None:
        self.registry = registry
        self.tree = tree
        self.head = head
        self.fatal: CodedError | None = None
        self._store = store
        self._lock = lock
        self._keys = keys
        self._pool = pool
        self._limit = limit
        self._now_ms = now_ms
        self._max_pending_bytes = max_pending_bytes
        self._on_published = on_published
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._pending: dict[bytes, list[Submission]] = {}
        self._queue: list[Submission] = []
        self._arrivals = 0
        self._pending_bytes = 0
        self._verified: list[Submission] = []
        self._building = False
        self._stopping = False
        self._arrived = asyncio.Event()
        self._stop = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()
        self._task: asyncio.Task[None] | None = None

    # -- taking statements ----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to close epochs; from the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Refuse new statements, close the last epoch, and end."""
        self._stopping = True
        self._stop.set()
        self._arrived.set()
        if self._task is not None:
            await self._task
        await asyncio.get_running_loop().run_in_executor(None, self._writer.shutdown)
        self._fail_waiting(StorageError("the ledger was stopped", field="sequencer", code="read_only"))

    def submit(self, entry: bytes) -> asyncio.Future[Placed]:
        """Take one statement; the future tells where it stands, once that is durable.

        The future fails with the code of the first check that does (docs/protocol.md section 8): size and
        form, iss and kid, rate, signature, rules; with `read_only` where the ledger takes none, and with
        `storage_failed` where nobody knows whether it was written: submit it again after the restart.
        """
        return self.take(entry).placed

    def take(self, entry: bytes, *, tell_admitted: bool = False) -> Submission:
        """As `submit`, with the way there; `tell_admitted` asks for the future `admitted`.

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
            self._check_open()
            key = self.registry.key_for(statement)
            if not self._limit.take(statement.iss, loop.time()):
                raise VerificationError("rate_limited", "too many statements at once", field="rate")
        except LedgerError as error:
            self._refuse(submission, error)
        else:
            self._pool.verify(statement, key, lambda error: self._on_verified(submission, error))
        return submission

    def is_pending(self, statement_id: bytes) -> bool:
        """Whether the statement waits for its epoch."""
        return statement_id in self._pending

    @property
    def pending_count(self) -> int:
        """Statements that wait for their epoch."""
        return len(self._pending)

    async def between_epochs(self, read: Callable[[], _Result]) -> _Result:
        """Return `read()` at a moment when registry, tree and head belong together.

        Raises:
            StorageError: code read_only, the ledger stopped in the middle of an epoch.
        """
        while not self._free.is_set():
            await self._free.wait()
        if self.fatal is not None:
            self._check_open()
        return read()

    def _check_open(self) -> None:
        if self.fatal is not None or self._stopping:
            reason = (
                "the ledger was stopped" if self.fatal is None else f"the ledger stopped: {self.fatal.code}"
            )
            raise StorageError(reason, field="sequencer", code="read_only")

    def _on_verified(self, submission: Submission, error: LedgerError | None) -> None:
        if error is not None:
            self._refuse(submission, error)
        elif self._building:
            self._verified.append(submission)
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
            self._check_open()
            self._judge(statement)
            self._check_room(statement)
        except LedgerError as error:
            self._refuse(submission, error)
            return
        self._pending[statement.statement_id] = [submission]
        self._queue.append(submission)
        self._pending_bytes += len(statement.entry)
        self._arrived.set()
        _set(submission.admitted, None)

    def _judge(self, statement: Statement) -> None:
        """Judge against the state after the last epoch; what the clock may change, as of now."""
        try:
            self.registry.judge(statement)
        except LedgerError:
            # The last epoch may be long ago: hours, months and deadlines have moved on since.
            self.registry.open_epoch(max(self._now_ms(), self.registry.time_ms + 1), self.head.size)
            try:
                self.registry.judge(statement)
            finally:
                self.registry.abandon_epoch()

    def _check_room(self, statement: Statement) -> None:
        full = self._pending_bytes + len(statement.entry) > self._max_pending_bytes
        if full or len(self._queue) >= MAX_EPOCH_STATEMENTS:
            raise VerificationError("rate_limited", "the epoch is full", field="epoch")

    def _refuse(self, submission: Submission, error: LedgerError) -> None:
        """Answer a refusal, unless the same statement is logged already: then with its first place."""
        if error.code in ("rate_limited", "read_only") or self._stopping:
            _fail(submission, error)
            return
        loop = asyncio.get_running_loop()
        identity = submission.statement.statement_id

        def answer(found: asyncio.Future[Placed | None]) -> None:
            placed = None if found.cancelled() or found.exception() is not None else found.result()
            if placed is None:
                _fail(submission, error)
            else:
                _set(submission.admitted, None)
                _set(submission.placed, placed)

        loop.run_in_executor(None, find_placed, self._store, identity).add_done_callback(answer)

    # -- closing epochs ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while True:
            await self._arrived.wait()
            if not self._stopping:
                await self._sleep_to_boundary(began_s)
            if not self._queue and self._stopping:
                return
            self._arrived.clear()
            if not self._queue:
                continue
            try:
                await self._close_epoch()
            except LedgerError as error:
                self.halt(error)
                return
            except Exception as error:
                self.halt(StorageError(f"the writer failed: {type(error).__name__}", field="sequencer"))
                return
            if self._queue or self._stopping:
                self._arrived.set()

    async def _sleep_to_boundary(self, began_s: float) -> None:
        """Wait for the end of the running period; periods follow the clock, never the queue."""
        period_s = self.registry.governance.epoch_ms / 1000
        since_s = asyncio.get_running_loop().time() - began_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(period_s - since_s % period_s):
                await self._stop.wait()

    async def _close_epoch(self) -> None:
        """Close one epoch. The order of the steps is docs/protocol.md section 5, "Commit order".

        Raises:
            LedgerError: the ledger must stop; what was not acknowledged may or may not be written.
        """
        # 1. Take what waits, in the order of arrival, and choose the time.
        batch = self._take_batch()
        time_ms = self._choose_time()
        if time_ms is None:
            self._reject_all(batch, "the clock is behind the last epoch")
            return
        # 2. Apply the rules and build entries, seal, tiles, root and signed checkpoint.
        self._building = True
        self._free.clear()
        try:
            built, plan = await self.in_writer(self._build, batch, time_ms)
            self._end_building()
            self._reject(built.rejected)
            if plan is None:
                return
            # 3. Write all of it durably as staged.
            await self.in_writer(self._stage, plan)
            # 4. Swap the signed checkpoint into the lock: from here on the epoch is signed.
            await self.in_writer(self._swap_lock, plan)
            # 5. Commit: staged becomes committed, in one transaction.
            await self.in_writer(self._commit, plan)
            # 6. Publish the new head to readers.
            self._publish(plan)
        finally:
            self._end_building()
            if self.fatal is None:
                self._free.set()
        # 7. Acknowledge. Witnesses hear of it from `on_published`.
        self._acknowledge(plan)

    def _take_batch(self) -> list[Statement]:
        """Return what waits in the order of arrival, which is not the one in which threads verified it."""
        queue, self._queue = self._queue, []
        queue.sort(key=_arrival)
        return [submission.statement for submission in queue]

    def _choose_time(self) -> int | None:
        """Return the epoch's time, above the last one; None where the clock was set far back."""
        now_ms, last_ms = self._now_ms(), self.head.time_ms
        if now_ms > last_ms:
            return now_ms
        return last_ms + 1 if last_ms - now_ms <= CLOCK_STEP_MS else None

    def _build(self, batch: Sequence[Statement], time_ms: int) -> tuple[BuiltEpoch, EpochPlan | None]:
        governance = self.registry.governance
        built = build_epoch(
            self.registry, self.tree.chain_head, self.tree.size, batch, time_ms, self._keys.service
        )
        if not built.entries:
            return built, None
        plan = plan_epoch(
            self.tree, built.entries, built.leaves, built.chain, built.statement_ids, time_ms,
            governance.origin, self._keys.log,
        )  # fmt: skip
        return built, plan

    def _stage(self, plan: EpochPlan) -> None:
        head = plan.rows.checkpoint
        self._store.stage(head.size, head.root, plan.staged)

    def _swap_lock(self, plan: EpochPlan) -> None:
        head = plan.rows.checkpoint
        self._lock.swap(self.head.size, self.head.root, LockedHead(head.size, head.root, head.note))

    def _commit(self, plan: EpochPlan) -> None:
        self._store.commit(plan.rows)

    def _publish(self, plan: EpochPlan) -> None:
        self.tree = plan.after
        self.head = plan.rows.checkpoint
        self._on_published(plan)

    def _acknowledge(self, plan: EpochPlan) -> None:
        pending, place = self._pending, plan.rows.first_index
        for at, identity in enumerate(plan.rows.ids):
            if identity is None or (submissions := pending.pop(identity, None)) is None:
                continue
            entry = plan.rows.entries[at]
            self._pending_bytes -= len(entry)
            for submission in submissions:
                placed = submission.placed
                if not placed.done():
                    placed.set_result(Placed(place + at, identity, entry, submission is submissions[0]))

    # -- refusals and the end ---------------------------------------------------------------------------

    def _end_building(self) -> None:
        self._building = False
        verified, self._verified = self._verified, []
        for submission in verified:
            self._admit(submission)

    def _reject(self, rejected: Sequence[tuple[Statement, LedgerError]]) -> None:
        for statement, error in rejected:
            self._pending_bytes -= len(statement.entry)
            for submission in self._pending.pop(statement.statement_id, ()):
                _fail(submission, error)

    def _reject_all(self, batch: Sequence[Statement], detail: str) -> None:
        error = StorageError(detail, field="clock", code="read_only")
        self._reject([(statement, error) for statement in batch])

    def halt(self, error: CodedError) -> None:
        """Stop for good. What waits may be in the ledger or not; nobody is told that it is."""
        self.fatal = error
        _log.critical("the ledger takes no more entries: %s", error.code)
        if error.code == "lock_mismatch":
            self._fail_waiting(error)
        else:
            detail = "the ledger stopped while writing; submit again after its restart"
            self._fail_waiting(StorageError(detail, field="sequencer"))
        self._free.set()

    def _fail_waiting(self, error: CodedError) -> None:
        pending, self._pending, self._queue = self._pending, {}, []
        for submissions in pending.values():
            for submission in submissions:
                _fail(submission, error)
        for submission in self._verified:
            _fail(submission, error)
        self._verified = []

    async def in_writer(self, step: Callable[..., _Result], *arguments: Any) -> _Result:
        """Run a step on the one thread that writes, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, step, *arguments)


def find_placed(store: Store, statement_id: bytes) -> Placed | None:
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
