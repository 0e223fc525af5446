"""Ledgers that lie on a disk, whatever they say: written, served as files, and tampered with.

folder = write_ledger(tmp_path / "ledger", ledger, [(entries, time_ms), ...])
with served(folder) as url: ...
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ledger.core.chain import chain_start, extend_chain
from ledger.core.merkle import Frontier, leaf_hash
from ledger.core.statement import is_padding, parse_statement
from ledger.core.tiles import format_entry_bundle, parse_tile_path
from ledger.service.plan import TreeState, plan_epoch
from ledger.store.engine import DATABASE_NAME, migrate, open_engine
from ledger.store.entries import LedgerReader, LedgerWriter
from ledger.store.tiles import TileEdge
from tests.support.ledgers import TinyLedger

Epochs = list[tuple[list[bytes], int]]


def write_ledger(folder: Path, ledger: TinyLedger, epochs: Epochs) -> Path:
    """Store epochs with chain, tiles and signed heads that fit them, whatever they say."""
    folder.mkdir()
    engine = open_engine(folder / DATABASE_NAME, "create")
    migrate(engine)
    store = LedgerWriter(engine)
    store.set_meta({"origin": ledger.origin, "charter": ledger.charter_hash.hex()})
    tree = TreeState(Frontier(), TileEdge({}), chain_start(ledger.origin))
    known: set[bytes] = set()
    for entries, time_ms in epochs:
        leaves = [leaf_hash(entry) for entry in entries]
        plan = plan_epoch(
            tree, entries, leaves, extend_chain(tree.chain_head, leaves), identities(entries, known), time_ms,
            ledger.origin, ledger.log_signers,
        )  # fmt: skip
        store.commit(plan.rows)
        tree = plan.after
    engine.dispose()
    return folder


def identities(entries: Sequence[bytes], known: set[bytes]) -> list[bytes | None]:
    """Return the identity of each statement that is there for the first time; `known` takes them in."""
    ids: list[bytes | None] = []
    for entry in entries:
        identity = None if is_padding(entry) else parse_statement(entry).statement_id
        ids.append(None if identity in known else identity)
        if identity is not None:
            known.add(identity)
    return ids


@contextmanager
def tampering(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database as somebody does who takes its triggers away first."""
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            database.execute(f"DROP TRIGGER {name}")
        yield database
        database.commit()


class _Tiles(BaseHTTPRequestHandler):
    """Answers checkpoint, tiles and entry bundles from a reader."""

    def __init__(self, reader: LedgerReader, *arguments: Any) -> None:
        self.reader = reader
        super().__init__(*arguments)

    def do_GET(self) -> None:
        head = self.reader.head()
        assert head is not None
        data: bytes | None = head.text.encode()
        if self.path != "/checkpoint":
            path = parse_tile_path(self.path[1:])
            if path.level == "entries":
                start = path.index * 256
                rows = self.reader.entries(start, start + path.width)
                data = format_entry_bundle(rows) if len(rows) == path.width else None
            else:
                tile = self.reader.tile(path.level, path.index)
                data = tile[: path.width * 32] if tile else None
        self.send_response(404 if data is None else 200)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def answering(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a web server on loopback; the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    engine = open_engine(folder / DATABASE_NAME, "read")
    try:
        with answering(partial(_Tiles, LedgerReader(engine))) as url:
            yield url
    finally:
        engine.dispose()
