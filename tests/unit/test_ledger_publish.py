"""A ledger as a folder: the bytes of the service, nothing half done, nothing changed, nothing believed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.core.authentic_tiles import AuthenticTiles
from ledger.core.checkpoint import Checkpoint, format_checkpoint
from ledger.core.key_set import format_key_set, parse_key_set
from ledger.core.ledger_verbs import SetServiceKeys
from ledger.core.merkle import check_consistency, prove_consistency
from ledger.core.tiles import ENTRIES, TilePath, parse_tile_path
from ledger.errors import BundleError, CodedError, ForkAlarm, StorageError
from ledger.publish.folder import StaticFolder
from ledger.publish.publish import Published, publish_once
from ledger.publish.sources import KEYS_PATH, PublicationSource, RemoteSource, opened_source
from ledger.publish_cli import repeat
from ledger.published_files import FolderFiles
from ledger.service.bundles import build_bundle
from ledger.service.service import LedgerService
from ledger.store.entries import LedgerReader
from tests.fault.test_key_rotation import decide, opened, prepare
from tests.support.log_service import DAY_S, ORIGIN, World
from tests.support.published import files_of, head_of, read_published, read_tile
from tests.support.served import register, run

NOW_S = 4e9  # later than any file of a test, so that partial tiles are old


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger", threshold=2).found()


def publish(source: PublicationSource, www: Path, **chosen: object) -> Published:
    with StaticFolder(www).held() as folder:
        return publish_once(source, folder, now_s=NOW_S, **{"keep_partials_s": None, **chosen})  # type: ignore[arg-type]


def from_data(world: World, www: Path, **chosen: object) -> Published:
    with opened_source(str(world.data_dir), world.pin()) as source:
        return publish(source, www, **chosen)


def from_folder(world: World, copy: Path, www: Path, **chosen: object) -> Published:
    return publish(RemoteSource(FolderFiles(copy), world.pin()), www, **chosen)


async def grow(client: httpx.AsyncClient, service: LedgerService, *entries: bytes) -> None:
    await register(client, *entries)
    await service.published_checkpoint()


def test_every_file_has_the_bytes_that_the_service_answers(world: World, tmp_path: Path) -> None:
    www = tmp_path / "www"

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        with opened_source(str(world.data_dir), None) as source:
            for first in (0, 40, 60, 250, 300):
                numbers = range(first, {0: 40, 40: 60, 60: 250, 250: 300, 300: 302}[first])
                await grow(client, service, *(world.credential(n) for n in numbers))
                if first == 60:
                    await grow(client, service, world.status(1, [(1, 0, 1, 3)]))
                    for day in range(3):
                        world.clock.now += DAY_S * 1000
                        await grow(client, service, world.credential(1000 + day))
                await asyncio.to_thread(publish, source, www)
        files = files_of(www)
        assert head_of(www).tree_size == service.head.size
        kinds = {path.split("/")[0] for path in files}
        assert kinds == {"checkpoint", "bundle", "tile", "delta", ".well-known"}
        assert sum(path.startswith("tile/") for path in files) > 12
        for path, data in files.items():
            address = path.removesuffix(".cbor")
            answer = await client.get("/" + address, headers={"Accept-Encoding": "identity"})
            assert (answer.status_code, answer.content == data) == (200, True), path
        # And the other way round: what the service shows of this head is in the folder.
        read_published(www)
        assert read_published(www)[1] == service._store.entries(0, service.head.size)

    run(world, body)


def test_every_published_head_is_consistent_with_every_later_one(world: World, tmp_path: Path) -> None:
    www = tmp_path / "www"
    heads: dict[int, Checkpoint] = {}

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        with opened_source(str(world.data_dir), world.pin()) as source:
            for n in range(24):
                await grow(client, service, *(world.credential(100 * n + i) for i in range(1 + n % 5 * 9)))
                await asyncio.to_thread(publish, source, www)
                heads[head_of(www).tree_size] = head_of(www)

    run(world, body)
    assert len(heads) == 24
    newest = heads[max(heads)]
    assert newest.tree_size > 512
    tiles = AuthenticTiles(lambda path: read_tile(www, path), newest.tree_size, newest.root_hash)
    for old in heads.values():
        read_published(www, old)  # every head that was ever shown can still be read whole
        for new in heads.values():
            if old.tree_size <= new.tree_size:
                path = prove_consistency(old.tree_size, new.tree_size, tiles.nodes())
                check_consistency(old.tree_size, old.root_hash, new.tree_size, new.root_hash, path)


def test_heads_between_two_rounds_have_their_partial_tiles_too(world: World, tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        for n in range(20):
            await grow(client, service, *(world.credential(30 * n + i) for i in range(20)))

    run(world, body)
    from_data(world, tmp_path / "www")
    with opened_source(str(world.data_dir), None) as source:
        sizes = list(source.sizes(0, source.newest().size))
    last = sizes[-1] // 256
    there = {path for path in files_of(tmp_path / "www") if path.startswith("tile/0/")}
    partial = {f"tile/0/{last:03d}.p/{size % 256}" for size in sizes if size // 256 == last and size % 256}
    assert partial <= there
    assert len(partial) > 2
    assert {path for path in there if ".p/" in path} == partial  # none that no head had, none of a full tile


def test_a_reader_never_sees_a_half_done_state(world: World, tmp_path: Path) -> None:
    www = tmp_path / "www"
    seen: list[Checkpoint] = []
    failed: list[BaseException] = []
    over = threading.Event()

    def read_all_the_time() -> None:
        while not over.is_set():
            try:
                if (www / "checkpoint").exists():
                    head, _ = read_published(www)
                    assert not seen or head.tree_size >= seen[-1].tree_size
                    seen.append(head)
            except BaseException as error:
                failed.append(error)
                return

    def publish_all_the_time() -> None:
        try:
            with opened_source(str(world.data_dir), world.pin()) as source:
                while not over.is_set():
                    publish(source, www, keep_partials_s=0.0)
        except BaseException as error:
            failed.append(error)

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await grow(client, service, world.credential(9999))
        threads = [threading.Thread(target=work) for work in (read_all_the_time, publish_all_the_time)]
        for thread in threads:
            thread.start()
        try:
            for n in range(30):
                await register(client, *(world.credential(40 * n + i) for i in range(25)))
            await service.published_checkpoint()
            await asyncio.sleep(0.2)
        finally:
            over.set()
            await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))

    run(world, body)
    assert not failed, failed
    assert len({head.tree_size for head in seen}) > 5
    assert from_data(world, www).size == read_published(www)[0].tree_size > 750


def test_a_head_without_its_quorum_is_not_published(world: World, tmp_path: Path) -> None:
    www = tmp_path / "www"

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        with opened_source(str(world.data_dir), world.pin()) as source:
            await grow(client, service, world.credential(1))
            await asyncio.to_thread(publish, source, www)
            shown, size = (www / "checkpoint").read_bytes(), service.head.size
            clients, service.publisher._clients = service.publisher._clients, ()
            await register(client, *(world.credential(n) for n in range(2, 30)))
            assert service.head.size > size
            done = await asyncio.to_thread(publish, source, www)
            assert (done.size, done.written, done.changed) == (size, 0, False)
            assert (www / "checkpoint").read_bytes() == shown
            # The head that was passed without a quorum gets it later: it is published then, and not skipped.
            service.publisher._clients = clients
            service.publisher.wake()
            await service.published_checkpoint(5.0)
            while (await client.get("/checkpoint")).content == shown:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert (await asyncio.to_thread(publish, source, www)).size == service.head.size
            assert (www / "checkpoint").read_text() == service.checkpoint()
            assert (www / "bundle").read_bytes() == (await client.get("/bundle")).content

    run(world, body)


def test_a_ledger_that_no_witness_has_seen_has_nothing_to_publish(world: World, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no_bundle"):
        from_data(world, tmp_path / "www")
    assert files_of(tmp_path / "www") == {}
    with pytest.raises(StorageError, match="not_found"):
        opened_source(str(tmp_path / "nothing"), None).__enter__()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[Path]]:
    """A ledger of more than 512 entries, and the folder after each of three moments."""
    folder = tmp_path_factory.mktemp("grown")
    world = World(folder / "ledger", threshold=2).found()
    copies: list[Path] = []

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        for first, last in ((0, 30), (30, 40), (40, 560)):
            await grow(client, service, *(world.credential(n) for n in range(first, last)))
            copies.append(folder / f"www-{last}")
            await asyncio.to_thread(from_data, world, copies[-1])

    run(world, body)
    return world, copies


def copy_of(folder: Path, target: Path) -> Path:
    import shutil

    shutil.copytree(folder, target)
    return target


def test_a_second_round_writes_nothing_and_a_later_one_what_is_new(
    grown: tuple[World, list[Path]], tmp_path: Path
) -> None:
    world, copies = grown
    www = copy_of(copies[0], tmp_path / "www")
    done = from_data(world, www)
    assert (done.old_size, done.changed) == (head_of(copies[0]).tree_size, True)
    read_published(www)
    before = files_of(www)
    again = from_data(world, www)
    assert (again.written, again.removed, again.changed) == (0, 0, False)
    assert files_of(www) == before
    assert set(files_of(copies[2])) <= set(before)


def test_a_mirror_of_a_folder_has_its_bytes(grown: tuple[World, list[Path]], tmp_path: Path) -> None:
    world, copies = grown
    for copy in copies:  # one after the other, into the same mirror
        from_folder(world, copy, tmp_path / "mirror")
        mirrored, original = files_of(tmp_path / "mirror"), files_of(copy)
        assert {path: mirrored[path] for path in mirrored if path in original} == {
            path: original[path] for path in original if path in mirrored
        }
        read_published(tmp_path / "mirror")
    assert KEYS_PATH in files_of(tmp_path / "mirror")


class Kept:
    """Published files in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def get(self, path: str, max_size: int) -> bytes:
        if path not in self._files:
            raise StorageError("not there", field=path, code="not_found")
        return self._files[path][: max_size + 1]

    def close(self) -> None:
        """Nothing is open."""


