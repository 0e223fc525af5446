"""The fold: which credentials the registry takes, and what epochs do to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.actions import Change, DistrustKey, Scope, Suspend
from ledger.core.calendar_days import DAY_S, exp_for, is_quarter_start_s
from ledger.core.epoch import replay_epoch, replay_genesis
from ledger.core.registry import fold
from ledger.core.registry.places import HALF_USED
from ledger.core.statement import parse_statement, sign_credential
from ledger.errors import CodedError, MalformedError, VerificationError
from tests.support.registry_world import World, fingerprint


def seconds(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("vct", ["sc:identity", "sc:short", "sc:third"])
def test_a_credential_by_all_rules_is_accepted(vct: str) -> None:
    world = World()
    civil = world.admit("civil-1")
    world.epoch(world.credential(civil, 131_071, vct=vct))
    assert world.registry.lists["sc:1/0"].is_taken(131_071)
    assert world.registry.lists["sc:1/0"].used == 1


def test_a_credential_type_outside_the_scope_or_the_profiles_is_out_of_scope() -> None:
    world = World()
    civil = world.admit("civil-1", vcts=("sc:identity",))
    assert world.refusal(world.credential(civil, 1, vct="sc:third")) == "out_of_scope"
    assert world.refusal(world.credential(civil, 1, vct="sc:unheard")) == "out_of_scope"
    world.act("civil-1", Change(scope=Scope(("sc:third",), 10, 1)))
    assert world.refusal(world.credential(civil, 1, vct="sc:third")) == "ok"
    assert world.refusal(world.credential(civil, 1)) == "out_of_scope"


@pytest.mark.parametrize("count", [1, 3, 5, 32])
def test_another_number_of_digests_than_the_profile_has_is_out_of_scope(count: int) -> None:
    world = World()
    civil = world.admit("civil-1")
    digests = tuple(bytes([n]) * 32 for n in range(count))
    assert world.refusal(world.credential(civil, 1, digests=digests)) == "out_of_scope"


@pytest.mark.parametrize("offset", [1, -1, 3600, 43_200, DAY_S - 1])
def test_a_day_of_issue_that_is_not_whole_is_out_of_scope(offset: int) -> None:
    world = World()
    civil = world.admit("civil-1")
    day = world.now_s // DAY_S * DAY_S
    assert world.refusal(world.credential(civil, 1, iat=day + offset)) == "out_of_scope"


def test_the_day_of_issue_lies_in_its_window_to_the_millisecond() -> None:
    day = seconds(2026, 11, 20)
    world = World()
    civil = world.admit("civil-1")
    statement = world.credential(civil, 1, iat=day)
    first, last = (day - DAY_S) * 1000, (day + 35 * DAY_S) * 1000
    assert world.refusal(statement, at_ms=first - 1) == "out_of_scope"
    assert world.refusal(statement, at_ms=first) == "ok"
    assert world.refusal(statement, at_ms=last) == "ok"
    assert world.refusal(statement, at_ms=last + 1) == "out_of_scope"


@pytest.mark.parametrize(
    ("iat", "exp"),
    [
        # sc:third: 90 days. 2 January + 90 days = 2 April -> 1 July.
        ((2027, 1, 2), (2027, 7, 1)),
        # 1 January + 90 days is 1 April itself: a quarter day counts.
        ((2027, 1, 1), (2027, 4, 1)),
        ((2026, 12, 31), (2027, 4, 1)),
        ((2026, 10, 3), (2027, 1, 1)),
        ((2026, 10, 4), (2027, 4, 1)),
        ((2027, 4, 2), (2027, 7, 1)),
        ((2027, 7, 3), (2027, 10, 1)),
    ],
)
def test_exp_is_the_first_quarter_day_at_or_after_the_validity(
    iat: tuple[int, int, int], exp: tuple[int, int, int]
) -> None:
    iat_s, exp_s = seconds(*iat), seconds(*exp)
    world = World(time_ms=(iat_s - 60) * 1000)
    civil = world.admit("civil-1")
    assert exp_for(iat_s, 90) == exp_s
    assert world.refusal(world.credential(civil, 1, vct="sc:third", iat=iat_s, exp=exp_s)) == "ok"
    for wrong in (exp_s - 1, exp_s + 1, exp_s - DAY_S, exp_for(exp_s, 1), iat_s + 90 * DAY_S + 3600):
        refused = world.credential(civil, 1, vct="sc:third", iat=iat_s, exp=wrong)
        assert world.refusal(refused) == "out_of_scope"


def test_each_day_of_issue_and_each_validity_has_its_own_exp() -> None:
    world = World(time_ms=seconds(2027, 1, 2) * 1000)
    civil = world.admit("civil-1", vcts=("sc:identity", "sc:third"))
    good = [
        # 90 days and 730 days from either side of a quarter day.
        ("sc:third", seconds(2027, 1, 1), seconds(2027, 4, 1)),
        ("sc:third", seconds(2027, 1, 2), seconds(2027, 7, 1)),
        ("sc:identity", seconds(2027, 1, 1), seconds(2029, 1, 1)),
        ("sc:identity", seconds(2027, 1, 2), seconds(2029, 1, 1)),
    ]
    for vct, iat, exp in good:
        for other in sorted({end for _, _, end in good}):
            statement = world.credential(civil, 1, vct=vct, iat=iat, exp=other)
            assert world.refusal(statement) == ("ok" if other == exp else "out_of_scope")


@given(day=st.integers(0, 40_000), validity=st.integers(1, 7300))
def test_exp_is_a_quarter_day_less_than_a_quarter_late(day: int, validity: int) -> None:
    exp = exp_for(day * DAY_S, validity)
    assert is_quarter_start_s(exp)
    assert 0 <= exp - (day + validity) * DAY_S < 92 * DAY_S


@pytest.mark.parametrize("uri", ["sc:2/0", "sc:9/0", "sc:11/0"])
def test_a_list_of_another_issuer_is_out_of_scope(uri: str) -> None:
    world = World()
    civil = world.admit("civil-1")
    other = world.admit("civil-2")
    world.epoch(world.credential(other, 5))
    assert world.refusal(world.credential(civil, 1, uri=uri)) == "out_of_scope"


def test_a_place_is_taken_once() -> None:
    world = World()
    civil = world.admit("civil-1")
    first, second = world.credential(civil, 1), world.credential(civil, 1, sub="another_subject_")
    built = world.try_epoch(first, second)
    assert [error.code for _, error in built.rejected] == ["place_taken"]
    assert world.refusal(second) == "place_taken"
    assert world.refusal(world.credential(civil, 1, uri="sc:1/1")) == "ok"
    for free in (0, 2, 7, 8):
        assert world.refusal(world.credential(civil, free)) == "ok"


def test_lists_below_the_number_of_desks_are_open() -> None:
    world = World()
    civil = world.admit("civil-1", desks=3)
    for n in range(3):
        assert world.refusal(world.credential(civil, 1, uri=f"sc:1/{n}")) == "ok"
    assert world.refusal(world.credential(civil, 1, uri="sc:1/3")) == "out_of_scope"


def test_a_further_list_opens_when_the_one_desks_before_is_half_used() -> None:
    assert HALF_USED == 65_536
    world = World()
    civil = world.admit("civil-1", desks=2)
    world.epoch(world.credential(civil, 1), world.credential(civil, 1, uri="sc:1/1", sub="on_the_second___"))
    for registry in (world.registry, world.mirror):
        registry.lists["sc:1/0"].used = HALF_USED - 1
    assert world.refusal(world.credential(civil, 1, uri="sc:1/2")) == "out_of_scope"
    for registry in (world.registry, world.mirror):
        registry.lists["sc:1/0"].used = HALF_USED
    assert world.refusal(world.credential(civil, 1, uri="sc:1/2")) == "ok"
    assert world.refusal(world.credential(civil, 1, uri="sc:1/3")) == "out_of_scope"
    assert world.refusal(world.credential(civil, 1, uri="sc:1/4")) == "out_of_scope"
    world.epoch(world.credential(civil, 1, uri="sc:1/2"))
    assert sorted(world.registry.lists) == ["sc:1/0", "sc:1/1", "sc:1/2"]


def test_the_rate_counts_the_running_clock_hour_and_the_23_before() -> None:
    start = seconds(2026, 11, 20, 10) * 1000
    world = World(time_ms=start)
    civil = world.admit("civil-1", rate=3)
    other = world.admit("civil-2", rate=3)
    world.epoch(world.credential(civil, 1), world.credential(civil, 2), at_ms=start + 3_599_999)
    world.epoch(world.credential(civil, 3), at_ms=start + 3_600_000)
    fourth = world.credential(civil, 4)
    last_of_window = start + 24 * 3_600_000 - 1
    assert world.refusal(fourth) == "rate_limited"
    assert world.refusal(fourth, at_ms=last_of_window) == "rate_limited"
    assert world.refusal(world.credential(other, 4), at_ms=last_of_window) == "ok"
    # With hour 24 the two of hour 0 leave; with hour 25 the one of hour 1.
    assert world.refusal(fourth, at_ms=last_of_window + 1) == "ok"
    world.epoch(fourth, world.credential(civil, 5), at_ms=last_of_window + 1)
    assert world.refusal(world.credential(civil, 6)) == "rate_limited"
    assert world.refusal(world.credential(civil, 6), at_ms=start + 25 * 3_600_000) == "ok"


def test_the_rate_holds_within_one_epoch_and_a_rate_of_zero_takes_none() -> None:
    world = World()
    civil = world.admit("civil-1", rate=2)
    built = world.try_epoch(*[world.credential(civil, n) for n in range(4)])
    assert [error.code for _, error in built.rejected] == ["rate_limited"] * 2
    closed = world.admit("civil-2", rate=0)
    assert world.refusal(world.credential(closed, 1)) == "rate_limited"


def test_epoch_times_rise_strictly_and_end_with_the_calendar() -> None:
    world = World()
    for time_ms in (world.time_ms, world.time_ms - 1, 0, fold.END_OF_TIME_MS, 2**53 - 1):
        before = fingerprint(world.registry)
        with pytest.raises(VerificationError) as caught:
            world.registry.open_epoch(time_ms, world.size)
        assert caught.value.code == "bad_epoch"
        assert fingerprint(world.registry) == before
    world.registry.open_epoch(fold.END_OF_TIME_MS - 1, world.size)


def test_an_epoch_in_which_nothing_applies_changes_nothing() -> None:
    world = World()
    civil = world.admit("civil-1")
    world.epoch(world.credential(civil, 1))
    before, size = fingerprint(world.registry), world.size
    built = world.try_epoch(world.credential(civil, 1), at_ms=world.time_ms + 400 * 3_600_000)
    assert (built.entries, built.leaves, built.chain, len(built.rejected)) == ([], [], [], 1)
    assert (fingerprint(world.registry), world.size) == (before, size)
    assert world.try_epoch().entries == []
    world.epoch(world.credential(civil, 2))


def test_a_statement_is_judged_twice_the_same_while_an_epoch_is_given_up() -> None:
    world = World()
    civil = world.admit("civil-1")
    far = world.time_ms + 30 * DAY_S * 1000
    assert world.refusal(world.credential(civil, 1), at_ms=far) == "ok"
    assert world.refusal(world.credential(civil, 1), at_ms=far + 10 * DAY_S * 1000) == "out_of_scope"
    world.epoch(world.credential(civil, 1))


def test_credentials_that_ended_by_now_are_not_live() -> None:
    # Issued 34 days ago for one day: its quarter began before the epoch's time.
    world = World(time_ms=seconds(2027, 1, 30) * 1000)
    civil = world.admit("civil-1")
    ended, lives = seconds(2026, 12, 30), seconds(2027, 1, 29)
    world.epoch(
        world.credential(civil, 1, vct="sc:short", iat=ended),
        world.credential(civil, 2, vct="sc:short", iat=lives),
    )
    assert world.registry.windows.format_live() == [[1, [[2027 * 4 + 1, 1]]]]


def test_claims_repeat_header_15() -> None:
    world = World()
    civil = world.admit("civil-1")
    entry = world.credential(civil, 1).entry
    for value, other in ((b"0001000001______", b"X001000001______"), (b"civil-1", b"civil-2")):
        assert entry.count(value) == 2
        for at in (entry.index(value), entry.rindex(value)):
            with pytest.raises(MalformedError):
                parse_statement(entry[:at] + other + entry[at + len(value) :])


def test_a_changed_signature_is_refused_by_the_key_that_the_rules_ask_for() -> None:
    world = World()
    civil = world.admit("civil-1")
    good = world.credential(civil, 1)
    other = parse_statement(sign_credential(good.body._replace(idx=2), civil.keys[0]))
    assert world.refusal(parse_statement(good.entry[:-64] + other.signature)) == "bad_signature"


Step = tuple[str, int, int, int]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["credential", "status", "add", "suspend", "distrust", "wait", "close"]),
        st.integers(0, 7),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=24,
)


@settings(max_examples=25)
@given(steps=_STEPS)
def test_any_run_of_statements_gives_one_state_live_and_replayed(steps: list[Step]) -> None:
    world = World()
    parties = [world.admit("civil-1", rate=6), world.admit("civil-2")]
    pending: list[Any] = []
    wait_ms = 1_000
    for what, a, b, c in steps:
        party = parties[b % 2]
        issuer = world.registry.governance.issuers[party.name]
        if what == "credential":
            pending.append(world.credential(party, a, sub=f"{a}{b}{c}_____________"[:16]))
        elif what == "status":
            status = (0, 1, 2, 3, 12)
            pending.append(world.change(party, (a, status[c], status[(b + c) % 5], 1 + (a + b + c) % 6)))
        elif what == "suspend":
            pending += world.approvals(world.action(party.name, Suspend()), 1 + c % 3)
        elif what == "distrust":
            start = max(0, world.size - 8 * a)
            kid = next(iter(issuer.keys))
            pending += world.approvals(world.action(party.name, DistrustKey(kid, start)), 1 + c % 3)
        elif what == "wait":
            wait_ms += (1 + a) * 1_800_000 * (1 + 20 * c)
        elif what == "close":
            # Only what verifies at the close goes in, as in the service; try_epoch compares the replay.
            known = [s for s in pending if _known(world, s)]
            world.try_epoch(*known, at_ms=world.time_ms + wait_ms)
            pending, wait_ms = [], 1_000
    registry, leaves, chain = replay_genesis(world.built[0].entries)
    for built in world.built[1:]:
        more, values = replay_epoch(registry, chain[-1], built.first_index, built.entries)
        leaves, chain = leaves + more, values
    assert fingerprint(registry) == fingerprint(world.registry)
    assert len(leaves) == world.size


def _known(world: World, statement: Any) -> bool:
    try:
        world.registry.key_for(statement)
    except CodedError:
        return False
    return True
