"""Many statements in one request: CBOR sequences (RFC 8742) of byte strings, and of their answers.

docs/protocol.md, section 8, `POST /entries/batch`. A request is a sequence of statements, each wrapped as a
byte string; an answer is a sequence of `[status, bytes]`, one for each in order: 201 with the Transparent
Statement, 303 with the address where it will be, or another HTTP status with problem details.

>>> format_batch([b"one", b"two"]).hex()
'436f6e654374776f'
>>> parse_batch(format_batch([b"one", b"two"]))
(b'one', b'two')
>>> parse_answers(format_answer(201, b"statement") + format_answer(409, b"problem"))
((201, b'statement'), (409, b'problem'))
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledger.core import cbor
from ledger.errors import MalformedError

MAX_BATCH_ITEMS: Final = 1_000
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
MAX_ANSWERS_BYTES: Final = 16 * 1024 * 1024
"""The most bytes of all answers to one batch: statements, and a receipt for each."""
_UNSIGNED: Final = 0
_BYTES: Final = 2
_PAIR: Final = b"\x82"
_LENGTH_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_STATUSES: Final = range(100, 600)


def format_batch(entries: Iterable[bytes]) -> bytes:
    """Return the request of these statements."""
    return b"".join(cbor.encode(entry) for entry in entries)


def parse_batch(data: bytes) -> tuple[bytes, ...]:
    """Read a request; the inverse of `format_batch`.

    Raises:
        MalformedError: code too_large above 4 MiB or 1,000 statements; malformed where it is empty or not a
            sequence of byte strings with lengths of the shortest form.
    """
    if len(data) > MAX_BATCH_BYTES:
        raise MalformedError("a batch has at most 4 MiB", field="batch", code="too_large")
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        if len(entries) == MAX_BATCH_ITEMS:
            raise MalformedError("a batch has at most 1,000 statements", field="batch", code="too_large")
        entry, at = _read_bytes(data, at)
        entries.append(entry)
    if not entries:
        raise MalformedError("a batch has at least one statement", field="batch")
    return tuple(entries)


def format_answer(status: int, body: bytes) -> bytes:
    """Return one answer: the HTTP status that the statement would have got alone, and its bytes."""
    return cbor.encode([status, body])


def parse_answers(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """Read the answers to a batch; the inverse of `format_answer` for each.

    Raises:
        MalformedError: code too_large above 16 MiB or 1,000 answers; malformed where it is not a sequence of
            `[status, bytes]` in deterministic form.
    """
    if len(data) > MAX_ANSWERS_BYTES:
        raise MalformedError("the answers have at most 16 MiB", field="batch", code="too_large")
    answers: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        if len(answers) == MAX_BATCH_ITEMS:
            raise MalformedError("more answers than statements", field="batch", code="too_large")
        if data[at : at + 1] != _PAIR:
            raise MalformedError("an answer is a pair", field="batch")
        major, status, at = _read_head(data, at + 1)
        if major != _UNSIGNED or status not in _STATUSES:
            raise MalformedError("an answer begins with an HTTP status", field="batch")
        body, at = _read_bytes(data, at)
        answers.append((status, body))
    return tuple(answers)


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the byte string at `at` and where it ends."""
    major, length, start = _read_head(data, at)
    end = start + length
    if major != _BYTES or end > len(data):
        raise MalformedError("not a whole byte string", field="batch")
    return data[start:end], end


def _read_head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return major type, argument in its shortest form, and where the head ends (RFC 8949, section 3)."""
    if at >= len(data):
        raise MalformedError("the sequence is cut short", field="batch")
    major, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return major, short, at + 1
    size = _LENGTH_BYTES.get(short)
    end = at + 1 + (size or 0)
    if size is None or end > len(data):
        raise MalformedError("not the head of an item", field="batch")
    value = int.from_bytes(data[at + 1 : end], "big")
    if value < 24 or (size > 1 and value >> (4 * size) == 0):
        raise MalformedError("a length is not in its shortest form", field="batch")
    return major, value, end
