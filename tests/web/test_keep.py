"""What a phone keeps: the Python station's rules, held to it by the same steps, and what only a phone meets."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from credential.core.frames import format_frames
from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.calendar_days import DAY_S, date_of_seconds
from ledger.core.delta import make_delta
from ledger.core.pin import LeastTree, Pin, format_pin
from ledger.errors import CodedError
from scripts import web
from tests.support.ledgers import START_S, TinyLedger
from tests.support.phone_page import PhonePage, phone_page
from verifier.station import Station

ORIGIN: Final = TinyLedger().origin
OTHER: Final = "ledger.example/other"
STEPS: Final = 40
SEED: Final = "keep"


class Phone:
    """One open page of one phone."""

    def __init__(self, runner: PhonePage, name: str, store: str | None) -> None:
        self._runner, self.name, self.store = runner, name, store
        self.ask("open", store=store)

    def ask(self, form: str, **values: Any) -> Any:
        answer = self._runner.ask(form, {"station": self.name, **values})
        assert answer.outcome == "ok", answer
        return answer.result

    def receive(self, data: bytes, kind: str = "file") -> Any:
        return self.ask("receive", kind=kind, bytes=data.hex())

    def believe(self, pin: Pin) -> str:
        return self._runner.ask("believe", {"station": self.name, "pin": format_pin(pin).decode()}).outcome

    def serve(self, answers: dict[str, Any]) -> None:
        self._runner.ask("serve", answers)

    @property
    def asked(self) -> list[str]:
        asked: list[str] = self.ask("asked")
        return asked

    @property
    def state(self) -> Any:
        return self.ask("state")

    @property
    def ledger(self) -> Any:
        [only] = self.state["ledgers"]
        return only


@pytest.fixture(scope="module")
def runner(page: PhonePage) -> Iterator[PhonePage]:
    with phone_page(web.FOLDER / "tests" / "keep.ts") as running:
        yield running


_names = itertools.count()


@pytest.fixture
def phone(runner: PhonePage) -> Phone:
    """A phone that was opened without a network."""
    runner.ask("serve", {})
    return Phone(runner, "first", f"phone-{next(_names)}")


@pytest.fixture
def ledger() -> TinyLedger:
    return TinyLedger()


def code(outcome: dict[str, Any]) -> str:
    kind: str = outcome["kind"]
    return outcome["code"] if kind == "refused" else "fork" if kind == "fork" else "ok"


def python_code(station: Station, data: bytes) -> str:
    try:
        station.import_bundle(data)
    except CodedError as error:
        return error.code
    return "ok"


def python_believes(station: Station, pin: Pin) -> str:
    try:
        station.set_pin(pin)
    except CodedError as error:
        return error.code
    return "ok"


def histories() -> tuple[list[bytes], list[Pin]]:
    """Lists of one ledger's two histories, of another ledger and of none; pins with and without a least tree."""
    mine, theirs, other = TinyLedger(), TinyLedger(), TinyLedger(OTHER)
    lists, least = [mine.bundle()], []
    for number, name in enumerate("abc"):
        mine.admit(name)
        theirs.admit(f"other-{number}")
        other.admit(name)
        lists += [mine.bundle(), theirs.bundle(), other.bundle()]
        least.append(replace(mine.pin, least=LeastTree(mine.tree_size, mine.trusted().root_hash)))
    renewed = mine.bundle(time_s=START_S + 90 * DAY_S)
    broken = [renewed[:-1], bytes([*renewed[:700], renewed[700] ^ 1, *renewed[701:]]), b"", b"list"]
    pins = [mine.pin, other.pin, *least, Pin(mine.origin, bytes(32))]
    return [*lists, renewed, *broken], pins


@pytest.mark.parametrize("number", range(4))
def test_a_phone_takes_and_refuses_what_the_python_station_does(
    runner: PhonePage, phone: Phone, tmp_path: Path, number: int
) -> None:
    lists, pins = histories()
    choose = random.Random(f"{SEED}-{number}")
    python = Station(tmp_path / "station")
    python.set_pin(pins[0])
    assert phone.believe(pins[0]) == "ok"
    for _ in range(STEPS):
        step = choose.random()
        if step < 0.1:
            pin = choose.choice(pins)
            assert phone.believe(pin) == python_believes(python, pin)
        elif step < 0.2:
            phone = Phone(runner, "again", phone.store)
        else:
            data = choose.choice(lists)
            assert code(phone.receive(data, "bundle")) == python_code(python, data)
        assert as_python(phone.state) == state_of(python)


