"""A certificate of the station's own, so that phones beside it get a secure origin without a network.

Camera, service worker and WebCrypto of a browser want https. Where the organisation has no certificate for the
station (docs/operations.md, "The phone page"), the station makes one: a root for this station alone, which signs one
certificate for the server (RFC 5280). The key of the root lives for as long as `make_certificate` runs and is written
nowhere, and the root is constrained to the names of this one server (RFC 5280, section 4.2.1.10): a phone that trusts
it trusts nothing else by it. docs/adr/0009-local-certificate.md says why.

    station/https.pem     key and certificate of the server, then the root; mode 0600

    kept = keep_certificate(Path("station/https.pem"), ["192.168.1.7"], fallback=list, now_s=now_s)
    format_fingerprint(kept.root_der)
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.core.calendar_days import DAY_S
from ledger.errors import CodedError
from ledger.files import OWNER_ONLY, read_file, replace_file
from verifier.errors import StationError

CERTIFICATE_FILE: Final = "https.pem"
LIFETIME_DAYS: Final = 397
"""What browsers take at most of a public certificate, and a habit worth keeping."""
RENEW_DAYS: Final = 30
"""With fewer days left, a start makes a new one."""
MAX_NAMES: Final = 32
_BACKDATED_S: Final = DAY_S
_PEM_MAX_BYTES: Final = 1 << 20
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII
)
_ROOT_NAME: Final = "Local network certificate"
"""Whoever looks through a phone's settings reads this: it says nothing about what the phone is used for."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that a server uses.

    Attributes:
        names: host names and addresses that it is for, as a browser writes them (an IPv6 address without brackets).
        not_after_s: its end, seconds since 1970.
        leaf_der: the certificate of the server.
        root_der: what a phone can be told to trust, None for a certificate that was given to the station.
        is_new: made just now, so that no phone trusts it yet.
    """

    names: tuple[str, ...]
    not_after_s: int
    leaf_der: bytes
    root_der: bytes | None = None
    is_new: bool = field(default=False, compare=False)

    def is_for(self, name: str) -> bool:
        """Return whether a browser takes it for this host name or address."""
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names

    def root_pem(self) -> bytes:
        """Return the root as a file, b"" where there is none."""
        return b"" if self.root_der is None else ssl.DER_cert_to_PEM_cert(self.root_der).encode("ascii")


def parse_name(text: str) -> str:
    """Return a host name or an address in its one written form.

    Raises:
        StationError: code usage, it is neither, or an address that nobody can be reached at.
    """
    try:
        address = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        name = text.strip().lower().removesuffix(".")
        if _HOST.fullmatch(name) and not name.replace(".", "").isdecimal():
            return name
        raise StationError("usage", "a name is a host name or an IP address", field="name") from None
    if address.is_unspecified or address.is_multicast:
        raise StationError("usage", "nobody is reached at this address", field="name")
    return str(address)


def make_certificate(names: Sequence[str], now_s: int) -> bytes:
    """Return key and certificate of a server and the root that signed it, as PEM; the key of the root is gone.

    Args:
        names: 1 to 32 of `parse_name`; the first is what the certificate is called.
        now_s: the clock, seconds since 1970. It is valid from a day before, for phones whose clock is behind.
    """
    if not 1 <= len(names) <= MAX_NAMES:
        raise StationError("usage", f"a certificate is for 1 to {MAX_NAMES} names", field="name")
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    root_name = _named(f"{_ROOT_NAME} {serial % 16**6:06x}")
    sans = [_general_name(name) for name in names]
    root = (
        _begun(root_name, root_name, root_key, serial, now_s)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.NameConstraints(_subtrees(names), _excluded(names)), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _begun(_named(names[0][:64]), root_name, key, x509.random_serial_number(), now_s)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(sans), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)


def keep_certificate(
    path: Path,
    names: Sequence[str],
    *,
    fallback: Callable[[], Sequence[str]],
    now_s: int,
    renew: bool = False,
) -> Certificate:
    """Return the certificate in a file, made first where it is missing, about to end, or not for these names.

    Args:
        path: of the file; its mode is 0600.
        names: of `parse_name`, that it has to be for; may be none.
        fallback: names for a new one where none are given.
        now_s: the clock, seconds since 1970.
        renew: make a new one in any case.

    Raises:
        StationError: code usage, too many names.
        StorageError: the file cannot be read or written.
    """
    if not renew:
        kept = _read_kept(path)
        if kept is not None and _is_good(kept, names, now_s):
            return kept
    made = make_certificate(names or fallback(), now_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, made, mode=OWNER_ONLY)
    return replace(parse_chain(made, own=True), is_new=True)


def parse_chain(pem: bytes, *, own: bool = False) -> Certificate:
    """Return what a file of certificates is for; the first is the server's.

    Args:
        pem: certificates, perhaps with the key of the first.
        own: made by `make_certificate`, so that the second is the root.

    Raises:
        StationError: code bad_input, there is no certificate, or one without names.
    """
    try:
        chain = x509.load_pem_x509_certificates(pem)
        names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        root = chain[1].public_bytes(Encoding.DER) if own else None
    except (ValueError, IndexError, x509.ExtensionNotFound) as error:
        raise StationError(
            "bad_input", "there is no certificate with names in it", field="certificate"
        ) from error
    hosts = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    end_s = int(chain[0].not_valid_after_utc.timestamp())
    return Certificate((*hosts, *addresses), end_s, chain[0].public_bytes(Encoding.DER), root)


def check_given(certificate: Path, key: Path, *, now_s: int) -> Certificate:
    """Return a certificate that was given to the station, after its key was found to be that of the certificate.

    Raises:
        StationError: code bad_input, a file is not what it should be, the key is another one or has a passphrase, or
            the certificate is over.
        StorageError: a file cannot be read.
    """
    chain = read_file(certificate, max_size=_PEM_MAX_BYTES, field="certificate")
    given = parse_chain(chain)
    try:
        private = serialization.load_pem_private_key(
            read_file(key, max_size=_PEM_MAX_BYTES, field="key"), None
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StationError("bad_input", "the key is a PEM file without a passphrase", field="key") from error
    public = x509.load_der_x509_certificate(given.leaf_der).public_key()
    if _spki(private.public_key()) != _spki(public):
        raise StationError("bad_input", "the key is not that of the certificate", field="key")
    if given.not_after_s <= now_s:
        raise StationError("bad_input", "the certificate is over", field="certificate")
    return given


def format_fingerprint(der: bytes) -> str:
    """Return the SHA-256 of a certificate as browsers show it, in eight groups of four bytes for reading aloud."""
    digits = hashlib.sha256(der).hexdigest().upper()
    groups = (digits[start : start + 8] for start in range(0, len(digits), 8))
    return "  ".join(":".join(group[i : i + 2] for i in range(0, 8, 2)) for group in groups)


def _read_kept(path: Path) -> Certificate | None:
    """Return what stands in the file, None where that is nothing that a server can use."""
    try:
        data = read_file(path, max_size=_PEM_MAX_BYTES, field="certificate")
    except CodedError as error:
        if error.code in ("not_found", "too_large"):
            return None
        raise
    try:
        kept = parse_chain(data, own=True)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    except (StationError, OSError, ValueError):
        return None
    return kept


def _is_good(kept: Certificate, names: Sequence[str], now_s: int) -> bool:
    left_s = kept.not_after_s - now_s
    return RENEW_DAYS * DAY_S < left_s <= LIFETIME_DAYS * DAY_S and all(kept.is_for(name) for name in names)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, serial: int, now_s: int
) -> x509.CertificateBuilder:
    begin = datetime.datetime.fromtimestamp(now_s - _BACKDATED_S, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=LIFETIME_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, sign: bool) -> x509.KeyUsage:
    """Return what a key is for: a server's signs handshakes, a root's signs certificates."""
    return x509.KeyUsage(
        digital_signature=sign, key_cert_sign=not sign, crl_sign=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subtrees(names: Sequence[str]) -> list[x509.GeneralName]:
    """Return the names as constraints; an address is a network of one."""
    trees: list[x509.GeneralName] = []
    for name in names:
        try:
            trees.append(x509.IPAddress(ipaddress.ip_network(name)))
        except ValueError:
            trees.append(x509.DNSName(name))
    return trees


def _excluded(names: Sequence[str]) -> list[x509.GeneralName] | None:
    """Return everything of a kind that no name is of: a kind without any constraint would be free."""
    kinds: list[x509.GeneralName] = []
    versions: set[int] = set()
    for name in names:
        try:
            versions.add(ipaddress.ip_address(name).version)
        except ValueError:
            versions.add(0)
    if 0 not in versions:
        kinds.append(x509.DNSName(""))
    if 4 not in versions:
        kinds.append(x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")))
    if 6 not in versions:
        kinds.append(x509.IPAddress(ipaddress.ip_network("::/0")))
    return kinds or None


def _spki(key: object) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    encoded: bytes = key.public_bytes(Encoding.DER, form)  # type: ignore[attr-defined]
    return encoded
