"""Registration over HTTP: a code for every rule, the order of the checks, rates, batches, the next number."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.api import create_app
from ledger.codes import CODES
from ledger.core import cbor
from ledger.core.actions import Admission, Admit, Scope, Suspend
from ledger.core.batch import MAX_BATCH_BYTES, MAX_BATCH_ITEMS, format_batch, parse_answers
from ledger.core.calendar_days import date_of_seconds
from ledger.core.cose_key import SoftwareSigner
from ledger.core.statement import parse_statement, sign_statement
from ledger.core.status_change import HolderProof, StatusChange, StatusRow
from ledger.errors import CodedError
from ledger.problems import CBOR_TYPE, JSON_TYPE, parse_problem
from ledger.service.rate import TokenBuckets
from ledger.service.service import LedgerService
from tests.support.log_service import DAY_S, World, seed

Body = Callable[[httpx.AsyncClient, LedgerService], Coroutine[Any, Any, None]]
WAIT = {"Prefer": "wait"}
DAMAGED = b"\x00"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger").found()


def run(world: World, body: Body, **chosen: Any) -> None:
    async def whole() -> None:
        service = world.open(**chosen)
        app = create_app(service)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
                await register(client, *world.admission())
                await body(client, service)

    asyncio.run(whole())


async def register(client: httpx.AsyncClient, *entries: bytes) -> None:
    for entry in entries:
        assert (await client.post("/entries", content=entry, headers=WAIT)).status_code == 201


async def refusal(client: httpx.AsyncClient, entry: bytes) -> str:
    """Return the code of a refusal, after looking at all of it: status, CBOR and JSON."""
    answer = await client.post("/entries", content=entry, headers=WAIT)
    assert answer.headers["content-type"] == CBOR_TYPE
    problem = parse_problem(answer.content)
    assert answer.status_code == CODES[problem.code].http_status
    assert problem.title == CODES[problem.code].meaning
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))
    shown = await client.post("/entries", content=entry, headers={**WAIT, "Accept": "application/json"})
    assert shown.headers["content-type"] == JSON_TYPE
    assert shown.json()["code"] == problem.code
    return problem.code


def damaged(entry: bytes) -> bytes:
    return entry[:-1] + bytes([entry[-1] ^ 1])


def test_every_code_of_registration_is_answered(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await register(client, world.credential(1), *world.action("civil-1", 1, [Suspend()], (0,)))
        stranger = SoftwareSigner.from_seed("p256", seed("stranger"))
        own, world.issuer = world.issuer, stranger
        unknown_key = world.credential(2)
        world.issuer = own
        iat = world.clock.now // 1000 // DAY_S * DAY_S
        cases = {
            "an entry that is no CBOR": (b"\xd2\x84", "malformed"),
            "padding": (b"\xf6", "malformed"),
            "a header that is not empty": (_with_header(world.credential(3)), "malformed"),
            "more bytes than any entry": (bytes(65_536), "too_large"),
            "more bytes than a credential": (_padded(world), "too_large"),
            "a type of statement that nobody knows": (_of_type(world), "unsupported"),
            "an issuer that nobody admitted": (world.credential(4, iss="nobody"), "unknown_issuer"),
            "a key that the issuer does not have": (unknown_key, "unknown_issuer"),
            "a signature that does not verify": (damaged(world.credential(5)), "bad_signature"),
            "a profile that is not in the scope": (world.credential(6, vct="sc:other"), "out_of_scope"),
            "a list of another issuer": (world.credential(7, uri="sc:9/0"), "out_of_scope"),
            "a list that is not open": (world.credential(8, uri="sc:1/7"), "out_of_scope"),
            "a day of issue long ago": (world.credential(9, iat=iat - 40 * DAY_S), "out_of_scope"),
            "another end than the profile's": (world.credential(10, exp=iat + DAY_S), "out_of_scope"),
            "a place that is taken": (world.credential(11, idx=1), "place_taken"),
            "a sequence number of another time": (world.status(7, [(1, 0, 1, 3)]), "stale_action"),
            "a status that the place does not have": (world.status(1, [(1, 2, 1, 3)]), "stale_action"),
            "a change that is not in the table": (world.status(1, [(1, 0, 0, 6)]), "bad_transition"),
            "a place that nobody took": (world.status(1, [(99, 0, 1, 3)]), "bad_transition"),
            "a counter of another time": (world.action("civil-1", 9, [Suspend()], (0,))[0], "stale_action"),
            "an action on nobody": (world.action("nobody", 0, [Suspend()], (0,))[0], "unknown_issuer"),
            "a governor that is none": (_by_nobody(world), "unknown_issuer"),
            "a holder's proof that the ledger does not have": (_not_listed(world), "not_listed"),
        }
        for name, (entry, code) in cases.items():
            assert await refusal(client, entry) == code, name
        # The rate and a stopped ledger have tests of their own.
        assert {code for _, code in cases.values()} == REGISTRATION - {"rate_limited", "read_only"}
        assert service.health().pending == 0

    run(world, body)


REGISTRATION = {
    "malformed", "too_large", "unsupported", "bad_signature", "not_listed", "out_of_scope", "unknown_issuer",
    "place_taken", "stale_action", "bad_transition", "rate_limited", "read_only",
}  # fmt: skip
"""Every code with which a statement can be refused."""


def _not_listed(world: World) -> bytes:
    """Return a holder's replacement whose proof points at an entry that is not the credential."""
    claims = parse_statement(world.credential(1)).body
    month = date_of_seconds(world.clock.seconds())
    row = StatusRow(claims.idx, 0, 3, 1, month.year * 100 + month.month)
    change = StatusChange(claims.uri, 0, (row,), HolderProof(16, bytes(128), world.credential(1)))
    holder = SoftwareSigner.from_seed("ed25519", seed("holder"))
    return sign_statement("status", claims.sub, claims.uri, change, holder)


