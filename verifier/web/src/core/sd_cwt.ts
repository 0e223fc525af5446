/**
 * Selective disclosure: restore and check the redacted claims of an SD-CWT (draft-ietf-spice-sd-cwt).
 *
 * The digest of each disclosure stands in the signed payload, under the map key `simple(59)` or as tag 60 in an
 * array; this module puts back what is disclosed and deletes the rest.
 */

import { isBytes, toHex } from "./bytes.ts";
import { CborMap, REDACTED_KEYS, Simple, Tag, type Value } from "./cbor.ts";
import { type ClaimKey, DIGEST_BYTES, type Disclosure, isClaimKey, parseDisclosure } from "./disclosure.ts";
import { CodedError, malformed } from "./errors.ts";

/** Levels of claims, as the draft counts them: the claims themselves are level 1. */
const MAX_LEVEL = 16;
const REDACTED_ELEMENT_TAG = 60;
const PRE_ISSUANCE_TAGS = new Set<number | bigint>([58, 62]);
/** iss, aud, exp, nbf, iat, cti, cnf, cnonce: always in clear at the top level. */
const NEVER_REDACTED = new Set<ClaimKey>([1, 3, 4, 5, 6, 7, 8, 39]);

/** What a token says once its disclosures are applied. */
export interface DisclosedClaims {
  /** The claims in clear and the disclosed ones; no digest is left. */
  readonly claims: CborMap;
  /** Digests of the disclosures given, in the order given. */
  readonly used: readonly Uint8Array[];
  /** Digests that were met and not opened (claims and decoys look alike). */
  readonly undisclosed: readonly Uint8Array[];
}

/**
 * Restore every disclosed claim, at any depth, and delete the digests that stay closed.
 *
 * The disclosures may come in any order, a child before its parent.
 *
 * Throws bad_disclosure for two equal disclosures, one without a digest in the claims, an element where a claim
 * belongs or the reverse, a claim whose key is there already, or one that must stand in clear; malformed for a
 * disclosure that does not parse, a map key that is not an integer, a text of 1 to 255 bytes or `simple(59)`,
 * digests that are not 32 bytes or stand twice, or claims nested deeper than 16 levels.
 */
export function applyDisclosures(payload: CborMap, disclosures: readonly Uint8Array[]): DisclosedClaims {
  const reveal = new Reveal(disclosures);
  return reveal.finish(reveal.map(payload, 1));
}

/** One walk over the claims: looks up each digest, descends into what it reveals, keeps count. */
class Reveal {
  readonly #order: readonly Disclosure[];
  readonly #parts: ReadonlyMap<string, Disclosure>;
  /** Digests met, in their order, and whether each was opened. */
  readonly #met = new Map<string, { readonly digest: Uint8Array; readonly isOpened: boolean }>();

  constructor(disclosures: readonly Uint8Array[]) {
    this.#order = disclosures.map(parseDisclosure);
    this.#parts = new Map(this.#order.map((part) => [toHex(part.digest), part]));
    if (this.#parts.size !== this.#order.length) throw badDisclosure("a disclosure stands twice");
  }

  finish(claims: CborMap): DisclosedClaims {
    const used = this.#order.map(({ digest }) => digest);
    if (used.some((digest) => !this.#met.has(toHex(digest)))) {
      throw badDisclosure("a disclosure has no digest in the signed claims");
    }
    const closed = [...this.#met.values()].filter(({ isOpened }) => !isOpened);
    return { claims, used, undisclosed: closed.map(({ digest }) => digest) };
  }

  /** Return the map whose contents are at `level`, with what is disclosed and without digests. */
  map(item: CborMap, level: number): CborMap {
    checkLevel(item.size, level);
    let digests: Value = [];
    const claims = new CborMap();
    for (const [key, value] of item.entries()) {
      if (key instanceof Simple && key.value === REDACTED_KEYS.value) digests = value;
      else if (isClaimKey(key)) claims.set(key, this.value(value, level));
      else throw malformed("a claim key is neither integer nor text", "claims");
    }
    if (!Array.isArray(digests)) throw malformed("simple(59) has no array of digests", "claims");
    for (const digest of digests) {
      const part = this.#lookUp(digest);
      if (!part || part.kind === "decoy") continue;
      const { key } = part;
      if (key === undefined) throw badDisclosure("an array element is disclosed where a claim belongs");
      const value = this.value(part.value, level);
      if (claims.has(key)) throw badDisclosure("a disclosed claim is there already");
      if (level === 1 && NEVER_REDACTED.has(key)) throw badDisclosure("a claim that must stand in clear is disclosed");
      claims.set(key, value);
    }
    return claims;
  }

  /** Return the array whose contents are at `level`; closed elements are left out. */
  #array(items: readonly Value[], level: number): Value[] {
    checkLevel(items.length, level);
    const result: Value[] = [];
    for (const item of items) {
      if (!(item instanceof Tag) || item.tag !== REDACTED_ELEMENT_TAG) {
        result.push(this.value(item, level));
        continue;
      }
      const part = this.#lookUp(item.value);
      if (part?.kind === "claim") throw badDisclosure("a claim is disclosed where an array element belongs");
      if (part?.kind === "element") result.push(this.value(part.value, level));
    }
    return result;
  }

  /** Return one item that itself stands at `level`. */
  value(item: Value, level: number): Value {
    if (item instanceof CborMap) return this.map(item, level + 1);
    if (Array.isArray(item)) return this.#array(item, level + 1);
    if (item instanceof Tag) {
      if (item.tag === REDACTED_ELEMENT_TAG || PRE_ISSUANCE_TAGS.has(item.tag)) {
        throw malformed("a tag of redaction stands where it must not", "claims");
      }
      checkLevel(1, level + 1);
      return new Tag(item.tag, this.value(item.value, level + 1));
    }
    return item;
  }

  #lookUp(digest: Value): Disclosure | undefined {
    if (!isBytes(digest) || digest.length !== DIGEST_BYTES) throw malformed("a digest is not 32 bytes", "claims");
    const name = toHex(digest);
    if (this.#met.has(name)) throw malformed("a digest stands twice", "claims");
    const part = this.#parts.get(name);
    this.#met.set(name, { digest, isOpened: part !== undefined });
    return part;
  }
}

function checkLevel(size: number, level: number): void {
  if (size && level > MAX_LEVEL) throw malformed("claims are nested deeper than 16 levels", "claims");
}

function badDisclosure(detail: string): CodedError {
  return new CodedError("bad_disclosure", detail, "disclosure");
}
