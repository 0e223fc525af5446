"""The replay: every signature, every rule, every seal, the chain, the tree, the tiles and the head.

`audit` reads the entries in chunks that worker processes examine (ledger/audit/chunk.py) and replays their
epochs in order against one registry. The first violation ends it, with its index and the rule it breaks.
What a replay cannot see is a tail that was cut off together with the head: for that a head seen before is
given (`against`), or the cosignatures of witnesses are looked at.
"""

from __future__ import annotations

import gc
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_all_start_methods, get_context
from typing import Any, Final

from ledger.audit.chunk import (
    CHUNK_ENTRIES,
    FIRST_CHUNK_ENTRIES,
    ExaminedChunk,
    differs_at,
    examine,
    examine_chunk,
)
from ledger.audit.report import AuditReport
from ledger.audit.source import Source, opened_source
from ledger.core.cells import CELL_SIZE
from ledger.core.chain import chain_start, extend_chain
from ledger.core.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.core.claims import CredentialFacts
from ledger.core.cose_key import PublicKey
from ledger.core.cosignature import check_cosignatures
from ledger.core.epoch import MAX_EPOCH_ENTRIES, Item, replay_genesis, replay_items
from ledger.core.key_history import KeyHistory
from ledger.core.merkle import HASH_SIZE, Frontier, node_hash, root_at
from ledger.core.note import parse_note
from ledger.core.pin import Pin
from ledger.core.registry import Registry
from ledger.core.statement import PADDING, Statement
from ledger.core.tiles import TILE_SIZE_BYTES, TILE_WIDTH, TileNodes, TilePath, hash_tile, split_hashes
from ledger.errors import CodedError, ForkAlarm, LedgerError, VerificationError

FEW_CHUNKS: Final = 4
"""Below this many chunks the processes would take longer to start than to work."""
AHEAD_PER_JOB: Final = 3
Progress = Callable[[int, int], None]


def audit(
    source_name: str, pin: Pin, *, against: str | None = None, jobs: int = 1, progress: Progress | None = None
) -> AuditReport:
    """Replay a ledger and report.

    Args:
        source_name: data directory, or address of a service.
        pin: origin and charter hash of the ledger that it should be.
        against: text of a checkpoint seen before, or None.
        jobs: worker processes; 1 does all in this one.
        progress: called with (entries replayed, tree size).

    Returns:
        The report; its code is "ok" or that of the first violation.

    Raises:
        StorageError: the source cannot be read (codes not_found, not_reachable, storage_failed).
    """
    run = _Audit(pin, progress)
    try:
        with opened_source(source_name) as source:
            run.begin(source.checkpoint(), against)
            for chunk in _chunks(source_name, source, run, jobs):
                run.take(chunk)
            run.finish(source)
    except (ForkAlarm, VerificationError) as alarm:
        return run.report(alarm)
    except LedgerError as error:
        if error.code in ("malformed", "too_large", "unsupported"):
            return run.report(error)
        raise
    return run.report(None)


