"""Starting the service: recover, replay, ask the witnesses; or refuse with the reason.

docs/protocol.md section 5. A ledger that cannot prove that it goes on from what it signed last does not go
on. Nothing is ever repaired here: the one thing that is done is to finish a staged epoch, with the bytes that
were staged. Its head is signed, whether or not the lock has it yet: another head of that size would contradict
it, and a copy of the database could show both.

    recover(store, lock, ring.log_key_pairs())
    loaded = load(store)
    await ask_witnesses(store, loaded, clients, ring.log_key_pairs(), timeout_s=10)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core.cells import cells_from_leaves
from ledger.core.chain import chain_start
from ledger.core.checkpoint import open_checkpoint, parse_checkpoint
from ledger.core.cosignature import check_cosignatures
from ledger.core.key_history import KeyHistory, LogKeys
from ledger.core.merkle import Frontier, root_at
from ledger.core.note import parse_note
from ledger.core.policy import Policy
from ledger.core.registry import Registry
from ledger.errors import CodedError, ForkAlarm, MalformedError, StorageError, VerificationError
from ledger.service.plan import EpochPlan, TreeState, check_lock_note, replan_epoch
from ledger.service.replay import Replay
from ledger.service.snapshots import Snapshot, take_snapshot
from ledger.service.witnesses import ProbedWitness, WitnessClient, check_answered
from ledger.store.entries import LedgerReader, LedgerWriter, StoredCheckpoint
from ledger.store.lock import CheckpointLock, LockedHead
from ledger.store.tiles import TileEdge

_PUBLISHED_SEARCH: Final = 64
"""How many cosigned heads are looked at, newest first, for one that satisfies the policy of its time."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a start has put together.

    Attributes:
        registry: state after the last epoch.
        tree: the tree after the last epoch.
        head: the last head.
        genesis_size: size of the first epoch.
        cells: 32 bytes for each 16 entries.
        snapshot: of the newest head whose cosignatures satisfy its policy; None where there is none.
        history: which keys and witnesses held at which size.
        bridge_due: size of the last head if it is a bridging checkpoint without its quorum, else 0.
    """

    registry: Registry
    tree: TreeState
    head: StoredCheckpoint
    genesis_size: int
    cells: bytearray
    snapshot: Snapshot | None
    history: KeyHistory
    bridge_due: int


def recover(store: LedgerWriter, lock: CheckpointLock, pairs: Sequence[LogKeys]) -> None:
    """Finish what is staged, and bring the database to the head that the lock holds, or refuse.

    Args:
        store, lock: database and lock.
        pairs: log keys that this process signs with, in use or prepared; one of them signed the lock's note.

    Raises:
        ForkAlarm: code lock_mismatch, they cannot be brought together; nothing was changed.
        StorageError: the database or the lock cannot be read or written.
    Source: docs/protocol.md, section 5, "At start".
    """
    locked, head = lock.read(), store.head()
    size, root = (0, Frontier().root()) if head is None else (head.size, head.root)
    if (locked.size, locked.root) == (size, root):
        _finish_unlocked(store, lock, locked, head, pairs)
        return
    if locked.size < size:
        raise _mismatch(
            locked, size, "the lock is older than the database: was the lock restored from a copy?"
        )
    if locked.size == size:
        raise _mismatch(locked, size, "lock and database hold different trees of one size")
    plan = _staged_plan(store, lock.origin, locked, head)
    if plan is None:
        raise _mismatch(
            locked, size, "the lock is ahead and the database has not staged it: was the database restored?"
        )
    check_lock_note(plan.rows, locked.note)
    _check_own(locked, pairs)
    store.commit(plan.rows)


def _finish_unlocked(
    store: LedgerWriter,
    lock: CheckpointLock,
    locked: LockedHead,
    head: StoredCheckpoint | None,
    pairs: Sequence[LogKeys],
) -> None:
    """Bring a staged epoch that follows the locked head into the lock and the database; do nothing without one.

    Raises:
        ForkAlarm: code lock_mismatch, what is staged is damaged, does not follow, or is not signed with our keys.
    """
    for size, root in store.staged_heads():
        plan = _staged_plan(store, lock.origin, LockedHead(size, root, ""), head)
        assert plan is not None
        new = LockedHead(size, root, plan.rows.checkpoint.note)
        _check_own(new, pairs)
        lock.swap(locked.size, locked.root, new)
        store.commit(plan.rows)


def _staged_plan(
    store: LedgerWriter, origin: str, wanted: LockedHead, head: StoredCheckpoint | None
) -> EpochPlan | None:
    """Return the staged epoch that gives a head, None if there is none."""
    staged = store.staged(wanted.size, wanted.root)
    if staged is None:
        return None
    before = TreeState(Frontier(), TileEdge({}), chain_start(origin))
    if head is not None:
        frontier, edge = store.edge(head.size)
        chain_head = store.chain_at(head.size - 1)
        if frontier.root() != head.root or chain_head is None:
            raise ForkAlarm("the stored tiles do not lead to the stored head", field="tile", code="bad_tile")
        before = TreeState(frontier, edge, chain_head)
    try:
        plan = replan_epoch(before, staged)
    except MalformedError as error:
        raise _mismatch(wanted, before.size, f"the staged epoch is of no use: {error.detail}") from error
    if (plan.rows.checkpoint.size, plan.rows.checkpoint.root) != (wanted.size, wanted.root):
        raise _mismatch(wanted, before.size, "the staged epoch does not lead to its head")
    return plan


def _check_own(head: LockedHead, pairs: Sequence[LogKeys]) -> None:
    if not any(_is_signed(head.note, pair) for pair in pairs):
        raise _mismatch(
            head, head.size, "the note of the lock or of the staged epoch is not signed with our keys"
        )
    opened = parse_checkpoint(parse_note(head.note).text)
    if (opened.tree_size, opened.root_hash) != (head.size, head.root):
        raise _mismatch(head, head.size, "the note of the lock or of the staged epoch is about another head")


def _is_signed(note: str, pair: LogKeys) -> bool:
    try:
        open_checkpoint(note, pair)
    except CodedError:
        return False
    return True


def load(store: LedgerWriter) -> Loaded:
    """Replay the database and return the state after its last epoch.

    Args:
        store: the recovered database; a bridging checkpoint that has its quorum is kept now if an
            interruption prevented that.

    Raises:
        ForkAlarm: entries, chain, tiles and heads contradict each other (code and index say where).
        StorageError: the database cannot be read, or is empty (code not_found).
    """
    head = store.head()
    if head is None:
        raise StorageError("the ledger has not begun", field="database", code="not_found")
    candidates = {stored.size: stored for stored in [*store.cosigned(_PUBLISHED_SEARCH), head]}
    cells = bytearray()
    sizes: list[int] = []
    history = KeyHistory()
    best: Snapshot | None = None

    def on_epoch(replay: Replay, leaves: Sequence[bytes], chain: Sequence[bytes]) -> None:
        nonlocal best
        assert replay.registry is not None
        size = replay.frontier.size
        _check_epoch(store, size, replay.frontier.root(), chain[-1])
        cells.extend(cells_from_leaves(leaves))
        sizes.append(size)
        history.note_epoch(size, replay.registry.governance)
        stored = candidates.get(size)
        if stored is not None and is_satisfied(stored.text, history.policy_at(size)):
            best = take_snapshot(replay.registry, size, stored.text, best)

    replay = Replay(store.entries, verify=lambda statement, key: None, on_epoch=on_epoch)
    registry = replay.advance(head.size, head.root)
    frontier, edge = store.edge(head.size)
    if frontier.root() != head.root:
        raise ForkAlarm("the stored tiles do not lead to the head", field="tile", code="bad_tile")
    tree = TreeState(frontier, edge, replay.chain_head)
    due = _keep_bridges(store, history, head)
    return Loaded(registry, tree, head, sizes[0], cells, best, history, due)


def is_satisfied(text: str, policy: Policy) -> bool:
    """Return whether the cosignatures on a checkpoint satisfy a policy; a damaged line counts for nothing."""
    try:
        note = parse_note(text)
        times = check_cosignatures(note, parse_checkpoint(note.text), policy.witness_keys())
    except CodedError:
        return False
    return policy.satisfied(times)


def _keep_bridges(store: LedgerWriter, history: KeyHistory, head: StoredCheckpoint) -> int:
    """Return the size of the last head if it is a bridging checkpoint that lacks its quorum, else 0."""
    kept = store.bridges()
    for size in history.bridges:
        if size in kept:
            continue
        stored = store.checkpoint(size)
        if stored is not None and is_satisfied(stored.text, history.policy_at(size)):
            store.keep_bridge(size, stored.text)
        elif size == head.size:
            return size
        else:
            raise ForkAlarm(
                "a bridging checkpoint lacks its cosignatures",
                field="bridges",
                code="bad_checkpoint",
                index=size - 1,
            )
    return 0


def _check_epoch(store: LedgerReader, size: int, root: bytes, chain_value: bytes) -> None:
    stored = store.checkpoint(size)
    if stored is None or stored.root != root:
        raise ForkAlarm(
            "an epoch has no head, or another one", field="checkpoint", code="bad_checkpoint", index=size - 1
        )
    if store.chain_at(size - 1) != chain_value:
        raise ForkAlarm("a chain value is wrong", field="chain", code="bad_chain", index=size - 1)


async def ask_witnesses(
    store: LedgerReader,
    loaded: Loaded,
    clients: Sequence[WitnessClient],
    own_pairs: Sequence[LogKeys],
    *,
    timeout_s: float,
) -> None:
    """Ask what each witness cosigned last, and refuse if one has seen more than this database holds.

    Args:
        store, loaded: the ledger.
        clients: whom to ask; those in the policy of the last head count.
        own_pairs: log keys that this process can sign with, beside all that ever held.
        timeout_s: how long one witness may take.

    Raises:
        ForkAlarm: code lock_mismatch, a witness holds a larger checkpoint with our own valid signatures, or
            another root of a size that we have; or says so without showing it.
        StorageError: code not_reachable, no quorum answered.
    Source: docs/protocol.md, section 5.
    """
    policy = loaded.history.policy_at(loaded.head.size)
    pairs = [*loaded.history.all_log_keys(), *own_pairs]
    names = {key: name for name, key in policy.witness_keys().items()}
    known = [client for client in clients if client.key in names]
    found = await asyncio.gather(*(_look(client, store, loaded.head, pairs, timeout_s) for client in known))
    answers = {names[client.key]: note for client, (ok, note) in zip(known, found, strict=True) if ok}
    check_answered(answers, policy.satisfied(answers), loaded.head.size == loaded.genesis_size)


async def _look(
    client: WitnessClient,
    store: LedgerReader,
    head: StoredCheckpoint,
    pairs: Sequence[LogKeys],
    timeout_s: float,
) -> tuple[bool, str | None]:
    """Return whether a witness answered, and what it has seen; "" where it has seen us and shows no note.

    Raises:
        ForkAlarm: code lock_mismatch, as `ask_witnesses`.
    """
    origin = parse_checkpoint(parse_note(head.note).text).origin
    answered, note = False, None
    try:
        async with asyncio.timeout(timeout_s):
            note = await client.last_checkpoint(origin)
            answered = True
    except (CodedError, TimeoutError, OSError):
        pass
    if note is not None:
        await asyncio.to_thread(_check_seen, store, head, note, pairs)
    if isinstance(client, ProbedWitness):
        # What it shows may be old, and 404 may mean that it shows nothing at all.
        size = await _probe(client, head, note, timeout_s)
        if size is None:
            return answered and note is not None, note
        return True, note or ("" if size else None)
    return answered, note


async def _probe(
    client: ProbedWitness, head: StoredCheckpoint, shown: str | None, timeout_s: float
) -> int | None:
    """Return the size that a witness has seen by the protocol itself, None without an answer.

    A witness that replays may refuse a tree for its entries; if it shows that it cosigned our head, it has seen
    no other of this size.

    Raises:
        ForkAlarm: code lock_mismatch, it says that it has seen more, or another tree. It may lie, and its word
            is no evidence; but going on where it tells the truth would be a fork for good.
    """
    try:
        async with asyncio.timeout(2 * timeout_s):
            size = await client.seen_size(head.note, head.size)
    except VerificationError as error:
        if error.code == "inconsistent":
            if shown is not None and parse_note(shown).text == parse_note(head.note).text:
                return head.size
            raise ForkAlarm(
                "a witness says that it has seen another tree of our size",
                field="witnesses",
                code="lock_mismatch",
            ) from error
        return None
    except (CodedError, TimeoutError, OSError):
        return None
    if size > head.size:
        raise ForkAlarm(
            f"a witness says that it has seen {size} entries; this database ends at {head.size}",
            field="witnesses",
            code="lock_mismatch",
        )
    return size


def _check_seen(store: LedgerReader, head: StoredCheckpoint, note: str, pairs: Sequence[LogKeys]) -> None:
    if not any(_is_signed(note, pair) for pair in pairs):
        return  # not signed by us: it says nothing about what we signed
    seen = parse_checkpoint(parse_note(note).text)
    if seen.tree_size > head.size:
        raise ForkAlarm(
            f"a witness holds our signed head of {seen.tree_size} entries; this database ends at {head.size}",
            field="witnesses",
            code="lock_mismatch",
        )
    root = head.root if seen.tree_size == head.size else root_at(seen.tree_size, store.nodes(head.size))
    if root != seen.root_hash:
        raise ForkAlarm(
            "a witness holds our signature on another tree", field="witnesses", code="lock_mismatch"
        )


def _mismatch(signed: LockedHead, size: int, detail: str) -> ForkAlarm:
    return ForkAlarm(
        f"{detail} (signed {signed.size} entries, database {size})", field="lock", code="lock_mismatch"
    )
