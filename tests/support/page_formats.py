"""The formats that the phone page reads, as the Python reader runs them.

Those of tests/support/vector_runner.py that a station needs, and those that have no vectors of their own: all that a
station takes from a bundle (`opened`), single signatures, deltas that are made, and names of foreign codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from credential.core.qr_text import recognise
from ledger.core import cbor
from ledger.core.cose_key import PublicKey
from ledger.core.delta import make_delta
from ledger.core.pin import Pin
from ledger.errors import MalformedError
from tests.support import vector_runner
from tests.support.vector_runner import RUNNERS, STATION_RUNNERS, Lists, Result
from verifier.core.evidence import Verdict
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import TrustedList

NOT_FOR_A_STATION: Final = {
    "chain": "the chain of entries is for whoever has all entries: auditors and the ledger itself",
    "registry": "the whole registry is folded by the ledger, auditors and witnesses; a station folds governance",
    "words": "the twelve words stay with the holder; a station is never shown them",
    "case_file": "a case file is opened where its words are: at a desk or by the holder",
}
"""Formats of the vectors that the phone page does not read, and why."""

_loaded: dict[str, TrustedList] = {}


def _load(given: dict[str, Any]) -> Result:
    bundle = given["bundle"]
    pin = Pin(bundle["origin"], bytes.fromhex(bundle["charter"]))
    _loaded[given["name"]] = open_bundle(bytes.fromhex(bundle["bundle"]), pin)
    return {}


def judge_codes(given: dict[str, Any]) -> list[Verdict]:
    """Judge the texts of one scan with the bundles, slip and policy of an input of "codes"."""
    return vector_runner.judge_codes(given, _loaded.__getitem__)


def _sd_cwt(given: dict[str, Any]) -> Result:
    """Apply disclosures to claims; what is no map has no claims, of which the function itself is never asked."""
    payload = cbor.decode(bytes.fromhex(given["payload"]), max_size=1 << 20)
    if not isinstance(payload, dict):
        raise MalformedError("not a map", field="claims")
    return RUNNERS["sd_cwt"](given)


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


def _make_delta(given: dict[str, str]) -> Result:
    return {"delta": make_delta(bytes.fromhex(given["old"]), bytes.fromhex(given["new"])).hex()}


def _at_hand(run: Callable[[Any, Lists], Result]) -> Callable[[Any], Result]:
    return lambda given: run(given, _loaded.__getitem__)


FORMATS: Final[dict[str, Callable[[Any], Result]]] = {
    **{form: run for form, run in RUNNERS.items() if form not in NOT_FOR_A_STATION},
    **{form: _at_hand(run) for form, run in STATION_RUNNERS.items()},
    "sd_cwt": _sd_cwt,
    "load": _load,
    "make_delta": _make_delta,
    "opened": _opened,
    "signature": _signature,
    "recognise": lambda text: {"kind": recognise(text)},
}
