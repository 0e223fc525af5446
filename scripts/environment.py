"""Set-up: the environment that every program under scripts/ runs in.

Standard library only, because it runs before anything is installed. Purpose and limits:
docs/adr/0004-set-up-without-hosts.md.

A stamp inside `.venv` names what was installed: one digest of the lock, of pyproject.toml and of the
place of the repository. It is removed before the first step and written
after the last one, so an interrupted set-up is never taken for a finished one. Set-ups of the same
repository that run at once wait for each other.

    $ python3 scripts/test
    Setting up .venv from requirements/dev.txt (once per change of the lock)
    ... ready in 38 s

`SAFECONDUCT_ENVIRONMENT=ready` says that the interpreter at hand has everything already (a container,
a distribution's package): nothing is then made or installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
LOCK = ROOT / "requirements" / "dev.txt"
STAMP_NAME = "safeconduct.stamp"
READY_VARIABLE = "SAFECONDUCT_ENVIRONMENT"

Run = Callable[[Sequence[str]], int]
"""Runs a command line and returns its exit code."""


class SetUpError(Exception):
    """The environment could not be made; the text says which step failed and what to do."""


def format_stamp(root: Path, lock: Path) -> str:
    """The stamp of an environment: 64 hexadecimal digits that change with anything it depends on.

    Args:
        root: the repository; an editable installation points to its place.
        lock: the requirements with hashes.

    Raises:
        OSError: the lock or pyproject.toml cannot be read.
    """
    digest = hashlib.sha256()
    for part in (lock.read_bytes(), (root / "pyproject.toml").read_bytes(), str(root).encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def interpreter_of(environment: Path) -> Path:
    """Where the environment's Python stands on this platform."""
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def is_current(environment: Path, stamp: str) -> bool:
    """True where a finished set-up left exactly this stamp and the interpreter is there."""
    try:
        found = (environment / STAMP_NAME).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return False
    return found == stamp and interpreter_of(environment).exists()


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock on the file; the system lets go of it however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as handle:
        _take(handle)
        try:
            yield
        finally:
            _let_go(handle)


if sys.platform == "win32":
    import msvcrt

    def _take(handle: IO[bytes]) -> None:
        handle.seek(0)
        while True:
            # LK_LOCK gives up after ten seconds; a set-up takes longer.
            with contextlib.suppress(OSError):
                msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
                return

    def _let_go(handle: IO[bytes]) -> None:
        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(handle: IO[bytes]) -> None:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX)

    def _let_go(handle: IO[bytes]) -> None:
        fcntl.flock(handle.fileno(), fcntl.LOCK_UN)


def run(command: Sequence[str], *, folder: Path | None = None) -> int:
    """Run a command with the streams of this process, in the folder or the current one; the exit code."""
    sys.stdout.flush()
    return subprocess.call(list(command), cwd=folder)


def make(root: Path, environment: Path, lock: Path, stamp: str, run: Run = run) -> None:
    """Make or renew the environment, step by step, and stamp it last.

    An environment without a new enough Python and a working pip is made anew; any other is brought to
    the lock.

    Raises:
        SetUpError: a step returned an exit code other than 0. No stamp is left.
    """
    (environment / STAMP_NAME).unlink(missing_ok=True)
    python = str(interpreter_of(environment))
    pip = [python, "-m", "pip"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    if not Path(python).exists() or run([python, "-c", probe]) != 0:
        shutil.rmtree(environment, ignore_errors=True)
        _step(
            run,
            [sys.executable, "-m", "venv", str(environment)],
            "the environment could not be made; on Debian and Ubuntu: apt install python3-venv",
        )
    _step(
        run,
        # Wheels only: building a source package would run build requirements that no hash covers.
        [*pip, "install", *quiet, "--require-hashes", "--only-binary", ":all:", "-r", str(lock)],
        "the locked packages could not be installed; without a network see docs/adr/0004-set-up-without-hosts.md",
    )
    _step(
        run,
        [*pip, "install", *quiet, "--no-build-isolation", "--no-deps", "--editable", str(root)],
        "the four packages could not be installed",
    )
    # Written aside and renamed: a reader sees the whole stamp or none.
    aside = environment / f"{STAMP_NAME}.{os.getpid()}"
    aside.write_text(stamp, encoding="ascii")
    aside.replace(environment / STAMP_NAME)


def _step(run: Run, command: Sequence[str], failure: str) -> None:
    code = run(command)
    if code != 0:
        raise SetUpError(f"{failure} (exit code {code})")


def prepare(root: Path = ROOT, environment: Path = ENVIRONMENT, lock: Path = LOCK) -> Path:
    """The interpreter of an environment that agrees with the lock, made first where needed.

    Raises:
        SetUpError: a step of the set-up failed.
        OSError: the repository cannot be read or written.
    """
    stamp = format_stamp(root, lock)
    if not is_current(environment, stamp):
        with one_at_a_time(root / "build" / "environment.lock"):
            # Another process may have finished the set-up while this one waited.
            if not is_current(environment, stamp):
                where = lock.relative_to(root)
                print(f"Setting up .venv from {where} (once per change of the lock)", flush=True)
                started_s = time.monotonic()
                make(root, environment, lock, stamp)
                print(f"... ready in {time.monotonic() - started_s:.0f} s", flush=True)
    return interpreter_of(environment)


def enter(script: str, arguments: Sequence[str]) -> None:
    """Return only inside the environment; otherwise run the script again in there and exit with its code.

    Raises:
        SystemExit: always where this process is outside: the code of the inner run, or 1 with a
            sentence where the set-up failed.
    """
    if os.environ.get(READY_VARIABLE) == "ready":
        return
    try:
        python = prepare()
    except (SetUpError, OSError) as error:
        raise SystemExit(f"Set-up failed: {error}") from error
    if Path(sys.prefix).resolve() == ENVIRONMENT.resolve():
        return
    command = [str(python), str(Path(script).resolve()), *arguments]
    if os.name == "nt":
        # On Windows exec returns to the shell before the new process ends.
        raise SystemExit(run(command))
    sys.stdout.flush()
    os.execv(python, command)  # noqa: S606 - the same script, by the interpreter just made
