"""Changes that a second signer approves: the request of them, and the sending of what was approved.

docs/adr/0006-second-signer.md. A request says exactly what will be signed, but for the sequence number, which
other desks may take meanwhile. Before anything is sent every place is compared with the ledger: what is so
already is passed over, and any other difference refuses the whole. An interrupted sending is taken up again
with the same two files; once all of it is on the ledger they are worth nothing.

    approved_changes = ApprovedChanges(config, signer, store, client)
    data = approved_changes.request_changes(parts, now_s=now_s)            # to the second signer, and back
    approved_changes.send(data, approval, now_s=now_s)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

from issuer.desk_config import DeskConfig
from issuer.desk_store import DeskStore
from issuer.errors import InputError, IssuerError
from issuer.ledger_client import LedgerClient, is_refusal
from issuer.ledger_view import LedgerView, open_view
from issuer.second_signers import SecondSigners
from issuer.status_outbox import Approved, StatusOutbox
from issuer.status_request import (
    LIFETIME_S,
    Part,
    Request,
    check_approval,
    format_request,
    is_possible,
)
from ledger.core.cose_key import PublicKey, Signer
from ledger.core.status_change import StatusChange
from ledger.errors import CodedError


class ApprovedChanges:
    """Makes requests of one desk, and carries them out."""

    def __init__(self, config: DeskConfig, signer: Signer, store: DeskStore, client: LedgerClient) -> None:
        """Put together; nothing is sent yet."""
        self._config = config
        self._store = store
        self._client = client
        self._outbox = StatusOutbox(config, signer, store, client)

    @property
    def are_needed(self) -> bool:
        """Whether this desk has second signers."""
        return self._outbox.needs_approval

    def request_changes(self, parts: Sequence[Part], *, now_s: int) -> bytes:
        """Return the request file for changes of status; nothing is sent.

        Args:
            parts: by rising list and number.
            now_s: the time, epoch seconds; the request is over seven days later.

        Raises:
            IssuerError: bad_transition, a status now does not allow its change.
            MalformedError: no parts, or parts out of order; too_large above 4 MiB.
        """
        if not all(is_possible(row) for part in parts for row in part.rows):
            raise IssuerError("bad_transition", "the status now does not allow this change", field="set")
        ordered = sorted(parts, key=lambda part: (*map(int, part.uri[3:].split("/")), part.rows[0].idx))
        return format_request(self._request(now_s, parts=tuple(ordered)))

    def request_rule(self, signers: Sequence[tuple[str, PublicKey]], *, now_s: int) -> bytes:
        """Return the request file for another set of second signers; an empty one asks for nobody any more.

        Raises:
            InputError: the desk has exactly these already.
        """
        rule = self._config.second_signers
        if tuple(signers) == rule.signers:
            raise InputError("signers", "are what the desk has already")
        return format_request(self._request(now_s, rule=SecondSigners(rule.version + 1, tuple(signers))))

    def send(
        self,
        data: bytes,
        approval: bytes,
        *,
        now_s: int,
        seqs: Mapping[str, int] | None = None,
        done: Callable[[], None] = lambda: None,
    ) -> int:
        """Register what was approved, and return how many changes this call has settled.

        Args:
            data: the request file.
            approval: the approval file.
            now_s: the time, epoch seconds; the ledger's counts where it is later.
            seqs: next sequence number of lists that another desk has changed too.
            done: called after each statement.

        Raises:
            MalformedError: a file is not of its form.
            VerificationError: unknown_issuer, not a second signer of this desk; bad_signature, an approval of
                other bytes.
            IssuerError: out_of_scope, a request of another desk; stale_action, it is over or was carried out;
                bad_transition, a place reads otherwise than in the request, and nothing of the rest is sent.
            CodedError: the first code with which the ledger did not take a statement.
        """
        checked = self._checked(data, approval)
        request = checked.request
        if request.rule is not None:
            raise IssuerError("usage", "this request changes the rule of a desk", field="request")
        used = self._outbox.journal.used(checked.digest)
        if len(used) == len(request.parts) and all(used.values()):
            raise IssuerError("stale_action", "the request was carried out already", field="request")
        for uri in sorted({part.uri for part in request.parts}):
            self._settle(uri)
        view = open_view(self._client.bundle(), bytes.fromhex(self._config.charter))
        approved = Approved(data, approval, max(now_s, view.time_ms // 1000))
        self._send_rest(approved, view, seqs or {}, done)
        after = self._outbox.journal.used(approved.digest)
        gone = [number for number in after if not used.get(number)]
        return sum(len(request.parts[number].rows) for number in gone)

    def check_rule_change(self, data: bytes, approval: bytes, *, now_s: int) -> SecondSigners:
        """Return the rule that an approved request asks for.

        One of the second signers of now approves it; where there are none, one of those to come, so that no
        desk is closed with keys that nobody can use.

        Raises:
            MalformedError, VerificationError, IssuerError: as `send`; stale_action too where the rule has changed
                since, or a statement of unknown fate is still to be settled.
        """
        request = self._checked(data, approval).request
        if request.rule is None:
            raise IssuerError("usage", "this request changes statuses", field="request")
        if request.rule.version != self._config.second_signers.version + 1:
            raise IssuerError("stale_action", "the rule has changed since", field="request")
        if self._store.lists_under_way():
            raise IssuerError(
                "stale_action", "statements of unknown fate are to be settled first", field="list"
            )
        view = open_view(self._client.bundle(), bytes.fromhex(self._config.charter))
        request.check_time(max(now_s, view.time_ms // 1000))
        return request.rule

    def _request(
        self, now_s: int, *, parts: tuple[Part, ...] = (), rule: SecondSigners | None = None
    ) -> Request:
        config = self._config
        charter, key = bytes.fromhex(config.charter), self._outbox.key.thumbprint()
        return Request(config.issuer_id, charter, config.desk, key, now_s + LIFETIME_S, parts, rule)

    def _checked(self, data: bytes, approval: bytes) -> Approved:
        """Return both files, of which all has been checked but the time."""
        approved = Approved(data, approval, 0)
        request = approved.request
        self._outbox.check_request(request)
        rule = self._config.second_signers
        if request.rule is not None and not rule.are_required:
            rule = request.rule
        check_approval(approval, data, rule)
        return approved

    def _settle(self, uri: str) -> None:
        outcome = self._outbox.settle(uri)
        if isinstance(outcome, CodedError) and not is_refusal(outcome):
            raise outcome

    def _send_rest(
        self, approved: Approved, view: LedgerView, seqs: Mapping[str, int], done: Callable[[], None]
    ) -> None:
        """Send what is not on the ledger yet; the first statement of each list, then the second, and so on."""
        used = self._outbox.journal.used(approved.digest)
        by_list: dict[str, list[Part]] = {}
        passed_over = []
        for number, part in enumerate(approved.request.parts):
            if number in used:
                continue
            rest = _changes_left(part, view)
            if rest.rows:
                by_list.setdefault(part.uri, []).append(rest)
            else:
                passed_over.append((number, part.uri))
        if passed_over:
            self._use_up(approved, passed_over)
        for wave in zip_longest(*by_list.values()):
            self._send_wave([part for part in wave if part is not None], approved, seqs, done)
            seqs = {}

    def _use_up(self, approved: Approved, parts: Sequence[tuple[int, str]]) -> None:
        """Mark parts of which nothing is left to send as done, or they could be sent when it is not so any more."""
        with self._store.transaction():
            for number, uri in parts:
                self._outbox.journal.stage(approved.data, approved.approval, number, uri)
                self._outbox.journal.settle(uri, accepted=True)

    def _send_wave(
        self,
        parts: Sequence[Part],
        approved: Approved,
        seqs: Mapping[str, int],
        done: Callable[[], None],
    ) -> None:
        statements = []
        for part in parts:
            seq = seqs.get(part.uri, self._store.status_seq(part.uri)[0] + 1)
            statements.append(StatusChange(part.uri, seq, part.rows))
        outcomes = self._outbox.send(statements, done, approved=approved)
        failures = []
        for statement, outcome in zip(statements, outcomes, strict=True):
            if isinstance(outcome, CodedError) and outcome.code == "stale_action":
                # Another desk of this issuer may have changed the list; the ledger knows how far it is.
                hint = self._client.next_seq(statement.uri)
                if hint is not None and hint != statement.seq:
                    again = StatusChange(statement.uri, hint, statement.rows)
                    [outcome] = self._outbox.send([again], approved=approved)
            if isinstance(outcome, CodedError):
                failures.append(outcome)
        if failures:
            raise failures[0]


def _changes_left(part: Part, view: LedgerView) -> Part:
    """Return the rows of a part that are not so already.

    Raises:
        IssuerError: bad_transition where a place reads neither what the request found nor what it asks for.
    """
    rows = []
    for row in part.rows:
        status = view.status(part.uri, row.idx)
        if status == row.old:
            rows.append(row)
        elif status != row.new:
            raise IssuerError(
                "bad_transition",
                f"{part.uri} {row.idx} reads otherwise than in the request; make a new one",
                field="request",
            )
    return Part(part.uri, tuple(rows))
