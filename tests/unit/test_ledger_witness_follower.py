"""A witness that replays: it cosigns what the rules accept, and nothing else, whoever signed it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.core.bridges import log_verifier_keys
from ledger.core.checkpoint import Checkpoint, sign_checkpoint
from ledger.core.merkle import leaf_hash, root_hash
from ledger.core.note import Ed25519NoteSigner
from ledger.core.seal import Seal
from ledger.core.statement import PADDING, parse_statement, sign_statement
from ledger.errors import ForkAlarm, StorageError
from ledger.service.log_witness import LogWitness
from ledger.witness import head_replay
from ledger.witness.follower import Follower
from ledger.witness.logs import WatchedLog
from ledger.witness.service import MAX_WAITING, WitnessService
from tests.support.ledgers import TinyLedger
from tests.support.rotating_ledger import RotatingLedger
from tests.support.witness_cases import body, proof_over
from tests.support.witness_services import open_state, running


@dataclass
class Shown:
    """What a ledger, or whoever stands in the way, shows to a witness."""

    entries_: list[bytes] = field(default_factory=list)
    note: str = ""
    is_down: bool = False
    pause_s: float = 0.0
    looks: int = 0

    def show(self, ledger: TinyLedger, note: str | None = None) -> None:
        self.entries_, self.note = list(ledger.entries), ledger.checkpoint() if note is None else note

    def checkpoint(self) -> str:
        self.looks += 1
        if self.is_down or not self.note:
            raise StorageError("down", code="not_reachable")
        return self.note

    def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
        time.sleep(self.pause_s)
        if self.is_down:
            raise StorageError("down", code="not_reachable")
        if len(self.entries_) < min(stop, tree_size):
            raise ForkAlarm("a stored entry is missing", code="bad_entry", index=len(self.entries_))
        return self.entries_[start : min(stop, tree_size)], b""

    def close(self) -> None:
        pass


@pytest.fixture
def ledger() -> RotatingLedger:
    made = RotatingLedger()
    issuer = made.admit()
    for _ in range(3):
        made.issue(issuer)
    made.close_epoch()
    return made


def keys_of(ledger: TinyLedger) -> tuple[Any, ...]:
    return log_verifier_keys(ledger.origin, ledger.charter.log_keys)


@asynccontextmanager
async def replaying(
    path: Path, ledger: TinyLedger, shown: Shown, *, poll_s: float = 0.05, wait_s: float = 3.0, **more: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, WitnessService]]:
    log = WatchedLog(ledger.origin, (keys_of(ledger),), ledger.pin, "memory")

    def make(witness: LogWitness, log: WatchedLog) -> Follower:
        assert log.pin is not None
        opened: Any = shown
        return Follower(witness, log.pin, log.replay, poll_s=poll_s, open_place=lambda place: opened)

    async with running(
        path, logs=[log, *more.pop("logs", ())], make_follower=make, answer_wait_s=wait_s
    ) as pair:
        yield pair


async def ask(
    client: httpx.AsyncClient, ledger: TinyLedger, old: int, note: str | None = None
) -> httpx.Response:
    text = ledger.checkpoint() if note is None else note
    return await client.post("/add-checkpoint", content=body(old, text, proof_over(ledger.leaves, old)))


async def health(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/healthz")).json()["logs"][0]
    return found


def signed(ledger: TinyLedger, entries: list[bytes]) -> str:
    """A head over other entries, with the log's own signatures: what a lying operator makes."""
    head = Checkpoint(ledger.origin, len(entries), root_hash([leaf_hash(entry) for entry in entries]))
    return sign_checkpoint(head, ledger.log_signers, ledger.now_s)


def lying_seal(ledger: TinyLedger) -> list[bytes]:
    """The entries with a last seal that does not say what they mean, signed by the service key."""
    seal: Seal = parse_statement(ledger.entries[-1]).body
    false = replace(seal, registry_digest=bytes(32))
    return [*ledger.entries[:-1], sign_statement("seal", ledger.origin, ledger.origin, false, ledger.service)]


