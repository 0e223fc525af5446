"""The form of an evidence file: one CBOR map, one spelling. docs/protocol.md section 12, `evidence` of the CDDL.

This module knows the form and nothing more: `parse_evidence` says that the bytes are an evidence file, never
that it proves anything. That is `ledger.core.evidence.check`.

>>> shown = ShownTerms(b"charter", (ShownAction(18, (b"approval",)),), (b"seal",))
>>> evidence = Evidence(shown, "note", TamperedEntry(21, bytes(32), b"", b"what was served"))
>>> parse_evidence(format_evidence(evidence)) == evidence
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.core.bundle import MAX_ENTRY_SIZE, parse_note_text
from ledger.core.cbor import decode, encode
from ledger.core.fields import parse_array, parse_bytes, parse_map, parse_text, parse_uint
from ledger.core.merkle import HASH_SIZE
from ledger.errors import MalformedError

VERSION: Final = 1
MAX_EVIDENCE_SIZE: Final = 64 * 1024 * 1024
MAX_ACTIONS: Final = 1 << 20
MAX_SEALS: Final = 4_096
MAX_APPROVALS: Final = 32
"""Approvals of one action: a ledger has no more governors."""
MAX_PATH_HASHES: Final = 128
MAX_ENTRIES: Final = 1 << 24
MAX_EPOCH_LEAVES: Final = 65_536


@dataclass(frozen=True, slots=True)
class ShownAction:
    """An effective action: the index at which it took effect, and its approvals in bytewise order."""

    index: int
    approvals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ShownTerms:
    """What shows whose keys are the ledger's.

    Attributes:
        charter: the entry at index 0.
        actions: effective actions by rising index, all of them below the last seal.
        seals: seals that acknowledge a change of the service key, made before it, and last the one up to
            which the actions are complete; empty where only the charter counts.
    """

    charter: bytes
    actions: tuple[ShownAction, ...]
    seals: tuple[bytes, ...]


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
class BrokenRule:
    """An epoch that does not replay.

    Attributes:
        basis: all entries before the epoch.
        entries: entries of the epoch.
        path: consistency path from the end of the epoch to the head, joined; empty where they are one.
        code, index, field: what the replay finds, as an audit reports it.
    """

    basis: tuple[bytes, ...]
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
    """Approvals that made an action effective that the last seal does not have, by rising index."""

    approvals: tuple[PlacedApproval, ...]


Body = Fork | TamperedEntry | BrokenChain | WrongRoot | BrokenRule | OmittedAction
KINDS: Final[Mapping[str, type]] = {
    "fork": Fork,
    "tampered_entry": TamperedEntry,
    "broken_chain": BrokenChain,
    "wrong_root": WrongRoot,
    "broken_rule": BrokenRule,
    "omitted_action": OmittedAction,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """An evidence file that has the right form. Nothing in it is verified.

    Attributes:
        terms: what shows the ledger's keys.
        head: note of the head that the log signed; its cosignatures stay on it.
        body: what contradicts it.
    """

    terms: ShownTerms
    head: str
    body: Body

    @property
    def kind(self) -> str:
        """Name of what it claims to prove."""
        return next(kind for kind, form in KINDS.items() if form is type(self.body))


def parse_evidence(data: bytes) -> Evidence:
    """Read the one allowed form of an evidence file.

    Raises:
        MalformedError: code `too_large` above 64 MiB or the size of an entry or a note; code `unsupported`
            for another version or kind; otherwise `malformed`: not deterministic CBOR of this shape, or
            indexes or approvals out of order.
    Source: docs/protocol.md, section 12.
    """
    value = decode(data, max_size=MAX_EVIDENCE_SIZE, field="evidence")
    if not isinstance(value, dict) or value.get(1) != VERSION or type(value[1]) is not int:
        raise MalformedError("not evidence of this version", field="version", code="unsupported")
    parts = parse_map(value, range(1, 8), field="evidence")
    kind = parts[2]
    if not isinstance(kind, str) or kind not in KINDS:
        raise MalformedError("not a kind of evidence of this version", field="kind", code="unsupported")
    terms = ShownTerms(_entry(parts[3], "charter"), _actions(parts[4]), _seals(parts[5]))
    return Evidence(terms, parse_note_text(parts[6]), _parse_body(kind, parts[7]))


def format_evidence(evidence: Evidence) -> bytes:
    """Return the bytes of an evidence file; the inverse of `parse_evidence`.

    Raises:
        MalformedError: it would not be read back, with the codes of `parse_evidence`.
    """
    terms = evidence.terms
    data = encode(
        {
            1: VERSION,
            2: evidence.kind,
            3: terms.charter,
            4: [[action.index, list(action.approvals)] for action in terms.actions],
            5: list(terms.seals),
            6: evidence.head,
            7: _format_body(evidence.body),
        }
    )
    if parse_evidence(data) != evidence:
        raise MalformedError("the values do not make an evidence file", field="evidence")
    return data


def _format_body(body: Body) -> dict[int, Any]:
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
            return {1: list(basis), 2: list(entries), 3: path, 4: code, 5: index, 6: field}
        case OmittedAction(approvals):
            return {1: [[placed.index, placed.path, placed.entry] for placed in approvals]}


def _parse_body(kind: str, value: Any) -> Body:
    match kind:
        case "fork":
            body = parse_map(value, (1,), optional=(2, 3), field="fork")
            if len(body) == 1:
                return Fork(parse_note_text(body[1]))
            if len(body) != 3:
                raise MalformedError("a prefix root comes with a path", field="fork")
            return Fork(
                parse_note_text(body[1]), parse_bytes(body[2], HASH_SIZE, field="prefix"), _path(body[3])
            )
        case "tampered_entry":
            body = parse_map(value, range(1, 5), field="tampered_entry")
            leaf = parse_bytes(body[2], HASH_SIZE, field="leaf")
            index = parse_uint(body[1], field="index")
            return TamperedEntry(index, leaf, _path(body[3]), _entry(body[4], "served", low=0))
        case "broken_chain":
            body = parse_map(value, range(1, 4), field="broken_chain")
            return BrokenChain(_span(body[1]), _entry(body[2], "seal"), _path(body[3]))
        case "wrong_root":
            body = parse_map(value, (1,), optional=(2,), field="wrong_root")
            if 2 in body and body[2] == "":
                raise MalformedError("a head that is not there is left out", field="earlier")
            return WrongRoot(_span(body[1]), parse_note_text(body.get(2, "")))
        case "broken_rule":
            return _broken_rule(parse_map(value, range(1, 7), field="broken_rule"))
        case _:
            body = parse_map(value, (1,), field="omitted_action")
            return OmittedAction(_placed(body[1]))


def _broken_rule(body: Mapping[int, Any]) -> BrokenRule:
    return BrokenRule(
        basis=_entries(body[1], "basis", low=0),
        entries=_entries(body[2], "entries", low=1),
        path=_path(body[3]),
        code=parse_text(body[4], field="code", max_bytes=32),
        index=parse_uint(body[5], field="index"),
        field=parse_text(body[6], field="field", max_bytes=64) if body[6] != "" else "",
    )


def _format_span(span: Span) -> list[Any]:
    return [span.first, span.peaks, span.seal_before, span.seal_path, span.leaves]


def _span(value: Any) -> Span:
    first, peaks, seal, path, leaves = parse_array(value, field="span", low=5, high=5)
    first = parse_uint(first, field="span")
    seal = _entry(seal, "seal_before", low=0)
    if (first == 0) != (seal == b""):
        raise MalformedError("a span begins behind a seal, or with entry 0", field="span")
    return Span(first, _path(peaks), seal, _path(path), _hashes(leaves, MAX_EPOCH_LEAVES * 16, "leaves"))


def _actions(value: Any) -> tuple[ShownAction, ...]:
    actions: list[ShownAction] = []
    before = 0  # entry 0 is the charter
    for row in parse_array(value, field="actions", low=0, high=MAX_ACTIONS):
        index, entries = parse_array(row, field="actions", low=2, high=2)
        index = parse_uint(index, field="actions", low=before + 1)
        approvals = tuple(
            _entry(entry, "approvals")
            for entry in parse_array(entries, field="approvals", low=1, high=MAX_APPROVALS)
        )
        if list(approvals) != sorted(set(approvals)):
            raise MalformedError("approvals stand in bytewise order, each once", field="approvals")
        actions.append(ShownAction(index, approvals))
        before = index
    return tuple(actions)


def _seals(value: Any) -> tuple[bytes, ...]:
    return tuple(_entry(entry, "seals") for entry in parse_array(value, field="seals", low=0, high=MAX_SEALS))


def _placed(value: Any) -> tuple[PlacedApproval, ...]:
    placed: list[PlacedApproval] = []
    for row in parse_array(value, field="approvals", low=1, high=MAX_APPROVALS):
        index, path, entry = parse_array(row, field="approvals", low=3, high=3)
        low = placed[-1].index + 1 if placed else 1
        index = parse_uint(index, field="approvals", low=low)
        placed.append(PlacedApproval(index, _path(path), _entry(entry, "approvals")))
    return tuple(placed)


def _entries(value: Any, field: str, *, low: int) -> tuple[bytes, ...]:
    return tuple(_entry(item, field) for item in parse_array(value, field=field, low=low, high=MAX_ENTRIES))


def _entry(value: Any, field: str, *, low: int = 1) -> bytes:
    if type(value) is not bytes or len(value) < low:
        raise MalformedError("an entry is a byte string", field=field)
    if len(value) > MAX_ENTRY_SIZE:
        raise MalformedError("an entry is too large", field=field, code="too_large")
    return value


def _path(value: Any) -> bytes:
    return _hashes(value, MAX_PATH_HASHES, "path")


def _hashes(value: Any, most: int, field: str) -> bytes:
    if type(value) is not bytes or len(value) % HASH_SIZE or len(value) > most * HASH_SIZE:
        raise MalformedError("not a whole number of hashes", field=field)
    return value
