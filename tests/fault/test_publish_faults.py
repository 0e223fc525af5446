"""Publishing with a disk that fails, a process that ends and a power cut, at every single step.

What must hold each time: the folder shows the old head or the new one, with all that it promises; nothing
that was there is changed; the next round makes the folder whole.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.core.tiles import TilePath, format_tile_path
from ledger.errors import StorageError
from ledger.publish import folder as folder_module
from ledger.publish.folder import StaticFolder
from ledger.publish.publish import publish_once
from ledger.publish.sources import Publication, opened_source
from ledger.service.service import LedgerService
from tests.support.crashes import Crash
from tests.support.log_service import World
from tests.support.published import files_of, head_of, read_published
from tests.support.served import register, run

ROOT = Path(__file__).resolve().parent.parent.parent
NOW_S = 4e9


@dataclass
class Fixed:
    """A source that shows one publication, out of memory."""

    publication: Publication
    files: dict[str, bytes]
    known: list[int]

    def newest(self) -> Publication:
        return self.publication

    def read_tile(self, path: TilePath) -> bytes:
        return self.files[format_tile_path(path)]

    def read_delta(self, day: str) -> bytes:
        return self.files[f"delta/{day}"]

    def sizes(self, above: int, upto: int) -> list[int]:
        return [size for size in self.known if above < size <= upto]


@dataclass
class Town:
    """A folder at one moment, a source that is further, and the folder as it then must be."""

    world: World
    before: Path
    source: Fixed
    after: dict[str, bytes]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    base = tmp_path_factory.mktemp("town")
    world = World(base / "ledger", threshold=2).found()

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await register(client, *(world.credential(n) for n in range(20)))
        await service.published_checkpoint()
        await asyncio.to_thread(publish_from, world, base / "before")
        for n in range(3):
            await register(client, *(world.credential(100 * n + i) for i in range(20, 110)))
        await service.published_checkpoint()

    run(world, body)
    shutil.copytree(base / "before", base / "after")
    with opened_source(str(world.data_dir), world.pin()) as source:
        publish(source, base / "after")
        after = files_of(base / "after")
        newest = source.newest()
        fixed = Fixed(newest, after, list(source.sizes(0, newest.size)))
    assert head_of(base / "after").tree_size > 256 > head_of(base / "before").tree_size
    assert not (base / "after/tile/0/000.p").exists()
    return Town(world, base / "before", fixed, after)


def publish(source: Any, www: Path) -> None:
    with StaticFolder(www).held() as folder:
        publish_once(source, folder, now_s=NOW_S, keep_partials_s=0.0)


def publish_from(world: World, www: Path) -> None:
    with opened_source(str(world.data_dir), world.pin()) as source:
        publish(source, www)


@dataclass
class Disk:
    """Fails or ends at its n-th operation; remembers which names are not on the disk yet."""

    kind: str
    at: int
    count: int = 0
    loose: list[tuple[Path, bytes | None]] = field(default_factory=list)
    new_folders: list[Path] = field(default_factory=list)

    def point(self, act: Any, half: Any = None) -> Any:
        self.count += 1
        if self.count != self.at:
            return act()
        if self.kind == "full":
            if half is not None:
                half()
            raise OSError(errno.ENOSPC, "No space left on device")
        act()
        raise Crash

    def cut(self, *, spare_checkpoint: bool) -> None:
        """Let go of every name that was not settled, as a power cut may."""
        for path, old in reversed(self.loose):
            if path.name == "checkpoint" and spare_checkpoint:
                continue
            if old is None:
                path.unlink(missing_ok=True)
            elif path.parent.is_dir():
                path.write_bytes(old)
        for path in reversed(self.new_folders):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def disk(patch: pytest.MonkeyPatch, kind: str, at: int, before: Disk | None = None) -> Iterator[Disk]:
    made = Disk(kind, at)
    if before is not None:
        made.loose, made.new_folders = before.loose, before.new_folders
    real_open, real_write = os.open, os.write
    replace, mkdir, unlink, rmdir = Path.replace, Path.mkdir, Path.unlink, Path.rmdir

    def open_new(path: Any, flags: int, *rest: Any) -> int:
        def act() -> int:
            return real_open(path, flags, *rest)

        is_ours = flags & os.O_EXCL and Path(path).name != "writer.lock"
        return int(made.point(act)) if is_ours else act()

    def write(handle: int, data: Any) -> int:
        half = data[: len(data) // 2]
        return int(made.point(lambda: real_write(handle, data), lambda: real_write(handle, half)))

    def fsync(handle: int) -> None:
        made.point(lambda: None)  # nothing here asks what the disk holds: `cut` says it

    def rename(path: Path, target: Path) -> Path:
        def act() -> Path:
            made.loose.append((target, target.read_bytes() if target.exists() else None))
            return replace(path, target)

        return made.point(act)  # type: ignore[no-any-return]

    def make(path: Path, *args: Any, **options: Any) -> None:
        if not path.is_dir() and path.parent.is_dir():
            made.new_folders.append(path)
            made.point(lambda: mkdir(path))
        elif not path.is_dir():
            make(path.parent, **options)
            make(path, **options)

    def settle(folder: Path) -> None:
        def act() -> None:
            made.loose = [item for item in made.loose if item[0].parent != folder]
            made.new_folders = [path for path in made.new_folders if path.parent != folder]

        made.point(act)

    with patch.context() as inside:
        inside.setattr(os, "open", open_new)
        inside.setattr(os, "write", write)
        inside.setattr(os, "fsync", fsync)
        inside.setattr(Path, "replace", rename)
        inside.setattr(Path, "mkdir", make)
        inside.setattr(Path, "unlink", lambda path, **options: made.point(lambda: unlink(path, **options)))
        inside.setattr(Path, "rmdir", lambda path: made.point(lambda: rmdir(path)))
        inside.setattr(folder_module, "sync_directory", settle)
        yield made


def check_whole(town: Town, www: Path) -> None:
    """The old head or the new one, whole; and whoever holds the old head still finds all of it."""
    old = town.before / "checkpoint"
    assert (www / "checkpoint").read_bytes() in (old.read_bytes(), town.after["checkpoint"])
    assert (www / "bundle").read_bytes() in ((town.before / "bundle").read_bytes(), town.after["bundle"])
    read_published(www)
    read_published(www, head_of(town.before))
    for path, data in files_of(www).items():
        assert data in (town.after.get(path), _old(town, path)), path


def _old(town: Town, path: str) -> bytes | None:
    file = town.before / path
    return file.read_bytes() if file.is_file() else None


def steps(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many operations a round has that nothing disturbs."""
    www = tmp_path / "undisturbed"
    shutil.copytree(town.before, www)
    with disk(monkeypatch, "none", 0) as undisturbed:
        publish(town.source, www)
    assert files_of(www) == town.after
    assert not undisturbed.loose
    assert not undisturbed.new_folders
    return undisturbed.count


