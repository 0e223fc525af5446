/**
 * A message that is too large for one code, as the texts of several (docs/protocol.md section 11, "Frames").
 *
 * The message is deflated and cut into parts of one length; each frame is `SCF1:` and Base45 of the CBOR array
 * `[kind, id, number, count, part]`, `id` being the first 8 bytes of the SHA-256 of the deflated message. Frames come
 * in any order and more than once. They are not signed: whoever joins them judges the message by its signatures.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import * as base45 from "./base45.ts";
import { codePoints, concat, equal, isBytes, toHex } from "./bytes.ts";
import { decode, encode } from "./cbor.ts";
import { isInteger } from "./cose_key.ts";
import { deflate } from "./deflate.ts";
import { malformed, tooLarge, unsupported } from "./errors.ts";
import { inflate } from "./inflate.ts";
import { recognise } from "./qr_text.ts";

export const FRAME_PREFIX = "SCF1:";
/** Kinds of messages that stations exchange: a checkpoint note, a delta, a whole bundle. */
export const HEAD_KIND = "head";
export const DELTA_KIND = "delta";
export const BUNDLE_KIND = "bundle";
/** Length of the parts of our own frames: version 25 at error correction M, which a cheap camera still reads. */
export const PART_BYTES = 900;
const MAX_FRAMES = 256;
const MAX_PART_BYTES = 1400;
/** Largest message, inflated. */
export const MAX_MESSAGE_BYTES = 128 * 1024;
const ID_BYTES = 8;
const MAX_FRAME_BYTES = MAX_PART_BYTES + 64;
const MAX_CHARACTERS = FRAME_PREFIX.length + Math.floor((MAX_FRAME_BYTES + 1) / 2) * 3;
const KIND = /^[a-z]{1,16}$/;

/** One frame; `number` counts from 0. */
export interface Frame {
  readonly kind: string;
  readonly messageId: Uint8Array;
  readonly number: number;
  readonly count: number;
  readonly part: Uint8Array;
}

/**
 * Return the texts of a message's frames, in their order.
 *
 * Throws RangeError for no such kind or length of parts, or a message that is empty, above 128 KiB or needs more than
 * 256 frames: that is a mistake of the caller.
 */
export function formatFrames(kind: string, message: Uint8Array, partBytes = PART_BYTES): string[] {
  if (message.length < 1 || message.length > MAX_MESSAGE_BYTES) throw new RangeError("a message has 1 to 131072 bytes");
  if (!KIND.test(kind)) throw new RangeError("a kind is a word of small letters");
  if (!Number.isInteger(partBytes) || partBytes < 1 || partBytes > MAX_PART_BYTES) {
    throw new RangeError("a part has 1 to 1400 bytes");
  }
  const deflated = deflate(message);
  const messageId = sha256(deflated).slice(0, ID_BYTES);
  const count = Math.ceil(deflated.length / partBytes);
  if (count > MAX_FRAMES) throw new RangeError("a message has 1 to 256 frames, numbered from 0");
  return Array.from({ length: count }, (_, number) => {
    const part = deflated.subarray(number * partBytes, (number + 1) * partBytes);
    return FRAME_PREFIX + base45.encode(encode([kind, messageId, number, count, part]));
  });
}

/**
 * Return the frame of a text.
 *
 * Throws unsupported for another prefix, the field being what `recognise` says of it; too_large for what is longer
 * than any frame; malformed for what is not Base45, or CBOR that is not of the form of a frame.
 */
export function parseFrame(text: string): Frame {
  if (!text.startsWith(FRAME_PREFIX)) throw unsupported("a code of another kind", recognise(text));
  if (codePoints(text) > MAX_CHARACTERS) throw tooLarge("longer than any frame", "frame");
  const value = decode(base45.decode(text.slice(FRAME_PREFIX.length)), MAX_FRAME_BYTES, "frame");
  if (!Array.isArray(value) || value.length !== 5) throw malformed("a frame is an array of five", "frame");
  const [kind, messageId, number, count, part] = value;
  if (typeof kind !== "string" || !KIND.test(kind)) throw malformed("a kind is a word of small letters", "frame");
  if (!isBytes(messageId) || messageId.length !== ID_BYTES) throw malformed("an id has 8 bytes", "frame");
  if (!isInteger(number) || !isInteger(count)) throw malformed("number and count are integers", "frame");
  if (number < 0 || number >= count || count > MAX_FRAMES) {
    throw malformed("a message has 1 to 256 frames, numbered from 0", "frame");
  }
  if (!isBytes(part) || part.length < 1 || part.length > MAX_PART_BYTES) {
    throw malformed("a part has 1 to 1400 bytes", "frame");
  }
  return { kind, messageId, number: Number(number), count: Number(count), part };
}

/** The frames of one message, as they are read. */
export class FrameSet {
  #first: Frame | undefined;
  readonly #parts = new Map<number, Uint8Array>();

  get kind(): string | undefined {
    return this.#first?.kind;
  }

  /** How many frames the message has; 0 before the first one. */
  get count(): number {
    return this.#first?.count ?? 0;
  }

  /** Numbers of the frames that have not been read; nobody knows them before the first frame. */
  get missing(): number[] {
    return Array.from({ length: this.count }, (_, number) => number).filter((number) => !this.#parts.has(number));
  }

  /** Take a frame; tell whether all are there now. Throws malformed for one of another message. */
  add(frame: Frame): boolean {
    this.#first ??= frame;
    const { kind, count, messageId } = this.#first;
    if (frame.kind !== kind || frame.count !== count || !equal(frame.messageId, messageId)) {
      throw malformed("a frame of another message", "frame");
    }
    const part = this.#parts.get(frame.number) ?? frame.part;
    if (!equal(part, frame.part)) throw malformed("two frames of one number differ", "frame");
    this.#parts.set(frame.number, part);
    return this.missing.length === 0;
  }

  /**
   * Return the message.
   *
   * Throws malformed where frames are missing, the parts are not those that were cut, or they do not inflate;
   * too_large above 128 KiB.
   */
  message(): Uint8Array {
    if (!this.#first || this.missing.length) throw malformed("frames are missing", "frame");
    const parts = Array.from({ length: this.count }, (_, number) => this.#parts.get(number)!);
    const deflated = concat(...parts);
    const size = parts[0]!.length;
    const isCut = parts.every((part, number) =>
      number < parts.length - 1 ? part.length === size : part.length <= size,
    );
    if (!isCut || toHex(sha256(deflated).subarray(0, ID_BYTES)) !== toHex(this.#first.messageId)) {
      throw malformed("the frames are not those of one message", "frame");
    }
    const message = inflate(deflated, MAX_MESSAGE_BYTES);
    if (message === "too_large") throw tooLarge("larger than any message", "frame");
    if (message === "broken") throw malformed("the message does not inflate", "frame");
    if (typeof message === "string" || message.length === 0) {
      throw malformed("the message is cut short or followed by other bytes", "frame");
    }
    return message;
  }
}

/** Return kind and message of the texts of all frames of one message, in any order. */
export function joinFrames(texts: readonly string[]): { kind: string; message: Uint8Array } {
  const frames = new FrameSet();
  for (const text of texts) frames.add(parseFrame(text));
  const message = frames.message();
  return { kind: frames.kind ?? "", message };
}
