"""The daily deltas on the disk: made once when a day is over, never changed afterwards.

docs/protocol.md, section 9, "Deltas". A bundle belongs to the day (UTC) of the time that its witnesses vouch
for. With the first bundle of a later day, the last of the day before becomes a delta; it is kept until the
next day is over, as the place where the next delta begins.

    data/deltas/2026-11-21.cbor          the delta of a day
    data/deltas/last-2026-11-21.cbor     the last bundle of the last day that is over

>>> parse_day("2026-11-21"), parse_day("2026-02-30"), parse_day("20261121")
(datetime.date(2026, 11, 21), None, None)
"""

from __future__ import annotations

import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from ledger.core.delta import make_delta
from ledger.errors import StorageError
from ledger.files import sync_directory

MAX_IDLE_DAYS: Final = 31
"""Days without any bundle that get a delta of their own, which only says that nothing changed."""
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LAST: Final = "last-"


class DeltaFolder:
    """The folder of one ledger's deltas. It has one writer, and any number of readers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, day: date) -> bytes | None:
        """Return the delta of a day, None where there is none (yet).

        Raises:
            StorageError: it cannot be read.
        """
        return _read(self._folder / f"{day.isoformat()}.cbor")

    def close_day(self, day: date, bundle: bytes, today: date) -> None:
        """Write what a day that is over leaves: its delta, and its last bundle for the next.

        The first day of a ledger has no delta, as there is no bundle before it. Doing it twice changes
        nothing.

        Args:
            day: the day of the bundle.
            bundle: the last one of that day.
            today: the day of the bundle that comes next; each day between gets a delta without changes.

        Raises:
            StorageError: the folder cannot be written.
            BundleError: the bundle does not extend the one before.
        """
        before = self._last()
        if before is not None and before[0] >= day:
            return
        if before is not None:
            last_day, last = before
            self._write_idle(last_day + timedelta(days=1), day, last)
            self._write(f"{day.isoformat()}.cbor", make_delta(last, bundle))
        self._write_idle(day + timedelta(days=1), today, bundle)
        self._write(f"{_LAST}{day.isoformat()}.cbor", bundle)
        if before is not None:
            (self._folder / f"{_LAST}{before[0].isoformat()}.cbor").unlink(missing_ok=True)

    def _write_idle(self, first: date, end: date, bundle: bytes) -> None:
        if first >= end:
            return
        unchanged = make_delta(bundle, bundle)
        for back in range(min((end - first).days, MAX_IDLE_DAYS), 0, -1):
            self._write(f"{(end - timedelta(days=back)).isoformat()}.cbor", unchanged)

    def _last(self) -> tuple[date, bytes] | None:
        """Return the newest kept bundle and its day."""
        found = [
            day
            for path in self._folder.glob(f"{_LAST}*.cbor")
            if (day := parse_day(path.name[len(_LAST) : -len(".cbor")])) is not None
        ]
        if not found:
            return None
        data = _read(self._folder / f"{_LAST}{max(found).isoformat()}.cbor")
        return None if data is None else (max(found), data)

    def _write(self, name: str, data: bytes) -> None:
        """Write a file whole, or not at all; one that is there stays as it is."""
        target = self._folder / name
        aside = target.with_name(f".{name}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if target.exists():
                return
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
            sync_directory(self._folder)
        except OSError as error:
            raise StorageError("a delta cannot be written", field="delta") from error


def parse_day(text: str) -> date | None:
    """Return the day `YYYY-MM-DD`, None for anything else."""
    if not _DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError("a delta cannot be read", field="delta") from error