def state_of(station: Station) -> Any:
    ledgers = {}
    for ledger in station.ledgers():
        try:
            trusted = ledger.trusted()
        except CodedError:
            trusted = None
        bundle = None if trusted is None else ledger.export_bundle().hex()
        ledgers[ledger.pin().origin] = (format_pin(ledger.pin()).decode(), bundle)
    return ledgers, sorted(path.name for path in station.evidence_files() if path.suffix != ".evidence")


def as_python(state: Any) -> Any:
    ledgers = {ledger["origin"]: (ledger["pin"], ledger["bundle"]) for ledger in state["ledgers"]}
    return ledgers, state["evidence"]


def test_what_was_kept_is_there_at_the_next_visit(
    runner: PhonePage, phone: Phone, ledger: TinyLedger
) -> None:
    data = ledger.bundle()
    phone.believe(ledger.pin)
    phone.receive(data)
    phone.ask("save", post="shelter")
    again = Phone(runner, "second", phone.store)
    assert again.ledger["bundle"] == data.hex()
    assert again.state["post"] == "shelter"
    assert again.asked == ["./station.json"], "a second visit asks for nothing on its own"


def test_a_list_that_was_damaged_on_the_phone_is_not_used_and_its_tree_stays_the_least(
    runner: PhonePage, phone: Phone, ledger: TinyLedger
) -> None:
    old = ledger.bundle()
    ledger.admit("a")
    phone.believe(ledger.pin)
    phone.receive(ledger.bundle())
    phone.ask("tamper", store=phone.store, origin=ORIGIN, place=900)
    again = Phone(runner, "second", phone.store)
    assert (again.state["lists"], again.ledger["damage"], again.ledger["least"]) == (0, "bundle_invalid", 32)
    assert code(again.receive(old)) == "bundle_invalid"
    assert code(again.receive(ledger.bundle())) == "ok"
    assert (again.state["lists"], again.ledger["damage"]) == (1, None)


@pytest.mark.parametrize("store", [None, "full"])
def test_a_phone_that_keeps_nothing_works_for_the_visit_and_says_so(
    runner: PhonePage, ledger: TinyLedger, store: str | None
) -> None:
    runner.ask("serve", {})
    name = None if store is None else f"phone-{next(_names)}"
    if name:
        runner.ask("fill", {"store": name, "full": True})
    phone = Phone(runner, "first", name)
    phone.believe(ledger.pin)
    assert code(phone.receive(ledger.bundle())) == "ok"
    assert (phone.state["lists"], phone.state["store_problem"]) == (1, "denied" if store is None else "full")
    assert Phone(runner, "second", name).state["ledgers"] == []
    if name:
        runner.ask("fill", {"store": name, "full": False})
        ledger.admit("a")
        phone.receive(ledger.bundle())
        assert phone.state["store_problem"] is None
        assert Phone(runner, "second", name).ledger["tree_size"] == 32


def test_two_open_pages_never_put_an_older_list_in_the_place_of_a_newer_one(
    runner: PhonePage, phone: Phone, ledger: TinyLedger
) -> None:
    phone.believe(ledger.pin)
    phone.receive(ledger.bundle())
    other_page = Phone(runner, "second", phone.store)
    ledger.admit("a")
    middle = ledger.bundle()
    ledger.admit("b")
    assert code(other_page.receive(ledger.bundle())) == "ok"
    assert code(phone.receive(middle)) == "bundle_invalid"
    assert phone.ledger["tree_size"] == 48
    assert Phone(runner, "third", phone.store).ledger["tree_size"] == 48


def test_a_pin_that_comes_in_is_believed_only_after_somebody_said_yes(
    phone: Phone, ledger: TinyLedger
) -> None:
    pin = format_pin(ledger.pin)
    assert phone.receive(pin)["result"] == "offered"
    assert (phone.state["ledgers"], phone.state["offers"]) == ([], [pin.decode()])
    assert code(phone.receive(ledger.bundle())) == "bad_input"
    phone.ask("decline", pin=pin.decode())
    assert phone.state["offers"] == []
    phone.receive(pin)
    phone.believe(ledger.pin)
    assert phone.state["offers"] == []
    assert phone.receive(pin)["result"] == "known"
    assert phone.receive(format_pin(Pin(ORIGIN, bytes(32))))["result"] == "other"
    assert phone.ledger["pin"] == pin.decode()


