"""The seven steps from bytes to a list that a verdict may rest on, and what takes the place of what."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core.status_list import compress_list
from ledger.core import cbor
from ledger.core.actions import AddKey, Admission, Admit, DistrustKey, Reinstate, RetireKey, Scope, Suspend
from ledger.core.bundle import Bundle, PackedList, PlacedEntry, format_bundle
from ledger.core.cosignature import add_cosignature, cosign
from ledger.core.pin import Pin, format_pin, make_pin, parse_pin
from ledger.core.statement import sign_statement
from ledger.core.status_change import REASON_WITHDRAWN, VALID, WITHDRAWN
from ledger.errors import CodedError, ForkAlarm
from tests.support.ledgers import START_S, TinyLedger, signer
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import TrustedList, check_newer
from verifier.errors import BundleError


@cache
def a_ledger() -> TinyLedger:
    ledger = TinyLedger()
    civil = ledger.admit("civil-1")
    ledger.admit("consulate-7", title="Consulate", authority="foreign", vcts=("sc:identity",))
    cards = [ledger.issue(civil) for _ in range(20)]
    ledger.close_epoch()
    ledger.change_status(civil, cards[2], VALID, WITHDRAWN, REASON_WITHDRAWN)
    ledger.close_epoch()
    return ledger


@cache
def parts() -> Bundle:
    return a_ledger().bundle_parts()


def refused(bundle: Bundle | bytes, pin: Pin | None = None) -> BundleError:
    data = bundle if isinstance(bundle, bytes) else format_bundle(bundle)
    with pytest.raises(BundleError) as caught:
        open_bundle(data, pin or a_ledger().pin)
    assert caught.value.code == "bundle_invalid"
    return caught.value


def test_a_good_bundle_opens_and_knows_the_issuers() -> None:
    ledger = a_ledger()
    trusted = ledger.trusted()
    assert (trusted.origin, trusted.tree_size) == (ledger.origin, ledger.tree_size)
    assert trusted.size_bytes == len(ledger.bundle())
    civil = trusted.issuers["civil-1"]
    assert civil.name == ("civil-1", "Civil registry of Example", "interior")
    assert civil.number == 1
    assert list(civil.keys) == [ledger.issuers["civil-1"].signer.public_key.kid]
    assert trusted.lists["sc:1/0"].status(2) == (WITHDRAWN, REASON_WITHDRAWN, 202611)
    assert trusted.lists["sc:1/0"].status(3) == (VALID, None, None)
    assert set(trusted.issuers) == {"civil-1", "consulate-7"}


def test_the_fold_of_the_bundle_is_the_fold_of_the_ledger() -> None:
    ledger = TinyLedger()
    ledger.admit("a")
    ledger.admit("b")
    key = signer("second key of a").public_key
    old = ledger.issuers["a"].signer.public_key.kid
    ledger.act("a", AddKey(key))
    ledger.act("a", DistrustKey(old, ledger.tree_size))
    ledger.act("b", Suspend())
    ledger.act("b", Reinstate())
    ledger.act("b", RetireKey(ledger.issuers["b"].signer.public_key.kid))
    trusted = ledger.trusted()
    for name, issuer in ledger.registry.governance.issuers.items():
        assert trusted.issuers[name].keys == issuer.keys
        assert trusted.issuers[name].number == issuer.number
    spans = [(record.suspended, record.vcts) for record in trusted.issuers["b"].scopes]
    assert [suspended for suspended, _ in spans] == [False, False, True, False]


def test_step_1_the_form() -> None:
    assert refused(b"").step == 1
    assert refused(format_bundle(parts()) + b"\x00").step == 1


def test_step_2_the_charter_is_the_pinned_one() -> None:
    pin = a_ledger().pin
    assert refused(parts(), Pin(pin.origin, bytes(32))).step == 2
    assert refused(parts(), Pin("ledger.example/other", pin.charter_hash)).step == 2
    moved = replace(parts().charter, path=bytes(128))
    assert refused(replace(parts(), charter=moved)).step == 2
    assert refused(replace(parts(), charter=replace(parts().charter, entry=b"\xf6"))).step == 2


def test_step_3_an_approval_out_of_its_cell() -> None:
    first, *rest = parts().approvals
    assert refused(replace(parts(), approvals=(replace(first, path=bytes(128)), *rest))).step == 3
    assert refused(replace(parts(), approvals=(replace(first, index=first.index + 1), *rest[1:]))).step == 3


def test_step_3_an_approval_that_is_left_out() -> None:
    for place in range(len(parts().approvals)):
        approvals = parts().approvals[:place] + parts().approvals[place + 1 :]
        assert refused(replace(parts(), approvals=approvals)).step == 3


def test_step_3_an_entry_that_is_no_approval() -> None:
    credential = next(
        i for i, e in enumerate(a_ledger().entries) if i > parts().approvals[-1].index and e != b"\xf6"
    )
    placed = (*parts().approvals, a_ledger().placed(credential))
    assert refused(replace(parts(), approvals=placed)).step == 3


def test_step_3_a_stranger_is_no_governor() -> None:
    """A lying operator logs an approval of a stranger and shows a bundle with it."""
    ledger = TinyLedger()
    ledger.admit("a")
    action = Admission("x", "Forged", (signer("forger").public_key,), Scope(("sc:identity",), 1, 1))
    from ledger.core.actions import Action

    body = Action("forged", 0, START_S + 10**6, (Admit(action),))
    bundle = ledger.bundle_parts()
    last = bundle.approvals[-1]
    for name, item in (("stranger", signer("stranger")), ("governor-1", signer("stranger"))):
        entry = sign_statement("govern", name, "forged", body, item)
        forged = replace(bundle, approvals=(*bundle.approvals, PlacedEntry(last.index + 1, last.path, entry)))
        with pytest.raises(BundleError) as caught:
            open_bundle(format_bundle(forged), ledger.pin)
        assert caught.value.step == 3


def test_step_3_an_action_with_too_few_approvals() -> None:
    """An open proposal is not an action, also where a bundle says so."""
    ledger = TinyLedger(governors=5, threshold=3)
    ledger.admit("a")
    ledger.act("a", Suspend(), approvals=2)
    bundle = ledger.bundle_parts()
    start = ledger.tree_size - 16
    proposal = tuple(ledger.placed(start + at) for at in range(2))
    with pytest.raises(BundleError) as caught:
        open_bundle(format_bundle(replace(bundle, approvals=(*bundle.approvals, *proposal))), ledger.pin)
    assert caught.value.step == 3
    assert not open_bundle(format_bundle(bundle), ledger.pin).issuers["a"].scopes[0].suspended


@pytest.mark.parametrize("times", [(None, None), (START_S, None), (None, START_S)])
def test_step_4_the_witnesses_are_too_few(times: tuple[int | None, int | None]) -> None:
    assert refused(a_ledger().bundle(witness_times=times)).step == 4


def test_step_4_a_quorum_of_one_is_enough_where_the_policy_says_so() -> None:
    ledger = TinyLedger(quorum=1)
    trusted = ledger.trusted(witness_times=(None, START_S + 77))
    assert trusted.now_min_s == START_S + 77


def test_step_4_the_log_signed_twice_or_not_at_all() -> None:
    note = parts().checkpoint
    text, _, lines = note.partition("\n\n")
    first, second, *witnesses = lines.splitlines(keepends=True)
    for kept in ([first, *witnesses], [second, *witnesses], witnesses):
        assert refused(replace(parts(), checkpoint=text + "\n\n" + "".join(kept))).step == 4


def test_step_4_a_checkpoint_of_another_ledger_or_size() -> None:
    other = TinyLedger("ledger.example/other")
    assert refused(replace(parts(), checkpoint=other.checkpoint())).step == 4
    shorter = TinyLedger()
    shorter.admit("civil-1")
    assert refused(replace(parts(), checkpoint=shorter.checkpoint())).step == 4


def test_step_5_the_cells_do_not_fold_to_the_root() -> None:
    changed = bytearray(parts().cells)
    changed[-40] ^= 1  # a cell that no entry of the bundle lies in
    assert refused(replace(parts(), cells=bytes(changed))).step == 5


def test_step_6_the_seal() -> None:
    seal = parts().seal
    assert refused(replace(parts(), seal=replace(seal, path=bytes(128)))).step == 6
    assert refused(replace(parts(), seal=replace(seal, entry=parts().charter.entry))).step == 6


def test_step_6_a_removal_that_is_hidden() -> None:
    """A suspension left out of the bundle: the approvals fold, and the seal's head does not match."""
    ledger = TinyLedger()
    ledger.admit("a")
    ledger.act("a", Suspend())
    bundle = ledger.bundle_parts()
    hidden = replace(bundle, approvals=bundle.approvals[:-2])
    with pytest.raises(BundleError) as caught:
        open_bundle(format_bundle(hidden), ledger.pin)
    assert (caught.value.step, caught.value.field) == (6, "govern_head")


