"""The sequencer: the one writer of a ledger.

docs/protocol.md section 5. Statements wait for the close of the epoch; one commit then serves all of them
(group commit). The close is a list of steps whose order is the promise: what was acknowledged is in the
ledger, and no signature leaves the process before the checkpoint lock has it.

    sequencer = Sequencer(registry, tree, head, store, lock, keys, intake, now_ms=clock)
    sequencer.start()
    placed = await sequencer.submit(entry)
    await sequencer.stop()

Everything runs on one event loop; building and writing run on one thread of its own, so that the loop goes on
taking statements. The first error of a step stops the writer for good: what is on the disk then is for the
next start to find out, and nobody was told otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

from ledger.core.epoch import BuiltEpoch, build_epoch
from ledger.core.registry import Registry
from ledger.core.statement import Statement
from ledger.errors import CodedError, LedgerError, StorageError
from ledger.service.intake import Clock, Intake, Placed
from ledger.service.key_ring import KeyRing
from ledger.service.plan import EpochPlan, TreeState, plan_epoch
from ledger.store.entries import EpochRows, StoredCheckpoint
from ledger.store.lock import LockedHead

_log: Final = logging.getLogger("safeconduct.ledger")
CLOCK_STEP_MS: Final = 60_000
"""How far the clock may have been set back without the ledger waiting for it."""
WAIT_S: Final = 0.5
"""How often a ledger that waits for its witnesses or for keys looks again."""
LOOK_EVERY_S: Final = 60.0
"""How often an idle ledger looks whether what is held lapses, where its period is longer."""
_Result = TypeVar("_Result")


class EpochStore(Protocol):
    """What the sequencer needs of the database; `ledger.store.entries.LedgerWriter` is one."""

    def stage(self, size: int, root: bytes, blob: bytes) -> None: ...

    def commit(self, rows: EpochRows) -> None: ...


class HeadLock(Protocol):
    """What the sequencer needs of the checkpoint lock; `ledger.store.lock.CheckpointLock` is one."""

    def swap(self, size: int, root: bytes, new: LockedHead) -> None: ...


class Sequencer:
    """Closes epochs.

    Args:
        registry: state after the last committed epoch; the sequencer owns it from here on.
        tree: the tree after the last committed epoch.
        head: the last committed head.
        store, lock: where epochs are written.
        ring: signers of the ledger, those that are prepared too.
        intake: what waits.
        now_ms: the clock.
        on_published: called in the loop after each commit, before anything is acknowledged.
        bridge_due: size of the head if it is a bridging checkpoint whose quorum is still to be waited for.
    """

    def __init__(
        self,
        registry: Registry,
        tree: TreeState,
        head: StoredCheckpoint,
        store: EpochStore,
        lock: HeadLock,
        ring: KeyRing,
        intake: Intake,
        *,
        now_ms: Clock,
        on_published: Callable[[EpochPlan], None] = lambda plan: None,
        bridge_due: int = 0,
    ) -> None:
        self.registry = registry
        self.tree = tree
        self.head = head
        self.intake = intake
        self.fatal: CodedError | None = None
        self._store = store
        self._lock = lock
        self._ring = ring
        self._bridge_due = bridge_due
        self._bridged = asyncio.Event()
        self._lacks_keys = False
        self._now_ms = now_ms
        self._on_published = on_published
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._stop = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to close epochs; from the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Refuse new statements, close the last epoch, and end."""
        self.intake.close("the ledger was stopped")
        self._stop.set()
        self.intake.arrived.set()
        if self._task is not None:
            await self._task
        await asyncio.get_running_loop().run_in_executor(None, self._writer.shutdown)
        self.intake.fail_all(StorageError("the ledger was stopped", field="sequencer", code="read_only"))

    @property
    def waits_for(self) -> str:
        """Why no epoch closes though statements wait: "witnesses", "keys", or "" where it does.

        The first: the last epoch holds an action with verbs 10 to 14, and its checkpoint has not got the
        quorum of before (docs/protocol.md section 9, "Bridging"). The second: governors decided on log or
        service keys whose private keys are not here.
        """
        if self._bridge_due:
            return "witnesses"
        return "keys" if self._lacks_keys else ""

    def expect_bridge(self, size: int) -> None:
        """Close no epoch until the checkpoint of this size has its quorum."""
        self._bridge_due = size
        self._bridged.clear()

    def take_bridge(self, size: int) -> bool:
        """Go on if this is the checkpoint that was waited for; tell whether it is."""
        if size != self._bridge_due:
            return False
        self._bridge_due = 0
        self._bridged.set()
        return True

    @property
    def bridge_due(self) -> int:
        """Size of the checkpoint that is waited for, 0 if none is."""
        return self._bridge_due

    def submit(self, entry: bytes) -> asyncio.Future[Placed]:
        """Take one statement; the future tells where it stands, once that is durable.

        The future fails with the code of the first check that does (`Intake`); with `read_only` where the
        ledger takes none, and with `storage_failed` where nobody knows whether it was written: submit it
        again after the restart.

        Raises:
            MalformedError: the entry has no form that could be logged.
        """
        return self.intake.take(entry).placed

    async def between_epochs(self, read: Callable[[], _Result]) -> _Result:
        """Return `read()` at a moment when registry, tree and head belong together.

        Raises:
            StorageError: code read_only, the ledger stopped in the middle of an epoch.
        """
        while not self._free.is_set():
            await self._free.wait()
        if self.fatal is not None:
            self.intake.check_open()
        return read()

    async def in_writer(self, step: Callable[..., _Result], *arguments: Any) -> _Result:
        """Run a step on the one thread that writes, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, step, *arguments)

    def halt(self, error: CodedError) -> None:
        """Stop for good. What waits may be in the ledger or not; nobody is told that it is."""
        self.fatal = error
        _log.critical("the ledger takes no more entries: %s", error.code)
        self.intake.close(f"the ledger stopped: {error.code}")
        if error.code != "lock_mismatch":
            detail = "the ledger stopped while writing; submit again after its restart"
            error = StorageError(detail, field="sequencer")
        self.intake.fail_all(error)
        self._free.set()

    async def _run(self) -> None:
        began_s = asyncio.get_running_loop().time()
        while not (self._stop.is_set() and self.intake.is_empty):
            await self._wait_for_work()
            await self._sleep_to_boundary(began_s)
            if self.intake.is_empty and not self._lapse_is_due():
                self.intake.arrived.clear()
                continue
            try:
                if not await self._may_close():
                    if self._stop.is_set():
                        return
                    continue
                await self._close_epoch()
            except LedgerError as error:
                self.halt(error)
                return
            except Exception as error:
                # A defect stops the writer too: an epoch is never skipped.
                self.halt(StorageError(f"the writer failed: {type(error).__name__}", field="sequencer"))
                return
            if self._stop.is_set():
                self.intake.arrived.set()

    async def _wait_for_work(self) -> None:
        """Wait until something arrives, or a while where something is held: its time is looked at then."""
        if self.registry.next_timer_ms() is None:
            await self.intake.arrived.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self.registry.governance.epoch_ms / 1000, LOOK_EVERY_S)):
                await self.intake.arrived.wait()

    def _lapse_is_due(self) -> bool:
        """Return whether an epoch has to close now even if nobody said anything."""
        timer_ms = self.registry.next_timer_ms()
        return timer_ms is not None and timer_ms <= self._now_ms()

    async def _may_close(self) -> bool:
        """Whether the next epoch can be signed and crossed by verifiers; waits a while where it cannot."""
        terms = self.registry.governance.terms.opened()
        self._lacks_keys = not self._ring.holds(terms)
        if self._lacks_keys:
            try:
                await self.in_writer(self._ring.reload)
            except StorageError as error:
                _log.error("prepared keys cannot be opened: %s", error.code)
            self._lacks_keys = not self._ring.holds(terms)
        if not self.waits_for:
            return True
        if not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S):
                    await (self._bridged if self._bridge_due else self._stop).wait()
        return False

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
        # 1. Take what waits and choose the time.
        batch = await self._without_logged(self.intake.take_batch())
        time_ms = self._choose_time()
        if time_ms is None:
            error = StorageError("the clock is behind the last epoch", field="clock", code="read_only")
            self.intake.reject([(statement, error) for statement in batch])
            return
        self._free.clear()
        # 2. Apply the rules; build entries, seal, tiles, root and signed checkpoint.
        built, plan = await self._build_apart(batch, time_ms)
        self.intake.reject(built.rejected)
        if plan is not None:
            # 3. Write all of it durably as staged.
            await self.in_writer(self._stage, plan)
            # 4. Swap the signed checkpoint into the lock: from here on the epoch is signed.
            await self.in_writer(self._swap_lock, plan)
            # 5. Commit: staged becomes committed, in one transaction.
            await self.in_writer(self._commit, plan)
            # 6. Publish the new head to readers; witnesses hear of it from there.
            self._publish(plan)
            # 7. Acknowledge.
            self.intake.acknowledge(plan.rows)
            # 8. Keys that were prepared and have signed this epoch take the place of those before.
            await self.in_writer(self._ring.settle, self.registry.governance.terms)
        self._free.set()

    async def _without_logged(self, batch: list[Statement]) -> list[Statement]:
        """Return a batch without what is on the ledger already, after answering that."""
        if not any(statement.kind == "govern" for statement in batch):
            return batch
        logged = await self.in_writer(self.intake.find_logged, batch)
        self.intake.answer_logged(logged)
        known = {placed.statement_id for placed in logged}
        return [statement for statement in batch if statement.statement_id not in known]

    def _choose_time(self) -> int | None:
        """Return the epoch's time, above the last one; None where the clock was set far back."""
        now_ms, last_ms = self._now_ms(), self.head.time_ms
        if now_ms > last_ms:
            return now_ms
        return last_ms + 1 if last_ms - now_ms <= CLOCK_STEP_MS else None

    async def _build_apart(
        self, batch: Sequence[Statement], time_ms: int
    ) -> tuple[BuiltEpoch, EpochPlan | None]:
        """Build on the writing thread, which has the registry to itself meanwhile."""
        self.intake.pause()
        try:
            return await self.in_writer(self._build, batch, time_ms)
        finally:
            self.intake.resume()

    def _build(self, batch: Sequence[Statement], time_ms: int) -> tuple[BuiltEpoch, EpochPlan | None]:
        tree, registry = self.tree, self.registry
        keys = self._ring.pick(registry.governance.terms.opened())
        built = build_epoch(registry, tree.chain_head, tree.size, batch, time_ms, keys.service)
        if not built.entries:
            return built, None
        plan = plan_epoch(
            tree, built.entries, built.leaves, built.chain, built.statement_ids, time_ms,
            registry.governance.origin, keys.log,
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
