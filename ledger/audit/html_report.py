"""An audit as pages to read, hand on and print: the verdict, the time line, the issuers, the governors.

Plain files without scripts that load nothing from anywhere: a folder can be mailed, put on a stick, and opened
on a machine that has never seen a ledger. Nothing of any person is on them, because nothing of any person is
on a ledger.

    write_report(Path("report"), AuditedLedger("https://ledger.example", report, history), made_s=now_s)
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from ledger.audit.history import DatedEffect, Day, History, IssuerHistory
from ledger.audit.report import AuditReport
from ledger.audit.source import opened_source
from ledger.codes import CODES
from ledger.core.registry.issuers import Issuer
from ledger.core.status_change import REASON_NAMES
from ledger.core.tiles import TILE_WIDTH
from ledger.errors import CodedError, LedgerError, StorageError
from ledger.inspect import STATUS_NAMES, describe_action, describe_entry, describe_issuer, format_time
from ledger.page_templates import page_environment, stylesheet

MOST_DAYS: Final = 92
"""Above this the time line has a row for each month."""
MOST_POINTS: Final = 365
_SHOWN_BYTES: Final = 8192
_ROW_BYTES: Final = 16
_WIDTH, _HEIGHT = 600, 160


@dataclass(frozen=True, slots=True)
class BadEntry:
    """The entry at which an audit stopped, as the source has it."""

    index: int
    entry: bytes


@dataclass(frozen=True, slots=True)
class AuditedLedger:
    """All that the pages are made of.

    Attributes:
        source: where it was read, as the auditor named it.
        report: the verdict.
        history: what was replayed up to there.
        bad_entry: the entry that the verdict names, where the source still gave it.
        evidence: name -> evidence file, to lie in the same folder.
    """

    source: str
    report: AuditReport
    history: History
    bad_entry: BadEntry | None = None
    evidence: Mapping[str, bytes] = field(default_factory=dict)


def read_bad_entry(source_name: str, report: AuditReport) -> BadEntry | None:
    """Return the entry that a verdict names, as the source has it; None where there is none to read."""
    if report.index is None or report.index >= report.tree_size:
        return None
    start = report.index // TILE_WIDTH * TILE_WIDTH
    try:
        with opened_source(source_name) as source:
            entries, _ = source.entries(start, min(start + TILE_WIDTH, report.tree_size), report.tree_size)
        return BadEntry(report.index, entries[report.index - start])
    except (CodedError, IndexError):
        return None


def check_new_folder(folder: Path) -> None:
    """Refuse a folder that has anything in it, before hours of work.

    Raises:
        LedgerError: code bad_input.
        StorageError: it cannot be looked at.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise LedgerError("bad_input", f"{folder} is not a new or empty folder", field="report")
    except OSError as error:
        raise StorageError(f"{folder} cannot be read", field="report") from error


