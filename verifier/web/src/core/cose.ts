/**
 * COSE_Sign1: parse, put together, check.
 *
 * RFC 9052 sections 4.2 and 4.4 as docs/protocol.md section 3 uses them: always tagged (18), the algorithm in
 * the protected header, empty external data. An empty protected header is the empty byte string.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { concat, encodeUtf8, isBytes } from "./bytes.ts";
import { CborMap, decode, encode, Tag, type Value } from "./cbor.ts";
import type { PublicKey } from "./cose_key.ts";
import { malformed, unsupported } from "./errors.ts";

export const SIGN1_TAG = 18;
export const ALG = 1;
export const CRIT = 2;
export const KID = 4;
/** A CWT that carries the key (RFC 9528); the SD-CWT inside a key binding token. */
export const KCWT = 13;
/** CWT claims in a header (RFC 9597). */
export const CWT_CLAIMS = 15;
/** Type of the whole message (RFC 9596). */
export const TYP = 16;
/** Labels of draft-ietf-spice-sd-cwt. */
export const SD_CLAIMS = 17;
export const SD_ALG = 170;
export const SD_AEAD_ENCRYPTED = 171;
export const SD_AEAD = 172;

const PREFIX = concat(Uint8Array.of(0x84, 0x6a), encodeUtf8("Signature1"));

/** One COSE_Sign1; `payload` is null where it is detached, and only `checkSignature` judges the signature. */
export interface Sign1 {
  readonly protectedBytes: Uint8Array;
  readonly protected: CborMap;
  readonly unprotected: CborMap;
  readonly payload: Uint8Array | null;
  readonly signature: Uint8Array;
}

/**
 * Parse one tagged COSE_Sign1 that fills `data`.
 *
 * Throws too_large over `maxSize`; unsupported if header 2 (crit) is present; malformed for other CBOR than
 * that of a tagged COSE_Sign1, or a label that is neither integer nor text, or stands in both headers.
 */
export function parseSign1(data: Uint8Array, maxSize: number): Sign1 {
  const message = decode(data, maxSize, "cose_sign1");
  if (!(message instanceof Tag) || message.tag !== SIGN1_TAG) {
    throw malformed("not tagged as COSE_Sign1", "cose_sign1");
  }
  const parts = message.value;
  if (!Array.isArray(parts) || parts.length !== 4) throw malformed("a COSE_Sign1 is an array of four", "cose_sign1");
  const [protectedBytes, unprotected, payload, signature] = parts;
  if (!isBytes(protectedBytes)) throw malformed("the protected header is not a byte string", "protected");
  if (!(unprotected instanceof CborMap)) throw malformed("the unprotected header is not a map", "unprotected");
  if (payload !== null && !isBytes(payload)) {
    throw malformed("the payload is neither a byte string nor null", "payload");
  }
  if (!isBytes(signature)) throw malformed("the signature is not a byte string", "signature");
  const header = parseProtected(protectedBytes);
  checkLabels(header, unprotected);
  return { protectedBytes, protected: header, unprotected, payload, signature };
}

/** Return the tagged message with the protected header as signed. */
export function formatSign1(sign1: Sign1): Uint8Array {
  const { protectedBytes, unprotected, payload, signature } = sign1;
  return encode(new Tag(SIGN1_TAG, [protectedBytes, unprotected, payload, signature]));
}

/** Return the bytes that the signature of a COSE_Sign1 covers (RFC 9052 section 4.4). */
export function sigStructure(protectedBytes: Uint8Array, payload: Uint8Array): Uint8Array {
  return concat(PREFIX, encode(protectedBytes), Uint8Array.of(0x40), encode(payload));
}

/** Return the identity of a statement: SHA-256 of its Sig_structure. Throws malformed without a payload. */
export function statementId(sign1: Sign1): Uint8Array {
  if (sign1.payload === null) throw malformed("a statement carries its payload", "payload");
  return sha256(sigStructure(sign1.protectedBytes, sign1.payload));
}

/**
 * Return if the signature is valid under `key`.
 *
 * Throws unsupported if the algorithm is missing or not for this key, malformed if the payload is detached or
 * the signature is not in its one encoding, bad_signature.
 */
export function checkSignature(sign1: Sign1, key: PublicKey): void {
  if (sign1.payload === null) throw malformed("the payload is either attached or given", "payload");
  const alg: Value | undefined = sign1.protected.get(ALG);
  if (typeof alg !== "number" && typeof alg !== "bigint") {
    throw unsupported("no algorithm in the protected header", "alg");
  }
  key.verify(alg, sigStructure(sign1.protectedBytes, sign1.payload), sign1.signature);
}

function parseProtected(data: Uint8Array): CborMap {
  if (data.length === 0) return new CborMap();
  const header = decode(data, data.length, "protected");
  if (!(header instanceof CborMap)) throw malformed("the protected header is not a map", "protected");
  if (header.size === 0) throw malformed("an empty protected header is the empty byte string", "protected");
  return header;
}

function checkLabels(header: CborMap, unprotected: CborMap): void {
  for (const [map, name] of [[header, "protected"], [unprotected, "unprotected"]] as const) {
    for (const label of map.keys()) {
      if (typeof label !== "string" && typeof label !== "number" && typeof label !== "bigint") {
        throw malformed("a header label is neither an integer nor text", name);
      }
    }
  }
  if (header.keys().some((label) => unprotected.has(label))) {
    throw malformed("a label stands in both headers", "unprotected");
  }
  if (header.has(CRIT) || unprotected.has(CRIT)) {
    throw unsupported("an extension that must be understood is not", "crit");
  }
}
