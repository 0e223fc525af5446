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
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ledger.core import actions as do
from ledger.core import cbor, ledger_verbs
from ledger.core.actions import Action, Scope, Verb
from ledger.core.cells import prove_in_cell
from ledger.core.cose_key import PublicKey, SoftwareSigner
from ledger.core.epoch import BuiltEpoch, build_epoch, replay_epoch
from ledger.core.statement import Statement, parse_statement, sign_credential, sign_statement
from ledger.core.status_change import HolderProof, StatusChange, StatusRow
from tests.support import ledgers
from tests.support.registry_world import ORIGIN, PROFILES, Party, World, fingerprint

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
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
            need(row.old != 13, "bad_transition")
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
        deep = any(
            isinstance(verb, do.DistrustKey) and verb.from_index < self.floor() for verb in action.verbs
        )
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
        left = {
            k: (a, {n: kid for n, kid in by.items() if kids.get(n) == kid})
            for k, (a, by) in self.proposals.items()
        }
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
                kept = all(
                    profiles.get(vct, (0, 0))[0] == digests for vct, (digests, _) in next_profiles.items()
                )
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

    def close(
        self, statements: list[Statement], time_ms: int
    ) -> tuple[Model, list[tuple[Statement, str]], bool]:
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
                after.cards[after.size + at, one.entry] = PublicKey("ed25519", one.body.cnf).kid
        after.size += (len(accepted) + 1 + 15) // 16 * 16
        return after, refused, True


def _identity(statement: Statement) -> bytes:
    return statement.statement_id


