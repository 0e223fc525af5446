#!/usr/bin/env python3
"""Write the practice cards of the phone page, or check that they are what the code gives.

    $ python scripts/make_practice.py            write verifier/web/src/practice/deck.json
    $ python scripts/make_practice.py --check    write nothing; exit 1 and name the files that would differ

The cards stand on a ledger of their own, whose origin no pin may name (`ledger/core/pin.py`): everybody can make
its keys again, so nobody may ever believe it. The page judges them with the bundle in the deck and with no other.
Keys and times are fixed, and ECDSA is deterministic; the one ML-DSA-44 signature is kept beside this script, as
`scripts/make_vectors.py` keeps those of the vectors.
"""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from credential.core import base45
from credential.core.birth import year_only
from credential.core.issue import PersonClaims
from credential.core.qr_text import PREFIX, parse_qr_text
from ledger.core.calendar_days import DAY_S
from ledger.core.pin import PRACTICE_HOST
from scripts.vector_cases.kept_signatures import KeepingSigner, KeptSignatures
from tests.support.ledgers import TinyCard, TinyIssuer, TinyLedger
from verifier.core.trusted_list import TrustedList
from verifier.report import scan

ROOT: Final = Path(__file__).resolve().parent.parent
DECK: Final = ROOT / "verifier" / "web" / "src" / "practice" / "deck.json"
KEPT: Final = ROOT / "scripts" / "practice_signatures.json"
MAX_DECK_BYTES: Final = 30_000
ORIGIN: Final = f"{PRACTICE_HOST}/deck"
ISSUER: Final = "practice-registry"

_ADULT: Final = PersonClaims(birth=year_only(1990))
_PERHAPS_SEVENTEEN: Final = PersonClaims(birth=year_only(2008))
_CHILD: Final = PersonClaims(birth=year_only(2018))
_WITHDRAWN, _REPLACED = (1, 3), (3, 1)
"""New status, and the reason of the change: no fault stated, and a new card."""


@dataclass(frozen=True, slots=True)
class PracticeCard:
    """One step of the drill.

    Attributes:
        name: of its words, `phone.practice.cards.<name>`.
        texts: of the codes that are shown together.
        list_age_days: age of the list at the time at which the card is judged.
        states: what the verdicts must be.
        companion: what the companion check must say, "" where there is none.
    """

    name: str
    texts: tuple[str, ...]
    list_age_days: int
    states: tuple[str, ...]
    companion: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Write or check; 0 if nothing differs."""
    parser = argparse.ArgumentParser(
        prog="make_practice.py", description="Write or check the practice cards."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would differ")
    options = parser.parse_args(arguments)
    made = make_files()
    differing = sorted(
        path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text
    )
    if options.check:
        print("".join(f"differs: {path.relative_to(ROOT)}\n" for path in differing), end="")
        return 1 if differing else 0
    for path in differing:
        path.write_text(made[path], encoding="utf-8")
    print(f"{len(made[DECK].encode())} bytes, {len(differing)} files changed")
    return 0


def make_files() -> dict[Path, str]:
    """Return path -> text of the deck and of the signature that is kept.

    Raises:
        ValueError: a card does not lead to what it is there for, or the deck is too large.
    """
    kept = KeptSignatures(json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {})
    ledger, cards = _ledger(kept)
    trusted = ledger.trusted()
    for card in cards:
        _check(card, trusted)
    deck = {
        "pin": {"origin": ledger.origin, "charter": ledger.charter_hash.hex()},
        "bundle": b64encode(ledger.bundle()).decode(),
        "cards": [_card_json(card, trusted.now_min_s) for card in cards],
    }
    text = json.dumps(deck, indent=1) + "\n"
    if len(text) > MAX_DECK_BYTES:
        raise ValueError(f"the deck has {len(text)} bytes, more than {MAX_DECK_BYTES}")
    return {DECK: text, KEPT: json.dumps(kept.used, indent=1, sort_keys=True) + "\n"}


def _ledger(kept: KeptSignatures) -> tuple[TinyLedger, list[PracticeCard]]:
    ledger = TinyLedger(ORIGIN)
    classical, post_quantum = ledger.log_signers
    signers: Any = (classical, KeepingSigner(post_quantum, kept))
    ledger.log_signers = signers
    registry = ledger.admit(ISSUER, title="Practice registry", authority="practice", vcts=["sc:identity"])
    people = {
        "age": _PERHAPS_SEVENTEEN,
        "stale": _ADULT,
        "withdrawn": _ADULT,
        "replaced": _ADULT,
        "altered": _ADULT,
        "child": _CHILD,
        "escort": _ADULT,
    }
    issued = {name: ledger.issue(registry, person) for name, person in people.items()}
    ledger.close_epoch()
    _change(ledger, registry, issued["withdrawn"], *_WITHDRAWN)
    _change(ledger, registry, issued["replaced"], *_REPLACED)
    ledger.close_epoch()
    front = {name: card.front() for name, card in issued.items()}
    return ledger, [
        PracticeCard("age", (front["age"],), 2, ("confirmed",)),
        PracticeCard("stale", (front["stale"],), 19, ("confirmed_stale",)),
        PracticeCard("withdrawn", (front["withdrawn"],), 2, ("withdrawn",)),
        PracticeCard("replaced", (front["replaced"],), 2, ("replaced",)),
        PracticeCard("altered", (_altered(issued["altered"]),), 2, ("altered",)),
        PracticeCard(
            "together", (front["child"], front["escort"]), 2, ("confirmed", "confirmed"), "not_recorded"
        ),
    ]


def _change(ledger: TinyLedger, registry: TinyIssuer, card: TinyCard, new: int, reason: int) -> None:
    ledger.change_status(registry, card, 0, new, reason)


def _altered(card: TinyCard) -> str:
    """Return the front with one bit of the issuer's signature changed, as if a part had been printed anew."""
    data = bytearray(parse_qr_text(card.front()))
    signature = card.issued.entry[-64:]
    data[data.index(signature)] ^= 1
    return PREFIX + base45.encode(bytes(data))


def _now_s(card: PracticeCard, list_time_s: int) -> int:
    return list_time_s + card.list_age_days * DAY_S


def _check(card: PracticeCard, trusted: TrustedList) -> None:
    report = scan(list(card.texts), trusted, _now_s(card, trusted.now_min_s))
    found = tuple(verdict.state for verdict in report.verdicts)
    companion = report.companion.result if report.companion else ""
    if (found, companion) != (card.states, card.companion):
        raise ValueError(f"card {card.name} gives {found} {companion}")


def _card_json(card: PracticeCard, list_time_s: int) -> dict[str, Any]:
    return {
        "name": card.name,
        "texts": card.texts,
        "now_s": _now_s(card, list_time_s),
        "states": card.states,
        "companion": card.companion,
    }


if __name__ == "__main__":
    sys.exit(main())
