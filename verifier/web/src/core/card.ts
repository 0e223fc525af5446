/**
 * A printed card: the ledger entry in it, and the unsigned header around it (docs/protocol.md section 6).
 *
 * The code on a card is the ledger entry with a header of its own in the place of the empty one, so reading a card
 * is: walk over that header, put `{}` back, and hand the entry to the parser of statements. The header is unsigned;
 * only labels 17, 171, 394 and -65537 may stand in it, in this order and in one encoding.
 */

import { concat, equal, toHex } from "./bytes.ts";
import { type Value } from "./cbor.ts";
import { CELL_PATH_SIZE } from "./cells.ts";
import type { CredentialClaims } from "./claims.ts";
import * as cose from "./cose.ts";
import { DISCLOSURES_MAX } from "./disclosure.ts";
import { END_OF_TIME_S } from "./cosignature.ts";
import { type CodedError, malformed, tooLarge, unsupported } from "./errors.ts";
import { UINT53_MAX } from "./fields.ts";
import { boundCredential } from "./key_binding.ts";
import { CIPHERTEXT_MAX_BYTES, NONCE_BYTES, type SealedDisclosure, TAG_BYTES } from "./sealed_disclosure.ts";
import { parseStatement } from "./statement.ts";

/** What the longest text of a QR code carries. */
export const CARD_MAX_BYTES = 2861;
const RECEIPTS_MAX = 8;

/** Where the card's entry stands in the ledger: index and 128 bytes to its cell. */
export interface Position {
  readonly index: number;
  readonly path: Uint8Array;
}

/** The unsigned header of a card; all of it may be missing. */
export interface CardHeader {
  readonly opened: readonly Uint8Array[];
  readonly sealed: readonly SealedDisclosure[];
  readonly position: Position | undefined;
  readonly receipts: readonly Uint8Array[];
}

/** A card that has the right form. Nothing in it is verified. */
export interface Card {
  /** The bytes of the ledger entry, with the empty header. */
  readonly entry: Uint8Array;
  /** The Sig_structure, what the issuer signed. */
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly alg: Value;
  readonly kid: Uint8Array;
  readonly claims: CredentialClaims;
  readonly header: CardHeader;
  /** The key binding token that the card came in, not checked yet; undefined for paper. */
  readonly token: Uint8Array | undefined;
}

/**
 * Read the one allowed form of a card, or of the card inside a key binding token.
 *
 * Throws unsupported for an algorithm or a type that is not supported, too_large for a card or an entry above its
 * cap, malformed for everything else.
 */
export function readCard(data: Uint8Array): Card {
  if (data.length > CARD_MAX_BYTES) throw tooLarge("larger than a code can hold", "card");
  // A protected header of 256 bytes or more holds a credential: only a key binding token has one.
  if (startsWith(data, 0, [0xd2, 0x84, 0x59])) return { ...readCard(boundCredential(data)), token: data };
  const start = headerStart(data);
  const reader = new HeaderReader(data, start);
  const header = reader.header();
  const entry = concat(data.subarray(0, start), Uint8Array.of(0xa0), data.subarray(reader.at));
  const statement = parseStatement(entry);
  if (statement.body.kind !== "credential") throw unsupported("a statement, and not a credential", "typ");
  const { claims } = statement.body;
  if (claims.iat >= END_OF_TIME_S || claims.exp >= END_OF_TIME_S) {
    throw malformed("a date lies outside the years 1 to 9999", "claims");
  }
  const { message, signature, alg, kid } = statement;
  return { entry, message, signature, alg, kid, claims, header, token: undefined };
}

/**
 * Join what was read of one card, front and back, into one; different cards stay apart, in their order.
 *
 * Two codes are of one card where the entries are equal and the positions are too, or one has none. Two different
 * tokens stay apart too: one may be fresh and the other not.
 */
export function mergeCards(cards: readonly Card[]): Card[] {
  const merged: Card[] = [];
  for (const card of cards) {
    const place = merged.findIndex((other) => equal(other.entry, card.entry) && agree(other, card));
    if (place < 0) merged.push(card);
    else merged[place] = joined(merged[place]!, card);
  }
  return merged;
}

/** Return byte strings with each kept once, in the order of their first. */
export function distinct(items: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(items.map((item) => [toHex(item), item] as const)).values()];
}

function agree(one: Card, other: Card): boolean {
  const [first, second] = [one.header.position, other.header.position];
  const samePlace = !first || !second || (first.index === second.index && equal(first.path, second.path));
  return samePlace && (!one.token || !other.token || equal(one.token, other.token));
}

function joined(card: Card, other: Card): Card {
  const [old, header] = [card.header, other.header];
  const sealed = [...old.sealed, ...header.sealed].map(
    (part) => [toHex(concat(part.nonce, part.tag, part.ciphertext)), part] as const,
  );
  return {
    ...card,
    header: {
      opened: distinct([...old.opened, ...header.opened]),
      sealed: [...new Map(sealed).values()],
      position: old.position ?? header.position,
      receipts: distinct([...old.receipts, ...header.receipts]),
    },
    token: card.token ?? other.token,
  };
}

/** Return where the unsigned header begins: after the tag, the array and the protected header. */
function headerStart(data: Uint8Array): number {
  const size = data[3];
  if (!startsWith(data, 0, [0xd2, 0x84, 0x58]) || size === undefined) {
    cose.parseSign1(data, CARD_MAX_BYTES); // says what is wrong with most other bytes
    throw malformed("a protected header of another size", "protected");
  }
  return 4 + size;
}

