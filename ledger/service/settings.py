"""Settings of the log service: what an operator chooses, and the little file that remembers it.

`<data>/ledger.json` is written when a ledger is prepared and holds no secrets. Everything that the protocol
fixes (origin, keys, governors, epoch period, witnesses) stands in the charter and nowhere else.

    data/ledger.json      this file: where the checkpoint lock is
    data/charter.cose     entry 0, from `prepare_ledger` on
    data/deltas/          the daily deltas (ledger/service/deltas.py)
    data/keys/*.pem       private keys, encrypted (ledger/service/keys.py)
    data/ledger.db        entries, tiles, checkpoints
    data/lock.db          the checkpoint lock, unless it has a place of its own

>>> settings = LedgerSettings(Path("/srv/ledger"))
>>> settings.lock_path.name, settings.waits_for(1_000), settings.waits_for(60_000)
('lock.db', True, False)
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ledger.errors import StorageError
from ledger.store.engine import DATABASE_NAME
from ledger.store.lock import LOCK_NAME

FILE_NAME: Final = "ledger.json"
CHARTER_NAME: Final = "charter.cose"
KEYS_NAME: Final = "keys"
DELTAS_NAME: Final = "deltas"
LONGEST_WAITED_EPOCH_MS: Final = 2000
"""A POST waits for its epoch without being asked to where epochs are no longer than this."""


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """What the service is started with.

    Attributes:
        data_dir: the ledger's directory.
        lock: place of the checkpoint lock, best on another disk; None is inside the directory.
        wait: whether a POST waits for its epoch where the client does not say; None leaves it to the period.
        wait_s: the longest that a POST waits.
        verify_threads: threads that verify signatures.
        rate_per_s, rate_burst: statements per second and at once that are taken from one issuer.
        max_pending_bytes: bytes of statements that may wait for their epoch.
        witness_timeout_s: how long one witness may take.
        recosign_s: age of cosignatures at which they are asked for anew; at most an hour.
        bundle_wait_s: how long a bundle waits for the newest head to be cosigned before it shows an older.
        access_log: log method, route and status of requests; never bodies, queries or addresses.
    """

    data_dir: Path
    lock: Path | None = None
    wait: bool | None = None
    wait_s: float = 30.0
    verify_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    rate_per_s: float = 20_000.0
    rate_burst: int = 65_536
    max_pending_bytes: int = 64 * 1024 * 1024
    witness_timeout_s: float = 10.0
    recosign_s: float = 1800.0
    bundle_wait_s: float = 5.0
    access_log: bool = False

    @property
    def lock_path(self) -> Path:
        """Where the checkpoint lock is."""
        return self.lock or self.data_dir / LOCK_NAME

    @property
    def database_path(self) -> Path:
        """Where the database is."""
        return self.data_dir / DATABASE_NAME

    @property
    def deltas_dir(self) -> Path:
        """Where the daily deltas are."""
        return self.data_dir / DELTAS_NAME

    @property
    def charter_path(self) -> Path:
        """Where the prepared charter is."""
        return self.data_dir / CHARTER_NAME

    @property
    def keys_dir(self) -> Path:
        """Where the private keys are."""
        return self.data_dir / KEYS_NAME

    def waits_for(self, epoch_ms: int) -> bool:
        """Whether a POST waits for its epoch where the client does not say."""
        return epoch_ms <= LONGEST_WAITED_EPOCH_MS if self.wait is None else self.wait


def load_settings(data_dir: Path, **chosen: Any) -> LedgerSettings:
    """Return the settings of a prepared ledger, with anything in `chosen` in place of the defaults.

    Raises:
        StorageError: code not_found, there is no prepared ledger; otherwise its file is damaged.
    """
    try:
        stored = json.loads((data_dir / FILE_NAME).read_text(encoding="utf-8"))
        lock = Path(stored["lock"]) if stored["lock"] is not None else None
    except FileNotFoundError as error:
        raise StorageError("no ledger was prepared here", field=FILE_NAME, code="not_found") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError("the settings of the ledger cannot be read", field=FILE_NAME) from error
    return LedgerSettings(**{"data_dir": data_dir, "lock": lock, **chosen})


def save_settings(settings: LedgerSettings) -> None:
    """Write what `load_settings` reads.

    Raises:
        StorageError: the file exists or cannot be written.
    """
    lock = None if settings.lock is None else str(settings.lock.resolve())
    try:
        with (settings.data_dir / FILE_NAME).open("x", encoding="utf-8") as file:
            json.dump({"lock": lock}, file)
    except OSError as error:
        raise StorageError("the settings of the ledger cannot be written", field=FILE_NAME) from error
