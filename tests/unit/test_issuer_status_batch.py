"""The monthly list: few statements, nothing that the ledger would refuse, and nothing twice after a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from credential.core.issue import StatusPlace
from issuer import status_batch, vault
from issuer.errors import InputError
from issuer.status_batch import Plan, outlook, parse_seqs
from ledger.core.statement import parse_statement
from ledger.core.status_change import StatusChange, StatusRow
from ledger.errors import CodedError
from tests.support.crashes import Crash, crash_at
from tests.support.desks import DeskWorld, person

COUNT = 6


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeskWorld:
    monkeypatch.setattr(vault, "_SCRYPT_N", 2)
    return DeskWorld(tmp_path)


def issue(world: DeskWorld, count: int = COUNT) -> list[tuple[str, StatusPlace]]:
    outcomes = world.desk.issue_people([(person(), None)] * count)
    issued = [outcome for outcome in outcomes if not isinstance(outcome, CodedError)]
    return [(item.sub, world.desk.place_of(item.case_file)) for item in issued]


def plan(world: DeskWorld, text: str, **seqs: int) -> Plan:
    path = world.folder / "changes.csv"
    path.write_text(text, "utf-8")
    return world.desk.status_batch().plan(
        path, now_s=world.ledger.now_s, seqs=parse_seqs([f"{k}={v}" for k, v in seqs.items()])
    )


def statements(world: DeskWorld) -> int:
    parsed = [parse_statement(entry) for entry in world.ledger.entries if len(entry) > 1]
    return sum(statement.kind == "status" for statement in parsed)


def table(cards: list[tuple[str, StatusPlace]]) -> str:
    return "sub\n" + "".join(f"{sub}\n" for sub, _ in cards)


def status(world: DeskWorld, place: StatusPlace) -> int:
    return world.ledger.registry.lists[place.uri].status(place.idx)


def test_many_places_go_into_one_statement_by_rising_number(world: DeskWorld) -> None:
    cards = issue(world)
    made = plan(world, table(cards))
    [statement] = made.statements
    assert [row.idx for row in statement.rows] == sorted(place.idx for _, place in cards)
    assert (made.row_count, made.already, made.refused, made.limited_count) == (COUNT, 0, (), 0)
    world.desk.status_batch().send(made)
    assert statements(world) == 1
    assert {status(world, place) for _, place in cards} == {3}
    again = plan(world, table(cards))
    assert (again.statements, again.already) == ((), COUNT)


def test_a_long_list_takes_statements_of_the_largest_size(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_batch, "MAX_ROWS", 4)
    cards = issue(world)
    made = plan(world, table(cards))
    assert [(len(item.rows), item.seq) for item in made.statements] == [(4, 1), (2, 2)]
    world.desk.status_batch().send(made)
    assert world.ledger.registry.lists["sc:1/0"].seq == 2


def test_a_row_names_its_place_in_one_of_three_ways(world: DeskWorld) -> None:
    (sub, first), (_, second), (_, third) = issue(world, 3)
    with world.store.transaction() as db:
        db.execute(
            "INSERT INTO batch_row VALUES ('A-1', 'b', x'00', (SELECT sub FROM place WHERE idx = ?), 1, 1)",
            (third.idx,),
        )
    text = (
        "id,sub,list,number,set,reason\n"
        f",{sub},,,withdrawn,corrected\n,,{second.uri},{second.idx},suspended,\nA-1,,,,,\n"
    )
    made = plan(world, text)
    assert made.limited_count == 2
    assert [outlook(statement) for statement in made.statements] == ["perhaps"]
    world.desk.status_batch().send(made)
    assert [status(world, place) for place in (first, second, third)] == [1, 2, 3]
    assert statements(world) == 1


def test_rows_that_the_ledger_would_refuse_are_left_out_and_named(world: DeskWorld) -> None:
    cards = issue(world, 3)
    world.desk.change_status(cards[0][1], "withdrawn")
    world.ledger.offline = True
    waiting = world.desk.issue_person(person())
    world.ledger.offline = False
    rows = [
        f"{cards[0][0]},,,replaced,",
        f"{cards[1][0]},,,affirmed,",
        f"{cards[2][0]},,,replaced,",
        f"{cards[2][0]},,,replaced,",
        f"{waiting.sub},,,replaced,",
        "AAAAAAAAAAAAAAAA,,,replaced,",
        f",sc:1/0,{(cards[0][1].idx + 1) % 131072},replaced,",
        ",sc:1/0,seven,replaced,",
        f"{cards[1][0]},,,lost,",
        f"{cards[1][0]},,,withdrawn,taken",
        ",,,replaced,",
        f"{cards[1][0]},sc:1/0,1,replaced,",
    ]
    made = plan(world, "sub,list,number,set,reason\n" + "\n".join(rows) + "\n")
    assert [(item.number, item.code, item.field) for item in made.refused] == [
        (2, "bad_transition", "set"),
        (3, "bad_transition", "set"),
        (5, "bad_input", "id"),
        (6, "not_listed", "sub"),
        (7, "not_found", "sub"),
        (8, "not_found", "list"),
        (9, "not_found", "list"),
        (10, "bad_input", "set"),
        (11, "bad_input", "reason"),
        (12, "bad_input", ""),
        (13, "bad_input", ""),
    ]
    world.desk.status_batch().send(made)
    assert status(world, cards[2][1]) == 3


def test_planning_sends_and_stores_nothing(world: DeskWorld) -> None:
    cards = issue(world)
    size = world.ledger.tree_size
    assert plan(world, table(cards)).row_count == COUNT
    assert world.ledger.tree_size == size
    assert world.desk.status_batch().left_over() == []


def test_a_crash_at_any_durable_write_changes_each_place_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "_SCRYPT_N", 2)
    monkeypatch.setattr(status_batch, "MAX_ROWS", 2)
    at = 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        folder.mkdir()
        world = DeskWorld(folder)
        cards = issue(world, 4)
        made = plan(world, table(cards))
        with crash_at(monkeypatch, at):
            try:
                world.desk.status_batch().send(made)
            except Crash:
                pass
            else:
                break
        world.reopen()
        world.desk.status_batch().settle_left_over()
        world.desk.status_batch().send(plan(world, table(cards)))
        assert {status(world, place) for _, place in cards} == {3}
        assert statements(world) == 2
        assert world.ledger.registry.lists["sc:1/0"].seq == 2
        assert world.desk.status_batch().left_over() == []
    assert at == 11


def test_a_lost_answer_is_settled_before_anything_new_is_sent(world: DeskWorld) -> None:
    cards = issue(world)
    world.ledger.deaf = True
    with pytest.raises(CodedError) as lost:
        world.desk.status_batch().send(plan(world, table(cards[:3])))
    assert lost.value.code == "not_reachable"
    assert world.desk.status_batch().left_over() == ["sc:1/0"]
    world.ledger.deaf = False
    assert world.desk.status_batch().settle_left_over() == ["sc:1/0"]
    made = plan(world, table(cards))
    assert (made.row_count, made.already) == (3, 3)
    world.desk.status_batch().send(made)
    assert world.ledger.registry.lists["sc:1/0"].seq == 2


def test_another_desk_s_sequence_number_can_be_given(world: DeskWorld) -> None:
    cards = issue(world)
    world.desk.change_status(cards[0][1], "replaced")
    world.store.stage_status("sc:1/0", 9, b"")
    world.store.settle_status("sc:1/0", accepted=True)
    with pytest.raises(CodedError) as stale:
        world.desk.status_batch().send(plan(world, table(cards)))
    assert stale.value.code == "stale_action"
    made = plan(world, table(cards), **{"sc:1/0": 2})
    world.desk.status_batch().send(made)
    assert statements(world) == 2


@pytest.mark.parametrize("text", ["7", "sc:1/0", "sc:1/0=x", "1/0=7"])
def test_a_sequence_number_needs_its_list(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_seqs([text])
    assert error.value.field == "seq"


@pytest.mark.parametrize(
    ("count", "old", "new", "expected"),
    [(1, 0, 1, "perhaps"), (200, 0, 2, "perhaps"), (201, 0, 1, "yes"), (500, 0, 3, "no"), (500, 2, 1, "no")],
)
def test_what_will_be_held_is_said_beforehand(count: int, old: int, new: int, expected: str) -> None:
    rows = tuple(StatusRow(idx, old, new, 3, 202611) for idx in range(count))
    assert outlook(StatusChange("sc:1/0", 1, rows)) == expected


def test_a_held_place_is_left_out_and_the_rest_is_sent(world: DeskWorld) -> None:
    cards = issue(world, 23)
    rows = "".join(f"{sub},withdrawn\n" for sub, _ in cards[:21])
    world.desk.status_batch().send(plan(world, "sub,set\n" + rows))
    assert status(world, cards[0][1]) == 13
    again = plan(
        world, f"sub,set\n{cards[0][0]},withdrawn\n{cards[1][0]},replaced\n{cards[22][0]},replaced\n"
    )
    assert [(item.number, item.code) for item in again.refused] == [
        (2, "bad_transition"),
        (3, "bad_transition"),
    ]
    world.desk.status_batch().send(again)
    assert [status(world, place) for _, place in (cards[1], cards[22])] == [13, 3]
