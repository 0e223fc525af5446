"""Bundles of ledgers whose governors decide all sorts of things, rightly and wrongly, signed by who has to.

The entries between are padding: a station folds approvals only. What a bundle leads to follows from the random source.

    Council().bundle(random.Random(1))        # an input of the format "opened"
"""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Any, Final

from ledger.core import cbor
from ledger.core.actions import (
    Action,
    AddKey,
    Admission,
    Admit,
    Change,
    ConfirmHeld,
    DistrustKey,
    RefuseHeld,
    Reinstate,
    RetireKey,
    Scope,
    Suspend,
    Verb,
)
from ledger.core.bundle import Bundle, PlacedEntry, format_bundle
from ledger.core.cells import cells_from_leaves, prove_in_cell
from ledger.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner, add_cosignature, cosign
from ledger.core.ledger_verbs import (
    SetGovernors,
    SetLogKeys,
    SetProfiles,
    SetRules,
    SetServiceKeys,
    SetSuccessor,
    SetThreshold,
    SetWitnessPolicy,
)
from ledger.core.merkle import leaf_hash, root_hash
from ledger.core.note import Ed25519NoteSigner, format_vkey
from ledger.core.registry.governance import Governance, approvals_complete
from ledger.core.seal import Seal
from ledger.core.statement import Statement, parse_statement, sign_statement
from ledger.errors import CodedError
from tests.support.ledgers import START_S, TinyLedger, seed, signer

_KEYS: Final = [signer(f"council {n}", kind) for n in range(4) for kind in ("p256", "ed25519")]
_SUBJECTS: Final = (*["civil-1"] * 6, *["origin"] * 6, "civil-2", "clinic", "governor-1", "Not-A-Name")


