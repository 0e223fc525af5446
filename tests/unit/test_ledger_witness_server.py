"""The witness as a server: the table of the protocol, one tree at a time, memory before answers, evidence."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.core.checkpoint import open_checkpoint, parse_checkpoint
from ledger.core.cosignature import check_cosignature, check_cosignatures
from ledger.core.note import NoteSigner, find_line, parse_note, parse_signature_line
from ledger.core.witness_protocol import MAX_REQUEST_SIZE
from ledger.errors import StorageError
from ledger.service.log_witness import LogWitness
from ledger.store import witness_state
from ledger.store.witness_state import StoredHead, WitnessState
from ledger.witness import server as server_module
from ledger.witness.service import WitnessService
from tests.support.witness_cases import (
    CASES,
    NOW_S,
    ORIGIN,
    WITNESS_SIGNERS,
    Case,
    body,
    broken,
    head,
    key_set,
    note,
    proof,
    with_stranger,
)
from tests.support.witness_services import open_state, running

HASH = hashlib.sha256(ORIGIN.encode()).hexdigest()
SIGNER = WITNESS_SIGNERS["ed25519"]


async def post(client: httpx.AsyncClient, request: bytes) -> httpx.Response:
    return await client.post("/add-checkpoint", content=request)


async def lead(client: httpx.AsyncClient, sizes: tuple[int, ...]) -> None:
    """Have these sizes cosigned, one after the other."""
    for before, size in zip((0, *sizes), sizes, strict=False):
        answer = await post(client, body(before, note(size), proof(before, size)))
        assert answer.status_code == 200, answer.text


def of_algorithm(case: Case) -> NoteSigner:
    """Half of the table with each kind of key."""
    return WITNESS_SIGNERS["ml-dsa-44" if len(case.name) % 2 else "ed25519"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_of_the_table_is_answered_as_the_specification_says(case: Case, tmp_path: Path) -> None:
    async def run() -> None:
        signer = of_algorithm(case)
        async with running(tmp_path / "state.db", signer=signer) as (client, _):
            await lead(client, case.seen)
            answer = await post(client, case.request)
            assert answer.status_code == case.status, answer.text
            if case.status == 409:
                assert answer.headers["Content-Type"] == "text/x.tlog.size"
                assert answer.content == b"%d\n" % (case.size or 0)
            shown = await client.get(f"/{HASH}/checkpoint")
            if case.status == 200 and case.name != "a foreign log with one key":
                text = parse_note(case.request.partition(b"\n\n")[2]).text
                line = parse_signature_line(answer.text)
                assert check_cosignature(signer.verifier_key, line, parse_checkpoint(text), text) == NOW_S
                assert parse_note(shown.text).text == text
                assert find_line(parse_note(shown.text), signer.verifier_key) == line
            elif case.seen:  # a refusal leaves everything as it was
                assert parse_checkpoint(parse_note(shown.text).text) == head(case.seen[-1])
            else:
                assert shown.status_code == 404
            health = (await client.get("/healthz")).json()["logs"][0]
            assert health["state"] == "cosigning"
        kept = [item.note for item in open_state(tmp_path / "state.db").refused(ORIGIN)]
        assert bool(kept) == case.is_evidence

    asyncio.run(run())


def test_the_monitoring_endpoint_shows_the_lines_of_log_and_witness_and_no_others(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            await post(client, body(0, with_stranger(note(5))))
            shown = (await client.get(f"/{HASH}/checkpoint")).text
            signed = open_checkpoint(shown, key_set())
            times = check_cosignatures(signed.note, signed.checkpoint, {"w": SIGNER.verifier_key})
            assert times == {"w": NOW_S}
            assert len(signed.note.signatures) == 3
            for path in (f"/{HASH.upper()}/checkpoint", f"/{'0' * 64}/checkpoint", "/x/checkpoint"):
                assert (await client.get(path)).status_code == 404

    asyncio.run(run())


@pytest.mark.parametrize("round_", range(3))
def test_of_requests_at_once_one_wins_and_no_tree_goes_back(tmp_path: Path, round_: int) -> None:
    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            await lead(client, (3,))
            requests = [body(3, note(size), proof(3, size)) for size in (9, 5, 12, 7, 4, 11)]
            forks = [body(3, note(size, "other"), proof(3, size, "other")) for size in (9, 5, 12)]
            mixed = [item for pair in zip(requests, [*forks, *forks], strict=True) for item in pair]
            answers = await asyncio.gather(*(post(client, item) for item in mixed[round_:] + mixed[:round_]))
            winners = [answer for answer in answers if answer.status_code == 200]
            assert len(winners) == 1
            assert {answer.status_code for answer in answers} <= {200, 409, 422}
            shown = parse_note((await client.get(f"/{HASH}/checkpoint")).text)
            line = parse_signature_line(winners[0].text)
            checkpoint = parse_checkpoint(shown.text)
            assert check_cosignature(SIGNER.verifier_key, line, checkpoint, shown.text) == NOW_S
            told = {int(answer.text) for answer in answers if answer.status_code == 409}
            assert told <= {checkpoint.tree_size}

    asyncio.run(run())


def test_two_processes_that_share_a_state_do_not_both_win(tmp_path: Path) -> None:
    """The folder is held by one process; even without that the state compares before it writes."""
    one, two = (open_state(tmp_path / "state.db") for _ in range(2))
    before = StoredHead(3, head(3).root_hash, note(3))
    assert one.remember(ORIGIN, None, before, NOW_S)
    assert not two.remember(ORIGIN, None, StoredHead(5, head(5, "other").root_hash, "x"), NOW_S)
    after = StoredHead(9, head(9).root_hash, note(9))
    assert one.remember(ORIGIN, before, after, NOW_S)
    assert not two.remember(ORIGIN, before, StoredHead(5, head(5).root_hash, note(5)), NOW_S)
    assert two.head(ORIGIN) == after


def test_after_a_crash_between_memory_and_answer_the_head_is_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(BaseException):
        pass

    remember = WitnessState.remember

    def remember_and_die(*arguments: Any) -> bool:
        assert remember(*arguments)
        raise PowerCutError

    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            await lead(client, (3,))
        witness = LogWitness(SIGNER, ORIGIN, key_set(), open_state(tmp_path / "state.db"), lambda: NOW_S)
        with monkeypatch.context() as patch:
            patch.setattr(WitnessState, "remember", remember_and_die)
            with pytest.raises(PowerCutError):
                witness.cosign(_request(3, 8))
        async with running(tmp_path / "state.db") as (client, _):
            # Nobody has the answer; the log asks from where it thinks the witness is, and is told.
            again = await post(client, body(3, note(8), proof(3, 8)))
            assert (again.status_code, again.text) == (409, "8\n")
            assert (await post(client, body(3, note(8, "other"), proof(3, 8, "other")))).status_code == 409
            assert (await post(client, body(8, note(8, "other")))).status_code == 422
            assert (await post(client, body(8, note(8)))).status_code == 200

    asyncio.run(run())


def _request(old: int, new: int) -> Any:
    from ledger.core.witness_protocol import parse_add_checkpoint

    return parse_add_checkpoint(body(old, note(new), proof(old, new)))


def test_without_a_written_memory_no_signature_leaves_and_nothing_more_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, service):
            await lead(client, (3,))
            state = service._watched[ORIGIN].witness._state
            # The disk is full from here on.
            state._connection.execute("PRAGMA max_page_count = 1")
            with closing(sqlite3.connect(tmp_path / "state.db")) as other:
                pages = other.execute("PRAGMA page_count").fetchone()[0]
            state._connection.execute(f"PRAGMA max_page_count = {pages}")
            statuses = []
            for size in range(4, 40):
                answer = await post(client, body(size - 1, note(size), proof(size - 1, size)))
                statuses.append(answer.status_code)
                if answer.status_code != 200:
                    assert "example" not in answer.text
                    break
            assert statuses[-1] == 503
            assert (await post(client, body(3, note(40), proof(3, 40)))).status_code == 503
            stopped_at = len(statuses) + 2
        async with running(tmp_path / "state.db") as (client, _):
            shown = parse_note((await client.get(f"/{HASH}/checkpoint")).text)
            assert parse_checkpoint(shown.text) == head(stopped_at)
            size = stopped_at
            assert (await post(client, body(size, note(40), proof(size, 40)))).status_code == 200

    asyncio.run(run())


def test_one_log_of_many_knows_nothing_of_the_others(tmp_path: Path) -> None:
    from tests.support.witness_cases import foreign_note

    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            await lead(client, (3, 8))
            answer = await post(client, body(0, foreign_note(5)))
            assert answer.status_code == 200
            answers = [await post(client, body(8, note(11), proof(8, 11)))]
            answers.append(await post(client, body(8, foreign_note(11), proof(8, 11))))
            assert [answer.status_code for answer in answers] == [200, 409]
            assert answers[1].text == "5\n"

    asyncio.run(run())


def test_a_fork_is_kept_whole_and_the_log_goes_on(tmp_path: Path) -> None:
    """Venafi 2017: two signed heads without a proof. TrustAsia 2020: a head that is no prefix of a later one."""

    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            await lead(client, (3, 5, 8))
            for size in (5, 8, 8):
                await post(client, body(size, note(size, "other")))
            unproven = await post(client, body(8, note(12, "other"), proof(8, 12, "other")))
            assert unproven.status_code == 422
            # Whoever holds stolen keys cannot stop the honest history with a fork.
            assert (await post(client, body(8, note(11), proof(8, 11)))).status_code == 200
            health = (await client.get("/healthz")).json()["logs"][0]
            assert health["contradictions"] == 2
            assert "2 signed checkpoints contradict" in (await client.get("/")).text
        state = open_state(tmp_path / "state.db")
        kept = state.refused(ORIGIN)
        assert [(item.size, item.is_fork) for item in kept] == [(5, True), (8, True), (12, False)]
        for item in kept:
            # Two notes under one pair of keys, for one size, with two roots: anybody can check that.
            evidence = open_checkpoint(item.note, key_set()).checkpoint
            own = {found.size: found for found in state.cosigned(ORIGIN)}.get(item.size)
            if own is not None:
                assert open_checkpoint(own.note, key_set()).checkpoint.root_hash != evidence.root_hash
        assert [found.size for found in state.cosigned(ORIGIN)] == [3, 5, 8, 11]

    asyncio.run(run())


def test_a_head_that_was_handed_in_with_a_bad_proof_is_no_contradiction_once_it_is_proven(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            await lead(client, (3,))
            assert (await post(client, body(3, note(8)))).status_code == 422
            assert (await post(client, body(3, note(7, "other")))).status_code == 422
            await lead_from(client, 3, 7)
            await lead_from(client, 7, 8)
        kept = open_state(tmp_path / "state.db").refused(ORIGIN)
        assert [(item.size, item.is_fork) for item in kept] == [(7, True)]

    asyncio.run(run())


def test_heads_without_a_proof_keep_no_fork_out_of_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can hand honest heads in before their time; afterwards the log forks."""
    monkeypatch.setattr(witness_state, "MAX_REFUSED", 2)

    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            await lead(client, (5,))
            for size in (6, 7, 8, 9):
                assert (await post(client, body(5, note(size)))).status_code == 422
            assert (await post(client, body(5, note(5, "other")))).status_code == 422
            assert (await client.get("/healthz")).json()["logs"][0]["contradictions"] == 1
            for old, new in ((5, 6), (6, 7)):
                await lead_from(client, old, new)
            # Those two are cosigned by now: there is place for what was not proven, too.
            assert (await post(client, body(7, note(10, "other")))).status_code == 422
            await lead_from(client, 7, 10)
            assert (await client.get("/healthz")).json()["logs"][0]["contradictions"] == 2

    asyncio.run(run())


