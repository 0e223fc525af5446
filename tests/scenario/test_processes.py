"""Real processes over HTTP: from founding to a verdict, through power cuts, and against a hand in the database."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from credential.core.issue import PersonClaims, StatusPlace, issue, new_subject
from credential.core.profiles import built_in_profile
from issuer.keys import load_key
from ledger.cli import app
from ledger.core.calendar_days import DAY_S
from ledger.core.charter import Charter
from ledger.core.merkle import leaf_hash
from ledger.core.receipt import check_inclusion_receipt
from ledger.core.statement import parse_statement
from tests.support.processes import PASSPHRASE, ROOT, Town, found_town

EPOCH_MS = 50
CLIENTS = 8
POWER_CUTS = 3
ACKNOWLEDGED_BEFORE_CUT = 60


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Town:
    """A town for all tests here; workers side by side share it, because founding takes twenty processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "processes"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "founded").exists():
            folder.mkdir()
            found_town(folder / "town", epoch_ms=EPOCH_MS)
            (folder / "founded").touch()
    return Town(folder / "town")


def test_a_card_issued_over_http_is_confirmed_with_the_server_stopped(founded: Town, tmp_path: Path) -> None:
    town = founded.copy(tmp_path / "town")
    person = str(ROOT / "tests" / "data" / "persons" / "p02.json")
    with town.serve() as server:
        _move_desk(town, server.url)
        town.run_all(
            [
                ("issuer", "issue", person, "--out", "cards"),
                ("verifier", "pin", "data/pin.json", "--station", "station"),
            ]
        )
        town.run("verifier", "sync", server.url, "--station", "station")
        exit_code = server.stop()
        assert exit_code == 0 or os.name == "nt"
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/healthz")
    [front] = (town.folder / "cards").glob("*-front.png")
    verdict = json.loads(town.run("verifier", "verify", str(front), "--station", "station", "--json"))
    assert verdict["state"] == "confirmed"


def test_nothing_acknowledged_is_lost_in_a_power_cut(founded: Town, tmp_path: Path) -> None:
    town = founded.copy(tmp_path / "town")
    desk = _Desk(town)
    sent: list[_Sent] = []
    for _ in range(POWER_CUTS):
        with town.serve() as server:
            sent += _load_until_cut(desk, server.url, server.kill)
        _check_kept(town, sent)
    with town.serve() as server, httpx.Client(base_url=server.url, timeout=30) as client:
        # What was under way at a cut is sent again, and then stands on the ledger exactly once.
        for item in sent:
            if item.receipt is None:
                item.receipt = _post(client, item.entry)
        assert all(item.receipt is not None for item in sent)
    _check_kept(town, sent)
    report = _audit(town)
    assert report["counts"]["credential"] == len(sent)
    assert report["quorum"]


