"""Real processes: a survivor's own replacement, an authorisation that ended, a family without a paper.

S8: agency B relays the replacement of a card of agency A, whose desk is not even there. S12: an uncle's
authorisation until Friday, asked about on Saturday. S2: an aunt and a niece, both genuine, nothing recorded.
S6: a ministry withdraws too many at once, and the governors refuse it.
"""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from tests.scenario.test_processes import founded
from tests.support.processes import GOVERNORS, ORIGIN, Town
from verifier.images import read_codes

__all__ = ["founded"]

CHILD = {
    "names": [{"text": "Mina", "latin": "MINA"}],
    "birth": {"earliest": "2016-01-01", "latest": "2016-12-31"},
}
ADULT = {
    "names": [{"text": "Salim", "latin": "SALIM"}],
    "birth": {"earliest": "1980-01-01", "latest": "1980-12-31"},
}


@pytest.fixture
def town(founded: Town, tmp_path: Path) -> Town:
    return founded.copy(tmp_path / "town")


def test_s8_a_survivor_has_her_card_replaced_at_another_agency(town: Town) -> None:
    with town.serve() as server:
        _move_desk(town, "desk", server.url)
        _admit_agency_b(town, server.url)
        out = town.run("issuer", "issue", _person(town, "her", ADULT), "--show-words", "--out", "old")
        (town.folder / "words").write_text(_words(out))
        town.run("verifier", "pin", "data/pin.json")
        # Agency A is not there any more: no key, no store, no case file.
        (town.folder / "desk").rename(town.folder / "desk-of-a-is-closed")
        for case in (town.folder / "old").glob("*.case"):
            case.unlink()
        before = _contents(town.folder / "desk-of-a-is-closed")
        [old] = (town.folder / "old").glob("*-front.png")

        replaced = ("replace", "--card", str(old), "--words-file", "words", "--desk", "desk-b")
        kept = town.run("issuer", *replaced, "--when", "batch")
        assert "Kept:" in kept
        town.run("verifier", "sync", server.url)
        assert _verdict(town, old)["state"] == "confirmed"
        assert "registered at index" in town.run("issuer", "relay", "--desk", "desk-b")
        issued = ("issue", str(town.folder / "her.json"), "--words-file", "words", "--desk", "desk-b")
        town.run("issuer", *issued, "--out", "new")
        town.run("verifier", "sync", server.url)
        assert "bad_transition" in town.run("issuer", *replaced, expect=1)
    [new] = (town.folder / "new").glob("*-front.png")
    found = _verdict(town, old, expect=1)
    assert (found["state"], found["codes"]) == ("replaced", ["replaced"])
    assert found["now"].startswith("This is not an offence.")
    assert _verdict(town, new)["state"] == "confirmed"
    assert _contents(town.folder / "desk-of-a-is-closed") == before
    # The same words show the new card on a screen, to one station.
    town.run("verifier", "present", str(new), "--words-file", "words", "--aud", "hut-7", "--nonce", "00" * 16)
    station = ("--aud", "hut-7", "--nonce", "00" * 16)
    assert _verdict(town, town.folder / "presentation.png", *station)["holder_binding"] == "key"
    _audited(town)


def test_s12_and_s2_companions_are_recorded_ended_or_not_recorded(town: Town) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    friday = today + timedelta(days=2)
    with town.serve() as server:
        _move_desk(town, "desk", server.url)
        town.run("issuer", "issue", _person(town, "child", CHILD), "--out", "child")
        town.run("issuer", "issue", _person(town, "uncle", ADULT), "--out", "uncle")
        town.run("issuer", "issue", _person(town, "aunt", ADULT), "--out", "aunt")
        [child], [uncle], [aunt] = (
            list((town.folder / name).glob("*-front.png")) for name in ("child", "uncle", "aunt")
        )
        town.run(
            "issuer", "issue", str(town.folder / "uncle.json"), "--vct", "sc:companion", "--child", str(child),
            "--adult", str(uncle), "--scope", "travel", "--until", friday.date().isoformat(), "--out", "right",
        )  # fmt: skip
        town.run("verifier", "pin", "data/pin.json")
        town.run("verifier", "sync", server.url)
    [right] = (town.folder / "right").glob("*-front.png")

    now = ("--at", (friday + timedelta(hours=12)).isoformat())
    check = _verdict(town, child, uncle, right, *now)["companion_check"]
    assert (check["result"], check["scope"], check["questions"]) == ("recorded", "travel", [])

    saturday = ("--at", (friday + timedelta(days=1, hours=12)).isoformat())
    found = _verdict(town, child, uncle, right, *saturday)
    assert [card["state"] for card in found["cards"]] == ["confirmed"] * 3
    assert "companion_ended" in found["cards"][2]["codes"]
    assert found["cards"][2]["lines"][0].startswith("The authorisation to accompany ended yesterday, ")
    check = found["companion_check"]
    assert (check["result"], check["ended_days_ago"]) == ("ended", 1)
    assert "ended yesterday" in check["line"]
    screen = town.run("verifier", "verify", str(child), str(uncle), str(right), *saturday)
    assert "ended yesterday" in screen

    check = _verdict(town, child, aunt, *now)["companion_check"]
    assert check["result"] == "not_recorded"
    assert "Most families have no paper" in check["line"]
    assert len(check["questions"]) == 3
    assert _verdict(town, child, aunt, right, *now)["companion_check"]["result"] == "not_recorded"


