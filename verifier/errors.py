"""Errors of the verifier: one root, and the families that its callers tell apart.

Most of what can be wrong with a card is raised by the packages below (`ledger.errors`, `credential.errors`);
all of it is a `CodedError`, so a caller catches that one class and reads its code.

>>> str(CardError("not_listed", "the ledger does not have it where it says", field="position"))
'not_listed: the ledger does not have it where it says [position]'
"""

from __future__ import annotations

from ledger.errors import CodedError


class VerifierError(CodedError):
    """Root of the errors of the verifier package."""


class CardError(VerifierError):
    """A well-formed card cannot be judged genuine (docs/protocol.md, section 10)."""


class BundleError(VerifierError):
    """A list cannot be trusted and was not loaded (code bundle_invalid).

    Args:
        step: number of the step of docs/protocol.md, section 9, that failed; 0 for what is done with a
            bundle afterwards.
        detail: one sentence for people.
    """

    def __init__(self, step: int, detail: str, *, field: str = "") -> None:
        super().__init__("bundle_invalid", detail, field=field)
        self.step = step


class StationError(VerifierError):
    """A station's folder, an address or a file is not what the command needs."""
