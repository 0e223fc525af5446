"""The command line of the desk, from the application to a change of status."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from credential.core.case_file import open_case
from credential.core.holder import parse_words
from issuer import cli, cli_desk, handover
from issuer.application import check_application
from issuer.desk_config import parse_config
from issuer.desk_folder import work_at
from issuer.errors import IssuerError
from issuer.qr import read_symbols
from tests.support.desks import SubmittingLedger

PASSPHRASE = "correct horse"
PERSON = {
    "names": [{"text": "مريم", "latin": "MARYAM"}],
    "birth": {"earliest": "2009-01-01", "latest": "2009-12-31"},
}


@dataclass
class Console:
    """Runs the command line in this process, in a folder of its own."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    ledger: SubmittingLedger = field(default_factory=SubmittingLedger)
    out: str = ""
    err: str = ""

    def run(self, *arguments: str) -> int:
        """Return the exit code; `out` and `err` are what was printed."""
        self.capture.readouterr()
        self.patch.setattr(sys, "argv", ["sc-issuer", *arguments])
        try:
            code = cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        captured = self.capture.readouterr()
        self.out, self.err = captured.out, captured.err
        return code

    def write(self, name: str, value: object) -> str:
        """Write a JSON file and return its path."""
        (self.folder / name).write_text(json.dumps(value), encoding="utf-8")
        return str(self.folder / name)

    def init(self, *more: str) -> int:
        return self.run(
            "init", "--id", "civil-1", "--authority", "interior", "--title", "Civil registry",
            "--ledger-origin", self.ledger.origin, *more,
        )  # fmt: skip

    def connect(self) -> int:
        application = check_application((self.folder / "desk" / "application.cose").read_bytes())
        [key] = application.admission.keys
        self.ledger.admit_key(application.issuer_id, key)
        bundle = self.folder / "bundle"
        bundle.write_bytes(self.ledger.bundle())
        return self.run(
            "connect", "--ledger", "http://ledger.example", "--charter", self.ledger.charter_hash.hex(),
            "--bundle", str(bundle),
        )  # fmt: skip

    def cards(self) -> list[str]:
        """Names of the files in the folder of cards, without the subject."""
        return sorted(
            re.sub(r"^card-.{16}", "card", path.name) for path in (self.folder / "desk/cards").iterdir()
        )

    @property
    def case_file(self) -> Path:
        [path] = (self.folder / "desk" / "cards").glob("*.case")
        return path


