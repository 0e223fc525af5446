"""Set-up of a browser for the tests of the phone page: find a Chromium, or try to install one.

Standard library only, but for Playwright's own browser, which is looked for where Playwright is installed.
`SAFECONDUCT_CHROMIUM` names a program and is believed; then the usual names on the path; then the browser that
Playwright keeps. `scripts/test` calls `enter`: where none is found it tries, as root on Debian, the system's package,
and then Playwright's download; it says so in one line. Where from is the business of whoever installs
(`PLAYWRIGHT_DOWNLOAD_HOST`, the sources of apt): docs/adr/0004-set-up-without-hosts.md. A try that failed is
repeated after a day.

Without a browser its tests are skipped with a reason, and fail where `CI` is set.

    from scripts import browser
    program = browser.find()        # Path("/usr/bin/chromium"), or None
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from scripts import environment

VARIABLE: Final = "SAFECONDUCT_CHROMIUM"
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TRIED: Final = environment.ROOT / "build" / "browser.tried"
_AGAIN_AFTER_S: Final = 86_400
_INSTALL_LIMIT_S: Final = 600
_ANSWER_LIMIT_S: Final = 30

Run = Callable[[Sequence[str]], int]
"""Runs a command line, says nothing, and returns its exit code."""


def find() -> Path | None:
    """The Chromium that tests use, or None.

    Raises:
        SetUpError: `SAFECONDUCT_CHROMIUM` names something that does not run.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        if not _runs(Path(chosen)):
            raise environment.SetUpError(f"{VARIABLE} names {chosen}, which is no browser that runs")
        return Path(chosen)
    found = (shutil.which(name) for name in NAMES)
    # On some systems `chromium-browser` is a script that asks for another package manager.
    return next((Path(path) for path in found if path and _runs(Path(path))), None) or playwrights_own()


def playwrights_own() -> Path | None:
    """The browser that Playwright keeps, None where it keeps none or is not installed."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.is_file() and _runs(path) else None


def prepare(run: Run | None = None) -> Path | None:
    """The Chromium that tests use; where there is none it is installed if that can be done.

    Raises:
        SetUpError: `SAFECONDUCT_CHROMIUM` names something that does not run.
        OSError: the repository cannot be written.
    """
    found = find()
    if found or _tried_lately():
        return found
    with environment.one_at_a_time(environment.ROOT / "build" / "browser.lock"):
        # Another process may have installed one while this one waited.
        found = find()
        if found or _tried_lately():
            return found
        for what, command in _ways():
            print(f"No Chromium for the tests of the phone page: trying {what}", flush=True)
            (run or _run)(command)
            found = find()
            if found:
                return found
        _TRIED.write_text(f"{int(time.time())}\n", encoding="ascii")
    print(f"No Chromium: its tests are left out. Install one, or name one in {VARIABLE}", flush=True)
    return None


def enter() -> None:
    """Return once a browser is there or known not to be; in an environment said to be ready, at once.

    Raises:
        SystemExit: `SAFECONDUCT_CHROMIUM` names no browser, or the repository cannot be written.
    """
    if os.environ.get(environment.READY_VARIABLE) == "ready":
        return
    try:
        prepare()
    except (environment.SetUpError, OSError) as error:
        raise SystemExit(f"Set-up failed: {error}") from error


def _ways() -> list[tuple[str, list[str]]]:
    """What can be tried on this system, as a word for it and its command line."""
    ways = [("Playwright's own download", [sys.executable, "-m", "playwright", "install", "chromium"])]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        commands = "apt-get -q update; apt-get -qy install chromium"
        ways.insert(0, ("the package chromium of this system", ["sh", "-c", commands]))
    return ways


def _tried_lately() -> bool:
    try:
        age_s = time.time() - float(_TRIED.read_text("ascii"))
    except (OSError, ValueError):
        return False
    return 0 <= age_s < _AGAIN_AFTER_S


def _runs(program: Path) -> bool:
    """Whether the program says a version, as every Chromium does."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, timeout=_ANSWER_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and any(byte in b"0123456789" for byte in done.stdout)


def _run(command: Sequence[str]) -> int:
    try:
        return subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_INSTALL_LIMIT_S,
            check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return 1
