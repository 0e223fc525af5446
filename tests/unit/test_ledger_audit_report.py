"""The audit's pages: what was replayed, in words, with nothing that runs or loads."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ledger import cli
from ledger.audit import audit
from ledger.audit.history import Day, History
from ledger.audit.html_report import (
    MOST_DAYS,
    AuditedLedger,
    BadEntry,
    chart_points,
    hex_dump,
    read_bad_entry,
    render_report,
    shown_source,
    time_line,
    write_report,
)
from ledger.audit.report import AuditReport
from ledger.core.evidence import check_evidence
from ledger.core.pin import format_pin
from ledger.core.statement import is_padding, parse_statement
from ledger.errors import LedgerError
from tests.support.audited_ledgers import busy_ledger, store_ledger
from tests.support.stored_ledgers import write_ledger
from tests.unit.test_ledger_audit import (
    CREDENTIALS,
    EPOCHS,
    RecordingLedger,
    Stored,
    change_entry,
    copy,
    flipped,
    stored,
)

__all__ = ["copy", "stored"]

MADE_S = 1_800_000_000
HOSTILE = '<script>alert(1)</script> & \u202e"Office"'
VOID = frozenset(("meta", "link", "circle", "path", "rect", "polyline"))


class Page(HTMLParser):
    """Tags and texts of a page; every tag must be closed where it should be."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self._open: list[str] = []
        self.feed(data.decode())
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        """All texts, one space between words."""
        return " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self._texts.append(data)


def audited(stored: Stored) -> AuditedLedger:
    history = History()
    report = audit(str(stored.folder), stored.pin, history=history)
    return AuditedLedger(str(stored.folder), report, history, read_bad_entry(str(stored.folder), report))


def rendered(ledger: AuditedLedger) -> dict[str, bytes]:
    return render_report(ledger, made_s=MADE_S)


def test_the_history_counts_what_was_replayed(stored: Stored) -> None:
    history = audited(stored).history
    counts = {kind: sum(day.counts[kind] for day in history.days) for kind in stored.places}
    assert counts == {kind: len(places) for kind, places in stored.places.items()}
    assert sum(day.epochs for day in history.days) == len(stored.epochs)
    assert history.days[-1].tree_size == stored.size
    [civil] = history.issuers.values()
    months = civil.months.values()
    assert sum(month.credentials for month in months) == EPOCHS * CREDENTIALS
    assert sum(sum(month.changes.values()) for month in months) == EPOCHS
    assert {change for month in months for change in month.changes} == {(2, 4)}
    assert [dated.effect.action.subject for dated in civil.actions] == ["civil-1"]
    assert history.actions == civil.actions


def test_a_good_ledger_has_a_green_banner_and_a_page_for_each_issuer(stored: Stored) -> None:
    files = rendered(audited(stored))
    assert set(files) == {"index.html", "governance.html", "issuer-1.html"}
    index = Page(files["index.html"])
    assert ("section", {"class": "verdict green", "aria-label": "Verdict"}) in index.tags
    assert f"All {stored.size} entries were replayed" in index.text
    assert f"Attestations: {EPOCHS * CREDENTIALS}." in index.text
    issuer = Page(files["issuer-1.html"])
    assert f"{EPOCHS} suspended (contested)" in issuer.text
    assert "active since entry" in issuer.text
    assert "Admit civil-1 as an issuer" in Page(files["governance.html"]).text


def test_the_first_violation_is_shown_with_its_bytes(copy: Stored) -> None:
    index = copy.places["credential"][7]
    change_entry(copy.folder, index, flipped)
    bad = flipped(copy.ledger.entries[index])
    ledger = audited(copy)
    assert ledger.bad_entry == BadEntry(index, bad)
    files = rendered(ledger)
    assert files[f"entry-{index}.bin"] == bad
    page = Page(files["index.html"])
    assert ("section", {"class": "verdict red", "aria-label": "Verdict"}) in page.tags
    assert f"At entry {index}: " in page.text
    assert "bad_entry" in page.text
    violation = Page(files["violation.html"])
    assert all(line.replace("  ", " ") in violation.text for line in hex_dump(bad))
    assert "Credential of type sc:identity, signed by civil-1" in violation.text


def test_an_entry_that_cannot_be_read_is_shown_as_bytes(copy: Stored) -> None:
    index = copy.places["credential"][0]
    change_entry(copy.folder, index, lambda entry: b"\xff" + entry[1:])
    violation = Page(rendered(audited(copy))["violation.html"])
    assert "It cannot be read: " in violation.text
    assert "0000 ff" in violation.text


def test_a_ledger_without_witnesses_is_amber(stored: Stored, tmp_path: Path) -> None:
    folder = write_ledger(tmp_path / "bare", stored.ledger, stored.epochs)
    page = Page(rendered(audited(replace(stored, folder=folder)))["index.html"])
    assert ("section", {"class": "verdict amber", "aria-label": "Verdict"}) in page.tags
    assert "nobody but the ledger vouches" in page.text


