"""Four eyes at a desk: no path of the library lets its key speak about status without a second person."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from credential.core.issue import StatusPlace
from issuer import desk_folder, status_batch, vault
from issuer.approval_journal import ApprovalJournal
from issuer.desk_config import format_config, parse_config
from issuer.errors import IssuerError
from issuer.second_signers import SecondSigners
from issuer.status_outbox import Approved, StatusOutbox
from issuer.status_request import LIFETIME_S, Part, approve_request, format_request, parse_request
from ledger.core.calendar_days import month_of_seconds
from ledger.core.cose_key import SoftwareSigner
from ledger.core.statement import parse_statement, sign_statement
from ledger.core.status_change import StatusChange, StatusRow
from ledger.errors import CodedError
from tests.support.crashes import Crash, crash_at
from tests.support.desks import DeskWorld, person
from tests.support.ledgers import seed

ROOT = Path(__file__).resolve().parent.parent.parent
BO = SoftwareSigner.from_seed("ed25519", seed("bo"))
CHI = SoftwareSigner.from_seed("ed25519", seed("chi"))
RULE = SecondSigners(1, (("bo", BO.public_key),))


class FourEyes(DeskWorld):
    """A desk that needs the approval of bo."""

    def __init__(self, folder: Path, cards: int = 3) -> None:
        super().__init__(folder)
        issued = [self.desk.issue_person(person()) for _ in range(cards)]
        self.subs = [item.sub for item in issued]
        self.places = [self.desk.place_of(item.case_file) for item in issued]
        self.rule(RULE)

    def rule(self, rule: SecondSigners) -> None:
        """Adopt a rule, as `adopt_rule` does once it is approved."""
        ApprovalJournal(self.store).adopt_rule(rule, self.config.second_signers)
        self.edit(rule)

    def edit(self, rule: SecondSigners) -> None:
        """Write a rule into the settings alone."""
        self.config = dataclasses.replace(self.config, second_signers=rule)
        self.reopen()

    def request(self, change: str = "withdrawn", count: int = 3) -> bytes:
        path = self.folder / "changes.csv"
        path.write_text("sub,set\n" + "".join(f"{sub},{change}\n" for sub in self.subs[:count]), "utf-8")
        plan = self.desk.status_batch().plan(path, now_s=self.ledger.now_s)
        return self.desk.approved_changes().request_changes(plan.parts, now_s=self.ledger.now_s)

    def send(self, request: bytes, approval: bytes, now_s: int | None = None) -> int:
        now_s = self.ledger.now_s if now_s is None else now_s
        return self.desk.approved_changes().send(request, approval, now_s=now_s)

    def statuses(self) -> list[int]:
        lists = self.ledger.registry.lists
        return [lists[place.uri].status(place.idx) for place in self.places]

    def statements(self) -> int:
        parsed = [parse_statement(entry) for entry in self.ledger.entries if len(entry) > 1]
        return sum(statement.kind == "status" for statement in parsed)

    def row(self, number: int = 0, new: int = 1, reason: int = 3) -> StatusRow:
        return StatusRow(self.places[number].idx, 0, new, reason, month_of_seconds(self.ledger.now_s))

    def outbox(self) -> StatusOutbox:
        return StatusOutbox(self.config, self.signer, self.store, self.ledger.client())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FourEyes:
    monkeypatch.setattr(vault, "_SCRYPT_N", 2)
    return FourEyes(tmp_path)


def approve(request: bytes, signer: SoftwareSigner = BO, name: str = "bo") -> bytes:
    return approve_request(request, name, signer)


def refused(code: str, call: object, *arguments: object, **named: object) -> IssuerError | CodedError:
    assert callable(call)
    with pytest.raises(CodedError) as error:
        call(*arguments, **named)
    assert error.value.code == code, str(error.value)
    return error.value


def test_what_a_second_signer_approved_is_registered(world: FourEyes) -> None:
    request = world.request()
    assert world.statements() == 0
    assert world.send(request, approve(request)) == 3
    assert world.statuses() == [1, 1, 1]
    assert world.statements() == 1


@pytest.mark.parametrize("change", ["withdrawn", "suspended", "replaced"])
def test_a_single_change_is_not_sent_without_approval(world: FourEyes, change: str) -> None:
    size = world.ledger.tree_size
    assert refused("out_of_scope", world.desk.change_status, world.places[0], change).field == "second_signer"
    assert world.ledger.tree_size == size
    assert world.store.lists_under_way() == []


@pytest.mark.parametrize("change", ["cleared", "affirmed"])
def test_a_suspension_is_not_lifted_without_approval(world: FourEyes, change: str) -> None:
    request = world.request("suspended")
    world.send(request, approve(request))
    refused("out_of_scope", world.desk.change_status, world.places[0], change)
    assert world.statuses() == [2, 2, 2]


def test_a_batch_is_not_sent_without_approval(world: FourEyes) -> None:
    path = world.folder / "changes.csv"
    path.write_text("sub\n" + "".join(f"{sub}\n" for sub in world.subs), "utf-8")
    batch = world.desk.status_batch()
    refused("out_of_scope", batch.send, batch.plan(path, now_s=world.ledger.now_s))
    assert world.statements() == 0
    assert batch.left_over() == []


def test_what_is_left_over_is_not_sent_without_approval(world: FourEyes) -> None:
    uri = world.places[0].uri
    statement = StatusChange(uri, 1, (world.row(),))
    world.store.stage_status(uri, 1, sign_statement("status", "civil-1", uri, statement, world.signer))
    for call in (world.desk.status_batch().settle_left_over, lambda: world.outbox().settle(uri)):
        refused("out_of_scope", call)
    refused("out_of_scope", world.desk.change_status, world.places[0], "replaced")
    assert world.statements() == 0


def test_an_approval_does_not_carry_another_left_over_than_its_own(world: FourEyes) -> None:
    request = world.request("replaced", 1)
    world.ledger.offline = True
    approved = Approved(request, approve(request), world.ledger.now_s)
    [part] = approved.request.parts
    world.outbox().send([StatusChange(part.uri, 1, part.rows)], approved=approved)
    uri = part.uri
    other = StatusChange(uri, 1, (world.row(1),))
    with world.store.transaction() as db:
        entry = sign_statement("status", "civil-1", uri, other, world.signer)
        db.execute("UPDATE status_list SET entry = ? WHERE uri = ?", (entry, uri))
    world.ledger.offline = False
    refused("out_of_scope", world.desk.status_batch().settle_left_over)
    assert world.statements() == 0


def test_the_door_itself_reads_the_approval_before_it_signs(world: FourEyes) -> None:
    request, other = world.request("suspended"), world.request("suspended", 1)
    [part] = parse_request(request).parts
    for approval, code in (
        (approve(request, CHI), "unknown_issuer"),
        (approve(request, CHI, "chi"), "unknown_issuer"),
        (approve(other), "bad_signature"),
        (b"", "malformed"),
    ):
        approved = Approved(request, approval, world.ledger.now_s)
        refused(code, world.outbox().send, [StatusChange(part.uri, 1, part.rows)], approved=approved)
    assert world.statements() == 0
    assert world.store.lists_under_way() == []


def test_the_door_reads_the_approval_again_before_it_sends_what_is_left_over(world: FourEyes) -> None:
    request = world.request("suspended")
    world.ledger.offline = True
    approved = Approved(request, approve(request), world.ledger.now_s)
    [part] = approved.request.parts
    world.outbox().send([StatusChange(part.uri, 1, part.rows)], approved=approved)
    with world.store.transaction() as db:
        db.execute("UPDATE status_request SET approval = ?", (approve(request, CHI, "chi"),))
    world.ledger.offline = False
    refused("unknown_issuer", world.desk.status_batch().settle_left_over)
    refused("unknown_issuer", world.desk.change_status, world.places[0], "replaced")
    assert world.statements() == 0


def test_nothing_is_signed_beside_a_statement_of_unknown_fate(world: FourEyes) -> None:
    first, second = world.request("suspended", 1), world.request("replaced", 2)
    world.ledger.offline = True
    approved = Approved(first, approve(first), world.ledger.now_s)
    [part] = approved.request.parts
    world.outbox().send([StatusChange(part.uri, 1, part.rows)], approved=approved)
    staged = world.store.status_seq(part.uri)
    world.ledger.offline = False
    other = Approved(second, approve(second), world.ledger.now_s)
    [part] = other.request.parts
    refused("stale_action", world.outbox().send, [StatusChange(part.uri, 1, part.rows)], approved=other)
    assert world.store.status_seq(part.uri) == staged
    assert world.statements() == 0


def test_what_is_left_over_uses_up_its_own_part_and_no_other(
    world: FourEyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_batch, "MAX_ROWS", 2)
    request = world.request("suspended")
    world.ledger.offline = True
    approved = Approved(request, approve(request), world.ledger.now_s)
    part = approved.request.parts[0]
    world.outbox().send([StatusChange(part.uri, 1, part.rows)], approved=approved)
    with world.store.transaction() as db:
        db.execute("UPDATE status_part SET number = 1")
    world.ledger.offline = False
    refused("out_of_scope", world.desk.status_batch().settle_left_over)


def test_a_signer_s_approval_of_what_the_ledger_refused_can_be_sent_again(world: FourEyes) -> None:
    request = world.request("suspended")
    approved = Approved(request, approve(request), world.ledger.now_s)
    [part] = approved.request.parts
    [outcome] = world.outbox().send([StatusChange(part.uri, 9, part.rows)], approved=approved)
    assert isinstance(outcome, CodedError)
    assert outcome.code == "stale_action"
    world.ledger.tells_seq = True
    assert world.send(request, approve(request)) == 3


def test_a_refusal_frees_no_part_that_the_ledger_has_accepted(world: FourEyes) -> None:
    first = world.request("suspended")
    world.send(first, approve(first))
    second = world.request("cleared")
    approved = Approved(second, approve(second), world.ledger.now_s)
    [part] = approved.request.parts
    [outcome] = world.outbox().send([StatusChange(part.uri, 9, part.rows)], approved=approved)
    assert isinstance(outcome, CodedError)
    refused("stale_action", world.send, first, approve(first))


def test_only_one_function_signs_a_status_with_the_desk_s_key() -> None:
    signing = []
    for path in sorted((ROOT / "issuer").glob("**/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "sign_statement"
                and not (isinstance(node.args[0], ast.Constant) and node.args[0].value == "application")
            ):
                signing.append(path.name)
    # A holder's own replacement is signed with the holder's key.
    assert signing == ["replacement.py", "status_outbox.py"]


@pytest.mark.parametrize("field", ["uri", "idx", "new", "month", "more"])
def test_an_approval_covers_exactly_its_rows(world: FourEyes, field: str) -> None:
    request = world.request("suspended", 1)
    approved = Approved(request, approve(request), world.ledger.now_s)
    [part] = approved.request.parts
    [row] = part.rows
    changed = {
        "uri": StatusChange("sc:1/2", 1, part.rows),
        "idx": StatusChange(part.uri, 1, (row._replace(idx=row.idx ^ 1),)),
        "new": StatusChange(part.uri, 1, (row._replace(new=1, reason=3),)),
        "month": StatusChange(part.uri, 1, (row._replace(month=row.month - 1),)),
        "more": StatusChange(part.uri, 1, tuple(sorted((row, row._replace(idx=row.idx ^ 1))))),
    }
    refused("out_of_scope", world.outbox().send, [changed[field]], approved=approved)
    assert world.statements() == 0
    assert world.store.lists_under_way() == []


def test_an_approval_counts_once(world: FourEyes) -> None:
    request = world.request("suspended")
    approval = approve(request)
    world.send(request, approval)
    cleared = world.request("cleared")
    world.send(cleared, approve(cleared))
    assert world.statuses() == [0, 0, 0]
    refused("stale_action", world.send, request, approval)
    approved = Approved(request, approval, world.ledger.now_s)
    [part] = approved.request.parts
    refused("stale_action", world.outbox().send, [StatusChange(part.uri, 3, part.rows)], approved=approved)
    assert world.statuses() == [0, 0, 0]


def test_an_approval_of_what_is_so_already_is_used_up(world: FourEyes) -> None:
    first, second = world.request("suspended"), world.request("suspended", 2)
    world.send(first, approve(first))
    assert world.send(second, approve(second)) == 2
    assert world.statements() == 1
    cleared = world.request("cleared")
    world.send(cleared, approve(cleared))
    refused("stale_action", world.send, second, approve(second))
    assert world.statuses() == [0, 0, 0]


def test_a_holder_s_own_replacement_in_between_leaves_the_rest_of_the_request(world: FourEyes) -> None:
    request = world.request("replaced")
    other = world.request("replaced", 1)
    world.send(other, approve(other))
    world.send(request, approve(request))
    assert world.statuses() == [3, 3, 3]


@pytest.mark.parametrize("meanwhile", ["withdrawn", "replaced"])
def test_a_place_that_has_moved_meanwhile_refuses_the_whole_request(world: FourEyes, meanwhile: str) -> None:
    request = world.request("suspended")
    other = world.request(meanwhile, 1)
    world.send(other, approve(other))
    before = world.statuses()
    refused("bad_transition", world.send, request, approve(request))
    assert world.statuses() == before
    assert world.store.lists_under_way() == []


def test_a_request_of_another_desk_is_refused(world: FourEyes) -> None:
    request = parse_request(world.request())
    others = [
        dataclasses.replace(request, issuer_id="civil-2"),
        dataclasses.replace(request, charter_hash=bytes(32)),
        dataclasses.replace(request, desk=1),
        dataclasses.replace(request, thumbprint=bytes(32)),
    ]
    for data in map(format_request, others):
        refused("out_of_scope", world.send, data, approve(data))
        approved = Approved(data, approve(data), world.ledger.now_s)
        [part] = approved.request.parts
        refused(
            "out_of_scope", world.outbox().send, [StatusChange(part.uri, 1, part.rows)], approved=approved
        )
    assert world.statements() == 0


def test_a_request_is_over_after_seven_days_even_at_a_desk_whose_clock_was_set_back(world: FourEyes) -> None:
    request = world.request()
    approval = approve(request)
    then_s = world.ledger.now_s
    refused("stale_action", world.send, request, approval, then_s + LIFETIME_S + 1)
    world.ledger.time_ms += (LIFETIME_S + 1) * 1000
    world.desk.issue_person(person())
    refused("stale_action", world.send, request, approval, then_s)
    assert world.statements() == 0


def test_a_signer_who_was_removed_approves_nothing_any_more(world: FourEyes) -> None:
    request = world.request()
    world.rule(SecondSigners(2, (("chi", CHI.public_key),)))
    refused("unknown_issuer", world.send, request, approve(request))
    refused("unknown_issuer", world.send, request, approve(request, BO, "chi"))
    assert world.send(request, approve(request, CHI, "chi")) == 3


def test_a_crash_at_any_durable_write_sends_each_change_once_and_needs_no_new_approval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "_SCRYPT_N", 2)
    monkeypatch.setattr(status_batch, "MAX_ROWS", 2)
    at = 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        folder.mkdir()
        world = FourEyes(folder)
        request = world.request("suspended")
        approval = approve(request)
        with crash_at(monkeypatch, at):
            try:
                world.send(request, approval)
            except Crash:
                pass
            else:
                break
        world.reopen()
        try:
            world.send(request, approval)
        except CodedError as error:
            assert error.code == "stale_action"  # all of it was done; the crash came after the last write
        assert world.statuses() == [2, 2, 2]
        assert world.statements() == 2
        assert world.store.lists_under_way() == []
        refused("stale_action", world.send, request, approval)
    assert at > 8


def test_a_lost_answer_is_settled_with_the_same_approval(world: FourEyes) -> None:
    request = world.request()
    world.ledger.deaf = True
    refused("not_reachable", world.send, request, approve(request))
    world.ledger.deaf = False
    assert world.send(request, approve(request)) == 3
    assert world.statements() == 1
    refused("stale_action", world.send, request, approve(request))


def test_the_next_sequence_number_is_asked_for_with_the_same_approval(world: FourEyes) -> None:
    world.store.stage_status("sc:1/0", 7, b"")
    world.store.settle_status("sc:1/0", accepted=True)
    request = world.request()
    refused("stale_action", world.send, request, approve(request))
    world.ledger.tells_seq = True
    assert world.send(request, approve(request)) == 3
    assert world.statuses() == [1, 1, 1]


def test_the_next_sequence_number_can_be_given_with_the_same_approval(world: FourEyes) -> None:
    world.store.stage_status("sc:1/0", 7, b"")
    world.store.settle_status("sc:1/0", accepted=True)
    request = world.request()
    sending = world.desk.approved_changes()
    sending.send(request, approve(request), now_s=world.ledger.now_s, seqs={"sc:1/0": 1})
    assert world.statuses() == [1, 1, 1]


def test_requests_name_only_changes_that_the_status_allows(world: FourEyes) -> None:
    part = Part(world.places[0].uri, (world.row(new=0, reason=6),))
    refused("bad_transition", world.desk.approved_changes().request_changes, [part], now_s=0)


@pytest.mark.parametrize(
    "edited",
    [
        SecondSigners(),
        SecondSigners(1),
        SecondSigners(2),
        SecondSigners(1, (("bo", CHI.public_key),)),
        SecondSigners(1, (("chi", CHI.public_key),)),
        SecondSigners(2, (("bo", BO.public_key), ("chi", CHI.public_key))),
    ],
)
def test_settings_with_a_rule_that_was_not_adopted_are_noticed(
    world: FourEyes, edited: SecondSigners
) -> None:
    request = world.request("replaced", 1)
    world.send(request, approve(request))
    world.edit(edited)
    refused("stale_action", world.desk.change_status, world.places[1], "withdrawn")
    other = world.request("withdrawn", 2)
    [(name, _), *_] = edited.signers or RULE.signers
    for signer in (BO, CHI):
        with pytest.raises(CodedError):
            world.send(other, approve(other, signer, name))
    assert world.statuses()[1] == 0


def test_what_is_left_over_is_not_sent_under_a_rule_that_was_not_adopted(world: FourEyes) -> None:
    uri = world.places[0].uri
    statement = StatusChange(uri, 1, (world.row(),))
    world.store.stage_status(uri, 1, sign_statement("status", "civil-1", uri, statement, world.signer))
    world.edit(SecondSigners())
    refused("stale_action", world.outbox().settle, uri)
    assert world.statements() == 0


def test_a_rule_that_was_not_adopted_adopts_no_other(world: FourEyes) -> None:
    folder, now_s = world.folder, world.ledger.now_s
    (folder / desk_folder.CONFIG).write_bytes(format_config(world.config))
    brought_back = world.desk.approved_changes().request_rule((), now_s=now_s)
    world.rule(SecondSigners(2, (("chi", CHI.public_key),)))
    for edited, data, approval in (
        # A signer who was removed, with the settings of when she was one; and signers whom nobody approved.
        (RULE, brought_back, approve(brought_back)),
        (SecondSigners(2, (("bo", BO.public_key),)), None, None),
    ):
        world.edit(edited)
        (folder / desk_folder.CONFIG).write_bytes(format_config(world.config))
        data = data or world.desk.approved_changes().request_rule((), now_s=now_s)
        approval = approval or approve(data)
        refused("stale_action", desk_folder.adopt_rule, folder, world.desk, data, approval, now_s=now_s)
        assert parse_config((folder / desk_folder.CONFIG).read_bytes()).second_signers == edited


def test_a_crash_between_state_and_settings_is_ended_with_the_same_files(
    world: FourEyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, now_s = world.folder, world.ledger.now_s
    (folder / desk_folder.CONFIG).write_bytes(format_config(world.config))
    data = world.desk.approved_changes().request_rule((("chi", CHI.public_key),), now_s=now_s)

    def stop(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(desk_folder, "replace_file", stop)
        with pytest.raises(Crash):
            desk_folder.adopt_rule(folder, world.desk, data, approve(data), now_s=now_s)
    request = world.request()
    refused("stale_action", world.send, request, approve(request))
    rule = desk_folder.adopt_rule(folder, world.desk, data, approve(data), now_s=now_s)
    assert parse_config((folder / desk_folder.CONFIG).read_bytes()).second_signers == rule
    world.edit(rule)
    assert world.send(request, approve(request, CHI, "chi")) == 3


def test_the_rule_changes_only_with_one_of_its_signers(world: FourEyes) -> None:
    changes = world.desk.approved_changes()
    now_s = world.ledger.now_s
    data = changes.request_rule((("chi", CHI.public_key),), now_s=now_s)
    refused("unknown_issuer", changes.check_rule_change, data, approve(data, CHI, "chi"), now_s=now_s)
    rule = changes.check_rule_change(data, approve(data), now_s=now_s)
    assert rule == SecondSigners(2, (("chi", CHI.public_key),))
    refused("usage", changes.send, data, approve(data), now_s=now_s)
    refused("stale_action", changes.check_rule_change, data, approve(data), now_s=now_s + LIFETIME_S + 1)
    world.rule(rule)
    refused(
        "unknown_issuer", world.desk.approved_changes().check_rule_change, data, approve(data), now_s=now_s
    )
    world.rule(SecondSigners(3, RULE.signers))
    refused("stale_action", world.desk.approved_changes().check_rule_change, data, approve(data), now_s=now_s)


def test_a_rule_is_asked_for_by_the_later_of_two_clocks(world: FourEyes) -> None:
    changes, then_s = world.desk.approved_changes(), world.ledger.now_s
    data = changes.request_rule((), now_s=then_s)
    world.ledger.time_ms += (LIFETIME_S + 1) * 1000
    world.desk.issue_person(person())
    refused("stale_action", changes.check_rule_change, data, approve(data), now_s=then_s)


def test_the_first_rule_holds_once_one_of_its_signers_has_signed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "_SCRYPT_N", 2)
    desk = DeskWorld(tmp_path)
    changes, now_s = desk.desk.approved_changes(), desk.ledger.now_s
    data = changes.request_rule(RULE.signers, now_s=now_s)
    refused("unknown_issuer", changes.check_rule_change, data, approve(data, CHI), now_s=now_s)
    assert changes.check_rule_change(data, approve(data), now_s=now_s) == RULE


def test_the_rule_waits_for_statements_of_unknown_fate(world: FourEyes) -> None:
    request = world.request()
    world.ledger.deaf = True
    refused("not_reachable", world.send, request, approve(request))
    world.ledger.deaf = False
    changes, now_s = world.desk.approved_changes(), world.ledger.now_s
    data = changes.request_rule((), now_s=now_s)
    refused("stale_action", changes.check_rule_change, data, approve(data), now_s=now_s)
    world.send(request, approve(request))
    assert changes.check_rule_change(data, approve(data), now_s=now_s) == SecondSigners(2)


def test_a_desk_without_the_rule_works_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_SCRYPT_N", 2)
    desk = DeskWorld(tmp_path)
    place = desk.desk.place_of(desk.desk.issue_person(person()).case_file)
    desk.desk.change_status(StatusPlace(place.uri, place.idx), "suspended")
    assert desk.ledger.registry.lists[place.uri].status(place.idx) == 2
    request = desk.desk.approved_changes().request_changes(
        [desk.desk.plan_change(place, "cleared")], now_s=desk.ledger.now_s
    )
    sending = desk.desk.approved_changes()
    refused("unknown_issuer", sending.send, request, approve(request), now_s=desk.ledger.now_s)
