"""Batches: what is made, what is refused, and crashes at every durable write that lose no card and double none."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from credential.core.card import format_front
from credential.core.case_file import open_case
from credential.core.holder import parse_words
from issuer import batch, cards, vault
from issuer.batch import BatchReport, BatchRun
from issuer.batch_folder import BatchFolder, MakePapers, SheetPerson
from issuer.batch_journal import BatchJournal
from issuer.errors import InputError, IssuerError
from issuer.qr import read_symbols
from ledger.core.actions import Reinstate, Suspend
from ledger.core.statement import parse_statement
from ledger.errors import CodedError
from tests.support.crashes import Crash, crash_at
from tests.support.desks import DeskWorld
from tests.support.ledgers import CountedBytes
from verifier.core.verdict import judge

CREATED = datetime(2026, 11, 15, tzinfo=UTC)
HEADER = "id,name,latin,known_as,known_as_latin,birth,calendar,basis,sex,nationalities,birthplace,portrait\n"


@pytest.fixture(autouse=True)
def quick_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_SCRYPT_N", 2)


@pytest.fixture
def world(tmp_path: Path) -> DeskWorld:
    return DeskWorld(tmp_path)


def row(number: int, **cells: str) -> dict[str, str]:
    return {
        "id": f"A/{number:03}",
        "name": f"حسنة {number}".replace("1", "ا").replace("2", "ب").replace("3", "ج"),
        "latin": "HOSNA " + "ABCDEFGHIJ"[number % 10],
        "birth": "1999",
        "calendar": "solar_hijri" if number % 2 else "",
        "sex": "female",
        "nationalities": "AFG;IRN",
        **cells,
    } | ({"birth": "1378", "calendar": "solar_hijri"} if number % 2 and "birth" not in cells else {})


def write_table(folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    path = folder / "people.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, HEADER.strip().split(","))
        table.writeheader()
        table.writerows(rows)
    return path


def plain_papers(
    number: int, people: Sequence[SheetPerson], *, created: datetime, random_bytes: object
) -> tuple[dict[str, bytes], dict[str, CodedError]]:
    """Papers without pictures: who is on the sheet, and with which words."""
    lines = [[person.row_key, person.sub, person.secret.hex()] for person in people]
    return {f"sheet-{number:04}-words.pdf": json.dumps(lines).encode(), f"sheet-{number:04}-x": b"x"}, {}


def run(
    world: DeskWorld,
    table: Path,
    *,
    size: int = 2,
    out: str = "out",
    papers: MakePapers | None = plain_papers,
) -> BatchReport:
    journal = BatchJournal(world.store)
    folder = BatchFolder.take(
        world.folder / out, journal, CountedBytes(f"folder {world.folder / out}"), papers
    )
    return BatchRun(world.desk, journal, folder, created=CREATED, sheet_size=size).run(table)


def errors_of(world: DeskWorld, out: str = "out") -> list[list[str]]:
    path = world.folder / out / "errors.csv"
    return list(csv.reader(io.StringIO(path.read_text("utf-8"))))[1:] if path.exists() else []


def credentials(world: DeskWorld) -> list[str]:
    statements = [parse_statement(entry) for entry in world.ledger.entries if len(entry) > 1]
    return [statement.sub for statement in statements if statement.kind == "credential"]


def check_all_have_one_card(world: DeskWorld, keys: Sequence[str], out: str = "out") -> None:
    """Every row has one credential, whose case file opens with the words on its sheet, and nothing is left over."""
    folder = world.folder / out
    lines = [
        line for path in sorted(folder.glob("sheet-*-words.pdf")) for line in json.loads(path.read_bytes())
    ]
    assert [row_key for row_key, _, _ in lines] == list(keys)
    assert sorted(sub for _, sub, _ in lines) == sorted(credentials(world))
    database = (world.folder / "desk.sqlite").read_bytes()
    for _, sub, secret in lines:
        case = open_case((folder / "cases" / f"card-{sub}.case").read_bytes(), bytes.fromhex(secret))
        assert case.is_listed
        assert world.ledger.entries[case.index] == case.entry
        assert bytes.fromhex(secret) not in database
    assert len(list((folder / "cases").iterdir())) == len(lines)
    assert world.store.outgoing() == []
    assert world.store.query("SELECT * FROM secret") == []
    assert [path for path in folder.rglob("*") if path.name.endswith(".part")] == []


def test_a_batch_gives_every_row_a_card_and_a_second_run_does_nothing(world: DeskWorld) -> None:
    table = write_table(world.folder, [row(n) for n in range(5)])
    report = run(world, table)
    assert (report.rows, report.issued, report.earlier, report.errors) == (5, 5, 0, [])
    check_all_have_one_card(world, [f"A/{n:03}" for n in range(5)])
    before = {path: path.stat().st_mtime_ns for path in (world.folder / "out").rglob("*") if path.is_file()}
    world.reopen()
    again = run(world, table)
    assert (again.issued, again.earlier, again.errors, again.stopped) == (0, 5, [], False)
    after = {path: path.stat().st_mtime_ns for path in (world.folder / "out").rglob("*") if path.is_file()}
    assert after == before


def test_rows_that_are_added_later_go_on_new_sheets(world: DeskWorld) -> None:
    run(world, write_table(world.folder, [row(n) for n in range(3)]))
    report = run(world, write_table(world.folder, [row(n) for n in range(6)]))
    assert (report.issued, report.earlier) == (3, 3)
    check_all_have_one_card(world, [f"A/{n:03}" for n in range(6)])


def test_all_of_a_round_share_an_epoch(world: DeskWorld) -> None:
    size = world.ledger.tree_size
    run(world, write_table(world.folder, [row(n) for n in range(7)]))
    assert world.ledger.tree_size == size + 16


def test_refused_rows_are_reported_by_column_and_the_others_are_issued(world: DeskWorld) -> None:
    rows = [
        row(0),
        row(1, sex="yes"),
        row(2, latin="1"),
        row(3, birth="yesterday"),
        row(4, nationalities="AFG;AFX"),
        row(5, known_as="Mimi"),
        row(6, portrait="none.jpg"),
        row(7, birth="2100-01-01/2100-12-31"),
        row(0),
        row(9, id="=1+1"),
        row(8, basis="rumour"),
        row(6),
    ]
    report = run(world, write_table(world.folder, rows))
    assert report.issued == 1
    reported = errors_of(world)
    assert [line[:4] for line in reported] == [
        ["3", "A/001", "sex", "bad_input"],
        ["4", "A/002", "latin", "bad_input"],
        ["5", "A/003", "birth", "bad_input"],
        ["6", "A/004", "nationalities", "bad_input"],
        ["7", "A/005", "known_as_latin", "bad_input"],
        ["8", "A/006", "portrait", "not_found"],
        ["9", "A/007", "birth", "bad_input"],
        ["10", "A/000", "id", "bad_input"],
        ["11", "", "id", "bad_input"],
        ["12", "A/008", "basis", "bad_input"],
        ["13", "A/006", "id", "bad_input"],
    ]
    text = (world.folder / "out" / "errors.csv").read_text("utf-8")
    assert not any(value in text for value in ("yesterday", "AFX", "Mimi", "none.jpg", "1+1", "rumour"))


def test_a_corrected_row_is_issued_by_the_next_run_and_the_report_goes(world: DeskWorld) -> None:
    run(world, write_table(world.folder, [row(0), row(1, sex="yes")]))
    assert len(errors_of(world)) == 1
    report = run(world, write_table(world.folder, [row(0), row(1)]))
    assert (report.issued, report.earlier) == (1, 1)
    assert errors_of(world) == []
    check_all_have_one_card(world, ["A/000", "A/001"])


def test_a_changed_row_that_was_issued_is_reported_and_not_issued_again(world: DeskWorld) -> None:
    run(world, write_table(world.folder, [row(0), row(1)]))
    report = run(world, write_table(world.folder, [row(0), row(1, sex="male")]))
    assert (report.issued, report.earlier) == (0, 1)
    assert [line[:4] for line in errors_of(world)] == [["3", "A/001", "id", "bad_input"]]
    check_all_have_one_card(world, ["A/000", "A/001"])


def test_the_same_table_into_another_folder_issues_nobody_twice(world: DeskWorld) -> None:
    table = write_table(world.folder, [row(0), row(1)])
    run(world, table)
    report = run(world, table, out="other")
    assert report.issued == 0
    assert [line[:4] for line in errors_of(world, "other")] == [
        ["2", "A/000", "id", "bad_input"],
        ["3", "A/001", "id", "bad_input"],
    ]
    assert len(credentials(world)) == 2


def test_a_folder_with_other_things_or_of_another_desk_is_not_touched(
    world: DeskWorld, tmp_path: Path
) -> None:
    table = write_table(world.folder, [row(0)])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(InputError) as error:
        run(world, table, out="full")
    assert error.value.field == "out"
    (tmp_path / "second").mkdir()
    other = DeskWorld(tmp_path / "second")
    run(other, table, out="out")
    with pytest.raises(InputError) as foreign:
        run(world, table, out="second/out")
    assert foreign.value.field == "out"
    assert credentials(world) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id,name\nA,B\n",
        "id,name,latin,given_name\nA,B,C,D\n",
        "id,name,latin,id\nA,B,C,D\n",
        'id,name,latin\nA,"B,C\n',
        "id;name;latin\nA;B;C\n",
    ],
)
def test_what_is_not_such_a_table_issues_nobody(world: DeskWorld, text: str) -> None:
    (world.folder / "people.csv").write_text(text, "utf-8")
    with pytest.raises(InputError):
        run(world, world.folder / "people.csv")
    assert credentials(world) == []


def test_a_table_in_another_encoding_issues_nobody(world: DeskWorld) -> None:
    (world.folder / "people.csv").write_bytes("id,name,latin\nA,José,JOSE\n".encode("latin-1"))
    with pytest.raises(InputError) as error:
        run(world, world.folder / "people.csv")
    assert "row 2" in error.value.detail or "row 1" in error.value.detail


def test_a_spreadsheet_s_byte_order_mark_and_order_of_columns_do_not_matter(world: DeskWorld) -> None:
    (world.folder / "people.csv").write_text("\ufefflatin,ID,Name\r\nHOSNA,7,Hosna\r\n\r\n", "utf-8")
    report = run(world, world.folder / "people.csv")
    assert (report.rows, report.issued) == (1, 1)
    check_all_have_one_card(world, ["7"])


@pytest.mark.parametrize("trouble", ["offline", "deaf"])
def test_without_an_answer_the_batch_waits_and_goes_on_later(world: DeskWorld, trouble: str) -> None:
    table = write_table(world.folder, [row(n) for n in range(5)])
    setattr(world.ledger, trouble, True)
    report = run(world, table)
    assert (report.issued, report.waiting, report.waits_for) == (0, 5, "not_reachable")
    assert not list((world.folder / "out").glob("sheet-*"))
    setattr(world.ledger, trouble, False)
    world.reopen()
    assert run(world, table).issued == 5
    check_all_have_one_card(world, [f"A/{n:03}" for n in range(5)])


def test_a_refused_round_stops_the_batch_and_its_rows_are_tried_again_later(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "ROUND_PEOPLE", 2)
    table = write_table(world.folder, [row(n) for n in range(6)])
    run_one = run(world, write_table(world.folder, [row(0), row(1)]))
    assert run_one.issued == 2
    table = write_table(world.folder, [row(n) for n in range(6)])
    world.ledger.act("civil-1", Suspend())
    report = run(world, table)
    assert (report.issued, report.stopped, len(report.errors)) == (0, True, 2)
    assert [line[3] for line in errors_of(world)] == ["out_of_scope", "out_of_scope"]
    assert world.store.outgoing() == []
    world.ledger.act("civil-1", Reinstate())
    assert run(world, table).issued == 4
    check_all_have_one_card(world, [f"A/{n:03}" for n in range(6)])


def test_an_answer_that_proves_nothing_does_not_make_a_second_card(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = write_table(world.folder, [row(0), row(1)])
    honest = world.ledger.transparent
    monkeypatch.setattr(world.ledger, "transparent", lambda _index: honest(0))
    report = run(world, table)
    assert (report.issued, report.waits_for) == (0, "not_listed")
    monkeypatch.undo()
    monkeypatch.setattr(vault, "_SCRYPT_N", 2)
    assert run(world, table).issued == 2
    check_all_have_one_card(world, ["A/000", "A/001"])


def test_a_card_that_could_not_be_printed_is_refused_before_it_is_signed(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "BACK_MAX_VERSION", 32)
    long = {"name": "ا" * 79, "latin": "A" * 80, "known_as": "ب" * 79, "known_as_latin": "B" * 80}
    report = run(world, write_table(world.folder, [row(0), row(1, **long)]))
    assert report.issued == 1
    assert [line[:4] for line in errors_of(world)] == [["3", "A/001", "name", "too_large"]]
    assert len(credentials(world)) == 1


def _matrix(tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[tuple[int, DeskWorld]]:
    """A fresh desk for each point at which a run of the table can crash, crashed there."""
    at, points = 0, 1
    while at < points:
        at += 1
        folder = tmp_path / f"crash-{at}"
        folder.mkdir()
        world = DeskWorld(folder)
        table = write_table(folder, [row(n) for n in range(4)])
        with crash_at(patch, at) as crashing:
            try:
                run(world, table)
            except Crash:
                points = at + 1
            else:
                assert crashing.points == at - 1
                return
        yield at, world


def test_a_crash_at_any_durable_write_loses_no_card_and_gives_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "ROUND_PEOPLE", 2)
    count = 0
    for at, world in _matrix(tmp_path, monkeypatch):
        count = at
        world.reopen()
        report = run(world, world.folder / "people.csv")
        assert (report.errors, report.stopped) == ([], False), at
        check_all_have_one_card(world, [f"A/{n:03}" for n in range(4)])
    assert count > 40


@pytest.mark.parametrize("seed", range(6))
def test_crash_after_crash_ends_with_one_card_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(batch, "ROUND_PEOPLE", 4)
    chance = random.Random(seed)
    world = DeskWorld(tmp_path)
    table = write_table(tmp_path, [row(n) for n in range(9)])
    crashes = 0
    while True:
        with crash_at(monkeypatch, chance.randrange(1, 40)):
            try:
                report = run(world, table)
            except Crash:
                crashes += 1
                world.reopen()
                continue
        break
    assert crashes > 0
    assert report.errors == []
    check_all_have_one_card(world, [f"A/{n:03}" for n in range(9)])


def test_the_state_of_a_waiting_batch_holds_no_word_of_anybody(world: DeskWorld) -> None:
    world.ledger.offline = True
    table = write_table(world.folder, [row(n) for n in range(3)])
    run(world, table)
    stored = (world.folder / "desk.sqlite").read_bytes()
    assert "حسنة".encode() not in stored
    assert b"HOSNA" not in stored
    assert b"AFG" not in stored
    secrets = []
    for item in world.store.outgoing():
        issued, _ = world.desk.take_up(item)
        secrets.append(issued.secret)
        assert issued.secret not in stored
        assert issued.words.encode() not in stored
    assert len(set(secrets)) == 3


def test_another_passphrase_finishes_nothing(world: DeskWorld) -> None:
    world.ledger.offline = True
    table = write_table(world.folder, [row(0)])
    run(world, table)
    world.ledger.offline = False
    world.desk._vault = vault.Vault("another passphrase", world.store.salt(b""))
    with pytest.raises(IssuerError) as error:
        run(world, table)
    assert error.value.code == "wrong_secret"
    world.reopen()
    assert run(world, table).issued == 1


@pytest.mark.parametrize("size", [0, 501])
def test_a_sheet_has_from_1_to_500_people(world: DeskWorld, size: int) -> None:
    with pytest.raises(InputError) as error:
        run(world, write_table(world.folder, [row(0)]), size=size)
    assert error.value.field == "size"


# -- the real papers ------------------------------------------------------------------------------------


def pages(pdf: Path) -> list[tuple[str, Image.Image]]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [
            (page.get_textpage().get_text_range(), page.render(scale=200 / 72).to_pil()) for page in document
        ]
    finally:
        document.close()


def test_the_papers_of_a_sheet_belong_together_and_name_nobody(world: DeskWorld) -> None:
    Image.linear_gradient("L").resize((300, 400)).save(world.folder / "face.png")
    rows = [row(0), row(1, portrait="face.png"), row(2, known_as="Mimi", known_as_latin="MIMI")]
    report = run(world, write_table(world.folder, rows), size=100, papers=None)
    assert (report.issued, report.errors) == (3, [])
    folder = world.folder / "out"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "batch.id", "cases", "sheet-0001-cards.pdf", "sheet-0001-words.pdf", "sheet-0001-slips.pdf",
        "sheet-0001-checklist.pdf", "sheet-0001-checklist.csv",
    }  # fmt: skip
    checklist = list(csv.DictReader(io.StringIO((folder / "sheet-0001-checklist.csv").read_text("utf-8"))))
    assert [(line["number"], line["id"]) for line in checklist] == [
        ("1", "A/000"),
        ("2", "A/001"),
        ("3", "A/002"),
    ]
    cases = {path.stem[5:13]: path.read_bytes() for path in (folder / "cases").iterdir()}
    words = pages(folder / "sheet-0001-words.pdf")
    assert len(words) == 3
    fronts = []
    for line, (text, _) in zip(checklist, words, strict=True):
        assert f"0001 / {line['number']}" in text
        found = re.findall(r"^[0-9]+ ([a-z]{3,8})\r?$", text, re.MULTILINE)
        case = open_case(cases[line["reference"]], parse_words(" ".join(found)))
        fronts.append(format_front(case.logged()))
    [(cards_text, picture)] = pages(folder / "sheet-0001-cards.pdf")
    assert set(fronts) <= set(read_symbols(picture))
    for line in checklist:
        assert line["reference"] in cards_text.replace("\r\n", "")
    [(list_text, _)] = pages(folder / "sheet-0001-checklist.pdf")
    assert all(line["id"] in list_text and line["reference"] in list_text for line in checklist)
    assert len(pages(folder / "sheet-0001-slips.pdf")) == 3
    for text in (cards_text, list_text, *(text for text, _ in words)):
        assert "HOSNA" not in text
    trusted = world.trusted()
    assert {judge(front, trusted, world.ledger.now_s).state for front in fronts} == {"confirmed"}