def test_hostile_titles_stay_text_and_no_page_runs_or_loads_anything(tmp_path: Path) -> None:
    ledger = RecordingLedger()
    ledger.admit(title=HOSTILE.replace("\u202e", ""))
    folder = write_ledger(tmp_path / "ledger", ledger, ledger.__dict__["epochs"])
    files = rendered(audited(Stored(folder, ledger, [], {})))
    assert HOSTILE.replace("\u202e", "") in Page(files["issuer-1.html"]).text
    for data in files.values():
        page = Page(data)
        assert not {"script", "iframe", "object", "img", "form"} & {tag for tag, _ in page.tags}
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        [policy] = [
            attributes["content"]
            for tag, attributes in page.tags
            if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        links = [attributes["href"] for tag, attributes in page.tags if "href" in attributes]
        inside = {"data:,", "#main", "./", *files}
        assert {link for link in links if link is not None} <= inside
        assert not re.search(r"https?://|url\(|@import", data.decode())


def test_many_days_become_months_and_the_line_of_the_drawing_stays_short() -> None:
    days = [
        Day(f"20{26 + month // 12}-{month % 12 + 1:02}-{day + 1:02}", (month * 28 + day) * 86_400_000)
        for month in range(40)
        for day in range(28)
    ]
    for number, day in enumerate(days, start=1):
        day.last_ms, day.epochs, day.tree_size = day.first_ms + 1000, 2, 16 * number
        day.counts["credential"] = 3
    assert len(days) > MOST_DAYS
    rows = time_line(days)
    assert [row["name"] for row in (rows[-1], rows[0])] == ["2026-01", "2029-04"]
    assert (rows[0]["epochs"], rows[0]["credential"], rows[0]["tree_size"]) == (56, 84, 16 * len(days))
    assert [row["name"] for row in time_line(days[:3])] == ["2026-01-03", "2026-01-02", "2026-01-01"]
    points = chart_points(days).split(" ")
    assert len(points) <= 366
    assert points[-1] == "600.0,0.0"
    assert chart_points(days[:1]) == ""


def test_the_folder_is_written_whole_or_not_at_all(stored: Stored, tmp_path: Path) -> None:
    ledger = audited(stored)
    folder = tmp_path / "new" / "report"
    assert write_report(folder, ledger, made_s=MADE_S).read_bytes() == rendered(ledger)["index.html"]
    assert {path.name for path in folder.parent.iterdir()} == {"report"}
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(LedgerError) as refusal:
        write_report(folder, ledger, made_s=MADE_S + 1)
    assert refusal.value.code == "bad_input"
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_command_writes_the_report_and_refuses_a_full_folder_before_it_begins(
    copy: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pin = tmp_path / "pin.json"
    pin.write_bytes(format_pin(copy.pin))
    folder = tmp_path / "report"
    arguments = ["audit", str(copy.folder), "--pin", str(pin), "--jobs", "1", "--report", str(folder)]
    monkeypatch.setattr(sys, "argv", ["sc-ledger", *arguments])
    assert _run() == 0
    assert (folder / "index.html").is_file()
    assert "CONSISTENT" in capsys.readouterr().out
    assert _run() == 1
    captured = capsys.readouterr()
    assert "bad_input" in captured.err
    assert "CONSISTENT" not in captured.out


def test_the_report_of_a_fault_has_the_evidence_beside_it(
    copy: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = copy.places["credential"][7]
    change_entry(copy.folder, index, flipped)
    pin, folder = tmp_path / "pin.json", tmp_path / "report"
    pin.write_bytes(format_pin(copy.pin))
    arguments = ["audit", str(copy.folder), "--pin", str(pin), "--jobs", "1", "--report", str(folder)]
    monkeypatch.setattr(sys, "argv", ["sc-ledger", *arguments])
    assert _run() == 3
    [evidence] = folder.glob("*.evidence")
    finding = check_evidence(evidence.read_bytes(), copy.pin)
    assert (finding.code, finding.index, finding.against) == ("bad_entry", index, "copy")
    assert f'href="{evidence.name}"' in (folder / "index.html").read_text()


def test_a_report_goes_with_no_saved_state(stored: Stored, tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as refusal:
        audit(str(stored.folder), stored.pin, state=tmp_path / "state", history=History())
    assert refusal.value.code == "usage"


def _run() -> int:
    try:
        return cli.main()
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("https://anna:secret@ledger.example/one?key=secret#secret", "https://ledger.example/one"),
        ("https://anna@ledger.example", "https://ledger.example"),
        ("http://ledger.example:8080/", "http://ledger.example:8080/"),
        ("/media/a@b/ledger?", "/media/a@b/ledger?"),
    ],
)
def test_the_pages_do_not_hand_on_what_opens_the_source(name: str, shown: str) -> None:
    assert shown_source(name) == shown
    report = AuditReport(
        code="ok", origin="ledger.example/one", tree_size=16, root="", index=None, rule="", detail="", counts={},
        epochs=1, issuers={}, last_time_ms=0, cosigned={}, cosigned_size=None, quorum=False, held=[],
        against_size=None, resumed_from=0,
    )  # fmt: skip
    pages = b"".join(render_report(AuditedLedger(name, report, History()), made_s=0).values())
    assert shown.encode() in pages
    assert b"secret" not in pages
    assert b"anna" not in pages


def test_what_was_held_and_what_holders_did_stand_with_the_issuer(tmp_path: Path) -> None:
    ledger = busy_ledger()
    folder = store_ledger(tmp_path / "busy", ledger.pin, ledger.history)
    history = History()
    report = audit(str(folder), ledger.pin, history=history, allow_uncosigned=True)
    assert report.ok
    assert set(history.issuers) == {"civil-1", "health-1"}
    months = history.issuers["civil-1"].months.values()
    assert sum((month.changes for month in months), Counter()) == {(2, 4): 5, (1, 3): 30}
    assert [sum(month.held for month in months), sum(month.by_holders for month in months)] == [30, 2]
    signed = Counter(
        statement.iss
        for statement in (parse_statement(entry) for entry in ledger.entries if not is_padding(entry))
        if statement.kind == "credential"
    )
    assert signed == {
        name: sum(month.credentials for month in issuer.months.values())
        for name, issuer in history.issuers.items()
    }
    page = Page(rendered(AuditedLedger("busy", report, history))["issuer-1.html"]).text
    assert "5 suspended (contested)" in page
    assert "30 withdrawn (withdrawn)" in page
