"""Bodies of answers from somebody who is not believed: packed, cut, endless or slow."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer import ledger_http
from issuer.errors import IssuerError
from ledger.errors import CodedError, StorageError
from ledger.http_body import GRACE_S, MIN_BYTES_PER_S, CappedBody, read_body, read_body_async
from ledger.published_files import HttpFiles
from ledger.remote import RemoteLedger
from tests.docs.repository import ROOT
from tests.support.stored_ledgers import answering
from verifier import fetch

MIB = 1024 * 1024
PACKED_TWICE = gzip.compress(gzip.compress(bytes(512 * MIB), 9), 9)


def body_of(parts: list[bytes], encoding: str, max_size: int = 1000) -> bytes:
    body = CappedBody(encoding, max_size, field="x")
    for part in parts:
        body.add(part)
    return body.finish()


def refused(parts: list[bytes], encoding: str, max_size: int = 1000) -> str:
    with pytest.raises(StorageError) as refusal:
        body_of(parts, encoding, max_size)
    assert refusal.value.field == "x"
    return refusal.value.code


# -- parts ----------------------------------------------------------------------------------------------


@given(st.binary(max_size=400), st.integers(1, 50), st.sampled_from(["", "identity", "gzip", " GZIP "]))
def test_a_body_is_the_same_in_whatever_parts_it_comes(data: bytes, step: int, encoding: str) -> None:
    sent = gzip.compress(data) if "gzip" in encoding.lower() else data
    parts = [sent[at : at + step] for at in range(0, len(sent), step)]
    assert body_of(parts, encoding, len(data)) == data
    if data:
        assert refused(parts, encoding, len(data) - 1) == "too_large"


@pytest.mark.parametrize(
    "encoding", ["gzip, gzip", "gzip,identity", "deflate", "br", "zstd", "x-gzip, gzip", "?"]
)
def test_a_coding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    assert refused([], encoding) == "not_reachable"


def test_what_is_cut_or_not_packed_is_no_body() -> None:
    packed = gzip.compress(b"some text")
    for end in range(len(packed)):
        assert refused([packed[:end]], "gzip") == "not_reachable"
    assert refused([b"some text"], "gzip") == "not_reachable"
    assert refused([zlib.compress(b"some text")], "gzip") == "not_reachable"


def test_what_follows_the_packed_data_has_an_end_too() -> None:
    packed = gzip.compress(b"some text")
    assert body_of([packed, bytes(100)], "gzip") == b"some text"
    assert refused([packed, *([bytes(500)] * 10)], "gzip") == "too_large"


def test_unpacking_never_takes_more_memory_than_the_cap() -> None:
    packed = gzip.compress(bytes(64 * MIB), 9)
    tracemalloc.start()
    try:
        assert refused([packed], "gzip", 100_000) == "too_large"
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


def test_an_answer_that_comes_too_slowly_is_given_up() -> None:
    now = [0.0]
    body = CappedBody("", 10**9, field="x", clock=lambda: now[0])
    now[0] = GRACE_S
    body.add(b"a")
    now[0] += 1
    with pytest.raises(StorageError) as refusal:
        body.add(b"a")
    assert refusal.value.code == "not_reachable"
    steady = CappedBody("", 10**9, field="x", clock=lambda: now[0])
    for _ in range(1000):
        now[0] += 1
        steady.add(bytes(MIN_BYTES_PER_S))
    assert len(steady.finish()) == 1000 * MIN_BYTES_PER_S


# -- clients --------------------------------------------------------------------------------------------


class _Packer(http.server.BaseHTTPRequestHandler):
    """Answers everything with a few hundred bytes that are half a gigabyte when they are unpacked twice."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip, gzip")
        self.send_header("Content-Length", str(len(PACKED_TWICE)))
        self.end_headers()
        self.wfile.write(PACKED_TWICE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def packer() -> Iterator[str]:
    with answering(_Packer) as url:
        yield url


def ask_files(url: str) -> None:
    with closing(HttpFiles(url)) as files:
        files.get("tile/entries/000", 10**6)


def ask_async(url: str) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient() as client, client.stream("GET", url) as answer:
            await read_body_async(answer, 10**6, field="x")

    asyncio.run(ask())


CLIENTS: dict[str, Callable[[str], object]] = {
    "published files": ask_files,
    "governors": lambda url: RemoteLedger(url).bundle(),
    "station": fetch.fetch_bundle,
    "desk": ledger_http.fetch_bundle,
    "asynchronous": ask_async,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_no_client_unpacks_what_is_packed_several_times(packer: str, client: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(CodedError) as refusal:
            CLIENTS[client](packer)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert isinstance(refusal.value, StorageError | IssuerError)
    assert refusal.value.code == "not_reachable"


def test_an_answer_that_was_read_already_is_taken_as_it_is() -> None:
    answer = httpx.Response(200, content=gzip.compress(b"text"), headers={"Content-Encoding": "gzip"})
    assert read_body(answer, 10, field="x") == b"text"
    assert asyncio.run(read_body_async(answer, 10, field="x")) == b"text"
    with pytest.raises(StorageError):
        read_body(answer, 3, field="x")


def test_no_other_reader_lets_the_library_unpack_an_answer() -> None:
    readers = [
        path.name
        for room in ("ledger", "issuer", "verifier")
        for path in (ROOT / room).rglob("*.py")
        if "iter_bytes(" in path.read_text(encoding="utf-8")
    ]
    assert readers == []
