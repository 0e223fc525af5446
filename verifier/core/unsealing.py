"""Several codes at once, and the slip that opens sealed parts.

Front and back of one card are two codes and one verdict; a companion's card and a child's are two. What is
sealed is opened only because the bearer hands over the slip (docs/protocol.md, section 11), and what comes
out is checked against the issuer's digests like every open part.

    verdicts = judge_texts([front, back, child], trusted, now, slip=parse_seal_keys(slip_text))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from credential.core.profiles import built_in_profile
from credential.core.qr_text import SealKeys, parse_qr_text
from credential.core.sealed_disclosure import SealedDisclosure, open_sealed
from credential.errors import SecretError
from ledger.errors import CodedError
from verifier.core.card import Card, merge_cards, read_card
from verifier.core.evidence import Evidence, Verdict
from verifier.core.trusted_list import Trusted
from verifier.core.verdict import DEFAULT_POLICY, StationPolicy, verify_card


def judge_texts(
    texts: Sequence[str],
    trusted: Trusted,
    now: datetime | int,
    *,
    slip: SealKeys | None = None,
    policy: StationPolicy = DEFAULT_POLICY,
) -> list[Verdict]:
    """Judge the texts of several codes: front and back of one card give one verdict, in the order of reading.

    Args:
        texts: at least one.
        slip: opens the sealed parts of the card that it names, on request of the bearer.

    Raises:
        SecretError: code wrong_secret, a slip was given and is of none of the cards, or does not open it.
        DisclosureError: code bad_disclosure, what a slip opens is not part of the card.
    """
    cards: list[Card] = []
    verdicts: list[Verdict] = []
    for text in texts:
        try:
            cards.append(read_card(parse_qr_text(text)))
        except CodedError as error:
            verdicts.append(Verdict.of_error(error))
    merged = merge_cards(cards)
    if slip is not None:
        if all(card.claims.sub != slip.sub for card in merged):
            raise SecretError("the slip is of another card", field="slip")
        merged = [unseal(card, slip) if card.claims.sub == slip.sub else card for card in merged]
    return [_judge_card(card, trusted, now, policy) for card in merged] + verdicts


def open_sealed_parts(
    text: str,
    slip: SealKeys,
    trusted: Trusted,
    now: datetime | int,
    *,
    policy: StationPolicy = DEFAULT_POLICY,
) -> Evidence:
    """Judge a code with its sealed parts opened by a slip, because the bearer asks for it.

    Raises:
        SecretError: code wrong_secret, the slip is of another card, has no key of a group, or a sealed
            part was changed.
        CodedError: as `verify`; bad_disclosure too where a part opens and is not what the issuer signed.
    """
    card = read_card(parse_qr_text(text))
    if slip.sub != card.claims.sub:
        raise SecretError("the slip is of another card", field="slip")
    return verify_card(unseal(card, slip), trusted, now, policy=policy)


def unseal(card: Card, slip: SealKeys) -> Card:
    """Return the card with its sealed parts opened by the slip's keys.

    A slip may have the keys of some groups only; the parts of the others then stay closed.

    Raises:
        SecretError: code wrong_secret: nothing opens, or a slip with the keys of all groups leaves a part
            closed, because that part was changed.
        MalformedError: a part opens and is not of its form; code unsupported for an unknown profile.
    """
    header = card.header
    parts = [(part, _open_with(slip.keys.values(), part)) for part in header.sealed]
    opened = [content for _, content in parts if content is not None]
    closed = tuple(part for part, content in parts if content is None)
    groups = set(built_in_profile(card.claims.vct).sealed_groups)
    if parts and (not opened or (closed and groups <= slip.keys.keys())):
        raise SecretError("the slip does not open this card", field="sealed")
    unsealed = header._replace(sealed=closed, opened=tuple(dict.fromkeys((*header.opened, *opened))))
    return card._replace(header=unsealed)


def _judge_card(card: Card, trusted: Trusted, now: datetime | int, policy: StationPolicy) -> Verdict:
    try:
        return Verdict.of_evidence(verify_card(card, trusted, now, policy=policy))
    except CodedError as error:
        return Verdict.of_error(error)


def _open_with(keys: Iterable[bytes], part: SealedDisclosure) -> bytes | None:
    for key in keys:
        try:
            return open_sealed(part, key)
        except SecretError:
            continue
    return None