async def lead_from(client: httpx.AsyncClient, old: int, new: int) -> None:
    assert (await post(client, body(old, note(new), proof(old, new)))).status_code == 200


def test_a_witness_starts_with_the_memory_that_it_had_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def run() -> None:
        async with running(path) as (client, _):
            await lead(client, (3, 8))
        async with running(path) as (client, _):
            assert (await post(client, body(0, note(8)))).text == "8\n"

    asyncio.run(run())
    whole = path.read_bytes()
    for damage in (b"", whole[:2000], whole[:4096] + bytes(4096) + whole[8192:], b"\0" * len(whole)):
        path.write_bytes(damage)
        with pytest.raises(StorageError):
            LogWitness(SIGNER, ORIGIN, key_set(), WitnessState.open(path), lambda: NOW_S)
    path.unlink()
    with pytest.raises(StorageError):
        WitnessState.open(path)


def test_a_head_that_another_key_cosigned_is_not_believed(tmp_path: Path) -> None:
    """Somebody wrote a larger or smaller head into the state: the signature on it is not this witness's."""
    state = WitnessState.create(tmp_path / "state.db")
    for text in (note(8), note(8).replace("\n8\n", "\n9\n"), "no note", broken(note(8), 0)):
        with closing(sqlite3.connect(tmp_path / "state.db")) as database:
            database.execute("DROP TRIGGER IF EXISTS cosigned_kept")
            database.execute("DELETE FROM cosigned")
            database.execute("INSERT INTO cosigned VALUES (?, 8, ?, ?, 1)", (ORIGIN, head(8).root_hash, text))
            database.commit()
        with pytest.raises(StorageError):
            LogWitness(SIGNER, ORIGIN, key_set(), state, lambda: NOW_S)


