"""The desk: draws a status place, signs, registers, and hands out twelve words and a case file.

docs/protocol.md, sections 4, 6 and 11. The order makes a crash harmless. First the signed bytes, their place
and the sealed secret of their holder are on the desk's disk, in one transaction; then they are sent. After a
crash, or a week without a network, the same bytes are sent again. The secret is erased once case file and
papers are written: until then `interrupted` gives them out again. Without a network a credential is
provisional: its case file has no position yet.

    desk = Desk(config, signer, store, client, random_bytes=secrets.token_bytes, now_s=clock, vault=vault)
    issued = desk.issue_person(claims)
    issued.words, issued.case_file, issued.is_listed
    desk.forget(issued.sub)                               # they are in safe hands
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from credential.core.case_file import NONCE_BYTES, Case, open_case, parse_case_file, seal_case
from credential.core.holder import SECRET_BYTES
from credential.core.issue import PersonClaims, StatusPlace, issue, new_subject
from credential.core.profiles import built_in_profile
from issuer.approved_changes import ApprovedChanges
from issuer.cards import check_fit
from issuer.desk_config import DeskConfig
from issuer.desk_store import LISTED, REFUSED, DeskStore, Outgoing
from issuer.errors import IssuerError
from issuer.issued import Issued as Issued
from issuer.issued import Prepared, listed_case, provisional_case
from issuer.ledger_client import LedgerClient, Registered, is_refusal
from issuer.places import PlaceDraw
from issuer.status_batch import StatusBatch
from issuer.status_changes import StatusChanges
from issuer.status_request import Part
from issuer.vault import Held, Papers, Vault
from ledger.core.calendar_days import DAY_S
from ledger.core.cose_key import Signer
from ledger.errors import CodedError

_PAPERS: Final = Papers()


class Desk:
    """One desk of an admitted issuer."""

    def __init__(
        self,
        config: DeskConfig,
        signer: Signer,
        store: DeskStore,
        client: LedgerClient,
        *,
        random_bytes: Callable[[int], bytes],
        now_s: Callable[[], int],
        vault: Vault | None = None,
    ) -> None:
        """Put a desk together.

        Args:
            config: which issuer, which list, which ledger; must be connected.
            signer: the issuer's key.
            store: used places and what is on its way.
            client: the ledger.
            random_bytes: returns so many bytes from a cryptographic source.
            now_s: the time, epoch seconds.
            vault: seals the secrets that wait for their papers; without one they live in this process only.

        Raises:
            IssuerError: usage, the desk is not connected to its ledger yet.
        """
        if not config.is_connected:
            raise IssuerError("usage", "connect the desk to its ledger first", field="desk")
        self._config = config
        self._signer = signer
        self._store = store
        self._client = client
        self._random_bytes = random_bytes
        self._now_s = now_s
        self._vault = vault

    @property
    def store(self) -> DeskStore:
        """The desk's state."""
        return self._store

    def issue_person(
        self, person: PersonClaims, secret: bytes | None = None, vct: str = "sc:identity"
    ) -> Issued:
        """Issue one credential; see `issue_people`.

        Raises:
            IssuerError: the code with which the ledger refused it.
        """
        [outcome] = self.issue_people([(person, secret)], vct)
        if isinstance(outcome, CodedError):
            raise outcome
        return outcome

    def issue_people(
        self,
        people: Sequence[tuple[PersonClaims, bytes | None]],
        vct: str = "sc:identity",
        done: Callable[[], None] = lambda: None,
        papers: Papers = _PAPERS,
    ) -> list[Issued | CodedError]:
        """Sign and register credentials, all in as few epochs as the ledger takes them.

        Args:
            people: claims and, where a person has twelve words already, the 16-byte secret.
            vct: the profile.
            done: called after each.
            papers: how their papers are made, for `interrupted`.

        Returns:
            One outcome per person: what to hand out, or the ledger's refusal. Whoever has stored the case
            file and the words of one calls `forget`.

        Raises:
            InputError: a claim that the profile does not take; nothing is signed then.
            IssuerError: too_large, out_of_scope where no place is left, storage_failed.
        """
        draw = self.draw()
        prepared = [self.prepare(person, draw, secret, vct) for person, secret in people]
        self.keep(prepared, papers)
        outcomes = self.register([item.outgoing for item in prepared], done)
        return [
            self._hand_out(item.outgoing.sub, item.secret, outcome)
            for item, outcome in zip(prepared, outcomes, strict=True)
        ]

    def draw(self) -> PlaceDraw:
        """Return places for the people of one call."""
        return PlaceDraw(self._config, self._store, self._random_bytes)

    def prepare(
        self, person: PersonClaims, draw: PlaceDraw, secret: bytes | None = None, vct: str = "sc:identity"
    ) -> Prepared:
        """Draw a place and sign one credential; nothing is stored yet.

        Raises:
            InputError: a claim that the profile does not take.
            IssuerError: too_large, the card could not be printed; out_of_scope where no place is left.
        """
        sub = new_subject(self._random_bytes)
        holder = secret or self._random_bytes(SECRET_BYTES)
        now_s = self._now_s()
        issued = issue(
            built_in_profile(vct),
            person,
            iss=self._config.issuer_id,
            sub=sub,
            iat_s=now_s - now_s % DAY_S,
            place=draw.next_place(),
            holder=holder,
            signer=self._signer,
            random_bytes=self._random_bytes,
        )
        case = provisional_case(issued, self._config.title)
        check_fit(case, holder, self._random_bytes)
        claims = issued.claims
        return Prepared(
            Outgoing(sub, claims.uri, claims.idx, issued.entry, self._seal(case, holder, sub)), holder
        )

    def keep(self, prepared: Sequence[Prepared], papers: Papers = _PAPERS) -> None:
        """Store prepared credentials and their sealed secrets, all or none; only then may they be sent.

        Raises:
            IssuerError: place_taken, storage_failed.
        """
        sealed = [] if self._vault is None else [self._hold(self._vault, item, papers) for item in prepared]
        self._store.add([item.outgoing for item in prepared], sealed)

    def register(
        self, outgoing: Sequence[Outgoing], done: Callable[[], None] = lambda: None
    ) -> list[Registered | CodedError]:
        """Send stored credentials and record what the ledger answered."""
        if not outgoing:
            return []
        entries = [item.entry for item in outgoing]
        outcomes = self._client.register(entries, self._signer.public_key, done)
        with self._store.transaction():
            for item, outcome in zip(outgoing, outcomes, strict=True):
                if isinstance(outcome, Registered):
                    self._store.mark_listed(item.sub, outcome.index, outcome.path, outcome.entry)
                elif is_refusal(outcome):
                    self._store.mark_refused(item.sub, outcome.code)
        return outcomes

    def interrupted(self) -> list[tuple[Issued, Papers]]:
        """Return what an earlier run signed but did not hand out; batches take up their own.

        Raises:
            IssuerError: wrong_secret, storage_failed.
        """
        found = []
        for sub in self._store.held_alone():
            [stored] = self._store.outgoing(sub)
            if stored.state == REFUSED:
                self._store.forget(sub)
            else:
                found.append(self.take_up(stored))
        return found

    def take_up(self, stored: Outgoing) -> tuple[Issued, Papers]:
        """Return what is to be handed out for a stored credential whose secret is still held.

        Raises:
            IssuerError: wrong_secret, the passphrase does not open it; not_found, nothing is held.
        """
        sealed = self._store.sealed(stored.sub)
        if self._vault is None or sealed is None:
            raise IssuerError("not_found", "the desk holds no secret of this credential", field="desk")
        held = self._vault.open(stored.sub, sealed)
        if stored.state != LISTED:
            issued = Issued(stored.sub, held.secret, stored.case_file, False, stored.code or "not_reachable")
            return issued, held.papers
        case_file = self._seal(
            listed_case(stored, open_case(stored.case_file, held.secret)), held.secret, stored.sub
        )
        return Issued(stored.sub, held.secret, case_file, is_listed=True), held.papers

    def fingerprint(self, data: bytes) -> bytes:
        """Return what tells equal data from changed data at this desk, see `Vault.fingerprint`."""
        if self._vault is None:
            raise IssuerError("usage", "the desk was opened without its vault", field="desk")
        return self._vault.fingerprint(data)

    def pending(self) -> list[Outgoing]:
        """Return the credentials whose fate the desk does not know."""
        return [item for item in self._store.outgoing() if item.state not in (LISTED, REFUSED)]

    def register_pending(self, done: Callable[[], None] = lambda: None) -> list[tuple[str, str]]:
        """Send everything pending again; return (subject, "" or the code of its refusal) for each."""
        waiting = self.pending()
        outcomes = self.register(waiting, done)
        return [
            (item.sub, outcome.code if isinstance(outcome, CodedError) else "")
            for item, outcome in zip(waiting, outcomes, strict=True)
        ]

    def complete(self, case_file: bytes, secret: bytes) -> bytes:
        """Return the case file with its ledger position; the same bytes where it has one.

        Raises:
            SecretError: the words do not open it.
            IssuerError: not_listed where this desk does not know the credential; the code for which it
                is not on the ledger.
        """
        case = open_case(case_file, secret)
        if case.is_listed:
            return case_file
        sub = parse_case_file(case_file).sub
        if any(item.sub == sub for item in self.pending()):
            self.register_pending()
        stored = self._store.outgoing(sub)
        if not stored:
            raise IssuerError("not_listed", "this desk does not know the credential", field="case_file")
        if stored[0].state != LISTED:
            code = stored[0].code or "not_reachable"
            raise IssuerError(code, "the credential is not on the ledger", field="case_file")
        return self._seal(listed_case(stored[0], case), secret, stored[0].sub)

    def forget(self, sub: str) -> None:
        """Erase the held secret once case file and words are stored; drop the bytes too if it is listed."""
        if any(item.state == LISTED for item in self._store.outgoing(sub)):
            self._store.forget(sub)
        else:
            self._store.erase_secret(sub)

    def place_of(self, case_file: bytes) -> StatusPlace:
        """Return the status place of a case file of this desk; no words are needed.

        Raises:
            IssuerError: not_found, the credential is of another desk.
        """
        place = self._store.place_of(parse_case_file(case_file).sub)
        if place is None:
            raise IssuerError("not_found", "this desk does not know the place; give it", field="place")
        return StatusPlace(*place)

    def change_status(
        self, place: StatusPlace, change: str, reason: str | None = None, seq: int | None = None
    ) -> Registered:
        """Sign and register one change of status; see `StatusChanges.change`."""
        return self._status_changes().change(place, change, reason, seq, now_s=self._now_s())

    def plan_change(self, place: StatusPlace, change: str, reason: str | None = None) -> Part:
        """Work out one change of status for a second signer; see `StatusChanges.plan`."""
        return self._status_changes().plan(place, change, reason, now_s=self._now_s())

    def status_batch(self) -> StatusBatch:
        """Return what changes many at once."""
        return StatusBatch(self._config, self._signer, self._store, self._client)

    def approved_changes(self) -> ApprovedChanges:
        """Return what asks second signers, and carries out what they approved."""
        return ApprovedChanges(self._config, self._signer, self._store, self._client)

    def _status_changes(self) -> StatusChanges:
        return StatusChanges(self._config, self._signer, self._store, self._client)

    def _hold(self, vault: Vault, item: Prepared, papers: Papers) -> bytes:
        held = Held(item.secret, papers.words, papers.print_name)
        return vault.seal(item.outgoing.sub, held, self._random_bytes(NONCE_BYTES))

    def _hand_out(self, sub: str, secret: bytes, outcome: Registered | CodedError) -> Issued | CodedError:
        [stored] = self._store.outgoing(sub)
        if isinstance(outcome, Registered):
            case = open_case(stored.case_file, secret)
            return Issued(
                sub, secret, self._seal(listed_case(stored, case), secret, stored.sub), is_listed=True
            )
        if stored.state == REFUSED:
            self._store.forget(sub)  # its case file will never open anything
            return outcome
        return Issued(sub, secret, stored.case_file, is_listed=False, waits_for=outcome.code)

    def _seal(self, case: Case, secret: bytes, sub: str) -> bytes:
        return seal_case(case, secret, self._config.issuer_id, sub, self._random_bytes(NONCE_BYTES))