class Council:
    """A ledger with three governors, and the keys that it may change to."""

    def __init__(self) -> None:
        self.ledger = TinyLedger("ledger.example/council", governors=4, threshold=3)
        origin = self.ledger.origin
        self._logs = {self.ledger.charter.log_keys: self.ledger.log_signers}
        self._services = {self.ledger.service.public_key: self.ledger.service}
        self._policies: dict[str, Any] = {self.ledger.charter.witness_policy: self.ledger.witnesses}
        for number in range(2):
            log = (
                Ed25519NoteSigner(origin, seed(f"council log {number}")),
                MlDsa44Cosigner(origin, seed(f"council pq {number}")),
            )
            self._logs[(log[0].verifier_key.public_key, log[1].verifier_key.public_key)] = log
            service = signer(f"council service {number}")
            self._services[service.public_key] = service
            witness = Ed25519Cosigner(f"council-{number}.example", seed(f"council witness {number}"))
            text = f"witness w {format_vkey(witness.verifier_key)}\nquorum w\n"
            self._policies[text] = [witness]
        self._policies["quorum none\n"] = []
        self._people = {key.public_key: key for key in self.ledger.governors.values()}
        self._is_refused = False
        self._newer = {
            name: signer(f"newer {name}", "ed25519") for name in (*self.ledger.governors, "newcomer")
        }
        self._people |= {key.public_key: key for key in self._newer.values()}

    def bundle(self, rng: random.Random) -> dict[str, str]:
        """Return an input of the format "opened"."""
        return self._bundle(rng, self._approvals(rng))

    def _bundle(self, rng: random.Random, approvals: list[tuple[int, Statement]]) -> dict[str, str]:
        governance, bridges, under_way = self._fold(approvals)
        last = max([*(index for index, _ in approvals), 16])
        size = (last // 16 + rng.choice((1, 1, 2))) * 16
        if last == size - 1:
            size += 16
        if under_way is not None and under_way < size:
            governance.open_epoch()  # the last bridge is crossed unless it is the head itself
        entries = [self.ledger.entries[0], *[b"\xf6"] * (size - 1)]
        for index, statement in approvals:
            entries[index] = statement.entry
        body = Seal(size - 1, bytes(32), bytes(32), _empty_lists(), START_S * 1000, governance.govern_head)
        service = self._services.get(governance.service_key, self.ledger.service)
        entries[-1] = sign_statement("seal", self.ledger.origin, self.ledger.origin, body, service)
        leaves = [leaf_hash(entry) for entry in entries]
        texts = [self._head(leaves[:at], keys, policy) for at, keys, policy in bridges if at <= size]
        if texts and rng.random() < 0.08:
            texts.pop(rng.randrange(len(texts)))
        if rng.random() < 0.04:
            texts.append(
                self._head(leaves[:16], self.ledger.charter.log_keys, self.ledger.charter.witness_policy)
            )
        parts = Bundle(
            charter=_placed(entries, leaves, 0),
            approvals=tuple(_placed(entries, leaves, index) for index, _ in approvals),
            checkpoint=self._head(leaves, governance.log_keys, governance.witness_policy),
            cells=cells_from_leaves(leaves),
            seal=_placed(entries, leaves, size - 1),
            lists=(),
            bridges=tuple(texts),
        )
        pin = self.ledger.pin
        return {"origin": pin.origin, "charter": pin.charter_hash.hex(), "bundle": format_bundle(parts).hex()}

    def _approvals(self, rng: random.Random) -> list[tuple[int, Statement]]:
        """Return approvals by index: of one action after the other, sometimes of two at once."""
        governance = Governance.from_charter(self.ledger.charter, self.ledger.charter_hash)
        made: list[tuple[int, Statement]] = []
        index = 16
        waiting: list[Statement] = []
        for number in range(rng.randrange(8, 24)):
            action = self._action(rng, governance, 0 if not governance.issuers else number, index)
            signed, held = self._sign(rng, governance, action), waiting
            if governance.issuers and rng.random() < 0.2:
                # Its last approval comes after another action, which may have changed who governs.
                signed, held = [*signed[:-1], *waiting], signed[-1:]
            elif rng.random() < 0.7:
                signed, held = [*signed, *waiting], []
            tried, at = list(made), index
            for statement in signed:
                at += rng.choice((1, 1, 2, 9, 16))
                tried.append((at, statement))
            if rng.random() < 0.1:
                tried = self._shuffled(rng, tried)
            # What would be refused is mostly left out, for nothing behind the first refusal is looked at.
            if self._is_folded(tried) or rng.random() < 0.01:
                made, governance, waiting, index = tried, self._fold(tried)[0], held, at
        if rng.random() < 0.9:
            # What has not taken effect in the end stands in no honest bundle.
            done = {id(statement) for statement in self._effective(made)}
            made = [row for row in made if id(row[1]) in done]
        return self._with_a_refusal(rng, made) if rng.random() < 0.5 else made

    def _action(self, rng: random.Random, governance: Governance, number: int, index: int) -> Action:
        subject = "civil-1" if number == 0 else rng.choice(_SUBJECTS)
        subject = self.ledger.origin if subject == "origin" else subject
        count = 1 if rng.random() < 0.7 else rng.randrange(1, 4)
        verbs = tuple(self._verb(rng, governance, subject, number, index) for _ in range(count))
        if subject == self.ledger.origin and rng.random() < 0.2:
            # Profiles are compared with those that an earlier verb of the same action schedules.
            added = SetProfiles(dict(governance.profiles) | {"sc:new": (2, 30)})
            verbs = (added, SetProfiles(dict(rng.choice((governance.profiles, added.profiles)))))
        counter = governance.counter_of(subject) + (rng.random() < 0.02)
        return Action(subject, counter, START_S + 86_400, verbs)

    def _is_folded(self, approvals: list[tuple[int, Statement]]) -> bool:
        self._is_refused = False
        self._fold(approvals)
        return not self._is_refused

    def _effective(self, approvals: list[tuple[int, Statement]]) -> list[Statement]:
        """Return the approvals of actions that take effect."""
        by_index = dict(approvals)
        effects = self._fold(approvals)[0].effects
        return [by_index[index] for effect in effects for index in effect.approvals]

    def _with_a_refusal(
        self, rng: random.Random, approvals: list[tuple[int, Statement]]
    ) -> list[tuple[int, Statement]]:
        """Return approvals that end with an action that is refused, if one is found: both say why."""
        governance = self._fold(approvals)[0]
        index = max([15, *(index for index, _ in approvals)])
        for _ in range(20):
            action = self._action(rng, governance, 1, index)
            signed = self._sign(rng, governance, action)
            tried = [*approvals, *enumerate(signed, start=index + 1)]
            if not self._is_folded(tried):
                return tried
        return approvals

    def struck(self) -> dict[str, str]:
        """Return an input in which an action would need the approval of a governor whose key was replaced since."""
        origin, governors = self.ledger.origin, self.ledger.charter.governors
        scope = Scope(("sc:identity",), 10, 4)
        admit = Action(
            "p", 0, START_S, (Admit(Admission("interior", "Registry", (_KEYS[0].public_key,), scope)),)
        )
        first = governors[0][0]
        replaced = ((first, self._newer[first].public_key), *governors[1:])
        change = Action(origin, 0, START_S, (SetGovernors(replaced, 3),))
        order = [(admit, 0), (admit, 1), (change, 1), (change, 2), (change, 3), (admit, 2)]
        signed = [
            parse_statement(
                sign_statement("govern", governors[n][0], one.subject, one, self._people[governors[n][1]])
            )
            for one, n in order
        ]
        return self._bundle(random.Random(0), list(zip((16, 17, 18, 19, 20, 40), signed, strict=True)))

    def crowded(self, count: int) -> dict[str, str]:
        """Return an input in which one governor approves so many actions before any of them takes effect."""
        key = _KEYS[0].public_key
        scope = Scope(("sc:identity",), 10, 4)
        actions = [
            Action(f"p-{n}", 0, START_S, (Admit(Admission("interior", "Registry", (key,), scope)),))
            for n in range(count)
        ]
        signed = [
            parse_statement(sign_statement("govern", name, action.subject, action, self._people[public_key]))
            for name, public_key in self.ledger.charter.governors[: self.ledger.threshold]
            for action in actions
        ]
        return self._bundle(random.Random(0), list(enumerate(signed, start=16)))

    def _shuffled(
        self, rng: random.Random, approvals: list[tuple[int, Statement]]
    ) -> list[tuple[int, Statement]]:
        """Return the last approvals in another order, so that those of two actions stand between each other."""
        statements = [statement for _, statement in approvals]
        tail = statements[-5:]
        rng.shuffle(tail)
        indexes = [index for index, _ in approvals]
        return list(zip(indexes, [*statements[:-5], *tail], strict=True))

    def _sign(self, rng: random.Random, governance: Governance, action: Action) -> list[Statement]:
        people = list(governance.governors)
        rng.shuffle(people)
        wanted = governance.threshold + rng.choice((0, 0, 0, 0, 0, 0, 1, -1))
        signed = []
        for name, public_key in people[: max(1, wanted)]:
            key = self._people[public_key]
            signed.append(parse_statement(sign_statement("govern", name, action.subject, action, key)))
        if rng.random() < 0.03:
            signed.append(signed[0])
        return signed

    def _fold(self, approvals: list[tuple[int, Statement]]) -> tuple[Governance, list[Any], int | None]:
        """Return the governance as far as the approvals can be folded, its bridges, and the one not crossed yet."""
        governance = Governance.from_charter(self.ledger.charter, self.ledger.charter_hash)
        bridges: list[Any] = []
        size = None
        complete = approvals_complete([statement for _, statement in approvals])
        for (index, statement), completes in zip(approvals, complete, strict=True):
            if size is not None and index >= size:
                governance.open_epoch()
                size = None
            required = governance.threshold if completes else 1 << 30
            try:
                effect = governance.approve(index, statement, time_ms=None, required=required)
            except CodedError:
                self._is_refused = True
                break
            if effect is None:
                continue
            governance.hold_unbridged()
            if size is None and effect.action.is_bridged:
                size = (index // 16 + 1) * 16
                bridges.append((size, governance.log_keys, governance.witness_policy))
        return governance, bridges, size

    def _verb(
        self, rng: random.Random, governance: Governance, subject: str, number: int, index: int
    ) -> Verb:
        own = governance.issuers.get(subject)
        known = [record.key for record in own.keys.values()] if own else [_KEYS[0].public_key]
        kid = rng.choice([*known, rng.choice(_KEYS).public_key]).kid
        if subject == self.ledger.origin and rng.random() < 0.95:
            return self._ledger_verb(rng, governance)
        if own is None and rng.random() < 0.9:
            keys = tuple(key.public_key for key in rng.sample(_KEYS, rng.randrange(1, 4)))
            vcts = rng.choice((("sc:identity",), ("sc:companion", "sc:identity"), ("sc:other",)) if number else
                              (("sc:identity",),))  # fmt: skip
            return Admit(Admission("interior", f"Registry {number}", keys, Scope(vcts, 10, 4)))
        scope = Scope(rng.choice((("sc:companion",), ("sc:identity",), ("sc:new",))), 5, 1)
        return rng.choice(
            (
                Change(title=f"Title {number}"), Change("health", None, scope), Suspend(), Reinstate(),
                AddKey(rng.choice(_KEYS).public_key), AddKey(rng.choice(_KEYS).public_key), RetireKey(kid),
                DistrustKey(kid, rng.choice((0, index, index + 1, index + 64))), ConfirmHeld(3), RefuseHeld(3),
            )
        )  # fmt: skip

    def _ledger_verb(self, rng: random.Random, governance: Governance) -> Verb:
        people = list(self.ledger.governors.items())
        rng.shuffle(people)
        some = [(name, key.public_key) for name, key in people[: rng.choice((3, 4))]]
        if rng.random() < 0.5:
            some[0] = (some[0][0], self._newer[some[0][0]].public_key)
        elif rng.random() < 0.2:
            some[0] = (rng.choice(("civil-1", "newcomer")), self._newer["newcomer"].public_key)
        service = rng.choice(list(self._services))
        profiles = dict(governance.profiles) | rng.choice(({}, {"sc:new": (2, 30)}, {"sc:identity": (4, 99)}))
        if rng.random() < 0.1:
            profiles.pop("sc:companion", None)
        return rng.choice(
            (
                SetGovernors(tuple(some), len(some) - 1), SetThreshold(rng.choice((2, 3, 3, 4))),
                SetWitnessPolicy(rng.choice(list(self._policies))), SetLogKeys(rng.choice(list(self._logs))),
                SetServiceKeys(service, signer("council receipts").public_key), SetProfiles(profiles),
                SetRules(rng.choice((1, 1, 2))), SetSuccessor(rng.choice(("ledger.example/next", self.ledger.origin)),
                                                              bytes(32)),
            )
        )  # fmt: skip

    def _head(self, leaves: list[bytes], keys: Any, policy: str) -> str:
        head = Checkpoint(self.ledger.origin, len(leaves), root_hash(leaves))
        note = sign_checkpoint(head, self._logs[keys], START_S)
        for witness in self._policies[policy]:
            note = add_cosignature(note, cosign(witness, head, format_checkpoint(head), START_S))
        return note


def _empty_lists() -> bytes:
    return sha256(cbor.encode([])).digest()


def _placed(entries: list[bytes], leaves: list[bytes], index: int) -> PlacedEntry:
    start = index // 16 * 16
    return PlacedEntry(index, prove_in_cell(leaves[start : start + 16], index - start), entries[index])
