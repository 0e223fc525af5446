"""Verifying signatures beside the event loop, in batches that form by themselves.

`cryptography` releases the interpreter's lock while it verifies, so threads use every core. What arrives
during one turn of the loop is verified together: a lone statement right there, since a thread would cost
more than it saves; more than one in chunks on the threads. Results come back to the loop one chunk at a
time, because a wake-up per statement would cost as much as a fifth of the verification.

    pool = VerifyPool(threads=2)
    pool.verify(statement, key, lambda error: ...)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ledger.core.cose_key import PublicKey
from ledger.core.statement import Statement
from ledger.errors import LedgerError, StorageError

Done = Callable[[LedgerError | None], None]
"""Called in the event loop with None for a good signature, else with the reason."""
_Job = tuple[Statement, PublicKey, Done]
_LARGEST_CHUNK: Final = 64


class VerifyPool:
    """Threads that verify for one event loop."""

    def __init__(self, threads: int) -> None:
        self._threads = max(1, threads)
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="verify")
        self._waiting: list[_Job] = []

    def verify(self, statement: Statement, key: PublicKey, done: Done) -> None:
        """Verify a statement's signature under `key` and call `done`; from the event loop only."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append((statement, key, done))

    def close(self) -> None:
        """Let the threads end after what they do now."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _flush(self) -> None:
        jobs, self._waiting = self._waiting, []
        if len(jobs) == 1:
            self._finish(jobs, _check(jobs))
            return
        loop = asyncio.get_running_loop()
        size = min(_LARGEST_CHUNK, -(-len(jobs) // self._threads))
        for start in range(0, len(jobs), size):
            chunk = jobs[start : start + size]
            self._executor.submit(self._work, loop, chunk)

    def _work(self, loop: asyncio.AbstractEventLoop, jobs: Sequence[_Job]) -> None:
        errors = _check(jobs)
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._finish, jobs, errors)

    def _finish(self, jobs: Sequence[_Job], errors: Sequence[LedgerError | None]) -> None:
        for (_, _, done), error in zip(jobs, errors, strict=True):
            done(error)


def _check(jobs: Sequence[_Job]) -> list[LedgerError | None]:
    errors: list[LedgerError | None] = []
    for statement, key, _ in jobs:
        try:
            statement.check_signature(key)
        except LedgerError as error:
            errors.append(error)
        except Exception:
            errors.append(StorageError("the signature could not be checked", field="signature"))
        else:
            errors.append(None)
    return errors
