/**
 * The claims of a credential, as the ledger sees them (docs/protocol.md section 6, docs/safeconduct.cddl).
 *
 * An attestation has exactly these claims in clear; everything about the person is behind digests.
 */

import { compare } from "./bytes.ts";
import { CborMap, REDACTED_KEYS, type Value } from "./cbor.ts";
import { malformed } from "./errors.ts";
import {
  parseArray,
  parseBytes,
  parseListUri,
  parseMap,
  parseParty,
  parseSubject,
  parseText,
  parseUint,
  PLACES,
} from "./fields.ts";

export const CLAIM_STATUS = 65535;
export const MAX_CREDENTIAL_BYTES = 4096;
const MAX_DIGESTS = 32;
const IN_CLEAR = [1, 2, 4, 6, 8, 11, CLAIM_STATUS];

/** Payload of a credential; times in seconds, `cnf` the holder's raw Ed25519 public key. */
export interface CredentialClaims {
  readonly iss: string;
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly cnf: Uint8Array;
  readonly vct: string;
  readonly uri: string;
  readonly idx: number;
  /** Digests of the disclosures, rising bytewise. */
  readonly digests: readonly Uint8Array[];
}

/** Return the claims of a decoded payload; throws malformed for any other form than the one of the CDDL. */
export function parseClaims(value: Value): CredentialClaims {
  if (!(value instanceof CborMap)) throw malformed("not a map", "claims");
  const redacted = value.get(REDACTED_KEYS);
  if (!IN_CLEAR.every((label) => value.has(label)) || value.size !== 8 || !Array.isArray(redacted)) {
    throw malformed("claims missing or unexpected", "claims");
  }
  const digests = parseArray(redacted, 1, MAX_DIGESTS, "claims.digests").map((item) =>
    parseBytes(item, 32, "claims.digests"),
  );
  if (digests.some((digest, place) => place > 0 && compare(digests[place - 1]!, digest) >= 0)) {
    throw malformed("digests do not rise", "claims.digests");
  }
  const { uri, idx } = parseStatus(value.get(CLAIM_STATUS));
  return {
    iss: parseParty(value.get(1), "claims.iss"),
    sub: parseSubject(value.get(2), "claims.sub"),
    iat: parseUint(value.get(6), "claims.iat"),
    exp: parseUint(value.get(4), "claims.exp"),
    cnf: parseCnf(value.get(8)),
    vct: parseText(value.get(11), 64, "claims.vct"),
    uri,
    idx,
    digests,
  };
}

function parseStatus(value: Value | undefined): { uri: string; idx: number } {
  const place = value instanceof CborMap && value.size === 1 ? value.get("status_list") : undefined;
  if (!(place instanceof CborMap) || place.size !== 2 || !place.has("idx") || !place.has("uri")) {
    throw malformed("not a status list reference", "claims.status");
  }
  const uri = parseListUri(place.get("uri"), "claims.status.uri");
  return { uri, idx: parseUint(place.get("idx"), "claims.status.idx", 0, PLACES - 1) };
}

function parseCnf(value: Value | undefined): Uint8Array {
  const outer = parseMap(value, [1], "claims.cnf");
  const key = parseMap(outer.get(1), [1, -1, -2], "claims.cnf");
  if (key.get(1) !== 1 || key.get(-1) !== 6) throw malformed("not exactly one Ed25519 key", "claims.cnf");
  return parseBytes(key.get(-2), 32, "claims.cnf");
}
