"""Bridging: how a verifier crosses a change of keys, governors or witnesses. docs/protocol.md section 9.

An action that changes who is believed takes effect for a verifier only through a checkpoint that contains it
and that those vouch for who were believed before. A bundle carries one for each epoch with such an action;
`Crossing` holds the fold of the approvals against them.

    crossing = Crossing(governance, bundle.bridges, bundle.cells)
    crossing.reach(index)           # before each approval
    crossing.take(effect)           # after each action that took effect
    crossing.finish()
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core.cells import CELL_SIZE, root_from_cells
from ledger.core.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.core.cosignature import check_cosignatures
from ledger.core.merkle import HASH_SIZE
from ledger.core.note import TYPE_ED25519, TYPE_MLDSA44_COSIGNATURE, VerifierKey
from ledger.core.policy import parse_policy
from ledger.core.registry.governance import Effect, Governance
from ledger.errors import BundleError, VerificationError


def log_verifier_keys(origin: str, raw: tuple[bytes, bytes]) -> tuple[VerifierKey, VerifierKey]:
    """Return the verifier keys of a log from its raw Ed25519 and ML-DSA-44 public keys."""
    return (
        VerifierKey(origin, TYPE_ED25519, raw[0]),
        VerifierKey(origin, TYPE_MLDSA44_COSIGNATURE, raw[1]),
    )


def open_cosigned(text: str, governance: Governance) -> tuple[SignedCheckpoint, int | None]:
    """Check a checkpoint under the log keys and the witness policy that hold now.

    Returns:
        The checkpoint, and the time in seconds that its witnesses vouch for; None where the policy asks for
        none.

    Raises:
        MalformedError: not a checkpoint.
        VerificationError: code bad_checkpoint, a signature of the log is missing or does not verify, a
            cosignature does not, or those that do are not enough.
    """
    signed = open_checkpoint(text, log_verifier_keys(governance.origin, governance.log_keys))
    policy = parse_policy(governance.witness_policy)
    times = check_cosignatures(signed.note, signed.checkpoint, policy.witness_keys())
    if not policy.satisfied(times):
        raise VerificationError(
            "bad_checkpoint", "the cosignatures do not satisfy the witness policy", field="checkpoint"
        )
    return signed, policy.quorum_time(times)


class Crossing:
    """Walks with a fold of approvals from bridge to bridge; every failure is one of step 3.

    Args:
        governance: the fold; opened to what is scheduled wherever a bridge is crossed.
        bridges: texts of the bridging checkpoints.
        cells: 32 bytes for each 16 entries.
    """

    def __init__(self, governance: Governance, bridges: Sequence[str], cells: bytes) -> None:
        self._governance = governance
        self._bridges = list(bridges)
        self._cells = cells
        self._size: int | None = None

    def reach(self, index: int) -> None:
        """Cross the bridge under way if the approval at `index` lies beyond it."""
        if self._size is not None and index >= self._size:
            self._governance.open_epoch()
            self._size = None

    def take(self, effect: Effect) -> None:
        """Ask for a bridge if this action needs one and none under way contains it.

        Raises:
            BundleError: there is none, or it is not a checkpoint of this tree that contains the action.
            MalformedError, VerificationError: as `open_cosigned`.
        """
        self._governance.hold_unbridged()
        if self._size is None and effect.action.is_bridged:
            if not self._bridges:
                raise BundleError(3, "an action lacks its bridging checkpoint", field="bridges")
            self._size = self._open(self._bridges.pop(0), effect.index)

    def finish(self) -> None:
        """Cross the last bridge, unless it is the head itself, which is made under what held before.

        Raises:
            BundleError: there is a bridge that no action asks for.
        """
        if self._bridges:
            raise BundleError(3, "no action asks for this bridging checkpoint", field="bridges")
        self.reach(len(self._cells) // HASH_SIZE * CELL_SIZE - 1)

    def _open(self, text: str, index: int) -> int:
        # Until it is crossed the governance holds the keys and the witnesses from before the action.
        checkpoint = open_cosigned(text, self._governance)[0].checkpoint
        size = checkpoint.tree_size
        count = size // CELL_SIZE
        if size % CELL_SIZE or not index < size or count > len(self._cells) // HASH_SIZE:
            raise BundleError(3, "a bridging checkpoint does not contain its action", field="bridges")
        if root_from_cells(self._cells, count) != checkpoint.root_hash:
            raise BundleError(3, "a bridging checkpoint is of another tree", field="bridges")
        return size
