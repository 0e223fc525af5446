"""What happened on a ledger, collected while it is replayed: for the pages of a report.

The replay calls `note_epoch` after each epoch; memory grows with days, issuers and actions, not with entries.
Nothing here is judged: what is noted has been accepted by the rules already.

    history = History()
    history.note_epoch(0, items, registry)
    history.days[-1].tree_size, history.issuers["civil-1"].months[202611].credentials
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.core.calendar_days import date_of_seconds, month_of_seconds
from ledger.core.claims import CredentialFacts
from ledger.core.epoch import Item
from ledger.core.registry import Registry
from ledger.core.registry.governance import Effect
from ledger.core.statement import Statement, proven_claims


@dataclass(slots=True)
class Day:
    """One day (UTC) that has epochs.

    Attributes:
        date: ISO 8601.
        first_ms, last_ms: times of its first and last seal.
        epochs: seals of the day.
        tree_size: at its end.
        longest_gap_ms: longest time from a seal to the one before it, which may be of an earlier day.
        counts: entries by kind.
    """

    date: str
    first_ms: int
    last_ms: int = 0
    epochs: int = 0
    tree_size: int = 0
    longest_gap_ms: int = 0
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Month:
    """One month of an issuer, by the time of the epochs.

    Attributes:
        credentials: how many it signed.
        changes: (new status, reason) -> places that its keys changed, or asked to be changed.
        by_holders: places of its lists that holders replaced.
        held: places of these that waited for the governors.
    """

    credentials: int = 0
    changes: Counter[tuple[int, int]] = field(default_factory=Counter)
    by_holders: int = 0
    held: int = 0


@dataclass(slots=True)
class IssuerHistory:
    """What one issuer did: by month (YYYYMM), and the actions of governors about it, oldest first."""

    months: dict[int, Month] = field(default_factory=dict)
    actions: list[DatedEffect] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DatedEffect:
    """An action in effect, with the time of its epoch."""

    effect: Effect
    time_ms: int


class History:
    """Collects; `registry` is the state after the last epoch that was noted, None before the first."""

    def __init__(self) -> None:
        self.days: list[Day] = []
        self.issuers: dict[str, IssuerHistory] = {}
        self.actions: list[DatedEffect] = []
        self.registry: Registry | None = None
        self.last_ms: int | None = None

    def note_epoch(self, first_index: int, items: Sequence[Item], registry: Registry) -> None:
        """Note an epoch that was replayed.

        Args:
            first_index: index of its first entry.
            items: its entries, the seal last.
            registry: state after it.
        """
        self.registry = registry
        time_ms = registry.time_ms
        self._note_day(first_index + len(items), items, time_ms)
        month = month_of_seconds(time_ms // 1000)
        issued = Counter(item.iss for item in items if isinstance(item, CredentialFacts))
        for issuer_id, count in issued.items():
            self._month(issuer_id, month).credentials += count
        for index, item in enumerate(items, first_index):
            if isinstance(item, Statement) and item.kind != "credential":
                self._note_statement(index, item, month)
            elif isinstance(item, Statement):
                self._month(item.iss, month).credentials += 1
        for effect in registry.effects[len(self.actions) :]:
            dated = DatedEffect(effect, time_ms)
            self.actions.append(dated)
            if effect.action.subject in registry.governance.issuers:
                self._issuer(effect.action.subject).actions.append(dated)
        self.last_ms = time_ms

    def _note_day(self, tree_size: int, items: Sequence[Item], time_ms: int) -> None:
        date = date_of_seconds(time_ms // 1000).isoformat()
        if not self.days or self.days[-1].date != date:
            self.days.append(Day(date, time_ms))
        day = self.days[-1]
        day.epochs += 1
        day.last_ms = time_ms
        day.tree_size = tree_size
        if self.last_ms is not None:
            day.longest_gap_ms = max(day.longest_gap_ms, time_ms - self.last_ms)
        day.counts.update(map(_kind_of, items))

    def _note_statement(self, index: int, statement: Statement, month: int) -> None:
        if statement.kind != "status":
            return
        change = statement.body
        if change.proof is not None:
            # A holder signs in the name of the card; whose card it is stands in the card.
            self._month(proven_claims(change).iss, month).by_holders += len(change.rows)
            return
        noted = self._month(statement.iss, month)
        noted.changes.update((row.new, row.reason) for row in change.rows)
        assert self.registry is not None
        held = self.registry.places.quarantine.held.get(index)
        if held is not None:
            noted.held += len(held.rows)

    def _issuer(self, issuer_id: str) -> IssuerHistory:
        return self.issuers.setdefault(issuer_id, IssuerHistory())

    def _month(self, issuer_id: str, month: int) -> Month:
        return self._issuer(issuer_id).months.setdefault(month, Month())


def _kind_of(item: Item) -> str:
    if item is None:
        return "padding"
    return item.kind if isinstance(item, Statement) else "credential"
