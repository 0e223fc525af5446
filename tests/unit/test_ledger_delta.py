"""Deltas: from any bundle of a day to its last, byte for byte, or not at all."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.actions import Suspend
from ledger.core.bundle import PackedList, PlacedEntry, format_bundle, parse_bundle
from ledger.core.cbor import decode, encode
from ledger.core.delta import Delta, apply_delta, format_delta, make_delta, parse_delta
from ledger.core.opened_bundle import open_bundle
from ledger.core.statement import sign_statement
from ledger.errors import BundleError, MalformedError
from tests.support.ledgers import TinyLedger

PATH = bytes(128)


@cache
def a_day() -> tuple[TinyLedger, list[bytes]]:
    """Return a ledger and its bundles: before the day, three of the day, the last."""
    ledger = TinyLedger()
    civil = ledger.admit()
    first = ledger.issue(civil)
    ledger.close_epoch()
    bundles = [ledger.bundle()]
    ledger.change_status(civil, first, 0, 2, 4)
    ledger.close_epoch()
    bundles.append(ledger.bundle())
    ledger.admit("consulate-9")
    bundles.append(ledger.bundle())
    for _ in range(20):
        ledger.issue(civil)
    ledger.close_epoch()
    bundles.append(ledger.bundle(time_s=ledger.now_s + 3600))
    return ledger, bundles


def test_every_bundle_of_the_day_leads_to_its_last() -> None:
    ledger, bundles = a_day()
    delta = make_delta(bundles[0], bundles[-1])
    for bundle in bundles:
        assert apply_delta(bundle, delta) == bundles[-1]
    assert open_bundle(apply_delta(bundles[0], delta), ledger.pin).checkpoint.tree_size == ledger.tree_size
    assert len(delta) < len(bundles[-1])


def test_an_idle_day_brings_the_newest_cosignatures() -> None:
    ledger, bundles = a_day()
    later = ledger.bundle(time_s=ledger.now_s + 90_000)
    delta = make_delta(bundles[-1], later)
    assert parse_delta(delta).cells == b""
    assert apply_delta(bundles[-1], delta) == later


def test_a_bundle_of_another_time_is_not_touched() -> None:
    _, bundles = a_day()
    delta = make_delta(bundles[1], bundles[2])
    for bundle in (bundles[0], bundles[3]):
        with pytest.raises(BundleError) as caught:
            apply_delta(bundle, delta)
        assert caught.value.code == "bundle_invalid"


def test_an_approval_from_before_the_day_comes_with_the_action_that_it_made() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    ledger.issue(civil)
    action_approvals = _approvals(ledger)
    ledger.submit(action_approvals[0])
    ledger.close_epoch()
    before = ledger.bundle()
    ledger.submit(action_approvals[1])
    ledger.close_epoch()
    after = ledger.bundle()
    delta = make_delta(before, after)
    assert parse_delta(delta).approvals[0].index < parse_bundle(before).tree_size
    assert apply_delta(before, delta) == after


def _approvals(ledger: TinyLedger) -> list[bytes]:
    from ledger.core.actions import Action

    action = Action(
        "civil-1", ledger.registry.governance.issuers["civil-1"].counter, ledger.now_s + 86_400, (Suspend(),)
    )
    signers = list(ledger.governors.items())[:2]
    return [sign_statement("govern", name, "civil-1", action, signer) for name, signer in signers]


def test_bridging_checkpoints_of_the_day_are_added_in_their_order() -> None:
    ledger = TinyLedger()
    texts: list[str] = []
    bundles: list[bytes] = []
    for name in ("a", "b", "c"):
        ledger.admit(name)
        texts.append(ledger.checkpoint())
        bundles.append(format_bundle(replace(ledger.bundle_parts(), bridges=tuple(texts))))
    delta = make_delta(bundles[0], bundles[2])
    assert parse_delta(delta).bridges == (texts[1], texts[2])
    for bundle in bundles:
        assert parse_bundle(apply_delta(bundle, delta)).bridges == tuple(texts)


def test_a_delta_never_joins_two_ledgers() -> None:
    _, bundles = a_day()
    other = TinyLedger("ledger.example/other").bundle()
    with pytest.raises(BundleError):
        make_delta(other, bundles[-1])
    with pytest.raises(BundleError):
        make_delta(bundles[-1], bundles[0])
    mine = TinyLedger()
    mine.admit("somebody-else")
    with pytest.raises(BundleError):
        apply_delta(mine.bundle(), make_delta(bundles[0], bundles[-1]))


def test_every_damaged_delta_is_dropped_whole() -> None:
    _, bundles = a_day()
    delta = make_delta(bundles[0], bundles[-1])
    for at in range(0, len(delta), 97):
        damaged = delta[:at] + bytes([delta[at] ^ 1]) + delta[at + 1 :]
        with pytest.raises((BundleError, MalformedError)):
            apply_delta(bundles[0], damaged)


@st.composite
def deltas_of_any_content(draw: st.DrawFn) -> Delta:
    start = 16 * draw(st.integers(1, 4))
    size = start + 16 * draw(st.integers(0, 3))
    path, entry = st.binary(min_size=128, max_size=128), st.binary(min_size=1, max_size=30)
    indexes = sorted(draw(st.sets(st.integers(1, size - 2), max_size=3)))
    uris = sorted(draw(st.sets(st.sampled_from(["sc:1/0", "sc:1/1", "sc:2/0"]))))
    return Delta(
        from_size=start,
        to_size=size,
        approvals=tuple(PlacedEntry(index, draw(path), draw(entry)) for index in indexes),
        checkpoint=draw(st.text(max_size=20)),
        cells=bytes((size - start) * 2),
        seal=PlacedEntry(size - 1, draw(path), draw(entry)),
        lists=tuple(PackedList(uri, draw(entry), draw(entry)) for uri in uris),
        bridges=tuple(draw(st.lists(st.text(max_size=10), max_size=2))),
        bundle_hash=draw(st.binary(min_size=32, max_size=32)),
    )


@given(deltas_of_any_content())
def test_a_delta_is_read_back_as_it_was_written(delta: Delta) -> None:
    assert parse_delta(format_delta(delta)) == delta


@given(st.binary(max_size=120))
def test_other_bytes_are_no_delta(data: bytes) -> None:
    try:
        delta = parse_delta(data)
    except MalformedError:
        return
    assert format_delta(delta) == data


def a_value() -> dict[Any, Any]:
    return {
        1: 1, 2: 16, 3: 32, 4: [[3, PATH, b"one"]], 5: "note", 6: bytes(32), 7: [PATH, b"seal"],
        8: [["sc:1/0", b"raw", b"reasons"]], 9: [], 10: bytes(32),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({1: 2}, "unsupported"),
        ({1: True}, "unsupported"),
        ({2: 0}, "malformed"),
        ({2: 8}, "malformed"),
        ({2: 48}, "malformed"),
        ({3: 2**53}, "malformed"),
        ({4: [[31, PATH, b"x"]]}, "malformed"),
        ({4: [[3, PATH, b"x"], [3, PATH, b"x"]]}, "malformed"),
        ({5: b"note"}, "malformed"),
        ({5: "x" * 65_537}, "too_large"),
        ({6: b""}, "malformed"),
        ({6: bytes(64)}, "malformed"),
        ({7: [PATH, bytes(65_536)]}, "too_large"),
        ({8: [["sc:1/0", b"", b""], ["sc:1/0", b"", b""]]}, "malformed"),
        ({9: ""}, "malformed"),
        ({9: [1]}, "malformed"),
        ({10: bytes(31)}, "malformed"),
        ({11: 0}, "malformed"),
    ],
)
def test_every_other_form_is_refused(change: dict[int, Any], code: str) -> None:
    assert parse_delta(encode(a_value())).to_size == 32
    with pytest.raises(MalformedError) as caught:
        parse_delta(encode({**a_value(), **change}))
    assert caught.value.code == code


def test_a_delta_whose_seal_is_elsewhere_is_not_written() -> None:
    delta = parse_delta(encode(a_value()))
    with pytest.raises(MalformedError):
        format_delta(replace(delta, seal=replace(delta.seal, index=30)))
    assert decode(format_delta(delta), max_size=9_999) == a_value()
