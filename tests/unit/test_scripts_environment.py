"""The set-up: what is done, in which order, and what a failure leaves behind. Nothing is installed here."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import environment


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with what the stamp is made of, and an environment that looks alive."""
    root = tmp_path / "repository"
    (root / "requirements").mkdir(parents=True)
    (root / "requirements" / "dev.txt").write_text("a==1 --hash=sha256:00\n")
    (root / "pyproject.toml").write_text("[project]\n")
    python = environment.interpreter_of(root / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text("")
    return root


def lock_of(root: Path) -> Path:
    return root / "requirements" / "dev.txt"


class Recorder:
    """Stands for the shell: notes each command and answers with the exit code of its turn."""

    def __init__(self, codes: Sequence[int] = ()) -> None:
        self.codes = list(codes)
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> int:
        self.commands.append(list(command))
        return self.codes.pop(0) if self.codes else 0


def make(root: Path, recorder: Recorder) -> None:
    stamp = environment.format_stamp(root, lock_of(root))
    environment.make(root, root / ".venv", lock_of(root), stamp, recorder)


def test_a_finished_set_up_is_current_until_something_it_depends_on_changes(repository: Path) -> None:
    make(repository, Recorder())
    before = environment.format_stamp(repository, lock_of(repository))
    assert environment.is_current(repository / ".venv", before)

    (repository / "pyproject.toml").write_text("[project]\nname='x'\n")
    after_project = environment.format_stamp(repository, lock_of(repository))
    lock_of(repository).write_text("a==2 --hash=sha256:00\n")
    after_lock = environment.format_stamp(repository, lock_of(repository))

    assert len({before, after_project, after_lock}) == 3
    assert not environment.is_current(repository / ".venv", after_lock)


def test_a_copy_of_the_repository_at_another_place_is_not_current(repository: Path, tmp_path: Path) -> None:
    make(repository, Recorder())
    moved = repository.rename(tmp_path / "moved")
    assert not environment.is_current(moved / ".venv", environment.format_stamp(moved, lock_of(moved)))


def test_only_hashed_wheels_are_installed_and_the_project_without_dependencies(repository: Path) -> None:
    recorder = Recorder()
    make(repository, recorder)
    _probe, locked, project = recorder.commands
    assert "--require-hashes" in locked
    assert locked[locked.index("--only-binary") + 1] == ":all:"
    assert locked[-2:] == ["-r", str(lock_of(repository))]
    assert {"--no-build-isolation", "--no-deps", "--editable"} <= set(project)


@pytest.mark.parametrize("failing_step", [1, 2])
def test_a_step_that_fails_leaves_no_stamp(repository: Path, failing_step: int) -> None:
    make(repository, Recorder())
    codes = [0, 0, 0]
    codes[failing_step] = 7
    with pytest.raises(environment.SetUpError, match="exit code 7"):
        make(repository, Recorder(codes))
    assert not (repository / ".venv" / environment.STAMP_NAME).exists()


def test_an_environment_whose_python_does_not_work_is_made_anew(repository: Path) -> None:
    left_over = repository / ".venv" / "left-over"
    left_over.write_text("")
    recorder = Recorder([1])
    with pytest.raises(FileNotFoundError):
        # The recorder makes no environment, so there is no folder for the stamp.
        make(repository, recorder)
    assert recorder.commands[1] == [sys.executable, "-m", "venv", str(repository / ".venv")]
    assert not left_over.exists()


def test_a_second_set_up_waits_and_then_finds_the_work_done(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []

    def slow_make(root: Path, where: Path, lock: Path, stamp: str) -> None:
        made.append(time.monotonic())
        time.sleep(0.2)
        (where / environment.STAMP_NAME).write_text(stamp)

    monkeypatch.setattr(environment, "make", slow_make)
    arguments = (repository, repository / ".venv", lock_of(repository))
    threads = [threading.Thread(target=environment.prepare, args=arguments) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(made) == 1


def test_a_ready_interpreter_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.READY_VARIABLE, "ready")
    monkeypatch.setattr(environment, "prepare", lambda: pytest.fail("must not be called"))
    environment.enter("scripts/test", [])


def test_a_failed_set_up_ends_with_a_sentence_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise environment.SetUpError("the locked packages could not be installed")

    monkeypatch.delenv(environment.READY_VARIABLE, raising=False)
    monkeypatch.setattr(environment, "prepare", fail)
    with pytest.raises(SystemExit, match="Set-up failed: the locked packages"):
        environment.enter("scripts/test", [])


@pytest.mark.parametrize("name", ["check", "demo", "test"])
def test_the_programs_have_no_suffix_and_can_be_executed(name: str) -> None:
    script = environment.ROOT / "scripts" / name
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n")
    assert os.name == "nt" or os.access(script, os.X_OK)


def test_the_gate_refuses_an_option_that_it_does_not_know() -> None:
    done = subprocess.run(
        [sys.executable, str(environment.ROOT / "scripts" / "check"), "--skip-types"],
        env={**os.environ, environment.READY_VARIABLE: "ready"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--skip-types" in done.stderr
