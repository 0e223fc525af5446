"""A ledger whose operator and witnesses lie together: a whole, consistent, cosigned tree that a station refuses.

Each test forges one entry and folds, signs and cosigns everything above it, so that only the one check under
test is left to refuse it (docs/protocol.md, section 9, steps 2, 3, 6 and 7; section 10, step 7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from credential.core.status_list import compress_list
from ledger.core import cbor
from ledger.core.actions import AddKey, Reinstate, RetireKey, Suspend
from ledger.core.bundle import PackedList, PlacedEntry, format_bundle
from ledger.core.merkle import leaf_hash
from ledger.core.pin import Pin
from ledger.core.seal import Seal
from ledger.core.statement import parse_statement, sign_statement
from ledger.core.status_change import REASON_WITHDRAWN, VALID, WITHDRAWN
from tests.support.ledgers import TinyCard, TinyLedger, signer
from verifier.core.trust import open_bundle
from verifier.core.verdict import judge
from verifier.errors import BundleError

STRANGER = signer("stranger")


def a_ledger() -> TinyLedger:
    """Return a ledger with an issuer, two cards, and one of them withdrawn."""
    ledger = TinyLedger()
    civil = ledger.admit("civil-1")
    cards = [ledger.issue(civil) for _ in range(2)]
    ledger.close_epoch()
    ledger.change_status(civil, cards[1], VALID, WITHDRAWN, REASON_WITHDRAWN)
    ledger.close_epoch()
    return ledger


def put(ledger: TinyLedger, index: int, entry: bytes) -> PlacedEntry:
    """Let the tree have another entry at an index."""
    ledger.entries[index], ledger.leaves[index] = entry, leaf_hash(entry)
    return ledger.placed(index)


def damaged(entry: bytes) -> bytes:
    return entry[:-1] + bytes([entry[-1] ^ 1])


def step_of(ledger: TinyLedger, pin: Pin | None = None, **parts: Any) -> tuple[int, str]:
    """Return the step at which a station refuses the bundle, and what it says."""
    with pytest.raises(BundleError) as caught:
        open_bundle(format_bundle(replace(ledger.bundle_parts(), **parts)), pin or ledger.pin)
    assert caught.value.code == "bundle_invalid"
    return caught.value.step, str(caught.value)


def test_an_honest_ledger_is_believed() -> None:
    ledger = a_ledger()
    put(ledger, ledger.tree_size - 2, b"\xf6")
    assert open_bundle(ledger.bundle(), ledger.pin).tree_size == ledger.tree_size


def test_a_charter_that_its_service_key_did_not_sign() -> None:
    """The pin is of the forged charter: whoever hands out a pin may be fooled, its form is checked all the same."""
    ledger = a_ledger()
    origin, charter = ledger.origin, ledger.charter
    wrong_kid = replace(ledger.service, public_key=STRANGER.public_key)
    for entry, said in (
        (damaged(ledger.entries[0]), "bad_signature"),
        (sign_statement("charter", origin, origin, charter, wrong_kid), "not signed by its service key"),
        (sign_statement("charter", origin, origin, charter, STRANGER), "not signed by its service key"),
    ):
        placed = put(ledger, 0, entry)
        step, detail = step_of(ledger, Pin(origin, leaf_hash(entry)), charter=placed)
        assert (step, said in detail) == (2, True), detail


def test_an_approval_that_no_governor_signed() -> None:
    for damage in (damaged, lambda entry: _signed_anew(entry)):
        ledger = a_ledger()
        for index in (16, 17):
            put(ledger, index, damage(ledger.entries[index]))
        step, detail = step_of(ledger)
        assert step == 3
        assert "bad_signature" in detail or "unknown_issuer" in detail


def _signed_anew(entry: bytes) -> bytes:
    """Return an approval in a governor's name by another key."""
    statement = parse_statement(entry)
    return sign_statement("govern", statement.iss, statement.sub, statement.body, STRANGER)


def seal_with(ledger: TinyLedger, *, by: Any = None, origin: str = "", **changed: Any) -> PlacedEntry:
    last = ledger.tree_size - 1
    body: Seal = replace(parse_statement(ledger.entries[last]).body, **changed)
    origin = origin or ledger.origin
    return put(ledger, last, sign_statement("seal", origin, origin, body, by or ledger.service))


