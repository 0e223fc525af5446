"""The ledger behind HTTP: redirects, waiting, refusals, and answers that are not believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from issuer.errors import IssuerError
from issuer.ledger_client import Registered, is_refusal
from issuer.ledger_http import MAX_ANSWER_BYTES, HttpLedgerClient, fetch_bundle
from ledger.core import cbor
from ledger.core.batch import MAX_ANSWERS_BYTES, format_answer, parse_batch
from ledger.core.statement import parse_statement
from ledger.errors import CodedError
from tests.support.desks import DeskWorld, person

Handler = Callable[[httpx.Request], httpx.Response]
TRANSPARENT = "application/scitt-statement+cose"
REFUSED = {"code": "read_only"}
PROBLEM = {-1: "Refused", -2: "the status place is taken", "sc:problem": {"code": "place_taken"}}


class Clock:
    """Time that passes only while someone sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def __call__(self) -> float:
        return self.now_s


def client_of(world: DeskWorld, handler: Handler, clock: Clock | None = None) -> HttpLedgerClient:
    time = clock or Clock()
    return HttpLedgerClient(
        "http://ledger.example/base",
        world.ledger.desk_pin,
        client=httpx.Client(transport=httpx.MockTransport(handler)),
        sleep=time.sleep,
        clock=time,
    )


@pytest.fixture
def world(tmp_path: Path) -> DeskWorld:
    made = DeskWorld(tmp_path)
    made.ledger.offline = True
    made.desk.issue_person(person())
    made.ledger.offline = False
    return made


def entry_of(world: DeskWorld) -> bytes:
    return world.desk.pending()[0].entry


def register(world: DeskWorld, handler: Handler, clock: Clock | None = None) -> Registered | CodedError:
    [outcome] = client_of(world, handler, clock).register([entry_of(world)], world.signer.public_key)
    return outcome


def code_of(outcome: Registered | CodedError) -> str:
    assert isinstance(outcome, CodedError)
    return outcome.code


def test_an_entry_is_posted_and_the_answer_proven(world: DeskWorld) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert (request.method, str(request.url)) == ("POST", "http://ledger.example/base/entries")
        assert request.headers["Accept"] == TRANSPARENT
        [answer] = world.ledger.answer([request.content])
        assert isinstance(answer, bytes)
        return httpx.Response(201, content=answer)

    outcome = register(world, handler)
    assert isinstance(outcome, Registered)
    assert world.ledger.entries[outcome.index] == outcome.entry


def test_an_open_epoch_is_waited_for(world: DeskWorld) -> None:
    polls = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(303, headers={"Location": "entries/abc", "Retry-After": "7"})
        polls.append(str(request.url))
        if len(polls) < 3:
            return httpx.Response(303, headers={"Location": "/base/entries/abc", "Retry-After": "7"})
        [answer] = world.ledger.answer([entry_of(world)])
        assert isinstance(answer, bytes)
        return httpx.Response(200, content=answer)

    clock = Clock()
    assert isinstance(register(world, handler, clock), Registered)
    assert polls == ["http://ledger.example/base/entries/abc"] * 3
    assert clock.now_s == 21


def two_entries(world: DeskWorld) -> list[bytes]:
    world.ledger.offline = True
    world.desk.issue_person(person())
    world.ledger.offline = False
    return [item.entry for item in world.desk.pending()]


@pytest.mark.parametrize("status", [404, 405])
def test_without_batches_all_are_posted_before_the_first_is_waited_for(world: DeskWorld, status: int) -> None:
    entries = two_entries(world)
    ids = {parse_statement(entry).statement_id.hex(): entry for entry in entries}
    methods = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/base/entries/batch":
            return httpx.Response(status)
        methods.append(request.method)
        if request.method == "POST":
            assert request.headers["Prefer"] == "respond-async"
            place = parse_statement(request.content).statement_id.hex()
            return httpx.Response(303, headers={"Location": f"/entries/{place}"})
        [answer] = world.ledger.answer([ids[request.url.path.rpartition("/")[2]]])
        assert isinstance(answer, bytes)
        return httpx.Response(200, content=answer)

    outcomes = client_of(world, handler).register(entries, world.signer.public_key)
    assert methods == ["POST", "POST", "GET", "GET"]
    assert all(isinstance(outcome, Registered) for outcome in outcomes)


