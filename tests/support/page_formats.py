"""The formats that the phone page reads, as the Python reader runs them.

Those of tests/support/vector_runner.py that a station needs, and those that have no vectors of their own: several codes
with a slip or a token (`codes`), frames, challenges, heads, policies, pins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from credential.core.challenge import parse_challenge
from credential.core.frames import join_frames
from credential.core.qr_text import parse_seal_keys, recognise
from ledger.core import cbor
from ledger.core.cose_key import PublicKey
from ledger.core.pin import Pin, parse_pin
from ledger.core.policy import parse_policy
from ledger.errors import MalformedError
from tests.support.vector_runner import RUNNERS, Result
from verifier.core.companion import check_companion
from verifier.core.evidence import Verdict
from verifier.core.heads import compare_head
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import TrustedList, check_newer
from verifier.core.unsealing import judge_texts
from verifier.core.verdict import StationPolicy, judge

NOT_FOR_A_STATION: Final = {
    "chain": "the chain of entries is for whoever has all entries: auditors and the ledger itself",
    "registry": "the whole registry is folded by the ledger, auditors and witnesses; a station folds governance",
    "words": "the twelve words stay with the holder; a station is never shown them",
    "case_file": "a case file is opened where its words are: at a desk or by the holder",
}
"""Formats of the vectors that the phone page does not read, and why."""

_loaded: dict[str, TrustedList] = {}


class EndedVerdict(Exception):  # noqa: N818 - an outcome, not an error
    """A verdict on a card that cannot be judged genuine."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.codes[0])
        self.code, self.state, self.field = verdict.codes[0], verdict.state, verdict.field


def _load(given: dict[str, Any]) -> Result:
    bundle = given["bundle"]
    pin = Pin(bundle["origin"], bytes.fromhex(bundle["charter"]))
    _loaded[given["name"]] = open_bundle(bytes.fromhex(bundle["bundle"]), pin)
    return {}


def _verdict(given: dict[str, Any]) -> Result:
    trusted = None if given["bundle"] is None else _loaded[given["bundle"]]
    verdict = judge(given["text"], trusted, given["now_s"])
    if verdict.evidence is None:
        raise EndedVerdict(verdict)
    evidence = verdict.evidence
    return {**_shown(verdict), "index": evidence.ledger_index, "judged_s": evidence.judged_s}


def judge_codes(given: dict[str, Any]) -> list[Verdict]:
    """Judge the texts of one scan with the bundles, slip and policy of an input of "codes"."""
    return judge_texts(
        given["texts"],
        [_loaded[name] for name in given["bundles"]],
        given["now_s"],
        slip=None if given["slip"] is None else parse_seal_keys(given["slip"]),
        policy=StationPolicy(
            audience=given["audience"],
            nonce=None if given["nonce"] is None else bytes.fromhex(given["nonce"]),
        ),
    )


def _codes(given: dict[str, Any]) -> Result:
    verdicts = judge_codes(given)
    evidence = [verdict.evidence for verdict in verdicts if verdict.evidence is not None]
    companion = check_companion(evidence)
    return {
        "verdicts": [
            {"state": verdict.state, "codes": list(verdict.codes)}
            if verdict.evidence is None
            else {**_shown(verdict), "steps": [list(step) for step in verdict.evidence.steps]}
            for verdict in verdicts
        ],
        "companion": None if companion is None else companion.to_json(),
    }


def _shown(verdict: Verdict) -> dict[str, Any]:
    shown = verdict.to_json()
    return {**shown, "opened": _exact(shown["opened"])}


def _exact(value: Any) -> Any:
    """Return a value of JSON with integers that a browser would round as text."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return str(value) if type(value) is int and abs(value) >= 2**53 else value


def _sd_cwt(given: dict[str, Any]) -> Result:
    """Apply disclosures to claims; what is no map has no claims, of which the function itself is never asked."""
    payload = cbor.decode(bytes.fromhex(given["payload"]), max_size=1 << 20)
    if not isinstance(payload, dict):
        raise MalformedError("not a map", field="claims")
    return RUNNERS["sd_cwt"](given)


def _policy(given: dict[str, Any]) -> Result:
    policy = parse_policy(given["text"])
    return {
        "logs": [log.key.name for log in policy.logs],
        "witnesses": [witness.name for witness in policy.witnesses],
        "satisfied": policy.satisfied(given["times_s"]),
        "quorum_time_s": policy.quorum_time(given["times_s"]),
    }


def _frames(texts: Sequence[str]) -> Result:
    kind, message = join_frames(list(texts))
    return {"kind": kind, "message": message.hex()}


def _challenge(text: str) -> Result:
    challenge = parse_challenge(text)
    return {"aud": challenge.aud, "cnonce": challenge.cnonce.hex()}


def _head(given: dict[str, Any]) -> Result:
    found = compare_head(_loaded[given["bundle"]], given["note"])
    return {
        "relation": found.relation,
        "size": found.checkpoint.tree_size,
        "witnesses": list(found.witnesses),
        "cosigned": found.is_cosigned,
    }


def _newer(given: dict[str, Any]) -> Result:
    check_newer(_loaded[given["old"]], _loaded[given["new"]])
    return {}


def _opened(given: dict[str, Any]) -> Result:
    """All that a station takes from a bundle, issuer by issuer."""
    pin = Pin(given["origin"], bytes.fromhex(given["charter"]))
    trusted = open_bundle(bytes.fromhex(given["bundle"]), pin)
    return {
        "tree_size": trusted.tree_size,
        "time_s": trusted.now_min_s,
        "witness_policy": trusted.witness_policy,
        "log_keys": [[key.key_id for key in pair] for pair in trusted.log_keys],
        "issuers": [
            {
                **issuer.name._asdict(),
                "number": issuer.number,
                "keys": [
                    [kid.hex(), record.added, record.state, record.at, record.distrusted_from]
                    for kid, record in issuer.keys.items()
                ],
                "scopes": [[scope.index, sorted(scope.vcts), scope.suspended] for scope in issuer.scopes],
            }
            for issuer in trusted.issuers.values()
        ],
    }


def _signature(given: dict[str, Any]) -> Result:
    key = PublicKey(given["kind"], bytes.fromhex(given["x"]), bytes.fromhex(given["y"]))
    key.verify(given["alg"], bytes.fromhex(given["message"]), bytes.fromhex(given["signature"]))
    return {"kid": key.kid.hex()}


def _pin(text: str) -> Result:
    pin = parse_pin(text.encode())
    least = None if pin.least is None else {"size": pin.least.size, "root": pin.least.root.hex()}
    return {"origin": pin.origin, "charter": pin.charter_hash.hex(), "least": least}


FORMATS: Final[dict[str, Callable[[Any], Result]]] = {
    **{form: run for form, run in RUNNERS.items() if form not in NOT_FOR_A_STATION},
    "sd_cwt": _sd_cwt,
    "load": _load,
    "verdict": _verdict,
    "codes": _codes,
    "policy": _policy,
    "frames": _frames,
    "challenge": _challenge,
    "head": _head,
    "newer": _newer,
    "opened": _opened,
    "signature": _signature,
    "pin": _pin,
    "recognise": lambda text: {"kind": recognise(text)},
}
