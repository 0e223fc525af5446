"""Inputs that only a signer can make: cards, tokens and ledgers of an issuer, a holder or governors who err or lie.

A changed byte ends at the signature. These inputs are signed anew after the change, so that what stands behind the
signature is compared too. Everything follows from the random source that is given.

    world = World()
    world.codes(random.Random(1))       # an input of the format "codes"
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from datetime import date
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

from credential.core import base45
from credential.core.birth import year_only
from credential.core.card import Card, format_card
from credential.core.disclosure import disclosure_digest
from credential.core.frames import format_frames
from credential.core.holder import holder_signer
from credential.core.issue import Companion, PersonClaims
from credential.core.names import name_from_input
from credential.core.qr_text import PREFIX, format_qr_text, parse_qr_text
from ledger.core import cbor, cose
from ledger.core.calendar_days import DAY_S
from ledger.core.statement import sign_credential
from tests.support.ledgers import TinyCard, TinyLedger
from tests.support.mutations import INTERESTING, mutate_bytes, mutate_value

AUD: Final = "hut-7"
NONCE: Final = bytes(range(16))
_CLEAN: Final = [
    value for value in INTERESTING if not isinstance(value, float) and repr(value) != "undefined"
]
_SHIFTS_S: Final = (
    0, 0, 0, 0, -1, 1, 60, 61, 300, 301, 7 * DAY_S, 7 * DAY_S + 1, 40 * DAY_S, 400 * DAY_S, 400 * DAY_S + 1,
    5000 * DAY_S, -DAY_S,
)  # fmt: skip
_RECENT_S: Final = 35 * DAY_S
_DATES_S: Final = (-_RECENT_S - 1, -_RECENT_S, 0, _RECENT_S, _RECENT_S + 1, 2 * _RECENT_S)
"""Seconds after the list's time, on both sides of the bounds of protocol section 10, step 6."""


