"""Runs one test vector: what a format's input leads to, as values of JSON, or an error with its code.

`tests/vectors/README.md` describes input and result of each format. The generator uses these functions to
write results, the tests to compare with them, so a change of meaning shows as a difference in the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from credential.core import base45, holder
from credential.core.birth import Answer, BirthInterval, age_answer, read_answer
from credential.core.case_file import open_case
from credential.core.challenge import parse_challenge
from credential.core.disclosure import parse_disclosure
from credential.core.frames import join_frames
from credential.core.qr_text import parse_qr_text, parse_seal_keys
from credential.core.sd_cwt import apply_disclosures
from credential.core.status_list import parse_status_list
from ledger.core import cbor, cose
from ledger.core.cells import cells_from_leaves, fold_cell, prove_in_cell
from ledger.core.chain import chain_start, extend_chain
from ledger.core.checkpoint import open_checkpoint
from ledger.core.cose_key import parse_cose_key
from ledger.core.cosignature import check_cosignatures, parse_cosigner_vkey
from ledger.core.delta import apply_delta, parse_delta
from ledger.core.epoch import replay_epoch, replay_genesis
from ledger.core.merkle import check_inclusion, leaf_hash, root_hash
from ledger.core.note import parse_vkey
from ledger.core.pin import Pin, parse_pin
from ledger.core.policy import parse_policy
from ledger.core.statement import parse_statement
from ledger.errors import CodedError, ForkAlarm
from verifier.core.card import read_card
from verifier.core.companion import check_companion
from verifier.core.evidence import Verdict
from verifier.core.heads import compare_head, compare_list
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import TrustedList, check_newer
from verifier.core.unsealing import judge_texts
from verifier.core.verdict import StationPolicy, judge

VECTORS: Final = Path(__file__).resolve().parent.parent / "vectors"
_MAX: Final = 1 << 20
_EXACT_IN_JSON: Final = 2**53

Result = dict[str, Any]
Lists = Callable[[str], TrustedList]
"""Gives the verified list of a vector by its path."""


class EndedVerdict(Exception):  # noqa: N818 - an outcome, not an error
    """A verdict on a card that cannot be judged genuine."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.codes[0])
        self.code, self.state, self.field = verdict.codes[0], verdict.state, verdict.field


def run_case(
    form: str, case: dict[str, Any], files: Mapping[str, dict[str, Any]] | None = None
) -> tuple[str, Result]:
    """Return ("ok", result), or (code, {}) where the format's function raises.

    An alarm of a replay has its index in the result. `files` are vectors by path, where an input names
    another file that is not on the disk.
    """
    try:
        if form in STATION_RUNNERS:
            return "ok", STATION_RUNNERS[form](case["input"], partial(_list_of, files or {}))
        return "ok", RUNNERS[form](case["input"])
    except EndedVerdict as verdict:
        return verdict.code, {"state": verdict.state}
    except ForkAlarm as alarm:
        return alarm.code, {"index": alarm.index, "field": alarm.field} if form == "registry" else {}
    except CodedError as error:
        return error.code, {}


