/**
 * Key binding: a phone proves that it holds the key of the credential that it shows (draft-ietf-spice-sd-cwt).
 *
 * A COSE_Sign1 by the key in the credential's `cnf`, typ 294, with the whole credential and its chosen disclosures in
 * protected header 13, and the claims aud, iat or cti, and cnonce (docs/protocol.md section 10, "Key binding").
 */

import { equal, isBytes } from "./bytes.ts";
import { CborMap, decode, encode, type Key, REDACTED_KEYS, Simple, Tag, type Value } from "./cbor.ts";
import * as cose from "./cose.ts";
import { isInteger, parseCoseKey, type PublicKey } from "./cose_key.ts";
import { CodedError, malformed, unsupported } from "./errors.ts";

const TYPS_KBT: ReadonlySet<unknown> = new Set([294, "application/kb+cwt"]);
const TYPS_SD_CWT: ReadonlySet<unknown> = new Set([293, "application/sd-cwt"]);
const KBT_MAX_BYTES = 8192;
const MAX_AGE_S = 300;
const CLOCK_SKEW_S = 60;
const ISS = 1;
const SUB = 2;
const AUD = 3;
const EXP = 4;
const NBF = 5;
const IAT = 6;
const CTI = 7;
const CNF = 8;
const CNONCE = 39;

type Seconds = number | bigint | undefined;

/**
 * Return if a token binds its credential to this station, now.
 *
 * `cnonce` is the nonce that the station gave out, `nowS` its time where its clock can be right.
 *
 * Throws bad_key_binding where the signature does not verify under `cnf`, it is for another station, answers another
 * nonce or none, is not fresh, or its times contradict each other or the credential's; malformed, too_large or
 * unsupported for another form, algorithm or key.
 */
export function checkKeyBinding(
  data: Uint8Array,
  expectedAud: string,
  cnonce: Uint8Array | undefined,
  nowS: number | undefined,
): void {
  const outer = parseOuter(data);
  const inner = parseInner(outer);
  const innerClaims = parseTokenClaims(inner);
  checkHolderSignature(outer, confirmationKey(innerClaims));
  const claims = parseTokenClaims(outer);
  if (outer.protected.has(cose.CWT_CLAIMS) || claims.has(ISS) || claims.has(SUB)) {
    throw badBinding("a key binding has no issuer or subject of its own");
  }
  checkAudience(claims, innerClaims, expectedAud);
  checkTimes(innerClaims, claims);
  checkFresh(claims, cnonce, nowS);
}

/** Return the credential inside a key binding token, tagged, in its one form. Nothing is verified. */
export function boundCredential(data: Uint8Array): Uint8Array {
  return cose.formatSign1(parseInner(parseOuter(data)));
}

function parseOuter(data: Uint8Array): cose.Sign1 {
  const outer = cose.parseSign1(data, KBT_MAX_BYTES);
  if (!TYPS_KBT.has(outer.protected.get(cose.TYP))) throw unsupported("not a key binding token", "typ");
  return outer;
}

function parseInner(outer: cose.Sign1): cose.Sign1 {
  const tag = outer.protected.get(cose.KCWT);
  if (!(tag instanceof Tag)) throw malformed("header 13 holds no credential", "kcwt");
  const inner = cose.parseSign1(encode(tag), KBT_MAX_BYTES);
  if (!TYPS_SD_CWT.has(inner.protected.get(cose.TYP))) throw unsupported("header 13 holds no SD-CWT", "kcwt");
  return inner;
}

function parseTokenClaims({ payload }: cose.Sign1): CborMap {
  const claims = decode(payload ?? new Uint8Array(), KBT_MAX_BYTES, "claims");
  if (!(claims instanceof CborMap) || !claims.keys().every(isLabel)) {
    throw malformed("the claims are not a map of labels", "claims");
  }
  return claims;
}

function isLabel(key: Key): boolean {
  return typeof key === "string" || isInteger(key) || (key instanceof Simple && key.value === REDACTED_KEYS.value);
}

