"""Ledgers for tests of the audit, stored or published up to any of their epochs, by whatever keys held.

ledger = busy_ledger()
store_ledger(tmp_path / "data", ledger.pin, ledger.epochs[:4])
publish_stored(tmp_path / "data", tmp_path / "published")
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from credential.core.holder import holder_signer
from ledger.core.calendar_days import month_of_seconds
from ledger.core.chain import chain_start, extend_chain
from ledger.core.epoch import BuiltEpoch
from ledger.core.merkle import Frontier, leaf_hash
from ledger.core.pin import Pin
from ledger.core.statement import is_padding, parse_statement, sign_statement
from ledger.core.status_change import HolderProof, StatusChange, StatusRow
from ledger.core.tiles import TilePath, format_entry_bundle, format_tile_path
from ledger.service.plan import TreeState, plan_epoch
from ledger.store.engine import DATABASE_NAME, migrate, open_engine
from ledger.store.entries import LedgerWriter
from ledger.store.tiles import TileEdge
from tests.support.ledgers import TinyCard, TinyIssuer
from tests.support.rotating_ledger import RotatingLedger


class Epoch(NamedTuple):
    """Entries, time, the log's signers of that time and the cosignatures of its head."""

    entries: list[bytes]
    time_ms: int
    signers: Any
    cosignatures: str


class RecordingLedger(RotatingLedger):
    """A ledger in memory that remembers its epochs."""

    def _append(self, built: BuiltEpoch) -> None:
        super()._append(built)
        lines = self.checkpoint().splitlines()
        cosignatures = "".join(line + "\n" for line in lines if self.origin not in line and "\u2014" in line)
        self.__dict__.setdefault("epochs", []).append(
            Epoch(list(built.entries), built.time_ms, self.log_signers, cosignatures)
        )

    @property
    def history(self) -> list[Epoch]:
        """All epochs so far."""
        recorded: list[Epoch] = self.__dict__["epochs"]
        return recorded

    def issue_many(self, issuer: TinyIssuer, count: int) -> list[TinyCard]:
        """Put credentials into an epoch of their own."""
        cards = [self.issue(issuer) for _ in range(count)]
        self.close_epoch()
        return cards

    def change_many(self, issuer: TinyIssuer, cards: Sequence[TinyCard], row: tuple[int, int, int]) -> None:
        """Put one status statement about many cards into the next epoch."""
        uri = cards[0].issued.claims.uri
        seq = issuer.seqs[uri] = issuer.seqs.get(uri, 0) + 1
        month = month_of_seconds(self.now_s)
        rows = tuple(StatusRow(card.issued.claims.idx, *row, month) for card in cards)
        self.submit(
            sign_statement("status", issuer.issuer_id, uri, StatusChange(uri, seq, rows), issuer.signer)
        )

    def replace_by_holder(self, card: TinyCard) -> None:
        """Put a holder's own replacement into the next epoch."""
        claims = card.issued.claims
        old = self.registry.lists[claims.uri].status(claims.idx)
        row = StatusRow(claims.idx, old, 3, 1, month_of_seconds(self.now_s))
        proof = HolderProof(card.index, self.path(card.index), card.issued.entry)
        key = holder_signer(card.secret, claims.iss, claims.sub)
        self.submit(
            sign_statement("status", claims.sub, claims.uri, StatusChange(claims.uri, 0, (row,), proof), key)
        )


@functools.cache
def busy_ledger(further: int = 0) -> RecordingLedger:
    """Return a ledger with something of everything; one epoch ends with a tile, others within one.

    Args:
        further: makes another history from the sixth epoch on.
    """
    ledger = RecordingLedger()
    civil, health = ledger.admit(), ledger.admit("health-1")
    old = ledger.issue_many(civil, 60)
    ledger.issue_many(health, 60)
    for _ in range(further):
        ledger.issue(civil)
    ledger.change_many(civil, old[:3], (0, 2, 4))
    ledger.close_epoch()
    ledger.rotate("log-keys", "service-keys")
    ledger.change_many(civil, old[10:40], (0, 1, 3))  # held: too many for a day
    ledger.issue_many(civil, 40)
    assert ledger.registry.places.quarantine.held
    while ledger.tree_size % 256:
        ledger.issue_many(health, 1)
    ledger.rotate("witness-policy")
    ledger.replace_by_holder(old[50])
    ledger.close_epoch()
    ledger.rotate("governors")
    ledger.replace_by_holder(old[15])
    ledger.issue_many(health, 300)
    ledger.change_many(civil, old[3:5], (0, 2, 4))
    ledger.close_epoch()
    return ledger


def store_ledger(folder: Path, pin: Pin, epochs: Sequence[Epoch]) -> Path:
    """Store epochs with chain, tiles and heads that fit them, whatever they say."""
    folder.mkdir()
    engine = open_engine(folder / DATABASE_NAME, "create")
    migrate(engine)
    store = LedgerWriter(engine)
    store.set_meta({"origin": pin.origin, "charter": pin.charter_hash.hex()})
    tree = TreeState(Frontier(), TileEdge({}), chain_start(pin.origin))
    known: set[bytes] = set()
    for epoch in epochs:
        leaves = [leaf_hash(entry) for entry in epoch.entries]
        ids: list[bytes | None] = []
        for entry in epoch.entries:
            identity = None if is_padding(entry) else parse_statement(entry).statement_id
            ids.append(None if identity in known else identity)
            known |= set() if identity is None else {identity}
        plan = plan_epoch(
            tree, epoch.entries, leaves, extend_chain(tree.chain_head, leaves), ids, epoch.time_ms, pin.origin,
            epoch.signers,
        )  # fmt: skip
        store.commit(plan.rows)
        tree = plan.after
    engine.dispose()
    size = 0
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        for epoch in epochs:
            size += len(epoch.entries)
            database.execute(
                "UPDATE checkpoints SET cosignatures = ? WHERE size = ?", (epoch.cosignatures, size)
            )
        database.commit()
    return folder


def publish_stored(data_dir: Path, folder: Path) -> Path:
    """Write checkpoint, tiles and entry bundles as the database has them, right or wrong."""
    with closing(sqlite3.connect(data_dir / DATABASE_NAME)) as database:
        [(size, note, cosignatures)] = database.execute(
            "SELECT size, note, cosignatures FROM checkpoints ORDER BY size DESC LIMIT 1"
        )
        tiles = database.execute("SELECT level, n, data FROM tiles").fetchall()
        entries = [row[0] for row in database.execute("SELECT entry FROM entries ORDER BY leaf_index")]
    for level, n, data in tiles:
        write_at(folder, TilePath(level, n, len(data) // 32), data)
    for n in range(-(-size // 256)):
        rows = entries[n * 256 : (n + 1) * 256]
        write_at(folder, TilePath("entries", n, len(rows)), format_entry_bundle(rows))
    (folder / "checkpoint").write_text(note + cosignatures, encoding="utf-8")
    return folder


def write_at(folder: Path, path: TilePath, data: bytes) -> None:
    """Write a tile or bundle at its place."""
    file = folder / format_tile_path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
