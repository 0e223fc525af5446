"""Vectors of what stations hold and exchange: deltas, heads, frames, policies, pins, challenges, codes of several."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any, Final

from credential.core import base45
from credential.core.birth import year_only
from credential.core.challenge import Challenge, format_challenge
from credential.core.frames import FRAME_PREFIX, MAX_MESSAGE_BYTES, format_frames
from credential.core.issue import Companion, PersonClaims
from credential.core.presentation import present
from ledger.core import cbor
from ledger.core.bundle import format_bundle, parse_bundle
from ledger.core.calendar_days import DAY_S
from ledger.core.checkpoint import Checkpoint, sign_checkpoint
from ledger.core.cosignature import Ed25519Cosigner
from ledger.core.delta import format_delta, make_delta, parse_delta
from ledger.core.merkle import root_hash
from ledger.core.note import format_vkey
from ledger.core.pin import LeastTree, format_pin
from scripts.vector_cases import Case
from scripts.vector_cases.kept_signatures import KeptSignatures, kept_ledger
from tests.support.ledgers import START_S, TinyCard, TinyLedger

_ORIGIN: Final = "ledger.example/station"
_BEFORE, _AFTER = "bundle/before.json", "bundle/after.json"
_OTHER: Final = "bundle/other-history.json"
_TWO_LISTS: Final = ("bundle/good.json", _AFTER)
_AUD: Final = "hut-7"
_NONCE: Final = bytes(range(16))


@dataclass
class Day:
    """A ledger, its cards, its bundles by name, and its head at the size that it had first."""

    ledger: TinyLedger
    cards: dict[str, TinyCard]
    bundles: dict[str, bytes]

    @property
    def charter(self) -> str:
        """Leaf hash of the charter in hex."""
        return self.ledger.charter_hash.hex()


def cases(kept: KeptSignatures) -> Iterator[Case]:
    """Yield the cases."""
    day = _day(kept)
    for name in ("before", "after", "renewed", "other-history"):
        given = {"origin": _ORIGIN, "charter": day.charter, "bundle": day.bundles[name].hex()}
        yield Case("bundle", name, f"A list of a station's day: {name}", given)
    yield from _deltas(day)
    yield from _heads(day, kept)
    yield from _newer()
    yield from _codes(day)
    yield from _frames()
    yield from _policies()
    yield from _pins(day.ledger)
    yield from _challenges()


def _day(kept: KeptSignatures) -> Day:
    ledger, cards = _begun(kept)
    civil = ledger.issuers["civil-1"]
    bundles = {"before": ledger.bundle()}
    ledger.change_status(civil, cards["unrelated"], 0, 2, 4)
    ledger.close_epoch()
    bundles["middle"] = ledger.bundle()
    ledger.admit("consulate-9", title="Consulate of Example")
    for _ in range(20):
        ledger.issue(civil)
    ledger.close_epoch()
    bundles["after"] = ledger.bundle()
    bundles["renewed"] = ledger.bundle(time_s=ledger.now_s + 3600)
    other, _ = _begun(kept)
    other.admit("clinic-2", title="Clinic of Example")
    bundles["other-history"] = other.bundle()
    return Day(ledger, cards, bundles)


def _begun(kept: KeptSignatures) -> tuple[TinyLedger, dict[str, TinyCard]]:
    """Return the ledger as it was when its histories parted."""
    ledger = kept_ledger(_ORIGIN, kept)
    civil = ledger.admit()
    adult = ledger.issue(civil, PersonClaims(birth=year_only(1988)))
    child = ledger.issue(civil, PersonClaims(birth=year_only(2016), sex="female"))
    link = Companion(child.sub, "travel", date(2026, 12, 1))
    right = ledger.issue(civil, PersonClaims(companion=link), vct="sc:companion")
    neighbour = ledger.issue(civil, PersonClaims(birth=year_only(1990)))
    unrelated = ledger.issue(civil, PersonClaims(birth=year_only(2015)))
    ledger.close_epoch()
    cards = {"adult": adult, "child": child, "right": right, "neighbour": neighbour, "unrelated": unrelated}
    return ledger, cards


def _deltas(day: Day) -> Iterator[Case]:
    before, middle, after = (day.bundles[name] for name in ("before", "middle", "after"))
    whole, rest = make_delta(before, after), make_delta(middle, after)
    delta = parse_delta(whole)
    yield _delta("good", "From the last bundle of the day before to the last of the day", before, whole)
    yield _delta("from-within", "From a bundle of the day, which has some of it", middle, whole)
    yield _delta("at-the-end", "From the bundle that it leads to", after, whole)
    idle = make_delta(after, day.bundles["renewed"])
    yield _delta("idle-day", "Newer cosignatures and nothing else", after, idle)
    bridge, later = (day.ledger.checkpoint(time_s=START_S + shift_s) for shift_s in (7200, 7260))
    bridged = [format_bundle(replace(parse_bundle(data), bridges=(text,))) for data, text in
               ((before, bridge), (after, bridge), (after, later))]  # fmt: skip
    yield _delta("bridge-added", "A bridging checkpoint", before, make_delta(before, bridged[1]))
    renewed = make_delta(bridged[0], bridged[2])
    yield _delta("bridge-instead", "One of the same size in place of another", bridged[0], renewed)
    for name, start in (("too-early", before), ("other-history", day.bundles["other-history"])):
        yield _delta(name, f"The bundle at hand is another: {name}", start, rest, "bundle_invalid")
    yield _delta(
        "too-late", "The bundle at hand is newer", after, make_delta(before, middle), "bundle_invalid"
    )
    first = delta.lists[0]
    wrong = {
        "other-hash": replace(delta, bundle_hash=bytes(32)),
        "an-approval-missing": replace(delta, approvals=delta.approvals[1:]),
        "a-cell-changed": replace(delta, cells=bytes(32) + delta.cells[32:]),
        "a-list-missing": replace(delta, lists=()),
        "a-list-changed": replace(delta, lists=(replace(first, reasons_deflated=b""),)),
        "a-bridge-that-is-no-note": replace(delta, bridges=("bridge",)),
    }
    for name, changed in wrong.items():
        description = f"Leads to another bundle than it names: {name}"
        yield _delta(name, description, before, format_delta(changed), "bundle_invalid")
    yield from _malformed_deltas(before, whole)


def _malformed_deltas(before: bytes, whole: bytes) -> Iterator[Case]:
    value = cbor.decode(whole, max_size=len(whole))
    approvals = value[4]
    lists = [["sc:2/0", b"", b""], ["sc:1/0", b"", b""]]
    changes: dict[str, tuple[dict[int, Any], str]] = {
        "version-2": ({1: 2}, "unsupported"),
        "version-true": ({1: True}, "unsupported"),
        "size-of-17": ({2: 17}, "malformed"),
        "size-0": ({2: 0}, "malformed"),
        "size-beyond-53-bits": ({3: 2**53}, "malformed"),
        "sizes-swapped": ({2: value[3], 3: value[2]}, "malformed"),
        "a-cell-too-many": ({6: value[6] + bytes(32)}, "malformed"),
        "approvals-falling": ({4: approvals[::-1]}, "malformed"),
        "approval-twice": ({4: [approvals[0], *approvals]}, "malformed"),
        "approval-beyond": ({4: [[value[3] - 1, *approvals[0][1:]]]}, "malformed"),
        "empty-entry": ({7: [value[7][0], b""]}, "malformed"),
        "short-path": ({7: [value[7][0][:96], value[7][1]]}, "malformed"),
        "entry-of-65536-bytes": ({7: [value[7][0], bytes(65_536)]}, "too_large"),
        "lists-falling": ({8: lists}, "malformed"),
        "list-uri": ({8: [["sc:01/0", b"", b""]]}, "malformed"),
        "bridge-of-bytes": ({9: [b"note"]}, "malformed"),
        "bridge-too-large": ({9: ["x" * 65_537]}, "too_large"),
        "hash-of-31-bytes": ({10: bytes(31)}, "malformed"),
        "eleven-parts": ({11: 0}, "malformed"),
    }
    for name, (change, code) in changes.items():
        yield _delta(name, f"Not a delta: {name}", before, cbor.encode({**value, **change}), code)
    odd = {(cbor.CBORSimpleValue(1) if key == 1 else key): item for key, item in value.items()}
    yield _delta("simple-1-for-1", "simple(1) is not the label 1", before, cbor.encode(odd), "malformed")
    yield _delta("cut", "The last byte is missing", before, whole[:-1], "malformed")
    yield _delta("no-bundle", "The bundle at hand is none", before[:-1], whole, "malformed")


def _delta(name: str, description: str, bundle: bytes, delta: bytes, code: str = "ok") -> Case:
    return Case("delta", name, description, {"bundle": bundle.hex(), "delta": delta.hex()}, code)


def _heads(day: Day, kept: KeptSignatures) -> Iterator[Case]:
    ledger, now_s = day.ledger, day.ledger.now_s
    first = parse_bundle(day.bundles["before"])
    other = parse_bundle(day.bundles["other-history"])
    yield _head(day, "same", "The head of the list at hand", ledger.checkpoint())
    yield _head(
        day, "same-and-uncosigned", "No quorum is needed", ledger.checkpoint(witness_times=[None, now_s])
    )
    yield _head(day, "older", "An older head, which the list extends", first.checkpoint)
    after = parse_bundle(day.bundles["after"]).checkpoint
    yield _head(day, "newer", "A newer head: the list cannot tell", after, bundle=_BEFORE)
    yield _head(day, "fork", "A head of another history, signed by the log", other.checkpoint)
    lines = after.split("\n")
    damaged = "\n".join([*lines[:-2], lines[-2][:-8] + "AAAAAAA=", ""])
    yield _head(day, "a-witness-line-damaged", "It counts for nobody", damaged)
    stranger = kept_ledger("ledger.example/vectors", kept).checkpoint()
    yield _head(day, "another-ledger", "A head of another ledger", stranger, "bad_checkpoint")
    odd = sign_checkpoint(Checkpoint(_ORIGIN, 17, root_hash(ledger.leaves[:17])), ledger.log_signers, now_s)
    yield _head(day, "size-17", "Not a size at which an epoch ends", odd, "bad_checkpoint")
    unsigned = "\n".join([*lines[:5], *lines[6:]])
    yield _head(day, "one-signature", "The log has signed once only", unsigned, "bad_checkpoint")
    for name, note in (("no-note", "head"), ("extension", after.replace("\n\n", "\nmore\n\n", 1))):
        yield _head(day, name, f"Not a checkpoint: {name}", note, "malformed")
    yield _head(day, "too-large", "Longer than any note", "x" * 65_537, "too_large")
    for name in ("after", "before", "other-history"):
        note = parse_bundle(day.bundles[name]).checkpoint
        yield _head(day, f"in-its-list-{name}", f"Its list is there: {name}", note, come_in=day.bundles[name])
    newer = day.bundles["after"]
    yield _head(
        day, "in-its-list-newer", "Its list tells what the head cannot", after, bundle=_BEFORE, come_in=newer
    )
    cut = format_bundle(replace(parse_bundle(newer), lists=()))
    yield _head(day, "in-a-list-that-fails", "A list without a list", after, "bundle_invalid", come_in=cut)


def _head(
    day: Day,
    name: str,
    description: str,
    note: str,
    code: str = "ok",
    *,
    bundle: str = _AFTER,
    come_in: bytes | None = None,
) -> Case:
    given = {
        "bundle": bundle,
        "charter": day.charter,
        "note": note,
        "list": None if come_in is None else come_in.hex(),
    }
    return Case("head", name, description, given, code)


def _newer() -> Iterator[Case]:
    renewed = "bundle/renewed.json"
    for name, old, new, code in (
        ("later-tree", _BEFORE, _AFTER, "ok"),
        ("same-list", _AFTER, _AFTER, "ok"),
        ("later-cosignatures", _AFTER, renewed, "ok"),
        ("earlier-cosignatures", renewed, _AFTER, "bundle_invalid"),
        ("earlier-tree", _AFTER, _BEFORE, "bundle_invalid"),
        ("another-ledger", _BEFORE, "bundle/good.json", "bundle_invalid"),
        ("fork", _AFTER, _OTHER, "fork"),
        ("fork-by-a-larger-tree", _OTHER, _AFTER, "fork"),
    ):
        description = f"May the second list take the place of the first: {name}"
        yield Case("newer", name, description, {"old": old, "new": new}, code)


def _codes(day: Day) -> Iterator[Case]:
    cards, now_s = day.cards, day.ledger.now_s
    adult, child = cards["adult"], cards["child"]
    fronts = {name: card.front() for name, card in cards.items()}
    for name, texts in {
        "companion": [fronts["child"], fronts["adult"], fronts["right"]],
        "companion-of-another-child": [fronts["unrelated"], fronts["adult"], fronts["right"]],
        "companion-without-the-adult": [fronts["child"], fronts["right"]],
        "companion-not-recorded": [fronts["child"], fronts["adult"]],
        "companion-of-adults": [fronts["adult"], fronts["neighbour"]],
        "a-card-twice": [fronts["adult"], fronts["adult"]],
        "front-and-back": [fronts["child"], child.back()],
        "one-is-no-card": [fronts["adult"], "HC1:6BF"],
    }.items():
        yield _read(name, f"Codes that are read together: {name}", texts, now_s)
    texts = [fronts["child"], fronts["adult"], fronts["right"]]
    yield _read("companion-ended", "The day after the last", texts, START_S + 17 * DAY_S)
    slip = child.slip_text()
    yield _read("slip", "A slip opens the back of its card", [child.back()], now_s, slip=slip)
    yield _read("slip-of-another", "A slip of another card", [adult.back()], now_s, "wrong_secret", slip=slip)
    for name, card, aud, cnonce in (
        ("token", adult, _AUD, _NONCE),
        ("token-for-another-station", adult, "hut-8", _NONCE),
        ("token-of-another-nonce", adult, _AUD, bytes(16)),
        ("token-without-nonce", adult, _AUD, None),
    ):
        text = present(card.logged(), card.secret, [], aud=aud, iat_s=now_s, cnonce=cnonce)
        yield _read(name, f"A token of the holder: {name}", [text], now_s, nonce=_NONCE.hex())
    opened = present(child.logged(), child.secret, ["sex"], aud=_AUD, iat_s=now_s)
    yield _read("token-that-opens", "A token opens what the holder chose", [opened], now_s)
    yield _read("token-too-old", "Five minutes and a second", [opened], now_s + 301)
    yield _read("no-list", "No list is loaded", [fronts["adult"]], now_s, bundles=())
    yield _read("two-lists", "The list that has the key judges", [fronts["right"]], now_s, bundles=_TWO_LISTS)
    yield _read("malformed-slip", "A slip that is none", [fronts["child"]], now_s, "malformed", slip="SCK1:0")


def _read(
    name: str,
    description: str,
    texts: list[str],
    now_s: int,
    code: str = "ok",
    *,
    slip: str | None = None,
    nonce: str | None = None,
    bundles: tuple[str, ...] = (_AFTER,),
) -> Case:
    given = {
        "texts": texts,
        "bundles": list(bundles),
        "now_s": now_s,
        "slip": slip,
        "audience": _AUD,
        "nonce": nonce,
    }
    return Case("codes", name, description, given, code)


def _frames() -> Iterator[Case]:
    message = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(64))
    texts = format_frames("head", message)
    second = format_frames("head", message[::-1])
    yield Case("frames", "three", "Three frames in their order", texts)
    yield Case("frames", "any-order", "In another order, and one twice", [*texts[::-1], texts[1]])
    yield Case("frames", "one", "A message of one frame", format_frames("delta", b"delta"))
    yield Case("frames", "bundle", "A kind is a word", format_frames("bundle", message, 1400))
    largest = bytes(MAX_MESSAGE_BYTES)
    yield Case("frames", "largest", "131,072 zeros", format_frames("head", largest))
    yield Case("frames", "stored", "Stored blocks", _frames_of(zlib.compress(message, 0)))
    for name, given, code in (
        ("none", [], "malformed"),
        ("one-is-missing", texts[1:], "malformed"),
        ("of-two-messages", [*texts[:2], second[2]], "malformed"),
        ("of-two-kinds", [texts[0], *format_frames("delta", message)[1:]], "malformed"),
        ("other-prefix", ["SC1:" + texts[0][5:]], "unsupported"),
        ("small-prefix", [texts[0].replace("SCF1:", "scf1:")], "unsupported"),
        ("too-long", [FRAME_PREFIX + "0" * 2197], "too_large"),
        ("not-base45", [FRAME_PREFIX + "a"], "malformed"),
        ("cut-unevenly", _frames_of(zlib.compress(message), (700, 1200)), "malformed"),
        ("last-part-longest", _frames_of(zlib.compress(message)[:1000], (400,)), "malformed"),
        ("followed", _frames_of(zlib.compress(b"head") + b"\0"), "malformed"),
        ("stream-cut", _frames_of(zlib.compress(message[:900])[:-1]), "malformed"),
        ("nothing-inside", _frames_of(zlib.compress(b"")), "malformed"),
        ("inflates-too-far", _frames_of(zlib.compress(largest + b"\0")), "too_large"),
    ):
        yield Case("frames", name, f"Not the frames of one message: {name}", given, code)
    row = ["head", bytes(8), 0, 1, b"x"]
    for name, place, item in (
        ("kind-with-a-digit", 0, "h1"),
        ("kind-of-17-letters", 0, "a" * 17),
        ("id-of-7-bytes", 1, bytes(7)),
        ("number-above-count", 2, 1),
        ("number-below-0", 2, -1),
        ("count-of-257", 3, 257),
        ("no-part", 4, b""),
        ("part-of-1401-bytes", 4, bytes(1401)),
    ):
        changed = [*row[:place], item, *row[place + 1 :]]
        yield Case("frames", name, f"Not a frame: {name}", [_frame(changed)], "malformed")
    yield Case("frames", "six-items", "Not a frame: six items", [_frame([*row, 0])], "malformed")


def _frames_of(deflated: bytes, ends: tuple[int, ...] = ()) -> list[str]:
    """Return the frames of any bytes as if they were a deflated message, cut at these places, else at 900."""
    cuts = ends or tuple(range(900, len(deflated), 900))
    parts = [deflated[start:end] for start, end in pairwise((0, *cuts, len(deflated)))]
    message_id = hashlib.sha256(deflated).digest()[:8]
    return [_frame(["head", message_id, number, len(parts), part]) for number, part in enumerate(parts)]


def _frame(row: list[Any]) -> str:
    return FRAME_PREFIX + base45.encode(cbor.encode(row))


def _policies() -> Iterator[Case]:
    keys = [format_vkey(Ed25519Cosigner(f"w{n}", bytes([n]) * 32).verifier_key) for n in range(65)]
    crowd = [f"witness w{n} {key}\n" for n, key in enumerate(keys)]
    lines = crowd[:4]
    groups = "group a any w0 w1\ngroup b all w2 a\n# a comment\n\ngroup c 1 b w3\n"
    times = {"w0": 5, "w2": 9, "w3": 1}
    for name, end, seen in (
        ("any", "a", times),
        ("all", "b", times),
        ("not-all", "b", {"w2": 9}),
        ("nested", "c", times),
        ("one-witness", "w3", {}),
        ("none", "none", {}),
    ):
        text = "".join(lines) + groups + f"quorum {end}\n"
        description = f"A policy, and whether these times satisfy it: {name}"
        yield Case("policy", name, description, {"text": text, "times_s": seen})
    whole = "".join(lines)
    for name, text, code in (
        ("no-quorum", whole, "malformed"),
        ("two-quorums", whole + "quorum w0\nquorum w1\n", "malformed"),
        ("quorum-of-nobody", whole + "quorum w9\n", "malformed"),
        ("no-newline", whole + "quorum w0", "malformed"),
        ("carriage-return", whole + "quorum w0\r\n", "malformed"),
        ("name-twice", whole + lines[0] + "quorum w0\n", "malformed"),
        ("key-twice", lines[0] + lines[0].replace("witness w0", "witness w8") + "quorum w0\n", "malformed"),
        ("member-twice", whole + "group a any w0 w0\nquorum a\n", "malformed"),
        ("threshold-0", whole + "group a 0 w0 w1\nquorum a\n", "malformed"),
        ("threshold-3-of-2", whole + "group a 3 w0 w1\nquorum a\n", "malformed"),
        ("group-used-before", whole + "group b any a\ngroup a any w0\nquorum b\n", "malformed"),
        ("unknown-line", whole + "also w0\nquorum w0\n", "malformed"),
        ("key-changed", whole.replace("w0+", "w0+0", 1) + "quorum w0\n", "malformed"),
        ("too-large", "".join(crowd) + "quorum none\n", "too_large"),
    ):
        yield Case("policy", name, f"Not a policy: {name}", {"text": text, "times_s": {}}, code)


def _pins(ledger: TinyLedger) -> Iterator[Case]:
    pin = ledger.pin
    least = replace(pin, least=LeastTree(ledger.tree_size, root_hash(ledger.leaves)))
    yield Case("pin", "good", "Origin and charter", format_pin(pin).decode())
    yield Case("pin", "least", "With the least tree", format_pin(least).decode())
    value = json.loads(format_pin(least))
    tree = value["least"]
    for name, changed in {
        "no-charter": {"origin": value["origin"]},
        "further-part": {**value, "more": 0},
        "origin-with-scheme": {**value, "origin": "https ://x"},
        "practice": {**value, "origin": "practice.invalid/deck"},
        "practice-spelled-otherwise": {**value, "origin": "a.Practice.Invalid.:80"},
        "charter-in-capitals": {**value, "charter": "A" * 64},
        "charter-of-31-bytes": {**value, "charter": "00" * 31},
        "least-is-null": {**value, "least": None},
        "least-of-17": {**value, "least": {**tree, "size": 17}},
        "least-of-0": {**value, "least": {**tree, "size": 0}},
        "least-of-16.0": {**value, "least": {**tree, "size": 16.0}},
        "least-of-true": {**value, "least": {**tree, "size": True}},
        "least-beyond-53-bits": {**value, "least": {**tree, "size": 2**53}},
        "least-without-root": {**value, "least": {"size": 16}},
        "an-array": [],
    }.items():
        yield Case("pin", name, f"Not a pin: {name}", json.dumps(changed), "bad_input")
    text = format_pin(pin).decode()
    for name, other in (
        ("cut", text[:-3]),
        ("byte-order-mark", "\ufeff" + text),
        ("long", text + " " * 4096),
    ):
        yield Case("pin", name, f"Not a pin: {name}", other, "bad_input")


def _challenges() -> Iterator[Case]:
    good = format_challenge(Challenge(_AUD, _NONCE))
    yield Case("challenge", "good", "Name and nonce of a station", good)
    arabic = format_challenge(Challenge("\u063a\u0631\u0641\u0629", bytes(64)))
    yield Case("challenge", "arabic", "A name in Arabic, and the longest nonce", arabic)
    longest = format_challenge(Challenge("x" * 255, bytes(8)))
    yield Case("challenge", "longest-name", "A name of 255 bytes, and the shortest nonce", longest)
    for name, value in {
        "no-name": ["", _NONCE],
        "name-of-256-bytes": ["\u00e9" * 128, _NONCE],
        "name-with-an-override": ["hut\u202e-7", _NONCE],
        "nonce-of-7-bytes": [_AUD, bytes(7)],
        "nonce-of-65-bytes": [_AUD, bytes(65)],
        "name-of-bytes": [b"hut-7", _NONCE],
        "three-items": [_AUD, _NONCE, 0],
    }.items():
        text = "SCN1:" + base45.encode(cbor.encode(value))
        yield Case("challenge", name, f"Not a challenge: {name}", text, "malformed")
    for name, text, code in (
        ("other-prefix", "SC1:" + good[5:], "unsupported"),
        ("too-long", "SCN1:" + "0" * 495, "too_large"),
        ("not-base45", "SCN1:abc", "malformed"),
    ):
        yield Case("challenge", name, f"Not a challenge: {name}", text, code)
