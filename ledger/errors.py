"""Errors: one root, four families, and a stable code on each.

`CodedError` is the root that every package of the project shares; `LedgerError` is this package's own.
The code of an error is a name of `ledger.codes`; its detail is for people and never holds personal
data or bytes of a credential.
"""

from __future__ import annotations

from typing import Any

from ledger.codes import CODES


class CodedError(Exception):
    """Root of every error that the project raises on purpose.

    Args:
        code: a name in `ledger.codes.CODES`.
        detail: one sentence for people, without personal data.
        field: the field, rule or step that failed, as docs/protocol.md names it, or "".
    """

    def __init__(self, code: str, detail: str, *, field: str = "") -> None:
        if code not in CODES:
            raise ValueError(f"not a code: {code}")
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle what the error is, past the constructors, which differ between the families."""
        return _restore, (type(self), self.args, self.__dict__.copy())

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" + (f" [{self.field}]" if self.field else "")


def _restore(kind: type[CodedError], arguments: tuple[Any, ...], state: dict[str, Any]) -> CodedError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error


class LedgerError(CodedError):
    """Root of the errors of the ledger package."""


class MalformedError(LedgerError):
    """Outside bytes are not in the one allowed form (codes malformed, too_large, unsupported)."""

    def __init__(self, detail: str, *, field: str = "", code: str = "malformed") -> None:
        super().__init__(code, detail, field=field)


class VerificationError(LedgerError):
    """Well-formed bytes do not prove what they claim, or break a rule of the registry."""


class BundleError(VerificationError):
    """A trust bundle cannot be trusted and is not used (code bundle_invalid).

    Args:
        step: number of the step of docs/protocol.md, section 9, that failed; 0 for what is done with a
            bundle afterwards.
        detail: one sentence for people.
    """

    def __init__(self, step: int, detail: str, *, field: str = "") -> None:
        super().__init__("bundle_invalid", detail, field=field)
        self.step = step


class StorageError(LedgerError):
    """A disk, a database or another machine did not do what was asked."""

    def __init__(self, detail: str, *, field: str = "", code: str = "storage_failed") -> None:
        super().__init__(code, detail, field=field)


class ForkAlarm(LedgerError):  # noqa: N818 - the house calls it an alarm
    """The ledger's own signed or stored data contradict each other. Never swallowed."""

    def __init__(self, detail: str, *, field: str = "", code: str = "fork", index: int | None = None) -> None:
        super().__init__(code, detail, field=field)
        self.index = index
