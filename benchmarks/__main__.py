"""Run benchmarks: `python -m benchmarks [P1 P3 P6 P7 P11 P13] [--rounds 7] [--out FILE.json]`.

Figures go to a table on the screen and, with --out, to a JSON file: `{"machine": {...}, "rounds": 7,
"figures": [{"id": "P1", "median": 1.6, "worst": 1.7, "goal": "<= 1.5", "met": false, ...}]}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import audit_replay, bench_phone, qr_sizes, registration, verify_card
from benchmarks.measure import Figure, machine

NAMES: Final = ("P1", "P3", "P6", "P7", "P11", "P13")

PHONE_ROUNDS_MAX: Final = 3
"""A round of P11 starts a browser and scans for a minute."""


def run(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"which of {', '.join(NAMES)}; default: all")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="rounds in which both sides are measured")] = 7,
    size: Annotated[int, typer.Option(min=1024, help="entries of the ledger that is audited")] = 200_000,
    statements: Annotated[int, typer.Option(min=256, help="statements registered per run of P3")] = 8_192,
    full: Annotated[bool, typer.Option("--full", help="P7 with 1,000,000 entries")] = False,
    out: Annotated[Path | None, typer.Option(help="write the figures as JSON")] = None,
) -> None:
    """Measure what docs/performance.md promises, both sides interleaved in one run."""
    chosen = [name.upper() for name in names or NAMES]
    unknown = sorted(set(chosen) - set(NAMES))
    if unknown:
        raise typer.BadParameter(f"not a benchmark: {', '.join(unknown)}")
    console = Console(emoji=False)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console,
        transient=True,
    ) as bars:  # fmt: skip

        def progress(title: str, total: int) -> Callable[[int], None]:
            task = bars.add_task(title, total=total)
            return lambda done: bars.update(task, completed=min(done, total))

        figures = measure(chosen, rounds, size, statements, full=full, progress=progress)
    console.print(table_of(figures))
    if out is not None:
        out.write_text(json.dumps(report_of(figures, rounds), indent=2) + "\n", encoding="utf-8")


def measure(
    names: Sequence[str],
    rounds: int,
    size: int,
    statements: int,
    *,
    full: bool,
    progress: audit_replay.Progress,
) -> list[Figure]:
    """Return the figures of the benchmarks named."""
    figures: list[Figure] = []
    if "P1" in names:
        figures += verify_card.measure(rounds)
    if "P3" in names:
        figures += registration.measure(rounds, statements, max(64, statements // 4), progress)
    if "P6" in names:
        figures += audit_replay.measure_speed(rounds, size, progress)
    if "P7" in names and audit_replay.can_watch():
        sizes = (min(20_000, size // 10), 1_000_000 if full else size)
        figures += audit_replay.measure_memory(sizes, progress)
    if "P11" in names and bench_phone.can_measure():
        figures += bench_phone.measure(min(rounds, PHONE_ROUNDS_MAX))
    if "P13" in names:
        figures += qr_sizes.measure()
    return figures


def report_of(figures: Sequence[Figure], rounds: int) -> dict[str, Any]:
    """Return what the JSON file holds."""
    return {"machine": machine(), "rounds": rounds, "figures": [figure.to_json() for figure in figures]}


def table_of(figures: Sequence[Figure]) -> Table:
    """Return the figures as a table for people."""
    table = Table("", "what", "against", "goal", "median", "worst")
    for figure in figures:
        style = "green" if figure.met else "yellow"
        values = [f"{value:.3g} {figure.unit}" for value in (figure.median, figure.worst)]
        table.add_row(figure.id, figure.what, figure.against, str(figure.goal), *values, style=style)
    return table


if __name__ == "__main__":
    typer.run(run)
