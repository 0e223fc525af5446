"""The station as a small service, for a screen or a phone on the same desk.

    GET /          a form for people, POST /check its answer (verifier/pages.py)
    POST /verify   a code as text, JSON or an image; 200 with the verdict, for every verdict
    GET /list      which list is loaded and how old it is
    GET /healthz   whether the process answers
    GET /phone/    the phone page, and the lists for it (verifier/phone.py)

A scan is held in memory for as long as it takes to answer and nowhere else: no body is logged, nothing is
spooled to a disk, and every answer forbids caching. No verdict causes a network request. What a browser sends for a
page of another address is refused unread, and no such page may read or embed an answer.

    app = create_app(Station(Path("station")))
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from credential.core.qr_text import parse_seal_keys
from ledger.codes import CODES, http_status
from ledger.core.calendar_days import DAY_S
from ledger.errors import CodedError, MalformedError
from verifier.core.evidence import Verdict, list_json
from verifier.core.trusted_list import TrustedList
from verifier.core.verdict import CLOCK_AHEAD_S, DEFAULT_POLICY, StationPolicy
from verifier.errors import StationError
from verifier.images import read_codes
from verifier.pages import add_station_pages
from verifier.phone import add_phone_page
from verifier.phone_build import BuiltPage, load_page
from verifier.report import Report, scan
from verifier.station import Station
from verifier.words import load_wording

BODY_MAX_BYTES: Final = 8 * 1024 * 1024
TEXTS_MAX: Final = 16
"""The most codes in one request."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer says; the phone page's files, which are the same for everybody, say otherwise of caching."""
_READ_ONLY: Final = ("GET", "HEAD", "OPTIONS")
_ELSEWHERE: Final = ("cross-site", "same-site")
"""Values of Sec-Fetch-Site for what a page of another origin asks; a port of its own is an origin of its own."""
_NONCE: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){8,64}")


class _InMemoryForm(MultiPartParser):
    """A form parser that never spools a file to the disk: what is scanned leaves no residue."""

    spool_max_size = BODY_MAX_BYTES + 1


def create_app(
    station: Station,
    *,
    policy: StationPolicy = DEFAULT_POLICY,
    now_s: Callable[[], int] | None = None,
    page: BuiltPage | None = None,
    certificate: bytes | None = None,
) -> FastAPI:
    """Return the service of one station.

    Args:
        station: its folder; a list that is imported while the service runs is used from the next scan on.
        policy: from when on the list counts as stale, and the station's name for key bindings; the nonce
            comes with each request.
        now_s: the device's clock, seconds since 1970; for tests.
        page: the build of the phone page; the one in the package where none is given.
        certificate: the root of the station's own certificate as PEM, which a phone can be told to trust.
    """
    clock_s = now_s or _clock_s
    app = FastAPI(
        title="Safeconduct station",
        version="1",
        docs_url=None,  # the framework's page loads scripts from another host
        redoc_url=None,
    )

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        # A page that this device's browser shows could otherwise have pictures of its own decoded here, unseen.
        is_foreign = request.method not in _READ_ONLY and request.headers.get("sec-fetch-site") in _ELSEWHERE
        response = _refusal(_FOREIGN) if is_foreign else await answer(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.exception_handler(CodedError)
    async def refuse(_request: Request, error: Exception) -> Response:
        assert isinstance(error, CodedError)
        return _refusal(error)

    @app.post("/verify", openapi_extra=_VERIFY_BODY)
    async def verify(request: Request) -> dict[str, Any]:
        """Judge the codes in the body: text/plain, JSON, an image, or a form with images and texts."""
        parts = await _read_parts(request)

        def judge() -> dict[str, Any]:
            return _judge_parts(parts, station, clock_s(), policy).to_json(load_wording())

        return await run_in_threadpool(judge)

    add_station_pages(
        app,
        station,
        read_parts=_read_parts,
        judge=lambda parts: _judge_parts(parts, station, clock_s(), policy),
        clock_s=clock_s,
        has_certificate=bool(certificate),
    )

    add_phone_page(app, station, page=page or load_page(), certificate=certificate)

    @app.get("/list")
    def describe_list() -> dict[str, Any]:
        """Say which list is loaded and how old it is; with several ledgers, the first and then all of them."""
        lists = [_describe(trusted, clock_s()) for trusted in station.trusted_lists()]
        if not lists:
            raise CodedError("no_bundle", "no list is loaded", field="bundle")
        return {**lists[0], "ledgers": lists} if len(lists) > 1 else lists[0]

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    return app


_VERIFY_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "text": {
                            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
                        },
                        "slip": {"type": "string"},
                        "nonce": {"type": "string", "pattern": "^([0-9A-Fa-f]{2}){8,64}$"},
                    },
                    "required": ["text"],
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        "text": {"type": "string"},
                        "slip": {"type": "string", "description": "text, or a picture of it"},
                        "nonce": {"type": "string"},
                    },
                }
            },
        },
    }
}


