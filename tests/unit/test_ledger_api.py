"""The HTTP routes of the log service, asked in process."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core.status_list import parse_status_list_token
from ledger.api import COSE_TYPE, STATEMENT_TYPE, create_app
from ledger.codes import CODES
from ledger.core import cbor
from ledger.core.bundle import parse_bundle
from ledger.core.cells import fold_cell, root_from_cells
from ledger.core.checkpoint import open_checkpoint
from ledger.core.cose import check_signature
from ledger.core.cose_key import parse_cose_key
from ledger.core.merkle import leaf_hash, root_hash
from ledger.core.receipt import check_inclusion_receipt, sign_root, split_transparent_statement
from ledger.core.statement import parse_statement
from ledger.core.tiles import parse_entry_bundle, split_hashes
from ledger.errors import CodedError, MalformedError, VerificationError
from ledger.problems import (
    CBOR_TYPE,
    JSON_TYPE,
    Problem,
    answer_of,
    format_problem,
    parse_problem,
    problem_of,
)
from ledger.service.service import LedgerService
from ledger.service.witnesses import LocalWitness
from tests.support.log_service import World

Body = Callable[[httpx.AsyncClient, LedgerService], Coroutine[Any, Any, None]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger", threshold=2).found()


def run(world: World, body: Body, **chosen: Any) -> None:
    async def whole() -> None:
        clients = [LocalWitness(witness) for witness in world.witnesses(world.data_dir.parent / "w")]
        service = world.open(clients, **chosen)
        app = create_app(service)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
                for entry in world.admission():
                    assert (await client.post("/entries", content=entry, headers=WAIT)).status_code == 201
                await body(client, service)

    asyncio.run(whole())


WAIT = {"Prefer": "wait"}


def path_of(entry: bytes) -> str:
    return f"/entries/{parse_statement(entry).statement_id.hex()}"


def test_a_registered_statement_comes_back_with_a_receipt_that_verifies(world: World) -> None:
    entry = world.credential(1)

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        answer = await client.post("/entries", content=entry)
        assert answer.status_code == 201
        assert answer.headers["content-type"] == COSE_TYPE
        assert answer.headers["location"] == path_of(entry)
        size, index, root = check_inclusion_receipt(answer.content, leaf_hash(entry), service.receipts_key)
        assert (size, root) == (service.head.size, service.head.root)
        found = await service.find(parse_statement(entry).statement_id)
        assert found is not None
        assert found.leaf_index == index
        again = await client.get(path_of(entry), headers={"Accept": STATEMENT_TYPE})
        assert (again.status_code, again.headers["content-type"]) == (200, STATEMENT_TYPE)
        logged, receipts = split_transparent_statement(again.content)
        assert logged == entry
        assert check_inclusion_receipt(receipts[0], leaf_hash(entry), service.receipts_key)[1] == index

    run(world, body)


def test_the_same_statement_with_another_signature_gives_the_logged_bytes(world: World) -> None:
    entry = world.credential(1)
    damaged = entry[:-1] + bytes([entry[-1] ^ 1])

    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        await client.post("/entries", content=entry)
        answer = await client.post("/entries", content=damaged, headers={"Accept": STATEMENT_TYPE})
        assert answer.status_code == 201
        assert split_transparent_statement(answer.content)[0] == entry

    run(world, body)


def test_while_the_epoch_is_open_the_answer_is_see_other(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", threshold=2, epoch_ms=1000).found()
    entry = world.credential(1)

    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        for _ in range(2):
            answer = await client.post("/entries", content=entry, headers={"Prefer": "respond-async"})
            assert (answer.status_code, answer.headers["location"]) == (303, path_of(entry))
            assert int(answer.headers["retry-after"]) == 1
        pending = await client.get(path_of(entry))
        assert (pending.status_code, pending.headers["location"]) == (302, path_of(entry))
        refused = await client.post(
            "/entries", content=world.credential(2)[:-1] + b"\x00", headers={"Prefer": "respond-async"}
        )
        assert refused.status_code == 400
        waited = await client.post("/entries", content=entry, headers={"Prefer": "wait=9"})
        assert waited.status_code == 201
        assert (await client.get(path_of(entry))).status_code == 200

    run(world, body)


def test_a_wait_that_is_too_long_becomes_see_other(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", threshold=2, epoch_ms=1000).found()

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        object.__setattr__(service.settings, "wait_s", 0.01)
        answer = await client.post("/entries", content=world.credential(1), headers=WAIT)
        assert answer.status_code == 303
        assert service.is_pending(parse_statement(world.credential(1)).statement_id)

    run(world, body)


def test_refusals_are_problem_details_with_the_code_of_the_table(world: World) -> None:
    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        good = world.credential(1)
        await client.post("/entries", content=good)
        cases = {
            "malformed": b"\xd2\x84",
            "too_large": bytes(65_536),
            "bad_signature": world.credential(2)[:-1] + b"\x00",
            "place_taken": world.credential(3, idx=1),
            "unknown_issuer": world.credential(4, iss="nobody"),
            "stale_action": world.status(7, [(1, 0, 1, 3)]),
        }
        for code, content in cases.items():
            answer = await client.post("/entries", content=content)
            problem = parse_problem(answer.content)
            assert (problem.code, answer.status_code) == (code, CODES[code].http_status)
            assert answer.headers["content-type"] == CBOR_TYPE
            shown = await client.post("/entries", content=content, headers={"Accept": "application/json"})
            assert shown.headers["content-type"] == JSON_TYPE
            assert shown.json() == {
                "title": problem.title, "status": answer.status_code, "detail": problem.detail, "code": code,
            }  # fmt: skip
        for path in (
            "/entries/00",
            "/entries/" + "0" * 64,
            "/nothing",
            "/tile/0/001",
            "/status/7/0",
            "/status/x/0",
        ):
            missing = await client.get(path)
            assert (missing.status_code, parse_problem(missing.content).code) == (404, "not_found"), path
        for path, method in (("/entries", "POST"), ("/checkpoint", "GET")):
            refused = await client.put(path, content=good)
            assert (refused.status_code, refused.headers["allow"]) == (405, method)

    run(world, body)


def test_a_body_without_a_length_is_cut_at_the_cap(world: World) -> None:
    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        async def endless() -> Any:
            for _ in range(100):
                yield bytes(4096)

        answer = await client.post("/entries", content=endless())
        assert answer.status_code == 413

    run(world, body)


def test_checkpoint_tiles_and_entries_rebuild_the_tree(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await asyncio.gather(*(client.post("/entries", content=world.credential(n)) for n in range(300)))
        await service.published_checkpoint()
        answer = await client.get("/checkpoint", headers={"Origin": "http://station.test"})
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["access-control-allow-origin"] == "*"
        head = open_checkpoint(answer.text, world.log_keys()).checkpoint
        rest = head.tree_size % 256
        entries: list[bytes] = []
        leaves: list[bytes] = []
        for n in range(-(-head.tree_size // 256)):
            suffix, width = (f".p/{rest}", rest) if (n + 1) * 256 > head.tree_size else ("", 256)
            tile = await client.get(f"/tile/0/{n:03d}{suffix}")
            assert "immutable" in tile.headers["cache-control"]
            leaves += split_hashes(tile.content)
            bundle = await client.get(f"/tile/entries/{n:03d}{suffix}")
            entries += parse_entry_bundle(bundle.content, width)
        assert [leaf_hash(entry) for entry in entries] == leaves
        assert root_hash(leaves) == head.root_hash
        assert (await client.get("/tile/0/000.p/16")).content == b"".join(leaves[:16])
        for path in (
            "/tile/0/000.p/15",
            f"/tile/0/001.p/{rest + 16}",
            "/tile/1/000",
            "/tile/0/0",
            "/tile/64/000",
        ):
            assert (await client.get(path)).status_code == 404, path

    run(world, body)


def test_the_bundle_holds_what_it_says(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        for number in range(3):
            await client.post("/entries", content=world.credential(number))
        await client.post("/entries", content=world.status(1, [(1, 0, 2, 4)]))
        answer = await client.get("/bundle")
        bundle = parse_bundle(answer.content)
        head = open_checkpoint(bundle.checkpoint, world.log_keys()).checkpoint
        assert head.tree_size == bundle.tree_size == service.head.size
        assert root_from_cells(bundle.cells, len(bundle.cells) // 32) == head.root_hash
        assert leaf_hash(bundle.charter.entry) == world.charter_hash
        for placed in (bundle.charter, *bundle.approvals, bundle.seal):
            cell = placed.index // 16 * 32
            folded = fold_cell(leaf_hash(placed.entry), placed.index, placed.path)
            assert folded == bundle.cells[cell : cell + 32]
        assert [parse_statement(placed.entry).kind for placed in bundle.approvals] == ["govern", "govern"]
        assert (
            parse_statement(bundle.seal.entry).body.status_digest
            == service.sequencer.registry.status_digest()
        )
        assert [packed.uri for packed in bundle.lists] == ["sc:1/0"]
        # A list travels deflated: 65,536 bytes of which one says anything.
        assert len(bundle.lists[0].raw_deflated) < 1000
        assert (await client.get("/bundle")).content == answer.content

    run(world, body)


def test_status_tokens_and_keys_verify(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await client.post("/entries", content=world.credential(5))
        await client.post("/entries", content=world.status(1, [(5, 0, 1, 3)]))
        keys = cbor.decode((await client.get("/.well-known/scitt-keys")).content, max_size=4096)
        assert len(keys) == 1
        kid = base64.urlsafe_b64encode(keys[0].pop(2)).rstrip(b"=").decode()
        key = parse_cose_key(keys[0])
        assert key == service.receipts_key
        one = await client.get(f"/.well-known/scitt-keys/{kid}")
        assert cbor.decode(one.content, max_size=4096)[-2] == key.x
        assert (await client.get("/.well-known/scitt-keys/AAAA")).status_code == 404
        answer = await client.get("/status/1/0")
        assert answer.headers["content-type"] == "application/statuslist+cwt"
        token, message = parse_status_list_token(answer.content)
        check_signature(message, key)
        assert (token.uri, token.ttl_s) == ("sc:1/0", 3600)
        assert token.exp_s == token.iat_s + 7 * 86_400
        assert [token.places.raw[2] >> 4, sum(token.places.raw)] == [1, 16]

    run(world, body)


def test_one_signature_serves_all_receipts_of_a_tree(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[bytes] = []

    def sign(root: bytes, *rest: Any) -> Any:
        signed.append(root)
        return sign_root(root, *rest)

    monkeypatch.setattr("ledger.service.receipts.sign_root", sign)

    async def body(_client: httpx.AsyncClient, service: LedgerService) -> None:
        signed.clear()
        for _ in range(2):
            entry = world.credential(len(signed))
            await service.submit(entry)
            receipts = [await service.receipt(index) for index in range(0, service.head.size, 7)]
            heads = {cbor.decode(receipt, max_size=16_384).value[0] for receipt in receipts}
            assert len(heads) == 1
            assert signed[-1] == service.head.root
        assert len(signed) == 2

    run(world, body)


def test_a_status_token_is_no_fresher_than_the_witnesses_of_its_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def iat(client: httpx.AsyncClient) -> int:
        token, _ = parse_status_list_token((await client.get("/status/1/0")).content)
        assert token.exp_s == token.iat_s + 7 * 86_400
        return token.iat_s

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await client.post("/entries", content=world.credential(5))
        before = world.clock.seconds()
        assert before - 60 <= await iat(client) <= world.clock.seconds()

        async def gone(*_: Any) -> str:
            raise OSError

        monkeypatch.setattr(LocalWitness, "add_checkpoint", gone)
        world.clock.now += 2 * 86_400_000
        await client.post("/entries", content=world.status(1, [(5, 0, 1, 3)]))
        assert await iat(client) <= before + 60

    run(world, body, bundle_wait_s=0.1)


def test_where_nobody_vouches_a_status_token_is_of_now(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger").found()

    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        await client.post("/entries", content=world.credential(5))
        world.clock.now += 2 * 86_400_000
        token, _ = parse_status_list_token((await client.get("/status/1/0")).content)
        assert abs(token.iat_s - world.clock.seconds()) <= 60

    run(world, body)


def test_healthz_and_the_description_are_json(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await service.published_checkpoint()
        health = (await client.get("/healthz")).json()
        assert health["size"] == health["published_size"] == service.head.size
        assert health["root"] == service.head.root.hex()
        assert health["witnesses"] == ["w1", "w2", "w3"]
        assert health["read_only"] is False
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {"/entries", "/entries/{statement_id}", "/checkpoint", "/bundle"} <= set(paths)
        assert (await client.get("/docs")).status_code == 200

    run(world, body)


def test_a_stopped_writer_answers_503_and_still_shows_what_it_has(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await client.post("/entries", content=world.credential(1))
        await service.published_checkpoint()
        service.sequencer.halt(CodedError("storage_failed", "injected"))
        answer = await client.post("/entries", content=world.credential(2))
        assert (answer.status_code, parse_problem(answer.content).code) == (503, "read_only")
        assert answer.headers["retry-after"]
        assert (await client.get("/healthz")).json()["reason"] == "storage_failed"
        assert (await client.get("/checkpoint")).status_code == 200
        assert (await client.get("/bundle")).status_code == 200
        assert (await client.get(path_of(world.credential(1)))).status_code == 200

    run(world, body)


def test_the_access_log_is_off_by_default_and_names_nobody(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    identity = path_of(world.credential(1))

    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        await client.get(identity + "?who=somebody")

    run(world, body)
    named = "safeconduct.ledger.access"
    assert not [record for record in caplog.records if record.name == named]
    run(world, body, access_log=True)
    lines = [record.getMessage() for record in caplog.records if record.name == named]
    assert "GET entries 404" in lines
    assert not [line for line in lines if "somebody" in line or identity[9:] in line]


@given(st.sampled_from(sorted(CODES)), st.text(max_size=80), st.text(max_size=20))
def test_a_problem_is_read_back_as_it_was_written(code: str, detail: str, field: str) -> None:
    problem = problem_of(VerificationError(code, detail, field=field))
    assert parse_problem(format_problem(problem)) == problem
    assert answer_of(VerificationError(code, detail), "text/html").status >= 400


@given(st.binary(max_size=200))
def test_other_bytes_are_no_problem_details(data: bytes) -> None:
    try:
        problem = parse_problem(data)
    except MalformedError:
        return
    assert format_problem(problem) == data


def test_a_problem_has_a_code_of_the_table() -> None:
    for value in (
        {-1: "t", -2: "d", "sc:problem": {"code": "no_such_code"}},
        {-1: "t", -2: "d", "sc:problem": "fork"},
        {-1: "t", -2: "d", "code": "fork"},
        {-1: "t", -2: "d"},
        [1],
        {-1: 1, -2: "d", "sc:problem": {"code": "fork"}},
    ):
        with pytest.raises(MalformedError):
            parse_problem(cbor.encode(value))
    assert parse_problem(format_problem(Problem("fork", "t", "d"))) == Problem("fork", "t", "d")
