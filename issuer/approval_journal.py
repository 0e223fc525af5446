"""What the desk remembers of approvals: which statement of which request is on its way or on the ledger.

The tables are in the desk's one SQLite file (`desk_store`), so that a statement is staged, and settled, in
the transaction that marks its part of the approved request as used. What was used stays: it is the desk's
record of who approved what, and the reason why an approval counts once.

    with store.transaction():
        store.stage_status(uri, seq, entry)
        journal.stage(request, approval, number, uri)
    journal.settle(uri, accepted=True)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from issuer.desk_store import DeskStore
from issuer.errors import IssuerError
from issuer.second_signers import NO_RULE, SecondSigners, format_second_signers
from issuer.status_request import request_digest


class ApprovalJournal:
    """Approved requests of one desk. Every change is on the disk when its method, or its transaction, ends."""

    def __init__(self, store: DeskStore) -> None:
        self._store = store

    def used(self, digest: bytes) -> dict[int, bool]:
        """Return the parts of a request that were used -> whether the ledger accepted them (else on the way)."""
        found = self._store.query("SELECT number, accepted FROM status_part WHERE digest = ?", (digest,))
        return {int(number): bool(accepted) for number, accepted in found}

    def stage(self, request: bytes, approval: bytes, number: int, uri: str) -> None:
        """Mark a part as on its way.

        Raises:
            IssuerError: stale_action, it was used before; storage_failed.
        """
        digest = request_digest(request)
        with self._store.transaction() as db:
            if number in self.used(digest):
                raise IssuerError("stale_action", "this part of the request was sent before", field="request")
            db.execute(
                "INSERT INTO status_request (digest, request, approval) VALUES (?, ?, ?)"
                " ON CONFLICT (digest) DO UPDATE SET approval = excluded.approval",
                (digest, request, approval),
            )
            db.execute("INSERT INTO status_part VALUES (?, ?, ?, 0)", (digest, number, uri))

    def settle(self, uri: str, *, accepted: bool) -> None:
        """Record the fate of the part of a list that is on its way; what was refused can be sent again."""
        with self._store.transaction() as db:
            if accepted:
                db.execute("UPDATE status_part SET accepted = 1 WHERE uri = ?", (uri,))
            else:
                db.execute("DELETE FROM status_part WHERE uri = ? AND accepted = 0", (uri,))

    def on_the_way(self, uri: str) -> tuple[bytes, bytes, int] | None:
        """Return request, approval and number of the part of a list that is on its way, or None."""
        found = self._store.query(
            "SELECT request, approval, number FROM status_part JOIN status_request USING (digest)"
            " WHERE uri = ? AND accepted = 0",
            (uri,),
        )
        return None if not found else (bytes(found[0][0]), bytes(found[0][1]), int(found[0][2]))

    def check_rule(self, rule: SecondSigners) -> None:
        """Check that the settings hold the rule that was adopted last.

        Raises:
            IssuerError: stale_action, the settings were edited, made anew or brought back from before.
        """
        known = self._rule()
        if rule.version < known["version"]:
            raise _stale("the settings hold an older rule than this desk has had")
        if format_second_signers(rule) != known:
            raise _stale("the settings hold another rule than this desk has adopted")

    def adopt_rule(self, rule: SecondSigners, before: SecondSigners) -> None:
        """Remember an approved rule, before the settings hold it; once more is no harm.

        Args:
            rule: the rule to come.
            before: the rule that the settings hold, whose signers approved it.

        Raises:
            IssuerError: stale_action, as `check_rule`.
        """
        if format_second_signers(rule) == self._rule():
            return
        self.check_rule(before)
        text = json.dumps(format_second_signers(rule))
        with self._store.transaction() as db:
            db.execute("INSERT INTO second_signers (version, rule) VALUES (?, ?)", (rule.version, text))

    def _rule(self) -> Mapping[str, Any]:
        found = self._store.query("SELECT rule FROM second_signers ORDER BY version DESC LIMIT 1")
        known: Mapping[str, Any] = json.loads(found[0][0]) if found else format_second_signers(NO_RULE)
        return known


def _stale(detail: str) -> IssuerError:
    return IssuerError("stale_action", detail, field="second_signers")
