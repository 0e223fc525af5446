"""Vectors of the station: bundles, and a card for every code that a verdict on paper can have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from credential.core import base45
from credential.core.birth import year_only
from credential.core.disclosure import format_disclosure
from credential.core.issue import Companion, PersonClaims
from credential.core.qr_text import PREFIX, parse_qr_text
from ledger.core import cose
from ledger.core.actions import AddKey, DistrustKey, RetireKey
from ledger.core.bundle import Bundle, format_bundle
from ledger.core.calendar_days import DAY_S
from ledger.core.statement import sign_credential
from scripts.vector_cases import Case
from scripts.vector_cases.kept_signatures import KeptSignatures, kept_ledger
from tests.support.ledgers import START_S, TinyCard, TinyIssuer, TinyLedger, signer

_PERSON = PersonClaims(birth=year_only(2012), sex="female")
_LATE_S = START_S + 1200 * DAY_S
"""More than the validity of the cards after their issue."""
_NOW, _LATE = "bundle/good.json", "bundle/late.json"


@dataclass
class Town:
    """A ledger with one card for each thing that can be said of a card."""

    ledger: TinyLedger
    civil: TinyIssuer
    cards: dict[str, TinyCard]


def cases(kept: KeptSignatures) -> Iterator[Case]:
    """Yield the cases."""
    town = _town(kept)
    ledger = town.ledger
    parts = ledger.bundle_parts()
    yield _bundle(town, "good", "The list of a small ledger with two witnesses", parts)
    late = ledger.bundle_parts(time_s=_LATE_S)
    yield _bundle(town, "late", "The same tree, cosigned 1,200 days later", late)
    yield from _broken_bundles(town, parts)
    yield from _fields(town)
    yield from _raised(town, kept)


def _town(kept: KeptSignatures) -> Town:
    ledger = kept_ledger("ledger.example/vectors", kept)
    civil = ledger.admit()
    cards = {name: ledger.issue(civil, _PERSON) for name in (
        "confirmed", "withdrawn", "suspended", "replaced", "status_unknown", "quarantined",
    )}  # fmt: skip
    cards["not_yet_valid"] = ledger.issue(civil, _PERSON, iat_s=START_S + DAY_S)
    cards["companion"] = ledger.issue(
        civil, PersonClaims(companion=Companion("A" * 16, "school", date(2026, 12, 1))), vct="sc:companion"
    )
    ledger.close_epoch()
    old = civil.signer
    thief = signer("stolen")
    ledger.act("civil-1", AddKey(thief.public_key))
    first = ledger.tree_size
    for name in ("key_distrusted", "affirmed"):
        cards[name] = ledger.issue(civil, _PERSON, signer=thief)
    ledger.close_epoch()
    ledger.act("civil-1", DistrustKey(thief.public_key.kid, first))
    # Two statuses that no rule of this version sets: what a list of a later version may hold.
    for name, value in (("status_unknown", 7), ("quarantined", 13)):
        claims = cards[name].issued.claims
        ledger.registry.lists[claims.uri].set_status(claims.idx, value, 4, 202611)
    for name, new, reason in (
        ("withdrawn", 1, 3),
        ("suspended", 2, 4),
        ("replaced", 3, 1),
        ("affirmed", 12, 5),
    ):
        ledger.change_status(civil, cards[name], 0, new, reason)
    civil.signer = old
    ledger.close_epoch()
    return Town(ledger, civil, cards)


def _bundle(
    town: Town, name: str, description: str, parts: Bundle | bytes, code: str = "ok", **pin: str
) -> Case:
    data = parts if isinstance(parts, bytes) else format_bundle(parts)
    given = {
        "origin": town.ledger.origin,
        "charter": town.ledger.charter_hash.hex(),
        "bundle": data.hex(),
        **pin,
    }
    return Case("bundle", name, description, given, code)


def _broken_bundles(town: Town, good: Bundle) -> Iterator[Case]:
    data = format_bundle(good)
    lines = good.checkpoint.split("\n")
    one_witness = "\n".join([*lines[:-2], ""])
    approvals = good.approvals
    flipped = bytearray(good.approvals[0].entry)
    flipped[-1] ^= 1
    shorter = replace(approvals[0], entry=bytes(flipped))
    broken: dict[str, Bundle | bytes] = {
        "cut": data[:-1],
        "quorum-not-met": replace(good, checkpoint=one_witness),
        "an-approval-missing": replace(good, approvals=approvals[:-1]),
        "an-action-missing": replace(good, approvals=approvals[:-2]),
        "an-approval-flipped": replace(good, approvals=(shorter, *approvals[1:])),
        "a-cell-changed": replace(good, cells=good.cells[:-1] + bytes([good.cells[-1] ^ 1])),
        "a-list-missing": replace(good, lists=()),
        "lists-swapped": replace(good, lists=(replace(good.lists[0], uri="sc:1/1"),)),
    }
    for name, parts in broken.items():
        yield _bundle(town, name, f"A list that cannot be trusted: {name}", parts, "bundle_invalid")
    yield _bundle(
        town, "other-charter", "Another ledger is pinned", good, "bundle_invalid", charter="00" * 32
    )
    yield _bundle(
        town, "other-origin", "Another origin is pinned", good, "bundle_invalid", origin="else.example"
    )


def _fields(town: Town) -> Iterator[Case]:
    """Yield genuine cards: what is to be said stands in the result."""
    now, cards = town.ledger.now_s, town.cards
    for name, card in cards.items():
        yield _verdict(name, f"A genuine card: {name}", card.front(), now)
    yield _verdict(
        "back", "The back of a card says no more while it is sealed", cards["confirmed"].back(), now
    )
    front = cards["confirmed"].front()
    yield _verdict("stale-not-yet", "A list of 7 days", front, now + 7 * DAY_S)
    yield _verdict("stale", "A list of more than 7 days", front, now + 7 * DAY_S + 1)
    yield _verdict("clock-before", "A clock before the witnesses' time", front, now - 1)
    yield _verdict("clock-after", "A clock 400 days after it", front, now + 400 * DAY_S + 1)
    yield _verdict(
        "companion-ended", "The day after the last", cards["companion"].front(), START_S + 17 * DAY_S
    )
    yield _verdict("companion-last-day", "The last day", cards["companion"].front(), START_S + 17 * DAY_S - 1)
    yield _verdict("expired", "The quarter day has come", front, _LATE_S, bundle=_LATE)
    withdrawn = cards["withdrawn"].front()
    yield _verdict(
        "withdrawn-and-expired", "Several codes: the first leads", withdrawn, _LATE_S, bundle=_LATE
    )
    unlisted = cards["confirmed"].front(position=False)
    yield _verdict("not-yet-listed", "No position, and recent", unlisted, now)
    yield _verdict(
        "no-position-and-old", "No position, and older than 35 days", unlisted, _LATE_S, bundle=_LATE
    )
    closed = _with_header(front, lambda header: header.pop(17))
    yield _verdict("closed", "What must be open is not", closed, now)


def _raised(town: Town, kept: KeptSignatures) -> Iterator[Case]:
    """Yield cards that cannot be judged genuine."""
    now, card = town.ledger.now_s, town.cards["confirmed"]
    front, ledger = card.front(), town.ledger
    yield _verdict("no-bundle", "No list is loaded", front, now, "no_bundle", bundle=None)
    stranger = kept_ledger("ledger.example/other", kept)
    theirs = stranger.issue(stranger.admit("someone"))
    stranger.close_epoch()
    yield _verdict("unknown-issuer", "An issuer of another ledger", theirs.front(), now, "unknown_issuer")
    forged = ledger.issue(town.civil, _PERSON, signer=signer("forger"), submit=False)
    yield _verdict(
        "unknown-key", "A key that the issuer never had", forged.front(position=False), now, "unknown_issuer"
    )
    entry = card.issued.entry
    bad = _text(entry[:-33] + bytes([entry[-33] ^ 1]) + entry[-32:])
    yield _verdict("bad-signature", "A bit of the signature flipped", bad, now, "bad_signature")
    moved = _with_header(front, lambda h: h.update({-65537: [card.index ^ 1, h[-65537][1]]}))
    yield _verdict("not-listed", "Another place than its own", moved, now, "not_listed")
    beyond = _with_header(front, lambda h: h.update({-65537: [10_000, h[-65537][1]]}))
    yield _verdict(
        "beyond-and-old", "A place beyond the list, and old", beyond, _LATE_S, "not_listed", bundle=_LATE
    )
    claims = ledger.issue(town.civil, _PERSON, submit=False).issued.claims._replace(uri="sc:2/0")
    outside = _text(sign_credential(claims, town.civil.signer))
    yield _verdict("out-of-scope", "A place on another issuer's list", outside, now, "out_of_scope")
    made_up = format_disclosure(bytes(16), {18: [0, 8119]}, "ages", kind="claim").content
    lie = _with_header(front, lambda h: h.update({17: [made_up]}))
    yield _verdict("bad-disclosure", "An answer that was made up", lie, now, "bad_disclosure")
    yield _verdict("malformed", "Not Base45", "SC1:abc", now, "malformed")
    yield _verdict("unsupported", "A code of another kind", "HC1:6BF", now, "unsupported")
    yield _verdict("too-large", "Longer than any QR code", PREFIX + "0" * 4293, now, "too_large")
    retired = kept_ledger("ledger.example/retired", kept)
    civil = retired.admit()
    late = retired.issue(civil, _PERSON, submit=False)
    retired.act("civil-1", RetireKey(civil.signer.public_key.kid))
    bundle = _bundle(
        Town(retired, civil, {}),
        "retired-key",
        "A ledger whose issuer retired its key",
        retired.bundle_parts(),
    )
    yield bundle
    text = late.front(position=False)
    yield _verdict(
        "retired-key",
        "Never listed, of a retired key",
        text,
        now,
        "not_listed",
        bundle="bundle/retired-key.json",
    )


def _verdict(
    name: str, description: str, text: str, now_s: int, code: str = "ok", *, bundle: str | None = _NOW
) -> Case:
    return Case("verdict", name, description, {"bundle": bundle, "text": text, "now_s": now_s}, code)


def _with_header(text: str, change: Any) -> str:
    message = cose.parse_sign1(parse_qr_text(text), max_size=4096)
    header = dict(message.unprotected)
    change(header)
    return _text(cose.format_sign1(replace(message, unprotected=header)))


def _text(data: bytes) -> str:
    return PREFIX + base45.encode(data)
