/**
 * Govern actions: what k of n governors decide (docs/protocol.md section 3, docs/safeconduct.cddl).
 *
 * An action is a list of verbs on one subject, all of them or none. A govern statement is one governor's
 * approval of one action; approvals with equal payload bytes belong together.
 */

import { compare, encodeUtf8, toHex } from "./bytes.ts";
import type { Value } from "./cbor.ts";
import { parseCoseKey, type PublicKey } from "./cose_key.ts";
import { CodedError, malformed } from "./errors.ts";
import { parseArray, parseBytes, parseMap, parseOrigin, parseParty, parseText, parseTitle, parseUint } from "./fields.ts";
import { isBridged, type LedgerVerb, parseLedgerVerb } from "./ledger_verbs.ts";

const KID_BYTES = 8;
/** Keys of one issuer, active or not. */
export const MAX_KEYS = 32;
/** How many arguments the verb of a number has. */
const ARGUMENTS = [0, 1, 1, 0, 0, 1, 1, 2, 1, 1, 2, 1, 1, 1, 2, 1, 1, 2];

/** What an issuer may sign: types, credentials in 24 clock hours, status lists open side by side. */
export interface Scope {
  readonly vcts: readonly string[];
  readonly rate: number;
  readonly desks: number;
}

/** What an issuer applies with. */
export interface Admission {
  readonly authority: string;
  readonly title: string;
  readonly keys: readonly PublicKey[];
  readonly scope: Scope;
}

/** Verbs 1 to 9: admit, change, suspend, reinstate, add, retire, distrust, confirm, refuse. */
export type IssuerVerb =
  | { readonly code: 1; readonly admission: Admission }
  | {
      readonly code: 2;
      readonly authority: string | undefined;
      readonly title: string | undefined;
      readonly scope: Scope | undefined;
    }
  | { readonly code: 3 }
  | { readonly code: 4 }
  | { readonly code: 5; readonly key: PublicKey }
  | { readonly code: 6; readonly kid: Uint8Array }
  | { readonly code: 7; readonly kid: Uint8Array; readonly fromIndex: number }
  | { readonly code: 8 | 9; readonly index: number };

export type Verb = IssuerVerb | LedgerVerb;

/** One action; `notAfter` in seconds since 1970. */
export interface Action {
  readonly subject: string;
  readonly counter: number;
  readonly notAfter: number;
  readonly verbs: readonly Verb[];
  /** Whether a verifier crosses it only by a checkpoint under the keys and the witnesses before it. */
  readonly isBridged: boolean;
}

export function isLedgerVerb(verb: Verb): verb is LedgerVerb {
  return verb.code >= 10;
}

/** Return the action of a decoded body; throws malformed for another form than that of the CDDL. */
export function parseAction(value: Value): Action {
  const body = parseMap(value, [1, 2, 3, 4], "action");
  const subject = parseOrigin(body.get(1), "action.subject");
  const counter = parseUint(body.get(2), "action.counter");
  const notAfter = parseUint(body.get(3), "action.not_after");
  const verbs = parseArray(body.get(4), 1, 16, "action.verbs").map(parseVerb);
  return { subject, counter, notAfter, verbs, isBridged: verbs.some(({ code }) => isBridged(code)) };
}

function parseVerb(value: Value): Verb {
  const item = parseArray(value, 1, 3, "action.verb");
  const code = parseUint(item[0], "action.verb", 1, 17);
  if (item.length !== 1 + ARGUMENTS[code]!) {
    throw malformed("a verb with the wrong number of arguments", "action.verb");
  }
  return code < 10 ? parseIssuerVerb(code, item) : parseLedgerVerb(code, item.slice(1));
}

function parseIssuerVerb(code: number, [, first, second]: readonly Value[]): IssuerVerb {
  switch (code) {
    case 1:
      return { code, admission: parseAdmission(first) };
    case 2:
      return parseChange(first);
    case 3:
    case 4:
      return { code };
    case 5:
      return { code, key: parseCoseKey(first) };
    case 6:
      return { code, kid: parseBytes(first, KID_BYTES, "verb.kid") };
    case 7: {
      const kid = parseBytes(first, KID_BYTES, "verb.kid");
      return { code, kid, fromIndex: parseUint(second, "verb.from_index") };
    }
    default:
      return { code: code === 8 ? 8 : 9, index: parseUint(first, "verb.index") };
  }
}

/** Return an admission with 1 to 8 keys; throws place_taken for two with one kid. */
export function parseAdmission(value: Value | undefined): Admission {
  const body = parseMap(value, [1, 2, 3, 4], "admission");
  const keys = parseArray(body.get(3), 1, 8, "admission.keys").map(parseCoseKey);
  if (new Set(keys.map((key) => toHex(key.kid))).size !== keys.length) {
    throw new CodedError("place_taken", "two keys with one kid", "admission.keys");
  }
  return {
    authority: parseParty(body.get(1), "admission.authority"),
    title: parseTitle(body.get(2), "admission.title"),
    keys,
    scope: parseScope(body.get(4)),
  };
}

function parseScope(value: Value | undefined): Scope {
  const body = parseMap(value, [1, 2, 3], "scope");
  const vcts = parseArray(body.get(1), 1, 16, "scope.vcts").map((item) => parseText(item, 64, "scope.vcts"));
  const encoded = vcts.map(encodeUtf8);
  if (encoded.some((vct, place) => place > 0 && compare(encoded[place - 1]!, vct) >= 0)) {
    throw malformed("not sorted, or one stands twice", "scope.vcts");
  }
  return {
    vcts,
    rate: parseUint(body.get(2), "scope.rate"),
    desks: parseUint(body.get(3), "scope.desks", 1, 1024),
  };
}

function parseChange(value: Value | undefined): IssuerVerb {
  const body = parseMap(value, [], "change", [1, 2, 4]);
  if (body.size === 0) throw malformed("changes nothing", "change");
  return {
    code: 2,
    authority: body.has(1) ? parseParty(body.get(1), "change.authority") : undefined,
    title: body.has(2) ? parseTitle(body.get(2), "change.title") : undefined,
    scope: body.has(4) ? parseScope(body.get(4)) : undefined,
  };
}
