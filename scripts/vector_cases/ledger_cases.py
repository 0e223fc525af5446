"""Vectors of the ledger: statements, checkpoints, cosignatures, and a registry replayed from its entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ledger.core import cbor, cose
from ledger.core.actions import AddKey, Admission, Change, DistrustKey, Scope, Suspend
from ledger.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from ledger.core.cose_key import PublicKey, SoftwareSigner, format_cose_key
from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner, add_cosignature, cosign
from ledger.core.note import Ed25519NoteSigner, format_vkey
from ledger.core.statement import PADDING, parse_statement, sign_statement
from scripts.vector_cases import Case
from scripts.vector_cases.kept_signatures import KeepingSigner, KeptSignatures
from tests.support.ledgers import seed, signer
from tests.support.registry_world import ORIGIN, Party, World

_LOG = "ledger.example/one"


def cases(kept: KeptSignatures) -> Iterator[Case]:
    """Yield the cases."""
    yield from _checkpoints(kept)
    yield from _statements()
    yield from _registry()


def _checkpoints(kept: KeptSignatures) -> Iterator[Case]:
    ed = Ed25519NoteSigner(_LOG, seed("log"))
    pq = KeepingSigner(MlDsa44Cosigner(_LOG, seed("log pq")), kept)
    head = Checkpoint(_LOG, 48, seed("root"))
    note = sign_checkpoint(head, [ed, pq], 1_794_700_800)
    keys = [format_vkey(ed.verifier_key), format_vkey(pq.verifier_key)]
    good: dict[str, Any] = {"note": note, "log_keys": keys}
    yield Case("checkpoint", "good", "Signed with Ed25519 and ML-DSA-44", good)
    other = format_vkey(Ed25519NoteSigner(_LOG, seed("another log")).verifier_key)
    lines = note.split("\n")
    bad = {
        "size-changed": (note.replace("\n48\n", "\n64\n"), keys, "bad_checkpoint"),
        "root-changed": (note.replace(lines[2], "A" + lines[2][1:]), keys, "bad_checkpoint"),
        "ed25519-missing": ("\n".join([*lines[:4], *lines[5:]]), keys, "bad_checkpoint"),
        "ml-dsa-missing": ("\n".join([*lines[:5], *lines[6:]]), keys, "bad_checkpoint"),
        "other-key": (note, [other, keys[1]], "bad_checkpoint"),
        "no-keys": (note, [], "bad_checkpoint"),
        "size-with-zero": (note.replace("\n48\n", "\n048\n"), keys, "malformed"),
        "size-with-sign": (note.replace("\n48\n", "\n+48\n"), keys, "malformed"),
        "extension-line": (note.replace("\n\n", "\nextension\n\n", 1), keys, "malformed"),
        "no-blank-line": (note.replace("\n\n", "\n", 1), keys, "malformed"),
        "carriage-return": (note.replace("\n48\n", "\r\n48\n"), keys, "malformed"),
        "no-newline-at-end": (note[:-1], keys, "malformed"),
    }
    for name, (text, log_keys, code) in bad.items():
        yield Case(
            "checkpoint", name, f"Not a valid checkpoint: {name}", {"note": text, "log_keys": log_keys}, code
        )
    one, two = (Ed25519Cosigner(f"w{n}.example", seed(f"w{n}")) for n in (1, 2))
    witnesses = {"one": format_vkey(one.verifier_key), "two": format_vkey(two.verifier_key)}
    text = format_checkpoint(head)
    signed = add_cosignature(note, cosign(one, head, text, 1_794_700_860))
    both = add_cosignature(signed, cosign(two, head, text, 1_794_704_400))
    given = {"log_keys": keys, "witnesses": witnesses}
    yield Case("cosignature", "one-of-two", "A witness without a line is absent", {"note": signed, **given})
    yield Case("cosignature", "both", "Two witnesses", {"note": both, **given})
    yield Case("cosignature", "none", "No witness", {"note": note, **given})
    moved = cosign(
        one, replace(head, tree_size=64), format_checkpoint(replace(head, tree_size=64)), 1_794_700_860
    )
    lie = add_cosignature(note, moved)
    yield Case(
        "cosignature",
        "of-another-head",
        "A cosignature of another head",
        {"note": lie, **given},
        "bad_checkpoint",
    )


def _statements() -> Iterator[Case]:
    world, civil = _world()
    gov = world.governors["gov-1"]
    samples: dict[str, tuple[bytes, SoftwareSigner]] = {
        "charter": (world.charter_entry, world.service),
        "accept": (world.accept_entries[0], gov),
        "govern": (world.approval(1, world.action("civil-1", Suspend())).entry, gov),
        "credential": (world.credential(civil, 5).entry, civil.keys[0]),
        "status": (world.change(civil, (1, 0, 2, 4), (2, 0, 1, 3)).entry, civil.keys[0]),
        "seal": (world.built[0].entries[-1], world.service),
    }
    for kind, (entry, key) in samples.items():
        yield _statement(f"{kind}-good", f"A {kind} statement", entry, key.public_key)
        yield _statement(f"{kind}-cut", "The last byte is missing", entry[:-1], key.public_key, "malformed")
        wrong = signer("wrong", key.public_key.kind).public_key
        yield _statement(f"{kind}-other-key", "Under another key", entry, wrong, "bad_signature")
        for name, code, changed in _changes(entry, key):
            yield _statement(f"{kind}-{name}", f"{kind}: {name}", changed, None, code)
    yield _statement("padding", "The padding byte is no statement", PADDING, None, "malformed")
    admission = Admission("interior", "Office", (key.public_key,), Scope(("sc:identity",), 5, 1))
    application = sign_statement("application", "civil-9", ORIGIN, admission, key)
    yield _statement("application", "An application is no entry", application, None, "unsupported")
    for verb in (0, 18):
        changed = _rebuilt(samples["govern"][0], gov, payload={4: [[verb, 0]]})
        yield _statement(f"govern-verb-{verb}", "No verb has this number", changed, None, "malformed")
    proof = _rebuilt(samples["status"][0], gov, payload={4: [0, bytes(128), b""]})
    yield _statement(
        "status-holder-proof", "A holder's proof that is no credential's", proof, None, "malformed"
    )
    yield from _credentials(samples["credential"][0], civil.keys[0])


def _changes(entry: bytes, key: SoftwareSigner) -> Iterator[tuple[str, str, bytes]]:
    """Yield rejections of form that every kind shares."""
    yield "unprotected", "malformed", _rebuilt(entry, key, unprotected={99: 0})
    yield "typ", "unsupported", _rebuilt(entry, key, protected={16: "application/vnd.safeconduct.other+cose"})
    yield "alg", "unsupported", _rebuilt(entry, key, protected={1: -35})
    yield "kid-of-7-bytes", "malformed", _rebuilt(entry, key, protected={4: bytes(7)})
    yield "further-header", "malformed", _rebuilt(entry, key, protected={99: 0})
    yield "further-part", "malformed", _rebuilt(entry, key, payload={98: 0})
    elsewhere = {1: "gov-1", 2: "ledger.example/elsewhere"}
    if parse_statement(entry).kind != "accept":
        yield "another-sub", "malformed", _rebuilt(entry, key, protected={15: elsewhere})
    odd = {cbor.CBORSimpleValue(1): "gov-1", 2: ORIGIN}
    yield "simple-1-for-iss", "malformed", _rebuilt(entry, key, protected={15: odd})


def _credentials(entry: bytes, key: SoftwareSigner) -> Iterator[Case]:
    message = cose.parse_sign1(entry, max_size=4096)
    claims = cbor.decode(message.payload or b"", max_size=4096)
    digests = claims[cbor.REDACTED_KEYS]
    place = {"idx": 131_072, "uri": "sc:1/0"}
    holder = claims[8][1]
    odd = _rebuilt(entry, key, protected={cose.SD_AEAD: cbor.CBORSimpleValue(2)})
    yield _statement("credential-simple-2-for-aead", "simple(2) is not 2", odd, None, "unsupported")
    for name, changed in {
        "other-iss": {1: "civil-2"},
        "other-sub": {2: "0001000006______"},
        "nbf": {5: 0},
        "digests-not-rising": {cbor.REDACTED_KEYS: digests[::-1]},
        "digest-twice": {cbor.REDACTED_KEYS: [digests[0], *digests]},
        "no-digests": {cbor.REDACTED_KEYS: []},
        "place-beyond": {65535: {"status_list": place}},
        "list-of-http": {65535: {"status_list": {"idx": 5, "uri": "https://a/1"}}},
        "cnf-p256": {8: {1: {1: 2, -1: 1, -2: bytes(32), -3: bytes(32)}}},
        "cnf-true-for-1": {8: {1: {**holder, 1: True}}},
        "cnf-with-kid": {8: {1: {**holder, 2: b"kid"}}},
        "type-of-65-bytes": {11: "x" * 65},
    }.items():
        changed_entry = _rebuilt(entry, key, payload=changed)
        yield _statement(
            f"credential-{name}", f"Claims out of form: {name}", changed_entry, None, "malformed"
        )


def _statement(name: str, description: str, entry: bytes, key: PublicKey | None, code: str = "ok") -> Case:
    shown = None if key is None else cbor.encode(format_cose_key(key)).hex()
    return Case("statement", name, description, {"entry": entry.hex(), "key": shown}, code)


def _rebuilt(
    entry: bytes, key: SoftwareSigner, *, protected: Any = None, payload: Any = None, unprotected: Any = None
) -> bytes:
    """Return a statement signed again with changed parts."""
    message = cose.parse_sign1(entry, max_size=65_535)
    header = cbor.encode({**message.protected, **(protected or {})})
    body = cbor.encode({**cbor.decode(message.payload or b"", max_size=65_535), **(payload or {})})
    signature = key.sign(cose.sig_structure(header, body))
    return cbor.encode(cbor.CBORTag(18, [header, unprotected or {}, body, signature]))


def _world() -> tuple[World, Party]:
    world = World()
    civil = world.admit("civil-1")
    world.epoch(*[world.credential(civil, n) for n in range(3)])
    return world, civil


def _registry() -> Iterator[Case]:
    """Yield a ledger with each kind of statement, and ledgers that break a rule at one place."""
    world, civil = _world()
    civil.keys.append(signer("civil-1 key 2", "ed25519"))
    world.act("civil-1", AddKey(civil.keys[1].public_key), Change(title="Civil registry, upper town"))
    start = world.size
    world.epoch(world.change(civil, (0, 0, 2, 4), (1, 0, 1, 3)), world.credential(civil, 16))
    world.epoch(world.approval(1, world.action("civil-1", Suspend())))
    world.act("civil-1", DistrustKey(civil.keys[1].public_key.kid, start))
    world.epoch(world.change(civil, (2, 0, 12, 5), key=0), at_ms=world.time_ms + 40 * 3_600_000)
    epochs = [built.entries for built in world.built]
    yield _replayed("all-kinds", "Genesis, admission, credentials, changes, distrust with reversal", epochs)
    yield _replayed("genesis", "The genesis epoch alone", epochs[:1])
    second = epochs[2]
    broken: dict[str, tuple[list[bytes], str]] = {
        "seal-missing": (second[:-1], "bad_epoch"),
        "padding-too-few": ([*second[:3], *second[4:]], "bad_epoch"),
        "credentials-swapped": ([second[1], second[0], *second[2:]], "bad_epoch"),
        "an-entry-cut": ([second[0][:-1], *second[1:]], "bad_entry"),
        "a-credential-left-out": ([*second[:2], PADDING, *second[3:]], "bad_seal"),
        "a-place-taken": ([*_again(world, civil), *second[3:]], "bad_rule"),
        "a-lie-about-the-status": (_lie(second, world, status_digest=bytes(32)), "bad_seal"),
        "a-lie-about-the-registry": (_lie(second, world, registry_digest=bytes(32)), "bad_seal"),
        "time-does-not-rise": (_lie(second, world, time_ms=0), "bad_epoch"),
    }
    for name, (entries, code) in broken.items():
        yield _replayed(name, f"The third epoch is broken: {name}", [*epochs[:2], entries], code)
    yield _replayed("epochs-swapped", "An epoch is missing", [epochs[0], epochs[2]], "bad_rule")
    accepts_swapped = [epochs[0][0], epochs[0][2], epochs[0][1], *epochs[0][3:]]
    yield _replayed("accepts-swapped", "Accepts not in the charter's order", [accepts_swapped], "bad_rule")


def _again(world: World, civil: Party) -> list[bytes]:
    """Return three credentials, two of them for one place."""
    claims = [world.claims(civil, idx, iat=1_794_700_800, sub=f"{n}" * 16) for n, idx in enumerate((4, 4, 5))]
    statements = [world.credential(civil, c.idx, key=0, iat=c.iat, sub=c.sub) for c in claims]
    return [s.entry for s in sorted(statements, key=lambda s: s.statement_id)]


def _lie(entries: list[bytes], world: World, **changed: Any) -> list[bytes]:
    seal = replace(parse_statement(entries[-1]).body, **changed)
    return [*entries[:-1], sign_statement("seal", ORIGIN, ORIGIN, seal, world.service)]


def _replayed(name: str, description: str, epochs: list[list[bytes]], code: str = "ok") -> Case:
    given = {"epochs": [[entry.hex() for entry in entries] for entries in epochs]}
    return Case("registry", name, description, given, code)
