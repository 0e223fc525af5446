"""The explorer's pages: read only, without scripts, and with nothing that finds a person.

    GET  /                    what the copy is, and whether it holds together
    POST /search              an entry, a statement or an issuer; what was typed stands in no address and no log
    GET  /entries/INDEX       one entry, its bytes, its proof, step by step
    GET  /issuers, /issuers/ID, /governance, /epochs, and their further /pages/N
    GET  /compare             two copies, where a second one was given

No address has a query. The pages are made of values that were checked (`copy`), and say where something is not.

    app = create_app(copy, other=None, allowed_hosts=frozenset({"127.0.0.1", "localhost"}))
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Collection
from importlib import resources
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ledger.codes import http_status
from ledger.errors import CodedError, LedgerError, MalformedError
from ledger.explorer.comparison import Comparison, compare
from ledger.explorer.copy import LedgerCopy
from ledger.explorer.list_views import (
    Pages,
    compare_values,
    epochs_values,
    governance_values,
    issuer_values,
    issuers_values,
    pages_of,
)
from ledger.explorer.query import EntryIndexQuery, IssuerQuery, parse_query
from ledger.explorer.views import entry_values, overview_values
from ledger.ledger_arguments import parse_number
from ledger.web_pages import HEADERS, WebPages

MAX_FORM_BYTES: Final = 4_096
_FORM: Final = "application/x-www-form-urlencoded"
_SHARED: Final = {"lang": "en", "dir": "ltr", "skip": "Skip to the content", "home": "Ledger explorer"}

Values = dict[str, Any]


class Explorer:
    """One copy, perhaps a second one beside it, and what their pages show."""

    def __init__(self, copy: LedgerCopy, other: LedgerCopy | None) -> None:
        self.copy = copy
        self.other = other
        self._comparison: Comparison | None = None
        self._lock = threading.Lock()

    @property
    def issuers(self) -> Collection[str]:
        """Ids of the issuers of the ledger."""
        governance = self.copy.fold.governance
        return () if governance is None else governance.issuers.keys()

    def search(self, text: str) -> str:
        """Return the address, from the root, of what was asked for.

        Raises:
            LedgerError: code bad_input, it is nothing that may be searched; not_found.
        """
        query = parse_query(text, self.issuers)
        if isinstance(query, IssuerQuery):
            return f"issuers/{query.issuer_id}"
        if isinstance(query, EntryIndexQuery):
            if query.index >= self.copy.size:
                raise _not_found("This ledger has no entry of this index.")
            return f"entries/{query.index}"
        index = self.copy.find(query.identity)
        if index is None:
            raise _not_found("No statement of this ledger has this identity.")
        return f"entries/{index}"

    def entry(self, index: str) -> Values:
        """Return the values of an entry's page."""
        return entry_values(self.copy.entry(_number(index)), self.copy)

    def issuer(self, issuer_id: str, page: str) -> Values:
        """Return the values of an issuer's page."""
        if issuer_id not in self.issuers:
            raise _not_found("This ledger has no issuer of this id.")
        rows = len(self.copy.index.by_issuer.get(issuer_id, ()))
        return issuer_values(self.copy, issuer_id, _pages(rows, page))

    def governance(self, page: str) -> Values:
        """Return the values of a page of the governance."""
        governance = self.copy.fold.governance
        rows = 0 if governance is None else len(governance.effects)
        return governance_values(self.copy, _pages(rows, page))

    def epochs(self, page: str) -> Values:
        """Return the values of a page of the time line."""
        return epochs_values(self.copy, _pages(self.copy.index.epoch_count, page))

    def compare(self) -> Values:
        """Return the values of the comparison."""
        if self.other is None:
            raise _not_found("There is no second copy: give one with the command.")
        with self._lock:
            if self._comparison is None:
                self._comparison = compare(self.copy, self.other)
        copies, index = (self.copy, self.other), self._comparison.index
        reports = [None if index is None else copy.entry(index) for copy in copies]
        return compare_values(self._comparison, copies, reports)


