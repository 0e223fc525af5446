/**
 * Cells: aligned, complete subtrees of 16 leaves, small enough to prove with 128 bytes (docs/protocol.md 2).
 *
 * A card carries its index and four hashes; a station that holds the cells of the ledger checks it offline.
 * The first n cells fold up to the root of the checkpoint of 16 n leaves.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { concat } from "./bytes.ts";
import { malformed } from "./errors.ts";
import { EMPTY_ROOT, HASH_SIZE, nodeHash } from "./merkle.ts";

/** Leaves per cell. */
export const CELL_SIZE = 16;
/** Size of a proof inside a cell: four hashes. */
export const CELL_PATH_SIZE = 4 * HASH_SIZE;

/**
 * Return the cell that `leaf` at ledger index `index` and its 128-byte path lead to; the caller compares it
 * with cell `index / 16`.
 *
 * Throws malformed for a leaf that is not 32 bytes, a path that is not 128, or a negative index.
 */
export function foldCell(leaf: Uint8Array, index: number, path: Uint8Array): Uint8Array {
  if (leaf.length !== HASH_SIZE || path.length !== CELL_PATH_SIZE || index < 0) {
    throw malformed("a cell proof is an index and 128 bytes", "position");
  }
  let node = leaf;
  let place = index % CELL_SIZE;
  for (let at = 0; at < CELL_PATH_SIZE; at += HASH_SIZE) {
    const sibling = path.subarray(at, at + HASH_SIZE);
    node = place & 1 ? nodeHash(sibling, node) : nodeHash(node, sibling);
    place >>= 1;
  }
  return node;
}

/**
 * Return the root of the tree of 16 * `count` leaves from its concatenated cells, of which only the first
 * `count` are read.
 *
 * Throws malformed where the bytes do not hold that many whole cells.
 */
export function rootFromCells(cells: Uint8Array, count: number): Uint8Array {
  if (cells.length % HASH_SIZE || count < 0 || count > cells.length / HASH_SIZE) {
    throw malformed("the cells do not hold that many whole cells", "cells");
  }
  if (count === 0) return EMPTY_ROOT;
  let nodes: Uint8Array = cells.slice(0, count * HASH_SIZE);
  const pair = new Uint8Array(1 + 2 * HASH_SIZE);
  pair[0] = 1;
  while (nodes.length > HASH_SIZE) {
    const pairs = Math.floor(nodes.length / (2 * HASH_SIZE));
    const parents = new Uint8Array(pairs * HASH_SIZE);
    for (let at = 0; at < pairs; at += 1) {
      pair.set(nodes.subarray(at * 2 * HASH_SIZE, (at + 1) * 2 * HASH_SIZE), 1);
      parents.set(sha256(pair), at * HASH_SIZE);
    }
    // An odd last node is lifted unchanged; this gives the RFC's tree.
    nodes = concat(parents, nodes.subarray(pairs * 2 * HASH_SIZE));
  }
  return nodes;
}
