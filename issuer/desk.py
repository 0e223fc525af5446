"""The desk: draws a status place, signs, registers, and hands out twelve words and a case file.

docs/protocol.md, sections 4, 6 and 11. The order makes a crash harmless: the signed bytes and their place
are on the desk's disk before anything is sent; after a crash, or a week without a network, the same bytes
are sent again. Until then the credential is provisional: its case file has no position yet. Words are
returned once and kept nowhere.

    desk = Desk(config, signer, store, client, random_bytes=secrets.token_bytes, now_s=clock)
    issued = desk.issue_person(claims)
    issued.words, issued.case_file, issued.is_listed
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from credential.core.case_file import (
    NONCE_BYTES,
    NOT_LISTED_PATH,
    Case,
    open_case,
    parse_case_file,
    seal_case,
)
from credential.core.holder import SECRET_BYTES, format_words
from credential.core.issue import IssuedCredential, PersonClaims, StatusPlace, issue, new_subject
from credential.core.profiles import Profile, built_in_profile
from issuer.desk_config import DeskConfig
from issuer.desk_store import LISTED, REFUSED, DeskStore, Outgoing
from issuer.errors import IssuerError
from issuer.ledger_client import UNKNOWN_FATE, LedgerClient, Registered
from issuer.status_changes import StatusChanges
from ledger.core.calendar_days import DAY_S
from ledger.core.cose_key import Signer
from ledger.core.fields import PLACES, format_list_uri
from ledger.core.statement import parse_statement
from ledger.errors import CodedError

HALF_USED: Final = PLACES // 2
"""Places taken in a list from which on the issuer's next list is open."""
_DRAWS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Issued:
    """What the desk hands out for one person.

    Attributes:
        sub: subject of the credential; names its case file.
        secret: the holder's 16 bytes.
        case_file: the encrypted case file; provisional while `is_listed` is false.
        is_listed: whether the credential is on the ledger.
        waits_for: code for which it is not, "not_reachable" above all; "" where it is.
    """

    sub: str
    secret: bytes
    case_file: bytes
    is_listed: bool
    waits_for: str = ""

    @property
    def words(self) -> str:
        """The holder's twelve words."""
        return format_words(self.secret)


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
    ) -> None:
        """Put a desk together.

        Args:
            config: which issuer, which list, which ledger; must be connected.
            signer: the issuer's key.
            store: used places and what is on its way.
            client: the ledger.
            random_bytes: returns so many bytes from a cryptographic source.
            now_s: the time, epoch seconds.

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
    ) -> list[Issued | CodedError]:
        """Sign and register credentials, all in as few epochs as the ledger takes them.

        Args:
            people: claims and, where a person has twelve words already, the 16-byte secret.
            vct: the profile.
            done: called after each.

        Returns:
            One outcome per person: what to hand out, or the ledger's refusal. Whoever stores the case
            file of a listed one calls `forget` then.

        Raises:
            InputError: a claim that the profile does not take; nothing is signed then.
            IssuerError: out_of_scope where no place is left, storage_failed.
        """
        profile = built_in_profile(vct)
        drawn: set[StatusPlace] = set()
        prepared = [
            self._prepare(profile, person, secret or self._random_bytes(SECRET_BYTES), drawn)
            for person, secret in people
        ]
        self._store.add([outgoing for outgoing, _ in prepared])
        outcomes = self._register([outgoing for outgoing, _ in prepared], done)
        return [
            self._hand_out(outgoing.sub, secret, outcome)
            for (outgoing, secret), outcome in zip(prepared, outcomes, strict=True)
        ]

    def pending(self) -> list[Outgoing]:
        """Return the credentials whose fate the desk does not know."""
        return [item for item in self._store.outgoing() if item.state not in (LISTED, REFUSED)]

    def register_pending(self, done: Callable[[], None] = lambda: None) -> list[tuple[str, str]]:
        """Send everything pending again; return (subject, "" or the code of its refusal) for each."""
        waiting = self.pending()
        outcomes = self._register(waiting, done)
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
        return self._with_position(stored[0], case, secret)

    def forget(self, sub: str) -> None:
        """Drop a listed credential from the outbox once its case file is stored."""
        if any(item.state == LISTED for item in self._store.outgoing(sub)):
            self._store.forget(sub)

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
        changes = StatusChanges(self._config, self._signer, self._store, self._client)
        return changes.change(place, change, reason, seq, now_s=self._now_s())

    def _prepare(
        self, profile: Profile, person: PersonClaims, secret: bytes, drawn: set[StatusPlace]
    ) -> tuple[Outgoing, bytes]:
        sub = new_subject(self._random_bytes)
        now_s = self._now_s()
        issued = issue(
            profile,
            person,
            iss=self._config.issuer_id,
            sub=sub,
            iat_s=now_s - now_s % DAY_S,
            place=self._draw_place(drawn),
            holder=secret,
            signer=self._signer,
            random_bytes=self._random_bytes,
        )
        case_file = self._seal(_provisional(issued, self._config.title), secret, sub)
        claims = issued.claims
        return Outgoing(sub, claims.uri, claims.idx, issued.entry, case_file), secret

    def _draw_place(self, drawn: set[StatusPlace]) -> StatusPlace:
        """Draw a place at random from the desk's first list that is not half used, and add it to `drawn`."""
        config = self._config
        n = config.desk
        while self._store.count_listed(format_list_uri(config.number, n)) >= HALF_USED:
            n += config.desks
        uri = format_list_uri(config.number, n)
        for _ in range(_DRAWS_MAX):
            # 17 bits are exactly the places of a list, so no number is likelier than another.
            idx = int.from_bytes(self._random_bytes(4)) % PLACES
            place = StatusPlace(uri, idx)
            if place not in drawn and not self._store.is_used(uri, idx):
                drawn.add(place)
                return place
        raise IssuerError("out_of_scope", "no free place was found", field="place")

    def _register(
        self, outgoing: Sequence[Outgoing], done: Callable[[], None]
    ) -> list[Registered | CodedError]:
        if not outgoing:
            return []
        entries = [item.entry for item in outgoing]
        outcomes = self._client.register(entries, self._signer.public_key, done)
        for item, outcome in zip(outgoing, outcomes, strict=True):
            if isinstance(outcome, Registered):
                self._store.mark_listed(item.sub, outcome.index, outcome.path, outcome.entry)
            elif outcome.code not in UNKNOWN_FATE:
                self._store.mark_refused(item.sub, outcome.code)
        return outcomes

    def _hand_out(self, sub: str, secret: bytes, outcome: Registered | CodedError) -> Issued | CodedError:
        [stored] = self._store.outgoing(sub)
        if isinstance(outcome, Registered):
            case = open_case(stored.case_file, secret)
            return Issued(sub, secret, self._with_position(stored, case, secret), is_listed=True)
        if stored.state == REFUSED:
            self._store.forget(sub)  # its case file will never open anything
            return outcome
        return Issued(sub, secret, stored.case_file, is_listed=False, waits_for=outcome.code)

    def _with_position(self, stored: Outgoing, case: Case, secret: bytes) -> bytes:
        assert stored.index is not None
        assert stored.path is not None
        assert stored.logged is not None
        if parse_statement(stored.logged).statement_id != parse_statement(case.entry).statement_id:
            raise IssuerError("not_listed", "the case file is of another credential", field="case_file")
        listed = replace(case, entry=stored.logged, index=stored.index, path=stored.path)
        listed.logged()  # the disclosures belong to the bytes that will be printed
        return self._seal(listed, secret, stored.sub)

    def _seal(self, case: Case, secret: bytes, sub: str) -> bytes:
        return seal_case(case, secret, self._config.issuer_id, sub, self._random_bytes(NONCE_BYTES))


def _provisional(issued: IssuedCredential, title: str) -> Case:
    return Case(
        entry=issued.entry,
        index=0,
        path=NOT_LISTED_PATH,
        disclosures=tuple(part.content for part in issued.disclosures.values()),
        decoys=tuple(part.content for part in issued.decoys),
        title=title,
    )