def test_one_changed_byte_of_any_file_never_reaches_a_mirror(
    grown: tuple[World, list[Path]], tmp_path: Path
) -> None:
    world, copies = grown
    original = files_of(copies[2])
    needed = {path for path in original if ".p/" not in path} | {
        f"tile/{level}/{n:03d}.p/{w}" for level, n, w in _edges(head_of(copies[2]).tree_size)
    }
    for number, (path, data) in enumerate(original.items()):
        for place in {0, len(data) // 2, len(data) - 1}:
            changed = {**original, path: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]}
            target = tmp_path / f"{number}-{place}"
            source = RemoteSource(Kept(changed), world.pin())
            try:
                publish(source, target)
            except CodedError as error:
                assert error.code in ("bundle_invalid", "bad_tile", "bad_entry"), path
                assert "checkpoint" not in files_of(target)
            else:  # not used by a mirror, or left out by it
                assert path == "checkpoint" or path.startswith(".well-known") or path not in needed, path
            assert all(original[name] == written for name, written in files_of(target).items()), path


def _edges(size: int) -> list[tuple[str, int, int]]:
    return [("0", size // 256, size % 256), ("entries", size // 256, size % 256), ("1", 0, size // 256)]


def test_a_mirror_takes_the_full_tile_where_the_partial_one_is_gone(
    grown: tuple[World, list[Path]], tmp_path: Path
) -> None:
    world, copies = grown
    old, new = files_of(copies[0]), files_of(copies[2])
    # A bundle of some time ago beside tiles of today.
    mixed = {path: data for path, data in {**new, "bundle": old["bundle"]}.items() if ".p/" not in path}
    publish(RemoteSource(Kept(mixed), world.pin()), tmp_path / "www")
    assert read_published(tmp_path / "www")[0] == head_of(copies[0])
    del mixed["tile/entries/000"]
    with pytest.raises(StorageError, match="not_found"):
        publish(RemoteSource(Kept(mixed), world.pin()), tmp_path / "other")


def test_another_pin_is_refused(grown: tuple[World, list[Path]], tmp_path: Path) -> None:
    world, copies = grown
    other = World(tmp_path / "other", threshold=1).found()
    for source in (RemoteSource(FolderFiles(copies[0]), other.pin()),):
        with pytest.raises(BundleError):
            publish(source, tmp_path / "www")
    with opened_source(str(world.data_dir), other.pin()) as stored, pytest.raises(BundleError):
        publish(stored, tmp_path / "www")
    assert files_of(tmp_path / "www") == {}
    with pytest.raises(CodedError, match="usage"):
        opened_source("http://127.0.0.1:1", None).__enter__()


def test_what_is_published_is_never_replaced_by_something_else(
    grown: tuple[World, list[Path]], tmp_path: Path
) -> None:
    world, copies = grown
    short = f"tile/1/000.p/{head_of(copies[2]).tree_size // 256}"
    cases: list[tuple[str, Callable[[Path], object], str]] = [
        (
            "a tile with another content",
            lambda www: (www / "tile/0/001").write_bytes(bytes(8192)),
            "bad_tile",
        ),
        ("a tile that is short", lambda www: (www / short).write_bytes(b""), "bad_tile"),
        ("a bundle of entries", lambda www: (www / "tile/entries/001").write_bytes(b"x"), "bad_tile"),
    ]
    for name, spoil, code in cases:
        www = copy_of(copies[1], tmp_path / name)
        (www / "tile/1").mkdir(exist_ok=True)
        (www / "tile/1/000.p").mkdir(exist_ok=True)
        spoil(www)
        before = files_of(www)
        with pytest.raises(ForkAlarm) as error:
            from_data(world, www)
        assert error.value.code == code, name
        after = files_of(www)
        assert {path: after[path] for path in before} == before, name


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"tree_size": 48}, "inconsistent"),
        ({"root_hash": bytes(32)}, "inconsistent"),
        ({"origin": "ledger.test/other"}, "bad_checkpoint"),
        ({"tree_size": 10**6}, "not_reachable"),
    ],
)
def test_the_published_head_is_only_ever_extended(
    grown: tuple[World, list[Path]], tmp_path: Path, change: dict[str, object], code: str
) -> None:
    world, copies = grown
    www = copy_of(copies[0], tmp_path / "www")
    head = head_of(www)
    values = {"origin": ORIGIN, "tree_size": head.tree_size, "root_hash": head.root_hash, **change}
    note = (www / "checkpoint").read_text()
    text = format_checkpoint(Checkpoint(**values)) + note[note.index("\n\n") + 1 :]  # type: ignore[arg-type]
    (www / "checkpoint").write_text(text)
    before = files_of(www)
    with pytest.raises(CodedError) as error:
        from_data(world, www)
    assert error.value.code == code
    assert files_of(www) == before


