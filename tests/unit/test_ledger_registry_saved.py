"""A saved state of the registry: it goes on like the one that was saved, and no other state passes for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.actions import AddKey, ConfirmHeld, DistrustKey
from ledger.core.cells import root_from_cells
from ledger.core.cose_key import format_cose_key
from ledger.core.ledger_verbs import SetProfiles, SetSuccessor, SetWitnessPolicy
from ledger.core.registry import Registry
from ledger.core.registry import saved as saved_module
from ledger.core.registry.saved import format_state, parse_state
from ledger.core.seal import Seal, format_seal, parse_seal
from ledger.core.statement import parse_statement
from ledger.errors import CodedError, MalformedError, VerificationError
from tests.support.ledgers import signer
from tests.support.registry_world import ORIGIN, PROFILES, World, fingerprint
from tests.unit.test_ledger_registry_machine import Machine

HOUR_MS = 3_600_000
_CACHES = {"_governance_digest", "_held_digest", "_authorities", "_exp_cache", "_before_epoch", "_terms_before",
           "_bitmap_hash", "_status_hash", "_reasons_hash"}  # fmt: skip


def seal_of(registry: Registry, size: int) -> Seal:
    """Return the seal that an epoch of this registry would have."""
    digests = registry.registry_digest(), registry.status_digest()
    return Seal(size - 1, bytes(32), *digests, registry.time_ms, registry.govern_head)


def root_of(registry: Registry) -> bytes:
    return root_from_cells(bytes(registry.cells), len(registry.cells) // 32)


def reloaded(registry: Registry, size: int) -> Registry:
    return parse_state(format_state(registry), seal_of(registry, size), root_of(registry))


def everything(value: Any) -> Any:
    """Return all that an object holds but caches, so that an attribute that nobody saves is found."""
    if isinstance(value, dict):
        return {key: everything(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [everything(item) for item in value]
    if not type(value).__module__.startswith("ledger."):
        return value
    names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
    return {name: everything(getattr(value, name)) for name in names if name not in _CACHES}


class SavedMachine(Machine):
    """The machine of the registry's rules, with a registry that is saved and loaded after each epoch."""

    def end_epoch(self, later: int) -> None:
        super().end_epoch(later)
        world = self.world
        fresh = reloaded(world.registry, world.size)
        mine, theirs = everything(fresh), everything(world.registry)
        for one in (mine, theirs):
            one["governance"]["terms"].pop("read_only")
        assert mine == theirs
        # The one thing that is not kept: the opening of the next epoch sets it, whatever it was.
        self.model.terms["read_only"] = self.model.terms["successor"] is not None
        assert fingerprint(fresh) == fingerprint(world.registry)
        world.registry = fresh


TestAnyHistoryGoesOnAfterItWasSaved = SavedMachine.TestCase
TestAnyHistoryGoesOnAfterItWasSaved.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@cache
def rich() -> tuple[World, bytes, Seal, bytes]:
    """Return a ledger with something in every part of its state, the state, its last seal and its root."""
    world = World()
    civil, health = world.admit("civil-1"), world.admit("health-1")
    civil.keys.append(signer("civil-1 key 2"))
    world.act("civil-1", AddKey(civil.keys[1].public_key))
    world.epoch(*[world.credential(civil, n) for n in range(60)], world.credential(health, 3))
    world.epoch(world.change(civil, (0, 0, 2, 4), (1, 0, 1, 3)), world.change(health, (3, 0, 3, 1)))
    world.epoch(world.change(civil, *[(n, 0, 1, 3) for n in range(10, 40)]))
    assert list(world.registry.places.quarantine.held) != []
    world.epoch(
        world.change(civil, *[(n, 0, 2, 4) for n in range(40, 45)], key=0), at_ms=world.time_ms + HOUR_MS
    )
    world.act("civil-1", DistrustKey(civil.keys[0].public_key.kid, world.size - 20))
    further = [world.action(name, AddKey(signer("x").public_key)) for name in ("civil-1", "health-1")]
    world.epoch(*[world.approval(number, action) for number, action in zip((1, 3), further, strict=True)])
    world.act(ORIGIN, SetWitnessPolicy("# new\nquorum none\n"), SetProfiles({**PROFILES, "sc:visa": (2, 30)}))
    seal = parse_statement(world.built[-1].entries[-1]).body
    return world, format_state(world.registry), seal, root_of(world.registry)


def test_a_state_that_was_saved_after_an_epoch_has_the_digests_of_its_seal() -> None:
    world, data, seal, root = rich()
    fresh = parse_state(data, seal, root)
    assert fingerprint(fresh) == fingerprint(world.registry)
    assert everything(fresh) == everything(world.registry)
    assert format_state(fresh) == data == format_state(world.mirror)


