"""The desk: places, registration, crashes, and changes of status."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from credential.core.case_file import open_case, parse_case_file
from credential.core.holder import parse_words
from credential.core.issue import PersonClaims, StatusPlace
from credential.errors import SecretError
from issuer.desk import Desk, Issued
from issuer.desk_store import DeskStore
from issuer.errors import InputError, IssuerError
from issuer.ledger_view import open_view
from issuer.places import PlaceDraw
from ledger.core.cells import fold_cell
from ledger.core.merkle import leaf_hash
from ledger.core.statement import parse_statement
from ledger.errors import CodedError, VerificationError
from tests.support.desks import DeskWorld, person


@pytest.fixture
def world(tmp_path: Path) -> DeskWorld:
    return DeskWorld(tmp_path)


def place_of(world: DeskWorld, issued: Issued) -> StatusPlace:
    return world.desk.place_of(issued.case_file)


def test_an_issued_person_gets_words_and_a_case_file_with_the_logged_bytes(world: DeskWorld) -> None:
    issued = world.desk.issue_person(person())
    assert issued.is_listed
    assert parse_words(issued.words) == issued.secret
    case = open_case(issued.case_file, issued.secret)
    assert world.ledger.entries[case.index] == case.entry
    cell = fold_cell(leaf_hash(case.entry), case.index, case.path)
    assert cell == bytes(world.trusted().cell(case.index))
    assert case.title == "Civil registry of Example"


def test_many_people_share_an_epoch(world: DeskWorld) -> None:
    size = world.ledger.tree_size
    seen: list[None] = []
    outcomes = world.desk.issue_people([(person(), None)] * 5, done=lambda: seen.append(None))
    assert all(isinstance(outcome, Issued) and outcome.is_listed for outcome in outcomes)
    assert world.ledger.tree_size == size + 16
    assert len(seen) == 5


def test_a_holder_may_bring_words_of_an_earlier_card(world: DeskWorld) -> None:
    secret = bytes(range(16))
    issued = world.desk.issue_person(person(), secret)
    assert issued.secret == secret


def test_a_place_is_never_drawn_twice(world: DeskWorld) -> None:
    class Repeating:
        """Gives the same four bytes for each draw, until it has been asked for three places."""

        draws = 0

        def __call__(self, size: int) -> bytes:
            if size == 4:
                self.draws += 1
                return bytes(4) if self.draws < 4 else bytes((0, 0, 0, self.draws))
            return world.random_bytes(size)

    desk = Desk(
        world.config,
        world.signer,
        world.store,
        world.ledger.client(),
        random_bytes=Repeating(),
        now_s=lambda: world.ledger.now_s,
    )
    desk.issue_people([(PersonClaims(), None), (PersonClaims(), None)])
    desk.issue_person(PersonClaims())
    taken = world.ledger.registry.lists["sc:1/0"]
    assert taken.used == 3


@pytest.mark.parametrize(
    ("drawn", "idx"), [(0, 0), (131_071, 131_071), (131_072, 0), (0x12345678, 0x5678), (2**32 - 1, 131_071)]
)
def test_a_place_is_17_bits_of_what_was_drawn_at_random(world: DeskWorld, drawn: int, idx: int) -> None:
    """Of four random bytes each of the 131,072 places has equally many values."""

    def random_bytes(size: int) -> bytes:
        assert size == 4
        return drawn.to_bytes(4)

    assert PlaceDraw(world.config, world.store, random_bytes).next_place() == StatusPlace("sc:1/0", idx)


def test_a_desk_draws_from_its_own_list(tmp_path: Path) -> None:
    world = DeskWorld(tmp_path, desk=1)
    issued = world.desk.issue_person(person())
    assert place_of(world, issued).uri == "sc:1/1"


def test_a_half_used_list_gives_way_to_the_desk_s_next(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"sc:1/0": 65_536, "sc:1/2": 65_536, "sc:1/4": 0}
    monkeypatch.setattr(DeskStore, "count_listed", lambda _self, uri: counts[uri])
    world.ledger.offline = True
    issued = world.desk.issue_person(person())
    assert place_of(world, issued).uri == "sc:1/4"


def test_without_a_network_the_card_is_provisional_and_completed_later(world: DeskWorld) -> None:
    world.ledger.offline = True
    issued = world.desk.issue_person(person())
    assert not issued.is_listed
    assert issued.waits_for == "not_reachable"
    assert not open_case(issued.case_file, issued.secret).is_listed
    with pytest.raises(IssuerError) as still:
        world.desk.complete(issued.case_file, issued.secret)
    assert still.value.code == "not_reachable"
    world.ledger.offline = False
    completed = world.desk.complete(issued.case_file, issued.secret)
    case = open_case(completed, issued.secret)
    assert world.ledger.entries[case.index] == case.entry
    assert world.desk.complete(completed, issued.secret) == completed


def test_a_credential_whose_answer_was_lost_is_sent_again_with_the_same_bytes(
    world: DeskWorld, tmp_path: Path
) -> None:
    world.ledger.deaf = True
    issued = world.desk.issue_person(person())
    assert not issued.is_listed
    size = world.ledger.tree_size
    world.ledger.deaf = False
    # As after a crash: a new process on the same file.
    again = Desk(
        world.config,
        world.signer,
        DeskStore(tmp_path / "desk.sqlite"),
        world.ledger.client(),
        random_bytes=world.random_bytes,
        now_s=lambda: world.ledger.now_s,
    )
    assert again.register_pending() == [(issued.sub, "")]
    assert world.ledger.tree_size == size
    assert open_case(again.complete(issued.case_file, issued.secret), issued.secret).is_listed


def test_a_refusal_is_reported_and_its_place_stays_used(world: DeskWorld) -> None:
    from ledger.core.actions import Suspend

    world.ledger.act("civil-1", Suspend())
    with pytest.raises(CodedError) as refused:
        world.desk.issue_person(person())
    assert refused.value.code == "out_of_scope"
    assert world.desk.pending() == []
    assert world.store.outgoing() == []


def test_wrong_words_complete_nothing(world: DeskWorld) -> None:
    world.ledger.offline = True
    issued = world.desk.issue_person(person())
    with pytest.raises(SecretError):
        world.desk.complete(issued.case_file, bytes(16))


def test_forget_keeps_what_is_not_listed(world: DeskWorld) -> None:
    world.ledger.offline = True
    issued = world.desk.issue_person(person())
    world.desk.forget(issued.sub)
    assert [item.sub for item in world.desk.pending()] == [issued.sub]
    world.ledger.offline = False
    world.desk.register_pending()
    world.desk.forget(issued.sub)
    assert world.store.outgoing() == []
    assert world.store.place_of(issued.sub) is not None


def test_the_state_of_the_desk_holds_no_word_of_the_person(world: DeskWorld, tmp_path: Path) -> None:
    world.ledger.offline = True
    issued = world.desk.issue_person(person())
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    case = open_case(issued.case_file, issued.secret)
    for secret in (
        "مريم".encode(),
        b"MARYAM",
        b"Deir ez-Zor",
        b"flood",
        issued.secret,
        issued.words.encode(),
    ):
        assert secret not in stored
    assert not any(content in stored for content in case.disclosures)


def test_an_unconnected_desk_issues_nothing(world: DeskWorld) -> None:
    config = dataclasses.replace(world.config, number=0, charter="")
    with pytest.raises(IssuerError) as error:
        Desk(
            config,
            world.signer,
            world.store,
            world.ledger.client(),
            random_bytes=world.random_bytes,
            now_s=lambda: 0,
        )
    assert error.value.code == "usage"


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ((("replaced", None),), 3),
        ((("withdrawn", "corrected"),), 1),
        ((("suspended", None), ("cleared", None)), 0),
        ((("suspended", "contested"), ("withdrawn", "withdrawn")), 1),
    ],
)
def test_a_desk_changes_the_status_of_its_cards(
    world: DeskWorld, steps: tuple[tuple[str, str | None], ...], status: int
) -> None:
    issued = world.desk.issue_person(person())
    place = place_of(world, issued)
    for change, reason in steps:
        registered = world.desk.change_status(place, change, reason)
        assert parse_statement(registered.entry).kind == "status"
    view = open_view(world.ledger.bundle(), world.ledger.charter_hash)
    assert view.status(place.uri, place.idx) == status


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [("lost", None, "set"), ("withdrawn", "taken", "reason"), ("replaced", "withdrawn", "reason")],
)
def test_a_change_that_does_not_exist_names_the_field(
    world: DeskWorld, change: str, reason: str | None, field: str
) -> None:
    with pytest.raises(InputError) as error:
        world.desk.change_status(StatusPlace("sc:1/0", 1), change, reason)
    assert error.value.field == field


@pytest.mark.parametrize(
    "place", [StatusPlace("sc:1/0", 131_072), StatusPlace("sc:1/0", -1), StatusPlace("1/0", 0)]
)
def test_a_place_that_is_none_names_the_field(world: DeskWorld, place: StatusPlace) -> None:
    with pytest.raises(InputError) as error:
        world.desk.change_status(place, "replaced")
    assert error.value.field == "place"


def test_a_final_status_cannot_change(world: DeskWorld) -> None:
    place = place_of(world, world.desk.issue_person(person()))
    world.desk.change_status(place, "withdrawn")
    with pytest.raises(CodedError) as error:
        world.desk.change_status(place, "cleared")
    assert error.value.code == "bad_transition"
    other = place_of(world, world.desk.issue_person(person()))
    assert world.desk.change_status(other, "replaced").index > 0


def test_a_status_statement_whose_answer_was_lost_counts_once(world: DeskWorld) -> None:
    first = place_of(world, world.desk.issue_person(person()))
    second = place_of(world, world.desk.issue_person(person()))
    world.ledger.deaf = True
    with pytest.raises(CodedError) as lost:
        world.desk.change_status(first, "replaced")
    assert lost.value.code == "not_reachable"
    world.ledger.deaf = False
    world.desk.change_status(second, "replaced")
    assert world.ledger.registry.lists[first.uri].seq == 2
    assert world.ledger.registry.lists[first.uri].status(first.idx) == 3


def test_another_desk_s_sequence_number_can_be_given(world: DeskWorld) -> None:
    first = place_of(world, world.desk.issue_person(person()))
    second = place_of(world, world.desk.issue_person(person()))
    world.desk.change_status(first, "replaced")
    world.store.stage_status(first.uri, 7, b"")
    world.store.settle_status(first.uri, accepted=True)
    with pytest.raises(CodedError) as error:
        world.desk.change_status(second, "replaced")
    assert error.value.code == "stale_action"
    world.desk.change_status(second, "replaced", seq=2)
    assert world.ledger.registry.lists[first.uri].seq == 2


def test_a_ledger_that_tells_the_next_number_is_asked_once(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (place_of(world, world.desk.issue_person(person())) for _ in range(3))
    world.desk.change_status(first, "replaced")
    world.store.stage_status(first.uri, 7, b"")
    world.store.settle_status(first.uri, accepted=True)
    world.ledger.tells_seq = True
    world.desk.change_status(second, "replaced")
    assert world.store.status_seq(first.uri) == (2, None)
    world.store.stage_status(first.uri, 7, b"")
    world.store.settle_status(first.uri, accepted=True)
    asked = []

    def lie(uri: str) -> int:
        asked.append(uri)
        return 99

    monkeypatch.setattr(world.ledger, "hint", lie)
    world.desk = Desk(
        world.config, world.signer, world.store, world.ledger.client(),
        random_bytes=world.random_bytes, now_s=lambda: world.ledger.now_s,
    )  # fmt: skip
    with pytest.raises(CodedError) as error:
        world.desk.change_status(third, "replaced")
    assert (error.value.code, asked) == ("stale_action", [first.uri])
    assert world.store.status_seq(first.uri) == (7, None)


def test_the_place_of_a_foreign_case_file_is_not_known(world: DeskWorld, tmp_path: Path) -> None:
    issued = world.desk.issue_person(person())
    (tmp_path / "other").mkdir()
    other = DeskWorld(tmp_path / "other")
    with pytest.raises(IssuerError) as error:
        other.desk.place_of(issued.case_file)
    assert error.value.code == "not_found"


def test_a_receipt_of_another_ledger_is_not_believed(world: DeskWorld) -> None:
    good = world.ledger.answer
    world.ledger.deaf = True
    issued = world.desk.issue_person(person())
    world.ledger.deaf = False
    [pending] = world.desk.pending()
    [answer] = good([pending.entry])
    assert isinstance(answer, bytes)
    from issuer.ledger_client import LedgerPin, check_registered

    pin = world.ledger.desk_pin
    key = world.signer.public_key
    assert check_registered(pending.entry, answer, key, pin).index > 0
    with pytest.raises(VerificationError) as error:
        check_registered(pending.entry, answer, key, LedgerPin("other.example/x", b"", pin.receipts_key))
    assert error.value.code == "not_listed"
    with pytest.raises(VerificationError) as forged:
        check_registered(pending.entry, answer, key, LedgerPin(pin.origin, b"", key))
    assert forged.value.code == "bad_signature"
    assert parse_case_file(issued.case_file).sub == pending.sub


def test_an_answer_about_another_statement_is_not_believed(world: DeskWorld) -> None:
    from issuer.ledger_client import check_registered

    issued = [world.desk.issue_person(person()) for _ in range(2)]
    cases = [open_case(item.case_file, item.secret) for item in issued]
    answer = world.ledger.transparent(cases[0].index)
    with pytest.raises(VerificationError) as error:
        check_registered(cases[1].entry, answer, world.signer.public_key, world.ledger.desk_pin)
    assert error.value.code == "not_listed"


def test_a_bundle_with_another_charter_is_refused(world: DeskWorld) -> None:
    with pytest.raises(VerificationError) as error:
        open_view(world.ledger.bundle(), bytes(32))
    assert error.value.code == "bundle_invalid"


def test_a_store_may_be_let_go_in_another_thread(tmp_path: Path) -> None:
    store = DeskStore(tmp_path / "desk.sqlite")
    with ThreadPoolExecutor(1) as other:
        other.submit(store.close).result()
    with pytest.raises(IssuerError):
        store.is_used("sc:1/0", 1)
