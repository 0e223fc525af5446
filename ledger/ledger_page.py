"""The ledger's front page: who governs it, who may issue on it, and how far it is; for people, without scripts.

Everything on it is public and about institutions. There is no search, and nothing on the page leads to a
person: entries have no name, and the page shows none of them.

    add_ledger_pages(app, service)
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import FastAPI, Response

from ledger.errors import StorageError
from ledger.inspect import describe_action
from ledger.service.service import Governing, LedgerService
from ledger.web_pages import WebPages, add_description

MAX_ACTIONS: Final = 200
"""The newest actions that the page shows; all of them are in the bundle."""
_VERB: Final = re.compile(r"  [0-9]+\. (.*)")
_SHARED: Final = {"lang": "en", "dir": "ltr", "skip": "Skip to the content", "home": "Ledger"}


def add_ledger_pages(app: FastAPI, service: LedgerService) -> None:
    """Add the routes `/`, `/docs` and `/style.css`."""
    pages = WebPages("ledger")

    @app.get("/", include_in_schema=False)
    async def get_page() -> Response:
        """The ledger in words."""
        try:
            governing = await service.governance()
        except StorageError:
            governing = None  # stopped in the middle of an epoch: what is published stays readable
        return pages.answer("ledger.html", {**_SHARED, **page_values(service, governing)})

    add_description(app, pages, lambda: _SHARED)


def page_values(service: LedgerService, governing: Governing | None) -> dict[str, Any]:
    """Return what the front page shows."""
    health = service.health()
    return {
        "health": health,
        "head_time": _time(health.time_ms // 1000),
        "charter": "" if governing is None else governing.charter_hash.hex(),
        "governing": governing,
        "issuers": [] if governing is None else list(governing.issuers),
        "actions": [] if governing is None else _actions(governing),
    }


def _actions(governing: Governing) -> list[tuple[int, list[tuple[str, list[str]]]]]:
    """Return the newest actions in effect, newest first: entry, and each verb with what goes with it."""
    newest = governing.effects[-MAX_ACTIONS:][::-1]
    return [(effect.index, _verbs(describe_action(effect.action))) for effect in newest]


def _verbs(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Return the verbs of a described action; what stands above them says how to compare a draft on paper."""
    verbs: list[tuple[str, list[str]]] = []
    for line in lines:
        numbered = _VERB.fullmatch(line)
        if numbered:
            verbs.append((numbered[1], []))
        elif verbs:
            verbs[-1][1].append(line.strip())
    return verbs


def _time(time_s: int) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M} UTC"