def test_two_heads_of_one_size_are_a_fork(grown: tuple[World, list[Path]], tmp_path: Path) -> None:
    world, copies = grown
    www = copy_of(copies[2], tmp_path / "www")
    note = (www / "checkpoint").read_text()
    other = format_checkpoint(Checkpoint(ORIGIN, head_of(www).tree_size, bytes(32)))
    (www / "checkpoint").write_text(other + note[note.index("\n\n") + 1 :])
    with pytest.raises(ForkAlarm, match="fork"):
        from_data(world, www)
    (www / "checkpoint").write_bytes(b"\xff")
    with pytest.raises(ForkAlarm, match="bad_checkpoint"):
        from_data(world, www)


def test_an_older_source_leaves_a_newer_folder_as_it_is(
    grown: tuple[World, list[Path]], tmp_path: Path
) -> None:
    world, copies = grown
    www = copy_of(copies[2], tmp_path / "www")
    before = files_of(www)
    with pytest.raises(StorageError, match="not_reachable"):
        from_folder(world, copies[0], www)
    assert files_of(www) == before


def test_a_check_finds_what_changed_and_mends_what_is_missing(
    grown: tuple[World, list[Path]], tmp_path: Path
) -> None:
    world, copies = grown
    www = copy_of(copies[2], tmp_path / "www")
    (www / "tile/0/000").unlink()
    assert from_data(world, www).written == 0
    assert from_data(world, www, check=True).written == 1
    assert files_of(www) == files_of(copies[2])
    (www / "tile/entries/000").write_bytes(b"x")
    from_data(world, www)
    with pytest.raises(ForkAlarm, match="bad_tile"):
        from_data(world, www, check=True)


