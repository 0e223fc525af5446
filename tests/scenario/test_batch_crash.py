"""A batch of 200 people whose process is killed again and again ends with one card for each."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pypdfium2
import pytest

from credential.core.card import format_front
from credential.core.case_file import open_case
from credential.core.holder import parse_words
from issuer.qr import read_symbols
from ledger.core.pin import Pin
from ledger.core.statement import parse_statement
from ledger.store.engine import DATABASE_NAME
from tests.support.processes import Server, Town, found_town
from verifier.core.trust import open_bundle
from verifier.core.verdict import judge

PEOPLE = 200
SHEET = 25
KILLS = 3
LIMIT_S = 300
KEYS = [f"case/{number:04}" for number in range(PEOPLE)]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found_town(tmp_path_factory.mktemp("batch") / "town", epoch_ms=50)


def write_table(town: Town) -> None:
    with (town.folder / "people.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "name", "latin"])
        table.writerows([key, "مريم", "MARYAM"] for key in KEYS)


def point_desk_at(town: Town, server: Server) -> None:
    path = town.folder / "desk" / "desk.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ledger_url": server.url}))


def start(town: Town) -> subprocess.Popen[str]:
    return town.start("issuer", "batch", "people.csv", "--out", "sheets", "--size", str(SHEET))


def run_to_the_end(town: Town) -> str:
    process = start(town)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, out + err
    return out


def run_and_kill(town: Town, is_time: Callable[[], bool], delay_s: float) -> bool:
    """Run the batch and kill it a little after its moment has come; whether it was killed before its end."""
    process = start(town)
    ends = time.monotonic() + LIMIT_S
    while process.poll() is None and not is_time():
        assert time.monotonic() < ends
        time.sleep(0.005)
    time.sleep(delay_s)
    killed = process.poll() is None
    process.kill()
    process.communicate(timeout=30)
    return killed


def has_signed(town: Town) -> bool:
    """Whether the rows are in the journal, so that the desk is about to send or sending."""
    address = f"file:{town.folder / 'desk' / 'desk.sqlite'}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as state:
            return bool(state.execute("SELECT count(*) FROM batch_row").fetchone()[0])
    except sqlite3.OperationalError:  # not there yet, or being written
        return False


def count_files(town: Town) -> int:
    return sum(1 for _ in (town.folder / "sheets").rglob("*"))


def has_files(town: Town, goal: int) -> Callable[[], bool]:
    return lambda: count_files(town) >= goal


def cards(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Row key, subject and front code of every card, found by the papers alone."""
    cases = {path.stem[5:13]: path for path in (folder / "cases").glob("*.case")}
    for path in sorted(folder.glob("sheet-*-checklist.csv")):
        lines = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
        with closing(
            pypdfium2.PdfDocument(path.with_name(path.name.replace("checklist.csv", "words.pdf")))
        ) as pdf:
            texts = [page.get_textpage().get_text_range() for page in pdf]
        for line, text in zip(lines, texts, strict=True):
            words = re.findall(r"^[0-9]+ ([a-z]{3,8})\r?$", text, re.MULTILINE)
            case = open_case(cases[line["reference"]].read_bytes(), parse_words(" ".join(words)))
            yield line["id"], cases[line["reference"]].stem[5:], format_front(case.logged())


def subjects_on_the_ledger(town: Town) -> list[str]:
    with closing(sqlite3.connect(town.folder / "data" / DATABASE_NAME)) as database:
        entries = [bytes(entry) for (entry,) in database.execute("SELECT entry FROM entries")]
    statements = [parse_statement(entry) for entry in entries if len(entry) > 1]
    return [statement.sub for statement in statements if statement.kind == "credential"]


def printed_codes(pdf: Path) -> set[str]:
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        return {text for page in document for text in read_symbols(page.render(scale=150 / 72).to_pil())}


def test_a_batch_that_is_killed_again_and_again_gives_each_person_one_card(town: Town) -> None:
    write_table(town)
    chance = random.Random(20261122)
    with town.serve() as server:
        point_desk_at(town, server)
        kills = int(run_and_kill(town, lambda: has_signed(town), chance.uniform(0, 0.2)))
        for _ in range(KILLS):
            goal = count_files(town) + chance.randrange(1, 2 * SHEET)
            kills += run_and_kill(town, has_files(town, goal), chance.uniform(0, 0.1))
        assert kills >= 3
        run_to_the_end(town)
        again = run_to_the_end(town)
        assert f"Issued: 0; done before: {PEOPLE}; not issued: 0" in again
        bundle = httpx.get(f"{server.url}/bundle", timeout=30).content
        assert server.stop() in (0, -15, 1)
    folder = town.folder / "sheets"
    found = list(cards(folder))
    assert [key for key, _, _ in found] == KEYS
    assert sorted(sub for _, sub, _ in found) == sorted(subjects_on_the_ledger(town))
    pin = town.pin()
    trusted = open_bundle(bundle, Pin(pin["origin"], bytes.fromhex(pin["charter"])))
    now_s = int(time.time())
    assert {judge(front, trusted, now_s).state for _, _, front in found} == {"confirmed"}
    sheets = sorted(folder.glob("sheet-*-cards.pdf"))
    assert len(sheets) == PEOPLE // SHEET
    assert {front for _, _, front in found[-SHEET:]} <= printed_codes(sheets[-1])
    with closing(sqlite3.connect(town.folder / "desk" / "desk.sqlite")) as state:
        assert state.execute(
            "SELECT (SELECT count(*) FROM secret), (SELECT count(*) FROM outgoing)"
        ).fetchone() == (
            0,
            0,
        )
    assert [path for path in folder.rglob("*") if path.name.endswith(".part")] == []
