"""`POST /entries/batch`: many statements in one request, answered in order as their epochs close.

docs/protocol.md, section 8. A statement of a batch gets what it would have got alone: the module only brings
many of them to the service at once, and turns what comes back into the sequence of ledger/core/batch.py.

    submissions = take_batch(service, parse_batch(body))
    async for chunk in answer_batch(service, submissions): ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from ledger.core.batch import format_answer
from ledger.errors import CodedError
from ledger.problems import answer_of
from ledger.service.intake import Placed
from ledger.service.service import LedgerService

MEDIA_TYPE: Final = "application/cbor-seq"
_CHUNK: Final = 64
"""Answers that are made in one go: a thread for each would cost more than the answer."""

Taken = tuple[bytes, asyncio.Future[Placed]] | CodedError
"""Identity of a statement and where it will stand, or why it was refused."""


def take_batch(service: LedgerService, entries: Sequence[bytes]) -> list[Taken]:
    """Give statements to the service, in their order; what is refused at once is an error in its place.

    Raises:
        StorageError: code read_only, the ledger takes no entries at all.
    """
    service.intake.check_open()
    return [_take(service, entry) for entry in entries]


async def answer_batch(service: LedgerService, taken: Sequence[Taken]) -> AsyncIterator[bytes]:
    """Yield the answers in the order of the statements, some at a time, as soon as they are known.

    What is not placed in the time that a single POST would wait is answered with 303 and its address.
    """
    deadline_s = asyncio.get_running_loop().time() + service.settings.wait_s
    for start in range(0, len(taken), _CHUNK):
        chunk = taken[start : start + _CHUNK]
        waiting = [item[1] for item in chunk if isinstance(item, tuple) and not item[1].done()]
        if waiting:
            left_s = max(0.0, deadline_s - asyncio.get_running_loop().time())
            await asyncio.wait(waiting, timeout=left_s)
        yield await _format(service, chunk)


def _take(service: LedgerService, entry: bytes) -> Taken:
    try:
        submission = service.take(entry, tell_admitted=False)
    except CodedError as error:
        return error
    submission.placed.add_done_callback(_read)
    return submission.statement.statement_id, submission.placed


async def _format(service: LedgerService, chunk: Sequence[Taken]) -> bytes:
    outcomes = [_outcome(item) for item in chunk]
    placed = [outcome for outcome in outcomes if isinstance(outcome, Placed)]
    statements = iter(await service.transparents(placed))
    return b"".join(
        format_answer(201, next(statements)) if isinstance(outcome, Placed) else outcome
        for outcome in outcomes
    )


def _outcome(item: Taken) -> Placed | bytes:
    """Return where a statement stands, or the answer to one that stands nowhere (yet)."""
    if isinstance(item, CodedError):
        return _problem(item)
    statement_id, future = item
    if not future.done():
        return format_answer(303, f"/entries/{statement_id.hex()}".encode())
    error = future.exception()
    if error is None:
        return future.result()
    if not isinstance(error, CodedError):
        raise error
    return _problem(error)


def _problem(error: CodedError) -> bytes:
    answer = answer_of(error, "")
    return format_answer(answer.status, answer.body)


def _read(future: asyncio.Future[Any]) -> None:
    """Mark an error as seen: nobody may be left who reads it."""
    if not future.cancelled():
        future.exception()