LIES: dict[str, Callable[[TinyLedger], PlacedEntry]] = {
    "signature": lambda ledger: put(ledger, ledger.tree_size - 1, damaged(ledger.entries[-1])),
    "key": lambda ledger: seal_with(ledger, by=STRANGER),
    "kid": lambda ledger: seal_with(ledger, by=replace(ledger.service, public_key=STRANGER.public_key)),
    "origin": lambda ledger: seal_with(ledger, origin="ledger.example/other"),
    "index": lambda ledger: seal_with(ledger, index=ledger.tree_size - 17),
    "govern head": lambda ledger: seal_with(ledger, govern_head=bytes(32)),
    "kind": lambda ledger: put(ledger, ledger.tree_size - 1, ledger.entries[16]),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_last_seal_that_is_not_the_ledger_s(lie: str) -> None:
    ledger = a_ledger()
    seal = LIES[lie](ledger)
    step, detail = step_of(ledger, seal=seal)
    assert (step, "cell" in detail) == (6, False)


def test_an_older_seal_in_the_last_place() -> None:
    """The lists of yesterday under the seal of yesterday: a withdrawal would be hidden so."""
    ledger = a_ledger()
    step, detail = step_of(ledger, seal=put(ledger, ledger.tree_size - 1, ledger.entries[-17]))
    assert (step, "not the last seal" in detail) == (6, True)


def lists_of(ledger: TinyLedger, raw: bytes, reasons: bytes) -> dict[str, Any]:
    """Return parts of a bundle whose seal commits to these lists."""
    rows = [["sc:1/0", sha256(raw).digest(), sha256(reasons).digest()]]
    seal = seal_with(ledger, status_digest=sha256(cbor.encode(rows)).digest())
    return {"seal": seal, "lists": (PackedList("sc:1/0", compress_list(raw), compress_list(reasons)),)}


GOOD_ROW = [1, REASON_WITHDRAWN, 202611]


@pytest.mark.parametrize("size", [0, 65_535, 65_537])
def test_a_list_of_another_size_that_the_seal_commits_to(size: int) -> None:
    ledger = a_ledger()
    parts = lists_of(ledger, bytes(65_536), cbor.encode([GOOD_ROW]))
    good = format_bundle(replace(ledger.bundle_parts(), **parts))
    assert open_bundle(good, ledger.pin).lists["sc:1/0"].raw == bytes(65_536)
    assert step_of(ledger, **lists_of(ledger, bytes(size), cbor.encode([GOOD_ROW])))[0] == 7


@pytest.mark.parametrize(
    "rows",
    [
        {}, [1], [[1]], [[1, 3]], [[1, 9, 202611]], [[1, 0, 202611]], [[131_072, 3, 202611]], [[-1, 3, 202611]],
        [GOOD_ROW, GOOD_ROW], [[2, 3, 202611], GOOD_ROW], [[1, 3, "202611"]],
    ],
)  # fmt: skip
def test_reasons_of_another_form_that_the_seal_commits_to(rows: Any) -> None:
    ledger = a_ledger()
    assert step_of(ledger, **lists_of(ledger, bytes(65_536), cbor.encode(rows)))[0] == 7


def test_lists_and_reasons_are_whole_streams_and_no_more() -> None:
    ledger = a_ledger()
    [packed] = ledger.bundle_parts().lists
    for item in (
        replace(packed, raw_deflated=packed.raw_deflated[:-4]),
        replace(packed, raw_deflated=packed.raw_deflated + b"\x00"),
        replace(packed, reasons_deflated=packed.reasons_deflated[:-4]),
        replace(packed, reasons_deflated=packed.reasons_deflated + b"\x00"),
    ):
        step, detail = step_of(ledger, lists=(item,))
        assert (step, "too large, cut short or followed" in detail) == (7, True)


@pytest.mark.parametrize(
    ("most", "said"), [(1000, "too large"), (1199, "too large"), (1200, "does not have its size")]
)
def test_reasons_that_inflate_to_more_than_a_station_takes(
    most: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each list inflates to little, all of them together to too much."""
    monkeypatch.setattr("ledger.core.opened_bundle._REASONS_TOTAL_BYTES", most)
    ledger = a_ledger()
    [packed] = ledger.bundle_parts().lists
    more = compress_list(bytes(600))
    short = compress_list(bytes(1))
    first = replace(packed, uri="sc:1/0", reasons_deflated=more)
    second = replace(packed, uri="sc:1/1", reasons_deflated=more)
    third = replace(packed, uri="sc:1/2", raw_deflated=short, reasons_deflated=compress_list(b""))
    assert said in step_of(ledger, lists=(first, second, third))[1]


def test_more_issuers_than_a_ledger_has(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = TinyLedger()
    ledger.admit("a")
    ledger.admit("b")
    monkeypatch.setattr("ledger.core.registry.governance.MAX_ISSUERS", 1)
    step, detail = step_of(ledger)
    assert (step, "full of issuers" in detail) == (3, True)


# -- entries that the rules of the ledger refuse: step 7 of a verdict ---------------------------------------


def codes_of(ledger: TinyLedger, card: TinyCard, index: int) -> tuple[str, ...]:
    """Return the codes of a card that a ledger has at an index where it was padding."""
    assert ledger.entries[index] == b"\xf6"
    put(ledger, index, card.issued.entry)
    assert card.index == index
    return judge(card.front(), ledger.trusted(), ledger.now_s).codes


def test_a_card_listed_before_its_issuer_was_admitted_is_out_of_scope() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()  # with entry 17
    early, late = (ledger.issue(civil, submit=False) for _ in range(2))
    assert codes_of(ledger, early, 10) == ("out_of_scope",)
    assert codes_of(ledger, late, 18) == ("status_unknown",)  # of a list that no other card has opened


def test_a_card_listed_while_its_issuer_was_suspended_is_out_of_scope() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    ledger.issue(civil)
    ledger.close_epoch()
    before, during, after = (ledger.issue(civil, submit=False) for _ in range(3))
    ledger.act("civil-1", Suspend())
    ledger.act("civil-1", Reinstate())
    assert codes_of(ledger, before, 40) == ()
    assert codes_of(ledger, during, 54) == ("out_of_scope",)
    assert codes_of(ledger, after, 70) == ()


def test_a_card_listed_before_or_after_the_time_of_its_key_is_out_of_scope() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    ledger.issue(civil)
    ledger.close_epoch()
    new = signer("second key of civil-1")
    early, between, late = (ledger.issue(civil, submit=False, signer=new) for _ in range(3))
    ledger.act("civil-1", AddKey(new.public_key))
    ledger.act("civil-1", RetireKey(new.public_key.kid))
    assert codes_of(ledger, early, 40) == ("out_of_scope",)
    assert codes_of(ledger, between, 54) == ()
    assert codes_of(ledger, late, 70) == ("out_of_scope",)
