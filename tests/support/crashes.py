"""Crashes on purpose: a process that ends at its n-th durable write, before it, in the middle of it or after it.

with crash_at(monkeypatch, 7) as crash:       # Crash is raised at the 7th point; 0 never
    ...
crash.points                                  # how many there were
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from issuer import files
from issuer.desk_store import DeskStore
from issuer.ledger_client import InProcessLedgerClient, Registered
from ledger.core.cose_key import PublicKey
from ledger.errors import CodedError


class Crash(BaseException):
    """The process is gone; nothing may catch it."""


class Crashing:
    """Counts the points and raises at one of them."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.points = 0

    def point(self) -> None:
        """One moment at which the power may go."""
        self.points += 1
        if self.points == self._at:
            raise Crash


@contextmanager
def crash_at(patch: pytest.MonkeyPatch, at: int) -> Iterator[Crashing]:
    """Crash at one point; inside, every commit, file and answer of the ledger has points around it."""
    crashing = Crashing(at)
    commit, write_aside, sync_folder = DeskStore._commit, files._write_aside, files._sync_folder
    register = InProcessLedgerClient.register

    def crashing_commit(store: DeskStore) -> None:
        crashing.point()
        commit(store)
        crashing.point()

    def crashing_write(path: Path, data: bytes, mode: int) -> Path:
        crashing.point()
        aside = write_aside(path, data, mode)
        crashing.point()
        return aside

    def crashing_sync(folder: Path) -> None:
        sync_folder(folder)
        crashing.point()

    def crashing_register(
        client: InProcessLedgerClient, entries: Sequence[bytes], key: PublicKey, *done: Any
    ) -> list[Registered | CodedError]:
        answers = register(client, entries, key, *done)
        crashing.point()
        return answers

    with patch.context() as inside:
        inside.setattr(DeskStore, "_commit", crashing_commit)
        inside.setattr(files, "_write_aside", crashing_write)
        inside.setattr(files, "_sync_folder", crashing_sync)
        inside.setattr(InProcessLedgerClient, "register", crashing_register)
        yield crashing
