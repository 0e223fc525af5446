"""The station as plain web pages, for whoever has a browser and not the phone page.

    GET /        a form: photos of codes, or their text
    POST /check  the verdict in words, with shape and colour, and what to do now

No script, nothing from another host, nothing kept. What the bearer opened is on the page and closed: it is
shown by a further click. All words are those of `verifier/data`.

    add_station_pages(app, station, read_parts=..., judge=..., clock_s=...)
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from ledger.codes import http_status
from ledger.core.calendar_days import DAY_S, date_of_seconds, month_of_seconds
from ledger.errors import CodedError
from ledger.web_pages import WebPages, add_description
from verifier.core.evidence import Evidence, Verdict
from verifier.core.verdict import CLOCK_AHEAD_S
from verifier.core.wording import (
    Told,
    Wording,
    format_date,
    format_month,
    freshness_line,
    tell,
    tell_companion,
)
from verifier.head_pages import add_head_pages
from verifier.report import WORST_FIRST, Report
from verifier.station import Station
from verifier.words import load_wording

Parts = list[tuple[str, bytes]]
"""(content type, bytes) of each part of a request."""
_PICTURES: Final = ((b"RIFF", "image/webp"), (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG", "image/png"))


@dataclass(frozen=True, slots=True)
class OpenedPart:
    """One part that the bearer opened: its name, what it says, and the address of a picture or ""."""

    label: str
    values: tuple[str, ...]
    picture: str = ""


@dataclass(frozen=True, slots=True)
class CardView:
    """One verdict as the page shows it."""

    name: str
    told: Told
    subtitle: str
    answers: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    opened: tuple[OpenedPart, ...]
    opened_summary: str


def add_station_pages(
    app: FastAPI,
    station: Station,
    *,
    read_parts: Callable[[Request], Awaitable[Parts]],
    judge: Callable[[Parts], Report],
    clock_s: Callable[[], int],
    has_certificate: bool = False,
) -> None:
    """Add the routes `/`, `/check`, `/head`, `/docs` and `/style.css`.

    Args:
        app: the service of the station.
        station: its folder.
        read_parts: reads the body of a request.
        judge: judges what was read.
        clock_s: the device's clock, seconds.
        has_certificate: whether a phone can be told to trust a certificate of the station's own.
    """
    pages = WebPages("verifier")
    words = load_wording()
    shared = {
        "lang": words.language,
        "dir": words.sections["direction"],
        "page": words.sections["page"],
        "skip": words.text("page", "skip"),
        "home": words.text("page", "home"),
        "compare_link": words.sections["heads"]["page"]["link"],
        "has_certificate": has_certificate,
    }

    def with_freshness() -> dict[str, Any]:
        return {**shared, "freshness": freshness(station, words, clock_s())}

    def show(parts: Parts) -> Response:
        return pages.answer("result.html", {**with_freshness(), **result_values(judge(parts), words)})

    def refuse(problem: str, status: int) -> Response:
        return pages.answer("form.html", {**with_freshness(), "problem": problem}, status=status)

    @app.get("/", include_in_schema=False)
    def get_form() -> Response:
        """The form."""
        return pages.answer("form.html", {**with_freshness(), "problem": ""})

    @app.post("/check", include_in_schema=False)
    async def check(request: Request) -> Response:
        """The verdict as a page."""
        try:
            parts = [part for part in await read_parts(request) if part[1].strip()]
            if all(kind == "slip" for kind, _ in parts):
                return await run_in_threadpool(refuse, words.text("page", "nothing"), 400)
            return await run_in_threadpool(show, parts)
        except CodedError as error:
            problem = words.sections["page"]["problems"].get(error.code, words.text("page", "problem"))
            return await run_in_threadpool(refuse, f"{problem} ({error.code})", http_status(error.code))

    add_head_pages(app, station, words, pages=pages, shared=with_freshness, read_parts=read_parts)
    add_description(app, pages, lambda: shared)


def freshness(station: Station, words: Wording, now_s: int) -> list[str]:
    """Return one line for each list at hand: its date and its age, and whose it is where there are several."""
    try:
        lists = station.trusted_lists()
    except CodedError:
        lists = ()
    lines = []
    for trusted in lists:
        age_s = now_s - trusted.now_min_s
        wrong = not 0 <= age_s <= CLOCK_AHEAD_S
        listed = date_of_seconds(trusted.now_min_s).isoformat()
        line = freshness_line(words, listed, None if wrong else age_s // DAY_S, clock_wrong=wrong)
        lines.append(line if len(lists) == 1 else f"{trusted.origin}: {line}")
    return lines or [words.text("freshness", "none")]


def result_values(report: Report, words: Wording) -> dict[str, Any]:
    """Return what the page of a result shows: the verdict that matters most first."""
    numbered = list(enumerate(report.verdicts, start=1))
    numbered.sort(key=lambda item: WORST_FIRST.index(item[1].state))
    return {
        "cards": [_card_view(number, verdict, words) for number, verdict in numbered],
        "companion": None if report.companion is None else tell_companion(report.companion, words),
    }


def _card_view(number: int, verdict: Verdict, words: Wording) -> CardView:
    told = tell(verdict, words)
    evidence = verdict.evidence
    parts = () if evidence is None else tuple(_opened_parts(evidence.opened, words))
    return CardView(
        name=words.text("page", "card", number=number),
        told=told,
        # A title that only says the word again is left out.
        subtitle="" if told.title.upper() == told.state.word else told.title,
        answers=() if evidence is None else _answers(evidence, words),
        lines=_lines(told, evidence, words),
        facts=() if evidence is None else _facts(evidence, words),
        opened=parts,
        opened_summary=words.text("page", "opened_summary", count=len(parts)),
    )


def _answers(evidence: Evidence, words: Wording) -> tuple[tuple[str, str], ...]:
    return tuple(
        (words.text("answers", "question", age=age), words.text("answers", answer))
        for age, answer in evidence.answers.items()
    )


def _facts(evidence: Evidence, words: Wording) -> tuple[tuple[str, str], ...]:
    """Return who issued the card and in which month, as the phone page shows it."""
    labels = words.sections["phone"]["show"]
    return (
        (labels["issuer"], evidence.issuer.title),
        (labels["authority"], evidence.issuer.authority),
        (labels["issued"], format_month(month_of_seconds(evidence.iat_s))),
    )


def _lines(told: Told, evidence: Evidence | None, words: Wording) -> tuple[str, ...]:
    """Return everything else that is true; what the three answers say already is not said again."""
    said = " ".join(answer for _, answer in told.questions)
    lines = [line for line in told.lines if line not in said]
    if evidence is None:
        return tuple(lines)
    right = evidence.companion
    if right is not None and not right.ended:
        scope = words.sections["companion"]["scopes"][right.scope]
        lines.append(words.text("companion", "right", scope=scope, until=format_date(right.until)))
    if evidence.sealed_count:
        lines.append(words.text("page", "sealed", count=evidence.sealed_count))
    return tuple(lines)


def _opened_parts(opened: Mapping[str, Any], words: Wording) -> list[OpenedPart]:
    return [_opened_part(name, value, words) for name, value in opened.items()]


def _opened_part(name: str, value: Any, words: Wording) -> OpenedPart:
    label = words.sections["page"]["labels"].get(name, name)
    if isinstance(value, bytes):
        kind = next((kind for start, kind in _PICTURES if value.startswith(start)), "")
        if kind:
            return OpenedPart(label, (), f"data:{kind};base64,{b64encode(value).decode('ascii')}")
        return OpenedPart(label, (words.text("page", "bytes", count=len(value)),))
    match name, value:
        case "names", [*names]:
            return OpenedPart(label, tuple(_name_line(item, words) for item in names))
        case "birth", {"earliest": earliest, "latest": latest, "basis": basis, "told": told}:
            return OpenedPart(label, _birth_lines(earliest, latest, basis, told, words))
    values = value if isinstance(value, list) else [value]
    return OpenedPart(label, tuple(_plain(item) for item in values))


def _name_line(name: Mapping[str, str], words: Wording) -> str:
    line = name["text"] if name["text"] == name["latin"] else f"{name['text']} / {name['latin']}"
    return words.text("page", "known_as", name=line) if name["kind"] == "known_as" else line


def _birth_lines(earliest: str, latest: str, basis: str, told: str, words: Wording) -> tuple[str, ...]:
    first, last = (format_date(date.fromisoformat(day)) for day in (earliest, latest))
    span = first if first == last else words.text("page", "between", first=first, last=last)
    basis_line = words.sections["page"]["basis"].get(basis, basis)
    said = (words.text("page", "told", told=told),) if told else ()
    return (span, basis_line, *said)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)