def test_pins_that_wait_do_not_go_on_for_ever(phone: Phone, ledger: TinyLedger) -> None:
    phone.believe(ledger.pin)
    pins = [format_pin(Pin(f"{OTHER}/{number}", bytes(32))) for number in range(17)]
    assert [code(phone.receive(pin)) for pin in pins] == ["ok"] * 16 + ["bad_input"]
    assert len(phone.state["offers"]) == 16
    assert phone.receive(pins[0])["result"] == "offered", "it waits already"
    phone.serve(served(TinyLedger(OTHER)))
    [synced] = phone.ask("sync")["ledgers"]
    assert (synced["result"], synced["code"]) == ("refused", "bad_input")


def test_of_two_pins_of_one_name_the_other_waits_no_longer(phone: Phone, ledger: TinyLedger) -> None:
    for charter in (ledger.pin.charter_hash, bytes(32)):
        assert phone.receive(format_pin(Pin(ORIGIN, charter)))["result"] == "offered"
    phone.believe(ledger.pin)
    assert phone.state["offers"] == []
    assert phone.receive(ledger.bundle())["result"] == "newer"


def test_everything_that_comes_in_is_known_by_its_bytes(phone: Phone, ledger: TinyLedger) -> None:
    phone.believe(ledger.pin)
    first = ledger.bundle()
    ledger.admit("a")
    second = ledger.bundle()
    assert phone.receive(first)["kind"] == "list"
    assert phone.receive(make_delta(first, second)) == {"kind": "list", "origin": ORIGIN, "result": "newer"}
    assert phone.ledger["deltas"] == 1
    assert phone.receive(second)["result"] == "same"
    note = ledger.trusted().checkpoint.encode()
    assert phone.receive(note) == {"kind": "head", "relation": "same"}
    assert phone.receive("\n".join(format_frames("head", note)).encode())["relation"] == "same"
    assert phone.receive("\n".join(format_frames("bundle", second)).encode())["result"] == "same"
    assert phone.receive(b"SC1:ABC")["kind"] == "for_scanner"
    assert phone.receive(b"\x89PNG\r\n")["kind"] == "for_scanner"
    for unknown in (b"", b"\xff\xfe", b"hello", b"%PDF-1.7"):
        assert code(phone.receive(unknown)) == "unsupported"
    assert code(phone.receive(first, "photo")) == "unsupported"


@pytest.mark.parametrize(
    ("size", "is_gone", "code", "reads"),
    [(MAX_BUNDLE_SIZE + 1, False, "too_large", 0), (4, True, "malformed", 1), (4, False, "unsupported", 1)],
)
def test_a_shared_file_that_is_larger_than_any_list_is_refused_unread(
    phone: Phone, size: int, is_gone: bool, code: str, reads: int
) -> None:
    said = phone.ask("receive_shared", size=size, is_gone=is_gone)
    assert (said["outcome"]["kind"], said["outcome"]["code"], said["reads"]) == ("refused", code, reads)
    assert phone.state["news"] == said["outcome"]


def test_a_head_that_contradicts_the_list_is_kept_as_evidence(
    runner: PhonePage, phone: Phone, ledger: TinyLedger
) -> None:
    theirs = TinyLedger()
    ledger.admit("a")
    theirs.admit("b")
    phone.believe(ledger.pin)
    phone.receive(ledger.bundle())
    assert phone.receive(theirs.trusted().checkpoint.encode(), "head")["relation"] == "fork"
    kept = phone.state["evidence"]
    assert sorted(Path(name).suffix for name in kept) == [".cbor", ".note"]
    assert Phone(runner, "second", phone.store).state["evidence"] == kept
    assert phone.state["lists"] == 1


def test_evidence_does_not_fill_the_phone(phone: Phone, ledger: TinyLedger) -> None:
    ledger.admit("a")
    phone.believe(ledger.pin)
    phone.receive(ledger.bundle())
    for number in range(20):
        other = TinyLedger()
        other.admit(f"b-{number}")
        assert phone.receive(other.trusted().checkpoint.encode(), "head")["relation"] == "fork"
    assert 2 <= len(phone.state["evidence"]) <= 9


