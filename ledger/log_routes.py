"""The log as static resources over HTTP: checkpoint, tiles, entry bundles, trust bundle, deltas, proofs.

C2SP tlog-tiles, docs/protocol.md section 8. What has one content for ever says so and may be kept by any
cache; what moves says that too. Whatever is not there is 404 and never kept, because a tile that is missing
now may be there in a second. Every answer can be read by a page of any origin. HEAD is answered as GET.

    add_log_routes(app, service)

    GET /tile/0/000          200  application/octet-stream
    GET /tile/entries/000    200  the same, with Content-Encoding: gzip where the client takes it
    GET /tile/0/0            404  another spelling
"""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import Annotated, Final, TypeAlias

from fastapi import FastAPI, Request, Response
from pydantic import BeforeValidator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.service.service import LedgerService

TEXT_TYPE: Final = "text/plain; charset=utf-8"
OCTETS: Final = "application/octet-stream"
CBOR_TYPE: Final = "application/cbor"
RECEIPT_TYPE: Final = "application/scitt-receipt+cose"
_FOR_ALL: Final = {"Access-Control-Allow-Origin": "*"}
"""Always, not only where a page asks: a shared cache may have got its copy for somebody else."""
MOVING: Final = {**_FOR_ALL, "Cache-Control": "no-cache"}
IMMUTABLE: Final = {**_FOR_ALL, "Cache-Control": "public, max-age=31536000, immutable"}
NOT_KEPT: Final = {**_FOR_ALL, "Cache-Control": "no-store"}
_GZIP_LEVEL: Final = 6
_NUMBER: Final = re.compile(r"0|[1-9][0-9]*", re.ASCII)


def _check_spelling(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number in its one spelling")
    return text


PathNumber: TypeAlias = Annotated[int, BeforeValidator(_check_spelling)]
"""A number in an address: `16`, and not `016`, `+16` or `1_6`, which would be other addresses of one resource."""


def add_log_routes(app: FastAPI, service: LedgerService) -> None:
    """Add the routes of the log."""

    @app.get("/checkpoint", tags=["log"])
    async def get_checkpoint() -> Response:
        """The newest cosigned checkpoint, a C2SP signed note."""
        return Response(service.checkpoint(), media_type=TEXT_TYPE, headers=MOVING)

    @app.get("/tile/{path:path}", tags=["log"])
    async def get_tile(path: str, request: Request) -> Response:
        """A hash tile or an entry bundle (C2SP tlog-tiles)."""
        data = await service.tile(f"tile/{path}")
        headers = dict(IMMUTABLE)
        if path.startswith("entries/"):
            headers["Vary"] = "Accept-Encoding"
            if takes_gzip(request.headers.get("accept-encoding", "")):
                data = await asyncio.to_thread(gzip.compress, data, _GZIP_LEVEL, mtime=0)
                headers["Content-Encoding"] = "gzip"
        return Response(data, media_type=OCTETS, headers=headers)

    @app.get("/bundle", tags=["log"])
    async def get_bundle() -> Response:
        """The trust bundle: all that a station needs."""
        return Response(await service.bundle(), media_type=CBOR_TYPE, headers=MOVING)

    @app.get("/delta/{day}", tags=["log"])
    async def get_delta(day: str) -> Response:
        """What changed in the trust bundle on one day (UTC) that is over."""
        return Response(await service.delta(day), media_type=CBOR_TYPE, headers=IMMUTABLE)

    @app.get("/consistency/{old}/{new}", tags=["log"])
    async def get_consistency(old: PathNumber, new: PathNumber) -> Response:
        """Receipt of consistency (RFC 9942) between two trees at which epochs ended."""
        return Response(await service.consistency(old, new), media_type=RECEIPT_TYPE, headers=MOVING)


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether a header Accept-Encoding allows gzip (RFC 9110, 12.5.3).

    >>> takes_gzip("gzip, identity"), takes_gzip("gzip;q=0, *"), takes_gzip("br;q=1.0, *;q=0.5"), takes_gzip("")
    (True, False, True, False)
    """
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, *parameters = (item.strip() for item in part.split(";"))
        weight = next((item[2:] for item in parameters if item.startswith("q=")), "1")
        try:
            weights[name] = float(weight)
        except ValueError:
            weights[name] = 0.0  # not a weight: the client gets what everybody can read
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


class HeadAsGet:
    """Answers HEAD with the head of what GET would answer, as a static file would."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_head)
