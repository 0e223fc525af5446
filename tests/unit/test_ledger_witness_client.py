"""Asking witnesses over HTTP: the table of the protocol, what the field gets wrong, and the start of a ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.core.checkpoint import parse_checkpoint
from ledger.core.cosignature import CosignerKey, add_cosignature, check_cosignature, cosign
from ledger.core.note import format_signature_line, format_vkey, parse_note, parse_signature_line
from ledger.core.policy import parse_policy
from ledger.core.witness_protocol import parse_add_checkpoint
from ledger.errors import CodedError, ForkAlarm, LedgerError, StorageError, VerificationError
from ledger.service.service import LedgerService
from ledger.service.witnesses import LocalWitness, ProbedWitness, WitnessClient, WitnessConflictError
from ledger.witness.client import HttpWitness, HttpWitnesses
from ledger.witness.logs import WatchedLog
from tests.support.log_service import ORIGIN as LEDGER
from tests.support.log_service import World, policy_text, witness_signers
from tests.support.witness_cases import (
    CASES,
    FOREIGN,
    NOW_S,
    ORIGIN,
    WITNESS_SIGNERS,
    Case,
    head,
    note,
)
from tests.support.witness_services import running

SIGNER = WITNESS_SIGNERS["ed25519"]
KEY = SIGNER.verifier_key
Handler = Callable[[httpx.Request], httpx.Response]
RAISED = {
    400: ("malformed", "malformed"),
    403: ("bad_checkpoint", "bad_checkpoint"),
    404: ("not_found", "not_found"),
    422: ("inconsistent", "inconsistent"),
}


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def witness_of(handler: Handler, clock: Clock | None = None, **chosen: Any) -> HttpWitness:
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return HttpWitness(
        KEY, "https://w.example/prefix/", client=client, clock=clock or Clock(), jitter=lambda: 0.0, **chosen
    )


def answering(*answers: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    """A witness that gives these answers in order, the last one for ever, and what it was asked."""
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        answer = answers[min(len(asked), len(answers) - 1)]
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return handle, asked


def outcome(work: Awaitable[Any]) -> Any:
    """What an await gives, or the error that it raises."""

    async def run() -> Any:
        try:
            return await work
        except CodedError as error:
            return error

    return asyncio.run(run())


def line_of(text: str) -> str:
    parsed = parse_note(text)
    return format_signature_line(cosign(SIGNER, parse_checkpoint(parsed.text), parsed.text, NOW_S))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_client_makes_of_every_case_of_the_table_what_it_means(case: Case, tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path / "state.db", signer=SIGNER) as (http, _):
            witness = HttpWitness(KEY, "http://witness.test", client=http)
            before = 0
            for size in case.seen:
                await witness.add_checkpoint(before, proof_of(before, size), note(size))
                before = size
            try:
                request = parse_add_checkpoint(case.request)
            except CodedError:
                return  # the client cannot ask that
            if case.status == 200:
                lines = await witness.add_checkpoint(request.old_size, request.proof, request.note)
                text = parse_note(request.note).text
                assert (
                    check_cosignature(KEY, parse_signature_line(lines), parse_checkpoint(text), text) == NOW_S
                )
                origin = parse_checkpoint(text).origin
                shown = await witness.last_checkpoint(origin)
                assert shown is not None
                assert parse_note(shown).text == text
                return
            with pytest.raises(LedgerError) as caught:
                await witness.add_checkpoint(request.old_size, request.proof, request.note)
            if case.status == 409:
                assert isinstance(caught.value, WitnessConflictError)
                assert caught.value.size == case.size
            else:
                assert caught.value.code in RAISED[case.status]

    asyncio.run(run())


def proof_of(old: int, new: int) -> tuple[bytes, ...]:
    from tests.support.witness_cases import proof

    return proof(old, new)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (httpx.Response(409), VerificationError, "inconsistent"),  # equal size, other root, in the field
        (httpx.Response(409, content=b"3\n"), VerificationError, "inconsistent"),  # what was asked from
        (httpx.Response(409, content=b"many\n"), VerificationError, "inconsistent"),
        (httpx.Response(403), VerificationError, "bad_checkpoint"),  # an unknown log, in the field
        (httpx.Response(404), VerificationError, "not_found"),
        (httpx.Response(200, content=b"<html>"), VerificationError, "malformed"),
        (httpx.Response(200), VerificationError, "malformed"),
        (
            httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
            VerificationError,
            "unsupported",
        ),
        (httpx.Response(302, headers={"Location": "http://xn--a/"}), StorageError, "not_reachable"),
        (httpx.Response(429), StorageError, "not_reachable"),
        (httpx.Response(503, headers={"Retry-After": "7"}), StorageError, "not_reachable"),
        (httpx.Response(500, content=b"x" * 1000), StorageError, "not_reachable"),
        (httpx.Response(200, content=b"x" * 100_000), StorageError, "not_reachable"),
        (httpx.ConnectError("refused"), StorageError, "not_reachable"),
        (httpx.ReadTimeout("slow"), StorageError, "not_reachable"),
        (httpx.RemoteProtocolError("cut"), StorageError, "not_reachable"),
    ],
)
def test_what_goes_wrong_has_a_code(answer: Any, kind: type[Exception], code: str) -> None:
    handle, asked = answering(answer)
    error = outcome(witness_of(handle).add_checkpoint(3, (), note(8)))
    assert isinstance(error, kind)
    assert isinstance(error, CodedError)
    assert error.code == code
    assert len(asked) == 1
    assert str(asked[0].url) == "https://w.example/prefix/add-checkpoint"


@pytest.mark.parametrize("media_type", ["text/x.tlog.size", "text/plain", "application/json", None])
def test_a_size_is_understood_under_any_media_type(media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    handle, _ = answering(httpx.Response(409, headers=headers, content=b"5\n"))
    error = outcome(witness_of(handle).add_checkpoint(3, (), note(8)))
    assert isinstance(error, WitnessConflictError)
    assert error.size == 5


def test_lines_of_other_keys_are_left_out() -> None:
    other = WITNESS_SIGNERS["ml-dsa-44"]
    text = note(8)
    parsed = parse_note(text)
    stranger = format_signature_line(cosign(other, head(8), parsed.text, NOW_S))
    handle, _ = answering(httpx.Response(200, content=(stranger + line_of(text)).encode()))
    assert outcome(witness_of(handle).add_checkpoint(0, (), text)) == line_of(text)


def pauses_of(jitter: float) -> list[float]:
    """How long a witness that is down is left alone, failure by failure, in steps of a tenth of a second."""
    handle, asked = answering(httpx.ConnectError("refused"))
    clock = Clock()
    http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    witness = HttpWitness(KEY, "http://w", client=http, clock=clock, jitter=lambda: jitter)
    pauses = []
    for count in range(1, 9):
        while len(asked) < count:
            clock.now += 0.1
            assert isinstance(outcome(witness.add_checkpoint(0, (), note(5))), StorageError)
        pauses.append(clock.now)
    return [later - earlier for earlier, later in zip(pauses, pauses[1:], strict=False)]


def test_a_witness_that_fails_is_left_alone_longer_each_time_up_to_a_minute() -> None:
    least, most = pauses_of(0.0), pauses_of(0.999)
    assert [round(pause) for pause in least] == [1, 1, 2, 4, 8, 16, 30]
    assert [round(pause) for pause in most] == [1, 2, 4, 8, 16, 32, 60]


def test_a_witness_is_asked_again_when_it_said_so_and_a_good_answer_forgets_failures() -> None:
    text = note(5)
    handle, asked = answering(
        httpx.Response(503, headers={"Retry-After": "7"}), httpx.Response(200, content=line_of(text).encode())
    )
    clock = Clock()
    witness = witness_of(handle, clock)
    assert isinstance(outcome(witness.add_checkpoint(0, (), text)), StorageError)
    clock.now += 6.9
    assert isinstance(outcome(witness.add_checkpoint(0, (), text)), StorageError)
    assert len(asked) == 1
    clock.now += 0.2
    assert outcome(witness.add_checkpoint(0, (), text)) == line_of(text)
    assert outcome(witness.add_checkpoint(0, (), text)) == line_of(text)


def test_an_answer_that_drips_is_given_up() -> None:
    async def drip() -> Any:
        while True:
            await asyncio.sleep(0.01)
            yield b"x"

    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=drip())

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    witness = HttpWitness(KEY, "https://w.example", client=client, timeout_s=0.1)
    assert isinstance(outcome(witness.add_checkpoint(0, (), note(5))), StorageError)


@pytest.mark.parametrize("status", [403, 404, 405, 410])
def test_a_witness_that_shows_nothing_is_asked_by_the_protocol(status: int) -> None:
    handle, asked = answering(httpx.Response(status), httpx.Response(409, content=b"8\n"))
    witness = witness_of(handle)
    assert isinstance(witness, ProbedWitness)
    assert outcome(witness.last_checkpoint(ORIGIN)) is None
    assert outcome(witness.seen_size(note(11), 11)) == 8
    assert asked[1].content.startswith(b"old 0\n\n")


def test_a_monitoring_endpoint_that_fails_keeps_nobody_from_asking() -> None:
    handle, _ = answering(httpx.Response(502), httpx.Response(409, content=b"8\n"))
    witness = witness_of(handle)
    assert isinstance(outcome(witness.last_checkpoint(ORIGIN)), StorageError)
    assert outcome(witness.seen_size(note(11), 11)) == 8


def test_a_witness_at_our_size_is_asked_whether_it_is_our_tree() -> None:
    handle, asked = answering(httpx.Response(409, content=b"8\n"), httpx.Response(409))
    error = outcome(witness_of(handle).seen_size(note(8), 8))
    assert isinstance(error, VerificationError)
    assert error.code == "inconsistent"
    assert asked[1].content.startswith(b"old 8\n\n")
    handle, _ = answering(
        httpx.Response(409, content=b"8\n"), httpx.Response(200, content=line_of(note(8)).encode())
    )
    assert outcome(witness_of(handle).seen_size(note(8), 8)) == 8


def test_a_witness_that_refuses_the_log_has_not_seen_another_tree() -> None:
    for answers in ([httpx.Response(422)], [httpx.Response(404)], [httpx.Response(409)]):
        handle, _ = answering(*answers)
        error = outcome(witness_of(handle).seen_size(note(8), 8))
        assert isinstance(error, VerificationError)
        assert error.code == "bad_checkpoint"


@pytest.mark.parametrize("shows", [True, False], ids=["shows our head", "shows nothing"])
def test_a_ledger_starts_beside_a_witness_that_refuses_it_and_shows_that_it_saw_the_same(
    world: World, tmp_path: Path, shows: bool
) -> None:
    """A replaying witness that refuses a log for ever answers 422 for its entries, and not for another tree."""

    async def body() -> None:
        one, two, _ = world.witnesses(tmp_path / "w")
        service = await grow(world, [LocalWitness(one), LocalWitness(two)], range(1))
        await service.published_checkpoint()
        size = service.head.size
        await service.stop()
        shown = one.last_checkpoint(LEDGER)

        def refuse(request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                return httpx.Response(200 if shows else 404, content=(shown or "").encode())
            if request.content.startswith(b"old 0\n"):
                return httpx.Response(409, content=b"%d\n" % size)
            return httpx.Response(422, content=b"bad_seal: refused for ever\n")

        http = httpx.AsyncClient(transport=httpx.MockTransport(refuse))
        clients: list[WitnessClient] = [
            HttpWitness(one.key, "http://w", client=http),
            LocalWitness(two),
        ]
        if shows:
            service = await grow(world, clients, range(1, 2))
            await service.stop()
            return
        with pytest.raises(ForkAlarm) as caught:
            await grow(world, clients, range(1, 2))
        assert caught.value.code == "lock_mismatch"

    asyncio.run(body())


def test_what_a_witness_shows_counts_with_its_own_signature_only() -> None:
    text = note(8)
    whole = add_cosignature(text, line_of(text))
    handle, _ = answering(httpx.Response(200, content=whole.encode()))
    assert outcome(witness_of(handle).last_checkpoint(ORIGIN)) == whole
    forged = whole.replace("\n8\n", "\n9\n")
    for shown in (text, "<html>", "", forged, whole.replace(line_of(text), line_of(note(5)))):
        handle, _ = answering(httpx.Response(200, content=shown.encode()))
        assert isinstance(outcome(witness_of(handle).last_checkpoint(ORIGIN)), StorageError)
    handle, _ = answering(httpx.Response(200, content=whole.encode()))
    assert isinstance(outcome(witness_of(handle).last_checkpoint(FOREIGN)), StorageError)


@pytest.mark.parametrize(
    "url", ["", "w.example", "ftp://w.example", "http://", "http://a@w.example", "http://w/?x", "http://w:x/"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(LedgerError) as caught:
        HttpWitness(KEY, url)
    assert caught.value.code == "bad_input"


def test_a_policy_gives_a_client_for_each_witness_with_an_address() -> None:
    lines = [
        f"witness {name} {format_vkey(signer.verifier_key)}{url}\n"
        for name, signer, url in zip(
            ("a", "b", "c"), witness_signers(), (" https://a.example", "", " gopher://c.example"), strict=True
        )
    ]
    policy = parse_policy("".join(lines) + "quorum none\n")
    keys = [signer.verifier_key for signer in witness_signers()]

    def names(*chosen: str, but: list[CosignerKey] | None = None) -> list[str]:
        return [client.key.name for client in HttpWitnesses(chosen, but=but or [])([policy, policy])]

    assert names() == ["w1.test"]  # what governors mistyped stops nothing
    assert names("b=http://b.example") == ["w1.test", "w2.test"]
    assert names("w2.test=http://b.example", "c=http://c") == ["w1.test", "w2.test", "w3.test"]
    assert names("b=http://b.example", but=keys[:1]) == ["w2.test"]
    for chosen in ("b", "=http://x", "b=x"):
        with pytest.raises(LedgerError):
            HttpWitnesses([chosen])
    with pytest.raises(LedgerError):
        HttpWitnesses(["nobody=http://x"]).check(policy)
    made = HttpWitnesses()
    assert made([policy])[0] is made([policy])[0]


# -- a ledger and its witnesses elsewhere -----------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger", threshold=2).found()


def watching(world: World) -> list[WatchedLog]:
    world.witnesses(world.data_dir.parent / "unused")  # opens the keys
    from ledger.core.pin import Pin

    return [WatchedLog(LEDGER, (tuple(world.log_keys()),), Pin(LEDGER, world.charter_hash))]


async def grow(world: World, clients: list[WitnessClient], numbers: range) -> LedgerService:
    service = world.open(clients, witness_timeout_s=2.0)
    await service.start()
    if service.head.size == 16:
        await asyncio.gather(*(service.submit(entry) for entry in world.admission()))
    for number in numbers:
        await service.submit(world.credential(number))
    return service


@pytest.mark.parametrize("shows", [True, False], ids=["shows its checkpoint", "shows nothing"])
def test_a_restored_ledger_is_noticed_by_witnesses_elsewhere(
    world: World, tmp_path: Path, shows: bool
) -> None:
    """Database and lock came back from one backup: only the witnesses remember (backup restore, ledger.md 5.2)."""
    import shutil

    async def body() -> None:
        one, two, _ = witness_signers()
        logs = watching(world)
        async with (
            running(tmp_path / "a.db", logs=logs, signer=one, now_s=world.clock.seconds) as (first, _1),
            running(tmp_path / "b.db", logs=logs, signer=two, now_s=world.clock.seconds) as (second, _2),
        ):

            def clients() -> list[WitnessClient]:
                return [
                    HttpWitness(signer.verifier_key, "http://witness.test", client=_hide(http, shows))
                    for signer, http in ((one, first), (two, second))
                ]

            service = await grow(world, clients(), range(2))
            assert parse_checkpoint(parse_note(await service.published_checkpoint()).text).tree_size == 64
            await service.stop()
            shutil.copytree(world.data_dir, tmp_path / "backup")
            service = await grow(world, clients(), range(2, 4))
            await service.published_checkpoint()
            await service.stop()
            shutil.rmtree(world.data_dir)
            shutil.copytree(tmp_path / "backup", world.data_dir)
            with pytest.raises(ForkAlarm) as caught:
                await grow(world, clients(), range(4, 5))
            assert caught.value.code == "lock_mismatch"
            assert "96" in caught.value.detail

    asyncio.run(body())


def _hide(http: httpx.AsyncClient, shows: bool) -> httpx.AsyncClient:
    """The same witness, with or without its monitoring endpoint."""
    inner = http._transport

    class Hiding(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "GET" and not shows:
                return httpx.Response(404)
            return await inner.handle_async_request(request)

    return httpx.AsyncClient(transport=Hiding())


def test_a_start_needs_a_quorum_of_witnesses_that_really_answer(world: World, tmp_path: Path) -> None:
    async def body() -> None:
        one, two, three = witness_signers()
        logs = watching(world)
        handle, _ = answering(httpx.Response(200, content=b"<html>welcome</html>"))
        async with running(tmp_path / "a.db", logs=logs, signer=one, now_s=world.clock.seconds) as (
            first,
            _1,
        ):
            good = HttpWitness(one.verifier_key, "http://witness.test", client=first)
            local = LocalWitness(world.witnesses(tmp_path / "w")[1])
            service = await grow(world, [good, local], range(1))
            await service.published_checkpoint()
            await service.stop()

            def portal(signer: Any) -> HttpWitness:
                http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
                return HttpWitness(signer.verifier_key, "http://w", client=http)

            with pytest.raises(StorageError) as caught:
                await grow(world, [good, portal(two), portal(three)], range(1, 2))
            assert caught.value.code == "not_reachable"
            service = await grow(world, [good, local, portal(three)], range(1, 2))
            assert service.head.size == 64
            await service.stop()

    asyncio.run(body())


def test_a_witness_that_was_away_catches_up_and_a_quorum_goes_on_without_it(
    world: World, tmp_path: Path
) -> None:
    async def body() -> None:
        one, two, _ = witness_signers()
        logs = watching(world)
        down = {"is": False}

        class MayBeDown(httpx.AsyncBaseTransport):
            def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
                self.inner = inner

            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if down["is"]:
                    raise httpx.ConnectError("down")
                return await self.inner.handle_async_request(request)

        async with (
            running(tmp_path / "a.db", logs=logs, signer=one, now_s=world.clock.seconds) as (first, _1),
            running(tmp_path / "b.db", logs=logs, signer=two, now_s=world.clock.seconds) as (second, _2),
        ):
            flaky = HttpWitness(
                two.verifier_key, "http://witness.test",
                client=httpx.AsyncClient(transport=MayBeDown(second._transport)), jitter=lambda: 0.0,
            )  # fmt: skip
            good = HttpWitness(one.verifier_key, "http://witness.test", client=first)
            local = LocalWitness(world.witnesses(tmp_path / "w")[2])
            service = await grow(world, [good, flaky, local], range(1))
            await service.published_checkpoint()
            assert service.publisher.cosigned_by() == ("w1", "w2", "w3")
            down["is"] = True
            for number in range(1, 4):
                await service.submit(world.credential(number))
            await service.published_checkpoint()
            assert service.publisher.cosigned_by() == ("w1", "w3")
            assert service.health().published_size == service.head.size
            down["is"] = False
            flaky._not_before = 0.0
            await service.submit(world.credential(4))
            await service.published_checkpoint()
            assert service.publisher.cosigned_by() == ("w1", "w2", "w3")
            await service.stop()

    asyncio.run(body())


def test_lines_below_a_quorum_are_kept_until_the_others_come(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.service import publisher

    monkeypatch.setattr(publisher, "_RETRY_S", 0.05)

    async def body() -> None:
        one, two, _ = world.witnesses(tmp_path / "w")
        asked: list[str] = []

        class Late(LocalWitness):
            """Answers from the sixth time on."""

            async def add_checkpoint(self, old_size: int, proof: Any, note: str) -> str:
                asked.append("late")
                if len(asked) < 6:
                    raise StorageError("not yet", code="not_reachable")
                return await super().add_checkpoint(old_size, proof, note)

        class Counted(LocalWitness):
            async def add_checkpoint(self, old_size: int, proof: Any, note: str) -> str:
                counted.append(old_size)
                return await super().add_checkpoint(old_size, proof, note)

        counted: list[int] = []
        service = world.open([Counted(one), Late(two)], witness_timeout_s=1.0)
        await service.start()
        async with asyncio.timeout(5):
            while service.publisher.cosigned_by() != ("w1", "w2"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert len(counted) == 1
        await service.stop()

    asyncio.run(body())


def test_a_slow_witness_holds_up_no_head_and_its_line_comes_later(world: World, tmp_path: Path) -> None:
    one, two, three = world.witnesses(tmp_path / "w")
    go = asyncio.Event()

    class Slow(LocalWitness):
        async def add_checkpoint(self, old_size: int, proof: Any, note: str) -> str:
            await go.wait()
            return await super().add_checkpoint(old_size, proof, note)

    async def body() -> None:
        service = world.open([LocalWitness(one), Slow(three), LocalWitness(two)], witness_timeout_s=60)
        await service.start()
        await asyncio.gather(*(service.submit(entry) for entry in world.admission()))
        for number in range(3):
            await service.submit(world.credential(number))
            async with asyncio.timeout(10):
                await service.published_checkpoint(10)
            assert service.health().published_size == service.head.size
            assert service.publisher.cosigned_by() == ("w1", "w2")
        go.set()
        async with asyncio.timeout(10):
            while service.publisher.cosigned_by() != ("w1", "w2", "w3"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert service.health().published_size == service.head.size
        await service.stop()
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    asyncio.run(body())


def test_the_policy_of_the_charter_says_where_its_witnesses_are(world: World, tmp_path: Path) -> None:
    asked: list[str] = []

    class Finder:
        def __call__(self, policies: Any) -> list[WitnessClient]:
            asked.extend(name for policy in policies for name in policy.witness_keys())
            return [LocalWitness(witness) for witness in world.witnesses(tmp_path / "w")]

    async def body() -> None:
        service = world.open(find_witnesses=Finder())
        await service.start()
        await service.published_checkpoint()
        assert service.publisher.cosigned_by() == ("w1", "w2", "w3")
        await service.stop()

    asyncio.run(body())
    assert set(asked) == set(parse_policy(policy_text(2)).witness_keys())