def served(ledger: TinyLedger, bundle: bytes | None = None, **pin: Any) -> dict[str, Any]:
    """What a serving station answers for one ledger."""
    data = ledger.bundle() if bundle is None else bundle
    entry = {
        "pin": {**json.loads(format_pin(ledger.pin)), **pin},
        "origin": ledger.origin,
        "tree_size": ledger.tree_size,
        "root_hash": "00" * 32,
        "list_time_s": ledger.now_s,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    answer = json.dumps({"version": 1, "ledgers": [entry]}).encode()
    return {"./station.json": answer.hex(), "./ledgers/0/bundle": data.hex()}


def test_the_first_visit_takes_pin_and_list_from_the_station_that_serves_the_page(
    runner: PhonePage, ledger: TinyLedger
) -> None:
    answers = served(ledger)
    runner.ask("serve", answers)
    phone = Phone(runner, "first", f"phone-{next(_names)}")
    assert phone.asked == ["./station.json", "./ledgers/0/bundle"]
    assert (phone.ledger["source"], phone.ledger["tree_size"]) == ("served", ledger.tree_size)
    received = sum(len(bytes.fromhex(answer)) for answer in answers.values())
    assert phone.state["data_used"] == phone.state["news"]["received"] == received
    assert phone.state["news"]["ledgers"][0]["result"] == "first", "there was none that it is newer than"


def test_a_list_that_was_not_in_at_the_first_visit_is_asked_for_at_the_next(
    runner: PhonePage, phone: Phone, ledger: TinyLedger
) -> None:
    phone.ask("save", post="border")
    assert phone.state["lists"] == 0
    answers = served(ledger)
    runner.ask("serve", {name: data for name, data in answers.items() if name == "./station.json"})
    assert Phone(runner, "second", phone.store).state["lists"] == 0
    runner.ask("serve", answers)
    third = Phone(runner, "third", phone.store)
    assert (third.state["lists"], third.ledger["source"]) == (1, "served")
    before = third.asked
    assert Phone(runner, "fourth", phone.store).asked == before, "with a list nothing is asked for by itself"


def test_a_ledger_that_somebody_removed_does_not_come_back_by_itself(
    runner: PhonePage, phone: Phone, ledger: TinyLedger
) -> None:
    phone.serve(served(ledger))
    phone.ask("sync")
    phone.ask("forget", origin=ORIGIN)
    before = phone.asked
    again = Phone(runner, "second", phone.store)
    assert (again.state["ledgers"], again.asked) == ([], before)
    again.ask("sync")
    assert again.state["lists"] == 1


def test_a_later_pin_of_the_server_is_never_taken_on_its_own(phone: Phone, ledger: TinyLedger) -> None:
    phone.believe(ledger.pin)
    before = phone.ledger["pin"]
    phone.serve(served(ledger, charter="00" * 32))
    assert phone.ask("sync")["ledgers"][0]["result"] == "other"
    assert (phone.ledger["pin"], phone.state["others"]) == (before, [ORIGIN])
    phone.serve(served(ledger, least={"size": 16000, "root": "00" * 32}))
    assert phone.ask("sync")["ledgers"][0]["result"] == "first"
    assert phone.ledger["pin"] == before, "a least tree of the server would lock the phone out of every list"
    phone.serve(served(TinyLedger(OTHER)))
    assert phone.ask("sync")["ledgers"][0]["result"] == "offered"
    assert [entry["origin"] for entry in phone.state["ledgers"]] == [ORIGIN]


def test_a_list_that_is_at_hand_is_not_fetched_again(phone: Phone, ledger: TinyLedger) -> None:
    data = ledger.bundle()
    phone.believe(ledger.pin)
    phone.receive(data)
    phone.serve(served(ledger, data))
    assert phone.ask("sync")["ledgers"][0]["result"] == "same"
    assert phone.asked == ["./station.json"]


class Days:
    """A ledger that lives day by day, with enough issuers that a few deltas are less data than the list."""

    def __init__(self, count: int) -> None:
        self.ledger = TinyLedger()
        for number in range(25):
            self.ledger.admit(f"issuer-{number}")
        self.civil = self.ledger.admit()
        self.bundles = {self.day: self.ledger.bundle()}
        self.deltas: dict[str, bytes] = {}
        for _ in range(count):
            self.live_a_day()

    @property
    def day(self) -> str:
        return date_of_seconds(self.ledger.now_s).isoformat()

    def live_a_day(self) -> None:
        """Close the day that is at hand and issue something on the next."""
        before = list(self.bundles.values())
        if len(before) > 1:
            self.deltas[self.day] = make_delta(before[-2], before[-1])
        self.ledger.issue(self.civil)
        self.ledger.close_epoch(after_s=DAY_S)
        self.bundles[self.day] = self.ledger.bundle()

    @property
    def today(self) -> bytes:
        return self.bundles[self.day]

    def answers(self) -> dict[str, Any]:
        deltas: dict[str, Any] = {delta_of(day): data.hex() for day, data in self.deltas.items()}
        return {**served(self.ledger, self.today), **deltas}


def delta_of(day: str) -> str:
    return f"./ledgers/0/deltas/{day}"


@pytest.fixture(scope="module")
def days() -> Days:
    return Days(4)


def at_day(phone: Phone, days: Days, number: int) -> list[str]:
    """Give a phone the list of the end of a day, and return the addresses of the deltas from there on."""
    phone.believe(days.ledger.pin)
    phone.receive(list(days.bundles.values())[number])
    return [delta_of(day) for day in list(days.bundles)[number:-1]]


def test_daily_deltas_lead_to_the_end_of_yesterday_with_less_data(phone: Phone, days: Days) -> None:
    addresses = at_day(phone, days, 1)
    phone.serve(days.answers())
    [said] = phone.ask("sync")["ledgers"]
    assert phone.asked == ["./station.json", *addresses]
    assert (said["result"], said["deltas"], said["left"]) == ("newer", 3, len(days.today))
    assert phone.ledger["bundle"] == list(days.bundles.values())[3].hex()
    assert phone.ledger["deltas"] == 3
    phone.serve(days.answers())
    assert phone.ask("sync")["ledgers"][0]["result"] == "newer"
    assert phone.asked == ["./station.json", "./ledgers/0/bundle"], "what deltas brought is not fetched again"
    assert phone.ledger["bundle"] == days.today.hex()


def test_the_whole_list_is_fetched_where_it_is_asked_for(phone: Phone, days: Days) -> None:
    at_day(phone, days, 2)
    phone.serve(days.answers())
    phone.ask("sync", whole=True)
    assert phone.asked == ["./station.json", "./ledgers/0/bundle"]


@pytest.mark.parametrize("fault", ["missing", "damaged", "foreign", "cut"])
def test_where_a_delta_does_not_lead_on_the_whole_list_is_fetched(
    phone: Phone, days: Days, fault: str
) -> None:
    first, second, _ = at_day(phone, days, 1)
    good = days.deltas[second.rsplit("/", 1)[1]]
    wrong = {
        "missing": None,
        "damaged": (good[:-1] + b"\x00").hex(),
        "foreign": days.answers()[first],
        "cut": "cut",
    }
    phone.serve(days.answers() | {second: wrong[fault]})
    [said] = phone.ask("sync")["ledgers"]
    assert (said["result"], said["deltas"], said["left"]) == ("newer", 0, 0)
    assert phone.ledger["bundle"] == days.today.hex()


def test_a_sync_that_fails_leaves_what_was_there_and_says_why(phone: Phone, ledger: TinyLedger) -> None:
    phone.believe(ledger.pin)
    phone.receive(ledger.bundle())
    before = phone.ledger
    other = TinyLedger(OTHER).bundle()
    good = served(ledger, bytes.fromhex(before["bundle"]))
    for answers, problem in (
        ({}, "not_reachable"),
        ({"./station.json": None}, "not_reachable"),
        ({"./station.json": b"<html>".hex()}, "bad_answer"),
        ({"./station.json": b'{"version":2,"ledgers":[]}'.hex()}, "bad_answer"),
    ):
        phone.serve(answers)
        assert phone.ask("sync")["problem"] == problem
    ledger.admit("a")
    phone.serve(served(ledger) | {"./ledgers/0/bundle": "cut"})
    assert phone.ask("sync")["problem"] == "not_reachable"
    phone.serve(served(ledger) | {"./ledgers/0/bundle": other.hex()})
    assert phone.ask("sync")["ledgers"][0]["code"] == "bundle_invalid"
    phone.serve(served(ledger) | {"./ledgers/0/bundle": good["./ledgers/0/bundle"]})
    assert phone.ask("sync")["ledgers"][0]["result"] == "newer", "the list that was there, once more"
    assert phone.ledger["bundle"] == before["bundle"]


def test_a_fork_that_is_fetched_is_kept_and_said(phone: Phone, ledger: TinyLedger) -> None:
    theirs = TinyLedger()
    ledger.admit("a")
    theirs.admit("b")
    data = ledger.bundle()
    phone.believe(ledger.pin)
    phone.receive(data)
    phone.serve(served(theirs))
    assert phone.ask("sync")["ledgers"][0]["result"] == "fork"
    assert len(phone.state["evidence"]) == 2
    assert phone.ledger["bundle"] == data.hex()


def test_everything_is_removed_and_nothing_is_written_afterwards(
    runner: PhonePage, phone: Phone, ledger: TinyLedger
) -> None:
    phone.believe(ledger.pin)
    phone.receive(ledger.bundle())
    phone.ask("save", post="shelter")
    phone.ask("remove")
    phone.ask("save", post="border")
    assert (phone.state["ledgers"], phone.state["data_used"]) == ([], 0)
    again = Phone(runner, "second", phone.store)
    assert (again.state["ledgers"], again.state["post"], again.asked) == ([], None, ["./station.json"] * 2)


def test_a_ledger_is_believed_no_longer(runner: PhonePage, phone: Phone, ledger: TinyLedger) -> None:
    phone.believe(ledger.pin)
    phone.receive(ledger.bundle())
    phone.ask("forget", origin=ORIGIN)
    assert phone.state["lists"] == 0
    assert phone.believe(Pin(ORIGIN, bytes(32))) == "ok"
    assert Phone(runner, "second", phone.store).ledger["tree_size"] is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ({"size": 3000, "announced": 3000}, {"bytes": 3000}),
        ({"size": 3000, "announced": None}, {"bytes": 3000}),
        ({"size": 3000, "announced": 4000}, {"problem": "not_reachable"}),
        ({"size": 9000, "announced": None}, {"problem": "too_large"}),
        ({"size": 0, "announced": 9000}, {"problem": "too_large"}),
        ({"size": 3000, "announced": None, "stall_ms": 50}, {"problem": "not_reachable"}),
        ({"size": 3000, "announced": None, "stall_ms": 5000, "stop": True}, {"problem": "stopped"}),
    ],
)
def test_what_is_fetched_has_an_end(runner: PhonePage, question: dict[str, Any], answer: Any) -> None:
    given = {"cap": 5000, "stall_ms": 0, "stop": False, **question}
    assert runner.ask("fetch", given).result == answer


