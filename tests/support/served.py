"""A ledger with its service and its HTTP routes, in process: what tests of published things stand on.

async def body(client, service): ...
run(World(folder, threshold=2).found(), body)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from ledger.api import create_app
from ledger.service.service import LedgerService
from ledger.service.witnesses import LocalWitness
from tests.support.log_service import World

Body = Callable[[httpx.AsyncClient, LedgerService], Coroutine[Any, Any, None]]
WAIT = {"Prefer": "wait"}


def run(world: World, body: Body, opened: Callable[..., LedgerService] | None = None, **chosen: Any) -> None:
    """Run a test's body against the service of a ledger whose issuer civil-1 is admitted.

    `opened` opens the service from witnesses and settings; `World.open` if it is absent.
    """

    async def whole() -> None:
        clients = [LocalWitness(witness) for witness in world.witnesses(world.data_dir.parent / "w")]
        service = (opened or world.open)(clients, **chosen)
        app = create_app(service)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
                await register(client, *world.admission())
                await body(client, service)

    asyncio.run(whole())


async def register(client: httpx.AsyncClient, *entries: bytes) -> None:
    """Register statements side by side, so that they come into one epoch or few."""
    answers = await asyncio.gather(
        *(client.post("/entries", content=entry, headers=WAIT) for entry in entries)
    )
    assert {answer.status_code for answer in answers} <= {201}
