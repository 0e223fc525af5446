"""Which keys and witnesses held at which size of the tree, as the epochs went by. docs/protocol.md section 9.

The checkpoint, the receipts and the seal of an epoch are made under what held in that epoch; whoever looks at
an older head asks here for the keys of that time.

    history = KeyHistory()
    history.note_epoch(size, governance)       # after each epoch, in order
    history.log_keys_at(before.tree_size)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ledger.core.bridges import log_verifier_keys
from ledger.core.charter import parse_log_keys, parse_witness_policy
from ledger.core.cose_key import PublicKey
from ledger.core.fields import parse_array, parse_uint
from ledger.core.ledger_verbs import format_service_keys, parse_service_keys
from ledger.core.note import VerifierKey
from ledger.core.policy import Policy, parse_policy
from ledger.core.registry.governance import Governance
from ledger.core.registry.ledger_terms import Terms
from ledger.errors import MalformedError

MAX_CHANGES: Final = 1 << 16
"""Changes of keys and witnesses, and bridges, in a saved history."""

LogKeys = tuple[VerifierKey, VerifierKey]


class KeyHistory:
    """The terms of a ledger by the size of the tree at the end of the epoch from which on they held."""

    def __init__(self) -> None:
        self.bridges: list[int] = []
        self._terms: list[tuple[int, Terms]] = []
        self._policies: dict[str, Policy] = {}
        self._effects_seen = 0
        self._size = 0

    def note_epoch(self, size: int, governance: Governance) -> bool:
        """Note an epoch that has ended at `size`; tell whether log keys have changed with it.

        Args:
            size: tree size; epochs are noted in order.
            governance: state after its last entry.
        """
        terms = governance.terms
        last = self._terms[-1][1] if self._terms else None
        if last is None or _keys(last) != _keys(terms):
            self._terms.append((self._size + 1, terms))
        effects = governance.effects
        if any(effect.action.is_bridged for effect in effects[self._effects_seen :]):
            self.bridges.append(size)
        self._effects_seen = len(effects)
        self._size = size
        return last is not None and last.log_keys != terms.log_keys

    def log_keys_at(self, size: int) -> LogKeys:
        """Return the keys that sign the checkpoint of this size; those of now for a larger one."""
        terms = self._at(size)
        return log_verifier_keys(terms.origin, terms.log_keys)

    def policy_at(self, size: int) -> Policy:
        """Return the witness policy of the checkpoint of this size."""
        text = self._at(size).witness_policy
        if text not in self._policies:
            self._policies[text] = parse_policy(text)
        return self._policies[text]

    def receipts_key_at(self, size: int) -> PublicKey:
        """Return the key that signs receipts for the tree of this size."""
        return self._at(size).receipts_key

    def all_log_keys(self) -> list[LogKeys]:
        """Return every pair of log keys that ever held, oldest first."""
        pairs = dict.fromkeys((terms.origin, terms.log_keys) for _, terms in self._terms)
        return [log_verifier_keys(*pair) for pair in pairs]

    def all_receipts_keys(self) -> list[PublicKey]:
        """Return every receipts key that ever held, newest first."""
        return list(dict.fromkeys(terms.receipts_key for _, terms in reversed(self._terms)))

    def format(self) -> list[Any]:
        """Return `[[[first size, log keys, service and receipts key, witness policy]...], [bridge...]]`."""
        rows = [
            [
                first,
                list(terms.log_keys),
                format_service_keys(terms.service_key, terms.receipts_key),
                terms.witness_policy,
            ]
            for first, terms in self._terms
        ]
        return [rows, list(self.bridges)]

    def _at(self, size: int) -> Terms:
        """Return the terms of the epoch that the entry `size - 1` belongs to."""
        found = self._terms[0][1]
        for first, terms in self._terms:
            if first > size:
                break
            found = terms
        return found


def parse_key_history(value: Any, size: int, governance: Governance) -> KeyHistory:
    """Return the history after the epoch that ends at `size`, which left `governance`.

    What held last is that of `governance`. What held before is believed: nothing but the signatures of heads
    of that time is looked at with it.

    Raises:
        MalformedError: not what `KeyHistory.format` gives, or another end than `governance`.
    """
    rows, bridges = parse_array(value, field="history", low=2, high=2)
    history = KeyHistory()
    for item in parse_array(rows, field="history", low=1, high=MAX_CHANGES):
        first, log_keys, service_keys, policy = parse_array(item, field="history", low=4, high=4)
        service_key, receipts_key = parse_service_keys(service_keys)
        terms = replace(
            governance.terms,
            log_keys=parse_log_keys(log_keys, field="history.log_keys"),
            service_key=service_key,
            receipts_key=receipts_key,
            witness_policy=parse_witness_policy(policy, field="history.witness_policy"),
        )
        history._terms.append((parse_uint(first, field="history.size", low=1, high=size), terms))
    firsts = [first for first, _ in history._terms]
    if firsts[0] != 1 or firsts != sorted(set(firsts)):
        raise MalformedError("not by rising size from the first entry on", field="history.size")
    if _keys(history._terms[-1][1]) != _keys(governance.terms):
        raise MalformedError("not the keys that hold at its end", field="history")
    history.bridges = [
        parse_uint(item, field="history.bridges", low=1, high=size)
        for item in parse_array(bridges, field="history.bridges", low=0, high=MAX_CHANGES)
    ]
    history._effects_seen = len(governance.effects)
    history._size = size
    return history


def _keys(terms: Terms) -> tuple[object, ...]:
    return terms.log_keys, terms.service_key, terms.receipts_key, terms.witness_policy
