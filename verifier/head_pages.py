"""The page on which two stations compare heads. docs/protocol.md, section 9, "Comparing heads".

    GET  /head   the own heads as codes, and a form for a photo of the other station's
    POST /head   how they stand to each other

Public data of a ledger only; as on the other pages there is no script. A fork is kept in the folder.

    add_head_pages(app, station, pages=pages, shared=with_freshness, read_parts=_read_parts)
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from ledger.codes import http_status
from ledger.errors import CodedError
from ledger.web_pages import WebPages
from verifier.core.wording import Wording
from verifier.heads import JudgedHead, head_pictures, judge_head, read_head
from verifier.station import Station


def add_head_pages(
    app: FastAPI,
    station: Station,
    words: Wording,
    *,
    pages: WebPages,
    shared: Callable[[], Mapping[str, Any]],
    read_parts: Callable[[Request], Awaitable[list[tuple[str, bytes]]]],
) -> None:
    """Add `GET /head` and `POST /head`.

    Args:
        app: the service of the station.
        station: its folder.
        words: of the pages.
        pages: the templates.
        shared: what every page is given.
        read_parts: reads the body of a request.
    """

    def show(judged: JudgedHead | None, problem: str = "", status: int = 200) -> Response:
        own: list[dict[str, Any]] = []
        if judged is None:
            try:
                own = _own(station, words)
            except CodedError as error:
                problem, status = problem or describe(error), http_status(error.code)
        values = {
            **shared(),
            "heads": words.sections["heads"]["page"],
            "problem": problem,
            "judged": None if judged is None else _result(judged, words),
            "own": own,
        }
        return pages.answer("head.html", values, status=status)

    def describe(error: CodedError) -> str:
        problem: str = words.sections["heads"]["page"]["problem"]
        return problem.format(detail=f"{error.detail} ({error.code})")

    def compare(files: list[bytes]) -> Response:
        try:
            return show(judge_head(station, read_head(files)))
        except CodedError as error:
            return show(None, describe(error), http_status(error.code))

    @app.get("/head", include_in_schema=False)
    def get_head() -> Response:
        """The own heads and the form."""
        return show(None)

    @app.post("/head", include_in_schema=False)
    async def post_head(request: Request) -> Response:
        """The comparison."""
        try:
            parts = await read_parts(request)
        except CodedError as error:
            return await run_in_threadpool(show, None, describe(error), http_status(error.code))
        return await run_in_threadpool(compare, [data for _, data in parts if data.strip()])


def _own(station: Station, words: Wording) -> list[dict[str, Any]]:
    """Return the heads of the lists at hand as pictures."""
    page = words.sections["heads"]["page"]
    own = []
    for trusted in station.trusted_lists():
        pictures = head_pictures(trusted.checkpoint)
        frames = [
            {
                "label": page["frame"].format(number=number, count=len(pictures)),
                "picture": f"data:image/png;base64,{b64encode(data).decode('ascii')}",
            }
            for number, data in enumerate(pictures, start=1)
        ]
        own.append({"origin": trusted.origin, "size": trusted.tree_size, "frames": frames})
    return own


def _result(judged: JudgedHead, words: Wording) -> dict[str, Any]:
    mine, other = judged.mine, judged.compared.checkpoint
    lines = [
        words.text("heads", "here", count=mine.tree_size, root=mine.root_hash.hex()),
        words.text("heads", "there", count=other.tree_size, root=other.root_hash.hex()),
    ]
    if not judged.compared.is_cosigned:
        lines.append(words.text("heads", "not_cosigned"))
    colours = {"fork": "red", "unknown": "amber"}
    return {
        "sentence": words.text("heads", judged.relation),
        "colour": colours.get(judged.relation, "green"),
        "relation": judged.relation,
        "lines": lines,
        "evidence": [path.name for path in judged.evidence],
    }
