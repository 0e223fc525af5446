"""An answer that is compressed twice is not read: its size is known to nobody before it fills the memory."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ledger.audit import tiled
from ledger.audit.tiled import HttpFiles
from ledger.errors import CodedError, StorageError
from ledger.publish.copies import address_files
from verifier.fetch import fetch_bundle

ROOT = Path(__file__).parents[2]


class _Twice(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = gzip.compress(gzip.compress(bytes(1000)))
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip, gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served_twice() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Twice)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def by_audit(url: str) -> None:
    with closing(HttpFiles(url, sleep=lambda _: None)) as files:
        files.get("tile/0/000", 10_000)


def by_mirror(url: str) -> None:
    with address_files(url) as read:
        read("tile/0/000", 10_000)


def by_station(url: str) -> None:
    fetch_bundle(url)


@pytest.mark.parametrize("read", [by_audit, by_mirror, by_station])
def test_an_answer_that_is_compressed_twice_is_not_read(read: Callable[[str], None]) -> None:
    with served_twice() as url, pytest.raises(CodedError) as caught:
        read(url)
    assert caught.value.code == "not_reachable"


def test_every_reader_of_an_answer_asks_for_its_codings() -> None:
    readers = [
        path
        for room in ("ledger", "issuer", "verifier")
        for path in (ROOT / room).rglob("*.py")
        if "iter_bytes()" in path.read_text(encoding="utf-8")
    ]
    assert len(readers) >= 6
    for path in readers:
        text = path.read_text(encoding="utf-8")
        if path.name != "http_coding.py":
            assert text.count("iter_bytes()") == text.count("check_coding(a") + text.count(
                "check_coding(r"
            ), path


def test_an_answer_that_drips_for_ever_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dripping:
        status_code = 200

        class headers:  # noqa: N801
            @staticmethod
            def get_list(name: str, split_commas: bool) -> list[str]:
                return []

        @staticmethod
        def iter_bytes() -> Iterator[bytes]:
            while True:
                now[0] += 20
                yield b"."

    now = [0.0]
    monkeypatch.setattr("ledger.audit.tiled.time.monotonic", lambda: now[0])
    with pytest.raises(StorageError) as caught:
        tiled._body(Dripping(), "tile/0/000", 1 << 20)
    assert caught.value.code == "not_reachable"
    assert now[0] <= tiled.ANSWER_S + 40