def test_giving_up_the_first_epoch_after_loading_leaves_the_state_alone() -> None:
    _, data, seal, root = rich()
    fresh = parse_state(data, seal, root)
    fresh.abandon_epoch()
    assert format_state(fresh) == data
    fresh.open_epoch(seal.time_ms + 40 * 24 * HOUR_MS, seal.index + 1)
    fresh.abandon_epoch()
    assert fresh.registry_digest() == seal.registry_digest


def test_a_named_successor_makes_it_read_only_from_the_next_epoch_on_whenever_it_was_saved() -> None:
    world = World()
    civil = world.admit()
    world.act(ORIGIN, SetSuccessor("ledger.example/next", bytes(32)))
    for _ in range(2):
        world.registry = reloaded(world.registry, world.size)
        assert world.refusal(world.credential(civil, 1)) == "read_only"
        world.act("civil-1", AddKey(signer(f"further {world.size}").public_key))


def test_what_is_held_is_still_known_by_its_key() -> None:
    _, data, seal, root = rich()
    world = rich()[0]
    fresh = parse_state(data, seal, root)
    assert {at: change.kid for at, change in fresh.places.quarantine.held.items()} == {
        at: change.kid for at, change in world.registry.places.quarantine.held.items()
    }


# -- what is refused ------------------------------------------------------------------------------------


def replanted(data: bytes, change: Callable[[dict[int, Any]], object]) -> bytes:
    """Return a state with a change in its body and the hash of the changed body."""
    body = cbor.decode(cbor.decode(data, max_size=len(data))[0], max_size=len(data))
    change(body)
    encoded = cbor.encode(body)
    return cbor.encode([encoded, hashlib.sha256(encoded).digest()])


def refusal(data: bytes, seal: Seal, root: bytes | None) -> str:
    with pytest.raises((MalformedError, VerificationError)) as caught:
        parse_state(data, seal, root)
    return caught.value.field


def _flipped(value: bytes, at: int = 0) -> bytes:
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


def _set(*path: Any, to: Callable[[Any], Any]) -> Callable[[dict[int, Any]], object]:
    def change(body: Any) -> None:
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = to(body[path[-1]])

    return change


def _swap(values: list[Any]) -> list[Any]:
    return [values[1], values[0], *values[2:]]