def test_step_7_the_lists() -> None:
    packed = parts().lists[0]
    raw = compress_list(bytes(65_536))
    changed = {
        "another status": replace(packed, raw_deflated=raw),
        "another size": replace(packed, raw_deflated=compress_list(bytes(65_535))),
        "too long": replace(packed, raw_deflated=compress_list(bytes(1 << 20))),
        "not zlib": replace(packed, raw_deflated=b"x"),
        "trailing": replace(packed, raw_deflated=packed.raw_deflated + b"x"),
        "no reasons": replace(packed, reasons_deflated=compress_list(cbor.encode([]))),
        "not a list": replace(packed, reasons_deflated=compress_list(cbor.encode({}))),
        "bad rows": replace(packed, reasons_deflated=compress_list(cbor.encode([[2, 9, 202611]]))),
        "unsorted": replace(
            packed, reasons_deflated=compress_list(cbor.encode([[2, 3, 202611], [2, 3, 202611]]))
        ),
        "another uri": replace(packed, uri="sc:1/1"),
    }
    for name, item in changed.items():
        assert refused(replace(parts(), lists=(item,))).step == 7, name
    assert refused(replace(parts(), lists=())).step == 7
    assert (
        refused(replace(parts(), lists=(packed, PackedList("sc:2/0", raw, compress_list(b"\x80"))))).step == 7
    )