_FOREIGN: Final = StationError("usage", "a page of another address asks for this", field="sec-fetch-site")


def _refusal(error: CodedError) -> Response:
    body = {
        "code": error.code,
        "title": CODES[error.code].meaning,
        "detail": error.detail,
        "field": error.field,
    }
    return JSONResponse(body, status_code=http_status(error.code))


def _describe(trusted: TrustedList, now_s: int) -> dict[str, Any]:
    age_s = now_s - trusted.now_min_s
    clock_wrong = not 0 <= age_s <= CLOCK_AHEAD_S
    return {
        "origin": trusted.origin,
        "tree_size": trusted.tree_size,
        "root_hash": trusted.root_hash.hex(),
        "issuers": len(trusted.issuers),
        "size_bytes": trusted.size_bytes,
        "list": list_json(
            trusted.now_min_s, None if clock_wrong else age_s // DAY_S, clock_wrong=clock_wrong
        ),
    }


def _clock_s() -> int:
    return int(time.time())


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX_BYTES:
            raise MalformedError("the request is larger than 8 MiB", field="body", code="too_large")
    return bytes(body)


async def _read_parts(request: Request) -> list[tuple[str, bytes]]:
    """Return (content type, bytes) of each part of a request; a body of one kind is one part."""
    body = await _read_body(request)
    content_type = request.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        return await _read_form(request.headers, body)
    return [(content_type, body)]


async def _read_form(headers: Headers, body: bytes) -> list[tuple[str, bytes]]:
    """Return (content type, bytes) of each part of a form; a slip and a nonce get these words as types."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemoryForm(
            headers, stream(), max_files=TEXTS_MAX, max_fields=TEXTS_MAX, max_part_size=BODY_MAX_BYTES
        ).parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise MalformedError("the form does not parse", field="body") from error
    parts = []
    try:
        for name, item in form.multi_items():
            if isinstance(item, UploadFile):
                kind = "slip/upload" if name == "slip" else "image/upload"
                parts.append((kind, await item.read()))
            else:
                parts.append((name if name in ("slip", "nonce") else "text/plain", item.encode()))
    finally:
        await form.close()
    return parts


def _judge_parts(
    parts: list[tuple[str, bytes]], station: Station, now_s: int, policy: StationPolicy
) -> Report:
    """Judge every code in the parts of a request. An image that does not decode is a verdict, not an error."""
    texts: list[str] = []
    slip_text = nonce_text = ""
    for kind, data in parts:
        if kind.startswith("image/"):
            try:
                texts += read_codes(data)
            except MalformedError as error:
                return Report((Verdict.of_error(error),), None)
        elif kind == "application/json":
            json_texts, slip_text, nonce_text = _parse_json(data)
            texts += json_texts
        elif kind == "slip/upload":
            slip_text = _slip_in(data)
        elif kind == "slip":
            slip_text = _utf8(data).strip()
        elif kind == "nonce":
            nonce_text = _utf8(data).strip()
        elif kind in ("text/plain", ""):
            texts += [line.strip("\r") for line in _utf8(data).split("\n") if line.strip()]
        else:
            raise MalformedError("a body of this type is not read", field="content-type", code="unsupported")
    if len(texts) > TEXTS_MAX:
        raise MalformedError(f"more than {TEXTS_MAX} codes", field="body", code="too_large")
    slip = parse_seal_keys(slip_text) if slip_text else None
    if nonce_text:
        policy = replace(policy, nonce=_parse_nonce(nonce_text))
    return scan(texts, station.trusted_lists(), now_s, slip=slip, policy=policy)


def _slip_in(image: bytes) -> str:
    """Return the text of the slip in a picture of it."""
    texts = read_codes(image)
    if len(texts) != 1:
        raise MalformedError("a slip is one code", field="slip")
    return texts[0]


def _parse_nonce(text: str) -> bytes:
    """Return the nonce that this station asked a holder's device to answer."""
    if not _NONCE.fullmatch(text):
        raise MalformedError("a nonce is 8 to 64 bytes in hexadecimal digits", field="nonce")
    return bytes.fromhex(text)


def _parse_json(data: bytes) -> tuple[list[str], str, str]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedError("the body is not JSON", field="body") from error
    match value:
        case {"text": str(text), **rest}:
            texts = [text]
        case {"text": [*items], **rest} if all(isinstance(item, str) for item in items):
            texts = items
        case _:
            raise MalformedError("a request has a text, or a list of them", field="text")
    slip, nonce = rest.pop("slip", ""), rest.pop("nonce", "")
    if rest or not isinstance(slip, str) or not isinstance(nonce, str):
        raise MalformedError("a request has a text, perhaps a slip and a nonce", field="body")
    return texts, slip, nonce


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("the text is not UTF-8", field="body") from error