PLANTED = {
    "time": (_set(2, to=lambda ms: ms + 1), "state.time_ms"),
    "origin": (_set(3, 1, to=lambda name: name + "x"), "state.govern_head"),
    "charter": (_set(3, 2, to=_flipped), "state.registry_digest"),
    "a log key": (_set(3, 3, 0, to=_flipped), "state.registry_digest"),
    "the service key": (_set(3, 4, to=lambda _: format_cose_key(signer("x").public_key)), "state.registry_digest"),
    "governors": (_set(3, 6, to=_swap), "state.registry_digest"),
    "a threshold out of range": (_set(3, 7, to=lambda _: 3), "threshold"),
    "witness policy": (_set(3, 8, to=lambda text: "# x\n" + text), "state.registry_digest"),
    "epoch period": (_set(3, 9, to=lambda ms: ms + 1), "state.registry_digest"),
    "a profile": (_set(3, 10, "sc:short", to=lambda _: [1, 2]), "state.registry_digest"),
    "the ledger's counter": (_set(3, 12, to=lambda n: n + 1), "state.registry_digest"),
    "a successor": (_set(3, 13, to=lambda _: ["ledger.example/x", bytes(32)]), "state.registry_digest"),
    "an issuer's scope": (_set(3, 14, 0, 4, 2, to=lambda n: n + 1), "state.registry_digest"),
    "an issuer's suspension": (_set(3, 14, 0, 5, to=lambda n: 1 - n), "state.registry_digest"),
    "order of keys": (_set(3, 14, 0, 7, to=_swap), "state.registry_digest"),
    "when a key began": (_set(3, 14, 0, 7, 0, 2, to=lambda n: n + 1), "state.registry_digest"),
    "state of a key": (_set(3, 14, 0, 7, 0, 3, to=lambda n: 1), "state.registry_digest"),
    "from where a key is distrusted": (_set(3, 14, 0, 7, 0, 5, to=lambda n: n + 1), "state.registry_digest"),
    "a kid of another key": (_set(3, 14, 0, 7, 0, 0, to=_flipped), "issuer.kid"),
    "what is scheduled": (_set(3, 15, 12, to=lambda _: ["quorum none\n"]), "state.registry_digest"),
    "a scheduled verb with more": (_set(3, 15, 12, to=lambda args: [*args, 1]), "scheduled"),
    "a scheduled verb without all": (_set(3, 15, to=lambda was: {**was, 14: [{}]}), "verb.service_keys"),
    "an effect is missing": (_set(4, to=lambda rows: rows[:-1]), "state.govern_head"),
    "an effect is another": (_set(4, 0, 0, 3, to=lambda s: s + 1), "state.govern_head"),
    "index of an effect": (_set(4, -1, 1, -1, to=lambda at: at + 1), "state.govern_head"),
    "effects out of order": (_set(4, to=_swap), "effects"),
    "a proposal is missing": (_set(5, to=lambda rows: rows[:-1]), "state.registry_digest"),
    "a proposal is another": (_set(5, 0, 0, 3, to=lambda s: s + 1), "state.registry_digest"),
    "who approved": (_set(5, 1, 1, 0, 0, to=lambda _: "gov-2"), "state.registry_digest"),
    "proposals out of order": (_set(5, to=_swap), "state"),
    "a sequence number": (_set(6, 0, 1, to=lambda n: n + 1), "state.registry_digest"),
    "a place more": (_set(6, 0, 2, to=lambda bits: _flipped(bits, 9_000)), "state.registry_digest"),
    "lists out of order": (_set(6, to=_swap), "state"),
    "a list twice": (_set(6, to=lambda rows: [rows[0], *rows]), "state.lists"),
    "a list more": (_set(6, to=lambda rows: [*rows, ["sc:2/1", 0, bytes(16_384)]]), "state.registry_digest"),
    "no journal": (_set(7, to=lambda _: [[], b""]), "held"),
    "last row of the journal": (_set(7, 1, to=lambda rows: rows[:-31]), "state.registry_digest"),
    "half a row": (_set(7, 1, to=lambda rows: rows[:-1]), "journal"),
    "index of a row": (_set(7, 1, to=lambda rows: _flipped(rows, 7)), "state.registry_digest"),
    "kid of a row": (_set(7, 1, to=lambda rows: _flipped(rows, 8)), "state.registry_digest"),
    "place of a row": (_set(7, 1, to=lambda rows: _flipped(rows, 23)), "state.journal"),
    "old of a row": (_set(7, 1, to=lambda rows: _flipped(rows, 24)), "state.journal"),
    "new of a row": (_set(7, 1, to=lambda rows: _flipped(rows, 25)), "state.journal"),
    "reason of a row": (_set(7, 1, to=lambda rows: _flipped(rows, 26)), "state.journal"),
    "month of a row": (_set(7, 1, to=lambda rows: _flipped(rows, 30)), "state.registry_digest"),
    "a list that no row names": (_set(7, 0, to=lambda uris: uris[:1]), "journal"),
    "lists of rows changed over": (_set(7, 0, to=_swap), "state.journal"),
    "first index of an hour": (_set(8, 0, 0, 1, to=lambda at: at + 16), "state.registry_digest"),
    "no first index of now": (_set(8, 0, to=lambda rows: rows[:-1]), "rates.first_indexes"),
    "credentials of an hour": (_set(8, 1, 0, 1, 0, 1, to=lambda n: n - 1), "state.registry_digest"),
    "live credentials": (_set(9, 0, 1, 0, 1, to=lambda n: n + 1), "state.registry_digest"),
    "rows of an hour": (_set(10, 0, 1, 0, 1, to=lambda n: n - 1), "state.registry_digest"),
    "rows of a day": (_set(10, 0, 2, 0, 1, to=lambda n: n - 1), "state.registry_digest"),
    "nothing held": (_set(11, to=lambda _: []), "state.held"),
    "held by another statement": (_set(11, 0, 0, to=lambda at: at + 1), "held"),
    "held of another issuer": (_set(11, 0, 1, to=lambda _: 2), "held"),
    "held since another time": (_set(11, 0, 2, to=lambda ms: ms + 1), "state.registry_digest"),
    "held for another status": (_set(11, 0, 4, 0, 2, to=lambda _: 2), "state.registry_digest"),
    "held for replacement": (_set(11, 0, 4, 0, 2, to=lambda _: 3), "held.rows"),
    "a row held less": (_set(11, 0, 4, to=lambda rows: rows[1:]), "state.held"),
    "a cell": (_set(12, to=_flipped), "state.cells"),
    "a cell less": (_set(12, to=lambda cells: cells[32:]), "state.cells"),
    "version": (_set(1, to=lambda n: n + 1), "state.version"),
    "a further part": (lambda body: body.update({13: 0}), "state"),
    "a missing part": (lambda body: body.pop(9), "state"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_refused(name: str) -> None:
    change, field = PLANTED[name]
    _, data, seal, root = rich()
    assert replanted(data, change) != data
    assert refusal(replanted(data, change), seal, root) == field


def test_a_planted_index_of_an_approval_changes_nothing_that_is_judged() -> None:
    """No seal binds where an approval stands; the hash of the file is all that keeps it."""
    world, data, seal, root = rich()
    change = _set(5, 0, 1, 0, 1, to=lambda at: at + 1)
    fresh = parse_state(replanted(data, change), seal, root)
    assert fingerprint(fresh) == fingerprint(world.registry)


@pytest.mark.parametrize("name", ["registry_digest", "status_digest", "govern_head"])
def test_the_state_of_another_seal_is_refused(name: str) -> None:
    _, data, seal, root = rich()
    body = format_seal(seal)
    number = {"registry_digest": 3, "status_digest": 4, "govern_head": 6}[name]
    body[number] = _flipped(body[number])
    assert refusal(data, parse_seal(body), root) == f"state.{name}"


def test_the_state_of_another_time_or_size_or_tree_is_refused() -> None:
    _, data, seal, root = rich()
    assert refusal(data, replace(seal, time_ms=seal.time_ms + 1), root) == "state.time_ms"
    assert refusal(data, replace(seal, index=seal.index + 16), root) == "state.cells"
    assert refusal(data, replace(seal, index=seal.index + 1), root) == "state.index"
    assert refusal(data, seal, bytes(32)) == "state.cells"


def test_without_a_root_the_cells_are_left_to_the_caller() -> None:
    _, data, seal, _ = rich()
    fresh = parse_state(replanted(data, PLANTED["a cell"][0]), seal)
    assert bytes(fresh.cells) != bytes(rich()[0].registry.cells)


@given(st.integers(min_value=0))
@settings(max_examples=300, deadline=None)
def test_a_change_of_one_bit_is_refused(bit: int) -> None:
    _, data, seal, root = rich()
    bit %= 8 * len(data)
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    refusal(bytes(changed), seal, root)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_change_of_one_bit_under_a_new_hash_gives_no_state_that_judges_otherwise(
    draw: st.DataObject,
) -> None:
    world, data, seal, root = rich()
    body = bytearray(cbor.decode(data, max_size=len(data))[0])
    # Most of the bytes are empty places of lists; the others are looked at more often.
    places = [at for at in range(len(body)) if any(body[max(0, at - 3) : at + 4])]
    at = draw.draw(st.sampled_from(places) | st.integers(0, len(body) - 1))
    body[at] ^= 1 << draw.draw(st.integers(0, 7))
    try:
        fresh = parse_state(cbor.encode([bytes(body), hashlib.sha256(body).digest()]), seal, root)
    except (MalformedError, VerificationError):
        return
    mine, theirs = everything(fresh), everything(world.registry)
    for one in (mine, theirs):  # where approvals stand decides nothing
        one["governance"].pop("effects")
        one["governance"].pop("proposals")
    assert mine == theirs
    assert fingerprint(fresh) == fingerprint(world.registry)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_malformed(data: bytes) -> None:
    _, _, seal, root = rich()
    with pytest.raises(MalformedError):
        parse_state(data, seal, root)


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**53) | st.binary(max_size=40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 16), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(range(1, 13)), PARTS)
@settings(max_examples=150, deadline=None)
def test_arbitrary_parts_are_refused_with_a_code(part: int, value: Any) -> None:
    _, data, seal, root = rich()
    changed = replanted(data, _set(part, to=lambda _: value))
    if changed != data:
        try:
            refused = parse_state(changed, seal, root)
        except CodedError:
            return
        raise AssertionError(f"a state with another part {part} was read: {refused}")


