"""A ledger of bare rules in memory: governors, issuers, credentials and status changes, epoch by epoch.

Where `tests.support.ledgers` prints cards and makes bundles, this one asks what the registry accepts. Every
epoch that it builds is replayed at once into a second registry, which must come out equal; `refusal` asks
the registry twice (judge and apply) and checks that a refused statement leaves no trace.

    world = World()
    civil = world.admit("civil-1")
    world.epoch(world.credential(civil, 7))
    assert world.refusal(world.credential(civil, 7)) == "place_taken"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ledger.core.actions import Action, Admission, Admit, Scope, Verb
from ledger.core.calendar_days import DAY_S, exp_for, month_of_seconds
from ledger.core.charter import Accept, Charter
from ledger.core.claims import CredentialClaims
from ledger.core.cose_key import Kind, SoftwareSigner
from ledger.core.epoch import BuiltEpoch, build_epoch, genesis_epoch, replay_epoch, replay_genesis
from ledger.core.merkle import leaf_hash
from ledger.core.registry import Registry
from ledger.core.statement import Statement, parse_statement, sign_credential, sign_statement
from ledger.core.status_change import StatusChange, StatusRow
from ledger.errors import CodedError
from tests.support.ledgers import START_S, seed, signer

ORIGIN = "ledger.example/rules"
STEP_MS = 1_000
PROFILES = {"sc:identity": (4, 730), "sc:short": (1, 1), "sc:third": (2, 90)}


@dataclass
class Party:
    """An issuer: its name, its number and the keys that it signs with, newest last."""

    name: str
    number: int
    keys: list[SoftwareSigner] = field(default_factory=list)


class World:
    """A ledger whose time goes on by one second per epoch unless told otherwise."""

    def __init__(
        self, *, governors: int = 3, threshold: int = 2, time_ms: int = START_S * 1000, **charter: Any
    ) -> None:
        self.service = signer("service")
        self.sealers = {self.service.public_key: self.service}
        self.governors = {f"gov-{n}": signer(f"governor {n}", "ed25519") for n in range(1, governors + 1)}
        self.charter = replace(
            Charter(
                origin=ORIGIN,
                log_keys=(seed("log"), bytes(1312)),
                service_key=self.service.public_key,
                receipts_key=signer("receipts").public_key,
                governors=tuple((name, key.public_key) for name, key in self.governors.items()),
                threshold=threshold,
                witness_policy="quorum none\n",
                epoch_ms=STEP_MS,
                profiles=PROFILES,
            ),
            **charter,
        )
        self.charter_entry = sign_statement("charter", ORIGIN, ORIGIN, self.charter, self.service)
        self.accept_entries = [
            sign_statement("accept", name, ORIGIN, Accept(leaf_hash(self.charter_entry)), key)
            for name, key in self.governors.items()
        ]
        self.time_ms = time_ms
        self.registry, built = genesis_epoch(self.charter_entry, self.accept_entries, time_ms, self.service)
        self.mirror, leaves, chain = replay_genesis(built.entries)
        assert (leaves, chain) == (built.leaves, built.chain)
        assert fingerprint(self.mirror) == fingerprint(self.registry)
        self.built = [built]
        self.issuers: dict[str, Party] = {}

    @property
    def size(self) -> int:
        """Tree size."""
        return self.built[-1].first_index + len(self.built[-1].entries)

    @property
    def chain_head(self) -> bytes:
        """Chain value of the last entry."""
        return self.built[-1].chain[-1]

    @property
    def now_s(self) -> int:
        """Time of the last epoch in seconds."""
        return self.time_ms // 1000

    def try_epoch(self, *statements: Statement, at_ms: int | None = None) -> BuiltEpoch:
        """Close an epoch; what does not apply is in `rejected`. An epoch without entries is not kept."""
        time_ms = self.time_ms + STEP_MS if at_ms is None else at_ms
        for statement in statements:
            self._check_signature(self.registry, statement)
        sealer = self.sealers[self.registry.governance.terms.opened().service_key]
        built = build_epoch(self.registry, self.chain_head, self.size, statements, time_ms, sealer)
        if built.entries:
            replayed = replay_epoch(self.mirror, self.chain_head, self.size, built.entries)
            assert replayed == (built.leaves, built.chain)
            self.built.append(built)
            self.time_ms = time_ms
        assert fingerprint(self.mirror) == fingerprint(self.registry)
        return built

    def epoch(self, *statements: Statement, at_ms: int | None = None) -> BuiltEpoch:
        """Close an epoch in which every statement applies."""
        built = self.try_epoch(*statements, at_ms=at_ms)
        assert [error for _, error in built.rejected] == []
        assert built.entries
        return built

    def refusal(self, statement: Statement, *, at_ms: int | None = None) -> str:
        """Return the code with which the next epoch would refuse a statement, or "ok"; nothing changes."""
        before = fingerprint(self.registry)
        self.registry.open_epoch(self.time_ms + STEP_MS if at_ms is None else at_ms, self.size)
        opened = fingerprint(self.registry)
        judged = _outcome(lambda: self._check_signature(self.registry, statement))
        if judged == "ok":
            judged = _outcome(lambda: self.registry.judge(statement))
        if judged != "ok":
            if _outcome(lambda: self._check_signature(self.registry, statement)) == "ok":
                assert _outcome(lambda: self.registry.apply(self.size, statement)) == judged
            assert fingerprint(self.registry) == opened
        self.registry.abandon_epoch()
        assert fingerprint(self.registry) == before
        return judged

    def action(
        self, subject: str, *verbs: Verb, counter: int | None = None, not_after: int | None = None
    ) -> Action:
        """Return an action that is current."""
        governance = self.registry.governance
        issuer = governance.issuers.get(subject)
        current = governance.counter if subject == ORIGIN else issuer.counter if issuer else 0
        deadline = self.now_s + 30 * DAY_S if not_after is None else not_after
        return Action(subject, current if counter is None else counter, deadline, verbs)

    def approval(self, number: int, action: Action) -> Statement:
        """Return the approval of an action by governor `number`, counted from 1."""
        name = f"gov-{number}"
        return parse_statement(sign_statement("govern", name, action.subject, action, self.governors[name]))

    def approvals(self, action: Action, count: int | None = None) -> list[Statement]:
        """Return the approvals of an action by the first `count` governors (k unless told otherwise)."""
        return [self.approval(n, action) for n in range(1, (count or self.charter.threshold) + 1)]

    def act(self, subject: str, *verbs: Verb, count: int | None = None, at_ms: int | None = None) -> int:
        """Let an action take effect in an epoch of its own and return its index."""
        first = self.size
        approvals = self.approvals(self.action(subject, *verbs), count)
        self.epoch(*approvals, at_ms=at_ms)
        return first + len(approvals) - 1

    def admission(self, name: str, **scope: Any) -> tuple[Party, Admit]:
        """Return an issuer that is not admitted yet, and the verb that admits it."""
        kinds: tuple[Kind, ...] = ("p256", "ed25519")
        party = Party(name, len(self.issuers) + 1, [signer(f"{name} key 1", kinds[len(self.issuers) % 2])])
        limits = Scope(**{"vcts": tuple(sorted(PROFILES)), "rate": 1000, "desks": 2, **scope})
        keys = tuple(key.public_key for key in party.keys)
        return party, Admit(Admission("interior", f"Office {name}", keys, limits))

    def admit(self, name: str = "civil-1", **scope: Any) -> Party:
        """Admit an issuer; keywords replace parts of its scope."""
        party, verb = self.admission(name, **scope)
        self.act(name, verb)
        self.issuers[name] = party
        return party

    def claims(self, issuer: Party, idx: int, **claims: Any) -> CredentialClaims:
        """Return claims that the next epoch accepts for place `idx` of the issuer's first list."""
        vct = claims.get("vct", "sc:identity")
        iat = claims.get("iat", self.now_s // DAY_S * DAY_S)
        digests, days = PROFILES.get(vct, (4, 730))
        values = {
            "iss": issuer.name,
            "sub": f"{issuer.number:04d}{idx:06d}______",
            "iat": iat,
            "exp": exp_for(iat, days),
            "cnf": signer(f"holder {idx}", "ed25519").public_key.x,
            "vct": vct,
            "uri": f"sc:{issuer.number}/0",
            "idx": idx,
            "digests": tuple(sorted(seed(f"{idx} digest {n}") for n in range(digests))),
        }
        return CredentialClaims(**{**values, **claims})

    def credential(self, issuer: Party, idx: int, *, key: int = -1, **claims: Any) -> Statement:
        """Return a signed credential; `key` chooses among the issuer's keys."""
        return parse_statement(sign_credential(self.claims(issuer, idx, **claims), issuer.keys[key]))

    def change(
        self,
        issuer: Party,
        *rows: Sequence[int],
        key: int = -1,
        uri: str | None = None,
        seq: int | None = None,
        month: int | None = None,
    ) -> Statement:
        """Return a signed change of `(idx, old, new, reason)` rows on the issuer's first list."""
        uri = f"sc:{issuer.number}/0" if uri is None else uri
        known = self.registry.lists.get(uri)
        seq = (known.seq if known else 0) + 1 if seq is None else seq
        month = month_of_seconds(self.now_s) if month is None else month
        body = StatusChange(uri, seq, tuple(StatusRow(*row, month) for row in rows))  # type: ignore[call-arg]
        return parse_statement(sign_statement("status", issuer.name, uri, body, issuer.keys[key]))

    def status(self, issuer: Party, idx: int) -> int:
        """Return the status of a place on the issuer's first list."""
        return self.registry.lists[f"sc:{issuer.number}/0"].status(idx)

    @staticmethod
    def _check_signature(registry: Registry, statement: Statement) -> None:
        statement.check_signature(registry.key_for(statement))


def fingerprint(registry: Registry) -> tuple[Any, ...]:
    """Return all that a registry commits to, and the parts that tell which of it differs."""
    return (
        registry.registry_digest(),
        registry.status_digest(),
        registry.govern_head,
        registry.time_ms,
        registry.places.journal_head,
        registry.places.format_places(),
        registry.governance.format_proposals(),
        registry.governance.format_governance(),
        registry.windows.format_rates(),
        registry.windows.format_live(),
    )


def _outcome(step: Any) -> str:
    try:
        step()
    except CodedError as error:
        return error.code
    return "ok"