def test_nothing_is_taken_back_by_a_hand_in_the_database(tmp_path: Path) -> None:
    state = WitnessState.create(tmp_path / "state.db")
    assert state.remember(ORIGIN, None, StoredHead(8, head(8).root_hash, note(8)), NOW_S)
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        for command in (
            "DELETE FROM cosigned",
            "UPDATE cosigned SET size = 5",
            "UPDATE cosigned SET root = zeroblob(32)",
            "INSERT INTO cosigned VALUES ('log.example/one', 5, zeroblob(32), 'x', 1)",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                database.execute(command)


def test_a_body_over_the_cap_or_too_slow_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "BODY_TIMEOUT_S", 0.05)

    async def slowly() -> Any:
        yield b"old "
        await asyncio.sleep(0.2)
        yield b"0\n"

    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            assert (await post(client, b"x" * (MAX_REQUEST_SIZE + 1))).status_code == 413
            assert (await client.post("/add-checkpoint", content=slowly())).status_code == 408
            assert (await client.get("/add-checkpoint")).status_code in (404, 405)
            assert (await client.post("/sign-subtree", content=b"")).status_code in (404, 405)

    asyncio.run(run())


def test_more_requests_than_there_are_places_are_asked_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_AT_ONCE", 2)
    opened, answer = asyncio.Event(), WitnessService.answer

    async def held(service: WitnessService, data: bytes) -> Any:
        await opened.wait()
        return await answer(service, data)

    monkeypatch.setattr(WitnessService, "answer", held)

    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            waiting = [asyncio.create_task(post(client, body(0, note(5)))) for _ in range(2)]
            await asyncio.sleep(0.05)
            turned_away = await post(client, body(0, note(5)))
            assert (turned_away.status_code, turned_away.headers["Retry-After"]) == (503, "1")
            opened.set()
            assert {(await task).status_code for task in waiting} <= {200, 409}
            assert (await post(client, body(5, note(5)))).status_code == 200

    asyncio.run(run())


