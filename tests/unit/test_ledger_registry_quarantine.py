"""Quarantine: three windows for each authority, what is held, and what becomes of it. Threat S6 as a test.

Thousands of credentials are put into the state of both registries (the live one and the one that replays)
where signing them would only take time: places and live counters, which is what these rules look at.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.actions import (
    Action,
    AddKey,
    Change,
    ConfirmHeld,
    DistrustKey,
    RefuseHeld,
    Suspend,
)
from ledger.core.calendar_days import month_of_seconds
from ledger.core.cells import CELL_SIZE, prove_in_cell
from ledger.core.epoch import replay_epoch, replay_genesis
from ledger.core.registry.quarantine import DAY_MS, LAPSE_MS, limits
from ledger.core.registry.rates import HOUR_MS
from ledger.core.statement import Statement, parse_statement, sign_statement
from ledger.core.status_change import HolderProof, StatusChange, StatusRow
from ledger.errors import ForkAlarm
from tests.support.ledgers import TinyLedger, signer
from tests.support.registry_world import Party, World, fingerprint
from verifier.core.verdict import judge

VALID, WITHDRAWN, SUSPENDED, REPLACED, AFFIRMED, HELD = 0, 1, 2, 3, 12, 13
MIDNIGHT_MS = 20_819 * DAY_MS  # 1 January 2027
FAR = 2036 * 4


class Crowd(World):
    """A ledger of one authority with as many credentials as a test says."""

    def __init__(self, live: int, places: int = 5000, **chosen: Any) -> None:
        super().__init__(time_ms=MIDNIGHT_MS + 10 * HOUR_MS, **chosen)
        self.civil = self.admit("civil-1")
        self.live(self.civil, live)
        self.take(self.civil, places)

    def live(self, issuer: Party, count: int) -> None:
        for registry in (self.registry, self.mirror):
            registry.windows.live[issuer.number] = Counter({FAR: count})

    def take(self, issuer: Party, places: int) -> None:
        for registry in (self.registry, self.mirror):
            for idx in range(places):
                registry.places.take_place(f"sc:{issuer.number}/0", idx)

    def rows(self, first: int, count: int, new: int = WITHDRAWN, old: int = VALID) -> list[tuple[int, ...]]:
        return [(idx, old, new, {1: 3, 2: 4, 3: 1, 0: 6}[new]) for idx in range(first, first + count)]

    def take_away(self, first: int, count: int, *, at_ms: int | None = None, **how: Any) -> str:
        """Withdraw places in an epoch of its own and tell what they read then."""
        issuer = how.pop("issuer", self.civil)
        month = month_of_seconds((self.time_ms if at_ms is None else at_ms) // 1000)
        self.epoch(self.change(issuer, *self.rows(first, count), month=month, **how), at_ms=at_ms)
        read = {self.status(issuer, idx) for idx in range(first, first + count)}
        assert len(read) == 1
        return {WITHDRAWN: "withdrawn", HELD: "held"}[read.pop()]

    @property
    def held(self) -> list[list[Any]]:
        return self.registry.places.quarantine.format_held()

    def statuses(self, *places: int) -> list[int]:
        return [self.status(self.civil, idx) for idx in places]


def mass(count: int = 21, live: int = 0) -> tuple[Crowd, int]:
    """Return a ledger in which a withdrawal of places 0, 1, ... is held, and the index of its statement."""
    crowd = Crowd(live)
    index = crowd.size
    assert crowd.take_away(0, count) == "held"
    return crowd, index


def reasons(crowd: Crowd) -> dict[int, tuple[int, int]]:
    rows = crowd.registry.lists["sc:1/0"].format_reasons()
    return {idx: (reason, month) for idx, reason, month in rows}


# -- limits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "expected"),
    [(0, (20, 20, 20)), (399, (20, 20, 20)), (400, (20, 20, 20)), (420, (20, 20, 21)), (666, (20, 20, 33)),
     (699, (20, 20, 34)), (700, (20, 21, 35)), (2_099, (20, 62, 104)), (2_100, (21, 63, 105)),
     (19_999, (199, 599, 999)), (20_000, (200, 600, 1_000)), (20_100, (200, 603, 1_005)),
     (4_000_000, (200, 120_000, 200_000))],
)  # fmt: skip
def test_the_limits_are_1_3_and_5_percent_between_their_bounds(
    live: int, expected: tuple[int, int, int]
) -> None:
    assert limits(live) == expected


@pytest.mark.parametrize(
    ("live", "most"), [(0, 20), (2_099, 20), (2_100, 21), (19_999, 199), (20_000, 200), (40_000, 200)]
)
def test_the_limit_of_a_day_is_exact(live: int, most: int) -> None:
    crowd = Crowd(live)
    assert crowd.take_away(0, most) == "withdrawn"
    assert crowd.take_away(1000, 1) == "held"
    other = Crowd(live)
    assert other.take_away(0, most + 1) == "held"
    # What is held does not count.
    assert other.take_away(1000, most) == "withdrawn"


@pytest.mark.parametrize(("live", "most"), [(699, 20), (700, 21), (10_000, 300)])
def test_the_limit_of_30_days_is_exact_and_rolls_by_days(live: int, most: int) -> None:
    crowd = Crowd(live)
    daily, done, first = limits(live)[0], 0, MIDNIGHT_MS + DAY_MS
    day = 0
    while done < most:
        step = min(daily, most - done)
        # Late in the evening: hours are over a day later, days are not.
        assert crowd.take_away(done, step, at_ms=first + day * DAY_MS + 23 * HOUR_MS) == "withdrawn"
        done, day = done + step, day + 1
    last_of_30 = first + 30 * DAY_MS - 1
    assert crowd.take_away(2000, 1, at_ms=last_of_30) == "held"
    # The 31st day forgets the first one, though not 720 hours are over.
    back = min(daily, most)
    assert crowd.take_away(2100, back + 1, at_ms=last_of_30 + 1) == "held"
    expected = "withdrawn" if limits(live)[2] >= most + back else "held"
    assert crowd.take_away(2500, back) == expected


def test_the_limit_of_a_year_is_exact_and_rolls_by_days() -> None:
    crowd = Crowd(1_000)  # 20 a day, 30 in 30 days, 50 in 365 days
    first = MIDNIGHT_MS + DAY_MS
    for number, (day, count) in enumerate(((0, 20), (40, 20), (80, 10))):
        at_ms = first + day * DAY_MS + 13 * HOUR_MS
        assert crowd.take_away(100 * number, count, at_ms=at_ms) == "withdrawn"
    assert crowd.take_away(1000, 1, at_ms=first + 200 * DAY_MS) == "held"
    # The reasons carry a month; the rows are of late whatever the year.
    assert crowd.take_away(1100, 1, at_ms=first + 365 * DAY_MS - 1) == "held"
    assert crowd.take_away(1200, 21, at_ms=first + 365 * DAY_MS) == "held"
    assert crowd.take_away(1300, 20) == "withdrawn"
    assert crowd.take_away(1400, 1) == "held"


def test_hours_are_clock_hours_the_running_one_and_23_before() -> None:
    crowd = Crowd(400_000)
    start = MIDNIGHT_MS + DAY_MS
    assert crowd.take_away(0, 150, at_ms=start + 5 * HOUR_MS + HOUR_MS - 1) == "withdrawn"
    assert crowd.take_away(150, 50, at_ms=start + 6 * HOUR_MS) == "withdrawn"
    assert crowd.take_away(1000, 1, at_ms=start + 29 * HOUR_MS - 1) == "held"
    assert crowd.take_away(1100, 151, at_ms=start + 29 * HOUR_MS) == "held"
    assert crowd.take_away(1300, 150) == "withdrawn"
    assert crowd.take_away(1500, 1, at_ms=start + 30 * HOUR_MS - 1) == "held"
    assert crowd.take_away(1600, 50, at_ms=start + 30 * HOUR_MS) == "withdrawn"


def test_all_issuers_of_an_authority_share_its_limits_and_its_live_credentials() -> None:
    crowd = Crowd(10_000)
    other, third = crowd.admit("civil-2"), crowd.admit("health-1")
    crowd.act("health-1", Change(authority="health"))
    for issuer in (other, third):
        crowd.take(issuer, 200)
    crowd.live(other, 5_000)
    # Live credentials of both: 150 a day.
    assert crowd.take_away(0, 100) == "withdrawn"
    assert crowd.take_away(0, 50, issuer=other) == "withdrawn"
    assert crowd.take_away(50, 1, issuer=other) == "held"
    # Another authority has limits of its own, and nothing of these credentials.
    assert crowd.take_away(0, 20, issuer=third) == "withdrawn"
    assert crowd.take_away(20, 1, issuer=third) == "held"
    # Who moves to an authority shares what it has counted, and brings the live credentials along.
    crowd.act("civil-2", Change(authority="health"))
    assert crowd.take_away(60, 30, issuer=other) == "withdrawn"
    assert crowd.take_away(100, 1, issuer=other) == "held"


def test_rows_that_neither_withdraw_nor_suspend_never_count() -> None:
    crowd = Crowd(0)
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(0, 500, REPLACED)))
    assert crowd.take_away(1000, 20) == "withdrawn"
    assert crowd.registry.places.quarantine.counted("interior") == (20, 20, 20)


def test_suspensions_count_as_withdrawals_do() -> None:
    crowd = Crowd(0)
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(0, 12, SUSPENDED)))
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(12, 8, SUSPENDED)))
    assert crowd.take_away(100, 1) == "held"


def test_to_withdraw_or_clear_what_is_suspended_neither_counts_nor_waits() -> None:
    crowd = Crowd(0)
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(0, 20, SUSPENDED)))
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(0, 8, WITHDRAWN, SUSPENDED)))
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(8, 4, VALID, SUSPENDED)))
    assert crowd.statuses(0, 8, 12) == [WITHDRAWN, VALID, SUSPENDED]
    assert crowd.registry.places.quarantine.counted("interior") == (20, 20, 20)


def test_of_a_mixed_statement_only_what_withdraws_or_suspends_is_held() -> None:
    crowd = Crowd(0)
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(0, 10, SUSPENDED)))
    index, month = crowd.size, month_of_seconds(crowd.now_s)
    rows = [
        *crowd.rows(0, 5, VALID, SUSPENDED),
        *crowd.rows(5, 1, WITHDRAWN, SUSPENDED),
        *crowd.rows(6, 1, REPLACED, SUSPENDED),
        *crowd.rows(20, 6, SUSPENDED),
        *crowd.rows(26, 5, WITHDRAWN),
        *crowd.rows(31, 5, REPLACED),
    ]
    crowd.epoch(crowd.change(crowd.civil, *rows))
    assert crowd.registry.places.quarantine.counted("interior") == (10, 10, 10)
    assert crowd.statuses(0, 5, 6, 20, 26, 31) == [VALID, WITHDRAWN, REPLACED, HELD, HELD, REPLACED]
    [[at, number, time_ms, uri, held]] = crowd.held
    assert (at, number, time_ms, uri) == (index, 1, crowd.time_ms, "sc:1/0")
    assert held == [
        *[[n, 0, 2, 4, month] for n in range(20, 26)],
        *[[n, 0, 1, 3, month] for n in range(26, 31)],
    ]
    # The list's sequence goes on, and a held place keeps the reason and month of what was asked for.
    assert crowd.registry.lists["sc:1/0"].seq == 2
    assert reasons(crowd)[20] == (4, month)
    assert reasons(crowd)[26] == (3, month)


# -- what becomes of what is held -------------------------------------------------------------------------


def test_confirmed_rows_take_effect_as_written_with_the_epoch_s_month() -> None:
    crowd = Crowd(0)
    index = crowd.size
    assert crowd.take_away(0, 21, at_ms=MIDNIGHT_MS + 15 * DAY_MS) == "held"
    assert crowd.statuses(0, 20) == [HELD, HELD]
    assert reasons(crowd) == dict.fromkeys(range(21), (3, 202701))
    crowd.act("civil-1", ConfirmHeld(index), at_ms=MIDNIGHT_MS + 31 * DAY_MS)
    assert crowd.statuses(0, 20, 21) == [WITHDRAWN, WITHDRAWN, VALID]
    assert crowd.held == []
    assert reasons(crowd) == dict.fromkeys(range(21), (3, 202702))
    # Confirmed changes do not count.
    assert crowd.take_away(100, 20) == "withdrawn"


def test_refused_rows_read_again_what_they_read_before() -> None:
    crowd = Crowd(0)
    index = crowd.size
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(0, 21)))
    assert crowd.statuses(0, 19, 20) == [HELD] * 3
    crowd.act("civil-1", RefuseHeld(index), at_ms=crowd.time_ms + 25 * DAY_MS)
    assert crowd.statuses(0, 19, 20) == [VALID] * 3
    assert reasons(crowd) == {}
    assert crowd.held == []


def test_what_is_not_held_can_be_neither_confirmed_nor_refused() -> None:
    crowd, index = mass()
    other = crowd.admit("civil-2")
    for verb in (ConfirmHeld, RefuseHeld):
        for at in (index - 1, index + 1, 0, 2**53 - 1):
            assert crowd.refusal(crowd.approval(1, crowd.action("civil-1", verb(at)))) == "bad_transition"
        assert crowd.refusal(crowd.approval(1, crowd.action(other.name, verb(index)))) == "bad_transition"
        assert crowd.refusal(crowd.approval(1, crowd.action("civil-1", verb(index)))) == "ok"
    twice = crowd.action("civil-1", RefuseHeld(index), ConfirmHeld(index))
    assert crowd.refusal(crowd.approval(1, twice)) == "bad_transition"
    crowd.act("civil-1", RefuseHeld(index))
    assert crowd.refusal(crowd.approval(1, crowd.action("civil-1", ConfirmHeld(index)))) == "bad_transition"


def test_every_approval_asks_whether_it_is_still_held() -> None:
    crowd, index = mass()
    action = replace(crowd.action("civil-1", ConfirmHeld(index)), not_after=2**40)
    crowd.epoch(crowd.approval(1, action))
    assert crowd.statuses(0) == [HELD]
    at_ms = crowd.registry.next_timer_ms()
    assert at_ms is not None
    assert crowd.refusal(crowd.approval(2, action), at_ms=at_ms - 1) == "ok"
    assert crowd.refusal(crowd.approval(2, action), at_ms=at_ms) == "bad_transition"
    crowd.epoch(at_ms=at_ms)
    assert crowd.refusal(crowd.approval(1, crowd.action("civil-1", ConfirmHeld(index)))) == "bad_transition"


def test_one_action_decides_several_statements() -> None:
    crowd, first = mass()
    second = crowd.size
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(100, 30, SUSPENDED)))
    third = crowd.size
    crowd.epoch(crowd.change(crowd.civil, *crowd.rows(200, 30)))
    crowd.act("civil-1", RefuseHeld(first), ConfirmHeld(third), RefuseHeld(second))
    assert crowd.statuses(0, 100, 200) == [VALID, VALID, WITHDRAWN]
    assert crowd.registry.next_timer_ms() is None


def test_what_nobody_decides_lapses_to_the_millisecond_after_30_days() -> None:
    crowd, index = mass()
    timer = crowd.registry.next_timer_ms()
    assert timer == crowd.time_ms + 2_592_000_000
    assert crowd.try_epoch(at_ms=timer - 1).entries == []
    assert crowd.statuses(0) == [HELD]
    built = crowd.epoch(at_ms=timer)
    assert [len(built.entries), crowd.statuses(0, 20), crowd.held] == [16, [VALID, VALID], []]
    assert crowd.registry.next_timer_ms() is None
    assert crowd.refusal(crowd.approval(1, crowd.action("civil-1", RefuseHeld(index)))) == "bad_transition"
    # It was an epoch like any other: what lapsed may be asked for again, and does not count.
    assert crowd.take_away(0, 20) == "withdrawn"


def test_several_lapse_in_their_order_and_the_timer_goes_on_to_the_next() -> None:
    crowd, _ = mass()
    first = crowd.time_ms
    assert crowd.take_away(100, 30, at_ms=first + HOUR_MS) == "held"
    assert crowd.take_away(200, 30, at_ms=first + 2 * HOUR_MS) == "held"
    crowd.epoch(at_ms=first + LAPSE_MS + HOUR_MS)
    assert crowd.statuses(0, 100, 200) == [VALID, VALID, HELD]
    assert crowd.registry.next_timer_ms() == first + 2 * HOUR_MS + LAPSE_MS


def test_a_statement_of_the_epoch_of_a_lapse_sees_the_places_as_they_read_then() -> None:
    crowd, _ = mass()
    at_ms = crowd.time_ms + LAPSE_MS
    month = month_of_seconds(at_ms // 1000)
    statement = crowd.change(crowd.civil, (0, VALID, SUSPENDED, 4), month=month)
    assert crowd.refusal(statement, at_ms=at_ms - 1) == "stale_action"
    crowd.epoch(statement, at_ms=at_ms)
    assert crowd.statuses(0, 1) == [SUSPENDED, VALID]


def test_an_epoch_without_statements_and_without_a_lapse_is_refused() -> None:
    crowd, _ = mass()
    at_ms = crowd.time_ms + LAPSE_MS
    elsewhere = Crowd(0)
    elsewhere.take_away(0, 20)
    assert elsewhere.size == crowd.size
    empty = crowd.try_epoch(at_ms=at_ms)
    with pytest.raises(ForkAlarm) as caught:
        replay_epoch(elsewhere.mirror, elsewhere.chain_head, elsewhere.size, empty.entries)
    assert (caught.value.code, caught.value.index) == ("bad_epoch", elsewhere.size)


def test_the_issuer_can_do_nothing_with_a_held_place() -> None:
    crowd, _ = mass()
    for new in range(16):
        for reason in range(1, 7):
            assert crowd.refusal(crowd.change(crowd.civil, (3, HELD, new, reason))) == "bad_transition"
    for old in (WITHDRAWN, SUSPENDED, VALID, AFFIRMED):
        assert crowd.refusal(crowd.change(crowd.civil, (3, old, REPLACED, 1))) == "stale_action"


def test_a_holder_replaces_the_own_card_while_its_withdrawal_is_held() -> None:
    world, civil, cards, built, index = held_cards()
    world.epoch(replacement(world, built, cards[7], HELD))
    assert world.status(civil, 7) == REPLACED
    world.act("civil-1", ConfirmHeld(index))
    assert (world.status(civil, 7), world.status(civil, 8)) == (REPLACED, WITHDRAWN)


def test_when_every_place_is_replaced_nothing_is_held() -> None:
    world, civil, cards, built, index = held_cards()
    held = world.registry.places.quarantine
    for count, card in enumerate(cards, 1):
        world.epoch(replacement(world, built, card, HELD))
        assert [row[0] for row in held.format_held()[0][4]] == list(range(count, 21)) if count < 21 else True
    assert (held.format_held(), world.registry.next_timer_ms()) == ([], None)
    assert world.refusal(world.approval(1, world.action("civil-1", ConfirmHeld(index)))) == "bad_transition"
    assert world.status(civil, 20) == REPLACED


def test_a_holder_s_replacement_stands_over_a_distrusted_request() -> None:
    world, civil, cards, built, index = held_cards()
    world.epoch(replacement(world, built, cards[3], HELD))
    world.act("civil-1", DistrustKey(civil.keys[0].public_key.kid, index))
    assert (world.status(civil, 2), world.status(civil, 3)) == (VALID, REPLACED)
    assert world.registry.places.quarantine.format_held() == []


def held_cards() -> tuple[World, Party, list[Statement], Any, int]:
    """Return a ledger whose withdrawal of 21 cards is held: with the issuer, the cards, their epoch, its index."""
    world = World()
    civil = world.admit("civil-1")
    cards = [world.credential(civil, n) for n in range(21)]
    built = world.epoch(*cards)
    index = world.size
    world.epoch(world.change(civil, *[(n, 0, 1, 3) for n in range(21)]))
    assert world.status(civil, 7) == HELD
    return world, civil, cards, built, index


def replacement(world: World, built: Any, card: Statement, old: int) -> Statement:
    offset = built.entries.index(card.entry)
    start = offset // CELL_SIZE * CELL_SIZE
    path = prove_in_cell(built.leaves[start : start + CELL_SIZE], offset - start)
    row = StatusRow(card.body.idx, old, REPLACED, 1, month_of_seconds(world.now_s))
    body = StatusChange(card.body.uri, 0, (row,), HolderProof(built.first_index + offset, path, card.entry))
    own = signer(f"holder {card.body.idx}", "ed25519")
    return parse_statement(sign_statement("status", card.sub, card.body.uri, body, own))


# -- distrust ---------------------------------------------------------------------------------------------


def two_keys() -> Crowd:
    crowd = Crowd(0)
    crowd.civil.keys.append(signer("civil-1 key 2"))
    crowd.act("civil-1", AddKey(crowd.civil.keys[1].public_key))
    return crowd


def distrust(crowd: Crowd, key: int, start: int) -> DistrustKey:
    return DistrustKey(crowd.civil.keys[key].public_key.kid, start)


def test_what_a_distrusted_key_asked_for_is_refused_with_the_effect() -> None:
    crowd = two_keys()
    assert crowd.take_away(300, 21, key=1) == "held"
    start = crowd.size
    assert crowd.take_away(0, 21, key=1) == "held"
    assert crowd.take_away(100, 21, key=0) == "held"
    crowd.act("civil-1", distrust(crowd, 1, start))
    assert crowd.statuses(0, 20, 100, 300) == [VALID, VALID, HELD, HELD]
    assert sorted(row[0] for row in crowd.held) == [start - 16, start + 16]


def test_a_confirmed_change_is_reversed_with_its_key() -> None:
    crowd = two_keys()
    start = crowd.size
    assert crowd.take_away(0, 21, key=1) == "held"
    crowd.act("civil-1", ConfirmHeld(start))
    assert crowd.statuses(0) == [WITHDRAWN]
    crowd.act("civil-1", distrust(crowd, 1, start))
    assert crowd.statuses(0) == [VALID]


def test_a_confirmation_does_not_make_a_change_younger_than_its_statement() -> None:
    crowd = two_keys()
    index = crowd.size
    assert crowd.take_away(0, 21, key=1) == "held"
    start = crowd.size
    crowd.act("civil-1", ConfirmHeld(index))
    crowd.act("civil-1", distrust(crowd, 1, start))
    assert crowd.statuses(0) == [WITHDRAWN]


def test_verbs_of_one_action_act_in_their_order() -> None:
    crowd = two_keys()
    start = crowd.size
    assert crowd.take_away(0, 21, key=1) == "held"
    late = crowd.action("civil-1", distrust(crowd, 1, start), ConfirmHeld(start))
    assert crowd.refusal(crowd.approval(1, late)) == "bad_transition"
    for other in (distrust(crowd, 0, start), distrust(crowd, 1, start + 1)):
        allowed = crowd.action("civil-1", other, ConfirmHeld(start))
        assert crowd.refusal(crowd.approval(1, allowed)) == "ok"
    crowd.act("civil-1", ConfirmHeld(start), distrust(crowd, 1, start))
    assert crowd.statuses(0) == [VALID]


# -- digests ----------------------------------------------------------------------------------------------


def digest(value: Any) -> bytes:
    return hashlib.sha256(cbor.encode(value)).digest()


def registry_digest(registry: Any, part_7: list[Any], part_8: list[Any]) -> bytes:
    """The digest of protocol section 4, with parts 7 and 8 as the caller counts them."""
    first = [
        registry.governance.format_governance(),
        registry.governance.format_proposals(),
        registry.places.format_places(),
        registry.windows.format_rates(),
        registry.windows.format_live(),
    ]
    return digest(
        [*map(digest, first), registry.places.journal_head, digest(part_7), digest(part_8)],
    )


def test_parts_7_and_8_are_what_the_protocol_says() -> None:
    crowd = Crowd(0)
    other = crowd.admit("civil-2")
    crowd.act("civil-2", Change(authority="health"))
    crowd.take(other, 100)
    assert crowd.registry.registry_digest() == registry_digest(crowd.registry, [], [])
    day = MIDNIGHT_MS // DAY_MS
    hour = day * 24
    crowd.take_away(0, 3, at_ms=MIDNIGHT_MS + 11 * HOUR_MS)
    crowd.take_away(3, 4, at_ms=MIDNIGHT_MS + 40 * HOUR_MS)
    crowd.take_away(0, 20, issuer=other, at_ms=MIDNIGHT_MS + 40 * HOUR_MS + 1)
    index, held_ms = crowd.size, MIDNIGHT_MS + 41 * HOUR_MS
    crowd.take_away(20, 2, issuer=other, at_ms=held_ms)
    crowd.take_away(7, 1, at_ms=held_ms + 1)
    part_7 = [
        ["health", [[hour + 40, 20]], [[day + 1, 20]]],
        ["interior", [[hour + 40, 4], [hour + 41, 1]], [[day, 3], [day + 1, 5]]],
    ]
    part_8 = [[index, 2, held_ms, "sc:2/0", [[20, 0, 1, 3, 202701], [21, 0, 1, 3, 202701]]]]
    assert crowd.registry.registry_digest() == registry_digest(crowd.registry, part_7, part_8)
    crowd.act("civil-1", Suspend(), at_ms=MIDNIGHT_MS + 64 * HOUR_MS)
    part_7 = [
        ["health", [], [[day + 1, 20]]],
        ["interior", [[hour + 41, 1]], [[day, 3], [day + 1, 5]]],
    ]
    assert crowd.registry.registry_digest() == registry_digest(crowd.registry, part_7, part_8)
    crowd.epoch(at_ms=held_ms + LAPSE_MS)
    part_7 = [["health", [], [[day + 1, 20]]], ["interior", [], [[day, 3], [day + 1, 5]]]]
    assert crowd.registry.registry_digest() == registry_digest(crowd.registry, part_7, [])
    crowd.epoch(crowd.change(crowd.civil, (50, 0, 3, 1), month=202712), at_ms=MIDNIGHT_MS + 365 * DAY_MS - 1)
    assert crowd.registry.registry_digest() == registry_digest(crowd.registry, part_7, [])
    crowd.epoch(crowd.change(crowd.civil, (52, 0, 3, 1), month=202801), at_ms=MIDNIGHT_MS + 365 * DAY_MS)
    part_7 = [["health", [], [[day + 1, 20]]], ["interior", [], [[day + 1, 5]]]]
    assert crowd.registry.registry_digest() == registry_digest(crowd.registry, part_7, [])
    crowd.epoch(crowd.change(crowd.civil, (51, 0, 3, 1), month=202801), at_ms=MIDNIGHT_MS + 366 * DAY_MS)
    assert crowd.registry.registry_digest() == registry_digest(crowd.registry, [], [])


def test_what_becomes_of_a_held_row_stands_in_the_journal() -> None:
    crowd = Crowd(0)
    head = crowd.registry.places.journal_head

    def follow(head: bytes, *lines: list[Any]) -> bytes:
        for line in lines:
            head = hashlib.sha256(b"\x02" + head + digest(line)).digest()
        return head

    statement = crowd.change(crowd.civil, *crowd.rows(0, 21))
    index = crowd.size
    crowd.epoch(statement, at_ms=MIDNIGHT_MS + 15 * DAY_MS)
    rows = [[index, statement.kid, "sc:1/0", n, 0, HELD, 3, 202701] for n in range(21)]
    head = follow(head, *rows)
    assert crowd.registry.places.journal_head == head
    effect = crowd.act("civil-1", ConfirmHeld(index), at_ms=MIDNIGHT_MS + 31 * DAY_MS)
    rows = [[effect, None, "sc:1/0", n, HELD, 1, 3, 202702] for n in range(21)]
    head = follow(head, *rows)
    assert crowd.registry.places.journal_head == head
    other = crowd.change(crowd.civil, *crowd.rows(100, 21))
    index = crowd.size
    crowd.epoch(other)
    rows = [[index, other.kid, "sc:1/0", n, 0, HELD, 3, 202702] for n in range(100, 121)]
    head = follow(head, *rows)
    first = crowd.size
    crowd.epoch(at_ms=crowd.time_ms + LAPSE_MS)
    rows = [[first, None, "sc:1/0", n, HELD, 0, 6, 202703] for n in range(100, 121)]
    assert crowd.registry.places.journal_head == follow(head, *rows)


Step = tuple[str, int, int]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["change", "big", "confirm", "refuse", "distrust", "wait", "judge", "lapse"]),
        st.integers(0, 7),
        st.integers(0, 3),
    ),
    max_size=20,
)


@settings(max_examples=30)
@given(steps=_STEPS)
def test_any_run_gives_one_state_live_and_replayed_and_every_held_place_is_known(steps: list[Step]) -> None:
    world = World()
    civil = world.admit("civil-1")
    for n in (2, 3, 4):
        civil.keys.append(signer(f"civil-1 key {n}"))
        world.act("civil-1", AddKey(civil.keys[-1].public_key))
    world.epoch(*[world.credential(civil, n) for n in range(40)])
    for what, a, b in steps:
        known = world.registry.places.quarantine.held
        some = list(known)[a % len(known)] if known else 0
        state = world.registry.lists["sc:1/0"]
        record = world.registry.governance.issuers["civil-1"].keys[civil.keys[b].public_key.kid]
        at_ms = None
        statements: list[Statement] = []
        if what in ("change", "big") and record.state == 0:
            new, reason = ((1, 3), (2, 4), (3, 1), (0, 6))[a % 4]
            places = range(21) if what == "big" else range(a, a + 5)
            statements = [world.change(civil, *[(n, state.status(n), new, reason) for n in places], key=b)]
        elif what in ("confirm", "refuse"):
            verb = ConfirmHeld(some) if what == "confirm" else RefuseHeld(some)
            statements = world.approvals(world.action("civil-1", verb))
        elif what == "distrust" and b:
            kid = civil.keys[b].public_key.kid
            statements = world.approvals(world.action("civil-1", DistrustKey(kid, max(0, world.size - 64))))
        elif what == "wait":
            at_ms = world.time_ms + (1 + a) * 3 * DAY_MS
        elif what == "judge":
            world.refusal(world.change(civil, (0, 0, 1, 3)), at_ms=world.time_ms + (1 + a) * 10 * DAY_MS)
            continue
        else:
            timer = world.registry.next_timer_ms()
            at_ms = None if timer is None else max(timer, world.time_ms + 1)
        # try_epoch replays what it builds and compares.
        world.try_epoch(*statements, at_ms=at_ms)
        reads_held = {n for n in range(40) if world.status(civil, n) == HELD}
        rows = [row for held in world.registry.places.quarantine.format_held() for row in held[4]]
        assert reads_held == {row[0] for row in rows}
        assert len(rows) == len(reads_held)
    registry, _, chain = replay_genesis(world.built[0].entries)
    for built in world.built[1:]:
        _, chain = replay_epoch(registry, chain[-1], built.first_index, built.entries)
    assert fingerprint(registry) == fingerprint(world.registry)


# -- S6 ---------------------------------------------------------------------------------------------------

EXILES = 4_000


@pytest.mark.parametrize("live", [40_000, 400_000, 4_000_000])
def test_s6_a_regime_withdraws_4000_exiles_in_one_statement(live: int) -> None:
    crowd = Crowd(live)
    assert crowd.take_away(0, EXILES) == "held"
    assert crowd.statuses(0, 1999, 3999, 4000) == [HELD, HELD, HELD, VALID]
    [[index, _, _, _, rows]] = crowd.held
    assert len(rows) == EXILES
    crowd.act("civil-1", RefuseHeld(index))
    assert not any(crowd.registry.lists["sc:1/0"].raw)


@pytest.mark.parametrize(
    ("live", "size"), [(40_000, 1), (40_000, 50), (400_000, 50), (4_000_000, 50), (4_000_000, 200)]
)
def test_s6_a_regime_withdraws_4000_exiles_in_a_night_bit_by_bit(live: int, size: int) -> None:
    crowd = Crowd(live)
    exiles = range(EXILES if size > 1 else 400)
    step = len(exiles) // 8
    for hour, first in enumerate(range(0, len(exiles), step)):
        seq = crowd.registry.lists["sc:1/0"].seq + 1
        statements = [
            crowd.change(crowd.civil, *crowd.rows(at, min(size, first + step - at)), seq=seq + n)
            for n, at in enumerate(range(first, first + step, size))
        ]
        crowd.epoch(*statements, at_ms=MIDNIGHT_MS + (22 + hour) * HOUR_MS)
    read = Counter(crowd.statuses(*exiles))
    assert read == {WITHDRAWN: 200, HELD: len(exiles) - 200}
    assert sum(len(row[4]) for row in crowd.held) == read[HELD]


@pytest.mark.parametrize(
    ("live", "month", "year"), [(40_000, 1_200, 2_000), (400_000, 6_000, 20_000), (4_000_000, 6_000, 73_000)]
)
def test_s6_patience_gains_200_a_day_and_no_more_than_the_long_windows(
    live: int, month: int, year: int
) -> None:
    crowd = Crowd(live, places=0)
    quarantine = crowd.registry.places.quarantine
    taken: list[int] = []
    for day in range(365):
        quarantine.open_epoch(MIDNIGHT_MS + day * DAY_MS + 12 * HOUR_MS)
        free = next(n for n in range(200, -1, -1) if not quarantine.exceeds("interior", n, live))
        quarantine.count("interior", free)
        taken.append(free)
    assert max(taken) == 200
    assert sum(taken[:30]) == month
    assert sum(taken) == year


def test_s6_the_cards_of_a_mass_withdrawal_stay_confirmed_with_a_line_beside() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    cards = [ledger.issue(civil) for _ in range(22)]
    ledger.close_epoch()
    rows = tuple(StatusRow(n, 0, 1, 3, month_of_seconds(ledger.now_s)) for n in range(21))
    civil.seqs["sc:1/0"] = 1
    index = ledger.tree_size
    body = StatusChange("sc:1/0", 1, rows)
    ledger.submit(sign_statement("status", "civil-1", "sc:1/0", body, civil.signer))
    ledger.close_epoch()

    def verdicts() -> list[tuple[str, tuple[str, ...]]]:
        found = [judge(card.front(), ledger.trusted(), ledger.now_s) for card in cards]
        return [(verdict.state, verdict.codes) for verdict in found]

    assert verdicts() == [("confirmed", ("quarantined",))] * 21 + [("confirmed", ())]
    ledger.act("civil-1", ConfirmHeld(index))
    assert verdicts() == [("withdrawn", ("withdrawn",))] * 21 + [("confirmed", ())]


def test_judging_with_a_later_clock_leaves_what_is_held_as_it_was() -> None:
    crowd, index = mass()
    action: Action = crowd.action("civil-1", RefuseHeld(index))
    assert crowd.refusal(crowd.approval(1, action), at_ms=crowd.time_ms + 40 * DAY_MS) == "stale_action"
    assert crowd.held[0][0] == index
    assert crowd.statuses(0) == [HELD]
    assert crowd.registry.next_timer_ms() == crowd.time_ms + LAPSE_MS
