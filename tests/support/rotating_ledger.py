"""A tiny ledger whose governors change keys, governors and witnesses, with the bridging checkpoints of a bundle.

ledger = RotatingLedger()
ledger.rotate("log-keys", "governors")      # one action
open_bundle(ledger.bundle(), ledger.pin)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.core.actions import Action, Verb
from ledger.core.bundle import Bundle
from ledger.core.calendar_days import DAY_S
from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner
from ledger.core.epoch import BuiltEpoch
from ledger.core.ledger_verbs import (
    SetGovernors,
    SetLogKeys,
    SetProfiles,
    SetServiceKeys,
    SetThreshold,
    SetWitnessPolicy,
)
from ledger.core.note import Ed25519NoteSigner, format_vkey
from ledger.core.statement import sign_statement
from tests.support.ledgers import TinyLedger, seed, signer

BRIDGED = ("log-keys", "service-keys", "governors", "threshold", "witness-policy")


class RotatingLedger(TinyLedger):
    """A `TinyLedger` with 5 governors, of whom 3 decide at first, that signs under what holds."""

    def __init__(self, **chosen: Any) -> None:
        self.bridges: list[str] = []
        self._log: dict[bytes, Any] = {}
        self._service: dict[Any, Any] = {}
        self._witnesses: dict[str, Any] = {}
        self._round = 1
        super().__init__(governors=5, threshold=3, **chosen)
        self._log[self.charter.log_keys[0]] = self.log_signers
        self._service[self.charter.service_key] = self.service
        self._witnesses[self.charter.witness_policy] = self.witnesses

    def rotate(self, *kinds: str) -> None:
        """Let one action take effect that changes all of these kinds, in an epoch of its own."""
        self._round += 1
        self.decide(*[self.verb(kind) for kind in kinds])

    def decide(self, *verbs: Verb) -> None:
        """Let one action of the governors of now on the ledger take effect."""
        self.approve(*verbs)
        self.close_epoch()

    def approve(self, *verbs: Verb, counter_ahead: int = 0) -> None:
        """Put k approvals of one action on the ledger into the next epoch."""
        governance = self.registry.governance
        action = Action(self.origin, governance.counter + counter_ahead, self.now_s + 30 * DAY_S, verbs)
        for name, _ in governance.governors[: governance.threshold]:
            self.submit(sign_statement("govern", name, self.origin, action, self.governors[name]))

    def verb(self, kind: str) -> Verb:
        """Return a verb of a kind, with keys that are new in each round."""
        number = self._round
        match kind:
            case "log-keys":
                signers = (
                    Ed25519NoteSigner(self.origin, seed(f"log {number}")),
                    MlDsa44Cosigner(self.origin, seed(f"log pq {number}")),
                )
                raw = (signers[0].verifier_key.public_key, signers[1].verifier_key.public_key)
                self._log[raw[0]] = signers
                return SetLogKeys(raw)
            case "service-keys":
                service = signer(f"service {number}")
                self._service[service.public_key] = service
                return SetServiceKeys(service.public_key, signer(f"receipts {number}").public_key)
            case "governors":
                kept = self.registry.governance.governors[1:]
                name = f"governor-new-{number}"
                self.governors[name] = signer(name, "ed25519")
                return SetGovernors((*kept, (name, self.governors[name].public_key)), 3)
            case "threshold":
                return SetThreshold(7 - self.registry.governance.threshold)
            case "witness-policy":
                witnesses = [
                    Ed25519Cosigner(f"w{n}-{number}.example", seed(f"w{n} {number}")) for n in (1, 2)
                ]
                lines = [f"witness w{n} {format_vkey(w.verifier_key)}\n" for n, w in enumerate(witnesses)]
                text = "".join(lines) + "group both all w0 w1\nquorum both\n"
                self._witnesses[text] = witnesses
                return SetWitnessPolicy(text)
            case _:
                return SetProfiles({**self.registry.governance.profiles, f"sc:new-{number}": (2, 30)})

    def close_epoch(self, *, after_s: int = 60) -> BuiltEpoch:
        """Seal under what holds from this epoch on; keep its checkpoint if it is a bridge."""
        terms = self.registry.governance.terms.opened()
        self.service = self._service[terms.service_key]
        self.log_signers = self._log[terms.log_keys[0]]
        self.witnesses = self._witnesses[terms.witness_policy]
        seen = len(self.registry.effects)
        built = super().close_epoch(after_s=after_s)
        if any(effect.action.is_bridged for effect in self.registry.effects[seen:]):
            self.bridges.append(self.checkpoint())
        governance = self.registry.governance
        self.threshold = governance.threshold
        self.governors = {
            **{name: self.governors[name] for name, _ in governance.governors},
            **{name: key for name, key in self.governors.items() if name not in dict(governance.governors)},
        }
        return built

    def bundle_parts(self, **checkpoint: Any) -> Bundle:
        """Return the bundle before it becomes bytes, with its bridges."""
        return replace(super().bundle_parts(**checkpoint), bridges=tuple(self.bridges))