def test_s6_a_mass_withdrawal_is_held_and_refused(town: Town) -> None:
    people = "id,name,latin\n" + "".join(f"{n},Mina,MINA\n" for n in range(22))
    (town.folder / "people.csv").write_text(people, encoding="utf-8")
    rows = "id,set\n" + "".join(f"{n},withdrawn\n" for n in range(21))
    (town.folder / "mass.csv").write_text(rows, encoding="utf-8")
    with town.serve() as server:
        _move_desk(town, "desk", server.url)
        town.run("issuer", "batch", "people.csv", "--out", "sheets")
        assert "perhaps" in town.run("issuer", "status", "batch", "mass.csv", "--dry-run")
        town.run("issuer", "status", "batch", "mass.csv")
        shown = town.run("ledger", "govern", "status", "data", "--pin", "data/pin.json")
        found = re.search(r"Held at entry (\d+): 21 withdrawals and 0 suspensions of civil-1", shown)
        assert found is not None, shown
        # A governor who has no directory asks the service, and sees the same.
        asked = town.run("ledger", "govern", "status", server.url, "--pin", "data/pin.json")
        assert asked.startswith(shown)
        assert "it may leave one out" in asked[len(shown) :]
        pages = pypdfium2.PdfDocument(town.folder / "sheets" / "sheet-0001-cards.pdf")
        [code, *_] = read_codes(_png(pages[0]))
        pages.close()
        (town.folder / "card.txt").write_text(code, encoding="utf-8")
        town.run("verifier", "pin", "data/pin.json")
        town.run("verifier", "sync", server.url)
        held = _verdict(town, "card.txt")
        assert (held["state"], held["codes"]) == ("confirmed", ["quarantined"])
        _decide(town, server.url, "--subject", "civil-1", "--from", server.url, "refuse", found[1])
        town.run("verifier", "sync", server.url)
        assert _verdict(town, "card.txt")["codes"] == []
        assert "Held at" not in town.run("ledger", "govern", "status", "data", "--pin", "data/pin.json")
    _audited(town)


def _png(page: pypdfium2.PdfPage) -> bytes:
    data = io.BytesIO()
    page.render(scale=300 / 72).to_pil().save(data, "PNG")
    return data.getvalue()


def _decide(town: Town, url: str, *proposal: str) -> None:
    """Propose an action, sign it by two governors and submit it."""
    town.run("ledger", "govern", "propose", *proposal, "--out", "decided.action")
    town.run_all(
        [
            ("ledger", "govern", "sign", "decided.action", "--key", f"{name}.pem", "--name", name, "--yes",
             "--out", f"decided-{name}.approval")
            for name in GOVERNORS[:2]
        ]
    )  # fmt: skip
    approvals = [f"decided-{name}.approval" for name in GOVERNORS[:2]]
    town.run("ledger", "govern", "submit", url, *approvals, "--pin", "data/pin.json")


def _verdict(town: Town, *arguments: str | Path, expect: int = 0) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(
        town.run("verifier", "verify", *map(str, arguments), "--json", expect=expect)
    )
    return shown


def _admit_agency_b(town: Town, url: str) -> None:
    """Admit a second issuer and connect its desk, as the first was."""
    town.run(
        "issuer", "init", "--id", "agency-b", "--authority", "relief", "--title", "Agency B",
        "--ledger-origin", ORIGIN, "--desk", "desk-b",
    )  # fmt: skip
    _decide(town, url, "admit", "desk-b/application.cose")
    charter = town.pin()["charter"]
    town.run("issuer", "connect", "--ledger", url, "--charter", charter, "--desk", "desk-b")


def _audited(town: Town) -> None:
    report = json.loads(
        town.run("ledger", "audit", "data", "--pin", "data/pin.json", "--jobs", "1", "--json")
    )
    assert report["counts"]["status"] == 1


def _person(town: Town, name: str, record: dict[str, Any]) -> str:
    path = town.folder / f"{name}.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return str(path)


def _words(out: str) -> str:
    found = re.search(r"words: ((?:[a-z]+ ?){12})", out)
    assert found is not None
    return found[1]


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _move_desk(town: Town, desk: str, url: str) -> None:
    """The server has another port after each start."""
    path = town.folder / desk / "desk.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "ledger_url": url}), encoding="utf-8")