function startsWith(data: Uint8Array, at: number, start: readonly number[]): boolean {
  return start.every((byte, place) => data[at + place] === byte);
}

// Encoded labels in bytewise order, which is the order that they must stand in.
const OPEN = [0x11];
const SEALED = [0x18, 0xab];
const RECEIPTS = [0x19, 0x01, 0x8a];
const POSITION = [0x3a, 0x00, 0x01, 0x00, 0x00];
const LABELS = new Map([OPEN, SEALED, RECEIPTS, POSITION].map((label) => [label[0], label]));

/** Walks over the header map; every form but the one of the CDDL is malformed. */
class HeaderReader {
  readonly #data: Uint8Array;
  at: number;

  constructor(data: Uint8Array, at: number) {
    this.#data = data;
    this.at = at;
  }

  header(): CardHeader {
    const count = this.#byte() - 0xa0;
    if (count < 0 || count > LABELS.size) throw malformed("the header is not a small map", "card_header");
    let opened: Uint8Array[] = [];
    let receipts: Uint8Array[] = [];
    let sealed: SealedDisclosure[] = [];
    let position: Position | undefined;
    let before = 0;
    for (let left = count; left > 0; left -= 1) {
      const first = this.#peek();
      const label = LABELS.get(first);
      if (!label || first <= before || !startsWith(this.#data, this.at, label)) {
        throw malformed("a label that may not stand there", "card_header");
      }
      before = first;
      this.at += label.length;
      if (label === OPEN) opened = this.#byteStrings();
      else if (label === POSITION) position = this.#position();
      else if (label === SEALED) sealed = this.#sealedList();
      else {
        receipts = this.#byteStrings();
        if (receipts.length > RECEIPTS_MAX) throw malformed("too many receipts", "receipts");
      }
    }
    return { opened, sealed, position, receipts };
  }

  #ended(): CodedError {
    return malformed("the bytes end within the header", "card_header");
  }

  #peek(offset = 0): number {
    const byte = this.#data[this.at + offset];
    if (byte === undefined) throw this.#ended();
    return byte;
  }

  #byte(): number {
    const byte = this.#peek();
    this.at += 1;
    return byte;
  }

  #position(): Position {
    if (this.#peek() !== 0x82) throw malformed("a position is an index and a path", "position");
    this.at += 1;
    const index = this.#uint();
    const path = this.#bytes();
    if (path.length !== CELL_PATH_SIZE || index > UINT53_MAX) {
      throw malformed("a position is an index and 128 bytes", "position");
    }
    return { index: Number(index), path };
  }

  #sealedList(): SealedDisclosure[] {
    const count = this.#arrayHead();
    const rows: SealedDisclosure[] = [];
    for (let left = count; left > 0; left -= 1) {
      if (this.#peek() !== 0x83) throw malformed("a sealed disclosure has three parts", "sealed");
      this.at += 1;
      rows.push({ nonce: this.#bytes(), ciphertext: this.#bytes(), tag: this.#bytes() });
    }
    for (const { nonce, ciphertext, tag } of rows) {
      if (nonce.length !== NONCE_BYTES || tag.length !== TAG_BYTES) {
        throw malformed("a nonce is 12 bytes and a tag 16", "sealed");
      }
      if (ciphertext.length < 1 || ciphertext.length > CIPHERTEXT_MAX_BYTES) {
        throw malformed("a sealed disclosure is empty or too long", "sealed");
      }
    }
    return rows;
  }

  #byteStrings(): Uint8Array[] {
    const count = this.#arrayHead();
    return Array.from({ length: count }, () => this.#bytes());
  }

  /** Read the head of an array of 1 to 64 items. */
  #arrayHead(): number {
    const count = this.#peek() - 0x80;
    if (count >= 1 && count < 24) {
      this.at += 1;
      return count;
    }
    const many = count === 24 ? this.#peek(1) : 0;
    if (many < 24 || many > DISCLOSURES_MAX) throw malformed("not an array of 1 to 64 items", "card_header");
    this.at += 2;
    return many;
  }

  /** Read a byte string with the shortest head. */
  #bytes(): Uint8Array {
    const first = this.#peek();
    let size: number;
    let head = 1;
    if (first >= 0x40 && first < 0x58) {
      size = first - 0x40;
    } else if (first === 0x58 && this.#peek(1) >= 24) {
      size = this.#peek(1);
      head = 2;
    } else if (first === 0x59 && this.#peek(1)) {
      size = this.#peek(1) * 256 + this.#peek(2);
      head = 3;
    } else {
      throw malformed("not a byte string in its shortest form", "card_header");
    }
    const start = this.at + head;
    if (start + size > this.#data.length) throw this.#ended();
    this.at = start + size;
    return this.#data.slice(start, this.at);
  }

  /** Read an unsigned integer in its shortest form. */
  #uint(): bigint {
    const first = this.#byte();
    if (first < 24) return BigInt(first);
    if (first > 27) throw malformed("not an unsigned integer", "card_header");
    const size = 1 << (first - 24);
    let value = 0n;
    for (let left = size; left > 0; left -= 1) value = (value << 8n) | BigInt(this.#byte());
    if (value < (size === 1 ? 24n : 1n << BigInt(4 * size))) {
      throw malformed("an integer is not in its shortest form", "card_header");
    }
    return value;
  }
}
