"""A desk follows the ledger's receipts key when governors change it, and nobody else's."""

from __future__ import annotations

from issuer.ledger_client import Prover, Registered, UnprovenError, pin_charter
from ledger.core.cose_key import SoftwareSigner
from ledger.core.merkle import prove_inclusion, root_hash
from ledger.core.receipt import format_inclusion_receipt, sign_root, transparent_statement
from tests.support.ledgers import seed
from tests.support.rotating_ledger import RotatingLedger


def answer_of(ledger: RotatingLedger, index: int, receipts: str) -> bytes:
    """The Transparent Statement of an entry, its receipt signed with the key of this name."""
    leaves = ledger.leaves
    key = SoftwareSigner.from_seed("p256", seed(receipts), alg=-7)
    signed = sign_root(root_hash(leaves), key, ledger.origin)
    path = prove_inclusion(
        index, len(leaves), lambda level, at: root_hash(leaves[at << level : (at + 1) << level])
    )
    receipt = format_inclusion_receipt(signed, len(leaves), index, path)
    return transparent_statement(ledger.entries[index], [receipt])


def test_a_receipt_under_a_changed_key_is_proven_by_the_governors_decision() -> None:
    ledger = RotatingLedger()
    civil = ledger.admit()
    prover = Prover(pin_charter(ledger.entries[0], ledger.charter_hash), ledger.bundle)
    card = ledger.issue(civil)
    ledger.close_epoch()
    before = prover.check(
        card.issued.entry, answer_of(ledger, card.index, "receipts"), civil.signer.public_key
    )
    assert isinstance(before, Registered)
    ledger.rotate("service-keys")
    ledger.issue(civil)
    ledger.close_epoch()
    after = prover.check(
        card.issued.entry, answer_of(ledger, card.index, "receipts 2"), civil.signer.public_key
    )
    assert isinstance(after, Registered)
    assert after.index == card.index
    forged = prover.check(
        card.issued.entry, answer_of(ledger, card.index, "somebody"), civil.signer.public_key
    )
    assert isinstance(forged, UnprovenError)
    assert forged.code == "bad_signature"
