"""Inputs that are nearly right: what a damaged, cut or forged file looks like to a reader.

Everything follows from a seed, so a difference that is found once is found again.

>>> import random
>>> mutate_bytes(random.Random(1), bytes.fromhex("a10102"), [b"other"]) != bytes.fromhex("a10102")
True
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import cbor2

from credential.core import base45

_PREFIX = re.compile(r"(SC1:|SCK1:|SCN1:|SCF1:)(.*)", re.DOTALL)
_TEXTS: Final = frozenset(
    ("text", "texts", "note", "log_keys", "witnesses", "origin", "slip", "audience", "frames")
)
"""Fields of inputs that are texts; every other text of an input is hex."""
_MAX_TREE_BYTES = 100_000
INTERESTING: Final[Sequence[Any]] = (
    0, 1, 2, -1, 18, 23, 24, 255, 256, 65_535, 2**32, 2**53 - 1, 2**53, 2**64 - 1, -(2**53), -(2**64),
    True, False, None, "", "a", "ages", "é", "\u202e", "x" * 300, b"", b"\xff", bytes(16), bytes(32), bytes(64),
    [], {}, [[]], [0, 1], {1: 1}, {"a": 0}, 1.5, cbor2.undefined,
    cbor2.CBORSimpleValue(0), cbor2.CBORSimpleValue(1), cbor2.CBORSimpleValue(2), cbor2.CBORSimpleValue(59),
    cbor2.CBORTag(18, []), cbor2.CBORTag(60, bytes(32)), cbor2.CBORTag(2, b"\x01"), cbor2.CBORTag(1, 0),
)  # fmt: skip
_NUMBERS: Final = (0, 1, -1, 2, 15, 16, 255, 65_536, 131_071, 131_072, 2**31, 2**40, 2**53 - 1)


def mutate(
    rng: random.Random, given: Any, others: Sequence[Any], *, is_text: bool = False, whole: Sequence[str] = ()
) -> Any:
    """Return an input of a format with one to three of its parts changed.

    Args:
        rng: where every choice comes from.
        given: the input.
        others: inputs of the same format, of which parts may be taken.
        is_text: whether an input that is one string is a text, and not hex.
        whole: fields that stay as they are.
    """
    changed = json.loads(json.dumps(given))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holder = {"": changed}
        paths = [path for path in _paths(holder) if not set(path) & set(whole)]
        if not paths:
            break
        path = rng.choice(paths)
        other = _at({"": rng.choice(others)}, path)
        names = [step for step in path if isinstance(step, str) and step]
        as_text = names[0] in _TEXTS if names else is_text
        _put(holder, path, _mutate_leaf(rng, _at(holder, path), other, as_text=as_text))
        changed = holder[""]
    return changed


def mutate_bytes(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return the bytes with bits flipped, parts cut, inserted, doubled or swapped, or another CBOR item in them."""
    if len(data) <= _MAX_TREE_BYTES and rng.random() < 0.5:
        changed = _mutate_item(rng, data)
        if changed is not None:
            return changed
    kinds: list[Callable[[random.Random, bytearray, Sequence[bytes]], bytes]] = [
        _flip, _flip, _flip, _set, _cut, _insert, _delete, _double, _swap, _splice,
    ]  # fmt: skip
    return rng.choice(kinds)(rng, bytearray(data), others)


def mutate_text(rng: random.Random, text: str) -> str:
    """Return the text with characters or lines changed."""
    lines = text.split("\n")
    place = rng.randrange(len(lines))
    match rng.randrange(7):
        case 0:
            lines[place] = lines[place][: rng.randrange(len(lines[place]) + 1)]
        case 1:
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
        case 2:
            del lines[place]
        case 3:
            other = rng.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        case 4:
            words = lines[place].split(" ")
            words[rng.randrange(len(words))] = rng.choice(["", "all", "0", "1", "+", "none", *words])
            lines[place] = " ".join(words)
        case _:
            at = rng.randrange(len(text) + 1)
            new = rng.choice("0129AZaz+/=-._:# \t\n\r\0\u00a0\u00e9\u2014\ufeff\U0001f600")
            return text[:at] + rng.choice((new, "")) + text[at + rng.randrange(2) :]
    return "\n".join(lines)


def mutate_value(rng: random.Random, value: Any) -> Any:
    """Return a decoded CBOR value with one of its items replaced, taken out, doubled or swapped."""
    root = [value]
    spots = list(_spots(root))
    holder, key = rng.choice(spots)
    if isinstance(holder, dict):
        match rng.randrange(4):
            case 0:
                holder[key] = _other(rng, holder[key])
            case 1:
                del holder[key]
            case 2:
                holder[rng.choice([v for v in INTERESTING if _is_hashable(v)])] = rng.choice(INTERESTING)
            case _:
                new = rng.choice([v for v in INTERESTING if _is_hashable(v)])
                items = [(new if k is key else k, item) for k, item in holder.items()]
                holder.clear()
                holder.update(items)
        return root[0]
    match rng.randrange(5) if holder is not root else 0:
        case 1:
            del holder[key]
        case 2:
            holder.insert(key, rng.choice([*holder, *INTERESTING]))
        case 3:
            other = rng.randrange(len(holder))
            holder[key], holder[other] = holder[other], holder[key]
        case _:
            holder[key] = _other(rng, holder[key])
    return root[0]


