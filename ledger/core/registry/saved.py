"""The saved state of a registry after an epoch, to go on from there. docs/protocol.md section 4, "Digests".

A saved state is believed only as far as a seal vouches for it: `parse_state` builds the registry anew and
compares the registry digest, the status digest, the head of govern actions and the time. What a digest does not
hold follows from what it holds: statuses, reasons and the journal's head from the journal's rows, the key of
what is held from its row, counts from the places taken. Three things are left:

- the cells, which the tree of the ledger binds: `root` is the root of the tree that ends with the seal;
- the indexes of approvals, which decide nothing (`ledger.core.registry.saved_governance`);
- that nothing is scheduled to change `read_only`, which every opening of an epoch sets anew.

The form is deterministic CBOR without compression, whose bytes differ from library to library, so one state
has one form everywhere: `[body: bstr, SHA-256 of the body]`, and the body is a map of

    1: 1 (version)  2: time in ms   3: part 1      4: effects    5: open proposals   6: [[uri, seq, bitmap]...]
    7: [[uri...], journal rows]     8: part 4      9: part 5    10: part 7          11: part 8   12: cells

with journal rows of 31 bytes: index (8), kid or zeros (8), number of the list in the array before (4), idx (4),
old, new, reason (1 each), month (4).

    data = format_state(registry)                  # after an epoch's seal, none open
    registry = parse_state(data, seal, root)
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from ledger.core import cbor
from ledger.core.bundle import MAX_LISTS
from ledger.core.cells import CELL_SIZE, root_from_cells
from ledger.core.fields import PLACES, parse_array, parse_bytes, parse_map, parse_uint
from ledger.core.merkle import HASH_SIZE
from ledger.core.registry.fold import Registry
from ledger.core.registry.governance import Governance
from ledger.core.registry.journal import ROW_BYTES, parse_rows
from ledger.core.registry.places import BITMAP_BYTES, ListState, PlaceBook
from ledger.core.registry.quarantine import is_limited, parse_quarantine
from ledger.core.registry.rates import parse_windows
from ledger.core.registry.saved_governance import format_effects, format_open, parse_saved_governance
from ledger.core.seal import Seal
from ledger.core.status_change import AFFIRMED, HELD, SUSPENDED, TRANSITIONS, VALID, WITHDRAWN, StatusRow
from ledger.errors import MalformedError, VerificationError

MAX_STATE_BYTES: Final = 1 << 30
MAX_CELLS: Final = 1 << 24
"""Of a ledger with 268 million entries."""
MAX_JOURNAL_ROWS: Final = 1 << 23
_VERSION: Final = 1
_AFTER_NO_STATEMENT: Final = (VALID, WITHDRAWN, SUSPENDED, AFFIRMED)

_HeldPlaces = dict[tuple[str, int], int]


def format_state(registry: Registry) -> bytes:
    """Return a registry as it is after an epoch's seal.

    Raises:
        MalformedError: code too_large, it has more lists, rows, cells or bytes than `parse_state` takes.
    """
    places, windows = registry.places, registry.windows
    uris, rows = places.journal.format_rows()
    body = cbor.encode(
        {
            1: _VERSION,
            2: registry.time_ms,
            3: registry.governance.format_governance(),
            4: format_effects(registry.governance),
            5: format_open(registry.governance),
            6: [[uri, state.seq, bytes(state.bitmap)] for uri, state in places.sorted_lists()],
            7: [uris, rows],
            8: windows.format_rates(),
            9: windows.format_live(),
            10: places.quarantine.format_windows(),
            11: places.quarantine.format_held(),
            12: bytes(registry.cells),
        }
    )
    data = cbor.encode([body, hashlib.sha256(body).digest()])
    rows_fit = len(rows) <= MAX_JOURNAL_ROWS * ROW_BYTES
    if not rows_fit or len(registry.cells) > MAX_CELLS * HASH_SIZE or len(data) > MAX_STATE_BYTES:
        raise MalformedError("the state is larger than can be saved", field="state", code="too_large")
    return data


def parse_state(
    data: bytes, seal: Seal, root: bytes | None = None, *, max_items: int | None = cbor.MAX_ITEMS
) -> Registry:
    """Return the registry of a saved state as it was after the epoch of `seal`.

    Args:
        data: what `format_state` gave.
        seal: the last entry of that epoch; the caller knows that it is (by the tree, or its signature).
        root: of the tree that ends with the seal, 32 bytes. None leaves the cells to the caller, who must not
            believe anything of a holder before `root_from_cells(registry.cells, ...)` came out right.
        max_items: as `cbor.decode` has it: a small state of a stranger must not become a large one in memory.

    Raises:
        MalformedError: not exactly the form; code too_large over `MAX_STATE_BYTES`.
        VerificationError: code bad_input, it is not the state that the seal seals or not the tree of `root`;
            the field names the first difference.
    """
    saved = _parse_body(data, max_items)
    time_ms = parse_uint(saved[2], field="state.time_ms")
    governance = parse_saved_governance(saved[3], saved[4], saved[5])
    registry = Registry(governance)
    registry.time_ms = time_ms
    registry.places = _parse_places(governance, saved, time_ms)
    registry.windows = parse_windows(time_ms, saved[8], saved[9])
    registry.add_cells(_parse_cells(saved[12], seal))
    registry.forget_last_opening()
    _check_seal(registry, seal)
    if root is not None and root_from_cells(saved[12], len(saved[12]) // HASH_SIZE) != root:
        raise _differs("cells")
    # Whatever the parts above have read loosely or twice does not come out the same.
    if format_state(registry) != data:
        raise MalformedError("not the one form of this state", field="state")
    return registry


def _parse_body(data: bytes, max_items: int | None) -> Any:
    outer = cbor.decode(data, max_size=MAX_STATE_BYTES, field="state")
    body, digest = parse_array(outer, field="state", low=2, high=2)
    if type(body) is not bytes or hashlib.sha256(body).digest() != digest:
        raise MalformedError("the state is damaged", field="state.hash")
    value = cbor.decode(body, max_size=len(body), field="state", max_items=max_items)
    saved = parse_map(value, range(1, 13), field="state")
    if parse_uint(saved[1], field="state.version") != _VERSION:
        raise MalformedError("a state of another version", field="state.version", code="unsupported")
    return saved


def _parse_cells(value: Any, seal: Seal) -> bytes:
    if (seal.index + 1) % CELL_SIZE or seal.index >= MAX_CELLS * CELL_SIZE:
        raise _differs("index")
    return parse_bytes(value, (seal.index + 1) // CELL_SIZE * HASH_SIZE, field="state.cells")


def _parse_places(governance: Governance, saved: Any, time_ms: int) -> PlaceBook:
    """Return lists, journal and quarantine; statuses and reasons come from the journal."""
    places = PlaceBook(governance.origin)
    for item in parse_array(saved[6], field="state.lists", low=0, high=MAX_LISTS):
        uri, seq, bitmap = parse_array(item, field="state.list", low=3, high=3)
        if uri in places.lists:
            raise MalformedError("a list stands twice", field="state.lists")
        state = places.add_list(uri)
        state.seq = parse_uint(seq, field="state.seq")
        state.take_all(parse_bytes(bitmap, BITMAP_BYTES, field="state.bitmap"))
    held, kids = _replay_journal(places, saved[7])
    places.quarantine = parse_quarantine(time_ms, saved[10], saved[11], kids)
    waiting = {
        (change.uri, idx): index for index, change in places.quarantine.held.items() for idx in change.rows
    }
    if waiting != held:
        raise MalformedError("not what the journal holds", field="state.held")
    for change in places.quarantine.held.values():
        if not 1 <= change.number <= len(governance.issuers):
            raise MalformedError("held of no issuer", field="state.held")
    return places


def _replay_journal(places: PlaceBook, value: Any) -> tuple[_HeldPlaces, dict[int, bytes]]:
    """Apply the journal's rows to the lists; return what is held at its end, and who signed it."""
    uris, packed = parse_array(value, field="state.journal", low=2, high=2)
    names = parse_array(uris, field="state.journal", low=0, high=len(places.lists))
    if type(packed) is not bytes or len(packed) > MAX_JOURNAL_ROWS * ROW_BYTES:
        raise MalformedError("not rows of a journal", field="state.journal")
    if not all(type(name) is str and name in places.lists for name in names):
        raise MalformedError("rows of a list that is not there", field="state.journal")
    held: _HeldPlaces = {}
    kids: dict[int, bytes] = {}
    for index, kid, uri, row in parse_rows(names, packed):
        state = places.lists[uri]
        _check_row(state, kid, row)
        places.journal.record(index, kid, uri, row)
        state.set_status(row.idx, row.new, row.reason, row.month)
        held.pop((uri, row.idx), None)
        if row.new == HELD and kid is not None:
            held[uri, row.idx] = index
            kids[index] = kid
    places.journal.check_rows()
    return held, kids


