"""The command that compares two copies of a ledger: `sc-ledger compare`.

    $ sc-ledger compare https://ledger.example copy-on-a-stick --pin pin.json --evidence found

docs/operations.md, "Compare". It names the first entry at which two copies part. Exit code 0: they agree as far
as both go; 1: they are not of the pinned ledger; 3: they differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ledger.codes import EXIT_ALARM
from ledger.core.pin import PIN_MAX_BYTES, Pin, parse_pin
from ledger.errors import CodedError, LedgerError
from ledger.files import read_file, write_file
from ledger.inspect import describe_entry

if TYPE_CHECKING:  # reading a copy brings the database with it
    from ledger.explorer.comparison import Comparison
    from ledger.explorer.copy import LedgerCopy

_out: Final = Console(emoji=False, highlight=False, soft_wrap=True, markup=False)
_err: Final = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True, markup=False)


def compare_command(
    source: Annotated[str, typer.Argument(help="Directory, published copy or address of a ledger.")],
    other: Annotated[str, typer.Argument(help="Another copy of the same ledger.")],
    pin: Annotated[Path, typer.Option(help="File with origin and charter hash of the ledger.")],
    evidence: Annotated[
        Path | None, typer.Option(help="Directory for an evidence file, where both histories are signed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the first entry at which two copies of a ledger part; exit 3 if there is one."""
    from ledger.explorer.comparison import compare

    pinned = parse_pin(read_file(pin, max_size=PIN_MAX_BYTES, field="pin"))
    with _copies((source, other), pinned, quiet=as_json) as copies:
        found = compare(*copies)
        if not (found.same_origin and found.same_charter):
            raise LedgerError("bad_input", "the two are not copies of the pinned ledger", field="other")
        if as_json:
            typer.echo(json.dumps(_told(found, copies), indent=2))
        else:
            for line in _lines(found, copies):
                _out.print(line)
        if evidence is not None and found.is_fork:
            for line in _keep_evidence(evidence, pinned, copies):
                _err.print(line)
    if found.index is not None:
        raise typer.Exit(EXIT_ALARM)


@contextmanager
def _copies(names: tuple[str, str], pin: Pin, *, quiet: bool) -> Iterator[tuple[LedgerCopy, LedgerCopy]]:
    """Open and read both copies."""
    from ledger.audit.source import open_source
    from ledger.explorer.copy import LedgerCopy

    columns = (
        TextColumn("Reading {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with ExitStack() as stack:
        copies = []
        for name in names:
            source = open_source(name)
            stack.callback(source.close)
            copies.append(LedgerCopy(name, source, pin))
        bar = stack.enter_context(Progress(*columns, console=_err, transient=True, disable=quiet))
        for copy in copies:
            copy.read(partial(_advance, bar, bar.add_task(copy.name, total=copy.size)))
        yield copies[0], copies[1]


def _advance(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _lines(found: Comparison, copies: tuple[LedgerCopy, LedgerCopy]) -> list[str]:
    lines = [f"{copy.name}: {copy.size} entries, root {copy.reader.head.root_hash.hex()}" for copy in copies]
    if found.index is None:
        return [f"THE SAME in the first {found.common_size} entries", *lines]
    shown = [f"DIFFERENT from entry {found.index} on", *lines]
    if found.trees_part_at is None:
        shown.append(
            "Both have the same tree: one of them serves bytes that its own tree does not commit to."
        )
    elif found.is_fork:
        shown.append("Both heads are signed by the log: it has signed two histories.")
    for copy in copies:
        shown += [
            f"Entry {found.index} of {copy.name}:",
            *(f"  {line}" for line in _entry(copy, found.index)),
        ]
    return shown


def _entry(copy: LedgerCopy, index: int) -> list[str]:
    report = copy.entry(index)
    faults = [fault for fault in (report.inclusion, report.signature, *report.faults) if fault is not None]
    said = [f"{fault.code}: {fault.detail}" for fault in dict.fromkeys(faults)]
    if report.entry is None:
        return [*said, "not there"]
    try:
        return [*said, *describe_entry(report.entry)]
    except CodedError as error:
        return [*said, f"not readable: {error.detail} ({error.code})"]


def _told(found: Comparison, copies: tuple[LedgerCopy, LedgerCopy]) -> dict[str, Any]:
    return {
        "index": found.index,
        "trees_part_at": found.trees_part_at,
        "is_fork": found.is_fork,
        "common_size": found.common_size,
        "copies": [
            {"source": copy.name, "size": copy.size, "root": copy.reader.head.root_hash.hex()}
            for copy in copies
        ],
    }


def _keep_evidence(folder: Path, pin: Pin, copies: tuple[LedgerCopy, LedgerCopy]) -> list[str]:
    from ledger.audit.evidence import collect_evidence
    from ledger.audit.report import AuditReport

    smaller, larger = sorted(copies, key=lambda copy: copy.size)
    report = AuditReport("inconsistent", pin.origin)
    data = collect_evidence(larger.name, pin, report, against=smaller.reader.text)
    if data is None:
        return ["No evidence: what is signed does not show this to others."]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"fork-{smaller.size}-{larger.size}.evidence"
    write_file(path, data)
    return [f"Evidence: {path}", f"Check it: sc-ledger evidence check {path} --pin PIN"]
