"""The replay: every signature, every rule, every seal, the chain, the tree, the tiles and the head.

`AuditReplay` takes the entries in the chunks that worker processes have examined (ledger/audit/pool.py) and
replays their epochs in order against one registry. The first violation ends it, with its index and the rule it
breaks. What a replay cannot see is a tail that was cut off together with the head: for that a head seen before
is given (`against`), and a quorum of witnesses must have cosigned the head, or an older one of those stored.

    run = AuditReplay(pin, against=None)
    run.begin(source)
    for chunk in examined_chunks("data", source, run.head.tree_size, 1, lambda: run.keys, run.start):
        run.take(chunk)
    run.finish(source)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ledger.audit.chunk import ExaminedChunk, count_kinds
from ledger.audit.heads import Heads
from ledger.audit.history import History
from ledger.audit.report import AuditReport, held_changes
from ledger.audit.saved_audit import SavedAudit
from ledger.audit.source import Source
from ledger.audit.tree import AuditedTree
from ledger.audit.waiting import Waiting
from ledger.core.cells import CELL_SIZE, root_from_cells
from ledger.core.chain import chain_start
from ledger.core.checkpoint import Checkpoint
from ledger.core.cose_key import PublicKey
from ledger.core.epoch import MAX_EPOCH_ENTRIES, Item, replay_genesis, replay_items
from ledger.core.key_history import KeyHistory
from ledger.core.merkle import HASH_SIZE
from ledger.core.pin import Pin
from ledger.core.registry import Registry
from ledger.core.statement import PADDING, Statement
from ledger.core.tiles import TILE_WIDTH
from ledger.errors import CodedError, ForkAlarm

Progress = Callable[[int, int], None]


class AuditReplay:
    """State of one audit; its methods are called in the order begin, take for each chunk, finish, report.

    Args:
        pin: origin and charter hash of the ledger that it should be.
        against: text of a checkpoint seen before, or None.
        saved: what an audit before this one has replayed, or None.
        progress: called with (entries replayed, tree size).
        allow_uncosigned: accept a ledger of which no head has a quorum of witnesses.
        history: is told of each epoch that was replayed, for the pages of a report.
    """

    def __init__(
        self,
        pin: Pin,
        *,
        against: str | None = None,
        saved: SavedAudit | None = None,
        progress: Progress | None = None,
        allow_uncosigned: bool = False,
        history: History | None = None,
    ) -> None:
        self.pin = pin
        self.progress = progress
        self.allow_uncosigned = allow_uncosigned
        self._history_told = history
        self._against = against
        self._saved = saved
        self.head = Checkpoint(pin.origin, 0, b"")
        self.heads: Heads | None = None
        self.registry: Registry | None = None
        self.keys: dict[tuple[str, bytes], PublicKey] = {}
        self._effects_seen = 0
        self._history = KeyHistory()
        self._waiting = Waiting(0)
        self._next = self._last = 0
        self._chain_head = chain_start(pin.origin)
        self._tree = AuditedTree()
        self._seal_entry = b""
        self._ends: list[tuple[int, int]] = []
        self._counts: Counter[str] = Counter()
        self._epochs = 0
        self._against_size: int | None = None
        # Entries that an audit before this one has replayed.
        self._known = 0
        self._proven = 0
        if saved is not None:
            self._resume(saved)

    def _resume(self, saved: SavedAudit) -> None:
        """Stand behind the last epoch of an audit before; the tile with its seal is read once more."""
        self.registry = saved.registry
        self._history = saved.history
        self._known = self._next = saved.size
        self._proven = saved.proven_size
        tiles = (saved.size - 1) // TILE_WIDTH
        self._waiting = Waiting(tiles * TILE_WIDTH)
        self._chain_head = saved.chain_head
        self._tree = AuditedTree(saved.tile_hashes(tiles))
        self._counts = Counter(saved.counts)
        self._epochs = saved.epochs
        self._seal_entry = saved.seal_entry
        self._learn_keys()

    @property
    def start(self) -> int:
        """Index of the first entry that is read, a multiple of 256."""
        return self._waiting.start

    @property
    def replayed(self) -> int:
        """Tree size at the end of the last epoch that was replayed."""
        return self._next

    def begin(self, source: Source) -> None:
        """Take the head that the source shows, and the one seen before."""
        text = source.checkpoint()
        # The first stored head that is compared is that of the first epoch that is replayed.
        self.heads = Heads(self.pin.origin, text, self._against, source.heads(self._next or -1))
        self.head = self.heads.newest
        if self._saved is not None:
            self.heads.resume(self._saved.cosigned, self._saved.cosigned_size)
            self.heads.check_sizes_are_signed(self._history)
            if self.head.tree_size < self._next:
                raise ForkAlarm(
                    "the head is smaller than what was audited before: the tail was cut off",
                    code="inconsistent",
                    field="tree_size",
                    index=self.head.tree_size,
                )
        source.check_size(self.head.tree_size)

    def take(self, chunk: ExaminedChunk) -> None:
        """Replay the epochs that a chunk completes; compare tiles and chain."""
        if chunk.start != self._waiting.end:
            raise self._missing()
        try:
            self._replay_epochs(chunk)
            self._check_rest(chunk)
        except ForkAlarm as alarm:
            self._count_replayed(chunk.start)
            raise self._waiting.first_alarm(
                alarm, chunk, size=self._next, chain_head=self._chain_head, last=self._last
            ) from alarm
        if self.registry is None:
            raise ForkAlarm("the first epoch has no seal", code="bad_epoch", field="seal", index=0)
        self._counts.update(chunk.counts)
        if chunk.start < self._known:
            self._counts -= count_kinds(self._waiting.items[: self._known - chunk.start])
        self._check_heads(chunk)
        self._waiting.forget(self._next)

    def _count_replayed(self, counted: int) -> None:
        """Let the counts be those of the epochs that were replayed, where a chunk ends the audit.

        Args:
            counted: index up to which entries are counted, those that wait for their seal among them.
        """
        first = self._waiting.start
        if self._next < counted:
            self._counts -= count_kinds(self._waiting.items[self._next - first : counted - first])
        else:
            low = max(counted, self._known)
            self._counts += count_kinds(self._waiting.items[low - first : self._next - first])

    def _check_heads(self, chunk: ExaminedChunk) -> None:
        """Compare the heads that are stored for the epochs that end in a chunk."""
        assert self.heads is not None
        ends, self._ends = self._ends, []
        roots = self._tree.extend(chunk.leaves, chunk.tile_hashes, [size for size, _ in ends])
        for (size, time_ms), root in zip(ends, roots, strict=True):
            self.heads.check_stored(size, root, time_ms, self._history)

    def _replay_epochs(self, chunk: ExaminedChunk) -> None:
        before = len(self._waiting.items)
        self._waiting.add(chunk)
        if chunk.start < self._known:
            self._check_seam()
        start = self._next - self._waiting.start
        for place in chunk.seals:
            stop = before + place + 1
            if stop <= start:
                continue  # the seal of an epoch that an audit before this one has replayed
            self._last = self._waiting.start + stop - 1
            self._replay(self._waiting.items[start:stop], self._waiting.leaves[start:stop])
            start = stop

    def _check_seam(self) -> None:
        """Compare the tile with the seal where an audit before ended with what it had there."""
        assert self._saved is not None
        assert self.registry is not None
        first, items = self._waiting.start, self._waiting.items
        place = self._known - 1 - first
        item = items[place] if place < len(items) else None
        is_seal = isinstance(item, Statement) and item.entry == self._saved.seal_entry
        known = self.registry.cells[first // CELL_SIZE * HASH_SIZE :]
        if not is_seal or self._waiting.cells(first, self._known) != known:
            raise ForkAlarm(
                "the entries are not those that were audited before",
                code="inconsistent",
                field="entries",
                index=first,
            )

    def _replay(self, items: list[Item], leaves: list[bytes]) -> None:
        if self.registry is None:
            chain = self._replay_genesis(items)
        else:
            chain = replay_items(
                self.registry,
                self._chain_head,
                self._next,
                items,
                leaves,
                self._verify,
                self._waiting.cells(self._next, self._next + len(leaves)),
            )
        stored = self._waiting.stored_chain(self._next, self._next + len(items))
        if stored and stored != b"".join(chain):
            raise ForkAlarm("a stored chain value is wrong", code="bad_chain", field="chain")
        if self._history_told is not None and self.registry is not None:
            self._history_told.note_epoch(self._next, items, self.registry)
        self._epochs += 1
        self._next += len(items)
        self._chain_head = chain[-1]
        seal = items[-1]
        assert self.registry is not None
        assert isinstance(seal, Statement)
        self._seal_entry = seal.entry
        if self._epochs > 1:  # the genesis epoch is noted by then
            self._history.note_epoch(self._next, self.registry.governance)
        self._ends.append((self._next, self.registry.time_ms))
        self._learn_keys()
        if self.progress is not None:
            self.progress(self._next, self.head.tree_size)

    def _verify(self, statement: Statement, key: PublicKey) -> None:
        """Verify what no worker has; a registry never holds two keys of issuers for one (iss, kid)."""
        if not self._waiting.is_verified(statement):
            statement.check_signature(key)

    def _check_rest(self, chunk: ExaminedChunk) -> None:
        if chunk.violation is not None:
            at, rule, detail, code = chunk.violation
            raise ForkAlarm(detail, code=code, field=rule, index=at)
        if chunk.bad_tile is not None:
            detail = "a stored tile is not what the entries hash to"
            raise ForkAlarm(detail, code="bad_tile", field="tile/0", index=chunk.bad_tile)
        if self._waiting.end - self._next > MAX_EPOCH_ENTRIES:
            raise ForkAlarm("an epoch without a seal", code="bad_epoch", index=self._next)
        if chunk.misplaced is not None:
            detail = "the index of statements has this one elsewhere or not at all"
            raise ForkAlarm(detail, code="bad_entry", field="statements", index=chunk.misplaced)

    def _missing(self) -> ForkAlarm:
        detail = "entries are missing"
        return ForkAlarm(detail, code="bad_checkpoint", field="tree_size", index=self._waiting.end)

    def _replay_genesis(self, items: list[Item]) -> list[bytes]:
        entries = [item.entry if isinstance(item, Statement) else PADDING for item in items]
        registry, _, chain = replay_genesis(entries)
        governance = registry.governance
        if governance.origin != self.pin.origin or governance.charter_hash != self.pin.charter_hash:
            raise ForkAlarm("entry 0 is not the pinned charter", code="bad_rule", field="charter", index=0)
        self.registry = registry
        assert self.heads is not None
        self._history.note_epoch(len(items), governance)
        self.heads.check_sizes_are_signed(self._history)
        service = governance.service_key
        self.keys = {(governance.origin, service.kid): service}
        return chain

    def _learn_keys(self) -> None:
        """Note the keys of issuers that an action changed, for the chunks that are asked for next."""
        assert self.registry is not None
        governance, effects = self.registry.governance, self.registry.effects
        service = governance.service_key
        if self.keys.get((governance.origin, service.kid)) != service:
            self.keys = self.keys | {(governance.origin, service.kid): service}
        for effect in effects[self._effects_seen :]:
            issuer = governance.issuers.get(effect.action.subject)
            if issuer is None:
                continue
            self.keys = self.keys | {
                (issuer.issuer_id, kid): record.key for kid, record in issuer.keys.items()
            }
        self._effects_seen = len(effects)

    def finish(self, source: Source) -> None:
        """Compare the end of the replay with the head, and the head with keys, witnesses and the one before."""
        if self._waiting.end != self.head.tree_size:
            raise self._missing()
        if self._waiting.leaves or self.registry is None:
            raise ForkAlarm("the last epoch has no seal", code="bad_epoch", field="seal", index=self._next)
        self._tree.check_upper_tiles(source, self.head.tree_size)
        if self._tree.root() != self.head.root_hash:
            raise ForkAlarm(
                "the entries do not hash to the root of the checkpoint", code="bad_checkpoint", field="root"
            )
        assert self.heads is not None
        self.heads.check_newest(self._history)
        if self.heads.before is not None:
            self._check_before(self.heads.before, self.registry.cells)
        self._proven = self.head.tree_size
        source.check_rest(self.pin, self._counts.total() - self._counts["padding"])

    def _check_before(self, before: Checkpoint, cells: bytearray) -> None:
        """Compare a head seen before with the cells, which have just been found to be those of the head."""
        if before.tree_size > self.head.tree_size:
            detail = "the head seen before is larger: the tail was cut off"
            raise ForkAlarm(detail, code="inconsistent", field="tree_size", index=self.head.tree_size)
        count, rest = divmod(before.tree_size, CELL_SIZE)
        if rest or (count and root_from_cells(memoryview(cells), count) != before.root_hash):
            raise ForkAlarm(
                "the first entries do not give the head seen before", code="inconsistent", field="root"
            )
        self._against_size = before.tree_size

    def saved(self) -> SavedAudit:
        """Return what the next audit needs to go on behind the last epoch that was replayed."""
        assert self.registry is not None
        assert self.heads is not None
        return SavedAudit(
            pin=self.pin,
            seal_entry=self._seal_entry,
            registry=self.registry,
            history=self._history,
            counts=dict(self._counts - count_kinds(self._waiting.items)),
            epochs=self._epochs,
            cosigned=self.heads.cosigned,
            cosigned_size=self.heads.cosigned_size,
            proven_size=self._proven,
        )

    def report(self, error: CodedError | None) -> AuditReport:
        """Return the report of what was found."""
        governance = self.registry.governance if self.registry is not None else None
        cosigned_size = None if self.heads is None else self.heads.cosigned_size
        code, rule, detail = "ok", "", ""
        if error is not None:
            code = error.code if isinstance(error, ForkAlarm) else "bad_checkpoint"
            rule, detail = error.field, error.detail
        elif cosigned_size is None and not self.allow_uncosigned:
            code, rule = "not_cosigned", "witness_policy"
            detail = "no head of this ledger has a quorum of witnesses"
        return AuditReport(
            code=code,
            origin=self.pin.origin,
            tree_size=self.head.tree_size,
            root=self.head.root_hash.hex(),
            index=getattr(error, "index", None),
            rule=rule,
            detail=detail,
            counts=dict(sorted(self._counts.items())),
            epochs=self._epochs,
            issuers={}
            if governance is None
            else {name: issuer.title for name, issuer in governance.issuers.items()},
            last_time_ms=self.registry.time_ms if self.registry is not None else 0,
            cosigned={} if self.heads is None else self.heads.cosigned,
            cosigned_size=cosigned_size,
            quorum=cosigned_size is not None,
            held=[] if self.registry is None else held_changes(self.registry),
            against_size=self._against_size,
            resumed_from=self._known,
        )
