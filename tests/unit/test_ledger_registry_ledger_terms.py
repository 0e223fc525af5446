"""Verbs on the ledger itself: what each needs, when it holds, and what it leaves alone. Protocol section 3."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.core.actions import AddKey, Admit, Change, ConfirmHeld, RefuseHeld, Reinstate, RetireKey, Suspend
from ledger.core.ledger_verbs import (
    SetGovernors,
    SetLogKeys,
    SetProfiles,
    SetRules,
    SetServiceKeys,
    SetSuccessor,
    SetThreshold,
    SetWitnessPolicy,
)
from ledger.core.registry.governance import action_digest
from ledger.core.registry.ledger_terms import apply_ledger_verb
from ledger.core.statement import Statement, parse_statement, sign_statement
from ledger.errors import VerificationError
from tests.support.ledgers import seed, signer
from tests.support.registry_world import ORIGIN, PROFILES, World

NEW_SERVICE = signer("service 2")
NEW_RECEIPTS = signer("receipts 2")
SERVICE_KEYS = SetServiceKeys(NEW_SERVICE.public_key, NEW_RECEIPTS.public_key)
LOG_KEYS = SetLogKeys((seed("log 2"), bytes(1311) + b"2"))
POLICY = SetWitnessPolicy("# nobody else\nquorum none\n")
MORE_PROFILES = SetProfiles({**PROFILES, "sc:visa": (2, 30)})
SUCCESSOR = SetSuccessor("ledger.example/next", bytes(31) + b"n")
LEDGER_VERBS = [SetThreshold(2), POLICY, LOG_KEYS, SERVICE_KEYS, MORE_PROFILES, SetRules(1), SUCCESSOR]


def governors(world: World, *names: str) -> tuple[tuple[str, Any], ...]:
    """Return governors by name, with new keys for those that the world does not know."""
    for name in names:
        world.governors.setdefault(name, signer(f"key of {name}", "ed25519"))
    return tuple((name, world.governors[name].public_key) for name in names)


def approval(world: World, name: str, action: Any) -> Statement:
    return parse_statement(sign_statement("govern", name, action.subject, action, world.governors[name]))


def on_ledger(world: World, *verbs: Any) -> str:
    return world.refusal(world.approval(1, world.action(ORIGIN, *verbs)))


@pytest.mark.parametrize("verb", LEDGER_VERBS, ids=lambda verb: type(verb).__name__)
def test_every_verb_on_the_ledger_takes_effect_and_is_replayed_alike(verb: Any) -> None:
    world = World()
    world.sealers[NEW_SERVICE.public_key] = NEW_SERVICE
    index = world.act(ORIGIN, verb)
    governance = world.registry.governance
    assert governance.counter == 1
    assert governance.effects[-1].index == index
    assert governance.effects[-1].action.verbs == (verb,)
    for _ in range(2):
        world.act(ORIGIN, SetThreshold(2))
    assert world.registry.governance.terms.scheduled == {}


@pytest.mark.parametrize("verb", LEDGER_VERBS, ids=lambda verb: type(verb).__name__)
def test_a_verb_of_the_ledger_does_not_act_on_an_issuer(verb: Any) -> None:
    world = World()
    world.admit("civil-1")
    for subject in ("civil-1", "nobody"):
        assert world.refusal(world.approval(1, world.action(subject, verb))) == "out_of_scope"


@pytest.mark.parametrize(
    "verb",
    [Suspend(), Reinstate(), Change(title="x"), RetireKey(bytes(8)), AddKey(signer("k").public_key),
     ConfirmHeld(0), RefuseHeld(0)],
    ids=lambda verb: type(verb).__name__,
)  # fmt: skip
def test_a_verb_of_issuers_does_not_act_on_the_ledger(verb: Any) -> None:
    assert on_ledger(World(), SetThreshold(2), verb) == "out_of_scope"


def test_the_ledger_cannot_be_admitted() -> None:
    world = World()
    _, verb = world.admission("civil-1")
    assert isinstance(verb, Admit)
    assert on_ledger(world, verb) == "out_of_scope"


def test_governors_hold_at_once_and_the_old_ones_are_nobody_then() -> None:
    world = World()
    new = governors(world, "gov-1", "gov-4", "gov-5", "gov-6")
    world.act(ORIGIN, SetGovernors(new, 3))
    assert world.registry.governance.governors == new
    assert world.registry.governance.threshold == 3
    action = world.action(ORIGIN, SetThreshold(3))
    assert world.refusal(approval(world, "gov-2", action)) == "unknown_issuer"
    names = ("gov-1", "gov-4", "gov-6")
    world.epoch(*[approval(world, name, action) for name in names])
    assert world.registry.governance.counter == 2


def test_k_others_replace_a_governor_who_lost_a_key() -> None:
    world = World()
    lost = world.governors["gov-3"]
    world.governors["gov-3"] = signer("gov-3, new key", "ed25519")
    world.act(ORIGIN, SetGovernors(governors(world, "gov-1", "gov-2", "gov-3"), 2))
    world.admit("civil-1")
    action = world.action("civil-1", Suspend())
    by_the_lost = parse_statement(sign_statement("govern", "gov-3", "civil-1", action, lost))
    assert world.refusal(by_the_lost) == "unknown_issuer"
    world.epoch(world.approval(3, action), world.approval(1, action))
    assert world.registry.governance.issuers["civil-1"].suspended


def test_approvals_of_who_is_no_governor_any_more_are_struck() -> None:
    world = World(governors=5, threshold=3)
    world.admit("civil-1")
    world.admit("civil-2")
    both, lonely = world.action("civil-1", Suspend()), world.action("civil-2", Suspend())
    world.epoch(world.approval(1, both), world.approval(5, both), world.approval(5, lonely))
    world.act(ORIGIN, SetGovernors(governors(world, "gov-1", "gov-2", "gov-3", "gov-4"), 3))
    proposals = world.registry.governance.proposals
    assert list(proposals) == [action_digest(both)]
    assert list(proposals[action_digest(both)].approvals) == ["gov-1"]
    world.epoch(world.approval(2, both))
    assert action_digest(both) in world.registry.governance.proposals
    world.epoch(world.approval(3, both))
    assert world.registry.governance.issuers["civil-1"].suspended
    assert world.registry.governance.effects[-1].approvals[1:] == (world.size - 32, world.size - 16)


def test_an_approval_under_a_replaced_key_is_struck_and_may_be_given_anew() -> None:
    world = World()
    world.admit("civil-1")
    action = world.action("civil-1", Suspend())
    world.epoch(world.approval(3, action))
    world.governors["gov-3"] = signer("gov-3, new key", "ed25519")
    world.act(ORIGIN, SetGovernors(governors(world, "gov-1", "gov-2", "gov-3"), 2))
    assert world.registry.governance.proposals == {}
    world.epoch(world.approval(3, action))
    world.epoch(world.approval(1, action))
    assert world.registry.governance.issuers["civil-1"].suspended


def test_a_governor_has_no_name_of_an_issuer_or_of_the_ledger() -> None:
    world = World()
    world.admit("civil-1")
    taken = SetGovernors(governors(world, "gov-1", "gov-2", "civil-1"), 2)
    assert on_ledger(world, taken) == "place_taken"
    # An origin that has the form of a name, too.
    terms = replace(world.registry.governance.terms, origin="gov-9")
    with pytest.raises(VerificationError) as caught:
        apply_ledger_verb(terms, SetGovernors(governors(world, "gov-1", "gov-2", "gov-9"), 2), ())
    assert caught.value.code == "place_taken"
    world.act(ORIGIN, SetGovernors(governors(world, "gov-1", "gov-2", "gov-9"), 2))
    _, verb = world.admission("gov-9")
    assert world.refusal(world.approval(1, world.action("gov-9", verb))) == "place_taken"
    _, verb = world.admission("gov-3")
    assert world.refusal(world.approval(1, world.action("gov-3", verb))) == "ok"


@pytest.mark.parametrize(("count", "good"), [(3, {2}), (4, {3}), (5, {3, 4}), (6, {4, 5})])
def test_a_threshold_is_above_half_and_below_all(count: int, good: set[int]) -> None:
    world = World(governors=count, threshold=min(good))
    accepted = {k for k in range(count + 2) if on_ledger(world, SetThreshold(k)) == "ok"}
    assert accepted == good
    refused = {on_ledger(world, SetThreshold(k)) for k in range(count + 2) if k not in good}
    assert refused == {"out_of_scope"}


def test_a_threshold_holds_at_once_for_open_proposals() -> None:
    world = World(governors=5, threshold=4)
    world.admit("civil-1")
    action = world.action("civil-1", Suspend())
    world.epoch(*[world.approval(n, action) for n in (1, 2)])
    world.act(ORIGIN, SetThreshold(3))
    assert not world.registry.governance.issuers["civil-1"].suspended
    world.epoch(world.approval(4, action))
    assert world.registry.governance.issuers["civil-1"].suspended


def test_verbs_of_one_action_see_each_other() -> None:
    world = World()
    five = governors(world, "gov-1", "gov-2", "gov-3", "gov-4", "gov-5")
    assert on_ledger(world, SetThreshold(4)) == "out_of_scope"
    world.act(ORIGIN, SetGovernors(five, 3), SetThreshold(4), POLICY)
    assert world.registry.governance.threshold == 4
    assert on_ledger(world, SetGovernors(five[:3], 2), SetThreshold(4)) == "out_of_scope"


def test_what_is_scheduled_holds_from_the_next_epoch_on() -> None:
    world = World()
    world.sealers[NEW_SERVICE.public_key] = NEW_SERVICE
    old = world.registry.governance.terms
    world.act(ORIGIN, POLICY, LOG_KEYS, SERVICE_KEYS, MORE_PROFILES, SetRules(1))
    governance = world.registry.governance
    assert sorted(governance.terms.scheduled) == [12, 13, 14, 15, 16]
    assert (governance.log_keys, governance.witness_policy) == (old.log_keys, old.witness_policy)
    assert (governance.service_key, governance.receipts_key) == (old.service_key, old.receipts_key)
    assert governance.profiles == old.profiles
    seal = parse_statement(world.built[-1].entries[-1])
    assert seal.kid == world.service.public_key.kid
    world.act(ORIGIN, SetThreshold(2))
    assert governance.terms.scheduled == {}
    assert (governance.log_keys, governance.witness_policy) == (LOG_KEYS.log_keys, POLICY.text)
    assert (governance.service_key, governance.receipts_key) == (
        NEW_SERVICE.public_key,
        NEW_RECEIPTS.public_key,
    )
    assert governance.profiles == MORE_PROFILES.profiles
    assert parse_statement(world.built[-1].entries[-1]).kid == NEW_SERVICE.public_key.kid


def test_of_two_scheduled_values_the_later_counts() -> None:
    world = World()
    later = SetLogKeys((seed("log 3"), bytes(1312)))
    first, second = world.action(ORIGIN, LOG_KEYS, POLICY), world.action(ORIGIN, later, counter=1)
    world.epoch(*world.approvals(first), *world.approvals(second))
    world.act(ORIGIN, SetThreshold(2))
    assert world.registry.governance.log_keys == later.log_keys
    assert world.registry.governance.witness_policy == POLICY.text


def test_an_abandoned_epoch_leaves_what_is_scheduled_scheduled() -> None:
    world = World()
    world.act(ORIGIN, LOG_KEYS)
    stale = world.approval(1, world.action(ORIGIN, POLICY, counter=7))
    assert world.try_epoch(stale).entries == []
    assert sorted(world.registry.governance.terms.scheduled) == [13]
    assert world.refusal(stale) == "stale_action"
    assert sorted(world.registry.governance.terms.scheduled) == [13]


def test_profiles_are_added_and_prolonged_and_never_removed() -> None:
    world = World()
    civil = world.admit("civil-1", vcts=("sc:identity",))
    world.act(ORIGIN, SetProfiles({**PROFILES, "sc:short": (1, 2), "sc:visa": (2, 30)}))
    scope = world.registry.governance.issuers["civil-1"].scope
    wider = Change(scope=type(scope)(("sc:identity", "sc:visa"), scope.rate, scope.desks))
    # It opens with the next epoch, in which an issuer may have it.
    world.act("civil-1", wider)
    assert world.refusal(world.credential(civil, 1)) == "ok"
    without = {vct: numbers for vct, numbers in PROFILES.items() if vct != "sc:third"}
    assert on_ledger(world, SetProfiles(without)) == "bad_transition"
    for count in (1, 3):
        assert on_ledger(world, SetProfiles({**PROFILES, "sc:visa": (count, 30)})) == "bad_transition"
    assert on_ledger(world, SetProfiles({**PROFILES, "sc:visa": (2, 31)})) == "ok"


def test_a_profile_that_is_only_scheduled_is_not_removed_either() -> None:
    world = World()
    first, second = (
        world.action(ORIGIN, MORE_PROFILES),
        world.action(ORIGIN, SetProfiles(PROFILES), counter=1),
    )
    built = world.try_epoch(*world.approvals(first), *world.approvals(second))
    assert [error.code for _, error in built.rejected] == ["bad_transition"] * 2


def test_a_credential_type_waits_for_the_epoch_in_which_its_profile_holds() -> None:
    world = World()
    _, verb = world.admission("civil-1", vcts=("sc:visa",))
    admit = world.action("civil-1", verb)
    profiles = world.action(ORIGIN, MORE_PROFILES)
    built = world.try_epoch(*world.approvals(profiles), *world.approvals(admit))
    assert [error.code for _, error in built.rejected] == ["out_of_scope"] * 2
    world.epoch(*world.approvals(admit))
    assert "civil-1" in world.registry.governance.issuers


def test_rules_of_another_version_are_unsupported() -> None:
    assert on_ledger(World(), SetRules(2)) == "unsupported"
    assert on_ledger(World(), SetRules(0)) == "unsupported"


def test_a_successor_stops_credentials_from_the_next_epoch_on_and_nothing_else() -> None:
    world = World()
    civil = world.admit("civil-1")
    world.epoch(world.credential(civil, 1))
    action = world.action(ORIGIN, SUCCESSOR)
    world.epoch(*world.approvals(action), world.credential(civil, 2))
    assert world.registry.governance.terms.successor == (SUCCESSOR.origin, SUCCESSOR.charter_hash)
    assert world.refusal(world.credential(civil, 3)) == "read_only"
    world.epoch(world.change(civil, (1, 0, 2, 4)))
    assert world.refusal(world.credential(civil, 3)) == "read_only"
    world.act("civil-1", Suspend())


def test_a_successor_is_named_once_and_is_another_ledger() -> None:
    world = World()
    assert on_ledger(world, SetSuccessor(ORIGIN, bytes(32))) == "out_of_scope"
    assert on_ledger(world, SUCCESSOR, SUCCESSOR) == "bad_transition"
    world.act(ORIGIN, SUCCESSOR)
    assert on_ledger(world, SetSuccessor("ledger.example/third", bytes(32))) == "bad_transition"


def test_actions_on_the_ledger_have_one_counter_and_lapse_together() -> None:
    world = World()
    one, other = world.action(ORIGIN, POLICY), world.action(ORIGIN, SetThreshold(2))
    world.epoch(world.approval(1, one), world.approval(3, other))
    assert len(world.registry.governance.proposals) == 2
    world.epoch(world.approval(2, one))
    assert world.registry.governance.proposals == {}
    assert world.refusal(world.approval(2, other)) == "stale_action"
    assert world.refusal(world.approval(1, world.action(ORIGIN, POLICY, counter=2))) == "stale_action"


def test_an_action_on_the_ledger_lapses_after_its_last_second() -> None:
    world = World()
    action = world.action(ORIGIN, POLICY, not_after=world.now_s + 2)
    world.epoch(world.approval(1, action))
    late = (world.now_s + 60) * 1000
    assert world.refusal(world.approval(2, action), at_ms=late) == "stale_action"
    world.epoch(*world.approvals(world.action(ORIGIN, SetThreshold(2))), at_ms=late)
    assert world.registry.governance.proposals == {}


def test_confirm_and_refuse_leave_the_issuer_as_it_is() -> None:
    world = World()
    world.admit("civil-1")
    governance = world.registry.governance
    before = governance.issuers["civil-1"]
    action = world.action("civil-1", ConfirmHeld(3), RefuseHeld(4))
    effect = governance.approve(40, world.approval(1, action), time_ms=None, required=1, commit=False)
    assert effect is not None
    assert effect.action.verbs == (ConfirmHeld(3), RefuseHeld(4))
    assert governance.issuers["civil-1"] == before