def _with_header(entry: bytes) -> bytes:
    signed = cbor.decode(entry, max_size=4096)
    return cbor.encode(cbor.CBORTag(18, [signed.value[0], {1: 2}, *signed.value[2:]]))


def _padded(world: World) -> bytes:
    digests = tuple(
        sorted(bytes([high]) + bytes([low]) + bytes(30) for high in range(8) for low in range(32))
    )
    return world.credential(20, digests=digests)


def _of_type(world: World) -> bytes:
    signed = cbor.decode(world.credential(3), max_size=4096)
    protected = cbor.decode(signed.value[0], max_size=4096)
    protected[16] = "application/vnd.safeconduct.other+cose"
    return cbor.encode(cbor.CBORTag(18, [cbor.encode(protected), *signed.value[1:]]))


def _by_nobody(world: World) -> bytes:
    from ledger.core.actions import Action
    from ledger.core.statement import sign_statement

    action = Action("civil-1", 1, world.clock.now // 1000 + DAY_S, (Suspend(),))
    return sign_statement(
        "govern", "governor-9", "civil-1", action, SoftwareSigner.from_seed("ed25519", seed("x"))
    )


class Bucket:
    """A rate that counts what it is asked and lets nobody through while it is closed."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = True

    def take(self, name: str, now_s: float) -> bool:
        self.asked.append(name)
        return self.open


def test_the_checks_come_in_the_order_of_the_protocol(world: World) -> None:
    bucket = Bucket()

    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        await register(client, world.credential(1))
        bucket.open = False
        bucket.asked.clear()
        # Size before form, form before the key, the key before the rate: none of these is counted.
        assert await refusal(client, b"\xff" * 65_536) == "too_large"
        assert await refusal(client, _with_header(world.credential(2, iss="nobody"))) == "malformed"
        assert await refusal(client, damaged(world.credential(2, iss="nobody"))) == "unknown_issuer"
        assert bucket.asked == []
        # The rate before the signature, the signature before the rules.
        assert await refusal(client, damaged(world.credential(3, idx=1))) == "rate_limited"
        bucket.open = True
        assert await refusal(client, damaged(world.credential(3, idx=1))) == "bad_signature"
        assert await refusal(client, world.credential(3, idx=1)) == "place_taken"

    run(world, body, limit=bucket)


def test_a_rate_counts_each_issuer_by_itself(world: World) -> None:
    other = SoftwareSigner.from_seed("p256", seed("other issuer"))

    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        scope = Scope(("sc:identity",), 1000, 2)
        admit = Admit(Admission("civil", "Another registry", (other.public_key,), scope))
        await register(client, *world.action("civil-2", 0, [admit], (0, 1)))
        for number in range(3):
            await register(client, world.credential(number))
        assert await refusal(client, world.credential(3)) == "rate_limited"
        world.issuer, own = other, world.issuer
        await register(client, world.credential(4, iss="civil-2", uri="sc:2/0"))
        world.issuer = own
        assert await refusal(client, world.credential(5)) == "rate_limited"

    run(world, body, limit=TokenBuckets(rate_per_s=0.000001, burst=3))


def test_the_rate_of_a_scope_is_a_rule_of_the_ledger(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger").found()

    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        from ledger.core.actions import Change

        narrow = Change(scope=Scope(("sc:companion", "sc:identity"), 2, 2))
        await register(client, *world.action("civil-1", 1, [narrow], (0, 1)))
        await register(client, world.credential(1), world.credential(2))
        assert await refusal(client, world.credential(3)) == "rate_limited"
        await register(client, world.credential(1))  # what is logged is answered as before

    run(world, body)


def test_a_stopped_ledger_refuses_statements_and_batches_alike(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        service.sequencer.halt(CodedError("storage_failed", "injected"))
        assert await refusal(client, world.credential(1)) == "read_only"
        answer = await client.post("/entries/batch", content=format_batch([world.credential(1)]))
        assert (answer.status_code, parse_problem(answer.content).code) == (503, "read_only")
        assert answer.headers["retry-after"]

    run(world, body)


def test_a_batch_is_answered_in_its_order(world: World) -> None:
    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        good = [world.credential(number) for number in range(70)]
        entries = [*good[:30], b"\xff", damaged(world.credential(80)), bytes(65_536), *good[30:], good[0]]
        answer = await client.post("/entries/batch", content=format_batch(entries))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/cbor-seq")
        answers = parse_answers(answer.content)
        statuses = [status for status, _ in answers]
        assert statuses == [201] * 30 + [400, 400, 413] + [201] * 41
        codes = [parse_problem(body).code for status, body in answers if status != 201]
        assert codes == ["malformed", "bad_signature", "too_large"]
        alone = await client.get(
            f"/entries/{parse_statement(good[5]).statement_id.hex()}",
            headers={"Accept": "application/scitt-statement+cose"},
        )
        assert answers[5][1] == alone.content
        assert service.health().pending == 0

    run(world, body)


def test_a_batch_whose_epoch_stays_open_says_where_to_ask(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", epoch_ms=400).found()

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        object.__setattr__(service.settings, "wait_s", 0.01)
        entry = world.credential(1)
        answer = await client.post("/entries/batch", content=format_batch([entry, b"\xff"]))
        (status, where), (refused, _) = parse_answers(answer.content)
        assert (status, refused) == (303, 400)
        assert where.decode() == f"/entries/{parse_statement(entry).statement_id.hex()}"
        await asyncio.sleep(0.5)
        assert (await client.get(where.decode())).status_code == 200

    run(world, body)


def test_the_caps_of_a_batch_hold(world: World) -> None:
    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        for content, code in (
            (b"", "malformed"),
            (b"\x01", "malformed"),
            (format_batch([world.credential(1)]) + b"\x42x", "malformed"),
            (format_batch([b"x"] * (MAX_BATCH_ITEMS + 1)), "too_large"),
            (bytes(MAX_BATCH_BYTES + 1), "too_large"),
        ):
            answer = await client.post("/entries/batch", content=content)
            assert parse_problem(answer.content).code == code
            assert answer.status_code == CODES[code].http_status
        # Nothing of a batch without form was taken.
        identity = parse_statement(world.credential(1)).statement_id.hex()
        assert (await client.get(f"/entries/{identity}")).status_code == 404

    run(world, body)


def test_the_next_number_of_a_list_is_told(world: World) -> None:
    async def body(client: httpx.AsyncClient, _service: LedgerService) -> None:
        assert (await client.get("/status/1/0/next")).status_code == 404
        await register(client, world.credential(1))
        assert json.loads((await client.get("/status/1/0/next")).content) == {"seq": 1}
        await register(client, world.status(1, [(1, 0, 2, 4)]))
        assert (await client.get("/status/1/0/next")).json() == {"seq": 2}
        assert (await client.get("/status/x/0/next")).status_code == 404

    run(world, body)
