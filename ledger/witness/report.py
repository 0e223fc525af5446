"""What a witness remembers, in words, and its evidence as files.

    lines, has_evidence = describe_state(Path("w1"), Path("evidence"))

Evidence of a log is the checkpoint that contradicts, and beside it the one that was cosigned for the same
size, if there is one: two notes with the log's signatures that nobody can explain away.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

from ledger.errors import LedgerError, StorageError
from ledger.files import write_file
from ledger.store.witness_state import STATE_NAME, WitnessState
from ledger.witness.folder import read_witness_vkey
from ledger.witness.logs import read_logs


def describe_state(folder: Path, evidence: Path | None = None) -> tuple[list[str], bool]:
    """Return the lines of a report, and whether anything speaks against a log.

    Args:
        folder: of the witness, which may be running.
        evidence: new or empty folder for the notes, None for none.

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
            _write_evidence(state, evidence)
    return lines, found


def _write_evidence(state: WitnessState, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise LedgerError("bad_input", f"{folder} is not empty", field="evidence")
    except OSError as error:
        raise StorageError(f"{folder} cannot be made", field="evidence") from error
    for origin in state.origins():
        short = hashlib.sha256(origin.encode()).hexdigest()[:16]
        alarm = state.alarm(origin)
        if alarm is not None:
            write_file(folder / f"{short}-alarm-{alarm.code}.checkpoint", alarm.note.encode())
        own = {head.size: head for head in state.cosigned(origin)}
        for item in state.refused(origin):
            stem = f"{short}-{item.size}"
            write_file(folder / f"{stem}-refused-{item.root.hex()[:8]}.checkpoint", item.note.encode())
            if item.size in own and not (folder / f"{stem}-cosigned.checkpoint").exists():
                write_file(folder / f"{stem}-cosigned.checkpoint", own[item.size].note.encode())
