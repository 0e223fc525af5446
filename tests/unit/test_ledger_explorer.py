"""The explorer's pages: every claim is checked, nothing finds a person, no script, no other host."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core.holder import holder_signer
from ledger.audit.source import Source, open_source
from ledger.cli import main
from ledger.core.actions import Change, DistrustKey, Suspend
from ledger.core.calendar_days import month_of_seconds
from ledger.core.chain import chain_start, extend_chain
from ledger.core.claims import CredentialClaims
from ledger.core.merkle import leaf_hash, root_hash
from ledger.core.pin import LeastTree, Pin, format_pin
from ledger.core.statement import parse_statement, sign_credential, sign_statement
from ledger.core.status_change import HolderProof, StatusChange, StatusRow
from ledger.errors import LedgerError, StorageError
from ledger.explorer.copy import LedgerCopy
from ledger.explorer.pages import create_app
from ledger.explorer.query import REFUSAL, IssuerQuery, parse_query
from ledger.explorer.serving import LOOPBACK
from ledger.govern_files import words_of
from ledger.inspect import describe_entry
from tests.support.audited_ledgers import publish_stored
from tests.support.ledgers import TinyCard, signer
from tests.support.stored_ledgers import served, tampering, write_ledger
from tests.unit.test_ledger_audit import RecordingLedger, change_entry, change_tile, flipped
from tests.unit.test_verifier_api import Client
from tests.unit.test_verifier_pages import Page

TITLE = "<img src=x onerror=\"alert(1)\"> & 'Registry'"


class Explored:
    """A ledger with all kinds of entries, a gap in its time, and a directory that holds it."""

    def __init__(self, folder: Path, cards: int = 120) -> None:
        ledger = self.ledger = RecordingLedger()
        civil = self.civil = ledger.admit()
        consulate = ledger.admit("consulate-2", title=TITLE, authority="foreign")
        self.cards = [ledger.issue(civil) for _ in range(cards)]
        ledger.issue(consulate)
        ledger.close_epoch()
        ledger.change_status(civil, self.cards[0], 0, 1, 3)
        ledger.close_epoch(after_s=3 * 86_400 + 4 * 3_600)
        self.replace(self.cards[1])
        ledger.close_epoch()
        ledger.act("consulate-2", Suspend(), approvals=2)
        ledger.act("consulate-2", DistrustKey(signer("issuer consulate-2").public_key.kid, 32))
        ledger.act("civil-1", Change(title="Civil registry"), approvals=1)
        self.folder = write_ledger(folder / "ledger", ledger, self.epochs)
        self.cosign(self.folder)

    @property
    def epochs(self) -> Any:
        return self.ledger.__dict__["epochs"]

    @property
    def pin(self) -> Pin:
        return self.ledger.pin

    @property
    def size(self) -> int:
        return self.ledger.tree_size

    def replace(self, card: TinyCard) -> None:
        claims, index = card.issued.claims, card.index
        row = StatusRow(claims.idx, 0, 3, 1, month_of_seconds(self.ledger.now_s))
        body = StatusChange(
            claims.uri, 0, (row,), HolderProof(index, self.ledger.path(index), card.issued.entry)
        )
        self.ledger.submit(
            sign_statement(
                "status", claims.sub, claims.uri, body, holder_signer(card.secret, claims.iss, claims.sub)
            )
        )

    def cosign(self, folder: Path, witnesses: Sequence[int | None] | None = None) -> None:
        note = self.ledger.checkpoint(witness_times=witnesses)
        lines = "".join(line + "\n" for line in note.splitlines() if "witness-" in line)
        with tampering(folder) as database:
            database.execute("UPDATE checkpoints SET cosignatures = ? WHERE size = ?", (lines, self.size))

    def index_of(self, kind: str, which: int = 0) -> int:
        return [
            i for i, e in enumerate(self.ledger.entries) if e != b"\xf6" and parse_statement(e).kind == kind
        ][which]


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Explored:
    return Explored(tmp_path_factory.mktemp("explorer"))


@pytest.fixture
def folder(explored: Explored, tmp_path: Path) -> Path:
    return Path(shutil.copytree(explored.folder, tmp_path / "copy"))


class Browser(Client):
    """Calls the pages of a copy, which it reads first."""

    def __init__(self, copy: LedgerCopy, other: LedgerCopy | None = None, **options: Any) -> None:
        super().__init__(create_app(copy, other, **options))
        self.copy = copy

    def page(self, path: str, status: int = 200) -> Page:
        answer = self.get(path)
        assert answer.status_code == status, answer.text
        return Page(answer.text)

    def search(self, text: str) -> httpx.Response:
        return self.post("/search", data={"what": text})


def read(source: str | Path | Source, pin: Pin) -> LedgerCopy:
    opened = open_source(str(source)) if isinstance(source, str | Path) else source
    copy = LedgerCopy("a copy", opened, pin)
    copy.read()
    return copy


def browse(source: str | Path, pin: Pin) -> Browser:
    return Browser(read(source, pin))


def crawl(browser: Browser) -> dict[str, str]:
    """Every page that links lead to, by path."""
    seen: dict[str, str] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        answer = browser.get(path)
        assert answer.status_code == 200, path
        seen[path] = answer.text
        for attributes in Page(answer.text).all("a"):
            link = urljoin(path, attributes["href"] or "").split("#")[0]
            waiting.append(link)
    return seen


# -- a copy that holds together -------------------------------------------------------------------------


def test_the_overview_says_what_the_copy_is_and_what_was_checked(explored: Explored) -> None:
    browser = browse(explored.folder, explored.pin)
    assert (browser.copy.faults, browser.copy.is_sound) == ([], True)
    page = browser.page("/")
    for said in (
        explored.pin.origin,
        words_of(explored.pin.charter_hash),
        explored.pin.charter_hash.hex(),
        root_hash(explored.ledger.leaves).hex(),
        f"{explored.size}, from",
        "121 credential, 2 status, 9 seal",
        "Asked for: 2 of w1, w2",
        "witness-2.example",
        "What is checked here holds.",
    ):
        assert said in page.text, said
    assert page.text.count("Holds") == 6
    assert "Does not hold" not in page.text


def test_the_governance_is_that_of_the_ledger(explored: Explored) -> None:
    ours = read(explored.folder, explored.pin).fold.governance
    assert ours is not None
    theirs = explored.ledger.registry.governance
    assert ours.format_governance() == theirs.format_governance()
    assert ours.format_proposals() == theirs.format_proposals()
    assert ours.effects == theirs.effects


def test_every_entry_is_proven_signed_and_in_the_chain(explored: Explored) -> None:
    copy = read(explored.folder, explored.pin)
    chain = extend_chain(chain_start(explored.pin.origin), explored.ledger.leaves)
    for index in range(explored.size):
        report = copy.entry(index)
        assert (report.inclusion, report.signature, report.faults) == (None, None, [])
        assert (report.entry, report.leaf) == (explored.ledger.entries[index], explored.ledger.leaves[index])
        assert report.chain == report.stored_chain == chain[index]
        assert report.steps[-1].node == root_hash(explored.ledger.leaves)
        assert report.epoch is not None
        assert report.epoch.first <= index < report.epoch.end


@pytest.mark.parametrize("kind", ["charter", "accept", "govern", "credential", "status", "seal"])
def test_an_entry_is_shown_in_words_bytes_and_steps(explored: Explored, kind: str) -> None:
    index = explored.index_of(kind)
    entry = explored.ledger.entries[index]
    text = browse(explored.folder, explored.pin).get(f"/entries/{index}").text
    page = Page(text)
    for line in describe_entry(entry):
        assert " ".join(line.split()) in page.text, line
    assert f"Entry {index}: {kind}" in page.text
    assert "Proven" in page.text
    assert "Signed" in page.text
    assert "the proof verifies" in page.text
    shut = " ".join(page.shut)
    assert entry.hex() in shut.replace(" ", "")
    assert "18([" in shut
    links = {attributes["href"] for attributes in page.all("a")}
    assert {f"../entries/{index + 1}"} <= links
    assert (f"../entries/{index - 1}" in links) == (index > 0)


def test_an_issuer_is_shown_with_admission_keys_and_statements(explored: Explored) -> None:
    browser = browse(explored.folder, explored.pin)
    page = browser.page("/issuers/consulate-2")
    for said in (
        TITLE,
        "Issuer 2: consulate-2, suspended",
        "distrusted; what it signed from entry 32",
        "admitted at",
    ):
        assert said in page.text, said
    assert "governor-1" in page.text
    civil = browser.page("/issuers/civil-1")
    assert "Its 122 statements" in civil.text
    assert "Page 1 of 3" in civil.text
    last = browser.page("/issuers/civil-1/pages/3")
    # The holder's own replacement stands on a list of this issuer.
    replaced = explored.index_of("status", 1)
    assert f"../../../entries/{replaced}" in {attributes["href"] for attributes in last.all("a")}
    browser.page("/issuers/civil-1/pages/4", 404)
    browser.page("/issuers/civil-1/pages/0", 404)
    browser.page("/issuers/nobody", 404)


def test_a_credential_of_a_distrusted_key_is_under_review(explored: Explored) -> None:
    browser = browse(explored.folder, explored.pin)
    for index in (explored.index_of("credential", which) for which in range(121)):
        statement = parse_statement(explored.ledger.entries[index])
        if statement.iss == "consulate-2" or index % 40 == 0:
            page = browser.page(f"/entries/{index}")
            assert ("key_distrusted" in page.text) == (statement.iss == "consulate-2")
            assert "Signed" in page.text


def test_the_history_of_the_governance_is_in_order_with_approvals(explored: Explored) -> None:
    page = browse(explored.folder, explored.pin).page("/governance")
    actions = [
        "Admit civil-1",
        "Admit consulate-2",
        "Suspend consulate-2",
        "Distrust the key",
        "title becomes",
    ]
    places = [page.text.index(action) for action in actions]
    assert places == sorted(places)
    assert "Approved so far by governor-1" in page.text
    assert "4 actions in effect" in page.text


def test_the_time_line_shows_gaps_and_who_confirmed_which_head(explored: Explored) -> None:
    page = browse(explored.folder, explored.pin).page("/epochs")
    assert page.text.count("Gap:") == 1
    assert "nothing for 3 days 4 hours" in page.text
    assert page.text.count("No quorum") == 8
    assert "2 of 2 witnesses cosigned" in page.text
    assert "121 credential" in page.text


def test_a_source_with_its_newest_head_only_is_shown_as_such(explored: Explored) -> None:
    with served(explored.folder) as url:
        browser = browse(url, explored.pin)
        assert browser.copy.faults == []
        assert "This source shows its newest head only" in browser.page("/epochs").text
        assert "this copy stores none" in browser.page("/entries/50").text


# -- no script, no other host, no harm from a text ------------------------------------------------------


def test_no_page_runs_a_script_names_another_host_or_has_a_query(explored: Explored) -> None:
    copy = read(explored.folder, explored.pin)
    pages = crawl(Browser(copy, copy))
    assert {"/", "/search", "/issuers", "/governance", "/epochs", "/compare", "/entries/0"} <= set(pages)
    assert len(pages) >= explored.size
    for path, text in pages.items():
        assert not re.search(r"https?:|url\(|@import|<script|<img|<iframe|\sstyle=|javascript:", text), path
        page = Page(text)
        for _, attributes in page.tags:
            assert not any(name.startswith("on") for name in attributes), path
        for link in page.all("a") + page.all("link") + page.all("form"):
            target = link.get("href") or link.get("action") or ""
            assert "?" not in target, path
            assert target == "data:," or not re.match(r"[a-z]+:|//", target), path
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        assert len(page.all("h1")) == 1, path
        assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(ids), path


@pytest.mark.parametrize(
    "path", ["/", "/search", "/entries/3", "/style.css", "/explorer.css", "/nothing", "/entries/x"]
)
def test_every_answer_forbids_what_no_page_needs(explored: Explored, path: str) -> None:
    answer = browse(explored.folder, explored.pin).get(path)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"url\(|@import", answer.text)


def test_marks_of_direction_and_markup_in_an_entry_are_written_out(explored: Explored, folder: Path) -> None:
    index = explored.index_of("credential")
    claims: CredentialClaims = parse_statement(explored.ledger.entries[index]).body
    hostile = sign_credential(claims._replace(vct="\u202esc:<b>x</b>\u2066\x07"), explored.civil.signer)
    change_entry(folder, index, lambda _: hostile)
    text = browse(folder, explored.pin).get(f"/entries/{index}").text
    assert "\\u{202e}sc:&lt;b&gt;x&lt;/b&gt;\\u{2066}\\u{7}" in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x07]|<b>", text)
    assert "Not proven" in text


def test_another_site_cannot_read_the_pages_under_its_own_name(explored: Explored) -> None:
    copy = read(explored.folder, explored.pin)
    assert Browser(copy, allowed_hosts=LOOPBACK).get("/").status_code == 400
    assert Browser(copy, allowed_hosts=LOOPBACK | {"station"}).get("/").status_code == 200


# -- search ---------------------------------------------------------------------------------------------


def test_an_entry_a_statement_and_an_issuer_are_found(explored: Explored) -> None:
    browser = browse(explored.folder, explored.pin)
    for kind in ("charter", "credential", "status", "seal"):
        index = explored.index_of(kind, -1)
        identity = parse_statement(explored.ledger.entries[index]).statement_id.hex()
        for asked in (str(index), identity, f" {identity.upper()} "):
            answer = browser.search(asked)
            assert (answer.status_code, answer.headers["location"]) == (303, f"entries/{index}")
    assert browser.search("consulate-2").headers["location"] == "issuers/consulate-2"


def test_nobody_is_found_and_what_was_typed_is_not_repeated(explored: Explored) -> None:
    browser = browse(explored.folder, explored.pin)
    card = explored.cards[5]
    claims = card.issued.claims
    place = f"{claims.uri}/{claims.idx}"
    front, key = card.front(), claims.cnf.hex()
    for asked in (
        *(card.sub, front, front[:180], "Selam Tesfaye", "selam", place, claims.uri, key[:40]),
        *("", "12 3", "-1", "\u202ename", "civil-1 x"),
    ):
        answer = browser.search(asked)
        assert answer.status_code in (400, 413), asked
        assert REFUSAL in unescape(answer.text) or answer.status_code == 413
        assert "location" not in answer.headers
        assert len(asked) < 4 or asked not in unescape(answer.text)
    for asked in (str(explored.size), "9" * 16, "ab" * 32, claims.cnf.hex(), claims.digests[0].hex()):
        answer = browser.search(asked)
        assert answer.status_code == 404
        assert asked not in answer.text


def test_a_query_in_an_address_is_not_looked_at(explored: Explored) -> None:
    browser = browse(explored.folder, explored.pin)
    answer = browser.get("/search?what=40")
    assert answer.status_code == 200
    assert answer.text == browser.get("/search").text
    assert browser.get("/entries/civil-1").status_code == 404
    assert "Selam" not in browser.get("/entries/Selam").text
    refused = browser.post("/search", content=b"what=40", headers={"Content-Type": "text/plain"})
    assert refused.status_code == 400
    assert browser.search("x" * 5_000).status_code == 413


@given(st.text(max_size=260))
def test_whatever_is_typed_is_one_of_three_things_or_refused_without_a_trace(text: str) -> None:
    try:
        query = parse_query(text, ("civil-1",))
    except LedgerError as error:
        assert (error.code, error.detail, error.field) == ("bad_input", REFUSAL, "search")
    else:
        asked = text.strip()
        assert query in (IssuerQuery("civil-1"),) or re.fullmatch("[0-9]{1,16}|[0-9A-Fa-f]{64}", asked)


def test_the_command_serves_on_loopback_and_logs_nothing_of_a_search(
    explored: Explored, tmp_path: Path
) -> None:
    pin = tmp_path / "pin.json"
    pin.write_bytes(format_pin(explored.pin))
    code = "import sys; from ledger.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "explore", str(explored.folder), "--pin", str(pin), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = ""
        while "http://" not in said:
            line = process.stdout.readline()
            assert line, process.communicate()
            said += line
        url = said.split()[-1]
        assert url.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=url) as client:
            assert client.post("/search", data={"what": "Selam Tesfaye"}).status_code == 400
            assert client.get("/entries/77").status_code == 200
    finally:
        process.terminate()
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert not re.search("Selam|77|search", said.replace(url, "") + out + err)


def test_the_command_says_what_it_cannot_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = tmp_path / "pin.json"
    pin.write_bytes(format_pin(Pin("ledger.example/x", bytes(32))))
    monkeypatch.setattr(
        sys, "argv", ["sc-ledger", "explore", str(tmp_path), "--pin", str(pin), "--port", "0"]
    )
    assert main() == 1


# -- copies that do not hold together -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["credential", "status", "seal", "govern", "accept", "charter"])
@pytest.mark.parametrize("place", [-1, 40])
def test_a_changed_entry_is_shown_as_such_with_its_code(
    explored: Explored, folder: Path, kind: str, place: int
) -> None:
    index = explored.index_of(kind)
    change_entry(folder, index, lambda entry: flipped(entry, place))
    browser = browse(folder, explored.pin)
    first = browser.copy.faults[0]
    assert (first.code, first.index) == ("bad_entry", index)
    assert not browser.copy.is_sound
    overview = browser.page("/")
    assert "This copy does not hold together." in overview.text
    assert f"Entry {index}" in overview.text
    page = browser.page(f"/entries/{index}")
    assert "Not proven" in page.text
    assert "bad_entry" in page.text
    assert "Not the same" in page.text
    # The others are what they were.
    assert "Proven" in browser.page(f"/entries/{explored.size - 2}").text


def test_one_changed_credential_is_one_fault(explored: Explored, folder: Path) -> None:
    index = explored.index_of("credential", 20)
    change_entry(folder, index, flipped)
    copy = read(folder, explored.pin)
    assert [(fault.code, fault.index) for fault in copy.faults] == [("bad_entry", index)]
    assert copy.head is not None
    assert copy.head.has_quorum
    assert not copy.root_matches
    report = copy.entry(index)
    assert report.signature is not None
    assert report.signature.code == "bad_signature"
    assert copy.entry(index + 1).chain == copy.entry(index + 1).stored_chain


def test_a_changed_tile_is_not_the_fault_of_its_entry(explored: Explored, folder: Path) -> None:
    change_tile(folder, 0, 0, 70)
    copy = read(folder, explored.pin)
    assert [(fault.code, fault.index) for fault in copy.faults] == [("bad_tile", 70)]
    assert copy.entry(70).inclusion is None
    beside = copy.entry(71).inclusion
    assert beside is not None
    assert beside.code == "bad_entry"


def test_a_changed_chain_value_is_named_once(explored: Explored, folder: Path) -> None:
    with tampering(folder) as database:
        database.execute("UPDATE entries SET chain = ? WHERE leaf_index = 60", (bytes(32),))
    browser = browse(folder, explored.pin)
    assert [(fault.code, fault.index) for fault in browser.copy.faults] == [("bad_chain", 60)]
    assert "The stored value is another one." in browser.page("/entries/60").text


def test_an_entry_that_is_not_there_does_not_hide_the_others(explored: Explored, folder: Path) -> None:
    with tampering(folder) as database:
        database.execute("DELETE FROM entries WHERE leaf_index IN (60, 61)")
    browser = browse(folder, explored.pin)
    assert [(fault.code, fault.index) for fault in browser.copy.faults] == [
        ("bad_entry", 60),
        ("bad_entry", 61),
    ]
    assert "This copy does not have this entry." in browser.page("/entries/60").text
    assert "Proven" in browser.page("/entries/62").text
    assert browser.copy.index.kind(61) == "missing"


def test_a_head_that_the_log_did_not_sign_is_shown_as_such(explored: Explored, folder: Path) -> None:
    with tampering(folder) as database:
        query = "SELECT note FROM checkpoints WHERE size = ?"
        (note,) = database.execute(query, (explored.size,)).fetchone()
        lines = note.rstrip("\n").split("\n")
        lines[-1], lines[-2] = lines[-2], lines[-1][:-8] + "AAAAAAA="
        database.execute(
            "UPDATE checkpoints SET note = ? WHERE size = ?", ("\n".join(lines) + "\n", explored.size)
        )
    page = browse(folder, explored.pin).page("/")
    assert "Both keys of the log signed the head bad_checkpoint" in page.text
    assert "not_cosigned" in page.text


def test_a_copy_of_another_ledger_is_shown_as_such(explored: Explored) -> None:
    browser = browse(explored.folder, replace(explored.pin, charter_hash=bytes(32)))
    assert browser.copy.faults[0].code == "bad_rule"
    assert "this is another ledger" in browser.page("/").text
    assert "the head itself does not hold" in browser.page("/entries/50").text
    other = browse(explored.folder, replace(explored.pin, origin="ledger.example/other"))
    assert other.copy.faults[0].detail == "the head is of another ledger than the pinned one"


def test_a_head_without_a_quorum_is_not_called_good(explored: Explored, folder: Path) -> None:
    explored.cosign(folder, [None, explored.ledger.now_s])
    browser = browse(folder, explored.pin)
    assert browser.copy.fault_count == 0
    page = browser.page("/")
    assert "No quorum." in page.text
    assert "not_cosigned" in page.text
    assert "No cosignature on this head." in page.text


def test_a_copy_that_is_shorter_than_the_pin_knows_is_shown_as_such(explored: Explored) -> None:
    good = LeastTree(48, root_hash(explored.ledger.leaves[:48]))
    assert read(explored.folder, replace(explored.pin, least=good)).faults == []
    for least in (replace(good, root=bytes(32)), replace(good, size=explored.size + 16)):
        [fault] = read(explored.folder, replace(explored.pin, least=least)).faults
        assert fault.code == "inconsistent"


def test_a_head_that_is_missing_or_another_is_seen_in_the_time_line(explored: Explored, folder: Path) -> None:
    with tampering(folder) as database:
        database.execute("DELETE FROM checkpoints WHERE size = 32")
        (note,) = database.execute("SELECT note FROM checkpoints WHERE size = 16").fetchone()
        database.execute("UPDATE checkpoints SET note = ? WHERE size = 48", (note,))
    page = browse(folder, explored.pin).page("/epochs")
    assert "has none for this epoch" in page.text
    assert page.text.count("Does not hold") == 1


def test_full_tiles_are_read_where_the_partial_ones_were_taken_away(
    explored: Explored, tmp_path: Path
) -> None:
    with tampering(explored.folder) as database:
        [(note,)] = database.execute("SELECT note FROM checkpoints WHERE size = 240").fetchall()
    published = publish_stored(explored.folder, tmp_path / "published")
    (published / "checkpoint").write_text(note, encoding="utf-8")
    assert not (published / "tile/0/000.p").exists()
    copy = read(published, explored.pin)
    assert (copy.size, copy.faults, copy.root_matches) == (240, [], True)
    assert copy.entry(239).inclusion is None


def test_an_outside_failure_is_not_the_fault_of_the_copy(
    explored: Explored, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = read(explored.folder, explored.pin)
    browser = Browser(copy)

    def unreachable(*_: object) -> Any:
        raise StorageError("the service cannot be reached", code="not_reachable")

    monkeypatch.setattr(copy.reader._source, "entries", unreachable)
    page = browser.page("/entries/3", 503)
    assert "not_reachable" in page.text
    assert "bad_" not in page.text
    with pytest.raises(StorageError):
        copy.read()


# -- ledgers that lie consistently: tree, tiles, chain and head fit what the entries say -------------------


def rewritten(explored: Explored, folder: Path, index: int, change: Callable[[bytes], bytes]) -> Path:
    """The ledger stored with one entry changed, and everything else made to fit by who has the log's keys."""
    epochs, first = [], 0
    for entries, time_ms in explored.epochs:
        place = index - first
        inside = 0 <= place < len(entries)
        epochs.append(([change(e) if inside and at == place else e for at, e in enumerate(entries)], time_ms))
        first += len(entries)
    return write_ledger(folder, explored.ledger, epochs)


