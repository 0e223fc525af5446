"""The one door through which a desk's key speaks about status: it asks for approval, signs, stores and sends.

docs/adr/0006-second-signer.md; docs/protocol.md, section 4, rule 6. On a desk with second signers nothing is
signed here without the approval of one of them that covers it, and nothing that an interruption left is sent
without it either. A statement is stored before it is sent, together with the part of the approved request
that it uses up, so that an approval counts once whatever happens.

    outbox = StatusOutbox(config, signer, store, client)
    [outcome] = outbox.send([StatusChange("sc:1/0", 7, rows)], approved=Approved(request, approval, now_s))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from issuer.approval_journal import ApprovalJournal
from issuer.desk_config import DeskConfig
from issuer.desk_store import DeskStore
from issuer.errors import IssuerError
from issuer.ledger_client import LedgerClient, Registered, is_refusal
from issuer.status_request import Request, check_approval, parse_request, request_digest
from ledger.core.cose_key import PublicKey, Signer
from ledger.core.statement import parse_statement, sign_statement
from ledger.core.status_change import StatusChange
from ledger.errors import CodedError


@dataclass(frozen=True, slots=True)
class Approved:
    """A request file with its approval file, neither believed yet; a request that is none is `malformed`.

    Attributes:
        data, approval: the files.
        now_s: the time at which it is used: the later of the clock's and the ledger's, so that a clock that
            was set back keeps no request alive.
        request: what the file says.
    """

    data: bytes
    approval: bytes
    now_s: int
    request: Request = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "request", parse_request(self.data))

    @property
    def digest(self) -> bytes:
        """The request's identity."""
        return request_digest(self.data)

    def find(self, statement: StatusChange) -> int | None:
        """Return the number of the part that covers a statement, or None.

        The statement may leave rows out, those that are so already, but has none of its own.
        """
        wanted = set(statement.rows)
        for number, part in enumerate(self.request.parts):
            if part.uri == statement.uri and wanted <= set(part.rows):
                return number
        return None


class StatusOutbox:
    """Signs and sends the status statements of one desk."""

    def __init__(self, config: DeskConfig, signer: Signer, store: DeskStore, client: LedgerClient) -> None:
        """Put together; nothing is sent yet."""
        self._config = config
        self._signer = signer
        self._store = store
        self._client = client
        self.journal = ApprovalJournal(store)

    @property
    def needs_approval(self) -> bool:
        """Whether this desk has second signers."""
        return self._config.second_signers.are_required

    def send(
        self,
        statements: Sequence[StatusChange],
        done: Callable[[], None] = lambda: None,
        *,
        approved: Approved | None = None,
    ) -> list[Registered | CodedError]:
        """Sign, store and send statements of different lists; they share an epoch.

        Args:
            statements: what to say, at most one for each list.
            done: called after each answer.
            approved: covers them all, on a desk with second signers.

        Returns:
            One outcome for each.

        Raises:
            IssuerError: out_of_scope where an approval is needed and this is none for all of it; stale_action
                where it is over, was used before, or a statement of unknown fate is still to be settled;
                storage_failed. Nothing is signed then.
            MalformedError, VerificationError: as `check_approval`.
        """
        entries = []
        with self._store.transaction():
            for statement in statements:
                entry = self._sign(statement, approved)
                self._store.stage_status(statement.uri, statement.seq, entry)
                entries.append(entry)
        outcomes = self._client.register(entries, self._signer.public_key, done)
        with self._store.transaction():
            for statement, outcome in zip(statements, outcomes, strict=True):
                self._record(statement.uri, outcome)
        return outcomes

    def settle(self, uri: str) -> Registered | CodedError | None:
        """Send the statement of this list whose fate is not known, as it is; None where there is none.

        Raises:
            IssuerError: out_of_scope where no approval covers it on a desk with second signers.
            MalformedError, VerificationError: as `check_approval`.
        """
        _, entry = self._store.status_seq(uri)
        if entry is None:
            return None
        self._check_left_over(uri, entry)
        [outcome] = self._client.register([entry], self._signer.public_key)
        with self._store.transaction():
            self._record(uri, outcome)
        return outcome

    def check_request(self, request: Request) -> None:
        """Check that a request is of this desk.

        Raises:
            IssuerError: out_of_scope.
        """
        config = self._config
        named = (request.issuer_id, request.charter_hash.hex(), request.desk, request.thumbprint)
        if named != (config.issuer_id, config.charter, config.desk, self.key.thumbprint()):
            raise IssuerError("out_of_scope", "the request is of another desk", field="request")

    @property
    def key(self) -> PublicKey:
        """The desk's public key."""
        return self._signer.public_key

    def _sign(self, statement: StatusChange, approved: Approved | None) -> bytes:
        """Sign one statement, if it may be signed; the only place where a desk's key does."""
        self.journal.check_rule(self._config.second_signers)
        if self._store.status_seq(statement.uri)[1] is not None:
            raise IssuerError(
                "stale_action", "a statement of unknown fate is to be settled first", field="list"
            )
        if self.needs_approval:
            if approved is None:
                raise _not_approved()
            number = self._check_covered(statement, approved)
            approved.request.check_time(approved.now_s)
            self.journal.stage(approved.data, approved.approval, number, statement.uri)
        return sign_statement("status", self._config.issuer_id, statement.uri, statement, self._signer)

    def _check_covered(self, statement: StatusChange, approved: Approved) -> int:
        self.check_request(approved.request)
        check_approval(approved.approval, approved.data, self._config.second_signers)
        number = approved.find(statement)
        if number is None:
            raise _not_approved()
        return number

    def _check_left_over(self, uri: str, entry: bytes) -> None:
        """Check the approval of what an interruption left; its time was judged when it was signed."""
        self.journal.check_rule(self._config.second_signers)
        if not self.needs_approval:
            return
        found = self.journal.on_the_way(uri)
        if found is None:
            raise _not_approved()
        data, approval, number = found
        if self._check_covered(parse_statement(entry).body, Approved(data, approval, 0)) != number:
            raise _not_approved()

    def _record(self, uri: str, outcome: Registered | CodedError) -> None:
        if not isinstance(outcome, CodedError):
            self._store.settle_status(uri, accepted=True)
            self.journal.settle(uri, accepted=True)
        elif is_refusal(outcome):
            self._store.settle_status(uri, accepted=False)
            self.journal.settle(uri, accepted=False)


def _not_approved() -> IssuerError:
    return IssuerError(
        "out_of_scope", "a second signer of this desk has to approve it", field="second_signer"
    )