def create_app(
    copy: LedgerCopy, other: LedgerCopy | None = None, *, allowed_hosts: Collection[str] | None = None
) -> FastAPI:
    """Return the explorer's pages.

    Args:
        copy: the copy, read.
        other: a second one to compare with, read, or None.
        allowed_hosts: names under which the pages answer, without ports; None for any. On loopback a page of
            another site could otherwise read them under its own name.
    """
    app = FastAPI(
        title="Ledger explorer", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    explorer = Explorer(copy, other)
    pages = WebPages("ledger.explorer")
    style = resources.files("ledger.explorer").joinpath("templates", "explorer.css").read_bytes()

    def show(request: Request, template: str, values: Values, status: int = 200) -> Response:
        up = "../" * (request.url.path.count("/") - 1)
        shared = {**_SHARED, "up": up, "copy_name": copy.name, "has_other": other is not None, "problem": ""}
        return pages.answer(template, {**shared, **values}, status=status)

    @app.middleware("http")
    async def check_host(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        if allowed_hosts is not None and (request.url.hostname or "") not in allowed_hosts:
            return Response("not this host", 400, dict(HEADERS), "text/plain")
        return await answer(request)

    @app.exception_handler(CodedError)
    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, CodedError)
        values = {"code": error.code, "detail": error.detail}
        return show(request, "refused.html", values, max(http_status(error.code), 400))

    @app.exception_handler(HTTPException)
    async def refuse_path(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        values = {"code": "not_found", "detail": "There is no such page."}
        return show(request, "refused.html", values, status)

    @app.post("/search")
    async def search(request: Request) -> Response:
        try:
            asked = await _read_form(request)
            place = await run_in_threadpool(explorer.search, asked)
        except CodedError as error:
            values = {"problem": error.detail, "code": error.code}
            return show(request, "search.html", values, http_status(error.code))
        return Response(None, 303, {**HEADERS, "Location": place})

    @app.get("/search")
    def get_search(request: Request) -> Response:
        return show(request, "search.html", {})

    @app.get("/style.css")
    def get_style() -> Response:
        return pages.style()

    @app.get("/explorer.css")
    def get_explorer_style() -> Response:
        return Response(style, 200, dict(HEADERS), "text/css; charset=utf-8")

    _add_pages(app, explorer, show)
    return app


def _add_pages(app: FastAPI, explorer: Explorer, show: Callable[..., Response]) -> None:
    @app.get("/")
    def get_overview(request: Request) -> Response:
        return show(request, "overview.html", overview_values(explorer.copy))

    @app.get("/entries/{index}")
    def get_entry(request: Request, index: str) -> Response:
        return show(request, "entry.html", explorer.entry(index))

    @app.get("/issuers")
    def get_issuers(request: Request) -> Response:
        return show(request, "issuers.html", issuers_values(explorer.copy))

    @app.get("/issuers/{issuer_id}")
    @app.get("/issuers/{issuer_id}/pages/{page}")
    def get_issuer(request: Request, issuer_id: str, page: str = "1") -> Response:
        return show(request, "issuer.html", explorer.issuer(issuer_id, page))

    @app.get("/governance")
    @app.get("/governance/pages/{page}")
    def get_governance(request: Request, page: str = "1") -> Response:
        return show(request, "governance.html", explorer.governance(page))

    @app.get("/epochs")
    @app.get("/epochs/pages/{page}")
    def get_epochs(request: Request, page: str = "1") -> Response:
        return show(request, "epochs.html", explorer.epochs(page))

    @app.get("/compare")
    def get_compare(request: Request) -> Response:
        return show(request, "compare.html", explorer.compare())


async def _read_form(request: Request) -> str:
    """Return what was typed into the form; LedgerError bad_input for a body that is not one field of it."""
    if request.headers.get("content-type", "").split(";")[0].strip() != _FORM:
        raise MalformedError("The form is sent as a browser sends it.", field="search", code="bad_input")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            raise MalformedError("That is too long for a search.", field="search", code="too_large")
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=4)
    except ValueError:
        fields = {}
    return fields.get("what", [""])[0]


def _number(text: str) -> int:
    try:
        return parse_number(text, "an index")
    except LedgerError:
        raise _not_found("There is no such page.") from None


def _pages(rows: int, page: str) -> Pages:
    pages = pages_of(rows, _number(page))
    if pages is None:
        raise _not_found("There is no such page.")
    return pages


def _not_found(detail: str) -> LedgerError:
    return LedgerError("not_found", detail, field="page")
