"""The signature of one statement, under the key that the ledger gives its signer at that place.

docs/protocol.md sections 3 and 4. Charter, accepts, approvals and seals are checked by the fold as it goes
by; here are the others, and what the fold found is not asked again.

    fault = check_statement(statement, index, fold, nodes)
"""

from __future__ import annotations

from ledger.core.cells import CELL_SIZE, fold_cell
from ledger.core.cose_key import PublicKey
from ledger.core.merkle import NodeReader, leaf_hash
from ledger.core.registry.governance import Governance
from ledger.core.statement import Statement, proven_claims
from ledger.errors import CodedError, VerificationError
from ledger.explorer.copy_reader import is_outside
from ledger.explorer.fold import Fault, GovernanceFold

_CELL_LEVEL = CELL_SIZE.bit_length() - 1


def check_statement(
    statement: Statement, index: int, fold: GovernanceFold, nodes: NodeReader
) -> Fault | None:
    """Return why a credential, a change of status or a seal is not signed as it must be; None where it is.

    Args:
        statement, index: the entry.
        fold: of the whole copy.
        nodes: complete subtrees of the copy.
    """
    if fold.governance is None:
        return Fault("unknown_issuer", "without a charter there is no key to check it with", index)
    try:
        if statement.kind in ("charter", "seal"):
            statement.check_signature(_service_key(statement, index, fold))
        elif statement.kind == "status" and statement.body.proof is not None:
            statement.check_signature(_holder_key(statement, nodes))
        elif statement.kind in ("credential", "status"):
            statement.check_signature(_issuer_key(statement, index, fold.governance))
    except CodedError as error:
        if is_outside(error):
            raise
        return Fault(error.code, error.detail, index)
    return None


def distrusted_from(statement: Statement, index: int, fold: GovernanceFold) -> int | None:
    """Return the entry from which on the key of a credential is distrusted, None where this one is older or
    its key is not.
    """
    if statement.kind != "credential" or fold.governance is None:
        return None
    issuer = fold.governance.issuers.get(statement.iss)
    record = None if issuer is None else issuer.keys.get(statement.kid)
    start = None if record is None else record.distrusted_from
    return start if start is not None and index >= start else None


def _service_key(statement: Statement, index: int, fold: GovernanceFold) -> PublicKey:
    key = fold.service_key_at(index)
    if key is None or key.kid != statement.kid:
        raise VerificationError("unknown_issuer", "not the ledger's service key of that time", field="kid")
    return key


def _issuer_key(statement: Statement, index: int, governance: Governance) -> PublicKey:
    _, record = governance.issuer_key(statement.iss, statement.kid)
    if not record.was_active(index):
        raise VerificationError("unknown_issuer", "the key was not active at this entry", field="kid")
    return record.key


def _holder_key(statement: Statement, nodes: NodeReader) -> PublicKey:
    proof = statement.body.proof
    cell = nodes(_CELL_LEVEL, proof.index // CELL_SIZE)
    if fold_cell(leaf_hash(proof.entry), proof.index, proof.path) != cell:
        raise VerificationError("not_listed", "the ledger has not this credential there", field="proof")
    key = PublicKey("ed25519", proven_claims(statement.body).cnf)
    if key.kid != statement.kid:
        raise VerificationError("unknown_issuer", "not the credential's holder", field="kid")
    return key