class World:
    """A ledger with cards of every kind, and a second one with an issuer of the same name."""

    def __init__(self) -> None:
        self.ledger = TinyLedger("ledger.example/agreement")
        self.civil = self.ledger.admit()
        adult = self._issue(PersonClaims(names=(name_from_input("مريم", "Maryam"),), birth=year_only(1988)))
        child = self._issue(
            PersonClaims(names=(name_from_input("ሰላም", "Selam"),), birth=year_only(2014), sex="female")
        )
        link = Companion(child.sub, "travel", date(2026, 12, 1))
        right = self.ledger.issue(self.civil, PersonClaims(companion=link), vct="sc:companion")
        self.cards = [adult, child, right]
        self.ledger.close_epoch()
        self.other = TinyLedger("ledger.example/second")
        self.other.admit()

    def _issue(self, person: PersonClaims) -> TinyCard:
        return self.ledger.issue(self.civil, person)

    def bundles(self) -> dict[str, dict[str, str]]:
        """Name -> input of the format "bundle"."""
        return {
            name: {"origin": one.origin, "charter": one.charter_hash.hex(), "bundle": one.bundle().hex()}
            for name, one in (("first", self.ledger), ("second", self.other))
        }

    def codes(self, rng: random.Random) -> dict[str, Any]:
        """Return an input of "codes": one to three codes, perhaps with a slip, judged by a station."""
        makers: Sequence[Callable[[random.Random], str]] = (
            self._printed, self._printed, self._other_values, self._other_values, self._other_claims, self._token,
            self._token, self._damaged,
        )  # fmt: skip
        card = rng.choice(self.cards)
        slip = None
        if rng.random() < 0.3:
            slip = card.slip_text()
            if rng.random() < 0.3:
                data = mutate_bytes(rng, base45.decode(slip.removeprefix("SCK1:")), [b"\x00"])
                slip = "SCK1:" + base45.encode(data)
        return {
            "texts": [rng.choice(makers)(rng) for _ in range(rng.choice((1, 1, 2, 3)))],
            "bundles": rng.choice((["first"], ["first"], ["first", "second"], ["second", "first"], [])),
            "now_s": self.ledger.now_s + rng.choice(_SHIFTS_S),
            "slip": slip,
            "audience": rng.choice((AUD, AUD, AUD, "", "hut-8")),
            "nonce": rng.choice((NONCE.hex(), NONCE.hex(), None, None, "00" * 8)),
        }

    def head(self, rng: random.Random) -> dict[str, Any]:
        """Return an input of "head": the head of this ledger or of another history of it."""
        size = rng.choice((16, 32, self.ledger.tree_size, self.ledger.tree_size + 16, 17))
        ledger = self.ledger
        text = ledger.checkpoint(witness_times=[ledger.now_s, rng.choice((None, ledger.now_s))])
        if rng.random() < 0.5:
            text = _checkpoint_of(ledger, size, rng.random() < 0.5)
        if rng.random() < 0.3:
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice("Az0+ \n") + text[at + 1 :]
        return {
            "bundle": rng.choice(("first", "first", "second")),
            "charter": ledger.charter_hash.hex(),
            "note": text,
            "list": rng.choice((None, None, None, ledger.bundle().hex())),
        }

    def frames(self, rng: random.Random) -> list[str]:
        """Return an input of "frames": those of one message, some of them damaged, missing or of another."""
        message = rng.randbytes(rng.choice((1, 40, 3000))) * rng.choice((1, 1, 9))
        if rng.random() < 0.2:
            return _cut_anyhow(rng, zlib.compress(message))
        texts = format_frames("head", message, rng.choice((20, 900)))[:256]
        rng.shuffle(texts)
        for _ in range(rng.choice((0, 0, 1, 2))):
            place = rng.randrange(len(texts))
            match rng.randrange(4):
                case 0:
                    del texts[place]
                case 1:
                    texts.insert(place, rng.choice(texts))
                case _:
                    data = mutate_bytes(rng, base45.decode(texts[place][5:]), [b"\x00"])
                    texts[place] = "SCF1:" + base45.encode(data)
            if not texts:
                break
        return texts

    def _printed(self, rng: random.Random) -> str:
        card = rng.choice(self.cards)
        return rng.choice((card.front, card.back))(position=rng.random() < 0.8)

    def _damaged(self, rng: random.Random) -> str:
        data = parse_qr_text(self._printed(rng))
        return PREFIX + base45.encode(mutate_bytes(rng, data, [data]))

    def _other_values(self, rng: random.Random) -> str:
        """A card, signed by its issuer, whose disclosures hold what no form asks for."""
        card = rng.choice(self.cards)
        contents = []
        for part in card.issued.disclosures.values():
            if rng.random() < 0.5:
                continue
            array = list(cbor.decode(part.content, max_size=4096))
            if rng.random() < 0.6:
                array[1] = mutate_value(rng, array[1])
            if rng.random() < 0.15 and len(array) == 3:
                array[2] = rng.choice(
                    ["ages", "companion", "birth", "sex", "portrait", "more", "x", 1, 2, 8, 39, 70]
                )
            content = _encoded(array)
            if content is not None and len(content) < 900:
                contents.append(content)
        if rng.random() < 0.2:
            contents += contents[:1]
        hidden = [disclosure_digest(content) for content in contents if rng.random() < 0.95]
        hidden += [rng.randbytes(32)]
        claims = card.issued.claims._replace(digests=tuple(sorted(set(hidden))))
        if rng.random() < 0.4:
            claims = claims._replace(iat=self.ledger.now_s + rng.choice(_DATES_S))
        return self._card(sign_credential(claims, self.civil.signer), contents)

    def _other_claims(self, rng: random.Random) -> str:
        """A card, signed by its issuer, whose claims or header are of another form."""
        card = rng.choice(self.cards)
        message = cose.parse_sign1(card.issued.entry, max_size=4096)
        payload = cbor.decode(message.payload or b"", max_size=4096)
        header = dict(message.protected)
        if rng.random() < 0.7:
            payload = mutate_value(rng, payload)
        if rng.random() < 0.4:
            payload = dict(payload) if isinstance(payload, dict) else payload
            if isinstance(payload, dict):
                payload[rng.choice((4, 6))] = rng.choice(
                    (0, 2**40, 2**53 - 1, self.ledger.now_s, 253_402_300_800)
                )
        if rng.random() < 0.4:
            header = mutate_value(rng, header)
        body, head = _encoded(payload), _encoded(header)
        if body is None or head is None or len(body) + len(head) > 2000:
            return self._printed(rng)
        signature = self.civil.signer.sign(cose.sig_structure(head, body))
        entry = cbor.encode(cbor.CBORTag(18, [head, {}, body, signature]))
        return self._card(entry, [part.content for part in card.issued.disclosures.values()][:1])

    def _token(self, rng: random.Random) -> str:
        """A card in a token of its holder, whose claims or header may be of another form."""
        card = rng.choice(self.cards[:2])
        logged = card.logged(position=rng.random() < 0.7)
        opened = tuple(logged.parts()[name].content for name in logged.profile.must_open)
        inner = cbor.decode(format_card(Card(logged.entry, opened, (), logged.position)), max_size=4096)
        claims: Any = {3: AUD, 6: self.ledger.now_s, 39: NONCE}
        header: Any = {1: -19, 13: inner, 16: 294}
        if rng.random() < 0.4:
            claims[6] += rng.choice((-301, -300, -60, 1, 60, 61))
        if rng.random() < 0.5:
            claims = mutate_value(rng, claims)
        if rng.random() < 0.2 and isinstance(claims, dict):
            claims[rng.choice((1, 2, 4, 5, 6, 7))] = rng.choice(
                (0, b"id", None, self.ledger.now_s + 1, 2**40)
            )
        if rng.random() < 0.2:
            header = mutate_value(rng, header)
        if rng.random() < 0.1 and isinstance(header, dict):
            header[16] = rng.choice(_CLEAN)
        body, head = _encoded(claims), _encoded(header)
        if body is None or head is None or len(body) + len(head) > 2600:
            return self._printed(rng)
        holder = holder_signer(card.secret, card.issued.claims.iss, card.sub)
        signature = holder.sign(cose.sig_structure(head, body))
        return format_qr_text(cbor.encode(cbor.CBORTag(18, [head, {}, body, signature])))

    def _card(self, entry: bytes, opened: Sequence[bytes]) -> str:
        """Return the text of a card that is not on the ledger yet, with these parts open."""
        outer = cbor.decode(entry, max_size=1 << 16)
        outer.value[1] = {17: list(opened)} if opened else {}
        data = cbor.encode(outer)
        return PREFIX + base45.encode(data) if len(data) <= 2861 else self.cards[0].front()


