"""A station crosses every kind of rotation, on its first sync and on a later one, and no other. Protocol section 9."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.core.bundle import format_bundle
from ledger.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner, add_cosignature, cosign
from ledger.core.ledger_verbs import SetProfiles, SetRules, SetSuccessor, SetThreshold
from ledger.core.merkle import root_hash
from ledger.core.note import Ed25519NoteSigner, parse_note
from ledger.core.opened_bundle import open_bundle
from ledger.errors import BundleError
from tests.support.ledgers import seed
from tests.support.rotating_ledger import BRIDGED, RotatingLedger
from verifier.station import Station

KINDS = [*[(kind,) for kind in BRIDGED], BRIDGED]


def ids(kinds: tuple[str, ...]) -> str:
    return "all" if len(kinds) > 1 else kinds[0]


def refused(data: bytes, ledger: RotatingLedger) -> BundleError:
    with pytest.raises(BundleError) as caught:
        open_bundle(data, ledger.pin)
    assert caught.value.code == "bundle_invalid"
    return caught.value


@pytest.mark.parametrize("kinds", KINDS, ids=ids)
@pytest.mark.parametrize("epochs_after", [0, 1, 3])
def test_a_station_that_pinned_at_genesis_crosses_on_its_first_sync(
    kinds: tuple[str, ...], epochs_after: int
) -> None:
    ledger = RotatingLedger()
    ledger.admit("civil-1")
    ledger.rotate(*kinds)
    for number in range(epochs_after):
        ledger.admit(f"office-{number}")
    opened = open_bundle(ledger.bundle(), ledger.pin)
    assert opened.governance.terms == ledger.registry.governance.terms
    assert opened.checkpoint.tree_size == ledger.tree_size
    assert list(opened.history) == list(ledger.issuers)


@pytest.mark.parametrize("kinds", KINDS, ids=ids)
def test_a_station_crosses_on_a_later_sync_and_two_in_a_row(kinds: tuple[str, ...], tmp_path: Path) -> None:
    ledger = RotatingLedger()
    station = Station(tmp_path)
    station.set_pin(ledger.pin)
    station.import_bundle(ledger.bundle())
    ledger.rotate(*kinds)
    assert station.import_bundle(ledger.bundle()).tree_size == 32
    ledger.admit("civil-1")
    assert station.import_bundle(ledger.bundle()).tree_size == 48
    ledger.rotate(*kinds)
    ledger.rotate(*kinds)
    assert len(ledger.bridges) == 3
    assert station.import_bundle(ledger.bundle()).tree_size == 80
    ledger.admit("civil-2")
    trusted = station.import_bundle(ledger.bundle())
    assert list(trusted.issuers) == ["civil-1", "civil-2"]
    fresh = open_bundle(ledger.bundle(), ledger.pin)
    assert fresh.governance.terms == ledger.registry.governance.terms


def test_rotations_of_different_kinds_follow_each_other() -> None:
    ledger = RotatingLedger()
    for kind in BRIDGED:
        ledger.rotate(kind)
        open_bundle(ledger.bundle(), ledger.pin)
    assert len(ledger.bridges) == len(BRIDGED)


def test_two_actions_of_one_epoch_share_a_bridge() -> None:
    ledger = RotatingLedger()
    ledger.approve(ledger.verb("log-keys"))
    ledger.approve(ledger.verb("witness-policy"), counter_ahead=1)
    ledger.close_epoch()
    ledger.admit("civil-1")
    assert len(ledger.bridges) == 1
    opened = open_bundle(ledger.bundle(), ledger.pin)
    assert opened.governance.terms == ledger.registry.governance.terms


def test_what_needs_no_bridge_has_none() -> None:
    ledger = RotatingLedger()
    profiles = {**ledger.registry.governance.profiles, "sc:visa": (2, 30)}
    ledger.decide(SetProfiles(profiles), SetRules(1))
    ledger.admit("civil-1", vcts=("sc:visa",))
    ledger.decide(SetSuccessor("ledger.example/next", bytes(32)))
    ledger.admit("civil-2")
    assert ledger.bridges == []
    opened = open_bundle(ledger.bundle(), ledger.pin)
    assert opened.governance.profiles == profiles
    assert opened.governance.terms.successor == ("ledger.example/next", bytes(32))


@pytest.mark.parametrize("kinds", KINDS, ids=ids)
def test_a_bundle_without_its_bridge_is_refused(kinds: tuple[str, ...]) -> None:
    ledger = RotatingLedger()
    ledger.rotate(*kinds)
    assert refused(format_bundle(replace(ledger.bundle_parts(), bridges=())), ledger).step == 3
    ledger.admit("civil-1")
    assert refused(format_bundle(replace(ledger.bundle_parts(), bridges=())), ledger).step == 3


def test_a_bridge_that_no_action_asks_for_is_refused() -> None:
    ledger = RotatingLedger()
    ledger.admit("civil-1")
    parts = ledger.bundle_parts()
    assert refused(format_bundle(replace(parts, bridges=(parts.checkpoint,))), ledger).step == 3
    ledger.rotate("log-keys")
    parts = ledger.bundle_parts()
    assert refused(format_bundle(replace(parts, bridges=parts.bridges * 2)), ledger).step == 3


@pytest.mark.parametrize("kinds", KINDS, ids=ids)
def test_a_bridge_that_does_not_satisfy_the_old_policy_is_refused(kinds: tuple[str, ...]) -> None:
    ledger = RotatingLedger()
    ledger.rotate(*kinds)
    few = ledger.checkpoint(witness_times=[ledger.now_s, None])
    for witnesses in ([Ed25519Cosigner(f"w{n}-2.example", seed(f"w{n} 2")) for n in (1, 2)], []):
        # Those of the policy to come, or nobody, beside one of those before.
        note, head = few, Checkpoint(ledger.origin, ledger.tree_size, root_hash(ledger.leaves))
        for witness in witnesses:
            note = add_cosignature(note, cosign(witness, head, format_checkpoint(head), ledger.now_s))
        ledger.bridges = [note]
        assert refused(ledger.bundle(), ledger).step == 3
    ledger.bridges = []
    ledger.admit("civil-1")
    ledger.bridges = [few]
    assert refused(ledger.bundle(), ledger).step == 3


def test_a_bridge_under_the_new_keys_is_refused() -> None:
    ledger = RotatingLedger()
    ledger.rotate("log-keys")
    ledger.admit("civil-1")  # from here on the new keys sign
    ledger.bridges = [ledger.checkpoint()]
    assert refused(ledger.bundle(), ledger).step == 3


def test_a_head_under_keys_that_nobody_decided_on_is_refused() -> None:
    ledger = RotatingLedger()
    ledger.rotate("log-keys", "service-keys")
    ledger.admit("civil-1")
    good = ledger.bundle_parts()
    signers = (Ed25519NoteSigner(ledger.origin, seed("f")), MlDsa44Cosigner(ledger.origin, seed("f")))
    head = Checkpoint(ledger.origin, ledger.tree_size, root_hash(ledger.leaves))
    note = sign_checkpoint(head, signers, ledger.now_s)
    for witness in ledger.witnesses:
        note = add_cosignature(note, cosign(witness, head, format_checkpoint(head), ledger.now_s))
    assert refused(format_bundle(replace(good, checkpoint=note)), ledger).step == 4


def test_keys_from_before_the_rotation_sign_no_head_any_more() -> None:
    ledger = RotatingLedger()
    old = ledger.log_signers
    ledger.rotate("log-keys")
    ledger.admit("civil-1")
    ledger.log_signers = old
    assert refused(ledger.bundle(), ledger).step == 4


@pytest.mark.parametrize("kinds", [("log-keys",), BRIDGED], ids=ids)
def test_a_bridge_must_contain_its_action_and_be_of_this_tree(kinds: tuple[str, ...]) -> None:
    ledger = RotatingLedger()
    ledger.admit("civil-1")
    before = ledger.checkpoint()
    other = RotatingLedger()
    other.admit("civil-2")
    other.rotate(*kinds)
    ledger.rotate(*kinds)
    good = ledger.bundle_parts()
    for bridge in (before, other.bridges[0]):
        assert refused(format_bundle(replace(good, bridges=(bridge,))), ledger).step == 3


def test_a_bridge_beyond_the_head_is_refused() -> None:
    ledger = RotatingLedger()
    ledger.rotate("governors")
    short = ledger.bundle_parts()
    ledger.admit("civil-1")
    longer = ledger.checkpoint()
    assert refused(format_bundle(replace(short, bridges=(longer,))), ledger).step == 3


def test_a_bridge_of_a_size_between_two_cells_is_refused() -> None:
    """Log and witnesses lie together: the root is that of whole cells, the size is not."""
    ledger = RotatingLedger()
    ledger.rotate("threshold")
    for odd in (1, 15):
        head = Checkpoint(ledger.origin, ledger.tree_size + odd, root_hash(ledger.leaves))
        note = sign_checkpoint(head, ledger.log_signers, ledger.now_s)
        for witness in ledger.witnesses:
            note = add_cosignature(note, cosign(witness, head, format_checkpoint(head), ledger.now_s))
        ledger.bridges = [note]
        assert refused(ledger.bundle(), ledger).step == 3


def test_every_flipped_bit_of_a_bridge_is_refused() -> None:
    ledger = RotatingLedger()
    ledger.rotate("log-keys", "threshold")
    ledger.admit("civil-1")
    good = ledger.bundle_parts()
    bridge = good.bridges[0]
    for place in range(0, len(bridge), 97):
        changed = bridge[:place] + chr(ord(bridge[place]) ^ 1) + bridge[place + 1 :]
        assert refused(format_bundle(replace(good, bridges=(changed,))), ledger).step == 3


def test_removed_governors_approve_nothing_after_their_bridge() -> None:
    ledger = RotatingLedger()
    removed = ledger.registry.governance.governors[0][0]
    ledger.rotate("governors")
    ledger.decide(SetThreshold(4))
    parts = ledger.bundle_parts()
    names = [parse_note(text).text.splitlines()[1] for text in parts.bridges]
    assert names == ["32", "48"]
    assert removed not in dict(open_bundle(ledger.bundle(), ledger.pin).governance.governors)
