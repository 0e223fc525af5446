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
from ledger.core.calendar_days import exp_for, month_of_seconds
from ledger.core.charter import Charter
from ledger.core.claims import CredentialFacts
from ledger.core.cose_key import PublicKey
from ledger.core.registry.governance import Effect, Governance
from ledger.core.registry.issuers import ACTIVE, Issuer
from ledger.core.registry.places import ListState, PlaceBook
from ledger.core.registry.rates import Windows
from ledger.core.statement import Statement
from ledger.errors import MalformedError, VerificationError

DAY_S: Final = 86_400
IAT_BACK_S: Final = 35 * DAY_S
IAT_AHEAD_S: Final = DAY_S
END_OF_TIME_MS: Final = 253_402_300_800_000
"""The year 10000: calendars end before it."""
_EMPTY_PART: Final = hashlib.sha256(cbor.encode([])).digest()


class Registry:
    """State of the registry at an index. Use `found` to make one."""

    def __init__(self, governance: Governance) -> None:
        self.governance = governance
        self.places = PlaceBook(governance.origin)
        self.windows = Windows()
        self.time_ms = 0
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

    def open_epoch(self, time_ms: int, first_index: int) -> None:
        """Open the epoch that is sealed with `time_ms` and begins at `first_index`.

        Raises:
            VerificationError: code bad_epoch if the time does not rise, or lies after the year 9999.
        """
        if not self.time_ms < time_ms < END_OF_TIME_MS:
            raise VerificationError("bad_epoch", "epoch time does not rise", field="seal.time_ms")
        self._before_epoch = (self.time_ms, self.windows.copy(), dict(self.governance.proposals))
        self.time_ms = time_ms
        self.windows.open_epoch(time_ms, first_index)
        self.governance.lapse(time_ms)

    def abandon_epoch(self) -> None:
        """Take back the last `open_epoch`; only where nothing was applied since, for nothing is written then."""
        self.time_ms, self.windows, self.governance.proposals = self._before_epoch

    def key_for(self, statement: Statement) -> PublicKey:
        """Return the key that a statement has to verify under now.

        Raises:
            VerificationError: code unknown_issuer if no key of that kid is active for its iss.
        """
        match statement.kind:
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
                issuer, _ = self.governance.issuer_key(statement.iss, statement.kid)
                self.places.judge_change(issuer, statement.body, self._month())
                if commit:
                    self.places.apply_change(statement.body, index, statement.kid)
            case "govern":
                required = self.governance.required_approvals(statement.body, self.windows.distrust_floor)
                effect = self.governance.approve(
                    index if commit else self._index_ahead(statement),
                    statement, time_ms=self.time_ms, required=required, commit=commit,
                )  # fmt: skip
                if commit and effect is not None:
                    self._after_effect(effect)
            case _:
                raise MalformedError(
                    "this kind is written by the ledger alone", field="typ", code="unsupported"
                )

    def apply_credential(self, facts: CredentialFacts) -> None:
        """Apply a credential by its facts; errors as `apply`."""
        issuer = self._judge_credential(facts)
        self.places.take_place(facts.uri, facts.idx)
        self.windows.count_credential(issuer.number, facts.exp)

    def _judge_credential(self, claims: CredentialFacts) -> Issuer:
        issuer = self.governance.issuers.get(claims.iss)
        if issuer is None:
            raise VerificationError("unknown_issuer", "no admitted issuer has this name", field="iss")
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
        issuer = self.governance.issuers[effect.action.subject]
        froms = {verb.kid: verb.from_index for verb in effect.distrusts}
        if froms:
            self.places.reverse(issuer.number, froms, effect.index, self._month())

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
            _EMPTY_PART,
            _EMPTY_PART,
        ]
        return _digest(parts)

    def status_digest(self) -> bytes:
        """Return the digest of all status lists with their reasons."""
        return _digest(self.places.format_status())


def _digest(value: object) -> bytes:
    return hashlib.sha256(cbor.encode(value)).digest()
