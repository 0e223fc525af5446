/**
 * Deflate: bytes as one zlib stream (RFC 1950 and 1951) that any reader inflates; the other half of `inflate.ts`.
 *
 * Browsers deflate only asynchronously. What goes through here is small and has few repeats: notes are Base64 of
 * signatures, deltas are hashes and lists that are deflated already. So nothing is searched for repeats: the bytes
 * stand as they are, or under one prefix code of their own where that is shorter, which takes a quarter off Base64.
 */

import { concat } from "./bytes.ts";
import { adler32, ORDER_OF_CODE_LENGTHS } from "./inflate.ts";

const MAX_STORED = 65_535;
const MAX_CODE_BITS = 15;
const END = 256;
/** A complete code for the code lengths 0 to 15, where repeats (16 to 18) never stand but take their share. */
const BITS_OF_LENGTH = [...Array.from({ length: 13 }, () => 4), 5, 5, 5, 5, 5, 5];

/** Return a zlib stream of the bytes. */
export function deflate(data: Uint8Array): Uint8Array {
  const stored = storedBlocks(data);
  const coded = codedBlock(data);
  const body = coded.length < stored.length ? coded : stored;
  const sum = adler32(data);
  return concat(
    Uint8Array.of(0x78, 0x01),
    body,
    Uint8Array.of(sum >>> 24, (sum >>> 16) & 255, (sum >>> 8) & 255, sum & 255),
  );
}

function storedBlocks(data: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  let at = 0;
  do {
    const part = data.subarray(at, at + MAX_STORED);
    at += part.length;
    const size = part.length;
    const isLast = at === data.length ? 1 : 0;
    blocks.push(Uint8Array.of(isLast, size & 255, size >> 8, ~size & 255, (~size >> 8) & 255), part);
  } while (at < data.length);
  return concat(...blocks);
}

/** Return the bytes as one block under a code of their own (RFC 1951 section 3.2.7), without a single repeat. */
function codedBlock(data: Uint8Array): Uint8Array {
  const counts = new Array<number>(END + 1).fill(0);
  for (const byte of data) counts[byte]! += 1;
  counts[END] = 1;
  const lengths = codeLengths(counts);
  const out = new BitWriter(data.length + 512);
  out.bits(0b101, 3); // the last block, of a dynamic code
  out.bits(0, 5); // 257 literals
  out.bits(0, 5); // 1 distance, which is never used
  out.bits(ORDER_OF_CODE_LENGTHS.length - 4, 4);
  for (const length of ORDER_OF_CODE_LENGTHS) out.bits(BITS_OF_LENGTH[length]!, 3);
  const codesOfLengths = makeCodes(BITS_OF_LENGTH);
  for (const length of [...lengths, 1]) out.bits(codesOfLengths[length]!, BITS_OF_LENGTH[length]!);
  const codes = makeCodes(lengths);
  for (const byte of data) out.bits(codes[byte]!, lengths[byte]!);
  out.bits(codes[END]!, lengths[END]!);
  return out.bytes();
}

/** Return how many bits each symbol takes, 0 for one that does not stand in the data; none takes more than 15. */
function codeLengths(counts: readonly number[]): number[] {
  const lengths = treeDepths(counts);
  // Counts that lie nearer together make a shallower tree; equal ones make one of 9 levels.
  return Math.max(...lengths) > MAX_CODE_BITS ? codeLengths(counts.map((count) => (count + 1) >> 1)) : lengths;
}

interface Node {
  readonly weight: number;
  readonly symbols: readonly number[];
}

/** Return the depth of each symbol in the tree of Huffman. */
function treeDepths(counts: readonly number[]): number[] {
  const depths = counts.map(() => 0);
  let nodes: Node[] = counts.flatMap((weight, symbol) => (weight ? [{ weight, symbols: [symbol] }] : []));
  // A code of a single symbol has one bit all the same, and a second symbol to be complete.
  if (nodes.length === 1) nodes.push({ weight: 0, symbols: [nodes[0]!.symbols[0] === 0 ? 1 : 0] });
  while (nodes.length > 1) {
    nodes = nodes.sort((one, other) => one.weight - other.weight);
    const [least, next, ...rest] = nodes as [Node, Node, ...Node[]];
    const symbols = [...least.symbols, ...next.symbols];
    for (const symbol of symbols) depths[symbol]! += 1;
    nodes = [...rest, { weight: least.weight + next.weight, symbols }];
  }
  return depths;
}

/** Return the codes of symbols of these lengths (RFC 1951 section 3.2.2), their first bit lowest, as they are written. */
function makeCodes(lengths: readonly number[]): number[] {
  const codes = lengths.map(() => 0);
  let code = 0;
  for (let size = 1; size <= MAX_CODE_BITS; size += 1) {
    code <<= 1;
    lengths.forEach((length, symbol) => {
      if (length !== size) return;
      codes[symbol] = reversed(code, size);
      code += 1;
    });
  }
  return codes;
}

function reversed(code: number, size: number): number {
  let turned = 0;
  for (let bit = 0; bit < size; bit += 1) turned |= ((code >> bit) & 1) << (size - 1 - bit);
  return turned;
}

class BitWriter {
  #out: Uint8Array;
  #size = 0;
  #held = 0;
  #heldBits = 0;

  constructor(sizeBytes: number) {
    this.#out = new Uint8Array(sizeBytes);
  }

  bits(value: number, count: number): void {
    this.#held |= value << this.#heldBits;
    this.#heldBits += count;
    while (this.#heldBits >= 8) this.#byte();
  }

  bytes(): Uint8Array {
    if (this.#heldBits > 0) this.#byte();
    return this.#out.slice(0, this.#size);
  }

  #byte(): void {
    if (this.#size === this.#out.length) {
      const larger = new Uint8Array(2 * this.#size);
      larger.set(this.#out);
      this.#out = larger;
    }
    this.#out[this.#size] = this.#held & 255;
    this.#size += 1;
    this.#held >>>= 8;
    this.#heldBits -= 8;
  }
}
