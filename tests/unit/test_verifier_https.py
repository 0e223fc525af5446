"""The station's own certificate: what it is for, what its root cannot do, and when a new one is made."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import os
import ssl
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.calendar_days import DAY_S
from ledger.errors import CodedError
from tests.support.ledgers import TinyLedger
from verifier import https
from verifier.api import create_app
from verifier.errors import StationError
from verifier.https import (
    LIFETIME_DAYS,
    MAX_NAMES,
    RENEW_DAYS,
    check_given,
    format_fingerprint,
    keep_certificate,
    make_certificate,
    parse_chain,
    parse_name,
)
from verifier.station import Station

NOW_S = int(time.time())
NAMES = ("192.168.7.20", "kiosk.example", "fd00::7", "localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def made() -> bytes:
    return make_certificate(NAMES, NOW_S)


def chain_of(pem: bytes) -> tuple[x509.Certificate, x509.Certificate]:
    leaf, root = x509.load_pem_x509_certificates(pem)
    return leaf, root


def check(leaf: x509.Certificate, root: x509.Certificate, name: str) -> None:
    """Do what a browser does that trusts the root."""
    subject: x509.DNSName | x509.IPAddress
    try:
        subject = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    PolicyBuilder().store(Store([root])).time(
        datetime.datetime.fromtimestamp(NOW_S, datetime.UTC)
    ).build_server_verifier(subject).verify(leaf, [])


# -- what is made -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_phone_that_trusts_the_root_takes_the_server_under_each_of_its_names(
    made: bytes, name: str
) -> None:
    check(*chain_of(made), name)


@pytest.mark.parametrize("name", ["192.168.7.21", "other.example", "fd00::8"])
def test_it_is_for_no_other_name(made: bytes, name: str) -> None:
    with pytest.raises(VerificationError):
        check(*chain_of(made), name)


@pytest.mark.parametrize(
    "names", [("192.168.7.20",), ("kiosk.example",), ("fd00::7",), ("10.0.0.1", "b.example")]
)
def test_any_kind_of_name_alone_makes_a_certificate_that_verifies(names: Sequence[str]) -> None:
    pem = make_certificate(names, NOW_S)
    for name in names:
        check(*chain_of(pem), name)


@pytest.mark.parametrize(
    ("allowed", "stolen"),
    [
        (("192.168.7.20",), "192.168.7.21"),
        (("192.168.7.20",), "bank.example"),
        (("192.168.7.20",), "fd00::7"),
        (("kiosk.example",), "bank.example"),
        (("kiosk.example",), "10.0.0.1"),
        (("fd00::7",), "10.0.0.1"),
        (("192.168.7.20", "kiosk.example"), "fd00::7"),
    ],
)
def test_were_the_roots_key_kept_it_could_still_vouch_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch, allowed: Sequence[str], stolen: str
) -> None:
    permitted, excluded = https._subtrees(allowed), https._excluded(allowed)
    monkeypatch.setattr(https, "_subtrees", lambda _: permitted)
    monkeypatch.setattr(https, "_excluded", lambda _: excluded)
    leaf, root = chain_of(make_certificate((stolen,), NOW_S))
    with pytest.raises(VerificationError):
        check(leaf, root, stolen)


def test_the_root_signs_no_further_authority_and_the_server_signs_none(made: bytes) -> None:
    leaf, root = chain_of(made)
    for certificate, is_root in ((leaf, False), (root, True)):
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert basic.critical
        assert usage.critical
        assert (basic.value.ca, basic.value.path_length) == ((True, 0) if is_root else (False, None))
        assert (usage.value.key_cert_sign, usage.value.digital_signature) == (is_root, not is_root)
    assert root.extensions.get_extension_for_class(x509.NameConstraints).critical
    [purpose] = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert purpose == x509.oid.ExtendedKeyUsageOID.SERVER_AUTH


def test_the_key_of_the_root_is_in_no_file(made: bytes) -> None:
    leaf, root = chain_of(made)
    assert made.count(b"PRIVATE KEY") == 2  # begin and end of one
    key = serialization.load_pem_private_key(made, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert key.public_key() == leaf.public_key()
    assert key.public_key() != root.public_key()


def test_it_lasts_397_days_and_has_begun_for_a_phone_whose_clock_is_behind(made: bytes) -> None:
    for certificate in chain_of(made):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        assert (end - begin).days == LIFETIME_DAYS <= 397
        assert begin.timestamp() == NOW_S - DAY_S


def test_what_stands_in_a_phones_settings_does_not_say_what_the_phone_is_for(made: bytes) -> None:
    _, root = chain_of(made)
    [name] = root.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert str(name.value).startswith("Local network certificate ")
    assert "safeconduct" not in root.subject.rfc4514_string().lower()
    assert len(list(root.subject)) == 1


def test_two_roots_are_told_apart_by_their_names() -> None:
    names = {chain_of(make_certificate(("a.example",), NOW_S))[1].subject for _ in range(3)}
    assert len(names) == 3


@pytest.mark.parametrize("count", [0, MAX_NAMES + 1])
def test_a_certificate_is_for_a_few_names(count: int) -> None:
    with pytest.raises(StationError, match="1 to 32 names"):
        make_certificate([f"h{number}.example" for number in range(count)], NOW_S)


def test_the_fingerprint_is_the_one_that_browsers_show(made: bytes) -> None:
    leaf, _ = chain_of(made)
    text = format_fingerprint(leaf.public_bytes(Encoding.DER))
    assert bytes.fromhex(text.replace(":", "").replace(" ", "")) == leaf.fingerprint(hashes.SHA256())
    assert [len(group) for group in text.split("  ")] == [11] * 8


# -- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Kiosk.Example.", "kiosk.example"),
        (" 192.168.7.20 ", "192.168.7.20"),
        ("[FD00::0007]", "fd00::7"),
        ("front-desk", "front-desk"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_a_name_has_one_written_form(given: str, name: str) -> None:
    assert parse_name(given) == name


@pytest.mark.parametrize(
    "text",
    ["", ".", "a..b", "-a.example", "a_b", "http://a.example", "a.example:8480", "a.example/phone", "*.example",
     "0.0.0.0", "::", "224.0.0.1", "300.1.1.1", "1.2.3", "bücher.example", "a" * 64, "a b", "a.example\n.b"],
)  # fmt: skip
def test_what_is_no_name_is_a_wrong_call(text: str) -> None:
    with pytest.raises(StationError) as refused:
        parse_name(text)
    assert refused.value.code == "usage"


@given(st.text(max_size=80))
def test_whatever_is_a_name_stays_the_same_and_makes_a_certificate(text: str) -> None:
    try:
        name = parse_name(text)
    except StationError:
        return
    assert parse_name(name) == name
    https._general_name(name)
    https._subtrees([name])


# -- what is kept -----------------------------------------------------------------------------------------


def keep(path: Path, *names: str, now_s: int = NOW_S, renew: bool = False) -> https.Certificate:
    return keep_certificate(path, names, fallback=lambda: ["10.1.1.1"], now_s=now_s, renew=renew)


def test_it_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "station" / "https.pem"
    first = keep(path, "a.example", "10.0.0.1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 or os.name == "nt"
    assert keep(path) == keep(path, "10.0.0.1") == first
    assert (first.names, first.is_for("a.example"), first.is_for("b.example")) == (
        ("a.example", "10.0.0.1"),
        True,
        False,
    )
    assert [entry.name for entry in path.parent.iterdir()] == ["https.pem"]


def test_without_names_it_is_for_those_of_the_machine(tmp_path: Path) -> None:
    assert keep(tmp_path / "https.pem").names == ("10.1.1.1",)


@pytest.mark.parametrize(
    ("days", "renewed"),
    [(0, False), (365, False), (366, True), (500, True), (-30, True)],
)  # fmt: skip
def test_a_new_one_is_made_before_the_old_one_ends(tmp_path: Path, days: int, renewed: bool) -> None:
    path = tmp_path / "https.pem"
    first = keep(path, "a.example")
    now_s = NOW_S + days * DAY_S
    later = keep(path, "a.example", now_s=now_s)
    assert (later != first) == renewed
    assert later.not_after_s > now_s + RENEW_DAYS * DAY_S


def test_another_name_or_a_wish_makes_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "https.pem"
    first = keep(path, "a.example")
    second = keep(path, "b.example")
    assert second.names == ("b.example",)
    assert keep(path, "b.example", renew=True) != second != first


@pytest.mark.parametrize("damage", ["cut", "key", "empty", "text", "large"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "https.pem"
    first = keep(path, "a.example")
    data = path.read_bytes()
    other = make_certificate(["a.example"], NOW_S)
    path.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "key": other[: other.index(b"-----BEGIN CERT")] + data[data.index(b"-----BEGIN CERT") :],
            "empty": b"",
            "text": b"not a certificate",
            "large": data + b"\n" * (1 << 20),
        }[damage]
    )
    again = keep(path, "a.example")
    assert again != first
    assert keep(path, "a.example") == again


# -- what was given ---------------------------------------------------------------------------------------


def write_given(folder: Path, pem: bytes) -> tuple[Path, Path]:
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    begin = pem.index(b"-----BEGIN CERT")
    key.write_bytes(pem[:begin])
    certificate.write_bytes(pem[begin:])
    return certificate, key


def test_a_given_certificate_is_used_with_its_key(tmp_path: Path, made: bytes) -> None:
    given = check_given(*write_given(tmp_path, made), now_s=NOW_S)
    assert set(given.names) == set(NAMES)
    assert given.root_der is None
    assert given.root_pem() == b""


def test_a_given_certificate_may_be_for_all_names_of_a_domain() -> None:
    given = https.Certificate(("*.example.org",), NOW_S, b"")
    assert given.is_for("kiosk.example.org")
    assert not given.is_for("a.kiosk.example.org")
    assert not given.is_for("example.org")


@pytest.mark.parametrize(
    "fault", ["other key", "passphrase", "no key", "no certificate", "over", "nothing there"]
)
def test_what_a_server_cannot_use_is_said_before_it_starts(tmp_path: Path, made: bytes, fault: str) -> None:
    certificate, key = write_given(tmp_path, made)
    now_s = NOW_S
    match fault:
        case "other key":
            key.write_bytes(make_certificate(["a.example"], NOW_S))
        case "passphrase":
            private = serialization.load_pem_private_key(key.read_bytes(), None)
            assert isinstance(private, ec.EllipticCurvePrivateKey)
            form = serialization.PrivateFormat.PKCS8
            key.write_bytes(
                private.private_bytes(Encoding.PEM, form, serialization.BestAvailableEncryption(b"x"))
            )
        case "no key":
            key.write_bytes(certificate.read_bytes())
        case "no certificate":
            certificate.write_bytes(key.read_bytes())
        case "over":
            now_s += 400 * DAY_S
        case _:
            key.unlink()
    with pytest.raises(CodedError) as refused:
        check_given(certificate, key, now_s=now_s)
    assert refused.value.code == ("not_found" if fault == "nothing there" else "bad_input")
    assert "BEGIN" not in str(refused.value)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_are_taken_for_a_certificate(data: bytes, framed: bool) -> None:
    pem = b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n" if framed else data
    with pytest.raises(StationError):
        parse_chain(pem)


# -- in use -----------------------------------------------------------------------------------------------


@contextmanager
def running(folder: Path) -> Iterator[tuple[int, https.Certificate]]:
    """A station that speaks https on loopback."""
    ledger = TinyLedger()
    ledger.issue(ledger.admit())
    ledger.close_epoch()
    station = Station(folder)
    station.set_pin(ledger.pin)
    station.import_bundle(ledger.bundle())
    path = folder / https.CERTIFICATE_FILE
    kept = keep(path, "localhost", "127.0.0.1")
    app = create_app(station, certificate=kept.root_pem())
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=0, log_level="critical", access_log=False, ssl_certfile=str(path), ssl_keyfile=str(path)
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1], kept
    finally:
        server.should_exit = True
        thread.join()


def test_a_client_with_the_root_is_served_and_one_without_is_not(tmp_path: Path) -> None:
    with running(tmp_path / "station") as (port, kept):
        root = ssl.create_default_context(cadata=kept.root_pem().decode())
        root.minimum_version = ssl.TLSVersion.TLSv1_2
        for host in ("localhost", "127.0.0.1"):
            connection = http.client.HTTPSConnection(host, port, context=root, timeout=10)
            connection.request("GET", "/certificate.pem")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, kept.root_pem())
            connection.close()
        stranger = http.client.HTTPSConnection(
            "localhost", port, context=ssl.create_default_context(), timeout=10
        )
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger.request("GET", "/")
        stranger.close()