def _check_row(state: ListState, kid: bytes | None, row: StatusRow) -> None:
    """Check that a row is one that the registry writes: what a later distrust takes back depends on it."""
    if not (row.idx < PLACES and state.is_taken(row.idx) and state.status(row.idx) == row.old):
        raise MalformedError("a row that does not follow from those before", field="state.journal")
    if kid is None:
        known = row.new in _AFTER_NO_STATEMENT
    elif row.new == HELD:
        known = any(
            is_limited(asked) and row.reason in TRANSITIONS.get((row.old, asked.new), ())
            for asked in (row._replace(new=WITHDRAWN), row._replace(new=SUSPENDED))
        )
    else:
        known = row.reason in TRANSITIONS.get((row.old, row.new), ())
    if not known:
        raise MalformedError("no such change of status", field="state.journal")


def _check_seal(registry: Registry, seal: Seal) -> None:
    expected = {
        "time_ms": registry.time_ms,
        "govern_head": registry.govern_head,
        "registry_digest": registry.registry_digest(),
        "status_digest": registry.status_digest(),
    }
    for name, value in expected.items():
        if getattr(seal, name) != value:
            raise _differs(name)


def _differs(field: str) -> VerificationError:
    return VerificationError("bad_input", "not the state that this seal seals", field=f"state.{field}")
