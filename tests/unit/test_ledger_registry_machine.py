"""The registry against a second telling of its rules: random histories, every answer foreseen by a plain model.

`Model` says docs/protocol.md sections 3 and 4 once more with dictionaries and lists: it keeps everything that
ever happened, works each window out anew from its definition, and shares no rule with `ledger.core.registry`.
The machine puts any statements into epochs at any times; after every epoch the model has foreseen who is
refused and with which code, and every value that both know is equal. What is refused is in no epoch, so the
registry that replays the epochs never saw it: that both have one digest shows that it left no trace.

    HYPOTHESIS_PROFILE=thorough pytest tests/unit/test_ledger_registry_machine.py
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from ledger.core import actions as do
from ledger.core import cbor, ledger_verbs
from ledger.core.actions import Action, Verb
from ledger.core.cose_key import SoftwareSigner
from ledger.core.statement import Statement
from ledger.core.status_change import StatusRow
from tests.support import ledgers
from tests.support.registry_world import ORIGIN

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FAR_S = 2_082_758_400  # 1 January 2036
PLACES = 60  # of each issuer, taken before the machine starts
ISSUERS = {"civil-1": "interior", "civil-2": "interior", "health-1": "health"}
WAYS = {
    (0, 1): {2, 3}, (12, 1): {2, 3}, (2, 1): {2, 3}, (0, 2): {4}, (12, 2): {4}, (0, 3): {1}, (12, 3): {1},
    (2, 3): {1}, (13, 3): {1}, (2, 0): {6}, (0, 12): {5}, (2, 12): {5},
}  # fmt: skip
BACK_TO = {0: 6, 2: 4, 12: 5}


@cache
def key(name: str) -> SoftwareSigner:
    return ledgers.signer(name, "ed25519")


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def month_of(time_ms: int) -> int:
    day = datetime.fromtimestamp(time_ms / 1000, UTC)
    return day.year * 100 + day.month


def months_before(month: int, count: int) -> int:
    number = month // 100 * 12 + month % 100 - 1 - count
    return number // 12 * 100 + number % 12 + 1


def end_of(iat_s: int, days: int) -> int:
    """Return the first quarter day at or after `days` days from `iat_s`, by walking there."""
    day = datetime.fromtimestamp(iat_s, UTC) + timedelta(days=days)
    while (day.day, day.month % 3) != (1, 1):
        day += timedelta(days=1)
    return int(day.timestamp())


class RefusedError(Exception):
    """What the model does not accept; its argument is the code."""


def need(holds: bool, code: str) -> None:
    if not holds:
        raise RefusedError(code)


@dataclass
class Asked:
    """A change that stands on a place, and what it reads with it: 13 while it is held."""

    serial: int
    index: int
    kid: bytes
    before: int
    reads: int
    wanted: StatusRow


@dataclass
class Model:
    """All that ever happened on a ledger."""

    terms: dict[str, Any]
    time_ms: int
    size: int
    counter: int = 0
    issuers: dict[str, dict[str, Any]] = field(default_factory=dict)
    proposals: dict[bytes, tuple[Action, dict[str, bytes]]] = field(default_factory=dict)
    places: dict[tuple[str, int], list[Asked]] = field(default_factory=dict)
    said: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    credentials: list[tuple[str, int, int]] = field(default_factory=list)
    taken_away: list[tuple[str, int, int]] = field(default_factory=list)
    held_at: dict[int, tuple[str, bytes, int, str]] = field(default_factory=dict)
    epochs: list[tuple[int, int]] = field(default_factory=list)
    cards: dict[tuple[int, bytes], bytes] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    serial: int = 0
    govern_head: bytes = sha(b"\x02govern/v1", ORIGIN.encode())
    journal_head: bytes = sha(b"\x02status/v1", ORIGIN.encode())

    def copy(self) -> Model:
        twin = copy.copy(self)
        for name in ("issuers", "proposals", "said", "seqs", "held_at", "cards", "live"):
            setattr(twin, name, dict(getattr(self, name)))
        for name in ("credentials", "taken_away", "epochs"):
            setattr(twin, name, list(getattr(self, name)))
        twin.places = {place: list(asked) for place, asked in self.places.items()}
        return twin

    # -- what can be asked ------------------------------------------------------------------------------

    def reads(self, uri: str, idx: int) -> int:
        asked = self.places[uri, idx]
        return asked[-1].reads if asked else 0

    def held(self, index: int) -> list[tuple[str, int]]:
        """Return the places that the statement at `index` holds."""
        uri = self.held_at[index][3]
        return [
            (uri, idx)
            for (at, idx), asked in sorted(self.places.items())
            if at == uri and asked and asked[-1].reads == 13 and asked[-1].index == index
        ]

    def all_held(self) -> dict[int, list[tuple[str, int]]]:
        found = {index: self.held(index) for index in sorted(self.held_at)}
        return {index: places for index, places in found.items() if places}

    def live_of(self, name: str) -> int:
        signed = sum(1 for iss, _, exp in self.credentials if iss == name and exp * 1000 > self.time_ms)
        return signed + self.live.get(name, 0)

    def accepted_of(self, name: str) -> int:
        first = self.time_ms // HOUR_MS - 23
        return sum(1 for iss, at, _ in self.credentials if iss == name and at // HOUR_MS >= first)

    def counted(self, authority: str) -> tuple[int, int, int]:
        mine = [(at, rows) for name, at, rows in self.taken_away if name == authority]
        now_h, now_d = self.time_ms // HOUR_MS, self.time_ms // DAY_MS
        return (
            sum(rows for at, rows in mine if now_h - 23 <= at // HOUR_MS),
            sum(rows for at, rows in mine if now_d - 29 <= at // DAY_MS),
            sum(rows for at, rows in mine if now_d - 364 <= at // DAY_MS),
        )

    def floor(self) -> int:
        return min(first for at, first in self.epochs if at // HOUR_MS >= self.time_ms // HOUR_MS - 720)

    # -- epochs -----------------------------------------------------------------------------------------

    def open(self, time_ms: int) -> bool:
        self.time_ms = time_ms
        self.epochs.append((time_ms, self.size))
        self.proposals = {k: p for k, p in self.proposals.items() if p[0].not_after * 1000 >= time_ms}
        scheduled = self.terms["scheduled"]
        successor = self.terms["successor"]
        self.terms = {**self.terms, **scheduled, "scheduled": {}, "read_only": successor is not None}
        late = [at for at in self.all_held() if self.held_at[at][2] + 30 * DAY_MS <= time_ms]
        for at in late:
            self._give_back(at, self.size)
        return bool(late)

    def say(self, index: int, statement: Statement) -> None:
        """Let a statement count, or raise RefusedError; what it leaves half done then is thrown away."""
        if statement.kind == "govern":
            self._approve(index, statement)
        elif statement.kind == "credential":
            self._credential(statement)
        elif statement.body.proof is not None:
            self._replaced_by_holder(index, statement)
        else:
            self._change(index, statement)

    def _issuer(self, statement: Statement) -> dict[str, Any]:
        issuer = self.issuers.get(statement.iss)
        need(issuer is not None and issuer["keys"].get(statement.kid, (9,))[0] == 0, "unknown_issuer")
        assert issuer is not None
        return issuer

    def _credential(self, statement: Statement) -> None:
        claims, issuer = statement.body, self._issuer(statement)
        need(not self.terms["read_only"], "read_only")
        need(not issuer["suspended"], "out_of_scope")
        need(claims.vct in issuer["scope"].vcts and claims.vct in self.terms["profiles"], "out_of_scope")
        digests, days = self.terms["profiles"][claims.vct]
        need(len(claims.digests) == digests and claims.iat % 86_400 == 0, "out_of_scope")
        need(-35 * DAY_MS <= claims.iat * 1000 - self.time_ms <= DAY_MS, "out_of_scope")
        need(claims.exp == end_of(claims.iat, days), "out_of_scope")
        number, n = claims.uri.removeprefix("sc:").split("/")
        # No list of a test is ever half full.
        need(int(number) == issuer["number"] and int(n) < issuer["scope"].desks, "out_of_scope")
        need((claims.uri, claims.idx) not in self.places, "place_taken")
        need(self.accepted_of(claims.iss) < issuer["scope"].rate, "rate_limited")
        self.places[claims.uri, claims.idx] = []
        self.seqs.setdefault(claims.uri, 0)
        self.credentials.append((claims.iss, self.time_ms, claims.exp))

    def _row(self, uri: str, row: StatusRow) -> None:
        need((uri, row.idx) in self.places, "bad_transition")
        need(row.old == self.reads(uri, row.idx), "stale_action")
        need(row.reason in WAYS.get((row.old, row.new), set()), "bad_transition")
        now = month_of(self.time_ms)
        need(row.month in {months_before(now, n) for n in range(3)}, "out_of_scope")

    def _change(self, index: int, statement: Statement) -> None:
        change, issuer = statement.body, self._issuer(statement)
        uri = change.uri
        need(uri.startswith(f"sc:{issuer['number']}/") and uri in self.seqs, "out_of_scope")
        need(change.seq == self.seqs[uri] + 1, "stale_action")
        distrusted = any(state == 2 for state, _ in issuer["keys"].values())
        for row in change.rows:
            self._row(uri, row)
            need(row.new != 12 or distrusted, "bad_transition")
        self.seqs[uri] = change.seq
        away = [row for row in change.rows if row.new in (1, 2) and row.old != 2]
        live = sum(self.live_of(n) for n, i in self.issuers.items() if i["authority"] == issuer["authority"])
        limits = (min(200, max(20, live // 100)), max(20, 3 * live // 100), max(20, 5 * live // 100))
        was = self.counted(issuer["authority"])
        waits = bool(away) and any(w + len(away) > most for w, most in zip(was, limits, strict=True))
        for row in change.rows:
            self._set(uri, row._replace(new=13) if waits and row in away else row, index, statement.kid, row)
        if waits:
            self.held_at[index] = (statement.iss, statement.kid, self.time_ms, uri)
        elif away:
            self.taken_away.append((issuer["authority"], self.time_ms, len(away)))

    def _replaced_by_holder(self, index: int, statement: Statement) -> None:
        change = statement.body
        proof = change.proof
        kid = self.cards.get((proof.index, proof.entry))
        need(kid is not None, "not_listed")
        need(kid == statement.kid, "unknown_issuer")
        need(change.rows[0].new == 3, "bad_transition")
        self._row(change.uri, change.rows[0])
        self._set(change.uri, change.rows[0], index, statement.kid, change.rows[0])

    def _journal(self, index: int, kid: bytes | None, uri: str, row: StatusRow) -> None:
        self.serial += 1
        self.journal_head = sha(b"\x02", self.journal_head, sha(cbor.encode([index, kid, uri, *row])))
        self.said[uri, row.idx] = (row.reason, row.month)

    def _set(self, uri: str, row: StatusRow, index: int, kid: bytes, wanted: StatusRow) -> None:
        self._journal(index, kid, uri, row)
        asked = self.places[uri, row.idx]
        # What is replaced while it is held goes back to what it read before it was held.
        before = asked.pop().before if row.old == 13 else row.old
        asked.append(Asked(self.serial, index, kid, before, row.new, wanted))

    def _back(self, uri: str, idx: int, index: int) -> None:
        top = self.places[uri, idx].pop()
        row = StatusRow(idx, top.reads, top.before, BACK_TO[top.before], month_of(self.time_ms))
        self._journal(index, None, uri, row)

    def _give_back(self, at: int, index: int) -> None:
        for uri, idx in self.held(at):
            self._back(uri, idx, index)

    def _confirm(self, at: int, index: int) -> None:
        for uri, idx in self.held(at):
            top = self.places[uri, idx].pop()
            month = month_of(self.time_ms)
            row = StatusRow(idx, 13, top.wanted.new, top.wanted.reason, month)
            self._journal(index, None, uri, row)
            self.places[uri, idx].append(replace(top, serial=self.serial, reads=top.wanted.new))

    def _reverse(self, name: str, kid: bytes, start: int, index: int) -> None:
        newest: list[tuple[int, str, int]] = []
        for (uri, idx), asked in self.places.items():
            if uri.startswith(f"sc:{self.issuers[name]['number']}/"):
                for one in reversed(asked):
                    if one.kid != kid or one.index < start:
                        break
                    newest.append((one.serial, uri, idx))
        for _, uri, idx in sorted(newest, reverse=True):
            self._back(uri, idx, index)

    # -- governance -------------------------------------------------------------------------------------

    def _approve(self, index: int, statement: Statement) -> None:
        action: Action = statement.body
        public = self.terms["governors"].get(statement.iss)
        need(public is not None and public.kid == statement.kid, "unknown_issuer")
        subject = action.subject
        counter = self.counter if subject == ORIGIN else self.issuers.get(subject, {"counter": 0})["counter"]
        need(action.counter == counter and action.not_after * 1000 >= self.time_ms, "stale_action")
        body = cbor.encode(do.format_action(action))
        approvals = dict(self.proposals.get(body, (action, {}))[1])
        need(statement.iss not in approvals, "stale_action")
        approvals[statement.iss] = statement.kid
        deep = any(isinstance(verb, do.DistrustKey) and verb.from_index < self.floor() for verb in action.verbs)
        governors, threshold = self.terms["governors"], self.terms["threshold"]
        required = max(threshold, len(governors) - 1) if deep else threshold
        tried = self.copy()
        tried._act(action, index)
        if len(approvals) < required:
            self.proposals[body] = (action, approvals)
            return
        self.__dict__.update(tried.__dict__)
        if subject == ORIGIN:
            self.counter += 1
        else:
            self.issuers[subject] = {**self.issuers[subject], "counter": counter + 1}
        self.govern_head = sha(b"\x02", self.govern_head, sha(body), index.to_bytes(8, "big"))
        kids = {name: public.kid for name, public in self.terms["governors"].items()}
        left = {k: (a, {n: kid for n, kid in by.items() if kids.get(n) == kid}) for k, (a, by) in self.proposals.items()}
        self.proposals = {k: (a, by) for k, (a, by) in left.items() if by and a.subject != subject}

    def _act(self, action: Action, index: int) -> None:
        """Let all verbs act. Those on held changes ask last: the others are tried without the fold."""
        on_ledger = action.subject == ORIGIN
        need(all(isinstance(v, ledger_verbs.LEDGER_VERBS) == on_ledger for v in action.verbs), "out_of_scope")
        late: list[Callable[[], None]] = []
        for verb in action.verbs:
            if on_ledger:
                self._ledger_verb(verb)
            else:
                self._issuer_verb(action.subject, verb, index, late)
        for step in late:
            step()

    def _issuer_verb(self, name: str, verb: Verb, index: int, late: list[Callable[[], None]]) -> None:
        issuer = self.issuers.get(name)
        if isinstance(verb, do.Admit) and issuer is None:
            need(name not in self.terms["governors"], "place_taken")
            keys = {public.kid: (0, None) for public in verb.admission.keys}
            wanted = verb.admission
            issuer = {"number": len(self.issuers) + 1, "suspended": False, "counter": 0, "keys": keys,
                      "authority": wanted.authority, "scope": wanted.scope}  # fmt: skip
        else:
            need(issuer is not None, "unknown_issuer")
            assert issuer is not None
            issuer = {**issuer, **self._changed(name, issuer, verb, index, late)}
        need(set(issuer["scope"].vcts) <= set(self.terms["profiles"]), "out_of_scope")
        self.issuers[name] = issuer

    def _changed(
        self, name: str, issuer: dict[str, Any], verb: Verb, index: int, late: list[Callable[[], None]]
    ) -> dict[str, Any]:
        keys = issuer["keys"]
        match verb:
            case do.Change(authority, _, scope):
                return {"authority": authority or issuer["authority"], "scope": scope or issuer["scope"]}
            case do.Suspend() | do.Reinstate():
                need(issuer["suspended"] == isinstance(verb, do.Reinstate), "bad_transition")
                return {"suspended": not issuer["suspended"]}
            case do.AddKey(public):
                need(public.kid not in keys, "place_taken")
                return {"keys": {**keys, public.kid: (0, None)}}
            case do.RetireKey(kid):
                need(kid in keys, "out_of_scope")
                need(keys[kid][0] == 0, "bad_transition")
                return {"keys": {**keys, kid: (1, None)}}
            case do.DistrustKey(kid, start):
                need(start <= index and kid in keys, "out_of_scope")
                need(keys[kid][0] != 2, "bad_transition")
                late.append(lambda: self._reverse(name, kid, start, index))
                return {"keys": {**keys, kid: (2, start)}}
            case do.ConfirmHeld(at) | do.RefuseHeld(at):
                decide = self._confirm if isinstance(verb, do.ConfirmHeld) else self._give_back
                late.append(lambda: self._decide(name, at, index, decide))
                return {}
        raise RefusedError("bad_transition")  # admitted already

    def _decide(self, name: str, at: int, index: int, decide: Callable[[int, int], None]) -> None:
        mine = at in self.held_at and self.held_at[at][0] == name and bool(self.held(at))
        need(mine, "bad_transition")
        decide(at, index)

    def _ledger_verb(self, verb: Verb) -> None:
        terms = self.terms
        next_profiles = {**terms["profiles"], **terms["scheduled"].get("profiles", {})}
        match verb:
            case ledger_verbs.SetGovernors(governors, threshold):
                names = {name for name, _ in governors}
                need(not names & {ORIGIN, *self.issuers}, "place_taken")
                self.terms = {**terms, "governors": dict(governors), "threshold": threshold}
                return
            case ledger_verbs.SetThreshold(threshold):
                n = len(terms["governors"])
                need(n / 2 < threshold <= n - 1, "out_of_scope")
                self.terms = {**terms, "threshold": threshold}
                return
            case ledger_verbs.SetSuccessor(origin, charter_hash):
                need(terms["successor"] is None, "bad_transition")
                need(origin != ORIGIN, "out_of_scope")
                self.terms = {**terms, "successor": (origin, charter_hash)}
                return
            case ledger_verbs.SetProfiles(profiles):
                kept = all(profiles.get(vct, (0, 0))[0] == digests for vct, (digests, _) in next_profiles.items())
                need(kept, "bad_transition")
                new: dict[str, Any] = {"profiles": dict(profiles)}
            case ledger_verbs.SetRules(rules):
                need(rules == 1, "unsupported")
                new = {"rules": 1}
            case ledger_verbs.SetWitnessPolicy(text):
                new = {"policy": text}
            case ledger_verbs.SetLogKeys(log_keys):
                new = {"log_keys": log_keys}
            case ledger_verbs.SetServiceKeys(service, receipts):
                new = {"service": service.kid, "receipts": receipts.kid}
            case _:
                raise AssertionError(verb)
        self.terms = {**terms, "scheduled": {**terms["scheduled"], **new}}

    def close(self, statements: list[Statement], time_ms: int) -> tuple[Model, list[tuple[Statement, str]], bool]:
        """Return the model after an epoch, who is refused and with which code, and whether there is an epoch."""
        after = self.copy()
        lapsed = after.open(time_ms)
        others = [one for one in statements if one.kind != "credential"]
        credentials = sorted((one for one in statements if one.kind == "credential"), key=_identity)
        refused = []
        accepted: list[Statement] = []
        for one in others + credentials:
            tried = after.copy()
            try:
                tried.say(after.size + len(accepted), one)
            except RefusedError as error:
                refused.append((one, str(error)))
            else:
                after = tried
                accepted.append(one)
        if not accepted and not lapsed:
            return self, refused, False
        for at, one in enumerate(accepted):
            if one.kind == "credential":
                after.cards[after.size + at, one.entry] = one.body_holder
        return after, refused, True


def _identity(statement: Statement) -> bytes:
    return statement.statement_id