def faults_of(folder: Path, pin: Pin) -> list[tuple[str, int | None]]:
    return [(fault.code, fault.index) for fault in read(folder, pin).faults]


def test_a_seal_that_does_not_cover_what_is_before_it_is_named(explored: Explored, tmp_path: Path) -> None:
    index = explored.index_of("credential", 3)
    folder = rewritten(explored, tmp_path / "lie", index, flipped)
    seals = [
        index for index in range(explored.size) if read(folder, explored.pin).index.kind(index) == "seal"
    ]
    assert faults_of(folder, explored.pin) == [("bad_seal", seal) for seal in seals if seal > index]


@pytest.mark.parametrize(("kind", "which", "code"), [("govern", 1, "bad_rule"), ("accept", 1, "bad_entry")])
def test_an_approval_that_no_governor_signed_does_not_count(
    explored: Explored, tmp_path: Path, kind: str, which: int, code: str
) -> None:
    index = explored.index_of(kind, which)
    folder = rewritten(explored, tmp_path / "lie", index, flipped)
    assert (code, index) in faults_of(folder, explored.pin)
    governance = read(folder, explored.pin).fold.governance
    assert governance is not None
    assert ("civil-1" in governance.issuers) == (kind == "accept")


def test_a_charter_that_its_own_key_did_not_sign_is_named(explored: Explored, tmp_path: Path) -> None:
    folder = rewritten(explored, tmp_path / "lie", 0, flipped)
    pin = Pin(explored.pin.origin, leaf_hash(flipped(explored.ledger.entries[0])))
    details = [fault.detail for fault in read(folder, pin).faults if fault.index == 0]
    assert "the signature does not verify (bad_signature)" in " ".join(details).lower()


