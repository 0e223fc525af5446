"""The form of an evidence file: one CBOR map, one spelling. docs/protocol.md section 12, `evidence` of the CDDL.

This module knows the form and nothing more: `parse_evidence` says that the bytes are an evidence file, never
that it proves anything. That is `ledger.core.evidence.check`.

>>> from ledger.core.evidence.bodies import TamperedEntry
>>> shown = ShownTerms(b"charter", (ShownAction(18, (b"approval",)),), (b"seal",))
>>> evidence = Evidence(shown, "note", TamperedEntry(21, bytes(32), b"", b"what was served"))
>>> parse_evidence(format_evidence(evidence)) == evidence
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ledger.core.bundle import parse_note_text
from ledger.core.cbor import decode, encode
from ledger.core.evidence.bodies import (
    KINDS,
    MAX_APPROVALS,
    Body,
    format_body,
    parse_body,
    parse_entry,
)
from ledger.core.fields import parse_array, parse_map, parse_uint
from ledger.errors import MalformedError

VERSION: Final = 1
MAX_EVIDENCE_SIZE: Final = 64 * 1024 * 1024
MAX_ACTIONS: Final = 1 << 20
MAX_SEALS: Final = 4_096


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
        seals: of each epoch that changed the service key or the log keys, made before the change, and last
            the one up to which the actions are complete; empty where only the charter counts.
    """

    charter: bytes
    actions: tuple[ShownAction, ...]
    seals: tuple[bytes, ...]


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
    terms = ShownTerms(parse_entry(parts[3], "charter"), _actions(parts[4]), _seals(parts[5]))
    return Evidence(terms, parse_note_text(parts[6]), parse_body(kind, parts[7]))


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
            7: format_body(evidence.body),
        }
    )
    if parse_evidence(data) != evidence:
        raise MalformedError("the values do not make an evidence file", field="evidence")
    return data


def _actions(value: Any) -> tuple[ShownAction, ...]:
    actions: list[ShownAction] = []
    before = 0  # entry 0 is the charter
    for row in parse_array(value, field="actions", low=0, high=MAX_ACTIONS):
        index, entries = parse_array(row, field="actions", low=2, high=2)
        index = parse_uint(index, field="actions", low=before + 1)
        approvals = tuple(
            parse_entry(entry, "approvals")
            for entry in parse_array(entries, field="approvals", low=1, high=MAX_APPROVALS)
        )
        if list(approvals) != sorted(set(approvals)):
            raise MalformedError("approvals stand in bytewise order, each once", field="approvals")
        actions.append(ShownAction(index, approvals))
        before = index
    return tuple(actions)


def _seals(value: Any) -> tuple[bytes, ...]:
    return tuple(
        parse_entry(entry, "seals") for entry in parse_array(value, field="seals", low=0, high=MAX_SEALS)
    )
