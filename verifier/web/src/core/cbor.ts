/**
 * Deterministic CBOR: one value, one encoding, and a parser that takes nothing else.
 *
 * Implements the core deterministic encoding of RFC 8949 section 4.2.1 as narrowed by docs/protocol.md
 * section 1: shortest integers and lengths, definite lengths, map keys in rising bytewise order of their
 * encodings (so none stands twice), at most 16 arrays, maps and tags around an item, no trailing bytes, no
 * floats, no `undefined`, no tags but those that docs/safeconduct.cddl names. Every refusal is made where the byte is read, so what
 * is accepted is the one encoding of its value and need not be encoded again.
 *
 * | CBOR | here |
 * |---|---|
 * | integer | `number` up to 2^53 - 1 either way, `bigint` beyond |
 * | byte string, text | `Uint8Array`, `string` |
 * | array, map | `Value[]`, `CborMap` |
 * | tag, simple value | `Tag`, `Simple` (never true, false, null) |
 *
 *     decode(fromHex("a304436b6964..."), 64).get(4)
 */

import { concat, decodeUtf8, encodeUtf8, isBytes, toHex } from "./bytes.ts";
import { malformed, tooLarge } from "./errors.ts";

export const MAX_DEPTH = 16;
/** The most items, keys and the outermost among them: each costs memory, whatever little it takes in the bytes. */
export const MAX_ITEMS = 2 ** 22;
const INT_MAX = 2n ** 64n - 1n;
/** COSE_Encrypt0, COSE_Sign1 and the redacted array element: the tags of docs/safeconduct.cddl. */
const NAMED_TAGS = new Set<Value>([16, 18, 60]);

/** A tag and its content. */
export class Tag {
  readonly tag: number | bigint;
  readonly value: Value;
  constructor(tag: number | bigint, value: Value) {
    this.tag = tag;
    this.value = value;
  }
}

/** A simple value other than false, true, null and undefined. */
export class Simple {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export type Key = number | bigint | string | Uint8Array | Simple;
export type Value = Key | boolean | null | Value[] | CborMap | Tag;

/** The map key `simple(59)`: digests of redacted claims (draft-ietf-spice-sd-cwt). */
export const REDACTED_KEYS = new Simple(59);

/** A map in the order of its bytes; integer, text, bytes and simple keys never meet. */
export class CborMap {
  readonly #items = new Map<string, [Key, Value]>();

  static of(...items: readonly (readonly [Key, Value])[]): CborMap {
    const map = new CborMap();
    for (const [key, value] of items) map.set(key, value);
    return map;
  }

  get size(): number {
    return this.#items.size;
  }
  get(key: Key): Value | undefined {
    return this.#items.get(nameOf(key))?.[1];
  }
  has(key: Key): boolean {
    return this.#items.has(nameOf(key));
  }
  set(key: Key, value: Value): void {
    this.#items.set(nameOf(key), [key, value]);
  }
  keys(): Key[] {
    return [...this.#items.values()].map(([key]) => key);
  }
  entries(): IterableIterator<[Key, Value]> {
    return this.#items.values();
  }
}

/** A text that differs for every two different keys. */
function nameOf(key: Key): string {
  if (typeof key === "string") return `t${key}`;
  if (isBytes(key)) return `b${toHex(key)}`;
  return key instanceof Simple ? `s${key.value}` : `i${key}`;
}

/**
 * Decode exactly one data item that fills `data`.
 *
 * Throws too_large if `data` is longer than `maxSize` or of more than 4,194,304 items, malformed for everything that is
 * not the one encoding of a value of the profile; `field` is the name of the part being parsed, for the error.
 */
export function decode(data: Uint8Array, maxSize: number, field = "cbor"): Value {
  if (data.length > maxSize) throw tooLarge(`more than ${maxSize} bytes`, field);
  if (data.length > MAX_ITEMS && hasMoreItems(data, MAX_ITEMS)) throw tooLarge(`more than ${MAX_ITEMS} items`, field);
  const reader = new Reader(data, field);
  const value = reader.item(0);
  if (reader.at !== data.length) throw malformed("bytes after the item", field);
  return value;
}

/** Count heads, one item each, without making anything of them; what is not well-formed is not judged. */
function hasMoreItems(data: Uint8Array, most: number): boolean {
  let at = 0;
  let count = 0;
  while (at < data.length) {
    const first = data[at] ?? 0;
    const [major, info] = [first >> 5, first & 31];
    at += 1;
    let value = info;
    if (info >= 24 && info <= 27) {
      const width = 1 << (info - 24);
      value = 0;
      for (const byte of data.subarray(at, at + width)) value = value * 256 + byte;
      at += width;
    }
    if (major === 2 || major === 3) at += value; // the content of a string is no item
    count += 1;
    if (count > most) return true;
  }
  return false;
}

class Reader {
  readonly data: Uint8Array;
  readonly field: string;
  at = 0;

  constructor(data: Uint8Array, field: string) {
    this.data = data;
    this.field = field;
  }

  fail(detail: string): never {
    throw malformed(detail, this.field);
  }

