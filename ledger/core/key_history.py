"""Which keys and witnesses held at which size of the tree, as the epochs went by. docs/protocol.md section 9.

The checkpoint, the receipts and the seal of an epoch are made under what held in that epoch; whoever looks at
an older head asks here for the keys of that time.

    history = KeyHistory()
    history.note_epoch(size, governance)       # after each epoch, in order
    history.log_keys_at(before.tree_size)
"""

from __future__ import annotations

from ledger.core.bridges import log_verifier_keys
from ledger.core.cose_key import PublicKey
from ledger.core.note import VerifierKey
from ledger.core.policy import Policy, parse_policy
from ledger.core.registry.governance import Governance
from ledger.core.registry.ledger_terms import Terms

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

    def _at(self, size: int) -> Terms:
        """Return the terms of the epoch that the entry `size - 1` belongs to."""
        found = self._terms[0][1]
        for first, terms in self._terms:
            if first > size:
                break
            found = terms
        return found


def _keys(terms: Terms) -> tuple[object, ...]:
    return terms.log_keys, terms.service_key, terms.receipts_key, terms.witness_policy
