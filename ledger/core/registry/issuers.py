"""Issuers and their keys, and what each verb of a govern action does to one. docs/protocol.md section 3."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.core.actions import (
    MAX_KEYS,
    AddKey,
    Admission,
    Change,
    DistrustKey,
    Reinstate,
    RetireKey,
    Scope,
    Suspend,
    Verb,
    format_scope,
)
from ledger.core.cose_key import PublicKey, format_cose_key
from ledger.errors import VerificationError

ACTIVE: Final = 0
RETIRED: Final = 1
DISTRUSTED: Final = 2


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key of an issuer.

    Attributes:
        key: the public key.
        added: index at which it became active; it signs entries above that.
        state: ACTIVE, RETIRED or DISTRUSTED.
        at: index at which it ceased to be active, or None.
        distrusted_from: index d from which on its credentials need affirmation, or None.
    """

    key: PublicKey
    added: int
    state: int = ACTIVE
    at: int | None = None
    distrusted_from: int | None = None

    def was_active(self, index: int) -> bool:
        """Return whether an entry at `index` could be signed with this key."""
        return self.added < index and (self.at is None or index < self.at)

    def format(self) -> list[Any]:
        """Return the key row of part 1 of the registry digest."""
        return [
            self.key.kid,
            format_cose_key(self.key),
            self.added,
            self.state,
            self.at,
            self.distrusted_from,
        ]


@dataclass(frozen=True, slots=True)
class Issuer:
    """One admitted issuer.

    Attributes:
        issuer_id: the `iss` of its statements.
        number: 1, 2, 3 in the order of admission; its status lists are `sc:<number>/<n>`.
        authority: who answers for it.
        title: what people read.
        scope: what it may sign.
        suspended: whether new credentials are refused.
        counter: actions in effect so far on it.
        keys: by kid, in the order of their admission.
    """

    issuer_id: str
    number: int
    authority: str
    title: str
    scope: Scope
    suspended: bool = False
    counter: int = 0
    keys: dict[bytes, KeyRecord] = field(default_factory=dict)

    @property
    def has_distrusted_key(self) -> bool:
        """Whether affirmations are allowed."""
        return any(record.state == DISTRUSTED for record in self.keys.values())

    def format(self) -> list[Any]:
        """Return the issuer row of part 1 of the registry digest."""
        return [
            self.issuer_id,
            self.number,
            self.authority,
            self.title,
            format_scope(self.scope),
            int(self.suspended),
            self.counter,
            [record.format() for record in self.keys.values()],
        ]


def admit(issuer_id: str, number: int, admission: Admission, index: int) -> Issuer:
    """Return the issuer that an admission at `index` creates."""
    return Issuer(
        issuer_id=issuer_id,
        number=number,
        authority=admission.authority,
        title=admission.title,
        scope=admission.scope,
        keys={key.kid: KeyRecord(key, index) for key in admission.keys},
    )


def apply_verb(issuer: Issuer, verb: Verb, index: int) -> Issuer:
    """Return the issuer after one verb that took effect at `index`.

    Raises:
        VerificationError: code bad_transition if the issuer or the key is not in the state that the verb
            starts from; place_taken for a known kid; out_of_scope for a kid that is not the issuer's, an
            index of distrust above `index`, or too many keys.
    """
    match verb:
        case Change(authority, title, scope):
            return replace(
                issuer,
                authority=authority if authority is not None else issuer.authority,
                title=title if title is not None else issuer.title,
                scope=scope if scope is not None else issuer.scope,
            )
        case Suspend() | Reinstate():
            suspended = isinstance(verb, Suspend)
            if issuer.suspended == suspended:
                raise VerificationError("bad_transition", "the issuer is in that state already", field="verb")
            return replace(issuer, suspended=suspended)
        case AddKey(key):
            if key.kid in issuer.keys:
                raise VerificationError("place_taken", "the issuer has a key with this kid", field="verb.key")
            if len(issuer.keys) >= MAX_KEYS:
                raise VerificationError("out_of_scope", f"the issuer has {MAX_KEYS} keys", field="verb.key")
            return replace(issuer, keys={**issuer.keys, key.kid: KeyRecord(key, index)})
        case RetireKey(kid):
            return _end_key(issuer, kid, RETIRED, index, None)
        case DistrustKey(kid, from_index):
            if from_index > index:
                raise VerificationError(
                    "out_of_scope", "distrust would begin in the future", field="verb.from_index"
                )
            return _end_key(issuer, kid, DISTRUSTED, index, from_index)
        case _:
            raise VerificationError("bad_transition", "the subject is admitted already", field="verb")


def _end_key(issuer: Issuer, kid: bytes, state: int, index: int, distrusted_from: int | None) -> Issuer:
    record = issuer.keys.get(kid)
    if record is None:
        raise VerificationError("out_of_scope", "the issuer has no key with this kid", field="verb.kid")
    if record.state == DISTRUSTED or (record.state == RETIRED and state == RETIRED):
        raise VerificationError("bad_transition", "the key is in that state already", field="verb.kid")
    at = record.at if record.at is not None else index
    ended = replace(record, state=state, at=at, distrusted_from=distrusted_from)
    return replace(issuer, keys={**issuer.keys, kid: ended})
