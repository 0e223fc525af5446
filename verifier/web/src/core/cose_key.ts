/**
 * COSE keys: public keys with their thumbprints, and strict verification.
 *
 * The two key types of docs/protocol.md section 3, EC2 P-256 and OKP Ed25519 (RFC 9053 section 7), the
 * algorithms ESP256, ES256, Ed25519 and EdDSA, and key thumbprints (RFC 9679). One signature has one accepted
 * encoding: P-256 with s at most n/2, Ed25519 with S below the group order and R reduced.
 */

import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { compare, concat, equal, fromHex, isBytes } from "./bytes.ts";
import { CborMap, type Value } from "./cbor.ts";
import { littleEndian, ORDER, verifyEd25519 } from "./ed25519.ts";
import { CodedError, malformed, unsupported } from "./errors.ts";
import { hasIntegerKeys } from "./fields.ts";

export const ESP256 = -9;
export const ES256 = -7;
export const ED25519 = -19;
export const EDDSA = -8;

export type Kind = "p256" | "ed25519";
/** Accepted algorithm -> kind of key that it needs. */
export const KINDS: ReadonlyMap<unknown, Kind> = new Map([
  [ESP256, "p256"],
  [ES256, "p256"],
  [ED25519, "ed25519"],
  [EDDSA, "ed25519"],
]);

const ZERO = new Uint8Array(32);
const P256_ORDER = fromHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
const P256_HALF_ORDER = fromHex("7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8");
const ED25519_PRIME = 2n ** 255n - 19n;
const Y_BITS = 2n ** 255n - 1n;
// The eight points whose order divides 8 have five values of y. Under such a key one signature is valid for
// many messages.
const ORDER_EIGHT_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const SMALL_ORDER_Y = new Set([0n, 1n, ED25519_PRIME - 1n, ORDER_EIGHT_Y, ED25519_PRIME - ORDER_EIGHT_Y]);
// The map heads and fixed members of the two key types, up to where x and y go.
const P256_PREFIX = fromHex("a401022001215820");
const P256_MIDDLE = fromHex("225820");
const ED25519_PREFIX = fromHex("a301012006215820");

/** A public key that can verify. */
export class PublicKey {
  readonly kind: Kind;
  readonly x: Uint8Array;
  /** Empty for Ed25519. */
  readonly y: Uint8Array;
  readonly thumbprint: Uint8Array;
  /** First 8 bytes of the thumbprint (docs/protocol.md, section 3). */
  readonly kid: Uint8Array;

  /**
   * Throws malformed for a coordinate of the wrong length, a point not on P-256, an Ed25519 point that is not
   * reduced or of small order. (One that is off the curve verifies nothing.)
   */
  constructor(kind: Kind, x: Uint8Array, y: Uint8Array = new Uint8Array()) {
    if (x.length !== 32 || y.length !== (kind === "p256" ? 32 : 0)) {
      throw malformed("a coordinate has the wrong length", "cose_key");
    }
    if (kind === "p256") checkP256Point(x, y);
    else checkEd25519Point(x);
    this.kind = kind;
    this.x = x;
    this.y = y;
    this.thumbprint = sha256(
      kind === "p256" ? concat(P256_PREFIX, x, P256_MIDDLE, y) : concat(ED25519_PREFIX, x),
    );
    this.kid = this.thumbprint.slice(0, 8);
  }

  equals(other: PublicKey): boolean {
    return equal(this.thumbprint, other.thumbprint);
  }

  /**
   * Return if `signature` over `message` is valid.
   *
   * Throws unsupported if `alg` is not for this kind of key, malformed if the signature is not the one encoding
   * of a signature, bad_signature if it does not verify (RFC 9053 section 2, RFC 8032 section 5.1.7).
   */
  verify(alg: Value | undefined, message: Uint8Array, signature: Uint8Array): void {
    if (KINDS.get(alg) !== this.kind) throw unsupported("algorithm not accepted with this key", "alg");
    if (signature.length !== 64) throw malformed("the signature is not 64 bytes", "signature");
    const first = signature.subarray(0, 32);
    const second = signature.subarray(32);
    if (this.kind === "p256") checkP256Signature(first, second);
    else checkEd25519Signature(first, second);
    const isValid =
      this.kind === "p256"
        ? p256.verify(signature, sha256(message), concat(Uint8Array.of(4), this.x, this.y), {
            prehash: false,
            lowS: true,
          })
        : verifyEd25519(this.x, message, signature);
    if (!isValid) throw new CodedError("bad_signature", "the signature does not verify", "signature");
  }
}

/**
 * Return the public key of a COSE_Key map that has exactly the required members:
 * `{1: 2, -1: 1, -2: x, -3: y}` (P-256) or `{1: 1, -1: 6, -2: x}` (Ed25519).
 *
 * Throws unsupported for another kty or crv, malformed for everything else.
 */
export function parseCoseKey(value: Value | undefined): PublicKey {
  if (!(value instanceof CborMap) || !hasIntegerKeys(value)) {
    throw malformed("a COSE key is a map with integer labels", "cose_key");
  }
  const keyType = value.get(1);
  const curve = value.get(-1);
  const x = value.get(-2);
  if (!isInteger(keyType) || !isInteger(curve) || !isBytes(x)) {
    throw malformed("a member is missing or of the wrong type", "cose_key");
  }
  if (keyType === 1 && curve === 6) {
    if (value.size !== 3) throw malformed("a member that does not belong there", "cose_key");
    return new PublicKey("ed25519", x);
  }
  if (keyType === 2 && curve === 1) {
    const y = value.get(-3);
    if (!isBytes(y) || value.size !== 4) throw malformed("y is missing, compressed or not alone", "cose_key");
    return new PublicKey("p256", x, y);
  }
  throw unsupported("not a P-256 or Ed25519 key", "cose_key");
}

/** Return the COSE_Key map of a public key, the opposite of `parseCoseKey`. */
export function formatCoseKey(key: PublicKey): CborMap {
  return key.kind === "p256"
    ? CborMap.of([1, 2], [-1, 1], [-2, key.x], [-3, key.y])
    : CborMap.of([1, 1], [-1, 6], [-2, key.x]);
}

export function isInteger(value: Value | undefined): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function checkP256Point(x: Uint8Array, y: Uint8Array): void {
  try {
    p256.Point.fromBytes(concat(Uint8Array.of(4), x, y)).assertValidity();
  } catch {
    throw malformed("the point is not on P-256", "cose_key");
  }
}

function checkEd25519Point(x: Uint8Array): void {
  const y = littleEndian(x) & Y_BITS;
  if (y >= ED25519_PRIME || SMALL_ORDER_Y.has(y)) {
    throw malformed("the Ed25519 point is not reduced or of small order", "cose_key");
  }
}

function checkP256Signature(r: Uint8Array, s: Uint8Array): void {
  const inRange = compare(ZERO, r) < 0 && compare(r, P256_ORDER) < 0;
  if (!inRange || compare(ZERO, s) >= 0 || compare(s, P256_HALF_ORDER) > 0) {
    throw malformed("r or s is out of range, or s is not the lower one", "signature");
  }
}

function checkEd25519Signature(r: Uint8Array, s: Uint8Array): void {
  if (littleEndian(s) >= ORDER) throw malformed("S is not below the group order", "signature");
  if ((littleEndian(r) & Y_BITS) >= ED25519_PRIME) throw malformed("R is not reduced", "signature");
}
