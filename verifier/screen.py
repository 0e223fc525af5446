"""A report on a terminal: shape, word and colour, the three questions apart, what to do now.

The shape and the word tell the states apart; the colour only repeats them. What the bearer opened is shown
last, and only where something was opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from credential.symbols import QUIET_ZONE_MODULES, QrSymbol
from verifier.core.companion import CompanionResult
from verifier.core.evidence import Evidence, Verdict
from verifier.core.wording import Wording, format_date, tell, tell_companion
from verifier.report import Report

_JOINERS: Final = "\u200c\u200d"  # they shape letters in Persian and in Indic scripts
_HALVES: Final = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
_COLOURS: Final = {"green": "green", "blue": "cyan", "amber": "yellow", "red": "bold red", "grey": "white"}


def show_report(console: Console, report: Report, words: Wording) -> None:
    """Print every verdict of a scan, and the companion check."""
    for number, verdict in enumerate(report.verdicts):
        if number:
            console.print()
        _show_verdict(console, verdict, words)
    if report.companion is not None:
        console.print()
        _show_companion(console, report.companion, words)


def show_symbol(console: Console, symbol: QrSymbol) -> None:
    """Print a code with two modules to a character, dark on light, quiet zone included."""
    margin = bytes(QUIET_ZONE_MODULES)
    blank = bytes(symbol.side_modules + 2 * QUIET_ZONE_MODULES)
    rows = [blank] * QUIET_ZONE_MODULES
    rows += [margin + row + margin for row in symbol.modules]
    rows += [blank] * (QUIET_ZONE_MODULES + 1)  # the side is odd
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        line = "".join(_HALVES[above, below] for above, below in zip(upper, lower, strict=True))
        console.print(Text(line, style="black on bright_white"))


def _show_verdict(console: Console, verdict: Verdict, words: Wording) -> None:
    told = tell(verdict, words)
    headline = f"{told.state.symbol} {told.state.word}"
    console.print(Text(headline, style=_COLOURS.get(told.state.colour, "white")))
    console.print(told.title, markup=False)
    if verdict.evidence is None:
        console.print(f"{verdict.codes[0]}: {verdict.detail}", markup=False)
    if told.freshness:
        console.print(f"[{told.freshness}]", markup=False)
    for question, answer in told.questions:
        console.print(f"  {question} {answer}", markup=False)
    for line in told.lines:
        console.print(f"  - {line}", markup=False)
    if verdict.evidence is not None:
        _show_evidence(console, verdict.evidence, words)
    console.print(f"Now: {told.state.now}", markup=False)


def _show_evidence(console: Console, evidence: Evidence, words: Wording) -> None:
    for age, answer in evidence.answers.items():
        question = words.text("answers", "question", age=age)
        console.print(f"  {question} {words.text('answers', answer)}", markup=False)
    right = evidence.companion
    if right is not None and not right.ended:
        scope = words.sections["companion"]["scopes"][right.scope]
        line = words.text("companion", "right", scope=scope, until=format_date(right.until))
        console.print(f"  {line}", markup=False)
    for name, value in evidence.opened.items():
        console.print(f"  {_printable(str(name))}: {_show_value(value)}", markup=False)


def _show_companion(console: Console, found: CompanionResult, words: Wording) -> None:
    line, questions = tell_companion(found, words)
    console.print(line, markup=False)
    for question in questions:
        console.print(f"  - {question}", markup=False)


def _show_value(value: Any) -> str:
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, Mapping):
        return ", ".join(
            f"{_printable(str(key))} {_show_value(item)}" for key, item in value.items() if item != ""
        )
    if isinstance(value, list):
        return "; ".join(_show_value(item) for item in value)
    return _printable(str(value))


def _printable(text: str) -> str:
    """Return the text without characters that could steer a terminal."""
    return "".join(c if c.isprintable() or c in _JOINERS else "\N{MIDDLE DOT}" for c in text)