def _cut_anyhow(rng: random.Random, deflated: bytes) -> list[str]:
    """Return frames of parts that have other lengths than those of an honest sender, and the right hash."""
    count = min(rng.choice((2, 3)), len(deflated))
    bounds = [0, *sorted(rng.sample(range(1, len(deflated)), count - 1)), len(deflated)]
    parts = [deflated[start:end][:1400] for start, end in pairwise(bounds)]
    name = sha256(b"".join(parts)).digest()[:8]
    rows = [["head", name, number, len(parts), part] for number, part in enumerate(parts)]
    return ["SCF1:" + base45.encode(cbor.encode(row)) for row in rows]


def _encoded(value: Any) -> bytes | None:
    try:
        return cbor.encode(value)
    except (ValueError, TypeError):
        return None


def _checkpoint_of(ledger: TinyLedger, size: int, is_true: bool) -> str:
    """Return a head of the ledger at another size, of its own leaves or of others, signed by its log."""
    other = _Shadow(ledger, size, is_true)
    return TinyLedger.checkpoint(other)  # type: ignore[arg-type]


class _Shadow:
    """As much of a ledger as its checkpoint is made of."""

    def __init__(self, ledger: TinyLedger, size: int, is_true: bool) -> None:
        leaves = (ledger.leaves + [bytes(32)] * size)[:size]
        self.origin, self.now_s, self.tree_size = ledger.origin, ledger.now_s, size
        self.leaves = leaves if is_true else [bytes(32), *leaves[1:]]
        self.log_signers, self.witnesses = ledger.log_signers, ledger.witnesses
