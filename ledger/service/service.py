"""The log service of one ledger: everything that the HTTP routes and the command line call.

service = open_service(data_dir, passphrase=ask, now_ms=clock, witnesses=[LocalWitness(witness)])
await service.start()
placed = await service.submit(entry)
receipt = await service.receipt(placed.leaf_index)
await service.stop()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.core.cose_key import PublicKey, Signer
from ledger.core.fields import format_list_uri
from ledger.core.govern_hint import MAX_HELD, GovernHint
from ledger.core.policy import Policy, parse_policy
from ledger.core.registry.governance import Effect
from ledger.core.registry.issuers import Issuer
from ledger.core.tiles import parse_tile_path
from ledger.core.tlog_proof import make_tlog_proof
from ledger.errors import MalformedError, StorageError, VerificationError
from ledger.service.deltas import DeltaFolder, parse_day
from ledger.service.founding import load_charter
from ledger.service.intake import Clock, Intake, Placed, Submission, find_placed
from ledger.service.key_ring import KeyRing
from ledger.service.keys import LedgerKeys, Passphrase
from ledger.service.plan import EpochPlan
from ledger.service.publisher import Publisher
from ledger.service.rate import RateLimit, TokenBuckets
from ledger.service.receipts import ReceiptMaker
from ledger.service.sequencer import Sequencer
from ledger.service.settings import LedgerSettings, load_settings
from ledger.service.startup import Loaded, ask_witnesses, load, recover
from ledger.service.status_tokens import format_status_token
from ledger.service.verify_pool import VerifyPool
from ledger.service.witnesses import LocalWitness, WitnessClient
from ledger.store.engine import open_engine
from ledger.store.entries import LedgerWriter, StoredCheckpoint
from ledger.store.lock import CheckpointLock, hold_directory

FindWitnesses = Callable[[Sequence[Policy]], Sequence[WitnessClient]]
"""Policies -> clients of the witnesses that they name."""


@dataclass(frozen=True, slots=True)
class Health:
    """State of the service, as `/healthz` shows it.

    `waits_for` is "witnesses" or "keys" where no epoch closes until they are there (`Sequencer.waits_for`).
    """

    origin: str
    size: int
    root: str
    time_ms: int
    published_size: int
    witnesses: tuple[str, ...]
    pending: int
    read_only: bool
    reason: str
    waits_for: str


@dataclass(frozen=True, slots=True)
class Governing:
    """Who decides, who may issue, and what was decided, as of the last epoch."""

    charter_hash: bytes
    governors: tuple[str, ...]
    threshold: int
    issuers: tuple[Issuer, ...]
    effects: tuple[Effect, ...]


class LedgerService:
    """One running ledger. Made by `open_service`; methods run on one event loop."""

    def __init__(
        self,
        settings: LedgerSettings,
        ring: KeyRing,
        store: LedgerWriter,
        lock: CheckpointLock,
        loaded: Loaded,
        clients: Sequence[WitnessClient],
        now_ms: Clock,
        limit: RateLimit,
        resources: ExitStack,
        find_witnesses: FindWitnesses | None = None,
    ) -> None:
        governance = loaded.registry.governance
        self.settings = settings
        self.origin = governance.origin
        self.epoch_ms = governance.epoch_ms
        self._ring = ring
        self._history = loaded.history
        self._store = store
        self._loaded = loaded
        self._given_clients = tuple(clients)
        self._clients = self._given_clients
        self._find_witnesses = find_witnesses
        self._now_ms = now_ms
        self._resources = resources
        self._cells = loaded.cells
        self._pool = VerifyPool(settings.verify_threads)
        self._receipts = ReceiptMaker(store, self._receipts_signer, self.origin)
        self.intake = Intake(loaded.registry, store, self._pool, limit, now_ms, settings.max_pending_bytes)
        self.sequencer = Sequencer(
            loaded.registry,
            loaded.tree,
            loaded.head,
            store,
            lock,
            ring,
            self.intake,
            now_ms=now_ms,
            on_published=self._on_published,
            bridge_due=loaded.bridge_due,
        )
        self._deltas = DeltaFolder(settings.deltas_dir)
        self.publisher = Publisher(
            self.sequencer,
            store,
            self._clients,
            self._history.policy_at,
            self._cells,
            loaded.snapshot,
            timeout_s=settings.witness_timeout_s,
            recosign_s=settings.recosign_s,
            deltas=self._deltas,
            on_quorum=self._on_quorum,
        )
        self._teach_witnesses()
        self._meet_witnesses()

    # -- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Ask the witnesses what they saw last, then take statements.

        Raises:
            ForkAlarm: code lock_mismatch, a witness has seen more than this database holds.
            StorageError: code not_reachable, no quorum of witnesses answered.
        """
        try:
            await ask_witnesses(
                self._store,
                self._loaded,
                self._clients,
                self._ring.log_key_pairs(),
                timeout_s=self.settings.witness_timeout_s,
            )
        except BaseException:
            await asyncio.to_thread(self.close)
            raise
        self.sequencer.start()
        self.publisher.start()

    async def stop(self) -> None:
        """Close the last epoch and let go of everything."""
        await self.publisher.stop()
        await self.sequencer.stop()
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Let go of files and threads without closing an epoch; for a service that was never started."""
        self._pool.close()
        self._resources.close()

    def _on_published(self, plan: EpochPlan) -> None:
        self._cells += plan.cells
        size = plan.rows.checkpoint.size
        if self._history.note_epoch(size, self.sequencer.registry.governance):
            self._teach_witnesses()
        self._meet_witnesses()
        if self._history.bridges[-1:] == [size]:
            self.sequencer.expect_bridge(size)
        self.publisher.wake()

    async def _on_quorum(self, size: int, text: str) -> None:
        """Keep a bridging checkpoint as soon as it is one; then the next epoch may close."""
        if size == self.sequencer.bridge_due:
            try:
                await self.sequencer.in_writer(self._store.keep_bridge, size, text)
            except StorageError as error:
                self.sequencer.halt(error)
                raise
            self.sequencer.take_bridge(size)

    def _teach_witnesses(self) -> None:
        """Tell witnesses in this process the log's keys; others are told by those who run them."""
        for client in self._clients:
            if isinstance(client, LocalWitness):
                for pair in self._history.all_log_keys():
                    client.learn_log_keys(pair)

    def _meet_witnesses(self) -> None:
        """Ask the witnesses that the policy of the head names, and those that the next epoch will need."""
        if self._find_witnesses is None:
            return
        scheduled = self.sequencer.registry.governance.terms.opened().witness_policy
        policies = [self.witness_policy, parse_policy(scheduled)]
        self._clients = (*self._given_clients, *self._find_witnesses(policies))
        self.publisher.ask(self._clients)

    def _receipts_signer(self, size: int) -> Signer:
        return self._ring.receipts_signer(self._history.receipts_key_at(size))

    # -- registration -----------------------------------------------------------------------------------

    def submit(self, entry: bytes) -> asyncio.Future[Placed]:
        """Register a statement; the future is done when it is durable. See `Sequencer.submit`."""
        return self.sequencer.submit(entry)

    def take(self, entry: bytes, *, tell_admitted: bool) -> Submission:
        """Register a statement; `tell_admitted` asks for a future that tells when it waits for its epoch."""
        return self.intake.take(entry, tell_admitted=tell_admitted)

    def is_pending(self, statement_id: bytes) -> bool:
        """Whether the statement waits for its epoch."""
        return self.intake.is_pending(statement_id)

    async def find(self, statement_id: bytes) -> Placed | None:
        """Return where a statement is logged, None if it is not."""
        placed = await asyncio.to_thread(find_placed, self._store, statement_id)
        # Committed and not yet published: it has no receipt for another moment.
        return placed if placed is not None and placed.leaf_index < self.head.size else None

    async def receipt(self, leaf_index: int) -> bytes:
        """Return the inclusion receipt of an entry in the newest tree."""
        return await asyncio.to_thread(self._receipts.receipt, self.head, leaf_index)

    async def transparent(self, placed: Placed) -> bytes:
        """Return the logged statement with its receipt."""
        return await asyncio.to_thread(self._receipts.transparent, self.head, placed.leaf_index, placed.entry)

    async def transparents(self, placed: Sequence[Placed]) -> list[bytes]:
        """Return the logged statements with their receipts, all of the newest tree."""
        head = self.head

        def make() -> list[bytes]:
            return [self._receipts.transparent(head, item.leaf_index, item.entry) for item in placed]

        return await asyncio.to_thread(make)

    async def consistency(self, old_size: int, new_size: int) -> bytes:
        """Return the receipt of consistency between two trees at which epochs ended, 0 < old < new.

        Raises:
            VerificationError: code not_found, no epoch ended at one of the sizes, or they do not rise.
        """
        head = self.head

        def make() -> bytes:
            sizes = (old_size, new_size)
            old, new = (self._store.checkpoint(size) if 0 < size <= head.size else None for size in sizes)
            if old is None or new is None:
                raise VerificationError("not_found", "no epoch ended at this size", field="tree_size")
            return self._receipts.consistency(old, new, head)

        return await asyncio.to_thread(make)

    async def tlog_proof(self, statement_id: bytes) -> str | None:
        """Return the tlog-proof of a statement under the best checkpoint, None while that does not cover it.

        Raises:
            VerificationError: code not_found, the statement is not logged.
            StorageError: as `checkpoint`.
        """
        placed = await asyncio.to_thread(find_placed, self._store, statement_id)
        if placed is None:
            raise VerificationError("not_found", "no such statement is on the ledger", field="id")
        snapshot = await self.publisher.settled(self.head.size, self.settings.bundle_wait_s)
        if placed.leaf_index >= snapshot.size:
            return None
        charter = await asyncio.to_thread(self._store.entry, 0)
        nodes = self._store.nodes(snapshot.size)
        return await asyncio.to_thread(
            make_tlog_proof, placed.leaf_index, snapshot.checkpoint, nodes, charter
        )

    async def next_seq(self, issuer_number: int, list_number: int) -> int:
        """Return the sequence number that the next change of a list needs, as of the last epoch.

        Raises:
            VerificationError: code not_found, no place of that list is taken.
            StorageError: code read_only, the ledger stopped in the middle of an epoch.
        """
        uri = format_list_uri(issuer_number, list_number)
        lists = await self.sequencer.between_epochs(lambda: self.sequencer.registry.lists)
        if uri not in lists:
            raise VerificationError("not_found", "there is no such status list", field="uri")
        return lists[uri].seq + 1

    # -- keys -------------------------------------------------------------------------------------------

    @property
    def receipts_key(self) -> PublicKey:
        """The key that signs receipts now."""
        return self._history.receipts_key_at(self.head.size)

    @property
    def receipts_keys(self) -> list[PublicKey]:
        """Every key that ever signed receipts, newest first: those out there are checked with them."""
        return self._history.all_receipts_keys()

    # -- reading ----------------------------------------------------------------------------------------

    @property
    def head(self) -> StoredCheckpoint:
        """The newest committed head."""
        return self.sequencer.head

    @property
    def witness_policy(self) -> Policy:
        """The policy that the newest head is to satisfy."""
        return self._history.policy_at(self.head.size)

    def checkpoint(self) -> str:
        """Return the best checkpoint: the newest that witnesses cosigned as the policy asks.

        Raises:
            StorageError: code no_bundle, there is none yet.
        """
        if self.publisher.published is None:
            raise StorageError("no head has a quorum of witnesses yet", field="witnesses", code="no_bundle")
        return self.publisher.published.checkpoint

    async def published_checkpoint(self, wait_s: float | None = None) -> str:
        """As `checkpoint`, after waiting for the witnesses of the newest head."""
        wait_s = self.settings.bundle_wait_s if wait_s is None else wait_s
        return (await self.publisher.settled(self.head.size, wait_s)).checkpoint

    async def bundle(self) -> bytes:
        """Return the trust bundle of the best checkpoint; errors as `checkpoint`."""
        return await self.publisher.bundle(self.settings.bundle_wait_s)

    async def delta(self, day_text: str) -> bytes:
        """Return the delta of a day `YYYY-MM-DD` (UTC) that is over.

        Raises:
            VerificationError: code not_found, there is none.
        """
        day = parse_day(day_text)
        data = None if day is None else await asyncio.to_thread(self._deltas.read, day)
        if data is None:
            raise VerificationError("not_found", "there is no delta of this day", field="day")
        return data

    async def governance(self) -> Governing:
        """Return who decides, who may issue, and what was decided.

        Raises:
            StorageError: code read_only, the ledger stopped in the middle of an epoch.
        """
        return await self.sequencer.between_epochs(self._read_governance)

    def _read_governance(self) -> Governing:
        governance = self.sequencer.registry.governance
        return Governing(
            charter_hash=governance.charter_hash,
            governors=tuple(name for name, _ in governance.governors),
            threshold=governance.threshold,
            issuers=tuple(governance.issuers.values()),
            effects=tuple(governance.effects),
        )

    async def govern_hint(self) -> GovernHint:
        """Return the indexes of what waits for the governors, as of the last epoch.

        Raises:
            StorageError: code read_only, the ledger stopped in the middle of an epoch.
        """
        return await self.sequencer.between_epochs(self._read_hint)

    def _read_hint(self) -> GovernHint:
        registry = self.sequencer.registry
        approvals = (
            index
            for proposal in registry.governance.proposals.values()
            for index in proposal.approvals.values()
        )
        held = sorted(registry.places.quarantine.held)
        return GovernHint(self.head.size, tuple(held[:MAX_HELD]), tuple(sorted(approvals)))

    async def tile(self, path_text: str) -> bytes:
        """Return a hash tile or an entry bundle by its path, `tile/<L>/<N>[.p/<W>]`.

        Raises:
            VerificationError: code not_found, there is no such tile.
        """
        try:
            path = parse_tile_path(path_text)
        except MalformedError as error:
            raise VerificationError("not_found", "not the path of a tile", field="path") from error
        data = await asyncio.to_thread(self._store.tile_file, path, self.head.size)
        if data is None:
            raise VerificationError("not_found", "there is no such tile", field="path")
        return data

    async def status_token(self, issuer_number: int, list_number: int) -> bytes:
        """Return the Status List Token of `sc:<issuer number>/<list number>`.

        Raises:
            VerificationError: code not_found, no place of that list is taken.
            StorageError: as `checkpoint`.
        """
        snapshot = await self.publisher.settled(self.head.size, self.settings.bundle_wait_s)
        found = snapshot.list_of(format_list_uri(issuer_number, list_number))
        if found is None:
            raise VerificationError("not_found", "there is no such status list", field="uri")
        now_s, vouched_s = self._now_ms() // 1000, self.publisher.vouched_s(snapshot)
        # A ledger that its witnesses left must not go on saying that its lists are of today.
        iat_s = now_s if vouched_s is None else min(now_s, vouched_s)
        return await asyncio.to_thread(
            format_status_token, found, iat_s, self._receipts_signer(self.head.size)
        )

    def health(self) -> Health:
        """Return the state of the service."""
        head, published, fatal = self.head, self.publisher.published, self.sequencer.fatal
        return Health(
            origin=self.origin,
            size=head.size,
            root=head.root.hex(),
            time_ms=head.time_ms,
            published_size=0 if published is None else published.size,
            witnesses=self.publisher.cosigned_by(),
            pending=self.intake.pending_count,
            read_only=fatal is not None,
            reason="" if fatal is None else fatal.code,
            waits_for=self.sequencer.waits_for,
        )


