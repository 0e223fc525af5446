"""A holder's presentation: the credential, only the parts that she chose, and the proof of her key.

docs/protocol.md, section 10, "Key binding". What a holder's device does with a card of hers and the twelve
words: it opens what must be open and what she chose, nothing else, and signs that for one station.

    text = present(case.logged(), secret, ["names"], aud="hut-7", iat_s=now_s, cnonce=nonce)
    verify(text, trusted, now, policy=StationPolicy(audience="hut-7", nonce=nonce)).holder_binding   # "key"
"""

from __future__ import annotations

from collections.abc import Sequence

from credential.core.card import Card, LoggedCredential, format_card
from credential.core.holder import holder_signer
from credential.core.key_binding import prove_key_binding
from credential.core.qr_text import format_qr_text
from credential.errors import InputError, SecretError
from ledger.core.cose_key import SoftwareSigner


def present(
    logged: LoggedCredential,
    secret: bytes,
    chosen: Sequence[str],
    *,
    aud: str,
    iat_s: int,
    cnonce: bytes | None = None,
) -> str:
    """Return the text of a key binding token with a card in it.

    Args:
        logged: the card with every part that can be opened.
        secret: the holder's 16 bytes.
        chosen: names of parts to open beside those that must be (`choose_parts`).
        aud: the station's name.
        iat_s: now, epoch seconds.
        cnonce: the station's nonce, 8 to 64 bytes, or None.

    Raises:
        InputError: a part that is not there.
        SecretError: the secret is not of this card.
        MalformedError: code too_large, more than a code holds.
        KeyBindingError: `iat_s` lies outside the credential's own times.
        ValueError: `aud` or `cnonce` have a length that is not allowed, or the text fits no code.
    """
    signer = card_signer(secret, logged)
    card = format_card(Card(logged.entry, choose_parts(logged, chosen), (), logged.position))
    return format_qr_text(prove_key_binding(card, signer, aud=aud, iat_s=iat_s, cnonce=cnonce))


def card_signer(secret: bytes, logged: LoggedCredential) -> SoftwareSigner:
    """Return the holder's signer of a card.

    Raises:
        SecretError: the card confirms another key: the secret is not of this card.
        InputError: the secret is not 16 bytes long.
    """
    claims = logged.claims
    signer = holder_signer(secret, claims.iss, claims.sub)
    if signer.public_key.x != claims.cnf:
        raise SecretError("these words are not of this card", field="words")
    return signer


def choose_parts(logged: LoggedCredential, chosen: Sequence[str]) -> tuple[bytes, ...]:
    """Return the disclosures of what must be open and of the chosen parts, in the profile's order.

    A nested part brings the part around it, which tells only that it is there; naming the part around opens
    everything in it.

    Raises:
        InputError: the profile has no such part, the card does not have it, or must-open parts are missing.
    """
    parts, rules = logged.said_parts(), logged.profile.claims
    groups: dict[str, tuple[str, ...]] = {name: (rule.name, name) for rule in rules for name in rule.nested}
    for rule in rules:
        groups[rule.name] = (rule.name, *(name for name in rule.nested if name in parts))
    wanted: set[str] = set()
    for name in (*logged.profile.must_open, *chosen):
        if name not in groups:
            raise InputError("the profile has no such part", field="open")
        if name not in parts:
            raise InputError("what was given of the card has no such part", field=name)
        wanted |= set(groups[name])
    order = [name for rule in rules for name in (rule.name, *rule.nested)]
    return tuple(parts[name].content for name in order if name in wanted)
