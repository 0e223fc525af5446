/**
 * The Merkle tree of the ledger: hashes, roots and inclusion proofs, RFC 9162 section 2.1 with SHA-256.
 *
 * `leaf = H(0x00 || entry)`, `node = H(0x01 || left || right)`. Here a *leaf* is always the 32-byte leaf hash.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equal } from "./bytes.ts";
import { CodedError, malformed } from "./errors.ts";

export const HASH_SIZE = 32;
export const MAX_TREE_SIZE = 2n ** 63n - 1n;
/** Root of the tree of no leaves. */
export const EMPTY_ROOT = sha256(new Uint8Array());
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(concat(LEAF, entry));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(NODE, left, right));
}

/** Return the root over a list of leaf hashes. */
export function rootHash(leaves: readonly Uint8Array[]): Uint8Array {
  let nodes = [...leaves];
  while (nodes.length > 1) {
    // Pairing level by level and lifting an odd last node unchanged gives the RFC's recursive tree.
    const parents: Uint8Array[] = [];
    for (let at = 0; at < nodes.length; at += 2) {
      const right = nodes[at + 1];
      parents.push(right ? nodeHash(nodes[at]!, right) : nodes[at]!);
    }
    nodes = parents;
  }
  return nodes[0] ?? EMPTY_ROOT;
}

/**
 * Check that `leaf` is the leaf `index` of the tree with this size and root (RFC 9162 section 2.1.3.2).
 *
 * Throws malformed unless 0 <= index < size <= 2^63 - 1 and every hash has 32 bytes; not_listed where the path
 * does not lead to the root.
 */
export function checkInclusion(
  leaf: Uint8Array,
  index: number | bigint,
  size: number | bigint,
  path: readonly Uint8Array[],
  root: Uint8Array,
): void {
  let first = BigInt(index);
  let last = BigInt(size) - 1n;
  if (last < -1n || last + 1n > MAX_TREE_SIZE) throw malformed("the tree size is out of range", "tree_size");
  if (first < 0n || first > last) throw malformed("the leaf index must be below the tree size", "leaf_index");
  if ([leaf, ...path].some((hash) => hash.length !== HASH_SIZE)) throw malformed("a hash is not 32 bytes long", "hash");
  let found = leaf;
  for (const sibling of path) {
    if (last === 0n) throw new CodedError("not_listed", "the inclusion path is too long", "path");
    if (first & 1n || first === last) {
      found = nodeHash(sibling, found);
      while (!(first & 1n) && first) {
        first >>= 1n;
        last >>= 1n;
      }
    } else {
      found = nodeHash(found, sibling);
    }
    first >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new CodedError("not_listed", "the inclusion path is too short", "path");
  if (!equal(found, root)) {
    throw new CodedError("not_listed", "the inclusion path does not lead to the root", "path");
  }
}