@pytest.fixture
def console(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAFECONDUCT_PASSPHRASE", PASSPHRASE)
    monkeypatch.delenv("SAFECONDUCT_DESK", raising=False)
    made = Console(tmp_path, capsys, monkeypatch)
    monkeypatch.setattr(cli_desk, "make_client", lambda _url, _pin: made.ledger.client())
    monkeypatch.setattr(cli_desk, "now_s", lambda: made.ledger.now_s)
    return made


@pytest.fixture
def ready(console: Console) -> Console:
    assert console.init() == 0
    assert console.connect() == 0
    return console


def words_of(out: str) -> str:
    found = re.search(r"words: ((?:[a-z]+ ?){12})", out)
    assert found is not None
    return found[1]


def test_init_writes_key_settings_and_application(console: Console) -> None:
    assert console.init("--rate", "20", "--desks", "3", "--vct", "sc:identity") == 0
    application = check_application((console.folder / "desk/application.cose").read_bytes())
    assert application.admission.scope.vcts == ("sc:identity",)
    assert application.admission.keys[0].thumbprint().hex() in console.out
    assert {path.name for path in (console.folder / "desk").iterdir()} == {
        "key.pem",
        "desk.json",
        "application.cose",
    }


def test_init_refuses_a_second_time_and_keeps_the_key(console: Console) -> None:
    console.init()
    before = (console.folder / "desk/key.pem").read_bytes()
    assert console.init() == 1
    assert "bad_input" in console.err
    assert (console.folder / "desk/key.pem").read_bytes() == before


def test_init_goes_on_where_it_was_interrupted(console: Console) -> None:
    console.init()
    (console.folder / "desk/desk.json").unlink()
    key = (console.folder / "desk/key.pem").read_bytes()
    assert console.init() == 0
    assert (console.folder / "desk/key.pem").read_bytes() == key


@pytest.mark.parametrize(
    ("more", "field"),
    [(("--title", "x" * 81), "title"), (("--rate", "-1"), "rate"), (("--desk-number", "1"), "desk-number")],
)
def test_a_mistyped_value_names_the_field_and_leaves_nothing_behind(
    console: Console, more: tuple[str, str], field: str
) -> None:
    assert console.init(*more) == 1
    assert "bad_input" in console.err
    assert f"[{field}]" in console.err
    assert not (console.folder / "desk").exists()


def test_connect_learns_the_number_and_pins_the_charter(ready: Console) -> None:
    config = parse_config((ready.folder / "desk/desk.json").read_bytes())
    assert (config.number, config.charter) == (1, ready.ledger.charter_hash.hex())
    assert "number 1" in ready.out


@pytest.mark.parametrize(("charter", "code"), [("00" * 32, "bundle_invalid"), ("zz", "bad_input")])
def test_connect_believes_no_other_charter(console: Console, charter: str, code: str) -> None:
    console.init()
    (console.folder / "bundle").write_bytes(console.ledger.bundle())
    assert console.run("connect", "--ledger", "http://x", "--charter", charter, "--bundle", "bundle") == 1
    assert code in console.err
    assert not parse_config((console.folder / "desk/desk.json").read_bytes()).is_connected


def test_connect_before_the_admission_says_so(console: Console) -> None:
    console.init()
    (console.folder / "bundle").write_bytes(console.ledger.bundle())
    charter = console.ledger.charter_hash.hex()
    assert console.run("connect", "--ledger", "http://x", "--charter", charter, "--bundle", "bundle") == 1
    assert "unknown_issuer" in console.err


def test_issue_writes_case_file_card_words_and_slip(ready: Console) -> None:
    assert ready.run("issue", ready.write("p.json", PERSON), "--print-name") == 0
    assert "registered" in ready.out
    assert ready.cards() == [
        "card-back.png", "card-card.pdf", "card-front.png", "card-slip.pdf", "card-slip.png", "card-words.pdf",
        "card.case",
    ]  # fmt: skip
    front = (ready.case_file.with_name(ready.case_file.stem + "-front.png")).read_bytes()
    [text] = read_symbols(front)
    assert text.startswith("SC1:")


def test_issue_shows_the_words_once_if_asked_and_prints_a_card_again_with_them(ready: Console) -> None:
    assert ready.run("issue", ready.write("p.json", PERSON), "--show-words") == 0
    assert "card-words.pdf" not in ready.cards()
    words = words_of(ready.out)
    case = open_case(ready.case_file.read_bytes(), parse_words(words))
    assert case.is_listed
    (ready.folder / "words").write_text(words + "\n")
    assert ready.run("card", str(ready.case_file), "--words-file", "words", "--out", "again") == 0
    assert {path.suffix for path in (ready.folder / "again").iterdir()} == {".png", ".pdf"}


def test_nothing_that_is_printed_names_the_person(ready: Console) -> None:
    ready.run("issue", ready.write("p.json", PERSON))
    for text in (ready.out, ready.err, *ready.cards()):
        assert "MARYAM" not in text
        assert "مريم" not in text


def test_words_that_do_not_open_the_file_print_nothing(ready: Console) -> None:
    ready.run("issue", ready.write("p.json", PERSON))
    (ready.folder / "words").write_text("abandon " * 11 + "about")
    assert ready.run("card", str(ready.case_file), "--words-file", "words", "--out", "again") == 1
    assert "wrong_secret" in ready.err
    assert list((ready.folder / "again").glob("*")) == []


def test_several_people_and_one_bad_record_issue_nothing(ready: Console) -> None:
    good = ready.write("a.json", PERSON)
    bad = ready.write("b.json", PERSON | {"sex": "yes"})
    assert ready.run("issue", good, bad) == 1
    assert "[sex]" in ready.err
    assert ready.ledger.registry.lists == {}


def test_several_people_are_issued_in_one_epoch(ready: Console) -> None:
    size = ready.ledger.tree_size
    assert ready.run("issue", ready.write("a.json", PERSON), ready.write("b.json", PERSON)) == 0
    assert ready.ledger.tree_size == size + 16
    assert ready.cards().count("card.case") == 2


def test_without_a_network_the_case_is_completed_later(ready: Console) -> None:
    ready.ledger.offline = True
    assert ready.run("issue", ready.write("p.json", PERSON), "--show-words") == 0
    assert "not registered yet" in ready.out
    (ready.folder / "words").write_text(words_of(ready.out))
    assert ready.run("resend") == 4
    ready.ledger.offline = False
    assert ready.run("resend") == 0
    assert ready.run("card", str(ready.case_file), "--words-file", "words") == 0
    assert open_case(
        ready.case_file.read_bytes(), parse_words((ready.folder / "words").read_text())
    ).is_listed


def test_a_companion_s_card_needs_a_child_and_a_day(ready: Console) -> None:
    person = ready.write("p.json", PERSON)
    assert ready.run("issue", person, "--vct", "sc:companion") == 1
    assert "[child]" in ready.err
    more = ("--child", "A" * 16, "--until")
    assert ready.run("issue", person, "--vct", "sc:companion", *more, "tomorrow") == 1
    assert "[until]" in ready.err
    assert ready.run("issue", person, *more, "2026-12-01") == 1
    assert "[vct]" in ready.err
    assert ready.run("issue", person, "--vct", "sc:companion", *more, "2026-12-01", "--scope", "school") == 0


def test_a_status_is_changed_by_case_file_or_by_place(ready: Console) -> None:
    ready.run("issue", ready.write("p.json", PERSON))
    assert ready.run("status", "change", str(ready.case_file), "--set", "suspended") == 0
    [(uri, state)] = ready.ledger.registry.lists.items()
    [idx] = state.reasons
    assert state.status(idx) == 2
    assert (
        ready.run("status", "change", "--place", uri, str(idx), "--set", "withdrawn", "--reason", "corrected")
        == 0
    )
    assert state.status(idx) == 1
    assert ready.run("status", "change", "--place", uri, str(idx), "--set", "cleared") == 1
    assert "bad_transition" in ready.err


def test_a_status_needs_one_place_and_a_known_change(ready: Console) -> None:
    assert ready.run("status", "change", "--set", "replaced") == 1
    assert "[place]" in ready.err
    assert ready.run("status", "change", "--place", "sc:1/0", "7", "--set", "lost") == 1
    assert "[set]" in ready.err


def test_sizes_shows_every_part_and_the_goal(console: Console) -> None:
    assert console.run("sizes") == 0
    for text in ("sc:identity", "sc:companion", "position", "signature", "603", "585"):
        assert text in console.out


def test_exit_codes_tell_usage_from_refusal(console: Console) -> None:
    assert console.run("issue") == 2
    assert console.run("nonsense") == 2
    assert console.run("issue", console.write("p.json", PERSON)) == 1
    assert "not_found" in console.err
    console.init()
    assert console.run("issue", console.write("p.json", PERSON)) == 2
    assert "usage" in console.err


def test_a_wrong_passphrase_opens_no_desk(ready: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    (ready.folder / "pass").write_text("wrong horse\n")
    assert ready.run("resend", "--passphrase-file", "pass") == 1
    assert "wrong_secret" in ready.err
    (ready.folder / "pass").write_text(PASSPHRASE + "\n")
    monkeypatch.setenv("SAFECONDUCT_PASSPHRASE", "wrong horse")
    assert ready.run("resend", "--passphrase-file", "pass") == 0


def write_people(console: Console, *rows: str) -> str:
    """Write PEOPLE.csv and return its path."""
    lines = ["id,name,latin,sex", *rows]
    (console.folder / "people.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(console.folder / "people.csv")


def test_a_batch_is_issued_and_run_again_without_a_change(ready: Console) -> None:
    people = write_people(ready, "1,Hosna,HOSNA,female", "2,Ali,ALI,male")
    assert ready.run("batch", people, "--out", "sheets", "--size", "1") == 0
    assert "Issued: 2; done before: 0; not issued: 0" in ready.out
    names = sorted(path.name for path in (ready.folder / "sheets").iterdir())
    assert [name for name in names if name.endswith("-cards.pdf")] == [
        "sheet-0001-cards.pdf",
        "sheet-0002-cards.pdf",
    ]
    size = ready.ledger.tree_size
    assert ready.run("batch", people, "--out", "sheets") == 0
    assert "Issued: 0; done before: 2; not issued: 0" in ready.out
    assert ready.ledger.tree_size == size


def test_a_batch_with_a_bad_row_issues_the_others_and_exits_1(ready: Console) -> None:
    people = write_people(ready, "1,Hosna,HOSNA,perhaps", "2,Ali,ALI,male")
    assert ready.run("batch", people, "--out", "sheets") == 1
    report = (ready.folder / "sheets" / "errors.csv").read_text("utf-8").splitlines()
    assert report[1].startswith("2,1,sex,bad_input,")
    assert "Issued: 1" in ready.out
    for text in (ready.out, ready.err, *report):
        assert "Hosna" not in text
        assert "perhaps" not in text


def test_a_batch_without_a_ledger_exits_4_and_goes_on_later(ready: Console) -> None:
    people = write_people(ready, "1,Hosna,HOSNA,female")
    ready.ledger.offline = True
    assert ready.run("batch", people, "--out", "sheets") == 4
    assert "not_reachable: 1 people wait" in ready.err
    ready.ledger.offline = False
    assert ready.run("batch", people, "--out", "sheets") == 0


def test_a_batch_refuses_a_wrong_table_or_folder_before_anything_is_signed(ready: Console) -> None:
    people = write_people(ready, "1,Hosna,HOSNA,female")
    assert ready.run("batch", people, "--out", "desk") == 1
    assert "[out]" in ready.err
    assert ready.run("batch", people, "--out", "sheets", "--size", "0") == 1
    assert "[size]" in ready.err
    assert ready.run("batch", "none.csv", "--out", "sheets") == 1
    assert ready.run("batch", people) == 2
    assert ready.ledger.registry.lists == {}


def test_an_interrupted_issue_is_finished_by_resend_and_blocks_a_second_card(
    ready: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = ready.write("p.json", PERSON)

    def full(*_given: object, **_named: object) -> None:
        raise IssuerError("storage_failed", "the disk is full", field="file")

    with monkeypatch.context() as inside:
        inside.setattr(handover, "replace_file", full)
        assert ready.run("issue", person) == 4
    assert ready.cards() == []
    assert ready.run("issue", person) == 1
    assert "sc-issuer resend" in ready.err
    size = ready.ledger.tree_size
    assert ready.run("resend") == 0
    assert ready.ledger.tree_size == size
    assert "card-words.pdf" in ready.cards()
    assert "card.case" in ready.cards()
    assert ready.run("issue", person) == 0


def test_two_commands_do_not_work_at_one_desk_at_once(
    ready: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(IssuerError) as error,
        work_at(ready.folder / "desk"),
        work_at(ready.folder / "desk", wait_s=0),
    ):
        pass
    assert error.value.code == "storage_failed"
    with work_at(ready.folder / "desk", wait_s=0):
        pass


def test_many_statuses_are_changed_by_one_file(ready: Console) -> None:
    people = write_people(ready, "1,Hosna,HOSNA,female", "2,Ali,ALI,male")
    ready.run("batch", people, "--out", "sheets")
    (ready.folder / "replaced.csv").write_text("id,set\n1,\n2,withdrawn\n3,replaced\n", encoding="utf-8")
    size = ready.ledger.tree_size
    assert ready.run("status", "batch", "replaced.csv", "--dry-run") == 1
    assert "row 4: not_found" in ready.err
    assert "Changes: 2; already so: 0; left out: 1" in ready.out
    assert "Withdrawals and suspensions among them: 1." in ready.out
    assert "perhaps" in ready.out
    assert ready.ledger.tree_size == size
    assert ready.run("status", "batch", "replaced.csv") == 1
    assert "Registered: 2 changes in 1 statements" in ready.out
    assert ready.run("status", "batch", "replaced.csv") == 1
    assert "Changes: 0; already so: 2; left out: 1" in ready.out
    assert ready.run("status", "batch", "replaced.csv", "--seq", "7") == 1
    assert "[seq]" in ready.err
