"""Govern actions: who may approve, when an action takes effect, and what each refusal is called."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from ledger.core import cbor
from ledger.core.actions import (
    Action,
    AddKey,
    Admit,
    Change,
    DistrustKey,
    Reinstate,
    RetireKey,
    Scope,
    Suspend,
    format_action,
)
from ledger.core.bundle import MAX_ISSUERS
from ledger.core.calendar_days import DAY_S
from ledger.core.registry import governance
from ledger.core.registry.governance import action_digest, approvals_complete
from ledger.core.statement import parse_statement, sign_statement
from ledger.errors import MalformedError, VerificationError
from tests.support.ledgers import signer
from tests.support.registry_world import ORIGIN, World


def test_the_k_th_approval_takes_effect_at_its_own_index() -> None:
    world = World(governors=5, threshold=3)
    party, verb = world.admission("civil-1")
    action = world.action("civil-1", verb)
    world.epoch(*world.approvals(action, 2))
    assert world.registry.governance.issuers == {}
    assert len(world.registry.governance.proposals) == 1
    index = world.size
    world.epoch(world.approval(3, action))
    issuer = world.registry.governance.issuers["civil-1"]
    assert (issuer.number, issuer.counter, issuer.suspended) == (1, 1, False)
    assert [record.added for record in issuer.keys.values()] == [index]
    assert list(issuer.keys) == [party.keys[0].public_key.kid]
    assert world.registry.governance.proposals == {}
    assert world.registry.effects[-1].index == index


def test_an_effect_extends_the_chain_of_govern_actions() -> None:
    world = World()
    head = hashlib.sha256(b"\x02govern/v1" + ORIGIN.encode()).digest()
    assert world.registry.govern_head == head
    _, verb = world.admission("civil-1")
    action = world.action("civil-1", verb)
    world.epoch(*world.approvals(action))
    index = world.built[1].first_index + 1
    digest = hashlib.sha256(cbor.encode(format_action(action))).digest()
    assert world.registry.govern_head == hashlib.sha256(b"\x02" + head + digest + index.to_bytes(8)).digest()
    effect = world.registry.effects[0]
    assert (effect.index, effect.approvals) == (index, (index - 1, index))


def test_a_second_approval_of_one_governor_is_stale() -> None:
    world = World()
    _, verb = world.admission("civil-1")
    action = world.action("civil-1", verb)
    world.epoch(world.approval(1, action))
    assert world.refusal(world.approval(1, action)) == "stale_action"
    built = world.try_epoch(world.approval(1, action), world.approval(2, action))
    assert [error.code for _, error in built.rejected] == ["stale_action"]
    assert "civil-1" in world.registry.governance.issuers


@pytest.mark.parametrize("counter", [0, 2, 99])
def test_a_counter_that_is_not_the_number_of_effects_is_stale(counter: int) -> None:
    world = World()
    world.admit("civil-1")
    assert (
        world.refusal(world.approval(1, world.action("civil-1", Suspend(), counter=counter)))
        == "stale_action"
    )
    assert world.refusal(world.approval(1, world.action("civil-1", Suspend()))) == "ok"


def test_an_admission_has_counter_zero() -> None:
    world = World()
    _, verb = world.admission("civil-1")
    assert world.refusal(world.approval(1, world.action("civil-1", verb, counter=1))) == "stale_action"


def test_a_deadline_holds_to_its_last_millisecond() -> None:
    world = World()
    world.admit("civil-1")
    deadline = world.now_s + 60
    approval = world.approval(1, world.action("civil-1", Suspend(), not_after=deadline))
    assert world.refusal(approval, at_ms=deadline * 1000) == "ok"
    assert world.refusal(approval, at_ms=deadline * 1000 + 1) == "stale_action"


def test_a_proposal_past_its_deadline_lapses_when_an_epoch_opens() -> None:
    world = World()
    civil = world.admit("civil-1")
    action = world.action("civil-1", Suspend(), not_after=world.now_s + 60)
    world.epoch(world.approval(1, action))
    at = action.not_after * 1000 + 1
    # Judging the next epoch sees it gone, and giving that epoch up brings it back.
    assert world.refusal(world.approval(2, action), at_ms=at) == "stale_action"
    assert len(world.registry.governance.proposals) == 1
    world.epoch(world.credential(civil, 1), at_ms=at)
    assert world.registry.governance.proposals == {}


def test_a_proposal_stands_to_the_last_millisecond_of_its_deadline() -> None:
    world = World()
    world.admit("civil-1")
    action = world.action("civil-1", Suspend(), not_after=world.now_s + 60)
    world.epoch(world.approval(1, action))
    world.epoch(world.approval(2, action), at_ms=action.not_after * 1000)
    assert world.registry.governance.issuers["civil-1"].suspended


def test_an_effect_lapses_the_other_proposals_on_its_subject_only() -> None:
    world = World()
    world.admit("civil-1")
    world.admit("civil-2")
    lapsing = world.action("civil-1", Suspend(), not_after=world.now_s + 999)
    world.epoch(
        world.approval(1, lapsing),
        world.approval(1, world.action("civil-2", Suspend())),
    )
    world.act("civil-1", Change(title="Other title"))
    subjects = [proposal.action.subject for proposal in world.registry.governance.proposals.values()]
    assert subjects == ["civil-2"]
    assert world.refusal(world.approval(2, lapsing)) == "stale_action"


def test_only_equal_payloads_belong_together() -> None:
    world = World()
    world.admit("civil-1")
    first = world.action("civil-1", Suspend())
    second = replace(first, not_after=first.not_after + 1)
    world.epoch(world.approval(1, first), world.approval(2, second))
    assert not world.registry.governance.issuers["civil-1"].suspended
    assert len(world.registry.governance.proposals) == 2


def test_a_stranger_and_a_governor_with_another_key_are_unknown() -> None:
    world = World()
    _, verb = world.admission("civil-1")
    action = world.action("civil-1", verb)
    stranger = signer("stranger", "ed25519")
    for name in ("gov-9", "gov-1", ORIGIN):
        approval = parse_statement(sign_statement("govern", name, "civil-1", action, stranger))
        assert world.refusal(approval) == "unknown_issuer"
    # With the own key, in the name of another governor: one person would be two.
    doubled = parse_statement(sign_statement("govern", "gov-2", "civil-1", action, world.governors["gov-1"]))
    assert world.refusal(doubled) == "unknown_issuer"


def test_an_approval_signed_by_another_governor_fails_with_bad_signature() -> None:
    world = World()
    _, verb = world.admission("civil-1")
    good = world.approval(1, world.action("civil-1", verb))
    forged = parse_statement(good.entry[:-64] + world.governors["gov-2"].sign(good.message))
    with pytest.raises(VerificationError) as caught:
        forged.check_signature(world.registry.key_for(forged))
    assert caught.value.code == "bad_signature"


def test_admit_needs_profiles_of_the_ledger() -> None:
    world = World()
    for vcts in (("sc:other",), ("sc:identity", "sc:other")):
        _, verb = world.admission("civil-1", vcts=vcts)
        assert world.refusal(world.approval(1, world.action("civil-1", verb))) == "out_of_scope"


@pytest.mark.parametrize(
    ("subject", "code"),
    [("gov-2", "place_taken"), (ORIGIN, "out_of_scope"), ("Capital", "malformed"), ("a/b", "malformed")],
)
def test_admit_under_a_name_that_is_taken_or_none_is_refused(subject: str, code: str) -> None:
    world = World()
    _, verb = world.admission("civil-1")
    assert world.refusal(world.approval(1, world.action(subject, verb))) == code


def test_admit_of_an_admitted_issuer_is_a_bad_transition() -> None:
    world = World()
    world.admit("civil-1")
    _, verb = world.admission("civil-1")
    assert world.refusal(world.approval(1, world.action("civil-1", verb))) == "bad_transition"


def test_an_issuer_more_than_a_bundle_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_ISSUERS == 10_000
    monkeypatch.setattr(governance, "MAX_ISSUERS", 1)
    world = World()
    world.admit("civil-1")
    _, verb = world.admission("civil-2")
    assert world.refusal(world.approval(1, world.action("civil-2", verb))) == "out_of_scope"


@pytest.mark.parametrize("verb", [Suspend(), Change(title="x"), RetireKey(bytes(8)), Reinstate()])
def test_a_verb_on_nobody_is_unknown_issuer(verb: Any) -> None:
    world = World()
    assert world.refusal(world.approval(1, world.action("civil-1", verb))) == "unknown_issuer"


def test_issuers_are_numbered_in_the_order_of_their_admission() -> None:
    world = World()
    for name in ("zeta", "alpha", "mid"):
        world.admit(name)
    numbers = {name: issuer.number for name, issuer in world.registry.governance.issuers.items()}
    assert numbers == {"zeta": 1, "alpha": 2, "mid": 3}


def test_all_verbs_of_an_action_or_none() -> None:
    world = World()
    civil = world.admit("civil-1")
    new = signer("civil-1 key 2")
    good = (AddKey(new.public_key), Change(title="New"), Suspend())
    assert world.refusal(world.approval(1, world.action("civil-1", *good, Suspend()))) == "bad_transition"
    index = world.act("civil-1", *good)
    issuer = world.registry.governance.issuers["civil-1"]
    assert (issuer.title, issuer.suspended, issuer.counter) == ("New", True, 2)
    assert issuer.keys[new.public_key.kid].added == index
    assert list(issuer.keys) == [civil.keys[0].public_key.kid, new.public_key.kid]


def test_the_k_th_approval_is_refused_with_the_code_of_the_verb_that_fails() -> None:
    world = World()
    civil = world.admit("civil-1")
    kid = civil.keys[0].public_key.kid
    world.epoch(world.approval(1, world.action("civil-1", RetireKey(kid))))
    stale = world.action("civil-1", Suspend(), RetireKey(kid))
    world.epoch(world.approval(1, stale))
    # Another action on the same subject takes effect first: the counter stops the rest.
    world.act("civil-1", Change(title="Other"))
    assert world.refusal(world.approval(2, stale)) == "stale_action"


def test_admit_and_further_verbs_may_stand_in_one_action() -> None:
    world = World()
    _, verb = world.admission("civil-1")
    world.act("civil-1", verb, Suspend())
    issuer = world.registry.governance.issuers["civil-1"]
    assert (issuer.suspended, issuer.counter) == (True, 1)


def test_a_governor_has_a_bounded_number_of_open_approvals_and_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert governance.MAX_OPEN_APPROVALS == 256
    monkeypatch.setattr(governance, "MAX_OPEN_APPROVALS", 3)
    world = World()
    world.admit("civil-1")
    many = [world.action("civil-1", Suspend(), not_after=world.now_s + 100 + n) for n in range(4)]
    world.epoch(*[world.approval(1, action) for action in many[:3]])
    assert world.refusal(world.approval(1, many[3])) == "rate_limited"
    assert world.refusal(world.approval(2, many[3])) == "ok"
    # The approval with which an action takes effect is none that stays open.
    world.epoch(world.approval(2, many[3]))
    world.epoch(world.approval(1, many[3]))
    assert world.registry.governance.issuers["civil-1"].suspended


def test_distrust_below_the_reach_needs_n_minus_one_approvals() -> None:
    world = World(governors=5, threshold=3)
    civil = world.admit("civil-1")
    kid = civil.keys[0].public_key.kid
    hour = 3_600_000
    old = world.size
    world.epoch(world.credential(civil, 1))
    # 721 clock hours later the epoch above has left the window; the running hour becomes the floor.
    late = (world.time_ms // hour + 721) * hour
    world.epoch(world.credential(civil, 2, iat=late // 1000 // DAY_S * DAY_S), at_ms=late)
    floor = world.registry.windows.distrust_floor
    assert floor == world.built[-1].first_index
    deep = world.action("civil-1", DistrustKey(kid, floor - 1))
    world.epoch(*world.approvals(deep, 3))
    assert world.registry.governance.issuers["civil-1"].keys[kid].state == 0
    world.epoch(world.approval(4, deep))
    record = world.registry.governance.issuers["civil-1"].keys[kid]
    assert (record.state, record.distrusted_from) == (2, floor - 1)
    assert old < floor


def test_distrust_at_the_floor_needs_k_approvals() -> None:
    world = World(governors=5, threshold=3)
    civil = world.admit("civil-1")
    kid = civil.keys[0].public_key.kid
    hour = 3_600_000
    exactly = (world.time_ms // hour + 720) * hour
    world.epoch(world.credential(civil, 2, iat=exactly // 1000 // DAY_S * DAY_S), at_ms=exactly)
    assert world.registry.windows.distrust_floor == 0
    world.act("civil-1", DistrustKey(kid, 0))
    assert world.registry.governance.issuers["civil-1"].keys[kid].state == 2


def test_distrust_from_a_later_index_is_out_of_scope_when_it_takes_effect() -> None:
    world = World()
    civil = world.admit("civil-1")
    kid = civil.keys[0].public_key.kid
    effect = world.size + 1
    built = world.try_epoch(*world.approvals(world.action("civil-1", DistrustKey(kid, effect + 1))))
    assert {error.code for _, error in built.rejected} == {"out_of_scope"}
    # Every approval is tried at its own index, the first too.
    built = world.try_epoch(*world.approvals(world.action("civil-1", DistrustKey(kid, effect))))
    assert {error.code for _, error in built.rejected} == {"out_of_scope"}
    world.act("civil-1", DistrustKey(kid, effect - 1))


def test_change_replaces_what_it_names() -> None:
    world = World()
    world.admit("civil-1")
    scope = Scope(("sc:third",), 5, 1)
    world.act("civil-1", Change(authority="justice"))
    world.act("civil-1", Change(title="Only the title", scope=scope))
    issuer = world.registry.governance.issuers["civil-1"]
    assert (issuer.authority, issuer.title, issuer.scope) == ("justice", "Only the title", scope)
    bad = Change(scope=Scope(("sc:other",), 5, 1))
    assert world.refusal(world.approval(1, world.action("civil-1", bad))) == "out_of_scope"


def test_suspend_and_reinstate_start_from_the_other_state() -> None:
    world = World()
    world.admit("civil-1")
    assert world.refusal(world.approval(1, world.action("civil-1", Reinstate()))) == "bad_transition"
    world.act("civil-1", Suspend())
    assert world.refusal(world.approval(1, world.action("civil-1", Suspend()))) == "bad_transition"
    world.act("civil-1", Reinstate())
    assert not world.registry.governance.issuers["civil-1"].suspended


def test_verbs_on_the_ledger_itself_are_not_in_force() -> None:
    world = World()
    assert world.refusal(world.approval(1, world.action(ORIGIN, Suspend()))) == "out_of_scope"
    assert world.refusal(world.approval(1, world.action(ORIGIN, Suspend(), counter=1))) == "stale_action"


def test_an_action_digest_is_the_hash_of_the_payload() -> None:
    world = World()
    _, verb = world.admission("civil-1")
    approval = world.approval(1, world.action("civil-1", verb))
    world.admit("civil-1")
    later = world.approval(2, world.action("civil-1", Suspend(), Change(title="New")))
    assert later.body.counter == 1
    for statement in (approval, later):
        payload = cbor.decode(statement.entry, max_size=9999).value[2]
        assert action_digest(statement.body) == hashlib.sha256(payload).digest()


def test_approvals_complete_marks_the_last_of_each_action() -> None:
    world = World(governors=5, threshold=3)
    admit_one, admit_two = (world.action(name, world.admission(name)[1]) for name in ("civil-1", "civil-2"))
    order = [(1, admit_one), (1, admit_two), (2, admit_one), (3, admit_one), (2, admit_two), (4, admit_two)]
    statements = [world.approval(number, action) for number, action in order]
    assert approvals_complete(statements) == [False, False, False, True, False, True]


def test_a_station_does_not_judge_deadlines_again() -> None:
    world = World()
    _, verb = world.admission("civil-1")
    late = Action("civil-1", 0, 1, (verb,))
    with pytest.raises(VerificationError):
        world.registry.governance.approve(
            5, world.approval(1, late), time_ms=2_000_000, required=1, commit=False
        )
    effect = world.registry.governance.approve(
        5, world.approval(1, late), time_ms=None, required=1, commit=False
    )
    assert effect is not None
    assert effect.action == late
    assert world.registry.governance.issuers == {}


def test_kinds_that_the_ledger_writes_itself_are_unsupported() -> None:
    world = World()
    for entry in (world.charter_entry, world.accept_entries[0], world.built[0].entries[-1]):
        assert world.refusal(parse_statement(entry)) == "unsupported"


def test_an_admission_with_two_equal_keys_never_parses() -> None:
    world = World()
    _, verb = world.admission("civil-1")
    assert isinstance(verb, Admit)
    twice = Admit(replace(verb.admission, keys=verb.admission.keys * 2))
    with pytest.raises(MalformedError) as caught:
        world.approval(1, world.action("civil-1", twice))
    assert caught.value.code == "place_taken"