function confirmationKey(claims: CborMap): PublicKey {
  const cnf = claims.get(CNF);
  if (!(cnf instanceof CborMap) || cnf.size !== 1 || !cnf.has(1)) throw malformed("cnf is not exactly one key", "cnf");
  return parseCoseKey(cnf.get(1));
}

function checkHolderSignature(outer: cose.Sign1, key: PublicKey): void {
  try {
    cose.checkSignature(outer, key);
  } catch (error) {
    if (error instanceof CodedError && error.code === "bad_signature") {
      throw badBinding("the key binding is not signed by the holder's key");
    }
    throw error;
  }
}

function checkAudience(claims: CborMap, inner: CborMap, expectedAud: string): void {
  const aud = claims.get(AUD);
  if (typeof aud !== "string") throw malformed("a key binding names its audience", "aud");
  if (aud !== expectedAud || (inner.get(AUD) ?? (inner.has(AUD) ? null : expectedAud)) !== expectedAud) {
    throw badBinding("the key binding is for someone else", "aud");
  }
}

/** Check the relations of step 6 of the draft between the times of credential and token. */
function checkTimes(inner: CborMap, claims: CborMap): void {
  const [exp, nbf, iat] = [seconds(inner, EXP), seconds(inner, NBF), seconds(inner, IAT)];
  const [tokenExp, tokenNbf, tokenIat] = [seconds(claims, EXP), seconds(claims, NBF), seconds(claims, IAT)];
  if (tokenIat === undefined && !isBytes(claims.get(CTI))) throw badBinding("a key binding has iat or cti", "iat");
  if (tokenIat === undefined && (tokenExp !== undefined || tokenNbf !== undefined)) {
    throw badBinding("a key binding without iat has no other time", "iat");
  }
  const inOrder =
    atMost(tokenNbf, tokenIat) &&
    before(tokenIat, tokenExp) &&
    atMost(nbf, iat) &&
    before(iat, exp) &&
    before(nbf, exp) &&
    atMost(tokenExp, exp) &&
    atMost(nbf, tokenNbf) &&
    atMost(iat, tokenIat) &&
    before(tokenNbf, exp) &&
    before(tokenIat, exp) &&
    atMost(nbf, tokenIat);
  if (!inOrder) throw badBinding("the times of key binding and credential contradict each other", "iat");
}

function checkFresh(claims: CborMap, cnonce: Uint8Array | undefined, nowS: number | undefined): void {
  const answered = claims.get(CNONCE) ?? undefined;
  if (answered !== undefined && !isBytes(answered)) throw malformed("a nonce is a byte string", "cnonce");
  const iat = seconds(claims, IAT);
  if (nowS !== undefined) {
    const [exp, nbf] = [seconds(claims, EXP), seconds(claims, NBF)];
    if (!before(nowS, exp) || !atMost(nbf, nowS + CLOCK_SKEW_S)) {
      throw badBinding("the key binding is not in force now", "exp");
    }
  }
  if (cnonce !== undefined) {
    if (answered === undefined || !equal(answered, cnonce)) {
      throw badBinding("the key binding does not answer this station's nonce", "cnonce");
    }
    return;
  }
  if (nowS === undefined || iat === undefined) {
    throw badBinding("without a nonce a trusted clock and iat are needed", "cnonce");
  }
  if (nowS - MAX_AGE_S > iat || iat > nowS + CLOCK_SKEW_S) throw badBinding("the key binding is not fresh", "iat");
}

/** Return a time of the claims, undefined where it is missing or null. */
function seconds(claims: CborMap, label: number): Seconds {
  const value: Value | undefined = claims.get(label) ?? undefined;
  if (value === undefined || isInteger(value)) return value;
  throw malformed("a time is not a finite number", "claims");
}

function before(earlier: Seconds, later: Seconds): boolean {
  return earlier === undefined || later === undefined || earlier < later;
}

function atMost(earlier: Seconds, later: Seconds): boolean {
  return earlier === undefined || later === undefined || earlier <= later;
}

function badBinding(detail: string, field = "key_binding"): CodedError {
  return new CodedError("bad_key_binding", detail, field);
}
