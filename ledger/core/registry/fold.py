"""The fold: one state, one way to change it, for the sequencer, the auditor and a replaying witness.

docs/protocol.md section 4. `Registry` owns its state and changes it in place; each statement either
applies whole or is rejected and changes nothing. It reads no clock: time is the epoch's. It does not
check signatures, because a sequencer and an auditor do that in other threads and processes; it says
which key a statement has to verify under (`key_for`).

    registry = Registry.found(charter, charter_hash)
    registry.open_epoch(time_ms, first_index)
    statement.check_signature(registry.key_for(statement))
    registry.apply(index, statement)
"""

from __future__ import annotations

import hashlib
from typing import Final

from ledger.core import cbor
from ledger.core.actions import Action, ConfirmHeld, DistrustKey, RefuseHeld
from ledger.core.calendar_days import exp_for, month_of_seconds
from ledger.core.cells import CELL_SIZE, fold_cell
from ledger.core.charter import Charter
from ledger.core.claims import CredentialFacts
from ledger.core.cose_key import PublicKey
from ledger.core.merkle import HASH_SIZE, leaf_hash
from ledger.core.registry.governance import Effect, Governance
from ledger.core.registry.issuers import ACTIVE, Issuer
from ledger.core.registry.places import ListState, PlaceBook
from ledger.core.registry.rates import Windows
from ledger.core.statement import Statement, proven_claims
from ledger.errors import MalformedError, VerificationError

DAY_S: Final = 86_400
IAT_BACK_S: Final = 35 * DAY_S
IAT_AHEAD_S: Final = DAY_S
END_OF_TIME_MS: Final = 253_402_300_800_000
"""The year 10000: calendars end before it."""


