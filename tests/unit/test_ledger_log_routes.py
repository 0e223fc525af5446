"""The log as static resources: headers, spellings, HEAD, gzip, receipts of consistency, tlog-proofs."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.merkle import leaf_hash
from ledger.core.policy import parse_policy
from ledger.core.receipt import check_consistency_receipt
from ledger.core.statement import parse_statement
from ledger.core.tiles import parse_entry_bundle, split_hashes
from ledger.core.tlog_proof import check_tlog_proof, check_with_charter, parse_tlog_proof
from ledger.log_routes import takes_gzip
from ledger.problems import CBOR_TYPE as PROBLEM_TYPE
from ledger.problems import parse_problem
from ledger.service.service import LedgerService
from tests.support.log_service import World, policy_text
from tests.support.served import register, run

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger", threshold=2).found()


def test_each_resource_has_the_type_and_the_caching_of_its_kind(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await register(client, *(world.credential(n) for n in range(300)))
        await service.published_checkpoint()
        expected = {
            "/checkpoint": ("text/plain; charset=utf-8", "no-cache"),
            "/tile/0/000": ("application/octet-stream", IMMUTABLE),
            "/tile/0/000.p/16": ("application/octet-stream", IMMUTABLE),
            "/tile/1/000.p/1": ("application/octet-stream", IMMUTABLE),
            "/tile/entries/000": ("application/octet-stream", IMMUTABLE),
            "/bundle": ("application/cbor", "no-cache"),
        }
        for path, (media_type, caching) in expected.items():
            for headers in ({}, {"Origin": "https://page.example"}):
                answer = await client.get(path, headers=headers)
                assert answer.status_code == 200, path
                assert answer.headers["content-type"] == media_type, path
                assert answer.headers["cache-control"] == caching, path
                assert answer.headers.get_list("access-control-allow-origin") == ["*"], path
                head = await client.head(path, headers=headers)
                assert (head.status_code, head.content) == (200, b""), path
                assert dict(head.headers) == dict(answer.headers), path

    run(world, body)


def test_entry_bundles_are_compressed_for_those_who_take_it(world: World) -> None:
    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        plain = await client.get("/tile/entries/000.p/16", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        async with client.stream(
            "GET", "/tile/entries/000.p/16", headers={"Accept-Encoding": "gzip"}
        ) as packed:
            raw = b"".join([part async for part in packed.aiter_raw()])
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(raw) == plain.content
        assert len(raw) < len(plain.content)
        assert all("Accept-Encoding" in answer.headers["vary"] for answer in (plain, packed))
        tile = await client.get("/tile/0/000.p/16", headers={"Accept-Encoding": "gzip"})
        leaves = [leaf_hash(entry) for entry in parse_entry_bundle(plain.content, 16)]
        assert split_hashes(tile.content) == leaves
        assert "content-encoding" not in tile.headers

    run(world, body)


def test_what_is_absent_or_misspelled_is_404_and_never_kept(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await register(client, *(world.credential(n) for n in range(300)))
        size = service.head.size
        last = size // 256
        assert last
        for there in ("/consistency/16/32", "/status/1/0", "/status/1/0/next"):
            assert (await client.get(there)).status_code == 200, there
        absent = [
            f"/tile/0/{last:03d}.p/{size % 256 + 16}", f"/tile/0/{last:03d}", f"/tile/0/{last + 1:03d}",
            "/tile/0/000.p/0",
            "/tile/0/000.p/256", "/tile/0/000.p/17", "/tile/0/000.p/016", "/tile/0/0", "/tile/0/0000",
            "/tile/0/x000/000", "/tile/00/000", "/tile/64/000", "/tile/-1/000", "/tile/1/000", "/tile/2/000",
            f"/tile/1/000.p/{last + 1}", f"/tile/entries/{last:03d}",
            "/tile/entries/000.p/0", "/tile/Entries/000", "/tile/data/000",
            "/tile/0/000/", "/tile//0/000", "/tile/0/000.P/16", "/tile/0/%D9%A0%D9%A0%D9%A0", "/tile/0/..%2f000",
            "/tile", "/tile/", "/checkpoint/", "/bundle/", "/delta/2026-02-30", "/delta/",
            "/consistency/0/16", "/consistency/16/16", "/consistency/16/17", "/consistency/32/16",
            "/consistency/x/16", f"/consistency/16/{size + 16}", f"/consistency/16/{10**30}",
            "/consistency/-16/16", "/consistency/016/32", "/consistency/%2B16/32", "/consistency/1_6/32",
            "/consistency/16/%2032", "/status/01/0", "/status/1/00", "/status/+1/0", "/status/01/0/next",
            "/.well-known/scitt-keys/", "/.well-known/transparency-configuration",
            f"/entries/{'0' * 64}/proof", "/entries/00/proof",
        ]  # fmt: skip
        for path in absent:
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert parse_problem(answer.content).code == "not_found", path
            assert answer.headers["content-type"] == PROBLEM_TYPE, path
            assert answer.headers["cache-control"] == "no-store", path
            assert answer.headers["access-control-allow-origin"] == "*", path

    run(world, body)


def test_the_partial_tile_of_every_head_is_served(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        sizes = {service.head.size}
        for n in range(30):
            await register(client, world.credential(n))
            sizes.add(service.head.size)
        assert len(sizes) > 20
        whole = (await client.get("/tile/0/000")).content
        for size in sizes:
            if size < 256:
                assert (await client.get(f"/tile/0/000.p/{size}")).content == whole[: size * 32]

    run(world, body)


def test_a_receipt_of_consistency_leads_from_every_head_to_every_later_one(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        heads = {service.head.size: service.head.root}
        for n in range(12):
            await register(client, *(world.credential(n * 40 + place) for place in range(1 + 3 * n)))
            heads[service.head.size] = service.head.root
        pairs = [(old, new) for old in heads for new in heads if old < new]
        assert len(pairs) >= 60
        for old, new in pairs:
            answer = await client.get(f"/consistency/{old}/{new}")
            assert answer.headers["content-type"] == "application/scitt-receipt+cose"
            checked = check_consistency_receipt(answer.content, heads[old], service.receipts_key)
            assert checked == (old, new, heads[new])

    run(world, body)


def test_the_proof_of_a_statement_checks_with_the_pin_alone(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        entries = [world.credential(n) for n in range(5)]
        await register(client, *entries)
        await service.published_checkpoint()
        for entry in entries:
            answer = await client.get(f"/entries/{parse_statement(entry).statement_id.hex()}/proof")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
            proof = parse_tlog_proof(answer.content)
            assert proof.checkpoint == service.checkpoint()
            policy = parse_policy(policy_text(2))
            proven = check_tlog_proof(proof, leaf_hash(entry), world.log_keys(), policy)
            assert set(proven.times) == {"w1", "w2", "w3"}
            assert (await service.find(parse_statement(entry).statement_id)).leaf_index == proven.index  # type: ignore[union-attr]
            pin = world.pin()
            assert check_with_charter(proof, leaf_hash(entry), pin) == proven

    run(world, body)


def test_a_proof_is_asked_for_again_until_witnesses_have_seen_the_head(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", threshold=2, epoch_ms=1000).found()
    entry = world.credential(1)
    path = f"/entries/{parse_statement(entry).statement_id.hex()}"

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await service.published_checkpoint()
        service.publisher._clients = ()
        object.__setattr__(service.settings, "bundle_wait_s", 0.01)
        posted = await client.post("/entries", content=entry, headers={"Prefer": "respond-async"})
        assert (posted.status_code, posted.headers["location"]) == (303, path)
        for _ in range(2):  # its epoch is open; then it is closed, and no witness has seen it
            answer = await client.get(path + "/proof")
            assert (answer.status_code, answer.headers["location"]) == (302, path + "/proof")
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["content-length"] == "0"
            await register(client, entry)

    run(world, body)


def test_a_receipt_has_the_type_that_the_client_names(world: World) -> None:
    entry = world.credential(1)
    path = f"/entries/{parse_statement(entry).statement_id.hex()}"

    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        await register(client, entry)
        for accept, media_type in (
            ("", "application/cose"),
            ("application/cose", "application/cose"),
            ("application/scitt-receipt+cose", "application/scitt-receipt+cose"),
            ("application/scitt-statement+cose", "application/scitt-statement+cose"),
        ):
            answer = await client.get(path, headers={"Accept": accept})
            assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
            assert answer.headers["location"] == path
            assert answer.headers["cache-control"] == "no-store"

    run(world, body)


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("", False), ("identity", False), ("gzip", True), ("GZIP", True), ("x-gzip", True), ("br, gzip", True),
        ("gzip;q=0", False), ("gzip; q=0.0, *", False), ("*", True), ("*;q=0", False), ("gzip;q=wrong", False),
        ("gzipped", False), ("br;q=1, gzip;q=0.001", True),
    ],
)  # fmt: skip
def test_gzip_is_used_where_the_header_allows_it(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes


@given(st.text(max_size=80))
def test_any_header_about_encodings_is_read(header: str) -> None:
    assert takes_gzip(header) in (True, False)
