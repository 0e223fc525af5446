"""Problem details: how the service says no.

RFC 9290 (concise problem details, CBOR) with the code of `ledger.codes` in a custom entry, which that RFC
wants to be a map under a URI: `"sc:problem": {"code": ...}`. RFC 9457 (JSON) where the client asks for
`application/json`. docs/protocol.md section 8.

>>> parse_problem(format_problem(Problem("rate_limited", "The rate is used up.", "too many at once")))
Problem(code='rate_limited', title='The rate is used up.', detail='too many at once')
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from ledger.codes import CODES
from ledger.core import cbor
from ledger.errors import CodedError, MalformedError

CBOR_TYPE: Final = "application/concise-problem-details+cbor"
JSON_TYPE: Final = "application/problem+json"
MAX_PROBLEM_BYTES: Final = 4096
_TITLE: Final = -1
_DETAIL: Final = -2
CUSTOM_ENTRY: Final = "sc:problem"
_CODE: Final = "code"


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal: stable code, the code's sentence, and what happened this time."""

    code: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class ProblemAnswer:
    """A refusal as an HTTP answer."""

    status: int
    media_type: str
    body: bytes


def problem_of(error: CodedError) -> Problem:
    """Return the problem that an error is; its field stands behind the detail, as `str(error)` has it."""
    detail = f"{error.detail} [{error.field}]" if error.field else error.detail
    return Problem(error.code, CODES[error.code].meaning, detail)


def format_problem(problem: Problem) -> bytes:
    """Return the concise problem details of RFC 9290."""
    return cbor.encode({_TITLE: problem.title, _DETAIL: problem.detail, CUSTOM_ENTRY: {_CODE: problem.code}})


def parse_problem(data: bytes) -> Problem:
    """Read concise problem details; the inverse of `format_problem`.

    Raises:
        MalformedError: not of exactly that form, or a code that is not in `ledger.codes`.
    """
    value = cbor.decode(data, max_size=MAX_PROBLEM_BYTES, field="problem")
    if type(value) is not dict or set(value) != {_TITLE, _DETAIL, CUSTOM_ENTRY}:
        raise MalformedError("not a problem of this service", field="problem")
    custom, title, detail = value[CUSTOM_ENTRY], value[_TITLE], value[_DETAIL]
    code = custom[_CODE] if type(custom) is dict and set(custom) == {_CODE} else None
    if type(title) is not str or type(detail) is not str or type(code) is not str or code not in CODES:
        raise MalformedError("not a problem of this service", field="problem")
    return Problem(code, title, detail)


def answer_of(error: CodedError, accept: str) -> ProblemAnswer:
    """Return the HTTP answer to an error.

    Args:
        error: what went wrong.
        accept: the request's Accept header, or "".
    """
    status = CODES[error.code].http_status
    problem = problem_of(error)
    # A code that is a remark on a verdict refuses nothing by itself; as an error it is a bad request.
    status = 400 if status == 200 else status
    if _wants_json(accept):
        fields = {"title": problem.title, "status": status, "detail": problem.detail, "code": problem.code}
        return ProblemAnswer(status, JSON_TYPE, json.dumps(fields).encode())
    return ProblemAnswer(status, CBOR_TYPE, format_problem(problem))


def _wants_json(accept: str) -> bool:
    kinds = [part.split(";")[0].strip() for part in accept.split(",")]
    return "application/json" in kinds or JSON_TYPE in kinds
