"""The phone page below `/phone/`, and what it fetches there: pins, lists and daily changes.

    GET  /phone/                              the page and its files, as built
    GET  /phone/station.json                  the ledgers that this station believes, and the list of each
    GET  /phone/ledgers/{n}/bundle            a list, bytes as in section 9 of docs/protocol.md
    GET  /phone/ledgers/{n}/deltas/{day}      a public daily delta that this station applied
    GET  /certificate.pem                     what a phone can be told to trust, where the station made it itself
    POST /phone/share                         what a phone without its service worker shares: not read, not kept

A phone verifies what it gets like a file from a stick: nothing here has to be believed. Everything is public data of
a ledger; no request carries anything of a scan. Nothing is logged and no cookie is set.

Strict-Transport-Security is not sent. A browser that got it over a certificate of the station's own would take the
click-through away when that certificate is renewed, and lock the phone out; a proxy with a real certificate sets it.

    add_phone_page(app, station, page=load_page())
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request, Response

from ledger.core.pin import format_pin
from ledger.errors import BundleError, CodedError
from ledger.service.deltas import parse_day
from verifier.core.trusted_list import TrustedList
from verifier.core.wording import Wording
from verifier.kept_deltas import DeltaShelf
from verifier.phone_build import INDEX, BuiltPage, etag_of, is_fresh
from verifier.station import Station
from verifier.words import load_wording

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; media-src 'self' blob:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types safeconduct"
)
# What the page needs: to see a code. Two are left as they are, for the page
# itself: autoplay starts the picture of the camera, and web-share, which not every browser knows, hands on a list.
_ON: Final = ("camera",)
_OFF: Final = (
    "accelerometer", "bluetooth", "browsing-topics", "clipboard-read", "compute-pressure",
    "display-capture", "encrypted-media", "fullscreen", "gamepad", "geolocation", "gyroscope", "hid",
    "identity-credentials-get", "idle-detection", "keyboard-map", "local-fonts", "magnetometer", "microphone", "midi",
    "otp-credentials", "payment", "picture-in-picture", "publickey-credentials-create", "publickey-credentials-get",
    "screen-wake-lock", "serial", "storage-access", "sync-xhr", "usb", "window-management", "xr-spatial-tracking",
)  # fmt: skip
PERMISSIONS_POLICY: Final = ", ".join((*(f"{name}=(self)" for name in _ON), *(f"{name}=()" for name in _OFF)))
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
"""Beside what every answer of a station says (verifier/api.py)."""
CERTIFICATE_PATH: Final = "/certificate.pem"
_NO_CACHE: Final = "no-cache"
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,3}", re.ASCII)


def add_phone_page(
    app: FastAPI, station: Station, *, page: BuiltPage | None, certificate: bytes | None = None
) -> None:
    """Add the routes below `/phone`.

    Args:
        app: the service of the station.
        station: its folder; a list that is imported while the service runs is what phones get from then on.
        page: the build, None where there is none: then the page answers 503 with a sentence, the data all the same.
        certificate: the root that signed the station's own certificate, PEM; None or b"" where there is none.
    """
    lists = _PublicLists(station)
    words = load_wording()

    @app.middleware("http")
    async def add_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await answer(request)
        if request.scope["path"].startswith(("/phone", CERTIFICATE_PATH)):
            response.headers.update(HEADERS)
        return response

    @app.get("/phone", include_in_schema=False)
    def to_the_page() -> Response:
        return Response(None, 308, {"Location": "phone/"})

    @app.get("/phone/station.json")
    def describe_station() -> Response:
        """Say which ledgers the station believes and how new its list of each is, for a phone that synchronises."""
        body = json.dumps({"version": 1, "ledgers": lists.describe()}, separators=(",", ":")).encode()
        return Response(body, 200, None, "application/json")

    @app.get("/phone/ledgers/{number}/bundle", responses=_BYTES)
    def get_bundle(number: str, request: Request) -> Response:
        """Give the list at hand of a ledger, counted from 0 as in station.json."""
        published = lists.published(number)
        if published is None:
            raise CodedError("not_found", "there is no list of this ledger", field="number")
        return _public_bytes(request, published.data, published.etag)

    @app.get("/phone/ledgers/{number}/deltas/{day}", responses=_BYTES)
    def get_delta(number: str, day: str, request: Request) -> Response:
        """Give the public changes of a day `YYYY-MM-DD` (UTC), where this station applied them itself."""
        ledger, date = lists.ledger(number), parse_day(day)
        delta = None if ledger is None or date is None else DeltaShelf(ledger.folder).read(date)
        if delta is None:
            raise CodedError("not_found", "the changes of this day are not at hand", field="day")
        return _public_bytes(request, delta, etag_of(delta))

    # Not below /phone/: it is the station's own, and is fetched before the page can be trusted to load at all.
    @app.get(CERTIFICATE_PATH, include_in_schema=False)
    def get_certificate() -> Response:
        if not certificate:
            return Response(None, 404)
        return Response(certificate, 200, None, "application/x-x509-ca-cert")

    @app.post("/phone/share", include_in_schema=False)
    def answer_share() -> Response:
        # The service worker of the page takes what is shared. Without it the body comes here, and nobody reads it.
        return Response(None, 303, {"Location": "./"})

    @app.api_route("/phone/{name:path}", methods=["GET", "HEAD"], include_in_schema=False)
    def get_file(name: str, request: Request) -> Response:
        return _no_page(words) if page is None else _page_file(page, name or INDEX, request)


@dataclass(frozen=True, slots=True)
class _Published:
    """A list as phones get it: verified, its bytes, and what station.json says about them."""

    trusted: TrustedList
    data: bytes
    etag: str


class _PublicLists:
    """The lists at hand, each hashed once while it is the newest."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._known: dict[str, _Published] = {}

    def ledger(self, number: str) -> Station | None:
        """Return the station of a ledger by its place in digits, None where there is none."""
        ledgers = self._station.ledgers()
        place = int(number) if _NUMBER.fullmatch(number) else len(ledgers)
        return ledgers[place] if place < len(ledgers) else None

    def published(self, number: str) -> _Published | None:
        """Return the list of a ledger, None where there is none that verifies."""
        ledger = self.ledger(number)
        return None if ledger is None else self._published(ledger)

    def describe(self) -> list[dict[str, Any]]:
        """Return what station.json says about each ledger."""
        return [self._describe(ledger) for ledger in self._station.ledgers()]

    def _describe(self, ledger: Station) -> dict[str, Any]:
        pin = ledger.pin()
        described: dict[str, Any] = {"pin": json.loads(format_pin(pin)), "origin": pin.origin}
        published = self._published(ledger)
        if published is not None:
            described |= {
                "tree_size": published.trusted.tree_size,
                "root_hash": published.trusted.root_hash.hex(),
                "list_time_s": published.trusted.now_min_s,
                "size_bytes": len(published.data),
                "sha256": published.etag.strip('"'),
            }
        return described

    def _published(self, ledger: Station) -> _Published | None:
        """Return bytes and description of one list, also while another one takes its place."""
        key = str(ledger.folder)
        while True:
            try:
                trusted = ledger.trusted()
            except BundleError:
                trusted = None  # damaged: a phone gets no list rather than that one
            if trusted is None:
                self._known.pop(key, None)
                return None
            known = self._known.get(key)
            if known is not None and known.trusted is trusted:
                return known
            data = ledger.export_bundle()
            if ledger.trusted() is trusted:  # else another list took its place in between
                self._known[key] = published = _Published(trusted, data, etag_of(data))
                return published


def _page_file(page: BuiltPage, name: str, request: Request) -> Response:
    file = page.files.get(name)
    if file is None:
        return Response(None, 404)
    form = file.choose(request.headers.get("accept-encoding", ""))
    headers = {"Cache-Control": file.cache, "ETag": form.etag, "Vary": "Accept-Encoding"}
    if form.coding:
        headers["Content-Encoding"] = form.coding
    if is_fresh(request.headers.get("if-none-match", ""), form.etag):
        return Response(None, 304, headers)
    return Response(form.body, 200, headers, file.content_type)


def _public_bytes(request: Request, data: bytes, etag: str) -> Response:
    headers = {"Cache-Control": _NO_CACHE, "ETag": etag}
    if is_fresh(request.headers.get("if-none-match", ""), etag):
        return Response(None, 304, headers)
    return Response(data, 200, headers, "application/cbor")


def _no_page(words: Wording) -> Response:
    headers = {"Content-Language": words.language}
    return Response(words.text("page", "phone_missing") + "\n", 503, headers, "text/plain; charset=utf-8")


_BYTES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/cbor": {"schema": {"type": "string", "format": "binary"}}}}
}
