"""`sc-ledger publish` and `sc-ledger proof`: a folder, a mirror over loopback, a proof checked without a network."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from ledger.cli import main
from ledger.core.merkle import leaf_hash
from ledger.core.pin import format_pin
from ledger.core.tlog_proof import parse_tlog_proof
from ledger.service.service import LedgerService
from tests.support.log_service import World
from tests.support.published import files_of, head_of, read_published
from tests.support.served import register, run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("town") / "ledger", threshold=2).found()

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await register(client, *(world.credential(n) for n in range(300)))
        await service.published_checkpoint()

    run(world, body)
    (world.data_dir / "pin.json").write_bytes(format_pin(world.pin()))
    return world


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["sc-ledger", *map(str, arguments)])
    try:
        return main()
    except SystemExit as error:
        return int(error.code or 0)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder as any web server does, on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_folder_is_published_mirrored_and_proven_from(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    www, mirror, pin = tmp_path / "www", tmp_path / "mirror", world.data_dir / "pin.json"
    assert call(monkeypatch, "publish", world.data_dir, www) == 0
    size = head_of(www).tree_size
    assert f"Published {size} entries (before: 0)" in capsys.readouterr().out
    read_published(www)
    with served(www) as url:
        assert call(monkeypatch, "publish", url, mirror) == 2  # believed with a pin only
        assert not mirror.exists()
        assert call(monkeypatch, "publish", url + "/", mirror, "--pin", pin) == 0
        mirrored = files_of(mirror)
        assert {path: data for path, data in files_of(www).items() if path in mirrored} == mirrored
        assert set(files_of(www)) - set(mirrored) <= {path for path in files_of(www) if ".p/" in path}
        for number, source in enumerate((world.data_dir, www, mirror, url)):
            proof, entry = tmp_path / f"{number}.tlog-proof", tmp_path / f"{number}.cose"
            assert (
                call(
                    monkeypatch, "proof", "export", source, 40 + number, "--out", proof, "--entry-out", entry
                )
                == 0
            )
            capsys.readouterr()
            for more in ((), ("--bundle", www / "bundle")):
                assert call(monkeypatch, "proof", "check", proof, entry, "--pin", pin, *more) == 0
                assert f"Entry {40 + number} of {size} on ledger.test/one: proven." in capsys.readouterr().out
            assert parse_tlog_proof(proof.read_bytes()).checkpoint == (www / "checkpoint").read_text()
        assert call(monkeypatch, "proof", "export", url, size, "--out", tmp_path / "no") == 1
    assert call(monkeypatch, "publish", url, mirror, "--pin", pin) == 4  # nobody answers there now
    assert files_of(mirror) == mirrored
    assert not (tmp_path / "no").exists()


def test_a_proof_that_is_not_of_this_entry_or_ledger_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    proof, entry, pin = tmp_path / "a.tlog-proof", tmp_path / "a.cose", tmp_path / "pin.json"
    assert call(monkeypatch, "proof", "export", world.data_dir, 50, "--out", proof, "--entry-out", entry) == 0
    pin.write_bytes(format_pin(world.pin()))
    other = tmp_path / "b.cose"
    other.write_bytes(entry.read_bytes() + b"x")
    assert leaf_hash(other.read_bytes()) != leaf_hash(entry.read_bytes())
    assert call(monkeypatch, "proof", "check", proof, other, "--pin", pin) == 1
    assert "not_listed" in capsys.readouterr().err
    stranger = World(tmp_path / "stranger", threshold=1).found()
    pin.write_bytes(format_pin(stranger.pin()))
    assert call(monkeypatch, "proof", "check", proof, entry, "--pin", pin) == 1
    assert "bad_signature" in capsys.readouterr().err
    assert call(monkeypatch, "proof", "export", tmp_path, 1, "--out", tmp_path / "c") == 1
    assert "not_found" in capsys.readouterr().err


def test_a_proof_and_its_entry_are_written_both_or_not_at_all(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof, entry = tmp_path / "a.tlog-proof", tmp_path / "a.cose"
    for there, missing in ((proof, entry), (entry, proof)):
        there.write_bytes(b"mine")
        assert (
            call(monkeypatch, "proof", "export", world.data_dir, 40, "--out", proof, "--entry-out", entry)
            == 1
        )
        assert (there.read_bytes(), missing.exists()) == (b"mine", False)
        there.unlink()
    assert call(monkeypatch, "proof", "export", world.data_dir, 40, "--out", proof, "--entry-out", proof) == 2
    assert not proof.exists()


def test_nothing_is_published_beside_the_keys_of_a_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name for path in world.data_dir.iterdir()}
    assert call(monkeypatch, "publish", world.data_dir, world.data_dir) == 1
    assert "bad_input" in capsys.readouterr().err
    assert {path.name for path in world.data_dir.iterdir()} == before


@pytest.mark.parametrize("option", ["--every", "--partials-for"])
def test_a_time_that_no_clock_can_wait_for_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    for text in ("inf", "nan", "1e20", "-1"):
        assert call(monkeypatch, "publish", world.data_dir, tmp_path / "www", f"{option}={text}") == 2
    assert not (tmp_path / "www").exists()