def test_bodies_that_drip_take_no_place_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_AT_ONCE", 2)
    opened = asyncio.Event()

    async def held() -> Any:
        await opened.wait()
        yield body(0, note(5))

    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            waiting = [asyncio.create_task(client.post("/add-checkpoint", content=held())) for _ in range(2)]
            await asyncio.sleep(0.05)
            assert (await post(client, body(0, note(5)))).status_code == 200
            opened.set()
            assert [(await task).status_code for task in waiting] == [409, 409]

    asyncio.run(run())


def test_a_clock_before_1970_signs_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path / "state.db", now_s=lambda: 0) as (client, _):
            assert (await post(client, body(0, note(5)))).status_code == 503
            assert (await client.get(f"/{HASH}/checkpoint")).status_code == 404

    asyncio.run(run())


def test_the_pages_run_no_script_and_name_no_other_host(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path / "state.db") as (client, _):
            await lead(client, (3,))
            for path in ("/", "/docs"):
                page = await client.get(path)
                assert page.status_code == 200
                assert "<script" not in page.text
                assert "http" not in page.text.replace("https://c2sp.org", "")
                assert "default-src 'none'" in page.headers["Content-Security-Policy"]
            assert ORIGIN in (await client.get("/")).text
            assert "3 entries" in (await client.get("/")).text

    asyncio.run(run())
