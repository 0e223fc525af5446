"""Keys of an issuer: added, retired, distrusted, and what each of them may still do."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ledger.core.actions import AddKey, Change, DistrustKey, RetireKey, Suspend
from ledger.core.registry.issuers import ACTIVE, DISTRUSTED, RETIRED, KeyRecord
from tests.support.ledgers import signer
from tests.support.registry_world import Party, World


def world_with_two_keys() -> tuple[World, Party, list[bytes]]:
    world = World()
    civil = world.admit("civil-1")
    civil.keys.append(signer("civil-1 key 2"))
    world.act("civil-1", AddKey(civil.keys[1].public_key))
    return world, civil, [key.public_key.kid for key in civil.keys]


def records(world: World) -> dict[bytes, KeyRecord]:
    return world.registry.governance.issuers["civil-1"].keys


def test_an_added_key_signs_after_its_index_beside_the_first() -> None:
    world, civil, _ = world_with_two_keys()
    world.epoch(world.credential(civil, 1, key=0), world.credential(civil, 2, key=1))


def test_a_key_signs_in_the_epoch_that_adds_it() -> None:
    world = World()
    civil = world.admit("civil-1")
    civil.keys.append(signer("civil-1 key 2"))
    statement = world.credential(civil, 1)
    assert world.refusal(statement) == "unknown_issuer"
    approvals = world.approvals(world.action("civil-1", AddKey(civil.keys[1].public_key)))
    world.registry.open_epoch(world.time_ms + 1, world.size)
    for at, approval in enumerate(approvals):
        world.registry.apply(world.size + at, approval)
    world.registry.key_for(statement)


@pytest.mark.parametrize("after", ["active", "retired", "distrusted"])
def test_a_kid_known_to_the_issuer_is_taken_for_ever(after: str) -> None:
    world, civil, kids = world_with_two_keys()
    if after == "retired":
        world.act("civil-1", RetireKey(kids[0]))
    elif after == "distrusted":
        world.act("civil-1", DistrustKey(kids[0], 0))
    again = world.action("civil-1", AddKey(civil.keys[0].public_key))
    assert world.refusal(world.approval(1, again)) == "place_taken"


def test_an_issuer_has_at_most_32_keys() -> None:
    world = World()
    world.admit("civil-1")
    verbs = [AddKey(signer(f"many {n}", "ed25519").public_key) for n in range(32)]
    world.act("civil-1", *verbs[:16])
    world.act("civil-1", *verbs[16:31])
    assert len(records(world)) == 32
    assert world.refusal(world.approval(1, world.action("civil-1", verbs[31]))) == "out_of_scope"
    world.act("civil-1", *[RetireKey(verb.key.kid) for verb in verbs[:3]])
    assert world.refusal(world.approval(1, world.action("civil-1", verbs[31]))) == "out_of_scope"


def test_a_retired_key_signs_nothing_new() -> None:
    world, civil, kids = world_with_two_keys()
    world.epoch(world.credential(civil, 1, key=0))
    index = world.act("civil-1", RetireKey(kids[0]))
    assert world.refusal(world.credential(civil, 2, key=0)) == "unknown_issuer"
    assert world.refusal(world.change(civil, (1, 0, 2, 4), key=0)) == "unknown_issuer"
    assert world.refusal(world.credential(civil, 2, key=1)) == "ok"
    record = records(world)[kids[0]]
    assert (record.state, record.at, record.distrusted_from) == (RETIRED, index, None)


def test_a_key_that_ends_in_an_epoch_signs_nothing_in_it() -> None:
    world, civil, kids = world_with_two_keys()
    action = world.action("civil-1", RetireKey(kids[0]))
    built = world.try_epoch(world.credential(civil, 1, key=0), *world.approvals(action))
    assert [error.code for _, error in built.rejected] == ["unknown_issuer"]


def test_a_distrusted_key_signs_nothing_new_and_has_its_index() -> None:
    world, civil, kids = world_with_two_keys()
    start = world.size
    world.epoch(world.credential(civil, 1, key=0))
    index = world.act("civil-1", DistrustKey(kids[0], start))
    assert world.refusal(world.credential(civil, 2, key=0)) == "unknown_issuer"
    record = records(world)[kids[0]]
    assert (record.state, record.at, record.distrusted_from) == (DISTRUSTED, index, start)


def test_a_retired_key_can_be_distrusted_and_keeps_the_index_of_its_retirement() -> None:
    world, _, kids = world_with_two_keys()
    retired = world.act("civil-1", RetireKey(kids[0]))
    world.act("civil-1", DistrustKey(kids[0], 3))
    record = records(world)[kids[0]]
    assert (record.state, record.at, record.distrusted_from) == (DISTRUSTED, retired, 3)


@pytest.mark.parametrize(
    ("first", "second"),
    list(itertools.product([RetireKey, lambda kid: DistrustKey(kid, 0)], repeat=2)),
    ids=["retire twice", "retire, distrust", "distrust, retire", "distrust twice"],
)
def test_no_key_ends_twice_in_one_way(first: Any, second: Any) -> None:
    world, _, kids = world_with_two_keys()
    verbs = first(kids[0]), second(kids[0])
    world.act("civil-1", verbs[0])
    retired_first = isinstance(verbs[0], RetireKey) and isinstance(verbs[1], DistrustKey)
    expected = "ok" if retired_first else "bad_transition"
    assert world.refusal(world.approval(1, world.action("civil-1", verbs[1]))) == expected


@pytest.mark.parametrize("verb", [RetireKey(bytes(8)), DistrustKey(bytes(8), 0)])
def test_a_kid_that_the_issuer_never_had_is_out_of_scope(verb: Any) -> None:
    world, _, _ = world_with_two_keys()
    assert world.refusal(world.approval(1, world.action("civil-1", verb))) == "out_of_scope"


def test_the_same_key_may_serve_two_issuers_and_ends_for_one_only() -> None:
    world, civil, kids = world_with_two_keys()
    other = world.admit("civil-2")
    other.keys.append(civil.keys[0])
    world.act("civil-2", AddKey(civil.keys[0].public_key))
    world.act("civil-1", DistrustKey(kids[0], 0))
    assert world.refusal(world.credential(civil, 1, key=0)) == "unknown_issuer"
    assert world.refusal(world.credential(other, 1)) == "ok"


def test_a_statement_in_the_name_of_another_issuer_is_unknown() -> None:
    world, civil, _ = world_with_two_keys()
    world.admit("civil-2")
    stolen = Party("civil-2", 2, [civil.keys[0]])
    assert world.refusal(world.credential(stolen, 1)) == "unknown_issuer"
    nobody = Party("nobody", 3, [civil.keys[0]])
    assert world.refusal(world.credential(nobody, 1)) == "unknown_issuer"
    assert world.refusal(world.change(nobody, (1, 0, 2, 4))) == "unknown_issuer"


def test_a_suspended_issuer_signs_no_credentials_and_may_still_change_statuses() -> None:
    world, civil, _ = world_with_two_keys()
    world.epoch(world.credential(civil, 1))
    world.act("civil-1", Suspend())
    assert world.refusal(world.credential(civil, 2)) == "out_of_scope"
    world.epoch(world.change(civil, (1, 0, 1, 3)))
    assert world.status(civil, 1) == 1


def test_was_active_holds_between_admission_and_end() -> None:
    key = signer("x").public_key
    assert [KeyRecord(key, 5).was_active(index) for index in (4, 5, 6)] == [False, False, True]
    ended = KeyRecord(key, 5, RETIRED, 8)
    assert [ended.was_active(index) for index in (5, 6, 7, 8, 9)] == [False, True, True, False, False]
    assert KeyRecord(key, 5).state == ACTIVE


def test_a_change_of_nothing_else_keeps_the_rest() -> None:
    world, _, kids = world_with_two_keys()
    before = world.registry.governance.issuers["civil-1"]
    world.act("civil-1", Change(authority="other"))
    after = world.registry.governance.issuers["civil-1"]
    assert (after.title, after.scope, list(after.keys)) == (before.title, before.scope, kids)
    assert after.format()[5:7] == [0, 3]
