"""P3: durable registration in process, 256 clients, epochs of 20 ms, every signature verified.

Against (a) SQLModel with one row per transaction: the same bytes per row, the same durability, no
cryptography at all; (b) as many processes as there are cores that only verify signatures.

A client waits for its statement to be durable before it sends the next, so a period of 20 ms caps 256 clients
with one statement under way each at 12,800 a second, whatever the machine. A desk that registers a day's work
keeps more under way; the second run gives each client a window of eight.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, event
from sqlmodel import Field, Session, SQLModel

from benchmarks.audit_replay import Progress
from benchmarks.measure import Figure, Goal, cores, seconds
from benchmarks.signed_statements import (
    DIGESTS,
    IDENTITY,
    ISSUERS,
    VALIDITY_DAYS,
    bare_rate,
    check_bare_in_worker,
    issuer_name,
    signed_batches,
    worker_pool,
)
from ledger.core.actions import Action, Admission, Admit, Scope
from ledger.core.calendar_days import DAY_S
from ledger.core.statement import sign_statement
from ledger.service.founding import finish_ledger, prepare_ledger, sign_accept
from ledger.service.service import LedgerService, open_service
from tests.support.ledgers import signer

ORIGIN: Final = "ledger.example/registration"
GOVERNORS: Final = ("governor-1", "governor-2", "governor-3")
CLIENTS: Final = 256
EPOCH_MS: Final = 20
WINDOW: Final = 8
BARE_COUNT: Final = 4000


class Row(SQLModel, table=True):
    """The row of a ledger without ledger: the same bytes."""

    leaf_index: int = Field(primary_key=True)
    entry: bytes
    chain: bytes
    statement_id: bytes


def measure(rounds: int, statements: int, rows: int, progress: Progress) -> list[Figure]:
    """Return the ratios of registrations per second, for one statement under way and for a window of eight.

    Args:
        rounds: each measures the two runs, SQLModel, and bare checks before and after them.
        statements: registered per run.
        rows: written through SQLModel per round.
        progress: see `audit_replay`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        return asyncio.run(_measure(Path(temporary), rounds, statements, rows, progress))


async def _measure(folder: Path, rounds: int, statements: int, rows: int, progress: Progress) -> list[Figure]:
    now_s = time.time_ns() // 1_000_000_000
    with worker_pool() as pool:
        sizes = [1000] * -(-2 * (rounds + 1) * statements // 1000)
        advance = progress("signing", len(sizes))
        entries: list[bytes] = []
        for at, batch in enumerate(signed_batches(pool, sizes, now_s // DAY_S * DAY_S), 1):
            entries += batch
            advance(at)
        feed = iter(entries)
        list(pool.map(check_bare_in_worker, [BARE_COUNT] * cores()))
        service = _found(folder / "ledger")
        await service.start()
        try:
            await _admit(service, now_s)
            await _register(service, itertools.islice(feed, statements), 1)  # warm
            await _register(service, itertools.islice(feed, statements), WINDOW)
            runs = []
            advance = progress("P3 rounds", rounds)
            for at in range(rounds):
                bare = [bare_rate(pool, BARE_COUNT)]
                one = await _register(service, itertools.islice(feed, statements), 1)
                bare.append(bare_rate(pool, BARE_COUNT))
                eight = await _register(service, itertools.islice(feed, statements), WINDOW)
                bare.append(bare_rate(pool, BARE_COUNT))
                model = rows / seconds(lambda: _write_rows(folder / "rows.db", entries[:rows]))
                runs.append((one, eight, model, sum(bare) / len(bare)))
                (folder / "rows.db").unlink()
                advance(at + 1)
        finally:
            await service.stop()
    return _figures(runs)


def _figures(runs: list[tuple[float, float, float, float]]) -> list[Figure]:
    names = ("one_under_way", "window_of_eight", "sqlmodel", "bare")
    details: dict[str, Any] = {
        "per_s": {name: [round(run[at]) for run in runs] for at, name in enumerate(names)},
        "clients": CLIENTS,
        "epoch_ms": EPOCH_MS,
        "cap_per_s_of_one_under_way": CLIENTS * 1000 // EPOCH_MS,
    }
    model, bare = "SQLModel, one row per transaction", f"{cores()} processes of bare ES256 verification"
    four, most = Goal(">=", 4.0), Goal(">=", 0.6)
    one, eight = (
        "durable registration, 1 under way per client",
        f"durable registration, {WINDOW} under way per client",
    )
    return [
        Figure("P3a", one, model, "x", four, tuple(run[0] / run[2] for run in runs), details),
        Figure("P3b", one, bare, "x", most, tuple(run[0] / run[3] for run in runs)),
        Figure("P3c", eight, model, "x", four, tuple(run[1] / run[2] for run in runs)),
        Figure("P3d", eight, bare, "x", most, tuple(run[1] / run[3] for run in runs)),
    ]


async def _register(service: LedgerService, entries: Iterator[bytes], window: int) -> float:
    """Register entries by clients that wait for each window of theirs, and return how many a second."""
    done = 0

    async def client() -> None:
        nonlocal done
        while batch := list(itertools.islice(entries, window)):
            for placed in [service.submit(entry) for entry in batch]:
                await placed
            done += len(batch)

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return done / (time.perf_counter() - start)


def _found(folder: Path) -> LedgerService:
    counter = itertools.count()

    def passphrase() -> bytes:
        return b"benchmark"

    def clock() -> int:
        return time.time_ns() // 1_000_000

    prepared = prepare_ledger(
        folder,
        origin=ORIGIN,
        governors=tuple((name, signer(name, "ed25519").public_key) for name in GOVERNORS),
        threshold=2,
        witness_policy="quorum none\n",
        epoch_ms=EPOCH_MS,
        profiles={IDENTITY: (DIGESTS, VALIDITY_DAYS)},
        random_bytes=lambda size: hashlib.shake_256(b"%d" % next(counter)).digest(size),
        passphrase=passphrase,
    )
    accepts = [sign_accept(prepared.charter_entry, name, signer(name, "ed25519")) for name in GOVERNORS]
    finish_ledger(folder, accepts, now_ms=clock, passphrase=passphrase)
    return open_service(folder, passphrase=passphrase, now_ms=clock, rate_per_s=1e9, rate_burst=10**9)


async def _admit(service: LedgerService, now_s: int) -> None:
    for number in range(1, ISSUERS + 1):
        name = issuer_name(number)
        scope = Scope((IDENTITY,), rate=10_000_000, desks=1)
        admit = Admit(Admission("interior", f"Office {number}", (signer(name).public_key,), scope))
        action = Action(name, 0, now_s + DAY_S, (admit,))
        approvals = [
            sign_statement("govern", governor, name, action, signer(governor, "ed25519"))
            for governor in GOVERNORS[:2]
        ]
        for approval in approvals:
            await service.submit(approval)


def _write_rows(path: Path, entries: list[bytes]) -> None:
    """Write one row per transaction with the durability of the ledger."""
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    SQLModel.metadata.create_all(engine, tables=[Row.__table__])  # type: ignore[attr-defined]
    with Session(engine) as session:
        for index, entry in enumerate(entries):
            session.add(Row(leaf_index=index, entry=entry, chain=entry[:32], statement_id=entry[-32:]))
            session.commit()
    engine.dispose()