def _chunks(source_name: str, source: Source, run: _Audit, jobs: int) -> Iterator[ExaminedChunk]:
    size = run.head.tree_size
    yield examine(source, 0, min(FIRST_CHUNK_ENTRIES, size), size, run.keys)
    starts = range(FIRST_CHUNK_ENTRIES, size, CHUNK_ENTRIES)
    ranges = [(start, min(start + CHUNK_ENTRIES, size)) for start in starts]
    if jobs <= 1 or len(ranges) < FEW_CHUNKS:
        for start, stop in ranges:
            yield examine(source, start, stop, size, run.keys)
        return
    # A server of forks has imported the code once; where there is none, each worker imports it.
    method = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
    context = get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["ledger.audit.chunk"])
    # What is there at the start stays: the collector need not look at it again and again.
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=gc.freeze) as pool:
        waiting: deque[Future[ExaminedChunk]] = deque()
        try:
            for start, stop in ranges:
                waiting.append(pool.submit(examine_chunk, source_name, start, stop, size, run.keys))
                if len(waiting) >= jobs * AHEAD_PER_JOB:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Audit:
    """State of one audit; its methods are called in the order begin, take for each chunk, finish, report."""

    def __init__(self, pin: Pin, progress: Progress | None) -> None:
        self.pin = pin
        self.progress = progress
        self.head = Checkpoint(pin.origin, 0, b"")
        self.text = ""
        self.before: str | None = None
        self.registry: Registry | None = None
        self.keys: dict[tuple[str, bytes], PublicKey] = {}
        self._effects_seen = 0
        self._history = KeyHistory()
        # Entries that are read and not yet replayed; the first of them has the index `_from`.
        self._from = 0
        self._items: list[Item] = []
        self._leaves: list[bytes] = []
        self._stored_chain = b""
        self._cells = b""
        self._verified: set[bytes] = set()
        self._next = self._last = 0
        self._chain_head = chain_start(pin.origin)
        self._tiles = Frontier()
        self._nodes: list[bytes] = []
        self._rest = b""
        self._counts: Counter[str] = Counter()
        self._epochs = 0
        self._cosigned: dict[str, int] = {}
        self._quorum = False
        self._against_size: int | None = None

    def begin(self, text: str, against: str | None) -> None:
        """Take the head that the source shows, and the one seen before."""
        self.text = text
        self.head = parse_checkpoint(parse_note(text).text)
        if self.head.origin != self.pin.origin:
            raise ForkAlarm(
                "the source shows another ledger", code="bad_checkpoint", field="checkpoint.origin"
            )
        self.before = against

    def take(self, chunk: ExaminedChunk) -> None:
        """Replay the epochs that a chunk completes; compare tiles and chain."""
        if chunk.start != self._from + len(self._leaves):
            raise self._missing()
        try:
            self._replay_epochs(chunk)
            self._check_rest(chunk)
        except ForkAlarm as alarm:
            raise self._first_alarm(alarm, chunk) from alarm
        self._counts.update(chunk.counts)
        self._tiles.extend(chunk.tile_hashes)
        self._nodes += chunk.tile_hashes
        self._rest = chunk.leaves[len(chunk.tile_hashes) * TILE_SIZE_BYTES :]
        self._forget_replayed()

    def _replay_epochs(self, chunk: ExaminedChunk) -> None:
        before = len(self._items)
        facts = CredentialFacts._make
        items: list[Any] = [facts(item) if type(item) is tuple else item for item in chunk.items]
        self._items += items
        self._leaves += split_hashes(chunk.leaves)
        self._stored_chain += chunk.chain
        self._cells += chunk.cells
        self._verified |= chunk.verified
        start = 0
        for place in chunk.seals:
            stop = before + place + 1
            self._last = self._from + stop - 1
            self._replay(self._items[start:stop], self._leaves[start:stop])
            start = stop

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
                self._cells_of(leaves),
            )
        start = (self._next - self._from) * HASH_SIZE
        stored = self._stored_chain[start : start + len(chain) * HASH_SIZE]
        if stored and stored != b"".join(chain):
            raise ForkAlarm("a stored chain value is wrong", code="bad_chain", field="chain")
        self._epochs += 1
        self._next += len(items)
        self._chain_head = chain[-1]
        assert self.registry is not None
        self._history.note_epoch(self._next, self.registry.governance)
        self._learn_keys()
        if self.progress is not None:
            self.progress(self._next, self.head.tree_size)

    def _cells_of(self, leaves: list[bytes]) -> bytes:
        """Return the cells of the epoch that is next; a worker has hashed them on the way to the tiles."""
        start = (self._next - self._from) // CELL_SIZE
        return self._cells[start * HASH_SIZE : (start + len(leaves) // CELL_SIZE) * HASH_SIZE]

    def _verify(self, statement: Statement, key: PublicKey) -> None:
        """Verify what no worker has; a registry never holds two keys of issuers for one (iss, kid).

        Seals are verified here again: governors may replace the service key by one with the same kid.
        """
        if statement.kind == "seal" or statement.entry not in self._verified:
            statement.check_signature(key)

    def _check_rest(self, chunk: ExaminedChunk) -> None:
        if chunk.violation is not None:
            at, rule, detail = chunk.violation
            raise ForkAlarm(detail, code="bad_entry", field=rule, index=at)
        if chunk.bad_tile is not None:
            detail = "a stored tile is not what the entries hash to"
            raise ForkAlarm(detail, code="bad_tile", field="tile/0", index=chunk.bad_tile)
        if len(self._leaves) - (self._next - self._from) > MAX_EPOCH_ENTRIES:
            raise ForkAlarm("an epoch without a seal", code="bad_epoch", index=self._next)

    def _first_alarm(self, alarm: ForkAlarm, chunk: ExaminedChunk) -> ForkAlarm:
        """Return the alarm of the lowest index: a changed byte is named, and not what follows from it."""
        start = self._next - self._from
        chain = b"".join(extend_chain(self._chain_head, self._leaves[start:]))
        stored = self._stored_chain[start * HASH_SIZE :]
        bad_link = differs_at(chain, stored) if stored else None
        bad_chain = None if bad_link is None else self._next + bad_link
        places = [place for place in (chunk.bad_tile, bad_chain) if place is not None]
        # The code of a rule names its entry; the others speak of the epoch up to its seal.
        exact = alarm.code in ("bad_rule", "bad_entry")
        until = alarm.index if exact else max(self._last, alarm.index or 0)
        if not places or (until is not None and until < min(places)):
            return alarm
        first = min(places)
        both = chunk.bad_tile == bad_chain if stored else alarm.code != "bad_tile" and alarm.index == first
        if both:
            detail = "a stored entry is not what the tree commits to"
            return ForkAlarm(detail, code="bad_entry", field=alarm.field, index=first)
        if first == chunk.bad_tile:
            detail = "a stored tile is not what the entries hash to"
            return ForkAlarm(detail, code="bad_tile", field="tile/0", index=first)
        detail = "a stored chain value is not what the entries hash to"
        return ForkAlarm(detail, code="bad_chain", field="chain", index=first)

    def _missing(self) -> ForkAlarm:
        index = self._from + len(self._leaves)
        return ForkAlarm("entries are missing", code="bad_checkpoint", field="tree_size", index=index)

    def _forget_replayed(self) -> None:
        done = self._next - self._from
        del self._items[:done], self._leaves[:done]
        self._stored_chain = self._stored_chain[done * HASH_SIZE :]
        self._cells = self._cells[done // CELL_SIZE * HASH_SIZE :]
        self._from = self._next
        self._verified &= {item.entry for item in self._items if isinstance(item, Statement)}

    def _replay_genesis(self, items: list[Item]) -> list[bytes]:
        entries = [item.entry if isinstance(item, Statement) else PADDING for item in items]
        registry, _, chain = replay_genesis(entries)
        governance = registry.governance
        if governance.origin != self.pin.origin or governance.charter_hash != self.pin.charter_hash:
            raise ForkAlarm("entry 0 is not the pinned charter", code="bad_rule", field="charter", index=0)
        self.registry = registry
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
        if self._from + len(self._leaves) != self.head.tree_size:
            raise self._missing()
        if self._leaves or self.registry is None:
            raise ForkAlarm("the last epoch has no seal", code="bad_epoch", field="seal", index=self._next)
        self._check_upper_tiles(source)
        if self._root() != self.head.root_hash:
            raise ForkAlarm(
                "the entries do not hash to the root of the checkpoint", code="bad_checkpoint", field="root"
            )
        open_checkpoint(self.text, self._history.log_keys_at(self.head.tree_size))
        self._check_witnesses()
        if self.before is not None:
            self._check_before(self.before, source)

    def _root(self) -> bytes:
        rest = Frontier()
        rest.extend(split_hashes(self._rest))
        peaks = [*self._tiles.peaks(), *rest.peaks()]
        root = peaks[-1]
        for peak in reversed(peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def _check_upper_tiles(self, source: Source) -> None:
        hashes, level, span = self._nodes, 1, TILE_WIDTH
        while hashes:
            full = []
            for n in range(-(-len(hashes) // TILE_WIDTH)):
                tile = b"".join(hashes[n * TILE_WIDTH : (n + 1) * TILE_WIDTH])
                bad = differs_at(tile, source.tile(level, n, len(tile) // HASH_SIZE, self.head.tree_size))
                if bad is not None:
                    index = (n * TILE_WIDTH + bad) * span
                    detail = f"a stored tile of level {level} is not what the entries hash to"
                    raise ForkAlarm(detail, code="bad_tile", field=f"tile/{level}/{n}", index=index)
                if len(tile) == TILE_WIDTH * HASH_SIZE:
                    full.append(hash_tile(tile))
            hashes, level, span = full, level + 1, span * TILE_WIDTH

    def _check_witnesses(self) -> None:
        policy = self._history.policy_at(self.head.tree_size)
        self._cosigned = check_cosignatures(parse_note(self.text), self.head, policy.witness_keys())
        self._quorum = policy.satisfied(self._cosigned)

    def _check_before(self, text: str, source: Source) -> None:
        # Under the keys of its own time: it may be older than the ones of now.
        seen_size = parse_checkpoint(parse_note(text).text).tree_size
        before = open_checkpoint(text, self._history.log_keys_at(seen_size)).checkpoint
        if before.tree_size > self.head.tree_size:
            detail = "the head seen before is larger: the tail was cut off"
            raise ForkAlarm(detail, code="inconsistent", field="tree_size", index=self.head.tree_size)
        size = self.head.tree_size

        def read_tile(path: TilePath) -> bytes:
            return source.tile(path.tile_level, path.index, path.width, size)

        # The tiles have just been found equal to what the entries hash to.
        if before.tree_size and root_at(before.tree_size, TileNodes(read_tile, size)) != before.root_hash:
            raise ForkAlarm(
                "the first entries do not give the head seen before", code="inconsistent", field="root"
            )
        self._against_size = before.tree_size

    def report(self, error: CodedError | None) -> AuditReport:
        """Return the report of what was found."""
        governance = self.registry.governance if self.registry is not None else None
        code = "ok" if error is None else error.code
        if error is not None and not isinstance(error, ForkAlarm):
            code = "bad_checkpoint"
        return AuditReport(
            code=code,
            origin=self.pin.origin,
            tree_size=self.head.tree_size,
            root=self.head.root_hash.hex(),
            index=getattr(error, "index", None),
            rule="" if error is None else error.field,
            detail="" if error is None else error.detail,
            counts=dict(sorted(self._counts.items())),
            epochs=self._epochs,
            issuers={}
            if governance is None
            else {name: issuer.title for name, issuer in governance.issuers.items()},
            last_time_ms=self.registry.time_ms if self.registry is not None else 0,
            cosigned=self._cosigned,
            quorum=self._quorum,
            held=[] if self.registry is None else _held(self.registry),
            against_size=self._against_size,
        )


def _held(registry: Registry) -> list[dict[str, Any]]:
    """Return what is held, in plain values."""
    names = {issuer.number: name for name, issuer in registry.governance.issuers.items()}
    return [
        {
            "index": held.index,
            "issuer": names[held.number],
            "list": held.uri,
            "places": len(held.rows),
            "until_s": held.lapses_ms // 1000,
        }
        for held in registry.places.quarantine.held.values()
    ]
