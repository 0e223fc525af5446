"""The HTTP face of the log service. docs/protocol.md section 8: SCRAPI, tlog-tiles, bundle, status tokens.

`POST /entries` is a bare Starlette route over bytes, because a model per request would cost more than
checking the signature; everything else is FastAPI. The module translates, calls and translates back; no
rule lives here. Neither bodies nor queries nor addresses are logged.

    app = create_app(open_service(data_dir, passphrase=ask, now_ms=clock))
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.batches import MEDIA_TYPE as BATCH_TYPE
from ledger.batches import answer_batch, take_batch
from ledger.core.batch import MAX_BATCH_BYTES, parse_batch
from ledger.core.govern_hint import format_govern_hint
from ledger.core.key_set import format_key, format_key_set, key_name
from ledger.core.statement import MAX_ENTRY_BYTES
from ledger.errors import CodedError, MalformedError, StorageError, VerificationError
from ledger.ledger_page import add_ledger_pages
from ledger.log_routes import (
    CBOR_TYPE,
    MOVING,
    NOT_KEPT,
    RECEIPT_TYPE,
    TEXT_TYPE,
    HeadAsGet,
    PathNumber,
    add_log_routes,
)
from ledger.problems import answer_of
from ledger.service.intake import Placed
from ledger.service.service import LedgerService

COSE_TYPE: Final = "application/cose"
STATEMENT_TYPE: Final = "application/scitt-statement+cose"
_STATUS_TYPE: Final = "application/statuslist+cwt"
_ID: Final = re.compile(r"[0-9a-f]{64}")
_access: Final = logging.getLogger("safeconduct.ledger.access")
_log: Final = logging.getLogger("safeconduct.ledger")


def create_app(service: LedgerService) -> FastAPI:
    """Return the application of one ledger; it starts and stops the service with itself."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="Safeconduct ledger",
        summary="An append-only, witnessed log of attestations.",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # the framework's page loads scripts from another host
        redoc_url=None,
        redirect_slashes=False,  # a path with another spelling is not there, as in a folder of files
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD"],
        expose_headers=["Location", "Retry-After"],
    )
    if service.settings.access_log:
        app.add_middleware(_AccessLog)
    _add_error_handlers(app)
    _add_registration(app, service)
    add_log_routes(app, service)
    _add_status_routes(app, service)
    _add_key_routes(app, service)
    add_ledger_pages(app, service)
    return app


def _add_registration(app: FastAPI, service: LedgerService) -> None:
    async def post_entry(request: Request) -> Response:
        waits = _waits(request, service)
        submission = service.take(await _read_body(request), tell_admitted=not waits)
        identity = submission.statement.statement_id
        if submission.admitted is not None:
            await submission.admitted
            if not submission.placed.done():
                return _see_later(service, identity)
        try:
            async with asyncio.timeout(service.settings.wait_s):
                placed = await submission.placed
        except TimeoutError:
            return _see_later(service, identity)
        return await _answer(request, service, placed, 201)

    async def post_batch(request: Request) -> Response:
        entries = parse_batch(await _read_body(request, MAX_BATCH_BYTES))
        return StreamingResponse(answer_batch(service, take_batch(service, entries)), media_type=BATCH_TYPE)

    app.add_route("/entries", post_entry, methods=["POST"])
    app.add_route("/entries/batch", post_batch, methods=["POST"])
    _describe_registration(app)

    @app.get("/entries/{statement_id}", tags=["registration"])
    async def get_entry(statement_id: str, request: Request) -> Response:
        """Receipt of a statement, or the Transparent Statement; 302 while its epoch is open."""
        identity = _identity(statement_id)
        if service.is_pending(identity):
            return _see_later(service, identity, status=302)
        placed = await service.find(identity)
        if placed is None:
            raise VerificationError("not_found", "no such statement is on the ledger", field="id")
        return await _answer(request, service, placed, 200)

    @app.get("/entries/{statement_id}/proof", tags=["registration"])
    async def get_proof(statement_id: str) -> Response:
        """The C2SP tlog-proof of a statement under the cosigned checkpoint; 302 until there is one."""
        identity = _identity(statement_id)
        if not service.is_pending(identity):
            proof = await service.tlog_proof(identity)
            if proof is not None:
                return Response(proof, media_type=TEXT_TYPE, headers=MOVING)
        return _see_later(service, identity, "/proof", status=302)


def _identity(text: str) -> bytes:
    if not _ID.fullmatch(text):
        raise VerificationError("not_found", "not the identity of a statement", field="id")
    return bytes.fromhex(text)


def _describe_registration(app: FastAPI) -> None:
    """Put the bare route into the service's description of itself."""
    generate = app.openapi
    answers = {
        "201": "on the ledger; the receipt, or the Transparent Statement",
        "303": "its epoch is open; ask again at Location",
        "4XX": "refused; problem details with a stable code",
    }

    def openapi() -> dict[str, Any]:
        described = generate()
        described["paths"]["/entries/batch"] = {
            "post": {
                "tags": ["registration"],
                "summary": "Register up to 1,000 statements, a CBOR sequence of byte strings.",
                "requestBody": {"required": True, "content": {BATCH_TYPE: {}}},
                "responses": {"200": {"description": "CBOR sequence of [status, bytes], in order"}},
            }
        }
        described["paths"].setdefault("/entries", {})["post"] = {
            "tags": ["registration"],
            "summary": "Register a statement with an empty unprotected header.",
            "requestBody": {"required": True, "content": {"application/cose": {}}},
            "responses": {status: {"description": text} for status, text in answers.items()},
        }
        return described

    app.openapi = openapi  # type: ignore[method-assign]


