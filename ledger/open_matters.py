"""What waits for the governors, read from a service that nobody believes.

docs/protocol.md section 8, `GET /govern`. The service names indexes. Each entry is read from the entry bundles
and shown only where the cells of the verified trust bundle commit to it, its signature verifies, and it is
what it was named for: a change of which places read "held" in the verified lists, or an approval that the
governance of the verified bundle counts. So a service cannot invent a matter; it can leave one out. Of held
places even that shows, because the lists say how many there are.

    matters = read_matters(opened, parse_govern_hint(answer), remote.entry_bundle)
    matters.held[0].lapses_ms, matters.notes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from ledger.core.actions import Action
from ledger.core.cells import CELL_SIZE, cells_from_leaves
from ledger.core.epoch import MAX_EPOCH_ENTRIES
from ledger.core.fields import parse_list_uri
from ledger.core.govern_hint import GovernHint
from ledger.core.ledger_verbs import SetGovernors
from ledger.core.merkle import HASH_SIZE, leaf_hash
from ledger.core.opened_bundle import OpenedBundle
from ledger.core.registry.governance import Governance, Proposal, action_digest
from ledger.core.registry.quarantine import HeldChange, is_limited
from ledger.core.seal import Seal
from ledger.core.statement import Statement, is_padding, parse_statement
from ledger.core.status_change import HELD, StatusChange
from ledger.core.tiles import ENTRIES, TILE_WIDTH, TilePath, parse_entry_bundle, tile_width
from ledger.errors import ForkAlarm, MalformedError, StorageError, VerificationError

MAX_FETCHED_BYTES: Final = 256 * 1024 * 1024
"""What is read for one look: an epoch of the largest size has 32 MiB of credentials."""
_MIRROR: Final = "a mirror of the ledger shows all"

ReadEntries = Callable[[TilePath], bytes]


@dataclass(frozen=True, slots=True)
class OpenMatters:
    """Changes of status that are held, by index, and what has to be said about the view."""

    held: tuple[HeldChange, ...] = ()
    notes: tuple[str, ...] = ()


class LoggedEntries:
    """Entries that the cells of a verified bundle commit to; one entry bundle is kept at a time.

    Args:
        read: returns the bytes of an entry bundle.
        cells: 32 bytes for each 16 entries, verified.
    """

    def __init__(self, read: ReadEntries, cells: bytes) -> None:
        self.size = len(cells) // HASH_SIZE * CELL_SIZE
        self._read = read
        self._cells = cells
        self._left = MAX_FETCHED_BYTES
        self._tile = -1
        self._entries: list[bytes] = []

    def entry(self, index: int) -> bytes:
        """Return the entry at `index`.

        Raises:
            MalformedError: index beyond the bundle.
            ForkAlarm: code bad_entry, the service gave other entries than the tree has.
            StorageError: code too_large, more than 256 MiB were asked for; and what `read` raises.
        """
        if not 0 <= index < self.size:
            raise MalformedError("an index beyond the list", field="index")
        tile = index // TILE_WIDTH
        if tile != self._tile:
            self._entries, self._tile = self._fetch(tile), tile
        return self._entries[index % TILE_WIDTH]

    def _fetch(self, tile: int) -> list[bytes]:
        width, first = tile_width(0, tile, self.size), tile * TILE_WIDTH
        data = self._read(TilePath(ENTRIES, tile, width))
        self._left -= len(data)
        if self._left < 0:
            raise StorageError("the service names too much to be read", field="govern", code="too_large")
        start = first // CELL_SIZE * HASH_SIZE
        try:
            entries = parse_entry_bundle(data, width)
        except MalformedError as error:
            raise ForkAlarm(error.detail, field="entries", code="bad_entry", index=first) from error
        cells = cells_from_leaves([leaf_hash(entry) for entry in entries])
        if cells != self._cells[start : start + len(cells)]:
            raise ForkAlarm(
                "the service gives other entries than the tree has",
                field="entries", code="bad_entry", index=first,
            )  # fmt: skip
        return entries


def read_matters(opened: OpenedBundle, hint: GovernHint, read: ReadEntries) -> OpenMatters:
    """Read what a service names, and put the open proposals into the governance of `opened`.

    Args:
        opened: the verified bundle.
        hint: what the service says.
        read: returns the bytes of an entry bundle.

    Raises:
        ForkAlarm, StorageError: as `LoggedEntries.entry`.
    """
    entries = LoggedEntries(read, opened.cells)
    notes = []
    if hint.size > entries.size:
        notes.append(
            f"The service is at {hint.size} entries, the list that witnesses cosigned at {entries.size}: "
            "what came since is not shown."
        )
    held, strange = _held_changes(opened, hint, entries)
    for index in hint.approvals:
        if index < entries.size and not _count(opened, entries, index):
            strange.append(index)
    notes += [
        f"Entry {index}, which the service names, is nothing that waits for governors."
        for index in sorted(set(strange))
    ]
    notes += unexplained_places(opened, held)
    notes.append(f"Open proposals are those that the service names; it may leave one out, {_MIRROR}.")
    return OpenMatters(tuple(held), tuple(notes))


def unexplained_places(opened: OpenedBundle, held: list[HeldChange]) -> list[str]:
    """Return a line for each verified list of which more places read "held" than the named changes hold."""
    lines = []
    for uri, (raw, _) in opened.lists.items():
        halves = raw.translate(_HELD_HALVES)
        places = halves.count(1) + 2 * halves.count(2)
        places -= sum(len(change.rows) for change in held if change.uri == uri)
        if places:
            lines.append(
                f"{places} places of list {uri} read as held, and nobody names the entry: {_MIRROR}."
            )
    return lines


_HELD_HALVES: Final = bytes((value & 15 == HELD) + (value >> 4 == HELD) for value in range(256))
"""How many of the two places of a byte are held."""


def _held_changes(
    opened: OpenedBundle, hint: GovernHint, entries: LoggedEntries
) -> tuple[list[HeldChange], list[int]]:
    """Return what is held, by index, and the named indexes at which nothing is."""
    found: dict[int, HeldChange] = {}
    epoch: tuple[int, int] = (0, 0)
    for index in hint.held:
        change = _held_change(opened, index, entries) if index < entries.size else None
        if change is None:
            continue
        if index > epoch[0]:
            epoch = _seal_after(entries, index)
        change = replace(change, time_ms=epoch[1])
        if change.lapses_ms > opened.seal.time_ms:
            found[index] = change
    # A place is held by the last that asked for it: the others were refused, or it could not have asked.
    taken: set[tuple[str, int]] = set()
    for index in sorted(found, reverse=True):
        change = found[index]
        rows = {idx: row for idx, row in change.rows.items() if (change.uri, idx) not in taken}
        taken.update((change.uri, idx) for idx in rows)
        found[index] = replace(change, rows=rows)
    held = [change for _, change in sorted(found.items()) if change.rows]
    named = {change.index for change in held}
    return held, [index for index in hint.held if index < entries.size and index not in named]


def _held_change(opened: OpenedBundle, index: int, entries: LoggedEntries) -> HeldChange | None:
    """Return the rows of a status statement whose places read as held with their reasons; the time is open."""
    statement = _statement(entries.entry(index), "status")
    if statement is None:
        return None
    change: StatusChange = statement.body
    number, _ = parse_list_uri(change.uri, field="status.uri")
    if change.uri not in opened.lists:
        return None
    try:
        issuer, record = opened.governance.issuer_key(statement.iss, statement.kid)
        statement.check_signature(record.key)
    except VerificationError:
        return None
    raw, reasons = opened.lists[change.uri]
    rows = {
        row.idx: row
        for row in change.rows
        if is_limited(row)
        and raw[row.idx >> 1] >> 4 * (row.idx & 1) & 15 == HELD
        and reasons.get(row.idx) == (row.reason, row.month)
    }
    if issuer.number != number or not rows:
        return None
    return HeldChange(index, number, statement.kid, 0, change.uri, rows)


def _seal_after(entries: LoggedEntries, index: int) -> tuple[int, int]:
    """Return index and time of the seal that closes the epoch of `index`; a seal ends a cell."""
    first = index // CELL_SIZE * CELL_SIZE + CELL_SIZE - 1
    for at in range(first, min(entries.size, index + MAX_EPOCH_ENTRIES + CELL_SIZE), CELL_SIZE):
        statement = _statement(entries.entry(at), "seal")
        if statement is not None:
            seal: Seal = statement.body
            return at, seal.time_ms
    raise ForkAlarm("no seal follows this entry", field="entries", code="bad_epoch", index=index)


def _count(opened: OpenedBundle, entries: LoggedEntries, index: int) -> bool:
    """Count one approval of an open proposal; False where the governance of the bundle does not know it as one."""
    governance = opened.governance
    statement = _statement(entries.entry(index), "govern")
    if statement is None:
        return False
    action: Action = statement.body
    try:
        key = governance.governor_key(statement.iss, statement.kid)
        statement.check_signature(key)
    except VerificationError:
        return False
    digest = action_digest(action)
    known = governance.proposals.get(digest, Proposal(action, {}))
    is_open = (
        governance.counter_of(action.subject) == action.counter
        and action.not_after * 1000 >= opened.seal.time_ms
        and statement.iss not in known.approvals
        and not _is_struck(governance, statement, index)
    )
    if is_open:
        governance.proposals[digest] = Proposal(action, {**known.approvals, statement.iss: index})
    return is_open


def _is_struck(governance: Governance, statement: Statement, index: int) -> bool:
    """Whether the signer ceased to be a governor, under this key, at any time since."""
    for effect in governance.effects:
        replaced = [verb for verb in effect.action.verbs if isinstance(verb, SetGovernors)]
        if effect.index > index and replaced:
            kept = {(name, key.kid) for name, key in replaced[-1].governors}
            if (statement.iss, statement.kid) not in kept:
                return True
    return False


def _statement(entry: bytes, kind: str) -> Statement | None:
    """Return the statement that an entry is; None for padding, another kind, or what does not parse."""
    if is_padding(entry):
        return None
    try:
        statement = parse_statement(entry)
    except MalformedError:
        return None
    return statement if statement.kind == kind else None
