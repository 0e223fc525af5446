/**
 * Statements: the envelope that every entry shares, and the way from bytes to meaning (docs/protocol.md 3).
 *
 * A statement is a tagged COSE_Sign1 with an empty unprotected header, a SCITT Signed Statement.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { type Action, type Admission, parseAction, parseAdmission } from "./actions.ts";
import { decode, type Value } from "./cbor.ts";
import { type Charter, parseAccept, parseCharter } from "./charter.ts";
import { type CredentialClaims, MAX_CREDENTIAL_BYTES, parseClaims } from "./claims.ts";
import * as cose from "./cose.ts";
import { KINDS, type PublicKey } from "./cose_key.ts";
import { malformed, tooLarge, unsupported } from "./errors.ts";
import { parseBytes, parseMap, parseText } from "./fields.ts";
import { parseSeal, type Seal } from "./seal.ts";
import { parseStatusChange, type StatusChange } from "./status_change.ts";

export const MAX_ENTRY_BYTES = 65_535;
/** CoAP content format of application/sd-cwt. */
const CREDENTIAL_TYP = 293;
const SD_ALG_SHA256 = -16;
const SD_AEAD_AES_256_GCM = 2;
const TYP = /^application\/vnd\.safeconduct\.([a-z]+)\+cose$/;

/** The parsed payload, by kind. */
export type Body =
  | { readonly kind: "charter"; readonly charter: Charter }
  | { readonly kind: "accept"; readonly charterHash: Uint8Array }
  | { readonly kind: "govern"; readonly action: Action }
  | { readonly kind: "credential"; readonly claims: CredentialClaims }
  | { readonly kind: "status"; readonly change: StatusChange }
  | { readonly kind: "seal"; readonly seal: Seal }
  | { readonly kind: "application"; readonly admission: Admission };

const BODIES: ReadonlyMap<string, (value: Value) => Body> = new Map<string, (value: Value) => Body>([
  ["charter", (value) => ({ kind: "charter", charter: parseCharter(value) })],
  ["accept", (value) => ({ kind: "accept", charterHash: parseAccept(value) })],
  ["govern", (value) => ({ kind: "govern", action: parseAction(value) })],
  ["status", (value) => ({ kind: "status", change: parseStatusChange(value) })],
  ["seal", (value) => ({ kind: "seal", seal: parseSeal(value) })],
  ["application", (value) => ({ kind: "application", admission: parseAdmission(value) })],
]);
const OF_ENTRIES: ReadonlySet<string> = new Set(["charter", "accept", "govern", "status", "seal", "credential"]);
const OF_PROOFS: ReadonlySet<string> = new Set(["credential"]);

