/**
 * Disclosures of an SD-CWT: one salted claim each, its encoding and its digest (draft-ietf-spice-sd-cwt).
 *
 * A disclosure is the CBOR of `[salt, value, key]` for a map entry, `[salt, value]` for an array element or `[salt]`
 * for a decoy, and stands as a byte string in header 17. Its digest is SHA-256 over the disclosure *wrapped as a
 * CBOR byte string*, head included.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { encodeUtf8, isBytes } from "./bytes.ts";
import { decode, encode, type Value } from "./cbor.ts";
import { malformed } from "./errors.ts";

export const SALT_BYTES = 16;
export const DIGEST_BYTES = 32;
export const DISCLOSURE_MAX_BYTES = 4096;
export const DISCLOSURES_MAX = 64;
const KEY_MAX_BYTES = 255;

export type ClaimKey = number | bigint | string;
export type DisclosureKind = "claim" | "element" | "decoy";

/** One parsed disclosure; `value` is null for a decoy, `key` undefined for all but a claim. */
export interface Disclosure {
  readonly kind: DisclosureKind;
  readonly salt: Uint8Array;
  readonly value: Value;
  readonly key: ClaimKey | undefined;
  readonly digest: Uint8Array;
}

/** Return the SHA-256 of a disclosure wrapped as a CBOR byte string. */
export function disclosureDigest(content: Uint8Array): Uint8Array {
  return sha256(encode(content));
}

/**
 * Parse the content of one byte string of header 17.
 *
 * Throws too_large over 4,096 bytes; malformed for what is not an array of one to three items, a salt that is not
 * 16 bytes, or a key that is neither an integer nor a text of 1 to 255 bytes.
 */
export function parseDisclosure(content: Uint8Array): Disclosure {
  const array = decode(content, DISCLOSURE_MAX_BYTES, "disclosure");
  if (!Array.isArray(array) || array.length < 1 || array.length > 3) {
    throw malformed("a disclosure is an array of one to three items", "disclosure");
  }
  const [salt, value = null, key] = array;
  if (!isBytes(salt) || salt.length !== SALT_BYTES) {
    throw malformed("the salt of a disclosure is not 16 bytes", "disclosure.salt");
  }
  const digest = disclosureDigest(content);
  if (array.length < 3) {
    return { kind: array.length === 2 ? "element" : "decoy", salt, value, key: undefined, digest };
  }
  if (!isClaimKey(key)) throw malformed("a disclosed claim has no usable key", "disclosure.key");
  return { kind: "claim", salt, value, key, digest };
}

/** Tell whether a value may be a claim key: an integer, or a text of 1 to 255 bytes. */
export function isClaimKey(key: Value | undefined): key is ClaimKey {
  if (typeof key === "string") {
    const size = encodeUtf8(key).length;
    return size >= 1 && size <= KEY_MAX_BYTES;
  }
  return typeof key === "number" || typeof key === "bigint";
}
