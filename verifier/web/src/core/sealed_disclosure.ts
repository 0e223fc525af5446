/**
 * Sealed disclosures: parts of a card that only a key on the holder's slip opens (draft-ietf-spice-sd-cwt).
 *
 * Header 171 is an array of `[nonce, ciphertext, tag]` under AES-256-GCM without associated data; the plaintext is
 * the disclosure as a CBOR byte string, with its head.
 */

import { gcm } from "@noble/ciphers/aes.js";
import { concat, isBytes } from "./bytes.ts";
import { decode } from "./cbor.ts";
import { DISCLOSURE_MAX_BYTES } from "./disclosure.ts";
import { CodedError, malformed } from "./errors.ts";

export const SEAL_KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const HEAD_MAX_BYTES = 3;
export const CIPHERTEXT_MAX_BYTES = DISCLOSURE_MAX_BYTES + HEAD_MAX_BYTES;

/** One item of header 171. */
export interface SealedDisclosure {
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/**
 * Return the encoded disclosure that a key opens, undefined where it does not open it: another key, or changed
 * bytes, which an AEAD cannot tell apart.
 *
 * Throws malformed where what comes out is not a CBOR byte string, too_large over 4,099 bytes.
 */
export function openSealed(sealed: SealedDisclosure, key: Uint8Array): Uint8Array | undefined {
  if (key.length !== SEAL_KEY_BYTES) throw new CodedError("wrong_secret", "a seal key is 32 bytes", "sealed");
  let wrapped: Uint8Array;
  try {
    wrapped = gcm(key, sealed.nonce).decrypt(concat(sealed.ciphertext, sealed.tag));
  } catch {
    return undefined;
  }
  const content = decode(wrapped, CIPHERTEXT_MAX_BYTES, "sealed");
  if (!isBytes(content)) throw malformed("a sealed part is not a byte string", "sealed");
  return content;
}
