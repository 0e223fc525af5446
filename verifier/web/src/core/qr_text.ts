/**
 * The text in a QR code: a credential, or the slip with a card's seal keys (docs/protocol.md sections 6 and 11).
 *
 * `SC1:` and Base45 of the credential's CBOR, uncompressed; `SCK1:` and Base45 of `[sub, {group: key}]`. Texts of
 * other systems are recognised by their look, so that a worker reads "this is a vaccination certificate" and not
 * "unreadable".
 */

import * as base45 from "./base45.ts";
import { codePoints, isBytes } from "./bytes.ts";
import { CborMap, decode } from "./cbor.ts";
import { CodedError, malformed, tooLarge, unsupported } from "./errors.ts";

export const PREFIX = "SC1:";
export const SEAL_KEY_PREFIX = "SCK1:";
/** What a QR code of version 40-L holds in alphanumeric mode. */
export const TEXT_MAX_CHARACTERS = 4296;
const GROUPS_MAX = 16;
const KEY_BYTES = 32;
const SLIP_MAX_BYTES = 2048;

const SUB = /^[A-Za-z0-9_-]{16}$/;
const GROUP = /^[a-z0-9_-]{1,32}$/;
const URL_START = /^(?:https?:\/\/|www\.)/i;
const OF_BASE45 = /^[0-9A-Z $%*+\-./:]{6,}$/;
const OURS: readonly (readonly [string, Recognised])[] = [
  [PREFIX, "credential"],
  [SEAL_KEY_PREFIX, "seal_keys"],
  ["SCN1:", "challenge"],
  ["SCF1:", "frame"],
];
const OTHERS: readonly (readonly [string, Recognised])[] = [
  ["HC1:", "eu_health_certificate"],
  ["SHC:/", "smart_health_card"],
  ["MDOC:", "mobile_document"],
  ["OPENID4VP:", "wallet_request"],
  ["OPENID-CREDENTIAL-OFFER:", "wallet_offer"],
  ["WIFI:", "wifi"],
  ["BEGIN:VCARD", "contact"],
  ["MECARD:", "contact"],
  ["TEL:", "contact"],
  ["MAILTO:", "contact"],
  ["GEO:", "place"],
];

export type Recognised =
  | "credential"
  | "seal_keys"
  | "challenge"
  | "frame"
  | "eu_health_certificate"
  | "smart_health_card"
  | "mobile_document"
  | "wallet_request"
  | "wallet_offer"
  | "wifi"
  | "contact"
  | "place"
  | "url"
  | "visible_digital_seal"
  | "claim_169"
  | "number"
  | "unknown";

/** A slip: the keys that open the sealed parts of one card, by group of claims. */
export interface SealKeys {
  readonly sub: string;
  readonly keys: ReadonlyMap<string, Uint8Array>;
}

/**
 * Return the bytes of a credential's QR code.
 *
 * Throws too_large over 4,296 characters; unsupported for another prefix, the field being what `recognise` says of
 * it; malformed for what is not Base45.
 */
export function parseQrText(text: string): Uint8Array {
  return content(text, PREFIX);
}

/** Return the seal keys of a slip; throws as `parseQrText`, and malformed for another form of the CBOR. */
export function parseSealKeys(text: string): SealKeys {
  const value = decode(content(text, SEAL_KEY_PREFIX), SLIP_MAX_BYTES, "seal_keys");
  const [sub, map] = Array.isArray(value) && value.length === 2 ? value : [];
  if (!(map instanceof CborMap)) throw malformed("a slip is a subject and a map of keys", "seal_keys");
  if (typeof sub !== "string" || !SUB.test(sub)) {
    throw malformed("a subject is 16 base64url characters", "seal_keys");
  }
  if (map.size < 1 || map.size > GROUPS_MAX) throw malformed("a slip has 1 to 16 keys", "seal_keys");
  const keys = new Map<string, Uint8Array>();
  for (const [group, key] of map.entries()) {
    if (typeof group !== "string" || !GROUP.test(group)) {
      throw malformed("a group has a short name of small letters", "seal_keys");
    }
    if (!isBytes(key) || key.length !== KEY_BYTES) throw malformed("a seal key is 32 bytes", "seal_keys");
    keys.set(group, key);
  }
  return { sub, keys };
}

/** Say what a scanned text looks like, judging by its beginning only. */
export function recognise(text: string): Recognised {
  const head = [...text.slice(0, 128)].slice(0, 64).join("");
  // Our own prefixes are exact; the schemes of others come in any case.
  const capitals = head.toUpperCase();
  const found =
    OURS.find(([start]) => head.startsWith(start)) ?? OTHERS.find(([start]) => capitals.startsWith(start));
  if (found) return found[1];
  if (URL_START.test(head)) return "url";
  if (head.startsWith("{") && [...text.slice(0, 400)].slice(0, 200).join("").includes('"hdr"')) {
    return "visible_digital_seal";
  }
  if (/^[0-9]+$/.test(head)) return "number";
  return looksLikeZlibInBase45(head) ? "claim_169" : "unknown";
}

/** Claim 169 has no prefix: Base45 of a zlib stream, which begins with 0x78 and a check of 5 bits. */
function looksLikeZlibInBase45(head: string): boolean {
  if (!OF_BASE45.test(head)) return false;
  try {
    const [first = 0, second = 0] = base45.decode(head.slice(0, 3));
    return first === 0x78 && (first * 256 + second) % 31 === 0;
  } catch (error) {
    if (error instanceof CodedError) return false;
    throw error;
  }
}

function content(text: string, prefix: string): Uint8Array {
  if (codePoints(text) > TEXT_MAX_CHARACTERS) throw tooLarge("longer than any QR code", "text");
  if (!text.startsWith(prefix)) throw unsupported("a code of another kind", recognise(text));
  return base45.decode(text.slice(prefix.length));
}