def test_several_go_as_one_batch(world: DeskWorld) -> None:
    entries = two_entries(world)
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path))
        if request.method == "GET":
            [answer] = world.ledger.answer([entries[1]])
            assert isinstance(answer, bytes)
            return httpx.Response(200, content=answer)
        assert parse_batch(request.content) == (*entries, entries[0])
        [first] = world.ledger.answer([entries[0]])
        assert isinstance(first, bytes)
        problem = format_answer(409, cbor.encode(PROBLEM))
        return httpx.Response(200, content=format_answer(201, first) + format_answer(303, b"/x") + problem)

    clock = Clock()
    client = client_of(world, handler, clock)
    one, two, refused = client.register([*entries, entries[0]], world.signer.public_key)
    assert isinstance(one, Registered)
    assert isinstance(two, Registered)
    assert isinstance(refused, CodedError)
    assert refused.code == "place_taken"
    identity = parse_statement(entries[1]).statement_id.hex()
    assert asked == [("POST", "/base/entries/batch"), ("GET", f"/base/entries/{identity}")]
    assert clock.now_s == 1


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (httpx.Response(200, content=format_answer(201, b"x")), "not_reachable"),
        (httpx.Response(200, content=b"\x82\x18"), "malformed"),
        (httpx.Response(200, content=format_answer(201, b"no statement") * 2), "malformed"),
        (httpx.Response(200, content=format_answer(500, b"<html>") * 2), "not_reachable"),
        (httpx.Response(200, content=bytes(MAX_ANSWERS_BYTES + 1)), "too_large"),
        (httpx.Response(503, content=cbor.encode({-1: "t", -2: "d", "sc:problem": REFUSED})), "read_only"),
    ],
)
def test_a_batch_that_proves_nothing_is_sent_again_later(
    world: DeskWorld, response: httpx.Response, code: str
) -> None:
    outcomes = client_of(world, lambda _: response).register(two_entries(world), world.signer.public_key)
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert isinstance(outcome, CodedError)
        assert outcome.code == code
        assert not is_refusal(outcome)


def test_large_batches_are_divided(world: DeskWorld) -> None:
    sizes = []

    def handler(request: httpx.Request) -> httpx.Response:
        entries = parse_batch(request.content)
        sizes.append(len(entries))
        answer = format_answer(503, cbor.encode(PROBLEM | {"sc:problem": {"code": "read_only"}}))
        return httpx.Response(200, content=answer * len(entries))

    client = client_of(world, handler)
    assert len(client.register([b"x"] * 2100, world.signer.public_key)) == 2100
    assert len(client.register([bytes(60_000)] * 100, world.signer.public_key)) == 100
    assert sizes == [1000, 1000, 100, 69, 31]


def test_the_next_number_of_a_list_is_asked(world: DeskWorld) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://ledger.example/base/status/1/0/next"
        return httpx.Response(200, json={"seq": 7})

    assert client_of(world, handler).next_seq("sc:1/0") == 7
    for content in (
        b"",
        b"[]",
        b'{"seq": "7"}',
        b'{"seq": 0}',
        b'{"seq": true}',
        b'{"seq": 9007199254740992}',
    ):
        response = httpx.Response(200, content=content)
        assert client_of(world, lambda _, r=response: r).next_seq("sc:1/0") is None  # type: ignore[misc]
    assert client_of(world, lambda _: httpx.Response(404)).next_seq("sc:1/0") is None


def test_a_ledger_that_never_closes_its_epoch_is_not_reachable(world: DeskWorld) -> None:
    clock = Clock()
    endless = httpx.Response(303, headers={"Location": "/entries/abc", "Retry-After": "50"})
    assert code_of(register(world, lambda _: endless, clock)) == "not_reachable"
    assert clock.now_s <= 900


