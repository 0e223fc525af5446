"""Changes of status: what a desk may set, and how the statement reaches the ledger exactly once.

docs/protocol.md, section 4, rule 6. A statement names the status that it replaces and the list's next
sequence number, so that nothing old can be sent again. It is stored before it is sent; a statement whose
fate is not known is sent again, as it is, before the next change of its list.

    changes = StatusChanges(config, signer, store, client)
    changes.change(StatusPlace("sc:1/0", 4711), "replaced", now_s=now_s)
"""

from __future__ import annotations

from typing import Final

from credential.core.issue import StatusPlace
from issuer.desk_config import DeskConfig
from issuer.desk_store import DeskStore
from issuer.errors import InputError
from issuer.ledger_client import LedgerClient, Registered, is_refusal
from issuer.ledger_view import open_view
from issuer.status_outbox import StatusOutbox
from issuer.status_request import Part
from ledger.core.calendar_days import month_of_seconds
from ledger.core.cose_key import Signer
from ledger.core.fields import PLACES, parse_list_uri
from ledger.core.status_change import (
    AFFIRMED,
    REASON_AFFIRMED,
    REASON_CLEARED,
    REASON_CONTESTED,
    REASON_CORRECTED,
    REASON_REPLACED,
    REASON_WITHDRAWN,
    REPLACED,
    SUSPENDED,
    VALID,
    WITHDRAWN,
    StatusChange,
    StatusRow,
)
from ledger.errors import CodedError, MalformedError

CHANGES: Final[dict[str, tuple[int, dict[str, int]]]] = {
    "withdrawn": (WITHDRAWN, {"withdrawn": REASON_WITHDRAWN, "corrected": REASON_CORRECTED}),
    "suspended": (SUSPENDED, {"contested": REASON_CONTESTED}),
    "replaced": (REPLACED, {"replaced": REASON_REPLACED}),
    "cleared": (VALID, {"cleared": REASON_CLEARED}),
    "affirmed": (AFFIRMED, {"affirmed": REASON_AFFIRMED}),
}
"""What a desk can set -> status and the reasons that go with it; the first is taken if none is given."""


class StatusChanges:
    """Signs and registers changes of status of one issuer."""

    def __init__(self, config: DeskConfig, signer: Signer, store: DeskStore, client: LedgerClient) -> None:
        """Put together; nothing is sent yet."""
        self._config = config
        self._store = store
        self._client = client
        self._outbox = StatusOutbox(config, signer, store, client)

    def change(
        self,
        place: StatusPlace,
        change: str,
        reason: str | None = None,
        seq: int | None = None,
        *,
        now_s: int,
    ) -> Registered:
        """Sign and register one change.

        Args:
            place: list and number.
            change: a key of `CHANGES`.
            reason: one of its reasons; None is the first.
            seq: the list's next sequence number; None takes the one after the desk's last, and asks the
                ledger once where that is refused because another desk has changed the list too.
            now_s: the time, epoch seconds; only its month is signed.

        Raises:
            InputError: no such change or reason, or not a place.
            IssuerError: the ledger's refusal: stale_action, bad_transition, out_of_scope; not_found for a
                list without credentials; not_reachable, after which the same bytes are sent again before
                the next change of this list; out_of_scope at a desk with second signers, who have to
                approve it (`plan`, `ApprovedChanges`).
        """
        _, [row] = self.plan(place, change, reason, now_s=now_s)
        last, _ = self._store.status_seq(place.uri)
        if seq is not None:
            return self._register(place.uri, seq, row)
        try:
            return self._register(place.uri, last + 1, row)
        except CodedError as error:
            if error.code != "stale_action":
                raise
            # Another desk of this issuer may have changed the list; the ledger knows how far it is.
            hint = self._client.next_seq(place.uri)
            if hint is None or hint == last + 1:
                raise
        return self._register(place.uri, hint, row)

    def plan(self, place: StatusPlace, change: str, reason: str | None = None, *, now_s: int) -> Part:
        """Work out one change; nothing new is signed. Arguments and errors as `change`."""
        new, reason_code = meaning_of(change, reason)
        _check_place(place)
        self.settle_left_over(place.uri)
        view = open_view(self._client.bundle(), bytes.fromhex(self._config.charter))
        old = view.status(place.uri, place.idx)
        return Part(place.uri, (StatusRow(place.idx, old, new, reason_code, month_of_seconds(now_s)),))

    def settle_left_over(self, uri: str) -> None:
        """Settle what an interruption left; that the ledger refuses it now is an answer, too."""
        outcome = self._outbox.settle(uri)
        if isinstance(outcome, CodedError) and not is_refusal(outcome):
            raise outcome

    def _register(self, uri: str, seq: int, row: StatusRow) -> Registered:
        [outcome] = self._outbox.send([StatusChange(uri, seq, (row,))])
        if isinstance(outcome, CodedError):
            raise outcome
        return outcome


def meaning_of(change: str, reason: str | None) -> tuple[int, int]:
    """Return status and reason code of what a person typed.

    Raises:
        InputError: no such change, or not a reason of it.
    """
    if change not in CHANGES:
        raise InputError("set", f"must be one of {', '.join(CHANGES)}")
    new, reasons = CHANGES[change]
    if reason is None:
        return new, next(iter(reasons.values()))
    if reason not in reasons:
        raise InputError("reason", f"must be one of {', '.join(reasons)}")
    return new, reasons[reason]


def _check_place(place: StatusPlace) -> None:
    if not 0 <= place.idx < PLACES:
        raise InputError("place", f"must be a number from 0 to {PLACES - 1}")
    try:
        parse_list_uri(place.uri, field="place")
    except MalformedError as error:
        raise InputError("place", error.detail) from None
