"""Engines for the ledger's SQLite database, and the migration to its newest form.

Durability as docs/protocol.md section 5 needs it: write-ahead log, `synchronous=FULL` (a commit returns only
after the log file is flushed), foreign keys checked. Transactions are begun explicitly, because Python's
driver would otherwise leave schema changes outside of them.

    engine = open_engine(data_dir / "ledger.db")
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Engine, QueuePool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from ledger.errors import StorageError

DATABASE_NAME: Final = "ledger.db"
BUSY_TIMEOUT_MS: Final = 10_000
Mode = Literal["create", "write", "read"]
_URI_MODES: Final[dict[Mode, str]] = {"create": "rwc", "write": "rw", "read": "ro"}


def open_engine(path: Path, mode: Mode = "write") -> Engine:
    """Return an engine on the database file at `path`; no connection is made yet.

    Args:
        path: the file.
        mode: `create` makes the file where it is missing; `write` and `read` fail on first use without it,
            so that a mistyped directory never becomes an empty ledger.
    """
    uri = f"{path.resolve().as_uri()}?mode={_URI_MODES[mode]}"

    def connect() -> sqlite3.Connection:
        if mode == "read":
            return connect_to_read(path)
        # isolation_level None: the driver begins no transactions of its own; see _begin.
        return sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=8, max_overflow=8)

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if mode != "read":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection of the driver that only reads.

    SQLite reads a write-ahead database through a shared file beside it, which it cannot make on a medium
    that takes no writes. A closed database needs none: then the file is read as one that nobody changes.

    Raises:
        sqlite3.Error: there is no database at `path`, or it cannot be read.
        StorageError: it was not closed, and its write-ahead log cannot be read in this place.
    """
    try:
        return _read_only(path, "mode=ro")
    except sqlite3.OperationalError as error:
        # Extended result codes keep the primary one in their low byte.
        primary = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if primary not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or not path.is_file():
            raise
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise StorageError(
                "the database was not closed and cannot be read here: copy it to a writable place first",
                field="database",
            ) from error
    return _read_only(path, "immutable=1")


def _read_only(path: Path, how: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?{how}"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def migrate(engine: Engine) -> None:
    """Bring the database to the newest form: `alembic upgrade head` with the packaged scripts.

    Raises:
        StorageError: a migration failed; it left nothing behind.
    """
    from alembic import command  # takes a second to import, and only the making of a database needs it
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise StorageError(
            "the database could not be brought to its newest form", field="migration"
        ) from error