/** A parsed entry; its signature is not checked yet. */
export interface Statement {
  readonly body: Body;
  readonly iss: string;
  readonly sub: string;
  readonly kid: Uint8Array;
  readonly alg: Value;
  /** SHA-256 of the Sig_structure, the identity of the statement. */
  readonly statementId: Uint8Array;
  readonly entry: Uint8Array;
  readonly payload: Uint8Array;
  /** The Sig_structure: what is signed. */
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Return the statement that `entry` is.
 *
 * Throws too_large above the cap (4,096 bytes for a credential, 65,535 for others), unsupported for an unknown
 * typ, algorithm or version of the rules, place_taken for an admission with two equal keys, malformed for
 * everything else.
 */
export function parseStatement(entry: Uint8Array): Statement {
  return parseOneOf(entry, OF_ENTRIES);
}

/** Check the signature; throws as `PublicKey.verify`. */
export function checkStatement(statement: Statement, key: PublicKey): void {
  key.verify(statement.alg, statement.message, statement.signature);
}

function parseOneOf(entry: Uint8Array, kinds: ReadonlySet<string>): Statement {
  const sign1 = cose.parseSign1(entry, MAX_ENTRY_BYTES);
  const { payload, protectedBytes, signature } = sign1;
  if (sign1.unprotected.size || payload === null) {
    throw malformed("the unprotected header is not empty or the payload is missing", "entry");
  }
  const header = parseProtected(sign1, kinds);
  if (signature.length !== 64) throw malformed("not 64 bytes", "signature");
  const body = parseBody(header, entry, payload);
  const message = cose.sigStructure(protectedBytes, payload);
  const { kid, alg, iss, sub } = header;
  return { body, iss, sub, kid, alg, statementId: sha256(message), entry, payload, message, signature };
}

interface Header {
  readonly kind: string;
  readonly kid: Uint8Array;
  readonly alg: Value;
  readonly iss: string;
  readonly sub: string;
}

function parseProtected(sign1: cose.Sign1, kinds: ReadonlySet<string>): Header {
  const header = sign1.protected;
  const typ = header.get(cose.TYP);
  const kind = typ === CREDENTIAL_TYP ? "credential" : typeof typ === "string" ? TYP.exec(typ)?.[1] : undefined;
  // The text form of the name "credential" is no type of ours.
  if (kind === undefined || !kinds.has(kind) || (kind === "credential") !== (typ === CREDENTIAL_TYP)) {
    throw unsupported("not a type of statement of this version", "typ");
  }
  const extra: readonly (readonly [number, number])[] =
    kind === "credential"
      ? [[cose.SD_ALG, SD_ALG_SHA256], [cose.SD_AEAD, SD_AEAD_AES_256_GCM]]
      : [];
  const labels = [cose.ALG, cose.KID, cose.CWT_CLAIMS, cose.TYP, ...extra.map(([label]) => label)];
  if (header.size !== labels.length || !labels.every((label) => header.has(label))) {
    throw malformed("header parameters missing or unexpected", "protected");
  }
  const alg = header.get(cose.ALG);
  if (alg === undefined || !KINDS.has(alg)) throw unsupported("not an algorithm of this version", "alg");
  if (extra.some(([label, value]) => header.get(label) !== value)) {
    throw unsupported("another hash or AEAD algorithm", "protected");
  }
  const claims = parseMap(header.get(cose.CWT_CLAIMS), [1, 2], "protected");
  return {
    kind,
    kid: parseBytes(header.get(cose.KID), 8, "kid"),
    alg,
    iss: parseText(claims.get(1), 200, "iss"),
    sub: parseText(claims.get(2), 200, "sub"),
  };
}

function parseBody(header: Header, entry: Uint8Array, payload: Uint8Array): Body {
  if (header.kind === "credential") {
    if (entry.length > MAX_CREDENTIAL_BYTES) throw tooLarge(`more than ${MAX_CREDENTIAL_BYTES} bytes`, "entry");
    const claims = parseClaims(decode(payload, MAX_CREDENTIAL_BYTES));
    if (header.iss !== claims.iss || header.sub !== claims.sub) {
      throw malformed("iss or sub differ between header and payload", "claims");
    }
    return { kind: "credential", claims };
  }
  const body = BODIES.get(header.kind)!(decode(payload, MAX_ENTRY_BYTES));
  if (!fits(body, header.iss, header.sub)) throw malformed("iss or sub do not fit the body", "protected");
  return body;
}

/** Whether iss and sub repeat what the body says (table in docs/protocol.md section 3). */
function fits(body: Body, iss: string, sub: string): boolean {
  switch (body.kind) {
    case "charter":
      return iss === sub && sub === body.charter.origin;
    case "govern":
      return sub === body.action.subject;
    case "status": {
      const { uri, rows, proof } = body.change;
      if (!proof) return sub === uri;
      const proven = parseOneOf(proof.entry, OF_PROOFS).body;
      if (proven.kind !== "credential") return false;
      const { claims } = proven;
      return sub === uri && iss === claims.sub && claims.uri === uri && claims.idx === rows[0]?.idx;
    }
    case "seal":
      return iss === sub;
    default:
      return true;
  }
}
