/**
 * Inflate: one whole zlib stream (RFC 1950 and 1951), never more bytes than the reader takes.
 *
 * Browsers inflate only asynchronously and small libraries leave the checksum out. What decides here is what
 * decides in zlib, which the Python verifier stands on: which codes are refused, the Adler-32 at the end, no
 * bytes after it, and that a stream is too large only where a byte beyond the cap is asked for before anything is
 * found wrong with it.
 */

/** Why a stream is refused. */
export type Fault = "broken" | "too_large" | "cut_or_followed";

const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCES = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
/** The order in which a dynamic block tells the lengths of the code of code lengths (RFC 1951 section 3.2.7). */
export const ORDER_OF_CODE_LENGTHS = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const MAX_CODE_BITS = 15;
const WINDOW = 32_768;

/** Ends the walk with a fault. */
class Refused extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault);
    this.fault = fault;
  }
}

/** Return the bytes of a zlib stream, or why there are none. */
export function inflate(data: Uint8Array, maxSize: number): Uint8Array | Fault {
  // One byte more than is taken may be written: only the next one asked for ends the walk, as in zlib.
  const inflater = new Inflater(data, maxSize + 1);
  try {
    const out = inflater.run();
    return out.length > maxSize ? "too_large" : out;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.fault === "cut_or_followed" && inflater.size > maxSize ? "too_large" : error.fault;
  }
}

/** A prefix code: how many codes have each length, and their symbols in the order of the codes. */
interface Code {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

class Inflater {
  readonly #data: Uint8Array;
  readonly #maxSize: number;
  #at = 0;
  #held = 0;
  #heldBits = 0;
  #out: Uint8Array;
  size = 0;

  constructor(data: Uint8Array, maxSize: number) {
    this.#data = data;
    this.#maxSize = maxSize;
    this.#out = new Uint8Array(Math.min(maxSize, 4 * data.length + 64));
  }

  run(): Uint8Array {
    const method = this.#bits(8);
    const flags = this.#bits(8);
    const isHeader = (method * 256 + flags) % 31 === 0 && (method & 15) === 8 && method >> 4 <= 7;
    if (!isHeader || flags & 32) throw new Refused("broken");
    let isLast = false;
    while (!isLast) {
      isLast = this.#bits(1) === 1;
      const type = this.#bits(2);
      if (type === 0) this.#stored();
      else if (type === 1) this.#block(FIXED_LITERALS, FIXED_DISTANCES);
      else if (type === 2) this.#block(...this.#codes());
      else throw new Refused("broken");
    }
    this.#heldBits = 0;
    const sum = this.#bits(8) * 2 ** 24 + this.#bits(8) * 2 ** 16 + this.#bits(8) * 256 + this.#bits(8);
    const out = this.#out.subarray(0, this.size);
    if (sum !== adler32(out)) throw new Refused("broken");
    if (this.#at !== this.#data.length) throw new Refused("cut_or_followed");
    return out.slice();
  }

  #bits(count: number): number {
    while (this.#heldBits < count) {
      const byte = this.#data[this.#at];
      if (byte === undefined) throw new Refused("cut_or_followed");
      this.#held |= byte << this.#heldBits;
      this.#heldBits += 8;
      this.#at += 1;
    }
    const value = this.#held & ((1 << count) - 1);
    this.#held >>>= count;
    this.#heldBits -= count;
    return value;
  }

