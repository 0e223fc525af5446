"""A holder's own replacement: who may sign it, what it proves, and that it cannot be used twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.core.actions import AddKey, DistrustKey, Suspend
from ledger.core.calendar_days import month_of_seconds
from ledger.core.cells import CELL_SIZE, prove_in_cell
from ledger.core.cose_key import SoftwareSigner
from ledger.core.epoch import BuiltEpoch
from ledger.core.statement import Statement, parse_statement, sign_credential, sign_statement
from ledger.core.status_change import HolderProof, StatusChange, StatusRow
from ledger.errors import CodedError, MalformedError
from tests.support.ledgers import seed, signer
from tests.support.registry_world import Party, World, fingerprint

WITHDRAWN, SUSPENDED, REPLACED, AFFIRMED, HELD = 1, 2, 3, 12, 13


def holder(idx: int) -> SoftwareSigner:
    return signer(f"holder {idx}", "ed25519")


def proof_of(built: BuiltEpoch, statement: Statement) -> HolderProof:
    offset = built.entries.index(statement.entry)
    start = offset // CELL_SIZE * CELL_SIZE
    path = prove_in_cell(built.leaves[start : start + CELL_SIZE], offset - start)
    return HolderProof(built.first_index + offset, path, statement.entry)


class Cards:
    """A ledger with credentials at places 0 to 19 of one issuer, two cells of them."""

    def __init__(self, **scope: Any) -> None:
        self.world = World()
        self.civil: Party = self.world.admit("civil-1", **scope)
        self.cards = [self.world.credential(self.civil, n) for n in range(20)]
        built = self.world.epoch(*self.cards)
        self.proofs = [proof_of(built, card) for card in self.cards]

    def body(self, idx: int = 3, *, old: int = 0, **changed: Any) -> StatusChange:
        row = StatusRow(idx, old, REPLACED, 1, month_of_seconds(self.world.now_s))
        return replace(StatusChange("sc:1/0", 0, (row,), self.proofs[idx]), **changed)

    def sign(
        self, body: StatusChange, *, iss: str | None = None, by: SoftwareSigner | None = None
    ) -> Statement:
        idx = body.rows[0].idx
        iss = self.cards[idx].sub if iss is None else iss
        return parse_statement(sign_statement("status", iss, body.uri, body, by or holder(idx)))

    def replacement(self, idx: int = 3, *, old: int = 0) -> Statement:
        return self.sign(self.body(idx, old=old))

    def row(self, **changed: int) -> tuple[StatusRow, ...]:
        return (self.body().rows[0]._replace(**changed),)


def form_of(sign: Any) -> str:
    try:
        sign()
    except MalformedError as error:
        return error.code
    return "ok"


def test_a_holder_replaces_the_own_credential_and_nothing_else_changes() -> None:
    cards = Cards()
    statement = cards.replacement(3)
    assert parse_statement(statement.entry).body == cards.body(3)
    cards.world.epoch(statement)
    state = cards.world.registry.lists["sc:1/0"]
    assert [state.status(n) for n in range(20)] == [REPLACED if n == 3 else 0 for n in range(20)]
    assert state.format_reasons() == [[3, 1, month_of_seconds(cards.world.now_s)]]
    assert state.seq == 0
    # The issuer's own numbers go on as if nothing had been.
    cards.world.epoch(cards.world.change(cards.civil, (4, 0, SUSPENDED, 4), seq=1))
    cards.world.epoch(cards.replacement(5))
    assert state.seq == 1
    cards.world.epoch(cards.world.change(cards.civil, (6, 0, SUSPENDED, 4), seq=2))


@pytest.mark.parametrize("idx", range(20))
def test_each_place_of_each_cell_has_its_proof(idx: int) -> None:
    cards = Cards()
    assert cards.world.refusal(cards.replacement(idx)) == "ok"


@pytest.mark.parametrize(
    "old", [0, WITHDRAWN, SUSPENDED, REPLACED, AFFIRMED], ids=lambda value: f"from {value}"
)
def test_a_replacement_begins_where_the_table_says(old: int) -> None:
    cards = Cards()
    world, civil = cards.world, cards.civil
    if old == AFFIRMED:
        key = signer("civil-1 key 2")
        world.act("civil-1", AddKey(key.public_key))
        world.act("civil-1", DistrustKey(civil.keys[0].public_key.kid, world.size))
        civil.keys.append(key)
    reason = {WITHDRAWN: 3, SUSPENDED: 4, REPLACED: 1, AFFIRMED: 5}
    if old:
        world.epoch(world.change(civil, (3, 0, old, reason[old])))
    expected = "bad_transition" if old in (WITHDRAWN, REPLACED) else "ok"
    assert world.refusal(cards.replacement(3, old=old)) == expected
    if old:
        assert world.refusal(cards.replacement(3)) == "stale_action"


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"new": 1}, "bad_transition"), ({"new": 2, "reason": 4}, "bad_transition"), ({"new": 0}, "bad_transition"),
     ({"new": 12, "reason": 5}, "bad_transition"), ({"new": 1, "reason": 3}, "bad_transition"),
     ({"reason": 2}, "bad_transition"), ({"month": 202608}, "out_of_scope"), ({"month": 202612}, "out_of_scope")],
)  # fmt: skip
def test_a_holder_can_ask_for_nothing_else(changed: dict[str, int], code: str) -> None:
    cards = Cards()
    assert cards.world.refusal(cards.sign(cards.body(rows=cards.row(**changed)))) == code


def test_a_replacement_is_not_used_twice() -> None:
    cards = Cards()
    statement = cards.replacement()
    cards.world.epoch(statement)
    assert cards.world.refusal(statement) == "stale_action"
    assert cards.world.refusal(cards.replacement(old=REPLACED)) == "bad_transition"
    built = cards.world.try_epoch(statement)
    assert [error.code for _, error in built.rejected] == ["stale_action"]


def test_two_replacements_of_one_epoch_leave_one() -> None:
    cards = Cards()
    built = cards.world.try_epoch(cards.replacement(), cards.replacement(4), cards.replacement())
    assert [error.code for _, error in built.rejected] == ["stale_action"]


def test_another_key_than_the_holder_s_is_refused() -> None:
    cards = Cards()
    assert cards.world.refusal(cards.sign(cards.body(), by=holder(4))) == "unknown_issuer"
    assert cards.world.refusal(cards.sign(cards.body(), by=cards.civil.keys[0])) == "unknown_issuer"
    good, foreign = cards.replacement(), cards.sign(cards.body(), by=holder(4))
    mixed = parse_statement(good.entry[:-64] + foreign.signature)
    assert cards.world.refusal(mixed) == "bad_signature"


def test_the_place_and_the_name_are_those_of_the_credential() -> None:
    cards = Cards()
    assert form_of(lambda: cards.sign(cards.body())) == "ok"
    assert form_of(lambda: cards.sign(cards.body(), iss=cards.cards[4].sub)) == "malformed"
    assert form_of(lambda: cards.sign(cards.body(), iss="civil-1")) == "malformed"
    assert form_of(lambda: cards.sign(cards.body(uri="sc:1/1"))) == "malformed"
    name, body = cards.cards[3].sub, cards.body()
    assert (
        form_of(lambda: parse_statement(sign_statement("status", name, "sc:1/1", body, holder(3))))
        == "malformed"
    )
    elsewhere = cards.body(rows=cards.row(idx=4))
    assert form_of(lambda: cards.sign(elsewhere, iss=cards.cards[3].sub, by=holder(3))) == "malformed"


def test_a_proof_has_one_row_the_number_0_and_a_credential() -> None:
    cards = Cards()
    proof = cards.proofs[3]
    for changed in (
        {"seq": 1},
        {"rows": (*cards.row(), *cards.row(idx=5))},
        {"proof": replace(proof, path=bytes(127))},
        {"proof": replace(proof, entry=b"")},
        {"proof": replace(proof, entry=b"\xf6")},
        {"proof": replace(proof, entry=proof.entry + b"\x00")},
    ):
        body = cards.body(**changed)
        assert form_of(lambda body=body: cards.sign(body)) == "malformed", changed
    for other in (cards.world.built[0].entries[0], cards.replacement().entry):
        body = cards.body(proof=replace(proof, entry=other))
        assert form_of(lambda body=body: cards.sign(body)) == "unsupported"
    large = cards.body(proof=replace(proof, entry=bytes(4097)))
    assert form_of(lambda: cards.sign(large)) == "too_large"


@pytest.mark.parametrize("index", [0, 1, 17, 2**53 - 1, "next", "far"])
def test_a_proof_of_another_index_is_not_listed(index: Any) -> None:
    cards = Cards()
    proof = cards.proofs[3]
    number = {"next": proof.index ^ 1, "far": proof.index + 16}.get(index, index)
    assert cards.world.refusal(cards.sign(cards.body(proof=replace(proof, index=number)))) == "not_listed"


def test_a_proof_with_another_path_or_credential_is_not_listed() -> None:
    cards = Cards()
    proof = cards.proofs[3]
    for place in range(128):
        path = bytearray(proof.path)
        path[place] ^= 1 << place % 8
        body = cards.body(proof=replace(proof, path=bytes(path)))
        assert cards.world.refusal(cards.sign(body)) == "not_listed"
    # Made with the issuer's key, yet never logged.
    claims = cards.cards[3].body._replace(digests=tuple(sorted(seed(f"other {n}") for n in range(4))))
    unlogged = sign_credential(claims, cards.civil.keys[0])
    assert cards.world.refusal(cards.sign(cards.body(proof=replace(proof, entry=unlogged)))) == "not_listed"


def test_a_credential_of_the_same_epoch_is_not_listed_yet() -> None:
    cards = Cards()
    world = cards.world
    later = world.credential(cards.civil, 30)
    built = world.epoch(later)
    proof = proof_of(built, later)
    row = StatusRow(30, 0, REPLACED, 1, month_of_seconds(world.now_s))
    body = StatusChange("sc:1/0", 0, (row,), proof)
    statement = parse_statement(sign_statement("status", later.sub, "sc:1/0", body, holder(30)))
    assert world.refusal(statement) == "ok"
    # A ledger that has everything but this last epoch, as the epoch's own statements see it.
    short = Cards()
    with pytest.raises(CodedError) as caught:
        short.world.try_epoch(statement, later)
    assert caught.value.code == "not_listed"


def test_every_changed_bit_of_a_replacement_is_refused() -> None:
    cards = Cards()
    world, entry = cards.world, cards.replacement().entry
    before = fingerprint(world.registry)
    world.registry.open_epoch(world.time_ms + 1, world.size)

    def register(data: bytes) -> None:
        statement = parse_statement(data)
        statement.check_signature(world.registry.key_for(statement))
        world.registry.apply(world.size, statement)

    for bit in range(8 * len(entry)):
        changed = bytearray(entry)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodedError):
            register(bytes(changed))
    world.registry.abandon_epoch()
    assert fingerprint(world.registry) == before
    world.epoch(parse_statement(entry))


def test_a_suspended_issuer_and_a_distrusted_key_do_not_bind_the_holder() -> None:
    cards = Cards()
    world = cards.world
    world.act("civil-1", Suspend())
    start = world.built[2].first_index
    world.act("civil-1", DistrustKey(cards.civil.keys[0].public_key.kid, start))
    assert world.refusal(world.change(cards.civil, (4, 0, 3, 1))) == "unknown_issuer"
    world.epoch(cards.replacement())
    assert world.status(cards.civil, 3) == REPLACED


def test_a_distrust_does_not_reverse_what_a_holder_did() -> None:
    cards = Cards()
    world = cards.world
    start = world.size
    world.epoch(world.change(cards.civil, (3, 0, SUSPENDED, 4), (4, 0, SUSPENDED, 4)))
    world.epoch(cards.replacement(3, old=SUSPENDED))
    world.act("civil-1", DistrustKey(cards.civil.keys[0].public_key.kid, start))
    assert (world.status(cards.civil, 3), world.status(cards.civil, 4)) == (REPLACED, 0)


def test_cells_take_two_bytes_for_each_entry() -> None:
    cards = Cards()
    assert len(cards.world.registry.cells) == 2 * cards.world.size
    assert cards.world.registry.cells == cards.world.mirror.cells
