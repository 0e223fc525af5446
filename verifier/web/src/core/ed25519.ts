/**
 * Ed25519 checks with the one answer that the other readers give (RFC 8032 section 5.1.7).
 *
 * Libraries differ in corners that a signer can reach on purpose: whether both sides are multiplied by the
 * cofactor, and whether R may be spelled in two ways. OpenSSL, which the Python verifier stands on, computes
 * `S B - k A` and compares its encoding with R byte by byte. So does this module, on the point arithmetic
 * of noble, whose own `verify` multiplies by the cofactor and would accept more.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, equal } from "./bytes.ts";

const { Point } = ed25519;
export const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

/** Return whether `signature` (64 bytes) over `message` verifies under an encoded public point. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= ORDER) return false;
  let point: InstanceType<typeof Point>;
  try {
    // As OpenSSL reads it: y is reduced, and the sign of x = 0 is not looked at.
    point = Point.fromBytes(publicKey, true);
  } catch {
    return false;
  }
  const k = littleEndian(sha512(concat(r, publicKey, message))) % ORDER;
  const sum = times(Point.BASE, s).subtract(times(point, k));
  return equal(sum.toBytes(), r);
}

function times(point: InstanceType<typeof Point>, scalar: bigint): InstanceType<typeof Point> {
  return scalar === 0n ? Point.ZERO : point.multiplyUnsafe(scalar);
}

export function littleEndian(data: Uint8Array): bigint {
  let value = 0n;
  for (let place = data.length - 1; place >= 0; place -= 1) value = (value << 8n) | BigInt(data[place]!);
  return value;
}
