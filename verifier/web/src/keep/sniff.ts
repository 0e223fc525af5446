/**
 * What a file that came in is, by its first bytes: its name and its type are whatever the last messenger made of them.
 */

import { decodeUtf8 } from "../core/bytes.ts";
import { BUNDLE_KIND, DELTA_KIND, FRAME_PREFIX, HEAD_KIND } from "../core/frames.ts";
import { type CodedError, unsupported } from "../core/errors.ts";

export const PIN_KIND = "pin";
/** The kinds of what a station takes in; the first three are those of frames. */
export type Kind = typeof BUNDLE_KIND | typeof DELTA_KIND | typeof HEAD_KIND | typeof PIN_KIND;
export const KINDS: readonly string[] = [BUNDLE_KIND, DELTA_KIND, HEAD_KIND, PIN_KIND];

/** A CBOR map of 8 or 10 pairs whose first key is 1: a bundle, a delta (docs/protocol.md section 9). */
const BUNDLE_START = 0xa8;
const DELTA_START = 0xaa;
const FIRST_KEY = 0x01;
const TEXT_MAX_BYTES = 256 * 1024;
const SIGNATURES = "\n\n\u2014 ";
const IMAGE_STARTS: readonly (readonly number[])[] = [
  [0x89, 0x50, 0x4e, 0x47],
  [0xff, 0xd8, 0xff],
  [0x52, 0x49, 0x46, 0x46],
];

/** Return what a file looks like; whether it is that, its reader tells. Throws unsupported for anything else. */
export function sniffKind(data: Uint8Array): Kind {
  if (data[1] === FIRST_KEY) {
    if (data[0] === BUNDLE_START) return BUNDLE_KIND;
    if (data[0] === DELTA_START) return DELTA_KIND;
  }
  const text = data.length <= TEXT_MAX_BYTES ? decodeUtf8(data) : undefined;
  if (text?.trimStart().startsWith("{")) return PIN_KIND;
  if (text?.includes(SIGNATURES)) return HEAD_KIND;
  throw notForAStation();
}

/** Return the texts of codes in a text file, one a line; undefined where it is none. */
export function codesInFile(data: Uint8Array): string[] | undefined {
  const text = data.length <= TEXT_MAX_BYTES ? decodeUtf8(data) : undefined;
  if (text === undefined) return undefined;
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  const isCodes = lines.length > 0 && lines.every((line) => /^SC[A-Z0-9]{0,3}:/.test(line));
  return isCodes ? lines : undefined;
}

/** Whether a text is a frame of a message between stations. */
export function isFrame(text: string): boolean {
  return text.startsWith(FRAME_PREFIX);
}

/** Whether bytes are those of a picture that a camera or a messenger makes. */
export function isPicture(data: Uint8Array): boolean {
  return IMAGE_STARTS.some((start) => start.every((byte, place) => data[place] === byte));
}

function notForAStation(): CodedError {
  return unsupported("not a list, a daily change, a pin or a head", "file");
}
