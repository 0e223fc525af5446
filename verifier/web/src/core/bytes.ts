/**
 * Byte strings: comparison, joining, and the texts that stand for them (hex, Base64, UTF-8).
 *
 * Everything here is strict: a text that is not the one spelling of its bytes is refused.
 */

import { malformed } from "./errors.ts";

declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode(data: Uint8Array): string };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Return the UTF-8 of a text. A lone surrogate, which no decoded text holds, becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Return the text of UTF-8 bytes; `undefined` where they are not UTF-8. A byte order mark stays. */
export function decodeUtf8(data: Uint8Array): string | undefined {
  try {
    return decoder.decode(data);
  } catch {
    return undefined;
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const joined = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && compare(one, other) === 0;
}

/** Compare bytewise: below, at or above zero as `one` stands before, at or after `other`. */
export function compare(one: Uint8Array, other: Uint8Array): number {
  const size = Math.min(one.length, other.length);
  for (let place = 0; place < size; place += 1) {
    const difference = one[place]! - other[place]!;
    if (difference) return difference;
  }
  return one.length - other.length;
}

export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

export function toHex(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += HEX[byte]!;
  return text;
}

/** Return the bytes of lower-case hex; anything else is a mistake of the caller. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2) throw new RangeError("not hex");
  const data = new Uint8Array(text.length / 2);
  for (let place = 0; place < data.length; place += 1) {
    const high = digitOf(text.charCodeAt(2 * place));
    const low = digitOf(text.charCodeAt(2 * place + 1));
    if (high < 0 || low < 0) throw new RangeError("not hex");
    data[place] = high * 16 + low;
  }
  return data;
}

function digitOf(character: number): number {
  if (character >= 0x30 && character <= 0x39) return character - 0x30;
  return character >= 0x61 && character <= 0x66 ? character - 0x61 + 10 : -1;
}

/** Return padded standard Base64. */
export function toBase64(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 3) {
    const rest = data.length - at;
    const bits = (data[at]! << 16) | ((data[at + 1] ?? 0) << 8) | (data[at + 2] ?? 0);
    text += BASE64[bits >> 18]! + BASE64[(bits >> 12) & 63]!;
    text += rest > 1 ? BASE64[(bits >> 6) & 63]! : "=";
    text += rest > 2 ? BASE64[bits & 63]! : "=";
  }
  return text;
}

/**
 * Decode padded standard Base64, and only its one canonical spelling.
 *
 * Throws malformed for another character, missing padding, or spare bits that are not zero.
 */
export function fromBase64(text: string, field: string): Uint8Array {
  const body = text.replace(/={1,2}$/, "");
  const data = new Uint8Array(Math.floor((body.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of body) {
    const digit = BASE64.indexOf(character);
    if (digit < 0) throw malformed("not base64", field);
    bits = ((bits << 6) | digit) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      data[at] = bits >> held;
      at += 1;
    }
  }
  if (toBase64(data) !== text) throw malformed("not canonical base64", field);
  return data;
}

/** Return an unsigned integer below 2^64 as eight bytes, big-endian. */
export function u64(value: number | bigint): Uint8Array {
  const data = new Uint8Array(8);
  let rest = BigInt(value);
  for (let place = 7; place >= 0; place -= 1) {
    data[place] = Number(rest & 255n);
    rest >>= 8n;
  }
  return data;
}

/** Return big-endian bytes as a number, a `bigint` from 2^53 on. */
export function fromBigEndian(data: Uint8Array): number | bigint {
  let value = 0n;
  for (const byte of data) value = (value << 8n) | BigInt(byte);
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** Return how many code points a text has, as other languages count it. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
