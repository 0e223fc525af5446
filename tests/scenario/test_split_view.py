"""S10, over real processes: an operator with two histories, two stations that meet, and a stranger who checks.

The operator goes on from one copy of the ledger at one place and from another copy at another, with the same
keys and a witness that helps. Each history is good in itself; only side by side they convict.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.scenario.test_processes import founded
from tests.support.processes import Town

__all__ = ["founded"]

PERSON = {
    "names": [{"text": "Salim", "latin": "SALIM"}],
    "birth": {"earliest": "1980-01-01", "latest": "1980-12-31"},
}


@pytest.fixture
def two_towns(founded: Town, tmp_path: Path) -> tuple[Town, Town]:
    return founded.copy(tmp_path / "true"), founded.copy(tmp_path / "cleaned")


def test_s10_a_split_view_is_found_by_two_stations_and_proven_to_a_stranger(
    two_towns: tuple[Town, Town], tmp_path: Path
) -> None:
    heads = {}
    for town, cards in zip(two_towns, (1, 2), strict=True):
        (town.folder / "person.json").write_text(json.dumps(PERSON), encoding="utf-8")
        with town.serve() as server:
            moved = json.loads((town.folder / "desk" / "desk.json").read_text(encoding="utf-8"))
            (town.folder / "desk" / "desk.json").write_text(json.dumps({**moved, "ledger_url": server.url}))
            for card in range(cards):
                town.run("issuer", "issue", "person.json", "--out", f"card-{card}")
            town.run("verifier", "pin", "data/pin.json")
            town.run("verifier", "sync", server.url)
            with urlopen(f"{server.url}/checkpoint") as answer:
                heads[town.folder.name] = answer.read()
    true, cleaned = two_towns

    # The stations meet: one shows its head on the screen, the other has the larger tree and judges.
    true.run("verifier", "head", "--qr", str(tmp_path / "head.png"), "--out", str(tmp_path / "head.txt"))
    shown = cleaned.run("verifier", "compare", str(tmp_path / "head.png"), expect=3)
    assert "histories that contradict each other" in shown
    cleaned.run("verifier", "head", "--qr", str(tmp_path / "other.png"))
    assert "cannot tell" in true.run("verifier", "compare", str(tmp_path / "other.png"), expect=1)
    cleaned.run("verifier", "export", str(tmp_path / "other.cbor"))
    true.run("verifier", "compare", str(tmp_path / "other.cbor"), expect=3)
    for town in two_towns:
        assert "fork" in town.run("verifier", "status", expect=3)
        [evidence] = (town.folder / "station" / "evidence").glob("*.evidence")
        pin = str(true.folder / "data" / "pin.json")
        assert "w1.example" in town.run("ledger", "evidence", "check", str(evidence), "--pin", pin)

    # Each copy is whole by itself; an auditor who has seen the other head is not deceived.
    (tmp_path / "seen.txt").write_bytes(heads["true"])
    for town in two_towns:
        assert "CONSISTENT" in town.run("ledger", "audit", "data", "--pin", "data/pin.json")
    audit = ("ledger", "audit", "data", "--pin", "data/pin.json", "--against", str(tmp_path / "seen.txt"))
    assert "inconsistent" in cleaned.run(*audit, expect=3)
