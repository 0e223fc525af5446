"""Publishing heads: ask the witnesses, collect cosignatures, show the best head.

docs/protocol.md sections 5, 8 and 9. Registration never waits for witnesses. After each epoch the newest
head goes to all of them at once; when those that answered satisfy the policy of the charter, the head is
published together with a snapshot of the lists as they were there. Without news the last head is cosigned
anew well within the hour, so that a station knows that nothing has happened since.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ledger.core.calendar_days import date_of_seconds
from ledger.core.checkpoint import Checkpoint, parse_checkpoint
from ledger.core.cosignature import CosignerKey, add_cosignature, check_cosignature, check_cosignatures
from ledger.core.merkle import prove_consistency
from ledger.core.note import (
    Note,
    NoteSignature,
    parse_note,
    parse_signature_line,
)
from ledger.core.policy import Policy
from ledger.errors import CodedError, StorageError, VerificationError
from ledger.service.bundles import build_bundle, with_checkpoint
from ledger.service.deltas import DeltaFolder
from ledger.service.sequencer import Sequencer
from ledger.service.snapshots import Snapshot, take_snapshot
from ledger.service.witnesses import WitnessClient, WitnessConflictError
from ledger.store.entries import LedgerReader, LedgerWriter, StoredCheckpoint

_log: Final = logging.getLogger("safeconduct.ledger")
_RETRY_S: Final = 5.0
_MISSING_RETRY_S: Final = 60.0
"""A witness that is missing on a published head is asked for it again after so many seconds."""
_LONGEST_RECOSIGN_S: Final = 3600.0
_GRACE_S: Final = 0.5
"""How long the others have once a quorum has answered; so that all that are well stand on one text."""


class Publisher:
    """Keeps the best head and its bundle.

    Args:
        sequencer: whose heads are published.
        store: the database; cosignatures are written through the sequencer's writing thread.
        clients: witnesses to ask.
        policy_at: which of them make a quorum, by the size of the head.
        on_quorum: told of each head, size and text, that its quorum has cosigned, before it is published.
        cells: 32 bytes for each 16 entries; grows with the ledger.
        published: the best head so far, None where there is none.
        timeout_s: how long one witness may take.
        recosign_s: seconds after which the last head is cosigned anew.
        deltas: where the deltas of days that are over are kept; None keeps none.
    """

    def __init__(
        self,
        sequencer: Sequencer,
        store: LedgerWriter,
        clients: Sequence[WitnessClient],
        policy_at: Callable[[int], Policy],
        cells: bytearray,
        published: Snapshot | None,
        *,
        timeout_s: float,
        recosign_s: float,
        deltas: DeltaFolder | None = None,
        on_quorum: Callable[[int, str], Awaitable[None]] | None = None,
    ) -> None:
        self._deltas = deltas
        self.published = published
        self._sequencer = sequencer
        self._store = store
        self._clients = tuple(clients)
        self._policy_at = policy_at
        self._on_quorum = on_quorum
        self._cells = cells
        self._timeout_s = timeout_s
        self._recosign_s = min(recosign_s, _LONGEST_RECOSIGN_S)
        self._sizes: dict[CosignerKey, int] = {}
        self._cosigned: dict[CosignerKey, tuple[int, float]] = {}  # size, and when by the loop's clock
        self._asking: dict[CosignerKey, asyncio.Task[NoteSignature | None]] = {}
        self._stragglers: set[asyncio.Task[NoteSignature | None]] = set()  # of a round that did not wait
        self._late: dict[CosignerKey, tuple[int, NoteSignature]] = {}  # their lines, and for which size
        self._latest = published
        self._tried_size = 0
        self._wake = asyncio.Event()
        self._changed = asyncio.Condition()
        self._building = asyncio.Lock()
        self._bundle: tuple[str, bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to publish; from the running event loop."""
        self._wake.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End; a round under way is given up."""
        if self._task is not None:
            tasks = [self._task, *self._asking.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def ask(self, clients: Sequence[WitnessClient]) -> None:
        """Ask these witnesses from the next round on."""
        self._clients = tuple(clients)

    def wake(self) -> None:
        """Say that there is a new head."""
        self._wake.set()

    def cosigned_by(self) -> tuple[str, ...]:
        """Return the local names of the witnesses on the published head."""
        head = self.published
        return () if head is None else tuple(_times(head.checkpoint, self._policy_at(head.size)))

    def vouched_s(self, snapshot: Snapshot) -> int | None:
        """Return the time that the witnesses of a head vouch for, in seconds; None where the policy asks for none."""
        policy = self._policy_at(snapshot.size)
        return policy.quorum_time(_times(snapshot.checkpoint, policy))

    async def settled(self, size: int, wait_s: float) -> Snapshot:
        """Return the published snapshot, after waiting for a round about the head of this size.

        Raises:
            StorageError: code no_bundle, no head has been cosigned as the policy asks.
        """

        def is_settled() -> bool:
            return self._tried_size >= size or (self.published is not None and self.published.size >= size)

        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(is_settled)
        except TimeoutError:
            pass  # an older head is better than none
        if self.published is None:
            raise StorageError("no head has a quorum of witnesses yet", field="witnesses", code="no_bundle")
        return self.published

    async def bundle(self, wait_s: float) -> bytes:
        """Return the trust bundle of the best head, built once per cosigned checkpoint; errors as `settled`."""
        snapshot = await self.settled(self._sequencer.head.size, wait_s)
        async with self._building:
            if self._bundle is None or self._bundle[0] != snapshot.checkpoint:
                data = await asyncio.to_thread(build_bundle, self._store, snapshot, self._cells)
                self._bundle = (snapshot.checkpoint, data)
            return self._bundle[1]

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            pause_s = self._recosign_s
            try:
                if not await self._publish_once():
                    pause_s = _RETRY_S
                elif self._is_any_missing():
                    pause_s = min(pause_s, _MISSING_RETRY_S)
            except CodedError as error:
                _log.error("a head could not be published: %s", error.code)
                pause_s = _RETRY_S
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _publish_once(self) -> bool:
        """Ask about the newest head; whether it is published now."""
        sequencer = self._sequencer
        head, snapshot = await sequencer.between_epochs(self._take)
        self._latest = snapshot
        text = await self._cosign(head, snapshot.checkpoint)
        # Also short of a quorum: the lines that are there are not asked for again.
        self._latest = with_checkpoint(snapshot, text)
        policy = self._policy_at(head.size)
        is_met = policy.satisfied(_times(text, policy))
        if is_met:
            # Before the text is kept: after a crash here the next start still finds the day's last head.
            await self._close_day(with_checkpoint(snapshot, text))
        if text != snapshot.checkpoint:
            await self._keep(head, text)
        if is_met and self._on_quorum is not None:
            await self._on_quorum(head.size, text)
        if is_met:
            self.published = with_checkpoint(snapshot, text)
        async with self._changed:
            self._tried_size = head.size
            self._changed.notify_all()
        return is_met

    async def _close_day(self, new: Snapshot) -> None:
        """Where the head to come is of a later day than the published one, write the delta of that day.

        A delta saves data and nothing hangs on it, so a failure is logged and the head is published.
        """
        old = self.published
        if self._deltas is None or old is None:
            return
        day, today = (date_of_seconds(self._station_s(snapshot)) for snapshot in (old, new))
        if day >= today:
            return
        try:
            bundle = await asyncio.to_thread(build_bundle, self._store, old, self._cells)
            await asyncio.to_thread(self._deltas.close_day, day, bundle, today)
        except CodedError as error:
            _log.error("the delta of a day was not written: %s", error.code)

    def _station_s(self, snapshot: Snapshot) -> int:
        """Return the time of a head as a station reads it; seconds."""
        time_s = self.vouched_s(snapshot)
        return snapshot.time_ms // 1000 if time_s is None else time_s

    def _take(self) -> tuple[StoredCheckpoint, Snapshot]:
        head = self._sequencer.head
        latest = self._latest
        # The text of a head that was cosigned before goes on from there: old lines are renewed in place.
        text = latest.checkpoint if latest is not None and latest.size == head.size else head.text
        published = self.published
        if published is not None and published.size == head.size:
            text = published.checkpoint
        return head, take_snapshot(self._sequencer.registry, head.size, text, latest)

    def _is_any_missing(self) -> bool:
        """Whether a witness of the policy has not cosigned the newest head."""
        head = self.published
        return head is not None and len(self.cosigned_by()) < len(self._policy_at(head.size).witnesses)

    async def _cosign(self, head: StoredCheckpoint, text: str) -> str:
        """Return the text with a new line of each witness that answered well, without waiting for the slowest.

        Once a quorum is there, the others have a moment left; whoever answers later wakes the next round.
        """
        for key in [key for key, (size, _) in self._late.items() if size == head.size]:
            text = add_cosignature(text, self._late.pop(key)[1])
        for client in self._clients:
            if client.key not in self._asking:
                self._asking[client.key] = asyncio.create_task(self._ask(client, head))
        policy = self._policy_at(head.size)
        open_tasks = {task: key for key, task in self._asking.items() if task not in self._stragglers}
        try:
            while open_tasks:
                wait_s = _GRACE_S if policy.satisfied(_times(text, policy)) else None
                done, _ = await asyncio.wait(open_tasks, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    break
                for task in done:
                    del self._asking[open_tasks.pop(task)]
                    line = task.result()
                    if line is not None:
                        text = add_cosignature(text, line)
        except BaseException:
            for task, key in open_tasks.items():  # a line for this head must not end up on another
                task.cancel()
                self._asking.pop(key, None)
            raise
        for task, key in open_tasks.items():
            self._stragglers.add(task)
            task.add_done_callback(lambda task, key=key: self._take_late(key, head.size, task))  # type: ignore[misc]
        return text

    def _take_late(self, key: CosignerKey, size: int, task: asyncio.Task[NoteSignature | None]) -> None:
        """Keep the line of a witness that answered after its round; the next one takes it in."""
        self._stragglers.discard(task)
        self._asking.pop(key, None)
        line = None if task.cancelled() else task.result()
        if line is not None:
            self._late[key] = size, line
            self._wake.set()

    async def _ask(self, client: WitnessClient, head: StoredCheckpoint) -> NoteSignature | None:
        now_s = asyncio.get_running_loop().time()
        size, cosigned_s = self._cosigned.get(client.key, (0, 0.0))
        if size == head.size and now_s - cosigned_s < self._recosign_s / 2:
            return None  # its line is young; only those that are missing are asked
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._ask_from_its_size(client, head)
            line = _own_line(answer, client.key, head)
        except (CodedError, TimeoutError, OSError) as error:
            reason = str(error) if isinstance(error, CodedError) else "not_reachable"
            _log.warning("witness %s did not cosign: %s", client.key.name, reason)
            return None
        except Exception:  # whatever one witness can cause: heads are published with the others
            _log.exception("witness %s could not be asked", client.key.name)
            return None
        self._sizes[client.key] = head.size
        self._cosigned[client.key] = head.size, now_s
        return line

    async def _ask_from_its_size(self, client: WitnessClient, head: StoredCheckpoint) -> str:
        size = self._sizes.get(client.key, 0)
        try:
            return await self._ask_from(client, size, head)
        except WitnessConflictError as conflict:
            if not 0 <= conflict.size <= head.size:
                raise
            return await self._ask_from(client, conflict.size, head)

    async def _ask_from(self, client: WitnessClient, size: int, head: StoredCheckpoint) -> str:
        proof = await asyncio.to_thread(_prove, self._store, size, head.size)
        return await client.add_checkpoint(size, proof, head.note)

    async def _keep(self, head: StoredCheckpoint, text: str) -> None:
        lines = text.removeprefix(head.note)
        try:
            await self._sequencer.in_writer(self._store.set_cosignatures, head.size, lines)
        except StorageError as error:
            self._sequencer.halt(error)
            raise


def _times(text: str, policy: Policy) -> dict[str, int]:
    note = parse_note(text)
    return check_cosignatures(note, parse_checkpoint(note.text), policy.witness_keys())


def _prove(store: LedgerReader, size1: int, size2: int) -> tuple[bytes, ...]:
    return prove_consistency(size1, size2, store.nodes(size2))


def _own_line(answer: str, key: CosignerKey, head: StoredCheckpoint) -> NoteSignature:
    """Return the witness's line out of its answer, verified.

    Raises:
        VerificationError: code bad_checkpoint, there is none or it does not verify.
    """
    note: Note = parse_note(head.note)
    checkpoint: Checkpoint = parse_checkpoint(note.text)
    for text in answer.splitlines(keepends=True):
        line = parse_signature_line(text)
        if (line.name, line.key_id) == (key.name, key.key_id):
            check_cosignature(key, line, checkpoint, note.text)
            return line
    raise VerificationError("bad_checkpoint", "the witness did not answer with its line", field="witness")
