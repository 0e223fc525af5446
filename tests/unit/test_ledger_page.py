"""The ledger's front page: institutions in words, no person, no script, no other host."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.api import create_app
from ledger.core.actions import Change, Suspend, Verb
from ledger.core.statement import parse_statement
from ledger.errors import CodedError
from ledger.service.service import LedgerService
from ledger.service.witnesses import LocalWitness
from tests.support.log_service import World
from tests.unit.test_verifier_pages import Page

Body = Callable[[httpx.AsyncClient, LedgerService], Coroutine[Any, Any, None]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger", threshold=2).found()


def run(world: World, body: Body) -> None:
    async def whole() -> None:
        clients = [LocalWitness(witness) for witness in world.witnesses(world.data_dir.parent / "w")]
        service = world.open(clients)
        app = create_app(service)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
                await body(client, service)

    asyncio.run(whole())


async def register(client: httpx.AsyncClient, service: LedgerService, *entries: bytes) -> None:
    for entry in entries:
        assert (await client.post("/entries", content=entry, headers={"Prefer": "wait"})).status_code == 201
    await service.published_checkpoint()


def test_the_page_tells_who_governs_and_who_may_issue(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await register(client, service, *world.admission())
        titled: list[Verb] = [Change(title="Registry & <Office>"), Suspend()]
        await register(client, service, *world.action("civil-1", 1, titled, (0, 1)))
        credential = world.credential(1)
        health = service.health()
        page = Page((await client.get("/")).text)
        for said in (
            service.origin,
            health.root,
            world.charter_hash.hex(),
            "Registry & <Office>",
            "Suspended: it signs nothing new.",
            "2 of these 3 governors together: governor-0, governor-1, governor-2.",
            "title becomes: Registry & <Office>",
            "Admit civil-1 as an issuer",
            "by w1, w2, w3",
        ):
            assert said in page.text, said
        links = {attributes["href"] for attributes in page.all("a")}
        assert {"checkpoint", "bundle", "docs"} <= links
        for link in ("checkpoint", "bundle", "docs"):
            assert (await client.get(f"/{link}")).status_code == 200
        assert not page.all("input")
        assert not page.all("form")
        assert parse_statement(credential).sub not in page.text

    run(world, body)


def test_a_new_ledger_and_a_stopped_one_have_a_page(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await service.published_checkpoint()
        assert "Nobody yet." in Page((await client.get("/")).text).text
        service.sequencer.halt(CodedError("storage_failed", "injected"))
        answer = await client.get("/")
        assert answer.status_code == 200
        assert "takes no new entries at present" in Page(answer.text).text
        assert service.origin in Page(answer.text).text

    run(world, body)


@pytest.mark.parametrize("path", ["/", "/docs", "/style.css"])
def test_no_page_of_the_ledger_runs_a_script_or_names_another_host(world: World, path: str) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await register(client, service, *world.admission())
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"//|url\(|@import|<script|\son[a-z]+=", answer.text)
        assert (await client.get("/redoc")).status_code == 404

    run(world, body)