def test_another_deflation_of_the_same_lists_gives_the_same_answers() -> None:
    import zlib

    packed = parts().lists[0]
    stored = zlib.compress(zlib.decompress(packed.raw_deflated), 0)
    trusted = open_bundle(
        format_bundle(replace(parts(), lists=(replace(packed, raw_deflated=stored),))), a_ledger().pin
    )
    assert trusted.lists == a_ledger().trusted().lists


def test_a_flipped_bit_in_a_bundle_is_refused_or_changes_nothing() -> None:
    """Every 151st bit, and every bit of the head and the tail: all parts of the bundle are hit."""
    data = a_ledger().bundle()
    good, caught = open_bundle(data, a_ledger().pin), 0
    bits = 8 * len(data)
    for bit in sorted({*range(0, bits, 151), *range(64), *range(bits - 64, bits)}):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            trusted = open_bundle(bytes(changed), a_ledger().pin)
        except BundleError as error:
            assert error.code == "bundle_invalid", bit
            caught += 1
        else:  # DEFLATE has bits that carry nothing
            assert trusted == good, bit
    assert caught > 500


def test_the_time_is_that_of_the_quorum() -> None:
    late, early = START_S + 500, START_S + 100
    assert a_ledger().trusted(witness_times=(late, early)).now_min_s == early
    assert TinyLedger(quorum=1).trusted(witness_times=(late, early)).now_min_s == late


def test_without_witnesses_the_seal_gives_the_time() -> None:
    ledger = TinyLedger(witnesses=0)
    assert ledger.trusted().now_min_s == START_S


def test_a_list_of_more_entries_is_newer() -> None:
    ledger = TinyLedger()
    old = ledger.trusted()
    ledger.admit("a")
    new = ledger.trusted()
    check_newer(old, new)
    check_newer(old, old)
    with pytest.raises(BundleError, match="older"):
        check_newer(new, old)


def test_the_same_tree_with_a_later_cosignature_is_newer() -> None:
    ledger = TinyLedger()
    old, new = ledger.trusted(), ledger.trusted(time_s=START_S + 3600)
    check_newer(old, new)
    with pytest.raises(BundleError, match="older"):
        check_newer(new, old)


def test_two_histories_of_one_ledger_are_a_fork() -> None:
    one, other = TinyLedger(), TinyLedger()
    one.admit("a")
    other.admit("b")
    alarms: list[tuple[TrustedList, TrustedList]] = [(one.trusted(), other.trusted())]
    other.admit("c")
    alarms += [(one.trusted(), other.trusted()), (other.trusted(), one.trusted())]
    for old, new in alarms:
        with pytest.raises(ForkAlarm) as caught:
            check_newer(old, new)
        assert caught.value.code == "fork"


def test_a_list_of_another_ledger_does_not_take_the_place() -> None:
    with pytest.raises(BundleError):
        check_newer(TinyLedger().trusted(), TinyLedger("ledger.example/other").trusted())


def test_a_second_line_of_a_witness_is_refused() -> None:
    ledger = a_ledger()
    from ledger.core.checkpoint import parse_checkpoint

    text = parts().checkpoint.partition("\n\n")[0] + "\n"
    line = cosign(ledger.witnesses[0], parse_checkpoint(text), text, START_S + 9999)
    renewed = add_cosignature(parts().checkpoint, line)
    assert (
        open_bundle(format_bundle(replace(parts(), checkpoint=renewed)), ledger.pin).tree_size
        == ledger.tree_size
    )
    doubled = parts().checkpoint + renewed.splitlines(keepends=True)[-2]
    assert refused(replace(parts(), checkpoint=doubled)).step == 4


def test_a_pin_file_is_read_back() -> None:
    pin = a_ledger().pin
    assert parse_pin(format_pin(pin)) == pin
    assert make_pin(pin.origin, pin.charter_hash.hex()) == pin


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"origin": "a b", "charter": "%s"}' % (b"0" * 64),
        b'{"origin": "a", "charter": "%s"}' % (b"A" * 64),
        b'{"origin": "a", "charter": "%s"}' % (b"0" * 63),
        b'{"origin": "a", "charter": "%s", "more": 1}' % (b"0" * 64),
        b"[" * 5000,
    ],
)
def test_another_file_is_no_pin(data: bytes) -> None:
    with pytest.raises(CodedError) as caught:
        parse_pin(data)
    assert caught.value.code == "bad_input"


@given(st.integers(0, 8_000), st.binary(min_size=1, max_size=12))
def test_spliced_bundles_are_refused_with_a_code(at: int, junk: bytes) -> None:
    data = parts_bytes()
    changed = data[:at] + junk + data[at + len(junk) :]
    try:
        trusted = open_bundle(changed, a_ledger().pin)
    except BundleError as error:
        assert 1 <= error.step <= 7
    else:
        assert trusted == open_bundle(data, a_ledger().pin)


@cache
def parts_bytes() -> bytes:
    return format_bundle(parts())
