"""Three more chapters: who accompanies a child, a survivor's new card, a ministry that withdraws by the dozen."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from credential.core.issue import Companion
from issuer.claims import claims_of
from issuer.person import parse_person
from issuer.replacement import read_old_card, relay, sign_replacement
from ledger.core.actions import RefuseHeld
from ledger.core.calendar_days import date_of_seconds, month_of_seconds
from ledger.core.statement import parse_statement, sign_statement
from ledger.core.status_change import REASON_WITHDRAWN, VALID, WITHDRAWN, StatusChange, StatusRow
from ledger.errors import CodedError
from verifier.core.trust import open_bundle
from verifier.core.wording import tell_companion
from verifier.report import scan

if TYPE_CHECKING:
    from scripts.demo_story import Story

EXILES: Final = 40
"""More than a ministry of this size may take away in a day: the limit for few people is 20."""


def chapter_companion(story: Story) -> None:
    """S2 and S12: a pair without a recorded link, and an authorisation that ended yesterday."""
    story.clock.go_to(-6)
    story.title("Who may accompany this child", "most families have no paper, and that is no offence")
    desk = story.ground.desk(story.civil, name="civil-families")
    aunt, niece = story.issue(desk, "p31"), story.issue(desk, "p32")
    _tell_pair(story, "aunt and niece, no link recorded", aunt, niece)
    mother_s_child, uncle = story.issue(desk, "p34"), story.issue(desk, "p35")
    friday = date_of_seconds(story.clock.now_s()) + timedelta(days=2)
    right = Companion(mother_s_child["sub"], "travel", friday, uncle["sub"])
    card = story.issue(desk, "p35", companion=right)
    story.say(f"a mother authorises an uncle to travel with her child until {friday:%A}")
    _tell_pair(story, "child and uncle, today", mother_s_child, uncle, card)
    story.clock.go_to(-3)
    _tell_pair(story, "child and uncle, the day after it ended", mother_s_child, uncle, card)


def chapter_survivor(story: Story) -> None:
    """S8: a new card from another agency, without telling the old desk."""
    story.clock.go_to(-2)
    story.title("A survivor wants a new card", "and nobody at the old desk is to know")
    agency = story.ground.admit("agency-b", "Agency B", ["sc:identity"])
    old = story.issue(story.ground.desk(story.civil, name="civil-old-desk"), "p38")
    desk = story.ground.desk(agency)
    statement = sign_replacement(
        read_old_card([old["front"]]), old["secret"], status=VALID, now_s=story.clock.now_s()
    )
    relay(story.ground.client, statement)
    story.say("Agency B relays what she signed with her twelve words, and attests her anew")
    new = story.issue(desk, "p38", secret=old["secret"])
    story.check("her old card", old["front"], "replaced")
    story.check("her new card", new["front"], "confirmed")
    story.say("no code, key or number is common to both cards")


def chapter_ministry(story: Story) -> None:
    """S6: a mass withdrawal is held until governors have looked at it."""
    story.clock.go_to(-1)
    story.title("A ministry withdraws overnight", f"{EXILES} people abroad; more than 20 a day are held")
    ministry = story.ground.admit("ministry", "Ministry of Examplia", ["sc:identity"])
    desk = story.ground.desk(ministry)
    person = claims_of(parse_person((story.persons / "p29.json").read_bytes()), story.persons)
    issued = [
        item for item in desk.issue_people([(person, None)] * EXILES) if not isinstance(item, CodedError)
    ]
    places = sorted(desk.place_of(item.case_file).idx for item in issued)
    uri = desk.place_of(issued[0].case_file).uri
    one = story.front_of(issued[0])
    month = month_of_seconds(story.clock.now_s())
    rows = tuple(StatusRow(idx, VALID, WITHDRAWN, REASON_WITHDRAWN, month) for idx in places)
    change = sign_statement("status", ministry.issuer_id, uri, StatusChange(uri, 1, rows), ministry.signer)
    [answer] = story.ground.submit([change])
    if isinstance(answer, CodedError):
        raise answer
    story.check("a card of one of them", one, "confirmed", code="quarantined")
    held = story.ground.index_of(parse_statement(change).statement_id)
    story.ground.decide(ministry.issuer_id, RefuseHeld(held))
    story.say("3 governors refuse it; had they said nothing, it would have lapsed after 30 days")
    story.check("the same card", one, "confirmed")


def _tell_pair(story: Story, what: str, *cards: dict[str, Any]) -> None:
    trusted = open_bundle(story.ground.bundle(), story.ground.pin)
    report = scan([card["front"] for card in cards], trusted, story.clock.now_s())
    if report.companion is None:
        raise RuntimeError(f"{what}: the companion check says nothing")
    line, _ = tell_companion(report.companion, story.words)
    story.results[what] = report.companion.result
    story.say(f"{what}: {line}")
