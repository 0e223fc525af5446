"""The ledger as a desk sees it: register a statement, and believe nothing that is not proven.

docs/protocol.md, section 8. What a ledger answers is checked here, whatever brought the answer: the
logged bytes are the statement that was sent, and the receipt proves them under the receipts key of the
pinned charter. The cell path of a card is the beginning of that receipt's path, because every tree is a
multiple of 16 entries.

    pin = pin_charter(charter_entry, charter_hash)
    client = InProcessLedgerClient(pin, submit, bundle)       # or ledger_http.HttpLedgerClient
    [outcome] = client.register([entry], signer.public_key)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from issuer.errors import IssuerError
from ledger.core.cells import CELL_SIZE
from ledger.core.cose_key import PublicKey
from ledger.core.merkle import leaf_hash
from ledger.core.opened_bundle import open_bundle
from ledger.core.pin import Pin
from ledger.core.receipt import check_inclusion_receipt, parse_inclusion_receipt, split_transparent_statement
from ledger.core.statement import parse_statement
from ledger.errors import CodedError, VerificationError

UNKNOWN_FATE: Final = frozenset({"not_reachable", "not_found", "read_only", "rate_limited", "storage_failed"})
"""Codes after which the same bytes are sent again later; with every other the ledger has refused them.

A ledger answers not_found for what it took but did not put into an epoch: sent again, it says why."""
_CELL_LEVELS: Final = 4


@dataclass(frozen=True, slots=True)
class LedgerPin:
    """What a desk knows of its ledger beforehand, from the charter whose hash it was told by people.

    Attributes:
        origin: the ledger's origin.
        charter_hash: leaf hash of the charter, 32 bytes.
        receipts_key: signs receipts; `Prover` follows its changes.
    """

    origin: str
    charter_hash: bytes
    receipts_key: PublicKey


class UnprovenError(IssuerError):
    """An answer that proves nothing: the statement may be on the ledger or not, and is sent again later."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A statement that is on the ledger, proven.

    Attributes:
        index: its ledger index.
        path: the 128 bytes from its leaf to its cell.
        entry: the bytes as they were logged; a card is printed from these.
        receipt: the receipt that proves it.
    """

    index: int
    path: bytes
    entry: bytes
    receipt: bytes


class LedgerClient(Protocol):
    """A ledger that takes statements."""

    def register(
        self, entries: Sequence[bytes], key: PublicKey, done: Callable[[], None] = ...
    ) -> list[Registered | CodedError]:
        """Register statements and wait until each is on the ledger or refused.

        Args:
            entries: signed statements.
            key: the key that signed them.
            done: called after each answer, for a progress display.

        Returns:
            One outcome per entry, in their order: proven registration, or why not. Code not_reachable
            says that it is not known; the same bytes may be sent again at any time.
        """
        ...

    def bundle(self) -> bytes:
        """Return the trust bundle, not yet checked.

        Raises:
            IssuerError: not_reachable, too_large.
        """
        ...

    def next_seq(self, uri: str) -> int | None:
        """Return what the ledger says is the next sequence number of a status list, None if it does not say.

        A hint and no more: what is signed with it is judged by the ledger as if nobody had asked.
        """
        ...


def pin_charter(charter_entry: bytes, charter_hash: bytes) -> LedgerPin:
    """Return what the charter says to a desk.

    Args:
        charter_entry: entry 0 as the ledger gave it.
        charter_hash: its leaf hash as people told it.

    Raises:
        VerificationError: bad_signature; bundle_invalid where it is another charter.
        MalformedError: not a statement.
    """
    if leaf_hash(charter_entry) != charter_hash:
        raise VerificationError("bundle_invalid", "the ledger has another charter", field="charter")
    statement = parse_statement(charter_entry)
    if statement.kind != "charter":
        raise VerificationError("bundle_invalid", "entry 0 is not a charter", field="charter")
    statement.check_signature(statement.body.service_key)
    return LedgerPin(statement.body.origin, charter_hash, statement.body.receipts_key)


def check_registered(entry: bytes, answer: bytes, key: PublicKey, pin: LedgerPin) -> Registered:
    """Check a Transparent Statement against the statement that was sent.

    Args:
        entry: the statement that was sent.
        answer: the Transparent Statement that came back.
        key: the key that signed the statement.
        pin: the ledger.

    Raises:
        VerificationError: not_listed where it is another statement, of another ledger, or in a tree
            whose size is not a multiple of 16; bad_signature where the logged bytes or the receipt do
            not verify.
        MalformedError: not a Transparent Statement with a receipt of the one form.
    """
    logged, receipts = split_transparent_statement(answer)
    statement = parse_statement(logged)
    if statement.statement_id != parse_statement(entry).statement_id:
        raise VerificationError("not_listed", "the ledger answered with another statement", field="entry")
    statement.check_signature(key)
    receipt = parse_inclusion_receipt(receipts[0])
    if receipt.issuer != pin.origin:
        raise VerificationError("not_listed", "a receipt of another ledger", field="receipt")
    size, index, _ = check_inclusion_receipt(receipts[0], leaf_hash(logged), pin.receipts_key)
    if size % CELL_SIZE or len(receipt.path) < _CELL_LEVELS:
        raise VerificationError("not_listed", "the tree is not a whole number of cells", field="receipt")
    path = b"".join(receipt.path[:_CELL_LEVELS])
    return Registered(index, path, logged, receipts[0])


def checked(
    entry: bytes, answer: bytes | CodedError, key: PublicKey, pin: LedgerPin
) -> Registered | CodedError:
    """Return what `check_registered` returns, a refusal as it is, and `UnprovenError` for a false answer."""
    if isinstance(answer, CodedError):
        return answer
    try:
        return check_registered(entry, answer, key, pin)
    except CodedError as error:
        return UnprovenError(error.code, error.detail, field=error.field)


class Prover:
    """Checks answers of a ledger, and learns its receipts key anew where governors have changed it.

    Args:
        pin: the ledger as the desk pinned it.
        bundle: returns the trust bundle; asked only when a receipt does not verify.
    """

    def __init__(self, pin: LedgerPin, bundle: Callable[[], bytes]) -> None:
        self._pin = pin
        self._bundle = bundle

    def check(self, entry: bytes, answer: bytes | CodedError, key: PublicKey) -> Registered | CodedError:
        """Return what `checked` returns under the receipts key that is in force now."""
        outcome = checked(entry, answer, key, self._pin)
        if isinstance(outcome, UnprovenError) and outcome.code == "bad_signature":
            renewed = self._renewed()
            if renewed is not None and renewed != self._pin:
                self._pin = renewed
                outcome = checked(entry, answer, key, self._pin)
        return outcome

    def _renewed(self) -> LedgerPin | None:
        try:
            opened = open_bundle(self._bundle(), Pin(self._pin.origin, self._pin.charter_hash))
        except CodedError:
            return None
        return replace(self._pin, receipts_key=opened.governance.receipts_key)


def is_refusal(error: CodedError) -> bool:
    """Return whether the ledger has refused the statement for good."""
    return error.code not in UNKNOWN_FATE and not isinstance(error, UnprovenError)


class InProcessLedgerClient:
    """A ledger in the same process: no sockets, the same checks."""

    def __init__(
        self,
        pin: LedgerPin,
        submit: Callable[[Sequence[bytes]], Sequence[bytes | CodedError]],
        bundle: Callable[[], bytes],
        next_seq: Callable[[str], int | None] = lambda uri: None,
    ) -> None:
        """Wrap a ledger.

        Args:
            pin: the ledger.
            submit: takes entries and returns a Transparent Statement or a refusal for each.
            bundle: returns the trust bundle.
            next_seq: returns the next sequence number of a status list, None where it does not say.
        """
        self._next_seq = next_seq
        self._prover = Prover(pin, bundle)
        self._submit = submit
        self._bundle = bundle

    def register(
        self, entries: Sequence[bytes], key: PublicKey, done: Callable[[], None] = lambda: None
    ) -> list[Registered | CodedError]:
        """Register all entries at once; see `LedgerClient`."""
        outcomes = []
        for entry, answer in zip(entries, self._submit(entries), strict=True):
            outcomes.append(self._prover.check(entry, answer, key))
            done()
        return outcomes

    def bundle(self) -> bytes:
        """Return the trust bundle."""
        return self._bundle()

    def next_seq(self, uri: str) -> int | None:
        """Return the hint of the ledger."""
        return self._next_seq(uri)
