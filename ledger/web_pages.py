"""Plain web pages: templates, one stylesheet, and headers that let nothing else in.

The pages of a ledger and of a station need no script and load nothing from another host. What a browser may
do with them stands in their headers: no script at all, no frame around them, no copy kept, no address passed
on. The texts are escaped by the template engine.

    pages = WebPages("verifier")
    pages.answer("form.html", {"lang": "en", "dir": "ltr"})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Response

from ledger.page_templates import page_environment, stylesheet

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_METHODS: Final = ("get", "post", "put", "delete")


class WebPages:
    """The templates of one package, over the ones that all share.

    Args:
        package: the package whose folder `templates` is asked first; `ledger` has the shared ones.
    """

    def __init__(self, package: str) -> None:
        self._environment = page_environment(package)
        self._style = stylesheet()

    def answer(self, template: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
        """Return a page."""
        text = self._environment.get_template(template).render(values)
        return Response(text, status, dict(HEADERS), "text/html; charset=utf-8")

    def style(self) -> Response:
        """Return the stylesheet of all pages."""
        return Response(self._style, 200, dict(HEADERS), "text/css; charset=utf-8")


def add_description(app: FastAPI, pages: WebPages, values: Callable[[], Mapping[str, Any]]) -> None:
    """Add `/docs`, which lists the routes of the service in words, and `/style.css`.

    Args:
        app: its openapi.json is what the page shows.
        pages: the templates.
        values: what every page of this service is given.
    """

    @app.get("/docs", include_in_schema=False)
    async def get_docs() -> Response:
        described = app.openapi()
        more = {"service": described["info"]["title"], "routes": routes_of(described)}
        return pages.answer("routes.html", {**values(), **more})

    @app.get("/style.css", include_in_schema=False)
    async def get_style() -> Response:
        return pages.style()


def routes_of(described: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Return (method, path, sentence) of each route that an OpenAPI description names."""
    return [
        (method.upper(), path, " ".join((operation.get("description") or operation["summary"]).split()))
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