def test_a_distrust_from_long_ago_needs_all_governors_but_one_and_a_late_one_does_not(tmp_path: Path) -> None:
    ledger = RecordingLedger(governors=5, threshold=3)
    ledger.admit()
    ledger.act("civil-1", DistrustKey(signer("issuer civil-1").public_key.kid, 0), approvals=3)
    ledger.admit("consulate-2")
    ledger.time_ms += 40 * 86_400_000
    ledger.issue(ledger.admit("embassy-3"))
    ledger.close_epoch()
    ledger.act("consulate-2", DistrustKey(signer("issuer consulate-2").public_key.kid, 16), approvals=4)
    folder = write_ledger(tmp_path / "ledger", ledger, ledger.__dict__["epochs"])
    copy = read(folder, ledger.pin)
    assert copy.faults == []
    assert copy.fold.governance is not None
    assert copy.fold.governance.effects == ledger.registry.effects


def test_chain_values_that_follow_from_a_wrong_one_are_named_once(explored: Explored, folder: Path) -> None:
    values = extend_chain(bytes(32), explored.ledger.leaves[60:])
    with tampering(folder) as database:
        rows = [(value, index) for index, value in enumerate(values, 60)]
        database.executemany("UPDATE entries SET chain = ? WHERE leaf_index = ?", rows)
    assert faults_of(folder, explored.pin) == [("bad_chain", 60)]
