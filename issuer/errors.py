"""Errors of the issuing desk: one root, and one for values that a person typed wrongly.

The codes are those of `ledger.codes`. A detail names the field that is wrong and what is asked for; it never
repeats the value, because a refusal may end in a log or on a screen that others see.

>>> str(InputError("names[0].text", "must not be empty"))
'bad_input: must not be empty [names[0].text]'
"""

from __future__ import annotations

from ledger.errors import CodedError


class IssuerError(CodedError):
    """Root of the errors of the issuer package."""


class InputError(IssuerError):
    """A value given by a person is missing or not of the right form (code bad_input).

    Args:
        field: path of the field, such as `birth.earliest` or `names[1].script`; "" for the whole input.
        detail: what the field must be, in one clause, without the value.
    """

    def __init__(self, field: str, detail: str) -> None:
        super().__init__("bad_input", detail, field=field)
