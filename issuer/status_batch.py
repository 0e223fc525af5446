"""Many changes of status in few statements: the monthly list of replacements.

docs/protocol.md, section 4, rule 6. The places of one list go into one statement, by rising number, at most
4,096 of them; the statements of one list follow each other by `seq`. What the ledger would refuse is found
beforehand and reported by row, because one statement counts whole or not at all. A place that has the wanted
status already is passed over, so that the same file can be run again after a failure; a statement whose fate
is not known is sent again first, as it is.

    batch = StatusBatch(config, signer, store, client)
    batch.settle_left_over()
    plan = batch.plan(Path("REPLACED.csv"), now_s=now_s)
    batch.send(plan)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

from credential.core.issue import StatusPlace
from issuer.csv_table import RowError, TableRow, check_table, read_table
from issuer.desk_config import DeskConfig
from issuer.desk_store import LISTED, DeskStore
from issuer.errors import InputError, IssuerError
from issuer.ledger_client import LedgerClient
from issuer.ledger_view import LedgerView, open_view
from issuer.status_changes import StatusChanges, meaning_of
from issuer.status_outbox import StatusOutbox
from issuer.status_request import Part
from ledger.core.calendar_days import month_of_seconds
from ledger.core.cose_key import Signer
from ledger.core.fields import parse_list_uri
from ledger.core.registry.quarantine import MOST_A_DAY, is_limited
from ledger.core.status_change import (
    AFFIRMED,
    HELD,
    MAX_ROWS,
    TRANSITIONS,
    StatusChange,
    StatusRow,
)
from ledger.errors import CodedError, MalformedError

COLUMNS: Final = ("id", "sub", "list", "number", "set", "reason")
_REPLACED: Final = "replaced"


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be sent.

    Attributes:
        statements: by list, then by sequence number.
        refused: rows that the ledger would not take.
        already: rows whose place has the wanted status.
    """

    statements: tuple[StatusChange, ...]
    refused: tuple[RowError, ...]
    already: int

    @property
    def row_count(self) -> int:
        """Number of changes that will be sent."""
        return sum(len(statement.rows) for statement in self.statements)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What a second signer approves: the rows of each statement."""
        return tuple(Part(statement.uri, statement.rows) for statement in self.statements)

    @property
    def limited_count(self) -> int:
        """Number of changes that count against the limits of the issuer's authority."""
        return sum(map(limited_in, self.statements))


def limited_in(statement: StatusChange) -> int:
    """Return how many rows of a statement count against the limits of the issuer's authority."""
    return sum(map(is_limited, statement.rows))


def outlook(statement: StatusChange) -> str:
    """Tell whether the ledger will hold a statement: "no", "perhaps" or "yes".

    A desk knows neither how many credentials of its authority are live nor what other desks sent, so that
    only a statement over the largest limit of a day is held for certain.

    Source: docs/protocol.md, section 4, "Quarantine".
    """
    count = limited_in(statement)
    if not count:
        return "no"
    return "yes" if count > MOST_A_DAY else "perhaps"