def test_a_redirect_to_another_host_is_not_followed(world: DeskWorld) -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(303, headers={"Location": "http://other.example/entries/abc"})

    assert code_of(register(world, handler)) == "not_reachable"
    assert asked == ["ledger.example"]


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (httpx.Response(409, content=cbor.encode(PROBLEM)), "place_taken"),
        (
            httpx.Response(
                429,
                headers={"Content-Type": "application/problem+json"},
                content=json.dumps({"title": "slow", "code": "rate_limited"}).encode(),
            ),
            "rate_limited",
        ),
        (
            httpx.Response(503, content=cbor.encode(PROBLEM | {"sc:problem": {"code": "made_up"}})),
            "not_reachable",
        ),
        (httpx.Response(502, content=b"<html>"), "not_reachable"),
        (httpx.Response(500, headers={"Content-Type": "application/json"}, content=b"[]"), "not_reachable"),
        (httpx.Response(400, content=bytes(9000)), "not_reachable"),
        (httpx.Response(301, headers={"Location": "/"}), "not_reachable"),
        (httpx.Response(201, content=b"no statement"), "malformed"),
        (httpx.Response(201, content=bytes(MAX_ANSWER_BYTES + 1)), "too_large"),
    ],
)
def test_every_other_answer_has_a_code(world: DeskWorld, response: httpx.Response, code: str) -> None:
    assert code_of(register(world, lambda _: response)) == code


def test_a_ledger_s_words_are_shown_without_control_characters(world: DeskWorld) -> None:
    problem = cbor.encode(PROBLEM | {-2: "bad\x1b[31m\n" + "x" * 500})
    outcome = register(world, lambda _: httpx.Response(409, content=problem))
    assert isinstance(outcome, CodedError)
    assert outcome.detail.isprintable()
    assert len(outcome.detail) <= 200


def test_silence_is_not_reachable(world: DeskWorld) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("silence", request=request)

    assert code_of(register(world, handler)) == "not_reachable"
    client = httpx.Client(transport=httpx.MockTransport(handler))
    with pytest.raises(IssuerError) as error:
        fetch_bundle("http://ledger.example", client)
    assert error.value.code == "not_reachable"


def test_the_bundle_is_fetched_as_it_is(world: DeskWorld) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://ledger.example/base/bundle"
        return httpx.Response(200, content=b"bundle")

    assert client_of(world, handler).bundle() == b"bundle"
    problem = cbor.encode({"sc:problem": {"code": "no_bundle"}})
    with pytest.raises(IssuerError) as error:
        client_of(world, lambda _: httpx.Response(503, content=problem)).bundle()
    assert error.value.code == "no_bundle"


def test_who_waited_for_one_epoch_asks_for_the_others_at_once(world: DeskWorld) -> None:
    world.ledger.offline = True
    world.desk.issue_people([(person(), None)] * 9)
    world.ledger.offline = False
    entries = {parse_statement(item.entry).statement_id.hex(): item.entry for item in world.desk.pending()}

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/batch"):
            return httpx.Response(404)
        if request.method == "POST":
            place = parse_statement(request.content).statement_id.hex()
            return httpx.Response(303, headers={"Location": f"/entries/{place}", "Retry-After": "60"})
        [answer] = world.ledger.answer([entries[request.url.path.rpartition("/")[2]]])
        assert isinstance(answer, bytes)
        return httpx.Response(200, content=answer)

    clock = Clock()
    outcomes = client_of(world, handler, clock).register(list(entries.values()), world.signer.public_key)
    assert all(isinstance(outcome, Registered) for outcome in outcomes)
    assert len(outcomes) == 10
    assert clock.now_s == 60


def test_a_ledger_that_does_not_answer_is_not_asked_for_each_of_a_thousand(world: DeskWorld) -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        raise httpx.ConnectError("no route")

    client = client_of(world, handler)
    outcomes = client.register([entry_of(world)] * 1000, world.signer.public_key)
    assert {code_of(outcome) for outcome in outcomes} == {"not_reachable"}
    assert asked == ["POST"]


def test_an_answer_that_proves_nothing_is_no_refusal(world: DeskWorld) -> None:
    for body in (b"", b"\xf6", bytes(MAX_ANSWER_BYTES + 1)):
        outcome = register(world, lambda _request, body=body: httpx.Response(200, content=body))  # type: ignore[misc]
        assert isinstance(outcome, CodedError)
        assert not is_refusal(outcome)
    lost = register(world, lambda _: httpx.Response(404))
    assert isinstance(lost, CodedError)
    assert not is_refusal(lost)
