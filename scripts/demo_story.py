"""The demonstration: attest, register, print, scan offline, be robbed, recover, be audited.

`main` tells the story step by step and leaves its files in a folder: `ledger/`, `cards/*.png`, `cards/*.pdf`,
`bundle.cbor`, `pin.json`, `report.json` and a tampered copy of the ledger. Without `--once` it then serves
the pages of the ledger and of the station until Ctrl-C.

    python scripts/demo --once --out demo-out
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvicorn
from rich.console import Console
from rich.rule import Rule

from credential.core.card import format_front
from credential.core.case_file import open_case
from credential.core.issue import Companion
from issuer.cards import make_words_sheet, print_card, write_prints
from issuer.claims import claims_of
from issuer.desk import Desk, Issued
from issuer.person import parse_person
from ledger.api import create_app as create_ledger_app
from ledger.audit import AuditReport, audit
from ledger.core.actions import AddKey, DistrustKey
from ledger.errors import CodedError
from ledger.store.engine import DATABASE_NAME
from scripts.demo_ground import Attestor, Ground, SteppedClock, distrusted_kid, new_signer
from scripts.demo_people import chapter_companion, chapter_ministry, chapter_survivor
from verifier.api import create_app as create_station_app
from verifier.core.trust import open_bundle
from verifier.core.verdict import judge
from verifier.core.wording import tell
from verifier.images import read_codes
from verifier.report import Report, scan
from verifier.screen import show_report
from verifier.station import Station
from verifier.words import load_wording

PERSONS: Final = Path(__file__).resolve().parent.parent / "tests" / "data" / "persons"
PORTS: Final = (8440, 8441)
DAY_S: Final = 86_400
THREE_YEARS_S: Final = 3 * 365 * DAY_S


class Story:
    """One telling of the story; each method is one chapter."""

    def __init__(self, out: Path, console: Console) -> None:
        self.out = out
        self.console = console
        self.clock = SteppedClock(int(time.time() * 1000))
        self.ground = Ground(out, self.clock)
        self.cards = out / "cards"
        self.cards.mkdir(parents=True)
        self.words = load_wording()
        self.persons = PERSONS
        self.results: dict[str, Any] = {}
        self._step = 0

    def tell(self) -> None:
        """Tell all chapters and write the report."""
        self.clock.go_to(-25)
        self.civil, consulate, stolen = self.chapter_founding()
        desk = self.ground.desk(self.civil)
        self.clock.go_to(-24)
        self.chapter_first_cards(desk)
        self.clock.go_to(-19)
        old_list = self.chapter_station(desk)
        self.clock.go_to(-12)
        self.chapter_theft(consulate, stolen)
        for chapter in (chapter_companion, chapter_survivor, chapter_ministry):
            chapter(self)
        self.clock.go_to(0)
        self.chapter_today(desk, old_list)
        self.ground.close()
        self.chapter_audit()
        report = {
            "origin": self.ground.pin.origin,
            "charter": self.ground.pin.charter_hash.hex(),
            **self.results,
        }
        (self.out / "report.json").write_text(
            json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8"
        )

    # -- chapters ---------------------------------------------------------------------------------------

    def chapter_founding(self) -> tuple[Attestor, Attestor, Desk]:
        """Found the ledger and admit two issuers."""
        self.title(
            "A ledger is founded", "5 governors, 3 needed; 2 witnesses, one of them replays every rule"
        )
        self.ground.found()
        self.say(f"identity of the ledger: {self.ground.pin.charter_hash.hex()}")
        civil = self.ground.admit("civil-1", "Civil Registry of Examplia", ["sc:identity", "sc:companion"])
        consulate = self.ground.admit("consul-7", "Consulate in Port Sample", ["sc:identity"])
        self.say("3 of 5 governors approved each: Civil Registry of Examplia, Consulate in Port Sample")
        return civil, consulate, self.ground.desk(consulate, name="thief")

    def chapter_first_cards(self, desk: Desk) -> None:
        """Attest three people and print their cards."""
        self.title(
            "People are attested",
            "a name in Arabic, a birth year that is all she knows, one word in Ethiopic",
        )
        for record in ("p03", "p39", "p06"):
            # The bearer of p03 wants the name on the card; the others do not.
            card = self.issue(desk, record, print_files=True, print_name=record == "p03")
            self.say(
                f"{record}: index {card['index']} on the ledger, {card['bytes']} bytes in the front code"
            )
        self.say(f"cards, slips and word sheets: {self.cards}")

    def chapter_station(self, desk: Desk) -> bytes:
        """A station fetches its list and will not for 19 days."""
        self.title("A border hut fetches its list", "and has no network for the next 19 days")
        self.issue(desk, "p33")
        data = self.ground.bundle()
        trusted = open_bundle(data, self.ground.pin)
        self.say(f"{len(data):,} bytes for {trusted.tree_size} entries, {len(trusted.issuers)} issuers")
        return data

    def chapter_theft(self, consulate: Attestor, thief: Desk) -> None:
        """S5: a stolen issuer key, told with the days of the story."""
        self.title("A consulate's key is stolen", "honest holders keep valid papers")
        honest = self.ground.desk(consulate)
        before = self.issue(honest, "p22")
        self.say("the consulate attests one person; nothing is wrong yet")
        self.on_day(-10, "the key is stolen; nobody notices")
        theft_index = self.ground.tree_size
        self.on_day(-9, "the thief registers a card; so, honestly, does the consulate")
        forged, same_day = self.issue(thief, "p36"), self.issue(honest, "p18")
        self.on_day(-8, "the theft is reported")
        key = consulate.signer.public_key
        fresh = new_signer()
        self.ground.decide(consulate.issuer_id, DistrustKey(key.kid, theft_index), AddKey(fresh.public_key))
        self.say(f"3 governors distrust key {distrusted_kid(key)} from index {theft_index} and add a new one")
        self.refused("the thief signs once more", thief, "p37")
        self.check("card of before the theft", before["front"], "confirmed")
        self.check("the thief's card", forged["front"], "suspended")
        self.check("an honest card of the same day", same_day["front"], "suspended")
        self.on_day(-7, "the consulate affirms what it signed itself")
        renewed = self.ground.desk(consulate, fresh)
        renewed.change_status(renewed.place_of(same_day["case_file"]), "affirmed")
        self.check("the honest card, affirmed by the new key", same_day["front"], "confirmed")
        self.check("the thief's card still", forged["front"], "suspended")

    def chapter_today(self, desk: Desk, old_list: bytes) -> None:
        """Print one more card, scan pictures offline with the new list and with the old one."""
        self.title("Today", "scanning pictures of the cards, with the network off")
        self.issue(desk, "p59", print_files=True)
        (self.out / "bundle.cbor").write_bytes(self.ground.bundle())
        station = Station(self.out / "station")
        station.set_pin(self.ground.pin)
        station.import_bundle((self.out / "bundle.cbor").read_bytes())
        fronts = sorted(self.cards.glob("*-front.png"))
        for picture in fronts:
            self.scan_picture(
                "today's list", picture, (self.out / "bundle.cbor").read_bytes(), self.clock.now_s()
            )
        self.say("")
        self.say("The hut of 19 days ago, its clock three years behind:")
        self.scan_picture("old list", self.cards / self.results["p03"]["front_png"], old_list,
                          self.clock.now_s() - THREE_YEARS_S, show=True)  # fmt: skip
        self.say("")
        self.say("A young woman who says eighteen, with a year-only record:")
        self.scan_picture("year-only", self.cards / self.results["p39"]["front_png"],
                          (self.out / "bundle.cbor").read_bytes(), self.clock.now_s(), show=True)  # fmt: skip

    def chapter_audit(self) -> None:
        """Replay the chain; change one byte in a copy; replay that."""
        self.title("An auditor replays the whole chain", "and trusts nobody")
        report = audit(str(self.ground.data_dir), self.ground.pin)
        self.results["audit"] = report.to_dict()
        self.say(_audit_line(report))
        index = self.results["p03"]["index"]
        tampered = tamper(self.ground.data_dir, self.out / "tampered", index)
        self.say(f"somebody changes one byte of entry {index} in a copy: {tampered}")
        found = audit(str(tampered), self.ground.pin)
        self.results["audit_of_tampered_copy"] = found.to_dict()
        self.say(_audit_line(found))
        if not report.ok or found.index != index:
            raise RuntimeError("the audit did not say what it should")

    # -- what chapters are made of ----------------------------------------------------------------------

    def issue(
        self,
        desk: Desk,
        record: str,
        *,
        print_files: bool = False,
        print_name: bool = False,
        secret: bytes | None = None,
        companion: Companion | None = None,
    ) -> dict[str, Any]:
        """Issue a card for a record of the test data, and print it if asked."""
        person = parse_person((PERSONS / f"{record}.json").read_bytes())
        vct = "sc:identity" if companion is None else "sc:companion"
        issued: Issued = desk.issue_person(claims_of(person, PERSONS, companion), secret, vct)
        case = open_case(issued.case_file, issued.secret)
        front = format_front(case.logged())
        card: dict[str, Any] = {"index": case.index, "front": front, "case_file": issued.case_file}
        card["sub"], card["secret"] = issued.sub, issued.secret
        card["bytes"] = (len(front) - 4) * 2 // 3
        if print_files:
            created = datetime.fromtimestamp(self.clock.now_s() // DAY_S * DAY_S, UTC)
            prints = print_card(
                case, issued.secret, random_bytes=secrets.token_bytes, created=created, print_name=print_name
            )
            write_prints(self.cards, record, prints)
            (self.cards / f"{record}-words.pdf").write_bytes(make_words_sheet(issued.secret, created=created))
            self.results[record] = {
                "index": case.index,
                "front_png": f"{record}-front.png",
                "front_bytes": card["bytes"],
            }
        return card

    def refused(self, what: str, desk: Desk, record: str) -> None:
        """Show that the ledger refuses an attestation."""
        try:
            self.issue(desk, record)
        except CodedError as error:
            self.results[what] = error.code
            self.say(f"{what}: the ledger refuses it ({error.code})")
        else:
            raise RuntimeError("the ledger took what it must refuse")

    def front_of(self, issued: Issued) -> str:
        """Return the text of the front code of what a desk hands out."""
        return format_front(open_case(issued.case_file, issued.secret).logged())

    def check(self, what: str, text: str, expected: str, *, code: str = "") -> None:
        """Judge a code with the list of the moment and insist on its state, and on a remark beside it."""
        verdict = judge(text, open_bundle(self.ground.bundle(), self.ground.pin), self.clock.now_s())
        self.results[what] = verdict.state
        self.say(f"{what}: {self.words.state(verdict.state).word}")
        for line in tell(verdict, self.words).lines:
            self.say(f"  {line}")
        if verdict.state != expected or (code and code not in verdict.codes):
            raise RuntimeError(f"{what} reads {verdict.state}, not {expected}")

    def scan_picture(
        self, what: str, picture: Path, bundle: bytes, now_s: int, *, show: bool = False
    ) -> None:
        """Read a code from its picture and judge it."""
        report: Report = scan(read_codes(picture.read_bytes()), open_bundle(bundle, self.ground.pin), now_s)
        self.results[f"{picture.name}, {what}"] = report.to_json(self.words)
        if show:
            show_report(self.console, report, self.words)
        else:
            self.say(f"{picture.name}: {report.leading.state}")

    def title(self, title: str, line: str) -> None:
        """Print the head of a chapter."""
        self._step += 1
        day = datetime.fromtimestamp(self.clock.now_s(), UTC).strftime("%d %b %Y")
        self.console.print()
        self.console.print(Rule(f"{self._step}. {title}", align="left"))
        self.console.print(f"{day}: {line}", markup=False)

    def on_day(self, day: int, line: str) -> None:
        """Move the clock and say what happens on that day."""
        self.clock.go_to(day)
        self.say(f"{datetime.fromtimestamp(self.clock.now_s(), UTC):%d %b}: {line}")

    def say(self, line: str) -> None:
        """Print one line of the story."""
        self.console.print(f"  {line}" if line else "", markup=False, highlight=False)


def tamper(data_dir: Path, copy: Path, index: int) -> Path:
    """Copy a ledger and change one byte of one stored entry, as who owns the disk could."""
    shutil.copytree(data_dir, copy)
    with sqlite3.connect(copy / DATABASE_NAME) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        (entry,) = database.execute("SELECT entry FROM entries WHERE leaf_index = ?", (index,)).fetchone()
        changed = bytearray(entry)
        changed[len(changed) // 2] ^= 1
        database.execute("UPDATE entries SET entry = ? WHERE leaf_index = ?", (bytes(changed), index))
    database.close()
    return copy


def serve(story: Story, console: Console) -> None:
    """Serve the ledger and the station until Ctrl-C."""
    ledger = create_ledger_app(story.ground.open_service(lambda: int(time.time() * 1000)))
    station = create_station_app(Station(story.out / "station"))
    servers = [
        uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", access_log=False))
        for app, port in zip((ledger, station), PORTS, strict=True)
    ]
    console.print(f"\nledger   http://127.0.0.1:{PORTS[0]}/docs\nstation  http://127.0.0.1:{PORTS[1]}/docs")
    console.print(f"phone    http://127.0.0.1:{PORTS[1]}/phone/")
    console.print("Ctrl-C ends both.")
    beside = threading.Thread(target=servers[1].run, daemon=True)
    beside.start()
    servers[0].run()
    servers[1].should_exit = True
    beside.join(timeout=5)


def main(argv: list[str]) -> int:
    """Run the demonstration; the exit code is 0 if the story came out as it should."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def demo(
        once: Annotated[
            bool, typer.Option("--once", help="Tell the story and end, without serving.")
        ] = False,
        out: Annotated[Path | None, typer.Option(help="New folder for the files.")] = None,
    ) -> None:
        """Attest people, print their cards, scan them offline, replay the ledger."""
        console = Console(emoji=False, highlight=False, soft_wrap=True)
        folder = Path(tempfile.mkdtemp(prefix="safeconduct-")) if out is None else out
        if folder.exists() and any(folder.iterdir()):
            console.print(f"usage: {folder} is not empty; give a new folder with --out", markup=False)
            raise typer.Exit(2)
        story = Story(folder, console)
        story.tell()
        console.print(f"\nEverything is in {folder.resolve()}", markup=False)
        if not once:
            serve(story, console)

    result = app(argv, standalone_mode=False)
    return result if isinstance(result, int) else 0


def _audit_line(report: AuditReport) -> str:
    if report.ok:
        return (
            f"ok: {report.tree_size} entries, {report.epochs} seals, cosigned by {', '.join(report.cosigned)}"
        )
    return f"{report.code} at index {report.index}: {report.detail}"