def open_service(
    data_dir: Path,
    *,
    passphrase: Passphrase,
    now_ms: Clock,
    witnesses: Sequence[WitnessClient] = (),
    find_witnesses: FindWitnesses | None = None,
    settings: LedgerSettings | None = None,
    keys: LedgerKeys | Sequence[LedgerKeys] | None = None,
    limit: RateLimit | None = None,
    **chosen: Any,
) -> LedgerService:
    """Open a finished ledger: take the directory, recover, replay. `start` then asks the witnesses.

    Args:
        data_dir: the ledger's directory.
        passphrase: opens the private keys; not asked where `keys` are given.
        now_ms: milliseconds since 1970, UTC.
        witnesses: whom to ask for cosignatures; those that the charter's policy does not name do not count.
        find_witnesses: gives clients of the witnesses that policies name; asked again when governors exchange them.
        settings: all settings, in place of the stored ones; or single ones by name in `chosen`.
        keys: signers from elsewhere: those in use, and any that governors are to decide on.
        limit: statements per issuer.

    Raises:
        StorageError: code read_only, another process writes there; wrong_secret; not_found where there is no
            ledger; or a file cannot be read.
        ForkAlarm: code lock_mismatch, database and lock cannot be brought together; bad_entry, bad_epoch,
            bad_seal, bad_rule, bad_chain, bad_tile, bad_checkpoint, the database contradicts itself.
    """
    used = settings or load_settings(data_dir, **chosen)
    charter = load_charter(used).body
    ring = (
        KeyRing.open(used.keys_dir, charter.origin, passphrase)
        if keys is None
        else KeyRing.of(charter.origin, *([keys] if isinstance(keys, LedgerKeys) else keys))
    )
    with ExitStack() as stack:
        stack.enter_context(hold_directory(data_dir))
        lock = CheckpointLock.open(used.lock_path)
        stack.callback(lock.close)
        engine = open_engine(used.database_path)
        stack.callback(engine.dispose)
        store = LedgerWriter(engine)
        if lock.origin != charter.origin:
            raise StorageError("the checkpoint lock is that of another ledger", field="lock")
        recover(store, lock, ring.log_key_pairs())
        loaded = load(store)
        terms = loaded.registry.governance.terms
        ring.pick(terms)
        ring.settle(terms)
        return LedgerService(
            used, ring, store, lock, loaded, witnesses, now_ms,
            limit or TokenBuckets(used.rate_per_s, used.rate_burst), stack.pop_all(), find_witnesses,
        )  # fmt: skip
