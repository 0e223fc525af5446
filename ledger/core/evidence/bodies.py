"""The bodies of evidence, one form for each kind. docs/protocol.md section 12, `evidence` of the CDDL.

What each of them proves stands with its check, in `heads`, `spans`, `rules` and `omissions`.

>>> body = TamperedEntry(21, bytes(32), b"", b"what was served")
>>> parse_body("tampered_entry", format_body(body)) == body
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.core.bundle import MAX_ENTRY_SIZE, parse_note_text
from ledger.core.fields import parse_array, parse_bytes, parse_map, parse_text, parse_uint
from ledger.core.merkle import HASH_SIZE
from ledger.errors import MalformedError

MAX_APPROVALS: Final = 32
"""Approvals of one action: a ledger has no more governors."""
MAX_PATH_HASHES: Final = 128
MAX_ENTRIES: Final = 1 << 24
MAX_SPAN_LEAVES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Fork:
    """A second head that contradicts the first.

    Attributes:
        other: its note; of the same size or smaller.
        prefix_root: root that the tree of the first head had at the size of the other; empty for one size.
        path: consistency path from `prefix_root` to the first head, hashes joined; empty for one size.
    """

    other: str
    prefix_root: bytes = b""
    path: bytes = b""


@dataclass(frozen=True, slots=True)
class TamperedEntry:
    """Bytes that were served as an entry and are not it: index, its leaf hash, the path to it, the bytes."""

    index: int
    leaf: bytes
    path: bytes
    served: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """Leaves from the end of one epoch to the end of a later one.

    Attributes:
        first: tree size before the first leaf.
        peaks: of the tree of `first` leaves, largest first, joined.
        seal_before: the entry at `first` - 1, empty where `first` is 0.
        seal_path: its inclusion path in the tree of `first` leaves, joined.
        leaves: leaf hashes from `first` on, joined.
    """

    first: int
    peaks: bytes
    seal_before: bytes
    seal_path: bytes
    leaves: bytes


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """A seal whose chain value is not what a seal before it and the leaves between them give.

    Attributes:
        span: from the seal before to the later seal, which is its last leaf.
        seal: the later seal.
        path: consistency path from the end of the span to the head, joined; empty where they are one.
    """

    span: Span
    seal: bytes
    path: bytes


@dataclass(frozen=True, slots=True)
class WrongRoot:
    """A head with another root than the leaves have that its own seal commits.

    Attributes:
        span: from an earlier head to this one.
        earlier: the note of the earlier head, empty where the span begins with entry 0.
    """

    span: Span
    earlier: str


@dataclass(frozen=True, slots=True)
class SavedBasis:
    """A state before an epoch, which the digests of the seal before it vouch for.

    Attributes:
        span: from the end of the epoch before; its leaves are left out, for the entries give them.
        state: saved state of the registry (`ledger.core.registry.saved`).
    """

    span: Span
    state: bytes

    def __len__(self) -> int:
        """Return the number of entries that lie before the epoch."""
        return self.span.first


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """An epoch that does not replay.

    Attributes:
        basis: all entries before the epoch, or the saved state before it.
        entries: entries of the epoch.
        path: consistency path from the end of the epoch to the head, joined; empty where they are one.
        code, index, field: what the replay finds, as an audit reports it.
    """

    basis: tuple[bytes, ...] | SavedBasis
    entries: tuple[bytes, ...]
    path: bytes
    code: str
    index: int
    field: str


@dataclass(frozen=True, slots=True)
class PlacedApproval:
    """An approval in the tree of the head: its index, its inclusion path (joined), and the entry."""

    index: int
    path: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class OmittedAction:
    """Approvals that made an action effective that the last seal does not have.

    Attributes:
        approvals: by rising index.
        seal_path: inclusion path of the last seal in the tree of the head, joined.
    """

    approvals: tuple[PlacedApproval, ...]
    seal_path: bytes


Body = Fork | TamperedEntry | BrokenChain | WrongRoot | BrokenRule | OmittedAction
KINDS: Final[Mapping[str, type]] = {
    "fork": Fork,
    "tampered_entry": TamperedEntry,
    "broken_chain": BrokenChain,
    "wrong_root": WrongRoot,
    "broken_rule": BrokenRule,
    "omitted_action": OmittedAction,
}


def format_body(body: Body) -> dict[int, Any]:
    """Return a body, ready to be encoded."""
    match body:
        case Fork(other, prefix_root, path):
            return {1: other, 2: prefix_root, 3: path} if prefix_root else {1: other}
        case TamperedEntry(index, leaf, path, served):
            return {1: index, 2: leaf, 3: path, 4: served}
        case BrokenChain(span, seal, path):
            return {1: _format_span(span), 2: seal, 3: path}
        case WrongRoot(span, earlier):
            return {1: _format_span(span), 2: earlier} if earlier else {1: _format_span(span)}
        case BrokenRule(basis, entries, path, code, index, field):
            return {1: _format_basis(basis), 2: list(entries), 3: path, 4: code, 5: index, 6: field}
        case OmittedAction(approvals, seal_path):
            return {1: [[placed.index, placed.path, placed.entry] for placed in approvals], 2: seal_path}


def parse_body(kind: str, value: Any) -> Body:
    """Return the body of a kind; MalformedError if it is not of its form."""
    match kind:
        case "fork":
            body = parse_map(value, (1,), optional=(2, 3), field="fork")
            if len(body) == 1:
                return Fork(parse_note_text(body[1]))
            if len(body) != 3:
                raise MalformedError("a prefix root comes with a path", field="fork")
            return Fork(
                parse_note_text(body[1]), parse_bytes(body[2], HASH_SIZE, field="prefix"), parse_path(body[3])
            )
        case "tampered_entry":
            body = parse_map(value, range(1, 5), field="tampered_entry")
            leaf = parse_bytes(body[2], HASH_SIZE, field="leaf")
            index = parse_uint(body[1], field="index")
            return TamperedEntry(index, leaf, parse_path(body[3]), parse_entry(body[4], "served", low=0))
        case "broken_chain":
            body = parse_map(value, range(1, 4), field="broken_chain")
            return BrokenChain(_span(body[1]), parse_entry(body[2], "seal"), parse_path(body[3]))
        case "wrong_root":
            body = parse_map(value, (1,), optional=(2,), field="wrong_root")
            if 2 in body and body[2] == "":
                raise MalformedError("a head that is not there is left out", field="earlier")
            return WrongRoot(_span(body[1]), parse_note_text(body.get(2, "")))
        case "broken_rule":
            return _broken_rule(parse_map(value, range(1, 7), field="broken_rule"))
        case _:
            body = parse_map(value, (1, 2), field="omitted_action")
            return OmittedAction(_placed(body[1]), parse_path(body[2]))


def _broken_rule(body: Mapping[int, Any]) -> BrokenRule:
    return BrokenRule(
        basis=_basis(body[1]),
        entries=_entries(body[2], "entries", low=1),
        path=parse_path(body[3]),
        code=parse_text(body[4], field="code", max_bytes=32),
        index=parse_uint(body[5], field="index"),
        field=parse_text(body[6], field="field", max_bytes=64) if body[6] != "" else "",
    )


def _format_span(span: Span) -> list[Any]:
    return [span.first, span.peaks, span.seal_before, span.seal_path, span.leaves]


def _span(value: Any) -> Span:
    first, peaks, seal, path, leaves = parse_array(value, field="span", low=5, high=5)
    first = parse_uint(first, field="span")
    seal = parse_entry(seal, "seal_before", low=0)
    if (first == 0) != (seal == b""):
        raise MalformedError("a span begins behind a seal, or with entry 0", field="span")
    return Span(first, parse_path(peaks), seal, parse_path(path), _hashes(leaves, MAX_SPAN_LEAVES, "leaves"))


def _format_basis(basis: tuple[bytes, ...] | SavedBasis) -> Any:
    if not isinstance(basis, SavedBasis):
        return list(basis)
    span = basis.span
    return {1: span.first, 2: span.peaks, 3: span.seal_before, 4: span.seal_path, 5: basis.state}


def _basis(value: Any) -> tuple[bytes, ...] | SavedBasis:
    if isinstance(value, list):
        return _entries(value, "basis", low=0)
    body = parse_map(value, range(1, 6), field="basis")
    first = parse_uint(body[1], field="basis", low=1)
    span = Span(first, parse_path(body[2]), parse_entry(body[3], "seal_before"), parse_path(body[4]), b"")
    if type(body[5]) is not bytes:
        raise MalformedError("a state is a byte string", field="state")
    return SavedBasis(span, body[5])


def _placed(value: Any) -> tuple[PlacedApproval, ...]:
    placed: list[PlacedApproval] = []
    for row in parse_array(value, field="approvals", low=1, high=MAX_APPROVALS):
        index, path, entry = parse_array(row, field="approvals", low=3, high=3)
        low = placed[-1].index + 1 if placed else 1
        index = parse_uint(index, field="approvals", low=low)
        placed.append(PlacedApproval(index, parse_path(path), parse_entry(entry, "approvals")))
    return tuple(placed)


def _entries(value: Any, field: str, *, low: int) -> tuple[bytes, ...]:
    return tuple(
        parse_entry(item, field) for item in parse_array(value, field=field, low=low, high=MAX_ENTRIES)
    )


def parse_entry(value: Any, field: str, *, low: int = 1) -> bytes:
    """Read an entry of at least `low` and at most 65,535 bytes."""
    if type(value) is not bytes or len(value) < low:
        raise MalformedError("an entry is a byte string", field=field)
    if len(value) > MAX_ENTRY_SIZE:
        raise MalformedError("an entry is too large", field=field, code="too_large")
    return value


def parse_path(value: Any) -> bytes:
    """Read the hashes of a path, joined."""
    return _hashes(value, MAX_PATH_HASHES, "path")


def _hashes(value: Any, most: int, field: str) -> bytes:
    if type(value) is not bytes or len(value) % HASH_SIZE or len(value) > most * HASH_SIZE:
        raise MalformedError("not a whole number of hashes", field=field)
    return value