def _other(rng: random.Random, value: Any) -> Any:
    if isinstance(value, bytes) and value and rng.random() < 0.7:
        return mutate_bytes(rng, value, [bytes(len(value))])
    if type(value) is int and rng.random() < 0.6:
        return value + rng.choice((-1, 1, 16, 256, 2**32))
    if isinstance(value, str) and value and rng.random() < 0.5:
        return mutate_text(rng, value)
    if isinstance(value, cbor2.CBORTag) and rng.random() < 0.8:
        return cbor2.CBORTag(value.tag, mutate_value(rng, value.value))
    return rng.choice(INTERESTING)


def _mutate_item(rng: random.Random, data: bytes) -> bytes | None:
    """Change one item of encoded CBOR and encode it again, mostly in the one order, sometimes not."""
    try:
        value = cbor2.loads(data)
        changed = mutate_value(rng, _plain(value))
        return cbor2.dumps(_sorted(changed) if rng.random() < 0.9 else changed)
    except Exception:  # what the library cannot read or write is damaged as bytes instead
        return None


def _plain(value: Any) -> Any:
    """Return lists and dicts that can be changed in place of whatever the decoder made."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, cbor2.CBORTag):
        return cbor2.CBORTag(value.tag, _plain(value.value))
    return value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        rows = sorted(
            ((cbor2.dumps(key), key, _sorted(item)) for key, item in value.items()), key=lambda row: row[0]
        )
        return {key: item for _, key, item in rows}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    if isinstance(value, cbor2.CBORTag):
        return cbor2.CBORTag(value.tag, _sorted(value.value))
    return value


def _spots(holder: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
        yield holder, key
        item = holder[key]
        while isinstance(item, cbor2.CBORTag):
            item = item.value
        if isinstance(item, dict | list):
            yield from _spots(item)


def _is_hashable(value: Any) -> bool:
    return not isinstance(value, list | dict | cbor2.CBORTag)


def _mutate_leaf(rng: random.Random, leaf: Any, other: Any, *, as_text: bool) -> Any:
    if type(leaf) is int:
        return rng.choice((leaf + 1, max(0, leaf - 1), rng.choice(_NUMBERS)))
    if not isinstance(leaf, str):
        return other
    if not as_text:
        spare = bytes.fromhex(other) if isinstance(other, str) else b"\x00"
        return mutate_bytes(rng, bytes.fromhex(leaf), [spare]).hex()
    found = _PREFIX.fullmatch(leaf)
    data = _decoded(found[2]) if found and rng.random() < 0.8 else None
    if found is None or data is None:
        return mutate_text(rng, leaf)
    others = _PREFIX.fullmatch(other) if isinstance(other, str) else None
    spare = (_decoded(others[2]) if others else None) or b"\x00"
    return found[1] + base45.encode(mutate_bytes(rng, data, [spare]))


def _decoded(text: str) -> bytes | None:
    try:
        return base45.decode(text)
    except Exception:
        return None


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _paths(item, (*path, place))
    else:
        yield path


def _at(value: Any, path: Sequence[Any]) -> Any:
    try:
        for step in path:
            value = value[step]
    except (KeyError, IndexError, TypeError):
        return None
    return value


def _put(value: Any, path: Sequence[Any], new: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


def _flip(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> bytes:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _set(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> bytes:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 0x18, 0x1B, 0x40, 0x5F, 0x80, 0xA0, 0xF6, 0xFF))
    return bytes(data)


def _cut(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> bytes:
    return bytes(data[: rng.randrange(len(data) + 1)])


def _insert(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return bytes(data[:at]) + rng.randbytes(rng.choice((1, 1, 2, 9))) + bytes(data[at:])


def _delete(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return bytes(data[:at] + data[at + rng.choice((1, 2, 16, 32)) :])


def _double(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> bytes:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 4, 32, 64))
    return bytes(data[: at + size] + data[at:])


def _swap(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> bytes:
    size = rng.choice((1, 2, 16, 32))
    if len(data) < 2 * size:
        return bytes(reversed(data))
    one, other = sorted(rng.sample(range(len(data) // size), 2))
    first, second = data[one * size :][:size], data[other * size :][:size]
    return bytes(
        data[: one * size]
        + second
        + data[(one + 1) * size : other * size]
        + first
        + data[(other + 1) * size :]
    )


def _splice(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    return bytes(data[: rng.randrange(len(data) + 1)]) + other[rng.randrange(len(other) + 1) :]