class StatusBatch:
    """Plans and sends the changes of one file."""

    def __init__(self, config: DeskConfig, signer: Signer, store: DeskStore, client: LedgerClient) -> None:
        """Put together; nothing is sent yet."""
        self._config = config
        self._store = store
        self._client = client
        self._outbox = StatusOutbox(config, signer, store, client)
        self._changes = StatusChanges(config, signer, store, client)

    def left_over(self) -> list[str]:
        """Return the lists that have a statement whose fate is not known."""
        return self._store.lists_under_way()

    def settle_left_over(self) -> list[str]:
        """Send again every statement whose fate is not known, and return its list.

        Raises:
            IssuerError: not_reachable, and other codes after which the fate is still not known.
        """
        uris = self.left_over()
        for uri in uris:
            self._changes.settle_left_over(uri)
        return uris

    def plan(self, path: Path, *, now_s: int, seqs: Mapping[str, int] | None = None) -> Plan:
        """Read a table and work out the statements; nothing is sent or stored.

        Args:
            path: CSV with `COLUMNS`; each row names a place by `id`, by `sub` or by `list` and `number`.
            now_s: the time, epoch seconds; only its month is signed.
            seqs: next sequence number of lists that another desk has changed too.

        Raises:
            InputError: not such a table.
            IssuerError: not_found, not_reachable, storage_failed, unknown_issuer.
            BundleError: the ledger's bundle cannot be trusted.
        """
        check_table(path, COLUMNS, required=())
        view = open_view(self._client.bundle(), bytes.fromhex(self._config.charter))
        month = month_of_seconds(now_s)
        rows: dict[str, dict[int, StatusRow]] = {}
        refused, already = [], 0
        for line in read_table(path, COLUMNS, required=()):
            try:
                place = self._place(line)
                row = self._row(view, place, line, month)
                if row is None:
                    already += 1
                elif row.idx in rows.setdefault(place.uri, {}):
                    raise InputError("id", "names a place that stands in an earlier row")
                else:
                    rows[place.uri][row.idx] = row
            except CodedError as error:
                refused.append(RowError.of(line.number, line.cells.get("id", ""), error))
        statements = [
            statement for uri in sorted(rows) for statement in self._statements(uri, rows[uri], seqs or {})
        ]
        return Plan(tuple(statements), tuple(refused), already)

    def send(self, plan: Plan, done: Callable[[], None] = lambda: None) -> None:
        """Sign, store and send the statements; those of different lists share an epoch.

        Raises:
            CodedError: the first code with which the ledger did not take one. Run the plan anew then:
                what was taken is passed over.
            IssuerError: out_of_scope at a desk with second signers, who have to approve `plan.parts`
                (`ApprovedChanges`).
        """
        by_list: dict[str, list[StatusChange]] = {}
        for statement in plan.statements:
            by_list.setdefault(statement.uri, []).append(statement)
        for wave in zip_longest(*by_list.values()):
            self._send_wave([statement for statement in wave if statement is not None], done)

    def _send_wave(self, wave: Sequence[StatusChange], done: Callable[[], None]) -> None:
        for outcome in self._outbox.send(wave, done):
            if isinstance(outcome, CodedError):
                raise outcome

    def _place(self, line: TableRow) -> StatusPlace:
        cells = line.cells
        ways = [name for name in ("id", "sub", "list") if name in cells]
        if not line.is_whole or len(ways) != 1 or ("number" in cells) != ("list" in cells):
            raise InputError(
                "", "a row names its place by id, by sub, or by list and number, and has every cell"
            )
        if "list" in cells:
            number = cells["number"]
            known = number.isascii() and number.isdigit() and len(number) <= 6
            found = self._store.find_place(uri=cells["list"], idx=int(number)) if known else None
        else:
            found = self._store.find_place(row_key=cells.get("id", ""), sub=cells.get("sub", ""))
        if found is None:
            raise IssuerError("not_found", "this desk did not issue such a credential", field=ways[0])
        uri, idx, state = found
        if state != LISTED:
            raise IssuerError("not_listed", "the credential is not on the ledger", field=ways[0])
        return StatusPlace(uri, idx)

    def _row(self, view: LedgerView, place: StatusPlace, line: TableRow, month: int) -> StatusRow | None:
        new, reason = meaning_of(line.cells.get("set", _REPLACED), line.cells.get("reason"))
        old = view.status(place.uri, place.idx)
        if old == new:
            return None
        if old == HELD:
            raise IssuerError("bad_transition", "a change is held until the governors decide", field="set")
        if reason not in TRANSITIONS.get((old, new), frozenset()):
            raise IssuerError("bad_transition", "the status now does not allow this change", field="set")
        if new == AFFIRMED and not view.issuer(self._config.issuer_id).has_distrusted_key:
            raise IssuerError("bad_transition", "no key of the issuer is distrusted", field="set")
        return StatusRow(place.idx, old, new, reason, month)

    def _statements(
        self, uri: str, rows: Mapping[int, StatusRow], seqs: Mapping[str, int]
    ) -> list[StatusChange]:
        last, _ = self._store.status_seq(uri)
        seq = seqs.get(uri, last + 1)
        ordered = [rows[idx] for idx in sorted(rows)]
        return [
            StatusChange(uri, seq + number, tuple(ordered[start : start + MAX_ROWS]))
            for number, start in enumerate(range(0, len(ordered), MAX_ROWS))
        ]


def parse_seqs(texts: Sequence[str]) -> dict[str, int]:
    """Return the sequence numbers that a clerk typed as LIST=NUMBER.

    Raises:
        InputError: not of this form.
    """
    seqs = {}
    for text in texts:
        uri, _, number = text.partition("=")
        try:
            parse_list_uri(uri, field="seq")
            seqs[uri] = int(number)
        except (MalformedError, ValueError):
            raise InputError("seq", "must be LIST=NUMBER, such as sc:1/0=7") from None
    return seqs
