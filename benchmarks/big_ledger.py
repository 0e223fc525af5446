"""A large ledger on disk, made once per run: founded, eight issuers admitted, epochs of about a thousand.

Signing takes all processors; building and storing go on beside it in this process, epoch by epoch and with
bounded memory, through the code that the service itself uses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.signed_statements import (
    IDENTITY,
    ISSUERS,
    claims_of,
    issuer_name,
    signed_batches,
    worker_pool,
)
from ledger.core.actions import Admission, Admit, Scope
from ledger.core.calendar_days import month_of_seconds
from ledger.core.chain import chain_start
from ledger.core.epoch import BuiltEpoch, build_epoch
from ledger.core.merkle import Frontier
from ledger.core.pin import Pin
from ledger.core.statement import parse_statement, sign_statement
from ledger.core.status_change import StatusChange, StatusRow
from ledger.service.plan import TreeState, plan_epoch
from ledger.store.engine import DATABASE_NAME, migrate, open_engine
from ledger.store.entries import LedgerWriter
from ledger.store.tiles import TileEdge
from tests.support.ledgers import START_S, TinyLedger, signer

EPOCH_ENTRIES: Final = 1008
STATUS_EVERY: Final = 5
"""Epochs with a status statement among them."""
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class BigLedger:
    """A stored ledger: its directory, pin, size, and how many of its entries carry a signature."""

    folder: Path
    pin: Pin
    size: int
    signatures: int


class _Founded(TinyLedger):
    """The ledger in memory up to the admission of the issuers, with its epochs."""

    def _append(self, built: BuiltEpoch) -> None:
        super()._append(built)
        self.__dict__.setdefault("built", []).append(built)


def build_big_ledger(folder: Path, size: int, advance: Advance = lambda size: None) -> BigLedger:
    """Store a ledger of at least `size` entries in a new directory.

    Args:
        folder: made here.
        size: entries, padding and seals included.
        advance: called with the tree size after each epoch.
    """
    folder.mkdir()
    engine = open_engine(folder / DATABASE_NAME, "create")
    migrate(engine)
    writing = _Writing(LedgerWriter(engine))
    credentials = EPOCH_ENTRIES - 1
    sizes = [credentials - (at % STATUS_EVERY == 1) for at in range(max(1, -(-size // EPOCH_ENTRIES)))]
    with worker_pool() as pool:
        for at, batch in enumerate(signed_batches(pool, sizes, START_S)):
            writing.close_epoch([*writing.status_changes(at), *batch])
            advance(writing.tree.size)
    engine.dispose()
    return BigLedger(folder, writing.ledger.pin, writing.tree.size, writing.signatures)


class _Writing:
    """Epoch after epoch into the store."""

    def __init__(self, store: LedgerWriter) -> None:
        self.ledger = _Founded("ledger.example/big", witnesses=0)
        for number in range(1, ISSUERS + 1):
            key = signer(issuer_name(number)).public_key
            scope = Scope((IDENTITY,), rate=10_000_000, desks=1)
            self.ledger.act(
                issuer_name(number), Admit(Admission("interior", f"Office {number}", (key,), scope))
            )
        self.store = store
        store.set_meta({"origin": self.ledger.origin, "charter": self.ledger.charter_hash.hex()})
        self.tree = TreeState(Frontier(), TileEdge({}), chain_start(self.ledger.origin))
        self.signatures = 0
        self._seq = 0
        for built in self.ledger.__dict__["built"]:
            self._write(built)

    def status_changes(self, at: int) -> list[bytes]:
        """Return the status statement of the epoch number `at`, if it has one: a card becomes suspended."""
        if at % STATUS_EVERY != 1:
            return []
        self._seq += 1
        claims = claims_of((self._seq - 1) * ISSUERS, START_S, 0)
        row = StatusRow(claims.idx, 0, 2, 4, month_of_seconds(self.ledger.now_s))
        change = StatusChange(claims.uri, self._seq, (row,))
        return [sign_statement("status", claims.iss, claims.uri, change, signer(claims.iss))]

    def close_epoch(self, entries: list[bytes]) -> None:
        self.ledger.time_ms += 60_000
        built = build_epoch(
            self.ledger.registry, self.tree.chain_head, self.tree.size,
            [parse_statement(entry) for entry in entries], self.ledger.time_ms, self.ledger.service,
        )  # fmt: skip
        if built.rejected:
            raise built.rejected[0][1]
        self._write(built)

    def _write(self, built: BuiltEpoch) -> None:
        plan = plan_epoch(
            self.tree, built.entries, built.leaves, built.chain, built.statement_ids, built.time_ms,
            self.ledger.origin, self.ledger.log_signers,
        )  # fmt: skip
        self.store.commit(plan.rows)
        self.tree = plan.after
        self.signatures += sum(identity is not None for identity in built.statement_ids)
