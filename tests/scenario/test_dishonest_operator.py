"""An operator takes an entry out, seals and signs everything anew, and finds two witnesses who help.

Real processes. The witness that replays, an auditor who has seen a head, and two stations that meet each find
it for themselves, and each has an evidence file that a stranger checks with the pin alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx

from ledger.core.statement import is_padding, parse_statement
from ledger.store.engine import DATABASE_NAME, open_engine
from ledger.store.entries import LedgerReader
from ledger.store.witness_state import STATE_NAME, WitnessState
from tests.scenario.test_witness_processes import NAMES, Ring, ring, until
from tests.support.forger import forge
from tests.support.log_service import passphrase

__all__ = ["ring"]


def a_credential(data: Path) -> int:
    """Return the index of the third credential on a stored ledger."""
    engine = open_engine(data / DATABASE_NAME, "read")
    try:
        reader = LedgerReader(engine)
        head = reader.head()
        assert head is not None
        entries = reader.entries(0, head.size)
    finally:
        engine.dispose()
    kinds = ["padding" if is_padding(entry) else parse_statement(entry).kind for entry in entries]
    return [index for index, kind in enumerate(kinds) if kind == "credential"][2]


def test_an_operator_who_takes_an_entry_out_is_caught_by_witness_audit_and_two_stations(ring: Ring) -> None:
    folder, town = ring.town.folder, ring.town
    ledger = ring.start_ledger()
    ring.post(*ring.world.admission())
    for name in NAMES[:2]:
        ring.start(name)
    town.run("ledger", "witness", "add-log", "w3", ledger.url, "--pin", "pin.json", "--replay")
    ring.start("w3")
    for _ in range(4):
        ring.grow_until_cosigned(*NAMES)
    seen = folder / "seen.txt"
    seen.write_text(httpx.get(f"{ledger.url}/checkpoint").text, newline="")
    town.run("verifier", "pin", "pin.json", "--station", "hut-1")
    town.run("verifier", "sync", ledger.url, "--station", "hut-1")
    assert ring.running.pop("ledger").stop() == 0

    # The operator's own afternoon: a cleaned copy, and two witnesses without a memory.
    forge(folder / "data", folder / "cleaned", without=a_credential(folder / "data"), passphrase=passphrase)
    shutil.move(folder / "data", folder / "hidden")
    shutil.move(folder / "cleaned", folder / "data")
    for name in NAMES[:2]:
        assert ring.running.pop(name).stop() == 0
        for path in folder.glob(f"{name}/{STATE_NAME}*"):
            path.unlink()
        town.run("ledger", "witness", "status", name, expect=4)
    for name in NAMES[:2]:
        make_state_anew(folder / name)
        ring.start(name)
    told = town.run("ledger", "serve", "data", "--port", "0", expect=3)
    assert "lock_mismatch: a witness" in told  # the program itself does not lend its hand while it can ask

    nowhere = f"w3=http://127.0.0.1:{ring.ports['w3'] + 1}/"
    ring.running["ledger"] = ring.stack.enter_context(
        town.listen("serve", "data", "--port", str(ring.ports["ledger"]), "--witness", nowhere)
    )
    for _ in range(3):
        ring.grow_until_cosigned("w1", "w2")

    # 1: the witness that replays sees it without being asked to cosign anything.
    until(lambda: ring.health("w3")["contradictions"] > 0)
    shown = town.run("ledger", "witness", "status", "w3", "--evidence", "w3-evidence", expect=3)
    assert "Evidence: " in shown
    # 2: an auditor who has seen a head.
    assert "CONSISTENT" in town.run("ledger", "audit", ledger.url, "--pin", "pin.json")
    audit = ("ledger", "audit", ledger.url, "--pin", "pin.json", "--against", "seen.txt")
    assert "inconsistent" in town.run(*audit, "--evidence", "audit-evidence", expect=3)
    # 3: two stations that meet.
    town.run("verifier", "pin", "pin.json", "--station", "hut-2")
    town.run("verifier", "sync", ledger.url, "--station", "hut-2")
    town.run("verifier", "head", "--qr", "head.png", "--station", "hut-1")
    assert "contradict" in town.run("verifier", "compare", "head.png", "--station", "hut-2", expect=3)

    files = [
        *folder.glob("w3-evidence/*.evidence"),
        *folder.glob("audit-evidence/*.evidence"),
        *folder.glob("hut-2/evidence/*.evidence"),
    ]
    assert len({path.parent for path in files}) == 3
    for path in files:
        told = town.run("ledger", "evidence", "check", str(path), "--pin", "pin.json")
        assert "operator" in told


def make_state_anew(folder: Path) -> None:
    """A witness that forgets: its key as before, its memory new."""
    WitnessState.create(folder / STATE_NAME).close()