  /** Make room for a further byte, growing up to the cap. */
  #room(): void {
    if (this.size < this.#out.length) return;
    if (this.size >= this.#maxSize) throw new Refused("too_large");
    const larger = new Uint8Array(Math.min(this.#maxSize, 2 * this.size + 1024));
    larger.set(this.#out);
    this.#out = larger;
  }

  #stored(): void {
    this.#held = 0;
    this.#heldBits = 0;
    const size = this.#bits(16);
    if (this.#bits(16) !== (size ^ 0xffff)) throw new Refused("broken");
    for (let left = size; left > 0; left -= 1) {
      const byte = this.#data[this.#at];
      if (byte === undefined) throw new Refused("cut_or_followed");
      this.#room();
      this.#out[this.size] = byte;
      this.size += 1;
      this.#at += 1;
    }
  }

  #symbol({ counts, symbols }: Code): number {
    let code = 0;
    let first = 0;
    let place = 0;
    for (let size = 1; size <= MAX_CODE_BITS; size += 1) {
      code |= this.#bits(1);
      const count = counts[size]!;
      if (code - first < count) return symbols[place + code - first]!;
      place += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new Refused("broken");
  }

  #block(literals: Code, distances: Code): void {
    for (;;) {
      const symbol = this.#symbol(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        this.#room();
        this.#out[this.size] = symbol;
        this.size += 1;
        continue;
      }
      const length = LENGTHS[symbol - 257];
      if (length === undefined) throw new Refused("broken");
      const size = length + this.#bits(LENGTH_BITS[symbol - 257]!);
      const far = this.#symbol(distances);
      const base = DISTANCES[far];
      if (base === undefined) throw new Refused("broken");
      this.#copy(base + this.#bits(far < 2 ? 0 : (far >> 1) - 1), size);
    }
  }

  #copy(distance: number, size: number): void {
    this.#room();
    if (distance > this.size || distance > WINDOW) throw new Refused("broken");
    for (let left = size; left > 0; left -= 1) {
      this.#room();
      this.#out[this.size] = this.#out[this.size - distance]!;
      this.size += 1;
    }
  }

  /** Read the codes of a dynamic block (RFC 1951 section 3.2.7). */
  #codes(): [Code, Code] {
    const literalCount = this.#bits(5) + 257;
    const distanceCount = this.#bits(5) + 1;
    const lengthCount = this.#bits(4) + 4;
    if (literalCount > 286 || distanceCount > 30) throw new Refused("broken");
    const ofLengths = new Uint8Array(19);
    for (let place = 0; place < lengthCount; place += 1) ofLengths[ORDER_OF_CODE_LENGTHS[place]!] = this.#bits(3);
    const code = makeCode(ofLengths, false);
    const lengths = new Uint8Array(literalCount + distanceCount);
    let at = 0;
    while (at < lengths.length) {
      const symbol = this.#symbol(code);
      if (symbol < 16) {
        lengths[at] = symbol;
        at += 1;
        continue;
      }
      if (symbol === 16 && at === 0) {
        this.#bits(2);
        throw new Refused("broken");
      }
      const value = symbol === 16 ? lengths[at - 1]! : 0;
      const repeat = symbol === 16 ? 3 + this.#bits(2) : symbol === 17 ? 3 + this.#bits(3) : 11 + this.#bits(7);
      if (at + repeat > lengths.length) throw new Refused("broken");
      lengths.fill(value, at, at + repeat);
      at += repeat;
    }
    if (lengths[256] === 0) throw new Refused("broken");
    return [makeCode(lengths.subarray(0, literalCount), true), makeCode(lengths.subarray(literalCount), true)];
  }
}

/** Build a code from the lengths of its symbols; one that is incomplete may stand only with a single bit. */
function makeCode(lengths: Uint8Array, maySingle: boolean): Code {
  const counts = new Uint16Array(MAX_CODE_BITS + 1);
  for (const length of lengths) counts[length]! += 1;
  const used = lengths.length - counts[0]!;
  counts[0] = 0;
  let left = 1;
  let longest = 0;
  for (let size = 1; size <= MAX_CODE_BITS; size += 1) {
    left = 2 * left - counts[size]!;
    if (left < 0) throw new Refused("broken");
    if (counts[size]) longest = size;
  }
  if (left > 0 && used > 0 && !(maySingle && longest === 1)) throw new Refused("broken");
  const starts = new Uint16Array(MAX_CODE_BITS + 2);
  for (let size = 1; size <= MAX_CODE_BITS; size += 1) starts[size + 1] = starts[size]! + counts[size]!;
  const symbols = new Uint16Array(used);
  lengths.forEach((length, symbol) => {
    if (length) {
      symbols[starts[length]!] = symbol;
      starts[length]! += 1;
    }
  });
  return { counts, symbols };
}

/** Return the checksum at the end of a zlib stream (RFC 1950 section 9). */
export function adler32(data: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let at = 0; at < data.length; ) {
    // 3,800 steps keep both sums below 2^31 before they are reduced.
    const end = Math.min(at + 3800, data.length);
    for (; at < end; at += 1) {
      low += data[at]!;
      high += low;
    }
    low %= 65521;
    high %= 65521;
  }
  return high * 65536 + low;
}

const FIXED_LITERALS = makeCode(
  Uint8Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
  true,
);
const FIXED_DISTANCES = makeCode(new Uint8Array(32).fill(5), true);
