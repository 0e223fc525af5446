"""The cards that a browser is shown: one small ledger with a card for every thing that can be said of a card.

All of it is real: keys, seals, cosignatures, statuses, prints. Days are counted from the time that is given, so
that a browser with the clock of this machine sees a list of today. The state of every card is what Python's
verifier says; a card that is something else than its name promises stops the tests.

    world = make_world(int(time.time()))
    world.cards["withdrawn"].text      # what its code says
    world.cards["withdrawn"].state     # "withdrawn"
    world.bundle, world.old_bundle     # lists of today and of 19 days ago
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any, Final

import pypdfium2
import qrcode
from PIL import Image, ImageDraw

from credential.core import base45
from credential.core.birth import year_only
from credential.core.issue import Companion, PersonClaims
from credential.core.names import Name
from credential.core.qr_text import PREFIX, parse_qr_text
from credential.symbols import ALPHANUMERIC, make_symbol, symbol_png
from issuer.card_pdf import CARD_HEIGHT_MM, CARD_WIDTH_MM, ROW_TOPS_MM, CardFace, render_card
from issuer.paper import PAGE_WIDTH_MM
from issuer.portrait import compress_portrait
from ledger.core import cose
from ledger.core.actions import AddKey, DistrustKey
from ledger.core.calendar_days import DAY_S
from ledger.core.pin import Pin
from tests.support.ledgers import TinyCard, TinyLedger, signer
from verifier.core.trust import open_bundle
from verifier.core.verdict import judge

ISSUER_TITLE: Final = "Civil registry of Example"
OLD_LIST_DAYS: Final = 19
_FOUNDED: Final = -1300
_EVENTS: Final = -60
_PRINT_DPI: Final = 300
_LEFT_MM: Final = (PAGE_WIDTH_MM - 2 * CARD_WIDTH_MM) / 2
_TEXT_MAX_VERSION: Final = 40


@dataclass(frozen=True)
class Card:
    """A card of the world.

    Attributes:
        name: what it is called in tests.
        text: of its front code.
        state: what a station with the list of today says of it.
        back, slip: texts of the other code and of the slip; "" where it has none.
        person: what is attested; secret, so no byte of it may stay on a phone.
    """

    name: str
    text: str
    state: str
    back: str = ""
    slip: str = ""
    person: PersonClaims = field(default_factory=PersonClaims)

    @cached_property
    def png(self) -> bytes:
        """Picture of the front code alone."""
        return code_png(self.text)

    @cached_property
    def print(self) -> Image.Image:
        """The front of the card as it leaves the printer: 300 dpi, grey."""
        return print_card_front(self.text)


@dataclass(frozen=True)
class World:
    """A ledger with its cards.

    Attributes:
        now_s: the time it was made for.
        bundle: list of today; old_bundle: the same tree, cosigned 19 days ago.
        cards: by name; those of a state are called like the state.
    """

    pin: Pin
    now_s: int
    bundle: bytes
    old_bundle: bytes
    cards: Mapping[str, Card]


STATES: Final = (
    "confirmed", "not_yet_listed", "replaced", "withdrawn", "suspended", "expired", "unknown_issuer",
    "not_listed", "incomplete", "altered", "unreadable",
)  # fmt: skip
"""States that a list of today leads to; with the old list `confirmed` reads `confirmed_stale`."""


def make_world(now_s: int) -> World:
    """Make the ledger and its cards, in about a second.

    Raises:
        AssertionError: the verifier says something else of a card than was meant.
    """
    town = _Town(now_s)
    cards = {card.name: card for card in town.make()}
    bundle = town.ledger.bundle(time_s=now_s - 3600)
    trusted = open_bundle(bundle, town.ledger.pin)
    for card in cards.values():
        found = judge(card.text, trusted, now_s)
        assert found.state == card.state, f"{card.name}: {found.state}, {found.codes}"
    old_bundle = town.ledger.bundle(time_s=now_s - OLD_LIST_DAYS * DAY_S)
    stale = judge(cards["confirmed"].text, open_bundle(old_bundle, town.ledger.pin), now_s)
    assert stale.state == "confirmed_stale", stale
    return World(town.ledger.pin, now_s, bundle, old_bundle, cards)


def make_crowd(count: int, now_s: int) -> World:
    """Make a ledger with so many people, each with a name and a birthplace of their own."""
    ledger = TinyLedger("crowd.example/phone", start_s=now_s - 40 * DAY_S)
    civil = ledger.admit()
    people = [
        PersonClaims(
            names=(Name(f"Zerfan {word.title()}", "Latn", f"ZERFAN {word}"),),
            birth=year_only(1960 + number % 40),
            birthplace=f"Vantorplatz {word.title()}",
        )
        for number, word in ((number, _word(number)) for number in range(count))
    ]
    issued = [ledger.issue(civil, person) for person in people]
    ledger.close_epoch()
    cards = {
        f"{number:05d}": _card(f"{number:05d}", card, "confirmed", person)
        for number, (card, person) in enumerate(zip(issued, people, strict=True))
    }
    bundle = ledger.bundle(time_s=now_s - 3600)
    return World(ledger.pin, now_s, bundle, bundle, cards)


def code_png(text: str, scale: int = 6) -> bytes:
    """Return the picture of a code with its quiet zone; any text, also of other systems."""
    if set(text) <= set(ALPHANUMERIC):
        return symbol_png(make_symbol(text, max_version=_TEXT_MAX_VERSION), scale)
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=scale)
    code.add_data(text)
    out = io.BytesIO()
    code.make_image().save(out)
    return out.getvalue()


@cache
def print_card_front(text: str, issuer_title: str = ISSUER_TITLE) -> Image.Image:
    """Return the front of a printed card at 300 dpi in grey, cut out of the page that the desk prints."""
    face = CardFace(text, None, issuer_title, ("Attestation",), "4F7KX2QM", "1 Jan 2029")
    document = pypdfium2.PdfDocument(render_card(face, created=datetime(2026, 11, 1, tzinfo=UTC)))
    try:
        page = document[0].render(scale=_PRINT_DPI / 72).to_pil().convert("L")
    finally:
        document.close()
    left, top = _LEFT_MM, ROW_TOPS_MM[0]
    box = (left, top, left + CARD_WIDTH_MM, top + CARD_HEIGHT_MM)
    cut = [round(edge / 25.4 * _PRINT_DPI) for edge in box]
    front: Image.Image = page.crop((cut[0], cut[1], cut[2], cut[3]))
    return front


class _Town:
    """Everything that happens on the ledger, in the order in which it happens."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s
        self.today = datetime.fromtimestamp(now_s, UTC).date()
        self.ledger = TinyLedger("ledger.example/phone", start_s=now_s + _FOUNDED * DAY_S)
        self.civil = self.ledger.admit(title=ISSUER_TITLE)
        self.expired_person = _person(self.today.year - 40, "Ended")
        self.expired = self.ledger.issue(self.civil, self.expired_person)
        self.ledger.close_epoch()

    def go_to(self, day: int) -> None:
        """Move to a day counted from today."""
        self.ledger.time_ms = (self.now_s + day * DAY_S) * 1000

    def make(self) -> list[Card]:
        """Let everything happen; the cards of it."""
        self.go_to(_EVENTS)
        adult = self.today.year - 36
        people = {
            "confirmed": _person(adult, "Mira"),
            "portrait": replace(_person(adult, "Selam"), portrait=_portrait()),
            "arabic": PersonClaims(
                names=(Name("مريم بنت يوسف", "Arab", "MARYAM BINT YUSUF"),), birth=year_only(adult), sex="female"
            ),
            "young": _person(self.today.year - 18, "Youngalina"),
            "second": _person(adult - 4, "Second"),
            "child": _person(self.today.year - 8, "Childerika"),
            "child_2": _person(self.today.year - 9, "Lenkarina"),
            "adult": _person(adult, "Unclerich"),
            "stranger": _person(adult + 1, "Strangerino"),
            **{name: _person(adult, name.title()) for name in ("withdrawn", "suspended", "replaced", "quarantined")},
        }  # fmt: skip
        ledger, civil = self.ledger, self.civil
        made = {name: ledger.issue(civil, person) for name, person in people.items()}
        ledger.close_epoch()
        old, thief = civil.signer, signer("stolen")
        ledger.act(civil.issuer_id, AddKey(thief.public_key))
        first = ledger.tree_size
        people["key_distrusted"] = _person(adult, "Robbed")
        made["key_distrusted"] = ledger.issue(civil, people["key_distrusted"], signer=thief)
        ledger.close_epoch()
        ledger.act(civil.issuer_id, DistrustKey(thief.public_key.kid, first))
        civil.signer = old
        self._change(made)
        self.go_to(-OLD_LIST_DAYS - 1)
        rights = {
            "right": Companion(made["child"].sub, "travel", self.today + timedelta(14), made["adult"].sub),
            "ended_right": Companion(
                made["child_2"].sub, "school", self.today - timedelta(1), made["adult"].sub
            ),
        }
        for name, right in rights.items():
            people[name] = PersonClaims(companion=right)
            made[name] = ledger.issue(civil, people[name], vct="sc:companion")
        ledger.close_epoch()
        states = {
            "withdrawn": "withdrawn",
            "suspended": "suspended",
            "replaced": "replaced",
            "key_distrusted": "suspended",
        }
        cards = [
            _card(name, card, states.get(name, "confirmed"), people[name]) for name, card in made.items()
        ]
        return [*cards, *self._odd_ones(made["confirmed"])]

    def _change(self, made: Mapping[str, TinyCard]) -> None:
        # A status that only a held mass change sets; what a ledger with more people would hold.
        held = made["quarantined"].issued.claims
        self.ledger.registry.lists[held.uri].set_status(held.idx, 13, 4, 202611)
        for name, new, reason in (("withdrawn", 1, 3), ("suspended", 2, 4), ("replaced", 3, 1)):
            self.ledger.change_status(self.civil, made[name], 0, new, reason)
        self.ledger.close_epoch()

    def _odd_ones(self, good: TinyCard) -> list[Card]:
        """Cards that are old, too new, of others, cut, changed, or none at all."""
        ledger, front = self.ledger, good.front()
        fresh_person = _person(self.today.year - 30, "Freshling")
        today_s = self.now_s // DAY_S * DAY_S
        fresh = ledger.issue(self.civil, fresh_person, iat_s=today_s - 2 * DAY_S, submit=False)
        tomorrow = Card("not_yet_listed", fresh.front(position=False), "not_yet_listed", person=fresh_person)
        stranger = TinyLedger("ledger.example/elsewhere", start_s=self.now_s - 50 * DAY_S)
        theirs = stranger.issue(stranger.admit("someone-else", title="Registry of Elsewhere"))
        stranger.close_epoch()
        moved = _with_header(front, lambda h: h.update({-65537: [good.index ^ 1, h[-65537][1]]}))
        closed = _with_header(front, lambda h: h.pop(17))
        entry = good.issued.entry
        bad = PREFIX + base45.encode(entry[:-33] + bytes([entry[-33] ^ 1]) + entry[-32:])
        return [
            _card("expired", self.expired, "expired", self.expired_person),
            tomorrow,
            Card("unknown_issuer", theirs.front(), "unknown_issuer"),
            Card("not_listed", moved, "not_listed"),
            Card("incomplete", closed, "incomplete"),
            Card("altered", bad, "altered"),
            Card("unreadable", front[: len(front) // 2], "unreadable"),
            Card("health_certificate", "HC1:6BFOXN%TS3DH0YOJ58S S-W5HDC *M0II5XHC9B5G2", "unreadable"),
            Card("web_address", "HTTPS://EXAMPLE.ORG/SOMETHING", "unreadable"),
        ]  # fmt: skip


def _word(number: int) -> str:
    """A word that stands for a number and for nothing else in the world: QUILJAAAB."""
    return "QUILJ" + "".join(chr(ord("A") + int(digit)) for digit in f"{number:04d}")


def _person(year: int, first_name: str) -> PersonClaims:
    name = f"{first_name} Testperson"
    return PersonClaims(
        names=(Name(name, "Latn", name.upper()),),
        birth=year_only(year),
        sex="female",
        nationalities=("SYR",),
        birthplace=f"Old Harbour of {first_name}",
    )


def _card(name: str, card: TinyCard, state: str, person: PersonClaims) -> Card:
    return Card(name, card.front(), state, card.back(), card.slip_text(), person)


def _with_header(text: str, change: Callable[[dict[Any, Any]], Any]) -> str:
    message = cose.parse_sign1(parse_qr_text(text), max_size=4096)
    header = dict(message.unprotected)
    change(header)
    return PREFIX + base45.encode(cose.format_sign1(replace(message, unprotected=header)))


@cache
def _portrait() -> bytes:
    """A drawn face: nobody's."""
    image = Image.new("L", (128, 160), 200)
    draw = ImageDraw.Draw(image)
    draw.ellipse((34, 30, 94, 110), fill=120)
    draw.ellipse((50, 60, 58, 68), fill=30)
    draw.ellipse((70, 60, 78, 68), fill=30)
    draw.arc((50, 70, 78, 98), 20, 160, fill=30, width=3)
    out = io.BytesIO()
    image.save(out, format="PNG")
    return compress_portrait(out.getvalue())
