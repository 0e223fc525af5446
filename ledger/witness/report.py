"""What a witness remembers, in words, and its evidence as files.

    lines, has_evidence = describe_state(Path("w1"), Path("evidence"))

Evidence of a log is the checkpoint that contradicts, and beside it the one that was cosigned for the same
size, if there is one: two notes with the log's signatures that nobody can explain away. Of a pinned ledger
whose entries can be read there are evidence files too, which anybody checks with the pin alone.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

from ledger.core.pin import Pin
from ledger.errors import LedgerError, StorageError
from ledger.files import write_file
from ledger.store.witness_state import STATE_NAME, WitnessState
from ledger.witness.folder import read_witness_vkey
from ledger.witness.logs import WatchedLog, read_logs
from ledger.witness.proofs import prove_from_memory


def describe_state(
    folder: Path, evidence: Path | None = None, source: str | None = None, pin: Pin | None = None
) -> tuple[list[str], bool]:
    """Return the lines of a report, and whether anything speaks against a log.

    Args:
        folder: of the witness, which may be running.
        evidence: new or empty folder for notes and evidence files, None for none.
        source: copy of the ledger from which evidence is shown; None takes the place that is replayed.
        pin: of a ledger that the list of logs does not name.

    Raises:
        StorageError: code not_found, there is no witness; or its state cannot be read.
        LedgerError: code bad_input, the folder for the evidence is not empty.
    """
    lines = [f"Witness {read_witness_vkey(folder).name}"]
    watched = {log.origin: log for log in read_logs(folder)}
    found = False
    with closing(WitnessState.open(folder / STATE_NAME)) as state:
        for origin in sorted({*watched, *state.origins()}):
            head, alarm, refused = state.head(origin), state.alarm(origin), state.refused(origin)
            cosigned = "nothing cosigned yet" if head is None else f"{head.size} entries cosigned"
            watching = "" if origin in watched else ", not watched any more"
            lines.append(f"{origin}: {cosigned}{watching}")
            if alarm is not None:
                place = "" if alarm.index is None else f" at entry {alarm.index}"
                lines.append(f"  Refused for ever: {alarm.code}{place}: {alarm.detail}")
            lines += [
                f"  {'Contradicts' if item.is_fork else 'Refused'}: {item.size} entries, {item.detail}"
                for item in refused
            ]
            found |= alarm is not None or any(item.is_fork for item in refused)
        if evidence is not None:
            _write_notes(state, evidence)
            if pin is not None:
                watched.setdefault(pin.origin, WatchedLog(pin.origin, (), pin))
            for log in watched.values():
                lines += _write_proofs(state, log, source or log.replay, evidence)
    return lines, found


def _write_proofs(state: WitnessState, log: WatchedLog, source: str, folder: Path) -> list[str]:
    """Write the evidence files of one log and return what to say of them."""
    if state.alarm(log.origin) is None and not state.refused(log.origin):
        return []
    if log.pin is None or not source:
        return [f"{log.origin}: evidence files need --pin and --from."]
    lines = []
    try:
        for name, data in prove_from_memory(state, log.origin, log.pin, source):
            path = folder / f"{_short(log.origin)}-{name}"
            write_file(path, data)
            lines.append(f"Evidence: {path}")
    except StorageError as error:
        # A ledger that was found out may be gone: what the witness remembers is told all the same.
        return [*lines, f"No evidence files of {log.origin} from {source}: {error}; try a copy with --from."]
    return lines or [
        f"No evidence of {log.origin} can be made from {source}; try a copy of the other history."
    ]


def _write_notes(state: WitnessState, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise LedgerError("bad_input", f"{folder} is not empty", field="evidence")
    except OSError as error:
        raise StorageError(f"{folder} cannot be made", field="evidence") from error
    for origin in state.origins():
        short = _short(origin)
        alarm = state.alarm(origin)
        if alarm is not None:
            write_file(folder / f"{short}-alarm-{alarm.code}.checkpoint", alarm.note.encode())
        for item in state.refused(origin):
            stem = f"{short}-{item.size}"
            # The whole root: whoever signs can find two that begin in the same way, and one name is written once.
            write_file(folder / f"{stem}-refused-{item.root.hex()}.checkpoint", item.note.encode())
            own = state.note_at(origin, item.size)
            if own is not None and not (folder / f"{stem}-cosigned.checkpoint").exists():
                write_file(folder / f"{stem}-cosigned.checkpoint", own.encode())


def _short(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()[:16]