  item(depth: number): Value {
    if (depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH}`);
    const first = this.data[this.at] ?? this.fail("the bytes end within an item");
    const major = first >> 5;
    if (major === 7) return this.simple(first & 31);
    const argument = this.head(first & 31);
    switch (major) {
      case 0:
        return argument;
      case 1:
        return typeof argument === "number" && argument < Number.MAX_SAFE_INTEGER
          ? -1 - argument
          : plain(-1n - BigInt(argument));
      case 2:
        return this.take(argument).slice();
      case 3:
        return decodeUtf8(this.take(argument)) ?? this.fail("a text is not UTF-8");
      case 4:
        return this.array(argument, depth + 1);
      case 5:
        return this.map(argument, depth + 1);
      default:
        if (!NAMED_TAGS.has(argument)) this.fail("a tag that has no place in the profile");
        return new Tag(argument, this.item(depth + 1));
    }
  }

  /** Read the argument of a head in its shortest form. */
  head(info: number): number | bigint {
    this.at += 1;
    if (info < 24) return info;
    if (info > 27) this.fail("an indefinite length or a reserved head");
    const size = 1 << (info - 24);
    const bytes = this.take(size);
    let value = 0n;
    for (const byte of bytes) value = (value << 8n) | BigInt(byte);
    if (value < (size === 1 ? 24n : 1n << BigInt(4 * size))) this.fail("a head is not in its shortest form");
    return plain(value);
  }

  simple(info: number): Value {
    if (info === 20 || info === 21) {
      this.at += 1;
      return info === 21;
    }
    if (info === 22) {
      this.at += 1;
      return null;
    }
    if (info < 20) {
      this.at += 1;
      return new Simple(info);
    }
    const value = this.data[this.at + 1];
    if (info !== 24 || value === undefined || value < 32) this.fail("a float, undefined or no simple value");
    this.at += 2;
    return new Simple(value);
  }

  take(size: number | bigint): Uint8Array {
    if (size > this.data.length - this.at) this.fail("the bytes end within an item");
    this.at += Number(size);
    return this.data.subarray(this.at - Number(size), this.at);
  }

  array(count: number | bigint, depth: number): Value[] {
    if (count > this.data.length - this.at) this.fail("the bytes end within an array");
    const items: Value[] = [];
    for (let left = Number(count); left > 0; left -= 1) items.push(this.item(depth));
    return items;
  }

  map(count: number | bigint, depth: number): CborMap {
    if (count > this.data.length - this.at) this.fail("the bytes end within a map");
    const map = new CborMap();
    let before: Uint8Array = new Uint8Array();
    for (let left = Number(count); left > 0; left -= 1) {
      const start = this.at;
      const key = this.item(depth);
      if (!isKey(key)) this.fail("not a map key");
      const encoded = this.data.subarray(start, this.at);
      if (before.length && !rises(before, encoded)) this.fail("map keys do not rise");
      // A reader that holds simple(1) equal to 1 would see one entry where there are two.
      if (key instanceof Simple && map.has(key.value)) this.fail("an integer and a simple value of one number");
      before = encoded;
      map.set(key, this.item(depth));
    }
    return map;
  }
}

/** Bytewise rising; written out, because it runs for each key of each map. */
function rises(before: Uint8Array, after: Uint8Array): boolean {
  const size = Math.min(before.length, after.length);
  for (let place = 0; place < size; place += 1) {
    if (before[place] !== after[place]) return before[place]! < after[place]!;
  }
  return before.length < after.length;
}

function isKey(value: Value): value is Key {
  const kind = typeof value;
  return kind === "number" || kind === "bigint" || kind === "string" || isBytes(value) || value instanceof Simple;
}

function plain(value: bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? Number(value) : value;
}

/**
 * Encode a value in the one deterministic form (RFC 8949 section 4.2.1).
 *
 * Throws RangeError for what no parser of ours could have read: that is a mistake of the caller.
 */
export function encode(value: Value): Uint8Array {
  const parts: Uint8Array[] = [];
  write(value, parts, 0);
  return concat(...parts);
}

function write(value: Value, parts: Uint8Array[], depth: number): void {
  if (depth > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH}`);
  if (typeof value === "number" || typeof value === "bigint") {
    const number = BigInt(value);
    parts.push(number < 0n ? head(1, -1n - number) : head(0, number));
  } else if (typeof value === "string") {
    const data = encodeUtf8(value);
    parts.push(head(3, BigInt(data.length)), data);
  } else if (isBytes(value)) {
    parts.push(head(2, BigInt(value.length)), value);
  } else if (typeof value === "boolean" || value === null) {
    parts.push(Uint8Array.of(value === null ? 0xf6 : value ? 0xf5 : 0xf4));
  } else if (Array.isArray(value)) {
    parts.push(head(4, BigInt(value.length)));
    for (const item of value) write(item, parts, depth + 1);
  } else if (value instanceof CborMap) {
    parts.push(head(5, BigInt(value.size)));
    const rows = [...value.entries()].map(([key, item]) => ({ key: encode(key), item }));
    rows.sort((one, other) => (rises(one.key, other.key) ? -1 : 1));
    for (const { key, item } of rows) {
      parts.push(key);
      write(item, parts, depth + 1);
    }
  } else if (value instanceof Tag) {
    if (!NAMED_TAGS.has(value.tag)) throw new RangeError("a tag that has no place in the profile");
    parts.push(head(6, BigInt(value.tag)));
    write(value.value, parts, depth + 1);
  } else {
    parts.push(value.value < 24 ? Uint8Array.of(0xe0 + value.value) : Uint8Array.of(0xf8, value.value));
  }
}

function head(major: number, argument: bigint): Uint8Array {
  if (argument < 0n || argument > INT_MAX) throw new RangeError("an integer beyond 64 bits");
  const first = major << 5;
  if (argument < 24n) return Uint8Array.of(first + Number(argument));
  const size = argument < 256n ? 1 : argument < 65536n ? 2 : argument < 4294967296n ? 4 : 8;
  const data = new Uint8Array(1 + size);
  data[0] = first + 24 + Math.log2(size);
  let rest = argument;
  for (let place = size; place > 0; place -= 1) {
    data[place] = Number(rest & 255n);
    rest >>= 8n;
  }
  return data;
}
