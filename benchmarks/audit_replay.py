"""P6 and P7: the audit of a large ledger, against bare signature checks on all cores; and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.big_ledger import Advance, BigLedger, build_big_ledger
from benchmarks.measure import Figure, Goal, cores, seconds
from benchmarks.signed_statements import bare_rate, check_bare_in_worker, worker_pool
from ledger.audit import audit

Progress = Callable[[str, int], Advance]
"""(title, total) -> a callable that takes how much is done."""
_POLL_S: Final = 0.02
_MIB: Final = 1024.0


def measure_speed(rounds: int, size: int, progress: Progress) -> list[Figure]:
    """P6: signatures per second of a whole audit, against `cores` processes that only verify.

    Each audit stands between two bare runs, and is held against their mean.
    """
    jobs = cores()
    with tempfile.TemporaryDirectory() as temporary:
        ledger = build_big_ledger(Path(temporary) / "ledger", size, progress(f"{size:,} entries", size))
        count = max(64, ledger.signatures // 4 // jobs)
        with worker_pool() as pool:
            list(pool.map(check_bare_in_worker, [count] * jobs))
            _passed(ledger, jobs)  # warm: the file is in memory, and the server of forks runs
            ratios, rates = [], []
            advance = progress("P6 rounds", rounds)
            before = bare_rate(pool, count)
            for at in range(rounds):
                rate = ledger.signatures / seconds(lambda: _passed(ledger, jobs))
                after = bare_rate(pool, count)
                ratios.append(rate / ((before + after) / 2))
                rates.append((round(rate), round((before + after) / 2)))
                before = after
                advance(at + 1)
    details = {
        "entries": ledger.size,
        "signatures": ledger.signatures,
        "jobs": jobs,
        "audit_and_bare_per_s": rates,
    }
    what = f"audit of {ledger.size:,} entries, {jobs} processes"
    against = f"{jobs} processes of bare ES256 verification"
    return [Figure("P6", what, against, "x", Goal(">=", 0.8), tuple(ratios), details)]


def _passed(ledger: BigLedger, jobs: int) -> None:
    report = audit(str(ledger.folder), ledger.pin, jobs=jobs)
    assert report.ok, report


def measure_memory(sizes: tuple[int, int], progress: Progress, far_size: int = 1_000_000) -> list[Figure]:
    """P7: peak resident memory of every process of an audit, and its growth between two sizes."""
    peaks: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for size in sizes:
            folder = Path(temporary) / str(size)
            ledger = build_big_ledger(folder, size, progress(f"{size:,} entries", size))
            peaks.append(_peaks(ledger))
    names = sorted(peaks[0])
    growth = max(peaks[1][name] - peaks[0][name] for name in names)
    details: dict[str, Any] = {
        "sizes": list(sizes),
        "peak_mib": dict(zip(map(str, sizes), peaks, strict=True)),
    }
    whole = sizes[1] >= far_size
    if not whole:
        growth *= (far_size - sizes[0]) / (sizes[1] - sizes[0])
        details["growth"] = f"extrapolated to {far_size:,} entries; --full measures it"
    largest = max(max(peak.values()) for peak in peaks)
    title = "measured" if whole else "extrapolated"
    return [
        Figure(
            "P7", "peak memory of a process of the audit", "", "MiB", Goal("<=", 150), (largest,), details
        ),
        Figure(
            "P7g", f"growth to {far_size:,} entries, {title}", "", "MiB", Goal("<=", 5), (growth,), details
        ),
    ]


def _peaks(ledger: BigLedger) -> dict[str, float]:
    """Audit in a fresh process and return the peak of it and of the largest process below it, in MiB."""
    code = "import sys; from benchmarks.audit_replay import audit_folder; audit_folder(*sys.argv[1:])"
    pin = ledger.pin
    command = [sys.executable, "-c", code, str(ledger.folder), pin.origin, pin.charter_hash.hex()]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with _watched(process.pid) as peaks:
        assert process.wait() == 0
    main = peaks.pop(process.pid)
    return {"main": round(main / _MIB, 1), "worker": round(max(peaks.values(), default=0.0) / _MIB, 1)}


def audit_folder(folder: str, origin: str, charter: str) -> None:
    """Audit as the command does; for a process of its own."""
    from ledger.core.pin import make_pin

    if not audit(folder, make_pin(origin, charter), jobs=cores()).ok:
        raise SystemExit(1)


@contextmanager
def _watched(root: int) -> Iterator[dict[int, float]]:
    """Note the peak resident memory (KiB) of a process and all below it while the block runs."""
    peaks: dict[int, float] = {root: 0.0}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL_S):
            for pid in _tree(root):
                peaks[pid] = max(peaks.get(pid, 0.0), _peak_kib(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def _tree(root: int) -> list[int]:
    found, at = [root], 0
    while at < len(found):
        with suppress(OSError):  # it has ended
            found += map(int, Path(f"/proc/{found[at]}/task/{found[at]}/children").read_text().split())
        at += 1
    return found


def _peak_kib(pid: int) -> float:
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1])
    return 0.0


def can_watch() -> bool:
    """Whether this system shows the memory of processes under /proc."""
    return Path(f"/proc/{os.getpid()}/status").exists()