def _add_status_routes(app: FastAPI, service: LedgerService) -> None:
    @app.get("/govern", tags=["log"])
    async def get_govern() -> Response:
        """Indexes of what waits for the governors; a hint that nobody need believe."""
        answer = format_govern_hint(await service.govern_hint())
        return Response(answer, media_type=CBOR_TYPE, headers=MOVING)

    @app.get("/status/{issuer_number}/{list_number}/next", tags=["log"])
    async def get_next_seq(issuer_number: PathNumber, list_number: PathNumber) -> dict[str, int]:
        """The sequence number that the next change of a list needs; a hint that nobody need believe."""
        return {"seq": await service.next_seq(issuer_number, list_number)}

    @app.get("/status/{issuer_number}/{list_number}", tags=["log"])
    async def get_status(issuer_number: PathNumber, list_number: PathNumber) -> Response:
        """The Status List Token of one list."""
        token = await service.status_token(issuer_number, list_number)
        return Response(token, media_type=_STATUS_TYPE, headers={"Cache-Control": "public, max-age=3600"})

    @app.get("/healthz", tags=["service"])
    async def get_health() -> dict[str, Any]:
        """State of the service."""
        return asdict(service.health())


def _add_key_routes(app: FastAPI, service: LedgerService) -> None:
    """Keys of receipts, those of earlier times too: receipts are kept longer than keys are used."""

    @app.get("/.well-known/scitt-keys", tags=["keys"])
    async def get_keys() -> Response:
        """Keys of receipts, a COSE Key Set, the one in use first."""
        return Response(format_key_set(service.receipts_keys), media_type=CBOR_TYPE, headers=MOVING)

    @app.get("/.well-known/scitt-keys/{kid}", tags=["keys"])
    async def get_key(kid: str) -> Response:
        """One key of receipts; `kid` in base64url."""
        for key in service.receipts_keys:
            if kid == key_name(key):
                return Response(format_key(key), media_type=CBOR_TYPE, headers=MOVING)
        raise VerificationError("not_found", "no such key", field="kid")


def _add_error_handlers(app: FastAPI) -> None:
    async def on_coded(request: Request, error: Exception) -> Response:
        assert isinstance(error, CodedError)
        return _problem(request, error)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return _problem(request, VerificationError("not_found", "there is nothing at this address"))
        answer = _problem(request, StorageError("the request is not one of this service", code="usage"))
        answer.status_code = error.status_code
        answer.headers.update(error.headers or {})  # of 405: which methods there are
        return answer

    async def on_validation(request: Request, _error: Exception) -> Response:
        return _problem(request, VerificationError("not_found", "there is nothing at this address"))

    async def on_defect(request: Request, error: Exception) -> Response:
        _log.error("a request failed: %s", type(error).__name__)
        return _problem(request, StorageError("the service failed", field="service"))

    app.add_exception_handler(CodedError, on_coded)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(Exception, on_defect)


def _problem(request: Request, error: CodedError) -> Response:
    answer = answer_of(error, request.headers.get("accept", ""))
    retry = {"Retry-After": "1"} if answer.status in (429, 503) else {}
    headers = {**NOT_KEPT, **retry}
    return Response(answer.body, answer.status, headers, answer.media_type)


async def _read_body(request: Request, max_size_bytes: int = MAX_ENTRY_BYTES) -> bytes:
    """Return the body, never more of it than it may have.

    Raises:
        MalformedError: code too_large.
    """
    too_large = MalformedError(f"more than {max_size_bytes} bytes", field="entry", code="too_large")
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced) > max_size_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_size_bytes:
            raise too_large
    return bytes(body)


def _waits(request: Request, service: LedgerService) -> bool:
    """Whether the answer waits for the epoch: what the client prefers (RFC 7240), else the settings."""
    preferences = [
        part.split(";")[0].split("=")[0].strip() for part in request.headers.get("prefer", "").split(",")
    ]
    if "respond-async" in preferences:
        return False
    return "wait" in preferences or service.settings.waits_for(service.epoch_ms)


async def _answer(request: Request, service: LedgerService, placed: Placed, status: int) -> Response:
    """Return the receipt or the Transparent Statement, as the type that the client names."""
    headers = {**NOT_KEPT, "Location": f"/entries/{placed.statement_id.hex()}"}
    accept = request.headers.get("accept", "")
    if STATEMENT_TYPE in accept:
        return Response(await service.transparent(placed), status, headers, STATEMENT_TYPE)
    media_type = RECEIPT_TYPE if RECEIPT_TYPE in accept else COSE_TYPE
    return Response(await service.receipt(placed.leaf_index), status, headers, media_type)


def _see_later(service: LedgerService, statement_id: bytes, part: str = "", *, status: int = 303) -> Response:
    """Return where to ask again: 303 after a POST, 302 to those who have asked already (SCRAPI)."""
    retry_s = max(1, -(-service.epoch_ms // 1000))
    location = f"/entries/{statement_id.hex()}{part}"
    headers = {**NOT_KEPT, "Location": location, "Retry-After": str(retry_s)}
    return Response(b"", status, headers, COSE_TYPE)


class _AccessLog:
    """Logs method, first part of the path and status: enough to see load, nothing about anybody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = scope["path"].split("/")[1] or "/"
                _access.info("%s %s %d", scope["method"], route, message["status"])
            await send(message)

        await self._app(scope, receive, send_and_log)
