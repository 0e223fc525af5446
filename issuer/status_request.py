"""What a second signer approves: a request of a desk, and the approval of it. Two files of one office.

docs/adr/0006-second-signer.md. A **request** is deterministic CBOR and holds nothing of a person:

    request  = {1: issuer id, 2: charter leaf hash, 3: desk number, 4: thumbprint of the desk's key,
                5: not after (seconds since 1970), 6: [+ part] // 7: rule}
    part     = [list uri, [+ [idx, old, new, reason, month]]]     one statement, as in docs/safeconduct.cddl
    rule     = {1: version, 2: [* [name, COSE_Key]]}              names rising

Parts rise by list and number, no place stands twice; a part has 1 to 4,096 rows, a request 1 to 1,024 parts and
4 MiB. Its identity is the SHA-256 of the file; people compare it as eight words (`ledger/govern_files.py`).

An **approval** is a tagged COSE_Sign1, protected header `{1: alg, 4: kid, 16: typ}`, unprotected header empty,
payload `{1: SHA-256 of the request, 2: name}`. The `typ` is of its own, so that no signature that the same key
made for anything else is one.

    request = parse_request(format_request(desk_of(config, key), until_s, parts=parts))
    approval = approve_request(format_request(request), "bo", signer)
    check_approval(approval, format_request(request), config.second_signers)       # "bo"
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from issuer.errors import IssuerError
from issuer.second_signers import SIGNERS_MAX, VERSION_MAX, SecondSigners, check_signers
from ledger.core import cbor, cose
from ledger.core.cose_key import Signer, format_cose_key, parse_cose_key
from ledger.core.fields import parse_array, parse_bytes, parse_list_uri, parse_map, parse_party, parse_uint
from ledger.core.status_change import HELD, TRANSITIONS, StatusRow, parse_status_change
from ledger.errors import MalformedError, VerificationError

REQUEST_MAX_BYTES: Final = 4 * 1024 * 1024
APPROVAL_MAX_BYTES: Final = 512
PARTS_MAX: Final = 1024
LIFETIME_S: Final = 7 * 86_400
"""How long a request can be approved and sent."""
_SLACK_S: Final = 86_400
"""How far two clocks of one office may lie apart."""
_TYP: Final = "application/vnd.safeconduct.status-approval+cose"


class Part(NamedTuple):
    """The rows of one statement: list, and changes by rising idx."""

    uri: str
    rows: tuple[StatusRow, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What one desk asks a second signer for.

    Attributes:
        issuer_id, charter_hash, desk, thumbprint: the desk: its issuer, its ledger, its number, its key.
        not_after: seconds since 1970; nothing is signed on the strength of it later.
        parts: the changes of status; empty where the rule changes.
        rule: the rule to come; None where statuses change.
    """

    issuer_id: str
    charter_hash: bytes
    desk: int
    thumbprint: bytes
    not_after: int
    parts: tuple[Part, ...] = ()
    rule: SecondSigners | None = None

    @property
    def row_count(self) -> int:
        """Number of changes of status."""
        return sum(len(part.rows) for part in self.parts)

    def check_time(self, now_s: int) -> None:
        """Check that it is neither over nor ends further ahead than a request can.

        Raises:
            IssuerError: stale_action.
        """
        if now_s > self.not_after:
            raise IssuerError("stale_action", "the request is over; make a new one", field="not_after")
        if self.not_after > now_s + LIFETIME_S + _SLACK_S:
            raise IssuerError("stale_action", "the request ends too far ahead", field="not_after")


def is_possible(row: StatusRow) -> bool:
    """Return whether an issuer may ask for a change: one of the table, and not of a held place."""
    return row.old != HELD and row.reason in TRANSITIONS.get((row.old, row.new), frozenset())


def request_digest(data: bytes) -> bytes:
    """Return the identity of a request, 32 bytes."""
    return hashlib.sha256(data).digest()


def parse_request(data: bytes) -> Request:
    """Read a request file; the inverse is `format_request`.

    Raises:
        MalformedError: not of the form of the module text; code too_large above 4 MiB.
    """
    value = cbor.decode(data, max_size=REQUEST_MAX_BYTES, field="request")
    body = parse_map(value, (1, 2, 3, 4, 5), optional=(6, 7), field="request")
    if (6 in body) == (7 in body):
        raise MalformedError("a request changes either statuses or the rule", field="request")
    parts: tuple[Part, ...] = ()
    if 6 in body:
        items = parse_array(body[6], field="request.parts", low=1, high=PARTS_MAX)
        parts = tuple(map(_parse_part, items))
        _check_order(parts)
    return Request(
        issuer_id=parse_party(body[1], field="request.issuer"),
        charter_hash=parse_bytes(body[2], 32, field="request.charter"),
        desk=parse_uint(body[3], field="request.desk", high=1023),
        thumbprint=parse_bytes(body[4], 32, field="request.key"),
        not_after=parse_uint(body[5], field="request.not_after"),
        parts=parts,
        rule=_parse_rule(body[7]) if 7 in body else None,
    )