def test_partial_tiles_go_once_their_full_tile_is_old_enough(
    grown: tuple[World, list[Path]], tmp_path: Path
) -> None:
    world, copies = grown
    last = head_of(copies[2]).tree_size // 256
    for keep_partials_s, gone in ((None, False), (1e10, False), (3600.0, True), (0.0, True)):
        www = copy_of(copies[1], tmp_path / str(keep_partials_s))
        done = from_data(world, www, keep_partials_s=keep_partials_s)
        assert (done.removed > 0) is gone
        assert (www / "tile/0/000.p").exists() is not gone
        assert (www / f"tile/0/{last:03d}.p").exists() is (head_of(www).tree_size % 256 > 0)
        read_published(www)
        read_published(www, head_of(copies[0]))
    partial = {parse_tile_path(path) for path in files_of(tmp_path / "0.0") if ".p/" in path}
    assert {path.index for path in partial if path.level in (0, ENTRIES)} <= {last}


def test_only_one_process_publishes_into_a_folder(tmp_path: Path) -> None:
    with StaticFolder(tmp_path / "www").held(), pytest.raises(StorageError, match="read_only"):
        StaticFolder(tmp_path / "www").held().__enter__()
    (tmp_path / "www" / ".part" / "0123456789abcdef").write_bytes(b"left by a crash")
    with StaticFolder(tmp_path / "www").held():
        assert [path.name for path in (tmp_path / "www" / ".part").iterdir()] == ["writer.lock"]


