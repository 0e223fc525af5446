"""The witness over HTTP: C2SP tlog-witness, and a page and a state for those who run it.

    POST /add-checkpoint              cosign a checkpoint that extends the last one
    GET  /<origin hash>/checkpoint    the last checkpoint that was cosigned, with the log's lines and ours
    GET  /healthz                     state, as JSON
    GET  /                            the same for people

Submission prefix and monitoring prefix are one. Nobody is logged, and nothing that a log did not sign is kept.

    app = create_witness_app(WitnessService(folder.signer, folder.state, logs, now_s))
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from ledger.core.witness_protocol import MAX_REQUEST_SIZE, TEXT_TYPE, Answer
from ledger.errors import CodedError
from ledger.web_pages import HEADERS, WebPages, add_description
from ledger.witness.service import WitnessService

MAX_AT_ONCE: Final = 32
"""Requests that are judged at the same time; more are asked to come back."""
BODY_TIMEOUT_S: Final = 10.0
_SHARED: Final = {"lang": "en", "dir": "ltr", "skip": "Skip to the content", "home": "Witness"}
_log: Final = logging.getLogger("safeconduct.witness")


def create_witness_app(service: WitnessService) -> FastAPI:
    """Return the application of one witness; whoever runs it starts and stops the service."""
    app = FastAPI(
        title="Safeconduct witness",
        summary="Cosigns the heads of logs that only ever grow.",
        version="1",
        docs_url=None,  # the framework's page loads scripts from another host
        redoc_url=None,
    )
    _add_protocol(app, service)
    _add_pages(app, service)
    return app


def _add_protocol(app: FastAPI, service: WitnessService) -> None:
    slots = asyncio.Semaphore(MAX_AT_ONCE)

    @app.post("/add-checkpoint", tags=["tlog-witness"])
    async def add_checkpoint(request: Request) -> Response:
        """Cosign a checkpoint that extends the last one: body and statuses as C2SP tlog-witness says."""
        body = await _read_body(request)  # before a place is taken: whoever sends slowly holds none
        if isinstance(body, Answer):
            return _respond(body)
        if slots.locked():
            return _respond(Answer(503, TEXT_TYPE, b"too many requests at once\n", 1))
        async with slots:
            try:
                return _respond(await service.answer(body))
            except CodedError as error:
                _log.error("no answer: %s", error)
                return _respond(Answer(503, TEXT_TYPE, f"{error.code}\n".encode(), 60))

    @app.get("/{origin_hash}/checkpoint", tags=["tlog-witness"])
    async def get_checkpoint(origin_hash: str) -> Response:
        """The last checkpoint that was cosigned for the log with this SHA-256 of its origin, in hex."""
        note = await service.last_checkpoint(origin_hash)
        if note is None:
            return _respond(Answer(404, TEXT_TYPE, b"nothing was cosigned for this log\n"))
        return _respond(Answer(200, TEXT_TYPE, note.encode()))

    @app.exception_handler(HTTPException)
    async def refuse(_request: Request, error: HTTPException) -> Response:
        return _respond(Answer(error.status_code, TEXT_TYPE, f"{error.detail}\n".encode()))

    @app.exception_handler(CodedError)
    async def fail(_request: Request, error: CodedError) -> Response:
        _log.error("no answer: %s", error)
        return _respond(Answer(503, TEXT_TYPE, f"{error.code}\n".encode(), 60))


def _add_pages(app: FastAPI, service: WitnessService) -> None:
    pages = WebPages("ledger")

    @app.get("/healthz", tags=["state"])
    async def healthz() -> dict[str, Any]:
        """State of the witness and of each log that it watches; 200 as long as it answers at all."""
        return (await service.health()).to_dict()

    @app.get("/", include_in_schema=False)
    async def get_page() -> Response:
        """The state in words."""
        return pages.answer("witness.html", {**_SHARED, "health": await service.health()})

    add_description(app, pages, lambda: _SHARED)


async def _read_body(request: Request) -> bytes | Answer:
    """Return the body, or the answer to one that is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                body += part
                if len(body) > MAX_REQUEST_SIZE:
                    return Answer(413, TEXT_TYPE, b"the request is too large\n")
    except TimeoutError:
        return Answer(408, TEXT_TYPE, b"the request took too long\n")
    return bytes(body)


def _respond(answer: Answer) -> Response:
    headers = {**HEADERS, "Cache-Control": "no-cache"}
    if answer.retry_after_s is not None:
        headers["Retry-After"] = str(answer.retry_after_s)
    # Starlette would put a charset behind text/x.tlog.size, which the specification does not have.
    response = Response(answer.body, answer.status, headers)
    response.headers["Content-Type"] = answer.media_type
    return response
