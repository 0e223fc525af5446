"""Epochs: what is built replays to the same state, and every disorder raises the alarm where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.core import cose
from ledger.core.actions import AddKey, Change, RetireKey, Suspend
from ledger.core.chain import extend_chain
from ledger.core.charter import Accept
from ledger.core.epoch import (
    MAX_EPOCH_ENTRIES,
    MAX_EPOCH_STATEMENTS,
    build_epoch,
    genesis_epoch,
    in_epoch_order,
    replay_epoch,
    replay_genesis,
    replay_items,
)
from ledger.core.ledger_verbs import SetThreshold
from ledger.core.merkle import leaf_hash
from ledger.core.registry import Registry
from ledger.core.seal import Seal
from ledger.core.statement import MAX_ENTRY_BYTES, PADDING, Statement, parse_statement, sign_statement
from ledger.errors import ForkAlarm, LedgerError, MalformedError, VerificationError
from tests.support.ledgers import signer
from tests.support.registry_world import ORIGIN, Party, World, fingerprint

Entries = list[bytes]


def ready() -> tuple[World, Party]:
    world = World()
    civil = world.admit("civil-1")
    return world, civil


def mixed_epoch() -> tuple[World, Party, Entries]:
    """Return a world, and the entries of its next epoch: 2 govern, 1 status, 5 credentials, padding, seal."""
    world, civil = ready()
    world.epoch(*[world.credential(civil, n) for n in range(3)])
    statements = [
        world.credential(civil, 10),
        *world.approvals(world.action("civil-1", Change(title="Other"))),
        *[world.credential(civil, n) for n in range(11, 15)],
        world.change(civil, (1, 0, 2, 4)),
    ]
    built = build_epoch(
        world.registry, world.chain_head, world.size, statements, world.time_ms + 1, world.service
    )
    assert built.rejected == []
    return world, civil, built.entries


def alarm_of(world: World, entries: Entries, **how: Any) -> ForkAlarm:
    first, chain = how.get("first_index", world.size), how.get("chain_head", world.chain_head)
    with pytest.raises(ForkAlarm) as caught:
        replay_epoch(world.mirror, chain, first, entries)
    return caught.value


def reseal(world: World, entries: Entries, key: Any = None, **changed: Any) -> Entries:
    """Return entries with a seal that commits to them as they stand, but for what is `changed`."""
    body: Seal = parse_statement(entries[-1]).body
    leaves = [leaf_hash(entry) for entry in entries[:-1]]
    honest = replace(body, index=world.size + len(leaves), chain=extend_chain(world.chain_head, leaves)[-1])
    seal = replace(honest, **changed)
    return [*entries[:-1], sign_statement("seal", ORIGIN, ORIGIN, seal, key or world.service)]


def test_an_epoch_is_ordered_padded_and_sealed() -> None:
    world, _, entries = mixed_epoch()
    kinds = [None if entry == PADDING else parse_statement(entry).kind for entry in entries]
    assert kinds == ["govern"] * 2 + ["status"] + ["credential"] * 5 + [None] * 7 + ["seal"]
    ids = [parse_statement(entry).statement_id for entry in entries[3:8]]
    assert ids == sorted(ids)
    seal = parse_statement(entries[-1]).body
    assert (seal.index, seal.time_ms) == (world.size + 15, world.time_ms + 1)
    leaves, chain = replay_epoch(world.mirror, world.chain_head, world.size, entries)
    assert leaves == [leaf_hash(entry) for entry in entries]
    assert chain == extend_chain(world.chain_head, leaves)
    assert fingerprint(world.mirror) == fingerprint(world.registry)


@pytest.mark.parametrize("count", [1, 2, 14, 15, 16, 17, 31, 32])
def test_padding_is_the_least_that_fills_cells(count: int) -> None:
    world, civil = ready()
    built = world.epoch(*[world.credential(civil, n) for n in range(count)])
    assert len(built.entries) == (count + 1 + 15) // 16 * 16
    assert built.entries.count(PADDING) == len(built.entries) - count - 1
    assert [identity is None for identity in built.statement_ids].count(True) == built.entries.count(PADDING)


def test_govern_and_status_keep_the_order_of_arrival() -> None:
    world, civil = ready()
    credential, approval = world.credential(civil, 1), world.approval(1, world.action("civil-1", Suspend()))
    change = world.change(civil, (1, 0, 2, 4))
    assert in_epoch_order([credential, change, approval]) == [change, approval, credential]
    assert in_epoch_order([credential, approval, change]) == [approval, change, credential]


def test_an_action_of_the_epoch_ends_what_came_later_in_it() -> None:
    world, civil = ready()
    suspend = world.approvals(world.action("civil-1", Suspend()))
    built = world.try_epoch(world.credential(civil, 1), *suspend)
    assert [error.code for _, error in built.rejected] == ["out_of_scope"]


def test_facts_replay_as_the_statements_do() -> None:
    world, _, entries = mixed_epoch()
    statements = [None if entry == PADDING else parse_statement(entry) for entry in entries]
    items = [s.facts() if s is not None and s.kind == "credential" else s for s in statements]
    chain = replay_items(world.mirror, world.chain_head, world.size, items, [leaf_hash(e) for e in entries])
    assert fingerprint(world.mirror) == fingerprint(world.registry)
    assert len(chain) == len(entries)


def test_facts_of_a_key_that_is_not_active_any_more_are_a_bad_rule() -> None:
    world, civil = ready()
    seal, credential = parse_statement(mixed_epoch()[2][-1]), world.credential(civil, 1)
    world.act("civil-1", AddKey(signer("civil-1 key 2").public_key), RetireKey(credential.kid))
    later = seal._replace(body=replace(seal.body, time_ms=world.time_ms + 1))
    items = [credential.facts(), *[None] * 14, later]
    with pytest.raises(ForkAlarm) as caught:
        replay_items(world.mirror, world.chain_head, world.size, items, [bytes(32)] * 16)
    assert (caught.value.code, caught.value.field, caught.value.index) == ("bad_rule", "kid", world.size)


def test_the_cap_leaves_room_for_padding_and_seal() -> None:
    assert MAX_EPOCH_STATEMENTS + 1 + 15 <= MAX_EPOCH_ENTRIES


DISORDERS: dict[str, tuple[Callable[[Entries], Entries], str, int | None]] = {
    "nothing": (lambda e: [], "bad_epoch", 0),
    "seal missing": (lambda e: e[:-1], "bad_epoch", 14),
    "seal alone": (lambda e: e[-1:], "bad_epoch", 0),
    "padding and seal alone": (lambda e: [PADDING] * 15 + e[-1:], "bad_epoch", 0),
    "seal in the middle": (lambda e: [*e[:7], e[-1], *e[8:]], "bad_epoch", 7),
    "seal in front": (lambda e: [e[-1], *e[:8], *e[9:]], "bad_epoch", 0),
    "two seals": (lambda e: [*e[:-2], e[-1], e[-1]], "bad_epoch", 0),
    "padding in front": (lambda e: [PADDING, *e[:8], *e[9:]], "bad_epoch", 0),
    "padding between": (lambda e: [*e[:4], PADDING, *e[4:8], *e[9:]], "bad_epoch", 0),
    "padding too few": (lambda e: e[:8] + e[9:], "bad_epoch", 0),
    "padding too many": (lambda e: [*e[:8], PADDING, *e[8:]], "bad_epoch", 0),
    "padding a cell too many": (lambda e: [*e[:8], *[PADDING] * 16, *e[8:]], "bad_epoch", 0),
    "status behind a credential": (lambda e: [*e[:2], e[3], e[2], *e[4:]], "bad_epoch", 3),
    "credentials swapped": (lambda e: [*e[:4], e[5], e[4], *e[6:]], "bad_epoch", 5),
    "one credential twice": (lambda e: [*e[:4], e[3], *e[5:]], "bad_epoch", 4),
    "approvals swapped": (lambda e: [e[1], e[0], *e[2:]], "bad_seal", 15),
    "approval twice": (lambda e: [e[0], e[0], *e[2:]], "bad_rule", 1),
    "an entry that is none": (lambda e: [*e[:6], b"\xf7", *e[7:]], "bad_entry", 6),
    "an entry cut": (lambda e: [*e[:6], e[6][:-1], *e[7:]], "bad_entry", 6),
    "two entries cut": (lambda e: [*e[:2], e[2][:-1], *e[3:6], e[6][:-1], *e[7:]], "bad_entry", 2),
    "an empty entry": (lambda e: [*e[:6], b"", *e[7:]], "bad_entry", 6),
    "a credential left out": (lambda e: [*e[:7], PADDING, *e[8:]], "bad_seal", 15),
    "a status change left out": (lambda e: [*e[:2], *e[3:8], PADDING, *e[8:]], "bad_seal", 15),
    "a signature bit": (lambda e: [*e[:6], e[6][:-1] + bytes([e[6][-1] ^ 1]), *e[7:]], "bad_entry", 6),
    "the seal's signature": (lambda e: [*e[:-1], e[-1][:-1] + bytes([e[-1][-1] ^ 1])], "bad_seal", 15),
}


@pytest.mark.parametrize("name", DISORDERS)
def test_disorder_raises_the_alarm_with_code_and_index(name: str) -> None:
    disorder, code, offset = DISORDERS[name]
    world, _, entries = mixed_epoch()
    alarm = alarm_of(world, disorder(entries))
    at = world.size - 1 if name == "nothing" else world.size + (offset or 0)
    assert (alarm.code, alarm.index) == (code, at)


@pytest.mark.parametrize(("count", "index"), [(65_536, 1), (65_552, 0)])
def test_an_epoch_has_at_most_65536_entries(count: int, index: int) -> None:
    """One credential again and again stands for so many: what is in order raises the alarm at the second."""
    world, _, entries = mixed_epoch()
    facts, seal = parse_statement(entries[3]).facts(), parse_statement(entries[-1])
    with pytest.raises(ForkAlarm) as caught:
        replay_items(world.mirror, world.chain_head, world.size, [facts] * (count - 1) + [seal], [])
    assert (caught.value.code, caught.value.index) == ("bad_epoch", world.size + index)


@pytest.mark.parametrize("offset", [0, -1, -100_000])
def test_a_seal_whose_time_does_not_rise_is_a_bad_epoch(offset: int) -> None:
    world, _, entries = mixed_epoch()
    alarm = alarm_of(world, reseal(world, entries, time_ms=world.time_ms + offset))
    assert (alarm.code, alarm.index) == ("bad_epoch", world.size + 15)


def test_a_seal_beyond_the_calendar_is_a_bad_epoch() -> None:
    world, _, entries = mixed_epoch()
    assert alarm_of(world, reseal(world, entries, time_ms=2**53 - 1)).code == "bad_epoch"


@pytest.mark.parametrize(
    "changed",
    [
        {"index": 3},
        {"chain": bytes(32)},
        {"registry_digest": bytes(32)},
        {"status_digest": bytes(32)},
        {"govern_head": bytes(32)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_seal_that_lies_is_named_by_its_field(changed: dict[str, Any]) -> None:
    world, _, entries = mixed_epoch()
    alarm = alarm_of(world, reseal(world, entries, **changed))
    assert (alarm.code, alarm.field, alarm.index) == ("bad_seal", *changed, world.size + 15)


def test_a_seal_of_another_time_lies_about_the_registry() -> None:
    # The hour of the epoch is part of the registry: another time is another digest.
    world, _, entries = mixed_epoch()
    alarm = alarm_of(world, reseal(world, entries, time_ms=world.time_ms + 3 * 3_600_000))
    assert (alarm.code, alarm.field) == ("bad_seal", "registry_digest")


@pytest.mark.parametrize("name", ["gov-1", "stranger"])
def test_a_seal_by_another_key_is_a_bad_seal(name: str) -> None:
    world, _, entries = mixed_epoch()
    key = world.governors.get(name) or signer(name)
    assert alarm_of(world, reseal(world, entries, key=key)).code == "bad_seal"


def test_a_seal_in_another_name_or_naming_another_key_is_a_bad_seal() -> None:
    # The service key has signed both: it is the header that is wrong, and nothing else.
    for origin, kid in (("else.example", None), (ORIGIN, bytes(8))):
        world, _, entries = mixed_epoch()
        honest = cose.parse_sign1(entries[-1], max_size=MAX_ENTRY_BYTES)
        header = {**honest.protected, cose.CWT_CLAIMS: {1: origin, 2: origin}}
        header[cose.KID] = kid or world.service.public_key.kid
        assert honest.payload is not None
        entries[-1] = cose.format_sign1(cose.sign(header, honest.payload, world.service))
        alarm = alarm_of(world, entries)
        assert (alarm.code, alarm.field) == ("bad_seal", "iss")


def test_an_epoch_after_another_chain_or_at_another_index_is_refused() -> None:
    world, _, entries = mixed_epoch()
    assert alarm_of(world, entries, chain_head=bytes(32)).code == "bad_seal"
    world, _, entries = mixed_epoch()
    assert alarm_of(world, entries, first_index=world.size + 16).code == "bad_seal"
    world, _, entries = mixed_epoch()
    assert alarm_of(world, entries, first_index=world.size + 1).code == "bad_epoch"


def test_epochs_in_another_order_raise_the_alarm() -> None:
    world, civil = ready()
    first = build_epoch(
        world.registry,
        world.chain_head,
        world.size,
        [world.credential(civil, 1)],
        world.time_ms + 1,
        world.service,
    )
    second = build_epoch(
        world.registry, first.chain[-1], world.size + 16, [world.credential(civil, 2)], world.time_ms + 2,
        world.service,
    )  # fmt: skip
    assert alarm_of(world, second.entries).code == "bad_seal"


def test_a_rule_that_the_sequencer_broke_is_a_bad_rule() -> None:
    world, civil, entries = mixed_epoch()
    credentials = [parse_statement(entry) for entry in entries[3:8]] + [
        world.credential(civil, 77, exp=world.now_s)
    ]
    ordered = in_epoch_order(credentials)
    bad = next(at for at, statement in enumerate(ordered) if statement.body.idx == 77)
    alarm = alarm_of(world, [*entries[:3], *[s.entry for s in ordered], *entries[9:]])
    assert (alarm.code, alarm.index, alarm.field) == ("bad_rule", world.size + 3 + bad, "claims.exp")


def test_verify_is_asked_for_every_statement_with_the_key_of_the_rules() -> None:
    world, civil, entries = mixed_epoch()
    asked: list[Any] = []
    replay_epoch(
        world.mirror, world.chain_head, world.size, entries, lambda s, key: asked.append((s.kind, key))
    )
    assert [kind for kind, _ in asked] == ["govern"] * 2 + ["status"] + ["credential"] * 5 + ["seal"]
    assert asked[3][1] == civil.keys[0].public_key
    assert asked[-1][1] == world.service.public_key


def test_a_key_added_in_an_epoch_signs_in_it() -> None:
    world, civil = ready()
    new = signer("civil-1 key 2")
    first = Party("civil-1", 1, [new])
    statements = [
        *world.approvals(world.action("civil-1", AddKey(new.public_key))),
        world.credential(first, 1),
    ]
    built = build_epoch(
        world.registry, world.chain_head, world.size, statements, world.time_ms + 1, world.service
    )
    assert built.rejected == []
    replay_epoch(world.mirror, world.chain_head, world.size, built.entries)
    assert civil.keys[0] != new


# -- genesis ------------------------------------------------------------------------------------------


def genesis(world: World, entry: bytes, accepts: Entries) -> str:
    try:
        genesis_epoch(entry, accepts, world.time_ms, world.service)
    except LedgerError as error:
        return error.code
    return "ok"


def test_genesis_is_charter_accepts_padding_seal_whatever_the_order_of_arrival() -> None:
    world = World()
    _, built = genesis_epoch(world.charter_entry, world.accept_entries[::-1], world.time_ms, world.service)
    assert built.entries == world.built[0].entries
    kinds = [None if entry == PADDING else parse_statement(entry).kind for entry in built.entries]
    assert kinds == ["charter"] + ["accept"] * 3 + [None] * 11 + ["seal"]


def test_genesis_needs_one_accept_of_each_governor() -> None:
    world = World()
    entry, accepts = world.charter_entry, world.accept_entries
    stranger = sign_statement("accept", "gov-9", ORIGIN, Accept(leaf_hash(entry)), signer("x"))
    assert genesis(world, entry, accepts) == "ok"
    assert genesis(world, entry, accepts[:2]) == "out_of_scope"
    assert genesis(world, entry, [*accepts, accepts[0]]) == "out_of_scope"
    assert genesis(world, entry, [*accepts, stranger]) == "out_of_scope"
    assert genesis(world, entry, [*accepts[:2], stranger]) == "out_of_scope"
    assert genesis(world, entry, [*accepts[:2], world.charter_entry]) == "out_of_scope"
    assert genesis(world, accepts[0], accepts) == "bad_epoch"


def test_an_accept_of_another_charter_ledger_or_key_is_refused() -> None:
    world = World()
    good = world.accept_entries
    key = world.governors["gov-1"]
    digest = leaf_hash(world.charter_entry)
    other_hash = sign_statement("accept", "gov-1", ORIGIN, Accept(bytes(32)), key)
    other_origin = sign_statement("accept", "gov-1", "else.example", Accept(digest), key)
    other_key = sign_statement("accept", "gov-1", ORIGIN, Accept(digest), world.governors["gov-2"])
    no_accept = world.approval(1, world.action(ORIGIN, SetThreshold(2))).entry
    flipped = good[0][:-1] + bytes([good[0][-1] ^ 1])
    codes = [
        genesis(world, world.charter_entry, [bad, *good[1:]])
        for bad in (other_hash, other_origin, other_key, no_accept, flipped)
    ]
    assert codes[:4] == ["out_of_scope", "out_of_scope", "unknown_issuer", "out_of_scope"]
    assert codes[4] in ("bad_signature", "malformed")


def test_a_charter_not_signed_by_its_service_key_is_refused() -> None:
    world = World()
    for name in ("another service", "receipts"):
        entry = sign_statement("charter", ORIGIN, ORIGIN, world.charter, signer(name))
        assert genesis(world, entry, world.accept_entries) == "unknown_issuer"
    forged = world.charter_entry[:-1] + bytes([world.charter_entry[-1] ^ 1])
    assert genesis(world, forged, world.accept_entries) in ("bad_signature", "malformed")


GENESIS_DISORDERS: dict[str, tuple[Callable[[Entries], Entries], str]] = {
    "nothing": (lambda e: [], "bad_epoch"),
    "no charter": (lambda e: e[1:], "bad_rule"),
    "padding first": (lambda e: [PADDING, *e], "bad_rule"),
    "an accept missing": (lambda e: [*e[:3], PADDING, *e[4:]], "bad_rule"),
    "accepts swapped": (lambda e: [e[0], e[2], e[1], *e[3:]], "bad_rule"),
    "an accept twice": (lambda e: [*e[:4], e[3], *e[5:]], "bad_rule"),
    "padding between": (lambda e: [*e[:2], PADDING, *e[2:4], *e[5:]], "bad_epoch"),
    "an accept's signature": (lambda e: [*e[:2], e[2][:-1] + bytes([e[2][-1] ^ 1]), *e[3:]], "bad_entry"),
    "charter twice": (lambda e: [e[0], e[0], *e[1:4], *e[5:]], "bad_epoch"),
    "seal missing": (lambda e: e[:-1], "bad_epoch"),
    "padding too few": (lambda e: e[:5] + e[6:], "bad_epoch"),
    "padding too many": (lambda e: [*e[:5], PADDING, *e[5:]], "bad_epoch"),
    "not an entry": (lambda e: [*e[:5], b"\x00", *e[6:]], "bad_entry"),
    "the seal's signature": (lambda e: [*e[:-1], e[-1][:-1] + bytes([e[-1][-1] ^ 1])], "bad_seal"),
}


@pytest.mark.parametrize("name", GENESIS_DISORDERS)
def test_a_disordered_genesis_raises_the_alarm(name: str) -> None:
    disorder, code = GENESIS_DISORDERS[name]
    with pytest.raises(ForkAlarm) as caught:
        replay_genesis(disorder(World().built[0].entries))
    assert caught.value.code == code
    assert caught.value.index is not None


def test_a_statement_of_an_issuer_in_genesis_raises_the_alarm() -> None:
    world, civil = ready()
    entries = world.built[0].entries
    credential = world.credential(civil, 1).entry
    with pytest.raises(ForkAlarm) as caught:
        replay_genesis([*entries[:4], credential, *entries[5:]])
    assert caught.value.code == "bad_epoch"


def test_a_genesis_seal_must_mean_its_entries() -> None:
    world = World()
    entries = world.built[0].entries
    seal = parse_statement(entries[-1]).body
    lie = sign_statement("seal", ORIGIN, ORIGIN, replace(seal, registry_digest=bytes(32)), world.service)
    with pytest.raises(ForkAlarm) as caught:
        replay_genesis([*entries[:-1], lie])
    assert (caught.value.code, caught.value.field) == ("bad_seal", "registry_digest")


def test_a_charter_seal_or_accept_never_enters_an_epoch() -> None:
    world, _ = ready()
    stray = [parse_statement(entry) for entry in (*world.accept_entries[:1], world.charter_entry)]
    built = world.try_epoch(*stray, parse_statement(world.built[0].entries[-1]))
    assert [error.code for _, error in built.rejected] == ["unsupported"] * 3
    assert built.entries == []


def test_a_build_at_a_time_that_does_not_rise_is_refused() -> None:
    world, civil = ready()
    pending: list[Statement] = [world.credential(civil, 1)]
    with pytest.raises(VerificationError):
        build_epoch(world.registry, world.chain_head, world.size, pending, world.time_ms, world.service)


def test_the_registry_after_a_charter_alone_is_that_of_found() -> None:
    world = World()
    found = Registry.found(world.charter, leaf_hash(world.charter_entry))
    found.open_epoch(world.time_ms, 0)
    assert found.registry_digest() == world.registry.registry_digest()


def test_padding_is_no_statement() -> None:
    with pytest.raises(MalformedError):
        parse_statement(PADDING)