def show(value: Any) -> Any:
    """Return a CBOR value in the notation of the vectors (tests/vectors/README.md)."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, cbor.CBORTag):
        return {"tag": value.tag, "value": show(value.value)}
    if isinstance(value, cbor.CBORSimpleValue):
        return {"simple": value.value}
    if isinstance(value, dict):
        return {"map": [[show(key), show(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [show(item) for item in value]
    if type(value) is int and abs(value) >= _EXACT_IN_JSON:
        return {"int": str(value)}
    return value


def _cbor(text: str) -> Result:
    return {"value": show(cbor.decode(bytes.fromhex(text), max_size=_MAX))}


def _cose(given: dict[str, str]) -> Result:
    message = cose.parse_sign1(bytes.fromhex(given["message"]), max_size=_MAX)
    cose.check_signature(message, _key(given["key"]))
    return {
        "protected": show(dict(message.protected)),
        "payload": (message.payload or b"").hex(),
        "statement_id": cose.statement_id(message).hex(),
        "kid": _key(given["key"]).kid.hex(),
    }


def _merkle(given: dict[str, Any]) -> Result:
    leaves = [leaf_hash(entry) for entry in _bytes(given["entries"])]
    return {"leaves": _hex(leaves), "root": root_hash(leaves).hex()}


def _inclusion(given: dict[str, Any]) -> Result:
    leaf, root = bytes.fromhex(given["leaf"]), bytes.fromhex(given["root"])
    check_inclusion(leaf, given["index"], given["size"], _bytes(given["path"]), root)
    return {}


def _cells(given: dict[str, Any]) -> Result:
    leaf, path = bytes.fromhex(given["leaf"]), bytes.fromhex(given["path"])
    return {"cell": fold_cell(leaf, given["index"], path).hex()}


def _chain(given: dict[str, Any]) -> Result:
    leaves = _bytes(given["leaves"])
    start = chain_start(given["origin"])
    return {"start": start.hex(), "values": _hex(extend_chain(start, leaves))}


def _checkpoint(given: dict[str, Any]) -> Result:
    signed = open_checkpoint(given["note"], [parse_vkey(text) for text in given["log_keys"]])
    head = signed.checkpoint
    return {
        "origin": head.origin,
        "size": head.tree_size,
        "root": head.root_hash.hex(),
        "time_s": signed.timestamp_s,
    }


def _cosignature(given: dict[str, Any]) -> Result:
    signed = open_checkpoint(given["note"], [parse_vkey(text) for text in given["log_keys"]])
    witnesses = {name: parse_cosigner_vkey(text) for name, text in given["witnesses"].items()}
    return {"times_s": check_cosignatures(signed.note, signed.checkpoint, witnesses)}


def _statement(given: dict[str, Any]) -> Result:
    entry = bytes.fromhex(given["entry"])
    parsed = parse_statement(entry)
    if given["key"] is not None:
        parsed.check_signature(_key(given["key"]))
    return {
        "kind": parsed.kind,
        "iss": parsed.iss,
        "sub": parsed.sub,
        "kid": parsed.kid.hex(),
        "alg": parsed.alg,
        "statement_id": parsed.statement_id.hex(),
        "leaf": leaf_hash(entry).hex(),
    }


def _registry(given: dict[str, Any]) -> Result:
    """Replay epochs from the genesis on, and tell what each seal commits to."""
    epochs = [_bytes(entries) for entries in given["epochs"]]
    registry, leaves, chain = replay_genesis(epochs[0])
    rows = []
    for number, entries in enumerate(epochs):
        if number:
            more, chain = replay_epoch(registry, chain[-1], len(leaves), entries)
            leaves = leaves + more
        rows.append(
            {
                "size": len(leaves),
                "time_ms": registry.time_ms,
                "registry_digest": registry.registry_digest().hex(),
                "status_digest": registry.status_digest().hex(),
                "govern_head": registry.govern_head.hex(),
                "chain": chain[-1].hex(),
                "root": root_hash(leaves).hex(),
            }
        )
    last = leaves[-16:]
    return {
        "epochs": rows,
        "cells": cells_from_leaves(leaves).hex(),
        "path_of_the_last_seal": prove_in_cell(last, 15).hex(),
    }


def _base45(text: str) -> Result:
    return {"bytes": base45.decode(text).hex()}


def _disclosure(text: str) -> Result:
    parsed = parse_disclosure(bytes.fromhex(text))
    return {
        "kind": parsed.kind,
        "salt": parsed.salt.hex(),
        "key": show(parsed.key),
        "value": show(parsed.value),
        "digest": parsed.digest.hex(),
    }


def _sd_cwt(given: dict[str, Any]) -> Result:
    payload = cbor.decode(bytes.fromhex(given["payload"]), max_size=_MAX)
    disclosed = apply_disclosures(payload, _bytes(given["disclosures"]))
    return {
        "claims": show(disclosed.claims),
        "used": _hex(disclosed.used),
        "undisclosed": _hex(disclosed.undisclosed),
    }


def _birth(given: dict[str, Any]) -> Result:
    interval = BirthInterval(date.fromisoformat(given["earliest"]), date.fromisoformat(given["latest"]))
    on = date.fromisoformat(given["on"])
    answers = {str(age): age_answer(interval, age, on, given["exp_quarter"]) for age in given["ages"]}
    read = {
        str(now_s): {
            age: int(read_answer(Answer(answer), until, now_s)) for age, (answer, until) in answers.items()
        }
        for now_s in given["read_at_s"]
    }
    return {"answers": {age: [int(answer), until] for age, (answer, until) in answers.items()}, "read": read}


def _status_list(given: dict[str, Any]) -> Result:
    places = parse_status_list({"bits": given["bits"], "lst": bytes.fromhex(given["lst"])})
    return {
        "raw_sha256": hashlib.sha256(places.raw).hexdigest(),
        "places": len(places),
        "values": {str(idx): places.get(idx) for idx in given["get"]},
    }


def _case_file(given: dict[str, Any]) -> Result:
    case = open_case(bytes.fromhex(given["file"]), holder.parse_words(given["words"]))
    return {
        "entry": case.entry.hex(),
        "index": case.index,
        "path": case.path.hex(),
        "disclosures": _hex(case.disclosures),
        "decoys": _hex(case.decoys),
        "title": case.title,
    }


def _words(given: dict[str, Any]) -> Result:
    secret = holder.parse_words(given["words"])
    iss, sub = given["iss"], given["sub"]
    return {
        "secret": secret.hex(),
        "words": holder.format_words(secret),
        "cnf": holder.holder_signer(secret, iss, sub).public_key.x.hex(),
        "seal_keys": {group: holder.seal_key(secret, iss, sub, group).hex() for group in given["groups"]},
        "case_key": holder.case_key(secret, iss, sub).hex(),
    }


def _slip(text: str) -> Result:
    slip = parse_seal_keys(text)
    return {"sub": slip.sub, "keys": {group: key.hex() for group, key in slip.keys.items()}}


def _card(text: str) -> Result:
    card = read_card(parse_qr_text(text))
    position = card.header.position
    return {
        "entry": card.entry.hex(),
        "opened": _hex(card.header.opened),
        "sealed": len(card.header.sealed),
        "position": None if position is None else [position.index, position.path.hex()],
    }


def _bundle(given: dict[str, Any]) -> Result:
    trusted = open_bundle(
        bytes.fromhex(given["bundle"]), Pin(given["origin"], bytes.fromhex(given["charter"]))
    )
    return {
        "tree_size": trusted.tree_size,
        "root": trusted.root_hash.hex(),
        "time_s": trusted.now_min_s,
        "issuers": sorted(trusted.issuers),
        "lists": sorted(trusted.lists),
    }


def _delta(given: dict[str, str]) -> Result:
    bundle, data = bytes.fromhex(given["bundle"]), bytes.fromhex(given["delta"])
    delta = parse_delta(data)
    return {
        "from": delta.from_size,
        "to": delta.to_size,
        "approvals": [approval.index for approval in delta.approvals],
        "lists": [packed.uri for packed in delta.lists],
        "bridges": len(delta.bridges),
        "bundle_sha256": hashlib.sha256(apply_delta(bundle, data)).hexdigest(),
    }


def _frames(texts: Sequence[str]) -> Result:
    kind, message = join_frames(list(texts))
    return {"kind": kind, "size": len(message), "message_sha256": hashlib.sha256(message).hexdigest()}


def _policy(given: dict[str, Any]) -> Result:
    policy = parse_policy(given["text"])
    return {
        "logs": [log.key.name for log in policy.logs],
        "witnesses": [witness.name for witness in policy.witnesses],
        "satisfied": policy.satisfied(given["times_s"]),
        "quorum_time_s": policy.quorum_time(given["times_s"]),
    }


def _pin(text: str) -> Result:
    pin = parse_pin(text.encode())
    least = None if pin.least is None else {"size": pin.least.size, "root": pin.least.root.hex()}
    return {"origin": pin.origin, "charter": pin.charter_hash.hex(), "least": least}


def _challenge(text: str) -> Result:
    challenge = parse_challenge(text)
    return {"aud": challenge.aud, "cnonce": challenge.cnonce.hex()}


def _head(given: dict[str, Any], lists: Lists) -> Result:
    """Compare a head, or the list in which it came, with the list at hand."""
    mine, note = lists(given["bundle"]), given["note"]
    if given["list"] is None:
        found = compare_head(mine, note)
    else:
        pin = Pin(mine.origin, bytes.fromhex(given["charter"]))
        found = compare_list(mine, note, bytes.fromhex(given["list"]), pin)
    return {
        "relation": found.relation,
        "size": found.checkpoint.tree_size,
        "witnesses": list(found.witnesses),
        "cosigned": found.is_cosigned,
    }


def _newer(given: dict[str, str], lists: Lists) -> Result:
    check_newer(lists(given["old"]), lists(given["new"]))
    return {}


def _verdict(given: dict[str, Any], lists: Lists) -> Result:
    """Judge a card. Codes that leave a verdict are in its result; those that end one are the outcome."""
    trusted = None if given["bundle"] is None else lists(given["bundle"])
    verdict = judge(given["text"], trusted, given["now_s"])
    if verdict.evidence is None:
        raise EndedVerdict(verdict)
    evidence = verdict.evidence
    return {**_shown(verdict), "index": evidence.ledger_index, "judged_s": evidence.judged_s}


def judge_codes(given: dict[str, Any], lists: Lists) -> list[Verdict]:
    """Judge several codes that are read together, perhaps with a slip or for a station that asks for a token."""
    return judge_texts(
        given["texts"],
        [lists(name) for name in given["bundles"]],
        given["now_s"],
        slip=None if given["slip"] is None else parse_seal_keys(given["slip"]),
        policy=StationPolicy(
            audience=given["audience"],
            nonce=None if given["nonce"] is None else bytes.fromhex(given["nonce"]),
        ),
    )


def _codes(given: dict[str, Any], lists: Lists) -> Result:
    verdicts = judge_codes(given, lists)
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
    return str(value) if type(value) is int and abs(value) >= _EXACT_IN_JSON else value


def bundles_of(form: str, given: dict[str, Any]) -> list[str]:
    """Return the vectors that an input names as lists of a station."""
    if form not in STATION_RUNNERS:
        return []
    names = [given.get("bundle"), given.get("old"), given.get("new"), *given.get("bundles", ())]
    return [name for name in names if name is not None]


def _list_of(files: Mapping[str, dict[str, Any]], name: str) -> TrustedList:
    text = json.dumps(files[name]) if name in files else (VECTORS / name).read_text(encoding="utf-8")
    return _load_bundle(text)


@cache
def _load_bundle(text: str) -> TrustedList:
    given = json.loads(text)["input"]
    return open_bundle(bytes.fromhex(given["bundle"]), Pin(given["origin"], bytes.fromhex(given["charter"])))


def _key(text: str) -> Any:
    return parse_cose_key(cbor.decode(bytes.fromhex(text), max_size=200))


def _bytes(texts: Iterable[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def _hex(values: Iterable[bytes]) -> list[str]:
    return [value.hex() for value in values]


RUNNERS: Final[dict[str, Callable[[Any], Result]]] = {
    "cbor": _cbor,
    "cose": _cose,
    "merkle": _merkle,
    "inclusion": _inclusion,
    "cells": _cells,
    "chain": _chain,
    "checkpoint": _checkpoint,
    "cosignature": _cosignature,
    "statement": _statement,
    "registry": _registry,
    "base45": _base45,
    "disclosure": _disclosure,
    "sd_cwt": _sd_cwt,
    "birth": _birth,
    "status_list": _status_list,
    "case_file": _case_file,
    "words": _words,
    "slip": _slip,
    "card": _card,
    "bundle": _bundle,
    "delta": _delta,
    "frames": _frames,
    "policy": _policy,
    "pin": _pin,
    "challenge": _challenge,
}
STATION_RUNNERS: Final[dict[str, Callable[[Any, Lists], Result]]] = {
    "verdict": _verdict,
    "codes": _codes,
    "head": _head,
    "newer": _newer,
}
"""Formats whose inputs name lists at hand."""
FORMATS: Final = (*RUNNERS, *STATION_RUNNERS)
