"""The hash chain is exactly what docs/protocol.md, section 2 says."""

from __future__ import annotations

import hashlib

from ledger.core.chain import chain_next, chain_start, extend_chain

LEAVES = [bytes([i]) * 32 for i in range(5)]


def test_the_start_binds_the_origin() -> None:
    expected = hashlib.sha256(b"\x02chain/v1example.com/log").digest()
    assert chain_start("example.com/log") == expected
    assert chain_start("example.com/other") != expected


def test_each_value_hashes_the_one_before_and_the_leaf() -> None:
    value, values = chain_start("example.com/log"), []
    for leaf in LEAVES:
        value = hashlib.sha256(b"\x02" + value + leaf).digest()
        values.append(value)
    assert extend_chain(chain_start("example.com/log"), LEAVES) == values
    assert chain_next(values[2], LEAVES[3]) == values[3]


def test_extending_in_parts_equals_extending_at_once() -> None:
    start = chain_start("example.com/log")
    first = extend_chain(start, LEAVES[:2])
    assert first + extend_chain(first[-1], LEAVES[2:]) == extend_chain(start, LEAVES)
    assert extend_chain(start, []) == []


def test_swapped_leaves_give_another_head() -> None:
    start = chain_start("example.com/log")
    assert extend_chain(start, LEAVES[:2])[-1] != extend_chain(start, LEAVES[1::-1])[-1]
