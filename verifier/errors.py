"""Errors of the verifier: one root, and the families that its callers tell apart.

Most of what can be wrong with a card is raised by the packages below (`ledger.errors`, `credential.errors`);
all of it is a `CodedError`, so a caller catches that one class and reads its code.

>>> str(CardError("not_listed", "the ledger does not have it where it says", field="position"))
'not_listed: the ledger does not have it where it says [position]'
"""

from __future__ import annotations

from ledger.errors import BundleError, CodedError

__all__ = ["BundleError", "CardError", "StationError", "VerifierError"]


class VerifierError(CodedError):
    """Root of the errors of the verifier package."""


class CardError(VerifierError):
    """A well-formed card cannot be judged genuine (docs/protocol.md, section 10)."""


class StationError(VerifierError):
    """A station's folder, an address or a file is not what the command needs."""