def write_report(folder: Path, audited: AuditedLedger, *, made_s: int) -> Path:
    """Write the pages into a new folder, all or none, and return the first one.

    Args:
        folder: new or empty.
        audited: what the audit found.
        made_s: time of the report, seconds.

    Raises:
        LedgerError: code bad_input, the folder has something in it.
        StorageError: it cannot be written.
    """
    check_new_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as aside:
            new = Path(aside) / "report"
            new.mkdir(mode=0o755)
            for name, data in render_files(audited, made_s=made_s):
                (new / name).write_bytes(data)
            if folder.exists():
                folder.rmdir()
            new.rename(folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written", field="report") from error
    return folder / "index.html"


def render_report(audited: AuditedLedger, *, made_s: int) -> dict[str, bytes]:
    """Return the files of a report by name."""
    return dict(render_files(audited, made_s=made_s))


def render_files(audited: AuditedLedger, *, made_s: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file: of 10,000 issuers nobody holds all pages at once."""
    environment = page_environment("ledger")
    shared = {
        "lang": "en",
        "dir": "ltr",
        "skip": "Skip to the content",
        "home": "Audit",
        "style": stylesheet().decode(),
        "report": audited.report,
        "made": format_time(made_s),
        "bad_entry": audited.bad_entry,
    }

    def page(template: str, **values: Any) -> bytes:
        return environment.get_template(template).render({**shared, **values}).encode()

    issuers = _issuers(audited.history)
    yield from audited.evidence.items()
    yield "index.html", page("report_index.html", **_index_values(audited, issuers))
    yield "governance.html", page("report_governance.html", actions=_actions(audited.history.actions))
    for issuer, history in issuers:
        yield f"issuer-{issuer.number}.html", page("report_issuer.html", **_issuer_values(issuer, history))
    if audited.bad_entry is not None:
        yield "violation.html", page("report_violation.html", **_violation_values(audited.bad_entry))
        yield f"entry-{audited.bad_entry.index}.bin", audited.bad_entry.entry


def shown_source(name: str) -> str:
    """Return the name of a source without what it may hold to log in with: pages are handed on.

    >>> shown_source("https://anna:secret@ledger.example/one?key=1"), shown_source("/media/stick")
    ('https://ledger.example/one', '/media/stick')
    """
    if not name.startswith(("http://", "https://")):
        return name
    scheme, _, rest = name.partition("://")
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _index_values(audited: AuditedLedger, issuers: Sequence[tuple[Issuer, IssuerHistory]]) -> dict[str, Any]:
    report, days = audited.report, audited.history.days
    registry = audited.history.registry
    code = CODES.get(report.code)
    return {
        "source": shown_source(audited.source),
        "meaning": "" if report.ok or code is None else code.meaning,
        "charter": "" if registry is None else registry.governance.charter_hash.hex(),
        "last": format_time(report.last_time_ms // 1000) if report.last_time_ms else "",
        "cosigned": [(name, format_time(time_s)) for name, time_s in sorted(report.cosigned.items())],
        "counts": sorted(report.counts.items()),
        "issuers": [
            (issuer, sum(month.credentials for month in history.months.values()))
            for issuer, history in issuers
        ],
        "held": [{**held, "until": format_time(held["until_s"])} for held in report.held],
        "points": chart_points(days),
        "rows": time_line(days),
        "first_day": days[0].date if days else "",
        "last_day": days[-1].date if days else "",
        "largest": days[-1].tree_size if days else 0,
        "action_count": len(audited.history.actions),
        "evidence": list(audited.evidence),
    }


def time_line(days: Sequence[Day]) -> list[dict[str, Any]]:
    """Return the rows of the time line, newest first: a day each, or a month each where there are many."""
    by_month = len(days) > MOST_DAYS
    groups = groupby(days, key=lambda day: day.date[:7] if by_month else day.date)
    rows = []
    for name, group in groups:
        members = list(group)
        counts = {
            kind: sum(day.counts[kind] for day in members) for kind in ("credential", "status", "govern")
        }
        rows.append(
            {
                "name": name,
                "epochs": sum(day.epochs for day in members),
                "tree_size": members[-1].tree_size,
                "last": format_time(members[-1].last_ms // 1000),
                "gap": _duration(max(day.longest_gap_ms for day in members)),
                **counts,
            }
        )
    return rows[::-1]


def chart_points(days: Sequence[Day]) -> str:
    """Return the points of a line of the tree size over time, for a drawing of 600 by 160."""
    if len(days) < 2:
        return ""
    step = -(-len(days) // MOST_POINTS)
    shown = [*days[:-1:step], days[-1]]
    start, end = shown[0].last_ms, shown[-1].last_ms
    top = max(day.tree_size for day in shown)
    return " ".join(
        f"{_WIDTH * (day.last_ms - start) / (end - start):.1f},{_HEIGHT - _HEIGHT * day.tree_size / top:.1f}"
        for day in shown
    )


def _issuers(history: History) -> list[tuple[Issuer, IssuerHistory]]:
    if history.registry is None:
        return []
    issuers = history.registry.governance.issuers.values()
    return [(issuer, history.issuers.get(issuer.issuer_id, IssuerHistory())) for issuer in issuers]


def _issuer_values(issuer: Issuer, history: IssuerHistory) -> dict[str, Any]:
    most = max((month.credentials for month in history.months.values()), default=0) or 1
    months = [
        {
            "name": f"{number // 100}-{number % 100:02}",
            "credentials": month.credentials,
            "share": round(100 * month.credentials / most),
            "changes": [
                (f"{STATUS_NAMES.get(new, str(new))} ({REASON_NAMES.get(reason, str(reason))})", count)
                for (new, reason), count in sorted(month.changes.items())
            ],
            "by_holders": month.by_holders,
            "held": month.held,
        }
        for number, month in sorted(history.months.items(), reverse=True)
    ]
    admitted = history.actions[0] if history.actions else None
    return {
        "issuer": issuer,
        "admitted_at": None if admitted is None else admitted.effect.index,
        "admitted": "" if admitted is None else format_time(admitted.time_ms // 1000),
        "lines": [line.strip() for line in describe_issuer(issuer)[3:]],  # the rest stands above
        "months": months,
        "total": sum(month.credentials for month in history.months.values()),
        "actions": _actions(history.actions),
    }


def _actions(actions: Sequence[DatedEffect]) -> list[Mapping[str, Any]]:
    """Return actions in plain words, newest first."""
    return [
        {
            "index": dated.effect.index,
            "time": format_time(dated.time_ms // 1000),
            "approvals": list(dated.effect.approvals),
            "lines": [line.strip() for line in describe_action(dated.effect.action)],
        }
        for dated in reversed(actions)
    ]


def _violation_values(bad: BadEntry) -> dict[str, Any]:
    try:
        lines, refusal = describe_entry(bad.entry), ""
    except CodedError as error:
        lines, refusal = [], f"{error.detail} ({error.code})"
    return {
        "lines": lines,
        "refusal": refusal,
        "dump": hex_dump(bad.entry[:_SHOWN_BYTES]),
        "left_out": max(0, len(bad.entry) - _SHOWN_BYTES),
        "file": f"entry-{bad.index}.bin",
    }


def hex_dump(data: bytes) -> list[str]:
    """Return bytes as people compare them: offset, and 16 bytes a line.

    >>> hex_dump(bytes(range(18)))
    ['0000  000102030405060708090a0b0c0d0e0f', '0010  1011']
    """
    starts = range(0, len(data), _ROW_BYTES)
    return [f"{start:04x}  {data[start : start + _ROW_BYTES].hex()}" for start in starts]


def _duration(milliseconds: int) -> str:
    """Return a time span in words, in its largest unit.

    >>> _duration(90_000), _duration(3_600_000), _duration(0)
    ('1.5 minutes', '1.0 hours', '')
    """
    for unit, size in (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1000)):
        if milliseconds >= size:
            return f"{milliseconds / size:.1f} {unit}"
    return f"{milliseconds} ms" if milliseconds else ""