@pytest.mark.parametrize("kind", ["full", "killed", "power cut", "power cut but one"])
def test_each_step_may_fail_and_the_folder_stays_whole(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    count = steps(town, tmp_path, monkeypatch)
    assert count > 40
    for at in range(1, count + 1):
        www = tmp_path / str(at)
        shutil.copytree(town.before, www)
        expected: type[BaseException] = StorageError if kind == "full" else Crash
        with (
            disk(monkeypatch, kind, at) as made,
            pytest.raises(expected),
        ):
            publish(town.source, www)
        assert made.count >= at, at
        if kind.startswith("power"):
            made.cut(spare_checkpoint=kind == "power cut but one")
        check_whole(town, www)
        with disk(monkeypatch, "none", 0):
            publish(town.source, www)
        assert files_of(www) == town.after, at
        assert [path.name for path in (www / ".part").iterdir()] == ["writer.lock"]
        shutil.rmtree(www)


def test_what_a_killed_round_left_is_settled_by_the_next_before_its_checkpoint(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at = steps(town, tmp_path, monkeypatch) // 2
    for at in range(5, 60, 2):
        www = tmp_path / str(at)
        shutil.copytree(town.before, www)
        with disk(monkeypatch, "killed", killed_at) as first, pytest.raises(Crash):
            publish(town.source, www)
        assert first.loose
        with disk(monkeypatch, "killed", at, first) as second, suppress(Crash):
            publish(town.source, www)
        if second.count < at:
            assert not second.loose
            return
        second.cut(spare_checkpoint=True)
        check_whole(town, www)
    raise AssertionError("the second round never came to its end")


def test_the_first_round_shows_nothing_before_its_end(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk(monkeypatch, "none", 0) as undisturbed:
        publish(town.source, tmp_path / "whole")
    for at in range(1, undisturbed.count, 5):
        www = tmp_path / str(at)
        with disk(monkeypatch, "killed", at) as made, pytest.raises(Crash):
            publish(town.source, www)
        made.cut(spare_checkpoint=True)
        if (www / "checkpoint").exists():
            read_published(www)
        publish(town.source, www)
        read_published(www)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of Unix")
def test_a_killed_process_leaves_a_whole_folder(town: Town, tmp_path: Path) -> None:
    www = tmp_path / "www"
    shutil.copytree(town.before, www)
    command = [
        sys.executable,
        "-m",
        "ledger.cli",
        "publish",
        str(town.world.data_dir),
        str(www),
        "--every",
        "0.01",
    ]
    for wait_s in (0.0, 0.02):
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 30
            while not (www / "tile/0/001.p").exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(wait_s)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
        check_whole(town, www)
        shutil.rmtree(www)
        shutil.copytree(town.before, www)
    publish(town.source, www)
    assert files_of(www) == town.after
