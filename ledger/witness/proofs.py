"""Evidence files from what a witness remembers: what convinces others who have nothing but the pin.

docs/protocol.md section 12. A witness keeps signed checkpoints; that two of them contradict each other, or that
one stands over entries that break a rule, is shown with the entries themselves, which are read from the ledger
or from any copy of it. Whatever is not proven is left out.

    for name, data in prove_from_memory(state, log, "https://ledger.example"):
        write_file(folder / name, data)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledger.audit.evidence import collect_evidence
from ledger.audit.report import AuditReport
from ledger.core.pin import Pin
from ledger.store.witness_state import WitnessState

_SEAL_RULES: Final = ("chain", "govern_head", "")
"""What may be wrong with a seal; an alarm does not keep which, so each is tried."""
_MOST_NOTES: Final = 32
"""Each is compared with the whole copy; who signs a thousand forks must not make that last for days."""


def prove_from_memory(state: WitnessState, origin: str, pin: Pin, source: str) -> Iterator[tuple[str, bytes]]:
    """Yield (file name, evidence) of what can be proven of one log: contradictions first, of 32 notes at most.

    Args:
        state: what the witness remembers.
        origin: the log.
        pin: the ledger that it is.
        source: a copy of it with the history that contradicts, or the one that the witness knows.

    Raises:
        StorageError: the source cannot be read.
    """
    alarm = state.alarm(origin)
    if alarm is not None:
        for rule in _SEAL_RULES if alarm.code == "bad_seal" else ("",):
            report = AuditReport(alarm.code, origin, index=alarm.index, rule=rule)
            data = collect_evidence(source, pin, report)
            if data is not None:
                yield f"{alarm.code}-{alarm.index}.evidence", data
                break
    head = state.head(origin)
    notes = [] if head is None else [head.note]
    refused = sorted(state.refused(origin), key=lambda item: not item.is_fork)
    notes += [item.note for item in refused[:_MOST_NOTES]]
    for number, note in enumerate(notes):
        data = collect_evidence(source, pin, AuditReport("inconsistent", origin), against=note)
        if data is not None:
            yield f"fork-{number}.evidence", data
