"""The one table of stable codes: every rejection and every remark has one name everywhere.

Library, HTTP, command line, phone page and test vectors use these names (docs/protocol.md, section 10).
A code maps to the result state that a field worker sees, the HTTP status that a service answers
and the exit code that a command returns.

>>> CODES["bad_signature"].state, CODES["bad_signature"].http_status, CODES["bad_signature"].exit_code
('altered', 400, 1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EXIT_OK: Final = 0
"""Confirmed, confirmed_stale, or consistent."""
EXIT_VERDICT: Final = 1
"""Every other verdict; a statement or a file was refused."""
EXIT_USAGE: Final = 2
"""The command was called wrongly."""
EXIT_ALARM: Final = 3
"""Integrity alarm: the ledger's own data contradict each other or a head seen before."""
EXIT_UNREACHABLE: Final = 4
"""A source, a service or a quorum of witnesses could not be reached."""


@dataclass(frozen=True, slots=True)
class Code:
    """One stable code.

    Attributes:
        name: the code as it is written everywhere.
        state: result state of docs/protocol.md section 10 that it leads to, or "" where it never
            reaches a verdict on a credential.
        http_status: status that a service answers when a request is refused with this code.
        exit_code: what a command returns when this code decides its outcome.
        meaning: one sentence for people.
    """

    name: str
    state: str
    http_status: int
    exit_code: int
    meaning: str


def _code(name: str, state: str, http: int, exit_code: int, meaning: str) -> tuple[str, Code]:
    return name, Code(name, state, http, exit_code, meaning)


CODES: Final[dict[str, Code]] = dict(
    (
        # The card cannot be judged genuine (raised by verify; the first five also by registration).
        _code(
            "malformed", "unreadable", 400, 1, "The bytes are not in the one form that the protocol allows."
        ),
        _code("too_large", "unreadable", 413, 1, "The input is larger than the protocol allows."),
        _code("unsupported", "unreadable", 400, 1, "An algorithm, type or version that is not supported."),
        _code("bad_signature", "altered", 400, 1, "The signature does not verify."),
        _code("bad_disclosure", "altered", 400, 1, "A disclosed part does not match what the issuer signed."),
        _code("not_listed", "not_listed", 404, 1, "The ledger does not have it where it says."),
        _code("out_of_scope", "not_listed", 403, 1, "The issuer was not allowed to sign this."),
        _code("unknown_issuer", "unknown_issuer", 403, 1, "No admitted issuer has this key."),
        _code("no_bundle", "unknown_issuer", 503, 1, "No list is loaded; load a list first."),
        # Genuine, with something to say (fields of the evidence, in the order in which they lead).
        _code("withdrawn", "withdrawn", 200, 1, "The issuer withdrew this."),
        _code("suspended", "suspended", 200, 1, "Under review."),
        _code(
            "key_distrusted",
            "suspended",
            200,
            1,
            "Signed by a key later reported stolen and not affirmed since.",
        ),
        _code("status_unknown", "suspended", 200, 1, "A status that this version does not know."),
        _code("replaced", "replaced", 200, 1, "Replaced, or reported not in use."),
        _code("expired", "expired", 200, 1, "The validity has ended."),
        _code(
            "incomplete",
            "incomplete",
            200,
            1,
            "A part that must be open, or the ledger position, is missing.",
        ),
        _code(
            "bad_key_binding", "incomplete", 200, 1, "The key binding is missing, old or for someone else."
        ),
        _code("not_yet_listed", "not_yet_listed", 200, 1, "Signed, and newer than the list at hand."),
        _code("stale", "confirmed_stale", 200, 0, "The list is older than the station's policy."),
        _code("quarantined", "", 200, 0, "A mass change by the issuer is under review."),
        _code("not_yet_valid", "", 200, 0, "The day of issue has not begun by the judged time."),
        _code(
            "clock_wrong", "", 200, 0, "The device clock is wrong; dates are judged by the witnesses' time."
        ),
        _code("companion_ended", "", 200, 0, "The authorisation to accompany has ended."),
        # Bundles and heads.
        _code("bundle_invalid", "", 422, 1, "The list cannot be trusted and was not loaded."),
        _code("fork", "", 409, 3, "Two signed heads of one ledger contradict each other."),
        # Registration.
        _code("place_taken", "", 409, 1, "The status place is taken."),
        _code("stale_action", "", 409, 1, "The counter, sequence number or deadline is not current."),
        _code("bad_transition", "", 409, 1, "This change of status is not allowed."),
        _code("rate_limited", "", 429, 1, "The rate of the scope or of the service is used up."),
        _code("read_only", "", 503, 4, "The ledger takes no entries at present."),
        # Audit and start-up: the ledger contradicts itself.
        _code("bad_entry", "", 500, 3, "A stored entry is not what the tree and the chain commit to."),
        _code("bad_tile", "", 500, 3, "A stored tile is not what the entries hash to."),
        _code("bad_chain", "", 500, 3, "A stored chain value is not what the entries hash to."),
        _code("bad_epoch", "", 500, 3, "An epoch is not ordered, padded or sealed as the rules say."),
        _code("bad_seal", "", 500, 3, "A seal does not say what the entries before it mean."),
        _code("bad_rule", "", 500, 3, "A stored entry breaks a rule of the registry."),
        _code("bad_checkpoint", "", 500, 3, "The checkpoint does not verify or does not match the tree."),
        _code("inconsistent", "", 500, 3, "The ledger is not an extension of the head seen before."),
        _code("lock_mismatch", "", 500, 3, "The database and the checkpoint lock do not agree."),
        _code("not_cosigned", "", 500, 1, "The head has no quorum of witnesses."),
        _code("not_proven", "", 400, 1, "The evidence does not prove what it claims."),
        # Outside world.
        _code("storage_failed", "", 500, 4, "A disk or database operation failed."),
        _code("not_reachable", "", 503, 4, "The other side did not answer."),
        _code("not_found", "", 404, 1, "There is nothing at this address."),
        _code("usage", "", 400, 2, "The call was wrong."),
        _code("bad_input", "", 400, 1, "A value given by a person is missing or not of the right form."),
        _code("wrong_secret", "", 403, 1, "The words, the passphrase or the key do not open this file."),
    )
)


def exit_code(code: str) -> int:
    """Return the exit code of a command whose outcome is `code`."""
    return CODES[code].exit_code


def http_status(code: str) -> int:
    """Return the HTTP status of a refusal with `code`."""
    return CODES[code].http_status
