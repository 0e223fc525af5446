/**
 * Charter and accept: how a ledger begins (docs/protocol.md section 3, docs/safeconduct.cddl).
 *
 * The charter is entry 0. Its leaf hash is the identity of the ledger, which stations pin.
 */

import { CborMap, type Value } from "./cbor.ts";
import { parseCoseKey, type PublicKey } from "./cose_key.ts";
import { toHex } from "./bytes.ts";
import { malformed, unsupported } from "./errors.ts";
import { parseArray, parseBytes, parseMap, parseOrigin, parseParty, parseText, parseUint } from "./fields.ts";
import { parsePolicy } from "./policy.ts";

/** The only version of the registry's rules. */
export const RULES = 1;
const ED25519_KEY_BYTES = 32;
const MLDSA44_KEY_BYTES = 1312;
const MAX_POLICY_BYTES = 32_768;
const MAX_EPOCH_MS = 86_400_000;

export interface Governor {
  readonly name: string;
  readonly key: PublicKey;
}
/** Raw Ed25519 and ML-DSA-44 public keys of the log. */
export type LogKeys = readonly [Uint8Array, Uint8Array];
/** vct -> number of digests and validity in days. */
export type Profiles = ReadonlyMap<string, readonly [number, number]>;

/** Body of the charter. */
export interface Charter {
  readonly origin: string;
  readonly logKeys: LogKeys;
  readonly serviceKey: PublicKey;
  readonly receiptsKey: PublicKey;
  readonly governors: readonly Governor[];
  readonly threshold: number;
  readonly witnessPolicy: string;
  readonly epochMs: number;
  readonly profiles: Profiles;
}

/**
 * Return the charter of a decoded body.
 *
 * Throws malformed for another form, equal names, one key with two roles, a threshold that is not
 * n/2 < k <= n - 1, or a policy that does not parse; unsupported for another version of the rules.
 */
export function parseCharter(value: Value): Charter {
  const body = parseMap(value, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "charter");
  if (parseUint(body.get(10), "charter.rules") !== RULES) {
    throw unsupported("rules of another version", "charter.rules");
  }
  const origin = parseOrigin(body.get(1), "charter.origin");
  const governors = parseGovernors(body.get(5), "charter.governors");
  if (governors.some(({ name }) => name === origin)) {
    throw malformed("a governor has the ledger's name", "charter.governors");
  }
  const receiptsKey = parseCoseKey(body.get(4));
  if (receiptsKey.kind !== "p256") throw malformed("the receipts key is not on P-256", "charter.receipts_key");
  const serviceKey = parseCoseKey(body.get(3));
  const roles = [serviceKey, receiptsKey, ...governors.map(({ key }) => key)];
  if (!areDifferent(roles.map(thumbprintOf))) throw malformed("one key has two roles", "charter");
  return {
    origin,
    logKeys: parseLogKeys(body.get(2), "charter.log_keys"),
    serviceKey,
    receiptsKey,
    governors,
    threshold: parseThreshold(body.get(6), governors.length, "charter.threshold"),
    witnessPolicy: parseWitnessPolicy(body.get(7), "charter.witness_policy"),
    epochMs: parseUint(body.get(8), "charter.epoch_ms", 1, MAX_EPOCH_MS),
    profiles: parseProfiles(body.get(9), "charter.profiles"),
  };
}

/** Return the leaf hash of the charter that a governor accepts. */
export function parseAccept(value: Value): Uint8Array {
  return parseBytes(parseMap(value, [1], "accept").get(1), 32, "accept.charter");
}

export function parseLogKeys(value: Value | undefined, field: string): LogKeys {
  const [first, second] = parseArray(value, 2, 2, field);
  return [parseBytes(first, ED25519_KEY_BYTES, field), parseBytes(second, MLDSA44_KEY_BYTES, field)];
}

/** Return 3 to 32 governors with different names and different keys. */
export function parseGovernors(value: Value | undefined, field: string): Governor[] {
  const governors = parseArray(value, 3, 32, field).map((item) => {
    const [name, key] = parseArray(item, 2, 2, field);
    return { name: parseParty(name, field), key: parseCoseKey(key) };
  });
  if (!areDifferent(governors.map(({ name }) => name))) throw malformed("two governors have one name", field);
  if (!areDifferent(governors.map(({ key }) => thumbprintOf(key)))) {
    throw malformed("two governors have one key", field);
  }
  return governors;
}

/** Return k with n/2 < k <= n - 1. */
export function parseThreshold(value: Value | undefined, governorCount: number, field: string): number {
  const threshold = parseUint(value, field);
  if (!isThreshold(threshold, governorCount)) {
    throw malformed("the threshold is not above half and below all of the governors", field);
  }
  return threshold;
}

export function isThreshold(threshold: number, governorCount: number): boolean {
  return 2 * threshold > governorCount && threshold <= governorCount - 1;
}

/** Return the text of a witness policy that parses (C2SP tlog-policy) and names no log. */
export function parseWitnessPolicy(value: Value | undefined, field: string): string {
  const text = parseText(value, MAX_POLICY_BYTES, field);
  if (parsePolicy(text).logs.length) throw malformed("the policy names a log; the charter does", field);
  return text;
}

export function parseProfiles(value: Value | undefined, field: string): Profiles {
  if (!(value instanceof CborMap) || value.size < 1 || value.size > 16) {
    throw malformed("not a map of 1 to 16 profiles", field);
  }
  const profiles = new Map<string, readonly [number, number]>();
  for (const [vct, numbers] of value.entries()) {
    const [digests, days] = parseArray(numbers, 2, 2, field);
    const pair = [parseUint(digests, field, 1, 32), parseUint(days, field, 1, 7300)] as const;
    profiles.set(parseText(vct, 64, field), pair);
  }
  return profiles;
}

function thumbprintOf(key: PublicKey): string {
  return toHex(key.thumbprint);
}

function areDifferent(texts: readonly string[]): boolean {
  return new Set(texts).size === texts.length;
}