class Machine(RuleBasedStateMachine):
    """Puts statements into the next epoch, and closes it; `ahead` foresees it so that most of them are valid."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Statement] = []
        self.spoken: list[Statement] = []
        self.cards: list[tuple[Statement, HolderProof]] = []
        self.observed: list[tuple[str, int, int]] = []
        self.most = 20

    @initialize(live=st.sampled_from([0, 0, 2_300]), governors=st.sampled_from([3, 5]))
    def begin(self, live: int, governors: int) -> None:
        self.world = World(governors=governors, threshold=governors // 2 + 1)
        for n in range(1, 8):
            self.world.governors.setdefault(f"gov-{n}", key(f"governor {n}"))
        charter = self.world.charter
        terms = {
            "governors": dict(charter.governors), "threshold": charter.threshold, "profiles": charter.profiles,
            "policy": charter.witness_policy, "log_keys": charter.log_keys, "rules": 1, "scheduled": {},
            "service": charter.service_key.kid, "receipts": charter.receipts_key.kid, "successor": None,
            "read_only": False,
        }  # fmt: skip
        self.model = Model(terms, self.world.time_ms, self.world.size, epochs=[(self.world.time_ms, 0)])
        self.ahead = self.model.copy()
        self.look_ahead()
        for name, authority in ISSUERS.items():
            self.decide(name, [("admit", 0, 0)], authority=authority)
        self.end_epoch(1_000)
        for number, name in enumerate(ISSUERS, start=1):
            for registry in (self.world.registry, self.world.mirror):
                registry.windows.live[number] = Counter({2036 * 4: live})
                for idx in range(PLACES):
                    registry.places.take_place(f"sc:{number}/0", idx)
            self.model.live[name] = live
            self.model.places.update({(f"sc:{number}/0", idx): [] for idx in range(PLACES)})
            self.model.seqs[f"sc:{number}/0"] = 0
        self.look_ahead()

    # -- statements -------------------------------------------------------------------------------------

    def look_ahead(self) -> None:
        self.ahead = self.model.copy()
        self.ahead.open(self.model.time_ms + 1_000)

    def put(self, statement: Statement) -> None:
        tried = self.ahead.copy()
        try:
            tried.say(tried.size + len(self.waiting), statement)
        except RefusedError:
            pass
        else:
            self.ahead = tried
        self.waiting.append(statement)
        self.spoken.append(statement)

    def party(self, a: int, key_number: int = 0) -> Party:
        """Return an issuer with the key that signs: a wrong one only where there is no other."""
        number = a % len(ISSUERS)
        name = list(ISSUERS)[number]
        known = self.ahead.issuers.get(name, {"keys": {}})["keys"]
        keys = [key(f"{name} key {n}") for n in range(1, 6)]
        active = [one for one in keys if known.get(one.public_key.kid, (9,))[0] == 0]
        signs = active[key_number % len(active)] if active else keys[0]
        return Party(name, number + 1, [signs])

    SMALL = st.integers(0, 7)
    LATER = st.sampled_from(
        [
            0,
            0,
            1,
            1_000,
            HOUR_MS,
            22 * HOUR_MS,
            23 * HOUR_MS,
            DAY_MS,
            29 * DAY_MS,
            30 * DAY_MS,
            30 * DAY_MS - 1,
        ]
    )
    """How long after the last epoch the next one closes, with a statement just made; 0 leaves it open."""

    ISSUER_VERBS = st.sampled_from(
        [
            "add",
            "distrust",
            "confirm",
            "refuse",
            "change",
            "authority",
            "suspend",
            "reinstate",
            "retire",
            "admit",
        ]
    )
    LEDGER_VERBS = st.sampled_from(
        ["governors", "threshold", "policy", "log keys", "service", "profiles", "rules", "successor"]
    )

    def verb(self, name: str, what: str, a: int, b: int, authority: str) -> Verb:
        model = self.ahead
        kid = key(f"{name} key {a % 5 + 1}").public_key.kid
        held = [at for at in model.all_held() if model.held_at[at][0] == name] or [model.size - 1]
        match what:
            case "admit":
                scope = Scope(tuple(sorted(PROFILES)), 1000, 2)
                return do.Admit(do.Admission(authority, name, (key(f"{name} key 1").public_key,), scope))
            case "change":
                vcts = (("sc:identity",), tuple(sorted(PROFILES)), ("sc:identity", "sc:visa"))[a % 3]
                return do.Change(title="Office", scope=Scope(vcts, (1, 3, 1000)[b % 3], 1 + b % 2))
            case "authority":
                return do.Change(authority=("interior", "health")[a % 2])
            case "suspend":
                return do.Suspend()
            case "reinstate":
                return do.Reinstate()
            case "add":
                return do.AddKey(key(f"{name} key {a % 5 + 1}").public_key)
            case "retire":
                return do.RetireKey(kid)
            case "distrust":
                start = (0, model.floor(), max(0, model.size - 32), model.size, model.size + 50)[b % 5]
                return do.DistrustKey(kid, start)
            case "confirm":
                return do.ConfirmHeld(held[a % len(held)])
            case "refuse":
                return do.RefuseHeld(held[a % len(held)])
        return self.ledger_verb(what, a, b)

    def ledger_verb(self, what: str, a: int, b: int) -> Verb:
        match what:
            case "governors":
                count = 3 + a % 4
                names = (
                    [f"gov-{n + b % 2}" for n in range(1, count + 1)]
                    if b < 7
                    else ["civil-1", "gov-1", "gov-2"]
                )
                kept = tuple(
                    (name, self.world.governors[name].public_key)
                    for name in names
                    if name in self.world.governors
                )
                stranger = tuple(
                    (name, key("stranger").public_key) for name in names if name not in self.world.governors
                )
                return ledger_verbs.SetGovernors(stranger + kept, len(names) // 2 + 1)
            case "threshold":
                return ledger_verbs.SetThreshold(a)
            case "policy":
                return ledger_verbs.SetWitnessPolicy("# again\n" * (a % 3) + "quorum none\n")
            case "log keys":
                return ledger_verbs.SetLogKeys((ledgers.seed(f"log {a % 3}"), bytes(1312)))
            case "service":
                service, receipts = key(f"service {a % 3}"), ledgers.signer(f"receipts {b % 2}")
                self.world.sealers[service.public_key] = service
                return ledger_verbs.SetServiceKeys(service.public_key, receipts.public_key)
            case "profiles":
                more = ({"sc:visa": (2, 30)}, {"sc:short": (1, 40)}, {"sc:short": (2, 1)}, {})[a % 4]
                return ledger_verbs.SetProfiles({**PROFILES, **more})
            case "rules":
                return ledger_verbs.SetRules(1 + a // 4)
        return ledger_verbs.SetSuccessor(ORIGIN if a % 2 else "ledger.example/next", bytes(32))

    @rule(a=SMALL, verbs=st.lists(st.tuples(ISSUER_VERBS, SMALL, SMALL), min_size=1, max_size=2))
    def decide_on_an_issuer(self, a: int, verbs: list[tuple[str, int, int]]) -> None:
        self.decide([*ISSUERS, "civil-4"][a % 4], verbs)

    @rule(a=SMALL, what=st.sampled_from(["add", "distrust", "distrust"]), b=SMALL, c=SMALL, later=LATER)
    def decide_on_a_key(self, a: int, what: str, b: int, c: int, later: int) -> None:
        self.decide(list(ISSUERS)[a % 3], [(what, b, c)])
        self.close_perhaps(later)

    @precondition(lambda self: self.ahead.all_held())
    @rule(a=SMALL, what=st.sampled_from(["confirm", "refuse"]), later=LATER)
    def decide_on_what_is_held(self, a: int, what: str, later: int) -> None:
        held = list(self.ahead.all_held())
        self.decide(self.ahead.held_at[held[a % len(held)]][0], [(what, a, 0)])
        self.close_perhaps(later)

    @rule(verbs=st.lists(st.tuples(LEDGER_VERBS, SMALL, SMALL), min_size=1, max_size=2))
    def decide_on_the_ledger(self, verbs: list[tuple[str, int, int]]) -> None:
        # A successor ends all credentials: seldom.
        self.decide(
            ORIGIN,
            [("policy", x, y) if what == "successor" and x != 2 else (what, x, y) for what, x, y in verbs],
        )

    @rule(a=SMALL, verb=st.tuples(ISSUER_VERBS | LEDGER_VERBS, SMALL, SMALL),
          spoil=st.sampled_from(["few", "few", "few", "many", "counter", "deadline", "subject"]))  # fmt: skip
    def decide_otherwise(self, a: int, verb: tuple[str, int, int], spoil: str) -> None:
        """Too few approvals, one too many, or an action that is not current."""
        self.decide([*ISSUERS, "civil-4", ORIGIN][a % 5], [verb], spoil=spoil)

    def decide(
        self, subject: str, verbs: list[tuple[str, int, int]], *, authority: str = "interior", spoil: str = ""
    ) -> None:
        """Approve an action with as many approvals as it needs."""
        made = [self.verb(subject, what, x, y, authority) for what, x, y in verbs]
        model = self.ahead
        counter = (
            model.counter if subject == ORIGIN else model.issuers.get(subject, {"counter": 0})["counter"]
        )
        days = {"deadline": -1, "few": 2 if verbs[0][1] % 2 else 200}.get(spoil, 40)
        deadline = model.time_ms // 1000 + days * 86_400
        action = Action(subject, counter + (spoil == "counter"), deadline, tuple(made))
        deep = any(isinstance(verb, do.DistrustKey) and verb.from_index < model.floor() for verb in made)
        governors = list(model.terms["governors"])
        required = max(model.terms["threshold"], len(governors) - 1 if deep else 0)
        count = required + {"few": -1, "many": 1}.get(spoil, 0)
        for governor in governors[:count]:
            self.approve(governor, action)

    def approve(self, governor: str, action: Action) -> None:
        signs = self.world.governors.get(governor) or key("stranger")
        self.put(parse_statement(sign_statement("govern", governor, action.subject, action, signs)))

    @rule(a=SMALL, b=SMALL)
    def approve_what_is_open(self, a: int, b: int) -> None:
        if self.ahead.proposals:
            bodies = sorted(self.ahead.proposals)
            self.approve(f"gov-{b % 7 + 1}", self.ahead.proposals[bodies[a % len(bodies)]][0])

    @rule(a=SMALL, k=SMALL, first=st.integers(0, 9), count=st.integers(1, 4), spoil=st.sampled_from([""] * 12 + [
        "type", "digests", "iat", "late", "exp", "list", "further list", "place", "key", "far"]))  # fmt: skip
    def issue(self, a: int, k: int, first: int, count: int, spoil: str) -> None:
        party = self.party(a, k)
        now_s = self.ahead.time_ms // 86_400_000 * 86_400
        vcts = sorted(self.ahead.terms["profiles"])
        vct = vcts[k % len(vcts)]
        free = [
            n for n in range(PLACES, PLACES + 200) if (f"sc:{party.number}/0", n) not in self.ahead.places
        ]
        for n in range(count):
            iat = now_s - 86_400 * (0, 0, 3, 35)[(first + n) % 4]
            claims = self.world.claims(party, free[n], vct="sc:identity", iat=iat)
            digests, days = self.ahead.terms["profiles"][vct]
            shown = tuple(sorted(ledgers.seed(f"{free[n]} digest {at}") for at in range(digests)))
            claims = claims._replace(vct=vct, exp=end_of(iat, days), digests=shown)
            claims = claims._replace(cnf=key(f"holder {free[n]}").public_key.x)
            match spoil:
                case "type":
                    claims = claims._replace(vct="sc:unknown")
                case "digests":
                    claims = claims._replace(digests=claims.digests[1:] or (bytes(32), ledgers.seed("x")))
                case "iat":
                    claims = claims._replace(iat=claims.iat + 1)
                case "late" | "far":
                    day = now_s + 86_400 * (2 if spoil == "far" else -36)
                    claims = claims._replace(iat=day, exp=end_of(day, days))
                case "exp":
                    claims = claims._replace(exp=claims.exp + 86_400)
                case "list":
                    claims = claims._replace(uri=f"sc:{party.number % 3 + 1}/0")
                case "further list":
                    claims = claims._replace(uri=f"sc:{party.number}/{1 + n % 2}")
                case "place":
                    claims = claims._replace(idx=n)
            signs = key(f"{party.name} key {first % 5 + 1}") if spoil == "key" else party.keys[0]
            self.put(parse_statement(sign_credential(claims, signs)))

    @rule(a=SMALL, k=SMALL, first=st.integers(0, PLACES + 4), later=LATER,
        count=st.sampled_from([1, 1, 2, 5, 19, 20, 21, 24, 40]),
          new=st.sampled_from([1, 1, 1, 2, 2, 2, 3, 0, 12]), spoil=st.sampled_from([""] * 12 + [
              "seq", "month", "old", "reason", "list", "key", "old month", "no place"]))  # fmt: skip
    def change(self, a: int, k: int, first: int, count: int, new: int, spoil: str, later: int) -> None:
        """Change what can be changed of so many places: an honest statement, but for what is spoiled."""
        party = self.party(a, k)
        uri = f"sc:{party.number}/{1 if spoil == 'list' else 0}"
        known = sorted(idx for at, idx in self.ahead.places if at == f"sc:{party.number}/0")
        now = month_of(self.ahead.time_ms)
        month = months_before(now, {"month": 3, "old month": 2}.get(spoil, 0))
        rows: list[StatusRow] = []
        for idx in [idx for idx in known if idx >= first] + ([9_999] if spoil == "no place" else []):
            old = self.ahead.reads(uri, idx) if (uri, idx) in self.ahead.places else 0
            reasons = sorted(WAYS.get((old, new), ()))
            if len(rows) < count and (reasons or spoil in ("old", "reason")):
                reason = reasons[k % len(reasons)] if reasons and spoil != "reason" else 1 + k % 6
                rows.append(StatusRow(idx, (old + 1) % 4 if spoil == "old" else old, new, reason, month))
        if rows:
            seq = self.ahead.seqs.get(uri, 0) + (0 if spoil == "seq" else 1)
            signs = key(f"{party.name} key {first % 5 + 1}") if spoil == "key" else party.keys[0]
            body = StatusChange(uri, seq, tuple(rows))
            self.put(parse_statement(sign_statement("status", party.name, uri, body, signs)))
            self.close_perhaps(later)

    @rule(
        a=SMALL, first=st.integers(0, 40), count=st.integers(9, 24), new=st.sampled_from([1, 2]), later=LATER
    )
    def take_away_many(self, a: int, first: int, count: int, new: int, later: int) -> None:
        self.change(a=a, k=0, first=first, count=count, new=new, spoil="", later=later)

    @rule(n=st.integers(0, 6), later=LATER)
    def replace_a_governor(self, n: int, later: int) -> None:
        """One more, one fewer or one with another key, while approvals are open."""
        self.decide("civil-1", [("policy" if n == 6 else "suspend", 0, 0)], spoil="few")
        self.decide(ORIGIN, [("governors", n + 2, n)])
        self.close_perhaps(later)

    @precondition(lambda self: self.cards)
    @rule(a=st.integers(0, 50), spoil=st.sampled_from([""] * 8 + ["key", "new", "index", "old"]))
    def replace_by_holder(self, a: int, spoil: str) -> None:
        card, proof = self.cards[a % len(self.cards)]
        uri, idx = card.body.uri, card.body.idx
        old = self.ahead.reads(uri, idx) ^ (1 if spoil == "old" else 0)
        row = StatusRow(idx, old, 2 if spoil == "new" else 3, 1, month_of(self.ahead.time_ms))
        if spoil == "index":
            proof = replace(proof, index=proof.index ^ 1)
        signs = key("stranger") if spoil == "key" else key(f"holder {idx}")
        body = StatusChange(uri, 0, (row,), proof)
        self.put(parse_statement(sign_statement("status", card.sub, uri, body, signs)))

    @precondition(lambda self: self.spoken)
    @rule(a=st.integers(0, 200))
    def say_again(self, a: int) -> None:
        self.put(self.spoken[-1 - a % len(self.spoken)])

    @precondition(lambda self: self.spoken)
    @rule(a=st.integers(0, 200), later=st.sampled_from([1_000, DAY_MS, 31 * DAY_MS]))
    def only_ask(self, a: int, later: int) -> None:
        """Ask about a statement and give the epoch up: the world checks that nothing of it is left."""
        statement = self.spoken[-1 - a % len(self.spoken)]
        if any(isinstance(v, do.DistrustKey) for v in getattr(statement.body, "verbs", ())):
            return  # asked before it has an index, a distrust from a later one is taken
        at_ms = self.model.time_ms + later
        asked = self.model.copy()
        asked.open(at_ms)
        expected = "ok"
        try:
            asked.say(asked.size, statement)
        except RefusedError as error:
            expected = str(error)
        assert self.world.refusal(statement, at_ms=at_ms) == expected

    # -- epochs -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.waiting)
    @rule()
    def close(self) -> None:
        self.end_epoch(1_000)

    @rule(later=st.sampled_from([1, HOUR_MS, 5 * HOUR_MS, 23 * HOUR_MS, DAY_MS, 29 * DAY_MS, 30 * DAY_MS, 31 * DAY_MS,
                                 100 * DAY_MS, 364 * DAY_MS]))  # fmt: skip
    def close_late(self, later: int) -> None:
        """Nothing may be waiting; and what was foreseen for a second from now may be late."""
        self.end_epoch(later)

    def close_perhaps(self, later: int) -> None:
        if later:
            self.end_epoch(later)

    def end_epoch(self, later: int) -> None:
        time_ms = self.model.time_ms + later
        world = self.world
        after, refused, closes = self.model.close(self.waiting, time_ms)
        service = self.model.terms["scheduled"].get("service", self.model.terms["service"])
        sealer = next(one for public, one in world.sealers.items() if public.kid == service)
        built = build_epoch(world.registry, world.chain_head, world.size, self.waiting, time_ms, sealer)
        assert [(one.statement_id, error.code) for one, error in built.rejected] == [
            (one.statement_id, code) for one, code in refused
        ]
        assert bool(built.entries) == closes
        if closes:
            replay_epoch(world.mirror, world.chain_head, world.size, built.entries)
            world.built.append(built)
            world.time_ms = time_ms
            self._keep_cards(built)
        self.was, self.model = self.model.issuers, after
        self.waiting = []
        self._observe(built)
        self._compare()
        self.look_ahead()

    def _keep_cards(self, built: BuiltEpoch) -> None:
        cards = {one.entry: one for one in self.waiting if one.kind == "credential"}
        for at, entry in enumerate(built.entries):
            if entry in cards:
                cell = built.leaves[at // 16 * 16 : at // 16 * 16 + 16]
                proof = HolderProof(built.first_index + at, prove_in_cell(cell, at % 16), entry)
                self.cards.append((cards[entry], proof))

    def _statuses(self) -> dict[tuple[str, int], int]:
        return {
            (uri, idx): state.status(idx)
            for uri, state in self.world.registry.lists.items()
            for idx in range(PLACES + 200)
            if state.is_taken(idx)
        }

    def _observe(self, built: BuiltEpoch) -> None:
        """Count who lost a card in force by entries and lists alone: never more than a limit in a day."""
        read = [
            (at, parse_statement(entry))
            for at, entry in enumerate(built.entries, built.first_index)
            if len(entry) > 1
        ]
        verbs = [verb for _, one in read if one.kind == "govern" for verb in one.body.verbs]
        confirmed = {verb.index for verb in verbs if isinstance(verb, do.ConfirmHeld)}
        for at, one in read:
            # Whose authority changes in this very epoch is left to the model.
            moved = self.was.get(one.iss, {}).get("authority") != self.model.issuers.get(one.iss, {}).get(
                "authority"
            )
            if one.kind == "status" and one.body.proof is None and at not in confirmed and not moved:
                state = self.world.registry.lists[one.body.uri]
                rows = [row for row in one.body.rows if row.old in (0, 12) and row.new in (1, 2)]
                lost = sum(state.status(row.idx) == row.new for row in rows)
                self.observed.append((self.was[one.iss]["authority"], self.model.time_ms, lost))
        self.most = max(self.most, *(self._limit(name) for name in {"interior", "health"}))
        for name in {"interior", "health"}:
            hour = self.model.time_ms // HOUR_MS - 23
            assert (
                sum(n for who, at, n in self.observed if who == name and at // HOUR_MS >= hour) <= self.most
            )

    def _limit(self, authority: str) -> int:
        live = sum(
            self.model.live_of(n) for n, i in self.model.issuers.items() if i["authority"] == authority
        )
        return min(200, max(20, live // 100))

    def _compare(self) -> None:
        world, model = self.world, self.model
        registry, governance = world.registry, world.registry.governance
        assert fingerprint(world.mirror) == fingerprint(registry)
        assert (registry.time_ms, world.size) == (model.time_ms, model.size)
        assert self._statuses() == {place: model.reads(*place) for place in model.places}
        for uri, state in registry.lists.items():
            said = {
                idx: model.said[at, idx] for at, idx in model.places if at == uri and model.reads(at, idx)
            }
            assert {idx: (reason, month) for idx, reason, month in state.format_reasons()} == said
            assert (state.seq, state.used) == (model.seqs[uri], sum(at == uri for at, _ in model.places))
        held = {
            row[0]: [(row[3], one[0]) for one in row[4]] for row in registry.places.quarantine.format_held()
        }
        assert held == model.all_held()
        assert list(held) == sorted(held)
        for name, issuer in governance.issuers.items():
            keys = {kid: (record.state, record.distrusted_from) for kid, record in issuer.keys.items()}
            known = {"number": issuer.number, "suspended": issuer.suspended, "counter": issuer.counter, "keys": keys,
                     "authority": issuer.authority, "scope": issuer.scope}  # fmt: skip
            assert known == model.issuers[name]
            assert registry.windows.live_count(issuer.number) == model.live_of(name)
            assert registry.windows.accepted_count(issuer.number) == model.accepted_of(name)
            assert registry.places.quarantine.counted(issuer.authority) == model.counted(issuer.authority)
        assert registry.windows.distrust_floor == model.floor()
        self._compare_governance()

    def _compare_governance(self) -> None:
        registry, model = self.world.registry, self.model
        governance, terms = registry.governance, self.model.terms
        assert list(governance.issuers) == list(model.issuers)
        assert {sha(body): sorted(by) for body, (_, by) in model.proposals.items()} == {
            row[0]: row[4] for row in governance.format_proposals()
        }
        live = governance.terms
        assert (live.threshold, live.witness_policy, live.log_keys, dict(live.governors), live.read_only) == (
            terms["threshold"], terms["policy"], terms["log_keys"], terms["governors"], terms["read_only"]
        )  # fmt: skip
        assert (live.service_key.kid, live.receipts_key.kid, dict(live.profiles), live.successor) == (
            terms["service"], terms["receipts"], terms["profiles"], terms["successor"]
        )  # fmt: skip
        assert (governance.counter, governance.govern_head) == (model.counter, model.govern_head)
        assert registry.places.journal_head == model.journal_head


_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=2_000 if _THOROUGH else 150,
    stateful_step_count=60 if _THOROUGH else 50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
