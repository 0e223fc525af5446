"""Daily deltas that a station applied, kept so that the phones around it need not fetch whole lists.

docs/protocol.md, section 9, "Deltas". They are public, the same at every station and at the ledger, and verified by
whoever applies them. At most 31 of each ledger are kept, which is as far back as a delta is worth fetching.

    station/deltas/2026-11-21.cbor

    shelf = DeltaShelf(ledger.folder)
    shelf.keep({date(2026, 11, 21): delta})
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from ledger.core.delta import MAX_DELTA_SIZE
from ledger.errors import StorageError
from ledger.files import read_file, replace_file

DELTAS_FOLDER: Final = "deltas"
MAX_KEPT: Final = 31
_NAMES: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].cbor"


class DeltaShelf:
    """The deltas of one ledger in the folder of its station."""

    def __init__(self, station_folder: Path) -> None:
        self._folder = station_folder / DELTAS_FOLDER

    def keep(self, deltas: Mapping[date, bytes]) -> None:
        """Keep deltas that were applied, and let go of the oldest.

        Raises:
            StorageError: the folder cannot be written; each file is whole or not there.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for day, delta in deltas.items():
                replace_file(self._folder / f"{day.isoformat()}.cbor", delta)
            for path in sorted(self._folder.glob(_NAMES))[:-MAX_KEPT]:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError("a delta cannot be kept", field="delta") from error

    def read(self, day: date) -> bytes | None:
        """Return the delta of a day, None where it is not kept.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            return read_file(self._folder / f"{day.isoformat()}.cbor", max_size=MAX_DELTA_SIZE, field="delta")
        except StorageError as error:
            if error.code == "not_found":
                return None
            raise
