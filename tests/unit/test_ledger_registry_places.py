"""Status changes: the whole table, whole or not at all, and reversal when a key is distrusted."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.actions import AddKey, DistrustKey, RetireKey
from ledger.core.bundle import MAX_LISTS
from ledger.core.fields import PLACES
from ledger.core.registry import places
from ledger.core.registry.journal import parse_rows
from ledger.core.registry.places import ListState
from ledger.core.status_change import TRANSITIONS, StatusRow
from tests.support.ledgers import signer
from tests.support.registry_world import Party, World

VALID, WITHDRAWN, SUSPENDED, REPLACED, AFFIRMED = 0, 1, 2, 3, 12
# The table of docs/protocol.md section 4, written out by hand.
TABLE = {
    (0, 1, 2), (0, 1, 3), (12, 1, 2), (12, 1, 3), (2, 1, 2), (2, 1, 3),
    (0, 2, 4), (12, 2, 4),
    (0, 3, 1), (12, 3, 1), (2, 3, 1), (13, 3, 1),
    (2, 0, 6),
    (0, 12, 5), (2, 12, 5),
}  # fmt: skip


def world_with_thief() -> tuple[World, Party]:
    """Return an issuer with two keys (the second is the newest) and credentials at places 0 to 9."""
    world = World()
    civil = world.admit("civil-1")
    civil.keys.append(signer("civil-1 key 2"))
    world.act("civil-1", AddKey(civil.keys[1].public_key))
    world.epoch(*[world.credential(civil, n) for n in range(10)])
    return world, civil


def distrust(world: World, civil: Party, key: int, start: int, **when: Any) -> int:
    return world.act("civil-1", DistrustKey(civil.keys[key].public_key.kid, start), **when)


def test_the_table_has_each_transition_and_no_other() -> None:
    assert {(old, new, reason) for (old, new), reasons in TRANSITIONS.items() for reason in reasons} == TABLE


def bring_to(world: World, civil: Party, idx: int, status: int) -> None:
    steps = {
        VALID: [],
        WITHDRAWN: [(0, 1, 3)],
        SUSPENDED: [(0, 2, 4)],
        REPLACED: [(0, 3, 1)],
        AFFIRMED: [(0, 12, 5)],
    }
    for old, new, reason in steps[status]:
        world.epoch(world.change(civil, (idx, old, new, reason)))


@pytest.mark.parametrize("old", [VALID, WITHDRAWN, SUSPENDED, REPLACED, AFFIRMED])
def test_every_change_from_a_status_is_in_the_table_or_refused(old: int) -> None:
    world, civil = world_with_thief()
    distrust(world, civil, 0, world.size)
    bring_to(world, civil, 1, old)
    for new in range(16):
        for reason in range(1, 7):
            expected = "ok" if (old, new, reason) in TABLE else "bad_transition"
            assert world.refusal(world.change(civil, (1, old, new, reason))) == expected, (old, new, reason)


@pytest.mark.parametrize("old", range(16))
def test_an_old_status_that_is_not_current_is_stale(old: int) -> None:
    world, civil = world_with_thief()
    expected = "ok" if old == VALID else "stale_action"
    assert world.refusal(world.change(civil, (1, old, WITHDRAWN, 3))) == expected
    # The first of several rows too.
    assert world.refusal(world.change(civil, (1, old, WITHDRAWN, 3), (2, VALID, WITHDRAWN, 3))) == expected


def test_affirm_needs_a_distrusted_key_of_the_issuer() -> None:
    world, civil = world_with_thief()
    other = world.admit("civil-2")
    world.epoch(world.credential(other, 1))
    assert world.refusal(world.change(civil, (1, 0, 12, 5))) == "bad_transition"
    world.act("civil-1", RetireKey(civil.keys[0].public_key.kid))
    assert world.refusal(world.change(civil, (1, 0, 12, 5))) == "bad_transition"
    distrust(world, civil, 0, world.size)
    assert world.refusal(world.change(civil, (1, 0, 12, 5))) == "ok"
    assert world.refusal(world.change(other, (1, 0, 12, 5))) == "bad_transition"


def test_sequence_numbers_count_from_one_for_each_list() -> None:
    world, civil = world_with_thief()
    world.epoch(world.credential(civil, 1, uri="sc:1/1"))
    for seq in (0, 2, 3, 2**53 - 1):
        assert world.refusal(world.change(civil, (1, 0, 2, 4), seq=seq)) == "stale_action"
    world.epoch(world.change(civil, (1, 0, 2, 4), seq=1))
    assert world.refusal(world.change(civil, (1, 2, 0, 6), seq=1)) == "stale_action"
    assert world.refusal(world.change(civil, (1, 2, 0, 6), seq=2)) == "ok"
    assert world.refusal(world.change(civil, (1, 0, 2, 4), uri="sc:1/1", seq=1)) == "ok"
    # Two statements of one epoch follow each other.
    world.epoch(world.change(civil, (1, 2, 0, 6), seq=2), world.change(civil, (1, 0, 1, 2), seq=3))
    assert world.status(civil, 1) == WITHDRAWN


def test_only_the_issuer_of_a_list_changes_it() -> None:
    world, civil = world_with_thief()
    other = world.admit("civil-2")
    assert world.refusal(world.change(other, (1, 0, 1, 3), uri="sc:1/0")) == "out_of_scope"
    assert world.refusal(world.change(civil, (1, 0, 1, 3), uri="sc:1/1")) == "out_of_scope"
    assert world.refusal(world.change(other, (1, 0, 1, 3))) == "out_of_scope"


def test_a_place_that_no_credential_took_cannot_change() -> None:
    world, civil = world_with_thief()
    for idx in (10, 131_071):
        assert world.refusal(world.change(civil, (idx, 0, 1, 3))) == "bad_transition"


@pytest.mark.parametrize(
    ("month", "expected"),
    [(202611, "ok"), (202610, "ok"), (202609, "ok"), (202608, "out_of_scope"), (202612, "out_of_scope"),
     (202511, "out_of_scope"), (202711, "out_of_scope")],
)  # fmt: skip
def test_the_month_is_the_epoch_s_or_one_of_the_two_before(month: int, expected: str) -> None:
    world, civil = world_with_thief()
    assert world.refusal(world.change(civil, (1, 0, 1, 3), month=month)) == expected


@pytest.mark.parametrize(("month", "expected"), [(202612, "ok"), (202611, "ok"), (202610, "out_of_scope")])
def test_months_count_across_the_turn_of_the_year(month: int, expected: str) -> None:
    world, civil = world_with_thief()
    at_ms = world.time_ms + 50 * 86_400_000  # 4 January 2027
    assert world.refusal(world.change(civil, (1, 0, 1, 3), month=month), at_ms=at_ms) == expected


@pytest.mark.parametrize(
    ("bad", "code"),
    [((5, 0, 0, 6), "bad_transition"), ((5, 2, 0, 6), "stale_action"), ((99, 0, 1, 3), "bad_transition")],
)
def test_a_status_statement_counts_whole_or_not_at_all(bad: tuple[int, ...], code: str) -> None:
    world, civil = world_with_thief()
    rows = [(1, 0, 1, 3), bad] if bad[0] > 1 else [bad, (1, 0, 1, 3)]
    assert world.refusal(world.change(civil, *rows)) == code
    assert world.status(civil, 1) == VALID


def test_reasons_hold_the_last_reason_of_places_that_are_not_valid() -> None:
    world, civil = world_with_thief()
    world.epoch(world.change(civil, (1, 0, 2, 4), (3, 0, 1, 2), (9, 0, 3, 1)))
    state = world.registry.lists["sc:1/0"]
    assert state.format_reasons() == [[1, 4, 202611], [3, 2, 202611], [9, 1, 202611]]
    world.epoch(world.change(civil, (1, 2, 0, 6), month=202610))
    assert state.format_reasons() == [[3, 2, 202611], [9, 1, 202611]]
    assert bytes(state.raw[:5]) == bytes([0x00, 0x10, 0, 0, 0x30])


def test_the_journal_chains_each_row() -> None:
    world, civil = world_with_thief()
    head = hashlib.sha256(b"\x02status/v1" + world.charter.origin.encode()).digest()
    assert world.registry.places.journal_head == head
    statement = world.change(civil, (1, 0, 2, 4), (2, 0, 1, 3))
    index = world.size
    world.epoch(statement)
    for row in ([1, 0, 2, 4, 202611], [2, 0, 1, 3, 202611]):
        line = cbor.encode([index, statement.kid, "sc:1/0", *row])
        head = hashlib.sha256(b"\x02" + head + hashlib.sha256(line).digest()).digest()
    assert world.registry.places.journal_head == head
    effect = distrust(world, civil, 1, index)
    line = cbor.encode([effect, None, "sc:1/0", 1, 2, 0, 6, 202611])
    # Newest first: place 2 was withdrawn last.
    newest = cbor.encode([effect, None, "sc:1/0", 2, 1, 0, 6, 202611])
    for row_line in (newest, line):
        head = hashlib.sha256(b"\x02" + head + hashlib.sha256(row_line).digest()).digest()
    assert world.registry.places.journal_head == head


def test_distrust_reverses_what_the_key_changed_from_its_index_on() -> None:
    world, civil = world_with_thief()
    world.epoch(world.change(civil, (1, 0, 2, 4), key=1))
    start = world.size
    world.epoch(world.change(civil, (2, 0, 1, 3), (3, 0, 3, 1), key=1))
    world.epoch(world.change(civil, (4, 0, 1, 3), key=0))
    distrust(world, civil, 1, start)
    assert [world.status(civil, n) for n in (1, 2, 3, 4)] == [SUSPENDED, VALID, VALID, WITHDRAWN]
    assert world.registry.lists["sc:1/0"].format_reasons() == [[1, 4, 202611], [4, 3, 202611]]
    # Sequence numbers go on: a reversal is no statement.
    world.epoch(world.change(civil, (2, 0, 1, 3), key=0, seq=4))


def test_a_reversal_takes_reason_and_month_of_its_own_epoch() -> None:
    world, civil = world_with_thief()
    world.epoch(world.change(civil, (1, 0, 2, 4), key=0))
    start = world.size
    world.epoch(world.change(civil, (1, 2, 1, 2), key=1))
    assert world.registry.lists["sc:1/0"].format_reasons() == [[1, 2, 202611]]
    distrust(world, civil, 1, start, at_ms=world.time_ms + 20 * 86_400_000)
    assert world.registry.lists["sc:1/0"].format_reasons() == [[1, 4, 202612]]
    assert world.status(civil, 1) == SUSPENDED


def test_a_reversal_back_to_valid_is_written_as_cleared() -> None:
    world, civil = world_with_thief()
    start = world.size
    world.epoch(world.change(civil, (1, 0, 2, 4), key=1))
    index = distrust(world, civil, 1, start)
    *_, last = parse_rows(*world.registry.places.journal.format_rows())
    assert last == (index, None, "sc:1/0", StatusRow(1, SUSPENDED, VALID, 6, 202611))


def test_a_reversal_back_to_affirmed_says_affirmed() -> None:
    world, civil = world_with_thief()
    civil.keys.append(signer("civil-1 key 3"))
    world.act("civil-1", AddKey(civil.keys[2].public_key))
    distrust(world, civil, 0, world.size)
    world.epoch(world.change(civil, (1, 0, 12, 5), key=1))
    start = world.size
    world.epoch(world.change(civil, (1, 12, 2, 4), key=2))
    distrust(world, civil, 2, start)
    assert world.registry.lists["sc:1/0"].format_reasons() == [[1, 5, 202611]]


def test_a_run_of_changes_is_reversed_newest_first() -> None:
    world, civil = world_with_thief()
    start = world.size
    for old, new, reason in ((0, 2, 4), (2, 0, 6), (0, 2, 4), (2, 1, 3)):
        world.epoch(world.change(civil, (1, old, new, reason), key=1))
    distrust(world, civil, 1, start)
    assert world.status(civil, 1) == VALID


def test_what_another_key_changed_since_stands() -> None:
    world, civil = world_with_thief()
    start = world.size
    world.epoch(world.change(civil, (1, 0, 2, 4), key=1))
    world.epoch(world.change(civil, (1, 2, 1, 3), key=0))
    distrust(world, civil, 1, start)
    assert world.status(civil, 1) == WITHDRAWN


def test_what_another_key_set_again_stands_though_the_value_is_the_thief_s() -> None:
    world, civil = world_with_thief()
    start = world.size
    world.epoch(world.change(civil, (1, 0, 2, 4), key=1))
    world.epoch(world.change(civil, (1, 2, 0, 6), key=0))
    world.epoch(world.change(civil, (1, 0, 2, 4), key=0))
    distrust(world, civil, 1, start)
    assert world.status(civil, 1) == SUSPENDED


def test_a_second_distrust_reverses_what_the_first_laid_bare() -> None:
    world, civil = world_with_thief()
    civil.keys.append(signer("civil-1 key 3"))
    world.act("civil-1", AddKey(civil.keys[2].public_key))
    start = world.size
    world.epoch(world.change(civil, (1, 0, 2, 4), key=1))
    world.epoch(world.change(civil, (1, 2, 1, 3), key=2))
    distrust(world, civil, 2, start)
    assert world.status(civil, 1) == SUSPENDED
    distrust(world, civil, 1, start)
    assert world.status(civil, 1) == VALID


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_order_of_two_keys_in_one_action_does_not_matter(order: tuple[int, int]) -> None:
    world, civil = world_with_thief()
    start = world.size
    world.epoch(world.change(civil, (1, 0, 2, 4), key=0))
    world.epoch(world.change(civil, (1, 2, 0, 6), key=1))
    world.epoch(world.change(civil, (1, 0, 2, 4), key=1))
    head = world.registry.places.journal_head
    effect = world.act("civil-1", *[DistrustKey(civil.keys[key].public_key.kid, start) for key in order])
    assert world.status(civil, 1) == VALID
    for old, new, reason in ((2, 0, 6), (0, 2, 4), (2, 0, 6)):  # newest first, whichever key it was
        line = cbor.encode([effect, None, "sc:1/0", 1, old, new, reason, 202611])
        head = hashlib.sha256(b"\x02" + head + hashlib.sha256(line).digest()).digest()
    assert world.registry.places.journal_head == head


def test_each_of_two_keys_is_reversed_from_its_own_index_on() -> None:
    world, civil = world_with_thief()
    first = world.size
    world.epoch(world.change(civil, (1, 0, 2, 4), key=0))
    world.epoch(world.change(civil, (2, 0, 2, 4), key=1))
    second = world.size
    world.epoch(world.change(civil, (3, 0, 2, 4), key=0))
    world.epoch(world.change(civil, (4, 0, 2, 4), key=1))
    kids = [key.public_key.kid for key in civil.keys]
    world.act("civil-1", DistrustKey(kids[0], second), DistrustKey(kids[1], first))
    assert [world.status(civil, n) for n in (1, 2, 3, 4)] == [SUSPENDED, VALID, VALID, VALID]


def test_a_key_that_two_issuers_share_is_reversed_for_one_only() -> None:
    world, civil = world_with_thief()
    other = world.admit("civil-2")
    other.keys.append(civil.keys[1])
    world.act("civil-2", AddKey(civil.keys[1].public_key))
    world.epoch(world.credential(other, 1))
    start = world.size
    world.epoch(world.change(civil, (1, 0, 2, 4), key=1), world.change(other, (1, 0, 2, 4)))
    distrust(world, civil, 1, start)
    assert (world.status(civil, 1), world.status(other, 1)) == (VALID, SUSPENDED)


def test_the_lists_of_issuer_10_are_not_those_of_issuer_1() -> None:
    world, civil = world_with_thief()
    *_, other = [world.admit(f"civil-{number}") for number in range(2, 11)]
    other.keys.append(civil.keys[1])
    world.act("civil-10", AddKey(civil.keys[1].public_key))
    world.epoch(world.credential(other, 1))
    start = world.size
    world.epoch(world.change(other, (1, 0, 2, 4)))
    distrust(world, civil, 1, start)
    assert (other.number, world.status(other, 1)) == (10, SUSPENDED)


def test_more_lists_than_a_bundle_takes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_LISTS == 4_096
    monkeypatch.setattr(places, "MAX_LISTS", 1)
    world, civil = world_with_thief()
    assert world.refusal(world.credential(civil, 11, uri="sc:1/1")) == "out_of_scope"
    assert world.refusal(world.credential(civil, 11)) == "ok"


def test_lists_sort_bytewise_in_the_digests() -> None:
    world = World()
    civil = world.admit("civil-1", desks=12)
    world.epoch(*[world.credential(civil, n, uri=f"sc:1/{n}") for n in (2, 10, 1)])
    assert [row[0] for row in world.registry.places.format_places()] == ["sc:1/1", "sc:1/10", "sc:1/2"]
    empty_raw, no_reasons = hashlib.sha256(bytes(65_536)).digest(), hashlib.sha256(b"\x80").digest()
    rows = [[f"sc:1/{n}", empty_raw, no_reasons] for n in (1, 10, 2)]
    assert world.registry.status_digest() == hashlib.sha256(cbor.encode(rows)).digest()


@given(st.dictionaries(st.integers(0, PLACES - 1), st.integers(0, 15), max_size=20))
def test_a_list_holds_each_status_in_its_half_byte(statuses: dict[int, int]) -> None:
    state = ListState()
    for idx, status in statuses.items():
        state.take(idx)
        state.set_status(idx, status, 4, 202611)
    assert {idx: state.status(idx) for idx in statuses} == statuses
    assert all(state.is_taken(idx) for idx in statuses)
    assert state.used == len(statuses) == int.from_bytes(state.bitmap).bit_count()
    raw = bytearray(65_536)
    for idx, status in statuses.items():
        raw[idx // 2] |= status << (4 if idx % 2 else 0)
    assert raw == state.raw
    assert [row[0] for row in state.format_reasons()] == sorted(i for i, status in statuses.items() if status)
