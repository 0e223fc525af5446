"""A whole ledger made of real processes: the three command lines, files between them, a server with a port.

town = found_town(tmp_path)
with town.serve() as server:
    town.run("verifier", "sync", server.url)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PASSPHRASE = "a passphrase for tests"
ORIGIN = "ledger.example/processes"
GOVERNORS = ("ana", "bo", "chi")
START_LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A running `sc-ledger serve`, or `sc-ledger witness serve`."""

    process: subprocess.Popen[str]
    url: str

    def stop(self) -> int:
        """Stop it as an operator does and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(timeout=30)


@dataclass(frozen=True, slots=True)
class Town:
    """A folder with governors, a ledger, its witness, a desk and a station; commands run inside it."""

    folder: Path

    def copy(self, folder: Path) -> Town:
        """Return a copy in another folder."""
        shutil.copytree(self.folder, folder)
        return Town(folder)

    def start(self, package: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a command line."""
        surroundings = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "NO_COLOR": "1",
            "SAFECONDUCT_PASSPHRASE": PASSPHRASE,
        }
        return subprocess.Popen(
            [sys.executable, "-m", f"{package}.cli", *arguments],
            cwd=self.folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, package: str, *arguments: str, expect: int = 0) -> str:
        """Run a command line, expect its exit code, and return what it printed."""
        return self.run_all([(package, *arguments)], expect=expect)[0]

    def run_all(self, commands: list[tuple[str, ...]], *, expect: int = 0) -> list[str]:
        """Run command lines side by side and return what each printed."""
        processes = [self.start(*command) for command in commands]
        ended = [process.communicate(timeout=120) for process in processes]
        for process, (out, err) in zip(processes, ended, strict=True):
            assert process.returncode == expect, f"{process.args!r}: {process.returncode}\n{out}\n{err}"
        return [out + err for out, err in ended]

    @contextmanager
    def serve(self, *arguments: str) -> Iterator[Server]:
        """Serve the ledger on a free port with its local witness; ended at the end, if it still runs."""
        with self.listen("serve", "data", "--port", "0", "--local-witness", "w1", *arguments) as server:
            yield server

    @contextmanager
    def listen(self, *arguments: str) -> Iterator[Server]:
        """Run a command of `sc-ledger` that says where it listens; ended at the end, if it still runs."""
        process = self.start("ledger", *arguments)
        guard = threading.Timer(START_LIMIT_S, process.kill)
        guard.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            guard.cancel()
            if not line.startswith(("Serving ", "Witness ")):
                raise AssertionError(f"{line}\n{process.communicate(timeout=30)}")
            yield Server(process, line.split()[-1])
        finally:
            guard.cancel()
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=30)

    def pin(self) -> dict[str, str]:
        """Return what the ledger's pin file says."""
        value: dict[str, str] = json.loads((self.folder / "data" / "pin.json").read_text())
        return value


def found_town(folder: Path, *, epoch_ms: int) -> Town:
    """Found a ledger and admit one issuer whose desk is connected, each step by its own process."""
    folder.mkdir()
    town = Town(folder)
    made = town.run_all(
        [
            ("ledger", "witness", "make", "w1", "w1.example"),
            *(("ledger", "govern", "key", name, "--out", f"{name}.pem") for name in GOVERNORS),
            ("issuer", "init", "--id", "civil-1", "--authority", "interior", "--title", "Civil registry",
             "--ledger-origin", ORIGIN, "--rate", "100000"),
        ]
    )  # fmt: skip
    (folder / "policy").write_text(f"{made[0].strip()}\nquorum w1\n")
    governors = [part for name in GOVERNORS for part in ("--governor", f"{name}={name}.pem.pub")]
    town.run(
        "ledger", "init", "--prepare", "data", "--origin", ORIGIN, *governors, "--threshold", "2",
        "--witness-policy", "policy", "--epoch-ms", str(epoch_ms),
    )  # fmt: skip
    town.run_all(
        [
            *(("ledger", "govern", "accept", "data/charter.cose", "--key", f"{name}.pem", "--yes", "--out",
               f"{name}.accept") for name in GOVERNORS),
            ("ledger", "govern", "propose", "admit", "desk/application.cose", "--out", "admit.action"),
        ]
    )  # fmt: skip
    town.run("ledger", "init", "--finish", "data", *(f"{name}.accept" for name in GOVERNORS))
    town.run_all(
        [
            ("ledger", "govern", "sign", "admit.action", "--key", f"{name}.pem", "--name", name, "--yes",
             "--out", f"{name}.approval")
            for name in GOVERNORS[:2]
        ]
    )  # fmt: skip
    with town.serve() as server:
        town.run(
            "ledger", "govern", "submit", server.url, "ana.approval", "bo.approval", "--pin", "data/pin.json"
        )
        charter = town.pin()["charter"]
        town.run("issuer", "connect", "--ledger", server.url, "--charter", charter)
        assert server.stop() in (0, 1)
    return town