def test_settings_of_another_form_are_the_first_ones(runner: PhonePage) -> None:
    first = runner.ask("settings", None).result
    odd = {"post": "prison", "discreet": "yes", "staleAfterDays": -1, "more": 1, "language": "fr"}
    assert runner.ask("settings", odd).result == {**first, "language": "fr"}
    good = {**first, "post": "shelter", "staleAfterDays": 3, "discreet": True}
    assert runner.ask("settings", good).result == good


@pytest.mark.parametrize(
    ("url", "method", "mode", "path"),
    [
        ("/phone/", "GET", "navigate", "index.html"),
        ("/phone/?from=icon", "GET", "navigate", "index.html"),
        ("/phone/index.html", "GET", "navigate", "index.html"),
        ("/phone/certificate.pem", "GET", "navigate", None),
        ("/phone/deep/link", "GET", "navigate", None),
        ("/phone/assets/a.js", "GET", "no-cors", "assets/a.js"),
        ("/phone/assets/a.js?x", "GET", "no-cors", None),
        ("/phone/assets/b.js", "GET", "no-cors", None),
        ("/phone/station.json", "GET", "cors", None),
        ("/phone/assets/a.js", "POST", "cors", None),
        ("/assets/a.js", "GET", "no-cors", None),
        ("/", "GET", "navigate", None),
    ],
)
def test_the_worker_answers_for_its_list_alone(
    runner: PhonePage, url: str, method: str, mode: str, path: str | None
) -> None:
    question = {"url": f"https://station.example{url}", "method": method, "mode": mode}
    assert runner.ask("path", question).result == path
    elsewhere = {**question, "url": f"https://elsewhere.example{url}"}
    assert runner.ask("path", elsewhere).result is None
