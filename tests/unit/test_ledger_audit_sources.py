"""Where an audit reads from: directory, service, published folder, copies of each; the verdict is the same."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ledger.audit import audit
from ledger.audit.report import AuditReport
from ledger.audit.source import open_source
from ledger.audit.tiled import TiledSource
from ledger.core.note import MAX_NOTE_SIZE
from ledger.core.tiles import TilePath, format_tile_path
from ledger.errors import ForkAlarm, StorageError
from ledger.published_files import FIRST_WAIT_S, MAX_WAIT_S, TRIES, FolderFiles, HttpFiles
from ledger.store.engine import DATABASE_NAME
from tests.support.audited_ledgers import RecordingLedger, busy_ledger, publish_stored, store_ledger
from tests.support.stored_ledgers import answering, served
from tests.unit.test_ledger_audit import change_entry, change_tile, flipped, refuse_ordinary_reading

KINDS = (
    "directory",
    "service",
    "published",
    "behind a web server",
    "copy of a directory",
    "copy of published",
)


@pytest.fixture(scope="session")
def ledger() -> RecordingLedger:
    return busy_ledger()


@pytest.fixture(scope="session")
def whole(ledger: RecordingLedger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_ledger(tmp_path_factory.mktemp("sources") / "data", ledger.pin, ledger.history)


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    """A copy of the stored ledger that a test may change."""
    return Path(shutil.copytree(whole, tmp_path / "data"))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def named(data: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the name of one kind of source of a stored ledger."""
    published = publish_stored(data, tmp_path / "published")
    match kind:
        case "directory":
            yield str(data)
        case "service":
            with served(data) as url:
                yield url
        case "published":
            yield str(published)
        case "behind a web server":
            with answering(partial(_Quiet, directory=str(published))) as url:
                yield url + "/"
        case "copy of a directory":
            stick = tmp_path / "stick"
            stick.mkdir()
            shutil.copy(data / DATABASE_NAME, stick)
            with read_only(stick), monkeypatch.context() as patch:
                refuse_ordinary_reading(patch)
                yield str(stick)
        case _:
            stick = Path(shutil.copytree(published, tmp_path / "stick"))
            with read_only(stick):
                yield str(stick)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take away what may be written, and see that nothing was."""
    names = sorted(folder.rglob("*"))
    for path in (folder, *names):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
        assert sorted(folder.rglob("*")) == names
    finally:
        for path in (folder, *names):
            path.chmod(0o755 if path.is_dir() else 0o644)


def verdict(report: AuditReport) -> tuple[Any, ...]:
    return (
        report.code,
        report.index,
        report.tree_size,
        report.root,
        report.counts,
        report.issuers,
        report.held,
    )


TAMPERED: dict[str, tuple[Callable[[Path], object], str, int | None]] = {
    "nothing": (lambda _: None, "ok", None),
    "a credential": (lambda data: change_entry(data, 300, flipped), "bad_entry", 300),
    "the last seal": (lambda data: change_entry(data, -1, flipped), "bad_entry", -1),
    "a tile": (lambda data: change_tile(data, 0, 1, 7), "bad_tile", 263),
    "an upper tile": (lambda data: change_tile(data, 1, 0, 1), "bad_tile", 256),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_the_verdict_does_not_depend_on_where_it_is_read(
    ledger: RecordingLedger, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    tamper, code, index = TAMPERED[what]
    size = ledger.tree_size
    if what == "the last seal":
        change_entry(data, size - 1, flipped)
        index = size - 1
    else:
        tamper(data)
    verdicts = {}
    for kind in KINDS:
        folder = tmp_path / kind
        folder.mkdir()
        with named(data, kind, folder, monkeypatch) as name:
            verdicts[kind] = verdict(audit(name, ledger.pin))
    assert verdicts["directory"][:3] == (code, index, size)
    if code != "ok":  # until where a report counts depends on how much is read at a time
        verdicts = {kind: found[:4] for kind, found in verdicts.items()}
    assert set(map(repr, verdicts.values())) == {repr(verdicts["directory"])}


@pytest.mark.parametrize("kind", ["published", "behind a web server"])
def test_an_audit_goes_on_from_one_kind_of_source_to_another(
    ledger: RecordingLedger, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    state = tmp_path / "state"
    part = store_ledger(tmp_path / "part", ledger.pin, ledger.history[:8])
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
    with named(part, kind, tmp_path / "one", monkeypatch) as name:
        assert audit(name, ledger.pin, state=state, jobs=2).ok
    with named(whole, kind, tmp_path / "two", monkeypatch) as name:
        report = audit(name, ledger.pin, state=state, jobs=2)
    assert (report.code, report.resumed_from) == ("ok", sum(len(one.entries) for one in ledger.history[:8]))
    again = audit(str(whole), ledger.pin, state=state)
    assert (again.code, again.resumed_from, again.counts) == ("ok", ledger.tree_size, report.counts)


def test_a_data_directory_counts_before_what_is_published_in_it(
    ledger: RecordingLedger, data: Path, tmp_path: Path
) -> None:
    part = store_ledger(tmp_path / "part", ledger.pin, ledger.history[:3])
    publish_stored(part, data)
    assert audit(str(data), ledger.pin).tree_size == ledger.tree_size


def test_a_folder_with_neither_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as refusal:
        open_source(str(tmp_path))
    assert (refusal.value.code, refusal.value.field) == ("not_found", "source")


# -- partial tiles --------------------------------------------------------------------------------------


def prune_partials(folder: Path) -> int:
    """Delete every partial tile of which the full one is there."""
    gone = 0
    for path in sorted(folder.rglob("*.p")):
        if path.with_suffix("").is_file():
            gone += len(list(path.iterdir()))
            shutil.rmtree(path)
    return gone


@pytest.mark.parametrize("kind", ["published", "behind a web server"])
def test_where_a_partial_tile_is_gone_the_full_one_has_its_hashes(
    ledger: RecordingLedger, whole: Path, tmp_path: Path, kind: str
) -> None:
    old = store_ledger(tmp_path / "old", ledger.pin, ledger.history[:5])
    folder = publish_stored(old, tmp_path / "published")
    head = (folder / "checkpoint").read_bytes()
    publish_stored(whole, folder)
    assert prune_partials(folder) == 2  # the tile of level 0, and the bundle
    (folder / "checkpoint").write_bytes(head)
    with answering(partial(_Quiet, directory=str(folder))) as url:
        report = audit(str(folder) if kind == "published" else url, ledger.pin)
    assert (report.code, report.tree_size) == ("ok", sum(len(one.entries) for one in ledger.history[:5]))


def test_a_ledger_that_is_published_anew_while_it_is_read_is_that_of_the_first_head(
    ledger: RecordingLedger, whole: Path, tmp_path: Path
) -> None:
    old = store_ledger(tmp_path / "old", ledger.pin, ledger.history[:-2])
    folder = publish_stored(old, tmp_path / "published")
    size = sum(len(one.entries) for one in ledger.history[:-2])

    def publish_more(done: int, _: int) -> None:
        if done == len(ledger.history[0].entries):
            publish_stored(whole, folder)
            prune_partials(folder)

    report = audit(str(folder), ledger.pin, progress=publish_more)
    assert (report.code, report.tree_size) == ("ok", size)
    assert audit(str(folder), ledger.pin).tree_size == ledger.tree_size


def test_what_is_missing_altogether_is_named(ledger: RecordingLedger, whole: Path, tmp_path: Path) -> None:
    folder = publish_stored(whole, tmp_path / "published")
    path = format_tile_path(TilePath("entries", 2, ledger.tree_size % 256))
    (folder / path).unlink()
    with pytest.raises(StorageError) as refusal:
        audit(str(folder), ledger.pin)
    assert (refusal.value.code, refusal.value.field) == ("not_found", path)


# -- files that are not what they should be -------------------------------------------------------------


def test_a_bundle_that_is_cut_or_has_more_is_a_bad_entry(
    ledger: RecordingLedger, whole: Path, tmp_path: Path
) -> None:
    folder = publish_stored(whole, tmp_path / "published")
    path = folder / format_tile_path(TilePath("entries", 1))
    good = path.read_bytes()
    for bad in (good[:-1], good + b"\x00", b""):
        path.write_bytes(bad)
        report = audit(str(folder), ledger.pin)
        assert (report.code, report.index) == ("bad_entry", 256)


def test_a_tile_that_is_cut_or_has_more_is_a_bad_tile(
    ledger: RecordingLedger, whole: Path, tmp_path: Path
) -> None:
    folder = publish_stored(whole, tmp_path / "published")
    path = folder / format_tile_path(TilePath(0, 1))
    good = path.read_bytes()
    for bad, index in ((good[:-1], 511), (good[:-32], 511), (b"", 256)):
        path.write_bytes(bad)
        report = audit(str(folder), ledger.pin)
        assert (report.code, report.index) == ("bad_tile", index)


def test_a_file_that_is_too_large_is_not_read_whole(
    ledger: RecordingLedger, whole: Path, tmp_path: Path
) -> None:
    folder = publish_stored(whole, tmp_path / "published")
    with (folder / "checkpoint").open("r+b") as file:
        file.truncate(1 << 40)
    report = audit(str(folder), ledger.pin)
    assert (report.code, report.rule) == ("bad_checkpoint", "checkpoint")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_in_the_place_of_a_file_does_not_hold_the_audit(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint")
    with pytest.raises(StorageError, match="not a file"):
        FolderFiles(tmp_path).get("checkpoint", 10)
    with pytest.raises(StorageError):
        FolderFiles(tmp_path).get(".", 10)


def test_a_checkpoint_that_is_not_text_is_an_alarm(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(b"\xff")
    with pytest.raises(ForkAlarm) as alarm:
        open_source(str(tmp_path)).checkpoint()
    assert alarm.value.code == "bad_checkpoint"


# -- a network that fails now and then --------------------------------------------------------------------


class _Flaky(_Quiet):
    """Answers each path with what `script` has for its first requests, and then from the folder."""

    script: Callable[[str, int], Any]
    asked: dict[str, int]

    def do_GET(self) -> None:
        number = self.asked[self.path] = self.asked.get(self.path, 0) + 1
        answer = self.script(self.path, number)
        if answer is None:
            super().do_GET()
        elif answer == "drop":
            self.close_connection = True
            self.connection.close()
        elif answer == "gzip":
            body = gzip.compress((Path(self.directory) / self.path[1:]).read_bytes())
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_response(answer[0])
            self.send_header("Content-Length", "0")
            for name, value in answer[1:]:
                self.send_header(name, value)
            self.end_headers()

    def handle(self) -> None:
        with suppress(OSError, ValueError):  # the connection was dropped on purpose
            super().handle()


@contextmanager
def flaky(folder: Path, script: Callable[[str, int], Any]) -> Iterator[tuple[str, dict[str, int]]]:
    asked: dict[str, int] = {}
    handler = type("Handler", (_Flaky,), {"script": staticmethod(script), "asked": asked})
    with answering(partial(handler, directory=str(folder))) as url:
        yield url, asked


def failing(part: str, answer: Any) -> Callable[[str, int], Any]:
    """Return a script that always answers so where the path has that part."""
    return lambda path, _: answer if part in path else None


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited between requests; nobody really waits."""
    found: list[float] = []

    class Impatient(HttpFiles):
        def __init__(self, url: str) -> None:
            super().__init__(url, sleep=found.append)

    monkeypatch.setattr("ledger.audit.source.HttpFiles", Impatient)
    return found


