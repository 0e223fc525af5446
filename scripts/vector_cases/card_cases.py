"""Vectors of what is printed: disclosures, SD-CWT, answers of age, status lists, case file, words, slip, card."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import Any

from credential.core import base45, holder
from credential.core.birth import year_only
from credential.core.card import LoggedCredential, Position, format_back, format_front, seal_keys
from credential.core.case_file import Case as CaseContent
from credential.core.case_file import seal_case
from credential.core.disclosure import disclosure_digest, format_disclosure
from credential.core.issue import IssuedCredential, PersonClaims, StatusPlace, issue
from credential.core.names import name_from_input
from credential.core.profiles import built_in_profile
from credential.core.qr_text import PREFIX, SealKeys, format_seal_keys, parse_qr_text
from ledger.core import cbor, cose
from scripts.vector_cases import Case
from tests.support.ledgers import CountedBytes, signer

_SECRET = bytes(range(16))
_ISS, _SUB = "civil-1", "AbCdEfGhIjKlMn_-"
# The first disclosure of the published tokens (draft-ietf-spice-sd-cwt): [salt, "ABCD-123456", 501].
_PUBLISHED = bytes.fromhex("8350bae611067bb823486797da1ebbb52f836b414243442d313233343536" + "1901f5")
_WRAPPED = bytes.fromhex("af375dc3fba1d082448642c00be7b2f7")


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _disclosures()
    yield from _sd_cwt()
    yield from _birth()
    yield from _status_lists()
    yield from _words()
    yield from _cards()


def _disclosures() -> Iterator[Case]:
    assert disclosure_digest(_PUBLISHED).startswith(_WRAPPED)
    yield Case("disclosure", "published", "The digest of the published token: af375dc3...", _PUBLISHED.hex())
    salt = bytes(range(16))
    element = format_disclosure(salt, "FRA", kind="element")
    decoy = format_disclosure(salt, kind="decoy")
    ages = format_disclosure(salt, {12: [0, 8119], 18: [1, 8110]}, "ages", kind="claim")
    yield Case("disclosure", "element", "An element of an array", element.content.hex())
    yield Case("disclosure", "decoy", "A decoy", decoy.content.hex())
    yield Case("disclosure", "ages", "The answers of age", ages.content.hex())
    for name, value in {
        "salt-of-15-bytes": [salt[:15], "x", 501],
        "four-items": [salt, "x", 501, 0],
        "no-items": [],
        "key-of-bytes": [salt, "x", b"key"],
        "empty-key": [salt, "x", ""],
        "no-array": {"a": 0},
    }.items():
        yield Case("disclosure", name, f"Not a disclosure: {name}", cbor.encode(value).hex(), "malformed")
    wrapped = cbor.encode(_PUBLISHED)
    yield Case("disclosure", "wrapped-twice", "The byte string itself", wrapped.hex(), "malformed")


def _sd_cwt() -> Iterator[Case]:
    good, bare = disclosure_digest(_PUBLISHED), hashlib.sha256(_PUBLISHED).digest()
    assert bare.hex().startswith("d9df03da")
    yield _sd(
        "published-digest", "The digest covers the wrapped disclosure: af375dc3...", [good], [_PUBLISHED]
    )
    yield _sd(
        "bare-digest",
        "A digest of the bare array, d9df03da..., verifies nothing",
        [bare],
        [_PUBLISHED],
        "bad_disclosure",
    )
    yield _sd("closed", "Digests that stay closed", [good, bare], [])
    salt = bytes(range(16))
    child = format_disclosure(salt, "f", "sex", kind="claim")
    parent = format_disclosure(bytes(16), {cbor.REDACTED_KEYS: [child.digest]}, "more", kind="claim")
    yield _sd("nested", "A child inside its parent", [parent.digest], [child.content, parent.content])
    yield _sd(
        "child-alone", "A child whose parent is closed", [parent.digest], [child.content], "bad_disclosure"
    )
    yield _sd("twice", "One disclosure twice", [good], [_PUBLISHED, _PUBLISHED], "bad_disclosure")
    clear = format_disclosure(salt, "other", 1, kind="claim")
    yield _sd("iss-redacted", "iss is never redacted", [clear.digest], [clear.content], "bad_disclosure")
    element = format_disclosure(salt, "x", kind="element")
    yield _sd(
        "element-in-map",
        "An element where a claim belongs",
        [element.digest],
        [element.content],
        "bad_disclosure",
    )


def _sd(name: str, description: str, digests: list[bytes], opened: list[bytes], code: str = "ok") -> Case:
    payload = cbor.encode({1: "civil-1", cbor.REDACTED_KEYS: digests})
    given = {"payload": payload.hex(), "disclosures": [content.hex() for content in opened]}
    return Case("sd_cwt", name, description, given, code)


def _birth() -> Iterator[Case]:
    # exp 1 January 2030 is quarter 8120.
    given: dict[str, Any] = {}
    for name, earliest, latest, on in (
        ("child", "2016-05-03", "2016-05-03", "2026-11-15"),
        ("year-only-17", "2009-01-01", "2009-12-31", "2026-11-15"),
        ("year-only-turning-18", "2008-01-01", "2008-12-31", "2026-11-15"),
        ("adult", "1990-01-01", "1990-12-31", "2026-11-15"),
        ("birthday-today", "2008-11-15", "2008-11-15", "2026-11-15"),
        ("birthday-tomorrow", "2008-11-16", "2008-11-16", "2026-11-15"),
        ("leap-day-on-28-february", "2012-02-29", "2012-02-29", "2030-02-28"),
        ("leap-day-on-1-march", "2012-02-29", "2012-02-29", "2030-03-01"),
        ("reached-on-a-quarter-day", "2009-01-01", "2009-01-01", "2026-11-15"),
        ("estimate", "2007-11-16", "2010-11-15", "2026-11-15"),
        ("unknown", "1906-01-01", "2026-11-15", "2026-11-15"),
    ):
        given = {
            "earliest": earliest, "latest": latest, "on": on, "exp_quarter": 8120 if on < "2029" else 8132,
            "ages": [12, 15, 18], "read_at_s": [1_794_700_800, 1_798_761_599, 1_798_761_600, 1_893_456_000],
        }  # fmt: skip
        yield Case(
            "birth", name, f"Answers to 'under 12, 15, 18?' for a birth from {earliest} to {latest}", given
        )
    backwards = {**given, "earliest": "2010-01-02", "latest": "2010-01-01"}
    yield Case("birth", "backwards", "The latest day before the earliest", backwards, "bad_input")
    yield Case("birth", "age-0", "An age that is none", {**given, "ages": [0]}, "bad_input")


def _status_lists() -> Iterator[Case]:
    raw = bytearray(65_536)
    raw[0], raw[1], raw[65_535] = 0x10, 0x2C, 0xD0
    data = zlib.compress(raw, 9)
    given: dict[str, Any] = {"bits": 4, "lst": data.hex(), "get": [0, 1, 2, 3, 4, 131_070, 131_071]}
    yield Case("status_list", "four-bits", "131,072 places of 4 bits; place 0 is the low half", given)
    two_bits = {"bits": 2, "lst": zlib.compress(b"\xc9\x44\xf9", 9).hex(), "get": list(range(12))}
    yield Case("status_list", "two-bits", "12 places of 2 bits", two_bits)
    yield Case("status_list", "beyond", "A place beyond the list", {**given, "get": [131_072]}, "malformed")
    yield Case("status_list", "three-bits", "3 bits", {**given, "bits": 3}, "malformed")
    yield Case("status_list", "cut", "A stream that is cut", {**given, "lst": data[:-1].hex()}, "malformed")
    yield Case(
        "status_list", "trailing", "Bytes after the stream", {**given, "lst": data.hex() + "00"}, "malformed"
    )
    large = zlib.compress(bytes(65_537), 9).hex()
    yield Case("status_list", "too-large", "One byte too many", {**given, "lst": large}, "too_large")


def _words() -> Iterator[Case]:
    base = {"iss": _ISS, "sub": _SUB, "groups": ["names", "more", "portrait"]}
    words = holder.format_words(_SECRET)
    swapped = " ".join([words.split()[1], words.split()[0], *words.split()[2:]])
    for name, text, code in (
        ("zeros", holder.format_words(bytes(16)), "ok"),
        ("counted", words, "ok"),
        ("capitals-and-spaces", "  " + words.upper().replace(" ", "\n "), "ok"),
        ("eleven", " ".join(words.split()[:11]), "bad_input"),
        ("unknown-word", "safeconduct " + " ".join(words.split()[1:]), "bad_input"),
        ("swapped", swapped, "wrong_secret"),
    ):
        yield Case(
            "words", name, f"Twelve words and what follows from them: {name}", {"words": text, **base}, code
        )


def _issued() -> IssuedCredential:
    person = PersonClaims(names=(name_from_input("أمل", "Amal"),), birth=year_only(2014), sex="female")
    return issue(
        built_in_profile("sc:identity"), person, iss=_ISS, sub=_SUB, iat_s=1_794_700_800,
        place=StatusPlace("sc:1/0", 4711), holder=_SECRET, signer=signer("vector"), random_bytes=CountedBytes("vector"),
    )  # fmt: skip


def _cards() -> Iterator[Case]:
    issued = _issued()
    path = bytes(range(128))
    parts = tuple(part.content for part in issued.disclosures.values())
    logged = LoggedCredential(issued.entry, Position(4711, path), parts)
    keys = seal_keys(_SECRET, issued.claims)
    front, back = format_front(logged), format_back(logged, keys, CountedBytes("nonce"))
    yield Case("card", "front", "A front: what must be open, and the position", front)
    yield Case("card", "back", "A back: the sealed parts too", back)
    yield Case(
        "card",
        "not-registered",
        "Without a position",
        format_front(LoggedCredential(issued.entry, None, parts)),
    )
    data = parse_qr_text(front)
    yield Case("card", "cut", "The last byte is missing", PREFIX + base45.encode(data[:-1]), "malformed")
    yield Case("card", "other-prefix", "A code of another kind", "HC1:" + front[4:], "unsupported")
    yield Case("card", "small-prefix", "The prefix in small letters", "sc1:" + front[4:], "unsupported")
    yield Case("card", "too-long", "Longer than any QR code", PREFIX + "0" * 4293, "too_large")
    message = cose.parse_sign1(data, max_size=4096)
    odd = cose.Sign1(
        message.protected_bytes, {}, {**message.unprotected, 99: 0}, message.payload, message.signature
    )
    strange = PREFIX + base45.encode(cose.format_sign1(odd))
    yield Case("card", "further-header", "A part that does not belong on a card", strange, "malformed")
    start, header = 4 + data[3], cbor.encode(message.unprotected)
    rows = [cbor.encode(label) + cbor.encode(value) for label, value in message.unprotected.items()]
    for name, shown in (("labels-swapped", rows[::-1]), ("label-twice", rows[:1] * 2)):
        changed = data[:start] + b"\xa2" + b"".join(shown) + data[start + len(header) :]
        text = PREFIX + base45.encode(changed)
        yield Case("card", name, f"The header is another map: {name}", text, "malformed")

    slip = format_seal_keys(SealKeys(_SUB, keys))
    yield Case("slip", "good", "The seal keys of a card", slip)
    yield Case("slip", "of-a-card", "A card is no slip", front, "unsupported")
    short = "SCK1:" + base45.encode(cbor.encode([_SUB, {"names": bytes(31)}]))
    yield Case("slip", "short-key", "A key of 31 bytes", short, "malformed")

    decoys = tuple(part.content for part in issued.decoys)
    content = CaseContent(issued.entry, 4711, path, parts, decoys, "Civil registry of Example")
    file = seal_case(content, _SECRET, _ISS, _SUB, bytes(range(12)))
    words = holder.format_words(_SECRET)
    yield Case("case_file", "good", "Opened with the twelve words", {"file": file.hex(), "words": words})
    other = {"file": file.hex(), "words": holder.format_words(bytes(16))}
    yield Case("case_file", "other-words", "The words of somebody else", other, "wrong_secret")
    flipped = file[:-1] + bytes([file[-1] ^ 1])
    yield Case(
        "case_file", "flipped", "A bit flipped", {"file": flipped.hex(), "words": words}, "wrong_secret"
    )
    yield Case(
        "case_file", "cut", "The last byte is missing", {"file": file[:-1].hex(), "words": words}, "malformed"
    )
