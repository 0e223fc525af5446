/**
 * What a station shows to a holder's device: its name, and a nonce to be answered now (docs/protocol.md 10).
 *
 * The text is `SCN1:` and Base45 of the CBOR array `[aud, cnonce]`.
 */

import * as base45 from "./base45.ts";
import { codePoints, encodeUtf8, isBytes } from "./bytes.ts";
import { decode, encode, type Value } from "./cbor.ts";
import { malformed, tooLarge, unsupported } from "./errors.ts";
import { UNSEEN } from "./fields.ts";
import { recognise } from "./qr_text.ts";

export const CHALLENGE_PREFIX = "SCN1:";
export const AUD_MAX_BYTES = 255;
export const CNONCE_MIN_BYTES = 8;
export const CNONCE_MAX_BYTES = 64;
const MAX_BYTES = AUD_MAX_BYTES + CNONCE_MAX_BYTES + 8;
const MAX_CHARACTERS = CHALLENGE_PREFIX.length + Math.floor((MAX_BYTES + 1) / 2) * 3;

/** The name of a station, 1 to 255 bytes of text that can be seen, and its nonce, 8 to 64 bytes. */
export interface Challenge {
  readonly aud: string;
  readonly cnonce: Uint8Array;
}

/** Return the text of a challenge; throws malformed for a name or a nonce that is none. */
export function formatChallenge({ aud, cnonce }: Challenge): string {
  checkChallenge(aud, cnonce);
  return CHALLENGE_PREFIX + base45.encode(encode([aud, cnonce]));
}

/** Return the challenge of a text; throws unsupported, too_large or malformed as `parseFrame`. */
export function parseChallenge(text: string): Challenge {
  if (!text.startsWith(CHALLENGE_PREFIX)) throw unsupported("a code of another kind", recognise(text));
  if (codePoints(text) > MAX_CHARACTERS) throw tooLarge("longer than any challenge", "challenge");
  const value = decode(base45.decode(text.slice(CHALLENGE_PREFIX.length)), MAX_BYTES, "challenge");
  if (!Array.isArray(value) || value.length !== 2) throw malformed("a challenge is a name and a nonce", "challenge");
  return checkChallenge(value[0], value[1]);
}

function checkChallenge(aud: Value | undefined, cnonce: Value | undefined): Challenge {
  const size = typeof aud === "string" ? encodeUtf8(aud).length : 0;
  if (typeof aud !== "string" || UNSEEN.test(aud) || size < 1 || size > AUD_MAX_BYTES) {
    throw malformed(`a station's name is a text of 1 to ${AUD_MAX_BYTES} bytes that can be seen`, "challenge");
  }
  if (!isBytes(cnonce) || cnonce.length < CNONCE_MIN_BYTES || cnonce.length > CNONCE_MAX_BYTES) {
    throw malformed(`a nonce is ${CNONCE_MIN_BYTES} to ${CNONCE_MAX_BYTES} bytes`, "challenge");
  }
  return { aud, cnonce };
}