def test_a_row_that_takes_back_what_nobody_changed_is_refused() -> None:
    _, data, seal, root = rich()
    stray = bytes(16) + (0).to_bytes(4) + (59).to_bytes(4) + bytes([0, 1, 3]) + (202601).to_bytes(4)
    assert refusal(replanted(data, _set(7, 1, to=lambda rows: rows + stray)), seal, root) == "journal"


def test_what_is_too_large_is_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    world, data, seal, root = rich()
    for name in ("MAX_STATE_BYTES", "MAX_CELLS", "MAX_JOURNAL_ROWS"):
        with monkeypatch.context() as patch:
            patch.setattr(saved_module, name, 1)
            with pytest.raises(MalformedError) as caught:
                format_state(world.registry)
            assert caught.value.code == "too_large"
    monkeypatch.setattr(saved_module, "MAX_STATE_BYTES", len(data) - 1)
    with pytest.raises(MalformedError) as caught:
        parse_state(data, seal, root)
    assert caught.value.code == "too_large"


def test_governors_decide_on_what_was_held_before_it_was_saved() -> None:
    world = World()
    civil = world.admit()
    world.epoch(*[world.credential(civil, n) for n in range(40)])
    world.epoch(world.change(civil, *[(n, 0, 1, 3) for n in range(30)]))
    [index] = world.registry.places.quarantine.held
    world.registry = reloaded(world.registry, world.size)
    world.act("civil-1", ConfirmHeld(index))
    assert [world.status(civil, n) for n in (0, 29, 30)] == [1, 1, 0]