def format_request(request: Request) -> bytes:
    """Return a request file.

    Raises:
        MalformedError: a value of the request is out of its range.
    """
    body: dict[int, Any] = {
        1: request.issuer_id,
        2: request.charter_hash,
        3: request.desk,
        4: request.thumbprint,
        5: request.not_after,
    }
    if request.parts:
        body[6] = [[part.uri, [list(row) for row in part.rows]] for part in request.parts]
    if request.rule is not None:
        signers = [[name, format_cose_key(key)] for name, key in request.rule.signers]
        body[7] = {1: request.rule.version, 2: signers}
    data = cbor.encode(body)
    parse_request(data)
    return data


def approve_request(data: bytes, name: str, signer: Signer) -> bytes:
    """Return the approval of a request file.

    Raises:
        MalformedError: not a request, or not a name; code unsupported for a key that is not Ed25519.
    """
    parse_request(data)
    parse_party(name, field="name")
    if signer.public_key.kind != "ed25519":
        raise MalformedError("a second signer's key is Ed25519", field="key", code="unsupported")
    protected = {cose.ALG: signer.alg, cose.KID: signer.public_key.kid, cose.TYP: _TYP}
    payload = cbor.encode({1: request_digest(data), 2: name})
    return cose.format_sign1(cose.sign(protected, payload, signer))


def check_approval(approval: bytes, data: bytes, rule: SecondSigners) -> str:
    """Return the name of the second signer who approved a request.

    Args:
        approval: the approval file.
        data: the request file.
        rule: whose approvals count.

    Raises:
        MalformedError: not an approval; code too_large above 512 bytes; unsupported for another type.
        VerificationError: unknown_issuer where the name or the key is not of the rule; bad_signature
            where the approval is of another request, or does not verify.
    """
    sign1 = cose.parse_sign1(approval, max_size=APPROVAL_MAX_BYTES)
    if sign1.unprotected or sign1.payload is None:
        raise MalformedError(
            "the unprotected header is not empty or the payload is missing", field="approval"
        )
    if set(sign1.protected) != {cose.ALG, cose.KID, cose.TYP}:
        raise MalformedError("header parameters missing or unexpected", field="approval")
    if sign1.protected[cose.TYP] != _TYP:
        raise MalformedError("not an approval of a desk's request", field="approval", code="unsupported")
    value = cbor.decode(sign1.payload, max_size=APPROVAL_MAX_BYTES, field="approval")
    body = parse_map(value, (1, 2), field="approval")
    digest = parse_bytes(body[1], 32, field="approval.request")
    name = parse_party(body[2], field="approval.name")
    key = rule.key_of(name)
    if key is None or sign1.protected[cose.KID] != key.kid:
        raise VerificationError("unknown_issuer", "not a second signer of this desk", field="approval")
    cose.check_signature(sign1, key)
    if digest != request_digest(data):
        raise VerificationError("bad_signature", "the approval is of another request", field="approval")
    return name


def _parse_part(value: Any) -> Part:
    uri, rows = parse_array(value, field="request.part", low=2, high=2)
    part = Part(uri, parse_status_change({1: uri, 2: 1, 3: rows}).rows)
    if not all(map(is_possible, part.rows)):
        raise MalformedError("a change that no desk can make", field="request.rows")
    return part


def _check_order(parts: tuple[Part, ...]) -> None:
    """Check that every place stands once, lists by number and rows by idx, and that one issuer has them all."""
    ends = [(parse_list_uri(part.uri, field="uri"), part.rows[0].idx, part.rows[-1].idx) for part in parts]
    for (uri, _, last), (next_uri, first, _) in zip(ends, ends[1:], strict=False):
        if (uri, last) >= (next_uri, first):
            raise MalformedError("parts are not by rising list and number", field="request.parts")
    if len({issuer for (issuer, _), _, _ in ends}) != 1:
        raise MalformedError("lists of two issuers", field="request.parts")


def _parse_rule(value: Any) -> SecondSigners:
    body = parse_map(value, (1, 2), field="request.rule")
    version = parse_uint(body[1], field="request.rule", low=1, high=VERSION_MAX)
    items = parse_array(body[2], field="request.rule", low=0, high=SIGNERS_MAX)
    pairs = [parse_array(item, field="request.rule", low=2, high=2) for item in items]
    return check_signers(version, [(name, parse_cose_key(key)) for name, key in pairs])
