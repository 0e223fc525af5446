"""Vectors of the ground: CBOR, COSE, Merkle tree, cells, chain, Base45."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger.core import cbor, cose
from ledger.core.cells import prove_in_cell
from ledger.core.cose_key import EDDSA, ES256, SoftwareSigner, format_cose_key
from ledger.core.merkle import Frontier, leaf_hash, prove_inclusion, root_hash
from scripts.vector_cases import Case
from tests.support.ledgers import seed, signer

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
_INTEGERS = [
    n
    for size in (0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53, 2**64 - 1)
    for n in (size, -1 - size)
]
_ENTRIES = [b"entry %d" % n for n in range(33)]


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _cbor()
    yield from _cose()
    yield from _merkle()
    yield from _cells()
    yield from _base45()


def _cbor() -> Iterator[Case]:
    good = {
        "integers": ("Integers of every size", cbor.encode(_INTEGERS).hex()),
        "map-order": ("Map keys in the order of their bytes: 1, 24, -1, text", "a4010018180020006161f6"),
        "redacted-keys": ("simple(59) as a map key", "a1f83bf5"),
        "tag": ("A tag stays a tag", "d2824100f6"),
        "texts": ("Text is UTF-8", "6bc3a9e38182f09f98806162"),
        "empty": ("Empty array, map, byte string and text", "8480a04060"),
        "deep": ("16 levels", "81" * 15 + "80"),
    }  # fmt: skip
    for name, (description, data) in good.items():
        yield Case("cbor", name, description, data)
    bad = {
        "empty-input": ("No bytes", ""),
        "trailing": ("Bytes after the item", "0000"),
        "cut": ("The bytes end within an item", "4201"),
        "long-integer": ("23 in two bytes", "1817"),
        "long-integer-2": ("255 in three bytes", "1900ff"),
        "long-length": ("A length that is not the shortest", "590001ff"),
        "indefinite-array": ("An indefinite array", "9f00ff"),
        "indefinite-bytes": ("Indefinite bytes", "5f4100ff"),
        "unordered-map": ("Map keys out of order", "a202000100"),
        "length-first-map": (
            "Map keys by length first, as RFC 7049 had them",
            "a22000181800",
        ),
        "duplicate-key": ("One key twice", "a201000100"),
        "float": ("A floating point number", "f93c00"),
        "undefined": ("undefined", "f7"),
        "bignum": ("A bignum", "c249010000000000000000"),
        "unnamed-tag": ("A tag that the CDDL does not name", "c100"),
        "unnamed-tag-inside": ("One inside an array, the tag of CBOR itself", "81d9d9f700"),
        "integer-and-simple": ("An integer and a simple value of one number as keys", "a20100e100"),
        "bool-key": ("true as a map key", "a1f500"),
        "bad-utf8": ("Text that is not UTF-8", "61ff"),
        "too-deep": ("18 levels", "81" * 17 + "80"),
        "simple-24": ("A simple value in two bytes that has one", "f818"),
    }
    for name, (description, data) in bad.items():
        yield Case("cbor", name, description, data, "malformed")


def _cose() -> Iterator[Case]:
    keys = {
        "esp256": signer("vector"),
        "ed25519": signer("vector", "ed25519"),
        "es256": SoftwareSigner.from_seed("p256", seed("vector"), alg=ES256),
        "eddsa": SoftwareSigner.from_seed("ed25519", seed("vector"), alg=EDDSA),
    }
    for name, key in keys.items():
        message = cose.sign({cose.KID: key.public_key.kid}, b"payload", key)
        entry = cose.format_sign1(message)
        yield Case("cose", f"{name}-good", f"A signature with algorithm {key.alg}", _signed(entry, key))
        flipped = entry[:-33] + bytes([entry[-33] ^ 1]) + entry[-32:]
        if key.public_key.kind == "p256":
            yield Case(
                "cose", f"{name}-flipped", "A bit of r flipped", _signed(flipped, key), "bad_signature"
            )
        other = cose.format_sign1(cose.Sign1(message.protected_bytes, {}, {}, b"Payload", message.signature))
        yield Case("cose", f"{name}-payload", "Another payload", _signed(other, key), "bad_signature")
    p256, ed = keys["esp256"], keys["ed25519"]
    entry = cose.format_sign1(cose.sign({}, b"payload", p256))
    high = entry[:-32] + (_P256_ORDER - int.from_bytes(entry[-32:])).to_bytes(32)
    yield Case("cose", "high-s", "ECDSA with s above n/2", _signed(high, p256), "malformed")
    yield Case("cose", "zero-s", "ECDSA with s = 0", _signed(entry[:-32] + bytes(32), p256), "malformed")
    okp = cose.format_sign1(cose.sign({}, b"payload", ed))
    large = okp[:-32] + (int.from_bytes(okp[-32:], "little") + _ED25519_ORDER).to_bytes(32, "little")
    yield Case("cose", "large-s", "Ed25519 with S + L", _signed(large, ed), "malformed")
    yield Case("cose", "wrong-kind", "ESP256 under an Ed25519 key", _signed(entry, ed), "unsupported")
    yield Case(
        "cose", "other-key", "Another key of the kind", _signed(entry, signer("other")), "bad_signature"
    )
    yield Case("cose", "untagged", "Without tag 18", _signed(entry[1:], p256), "malformed")
    crit = cose.format_sign1(cose.Sign1(cbor.encode({1: -9, 2: [99], 99: 0}), {}, {}, b"", bytes(64)))
    yield Case("cose", "crit", "An extension that must be understood", _signed(crit, p256), "unsupported")
    both = cose.format_sign1(cose.Sign1(cbor.encode({1: -9, 4: b"a"}), {}, {4: b"b"}, b"", bytes(64)))
    yield Case("cose", "label-twice", "A label in both headers", _signed(both, p256), "malformed")


def _signed(entry: bytes, key: SoftwareSigner) -> dict[str, str]:
    return {"message": entry.hex(), "key": cbor.encode(format_cose_key(key.public_key)).hex()}


def _merkle() -> Iterator[Case]:
    for count in (0, 1, 2, 3, 7, 8, 16, 33):
        entries = [entry.hex() for entry in _ENTRIES[:count]]
        yield Case("merkle", f"tree-{count:02}", f"The tree of {count} entries", {"entries": entries})
    leaves = [leaf_hash(entry) for entry in _ENTRIES]
    levels = Frontier().extend_nodes(leaves)
    good: dict[str, Any] = {
        "leaf": leaves[20].hex(),
        "index": 20,
        "size": 33,
        "path": [node.hex() for node in prove_inclusion(20, 33, lambda level, index: levels[level][index])],
        "root": root_hash(leaves).hex(),
    }
    yield Case("inclusion", "good", "Entry 20 of 33", good)
    swapped = [good["path"][1], good["path"][0], *good["path"][2:]]
    for name, changed, code in (
        ("other-index", {"index": 21}, "not_listed"),
        ("other-leaf", {"leaf": leaves[21].hex()}, "not_listed"),
        ("path-cut", {"path": good["path"][:-1]}, "not_listed"),
        ("path-longer", {"path": [*good["path"], leaves[0].hex()]}, "not_listed"),
        ("path-swapped", {"path": swapped}, "not_listed"),
        ("index-beyond", {"index": 33}, "malformed"),
        ("short-hash", {"leaf": leaves[20].hex()[2:]}, "malformed"),
    ):
        yield Case("inclusion", name, f"A proof with a wrong part: {name}", {**good, **changed}, code)
    yield Case("chain", "start", "The chain before any entry", {"origin": "ledger.example/one", "leaves": []})
    four = [leaf.hex() for leaf in leaves[:4]]
    yield Case("chain", "four", "Four entries", {"origin": "ledger.example/one", "leaves": four})


def _cells() -> Iterator[Case]:
    leaves = [leaf_hash(entry) for entry in _ENTRIES[:16]]
    for offset in (0, 5, 15):
        given = {
            "leaf": leaves[offset].hex(),
            "index": 32 + offset,
            "path": prove_in_cell(leaves, offset).hex(),
        }
        yield Case("cells", f"offset-{offset}", f"Entry {32 + offset} leads to cell 2", given)
    short = {"leaf": leaves[0].hex(), "index": 0, "path": "00" * 127}
    yield Case("cells", "path-short", "A path of 127 bytes", short, "malformed")


def _base45() -> Iterator[Case]:
    for name, text in {
        "empty": "",
        "one": "10",
        "two": "BB8",
        "three": "BB8R1",
        "most": "FGW",
        "ietf": "QED8WEX0",
    }.items():
        yield Case("base45", name, "RFC 9285", text)
    bad = {
        "one-character": "0",
        "four-characters": "BB8R",
        "above-65535": "GGW",
        "highest": ":::",
        "above-255": "BB8V5",
        "small-letter": "bb8",
        "newline": "BB8\n",
        "outside": "BB!",
    }
    for name, text in bad.items():
        yield Case("base45", name, f"Not Base45: {name}", text, "malformed")