def test_the_keys_of_earlier_times_stay(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    www = tmp_path / "www"
    verbs = prepare(world.data_dir / "keys", "service")
    assert isinstance(verbs[0], SetServiceKeys)
    new_key = verbs[0].receipts_key

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        with opened_source(str(world.data_dir), world.pin()) as source:
            await grow(client, service, world.credential(1))
            await asyncio.to_thread(publish, source, www)
            first = parse_key_set((www / KEYS_PATH).read_bytes())
            before = service.head.size
            await decide(service, world, verbs)
            await grow(client, service, world.credential(2))
            await grow(client, service, world.credential(3))
            await asyncio.to_thread(publish, source, www)
            assert parse_key_set((www / KEYS_PATH).read_bytes()) == [new_key, *first]
            assert len(list((www / ".well-known/scitt-keys").iterdir())) == 2
            for path, data in files_of(www).items():
                answer = await client.get("/" + path.removesuffix(".cbor"))
                assert answer.content == data, path
        # A bridging checkpoint that is not kept yet: the service shows neither it nor what comes after it.
        with monkeypatch.context() as patch, opened_source(str(world.data_dir), None) as source:
            (bridge,) = service._store.bridges()
            patch.setattr(LedgerReader, "bridges", lambda store, tree_size=None: {})
            assert before <= source.newest().size < bridge < service.head.size
        from_folder(world, www, tmp_path / "mirror")
        whole = (www / KEYS_PATH).read_bytes()
        assert files_of(tmp_path / "mirror")[KEYS_PATH] == whole
        # A source that leaves the old key out takes it from nobody who has it.
        fewer = Kept({**files_of(www), KEYS_PATH: format_key_set([new_key])})
        publish(RemoteSource(fewer, world.pin()), tmp_path / "mirror")
        assert files_of(tmp_path / "mirror")[KEYS_PATH] == whole
        (tmp_path / "mirror" / KEYS_PATH).write_bytes(whole[:-1])
        publish(RemoteSource(Kept(files_of(www)), world.pin()), tmp_path / "mirror")
        assert files_of(tmp_path / "mirror")[KEYS_PATH] == whole

    run(world, body, lambda clients: opened(world, clients))


def test_rounds_go_on_after_a_failure_and_end_with_an_alarm(capsys: pytest.CaptureFixture[str]) -> None:
    done = Published(0, 16, 3, 0, True, True)
    idle = Published(16, 16, 0, 0, False, True)
    rounds: list[Published | CodedError] = [
        StorageError("the disk is full"), done, idle, StorageError("again"), done, ForkAlarm("two heads")
    ]  # fmt: skip
    firsts: list[bool] = []
    slept: list[float] = []

    def one(first: bool) -> Published:
        firsts.append(first)
        outcome = rounds[len(firsts) - 1]
        if isinstance(outcome, CodedError):
            raise outcome
        return outcome

    with pytest.raises(ForkAlarm):
        repeat(one, every_s=7.0, sleep=slept.append)
    assert firsts == [True, True, False, False, False, False]
    assert slept == [7.0] * 5
    printed = capsys.readouterr()
    assert printed.out.count("Published 16 entries") == 2
    assert printed.err.count("Not published") == 2
    firsts.clear()
    with pytest.raises(StorageError):
        repeat(one, every_s=None, sleep=slept.append)
    assert TilePath(0, 0).width == 256


def test_an_idle_round_builds_and_fetches_next_to_nothing(
    grown: tuple[World, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, copies = grown
    built: list[int] = []

    def counted(*args: Any) -> bytes:
        built.append(1)
        return build_bundle(*args)

    monkeypatch.setattr("ledger.publish.stored.build_bundle", counted)
    with opened_source(str(world.data_dir), world.pin()) as source:
        assert [publish(source, tmp_path / "www").changed for _ in range(3)] == [True, False, False]
    assert built == [1]
    asked: list[str] = []

    class Asked(FolderFiles):
        def get(self, path: str, max_size: int) -> bytes:
            asked.append(path)
            return super().get(path, max_size)

    mirror = RemoteSource(Asked(copies[2]), world.pin())
    assert [publish(mirror, tmp_path / "mirror").changed for _ in range(2)] == [True, False]
    assert asked.count("bundle") == 1


def test_a_database_that_cannot_be_read_for_a_moment_is_read_from_its_beginning(
    grown: tuple[World, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, copies = grown
    read = LedgerReader.entries

    def broken(store: LedgerReader, start: int, stop: int) -> list[bytes]:
        monkeypatch.setattr(LedgerReader, "entries", read)
        return read(store, start, stop)[:300]

    monkeypatch.setattr(LedgerReader, "entries", broken)
    with opened_source(str(world.data_dir), world.pin()) as source:
        with pytest.raises(ForkAlarm, match="bad_entry"):
            publish(source, tmp_path / "www")
        publish(source, tmp_path / "www")
    there, expected = files_of(tmp_path / "www"), files_of(copies[2])
    assert all(there[path] == expected[path] for path in ("bundle", "checkpoint", "tile/0/001"))


def test_a_stored_tile_that_is_not_what_the_entries_hash_to_is_not_published(
    grown: tuple[World, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = grown
    read = LedgerReader.tile_file
    for spoiled in (TilePath(0, 0), TilePath(ENTRIES, 1), TilePath(0, 1)):

        def read_spoiled(
            store: LedgerReader, path: TilePath, size: int, bad: TilePath = spoiled
        ) -> bytes | None:
            data = read(store, path, size)
            return data[:-1] + bytes([data[-1] ^ 1]) if data is not None and path == bad else data

        monkeypatch.setattr(LedgerReader, "tile_file", read_spoiled)
        www = tmp_path / f"{spoiled.level}-{spoiled.index}"
        with pytest.raises(ForkAlarm) as error:
            from_data(world, www)
        assert error.value.code in ("bad_tile", "bad_entry")
        assert not (www / "checkpoint").exists()
