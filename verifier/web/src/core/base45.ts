/**
 * Base45 (RFC 9285): the text of a QR code in alphanumeric mode, 3 characters for 2 bytes.
 *
 * Decoding is strict: no other characters, no length of the form 3k + 1, no group of three above 65535, no
 * group of two above 255. With these rules every byte string has exactly one text.
 *
 *     decode("QED8WEX0")     // the bytes of "ietf!"
 */

import { malformed } from "./errors.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const DIGIT_OF = new Int8Array(128).fill(-1);
for (let digit = 0; digit < ALPHABET.length; digit += 1) DIGIT_OF[ALPHABET.charCodeAt(digit)] = digit;

/** Return the bytes that `text` stands for; throws malformed (RFC 9285, section 4.2). */
export function decode(text: string): Uint8Array {
  const digits = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place += 1) {
    const digit = DIGIT_OF[text.charCodeAt(place)] ?? -1;
    if (digit < 0) throw malformed("a character outside the Base45 alphabet", "base45");
    digits[place] = digit;
  }
  const rest = digits.length % 3;
  if (rest === 1) throw malformed("a Base45 text cannot have this length", "base45");
  const groups = (digits.length - rest) / 3;
  const data = new Uint8Array(2 * groups + (rest ? 1 : 0));
  for (let group = 0; group < groups; group += 1) {
    const at = 3 * group;
    const number = digits[at]! + 45 * digits[at + 1]! + 2025 * digits[at + 2]!;
    if (number > 65535) throw malformed("a Base45 group of three is above 65535", "base45");
    data[2 * group] = number >> 8;
    data[2 * group + 1] = number & 255;
  }
  if (rest) {
    const last = digits[digits.length - 2]! + 45 * digits[digits.length - 1]!;
    if (last > 255) throw malformed("a Base45 group of two is above 255", "base45");
    data[data.length - 1] = last;
  }
  return data;
}

/** Return the one Base45 text of `data` (3 characters for 2 bytes, 2 for a last single byte). */
export function encode(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 2) {
    const single = at + 1 === data.length;
    let number = single ? data[at]! : data[at]! * 256 + data[at + 1]!;
    for (let place = single ? 2 : 3; place > 0; place -= 1) {
      text += ALPHABET[number % 45];
      number = Math.floor(number / 45);
    }
  }
  return text;
}
