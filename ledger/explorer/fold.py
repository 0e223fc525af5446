"""Who governs, epoch by epoch, as far as the copy goes: a fold that notes what is wrong and goes on.

docs/protocol.md sections 3 and 4. Signatures of charter, accepts, approvals and seals are checked here, under
keys that all follow from the pinned charter; approvals count by the same functions as in an audit. What is
judged by the whole registry (places, rates, digests) is left to `sc-ledger audit`.

    fold = GovernanceFold(pin)
    fold.close_epoch(first, statements, seal_index, seal, chain)
    fold.history.log_keys_at(size)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ledger.core.charter import Charter
from ledger.core.cose_key import PublicKey
from ledger.core.key_history import KeyHistory
from ledger.core.merkle import leaf_hash
from ledger.core.pin import Pin
from ledger.core.registry.governance import Governance
from ledger.core.registry.rates import Windows
from ledger.core.seal import Seal
from ledger.core.statement import Statement
from ledger.errors import CodedError, VerificationError


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not verify: its code, one sentence, and the entry that it is about, or None."""

    code: str
    detail: str
    index: int | None = None


class GovernanceFold:
    """State of the governance at the end of the epochs so far.

    Attributes:
        governance: None until a charter was read.
        history: keys and witness policies by tree size; empty until then.
        is_pinned: whether entry 0 is the pinned charter.
        faults: what was found wrong, in order.
        approvers: governor by the index of the approval.
        sealed_size: entries up to the last seal that the pinned ledger signed for its place.
    """

    def __init__(self, pin: Pin) -> None:
        self.governance: Governance | None = None
        self.history = KeyHistory()
        self.is_pinned = False
        self.faults: list[Fault] = []
        self.approvers: dict[int, str] = {}
        self.sealed_size = 0
        self._pin = pin
        self._windows = Windows()
        self._time_ms = 0
        self._service_keys: list[tuple[int, PublicKey]] = []

    def close_epoch(
        self, first: int, statements: list[tuple[int, Statement]], at: int, seal: Statement, chain: bytes
    ) -> None:
        """Fold the charter, accepts and approvals of an epoch, and check its seal.

        Args:
            first: index of the epoch's first entry.
            statements: those of the epoch with their indexes; credentials and changes of status may be absent.
            at, seal: the seal and its index.
            chain: chain value of the entry before it.
        """
        body: Seal = seal.body
        if first == 0:
            self._found(statements)
        if self.governance is None:
            return
        if body.time_ms <= self._time_ms:
            self._note("bad_epoch", "the time of the epoch does not rise", at)
        else:
            self._windows.open_epoch(body.time_ms, first)
            self.governance.lapse(body.time_ms)
            self.governance.open_epoch()
        self._time_ms = max(self._time_ms, body.time_ms)
        if not self._service_keys or self._service_keys[-1][1] != self.governance.service_key:
            self._service_keys.append((first, self.governance.service_key))
        for index, statement in statements:
            if statement.kind == "govern":
                self._approve(self.governance, index, statement)
            elif first:
                self._note("bad_rule", f"a statement of kind {statement.kind} after the beginning", index)
        self._check_seal(self.governance, at, seal, chain)
        self.history.note_epoch(at + 1, self.governance)

    def service_key_at(self, index: int) -> PublicKey | None:
        """Return the key that signs the seal of the epoch of an entry."""
        return next((key for first, key in reversed(self._service_keys) if first <= index), None)

    def _found(self, statements: list[tuple[int, Statement]]) -> None:
        statement = statements[0][1] if statements and statements[0][0] == 0 else None
        if statement is None or statement.kind != "charter":
            self._note("bad_epoch", "entry 0 is not a charter", 0)
            return
        charter: Charter = statement.body
        charter_hash = leaf_hash(statement.entry)
        self.is_pinned = (charter.origin, charter_hash) == (self._pin.origin, self._pin.charter_hash)
        if not self.is_pinned:
            self._note("bad_rule", "entry 0 is not the pinned charter", 0)
        self._try(0, "bad_entry", lambda: _check_charter(statement))
        self.governance = Governance.from_charter(charter, charter_hash)
        accepted = []
        for index, accept in statements[1:]:
            if accept.kind == "accept" and accept.body.charter_hash == charter_hash:
                self._try(index, "bad_entry", partial(self._check_governor, accept))
                accepted.append(accept.iss)
            else:
                self._note("bad_epoch", "not an accept of this charter", index)
        if accepted != [name for name, _ in charter.governors]:
            self._note("bad_rule", "not one accept of each governor", 0)

    def _approve(self, governance: Governance, index: int, statement: Statement) -> None:
        def approve() -> None:
            self._check_governor(statement)
            required = governance.required_approvals(statement.body, self._windows.distrust_floor)
            governance.approve(index, statement, time_ms=self._time_ms, required=required)
            self.approvers[index] = statement.iss

        self._try(index, "bad_rule", approve)

    def _check_governor(self, statement: Statement) -> None:
        assert self.governance is not None
        statement.check_signature(self.governance.governor_key(statement.iss, statement.kid))

    def _check_seal(self, governance: Governance, at: int, seal: Statement, chain: bytes) -> None:
        key, body = governance.service_key, seal.body
        if seal.iss != governance.origin or seal.kid != key.kid:
            self._note("bad_seal", "the seal is not signed with the ledger's service key", at)
        elif self._try(at, "bad_seal", lambda: seal.check_signature(key)) and body.index == at:
            self.sealed_size = at + 1 if self.is_pinned else 0
        expected = {"index": at, "chain": chain, "govern_head": governance.govern_head}
        wrong = [name for name, value in expected.items() if getattr(body, name) != value]
        if wrong:
            self._note("bad_seal", f"the seal does not say what the entries mean: {', '.join(wrong)}", at)

    def _try(self, index: int, code: str, check: Callable[[], None]) -> bool:
        try:
            check()
        except CodedError as error:
            self._note(code, f"{error.detail} ({error.code})", index)
            return False
        return True

    def _note(self, code: str, detail: str, index: int) -> None:
        self.faults.append(Fault(code, detail, index))


def _check_charter(statement: Statement) -> None:
    key = statement.body.service_key
    if statement.kid != key.kid:
        raise VerificationError("unknown_issuer", "the charter is not signed by its service key", field="kid")
    statement.check_signature(key)