class Registry:
    """State of the registry at an index. Use `found` to make one."""

    def __init__(self, governance: Governance) -> None:
        self.governance = governance
        self.places = PlaceBook(governance.origin)
        self.windows = Windows()
        self.cells = bytearray()
        self.time_ms = 0
        self._authorities: dict[str, list[int]] | None = None
        self._exp_cache: dict[tuple[int, int], int] = {}
        self._governance_digest: bytes | None = None
        self._before_epoch = (self.time_ms, self.windows, self.governance.proposals)

    @classmethod
    def found(cls, charter: Charter, charter_hash: bytes) -> Registry:
        """Return the registry after entry 0, a charter with leaf hash `charter_hash`."""
        return cls(Governance.from_charter(charter, charter_hash))

    @property
    def lists(self) -> dict[str, ListState]:
        """Status lists by URI."""
        return self.places.lists

    @property
    def govern_head(self) -> bytes:
        """Head of the chain of effective govern actions."""
        return self.governance.govern_head

    @property
    def effects(self) -> list[Effect]:
        """Effective actions, in order."""
        return self.governance.effects

    def open_epoch(self, time_ms: int, first_index: int) -> bool:
        """Open the epoch that is sealed with `time_ms` and begins at `first_index`.

        Returns:
            Whether something held lapsed with it: only then may it have no statements.

        Raises:
            VerificationError: code bad_epoch if the time does not rise, or lies after the year 9999.
        """
        if not self.time_ms < time_ms < END_OF_TIME_MS:
            raise VerificationError("bad_epoch", "epoch time does not rise", field="seal.time_ms")
        self._before_epoch = (self.time_ms, self.windows.copy(), dict(self.governance.proposals))
        self.time_ms = time_ms
        self.windows.open_epoch(time_ms, first_index)
        self.governance.lapse(time_ms)
        if self.governance.open_epoch():
            self._governance_digest = None
        return self.places.open_epoch(time_ms, first_index, self._month())

    def abandon_epoch(self) -> None:
        """Take back the last `open_epoch`; only where nothing was applied since, for nothing is written then."""
        self.time_ms, self.windows, self.governance.proposals = self._before_epoch
        self.places.abandon_epoch()
        if self.governance.abandon_epoch():
            self._governance_digest = None

    def forget_last_opening(self) -> None:
        """Let `abandon_epoch` change nothing: the state was not opened here but built from what was saved."""
        self._before_epoch = (self.time_ms, self.windows, self.governance.proposals)
        self.places.forget_last_opening()

    def add_cells(self, cells: bytes) -> None:
        """Take the cells of an epoch at its end; holders prove from the next one on what is in them."""
        self.cells += cells

    def next_timer_ms(self) -> int | None:
        """Return the time from which on an epoch is due though nobody says anything; None if none is."""
        return self.places.quarantine.next_timer_ms()

    def key_for(self, statement: Statement) -> PublicKey:
        """Return the key that a statement has to verify under now.

        Raises:
            VerificationError: code unknown_issuer if no key of that kid is active for its iss; not_listed
                for a holder whose credential is not on the ledger.
        """
        match statement.kind:
            case "status" if statement.body.proof is not None:
                return self._holder_key(statement)
            case "credential" | "status":
                return self.issuer_key(statement.iss, statement.kid)
            case "govern" | "accept":
                return self.governance.governor_key(statement.iss, statement.kid)
            case _:
                key = self.governance.service_key
                if statement.iss != self.governance.origin or statement.kid != key.kid:
                    raise VerificationError("unknown_issuer", "not the ledger's service key", field="iss")
                return key

    def issuer_key(self, issuer_id: str, kid: bytes) -> PublicKey:
        """Return the active key of an issuer; VerificationError unknown_issuer if there is none."""
        _, record = self.governance.issuer_key(issuer_id, kid)
        if record.state != ACTIVE:
            raise VerificationError("unknown_issuer", "this key is not active any more", field="kid")
        return record.key

    def _holder_key(self, statement: Statement) -> PublicKey:
        """Return the key of a holder, once the credential is shown to be in a cell of an epoch before."""
        proof = statement.body.proof
        start = proof.index // CELL_SIZE * HASH_SIZE
        cell = bytes(self.cells[start : start + HASH_SIZE])
        if fold_cell(leaf_hash(proof.entry), proof.index, proof.path) != cell:
            raise VerificationError("not_listed", "the ledger has not this credential there", field="proof")
        key = PublicKey("ed25519", proven_claims(statement.body).cnf)
        if key.kid != statement.kid:
            raise VerificationError("unknown_issuer", "not the credential's holder", field="kid")
        return key

    def judge(self, statement: Statement) -> None:
        """Check a statement against the state and change nothing; errors as `apply`."""
        self._step(0, statement, commit=False)

    def apply(self, index: int, statement: Statement) -> None:
        """Apply a statement at `index`, or reject it and change nothing.

        Raises:
            VerificationError: the code of the rule that it breaks (docs/protocol.md section 4).
            MalformedError: a kind that stands only in the genesis epoch or at an epoch's end.
        """
        self._step(index, statement, commit=True)

    def _step(self, index: int, statement: Statement, *, commit: bool) -> None:
        match statement.kind:
            case "credential" if commit:
                self.apply_credential(statement.facts())
            case "credential":
                self._judge_credential(statement.facts())
            case "status":
                self._step_status(index, statement, commit=commit)
            case "govern":
                self._step_govern(index, statement, commit=commit)
            case _:
                raise MalformedError(
                    "this kind is written by the ledger alone", field="typ", code="unsupported"
                )

    def _step_status(self, index: int, statement: Statement, *, commit: bool) -> None:
        change = statement.body
        if change.proof is not None:
            self._holder_key(statement)
            self.places.judge_replacement(change, self._month())
            if commit:
                self.places.apply_replacement(change, index, statement.kid)
            return
        issuer, _ = self.governance.issuer_key(statement.iss, statement.kid)
        self.places.judge_change(issuer, change, self._month())
        if commit:
            live = self._live_credentials(issuer.authority)
            self.places.apply_change(issuer, change, index, statement.kid, live)

    def _step_govern(self, index: int, statement: Statement, *, commit: bool) -> None:
        required = self.governance.required_approvals(statement.body, self.windows.distrust_floor)

        def approve(at: int, *, commit: bool) -> Effect | None:
            return self.governance.approve(
                at, statement, time_ms=self.time_ms, required=required, commit=commit
            )

        if not commit:
            index = self._index_ahead(statement)
        approve(index, commit=False)
        self._judge_held(statement.body)
        effect = approve(index, commit=True) if commit else None
        if effect is not None:
            self._after_effect(effect)

    def _judge_held(self, action: Action) -> None:
        """Check that what an action confirms or refuses is held of its issuer when the verb's turn comes."""
        issuer = self.governance.issuers.get(action.subject)
        number = 0 if issuer is None else issuer.number
        held = {
            at: change.kid for at, change in self.places.quarantine.held.items() if change.number == number
        }
        for verb in action.verbs:
            match verb:
                case DistrustKey(kid, start):
                    held = {at: signed for at, signed in held.items() if at < start or signed != kid}
                case ConfirmHeld(at) | RefuseHeld(at):
                    if held.pop(at, None) is None:
                        raise VerificationError("bad_transition", "nothing of it is held", field="verb.index")

    def _live_credentials(self, authority: str) -> int:
        """Return the live credentials of all issuers of an authority."""
        if self._authorities is None:
            self._authorities = {}
            for issuer in self.governance.issuers.values():
                self._authorities.setdefault(issuer.authority, []).append(issuer.number)
        return sum(self.windows.live_count(number) for number in self._authorities.get(authority, ()))

    def apply_credential(self, facts: CredentialFacts) -> None:
        """Apply a credential by its facts; errors as `apply`."""
        issuer = self._judge_credential(facts)
        self.places.take_place(facts.uri, facts.idx)
        self.windows.count_credential(issuer.number, facts.exp)

    def _judge_credential(self, claims: CredentialFacts) -> Issuer:
        issuer = self.governance.issuers.get(claims.iss)
        if issuer is None:
            raise VerificationError("unknown_issuer", "no admitted issuer has this name", field="iss")
        if self.governance.terms.read_only:
            raise VerificationError(
                "read_only", "another ledger goes on in place of this one", field="ledger"
            )
        if issuer.suspended:
            raise VerificationError("out_of_scope", "the issuer is suspended", field="iss")
        profile = self.governance.profiles.get(claims.vct)
        if profile is None or claims.vct not in issuer.scope.vcts:
            raise VerificationError(
                "out_of_scope", "not a credential type of this issuer", field="claims.vct"
            )
        digest_count, validity_days = profile
        if claims.digest_count != digest_count:
            raise VerificationError(
                "out_of_scope", "not the profile's number of digests", field="claims.digests"
            )
        self._judge_dates(claims, validity_days)
        self.places.judge_place(issuer, claims.uri, claims.idx)
        if self.windows.accepted_count(issuer.number) >= issuer.scope.rate:
            raise VerificationError("rate_limited", "the rate of the scope is used up", field="scope.rate")
        return issuer

    def _judge_dates(self, claims: CredentialFacts, validity_days: int) -> None:
        ahead_ms = claims.iat * 1000 - self.time_ms
        if claims.iat % DAY_S or not -IAT_BACK_S * 1000 <= ahead_ms <= IAT_AHEAD_S * 1000:
            raise VerificationError("out_of_scope", "not a whole day of late", field="claims.iat")
        exp = self._exp_cache.get((claims.iat, validity_days))
        if exp is None:
            if len(self._exp_cache) > 1024:
                self._exp_cache.clear()
            exp = self._exp_cache[claims.iat, validity_days] = exp_for(claims.iat, validity_days)
        if claims.exp != exp:
            raise VerificationError("out_of_scope", "not the quarter day of the profile", field="claims.exp")

    def _index_ahead(self, statement: Statement) -> int:
        """An index above every distrust that a proposal may name: tentative checks come before indexes."""
        return max((getattr(verb, "from_index", 0) for verb in statement.body.verbs), default=0)

    def _after_effect(self, effect: Effect) -> None:
        self._governance_digest = None
        self._authorities = None
        places, held, month = self.places, self.places.quarantine.held, self._month()
        froms = {verb.kid: verb.from_index for verb in effect.distrusts}
        if froms:
            places.reverse(self.governance.issuers[effect.action.subject].number, froms, effect.index, month)
        for verb in effect.action.verbs:
            # What a distrust of the same action has reversed is held no longer.
            if isinstance(verb, ConfirmHeld) and verb.index in held:
                places.confirm(held[verb.index], effect.index, month)
            elif isinstance(verb, RefuseHeld) and verb.index in held:
                places.refuse(held[verb.index], effect.index, month)

    def _month(self) -> int:
        return month_of_seconds(self.time_ms // 1000)

    def registry_digest(self) -> bytes:
        """Return the digest of all parts of the state (docs/protocol.md section 4, "Digests")."""
        if self._governance_digest is None:
            self._governance_digest = _digest(self.governance.format_governance())
        parts = [
            self._governance_digest,
            _digest(self.governance.format_proposals()),
            _digest(self.places.format_places()),
            _digest(self.windows.format_rates()),
            _digest(self.windows.format_live()),
            self.places.journal_head,
            _digest(self.places.quarantine.format_windows()),
            self.places.quarantine.held_digest(),
        ]
        return _digest(parts)

    def status_digest(self) -> bytes:
        """Return the digest of all status lists with their reasons."""
        return _digest(self.places.format_status())


def _digest(value: object) -> bytes:
    return hashlib.sha256(cbor.encode(value)).digest()