def test_a_hand_in_the_database_is_named_by_the_audit(founded: Town, tmp_path: Path) -> None:
    town = founded.copy(tmp_path / "town")
    data = town.folder / "data"
    early, whole = tmp_path / "early", tmp_path / "whole"
    shutil.copytree(data, early)
    desk = _Desk(town)
    with town.serve() as server, httpx.Client(base_url=server.url, timeout=30) as client:
        places = [_index_of(desk, entry, _post(client, entry)) for entry in desk.credentials(3)]
        (town.folder / "seen").write_text(client.get("/checkpoint").text)
    shutil.copytree(data, whole)
    end = places[-1] // 16 * 16 + 16
    assert _audit(town, "--against", "seen")["against_size"] == end

    _alter_entry(data, places[0])
    shown = town.run("ledger", "audit", "data", "--pin", "data/pin.json", "--jobs", "1", expect=3)
    assert f"entry {places[0]}" in shown

    _restore(whole, data)
    _alter_tile(data, places[1])
    changed = _audit(town, expect=3)
    assert (changed["code"], changed["index"]) == ("bad_tile", places[1])

    _restore(whole, data)
    _cut_tail(data, places[-1] // 16 * 16)
    assert _audit(town, expect=3)["code"] == "lock_mismatch"
    cut = _audit(town, "--against", "seen", expect=3)
    assert cut["code"] == "inconsistent"

    # Database and lock together from an old copy: only a witness remembers, so without one there is no start.
    _restore(early, data)
    _audit(town)
    assert "lock_mismatch" in town.run(
        "ledger", "serve", "data", "--port", "0", "--local-witness", "w1", expect=3
    )
    assert "not_reachable" in town.run("ledger", "serve", "data", "--port", "0", expect=4)


def _audit(town: Town, *arguments: str, expect: int = 0) -> dict[str, Any]:
    """Run `sc-ledger audit` in this process, expect its exit code and return its report."""
    found = CliRunner().invoke(
        app,
        ["audit", str(town.folder / "data"), "--pin", str(town.folder / "data" / "pin.json"), "--jobs", "1",
         "--json", *(str(town.folder / word) if word == "seen" else word for word in arguments)],
    )  # fmt: skip
    assert found.exit_code == expect, found.output
    report: dict[str, Any] = json.loads(found.stdout)
    return report


@dataclass
class _Sent:
    """A statement that was sent, and the receipt if one came back."""

    entry: bytes
    receipt: bytes | None = None


@dataclass
class _Desk:
    """The desk's key, and credentials of nobody in particular on rising places."""

    town: Town
    places: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.signer = load_key(self.town.folder / "desk" / "key.pem", PASSPHRASE)
        charter: Charter = parse_statement((self.town.folder / "data" / "charter.cose").read_bytes()).body
        self.receipts_key = charter.receipts_key
        self.guard = threading.Lock()

    def credentials(self, count: int) -> list[bytes]:
        with self.guard:
            places = list(itertools.islice(self.places, count))
        day_s = int(time.time()) // DAY_S * DAY_S
        return [
            issue(
                built_in_profile("sc:identity"),
                PersonClaims(),
                iss="civil-1",
                sub=new_subject(secrets.token_bytes),
                iat_s=day_s,
                place=StatusPlace("sc:1/0", place),
                holder=secrets.token_bytes(16),
                signer=self.signer,
                random_bytes=secrets.token_bytes,
            ).entry
            for place in places
        ]


def _load_until_cut(desk: _Desk, url: str, cut: object) -> list[_Sent]:
    """Register from several clients at once, cut the power in the middle, and return what was sent."""
    assert callable(cut)
    sent: list[_Sent] = []
    enough, over = threading.Event(), threading.Event()

    def client_loop() -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not over.is_set():
                for entry in desk.credentials(4):
                    item = _Sent(entry)
                    sent.append(item)
                    try:
                        item.receipt = _post(client, entry)
                    except httpx.HTTPError:
                        return
                    if sum(one.receipt is not None for one in sent) >= ACKNOWLEDGED_BEFORE_CUT:
                        enough.set()

    clients = [threading.Thread(target=client_loop) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    assert enough.wait(60)
    # Anywhere in an epoch: between staging, lock and commit as well.
    time.sleep(secrets.randbelow(2 * EPOCH_MS) / 1000)
    cut()
    over.set()
    for client in clients:
        client.join(30)
    return sent


def _post(client: httpx.Client, entry: bytes) -> bytes:
    answer = client.post(
        "/entries", content=entry, headers={"Content-Type": "application/cose", "Prefer": "wait"}
    )
    assert answer.status_code == 201, answer.text
    return answer.content


def _index_of(desk: _Desk, entry: bytes, receipt: bytes) -> int:
    _, index, _ = check_inclusion_receipt(receipt, leaf_hash(entry), desk.receipts_key)
    return index


def _check_kept(town: Town, sent: list[_Sent]) -> None:
    """Every acknowledged statement stands at the index that its receipt proves."""
    desk = _Desk(town)
    with closing(sqlite3.connect(town.folder / "data" / "ledger.db")) as database:
        for item in sent:
            if item.receipt is not None:
                index = _index_of(desk, item.entry, item.receipt)
                row = database.execute("SELECT entry FROM entries WHERE leaf_index = ?", (index,)).fetchone()
                assert row == (item.entry,)


def _move_desk(town: Town, url: str) -> None:
    """The server has another port after each start."""
    path = town.folder / "desk" / "desk.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "ledger_url": url}), encoding="utf-8")


def _open_writable(data: Path) -> sqlite3.Connection:
    """Open the database as somebody with a hand on the disk does: without the triggers."""
    database = sqlite3.connect(data / "ledger.db", isolation_level=None)
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        database.execute(f"DROP TRIGGER {name}")
    return database


def _alter_entry(data: Path, index: int) -> None:
    with closing(_open_writable(data)) as database:
        (entry,) = database.execute("SELECT entry FROM entries WHERE leaf_index = ?", (index,)).fetchone()
        changed = entry[:-1] + bytes([entry[-1] ^ 1])
        database.execute("UPDATE entries SET entry = ? WHERE leaf_index = ?", (changed, index))


def _alter_tile(data: Path, index: int) -> None:
    with closing(_open_writable(data)) as database:
        (tile,) = database.execute(
            "SELECT data FROM tiles WHERE level = 0 AND n = ?", (index // 256,)
        ).fetchone()
        at = index % 256 * 32
        changed = tile[:at] + bytes([tile[at] ^ 1]) + tile[at + 1 :]
        database.execute("UPDATE tiles SET data = ? WHERE level = 0 AND n = ?", (changed, index // 256))


def _cut_tail(data: Path, size: int) -> None:
    """Cut the ledger off at an earlier epoch, neatly: what is left is a whole ledger of its own."""
    assert size < 256  # one tile
    with closing(_open_writable(data)) as database:
        database.execute("DELETE FROM statements WHERE leaf_index >= ?", (size,))
        database.execute("DELETE FROM entries WHERE leaf_index >= ?", (size,))
        database.execute("DELETE FROM checkpoints WHERE size > ?", (size,))
        database.execute("UPDATE tiles SET data = SUBSTR(data, 1, ?)", (size * 32,))


def _restore(copy: Path, data: Path) -> None:
    shutil.rmtree(data)
    shutil.copytree(copy, data)