@pytest.fixture(scope="session")
def published(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_stored(whole, tmp_path_factory.mktemp("published") / "ledger")


@pytest.mark.parametrize("answer", [(503,), (500,), (502,), (429,), "drop"])
def test_what_fails_for_the_moment_is_asked_again(
    ledger: RecordingLedger, published: Path, waits: list[float], answer: Any
) -> None:
    def script(path: str, number: int) -> Any:
        return answer if "entries/001" in path and number <= 2 else None

    with flaky(published, script) as (url, asked):
        assert audit(url, ledger.pin).ok
    assert asked["/tile/entries/001"] == 3
    assert waits == [FIRST_WAIT_S, 2 * FIRST_WAIT_S]


def test_a_service_may_say_how_long_it_wants_to_be_left_alone(
    ledger: RecordingLedger, published: Path, waits: list[float]
) -> None:
    asked_for = ["7", "100000", "99999", "tomorrow", ""]

    def script(path: str, number: int) -> Any:
        if path == "/tile/0/001" and number < TRIES:
            return 503, ("Retry-After", asked_for[number - 1])
        return None

    with flaky(published, script) as (url, _):
        assert audit(url, ledger.pin).ok
    assert waits == [7.0, 2 * FIRST_WAIT_S, MAX_WAIT_S, 8 * FIRST_WAIT_S]


def test_what_fails_again_and_again_is_not_reachable(
    ledger: RecordingLedger, published: Path, waits: list[float]
) -> None:
    for answer in ((503,), "drop"):
        with flaky(published, failing("001", answer)) as (url, asked):
            with pytest.raises(StorageError) as refusal:
                audit(url, ledger.pin)
            assert refusal.value.code == "not_reachable"
            assert asked["/tile/entries/001"] == TRIES
    assert len(waits) == 2 * (TRIES - 1)


def test_what_is_refused_for_good_is_asked_once(
    ledger: RecordingLedger, published: Path, waits: list[float]
) -> None:
    for status in (403, 302):
        with flaky(published, failing("entries", (status,))) as (url, asked):
            with pytest.raises(StorageError) as refusal:
                audit(url, ledger.pin)
            assert refusal.value.code == "not_reachable"
            assert asked["/tile/entries/000"] == 1
    assert waits == []


def test_what_is_compressed_on_the_way_is_read(ledger: RecordingLedger, published: Path) -> None:
    with flaky(published, lambda path, _: "gzip" if "tile" in path else None) as (url, _):
        assert audit(url, ledger.pin).ok


def test_a_compressed_answer_is_capped_as_it_is_decompressed(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(bytes(MAX_NOTE_SIZE + 1))
    with flaky(tmp_path, lambda _, __: "gzip") as (url, _), closing(TiledSource(HttpFiles(url))) as source:
        with pytest.raises(StorageError) as refusal:
            source.checkpoint()
        assert refusal.value.code == "too_large"
