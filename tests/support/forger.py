"""A dishonest operator: a copy of a stored ledger without one entry, sealed and signed anew with the ledger's keys.

Everything in the copy fits together, and the rules are kept: only who has seen the true ledger, or a head of
it, can tell.

    forge(Path("data"), Path("cleaned"), without=4711, passphrase=lambda: b"...")
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from ledger.core.chain import chain_start, extend_chain
from ledger.core.epoch import build_epoch, replay_genesis
from ledger.core.merkle import Frontier, leaf_hash
from ledger.core.registry import Registry
from ledger.core.statement import is_padding, parse_statement
from ledger.service.founding import load_charter
from ledger.service.keys import LedgerKeys, open_key_files
from ledger.service.plan import TreeState, plan_epoch
from ledger.service.replay import split_epochs
from ledger.service.settings import KEYS_NAME, load_settings
from ledger.store.engine import DATABASE_NAME, migrate, open_engine
from ledger.store.entries import LedgerReader, LedgerWriter
from ledger.store.lock import LOCK_NAME, CheckpointLock, LockedHead
from ledger.store.tiles import TileEdge
from tests.support.stored_ledgers import identities


def forge(data: Path, folder: Path, *, without: int, passphrase: Callable[[], bytes]) -> Path:
    """Write the copy into a new folder, ready to be served, and return it.

    Args:
        data: directory of a ledger that nobody serves.
        folder: new.
        without: index of a credential or status statement.
        passphrase: of the ledger's keys.
    """
    skip = shutil.ignore_patterns(f"{DATABASE_NAME}*", f"{LOCK_NAME}*", "deltas")
    shutil.copytree(data, folder, ignore=skip)
    charter = load_charter(load_settings(data)).body
    keys = open_key_files(data / KEYS_NAME, charter.origin, passphrase)
    engine = open_engine(data / DATABASE_NAME, "read")
    reader = LedgerReader(engine)
    head = reader.head()
    assert head is not None
    epochs = _resealed(list(split_epochs(reader.entries, 0, head.size)), without, keys)
    meta = {"origin": charter.origin, "charter": leaf_hash(reader.entries(0, 1)[0]).hex()}
    engine.dispose()
    _store(folder, charter.origin, meta, epochs, keys)
    return folder


def _resealed(epochs: list[list[bytes]], without: int, keys: LedgerKeys) -> list[tuple[list[bytes], int]]:
    registry, _, chain = replay_genesis(epochs[0])
    made = [(epochs[0], registry.time_ms)]
    first, chain_head, read = len(epochs[0]), chain[-1], len(epochs[0])
    for entries in epochs[1:]:
        statements = [
            parse_statement(entry)
            for index, entry in enumerate(entries[:-1], read)
            if index != without and not is_padding(entry)
        ]
        built = build_epoch(
            registry, chain_head, first, statements, _time_of(entries, registry), keys.service
        )
        read += len(entries)
        if not built.entries:
            continue
        made.append((list(built.entries), built.time_ms))
        first, chain_head = first + len(built.entries), built.chain[-1]
    return made


def _time_of(entries: list[bytes], registry: Registry) -> int:
    time_ms: int = parse_statement(entries[-1]).body.time_ms
    assert time_ms > registry.time_ms
    return time_ms


def _store(
    folder: Path, origin: str, meta: dict[str, str], epochs: list[tuple[list[bytes], int]], keys: LedgerKeys
) -> None:
    engine = open_engine(folder / DATABASE_NAME, "create")
    migrate(engine)
    store = LedgerWriter(engine)
    store.set_meta(meta)
    tree, known = TreeState(Frontier(), TileEdge({}), chain_start(origin)), set[bytes]()
    for entries, time_ms in epochs:
        leaves = [leaf_hash(entry) for entry in entries]
        chain = extend_chain(tree.chain_head, leaves)
        plan = plan_epoch(tree, entries, leaves, chain, identities(entries, known), time_ms, origin, keys.log)
        store.commit(plan.rows)
        tree = plan.after
    head = store.head()
    assert head is not None
    CheckpointLock.create(folder / LOCK_NAME, origin, LockedHead(head.size, head.root, head.note)).close()
    engine.dispose()
