"""The journal of status changes: a hash chain of rows, and what of them a distrust takes back.

docs/protocol.md section 2 (`jrn`), section 3 ("distrust") and `journal-row` in the CDDL. A row without a kid
is of no statement: a reversal, or what became of a held change. Beside the head the rows are kept, 31 bytes
each, because a distrust asks for all that a key has changed, and because the head and all statuses follow
from them (`ledger.core.registry.saved`).

    journal = Journal("ledger.example/1")
    journal.record(4711, kid, "sc:1/0", StatusRow(7, 0, 2, 4, 202611))
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Final

from ledger.core import cbor
from ledger.core.status_change import HELD, StatusRow
from ledger.errors import MalformedError

_ROW = struct.Struct(">Q8sIIBBBI")
"""index, kid, number of the list in the order of first rows, idx, old, new, reason, month."""
ROW_BYTES: Final = _ROW.size
_NO_KID: Final = bytes(8)

_Standing = tuple[int, int, bytes, int, int]
"""A change that no later one took back: row number, index and kid of its statement, old, new."""


class Journal:
    """Head and rows; grows only, but for `restore`."""

    def __init__(self, origin: str) -> None:
        self.head = hashlib.sha256(b"\x02status/v1" + origin.encode()).digest()
        self._uris: dict[str, int] = {}
        self._rows = bytearray()

    def record(self, index: int, kid: bytes | None, uri: str, row: StatusRow) -> None:
        """Add a row; `kid` is None for what no statement made."""
        line = cbor.encode([index, kid, uri, *row])
        self.head = hashlib.sha256(b"\x02" + self.head + hashlib.sha256(line).digest()).digest()
        number = self._uris.setdefault(uri, len(self._uris))
        self._rows += _ROW.pack(index, kid or _NO_KID, number, *row)

    def mark(self) -> tuple[bytes, int]:
        """Return what `restore` needs to forget the rows that come from here on."""
        return self.head, len(self._rows)

    def restore(self, marked: tuple[bytes, int]) -> None:
        """Go back to a mark."""
        self.head, size_bytes = marked
        del self._rows[size_bytes:]

    def format_rows(self) -> tuple[list[str], bytes]:
        """Return the lists in the order of their first rows, and all rows packed."""
        return list(self._uris), bytes(self._rows)

    def check_rows(self) -> None:
        """Check that each row without a kid takes back or confirms the newest change that stands.

        Raises:
            MalformedError: one does not; rows that `record` has from a registry always do.
        """
        self._standing(set(range(len(self._uris))))

    def changes_to_reverse(
        self, issuer_number: int, froms: Mapping[bytes, int]
    ) -> list[tuple[str, int, int, int]]:
        """Return (uri, idx, old, new) of what some keys changed and no later change covers, newest first.

        Args:
            issuer_number: whose lists; two issuers may have one key.
            froms: kid of each key -> lowest index of its statements that is looked at.
        """
        uris = list(self._uris)
        own = {number for number, uri in enumerate(uris) if uri.startswith(f"sc:{issuer_number}/")}
        found: list[tuple[int, str, int, int, int]] = []
        for (number, idx), changes in self._standing(own).items():
            # A key that is not among them reverses nothing: no index is above its own.
            while changes and changes[-1][1] >= froms.get(changes[-1][2], changes[-1][1] + 1):
                row, new = changes[-1][0], changes[-1][4]
                found.append((row, uris[number], idx, _take_back(changes), new))
        return [change[1:] for change in sorted(found, reverse=True)]

    def _standing(self, lists: set[int]) -> dict[tuple[int, int], list[_Standing]]:
        """Return the changes of each place of some lists that stand, the newest last."""
        standing: dict[tuple[int, int], list[_Standing]] = {}
        for row, (at, kid, number, idx, old, new, _, _) in enumerate(_ROW.iter_unpack(bytes(self._rows))):
            if number not in lists:
                continue
            changes = standing.setdefault((number, idx), [])
            if kid != _NO_KID:
                changes.append((row, at, kid, old, new))
            elif not changes:
                raise MalformedError("a row takes back what nobody changed", field="journal")
            elif old == HELD and new != changes[-1][3]:
                # Confirmed: from here on it is what its statement asked for.
                _, asked_at, asked_kid, before, _ = changes.pop()
                changes.append((row, asked_at, asked_kid, before, new))
            elif _take_back(changes) != new:  # always the newest that stands
                raise MalformedError("a row takes back another change", field="journal")
        return standing


def parse_rows(uris: list[str], packed: bytes) -> Iterator[tuple[int, bytes | None, str, StatusRow]]:
    """Yield the arguments of `Journal.record` for each packed row; the inverse of `Journal.format_rows`.

    Raises:
        MalformedError: not whole rows, or one of a list that is not among `uris`.
    """
    if len(packed) % ROW_BYTES:
        raise MalformedError("not whole rows", field="journal")
    for index, kid, number, *row in _ROW.iter_unpack(packed):
        if number >= len(uris):
            raise MalformedError("a row of no list", field="journal")
        yield index, None if kid == _NO_KID else kid, uris[number], StatusRow(*row)


def _take_back(changes: list[_Standing]) -> int:
    """Take the newest change of a place off the pile; return the status that the place had before it."""
    old = changes.pop()[3]
    # Nothing goes back to "held": who asked for that may ask again.
    return changes.pop()[3] if old == HELD else old