def changed(ledger: TinyLedger, index: int) -> list[bytes]:
    entry = ledger.entries[index]
    return [*ledger.entries[:index], entry[:-1] + bytes([entry[-1] ^ 1]), *ledger.entries[index + 1 :]]


def dropped(ledger: TinyLedger, index: int) -> list[bytes]:
    """The entries with padding in the place of a credential."""
    return [*ledger.entries[:index], PADDING, *ledger.entries[index + 1 :]]


def test_what_the_rules_accept_is_cosigned_epoch_by_epoch(ledger: RotatingLedger, tmp_path: Path) -> None:
    async def run() -> None:
        shown = Shown()
        async with replaying(tmp_path / "state.db", ledger, shown, poll_s=60) as (client, _):
            sizes = [0]
            for _round in range(4):
                shown.show(ledger, "")
                answer = await ask(client, ledger, sizes[-1])
                assert answer.status_code == 200, answer.text
                sizes.append(ledger.tree_size)
                ledger.issue(ledger.issuers["civil-1"])
                ledger.close_epoch()
            state = await health(client)
            assert (state["state"], state["size"], state["replayed"]) == ("cosigning", sizes[-1], sizes[-1])

    asyncio.run(run())


LIES: dict[str, tuple[Callable[[RotatingLedger], list[bytes]], str]] = {
    "a signature that is not good": (lambda ledger: changed(ledger, 32), "bad_entry"),
    "a credential that is gone": (lambda ledger: dropped(ledger, 33), "bad_epoch"),
    "a seal that lies": (lying_seal, "bad_seal"),
    "a credential twice": (
        lambda ledger: [*ledger.entries[:33], ledger.entries[32], *ledger.entries[34:]],
        "bad_epoch",
    ),
    "another charter": (lambda ledger: changed(ledger, 0), "bad_entry"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("limit", [65_536, 0], ids=["in memory", "streamed"])
def test_a_signed_head_over_entries_that_break_a_rule_is_refused_for_ever(
    ledger: RotatingLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str, limit: int
) -> None:
    monkeypatch.setattr(head_replay, "_IN_MEMORY_ENTRIES", limit)
    make, code = LIES[lie]
    entries = make(ledger)
    note = signed(ledger, entries)

    async def run() -> None:
        shown = Shown(entries)
        async with replaying(tmp_path / "state.db", ledger, shown) as (client, _):
            answer = await client.post("/add-checkpoint", content=body(0, note))
            assert answer.status_code == 422, answer.text
            assert answer.text.startswith(f"{code}: ")
            state = await health(client)
            assert (state["state"], state["code"], state["size"]) == ("refused", code, 0)
            assert f"Refused for ever: {code}" in (await client.get("/")).text
            named = state["index"]
        # Also after a start, and also for the head that would have been right.
        shown.show(ledger)
        async with replaying(tmp_path / "state.db", ledger, shown) as (client, _):
            assert (await ask(client, ledger, 0)).status_code == 422
            assert (await health(client))["index"] == named
        alarm = open_state(tmp_path / "state.db").alarm(ledger.origin)
        assert alarm is not None
        assert alarm.note == note
        assert named is None or 0 <= named < len(entries)

    asyncio.run(run())


@pytest.mark.parametrize("limit", [65_536, 0], ids=["in memory", "streamed"])
def test_a_source_that_lies_is_not_held_against_the_log(
    ledger: RotatingLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Whoever stands between ledger and witness can hold a cosignature up, and not more."""
    monkeypatch.setattr(head_replay, "_IN_MEMORY_ENTRIES", limit)

    async def run() -> None:
        shown = Shown(changed(ledger, 33))
        async with replaying(tmp_path / "state.db", ledger, shown, wait_s=0.3) as (client, _):
            for entries in (changed(ledger, 33), ledger.entries[:20], [], lying_seal(ledger)):
                shown.entries_ = entries
                answer = await ask(client, ledger, 0)
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
            state = await health(client)
            assert state["state"] == "cosigning"
            assert state["problem"] in ("bad_checkpoint", "not_reachable")
            shown.show(ledger)
            await until(lambda: ask(client, ledger, 0), 200)

    asyncio.run(run())


async def until(work: Callable[[], Any], status: int) -> None:
    async with asyncio.timeout(15):
        while (await work()).status_code != status:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.05)


def test_while_it_catches_up_it_asks_for_patience_and_other_logs_do_not_wait(
    ledger: RotatingLedger, tmp_path: Path
) -> None:
    from tests.support.witness_cases import note, proof
    from tests.support.witness_services import LOGS

    async def run() -> None:
        shown = Shown(pause_s=0.6)
        shown.show(ledger, "")
        async with replaying(tmp_path / "state.db", ledger, shown, wait_s=0.2, logs=LOGS) as (client, _):
            slow = [asyncio.create_task(ask(client, ledger, 0)) for _ in range(8)]
            await asyncio.sleep(0.02)
            start = time.monotonic()
            for old, new in ((0, 3), (3, 5), (5, 8)):
                answer = await client.post("/add-checkpoint", content=body(old, note(new), proof(old, new)))
                assert answer.status_code == 200
            assert time.monotonic() - start < 0.5
            answers = [await task for task in slow]
            assert {answer.status_code for answer in answers} == {503}
            assert {answer.headers["Retry-After"] for answer in answers} == {"5"}
            await until(lambda: ask(client, ledger, 0), 200)

    asyncio.run(run())


def test_a_source_that_is_down_holds_nothing_up_but_its_own_log(
    ledger: RotatingLedger, tmp_path: Path
) -> None:
    async def run() -> None:
        shown = Shown(is_down=True)
        async with replaying(tmp_path / "state.db", ledger, shown, wait_s=0.1) as (client, _):
            assert (await ask(client, ledger, 0)).status_code == 503
            assert (await health(client))["problem"] == "not_reachable"
            shown.show(ledger)
            shown.is_down = False
            await until(lambda: ask(client, ledger, 0), 200)
            assert (await health(client))["problem"] == ""

    asyncio.run(run())


@pytest.mark.parametrize("away", [False, True], ids=["awake", "asleep while they changed"])
def test_log_keys_that_governors_exchanged_are_learnt_by_replaying(
    ledger: RotatingLedger, tmp_path: Path, away: bool
) -> None:
    async def run() -> None:
        shown = Shown()
        shown.show(ledger)
        path = tmp_path / "state.db"
        old = ledger.log_signers
        async with replaying(path, ledger, shown) as (client, _):
            start = ledger.tree_size
            assert (await ask(client, ledger, 0)).status_code == 200
            ledger.rotate("log-keys")
            bridge = ledger.tree_size
            if not away:
                shown.show(ledger)
                assert (await ask(client, ledger, start)).status_code == 200
        before = start if away else bridge
        ledger.issue(ledger.issuers["civil-1"])
        ledger.close_epoch()
        assert ledger.log_signers != old
        # Somebody who kept the old keys goes on with them.
        head = Checkpoint(ledger.origin, ledger.tree_size, root_hash(ledger.leaves))
        stolen = sign_checkpoint(head, old, ledger.now_s)
        async with replaying(path, ledger, shown) as (client, _):
            shown.show(ledger)
            await until(lambda: ask(client, ledger, before, stolen), 403)
            assert (await health(client))["size"] == before
            await until(lambda: ask(client, ledger, before), 200)
        shown.is_down = True  # the keys are remembered beyond the process
        async with replaying(path, ledger, shown, wait_s=0.1) as (client, _):
            assert (await ask(client, ledger, ledger.tree_size)).status_code == 503

    asyncio.run(run())


def test_a_head_that_stolen_keys_signed_is_refused_and_the_honest_history_goes_on(
    ledger: RotatingLedger, tmp_path: Path
) -> None:
    """The thief of the log keys signs an extension of his own; the entries say otherwise."""

    async def run() -> None:
        shown = Shown()
        shown.show(ledger)
        async with replaying(tmp_path / "state.db", ledger, shown, wait_s=0.3) as (client, _):
            start = ledger.tree_size
            assert (await ask(client, ledger, 0)).status_code == 200
            forged = [*ledger.entries, *ledger.entries[:16]]
            note = signed(ledger, forged)
            proof = proof_over([leaf_hash(entry) for entry in forged], start)
            request = body(start, note, proof)
            assert (await client.post("/add-checkpoint", content=request)).status_code == 503
            ledger.issue(ledger.issuers["civil-1"])
            ledger.close_epoch()
            shown.show(ledger)
            await until(lambda: client.post("/add-checkpoint", content=request), 422)
            assert (await health(client))["contradictions"] == 1
            await until(lambda: ask(client, ledger, start), 200)
            state = await health(client)
            assert (state["state"], state["size"]) == ("cosigning", ledger.tree_size)

    asyncio.run(run())


def test_a_head_in_the_middle_of_an_epoch_is_not_cosigned(ledger: RotatingLedger, tmp_path: Path) -> None:
    async def run() -> None:
        shown = Shown()
        shown.show(ledger)
        async with replaying(tmp_path / "state.db", ledger, shown, wait_s=0.5) as (client, _):
            await until(lambda: ready(client, ledger.tree_size), 200)
            for size in (8, 17, 24):
                note = signed(ledger, ledger.entries[:size])
                answer = await client.post("/add-checkpoint", content=body(0, note))
                assert answer.status_code == 422

    asyncio.run(run())


def test_whoever_signs_the_middle_of_an_honest_epoch_does_not_get_the_log_refused(
    ledger: RotatingLedger, tmp_path: Path
) -> None:
    ledger.issue(ledger.issuers["civil-1"])
    for _ in range(20):
        ledger.issue(ledger.issuers["civil-1"])
    ledger.close_epoch()

    async def run() -> None:
        shown = Shown()
        shown.show(ledger, "")  # entries, and no head: only what is asked for is replayed
        async with replaying(tmp_path / "state.db", ledger, shown, wait_s=0.3) as (client, _):
            for size in (8, 17, ledger.tree_size - 16):
                note = signed(ledger, ledger.entries[:size])
                answer = await client.post("/add-checkpoint", content=body(0, note))
                assert answer.status_code == 503
            await until(lambda: ask(client, ledger, 0), 200)
            assert (await health(client))["state"] == "cosigning"

    asyncio.run(run())


def test_what_was_replayed_and_not_accepted_is_never_held_against_a_smaller_head(
    ledger: RotatingLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails while keys are learnt; afterwards the head of an epoch before is asked for."""
    before, small = list(ledger.leaves), ledger.checkpoint()
    ledger.issue(ledger.issuers["civil-1"])
    ledger.close_epoch()
    learn, failures = LogWitness.learn_log_keys, [StorageError("disk")]

    def fail_once(*arguments: Any, **more: Any) -> None:
        if failures:
            raise failures.pop()
        learn(*arguments, **more)

    monkeypatch.setattr(LogWitness, "learn_log_keys", fail_once)

    async def run() -> None:
        shown = Shown()
        shown.show(ledger)
        async with replaying(tmp_path / "state.db", ledger, shown, poll_s=60) as (client, _):
            await until(lambda: failed(failures), 200)
            shown.note = ""
            answer = await client.post("/add-checkpoint", content=body(0, small))
            assert answer.status_code == 200, answer.text
            assert (await health(client))["size"] == len(before)

    asyncio.run(run())


async def failed(failures: list[StorageError]) -> httpx.Response:
    return httpx.Response(503 if failures else 200)


async def ready(client: httpx.AsyncClient, size: int) -> Any:
    """200 as soon as this many entries are replayed."""
    return httpx.Response(200 if (await health(client))["replayed"] >= size else 503)


def test_a_source_that_shows_heads_that_nobody_signed_changes_nothing(
    ledger: RotatingLedger, tmp_path: Path
) -> None:
    async def run() -> None:
        from tests.support.witness_cases import signers

        stranger = signers("stranger", ledger.origin)
        lies = lying_seal(ledger)
        head = Checkpoint(ledger.origin, len(lies), root_hash([leaf_hash(entry) for entry in lies]))
        for entries, note in (
            (lies, sign_checkpoint(head, stranger, 1)),
            (ledger.entries, ledger.checkpoint().replace(ledger.origin, "other.example")),
            (ledger.entries, "no note"),
        ):
            shown = Shown(entries, note)
            async with replaying(tmp_path / "state.db", ledger, shown, wait_s=0.2) as (client, _):
                async with asyncio.timeout(10):
                    while shown.looks < 2:  # noqa: ASYNC110 - nothing announces it
                        await asyncio.sleep(0.02)

                async def is_at_rest(client: httpx.AsyncClient = client) -> bool:
                    state = await health(client)
                    assert (state["state"], state["size"]) == ("cosigning", 0)
                    return bool(state["replayed"] == 0)  # it may be trying once more

                await until_true(is_at_rest)
                shown.show(ledger)
                await until(lambda: ask(client, ledger, 0), 200)
            (tmp_path / "state.db").rename(tmp_path / f"state-{len(note)}.db")

    asyncio.run(run())


def test_a_state_that_fails_in_the_thread_stops_no_other_and_says_so(
    ledger: RotatingLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(LogWitness, "learn_log_keys", broken)

    async def run() -> None:
        shown = Shown()
        shown.show(ledger)
        async with replaying(tmp_path / "state.db", ledger, shown, wait_s=0.2) as (client, _):
            assert (await ask(client, ledger, 0)).status_code == 503
            assert (await health(client))["problem"] == "storage_failed"

    asyncio.run(run())


def twin(first: str) -> RotatingLedger:
    """The same ledger up to its second epoch, and then another history."""
    made = RotatingLedger()
    issuer = made.admit()
    for _ in range(3):
        made.issue(issuer)
    made.close_epoch()
    made.admit(first)
    return made


@pytest.mark.parametrize("later", [0, 2], ids=["same size", "larger"])
def test_another_history_that_the_ledger_shows_is_kept_as_a_fork(tmp_path: Path, later: int) -> None:
    """Nobody asks the witness to cosign it: the ledger shows it where the entries are fetched."""
    mine, theirs = twin("agency-a"), twin("agency-b")
    for number in range(later):
        theirs.admit(f"agency-{number}")

    async def run() -> None:
        shown = Shown()
        shown.show(mine)
        async with replaying(tmp_path / "state.db", mine, shown) as (client, _):
            assert (await ask(client, mine, 0)).status_code == 200
            shown.show(theirs, "\n".join(theirs.checkpoint().split("\n")[:3]) + "\n\n— nobody AAAAAAA=\n")
            looks = shown.looks
            await until_true(lambda: shown.looks > looks + 2)
            assert (await health(client))["contradictions"] == 0  # the log did not sign that
            shown.show(theirs)

            async def is_kept() -> bool:
                return bool((await health(client))["contradictions"] == 1)

            await until_true(is_kept)
            shown.show(mine)
            mine.admit("agency-c")
            shown.show(mine)
            await until(lambda: ask(client, mine, mine.tree_size - 16), 200)

    asyncio.run(run())


async def until_true(happened: Callable[[], Any], limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while True:
        answer = happened()
        if (await answer) if asyncio.iscoroutine(answer) else answer:
            return
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.02)


def test_a_head_of_any_size_costs_neither_memory_nor_the_other_logs(
    ledger: RotatingLedger, tmp_path: Path
) -> None:
    """Nobody signed it, and its size is invented; no list may be made of its pages, and no second fetch."""

    class Endless(Shown):
        def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
            assert tree_size in (ledger.tree_size, 2**50)
            if tree_size == ledger.tree_size:
                return super().entries(start, stop, tree_size)
            return [ledger.entries[-1]] * (stop - start), b""

    async def run() -> None:
        head = Checkpoint(ledger.origin, 2**50, bytes(32))
        stranger = Ed25519NoteSigner(ledger.origin, bytes(32))
        shown = Endless(list(ledger.entries), sign_checkpoint(head, [stranger], 1))
        async with replaying(tmp_path / "state.db", ledger, shown, wait_s=0.2) as (client, _):
            await until_true(lambda: shown.looks > 2)
            assert (await health(client))["state"] == "cosigning"
            shown.show(ledger)
            await until(lambda: ask(client, ledger, 0), 200)

    asyncio.run(run())


def test_no_list_is_made_of_the_pages_of_a_tree() -> None:
    class Cut(Shown):
        def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
            assert stop - start <= 4096
            if start >= 8192:
                raise StorageError("the source ends", code="not_reachable")
            return [PADDING] * (stop - start), b""

    ledger = RotatingLedger()
    shown: Any = Cut()
    replay = head_replay.HeadReplay(ledger.pin, "memory", lambda place: shown, lambda: False)
    with pytest.raises(StorageError):
        replay.root_before(Checkpoint(ledger.origin, 2**62, bytes(32)), 32)


def test_entries_of_any_weight_are_not_held_before_their_root_is_known(
    ledger: RotatingLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_replay, "_PAGE", 16)
    monkeypatch.setattr(head_replay, "_IN_MEMORY_BYTES", 1_000)
    monkeypatch.setattr(head_replay, "_EPOCH_BYTES", 100_000)
    size, shown = 32_768, Shown()
    shown.entries_ = [*ledger.entries, *[b"\x00" * 100] * (size - 16 - ledger.tree_size)]
    shown.entries_ += ledger.entries[-16:]
    widest = 0

    class Counting(Shown):
        def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
            nonlocal widest
            widest = max(widest, stop if stop < size else 0)
            return shown.entries(start, stop, tree_size)

    source: Any = Counting()
    replay = head_replay.HeadReplay(ledger.pin, "memory", lambda place: source, lambda: False)
    with pytest.raises(StorageError) as raised:
        replay.advance(Checkpoint(ledger.origin, size, bytes(32)), is_signed=False)
    assert raised.value.code == "too_large"
    assert widest < 4_096
    replay.advance(Checkpoint(ledger.origin, ledger.tree_size, root_hash(ledger.leaves)))


@pytest.mark.parametrize("asleep", [False, True], ids=["replayed before", "after a start"])
def test_keys_that_were_replaced_get_no_log_refused(
    ledger: RotatingLedger, tmp_path: Path, asleep: bool
) -> None:
    """Somebody has the old log keys, and stands between ledger and witness."""
    old = ledger.log_signers
    before = list(ledger.entries)
    ledger.rotate("log-keys")
    ledger.issue(ledger.issuers["civil-1"])
    ledger.close_epoch()
    # Below the exchange the old keys are good; there it is what was cosigned that speaks for the log.
    forged = [*before, *lying_seal(ledger)[-16:]] if asleep else [*ledger.entries, *lying_seal(ledger)[-16:]]
    forged += lying_seal(ledger)[-16:] * (3 if asleep else 0)
    head = Checkpoint(ledger.origin, len(forged), root_hash([leaf_hash(entry) for entry in forged]))

    async def run() -> None:
        shown = Shown()
        shown.show(ledger)
        path = tmp_path / "state.db"
        async with replaying(path, ledger, shown, wait_s=0.3) as (client, _):
            await until(lambda: ask(client, ledger, 0), 200)
            if not asleep:
                shown.entries_, shown.note = forged, sign_checkpoint(head, old, ledger.now_s)
                await until_problem(client)
        if asleep:
            shown.entries_, shown.note = forged, sign_checkpoint(head, old, ledger.now_s)
        async with replaying(path, ledger, shown, wait_s=0.3) as (client, _):
            await until_problem(client)
            assert (await health(client))["state"] == "cosigning"
            shown.show(ledger)
            size = ledger.tree_size
            ledger.issue(ledger.issuers["civil-1"])
            ledger.close_epoch()
            shown.show(ledger)
            await until(lambda: ask(client, ledger, size), 200)

    asyncio.run(run())


async def until_problem(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(15):
        while (await health(client))["problem"] == "":
            assert (await health(client))["state"] == "cosigning"
            await asyncio.sleep(0.02)


def test_after_a_start_a_history_that_was_not_cosigned_is_a_fork_and_is_not_followed(tmp_path: Path) -> None:
    mine, theirs = twin("agency-a"), twin("agency-b")
    for number in range(2):
        theirs.admit(f"agency-{number}")

    async def run() -> None:
        shown = Shown()
        shown.show(mine)
        path = tmp_path / "state.db"
        async with replaying(path, mine, shown) as (client, _):
            assert (await ask(client, mine, 0)).status_code == 200
        size = mine.tree_size
        shown.show(theirs)
        async with replaying(path, mine, shown, wait_s=0.3) as (client, _):
            await until_problem(client)
            assert (await health(client))["contradictions"] == 1
            mine.issue(mine.issuers["civil-1"])
            mine.close_epoch()
            shown.show(mine)
            await until(lambda: ask(client, mine, size), 200)
        [kept] = open_state(path).refused(mine.origin)
        assert (kept.size, kept.root, kept.is_fork) == (theirs.tree_size, root_hash(theirs.leaves), True)

    asyncio.run(run())


def test_a_thief_of_log_keys_takes_no_place_of_the_honest_log(ledger: RotatingLedger, tmp_path: Path) -> None:
    """He asks for as many heads of his own as may wait at once; the next who asks is the ledger."""
    start, before = ledger.tree_size, list(ledger.leaves)
    first = ledger.checkpoint()
    ledger.issue(ledger.issuers["civil-1"])
    ledger.close_epoch()

    async def run() -> None:
        shown = Shown()
        shown.show(ledger, "")  # the head is shown only once it is cosigned
        async with replaying(tmp_path / "state.db", ledger, shown, wait_s=8) as (client, _):
            assert (await client.post("/add-checkpoint", content=body(0, first))).status_code == 200
            requests = []
            for number in range(MAX_WAITING):
                forged = [*ledger.entries[:start], *[b"%d" % number] * 32]
                proof = proof_over([leaf_hash(entry) for entry in forged], start)
                requests.append(body(start, signed(ledger, forged), proof))
            waiting = [asyncio.create_task(client.post("/add-checkpoint", content=item)) for item in requests]
            await asyncio.sleep(0.05)
            async with asyncio.timeout(5):
                while (await ask(client, ledger, len(before))).status_code != 200:  # noqa: ASYNC110 - no sign
                    await asyncio.sleep(0.05)
            assert {(await task).status_code for task in waiting} <= {503, 409, 422}

    asyncio.run(run())


@pytest.mark.parametrize("limit", [65_536, 0], ids=["in memory", "streamed"])
def test_a_head_that_nobody_signed_makes_nobody_begin_again(
    ledger: RotatingLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Whoever stands between takes the signatures off the heads: their entries are right all the same."""
    begin, begun = head_replay.HeadReplay.begin_again, []

    def count(replay: head_replay.HeadReplay) -> None:
        begun.append(1)
        begin(replay)

    monkeypatch.setattr(head_replay.HeadReplay, "begin_again", count)
    stranger = [Ed25519NoteSigner(ledger.origin, bytes(32))]

    async def run() -> None:
        shown = Shown()
        shown.show(ledger)
        async with replaying(tmp_path / "state.db", ledger, shown) as (client, _):
            assert (await ask(client, ledger, 0)).status_code == 200
            monkeypatch.setattr(head_replay, "_IN_MEMORY_ENTRIES", limit)
            sizes, notes = [ledger.tree_size], []
            leaves: list[list[bytes]] = []
            for _ in range(2):
                ledger.issue(ledger.issuers["civil-1"])
                ledger.close_epoch()
                sizes.append(ledger.tree_size)
                notes.append(ledger.checkpoint())
                leaves.append(list(ledger.leaves))
            head = Checkpoint(ledger.origin, ledger.tree_size, root_hash(ledger.leaves))
            shown.show(ledger, sign_checkpoint(head, stranger, 1))
            await until_true(lambda: ready_at(client, ledger.tree_size))
            await until_problem(client)
            for old, note, known in zip(sizes, notes, leaves, strict=False):
                request = body(old, note, proof_over(known, old))
                answer = await client.post("/add-checkpoint", content=request)
                assert answer.status_code == 200, answer.text
            assert (await health(client))["replayed"] == ledger.tree_size
            assert len(begun) == 1

    asyncio.run(run())


async def ready_at(client: httpx.AsyncClient, size: int) -> bool:
    return bool((await health(client))["replayed"] >= size)
