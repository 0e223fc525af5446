"""Which logs a witness watches: `logs.json` in its folder.

One entry for each origin: the sets of keys that may sign, and for a ledger of ours its charter hash and where
to replay it from. A set is what signs together: our ledgers have two keys, most logs one. A log that changes
its keys has both sets for a while.

    {"logs": [{"origin": "ledger.example/one", "key_sets": [["ledger.example/one+...", "..."]],
               "charter": "<64 hex digits>", "replay": "https://ledger.example"}]}

`charter` and `replay` are null for a plain witness; the witness reads the file when it starts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ledger.core.bridges import log_verifier_keys
from ledger.core.merkle import leaf_hash
from ledger.core.note import VerifierKey, format_vkey, parse_vkey
from ledger.core.pin import Pin, make_pin
from ledger.core.policy import LOG_TYPES, parse_policy
from ledger.core.witness_protocol import KeySet
from ledger.errors import CodedError, LedgerError, MalformedError, StorageError, VerificationError
from ledger.files import read_file, sync_directory

LOGS_NAME: Final = "logs.json"
MAX_LOGS: Final = 1_000
MAX_KEY_SETS: Final = 64
_MAX_BYTES: Final = 16 * 1024 * 1024
_GENESIS_SIZE: Final = 16
"""Every ledger of ours has at least this many entries: its first epoch."""


@dataclass(frozen=True, slots=True)
class WatchedLog:
    """One log.

    Attributes:
        origin: its name.
        key_sets: sets of keys of which one must have signed whole.
        pin: the ledger that it must be, None for logs that are not ledgers of ours.
        replay: address or directory that entries are replayed from, "" for a plain witness.
    """

    origin: str
    key_sets: tuple[KeySet, ...]
    pin: Pin | None = None
    replay: str = ""


def parse_logs(data: bytes) -> tuple[WatchedLog, ...]:
    """Read `logs.json`.

    Raises:
        MalformedError: code bad_input or that of a verifier key; not JSON of exactly this form, an origin
            twice, a key of another name or type, or over the caps.
    """
    if len(data) > _MAX_BYTES:
        raise MalformedError("the list of logs is too large", field="logs", code="too_large")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _bad("the list of logs is a JSON file") from error
    match value:
        case {"logs": list(items)} if len(value) == 1 and len(items) <= MAX_LOGS:
            logs = tuple(_parse_log(item) for item in items)
        case _:
            raise _bad("the list of logs has another form")
    if len({log.origin for log in logs}) != len(logs):
        raise _bad("a log stands in the list twice")
    return logs


def format_logs(logs: Sequence[WatchedLog]) -> bytes:
    """Return the file; the inverse of `parse_logs`.

    Raises:
        MalformedError: the values break a rule that `parse_logs` checks.
    """
    items = [
        {
            "origin": log.origin,
            "key_sets": [[format_vkey(key) for key in keys] for keys in log.key_sets],
            "charter": None if log.pin is None else log.pin.charter_hash.hex(),
            "replay": log.replay or None,
        }
        for log in logs
    ]
    data = json.dumps({"logs": items}, indent=2, ensure_ascii=False).encode() + b"\n"
    if parse_logs(data) != tuple(logs):
        raise _bad("the values do not make a list of logs")
    return data


def read_logs(folder: Path) -> tuple[WatchedLog, ...]:
    """Return the logs of a witness's folder, none where it has no list.

    Raises:
        StorageError: the list cannot be read.
        MalformedError: as `parse_logs`.
    """
    try:
        return parse_logs(read_file(folder / LOGS_NAME, max_size=_MAX_BYTES, field="logs"))
    except StorageError as error:
        if error.code == "not_found":
            return ()
        raise


def write_logs(folder: Path, logs: Sequence[WatchedLog]) -> None:
    """Write the list whole or not at all.

    Raises:
        StorageError: it cannot be written.
        MalformedError: as `format_logs`.
    """
    data = format_logs(logs)
    path = folder / LOGS_NAME
    aside = path.with_name(path.name + ".new")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_directory(folder)
    except OSError as error:
        raise StorageError("the list of logs cannot be written", field="logs") from error


def with_log(logs: Sequence[WatchedLog], new: WatchedLog, *, instead: bool = False) -> tuple[WatchedLog, ...]:
    """Return the list with a log added; sets of keys are added to those that it has.

    Args:
        logs: the list.
        new: the log.
        instead: its newest set takes the place of all others: they were stolen, or are out of use.

    Raises:
        LedgerError: code bad_input, the log is there under another charter.
    """
    kept: list[WatchedLog] = []
    if instead:
        new = replace(new, key_sets=new.key_sets[-1:])
    for log in logs:
        if log.origin != new.origin:
            kept.append(log)
            continue
        if None not in (log.pin, new.pin) and log.pin != new.pin:
            raise LedgerError("bad_input", "the witness knows this log under another charter", field="pin")
        sets = tuple(dict.fromkeys([*(() if instead else log.key_sets), *new.key_sets]))
        new = replace(new, key_sets=sets, pin=new.pin or log.pin, replay=new.replay or log.replay)
    return (*kept, new)


def log_of_keys(vkeys: Sequence[str]) -> WatchedLog:
    """Return the log whose checkpoints carry a signature of each of these keys.

    Raises:
        MalformedError: none, not verifier keys, or not of one log.
    """
    keys = tuple(parse_vkey(text) for text in vkeys)
    if not keys:
        raise _bad("a log has at least one key")
    log = WatchedLog(keys[0].name, (keys,))
    _check(log)
    return log


def logs_of_policy(text: str | bytes) -> tuple[WatchedLog, ...]:
    """Return the logs of a C2SP tlog-policy; the lines of one origin are the keys that sign together.

    Raises:
        MalformedError: not a policy, or without a log.
    """
    policy = parse_policy(text)
    origins = list(dict.fromkeys(log.key.name for log in policy.logs))
    if not origins:
        raise _bad("the policy has no log line")
    return tuple(WatchedLog(origin, (policy.log_keys(origin),)) for origin in origins)


def log_of_pin(pin: Pin, source: str, *, replay: bool) -> WatchedLog:
    """Return the ledger of a pin, with the keys of its charter, and those of now if a bundle tells them.

    Args:
        pin: origin and charter hash.
        source: address of the ledger, or its directory.
        replay: whether its entries are to be replayed from there.

    Raises:
        StorageError: code not_reachable or not_found, there is no ledger.
        VerificationError: code bad_input, it is another ledger than the pinned one.
    """
    from ledger.audit.source import opened_source  # only where a ledger is asked
    from ledger.govern_files import parse_charter_file
    from ledger.governance_view import read_governance

    with opened_source(source) as opened:
        entries, _ = opened.entries(0, _GENESIS_SIZE, _GENESIS_SIZE)
    if not entries or leaf_hash(entries[0]) != pin.charter_hash:
        raise VerificationError("bad_input", "the ledger has another charter than the pin", field="pin")
    charter = parse_charter_file(entries[0]).body
    sets = [log_verifier_keys(charter.origin, charter.log_keys)]
    try:
        terms = read_governance(source, pin).terms
        sets += [log_verifier_keys(pin.origin, terms.log_keys)]
    except CodedError:
        pass  # no head has a quorum yet: it is as young as its charter, or a replay learns the rest
    log = WatchedLog(pin.origin, tuple(dict.fromkeys(sets)), pin, source if replay else "")
    _check(log)
    return log


def _parse_log(item: Any) -> WatchedLog:
    match item:
        case {"origin": str(origin), "key_sets": list(sets), "charter": charter, "replay": place} if (
            len(item) == 4
        ):
            pass
        case _:
            raise _bad("a log has origin, key_sets, charter and replay")
    if not all(isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in sets):
        raise _bad("key_sets are lists of verifier keys")
    if not isinstance(charter, str | None) or not isinstance(place, str | None) or place == "":
        raise _bad("charter and replay are texts or null")
    key_sets = tuple(tuple(parse_vkey(key) for key in keys) for keys in sets)
    log = WatchedLog(origin, key_sets, None if charter is None else make_pin(origin, charter), place or "")
    _check(log)
    return log


def _check(log: WatchedLog) -> None:
    if not 1 <= len(log.key_sets) <= MAX_KEY_SETS:
        raise _bad("a log has 1 to 64 sets of keys")
    for keys in log.key_sets:
        if not keys or any(not _is_log_key(key, log.origin) for key in keys):
            raise _bad("the keys of a log have its origin as name, and are of type 1 or 6")
        if len({key.public_key for key in keys}) != len(keys):
            raise _bad("a key stands in its set twice")
    if log.replay and log.pin is None:
        raise _bad("only a pinned ledger is replayed")


def _is_log_key(key: VerifierKey, origin: str) -> bool:
    return key.name == origin and key.signature_type in LOG_TYPES


def _bad(detail: str) -> MalformedError:
    return MalformedError(detail, field="logs", code="bad_input")
