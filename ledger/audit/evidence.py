"""Evidence of what an audit found: the source is read again, and a file is made that others can check.

docs/protocol.md section 12. Nothing is collected while all is well. After an alarm each kind of evidence that
fits it is tried, and only a file that `check_evidence` accepts is given out.

    report = audit("data", pin)
    collect_evidence("data", pin, report, against=None)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ledger.audit.chunk import CHUNK_ENTRIES
from ledger.audit.governed import Governed, read_entry, read_governed
from ledger.audit.report import AuditReport
from ledger.audit.source import Source, opened_source
from ledger.core.chain import chain_start
from ledger.core.checkpoint import parse_checkpoint
from ledger.core.epoch import replay_epoch, replay_genesis
from ledger.core.evidence import check_evidence
from ledger.core.evidence.form import MAX_EVIDENCE_SIZE, Evidence, ShownTerms, format_evidence
from ledger.core.evidence.heads import prove_fork, prove_tampered_entry
from ledger.core.evidence.omissions import prove_omitted_action
from ledger.core.evidence.rules import Replayed, prove_broken_rule, prove_broken_rule_of_state
from ledger.core.evidence.spans import prove_broken_chain, prove_wrong_root, show_span
from ledger.core.evidence.standing import open_terms, show_terms
from ledger.core.merkle import Frontier, NodeReader, leaf_hash
from ledger.core.note import parse_note
from ledger.core.pin import Pin
from ledger.core.registry import Registry
from ledger.core.registry.governance import Effect
from ledger.core.tiles import TILE_WIDTH, TileNodes, TilePath
from ledger.errors import CodedError, LedgerError


def collect_evidence(
    source_name: str, pin: Pin, report: AuditReport, *, against: str | None = None
) -> bytes | None:
    """Return evidence of the violation that a report names, or None where none can be made.

    Args:
        source_name: as `audit` took it.
        pin: of the ledger.
        report: what the audit found.
        against: text of the head seen before, or None.

    Raises:
        StorageError: the source cannot be read any more.
    """
    if report.ok or report.code == "not_cosigned":
        return None
    with opened_source(source_name) as source:
        try:
            collector = _Collector(source, pin, report, against)
        except LedgerError as error:
            if error.code in ("not_reachable", "storage_failed"):
                raise
            return None
        for make in collector.makers():
            # What cannot be made of this source, or does not hold, is no evidence; another kind may be.
            with suppress(CodedError):
                data = format_evidence(collector.strip(make()))
                check_evidence(data, pin)
                return data
    return None


class _Collector:
    """One source after an alarm: its newest head, its stored heads, its governors' actions."""

    def __init__(self, source: Source, pin: Pin, report: AuditReport, against: str | None) -> None:
        self._source = source
        self._pin = pin
        self._report = report
        self._against = against
        self._head = source.checkpoint()
        self._size = parse_checkpoint(parse_note(self._head).text).tree_size
        self._governed: Governed = read_governed(source, self._size)
        self._notes = {head.size: head.text for head in source.heads(0) or ()}
        self._notes[self._size] = self._head

    def makers(self) -> Iterator[Callable[[], Evidence]]:
        """Yield what to try, the strongest and smallest first."""
        report = self._report
        if report.code == "inconsistent" and self._against is not None:
            yield self._fork
        if report.code == "bad_checkpoint":
            yield self._wrong_root
            yield self._stored_fork
        if report.code == "bad_seal" and report.rule == "chain":
            yield self._broken_chain
        if report.code == "bad_seal" and report.rule == "govern_head":
            # Seals before this one have all that took effect before its epoch.
            first, last = self._governed.start_of(self._index()), self._index()
            for dropped, effect in enumerate(self._governed.effects):
                if first <= effect.index <= last:
                    yield partial(self._omitted_action, dropped)
        if report.index is not None and report.code in ("bad_entry", "bad_rule", "bad_seal", "bad_epoch"):
            yield self._tampered_entry
            yield self._broken_rule_of_own_head
            yield self._broken_rule
            yield self._broken_rule_of_state

    def strip(self, evidence: Evidence) -> Evidence:
        """Return evidence whose main head has only lines of the log and of known witnesses."""
        return replace(evidence, head=open_terms(evidence.terms, self._pin).strip(evidence.head))

    def _fork(self) -> Evidence:
        assert self._against is not None
        other = parse_checkpoint(parse_note(self._against).text).tree_size
        terms = self._terms(self._size)
        seen = open_terms(terms, self._pin).strip(self._against)
        return prove_fork(terms, self._head, self._size, seen, other, self._node)

    def _stored_fork(self) -> Evidence:
        """Compare the head that a directory stores for an epoch with the newest one."""
        size = self._report.index or 0
        terms = self._terms(self._size)
        stored = open_terms(terms, self._pin).strip(self._note(size))
        return prove_fork(terms, self._head, self._size, stored, size, self._node)

    def _tampered_entry(self) -> Evidence:
        index = self._index()
        served = self._read(index)
        return prove_tampered_entry(
            self._terms(self._size), self._head, self._size, index, served, self._node
        )

    def _wrong_root(self) -> Evidence:
        size = self._report.index or self._size
        first = max((other for other in self._notes if other < size), default=0)
        terms = self._terms(size)
        leaves = self._leaves(first, size)
        span = show_span(first, leaves, self._read, self._node_of_entries(first))
        earlier = open_terms(terms, self._pin).strip(self._note(first)) if first else ""
        return prove_wrong_root(terms, self._note(size), span, earlier)

    def _broken_chain(self) -> Evidence:
        index = self._index()
        first = self._governed.start_of(index)
        span = show_span(first, self._leaves(first, index + 1), self._read, self._node)
        size = index + 1 if index + 1 in self._notes else self._size
        return prove_broken_chain(
            self._terms(size), self._note(size), size, span, self._read(index), self._node
        )

    def _omitted_action(self, dropped: int) -> Evidence:
        """Suppose that the seal has all effective actions but one."""
        index = self._index()
        size = index + 1 if index + 1 in self._notes else self._size
        effects = list(self._governed.effects)
        effect = effects.pop(dropped)
        terms = self._terms(size, effects)
        return prove_omitted_action(terms, self._note(size), size, effect.approvals, self._read, self._node)

    def _broken_rule_of_own_head(self) -> Evidence:
        """Use the head that ends the epoch, known to whoever stores all heads; keys are those before it."""
        first, end = self._epoch()
        basis, entries = self._entries(0, first), self._entries(first, end)
        return prove_broken_rule(self._terms(first), self._note(end), end, basis, entries, self._node)

    def _broken_rule(self) -> Evidence:
        first, end = self._epoch()
        basis, entries = self._entries(0, first), self._entries(first, end)
        terms = self._terms(self._size)
        return prove_broken_rule(terms, self._head, self._size, basis, entries, self._node)

    def _broken_rule_of_state(self) -> Evidence:
        """Carry the state before the epoch, where the entries before it are more than evidence may be."""
        first, end = self._epoch()
        registry: Registry | None = None
        chain_head = chain_start(self._pin.origin)
        start = 0
        for epoch in self._epochs(first):
            if registry is None:
                registry, _, chain = replay_genesis(epoch)
            else:
                _, chain = replay_epoch(registry, chain_head, start, epoch)
            chain_head, start = chain[-1], start + len(epoch)
        has_head = end in self._notes
        size, terms = (end, self._terms(first)) if has_head else (self._size, self._terms(self._size))
        state = Replayed(registry, chain_head, first)
        entries = self._entries(first, end)
        return prove_broken_rule_of_state(
            terms, self._note(size), size, state, self._read(first - 1), entries, self._node
        )

    def _note(self, size: int) -> str:
        if size not in self._notes:
            raise LedgerError("not_found", "the source shows no head of this size", field="checkpoint")
        return self._notes[size]

    def _index(self) -> int:
        assert self._report.index is not None
        return self._report.index

    def _epoch(self) -> tuple[int, int]:
        first = self._governed.start_of(self._index())
        later = [seal for seal in self._governed.seals if seal >= first]
        return first, later[0] + 1 if later else self._size

    def _terms(self, size: int, effects: Sequence[Effect] | None = None) -> ShownTerms:
        governed = self._governed
        chosen = governed.effects if effects is None else effects
        return show_terms(self._read, chosen, size, governed.seal_of)

    def _read(self, index: int) -> bytes:
        kept = self._governed.entries.get(index)
        return read_entry(self._source, index, self._size) if kept is None else kept

    def _entries(self, start: int, stop: int) -> list[bytes]:
        """Read entries; LedgerError too_large where no evidence could carry them."""
        entries: list[bytes] = []
        total = 0
        for chunk in self._chunks(start, stop):
            entries += chunk
            total += sum(map(len, chunk))
            if total > MAX_EVIDENCE_SIZE:
                raise LedgerError("too_large", "more entries than evidence may carry", field="entries")
        return entries

    def _epochs(self, end: int) -> Iterator[list[bytes]]:
        """Yield the entries of each epoch below a size at which one ends; every tile is read once."""
        waiting: list[bytes] = []
        start, place = 0, 0
        for chunk in self._chunks(0, end):
            waiting += chunk
            while place < len(self._governed.seals) and self._governed.seals[place] < start + len(waiting):
                count = self._governed.seals[place] + 1 - start
                yield waiting[:count]
                del waiting[:count]
                start, place = start + count, place + 1

    def _leaves(self, start: int, stop: int) -> list[bytes]:
        return [leaf_hash(entry) for chunk in self._chunks(start, stop) for entry in chunk]

    def _chunks(self, start: int, stop: int) -> Iterator[list[bytes]]:
        for at in range(start // TILE_WIDTH * TILE_WIDTH, stop, CHUNK_ENTRIES):
            end = min(at + CHUNK_ENTRIES, stop)
            chunk, _ = self._source.entries(at, end, self._size)
            yield chunk[max(start - at, 0) : end - at]

    @property
    def _node(self) -> NodeReader:
        """Nodes of the stored tiles: whether they are true the check finds."""

        def read_tile(path: TilePath) -> bytes:
            return self._source.tile(path.tile_level, path.index, path.width, self._size)

        return TileNodes(read_tile, self._size)

    def _node_of_entries(self, size: int) -> NodeReader:
        """Nodes of complete subtrees over the first `size` entries themselves, for a head that may lie."""

        def node(level: int, index: int) -> bytes:
            start = index << level
            if start + (1 << level) > size:
                raise LedgerError("malformed", "the subtree is not complete", field="node")
            frontier = Frontier()
            frontier.extend(self._leaves(start, start + (1 << level)))
            return frontier.root()

        return node
