"""Parts 1 and 2 of the registry digest, written out by hand. docs/protocol.md section 4, "Digests"."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ledger.core import cbor
from ledger.core.actions import AddKey, DistrustKey, Reinstate, RetireKey, Suspend, Verb
from ledger.core.cose_key import PublicKey
from ledger.core.ledger_verbs import SetProfiles, SetServiceKeys, SetSuccessor, SetWitnessPolicy
from ledger.core.merkle import leaf_hash
from ledger.core.registry import Registry
from tests.support.ledgers import seed, signer
from tests.support.registry_world import ORIGIN, PROFILES, World

NEXT = ("ledger.example/next", bytes(31) + b"n")
POLICY = "# nobody\nquorum none\n"
SERVICE, RECEIPTS = signer("service 2").public_key, signer("receipts 2").public_key


def key_map(key: PublicKey) -> dict[int, Any]:
    if key.kind == "ed25519":
        return {1: 1, -1: 6, -2: key.x}
    return {1: 2, -1: 1, -2: key.x, -3: key.y}


def profile_map(profiles: dict[str, tuple[int, int]]) -> dict[str, list[int]]:
    return {vct: [digests, days] for vct, (digests, days) in profiles.items()}


def digest(value: object) -> bytes:
    return sha256(cbor.encode(value)).digest()


def digest_of_parts(registry: Registry) -> bytes:
    """Return the registry digest, with nothing taken from what a registry keeps of its parts' digests."""
    windows, places = registry.windows, registry.places
    parts = [
        digest(registry.governance.format_governance()),
        digest(registry.governance.format_proposals()),
        digest(places.format_places()),
        digest(windows.format_rates()),
        digest(windows.format_live()),
        places.journal_head,
        digest(places.quarantine.format_windows()),
        digest(places.quarantine.format_held()),
    ]
    return digest(parts)


def test_parts_1_and_2_are_what_the_protocol_says() -> None:
    world = World(governors=5, threshold=3)
    zeta, alpha = world.admit("zeta-1"), world.admit("alpha-1", rate=7)
    first, second = zeta.keys[0].public_key, signer("zeta-1 key 2").public_key
    third, own = signer("zeta-1 key 3").public_key, alpha.keys[0].public_key
    admitted = [built.first_index + 2 for built in world.built[1:]]
    added = world.act("zeta-1", AddKey(third), AddKey(second))
    distrusted = world.act("zeta-1", RetireKey(first.kid), DistrustKey(second.kid, added))
    world.act("alpha-1", Suspend())
    deadlines = [world.now_s + 1000 + number for number in range(6)]
    waiting = [world.action("alpha-1", Reinstate(), not_after=deadline) for deadline in deadlines]
    profiles = {**PROFILES, "sc:visa": (2, 30)}
    verbs: list[Verb] = [
        SetProfiles(profiles),
        SetServiceKeys(SERVICE, RECEIPTS),
        SetWitnessPolicy(POLICY),
        SetSuccessor(*NEXT),
    ]
    # All in one epoch: what is scheduled there still waits at its end.
    world.epoch(
        *[world.approval(number, action) for action in waiting for number in (3, 1)],
        *world.approvals(world.action(ORIGIN, *verbs)),
    )
    scope = [sorted(PROFILES), 1000, 2]
    rows = [
        [first.kid, key_map(first), admitted[0], 1, distrusted, None],
        [third.kid, key_map(third), added, 0, None, None],
        [second.kid, key_map(second), added, 2, distrusted, added],
    ]
    issuers = [
        ["zeta-1", 1, "interior", "Office zeta-1", dict(enumerate(scope, 1)), 0, 3, rows],
        ["alpha-1", 2, "interior", "Office alpha-1", {1: scope[0], 2: 7, 3: 2}, 1, 2,
         [[own.kid, key_map(own), admitted[1], 0, None, None]]],
    ]  # fmt: skip
    part_1 = {
        1: ORIGIN,
        2: leaf_hash(world.charter_entry),
        3: [seed("log"), bytes(1312)],
        4: key_map(world.service.public_key),
        5: key_map(signer("receipts").public_key),
        6: [[f"gov-{n}", key_map(world.governors[f"gov-{n}"].public_key)] for n in range(1, 6)],
        7: 3,
        8: "quorum none\n",
        9: 1_000,
        10: profile_map(PROFILES),
        11: 1,
        12: 1,
        13: list(NEXT),
        14: issuers,
        15: {12: [POLICY], 14: [key_map(SERVICE), key_map(RECEIPTS)], 15: [profile_map(profiles)]},
    }
    governance = world.registry.governance
    assert cbor.encode(governance.format_governance()) == cbor.encode(part_1)
    bodies = [{1: "alpha-1", 2: 2, 3: deadline, 4: [[4]]} for deadline in deadlines]
    part_2 = [[sha256(cbor.encode(b)).digest(), b[1], b[2], b[3], ["gov-1", "gov-3"]] for b in bodies]
    assert governance.format_proposals() == sorted(part_2) != part_2
    assert world.registry.registry_digest() == digest_of_parts(world.registry)
    # In the next epoch what was scheduled holds, though nothing takes effect in it.
    world.sealers[SERVICE] = signer("service 2")
    world.epoch(world.approval(2, world.action("zeta-1", Suspend())))
    part_1 |= {4: key_map(SERVICE), 5: key_map(RECEIPTS), 8: POLICY, 10: profile_map(profiles), 15: {}}
    assert cbor.encode(governance.format_governance()) == cbor.encode(part_1)
    assert world.registry.registry_digest() == digest_of_parts(world.registry)
    # An effect lapses what is open on its subject.
    world.act("alpha-1", Reinstate())
    issuers[1][5:7] = [0, 3]
    assert cbor.encode(governance.format_governance()) == cbor.encode(part_1)
    assert [row[1] for row in governance.format_proposals()] == ["zeta-1"]
    assert world.registry.registry_digest() == digest_of_parts(world.registry)
